//! The blocks in their order: each with its rows, and with the block before.

use std::collections::HashMap;

use blake3::Hasher;
use rusqlite::{CachedStatement, OptionalExtension};

use super::Check;
use crate::StoreError;
use crate::entries::chain::{self, Block, Canonical, Digest, Head};

/// The tables whose rows belong to blocks, in the order of their hashes.
const TABLES: [&str; 3] = ["usage", "resolution", "credit"];

/// Hashes rows into the blocks that they belong to. A block is closed with its last row, so that only few are open.
pub(super) struct Contents<'a> {
    expected: CachedStatement<'a>,
    open: HashMap<i64, (Hasher, i64, i64)>,
    closed: HashMap<i64, Digest>,
}

impl<'a> Contents<'a> {
    /// For the rows of one table, whose number each block has in `column`.
    pub(super) fn new(view: &'a rusqlite::Connection, column: &str) -> Result<Contents<'a>, StoreError> {
        let expected = view.prepare_cached(&format!("SELECT {column} FROM block WHERE number = ?1"))?;
        Ok(Contents { expected, open: HashMap::new(), closed: HashMap::new() })
    }

    /// Adds the next row, in the order of keys. Says what is wrong with its block, if anything is.
    pub(super) fn add(&mut self, block: i64, row: &Canonical) -> Result<Option<&'static str>, StoreError> {
        if !self.open.contains_key(&block) {
            if self.closed.contains_key(&block) {
                return Ok(Some("its block has more rows than were written"));
            }
            let expected: Option<i64> = self.expected.query_row([block], |row| row.get(0)).optional()?;
            let Some(expected) = expected else { return Ok(Some("its block is missing")) };
            self.open.insert(block, (Hasher::new(), 0, expected));
        }
        let Some((hasher, rows, expected)) = self.open.get_mut(&block) else { return Ok(None) };
        hasher.update(row.bytes());
        *rows += 1;
        if *rows == *expected {
            let digest = *hasher.finalize().as_bytes();
            self.open.remove(&block);
            self.closed.insert(block, digest);
        }
        Ok(None)
    }
}

impl Check<'_> {
    /// Keeps the hashes of one table's rows, and tells which blocks have too few or too many.
    pub(super) fn gather(&mut self, place: usize, contents: Contents<'_>) {
        self.contents[place] = contents.closed;
        let usages_are_missing = place == 0 && self.is_incomplete;
        for (block, (_, rows, expected)) in contents.open.into_iter().filter(|_| !usages_are_missing) {
            let what = format!("it has {rows} rows of {}, and {expected} were written", TABLES[place]);
            self.doubt("block", block, what);
        }
    }

    /// Reads the dictionary.
    pub(super) fn names(&mut self) -> Result<(), StoreError> {
        let mut statement = self.view.prepare_cached("SELECT number, text FROM name ORDER BY number")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let text = String::from_utf8_lossy(row.get_ref(1)?.as_bytes().unwrap_or_default()).into_owned();
            self.numbers.insert(text.clone(), number);
            self.names.insert(number, text);
        }
        Ok(())
    }

    /// Goes through the chain; returns its last block.
    pub(super) fn blocks(&mut self) -> Result<Head, StoreError> {
        let sql = format!("SELECT {} FROM block ORDER BY number", chain::COLUMNS);
        let mut statement = self.view.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut head = Head::NONE;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let Ok((block, hash)) = Block::read(row) else {
                self.doubt("block", number, "it cannot be read");
                continue;
            };
            if number != head.number + 1 {
                self.doubt("block", number, format!("the block before it is missing: the last was {}", head.number));
            }
            if block.hash(&head.hash) != hash {
                self.doubt("block", number, "its hash is not that of the row and the block before");
            }
            self.content(&block, &head);
            head = Head::of(&block, hash);
        }
        let beyond: Vec<i64> =
            self.names.keys().copied().filter(|number| *number > head.names || *number < 1).collect();
        for number in beyond {
            self.doubt("name", number, "no block has it");
        }
        Ok(head)
    }

    /// Compares the rows of a block with what was written.
    fn content(&mut self, block: &Block, head: &Head) {
        let is_missing = self.is_incomplete && block.usages > 0 && !self.contents[0].contains_key(&block.number);
        let mut tables = [*blake3::hash(&[]).as_bytes(); 4];
        for (table, contents) in tables.iter_mut().zip(&mut self.contents) {
            if let Some(found) = contents.remove(&block.number) {
                *table = found;
            }
        }
        let mut names = Canonical::default();
        for number in head.names.saturating_add(1)..=block.names.min(head.names.saturating_add(self.names.len() as i64))
        {
            let text = self.names.get(&number).map(String::as_bytes);
            crate::entries::rows::canonical_name(&mut names, number, text.unwrap_or_default());
        }
        tables[3] = names.digest();
        if !is_missing && chain::content_of(&tables) != block.content {
            self.doubt("block", block.number, "its rows are not those that were written");
        }
    }
}
