//! Bytes of memory and the right to use some of them.
//!
//! A pipeline must own a [`Permit`] before it reads; the permit travels in the batch and gives its bytes back when
//! it is dropped, delivered or not. **Invariant**: the bytes of all living permits of a budget never exceed its
//! size. There is no counter to keep in step: ownership is the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A pipeline's share of the memory limit. Cheap to clone; clones share the bytes.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<AtomicUsize>,
    size: usize,
}

impl Budget {
    /// A budget of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(size)), size }
    }

    /// The right to use `bytes`, or `None` while others hold too many. Never waits.
    pub fn try_acquire(&self, bytes: usize) -> Option<Permit> {
        self.free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes))
            .ok()
            .map(|_| Permit { free: Arc::clone(&self.free), bytes })
    }

    /// All bytes of the budget.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The bytes that permits hold at the moment.
    pub fn held(&self) -> usize {
        self.size - self.free.load(Ordering::Acquire)
    }
}

/// The right to use some bytes of a [`Budget`], until dropped.
#[derive(Debug)]
pub struct Permit {
    free: Arc<AtomicUsize>,
    bytes: usize,
}

impl Permit {
    /// How many bytes it stands for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_gives_its_bytes_back_when_dropped() {
        let budget = Budget::new(10);
        let first = budget.try_acquire(6);
        assert!(first.is_some());
        assert!(budget.try_acquire(5).is_none());
        let second = budget.try_acquire(4);
        assert_eq!(budget.held(), 10);
        drop(first);
        assert_eq!(budget.held(), 4);
        drop(second);
        assert_eq!(budget.held(), 0);
        assert!(budget.try_acquire(11).is_none());
    }
}
