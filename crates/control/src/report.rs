//! Reports: status, usage, single calls, explanations.

use axum::body::Bytes;
use base::{AttemptId, Money, TenantId, Timestamp};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::status::TenantStatus;
use store::{UsageBy, UsageQuery, UsageRecord, UsageReport};

use crate::error::Failure;
use crate::offline;
use crate::place::{Kind, Place};
use crate::request::now;
use crate::resources::Control;

/// Calls of one page when the request does not say.
const CALLS_DEFAULT: usize = 100;
/// Calls of one page at most.
const CALLS_MAX: usize = 10_000;

/// The query of `GET /v1/tenants/{tenant}/usage`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageParameters {
    from: Option<String>,
    to: Option<String>,
    by: Option<ByName>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ByName {
    Model,
    Key,
    Project,
    EndUser,
    Day,
}

/// The query of `GET /v1/tenants/{tenant}/calls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallParameters {
    since: Option<String>,
    limit: Option<usize>,
    before: Option<String>,
}

/// A page of single calls, newest first.
#[derive(Debug, Serialize)]
pub(crate) struct CallList {
    tenant_id: String,
    calls: Vec<CallLine>,
    /// What `before` must say to get the next page; `null` when this is the last.
    next_before: Option<String>,
}

/// One attempt with its receipt.
#[derive(Debug, Serialize)]
struct CallLine {
    attempt: String,
    request_id: String,
    upstream_response_id: Option<String>,
    at: String,
    project: String,
    key: String,
    end_user: Option<String>,
    model: String,
    upstream: String,
    endpoint: &'static str,
    stream: bool,
    status: u16,
    ending: &'static str,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    audio_input_tokens: u64,
    cached_audio_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    audio_output_tokens: u64,
    web_searches: u64,
    hold_usd: Money,
    cost_usd: Money,
    variance_usd: Money,
    price_version: u32,
    first_byte_ms: u32,
    total_ms: u32,
}

impl CallLine {
    fn new(record: &UsageRecord) -> CallLine {
        let usage = &record.usage;
        CallLine {
            attempt: record.attempt.to_string(),
            request_id: record.request_id.to_string(),
            upstream_response_id: record.upstream_response_id.clone(),
            at: rfc3339(record.at),
            project: record.project.to_string(),
            key: record.key.to_string(),
            end_user: record.end_user.clone(),
            model: record.model.to_string(),
            upstream: record.upstream.to_string(),
            endpoint: record.endpoint.name(),
            stream: record.stream,
            status: record.status,
            ending: record.ending.name(),
            input_tokens: usage.input,
            cached_input_tokens: usage.cached_input,
            cache_write_tokens: usage.cache_write,
            cache_write_1h_tokens: usage.cache_write_1h,
            audio_input_tokens: usage.audio_input,
            cached_audio_tokens: usage.cached_audio,
            output_tokens: usage.output,
            reasoning_tokens: usage.reasoning,
            audio_output_tokens: usage.audio_output,
            web_searches: usage.web_searches,
            hold_usd: record.held,
            cost_usd: record.charged,
            variance_usd: record.variance,
            price_version: record.price_version,
            first_byte_ms: record.first_byte_ms,
            total_ms: record.total_ms,
        }
    }
}

impl Control {
    /// Limits, use and what is left, from the serving process where there is one, else from the records.
    pub(crate) fn status(&self, tenant: &str) -> Result<TenantStatus, Failure> {
        let id = tenant_id(tenant)?;
        match &self.live {
            Some(live) if !live.ready() => return Err(Failure::not_serving()),
            Some(live) => live.status(&id),
            None => offline::status(&self.store, &id, now()).map_err(Failure::store)?,
        }
        .ok_or_else(|| Failure::not_found(format!("tenant {tenant}")))
    }

