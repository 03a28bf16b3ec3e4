//! The position of a blocking query in the history of the one who answers.

/// The index that the next query sends. 0 asks for an answer at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Index {
    /// What the next query sends.
    next: u64,
    /// The last one seen, kept over failures: only this tells that the history began anew.
    seen: u64,
    /// The answer before was behind.
    doubted: bool,
}

/// What the index of an answer says of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// It went on.
    Onward,
    /// A server lags behind the one that answered before, or the history went back: the next answer tells which.
    /// This one is to be left alone.
    Behind,
    /// It went back: it was restored from an older state, or lost its own.
    Back,
}

impl Index {
    /// Nothing seen yet.
    pub const START: Self = Self {
        next: 0,
        seen: 0,
        doubted: false,
    };

    /// The value to send.
    pub fn value(self) -> u64 {
        self.next
    }

    /// The last one seen; 0 before the first.
    pub fn seen(self) -> u64 {
        self.seen
    }

    /// After a failure: ask for the whole at once. With an index that a restarted server has not reached yet, the
    /// query would sleep to its end.
    #[must_use]
    pub fn from_anew(self) -> Self {
        Self { next: 0, ..self }
    }

    /// After an answer that carried `index`. `stale` if any server may have given it, also one that lags: then a
    /// lower index says nothing before the second in a row.
    #[must_use]
    pub fn after(self, index: u64, stale: bool) -> (Self, History) {
        // 0 would not block: a busy loop.
        let index = index.max(1);
        let (history, next, seen) = if index >= self.seen {
            (History::Onward, index, index)
        } else if stale && !self.doubted {
            (History::Behind, 0, self.seen)
        } else {
            (History::Back, 0, index)
        };
        let doubted = history == History::Behind;
        (Self { next, seen, doubted }, history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index after `answers`, and what the last of them said.
    fn after(answers: &[u64], stale: bool) -> (Index, History) {
        let step = |(index, _): (Index, History), answer: &u64| index.after(*answer, stale);
        answers.iter().fold((Index::START, History::Onward), step)
    }

    #[test]
    fn an_index_is_taken_as_it_comes() {
        assert_eq!(after(&[42], false).0.value(), 42);
    }

    #[test]
    fn an_index_that_goes_back_starts_anew() {
        let (index, history) = after(&[42, 11], false);
        assert_eq!((index.value(), history), (0, History::Back));
        let (index, history) = after(&[42, 11, 11], false);
        assert_eq!((index.value(), history), (11, History::Onward));
    }

    #[test]
    fn one_answer_of_a_server_that_lags_says_nothing_and_two_in_a_row_do() {
        let (index, history) = after(&[42, 40], true);
        assert_eq!((index.value(), history), (0, History::Behind));
        let (index, history) = after(&[42, 40, 43], true);
        assert_eq!((index.value(), history), (43, History::Onward));
        assert_eq!(after(&[42, 40, 43, 42], true).1, History::Behind);
        assert_eq!(after(&[42, 40, 41], true).1, History::Back);
    }

    #[test]
    fn index_zero_counts_as_one() {
        assert_eq!(after(&[0], false).0.value(), 1);
    }

    #[test]
    fn a_failure_asks_anew_and_forgets_nothing() {
        let index = after(&[42], false).0.from_anew();
        assert_eq!(index.value(), 0);
        assert_eq!(index.after(11, false).1, History::Back);
    }
}
