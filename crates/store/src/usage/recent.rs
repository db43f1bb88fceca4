//! What accounts used lately, and when: what a start gives back to the rate windows.
//!
//! The newest rows of usage are read one by one and are exact. Where there are more than a start has time for, what the
//! older ones used comes from the roll-ups, dated as late as it can have been: a window then gives it back late, never
//! early.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base::{KeyId, ModelId, TenantId, Timestamp};
use rusqlite::Connection;

use super::sums::BUCKET_MICROS;
use crate::entries::unsealed;
use crate::journaled::Settled;
use crate::resource::ProjectPath;
use crate::{Store, StoreError};

/// Rows that are read one by one; as many take about a quarter of a second.
const ROWS_MAX: usize = 200_000;

/// The calls of one key for one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentUse {
    /// Whose.
    pub tenant: TenantId,
    /// The key's project.
    pub project: ProjectPath,
    /// The key.
    pub key: KeyId,
    /// The public model name.
    pub model: ModelId,
    /// What and when, in no order.
    pub moments: Vec<RecentMoment>,
}

/// Calls that were admitted at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentMoment {
    /// When, or the latest that it can have been.
    pub at: Timestamp,
    /// How many calls.
    pub requests: u64,
    /// The tokens that they used; what was reserved, where nobody knows.
    pub tokens: u64,
    /// Whose call it was, where a row was read that says so: the roll-ups of keys know no end users.
    pub end_user: Option<Arc<str>>,
}

/// The tenants of the roll-ups one after the other, so that what is old is not read.
const SELECT_SUMS: &str = "
    WITH RECURSIVE every (tenant) AS (
        SELECT min(tenant) FROM rollup
        UNION ALL
        SELECT (SELECT min(tenant) FROM rollup WHERE tenant > every.tenant) FROM every WHERE every.tenant IS NOT NULL
    )
    SELECT rollup.tenant, project, key, model, bucket, calls, charged_tokens + unresolved_tokens
    FROM every CROSS JOIN rollup ON rollup.tenant = every.tenant AND rollup.bucket >= ?1";
const SELECT_ROWS: &str = "SELECT record FROM usage ORDER BY attempt DESC";

/// tenant, project, key, model
type Place = [i64; 4];

/// What the roll-ups have and no row was read for yet.
#[derive(Clone, Copy)]
struct Left {
    calls: u64,
    tokens: u64,
}

struct Reading {
    left: HashMap<(Place, i64), Left>,
    calls_left: u64,
    moments: HashMap<Place, Vec<RecentMoment>>,
    /// Nothing that was not read is later than this.
    horizon: Timestamp,
}

impl Store {
    /// What was used since `since`, as far as the journal is applied. Calls under way are in [`Store::open_holds`] alone.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recent_uses(&self, since: Timestamp) -> Result<Vec<RecentUse>, StoreError> {
        self.recent_uses_of(since, ROWS_MAX)
    }

    /// The same, with so many rows read one by one.
    pub(crate) fn recent_uses_of(&self, since: Timestamp, rows_max: usize) -> Result<Vec<RecentUse>, StoreError> {
        let reader = self.reader();
        let names = super::restored::names(&reader)?;
        let mut reading = sums(&reader, since)?;
        reading.rows(&reader, &names, rows_max)?;
        reading.finish(&names)
    }
}

fn sums(reader: &Connection, since: Timestamp) -> Result<Reading, StoreError> {
    let mut statement = reader.prepare_cached(SELECT_SUMS)?;
    let mut rows = statement.query([since.micros().div_euclid(BUCKET_MICROS)])?;
    let mut reading = Reading { left: HashMap::new(), calls_left: 0, moments: HashMap::new(), horizon: Timestamp::MAX };
    while let Some(row) = rows.next()? {
        let place = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let count = |column: usize| row.get::<_, i64>(column).map(|count| count.max(0).unsigned_abs());
        let left = Left { calls: count(5)?, tokens: count(6)? };
        reading.calls_left += left.calls;
        reading.left.insert((place, row.get(4)?), left);
    }
    Ok(reading)
}

impl Reading {
    /// Reads rows, newest first, until the roll-ups have no more calls, or there were too many.
    fn rows(&mut self, reader: &Connection, names: &HashMap<i64, String>, rows_max: usize) -> Result<(), StoreError> {
        let numbers: HashMap<&str, i64> = names.iter().map(|(number, name)| (name.as_str(), *number)).collect();
        let mut statement = reader.prepare_cached(SELECT_ROWS)?;
        let mut rows = statement.query([])?;
        // Attempts are in the order of their time but for those that waited: the last tenth says how far was read.
        let (mut read, mut horizon) = (0, None);
        let mut end_users: HashSet<Arc<str>> = HashSet::new();
        while self.calls_left > 0
            && read < rows_max
            && let Some(row) = rows.next()?
        {
            read += 1;
            let record = row.get_ref(0)?.as_blob().map_err(|error| StoreError::corrupt("usage.record", error))?;
            let seen = Settled::read(unsealed(record)?)?;
            let tokens = seen.counted_tokens();
            if read > rows_max - rows_max / 10 {
                horizon = horizon.max(Some(seen.at));
            }
            let number = |name: &str| numbers.get(name).copied().unwrap_or(0);
            let names = seen.names()?;
            let place = [number(names.tenant), number(names.project), number(names.key), number(names.model)];
            let bucket = seen.at.micros().div_euclid(BUCKET_MICROS);
            let Some(left) = self.left.get_mut(&(place, bucket)).filter(|left| left.calls > 0) else { continue };
            left.calls -= 1;
            left.tokens = left.tokens.saturating_sub(tokens);
            self.calls_left -= 1;
            let end_user = seen.end_user.map(|name| {
                end_users.get(name).cloned().unwrap_or_else(|| {
                    let name: Arc<str> = name.into();
                    end_users.insert(name.clone());
                    name
                })
            });
            let moment = RecentMoment { at: seen.at, requests: 1, tokens, end_user };
            self.moments.entry(place).or_default().push(moment);
        }
        self.horizon = horizon.unwrap_or(Timestamp::MAX);
        Ok(())
    }

    /// Adds what no row was read for, and gives everything its names.
    fn finish(mut self, names: &HashMap<i64, String>) -> Result<Vec<RecentUse>, StoreError> {
        for ((place, bucket), left) in self.left {
            if left.calls > 0 {
                let ends = Timestamp::from_micros(bucket.saturating_add(1).saturating_mul(BUCKET_MICROS));
                let at = ends.min(self.horizon);
                let moment = RecentMoment { at, requests: left.calls, tokens: left.tokens, end_user: None };
                self.moments.entry(place).or_default().push(moment);
            }
        }
        let uses = self.moments.into_iter().map(|([tenant, project, key, model], moments)| {
            let name = |number| super::restored::name(names, number);
            let corrupt = |error| StoreError::corrupt("rollup", error);
            Ok(RecentUse {
                tenant: TenantId::new(name(tenant)?).map_err(corrupt)?,
                project: ProjectPath::from_stored(name(project)?),
                key: KeyId::new(name(key)?).map_err(corrupt)?,
                model: ModelId::new(name(model)?).map_err(corrupt)?,
                moments,
            })
        });
        uses.collect()
    }
}
