//! How fast the places of an upstream come back.

use core::time::Duration;

use base::Moment;

/// How long calls keep their places: those that ended, and those under way, so that endless ones count too.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    running: u32,
    /// The sum of the starts of the calls under way.
    starts: u128,
    /// A moving average over about sixteen calls that ended, in nanoseconds.
    kept: u64,
}

impl Rate {
    pub(crate) fn running(&self) -> u32 {
        self.running
    }

    pub(crate) fn begin(&mut self, now: Moment) {
        self.running += 1;
        self.starts += u128::from(now.nanos());
    }

    pub(crate) fn end(&mut self, started: Moment, now: Moment) {
        self.running = self.running.checked_sub(1).expect("a call ends once");
        self.starts -= u128::from(started.nanos());
        let kept = u64::try_from(now.saturating_since(started).as_nanos()).unwrap_or(u64::MAX / 16);
        self.kept = if self.kept == 0 { kept } else { self.kept - self.kept / 16 + kept / 16 };
    }

    /// How long a call keeps its place on average.
    pub(crate) fn kept(&self, now: Moment) -> Duration {
        let ages = u128::from(now.nanos()) * u128::from(self.running);
        let age = ages.saturating_sub(self.starts) / u128::from(self.running.max(1));
        Duration::from_nanos(self.kept.max(u64::try_from(age).unwrap_or(u64::MAX)))
    }

    /// How long until the next place comes back, on average.
    pub(crate) fn until_next(&self, now: Moment) -> Duration {
        self.kept(now) / self.running.max(1)
    }
}
