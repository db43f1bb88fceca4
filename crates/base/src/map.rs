//! Maps keyed by our own small numbers: [`AccountMap`] and the cheap hasher behind it.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use crate::AccountIndex;

/// Accounts in one path at most: tenant, nested projects, key.
pub const PATH_LEVELS_MAX: usize = 8;

/// A map keyed by account. Account indices are sparse within one shard, hence no plain vector.
pub type AccountMap<V> = HashMap<AccountIndex, V, NumberHashing>;

/// Builds [`NumberHasher`]s.
pub type NumberHashing = BuildHasherDefault<NumberHasher>;

/// Mixes integers with one multiplication each.
///
/// Only for keys that we number ourselves (accounts, attempts): a client who chose them could make them collide.
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio's bits. The upper bits of the low half depend on all of the input, its lower bits keep
        // neighbours apart; the high half is folded in for large inputs. A hash map looks at both ends.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use core::hash::BuildHasher;
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbours_do_not_collide() {
        let hashing = NumberHashing::default();
        let hashes: Vec<u64> = (0..10_000).map(|number| hashing.hash_one(AccountIndex(number))).collect();
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 48).collect();
        // 10,000 balls in 65,536 bins fill about 9,270 of them when thrown at random.
        assert!(low.len() > 9_000, "{} low halves", low.len());
        assert!(high.len() > 9_000, "{} high halves", high.len());
    }
}
