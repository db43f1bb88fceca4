//! What every account of every tenant was charged, in one pass over the roll-ups: a start must not wait for a query a
//! tenant.

use std::collections::HashMap;

use base::{AccountIndex, BudgetPeriod, KeyId, Money, TenantId, Timestamp};
use ledger::{Amounts, PostedBalance, bounds};
use rusqlite::{Connection, OptionalExtension, Rows};

use super::sums::BUCKET_MICROS;
use crate::directory::{Directory, LiveTenant};
use crate::resource::ProjectPath;
use crate::{Store, StoreError};

/// The sums of one account in its current periods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredAccount {
    /// The account at the root of its tree.
    pub tenant: AccountIndex,
    /// The account.
    pub account: AccountIndex,
    /// What was charged in each period, without what is held.
    pub posted: Vec<PostedBalance>,
}

/// One amount a period, in the order of [`BudgetPeriod::ALL`].
type Sums = [Amounts; BudgetPeriod::ALL.len()];

/// A tenant while its rows pass.
struct Passing {
    number: i64,
    /// `None` when it is gone: its rows count for nobody.
    live: Option<std::sync::Arc<LiveTenant>>,
    /// When each period began, and its first bucket.
    starts: [(Timestamp, i64); BudgetPeriod::ALL.len()],
    /// By project and key.
    sums: HashMap<(i64, i64), Sums>,
}

const SELECT: &str = "SELECT tenant, bucket, project, key, charged, charged_tokens FROM rollup ORDER BY tenant";
const SELECT_OF_TENANT: &str = "
    SELECT tenant, bucket, project, key, charged, charged_tokens FROM rollup WHERE tenant = ?1";

impl Store {
    /// What every account of the live directory was charged in the day, week, month, year and total that `now` lies in
    /// by its tenant's calendar. What is held is in [`Store::open_holds`] alone. Deleted accounts are left out; what they
    /// used still counts in those around them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn restored_accounts(&self, directory: &Directory, now: Timestamp) -> Result<Vec<RestoredAccount>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(SELECT)?;
        let names = names(&reader)?;
        restore(statement.query([])?, directory, &names, now)
    }

    /// The same of one tenant, for whoever cannot wait for all.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn restored_accounts_of(
        &self,
        tenant: &TenantId,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Vec<RestoredAccount>, StoreError> {
        let reader = self.reader();
        let find = "SELECT number FROM name WHERE text = ?1";
        let number: Option<i64> =
            reader.prepare_cached(find)?.query_row([tenant.as_str()], |row| row.get(0)).optional()?;
        let Some(number) = number else { return Ok(Vec::new()) };
        let names = names_of(&reader, number)?;
        let mut statement = reader.prepare_cached(SELECT_OF_TENANT)?;
        restore(statement.query([number])?, directory, &names, now)
    }
}

/// Goes through rows that are grouped by tenant.
fn restore(
    mut rows: Rows<'_>,
    directory: &Directory,
    names: &HashMap<i64, String>,
    now: Timestamp,
) -> Result<Vec<RestoredAccount>, StoreError> {
    let mut accounts = Vec::new();
    let mut passing: Option<Passing> = None;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if passing.as_ref().is_none_or(|passing| passing.number != number) {
            if let Some(passed) = passing.take() {
                passed.finish(names, &mut accounts)?;
            }
            passing = Some(Passing::new(number, directory, names, now)?);
        }
        let Some(passing) = passing.as_mut().filter(|passing| passing.live.is_some()) else { continue };
        let bucket: i64 = row.get(1)?;
        let amounts = Amounts {
            usd: Money::from_nanos(row.get::<_, i64>(4)?.max(0)),
            tokens: row.get::<_, i64>(5)?.max(0).unsigned_abs(),
        };
        let sums = passing.sums.entry((row.get(2)?, row.get(3)?)).or_default();
        for (sum, (_, first)) in sums.iter_mut().zip(passing.starts) {
            if bucket >= first {
                add(sum, amounts);
            }
        }
    }
    if let Some(passed) = passing {
        passed.finish(names, &mut accounts)?;
    }
    Ok(accounts)
}

