//! Where the wall clock stood on the clock of the machine's run, so that a start can tell how old records are although
//! the wall clock was set meanwhile.

use base::Timestamp;
use rusqlite::params;

use crate::{Store, StoreError};

/// Anchors that are kept: a clock that is set more often than this in a day is not believed anyway.
const ANCHORS_MAX: i64 = 1_000;

/// What both clocks showed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockAnchor {
    /// Which run of the machine.
    pub boot: [u8; 16],
    /// Its length until then, in microseconds.
    pub since_boot_micros: u64,
    /// The wall clock then.
    pub wall: Timestamp,
}

impl Store {
    /// Notes an anchor, and forgets old ones; durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn note_clock(&self, anchor: &ClockAnchor) -> Result<(), StoreError> {
        let since_boot = i64::try_from(anchor.since_boot_micros).unwrap_or(i64::MAX);
        // Not a change of resources: nobody who watches those is woken.
        let mut writer = self.lock_writer();
        let transaction = writer.connection.transaction()?;
        let insert = "INSERT INTO clock_anchor (boot, since_boot, wall) VALUES (?1, ?2, ?3)";
        transaction.execute(insert, params![anchor.boot.as_slice(), since_boot, anchor.wall.micros()])?;
        let forget = "DELETE FROM clock_anchor WHERE number <= (SELECT max(number) FROM clock_anchor) - ?1";
        transaction.execute(forget, [ANCHORS_MAX])?;
        transaction.commit()?;
        Ok(())
    }

    /// The anchors of one run of the machine, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn clock_anchors(&self, boot: [u8; 16]) -> Result<Vec<ClockAnchor>, StoreError> {
        let reader = self.reader();
        let sql = "SELECT since_boot, wall FROM clock_anchor WHERE boot = ?1 ORDER BY number";
        let mut statement = reader.prepare_cached(sql)?;
        let rows = statement.query_map([boot.as_slice()], |row| {
            let since_boot_micros = row.get::<_, i64>(0)?.max(0).unsigned_abs();
            Ok(ClockAnchor { boot, since_boot_micros, wall: Timestamp::from_micros(row.get(1)?) })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
