//! Points in time, always handed in: [`Timestamp`] of the wall clock, [`Moment`] of the monotonic one.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time in microseconds since the Unix epoch. Used for calendars and records, never for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp {
    micros: i64,
}

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Timestamp = Timestamp { micros: 0 };
    /// Later than everything.
    pub const MAX: Timestamp = Timestamp { micros: i64::MAX };

    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp { micros }
    }

    /// From seconds since the Unix epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp { micros: seconds * 1_000_000 }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// Whole seconds since the Unix epoch, rounded towards the past.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.micros.div_euclid(1_000_000)
    }

    /// This time plus `span`; stops at [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Timestamp {
        let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Timestamp { micros: self.micros.saturating_add(span) }
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn saturating_since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros).try_into().unwrap_or(0))
    }
}

/// Monotonic time in nanoseconds since an arbitrary start, immune to steps of the wall clock. Used for rate windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    nanos: u64,
}

impl Moment {
    /// The start of this clock.
    pub const START: Moment = Moment { nanos: 0 };

    /// From nanoseconds since the start of this clock.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Moment {
        Moment { nanos }
    }

    /// Nanoseconds since the start of this clock; it holds 584 years.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.nanos
    }

    /// This moment plus `span`; stops at the end of the clock.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Moment {
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Moment { nanos: self.nanos.saturating_add(span) }
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn saturating_since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }
}
