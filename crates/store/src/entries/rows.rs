//! The rows of usage and resolutions: how they are written, and their canonical bytes.

use std::sync::LazyLock;

use base::{AttemptId, Timestamp};
use rusqlite::{CachedStatement, OptionalExtension, params};

use super::Entries;
use super::chain::Canonical;
use super::rollups::Place;
use crate::StoreError;
use crate::journaled::{IntentRecord, REASON_BYTES_MAX, ResolvedRecord, Settled, cut};
use crate::usage::{Delta, Ending, attempt_number};

/// Rows of usage that one statement writes: to begin and to end one costs as much as half a row. As many as the applier
/// does at a stretch.
const ROWS_MANY: usize = 16;
/// What a row adds to the canonical bytes beside its record.
const ROW_BYTES: usize = 28;

static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert_of(1));
static INSERT_MANY: LazyLock<String> = LazyLock::new(|| insert_of(ROWS_MANY));
const INSERT_RESOLUTION: &str = "
    INSERT INTO resolution (attempt, block, at, charged, charged_tokens, variance, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (attempt) DO NOTHING";

/// The number of an attempt's row.
pub(super) fn row_number(attempt: AttemptId) -> Result<i64, StoreError> {
    attempt_number(attempt).ok_or_else(|| StoreError::corrupt("attempt", attempt))
}

/// The statement that writes so many rows of usage: the block, then attempt, tenant and record of each.
fn insert_of(rows: usize) -> String {
    let row = |place: usize| {
        let first = first_of(place);
        format!("(?{first}, ?1, ?{}, ?{})", first + 1, first + 2)
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    let rows = rows.join(", ");
    format!("INSERT INTO usage (attempt, block, tenant, record) VALUES {rows} ON CONFLICT (attempt) DO NOTHING")
}

/// The first parameter of a row in the statement.
const fn first_of(place: usize) -> usize {
    2 + place * 3
}

/// The record of a row's bytes.
pub(crate) fn unsealed(sealed: &[u8]) -> Result<&[u8], StoreError> {
    let damaged = || StoreError::corrupt("usage.record", "its bytes are not those that were written");
    let (record, check) = sealed.split_last_chunk().ok_or_else(damaged)?;
    if u32::from_le_bytes(*check) == crc32fast::hash(record) { Ok(record) } else { Err(damaged()) }
}

pub(super) fn canonical_name(into: &mut Canonical, number: i64, text: &[u8]) {
    into.number(number);
    into.blob(text);
}

pub(super) fn canonical_usage(into: &mut Canonical, attempt: i64, tenant: i64, record: &[u8]) {
    into.number(attempt);
    into.number(tenant);
    into.blob(record);
}

/// The same from the record as the journal has it. Returns what the row has: with a CRC-32 behind it, which tells a
/// damaged row from a missing one.
fn canonical_sealed<'r>(into: &'r mut Canonical, attempt: i64, tenant: i64, record: &[u8]) -> &'r [u8] {
    into.number(attempt);
    into.number(tenant);
    into.blob_of([record, &crc32fast::hash(record).to_le_bytes()])
}

/// attempt, at, charged, charged tokens, variance
pub(super) fn canonical_resolution(into: &mut Canonical, numbers: [i64; 5], reason: &[u8]) {
    for number in numbers {
        into.number(number);
    }
    into.blob(reason);
}

/// A row of usage that was not there before.
pub(super) struct Fresh<'a> {
    pub(super) attempt: i64,
    pub(super) ending: Ending,
    pub(super) payload: &'a [u8],
}

/// A row that is new unless it was there before, with what it adds to the sums then.
struct Written<'a> {
    fresh: Fresh<'a>,
    place: Place,
    at: Timestamp,
    end_user: Option<&'a str>,
    delta: Delta,
}

