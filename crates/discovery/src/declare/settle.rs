//! One definition out of what several instances say.

use std::sync::Arc;

use mesh_config::{Origin, Problem, SetAside, fragment::Declared};

use super::complete::Claim;

/// How many instances a message names.
const NAMED: usize = 3;

/// What one instance says about one object. A slice of them is sorted by authority, the strongest first.
#[derive(Debug)]
pub(super) struct Voice<'a, T> {
    /// Who says it.
    pub(super) who: &'a Origin,
    /// What it says.
    pub(super) claim: &'a Claim<T>,
    /// It is on its way out: it stands in while nobody else speaks, and disagrees with nobody.
    pub(super) leaving: bool,
}

/// What was agreed on.
#[derive(Debug)]
pub(super) struct Settled<T> {
    /// The definition, unless there never was a good one.
    pub(super) declared: Option<Declared<T>>,
    /// Why a stronger voice was not heard, and who disagrees.
    pub(super) problems: Vec<Problem>,
    /// What that voice says.
    pub(super) set_aside: Option<Arc<SetAside>>,
}

/// Takes the strongest good definition, else the one that held until now.
///
/// `same` says whether two definitions mean the same; `key` names the object in messages.
pub(super) fn settle<T: Clone>(
    key: &str,
    voices: &[Voice<'_, T>],
    previous: Option<&Declared<T>>,
    same: impl Fn(&T, &T) -> bool,
) -> Settled<T> {
    let good = || {
        voices
            .iter()
            .filter_map(|voice| voice.claim.as_ref().ok().map(|declared| (voice, declared)))
    };
    let mut problems = Vec::new();
    let mut broken = voices.iter().filter(|voice| !voice.leaving);
    let set_aside = broken.find_map(|voice| voice.claim.as_ref().err()).cloned();
    problems.extend(set_aside.as_ref().map(|object| object.problem.clone()));
    let Some((strongest, winner)) = good().next() else {
        return Settled {
            declared: previous.cloned(),
            problems,
            set_aside,
        };
    };
    let dissenters: Vec<_> = good()
        .filter(|(voice, declared)| {
            !voice.leaving && !strongest.leaving && !same(&declared.value, &winner.value)
        })
        .map(|(voice, _)| voice.who)
        .collect();
    if !dissenters.is_empty() {
        problems.push(disagreement(key, strongest.who, &dissenters));
    }
    // While the meaning stays, so does the place it was read at: a copy that comes or goes changes nothing.
    let kept = previous.filter(|previous| {
        same(&previous.value, &winner.value)
            && good().any(|(voice, declared)| {
                voice.leaving == strongest.leaving
                    && declared.origin == previous.origin
                    && same(&declared.value, &winner.value)
            })
    });
    Settled {
        declared: Some(kept.unwrap_or(winner).clone()),
        problems,
        set_aside,
    }
}

fn disagreement(key: &str, owner: &Origin, dissenters: &[&Origin]) -> Problem {
    let named: Vec<_> = dissenters
        .iter()
        .take(NAMED)
        .map(|origin| origin.as_str())
        .collect();
    let more = match dissenters.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Problem::new(
        owner.clone(),
        key,
        format!(
            "defined differently by {}{more}; this definition holds",
            named.join(", ")
        ),
    )
    .with_help("expected during a rolling deploy; otherwise give all copies of the service the same labels")
}
