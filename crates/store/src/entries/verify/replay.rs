//! The rows of entries one by one: each against its record, and added to the sums that the roll-ups must have.

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use super::Check;
use super::chained::Contents;
use crate::StoreError;
use crate::archive::{AllUsages, Archives, UsageRow};
use crate::entries::chain::Canonical;
use crate::entries::rollups::{Place, RollupKey};
use crate::entries::rows::{canonical_resolution, canonical_usage, unsealed};
use crate::entries::wallet::canonical_credit;
use crate::journaled::decode_usage;
use crate::usage::{COLUMNS, Delta, Ending, SUMS, UsageRecord, attempt_number};

impl Check<'_> {
    pub(super) fn usages(&mut self, archives: &Archives) -> Result<(), StoreError> {
        let mut contents = Contents::new(self.view, "usages")?;
        let mut rows = AllUsages::of(self.view, archives);
        let mut canonical = Canonical::default();
        while let Some(UsageRow { attempt, block, tenant, sealed }) = rows.next()? {
            canonical.clear();
            canonical_usage(&mut canonical, attempt, tenant, &sealed);
            if let Some(what) = contents.add(block, &canonical)? {
                self.doubt("usage", attempt, what);
            }
            self.usage(attempt, tenant, &sealed);
            self.step();
        }
        self.gather(0, contents);
        Ok(())
    }

    fn usage(&mut self, attempt: i64, tenant: i64, sealed: &[u8]) {
        let record = match unsealed(sealed).and_then(decode_usage) {
            Ok(record) => record,
            Err(error) => return self.doubt("usage", attempt, error.to_string()),
        };
        if attempt_number(record.attempt) != Some(attempt) {
            self.doubt("usage", attempt, format!("its record is of attempt {}", record.attempt));
        }
        if self.numbers.get(record.tenant.as_str()) != Some(&tenant) {
            self.doubt("usage", attempt, format!("its record is of tenant {}", record.tenant));
        }
        if record.charged > record.held {
            self.doubt("usage", attempt, "it charged more than was held");
        }
        if record.ending == Ending::Unknown {
            self.unknown.insert(attempt);
        }
        self.epoch = self.epoch.max(record.attempt.epoch.cast_signed());
        self.add(&record, &record.delta());
    }

    /// Adds to the sums what an entry of a record's attempt adds.
    fn add(&mut self, record: &UsageRecord, delta: &Delta) {
        let number = |text: &str| self.numbers.get(text).copied();
        let place = (|| {
            Some(Place {
                tenant: number(record.tenant.as_str())?,
                project: number(record.project.as_str())?,
                key: number(record.key.as_str())?,
                model: number(record.model.as_str())?,
            })
        })();
        match place {
            Some(place) => self.sums.add(&place, record.at, record.end_user.as_deref(), delta),
            None => self.doubt("name", record.attempt, "a name of this attempt is missing"),
        }
    }

    pub(super) fn resolutions(&mut self) -> Result<(), StoreError> {
        let mut contents = Contents::new(self.view, "resolutions")?;
        let mut statement = self.view.prepare_cached(
            "SELECT attempt, block, at, charged, charged_tokens, variance, reason FROM resolution ORDER BY attempt",
        )?;
        let mut rows = statement.query([])?;
        let mut canonical = Canonical::default();
        while let Some(row) = rows.next()? {
            let numbers: [i64; 5] = [row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            canonical.clear();
            canonical_resolution(&mut canonical, numbers, row.get_ref(6)?.as_bytes().unwrap_or_default());
            if let Some(what) = contents.add(row.get(1)?, &canonical)? {
                self.doubt("resolution", numbers[0], what);
            }
            self.resolution(numbers)?;
        }
        self.gather(1, contents);
        Ok(())
    }

    fn resolution(&mut self, [attempt, _, charged, charged_tokens, variance]: [i64; 5]) -> Result<(), StoreError> {
        let sql = "SELECT record FROM usage WHERE attempt = ?1";
        let found: Option<Vec<u8>> =
            self.view.prepare_cached(sql)?.query_row([attempt], |row| row.get(0)).optional()?;
        let record = found.as_deref().and_then(|sealed| unsealed(sealed).and_then(decode_usage).ok());
        let Some(record) = record.filter(|record| record.ending == Ending::Unknown) else {
            self.doubt("resolution", attempt, "there is no unknown attempt that it ends");
            return Ok(());
        };
        if charged < 0 || charged > record.held.nanos() {
            self.doubt("resolution", attempt, "it charged more than was held");
        }
        self.unknown.remove(&attempt);
        // What it takes off is what the attempt had put on.
        let put = record.delta();
        let mut delta = Delta([0; SUMS]);
        (delta.0[0], delta.0[1], delta.0[11]) = (charged, charged_tokens, variance);
        (delta.0[12], delta.0[13]) = (-put.0[12], -put.0[13]);
        self.add(&record, &delta);
        Ok(())
    }

    pub(super) fn credits(&mut self) -> Result<(), StoreError> {
        let mut contents = Contents::new(self.view, "credits")?;
        let mut statement = self.view.prepare_cached(
            "SELECT number, block, tenant, at, nanos, kind, note, reference FROM credit ORDER BY number",
        )?;
        let mut rows = statement.query([])?;
        let mut canonical = Canonical::default();
        while let Some(row) = rows.next()? {
            let numbers: [i64; 5] = [row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            let note = row.get_ref(6)?.as_bytes().unwrap_or_default();
            canonical.clear();
            canonical_credit(&mut canonical, numbers, note, row.get_ref(7)?.as_bytes_or_null().unwrap_or_default());
            if let Some(what) = contents.add(row.get(1)?, &canonical)? {
                self.doubt("credit", numbers[0], what);
            }
        }
        self.gather(2, contents);
        Ok(())
    }

    /// Compares the roll-ups with the sums of the rows.
    pub(super) fn rollups(&mut self) -> Result<(), StoreError> {
        let sql = format!("SELECT tenant, bucket, project, key, model, {} FROM rollup", COLUMNS.join(", "));
        let mut statement = self.view.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut wanted = core::mem::take(&mut self.sums.rollups);
        while let Some(row) = rows.next()? {
            let key: [i64; 5] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            let sums = read_sums(row, 5)?;
            self.compare("rollup", format!("{key:?}"), sums, wanted.remove(&RollupKey(key)));
        }
        for RollupKey(key) in wanted.into_keys() {
            self.doubt("rollup", format!("{key:?}"), "it is missing");
        }
        Ok(())
    }

    /// The same for the sums of end users.
    pub(super) fn end_users(&mut self) -> Result<(), StoreError> {
        let sql = format!("SELECT tenant, bucket, end_user, {} FROM rollup_end_user", COLUMNS.join(", "));
        let mut statement = self.view.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut wanted = core::mem::take(&mut self.sums.end_users);
        while let Some(row) = rows.next()? {
            let key: [i64; 2] = [row.get(0)?, row.get(1)?];
            let user = String::from_utf8_lossy(row.get_ref(2)?.as_bytes().unwrap_or_default()).into_owned();
            let sums = read_sums(row, 3)?;
            let found = wanted.get_mut(&key).and_then(|users: &mut HashMap<String, Delta>| users.remove(&user));
            self.compare("rollup_end_user", format!("{key:?} {user}"), sums, found);
        }
        for (key, users) in wanted {
            for user in users.into_keys() {
                self.doubt("rollup_end_user", format!("{key:?} {user}"), "it is missing");
            }
        }
        Ok(())
    }

    fn compare(&mut self, table: &'static str, row: String, found: Delta, wanted: Option<Delta>) {
        let Some(wanted) = wanted else { return self.doubt(table, row, "no entry adds to it") };
        for (column, (found, wanted)) in COLUMNS.into_iter().zip(found.0.into_iter().zip(wanted.0)) {
            if found != wanted {
                self.doubt(table, row.clone(), format!("{column} is {found}, and its entries make {wanted}"));
            }
        }
    }
}

fn read_sums(row: &rusqlite::Row<'_>, first: usize) -> Result<Delta, StoreError> {
    let mut sums = Delta([0; SUMS]);
    for (place, sum) in sums.0.iter_mut().enumerate() {
        *sum = row.get(first + place)?;
    }
    Ok(sums)
}