impl Entries<'_> {
    /// Writes rows of usage, given as the journal has them in the order of their attempts, each once; says which were
    /// new. Calls `turn` after each.
    pub(super) fn usages<'p>(
        &mut self,
        payloads: &[(AttemptId, &'p [u8])],
        turn: &mut dyn FnMut(),
    ) -> Result<Vec<Fresh<'p>>, StoreError> {
        self.usages.reserve(payloads.len(), payloads.iter().map(|(_, payload)| payload.len() + ROW_BYTES).sum());
        let mut fresh = Vec::with_capacity(payloads.len());
        let (many, single) = payloads.as_chunks::<ROWS_MANY>();
        let mut insert = self.transaction.prepare_cached(&INSERT_MANY)?;
        for rows in many {
            self.insert(&mut insert, rows, &mut fresh, turn)?;
        }
        let mut insert = self.transaction.prepare_cached(&INSERT_ONE)?;
        for row in single {
            self.insert(&mut insert, core::slice::from_ref(row), &mut fresh, turn)?;
        }
        Ok(fresh)
    }

    /// Writes as many rows of usage as the statement takes.
    fn insert<'p>(
        &mut self,
        insert: &mut CachedStatement<'_>,
        rows: &[(AttemptId, &'p [u8])],
        fresh: &mut Vec<Fresh<'p>>,
        turn: &mut dyn FnMut(),
    ) -> Result<(), StoreError> {
        insert.raw_bind_parameter(1, self.block.number)?;
        let before = self.usages.len();
        let mut written = Vec::with_capacity(rows.len());
        for (place, (attempt, payload)) in rows.iter().enumerate() {
            let (record, attempt, first) = (Settled::read(payload)?, row_number(*attempt)?, first_of(place));
            let place = self.place_of(&record)?;
            let sealed = canonical_sealed(self.usages.add(attempt), attempt, place.tenant, payload);
            insert.raw_bind_parameter(first, attempt)?;
            insert.raw_bind_parameter(first + 1, place.tenant)?;
            insert.raw_bind_parameter(first + 2, sealed)?;
            let fresh = Fresh { attempt, ending: record.ending, payload };
            written.push(Written { fresh, place, at: record.at, end_user: record.end_user, delta: record.delta() });
            turn();
        }
        if insert.raw_execute()? < rows.len() {
            self.leave_out_old(&mut written, before)?;
        }
        for Written { fresh: row, place, at, end_user, delta } in written {
            self.block.usages += 1;
            self.rollups.add(&place, at, end_user, &delta);
            self.lists.add(row.attempt, place.tenant);
            fresh.push(row);
        }
        Ok(())
    }

    /// Takes back what was there before, of rows whose canonical bytes begin after the first `before`. What there was
    /// before is of an earlier block.
    fn leave_out_old(&mut self, written: &mut Vec<Written<'_>>, before: usize) -> Result<(), StoreError> {
        self.usages.truncate(before);
        let mut find = self.transaction.prepare_cached("SELECT block FROM usage WHERE attempt = ?1")?;
        for row in core::mem::take(written) {
            let attempt = row.fresh.attempt;
            let block: Option<i64> = find.query_row([attempt], |row| row.get(0)).optional()?;
            if block == Some(self.block.number) {
                canonical_sealed(self.usages.add(attempt), attempt, row.place.tenant, row.fresh.payload);
                written.push(row);
            }
        }
        Ok(())
    }

    /// Ends an unknown attempt, whose row of usage is there: the charge is added and the hold taken off. Says whether
    /// that was new.
    pub(super) fn resolution(&mut self, resolved: &ResolvedRecord, intent: &IntentRecord) -> Result<bool, StoreError> {
        let attempt = row_number(resolved.attempt)?;
        // No charge above its hold: what exceeds it is the operator's.
        let charged = resolved.charged.min(intent.worst);
        let variance = resolved.charged.usd.saturating_sub(charged.usd);
        let delta = Delta::of_resolution(charged, variance, intent.worst);
        let reason = cut(&resolved.reason, REASON_BYTES_MAX);
        let numbers = [attempt, resolved.at.micros(), delta.0[0], delta.0[1], variance.nanos()];
        let [_, at, usd, tokens, variance] = numbers;
        let params = params![attempt, self.block.number, at, usd, tokens, variance, reason];
        if self.transaction.prepare_cached(INSERT_RESOLUTION)?.execute(params)? == 0 {
            return Ok(false);
        }
        self.block.resolutions += 1;
        canonical_resolution(self.resolutions.add(attempt), numbers, reason.as_bytes());
        let place =
            self.place(intent.tenant.as_str(), intent.project.as_str(), intent.key.as_str(), intent.model.as_str())?;
        self.rollups.add(&place, intent.at, intent.end_user.as_deref(), &delta);
        Ok(true)
    }
}
