//! Memory that answers may take, of the process and of each tenant: taken before it is used, and given back by dropping.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be taken.
pub(super) struct Budget {
    taken: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Arc<Budget> {
        Arc::new(Budget { taken: AtomicUsize::new(0), max })
    }

    fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Bytes taken from the budgets of the process and of a tenant.
pub(crate) struct Space {
    bytes: usize,
    of: [Arc<Budget>; 2],
}

impl Space {
    pub(super) fn new(of: [Arc<Budget>; 2]) -> Space {
        Space { bytes: 0, of }
    }

    /// Takes more, from both or from neither.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let [process, tenant] = &self.of;
        if !tenant.take(bytes) {
            return false;
        }
        if !process.take(bytes) {
            tenant.give_back(bytes);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        for budget in &self.of {
            budget.give_back(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_from_both_or_neither_and_comes_back() {
        let (process, small, large) = (Budget::new(10), Budget::new(4), Budget::new(20));
        let mut first = Space::new([process.clone(), small.clone()]);
        assert!(first.grow(3) && !first.grow(2) && first.grow(1), "a tenant's share");
        let mut second = Space::new([process.clone(), large.clone()]);
        assert!(!second.grow(7) && second.grow(6) && !second.grow(1), "the process's");
        assert_eq!((process.taken(), small.taken(), large.taken()), (10, 4, 6));
        drop((first, second));
        assert_eq!((process.taken(), small.taken(), large.taken()), (0, 0, 0));
    }
}
