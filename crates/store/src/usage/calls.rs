//! Single attempts of a tenant, newest first, page by page.

use base::{AttemptId, Money, TenantId, Timestamp};
use ledger::Amounts;
use rusqlite::{Connection, OptionalExtension, Row};

use super::record::attempt_number;
use super::{Ending, UsageRecord};
use crate::archive::{AllUsages, Archives};
use crate::entries::{lists, unsealed};
use crate::journaled::decode_usage;
use crate::{Store, StoreError, database};

/// Attempts are in the order of their ids, which is that of time but for steps of the wall clock: this far back a page
/// goes on looking.
const CLOCK_STEP_MICROS_MAX: i64 = 3_600_000_000;
/// Most records of one page.
const PAGE_MAX: usize = 10_000;

const SELECT_ONE: &str = "
    SELECT usage.record, resolution.charged, resolution.variance
    FROM usage LEFT JOIN resolution ON resolution.attempt = usage.attempt WHERE usage.attempt = ?1";
/// The newest attempt before another, of any tenant.
const SELECT_BEFORE: &str = "
    SELECT record, NULL, NULL, attempt FROM usage WHERE attempt < ?1 ORDER BY attempt DESC LIMIT 1";
/// In a file of the archive, where nothing is unknown.
const SELECT_ARCHIVED: &str = "
    SELECT record, NULL, NULL FROM usage WHERE attempt >> 14 = ?1 AND tenant = ?2 AND attempt < ?3
    ORDER BY attempt DESC";

impl Store {
    /// Shows every attempt of every tenant that ended, oldest first, with what became of it if nobody knew at first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn visit_calls(&self, visit: &mut dyn FnMut(&UsageRecord)) -> Result<(), StoreError> {
        let archives = self.archives()?;
        let view = database::open_reader(self.data_dir())?;
        let mut resolution = view.prepare("SELECT charged, variance FROM resolution WHERE attempt = ?1")?;
        let mut rows = AllUsages::of(&view, &archives);
        while let Some(row) = rows.next()? {
            let record = decode_usage(unsealed(&row.sealed)?)?;
            let resolved = match record.ending {
                Ending::Unknown => {
                    resolution.query_row([row.attempt], |row| Ok((row.get(0)?, row.get(1)?))).optional()?
                }
                _ => None,
            };
            visit(&with_resolution(record, resolved));
        }
        Ok(())
    }

    /// The end of an attempt as it was first written; `None` when the store has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn ended(&self, attempt: AttemptId) -> Result<Option<UsageRecord>, StoreError> {
        let Some(number) = attempt_number(attempt) else { return Ok(None) };
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT record, NULL FROM usage WHERE attempt = ?1")?;
        let mut rows = statement.query([number])?;
        rows.next()?.map(read).transpose()
    }

    /// What was charged when an attempt of which nobody knew the cost was ended; `None` when it was not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn resolution(&self, attempt: AttemptId) -> Result<Option<Amounts>, StoreError> {
        let Some(number) = attempt_number(attempt) else { return Ok(None) };
        let reader = self.reader();
        let sql = "SELECT charged, charged_tokens FROM resolution WHERE attempt = ?1";
        let mut statement = reader.prepare_cached(sql)?;
        let found = statement.query_row([number], |row| {
            let (usd, tokens): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Amounts { usd: Money::from_nanos(usd.max(0)), tokens: tokens.max(0).unsigned_abs() })
        });
        Ok(found.optional()?)
    }

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
        let before = before.and_then(attempt_number).unwrap_or(i64::MAX);
        let (archives, tenant) = {
            let reader = self.reader();
            let find = "SELECT number FROM name WHERE text = ?1";
            let found = reader.prepare_cached(find)?.query_row([tenant.as_str()], |row| row.get(0)).optional()?;
            let Some(tenant): Option<i64> = found else { return Ok(Vec::new()) };
            (Archives::open(&reader, self.data_dir())?, tenant)
        };
        let page = Page { tenant, since, limit: limit.min(PAGE_MAX), before };
        let mut records = page.of(&self.reader(), Page::listed)?;
        for file in &archives.files {
            // What is older than a full page is on a later one.
            let is_full = records.len() == page.limit;
            let last = records.last().and_then(|record| attempt_number(record.attempt));
            if is_full && page.newest(file)? < last {
                break;
            }
            records.extend(page.of(file, Page::archived)?);
            // A few old ones are still in the database: their cost is not known.
            records.sort_unstable_by_key(|record| core::cmp::Reverse(record.attempt));
            records.dedup_by_key(|record| record.attempt);
            records.truncate(page.limit);
        }
        Ok(records)
    }
}

