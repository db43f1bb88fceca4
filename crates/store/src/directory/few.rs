//! A map for the many who have one entry or two: a sorted list without spare room while it is short.

/// Entries in the order of their keys.
pub(super) struct Few<K, V>(Vec<(K, V)>);

/// Up to here the list grows by one; beyond, as lists grow.
const EXACT_MAX: usize = 4;

impl<K, V> Default for Few<K, V> {
    fn default() -> Few<K, V> {
        Few(Vec::new())
    }
}

impl<K: Ord, V> Few<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let place = self.0.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        Some(&self.0[place].1)
    }

    /// Puts an entry in, or takes it out.
    pub(super) fn set(&mut self, key: K, value: Option<V>) {
        match (self.0.binary_search_by(|(known, _)| known.cmp(&key)), value) {
            (Ok(place), Some(value)) => self.0[place].1 = value,
            (Ok(place), None) => drop(self.0.remove(place)),
            (Err(place), Some(value)) => {
                if self.0.len() < EXACT_MAX {
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, (key, value));
            }
            (Err(_), None) => {}
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_map() {
        let (mut few, mut map) = (Few::default(), BTreeMap::new());
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2_000 {
            let (key, value) = (random.u8(..40), random.bool().then(|| random.u32(..)));
            few.set(key, value);
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
            assert_eq!(few.get(&key), map.get(&key));
            assert!(few.iter().map(|(key, value)| (key, value)).eq(map.iter()));
        }
    }
}
