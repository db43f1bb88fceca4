//! One trailing window: a ring of 61 buckets, each a sixtieth of the window long.
//!
//! The sixty full buckets before the current one, together with the current one, always cover the trailing window. So
//! a sum over all of them that stays within the limit keeps every trailing window within it, and what falls out of the
//! ring falls out at most one bucket late.

use core::time::Duration;

use base::Moment;

/// Buckets that make up the window's length.
const BUCKETS_PER_WINDOW: u64 = 60;
/// Those, and the one that is being filled.
const BUCKETS: usize = BUCKETS_PER_WINDOW as usize + 1;

/// The number type of a bucket: `u32` for requests, `u64` for tokens.
pub(crate) trait Count: Copy + Default + Into<u64> + TryFrom<u64> {
    /// The largest count.
    const MAX: u64;
}

impl Count for u32 {
    const MAX: u64 = u32::MAX as u64;
}

impl Count for u64 {
    // Half of it, so that no sum overflows.
    const MAX: u64 = u64::MAX / 2;
}

/// Counts in a trailing window. Its length is a constant of its kind and is handed in by its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailing<C> {
    /// The number of the newest bucket since the start of the clock.
    newest: u64,
    limit: C,
    /// The sum of all buckets.
    used: C,
    /// The mark of the configuration that created this window: a pass that is older took nothing here.
    pub(crate) created: u32,
    buckets: [C; BUCKETS],
}

/// The length of one bucket in nanoseconds.
const fn bucket_nanos(window: Duration) -> u64 {
    window.as_nanos() as u64 / BUCKETS_PER_WINDOW
}

/// Where a bucket of this number is in the ring.
const fn place(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}

impl<C: Count> Trailing<C> {
    /// An empty window, which counts from now on.
    pub(crate) fn new(limit: u64, created: u32) -> Trailing<C> {
        Trailing {
            newest: 0,
            limit: narrow(limit.min(C::MAX)),
            used: C::default(),
            created,
            buckets: [C::default(); BUCKETS],
        }
    }

    /// Changes the limit and keeps the counts. Beyond what a bucket can count the limit is that, which is more than
    /// four billion requests.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = narrow(limit.min(C::MAX));
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.into()
    }

    /// Empties the buckets that have left the window.
    pub(crate) fn advance(&mut self, window: Duration, now: Moment) {
        let width = bucket_nanos(window);
        // A multiplication and a comparison; the division waits until a bucket is full.
        if now.nanos() < (self.newest + 1).saturating_mul(width) {
            return;
        }
        let newest = now.nanos() / width;
        self.used = narrow(self.used_at(window, now));
        for number in self.newest + 1..=newest.min(self.newest + BUCKETS as u64) {
            self.buckets[place(number)] = C::default();
        }
        self.newest = newest;
    }

    /// What counts at `now`, without changing anything.
    pub(crate) fn used_at(&self, window: Duration, now: Moment) -> u64 {
        let newest = now.nanos() / bucket_nanos(window);
        let gone = newest.saturating_sub(self.newest).min(BUCKETS as u64);
        // The buckets that the next `gone` ones will replace are the oldest ones.
        let dropped = (1..=gone).map(|step| self.buckets[place(self.newest + step)].into());
        self.used.into() - dropped.sum::<u64>()
    }

    /// Whether `amount` fits. Call [`Trailing::advance`] first. Nothing always fits.
    pub(crate) fn fits(&self, amount: u64) -> bool {
        amount == 0 || amount <= self.limit().saturating_sub(self.used.into())
    }

    /// Takes `amount` from the newest bucket; the caller has checked that it fits.
    pub(crate) fn take(&mut self, amount: u64) {
        let used: u64 = self.used.into() + amount;
        assert!(amount == 0 || used <= self.limit(), "a window never takes more than its limit");
        self.used = narrow(used);
        let bucket = &mut self.buckets[place(self.newest)];
        *bucket = narrow((*bucket).into() + amount);
    }

    /// Gives back `amount` that was taken at `taken`; nothing when that has left the window by itself.
    pub(crate) fn give_back(&mut self, window: Duration, taken: Moment, amount: u64) {
        let number = taken.nanos() / bucket_nanos(window);
        assert!(number <= self.newest, "a pass is not younger than its window");
        if self.newest - number > BUCKETS_PER_WINDOW || amount == 0 {
            return;
        }
        let bucket = &mut self.buckets[place(number)];
        let rest = (*bucket).into().checked_sub(amount);
        *bucket = narrow(rest.expect("what is given back was taken from that bucket"));
        self.used = narrow(self.used.into() - amount);
    }

    /// How long after `now` `amount` fits, when nothing else happens; `None` when it never does.
    pub(crate) fn wait_for(&self, window: Duration, now: Moment, amount: u64) -> Option<Duration> {
        if amount == 0 {
            return Some(Duration::ZERO);
        }
        let allowed = self.limit().checked_sub(amount)?;
        let mut used = self.used_at(window, now);
        if used <= allowed {
            return Some(Duration::ZERO);
        }
        let newest = self.newest.max(now.nanos() / bucket_nanos(window));
        for number in newest.saturating_sub(BUCKETS_PER_WINDOW)..=self.newest {
            used -= self.buckets[place(number)].into();
            if used <= allowed {
                return Some(self.gone_at(window, number).saturating_since(now));
            }
        }
        unreachable!("an empty window has room for everything within its limit")
    }

    /// How long after `now` the window is empty again, when nothing else happens.
    pub(crate) fn wait_for_empty(&self, window: Duration, now: Moment) -> Duration {
        let newest = self.newest.max(now.nanos() / bucket_nanos(window));
        let alive = newest.saturating_sub(BUCKETS_PER_WINDOW)..=self.newest;
        let last = alive.rev().find(|&number| self.buckets[place(number)].into() > 0);
        last.map_or(Duration::ZERO, |number| self.gone_at(window, number).saturating_since(now))
    }

    /// When the bucket of this number has left the window.
    fn gone_at(&self, window: Duration, number: u64) -> Moment {
        Moment::from_nanos((number + BUCKETS as u64).saturating_mul(bucket_nanos(window)))
    }
}

/// A number that is at most [`Count::MAX`].
fn narrow<C: Count>(number: u64) -> C {
    let Ok(number) = C::try_from(number) else { unreachable!("a count is bounded by its limit") };
    number
}
