//! One trailing window: a ring of 61 buckets, each a sixtieth of the window long.
//!
//! The sixty full buckets before the current one, together with the current one, always cover the trailing window. So
//! a sum over all of them that stays within the limit keeps every trailing window within it, and what falls out of the
//! ring falls out at most one bucket late.

use core::time::Duration;

use base::Moment;

/// Full buckets that make up the window's length; one more is being filled.
const BUCKETS: usize = 60;

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

/// Counts in a trailing window. The length of a bucket is a constant of the window's kind, handed in by its account.
///
/// What every call touches is here, and the full buckets are elsewhere: a call reads them only when a bucket fills up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailing<C> {
    /// The sixty full buckets before the newest one.
    full: Box<[C; BUCKETS]>,
    /// The number of the newest bucket since the start of the clock.
    newest: u64,
    /// The newest bucket.
    current: C,
    /// The sum of all buckets.
    used: C,
    limit: C,
    /// The mark of the configuration that created this window: a pass that is older took nothing here.
    pub(crate) created: u32,
}

/// The length of one bucket in nanoseconds.
pub(crate) const fn bucket_nanos(window: Duration) -> u64 {
    window.as_nanos() as u64 / BUCKETS as u64
}

/// Where a full bucket of this number is.
const fn place(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}

impl<C: Count> Trailing<C> {
    /// An empty window, which counts from now on.
    pub(crate) fn new(limit: u64, created: u32) -> Trailing<C> {
        let zero = C::default();
        let limit = narrow(limit.min(C::MAX));
        Trailing { full: Box::new([zero; BUCKETS]), newest: 0, current: zero, used: zero, limit, created }
    }

    /// Changes the limit and keeps the counts. Beyond what a bucket can count the limit is that, which is more than
    /// four billion requests.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = narrow(limit.min(C::MAX));
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.into()
    }

    /// How many buckets have filled up since the newest one, as far as it matters. No division while none has.
    fn steps(&self, width: u64, now: Moment) -> u64 {
        if now.nanos() < (self.newest + 1).saturating_mul(width) {
            return 0;
        }
        (now.nanos() / width - self.newest).min(BUCKETS as u64 + 1)
    }

    /// Begins the bucket of `now` and drops those that have left the window.
    #[inline]
    pub(crate) fn advance(&mut self, width: u64, now: Moment) {
        let steps = self.steps(width, now);
        if steps > 0 {
            self.step(steps, now.nanos() / width);
        }
    }

    fn step(&mut self, steps: u64, newest: u64) {
        let mut used: u64 = self.used.into();
        for step in 0..steps {
            // The bucket that was newest takes the place of the oldest one; those after it are empty.
            let full = &mut self.full[place(self.newest + step)];
            used -= (*full).into();
            *full = core::mem::take(&mut self.current);
        }
        self.used = narrow(used);
        self.newest = newest;
    }

    /// What counts at `now`, without changing anything.
    pub(crate) fn used_at(&self, width: u64, now: Moment) -> u64 {
        let steps = self.steps(width, now);
        if steps > BUCKETS as u64 {
            return 0;
        }
        let dropped = (0..steps).map(|step| self.full[place(self.newest + step)].into());
        self.used.into() - dropped.sum::<u64>()
    }

    /// Whether `amount` fits. Call [`Trailing::advance`] first. Nothing always fits.
    #[inline]
    pub(crate) fn fits(&self, amount: u64) -> bool {
        amount == 0 || amount <= self.limit().saturating_sub(self.used.into())
    }

    /// Takes `amount` from the newest bucket; the caller has checked that it fits.
    #[inline]
    pub(crate) fn take(&mut self, amount: u64) {
        let used: u64 = self.used.into() + amount;
        assert!(amount == 0 || used <= self.limit(), "a window never takes more than its limit");
        self.used = narrow(used);
        self.current = narrow(self.current.into() + amount);
    }

    /// Gives back `amount` that was taken at `taken`; nothing when that has left the window by itself.
    pub(crate) fn give_back(&mut self, width: u64, taken: Moment, amount: u64) {
        if amount == 0 {
            return;
        }
        let number = taken.nanos() / width;
        assert!(number <= self.newest, "a pass is not younger than its window");
        if self.newest - number > BUCKETS as u64 {
            return;
        }
        let bucket = if number == self.newest { &mut self.current } else { &mut self.full[place(number)] };
        let rest = (*bucket).into().checked_sub(amount);
        *bucket = narrow(rest.expect("what is given back was taken from that bucket"));
        self.used = narrow(self.used.into() - amount);
    }

    /// Counts `amount` that was taken at `taken` by an earlier process, if it has not left the window yet. Call
    /// [`Trailing::advance`] first. What was admitted then may be more than the limit of now.
    pub(crate) fn restore(&mut self, width: u64, taken: Moment, amount: u64) {
        let number = (taken.nanos() / width).min(self.newest);
        if self.newest - number > BUCKETS as u64 {
            return;
        }
        // No sum may be more than a bucket can count; that much is beyond every limit anyway.
        let amount = amount.min(C::MAX - self.used.into());
        let bucket = if number == self.newest { &mut self.current } else { &mut self.full[place(number)] };
        *bucket = narrow((*bucket).into() + amount);
        self.used = narrow(self.used.into() + amount);
    }

    /// How long after `now` `amount` fits, when nothing else happens; `None` when it never does.
    pub(crate) fn wait_for(&self, width: u64, now: Moment, amount: u64) -> Option<Duration> {
        if amount == 0 {
            return Some(Duration::ZERO);
        }
        let allowed = self.limit().checked_sub(amount)?;
        let mut used = self.used_at(width, now);
        if used <= allowed {
            return Some(Duration::ZERO);
        }
        for number in self.alive(width, now) {
            used -= self.bucket(number);
            if used <= allowed {
                return Some(gone_at(width, number).saturating_since(now));
            }
        }
        unreachable!("an empty window has room for everything within its limit")
    }

    /// How long after `now` the window is empty again, when nothing else happens.
    pub(crate) fn wait_for_empty(&self, width: u64, now: Moment) -> Duration {
        let last = self.alive(width, now).rev().find(|&number| self.bucket(number) > 0);
        last.map_or(Duration::ZERO, |number| gone_at(width, number).saturating_since(now))
    }

    /// The numbers of the buckets that count at `now`, oldest first.
    fn alive(&self, width: u64, now: Moment) -> core::ops::RangeInclusive<u64> {
        let newest = self.newest.max(now.nanos() / width);
        newest.saturating_sub(BUCKETS as u64)..=self.newest
    }

    fn bucket(&self, number: u64) -> u64 {
        if number == self.newest { self.current.into() } else { self.full[place(number)].into() }
    }
}

/// When the bucket of this number has left the window.
const fn gone_at(width: u64, number: u64) -> Moment {
    Moment::from_nanos((number + BUCKETS as u64 + 1).saturating_mul(width))
}

/// A number that is at most [`Count::MAX`].
fn narrow<C: Count>(number: u64) -> C {
    let Ok(number) = C::try_from(number) else { unreachable!("a count is bounded by its limit") };
    number
}
