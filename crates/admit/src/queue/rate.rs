//! How long calls keep their places, and so how fast places come back.

use core::num::NonZeroU64;
use core::time::Duration;

use base::Moment;

/// How long calls are taken to keep their places before one has ended: who is not known may be slow.
const UNKNOWN: Duration = Duration::from_secs(10);

/// How long calls that ended had kept their places: a moving average over about sixteen, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kept(Option<NonZeroU64>);

impl Kept {
    pub(crate) fn note(&mut self, kept: Duration) {
        let kept = u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX / 16);
        let mixed = self.0.map_or(kept, |before| before.get() - before.get() / 16 + kept / 16);
        self.0 = Some(NonZeroU64::new(mixed).unwrap_or(NonZeroU64::MIN));
    }

    pub(crate) fn get(self) -> Duration {
        self.0.map_or(UNKNOWN, |kept| Duration::from_nanos(kept.get()))
    }
}

/// The calls under way, and how long the ones before took.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    running: u32,
    /// The sum of the starts of the calls under way.
    starts: u128,
    ended: Kept,
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
        self.ended.note(now.saturating_since(started));
    }

    /// How long a call keeps its place on average: one that ended, or one under way, so that endless ones count too.
    pub(crate) fn kept(&self, now: Moment) -> Duration {
        self.ended.get().max(self.age(now))
    }

    /// How long until the next place comes back, on average, where calls are like those of `kept`.
    pub(crate) fn until_next(&self, kept: Kept, now: Moment) -> Duration {
        kept.get().max(self.age(now)) / self.running.max(1)
    }

    /// The average age of the calls under way.
    fn age(&self, now: Moment) -> Duration {
        let ages = u128::from(now.nanos()) * u128::from(self.running);
        let age = ages.saturating_sub(self.starts) / u128::from(self.running.max(1));
        Duration::from_nanos(u64::try_from(age).unwrap_or(u64::MAX))
    }
}
