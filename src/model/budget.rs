//! Bytes of memory and the right to use some of them.
//!
//! A pipeline must own a [`Permit`] before it reads; the permit travels in the batch and gives its bytes back when
//! it is dropped, delivered or not. **Invariant**: the bytes of all living permits of a budget never exceed its
//! size. There is no counter to keep in step: ownership is the count.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// A pipeline's share of the memory limit. Cheap to clone; clones share the bytes.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    /// Below zero where the budget became smaller than what permits hold.
    free: AtomicIsize,
    size: AtomicUsize,
}

impl Budget {
    /// A budget of `size` bytes.
    pub fn new(size: usize) -> Self {
        Self(Arc::new(Bytes { free: AtomicIsize::new(signed(size)), size: AtomicUsize::new(size) }))
    }

    /// The right to use `bytes`, or `None` while others hold too many. Never waits.
    pub fn try_acquire(&self, bytes: usize) -> Option<Permit> {
        let take = |free: isize| free.checked_sub(signed(bytes)).filter(|left| *left >= 0);
        let taken = self.0.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.ok().map(|_| Permit { of: Arc::clone(&self.0), bytes })
    }

    /// Gives it another size. Permits that are out stay valid; of a smaller budget no new one is had until enough came back.
    pub fn resize(&self, size: usize) {
        let before = self.0.size.swap(size, Ordering::AcqRel);
        self.0.free.fetch_add(signed(size) - signed(before), Ordering::AcqRel);
    }

    /// All bytes of the budget.
    pub fn size(&self) -> usize {
        self.0.size.load(Ordering::Acquire)
    }

    /// The bytes that permits hold at the moment.
    pub fn held(&self) -> usize {
        let held = signed(self.size()) - self.0.free.load(Ordering::Acquire);
        usize::try_from(held).unwrap_or(0)
    }
}

/// A number of bytes that memory has room for.
fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

/// The right to use some bytes of a [`Budget`], until dropped.
#[derive(Debug)]
pub struct Permit {
    of: Arc<Bytes>,
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
        self.of.free.fetch_add(signed(self.bytes), Ordering::AcqRel);
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

    #[test]
    fn a_smaller_budget_waits_for_what_is_out() {
        let budget = Budget::new(10);
        let out = budget.try_acquire(8);
        budget.resize(6);
        assert_eq!((budget.size(), budget.held()), (6, 8));
        assert!(budget.try_acquire(1).is_none());
        drop(out);
        assert_eq!(budget.held(), 0);
        assert!(budget.try_acquire(7).is_none());
        let all = budget.try_acquire(6);
        budget.resize(20);
        assert_eq!((budget.held(), budget.try_acquire(14).is_some()), (6, true));
        drop(all);
    }
}
