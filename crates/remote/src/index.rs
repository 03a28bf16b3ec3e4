//! The position of a blocking query in the history of the one who answers.

/// The index that the next query sends. 0 asks for an answer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Index {
    /// What the next query sends.
    next: u64,
    /// The last one seen, kept over failures: only this tells that the history began anew.
    seen: u64,
}

impl Index {
    /// Nothing seen yet.
    pub const START: Self = Self { next: 0, seen: 0 };

    /// The value to send.
    pub fn value(self) -> u64 {
        self.next
    }

    /// After a failure: ask for the whole at once. With an index that a restarted server has not reached yet, the
    /// query would sleep to its end.
    #[must_use]
    pub fn from_anew(self) -> Self {
        Self { next: 0, ..self }
    }

    /// After an answer that carried `index`, and whether the history went back: it was restored from an
    /// older state, or lost its own.
    pub fn after(self, index: u64) -> (Self, bool) {
        // 0 would not block: a busy loop.
        let index = index.max(1);
        let back = index < self.seen;
        let next = if back { 0 } else { index };
        (Self { next, seen: index }, back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_taken_as_it_comes() {
        assert_eq!(Index::START.after(42).0.value(), 42);
    }

    #[test]
    fn an_index_that_goes_back_starts_anew() {
        let (index, back) = Index::START.after(42).0.after(11);
        assert!(back);
        assert_eq!(index.value(), 0);
        let (index, back) = index.after(11);
        assert!(!back);
        assert_eq!(index.value(), 11);
    }

    #[test]
    fn index_zero_counts_as_one() {
        assert_eq!(Index::START.after(0).0.value(), 1);
    }

    #[test]
    fn a_failure_asks_anew_and_forgets_nothing() {
        let index = Index::START.after(42).0.from_anew();
        assert_eq!(index.value(), 0);
        assert!(index.after(11).1);
    }
}
