//! Attempts that have not ended, and those of which nobody knows how they did.

use base::{TenantId, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Entries;
use super::chain::{Canonical, toggle};
use super::rows::row_number;
use crate::journaled::{IntentRecord, decode_intent, encode_intent};
use crate::{Store, StoreError};

/// What is known of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// The attempt has not ended; if its process has, nobody will tell how it did.
    Open,
    /// The attempt ended, and nobody knows what it cost.
    Unknown,
}

impl HoldState {
    const fn code(self) -> i64 {
        match self {
            HoldState::Open => 0,
            HoldState::Unknown => 1,
        }
    }

    /// The name in lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HoldState::Open => "open",
            HoldState::Unknown => "unknown",
        }
    }
}

/// Money and tokens that are held for an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenHold {
    /// The attempt, whose it is, since when, and how much is held.
    pub intent: IntentRecord,
    /// What is known of it.
    pub state: HoldState,
}

pub(super) fn canonical_hold(into: &mut Canonical, attempt: i64, state: i64, intent: &[u8]) {
    into.number(attempt);
    into.number(state);
    into.blob(intent);
}

/// The hash of one row of the table.
fn row(attempt: i64, state: i64, intent: &[u8]) -> Canonical {
    let mut row = Canonical::default();
    canonical_hold(&mut row, attempt, state, intent);
    row
}

impl Entries<'_> {
    /// The newest attempt that has a hold: none above it does.
    pub(super) fn newest_hold(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(attempt), -1) FROM hold";
        Ok(self.transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Notes a hold. Says whether it was new.
    pub(super) fn put_hold(&mut self, intent: &IntentRecord, state: HoldState) -> Result<bool, StoreError> {
        let attempt = row_number(intent.attempt)?;
        let mut bytes = Vec::with_capacity(512);
        encode_intent(intent, &mut bytes);
        let sql = "INSERT INTO hold (attempt, state, intent) VALUES (?1, ?2, ?3) ON CONFLICT (attempt) DO NOTHING";
        let is_new = self.transaction.prepare_cached(sql)?.execute(params![attempt, state.code(), bytes])? == 1;
        if is_new {
            toggle(&mut self.block.holds, &row(attempt, state.code(), &bytes));
        }
        Ok(is_new)
    }

    /// Whether there was an end of the attempt before.
    pub(super) fn has_ended(&self, attempt: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM usage WHERE attempt = ?1";
        let found = self.transaction.prepare_cached(sql)?.query_row([attempt], |_| Ok(())).optional()?;
        Ok(found.is_some())
    }

    /// Takes a hold away, whatever its state.
    pub(super) fn take_hold(&mut self, attempt: i64) -> Result<Option<OpenHold>, StoreError> {
        let sql = "SELECT state, intent FROM hold WHERE attempt = ?1";
        self.take(attempt, sql)
    }

    /// Takes a hold away if its attempt has not ended.
    pub(super) fn take_open_hold(&mut self, attempt: i64) -> Result<Option<OpenHold>, StoreError> {
        let sql = "SELECT state, intent FROM hold WHERE attempt = ?1 AND state = 0";
        self.take(attempt, sql)
    }

    /// Takes away what `find` finds. Two statements: one that also returns what it deletes opens a table for that each
    /// time, and costs three times as much.
    fn take(&mut self, attempt: i64, find: &str) -> Result<Option<OpenHold>, StoreError> {
        let mut statement = self.transaction.prepare_cached(find)?;
        let taken = statement.query_row([attempt], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let Some((state, intent)) = taken.optional()? else { return Ok(None) };
        self.transaction.prepare_cached("DELETE FROM hold WHERE attempt = ?1")?.execute([attempt])?;
        toggle(&mut self.block.holds, &row(attempt, state, &intent));
        read(state, &intent).map(Some)
    }
}

fn read(state: i64, intent: &[u8]) -> Result<OpenHold, StoreError> {
    let state = if state == HoldState::Open.code() { HoldState::Open } else { HoldState::Unknown };
    Ok(OpenHold { intent: decode_intent(intent)?, state })
}

impl Store {
    /// Everything that is held as far as the journal is applied, oldest first. The sums of
    /// [`Store::restored_accounts`] do not include it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn open_holds(&self) -> Result<Vec<OpenHold>, StoreError> {
        self.holds_where(|_| true)
    }

    /// What is held for one tenant, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn holds(&self, tenant: &TenantId) -> Result<Vec<OpenHold>, StoreError> {
        self.holds_where(|hold| hold.intent.tenant == *tenant)
    }

    /// What has been held since before a time, oldest first: the deadline policy resolves these.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn due_holds(&self, before: Timestamp) -> Result<Vec<OpenHold>, StoreError> {
        self.holds_where(|hold| hold.intent.at < before)
    }

    fn holds_where(&self, wanted: impl Fn(&OpenHold) -> bool) -> Result<Vec<OpenHold>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT state, intent FROM hold ORDER BY attempt")?;
        let mut rows = statement.query([])?;
        let mut holds = Vec::new();
        while let Some(row) = rows.next()? {
            let intent = row.get_ref(1)?.as_blob().map_err(|error| StoreError::corrupt("hold.intent", error))?;
            let hold = read(row.get(0)?, intent)?;
            if wanted(&hold) {
                holds.push(hold);
            }
        }
        Ok(holds)
    }
}
