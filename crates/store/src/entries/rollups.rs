//! Sums gathered over a block, so that each row of the roll-ups is touched once.

use std::collections::HashMap;
use std::sync::LazyLock;

use base::Timestamp;
use rusqlite::Transaction;

use crate::StoreError;
use crate::journaled::{END_USER_BYTES_MAX, cut};
use crate::usage::{BUCKET_MICROS, COLUMNS, Delta};

static ADD_ROLLUP: LazyLock<String> =
    LazyLock::new(|| upsert("rollup", &["tenant", "bucket", "project", "key", "model"]));
static ADD_END_USER: LazyLock<String> = LazyLock::new(|| upsert("rollup_end_user", &["tenant", "bucket", "end_user"]));

/// Adds sums to a roll-up's row, or makes it. A sum beyond 64 bits stays at the largest number.
fn upsert(table: &str, key: &[&str]) -> String {
    let places: Vec<String> = (1..=key.len() + COLUMNS.len()).map(|place| format!("?{place}")).collect();
    let additions = COLUMNS.map(|name| format!("{name} = min({name} + excluded.{name}, 9223372036854775807)"));
    format!(
        "INSERT INTO {table} ({key}, {columns}) VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {additions}",
        key = key.join(", "),
        columns = COLUMNS.join(", "),
        places = places.join(", "),
        additions = additions.join(", "),
    )
}

/// Whose sums, as numbers of the dictionary.
pub(super) struct Place {
    pub(super) tenant: i64,
    pub(super) project: i64,
    pub(super) key: i64,
    pub(super) model: i64,
}

/// tenant, bucket, project, key, model
pub(super) type RollupKey = [i64; 5];
/// tenant, bucket
pub(super) type EndUserKey = [i64; 2];

/// The sums by row.
#[derive(Default)]
pub(super) struct Rollups {
    pub(super) rollups: HashMap<RollupKey, Delta>,
    pub(super) end_users: HashMap<EndUserKey, HashMap<String, Delta>>,
}

impl Rollups {
    /// Adds what one entry adds.
    pub(super) fn add(&mut self, place: &Place, at: Timestamp, end_user: Option<&str>, delta: &Delta) {
        let bucket = at.micros().div_euclid(BUCKET_MICROS);
        let key = [place.tenant, bucket, place.project, place.key, place.model];
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
        let mut statement = transaction.prepare_cached(&ADD_ROLLUP)?;
        for (key, Delta(sums)) in rollups {
            for (place, number) in key.iter().chain(sums).enumerate() {
                statement.raw_bind_parameter(place + 1, number)?;
            }
            statement.raw_execute()?;
        }
        let mut end_users: Vec<_> = self
            .end_users
            .iter()
            .flat_map(|(key, users)| users.iter().map(move |(user, sums)| (key, user, sums)))
            .collect();
        end_users.sort_unstable_by_key(|(key, user, _)| (**key, user.as_str()));
        let mut statement = transaction.prepare_cached(&ADD_END_USER)?;
        for ([tenant, bucket], user, Delta(sums)) in end_users {
            statement.raw_bind_parameter(1, tenant)?;
            statement.raw_bind_parameter(2, bucket)?;
            statement.raw_bind_parameter(3, user)?;
            for (place, number) in sums.iter().enumerate() {
                statement.raw_bind_parameter(place + 4, number)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}