    /// What a tenant used in a span: this month of its calendar when nothing is said.
    pub(crate) fn usage(&self, tenant: &str, parameters: &UsageParameters) -> Result<UsageReport, Failure> {
        let tenant_id = tenant_id(tenant)?;
        self.flush();
        let zone = self.zone(tenant)?;
        let from = match &parameters.from {
            Some(text) => time(text, zone.as_ref())?,
            None => {
                let zone = zone.clone().unwrap_or(TimeZone::UTC);
                ledger::bounds(base::BudgetPeriod::Month, &zone, now()).starts
            }
        };
        let to = parameters.to.as_deref().map_or(Ok(now()), |text| time(text, zone.as_ref()))?;
        if from >= to {
            return Err(Failure::malformed("The beginning must be before the end."));
        }
        let by = parameters.by.as_ref().map(|by| match by {
            ByName::Model => UsageBy::Model,
            ByName::Key => UsageBy::Key,
            ByName::Project => UsageBy::Project,
            ByName::EndUser => UsageBy::EndUser,
            ByName::Day => UsageBy::Day,
        });
        let report = self.store.usage(&UsageQuery { tenant: tenant_id, from, to, by }).map_err(Failure::store)?;
        match zone.is_none() && report.total_requests == 0 {
            true => Err(Failure::not_found(format!("tenant {tenant}"))),
            false => Ok(report),
        }
    }

    /// Single calls with their receipts, newest first.
    pub(crate) fn calls(&self, tenant: &str, parameters: &CallParameters) -> Result<CallList, Failure> {
        let id = tenant_id(tenant)?;
        let zone = self.zone(tenant)?;
        let since = parameters.since.as_deref().map_or(Ok(Timestamp::EPOCH), |text| time(text, zone.as_ref()))?;
        let limit = parameters.limit.unwrap_or(CALLS_DEFAULT).clamp(1, CALLS_MAX);
        let before = parameters.before.as_deref().map(attempt).transpose()?;
        self.flush();
        let records = self.store.calls(&id, since, limit, before).map_err(Failure::store)?;
        if zone.is_none() && records.is_empty() {
            return Err(Failure::not_found(format!("tenant {tenant}")));
        }
        let next = records.last().filter(|_| records.len() == limit).map(|record| record.attempt.to_string());
        let calls = records.iter().map(CallLine::new).collect();
        Ok(CallList { tenant_id: tenant.to_owned(), calls, next_before: next })
    }

    /// What has ended before a question is part of its answer.
    fn flush(&self) {
        if let Some(live) = self.live.as_ref().filter(|live| live.ready()) {
            live.flush();
        }
    }

    /// What would happen to a call.
    pub(crate) fn explain(&self, key: &str, endpoint: &str, body: Bytes) -> Result<Value, Failure> {
        let live = self.live.as_ref().ok_or_else(Failure::not_serving)?;
        live.explain(key, endpoint, body).map_err(Failure::malformed)
    }

    /// The zone of a tenant's calendar; `None` when the tenant does not exist (any more).
    fn zone(&self, tenant: &str) -> Result<Option<TimeZone>, Failure> {
        let tree = self.export()?;
        let place = Place::parse(Kind::Tenant, tenant).ok_or_else(|| Failure::not_found("such tenant"))?;
        let Some(item) = place.find(&tree) else { return Ok(None) };
        let name = item.get("timezone").and_then(Value::as_str).unwrap_or("UTC");
        TimeZone::get(name).map(Some).map_err(Failure::store)
    }
}

pub(crate) fn tenant_id(text: &str) -> Result<TenantId, Failure> {
    TenantId::new(text).map_err(|_| Failure::not_found(format!("tenant {text:?}")))
}

/// Reads a time with its zone, or a date, which begins at midnight of the tenant's calendar.
fn time(text: &str, zone: Option<&TimeZone>) -> Result<Timestamp, Failure> {
    let advice =
        || Failure::malformed(format!("{text:?} is neither a date (2027-01-31) nor a time (2027-01-31T09:00:00Z)."));
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_micros(time.as_microsecond()));
    }
    let date: jiff::civil::Date = text.parse().map_err(|_| advice())?;
    let zone = zone.cloned().unwrap_or(TimeZone::UTC);
    let midnight = zone.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| advice())?;
    Ok(Timestamp::from_micros(midnight.as_microsecond()))
}

/// Reads an attempt as it is printed: `epoch-sequence`.
pub(crate) fn attempt(text: &str) -> Result<AttemptId, Failure> {
    let parts = text.split_once('-').and_then(|(epoch, sequence)| Some((epoch.parse().ok()?, sequence.parse().ok()?)));
    let (epoch, sequence) =
        parts.ok_or_else(|| Failure::malformed(format!("{text:?} is no attempt such as \"3-1200\".")))?;
    Ok(AttemptId { epoch, sequence })
}

pub(crate) fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(time.micros()).map_or_else(|_| time.micros().to_string(), |time| time.to_string())
}
