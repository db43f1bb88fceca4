//! Batches that providers are busy with: which attempt each belongs to, so that whoever starts later can settle them.

use base::{AttemptId, ModelId, TenantId};
use catalog::Rates;
use rusqlite::{OptionalExtension, Row, params};

use crate::journaled::decode_intent;
use crate::kept::{KeptObject, ObjectKind};
use crate::usage::{attempt_number, from_attempt_number};
use crate::{IntentRecord, Store, StoreError};

/// A batch that has not been settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBatch {
    /// The attempt that made it, whose hold is for all of it.
    pub attempt: AttemptId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What kind of batch.
    pub kind: ObjectKind,
    /// Its sealed id.
    pub id: String,
}

/// attempt, tenant, kind, id
type BatchRow = (i64, String, u8, String);

fn open_batch(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn row_number(attempt: AttemptId) -> Result<i64, StoreError> {
    attempt_number(attempt).ok_or_else(|| StoreError::corrupt("attempt", attempt))
}

impl Store {
    /// Notes a new batch together with what its provider says of it, all or nothing; durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn keep_batch(&self, tenant: &TenantId, attempt: AttemptId, batch: &KeptObject) -> Result<(), StoreError> {
        let number = row_number(attempt)?;
        let mut writer = self.lock_writer();
        let transaction = writer.connection.transaction()?;
        self.write_object(&transaction, tenant, batch)?;
        let sql =
            "INSERT INTO batch (attempt, tenant, kind, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (attempt) DO NOTHING";
        transaction.execute(sql, params![number, tenant.as_str(), batch.kind.code(), batch.id])?;
        Ok(transaction.commit()?)
    }

    /// Every batch that has not been settled, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_batches(&self) -> Result<Vec<OpenBatch>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT attempt, tenant, kind, id FROM batch ORDER BY attempt")?;
        let rows = statement.query_map([], open_batch)?.collect::<Result<Vec<_>, _>>()?;
        let named = |(attempt, tenant, code, id): BatchRow| {
            let kinds = [ObjectKind::Batch, ObjectKind::MessageBatch];
            let kind = kinds.into_iter().find(|kind| kind.code() == code);
            let kind = kind.ok_or_else(|| StoreError::corrupt("batch.kind", code))?;
            let tenant = TenantId::new(&tenant).map_err(|error| StoreError::corrupt("batch.tenant", error))?;
            Ok(OpenBatch { attempt: from_attempt_number(attempt), tenant, kind, id })
        };
        rows.into_iter().map(named).collect()
    }

    /// How many batches of a tenant have not been settled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count_open_batches(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let reader = self.reader();
        let mut count = reader.prepare_cached("SELECT count(*) FROM batch WHERE tenant = ?1")?;
        let count: i64 = count.query_row([tenant.as_str()], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Whether a tenant's batch has not been settled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_batch_open(&self, tenant: &TenantId, id: &str) -> Result<bool, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT 1 FROM batch WHERE tenant = ?1 AND id = ?2")?;
        Ok(statement.query_row([tenant.as_str(), id], |_| Ok(())).optional()?.is_some())
    }

    /// A batch was settled: there is nothing more to look after. Durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn end_batch(&self, attempt: AttemptId) -> Result<(), StoreError> {
        let number = row_number(attempt)?;
        self.lock_writer().connection.prepare_cached("DELETE FROM batch WHERE attempt = ?1")?.execute([number])?;
        Ok(())
    }

    /// What the provider last said of a tenant's object.
    ///
    /// # Errors
    /// When the database cannot be read, or the document is not what was written.
    pub fn object(&self, tenant: &TenantId, kind: ObjectKind, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT sealed FROM kept_object WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let sealed = statement.query_row(params![tenant.as_str(), kind.code(), id], |row| row.get::<_, Vec<u8>>(0));
        sealed.optional()?.map(|sealed| self.open_object(tenant, id, &sealed)).transpose()
    }

    /// What is held for an attempt, as far as the journal is applied; `None` when it has ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn hold(&self, attempt: AttemptId) -> Result<Option<IntentRecord>, StoreError> {
        let number = row_number(attempt)?;
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT intent FROM hold WHERE attempt = ?1")?;
        let intent = statement.query_row([number], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        intent.map(|intent| decode_intent(&intent)).transpose()
    }

    /// One version of the prices of a model, also of one that is gone.
    ///
    /// # Errors
    /// When the database cannot be read, or the prices are not what was written.
    pub fn rates(&self, model: &ModelId, version: u32) -> Result<Option<Rates>, StoreError> {
        let sql = "SELECT rates FROM price WHERE model = (SELECT number FROM model WHERE id = ?1) AND version = ?2";
        let reader = self.reader();
        let mut statement = reader.prepare_cached(sql)?;
        let rates = statement.query_row(params![model.as_str(), version], |row| row.get::<_, String>(0)).optional()?;
        let read =
            |text: String| serde_json::from_str(&text).map_err(|error| StoreError::corrupt("price.rates", error));
        rates.map(read).transpose()
    }
}
