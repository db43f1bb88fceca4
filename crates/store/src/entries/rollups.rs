//! Sums gathered over a block, so that each row of the roll-ups is touched once.

use core::hash::{Hash, Hasher};
use std::collections::HashMap;
use std::sync::LazyLock;

use base::{NumberHashing, Timestamp};
use rusqlite::{Statement, Transaction};

use crate::StoreError;
use crate::journaled::{END_USER_BYTES_MAX, cut};
use crate::usage::{BUCKET_MICROS, COLUMNS, Delta, SUMS};

/// The statements that add sums to a row, or make it.
struct Upsert {
    /// Fails when a sum goes beyond 64 bits: the column takes no other number.
    exact: String,
    /// Stays at the largest number then, which takes twice as long.
    saturating: String,
}

static ROLLUP: LazyLock<Upsert> =
    LazyLock::new(|| Upsert::new("rollup", &["tenant", "bucket", "project", "key", "model"]));
static END_USER: LazyLock<Upsert> = LazyLock::new(|| Upsert::new("rollup_end_user", &["tenant", "bucket", "end_user"]));

impl Upsert {
    fn new(table: &str, key: &[&str]) -> Upsert {
        let places: Vec<String> = (1..=key.len() + COLUMNS.len()).map(|place| format!("?{place}")).collect();
        let (key, columns, places) = (key.join(", "), COLUMNS.join(", "), places.join(", "));
        let statement = |additions: [String; SUMS]| {
            format!(
                "INSERT INTO {table} ({key}, {columns}) VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {}",
                additions.join(", ")
            )
        };
        Upsert {
            exact: statement(COLUMNS.map(|name| format!("{name} = {name} + excluded.{name}"))),
            saturating: statement(
                COLUMNS.map(|name| format!("{name} = min({name} + excluded.{name}, 9223372036854775807)")),
            ),
        }
    }
}

/// Whose sums, as numbers of the dictionary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) tenant: i64,
    pub(super) project: i64,
    pub(super) key: i64,
    pub(super) model: i64,
}

/// tenant, bucket, project, key, model
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RollupKey(pub(super) [i64; 5]);

/// Number by number: an array is hashed as its bytes, one at a time.
impl Hash for RollupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|number| state.write_i64(*number));
    }
}

/// tenant, bucket
pub(super) type EndUserKey = [i64; 2];

/// The sums by row.
#[derive(Default)]
pub(super) struct Rollups {
    /// The numbers are the dictionary's, which nobody chooses.
    pub(super) rollups: HashMap<RollupKey, Delta, NumberHashing>,
    pub(super) end_users: HashMap<EndUserKey, HashMap<String, Delta>>,
}

impl Rollups {
    /// Adds what one entry adds.
    pub(super) fn add(&mut self, place: &Place, at: Timestamp, end_user: Option<&str>, delta: &Delta) {
        let bucket = at.micros().div_euclid(BUCKET_MICROS);
        let key = RollupKey([place.tenant, bucket, place.project, place.key, place.model]);
        self.rollups.entry(key).or_default().add(delta);
        if let Some(end_user) = end_user {
            let end_user = cut(end_user, END_USER_BYTES_MAX);
            let users = self.end_users.entry([place.tenant, bucket]).or_default();
            match users.get_mut(end_user) {
                Some(sums) => sums.add(delta),
                None => drop(users.insert(end_user.to_owned(), *delta)),
            }
        }
    }

    /// Adds all to the rows, in their order, so that neighbours share pages while they are at hand.
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let mut rollups: Vec<_> = self.rollups.iter().collect();
        rollups.sort_unstable_by_key(|(key, _)| **key);
        let mut exact = transaction.prepare_cached(&ROLLUP.exact)?;
        for (RollupKey(key), Delta(sums)) in rollups {
            let bind = |statement: &mut Statement<'_>| {
                bind_all(statement, 1, key)?;
                bind_all(statement, 1 + key.len(), sums)
            };
            add(transaction, &mut exact, &ROLLUP, bind)?;
        }
        let mut end_users: Vec<_> = self
            .end_users
            .iter()
            .flat_map(|(key, users)| users.iter().map(move |(user, sums)| (key, user, sums)))
            .collect();
        end_users.sort_unstable_by_key(|(key, user, _)| (**key, user.as_str()));
        let mut exact = transaction.prepare_cached(&END_USER.exact)?;
        for (key, user, Delta(sums)) in end_users {
            let bind = |statement: &mut Statement<'_>| {
                bind_all(statement, 1, key)?;
                statement.raw_bind_parameter(3, user)?;
                bind_all(statement, 4, sums)
            };
            add(transaction, &mut exact, &END_USER, bind)?;
        }
        Ok(())
    }
}

fn bind_all(statement: &mut Statement<'_>, first: usize, numbers: &[i64]) -> rusqlite::Result<()> {
    for (place, number) in numbers.iter().enumerate() {
        statement.raw_bind_parameter(first + place, number)?;
    }
    Ok(())
}

/// Adds to one row.
fn add(
    transaction: &Transaction<'_>,
    exact: &mut Statement<'_>,
    upsert: &Upsert,
    bind: impl Fn(&mut Statement<'_>) -> rusqlite::Result<()>,
) -> Result<(), StoreError> {
    bind(exact)?;
    if exact.raw_execute().is_err() {
        let mut saturating = transaction.prepare_cached(&upsert.saturating)?;
        bind(&mut saturating)?;
        saturating.raw_execute()?;
    }
    Ok(())
}
