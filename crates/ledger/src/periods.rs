//! Where the current periods of an account begin and end. Accounts of one time zone mostly agree on that: what is equal is
//! kept once.

use std::collections::VecDeque;
use std::sync::Arc;

use base::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Before the first time is known.
const NEVER: Timestamp = Timestamp::from_micros(i64::MIN);

/// One current period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
    /// The date on which it begins: its name, which a change of time zone leaves alone.
    pub(crate) date: Date,
}

impl Span {
    /// Whether `at` is after this period. Its end is the latest time there is when it never ends.
    pub(crate) fn is_over(&self, at: Timestamp) -> bool {
        at >= self.ends && self.ends != Timestamp::MAX
    }
}

/// The current periods of an account, in the order of [`base::BudgetPeriod::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Periods {
    pub(crate) spans: [Span; 5],
    /// The start of the youngest period: no grant is dated before it.
    pub(crate) newest: Timestamp,
    /// The earliest end of a current period, so that one comparison says that none is over.
    pub(crate) ends_first: Timestamp,
    pub(crate) zone: TimeZone,
}

impl Periods {
    /// Periods before the first time is known: any time is after their end.
    pub(crate) fn unstarted(zone: TimeZone) -> Periods {
        let span = Span { starts: NEVER, ends: NEVER, date: Date::MIN };
        Periods { spans: [span; 5], newest: NEVER, ends_first: NEVER, zone }
    }

    pub(crate) fn remember_ends(&mut self) {
        let ends = self.spans.iter().map(|span| span.ends);
        self.ends_first = ends.min().expect("there are five periods");
    }
}

/// Periods that are looked at for equal ones: a handful of zones, of today and of the last days.
const KNOWN_MAX: usize = 16;

/// The periods that accounts were seen to have lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelf {
    known: VecDeque<Arc<Periods>>,
}

impl Shelf {
    /// Puts equal periods that another account has in the place of these. What is not known is, from now on.
    pub(crate) fn share(&mut self, periods: &mut Arc<Periods>) {
        let Some(place) = self.known.iter().position(|known| Arc::ptr_eq(known, periods) || known == periods) else {
            self.known.truncate(KNOWN_MAX - 1);
            self.known.push_front(periods.clone());
            return;
        };
        if place > 0 {
            // The ones that are asked for are the last to be forgotten.
            self.known.swap(place, place - 1);
            *periods = self.known[place - 1].clone();
        } else {
            *periods = self.known[0].clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_periods_are_kept_once_and_few_are_remembered() {
        let mut shelf = Shelf::default();
        let of = |newest| Periods { newest: Timestamp::from_seconds(newest), ..Periods::unstarted(TimeZone::UTC) };
        let mut first = Arc::new(of(0));
        shelf.share(&mut first);
        for other in 1..100 {
            // Asked for now and then, the first stays known.
            let mut again = Arc::new(of(0));
            shelf.share(&mut again);
            assert!(Arc::ptr_eq(&first, &again));
            shelf.share(&mut Arc::new(of(other)));
            assert!(shelf.known.len() <= KNOWN_MAX);
        }
    }
}
