//! Memory that a worker read into, kept for what it reads next.
//!
//! What was read is written from where it is, so its memory is free again only when that is done. A handle is kept
//! until then: memory that is still in use when it is asked for is left to its user, and new memory taken.

use std::{cell::RefCell, collections::VecDeque};

use bytes::BytesMut;

/// Handles of one size that a worker keeps.
const MAX_KEPT: usize = 16;

/// Memory of one size.
#[derive(Debug)]
pub(super) struct Spare {
    size: usize,
    kept: RefCell<VecDeque<BytesMut>>,
}

impl Spare {
    pub(super) const fn new(size: usize) -> Self {
        Self {
            size,
            kept: RefCell::new(VecDeque::new()),
        }
    }

    /// Empty memory of its size.
    pub(super) fn take(&self) -> BytesMut {
        let mut memory = self.kept.borrow_mut().pop_front().unwrap_or_default();
        memory.clear();
        memory.reserve(self.size);
        memory
    }

    /// Keeps memory of its size.
    pub(super) fn give(&self, memory: BytesMut) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < MAX_KEPT {
            kept.push_back(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_once_nobody_reads_it() {
        let spare = Spare::new(1000);
        let mut memory = spare.take();
        let address = memory.as_ptr();
        memory.extend_from_slice(&[b'x'; 1000]);
        let part = memory.split().freeze();
        spare.give(memory);
        let other = spare.take();
        assert!(
            other.as_ptr() != address && other.capacity() >= 1000,
            "it is still read"
        );
        assert!(part.iter().all(|byte| *byte == b'x'));
        let mut memory = other;
        let address = memory.as_ptr();
        memory.extend_from_slice(b"y");
        drop(memory.split());
        spare.give(memory);
        assert_eq!(spare.take().as_ptr(), address);
    }

    #[test]
    fn a_worker_keeps_a_few_and_no_more() {
        let spare = Spare::new(10);
        for _ in 0..2 * MAX_KEPT {
            spare.give(BytesMut::new());
        }
        assert_eq!(spare.kept.borrow().len(), MAX_KEPT);
    }
}
