//! The sums that roll-ups keep, and how a record adds to them.

use base::Money;
use rusqlite::Row;
use serde::Serialize;

use super::{Ending, UsageRecord};

/// Most units of one class in one record that are believed; more cannot be real, and sums must not overflow.
pub(super) const UNITS_MAX: u64 = 1 << 40;

/// Length of a roll-up's bucket in microseconds: a quarter of an hour, which divides every offset of a time zone.
pub(super) const BUCKET_MICROS: i64 = 900_000_000;

/// The columns of the sums, in the order of [`UsageSums::columns`].
pub(super) const COLUMNS: [&str; 13] = [
    "calls",
    "input",
    "cached_input",
    "cache_write",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
    "web_searches",
    "charged",
    "variance",
    "unresolved",
    "unresolved_tokens",
];

/// What a number of attempts used and cost together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct UsageSums {
    /// Attempts.
    pub calls: u64,
    /// All input tokens.
    pub input_tokens: u64,
    /// Of these: read from a cache.
    pub cached_input_tokens: u64,
    /// Of these: written to a cache.
    pub cache_write_tokens: u64,
    /// Of these: audio.
    pub audio_input_tokens: u64,
    /// All output tokens.
    pub output_tokens: u64,
    /// Of these: reasoning.
    pub reasoning_tokens: u64,
    /// Of these: audio.
    pub audio_output_tokens: u64,
    /// Searches of the web.
    pub web_searches: u64,
    /// What the tenant was charged.
    #[serde(rename = "cost_usd")]
    pub charged: Money,
    /// What the operator lost to costs beyond holds.
    #[serde(rename = "variance_usd")]
    pub variance: Money,
    /// What stays held for attempts of which nobody knows the cost.
    #[serde(rename = "unresolved_usd")]
    pub unresolved: Money,
    /// The same in tokens.
    pub unresolved_tokens: u64,
}

impl UsageSums {
    /// Input and output tokens together.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The sums of one record.
    pub(super) fn of(record: &UsageRecord) -> UsageSums {
        let usage = &record.usage;
        let unresolved = record.ending == Ending::Unknown;
        let units = |units: u64| units.min(UNITS_MAX);
        UsageSums {
            calls: 1,
            input_tokens: units(usage.input),
            cached_input_tokens: units(usage.cached_input),
            cache_write_tokens: units(usage.cache_write),
            audio_input_tokens: units(usage.audio_input),
            output_tokens: units(usage.output),
            reasoning_tokens: units(usage.reasoning),
            audio_output_tokens: units(usage.audio_output),
            web_searches: units(usage.web_searches),
            charged: record.charged,
            variance: record.variance,
            unresolved: if unresolved { record.held } else { Money::ZERO },
            unresolved_tokens: if unresolved { units(record.held_tokens) } else { 0 },
        }
    }

    /// Adds other sums; stops at the largest number rather than to fail.
    pub(super) fn add(&mut self, other: &UsageSums) {
        let (own, other) = (self.columns(), other.columns());
        *self = UsageSums::from_columns(core::array::from_fn(|place| own[place].saturating_add(other[place])));
    }

    /// Takes other sums off, which are part of these.
    pub(super) fn subtract(&mut self, other: &UsageSums) {
        let (own, other) = (self.columns(), other.columns());
        *self = UsageSums::from_columns(core::array::from_fn(|place| own[place].saturating_sub(other[place]).max(0)));
    }

    /// As a row holds them.
    pub(super) fn columns(&self) -> [i64; 13] {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [
            count(self.calls),
            count(self.input_tokens),
            count(self.cached_input_tokens),
            count(self.cache_write_tokens),
            count(self.audio_input_tokens),
            count(self.output_tokens),
            count(self.reasoning_tokens),
            count(self.audio_output_tokens),
            count(self.web_searches),
            self.charged.nanos(),
            self.variance.nanos(),
            self.unresolved.nanos(),
            count(self.unresolved_tokens),
        ]
    }

    fn from_columns(columns: [i64; 13]) -> UsageSums {
        let count = |place: usize| columns[place].max(0).unsigned_abs();
        let money = |place: usize| Money::from_nanos(columns[place].max(0));
        UsageSums {
            calls: count(0),
            input_tokens: count(1),
            cached_input_tokens: count(2),
            cache_write_tokens: count(3),
            audio_input_tokens: count(4),
            output_tokens: count(5),
            reasoning_tokens: count(6),
            audio_output_tokens: count(7),
            web_searches: count(8),
            charged: money(9),
            variance: money(10),
            unresolved: money(11),
            unresolved_tokens: count(12),
        }
    }

    /// Reads the columns of a row from `first` on.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<UsageSums> {
        let mut columns = [0_i64; 13];
        for (place, column) in columns.iter_mut().enumerate() {
            *column = row.get::<_, Option<i64>>(first + place)?.unwrap_or(0);
        }
        Ok(UsageSums::from_columns(columns))
    }
}

/// `sum(calls), sum(input), ...`
pub(super) fn select_sums() -> String {
    COLUMNS.map(|column| format!("sum({column})")).join(", ")
}
