//! The rows of usage and resolutions: how they are written, and their canonical bytes.

use base::{AttemptId, Money};
use rusqlite::params;

use super::Entries;
use super::chain::Canonical;
use super::rollups::Place;
use crate::StoreError;
use crate::journaled::{IntentRecord, REASON_BYTES_MAX, ResolvedRecord, Settled, cut};
use crate::usage::{Delta, Ending, UsageRecord, attempt_number};

const INSERT_USAGE: &str = "INSERT INTO usage (attempt, block, tenant, record) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (attempt) DO NOTHING";
const INSERT_RESOLUTION: &str = "
    INSERT INTO resolution (attempt, block, at, charged, charged_tokens, variance, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (attempt) DO NOTHING";

/// The number of an attempt's row.
pub(super) fn row_number(attempt: AttemptId) -> Result<i64, StoreError> {
    attempt_number(attempt).ok_or_else(|| StoreError::corrupt("attempt", attempt))
}

/// Puts a CRC-32 behind a record, which tells a damaged row from a missing one.
fn seal(record: &mut Vec<u8>) {
    let check = crc32fast::hash(record);
    record.extend_from_slice(&check.to_le_bytes());
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

impl Entries<'_> {
    /// Writes rows of usage, given as the journal has them in the order of their attempts; says which were new. Calls
    /// `turn` after each.
    pub(super) fn usages<'p>(
        &mut self,
        payloads: impl ExactSizeIterator<Item = &'p [u8]>,
        turn: &mut dyn FnMut(),
    ) -> Result<Vec<Fresh<'p>>, StoreError> {
        let mut insert = self.transaction.prepare_cached(INSERT_USAGE)?;
        let mut fresh = Vec::with_capacity(payloads.len());
        let mut sealed = Vec::with_capacity(512);
        for payload in payloads {
            let record = Settled::read(payload)?;
            let attempt = row_number(record.attempt)?;
            let place = self.place(record.tenant, record.project, record.key, record.model)?;
            sealed.clear();
            sealed.extend_from_slice(payload);
            seal(&mut sealed);
            insert.raw_bind_parameter(1, attempt)?;
            insert.raw_bind_parameter(2, self.block.number)?;
            insert.raw_bind_parameter(3, place.tenant)?;
            insert.raw_bind_parameter(4, sealed.as_slice())?;
            let is_new = insert.raw_execute()? == 1;
            if is_new {
                self.block.usages += 1;
                canonical_usage(self.usages.add(attempt), attempt, place.tenant, &sealed);
                self.rollups.add(&place, record.at, record.end_user, &record.delta());
                fresh.push(Fresh { attempt, ending: record.ending, payload });
            }
            turn();
        }
        Ok(fresh)
    }

    /// The numbers of the names that a roll-up is kept by.
    fn place(&mut self, tenant: &str, project: &str, key: &str, model: &str) -> Result<Place, StoreError> {
        Ok(Place {
            tenant: self.name(tenant)?,
            project: self.name(project)?,
            key: self.name(key)?,
            model: self.name(model)?,
        })
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

/// An attempt that never reported its end, as a record of usage.
pub(super) fn unknown(intent: &IntentRecord) -> UsageRecord {
    UsageRecord {
        attempt: intent.attempt,
        request_id: intent.request_id,
        at: intent.at,
        tenant: intent.tenant.clone(),
        project: intent.project.clone(),
        key: intent.key.clone(),
        end_user: intent.end_user.clone(),
        model: intent.model.clone(),
        upstream: intent.upstream.clone(),
        endpoint: intent.endpoint,
        stream: intent.stream,
        status: 0,
        ending: crate::Ending::Unknown,
        usage: wire::Usage::default(),
        held: intent.worst.usd,
        held_tokens: intent.worst.tokens,
        charged: Money::ZERO,
        variance: Money::ZERO,
        price_version: intent.price_version,
        upstream_response_id: None,
        first_byte_ms: 0,
        total_ms: 0,
    }
}
