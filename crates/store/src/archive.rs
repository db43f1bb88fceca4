//! Old rows of usage leave the database for files of their own, one a month, so that neither the database nor a query
//! grows with the years. What they sum up to stays where it is.
//!
//! A row is durable in its file before it leaves the database; a step that ends between the two leaves it in both, which
//! whoever reads takes for one row. Attempts of which nobody knew the cost stay: their end may change yet.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};

use base::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags, Row, params};

use crate::entries::{lists, unsealed};
use crate::journaled::decode_usage;
use crate::{Ending, Store, StoreError, data_dir};

/// The folder of the files, in the data directory.
const FOLDER: &str = "archive";
/// Attempts are in the order of their ids, which is that of time but for steps of the wall clock.
const CLOCK_STEP_MICROS_MAX: i64 = 3_600_000_000;
/// Rows of one source that are in memory.
const PAGE_ROWS: i64 = 1_000;
/// How long a statement waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS usage (
        attempt INTEGER PRIMARY KEY, block INTEGER NOT NULL, tenant INTEGER NOT NULL, record BLOB NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS usage_by_tenant ON usage (attempt >> 14, tenant);";

/// A row of usage as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageRow {
    pub(crate) attempt: i64,
    pub(crate) block: i64,
    pub(crate) tenant: i64,
    pub(crate) sealed: Vec<u8>,
}

impl UsageRow {
    fn read(row: &Row<'_>) -> Result<UsageRow, StoreError> {
        let sealed = row.get_ref(3)?.as_bytes().unwrap_or_default().to_vec();
        Ok(UsageRow { attempt: row.get(0)?, block: row.get(1)?, tenant: row.get(2)?, sealed })
    }
}

impl Store {
    /// Moves rows of usage of calls before `before` into the archive. Looks at `rows_max` rows from the attempt with this
    /// number on, and returns where the next step begins; `None` when nothing older is left.
    ///
    /// # Errors
    /// When the database or a file of the archive refuses, or a row is damaged; no row is lost then.
    pub fn archive_calls(&self, before: Timestamp, from: i64, rows_max: usize) -> Result<Option<i64>, StoreError> {
        let mut old: BTreeMap<String, Vec<UsageRow>> = BTreeMap::new();
        let (mut looked_at, mut next) = (0, None);
        {
            let reader = self.reader();
            let sql = "SELECT attempt, block, tenant, record FROM usage WHERE attempt >= ?1 ORDER BY attempt LIMIT ?2";
            let mut statement = reader.prepare_cached(sql)?;
            let mut rows = statement.query(params![from, rows_max as i64])?;
            while let Some(row) = rows.next()? {
                let row = UsageRow::read(row)?;
                let record = decode_usage(unsealed(&row.sealed)?)?;
                if record.at.micros() >= before.micros().saturating_add(CLOCK_STEP_MICROS_MAX) {
                    looked_at = 0;
                    break;
                }
                (looked_at, next) = (looked_at + 1, row.attempt.checked_add(1));
                if record.at < before && record.ending != Ending::Unknown {
                    old.entry(file_name(record.at)).or_default().push(row);
                }
            }
        }
        for (file, rows) in &old {
            self.move_to(file, rows)?;
        }
        Ok(next.filter(|_| looked_at == rows_max))
    }

    fn move_to(&self, file: &str, rows: &[UsageRow]) -> Result<(), StoreError> {
        let mut archive = create(self.data_dir(), file)?;
        let copies = archive.transaction()?;
        {
            let sql = "INSERT INTO usage (attempt, block, tenant, record) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (attempt) DO NOTHING";
            let mut insert = copies.prepare_cached(sql)?;
            for row in rows {
                insert.execute(params![row.attempt, row.block, row.tenant, row.sealed])?;
            }
        }
        copies.commit()?;
        let mut writer = self.lock_writer();
        let removal = writer.connection.transaction()?;
        removal.execute("INSERT INTO archive (file) VALUES (?1) ON CONFLICT (file) DO NOTHING", [file])?;
        {
            let mut delete = removal.prepare_cached("DELETE FROM usage WHERE attempt = ?1")?;
            for row in rows {
                delete.execute([row.attempt])?;
            }
        }
        lists::renew(&removal, &rows.iter().map(|row| lists::span_of(row.attempt)).collect())?;
        removal.commit()?;
        Ok(())
    }

