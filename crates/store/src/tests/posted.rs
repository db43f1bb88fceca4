//! The sums of one tenant's accounts in the current periods, added up from the roll-ups in the simplest way: what the
//! restored accounts are compared with.

use std::collections::BTreeMap;

use base::{BudgetPeriod, KeyId, TenantId, Timestamp};
use jiff::tz::TimeZone;
use ledger::{Amounts, PostedBalance, bounds};
use rusqlite::params;

use crate::resource::ProjectPath;
use crate::usage::BUCKET_MICROS;
use crate::{Store, StoreError};

/// The sums of one account in one current period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostedSum {
    /// The project, or the key's project; `None` for the tenant itself.
    pub(crate) project: Option<ProjectPath>,
    /// The key; `None` for a project or the tenant.
    pub(crate) key: Option<KeyId>,
    /// Which period, when it began, and what counts in it: what was charged, and what stays held for attempts of which
    /// nobody knows the cost.
    pub(crate) posted: PostedBalance,
}

const SELECT: &str = "
    SELECT project.text, key.text, sums.usd, sums.tokens
    FROM (
        SELECT project, key, sum(charged) + sum(unresolved) AS usd,
            sum(charged_tokens) + sum(unresolved_tokens) AS tokens
        FROM rollup WHERE tenant = (SELECT number FROM name WHERE text = ?1) AND bucket >= ?2
        GROUP BY project, key
    ) sums
    JOIN name project ON project.number = sums.project
    JOIN name key ON key.number = sums.key";

type Place = (Option<ProjectPath>, Option<KeyId>);

impl Store {
    /// The sums of every account of a tenant that has any, in the day, week, month, year and total that `now` lies in
    /// by the calendar of `zone`. A project's sums include those of the projects inside it.
    pub(crate) fn posted_sums(
        &self,
        tenant: &TenantId,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Vec<PostedSum>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(SELECT)?;
        let mut sums = Vec::new();
        for period in BudgetPeriod::ALL {
            let starts = bounds(period, zone, now).starts;
            let mut places: BTreeMap<Place, Amounts> = BTreeMap::new();
            let bucket = match period {
                BudgetPeriod::Total | BudgetPeriod::Wallet => i64::MIN,
                _ => starts.micros().div_euclid(BUCKET_MICROS),
            };
            let mut rows = statement.query(params![tenant.as_str(), bucket])?;
            while let Some(row) = rows.next()? {
                let project = ProjectPath::from_stored(row.get_ref(0)?.as_str().unwrap_or_default());
                let key: String = row.get(1)?;
                let key = KeyId::new(&key).map_err(|error| StoreError::corrupt("rollup.key", error))?;
                let amounts = Amounts {
                    usd: base::Money::from_nanos(row.get::<_, i64>(2)?.max(0)),
                    tokens: row.get::<_, i64>(3)?.max(0).unsigned_abs(),
                };
                spread(&mut places, project, key, amounts);
            }
            sums.extend(places.into_iter().map(|((project, key), amounts)| PostedSum {
                project,
                key,
                posted: PostedBalance { period, starts, amounts },
            }));
        }
        Ok(sums)
    }
}

/// Adds what a key used to it and to everything around it.
fn spread(places: &mut BTreeMap<Place, Amounts>, project: ProjectPath, key: KeyId, amounts: Amounts) {
    let mut add = |place: Place| {
        let sum = places.entry(place).or_insert(Amounts { usd: base::Money::ZERO, tokens: 0 });
        sum.usd = sum.usd.checked_add(amounts.usd).unwrap_or(base::Money::MAX);
        sum.tokens = sum.tokens.saturating_add(amounts.tokens);
    };
    add((None, None));
    let mut around = Some(project.clone());
    while let Some(path) = around {
        around = path.parent();
        add((Some(path), None));
    }
    add((Some(project), Some(key)));
}
