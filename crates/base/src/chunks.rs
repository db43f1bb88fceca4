//! A list that grows without moving what it has, and without room for twice as much: for what there is much of.

use core::ops::{Index, IndexMut};

/// Entries of one block; a power of two.
const BLOCK: usize = 32;

/// A list in blocks.
#[derive(Debug, Clone)]
pub struct Chunks<T> {
    blocks: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Chunks<T> {
        Chunks { blocks: Vec::new() }
    }
}

impl<T> Chunks<T> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Puts an entry at the end.
    pub fn push(&mut self, entry: T) {
        match self.blocks.last_mut().filter(|last| last.len() < BLOCK) {
            Some(last) => last.push(entry),
            None => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(entry);
                self.blocks.push(block);
            }
        }
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }

    /// All entries in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.blocks.iter_mut().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: usize) -> &T {
        &self.blocks[place / BLOCK][place % BLOCK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, place: usize) -> &mut T {
        &mut self.blocks[place / BLOCK][place % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list() {
        let mut chunks = Chunks::default();
        assert!(chunks.is_empty());
        for number in 0..3 * BLOCK + 1 {
            assert_eq!(chunks.len(), number);
            chunks.push(number);
            chunks[number] += 1;
        }
        assert_eq!(chunks[BLOCK], BLOCK + 1);
        chunks.iter_mut().for_each(|entry| *entry -= 1);
        assert!(chunks.iter().copied().eq(0..3 * BLOCK + 1));
    }
}