    /// The files of the archive, newest first, opened for reading.
    pub(crate) fn archives(&self) -> Result<Archives, StoreError> {
        Archives::open(&self.reader(), self.data_dir())
    }
}

/// The files of the archive that could be opened, newest first, and the names of the others.
pub(crate) struct Archives {
    pub(crate) files: Vec<Connection>,
    pub(crate) missing: Vec<String>,
}

impl Archives {
    pub(crate) fn open(main: &Connection, data_dir: &Path) -> Result<Archives, StoreError> {
        let mut statement = main.prepare_cached("SELECT file FROM archive ORDER BY file DESC")?;
        let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let (mut files, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            match Connection::open_with_flags(folder(data_dir).join(&name), flags) {
                Ok(file) => {
                    file.busy_timeout(BUSY_TIMEOUT)?;
                    file.pragma_update(None, "query_only", true)?;
                    files.push(file);
                }
                Err(_) => missing.push(name),
            }
        }
        Ok(Archives { files, missing })
    }
}

/// Every row of usage, wherever it is, in the order of attempts.
pub(crate) struct AllUsages<'a> {
    sources: Vec<Source<'a>>,
}

struct Source<'a> {
    connection: &'a Connection,
    page: VecDeque<UsageRow>,
    from: i64,
    has_ended: bool,
}

impl<'a> AllUsages<'a> {
    pub(crate) fn of(main: &'a Connection, archives: &'a Archives) -> AllUsages<'a> {
        let connections = core::iter::once(main).chain(&archives.files);
        let source = |connection| Source { connection, page: VecDeque::new(), from: i64::MIN, has_ended: false };
        AllUsages { sources: connections.map(source).collect() }
    }

    pub(crate) fn next(&mut self) -> Result<Option<UsageRow>, StoreError> {
        let mut first: Option<usize> = None;
        for place in 0..self.sources.len() {
            self.sources[place].fill()?;
            let attempt = |place: usize| self.sources[place].page.front().map(|row| row.attempt);
            if attempt(place).is_some() && first.is_none_or(|first| attempt(place) < attempt(first)) {
                first = Some(place);
            }
        }
        let Some(row) = first.and_then(|first| self.sources[first].page.pop_front()) else { return Ok(None) };
        // A step of archiving that was interrupted leaves its rows in both places.
        for source in &mut self.sources {
            if source.page.front() == Some(&row) {
                source.page.pop_front();
            }
        }
        Ok(Some(row))
    }
}

impl Source<'_> {
    fn fill(&mut self) -> Result<(), StoreError> {
        if !self.page.is_empty() || self.has_ended {
            return Ok(());
        }
        let sql = "SELECT attempt, block, tenant, record FROM usage WHERE attempt >= ?1 ORDER BY attempt LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![self.from, PAGE_ROWS])?;
        while let Some(row) = rows.next()? {
            self.page.push_back(UsageRow::read(row)?);
        }
        let next = self.page.back().and_then(|row| row.attempt.checked_add(1));
        self.has_ended = (self.page.len() as i64) < PAGE_ROWS || next.is_none();
        self.from = next.unwrap_or(self.from);
        Ok(())
    }
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// The file of the calls of one month, by the calendar of UTC.
fn file_name(at: Timestamp) -> String {
    let micros = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or_default();
    let date = TimeZone::UTC.to_datetime(micros).date();
    format!("calls-{:04}-{:02}.db", date.year(), date.month())
}

fn create(data_dir: &Path, file: &str) -> Result<Connection, StoreError> {
    let folder = folder(data_dir);
    if !folder.is_dir() {
        data_dir::create(&folder)?;
        // The folder must be there after a loss of power, too, before anything leaves the database for it.
        let parent = File::open(data_dir).and_then(|parent| parent.sync_all());
        parent.map_err(|error| StoreError::file(data_dir, error))?;
    }
    let path = folder.join(file);
    drop(data_dir::open_private(&path)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.execute_batch(TABLE)?;
    Ok(connection)
}
