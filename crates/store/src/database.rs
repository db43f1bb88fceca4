//! Opening the SQLite file: its settings, its schema, its connections.

use core::time::Duration;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::{StoreError, data_dir};

mod embedded {
    //! The migrations, compiled in.
    refinery::embed_migrations!("migrations");
}

const FILE_NAME: &str = "mandant.db";
/// Held while a connection is opened and the schema brought up to date.
const OPENING_LOCK_NAME: &str = "opening.lock";
/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 128;
/// Pages cached by the writing connection, in KiB.
const CACHE_KIB: i64 = 32 * 1024;

/// Pages that the log gathers before they go to their places: many batches of usage touch the same ones.
const LOG_PAGES: i64 = 8_000;

/// The database file in a data directory.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

/// Opens the writing connection and brings the schema up to date.
pub(crate) fn open_writer(data_dir: &Path) -> Result<Connection, StoreError> {
    let path = path(data_dir);
    // Two first starts at once would both turn the log on, which SQLite answers with "busy" without waiting.
    let opening = data_dir::open_private(&data_dir.join(OPENING_LOCK_NAME))?;
    opening.lock().map_err(|error| StoreError::file(data_dir.join(OPENING_LOCK_NAME), error))?;
    // Made here, so that it (and the log beside it, which takes over its mode) is never readable by others.
    drop(data_dir::open_private(&path)?);
    let mut connection = Connection::open_with_flags(&path, flags())?;
    settle(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(data_dir: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path(data_dir), flags())?;
    settle(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Without URI file names: a path is a path.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn settle(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

/// Migrates under the write lock of SQLite; of two first starts at once, the second finds the work done.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let runner = embedded::migrations::runner().set_abort_divergent(true).set_abort_missing(true);
    match runner.run(connection) {
        Ok(_) => Ok(()),
        Err(first) => {
            // The other starter may have been half way: what matters is whether the schema is complete now.
            std::thread::park_timeout(Duration::from_millis(200));
            runner.run(connection).map(drop).map_err(|_| StoreError::Migration(first))
        }
    }
}
