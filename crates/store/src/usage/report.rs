//! Usage of a tenant over a span of time, from the roll-ups.

use std::collections::BTreeMap;

use base::{BudgetPeriod, Money, TenantId, Timestamp};
use jiff::tz::TimeZone;
use ledger::bounds;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, Serializer};

use super::UsageSums;
use super::sums::{BUCKET_MICROS, select_sums};
use crate::resource::TenantResource;
use crate::store::wall_clock;
use crate::{Store, StoreError};

/// What a report is broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// By model.
    Model,
    /// By key, named `project/key`.
    Key,
    /// By project, named by its path; a project's row does not include the projects inside it.
    Project,
    /// By the tenant's own user; calls without one are under the empty name.
    EndUser,
    /// By calendar day of the tenant's zone, `YYYY-MM-DD`.
    Day,
}

/// A question for usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// Whose.
    pub tenant: TenantId,
    /// From then on, rounded down to a quarter of an hour.
    pub from: Timestamp,
    /// Before then, rounded up to a quarter of an hour.
    pub to: Timestamp,
    /// A break-down, if one is wanted.
    pub by: Option<UsageBy>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageReport {
    /// Whose.
    pub tenant_id: TenantId,
    /// The beginning of the span that the sums cover exactly.
    #[serde(serialize_with = "rfc3339")]
    pub from: Timestamp,
    /// Its end.
    #[serde(serialize_with = "rfc3339")]
    pub to: Timestamp,
    /// Attempts in the span.
    pub total_requests: u64,
    /// Input and output tokens in the span.
    pub total_tokens: u64,
    /// What the tenant was charged in the span.
    pub total_cost_usd: Money,
    /// The tenant's budget per calendar month, where it has one.
    pub monthly_budget: Option<Money>,
    /// What is left of it in the current month, whatever the span; calls under way are not taken off.
    pub budget_remaining: Option<Money>,
    /// How much of it is used, in per cent to two places.
    pub budget_utilization_pct: Option<f64>,
    /// All sums of the span.
    pub totals: UsageSums,
    /// What it is broken down by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<UsageBy>,
    /// The break-down, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<UsageGroup>,
}

/// One row of a break-down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsageGroup {
    /// The model, key, project, end user or day.
    pub name: String,
    /// Its sums.
    #[serde(flatten)]
    pub sums: UsageSums,
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_microsecond(time.micros()) {
        Ok(time) => serializer.collect_str(&time),
        Err(_) => serializer.serialize_str(if time.micros() < 0 { "-infinity" } else { "infinity" }),
    }
}

/// A tenant and a range of buckets, the end excluded.
struct Span<'a> {
    tenant: &'a str,
    first: i64,
    end: i64,
}

impl Store {
    /// What a tenant used in a span.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let reader = self.reader();
        let first = query.from.micros().div_euclid(BUCKET_MICROS);
        let end =
            query.to.micros().div_euclid(BUCKET_MICROS) + i64::from(query.to.micros().rem_euclid(BUCKET_MICROS) > 0);
        let span = Span { tenant: query.tenant.as_str(), first, end };
        let (zone, monthly_budget) = terms(&reader, query.tenant.as_str())?;
        let totals = totals(&reader, &span)?;
        let groups = match query.by {
            None => Vec::new(),
            Some(UsageBy::Model) => named(&reader, &span, "model")?,
            Some(UsageBy::Project) => named(&reader, &span, "project")?,
            Some(UsageBy::Key) => keys(&reader, &span)?,
            Some(UsageBy::EndUser) => end_users(&reader, &span, &totals)?,
            Some(UsageBy::Day) => days(&reader, &span, &zone)?,
        };
        let spent = match monthly_budget {
            None => Money::ZERO,
            Some(_) => {
                let month = bounds(BudgetPeriod::Month, &zone, wall_clock());
                let first = month.starts.micros().div_euclid(BUCKET_MICROS);
                self::totals(&reader, &Span { tenant: span.tenant, first, end: i64::MAX })?.charged
            }
        };
        Ok(UsageReport {
            tenant_id: query.tenant.clone(),
            from: Timestamp::from_micros(first.saturating_mul(BUCKET_MICROS)),
            to: Timestamp::from_micros(end.saturating_mul(BUCKET_MICROS)),
            total_requests: totals.calls,
            total_tokens: totals.tokens(),
            total_cost_usd: totals.charged,
            monthly_budget,
            budget_remaining: monthly_budget.map(|budget| budget.saturating_sub(spent)),
            budget_utilization_pct: monthly_budget.map(|budget| percent(spent, budget)),
            totals,
            by: query.by,
            groups,
        })
    }

    /// What a tenant used from `since` until now, without a break-down.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn usage_since(&self, tenant: &TenantId, since: Timestamp) -> Result<UsageReport, StoreError> {
        self.usage(&UsageQuery { tenant: tenant.clone(), from: since, to: wall_clock(), by: None })
    }
}