/// A span, and the attempt before which it is read.
type Place = (i64, i64);

/// Adds to records what a span has.
type OfSpan = fn(&Page, &Connection, Place, &mut Vec<UsageRecord>) -> Result<(), StoreError>;

/// Which calls are wanted.
struct Page {
    tenant: i64,
    since: Timestamp,
    limit: usize,
    before: i64,
}

impl Page {
    /// The newest attempt before the page in a file, of any tenant.
    fn newest(&self, file: &Connection) -> Result<Option<i64>, StoreError> {
        let mut newest = file.prepare_cached("SELECT max(attempt) FROM usage WHERE attempt < ?1")?;
        Ok(newest.query_row([self.before], |row| row.get(0))?)
    }

    /// What one file has, newest first; `of_span` adds what a span has before an attempt.
    fn of(&self, file: &Connection, of_span: OfSpan) -> Result<Vec<UsageRecord>, StoreError> {
        let mut records = Vec::new();
        let mut before = self.before;
        let oldest = self.since.micros().saturating_sub(CLOCK_STEP_MICROS_MAX);
        let mut newest = file.prepare_cached(SELECT_BEFORE)?;
        // From span to span, so that what nobody used costs nothing, until all of them are too old.
        while records.len() < self.limit {
            let mut rows = newest.query([before])?;
            let Some(row) = rows.next()? else { break };
            if read(row)?.at.micros() < oldest {
                break;
            }
            let span = lists::span_of(row.get(3)?);
            of_span(self, file, (span, before), &mut records)?;
            before = lists::first_of(span);
        }
        Ok(records)
    }

    /// In the database, where lists say which attempts are the tenant's.
    fn listed(&self, file: &Connection, place: Place, records: &mut Vec<UsageRecord>) -> Result<(), StoreError> {
        let (span, before) = place;
        let mut find = file.prepare_cached(SELECT_ONE)?;
        for attempt in lists::attempts(file, span, self.tenant, before)? {
            if records.len() == self.limit {
                break;
            }
            // It may just have left for the archive, which is read later.
            if let Some(row) = find.query([attempt])?.next()? {
                self.take(row, records)?;
            }
        }
        Ok(())
    }

    /// In the archive, where an index does.
    fn archived(&self, file: &Connection, place: Place, records: &mut Vec<UsageRecord>) -> Result<(), StoreError> {
        let (span, before) = place;
        let mut of_span = file.prepare_cached(SELECT_ARCHIVED)?;
        let mut rows = of_span.query([span, self.tenant, before])?;
        while records.len() < self.limit
            && let Some(row) = rows.next()?
        {
            self.take(row, records)?;
        }
        Ok(())
    }

    /// Adds a row that is not too old.
    fn take(&self, row: &Row<'_>, records: &mut Vec<UsageRecord>) -> Result<(), StoreError> {
        let record = read(row)?;
        if record.at >= self.since {
            records.push(record);
        }
        Ok(())
    }
}

/// A record as it was written, with what became of it if nobody knew then.
fn read(row: &Row<'_>) -> Result<UsageRecord, StoreError> {
    let record = row.get_ref(0)?.as_blob().map_err(|error| StoreError::corrupt("usage.record", error))?;
    let record = decode_usage(unsealed(record)?)?;
    let charged: Option<i64> = row.get(1)?;
    let Some(charged) = charged else { return Ok(record) };
    Ok(with_resolution(record, Some((charged, row.get(2)?))))
}

/// A record with what was charged, and what exceeded its hold, when its unknown end was resolved.
fn with_resolution(record: UsageRecord, resolved: Option<(i64, i64)>) -> UsageRecord {
    let Some((charged, variance)) = resolved else { return record };
    UsageRecord {
        ending: Ending::Resolved,
        charged: Money::from_nanos(charged.max(0)),
        variance: Money::from_nanos(variance.max(0)),
        ..record
    }
}
