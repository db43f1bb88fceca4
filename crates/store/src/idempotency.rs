//! Idempotency keys that were consumed, and the answers that are kept for calls that come again.
//!
//! A key is consumed by an attempt, and known by it: the journal's intent says which key it was, and its end whether the
//! key is free again. The answer comes beside the journal, a little later; without one it is lost, and the key is not.

use base::{AttemptId, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::journaled::{Idempotency, IntentRecord};
use crate::usage::{attempt_number, from_attempt_number};
use crate::{Store, StoreError};

/// A consumed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey {
    /// The attempt that consumed it.
    pub attempt: AttemptId,
    /// When that began.
    pub at: Timestamp,
    /// Who pays.
    pub tenant: TenantId,
    /// The key and what was asked.
    pub idempotency: Idempotency,
    /// The size of the kept answer; `None` where there is none.
    pub answer_bytes: Option<u64>,
}

/// An answer to keep.
#[derive(Debug)]
pub struct KeptAnswer {
    /// For which key; the size is that of `answer`.
    pub key: UsedKey,
    /// The answer, in a form that this crate does not read. It is sealed before it is written.
    pub answer: Vec<u8>,
}

impl UsedKey {
    /// The key that an attempt consumes unless it costs nothing.
    #[must_use]
    pub fn of(intent: &IntentRecord, idempotency: Idempotency) -> UsedKey {
        let IntentRecord { attempt, at, tenant, .. } = intent;
        UsedKey { attempt: *attempt, at: *at, tenant: tenant.clone(), idempotency, answer_bytes: None }
    }

    /// Notes the key; one that is known learns of its answer.
    pub(crate) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let UsedKey { attempt, at, tenant, idempotency, answer_bytes } = self;
        let sql = "INSERT INTO used_key (attempt, at, tenant, name, body, answer_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (attempt) DO UPDATE SET answer_bytes = coalesce(excluded.answer_bytes, answer_bytes)";
        let bytes = answer_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let Idempotency { name, body } = idempotency;
        let params = params![number(*attempt)?, at.micros(), tenant.as_str(), name, body, bytes];
        connection.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }
}

fn number(attempt: AttemptId) -> Result<i64, StoreError> {
    attempt_number(attempt).ok_or_else(|| StoreError::corrupt("attempt", attempt))
}

/// What an answer is sealed for: it cannot be given for another attempt.
fn purpose(attempt: AttemptId) -> String {
    format!("kept-answer:{attempt}")
}

impl Store {
    /// What a key and a call are known by. `account` names who sent it, from the tenant to the credential.
    #[must_use]
    pub fn idempotency(&self, account: &[&str], key: &[u8], asked: &str, body: &[u8]) -> Idempotency {
        let secret = self.hasher.key_for("mandant idempotency keys, version 1");
        let half = |hasher: &blake3::Hasher| *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes");
        let mut name = blake3::Hasher::new_keyed(&secret);
        for part in account.iter().map(|part| part.as_bytes()).chain([key]) {
            // With its length, so that no two lists of parts read the same.
            name.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        let mut digest = blake3::Hasher::new_keyed(&secret);
        digest.update(asked.as_bytes()).update(&[0]).update(body);
        Idempotency { name: half(&name), body: half(&digest) }
    }

    /// All keys that are consumed as far as the journal is applied, oldest attempt first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn used_keys(&self, visit: &mut dyn FnMut(UsedKey)) -> Result<(), StoreError> {
        let reader = self.reader();
        let sql = "SELECT attempt, at, tenant, name, body, answer_bytes FROM used_key ORDER BY attempt";
        let mut statement = reader.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let tenant = row.get_ref(2)?.as_str().unwrap_or_default();
            let answer_bytes: Option<i64> = row.get(5)?;
            visit(UsedKey {
                attempt: from_attempt_number(row.get(0)?),
                at: Timestamp::from_micros(row.get(1)?),
                tenant: TenantId::new(tenant).map_err(|error| StoreError::corrupt("used_key.tenant", error))?,
                idempotency: Idempotency { name: row.get(3)?, body: row.get(4)? },
                answer_bytes: answer_bytes.map(i64::unsigned_abs),
            });
        }
        Ok(())
    }

    /// Keeps answers, and drops those of other attempts, whose keys stay consumed; durable when it returns.
    ///
    /// # Errors
    /// When the database refuses; nothing was written then.
    pub fn keep_answers(&self, keep: &[KeptAnswer], drop_of: &[AttemptId]) -> Result<(), StoreError> {
        // Sealed before the connection is taken: others wait for that.
        let sealed = keep.iter().map(|kept| self.master.seal(&purpose(kept.key.attempt), &kept.answer));
        let sealed = sealed.collect::<Result<Vec<_>, _>>()?;
        let mut writer = self.lock_writer();
        let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (kept, sealed) in keep.iter().zip(sealed) {
            kept.key.write(&transaction)?;
            let sql = "INSERT OR REPLACE INTO kept_answer (attempt, sealed) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute(params![number(kept.key.attempt)?, sealed])?;
        }
        for attempt in drop_of {
            let attempt = number(*attempt)?;
            transaction.prepare_cached("DELETE FROM kept_answer WHERE attempt = ?1")?.execute([attempt])?;
            let sql = "UPDATE used_key SET answer_bytes = NULL WHERE attempt = ?1";
            transaction.prepare_cached(sql)?.execute([attempt])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The answer that is kept for an attempt.
    ///
    /// # Errors
    /// When the database cannot be read, or the answer is not what was kept.
    pub fn kept_answer(&self, attempt: AttemptId) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed: Option<Vec<u8>> = {
            let reader = self.reader();
            let mut find = reader.prepare_cached("SELECT sealed FROM kept_answer WHERE attempt = ?1")?;
            find.query_row([number(attempt)?], |row| row.get(0)).optional()?
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.master.open(&purpose(attempt), &sealed);
        let opened =
            opened.ok_or_else(|| StoreError::corrupt("kept_answer", "its bytes are not those that were kept"))?;
        Ok(Some(opened.expose().clone()))
    }

    /// Forgets keys that were consumed before a time, with their answers, at most `rows_max` of them; says how many.
    ///
    /// # Errors
    /// When the database refuses; nothing was forgotten then.
    pub fn forget_keys(&self, before: Timestamp, rows_max: usize) -> Result<usize, StoreError> {
        let mut writer = self.lock_writer();
        let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let limit = i64::try_from(rows_max).unwrap_or(i64::MAX);
        let old: Vec<i64> = transaction
            .prepare_cached("SELECT attempt FROM used_key WHERE at < ?1 ORDER BY at LIMIT ?2")?
            .query_map(params![before.micros(), limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for attempt in &old {
            transaction.prepare_cached("DELETE FROM kept_answer WHERE attempt = ?1")?.execute([attempt])?;
            transaction.prepare_cached("DELETE FROM used_key WHERE attempt = ?1")?.execute([attempt])?;
        }
        transaction.commit()?;
        Ok(old.len())
    }
}
