//! The sums that roll-ups keep, and what an entry adds to them.

use base::Money;
use ledger::Amounts;
use rusqlite::Row;
use serde::Serialize;
use wire::Usage;

use super::Ending;

/// Most units of one class in one record that are believed; more cannot be real, and sums must not overflow.
const UNITS_MAX: u64 = 1 << 40;

/// Length of a roll-up's bucket in microseconds: a quarter of an hour, which divides every offset of a time zone.
pub(crate) const BUCKET_MICROS: i64 = 900_000_000;

/// How many sums there are.
pub(crate) const SUMS: usize = 14;

/// The columns of the sums, in the order of [`Delta`]. Those that a start needs come first.
pub(crate) const COLUMNS: [&str; SUMS] = [
    "charged",
    "charged_tokens",
    "calls",
    "input",
    "cached_input",
    "cache_write",
    "audio_input",
    "output",
    "reasoning",
    "audio_output",
    "web_searches",
    "variance",
    "unresolved",
    "unresolved_tokens",
];

/// What entries add to a row of sums; what was unresolved may be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Delta(pub(crate) [i64; SUMS]);

/// A count as a row has it.
fn units(units: u64) -> i64 {
    units.min(UNITS_MAX).cast_signed()
}

impl Delta {
    /// What a settled attempt adds.
    pub(crate) fn of(
        usage: &Usage,
        ending: Ending,
        (held, held_tokens): (Money, u64),
        charged: Money,
        variance: Money,
    ) -> Delta {
        // What counts against limits is never more than was held, as the ledger has it.
        let charged_tokens = usage.input.saturating_add(usage.output).min(held_tokens);
        let held = if ending == Ending::Unknown { [held.nanos(), units(held_tokens)] } else { [0, 0] };
        Delta([
            charged.nanos(),
            units(charged_tokens),
            1,
            units(usage.input),
            units(usage.cached_input),
            units(usage.cache_write),
            units(usage.audio_input),
            units(usage.output),
            units(usage.reasoning),
            units(usage.audio_output),
            units(usage.web_searches),
            variance.nanos(),
            held[0],
            held[1],
        ])
    }

    /// What the end of an unknown attempt adds, and takes off.
    pub(crate) fn of_resolution(charged: Amounts, variance: Money, held: Amounts) -> Delta {
        let mut delta = Delta::default();
        delta.0[0] = charged.usd.nanos();
        delta.0[1] = units(charged.tokens);
        delta.0[11] = variance.nanos();
        delta.0[12] = -held.usd.nanos();
        delta.0[13] = -units(held.tokens);
        delta
    }

    /// Adds another; stops at the largest number rather than to fail.
    pub(crate) fn add(&mut self, other: &Delta) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }
}

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

    /// As a row holds them; what counts against limits is not told.
    fn columns(&self) -> [i64; SUMS] {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [
            self.charged.nanos(),
            0,
            count(self.calls),
            count(self.input_tokens),
            count(self.cached_input_tokens),
            count(self.cache_write_tokens),
            count(self.audio_input_tokens),
            count(self.output_tokens),
            count(self.reasoning_tokens),
            count(self.audio_output_tokens),
            count(self.web_searches),
            self.variance.nanos(),
            self.unresolved.nanos(),
            count(self.unresolved_tokens),
        ]
    }

    fn from_columns(columns: [i64; SUMS]) -> UsageSums {
        let count = |place: usize| columns[place].max(0).unsigned_abs();
        let money = |place: usize| Money::from_nanos(columns[place].max(0));
        UsageSums {
            charged: money(0),
            calls: count(2),
            input_tokens: count(3),
            cached_input_tokens: count(4),
            cache_write_tokens: count(5),
            audio_input_tokens: count(6),
            output_tokens: count(7),
            reasoning_tokens: count(8),
            audio_output_tokens: count(9),
            web_searches: count(10),
            variance: money(11),
            unresolved: money(12),
            unresolved_tokens: count(13),
        }
    }

    /// Reads the columns of a row from `first` on.
    pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<UsageSums> {
        let mut columns = [0_i64; SUMS];
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
