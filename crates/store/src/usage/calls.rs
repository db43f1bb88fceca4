//! Single attempts of a tenant, newest first, page by page.

use base::{AttemptId, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use rusqlite::{Row, params};
use wire::Usage;

use super::UsageRecord;
use super::record::{attempt_number, from_attempt_number, from_shape};
use crate::resource::ProjectPath;
use crate::{Store, StoreError};

/// Attempts are in the order of their ids, which is that of time but for steps of the wall clock: this far back a page
/// goes on looking.
const CLOCK_STEP_MICROS_MAX: i64 = 3_600_000_000;
/// Most records of one page.
const PAGE_MAX: usize = 10_000;

const SELECT: &str = "
    SELECT usage.attempt, usage.at, project.text, key.text, model.text, upstream.text, usage.shape,
        usage.status, usage.price_version, usage.input, usage.cached_input, usage.cache_write, usage.audio_input,
        usage.output, usage.reasoning, usage.audio_output, usage.accepted_prediction, usage.rejected_prediction,
        usage.web_searches, usage.reported_cost, usage.held, usage.held_tokens, usage.charged, usage.variance,
        usage.first_byte_ms, usage.total_ms, usage.request_id, usage.upstream_response_id, usage.end_user
    FROM usage
    JOIN name project ON project.number = usage.project
    JOIN name key ON key.number = usage.key
    JOIN name model ON model.number = usage.model
    JOIN name upstream ON upstream.number = usage.upstream
    WHERE usage.tenant = (SELECT number FROM name WHERE text = ?1) AND usage.attempt < ?2
    ORDER BY usage.attempt DESC";

impl Store {
    /// Attempts granted since `since`, newest first, at most `limit` (and 10,000). The next page is asked for with the
    /// last attempt of this one as `before`; a page shorter than its limit is the last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn calls(
        &self,
        tenant: &TenantId,
        since: Timestamp,
        limit: usize,
        before: Option<AttemptId>,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let limit = limit.min(PAGE_MAX);
        let before = before.and_then(attempt_number).unwrap_or(i64::MAX);
        let reader = self.reader();
        let mut statement = reader.prepare_cached(SELECT)?;
        let mut rows = statement.query(params![tenant.as_str(), before])?;
        let mut records = Vec::new();
        while records.len() < limit
            && let Some(row) = rows.next()?
        {
            let at: i64 = row.get(1)?;
            if at < since.micros().saturating_sub(CLOCK_STEP_MICROS_MAX) {
                break;
            }
            if at >= since.micros() {
                records.push(read(tenant, row)?);
            }
        }
        Ok(records)
    }
}

fn read(tenant: &TenantId, row: &Row<'_>) -> Result<UsageRecord, StoreError> {
    let corrupt = |error: base::IdError| StoreError::corrupt("usage", error);
    let text = |column: usize| -> Result<String, StoreError> { Ok(row.get(column)?) };
    let count = |column: usize| -> Result<u64, StoreError> { Ok(row.get::<_, i64>(column)?.max(0).unsigned_abs()) };
    let money =
        |column: usize| -> Result<Money, StoreError> { Ok(Money::from_nanos(row.get::<_, i64>(column)?.max(0))) };
    let shape: i64 = row.get(6)?;
    let (endpoint, ending, stream) = from_shape(shape).ok_or_else(|| StoreError::corrupt("usage.shape", shape))?;
    let reported: Option<i64> = row.get(19)?;
    Ok(UsageRecord {
        attempt: from_attempt_number(row.get(0)?),
        request_id: request_id(&text(26)?)?,
        at: Timestamp::from_micros(row.get(1)?),
        tenant: tenant.clone(),
        project: ProjectPath::from_stored(&text(2)?),
        key: KeyId::new(&text(3)?).map_err(corrupt)?,
        end_user: row.get(28)?,
        model: ModelId::new(&text(4)?).map_err(corrupt)?,
        upstream: UpstreamId::new(&text(5)?).map_err(corrupt)?,
        endpoint,
        stream,
        status: row.get(7)?,
        ending,
        usage: Usage {
            input: count(9)?,
            cached_input: count(10)?,
            cache_write: count(11)?,
            audio_input: count(12)?,
            output: count(13)?,
            reasoning: count(14)?,
            audio_output: count(15)?,
            accepted_prediction: count(16)?,
            rejected_prediction: count(17)?,
            web_searches: count(18)?,
            reported_cost: reported.map(|nanos| Money::from_nanos(nanos.max(0))),
        },
        held: money(20)?,
        held_tokens: count(21)?,
        charged: money(22)?,
        variance: money(23)?,
        price_version: row.get(8)?,
        upstream_response_id: row.get(27)?,
        first_byte_ms: row.get(24)?,
        total_ms: row.get(25)?,
    })
}

/// Reads the printed form back.
fn request_id(text: &str) -> Result<RequestId, StoreError> {
    const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let corrupt = || StoreError::corrupt("usage.request_id", text);
    let mut bits = 0_u128;
    for character in text.strip_prefix("req_").ok_or_else(corrupt)?.chars() {
        let value = ALPHABET.find(character).ok_or_else(corrupt)?;
        bits = bits << 5 | value as u128;
    }
    Ok(RequestId::from_bits(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_read_back() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let id = RequestId::from_bits(bits);
            assert_eq!(request_id(id.as_str()).unwrap(), id);
        }
        assert!(request_id("req_!").is_err() && request_id("x").is_err());
    }
}
