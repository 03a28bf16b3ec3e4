//! Memory that a worker read into, kept for what it reads next.
//!
//! What was read is written from where it is, so its memory is free again only when that is done. A handle is kept
//! until then. Of memory that is free that comes first which was used last: it is still in the processor's cache.

use std::cell::RefCell;

use bytes::BytesMut;

/// Handles of one size that a worker keeps.
const MAX_KEPT: usize = 16;

/// Memory of one size.
#[derive(Debug)]
pub(super) struct Spare {
    size: usize,
    kept: RefCell<Vec<BytesMut>>,
}

impl Spare {
    pub(super) const fn new(size: usize) -> Self {
        Self {
            size,
            kept: RefCell::new(Vec::new()),
        }
    }

    /// Empty memory of its size.
    pub(super) fn take(&self) -> BytesMut {
        let mut kept = self.kept.borrow_mut();
        let free = kept.iter_mut().rposition(|memory| {
            memory.clear();
            memory.try_reclaim(self.size)
        });
        match free {
            Some(at) => kept.remove(at),
            None => BytesMut::with_capacity(self.size),
        }
    }

    /// Keeps memory of its size.
    pub(super) fn give(&self, memory: BytesMut) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < MAX_KEPT {
            kept.push(memory);
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
    fn the_memory_used_last_is_used_first() {
        let spare = Spare::new(1000);
        let (one, two, in_use) = (spare.take(), spare.take(), spare.take());
        let address = two.as_ptr();
        let mut in_use = in_use;
        in_use.extend_from_slice(b"x");
        let _part = in_use.split();
        for memory in [one, two, in_use] {
            spare.give(memory);
        }
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
