//! What changed between what a stage made and what it is asked for now.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use mesh_config::{Entry, QualifiedName};

/// Names of objects to make, and of objects to forget.
#[derive(Debug)]
pub(super) struct Difference {
    /// New ones, and those that may not be kept.
    pub(super) stale: Vec<QualifiedName>,
    /// Those that nobody defines any more.
    pub(super) gone: Vec<QualifiedName>,
}

impl Difference {
    /// Compares in one pass; both sides are in order of names.
    pub(super) fn new<C, T>(
        known: &BTreeMap<QualifiedName, C>,
        definitions: &BTreeMap<QualifiedName, Arc<Entry<T>>>,
        may_stay: impl Fn(&C, &Arc<Entry<T>>) -> bool,
    ) -> Self {
        let (mut stale, mut gone) = (Vec::new(), Vec::new());
        let (mut known, mut definitions) = (known.iter().peekable(), definitions.iter().peekable());
        loop {
            let order = match (known.peek(), definitions.peek()) {
                (Some((known, _)), Some((defined, _))) => known.cmp(defined),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return Self { stale, gone },
            };
            let before = known.next_if(|_| order.is_le());
            let now = definitions.next_if(|_| order.is_ge());
            match (before, now) {
                (Some((_, before)), Some((_, now))) if may_stay(before, now) => {}
                (_, Some((name, _))) => stale.push(name.clone()),
                (Some((name, _)), None) => gone.push(name.clone()),
                (None, None) => return Self { stale, gone },
            }
        }
    }

    /// True when everything stays.
    pub(super) fn is_empty(&self) -> bool {
        self.stale.is_empty() && self.gone.is_empty()
    }
}
