//! Whether the entries are what was written: every row against the hash chain, every sum against its rows.
//!
//! The chain is not keyed: whoever can write the file and knows the program can make another chain. A hash of the last
//! block kept elsewhere tells the two apart.

mod chained;
mod listed;
mod replay;
mod states;

use std::collections::{BTreeSet, HashMap};

use rusqlite::Connection;

use super::chain::Digest;
use super::rollups::Rollups;
use crate::archive::Archives;
use crate::{Store, StoreError, database};

/// Doubts that are told; a damaged dictionary puts every row in doubt, and nobody reads more.
const DOUBTS_MAX: usize = 1_000;
/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 10_000;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// In which table.
    pub table: &'static str,
    /// Which row, by its key.
    pub row: String,
    /// What is wrong with it.
    pub what: String,
}

impl core::fmt::Display for Doubt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}: {}", self.table, self.row, self.what)
    }
}

/// One verification under way.
struct Check<'a> {
    view: &'a Connection,
    progress: &'a mut dyn FnMut(u64, u64),
    done: u64,
    total: u64,
    doubts: Vec<Doubt>,
    /// Names by number, and numbers by name.
    names: HashMap<i64, String>,
    numbers: HashMap<String, i64>,
    /// The hashes of each block's rows: usage, resolutions, credits.
    contents: [HashMap<i64, Digest>; 3],
    /// The sums that the rows make.
    sums: Rollups,
    /// Attempts of which nobody knows the cost.
    unknown: BTreeSet<i64>,
    /// The newest epoch of any attempt.
    epoch: i64,
    /// A file of the archive is missing: what it would be needed for is left out.
    is_incomplete: bool,
}

impl Check<'_> {
    fn doubt(&mut self, table: &'static str, row: impl ToString, what: impl Into<String>) {
        if self.doubts.len() < DOUBTS_MAX {
            self.doubts.push(Doubt { table, row: row.to_string(), what: what.into() });
        }
    }

    /// Counts a row.
    fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_ROWS) {
            (self.progress)(self.done, self.total.max(self.done));
        }
    }
}

impl Store {
    /// Compares everything that is stored of usage, holds, leases and credits with the hash chain, and the sums with
    /// their rows, those of the archive among them. Empty when all is as it was written. `progress` is told rows done and rows in all; writing goes on
    /// meanwhile.
    ///
    /// # Errors
    /// When the database cannot be read at all.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Doubt>, StoreError> {
        let mut connection = database::open_reader(self.data_dir())?;
        let view = connection.transaction()?;
        let archives = Archives::open(&view, self.data_dir())?;
        let total: Option<f64> = view.query_row("SELECT total(usages) FROM block", [], |row| row.get(0))?;
        let mut check = Check {
            view: &view,
            progress,
            done: 0,
            total: total.unwrap_or_default() as u64,
            doubts: Vec::new(),
            names: HashMap::new(),
            numbers: HashMap::new(),
            contents: Default::default(),
            sums: Rollups::default(),
            unknown: BTreeSet::new(),
            epoch: 0,
            is_incomplete: !archives.missing.is_empty(),
        };
        for file in &archives.missing {
            check.doubt(
                "archive",
                file,
                "the file cannot be opened: the blocks of its rows, and the sums, are not compared",
            );
        }
        check.names()?;
        check.usages(&archives)?;
        check.lists()?;
        check.resolutions()?;
        check.credits()?;
        let head = check.blocks()?;
        check.holds(&head)?;
        check.leases(&head)?;
        check.counters(&head)?;
        if !check.is_incomplete {
            check.rollups()?;
            check.end_users()?;
        }
        (check.progress)(check.done, check.done);
        Ok(check.doubts)
    }
}