/// Part of whole in per cent, rounded down to two places; a budget of nothing is used up.
fn percent(part: Money, whole: Money) -> f64 {
    if whole == Money::ZERO {
        return 100.0;
    }
    let basis_points = i128::from(part.nanos()) * 10_000 / i128::from(whole.nanos());
    f64::from(i32::try_from(basis_points).unwrap_or(i32::MAX)) / 100.0
}

/// The tenant's zone and monthly budget; a tenant that is gone has UTC and none.
fn terms(connection: &Connection, tenant: &str) -> Result<(TimeZone, Option<Money>), StoreError> {
    let mut statement = connection.prepare_cached("SELECT form FROM tenant WHERE id = ?1")?;
    let form: Option<String> = statement.query_row([tenant], |row| row.get(0)).optional()?;
    let Some(form) = form else { return Ok((TimeZone::UTC, None)) };
    let form: TenantResource = serde_json::from_str(&form).map_err(|error| StoreError::corrupt("tenant", error))?;
    let zone = form.timezone.as_deref().map(TimeZone::get).transpose();
    let zone = zone.map_err(|error| StoreError::corrupt("tenant.timezone", error))?;
    Ok((zone.unwrap_or(TimeZone::UTC), form.terms().1.per_month))
}

/// What every question begins with: the tenant and its span.
const OF_SPAN: &str = "WHERE tenant = (SELECT number FROM name WHERE text = ?1) AND bucket >= ?2 AND bucket < ?3";

fn totals(connection: &Connection, span: &Span<'_>) -> Result<UsageSums, StoreError> {
    let sql = format!("SELECT {} FROM rollup {OF_SPAN}", select_sums());
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params![span.tenant, span.first, span.end], |row| UsageSums::read(row, 0))?)
}

/// Runs a query whose first column is a name and whose others are sums.
fn groups(connection: &Connection, span: &Span<'_>, sql: &str) -> Result<Vec<UsageGroup>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![span.tenant, span.first, span.end], |row| {
        Ok(UsageGroup { name: row.get(0)?, sums: UsageSums::read(row, 1)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// By a column that is a number of the dictionary.
fn named(connection: &Connection, span: &Span<'_>, column: &str) -> Result<Vec<UsageGroup>, StoreError> {
    let sums = select_sums();
    let sql = format!(
        "SELECT name.text, sums.* FROM (SELECT {sums}, {column} AS group_number FROM rollup {OF_SPAN} GROUP BY {column})
         sums JOIN name ON name.number = sums.group_number ORDER BY name.text"
    );
    groups(connection, span, &sql)
}

fn keys(connection: &Connection, span: &Span<'_>) -> Result<Vec<UsageGroup>, StoreError> {
    let sums = select_sums();
    let sql = format!(
        "SELECT project.text || '/' || key.text AS full_name, sums.*
         FROM (SELECT {sums}, project, key FROM rollup {OF_SPAN} GROUP BY project, key) sums
         JOIN name project ON project.number = sums.project JOIN name key ON key.number = sums.key
         ORDER BY full_name"
    );
    groups(connection, span, &sql)
}

fn end_users(connection: &Connection, span: &Span<'_>, totals: &UsageSums) -> Result<Vec<UsageGroup>, StoreError> {
    let sums = select_sums();
    let sql = format!("SELECT end_user, {sums} FROM rollup_end_user {OF_SPAN} GROUP BY end_user ORDER BY end_user");
    let mut groups = groups(connection, span, &sql)?;
    // Only calls with an end user are rolled up by it; the rest is what remains of the whole.
    let mut rest = *totals;
    for group in &groups {
        rest.subtract(&group.sums);
    }
    match groups.first_mut() {
        Some(first) if first.name.is_empty() => first.sums.add(&rest),
        _ if rest.calls > 0 => groups.insert(0, UsageGroup { name: String::new(), sums: rest }),
        _ => {}
    }
    Ok(groups)
}

fn days(connection: &Connection, span: &Span<'_>, zone: &TimeZone) -> Result<Vec<UsageGroup>, StoreError> {
    let sql = format!("SELECT bucket, {} FROM rollup {OF_SPAN} GROUP BY bucket", select_sums());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![span.tenant, span.first, span.end])?;
    let mut days: BTreeMap<String, UsageSums> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let bucket: i64 = row.get(0)?;
        let at = jiff::Timestamp::from_microsecond(bucket.saturating_mul(BUCKET_MICROS));
        let at = at.map_err(|error| StoreError::corrupt("rollup.bucket", error))?;
        days.entry(zone.to_datetime(at).date().to_string()).or_default().add(&UsageSums::read(row, 1)?);
    }
    Ok(days.into_iter().map(|(name, sums)| UsageGroup { name, sums }).collect())
}
