//! Writing usage records and their roll-ups, many in one transaction.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::LazyLock;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params_from_iter};

use super::record::{attempt_number, shape};
use super::sums::{BUCKET_MICROS, COLUMNS, UNITS_MAX};
use super::{UsageRecord, UsageSums};
use crate::store::Writer;
use crate::{Store, StoreError};

/// Names remembered with the writing connection; beyond that they are looked up anew.
const NAMES_MAX: usize = 200_000;

static INSERT_RECORD: LazyLock<String> = LazyLock::new(|| {
    let places: Vec<String> = (1..=30).map(|place| format!("?{place}")).collect();
    format!(
        "INSERT INTO usage (attempt, tenant, at, project, key, model, upstream, shape, status, price_version,
            input, cached_input, cache_write, audio_input, output, reasoning, audio_output, accepted_prediction,
            rejected_prediction, web_searches, reported_cost, held, held_tokens, charged, variance, first_byte_ms,
            total_ms, request_id, upstream_response_id, end_user)
         VALUES ({}) ON CONFLICT (attempt) DO NOTHING",
        places.join(", ")
    )
});

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

/// tenant, bucket, project, key, model
type RollupKey = [i64; 5];

/// Sums gathered over a batch, so that each row is touched once.
#[derive(Default)]
struct Batch<'a> {
    rollups: HashMap<RollupKey, UsageSums>,
    end_users: HashMap<(i64, i64, &'a str), UsageSums>,
}

impl Store {
    /// Writes records and adds them to the roll-ups, all or none; durable when it returns. A record that is already
    /// there, by its attempt, is left out, so that the same batch may be given again after a failure.
    ///
    /// # Errors
    /// When the database refuses; nothing was written then.
    pub fn record_usage(&self, records: &[UsageRecord]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut writer = self.lock_writer();
        let Writer { connection, names } = &mut *writer;
        if names.len() > NAMES_MAX {
            names.clear();
        }
        let written = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)
            .and_then(|transaction| {
                write(&transaction, names, records)?;
                Ok(transaction.commit()?)
            });
        if written.is_err() {
            // Numbers made in the transaction went with it.
            names.clear();
        }
        written
    }
}

fn write(
    transaction: &Transaction<'_>,
    names: &mut HashMap<String, i64>,
    records: &[UsageRecord],
) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    let mut insert = transaction.prepare_cached(&INSERT_RECORD)?;
    for record in records {
        let mut number = |text: &str| number_of(transaction, names, text);
        let tenant = number(record.tenant.as_str())?;
        let bucket = record.at.micros().div_euclid(BUCKET_MICROS);
        let project = number(record.project.as_str())?;
        let key = number(record.key.as_str())?;
        let model = number(record.model.as_str())?;
        let upstream = number(record.upstream.as_str())?;
        if insert_record(&mut insert, record, [tenant, project, key, model, upstream])? {
            let sums = UsageSums::of(record);
            add(&mut batch.rollups, [tenant, bucket, project, key, model], &sums);
            if let Some(end_user) = &record.end_user {
                add(&mut batch.end_users, (tenant, bucket, end_user.as_str()), &sums);
            }
        }
    }
    drop(insert);
    batch.write(transaction)
}

fn add<K: Eq + Hash>(sums: &mut HashMap<K, UsageSums>, key: K, more: &UsageSums) {
    sums.entry(key).or_default().add(more);
}

impl Batch<'_> {
    fn write(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        // In the order of the rows, so that neighbours share pages while they are at hand.
        let mut rollups: Vec<_> = self.rollups.iter().collect();
        rollups.sort_unstable_by_key(|(key, _)| **key);
        let mut statement = transaction.prepare_cached(&ADD_ROLLUP)?;
        for (key, sums) in rollups {
            statement.execute(params_from_iter(key.iter().chain(&sums.columns())))?;
        }
        let mut statement = transaction.prepare_cached(&ADD_END_USER)?;
        for ((tenant, bucket, end_user), sums) in &self.end_users {
            statement.raw_bind_parameter(1, tenant)?;
            statement.raw_bind_parameter(2, bucket)?;
            statement.raw_bind_parameter(3, end_user)?;
            for (place, column) in sums.columns().iter().enumerate() {
                statement.raw_bind_parameter(place + 4, column)?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}

/// Whether the record was new.
fn insert_record(
    statement: &mut rusqlite::Statement<'_>,
    record: &UsageRecord,
    [tenant, project, key, model, upstream]: [i64; 5],
) -> Result<bool, StoreError> {
    let usage = &record.usage;
    let units = |units: u64| i64::try_from(units.min(UNITS_MAX)).expect("the limit fits");
    let numbers = [
        attempt_number(record.attempt).ok_or_else(|| StoreError::corrupt("attempt", record.attempt))?,
        tenant,
        record.at.micros(),
        project,
        key,
        model,
        upstream,
        shape(record.endpoint, record.ending, record.stream),
        i64::from(record.status),
        i64::from(record.price_version),
        units(usage.input),
        units(usage.cached_input),
        units(usage.cache_write),
        units(usage.audio_input),
        units(usage.output),
        units(usage.reasoning),
        units(usage.audio_output),
        units(usage.accepted_prediction),
        units(usage.rejected_prediction),
        units(usage.web_searches),
    ];
    for (place, number) in numbers.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, number)?;
    }
    statement.raw_bind_parameter(21, usage.reported_cost.map(base::Money::nanos))?;
    let amounts = [
        record.held.nanos(),
        units(record.held_tokens),
        record.charged.nanos(),
        record.variance.nanos(),
        i64::from(record.first_byte_ms),
        i64::from(record.total_ms),
    ];
    for (place, number) in amounts.iter().enumerate() {
        statement.raw_bind_parameter(place + 22, number)?;
    }
    statement.raw_bind_parameter(28, record.request_id.as_str())?;
    statement.raw_bind_parameter(29, record.upstream_response_id.as_deref())?;
    statement.raw_bind_parameter(30, record.end_user.as_deref())?;
    Ok(statement.raw_execute()? == 1)
}

/// The number of a name in the dictionary, made when it is new.
fn number_of(transaction: &Transaction<'_>, names: &mut HashMap<String, i64>, text: &str) -> Result<i64, StoreError> {
    if let Some(number) = names.get(text) {
        return Ok(*number);
    }
    let mut find = transaction.prepare_cached("SELECT number FROM name WHERE text = ?1")?;
    let number = match find.query_row([text], |row| row.get(0)).optional()? {
        Some(number) => number,
        None => {
            transaction.prepare_cached("INSERT INTO name (text) VALUES (?1)")?.execute([text])?;
            transaction.last_insert_rowid()
        }
    };
    names.insert(text.to_owned(), number);
    Ok(number)
}