impl Passing {
    fn new(
        number: i64,
        directory: &Directory,
        names: &HashMap<i64, String>,
        now: Timestamp,
    ) -> Result<Passing, StoreError> {
        let live = directory.tenant(name(names, number)?);
        let starts = match &live {
            None => [(now, i64::MAX); BudgetPeriod::ALL.len()],
            Some(tenant) => {
                let settings = tenant.account.settings();
                BudgetPeriod::ALL.map(|period| {
                    let starts = bounds(period, &settings.zone, now).starts;
                    let is_total = period == BudgetPeriod::Total;
                    (starts, if is_total { i64::MIN } else { starts.micros().div_euclid(BUCKET_MICROS) })
                })
            }
        };
        Ok(Passing { number, live, starts, sums: HashMap::new() })
    }

    /// Gives what keys used to them and to everything around them.
    fn finish(self, names: &HashMap<i64, String>, into: &mut Vec<RestoredAccount>) -> Result<(), StoreError> {
        let Some(tenant) = self.live else { return Ok(()) };
        let keys = tenant.keys();
        let keys: HashMap<(&ProjectPath, &KeyId), AccountIndex> =
            keys.iter().map(|key| ((key.project(), key.id()), key.account().index)).collect();
        let projects: HashMap<ProjectPath, AccountIndex> =
            tenant.projects().into_iter().map(|(path, account)| (path, account.index)).collect();
        let mut accounts: HashMap<AccountIndex, Sums> = HashMap::new();
        for ((project, key), sums) in self.sums {
            let project = ProjectPath::from_stored(name(names, project)?);
            let key = KeyId::new(name(names, key)?).map_err(|error| StoreError::corrupt("rollup.key", error))?;
            let mut around = Some(project.clone());
            let mut path = vec![Some(tenant.account.index), keys.get(&(&project, &key)).copied()];
            while let Some(project) = around {
                path.push(projects.get(&project).copied());
                around = project.parent();
            }
            for index in path.into_iter().flatten() {
                for (sum, more) in accounts.entry(index).or_default().iter_mut().zip(sums) {
                    add(sum, more);
                }
            }
        }
        into.extend(accounts.into_iter().map(|(account, sums)| {
            let periods = BudgetPeriod::ALL.into_iter().zip(self.starts).zip(sums);
            let posted = periods
                .filter(|(_, amounts)| *amounts != Amounts::ZERO)
                .map(|((period, (starts, _)), amounts)| PostedBalance { period, starts, amounts })
                .collect();
            RestoredAccount { tenant: tenant.account.index, account, posted }
        }));
        Ok(())
    }
}

fn add(sum: &mut Amounts, more: Amounts) {
    sum.usd = sum.usd.checked_add(more.usd).unwrap_or(Money::MAX);
    sum.tokens = sum.tokens.saturating_add(more.tokens);
}

/// The names in the roll-ups of one tenant.
fn names_of(connection: &Connection, tenant: i64) -> Result<HashMap<i64, String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, text FROM name WHERE number = ?1
            OR number IN (SELECT project FROM rollup WHERE tenant = ?1)
            OR number IN (SELECT key FROM rollup WHERE tenant = ?1)",
    )?;
    let names = statement.query_map([tenant], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// The whole dictionary.
pub(super) fn names(connection: &Connection) -> Result<HashMap<i64, String>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT number, text FROM name")?;
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(names.collect::<Result<_, _>>()?)
}

pub(super) fn name(names: &HashMap<i64, String>, number: i64) -> Result<&str, StoreError> {
    names.get(&number).map(String::as_str).ok_or_else(|| StoreError::corrupt("rollup", "a name is missing"))
}
