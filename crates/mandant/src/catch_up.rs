//! Brings the store up to the end of the journal where no process serves: after a kill the last records are in the
//! journal alone, and no command may show or change books that lack them.
//!
//! The journal is only read. Opening it would make this process its last writer, and hide from the next start that the
//! machine had lost its power.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use journal::Position;
use store::{Record, Store, StoreError};

use crate::failure::Failure;

/// The folder of the journal in the data folder.
const FOLDER_NAME: &str = "journal";
/// Most records of one transaction.
const BATCH_RECORDS_MAX: usize = 10_000;

/// Where the journal of a data folder is.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER_NAME)
}

/// Whether the journal has records that the store does not have.
///
/// # Errors
/// When one of the two cannot be read.
pub(crate) fn is_behind(store: &Store) -> Result<bool, Failure> {
    let mut records = 0_u64;
    read(store, &mut |_, _, _| records += 1)?;
    Ok(records > 0)
}

/// Applies what the journal has and the store has not. The caller has claimed the data folder, so that nobody writes.
///
/// # Errors
/// When the journal cannot be read, or the store refuses.
pub(crate) fn run(store: &Store) -> Result<(), Failure> {
    // The store must never know more than the journal, also when the power goes now.
    sync(&folder(store.data_dir()))?;
    let mut batch = Batch { store, records: Vec::new(), reached: Position::START, failed: None };
    read(store, &mut |position, kind, payload| batch.add(position, kind, payload))?;
    batch.apply();
    match batch.failed {
        None => Ok(()),
        Some(error) => Err(Failure::other(format!("the journal cannot be applied to the store: {error}"))),
    }
}

struct Batch<'a> {
    store: &'a Store,
    records: Vec<Record>,
    reached: Position,
    /// The first failure; nothing is applied after it.
    failed: Option<StoreError>,
}

impl Batch<'_> {
    fn add(&mut self, position: Position, kind: u8, payload: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        match Record::decode(kind, payload) {
            Ok(record) => self.records.push(record),
            Err(error) => self.failed = Some(error),
        }
        self.reached = position;
        if self.records.len() >= BATCH_RECORDS_MAX {
            self.apply();
        }
    }

    fn apply(&mut self) {
        if self.failed.is_none() && !self.records.is_empty() {
            let records = core::mem::take(&mut self.records);
            self.failed = self.store.apply_records(records, self.reached.get()).err();
        }
    }
}

fn read(store: &Store, visit: &mut dyn FnMut(Position, u8, &[u8])) -> Result<(), Failure> {
    let folder = folder(store.data_dir());
    let applied = store.applied().context("the store cannot be read")?;
    // A data folder that never served has none.
    if !folder.exists() && applied == 0 {
        return Ok(());
    }
    match journal::read_folder(&folder, Position::new(applied), visit) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::other(format!(
            "the journal in {} cannot be read: {error}. 'mandant verify' shows everything that is wrong.",
            folder.display()
        ))),
    }
}

/// Makes everything in the folder durable.
fn sync(folder: &Path) -> Result<(), Failure> {
    if !folder.exists() {
        return Ok(());
    }
    let synced = std::fs::read_dir(folder).and_then(|entries| {
        for entry in entries {
            File::open(entry?.path())?.sync_data()?;
        }
        File::open(folder)?.sync_all()
    });
    synced.with_context(|| format!("{} cannot be made durable", folder.display())).map_err(Failure::from)
}
