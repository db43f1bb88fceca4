//! A sorted list for the many who have one entry: that one needs no memory of its own.

use core::cmp::Ordering;

/// Entries in an order that whoever asks brings along.
#[derive(Default)]
pub(super) enum Few<T> {
    #[default]
    None,
    One(T),
    #[expect(clippy::box_collection, reason = "most have one, and shall pay for no more than that")]
    Many(Box<Vec<T>>),
}

impl<T> Few<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(one) => core::slice::from_ref(one),
            Few::Many(many) => many,
        }
    }

    /// The entry that compares as equal.
    pub(super) fn get(&self, compare: impl Fn(&T) -> Ordering) -> Option<&T> {
        let entries = self.as_slice();
        entries.binary_search_by(compare).ok().map(|place| &entries[place])
    }

    /// Puts an entry in the place of the one that compares as equal, or takes that out.
    pub(super) fn set(&mut self, compare: impl Fn(&T) -> Ordering, value: Option<T>) {
        let place = self.as_slice().binary_search_by(compare);
        let mut entries = match core::mem::take(self) {
            Few::None => Vec::new(),
            Few::One(one) => vec![one],
            Few::Many(many) => *many,
        };
        match (place, value) {
            (Ok(place), Some(value)) => entries[place] = value,
            (Ok(place), None) => drop(entries.remove(place)),
            (Err(place), Some(value)) => entries.insert(place, value),
            (Err(_), None) => {}
        }
        *self = match entries.len() {
            0 => Few::None,
            1 => entries.pop().map_or(Few::None, Few::One),
            _ => Few::Many(Box::new(entries)),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_a_map() {
        let mut random = fastrand::Rng::with_seed(3);
        for most in [2, 40] {
            let (mut few, mut map) = (Few::default(), BTreeMap::new());
            for _ in 0..2_000 {
                let (key, value) = (random.u8(..most), random.bool().then(|| random.u32(..)));
                let compare = |(known, _): &(u8, u32)| known.cmp(&key);
                few.set(compare, value.map(|value| (key, value)));
                match value {
                    Some(value) => drop(map.insert(key, value)),
                    None => drop(map.remove(&key)),
                }
                assert_eq!(few.get(compare).map(|(_, value)| value), map.get(&key));
                assert!(few.as_slice().iter().map(|(key, value)| (key, value)).eq(map.iter()));
            }
        }
    }
}
