//! The small tables, whose rows come and go: each against the hash that the last block has of it.

use std::collections::BTreeSet;

use super::Check;
use crate::StoreError;
use crate::entries::chain::{Canonical, Digest, Head, toggle};
use crate::entries::holds::canonical_hold;
use crate::entries::leases::canonical_lease;
use crate::journaled::decode_intent;
use crate::usage::{attempt_number, from_attempt_number};

impl Check<'_> {
    pub(super) fn holds(&mut self, head: &Head) -> Result<(), StoreError> {
        let mut statement = self.view.prepare_cached("SELECT attempt, state, intent FROM hold ORDER BY attempt")?;
        let mut rows = statement.query([])?;
        let mut state: Digest = [0; 32];
        let mut held = BTreeSet::new();
        while let Some(row) = rows.next()? {
            let (attempt, code): (i64, i64) = (row.get(0)?, row.get(1)?);
            let intent = row.get_ref(2)?.as_bytes().unwrap_or_default();
            let mut canonical = Canonical::default();
            canonical_hold(&mut canonical, attempt, code, intent);
            toggle(&mut state, &canonical);
            match decode_intent(intent) {
                Ok(intent) if attempt_number(intent.attempt) == Some(attempt) => {}
                Ok(intent) => self.doubt("hold", attempt, format!("its record is of attempt {}", intent.attempt)),
                Err(error) => self.doubt("hold", attempt, error.to_string()),
            }
            self.epoch = self.epoch.max(from_attempt_number(attempt).epoch.cast_signed());
            if code == 1 {
                held.insert(attempt);
            }
        }
        if state != head.holds {
            self.doubt("hold", "all", "its rows are not those that the last block was written with");
        }
        let unknown = core::mem::take(&mut self.unknown);
        for attempt in unknown.symmetric_difference(&held) {
            self.doubt("hold", attempt, "what is unknown and what is held as unknown is not the same");
        }
        Ok(())
    }

    pub(super) fn leases(&mut self, head: &Head) -> Result<(), StoreError> {
        let sql = "SELECT tenant, project, key, period, resource, starts, up_to, lost FROM lease";
        let mut statement = self.view.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        let mut state: Digest = [0; 32];
        while let Some(row) = rows.next()? {
            let mut numbers = [0; 8];
            for (place, number) in numbers.iter_mut().enumerate() {
                *number = row.get(place)?;
            }
            let mut canonical = Canonical::default();
            canonical_lease(&mut canonical, &numbers);
            toggle(&mut state, &canonical);
        }
        if state != head.leases {
            self.doubt("lease", "all", "its rows are not those that the last block was written with");
        }
        Ok(())
    }

    /// What the counters say of the chain and of the attempts.
    pub(super) fn counters(&mut self, head: &Head) -> Result<(), StoreError> {
        let mut statement = self.view.prepare_cached("SELECT name, value FROM counter")?;
        let mut rows = statement.query([])?;
        let (mut applied, mut epoch) = (None, 0);
        while let Some(row) = rows.next()? {
            let name = String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned();
            let value: i64 = row.get(1)?;
            match name.as_str() {
                "applied" => applied = Some(value),
                "epoch" => epoch = value,
                _ => self.doubt("counter", name, "there is no such counter"),
            }
        }
        if applied != (head.number > 0).then_some(head.applied) {
            let what = format!("it is {applied:?}, and the last block was written at {}", head.applied);
            self.doubt("counter", "applied", what);
        }
        if epoch < self.epoch {
            let what = format!("it is {epoch}, and there is an attempt of {}: ids would repeat", self.epoch);
            self.doubt("counter", "epoch", what);
        }
        Ok(())
    }
}
