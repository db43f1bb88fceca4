//! What belongs to which row: sorted lists, since rows are many and looked up only when one changes.

/// Things by the number of their row.
pub(super) struct ByRow<T> {
    /// Rising. Beside the things, so that no room is lost between them.
    numbers: Vec<u32>,
    things: Vec<T>,
}

/// Both lists grow by one of so many parts of themselves.
const SPARE_PARTS: usize = 16;

impl<T> Default for ByRow<T> {
    fn default() -> ByRow<T> {
        ByRow { numbers: Vec::new(), things: Vec::new() }
    }
}

/// Rows are numbered as they come, and each that is here has an account, of which there are fewer.
fn short(number: i64) -> u32 {
    u32::try_from(number).expect("rows are fewer than 2^32")
}

impl<T> ByRow<T> {
    fn find(&self, number: i64) -> Result<usize, usize> {
        self.numbers.binary_search(&short(number))
    }

    pub(super) fn get(&self, number: i64) -> Option<&T> {
        self.find(number).ok().map(|place| &self.things[place])
    }

    /// Puts a thing in; says what was there before. New rows mostly have the highest number.
    pub(super) fn insert(&mut self, number: i64, thing: T) -> Option<T> {
        match self.find(number) {
            Ok(place) => Some(core::mem::replace(&mut self.things[place], thing)),
            Err(place) => {
                if self.numbers.len() == self.numbers.capacity() {
                    self.numbers.reserve_exact(self.numbers.len() / SPARE_PARTS + 1);
                }
                if self.things.len() == self.things.capacity() {
                    self.things.reserve_exact(self.things.len() / SPARE_PARTS + 1);
                }
                self.numbers.insert(place, short(number));
                self.things.insert(place, thing);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn it_is_a_map() {
        let (mut by_row, mut map) = (ByRow::default(), HashMap::new());
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..2_000 {
            let (number, thing) = (random.i64(1..500), random.u32(..));
            assert_eq!(by_row.get(number), map.get(&number));
            assert_eq!(by_row.insert(number, thing), map.insert(number, thing));
        }
    }
}
