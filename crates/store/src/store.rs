//! The store itself: its connections, its secrets, and the door that every write goes through.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::data_dir::{self, AlreadyServing, ProcessId, ServingGuard};
use crate::entries::Names;
use crate::secret::{MasterKey, MasterKeySource, ObjectSeal, SecretHasher, random};
use crate::{ChangeNote, StoreError, database, feed};

/// The name under which the pepper of key hashes is sealed.
const PEPPER: &str = "key-pepper";

/// Resources and usage in a data directory. Every call blocks until its work is durable; several processes may have
/// the same store open.
pub struct Store {
    data_dir: PathBuf,
    pub(crate) writer: Mutex<Writer>,
    reader: Mutex<Connection>,
    pub(crate) master: MasterKey,
    pub(crate) hasher: SecretHasher,
    pub(crate) signal: Arc<Signal>,
}

/// The writing connection and what is remembered with it.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) names: Names,
}

/// Tells watchers in this process that something was written.
#[derive(Default)]
pub(crate) struct Signal {
    generation: Mutex<u64>,
    raised: Condvar,
}

impl Signal {
    pub(crate) fn raise(&self) {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.raised.notify_all();
    }

    pub(crate) fn generation(&self) -> u64 {
        *self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was written after `seen`, or `span` has passed; returns the latest generation.
    pub(crate) fn wait(&self, seen: u64, span: Duration) -> u64 {
        let guard = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.raised.wait_timeout_while(guard, span, |generation| *generation == seen);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Store {
    /// Opens the store in `data_dir`, with its master key in `master.key` there; makes both on first start.
    ///
    /// # Errors
    /// When the directory cannot be used, the master key is missing, foreign or readable by others, or the database is
    /// of a newer version.
    pub fn open(data_dir: &Path) -> Result<Store, StoreError> {
        Store::open_with(data_dir, &MasterKeySource::default())
    }

    /// Opens the store with its master key elsewhere.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open_with(data_dir: &Path, master_key: &MasterKeySource) -> Result<Store, StoreError> {
        data_dir::create(data_dir)?;
        let mut connection = database::open_writer(data_dir)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sealed = transaction
            .query_row("SELECT value FROM sealed WHERE name = ?1", [PEPPER], |row| row.get::<_, Vec<u8>>(0))
            .optional()?;
        let master = MasterKey::load(master_key, data_dir, sealed.is_none())?;
        let pepper = match sealed {
            Some(sealed) => open_pepper(&master, &sealed)?,
            None => {
                let pepper: [u8; 32] = random()?;
                let sealed = master.seal(PEPPER, &pepper)?;
                transaction.execute("INSERT INTO sealed (name, value) VALUES (?1, ?2)", params![PEPPER, sealed])?;
                pepper
            }
        };
        transaction.commit()?;
        Ok(Store {
            data_dir: data_dir.to_owned(),
            writer: Mutex::new(Writer { connection, names: Names::default() }),
            reader: Mutex::new(database::open_reader(data_dir)?),
            master,
            hasher: SecretHasher::new(pepper),
            signal: Arc::default(),
        })
    }

    /// What SQLite finds wrong with the database file; empty when nothing is.
    ///
    /// # Errors
    /// When the database cannot be read at all.
    pub fn integrity_problems(&self) -> Result<Vec<String>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare("PRAGMA integrity_check")?;
        let lines = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// What seals the ids of objects that providers keep, under a secret of this store.
    #[must_use]
    pub fn object_seal(&self) -> ObjectSeal {
        ObjectSeal::new(&self.hasher)
    }

    /// Where the store is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Claims the data directory for serving; other processes may still open the store to change resources.
    ///
    /// # Errors
    /// [`AlreadyServing`] names the process that serves.
    pub fn claim_serving(&self) -> Result<ServingGuard, AlreadyServing> {
        data_dir::claim(&self.data_dir)
    }

    /// The process that serves from `data_dir` now, if one does.
    ///
    /// # Errors
    /// When the lock cannot be read.
    pub fn serving_process(data_dir: &Path) -> Result<Option<ProcessId>, StoreError> {
        data_dir::serving_process(data_dir)
    }

    /// A number greater than any given before on this data directory: the first half of attempt ids.
    ///
    /// # Errors
    /// When it cannot be made durable.
    pub fn next_epoch(&self) -> Result<u64, StoreError> {
        self.write(|transaction| -> Result<u64, StoreError> {
            let sql = "INSERT INTO counter (name, value) VALUES ('epoch', 1)
                ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value";
            let epoch: i64 = transaction.query_row(sql, [], |row| row.get(0)).map_err(StoreError::from)?;
            Ok(epoch.unsigned_abs())
        })
    }

    /// The sequence of the latest change to resources; zero when there was none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn head(&self) -> Result<u64, StoreError> {
        feed::head(&self.reader())
    }

    /// What changed after `sequence`, each thing once.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn changes_since(&self, sequence: u64) -> Result<Vec<ChangeNote>, StoreError> {
        feed::since(&self.reader(), sequence)
    }

    /// Runs `work` in one transaction that is kept when it returns `Ok`.
    pub(crate) fn write<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut writer = self.lock_writer();
        let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(StoreError::from)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(StoreError::from)?;
        drop(writer);
        self.signal.raise();
        Ok(result)
    }

    /// A panic while writing left no half-done work: the transaction was rolled back when it was dropped.
    pub(crate) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_pepper(master: &MasterKey, sealed: &[u8]) -> Result<[u8; 32], StoreError> {
    let opened = master.open(PEPPER, sealed);
    opened.and_then(|pepper| pepper.expose().as_slice().try_into().ok()).ok_or_else(|| {
        StoreError::MasterKey(
            "the master key is not the one that this database was made with; restore it from your backup".into(),
        )
    })
}

/// The wall clock, for prices that come into force at once and warnings about expiry.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the clock")]
pub(crate) fn wall_clock() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Says where it is, never what it knows.
impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Store").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}
