//! The order of routers: without a priority it is the length of the rule, which a translation changes.

use super::{
    set::{Judged, Outcome, option},
    words,
};

const VARIABLES: &str =
    "write its priority first: the length of this rule, by which it is in order, depends on variables";
const NO_ROOM: &str = "write its priority first: no label can be added here, and the rule's length changes";
const ZERO: &str = "0 stands for the length of the rule as it was, which is written";

/// Gives every router whose rule was rewritten the priority that it had by the length of the old rule.
pub(super) fn keep(judged: &mut [Judged]) {
    for at in 0..judged.len() {
        let Some((router, old, new)) = judged.get(at).and_then(rewritten) else {
            continue;
        };
        let priority = format!("http.routers.{router}.priority");
        if judged
            .iter()
            .any(|one| is_key(one, &priority) && one.found.value.trim().parse() != Ok(0_i64))
        {
            continue;
        }
        for one in judged.iter_mut().filter(|one| is_key(one, &priority)) {
            if matches!(one.outcome, Outcome::Translated(_)) {
                one.outcome = Outcome::LeftOut;
                ZERO.clone_into(&mut one.note);
            }
        }
        let Some(one) = judged.get_mut(at) else { continue };
        let wrong = if old.len() == new.len() {
            continue;
        } else if words::has_variable(&old) {
            VARIABLES
        } else if !one.found.has_room(2) {
            NO_ROOM
        } else {
            let name = one.found.key.split('.').nth(3).unwrap_or_default();
            let label = (
                format!("mesh.http.routers.{name}.priority"),
                old.len().to_string(),
            );
            if let Outcome::Translated(labels) | Outcome::Closed(labels) = &mut one.outcome {
                labels.push(label);
            }
            continue;
        };
        // A closed router may take more than it did, but not less.
        if matches!(one.outcome, Outcome::Closed(_)) && new.len() > old.len() {
            continue;
        }
        one.outcome = Outcome::Refused;
        wrong.clone_into(&mut one.note);
    }
}

/// The router, the old and the new rule of a label that has no priority yet.
fn rewritten(one: &Judged) -> Option<(String, String, String)> {
    let (Outcome::Translated(labels) | Outcome::Closed(labels)) = &one.outcome else {
        return None;
    };
    let [(_, new)] = labels.as_slice() else {
        return None;
    };
    let is_rule = !one.found.is_ours() && option(&one.found.key).as_deref() == Some("rule");
    (is_rule && *new != one.found.value).then(|| {
        let router = one
            .found
            .key
            .split('.')
            .nth(3)
            .unwrap_or_default()
            .to_ascii_lowercase();
        (router, one.found.value.clone(), new.clone())
    })
}

fn is_key(one: &Judged, path: &str) -> bool {
    let own = one.found.key.split_once('.').map_or("", |(_, path)| path);
    own.eq_ignore_ascii_case(path)
}
