//! Values to types.
//!
//! A decoding runs until a value fails, notes the problem, and runs again without that value, until nothing new
//! goes wrong: so one look shows all problems. What fails only because a part of it was left out says nothing.

mod access;
mod decoder;
mod failure;
mod scalar;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use figment::value::Value;
use serde::de::DeserializeOwned;

use super::{KeyPath, Lists, Merged};
use crate::origin::Problem;
use decoder::Decoder;
pub(super) use failure::Failure;
pub(crate) use scalar::flag;

/// Runs after which a decoding gives up looking for more problems.
const MAX_RUNS: usize = 500;

/// What became of a decoding.
pub(crate) struct Decoded<T> {
    /// What the parts say that can be read; `None` where they are too few.
    pub(crate) readable: Option<T>,
    /// What is wrong with the others.
    pub(crate) problems: Vec<Problem>,
    /// Unknown keys of tolerant layers, by their places.
    pub(crate) left_out: Vec<(String, Problem)>,
}

impl<T> Decoded<T> {
    /// Of what was read otherwise.
    pub(crate) fn of(result: Result<T, Vec<Problem>>) -> Self {
        let (readable, problems) = match result {
            Ok(value) => (Some(value), Vec::new()),
            Err(problems) => (None, problems),
        };
        Self {
            readable,
            problems,
            left_out: Vec::new(),
        }
    }

    /// The whole, or what is wrong with it.
    pub(crate) fn whole(self) -> Result<T, Vec<Problem>> {
        match self.readable {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }
}

/// Decodes `value`, which lies at `path`.
pub(super) fn decode<T: DeserializeOwned>(
    merged: &Merged,
    value: &Value,
    path: &KeyPath<'_>,
    lists: Lists,
) -> Decoded<T> {
    let context = Context {
        merged,
        lists,
        secret: Cell::default(),
        notes: RefCell::default(),
    };
    let mut value_of_last_run = None;
    for _ in 0..MAX_RUNS {
        let known = context.notes.borrow().size();
        let decoder = Decoder::new(value, path, &context);
        value_of_last_run = decoder.settle(T::deserialize(decoder)).ok();
        if value_of_last_run.is_some() || context.notes.borrow().size() == known {
            break;
        }
    }
    let notes = context.notes.into_inner();
    Decoded {
        readable: value_of_last_run,
        problems: notes.problems,
        left_out: notes.left_out,
    }
}

/// What all decoders of one decoding share.
struct Context<'a> {
    merged: &'a Merged,
    lists: Lists,
    /// The value at hand went into a [`Secret`](crate::Secret), so no message may quote it.
    secret: Cell<bool>,
    notes: RefCell<Notes>,
}

/// What the runs so far found, by place.
#[derive(Default)]
struct Notes {
    problems: Vec<Problem>,
    left_out: Vec<(String, Problem)>,
    /// Values that the next run passes over.
    broken: BTreeSet<String>,
    /// Optional blocks that are switched off.
    absent: BTreeSet<String>,
}

impl Notes {
    fn size(&self) -> usize {
        self.broken.len() + self.absent.len()
    }

    /// True if something within the value at `place` is passed over.
    fn is_broken_inside(&self, place: &str) -> bool {
        if place.is_empty() {
            return !self.broken.is_empty();
        }
        let inside = format!("{place}.");
        let mut following = self.broken.range(inside.clone()..);
        following.next().is_some_and(|path| path.starts_with(&inside))
    }
}

impl Context<'_> {
    /// Notes that the value at `path` cannot be used.
    fn note(&self, value: &Value, path: &KeyPath<'_>, message: String, help: Option<String>) {
        let place = path.place();
        let mut notes = self.notes.borrow_mut();
        let consequence = notes.is_broken_inside(&place);
        if !notes.broken.insert(place.clone()) || consequence {
            return;
        }
        let origin = self.merged.origin(value, &place);
        let mut problem = Problem::new(origin, path.to_string(), message);
        problem.help = help;
        notes.problems.push(problem);
    }

    /// Notes a key that the type does not have.
    fn note_unknown(&self, value: &Value, path: &KeyPath<'_>, help: String) {
        if !self.merged.is_tolerated(value) {
            return self.note(value, path, "unknown key".to_owned(), Some(help));
        }
        let place = path.place();
        let mut notes = self.notes.borrow_mut();
        if notes.broken.insert(place.clone()) {
            let origin = self.merged.origin(value, &place);
            let problem = Problem::new(origin, path.to_string(), "unknown key").with_help(help);
            notes.left_out.push((place, problem));
        }
    }

    fn is_broken(&self, path: &KeyPath<'_>) -> bool {
        path.is_in(&self.notes.borrow().broken)
    }

    fn is_absent(&self, path: &KeyPath<'_>) -> bool {
        path.is_in(&self.notes.borrow().absent)
    }

    fn switch_off(&self, path: &KeyPath<'_>) {
        self.notes.borrow_mut().absent.insert(path.place());
    }
}

/// `rule, service`. A spelling that differs from one before it in nothing but its letters' case is only accepted.
pub(crate) fn listed(known: &[&str]) -> String {
    let mut listed: Vec<&str> = Vec::with_capacity(known.len());
    for name in known {
        if !listed.iter().any(|before| before.eq_ignore_ascii_case(name)) {
            listed.push(name);
        }
    }
    listed.join(", ")
}

/// `did you mean "rule"? known: …`
pub(crate) fn suggestion(found: &str, known: &[&str]) -> String {
    let found = found.to_ascii_lowercase();
    let nearest = known
        .iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&found, &name.to_ascii_lowercase()),
                name,
            )
        })
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    let all = listed(known);
    match nearest {
        Some((_, name)) => format!("did you mean {name}? known: {all}"),
        None if known.is_empty() => "it takes no settings".to_owned(),
        None => format!("known: {all}"),
    }
}
