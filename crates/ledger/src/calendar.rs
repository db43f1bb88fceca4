//! Calendar periods in a time zone: where a day, week, month or year begins and ends on the wall clock.

use base::{BudgetPeriod, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, civil};

/// Years in which the calendar is computed; times outside count as the nearest one inside.
const SECONDS_MIN: i64 = -62_000_000_000;
const SECONDS_MAX: i64 = 253_000_000_000;

/// One period: `starts` belongs to it, `ends` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Its first instant.
    pub starts: Timestamp,
    /// The first instant after it; [`Timestamp::MAX`] when it never ends.
    pub ends: Timestamp,
}

/// The period of `zone`'s calendar that `at` lies in.
///
/// A boundary is the first instant at which the new date begins: where midnight is skipped that is the end of the gap,
/// and where it happens twice it is the first one. So periods follow each other without overlap or hole.
/// A total, and with it the wallet, runs from the epoch for ever.
#[must_use]
pub fn bounds(period: BudgetPeriod, zone: &TimeZone, at: Timestamp) -> Bounds {
    let (bounds, _) = period_at(period, zone, at);
    bounds
}

/// As [`bounds`], with the date on which the period begins: it names the period whatever the zone.
pub(crate) fn period_at(period: BudgetPeriod, zone: &TimeZone, at: Timestamp) -> (Bounds, Date) {
    let mut date = first_date(period, zone.to_datetime(instant(at)).date());
    if is_endless(period) {
        return (Bounds { starts: Timestamp::EPOCH, ends: Timestamp::MAX }, date);
    }
    // A clock set back across midnight shows the old date again after the new one has begun.
    let mut ends = end_of(period, zone, date);
    while ends <= at && ends < Timestamp::from_seconds(SECONDS_MAX) {
        date = next_date(period, date);
        ends = end_of(period, zone, date);
    }
    if ends <= at {
        ends = Timestamp::MAX;
    }
    (Bounds { starts: begin(zone, date), ends }, date)
}

/// Whether it never ends.
pub(crate) const fn is_endless(period: BudgetPeriod) -> bool {
    matches!(period, BudgetPeriod::Total | BudgetPeriod::Wallet)
}

/// When the period that begins on `date` ends in `zone`.
pub(crate) fn end_of(period: BudgetPeriod, zone: &TimeZone, date: Date) -> Timestamp {
    if is_endless(period) { Timestamp::MAX } else { begin(zone, next_date(period, date)) }
}

/// The first date of the period that `date` lies in.
fn first_date(period: BudgetPeriod, date: Date) -> Date {
    match period {
        BudgetPeriod::Day | BudgetPeriod::Total | BudgetPeriod::Wallet => date,
        BudgetPeriod::Week => {
            let since_monday = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(Span::new().days(since_monday)).unwrap_or(Date::MIN)
        }
        BudgetPeriod::Month => date.first_of_month(),
        BudgetPeriod::Year => date.first_of_year(),
    }
}

/// The first date of the period after the one that begins on `date`.
fn next_date(period: BudgetPeriod, date: Date) -> Date {
    let span = match period {
        BudgetPeriod::Day => Span::new().days(1),
        BudgetPeriod::Week => Span::new().weeks(1),
        BudgetPeriod::Month => Span::new().months(1),
        BudgetPeriod::Year => Span::new().years(1),
        BudgetPeriod::Total | BudgetPeriod::Wallet => return Date::MAX,
    };
    date.checked_add(span).unwrap_or(Date::MAX)
}

/// The first instant of `date` in `zone`.
fn begin(zone: &TimeZone, date: Date) -> Timestamp {
    let midnight = date.to_datetime(civil::Time::midnight());
    // "Compatible" is the end of a gap and the first of two.
    let instant = zone.to_ambiguous_timestamp(midnight).compatible();
    instant.map_or(Timestamp::MAX, |instant| Timestamp::from_micros(instant.as_microsecond()))
}

/// A time as the calendar library has it, inside its range.
fn instant(at: Timestamp) -> jiff::Timestamp {
    let seconds = at.seconds().clamp(SECONDS_MIN, SECONDS_MAX);
    jiff::Timestamp::from_second(seconds).expect("a clamped time is in the calendar's range")
}
