//! One trailing window: a ring of 61 buckets, each a sixtieth of the window long.
//!
//! The sixty full buckets before the current one, together with the current one, always cover the trailing window. So
//! a sum over all of them that stays within the limit keeps every trailing window within it, and what falls out of the
//! ring falls out at most one bucket late.

use core::time::Duration;

use base::{Moment, Window};

use crate::buckets::{BUCKETS, Buckets};

/// One kind of trailing window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) window: Window,
    pub(crate) length: Duration,
    pub(crate) counts_tokens: bool,
    /// The length of one bucket in nanoseconds.
    width: u64,
}

impl Kind {
    const fn of(window: Window, counts_tokens: bool) -> Kind {
        let length = window.length().expect("request and token windows have a length");
        Kind { window, length, counts_tokens, width: length.as_nanos() as u64 / BUCKETS as u64 }
    }
}

/// The trailing windows, those of requests first, and among them the shortest.
pub(crate) const KINDS: [Kind; 5] = [
    Kind::of(Window::RequestsPerMinute, false),
    Kind::of(Window::RequestsPerHour, false),
    Kind::of(Window::RequestsPerDay, false),
    Kind::of(Window::TokensPerMinute, true),
    Kind::of(Window::TokensPerDay, true),
];

/// The largest count and limit: half of what fits, so that no sum overflows.
const COUNT_MAX: u64 = u64::MAX / 2;

/// Counts in a trailing window.
///
/// What every call touches is here, and the full buckets are elsewhere: a call reads them only when a bucket fills up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailing {
    /// The sixty full buckets before the newest one.
    full: Buckets,
    /// The number of the newest bucket since the start of the clock.
    newest: u64,
    /// The newest bucket.
    current: u64,
    /// The sum of all buckets.
    used: u64,
    limit: u64,
    /// The mark of the configuration that created this window: a pass that is older took nothing here.
    pub(crate) created: u32,
    /// Which of [`KINDS`].
    kind: u8,
    /// As its kind says, here because every call asks.
    counts_tokens: bool,
    width: u64,
}

/// Where a full bucket of this number is.
const fn place(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}

impl Trailing {
    /// An empty window of one of [`KINDS`], which counts from now on.
    pub(crate) fn new(kind: u8, limit: u64, created: u32) -> Trailing {
        let limit = limit.min(COUNT_MAX);
        let Kind { counts_tokens, width, .. } = KINDS[usize::from(kind)];
        let full = Buckets::for_counts_to(limit);
        Trailing { full, newest: 0, current: 0, used: 0, limit, created, kind, counts_tokens, width }
    }

    /// Changes the limit and keeps the counts.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit.min(COUNT_MAX);
        self.full.widen_to(self.limit);
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) const fn place(&self) -> u8 {
        self.kind
    }

    #[inline]
    pub(crate) const fn counts_tokens(&self) -> bool {
        self.counts_tokens
    }

    #[inline]
    pub(crate) const fn kind(&self) -> &'static Kind {
        &KINDS[self.kind as usize]
    }

    /// Of a call, what counts here.
    #[inline]
    pub(crate) const fn amount(&self, requests: u64, tokens: u64) -> u64 {
        if self.counts_tokens { tokens } else { requests }
    }

    /// Whether [`Trailing::advance`] has something to do.
    #[inline]
    pub(crate) const fn is_behind(&self, now: Moment) -> bool {
        now.nanos() >= (self.newest + 1).saturating_mul(self.width)
    }

    /// How many buckets have filled up since the newest one, as far as it matters. No division while none has.
    fn steps(&self, now: Moment) -> u64 {
        if !self.is_behind(now) {
            return 0;
        }
        (now.nanos() / self.width - self.newest).min(BUCKETS as u64 + 1)
    }

    /// Begins the bucket of `now` and drops those that have left the window.
    #[inline]
    pub(crate) fn advance(&mut self, now: Moment) {
        let steps = self.steps(now);
        if steps > 0 {
            self.step(steps, now.nanos() / self.width);
        }
    }

    fn step(&mut self, steps: u64, newest: u64) {
        for step in 0..steps {
            // The bucket that was newest takes the place of the oldest one; those after it are empty.
            self.used -= self.full.replace(place(self.newest + step), core::mem::take(&mut self.current));
        }
        self.newest = newest;
    }

    /// What counts at `now`, without changing anything.
    pub(crate) fn used_at(&self, now: Moment) -> u64 {
        let steps = self.steps(now);
        if steps > BUCKETS as u64 {
            return 0;
        }
        self.used - (0..steps).map(|step| self.full.get(place(self.newest + step))).sum::<u64>()
    }

    /// Whether `amount` fits. Call [`Trailing::advance`] first. Nothing always fits.
    #[inline]
    pub(crate) const fn fits(&self, amount: u64) -> bool {
        // Without a branch: see `Meters::peek`.
        (amount == 0) | (amount <= self.limit.saturating_sub(self.used))
    }

    /// Takes `amount` from the newest bucket; the caller has checked that it fits.
    #[inline]
    pub(crate) fn take(&mut self, amount: u64) {
        let used = self.used + amount;
        assert!(amount == 0 || used <= self.limit, "a window never takes more than its limit");
        self.used = used;
        self.current += amount;
    }

    /// Gives back `amount` that was taken at `taken`; nothing when that has left the window by itself.
    pub(crate) fn give_back(&mut self, taken: Moment, amount: u64) {
        if amount == 0 {
            return;
        }
        // Mostly it was taken a moment ago: no division then.
        if taken.nanos() >= self.newest.saturating_mul(self.width) {
            let end = (self.newest + 1).saturating_mul(self.width);
            assert!(taken.nanos() < end || end == u64::MAX, "a pass is not younger than its window");
            let rest = self.current.checked_sub(amount);
            self.current = rest.expect("what is given back was taken from that bucket");
            self.used -= amount;
            return;
        }
        let number = taken.nanos() / self.width;
        if self.newest - number > BUCKETS as u64 {
            return;
        }
        let rest = self.bucket(number).checked_sub(amount);
        self.set(number, rest.expect("what is given back was taken from that bucket"));
        self.used -= amount;
    }

    /// Counts `amount` that was taken at `taken` by an earlier process, if it has not left the window yet. Call
    /// [`Trailing::advance`] first. What was admitted then may be more than the limit of now.
    pub(crate) fn restore(&mut self, taken: Moment, amount: u64) {
        let number = (taken.nanos() / self.width).min(self.newest);
        if self.newest - number > BUCKETS as u64 {
            return;
        }
        // No sum may be more than can be counted; that much is beyond every limit anyway.
        let amount = amount.min(COUNT_MAX - self.used);
        self.used += amount;
        self.full.widen_to(self.used);
        self.set(number, self.bucket(number) + amount);
    }

    /// How long after `now` `amount` fits, when nothing else happens; `None` when it never does.
    pub(crate) fn wait_for(&self, now: Moment, amount: u64) -> Option<Duration> {
        if amount == 0 {
            return Some(Duration::ZERO);
        }
        let allowed = self.limit.checked_sub(amount)?;
        let mut used = self.used_at(now);
        if used <= allowed {
            return Some(Duration::ZERO);
        }
        for number in self.alive(now) {
            used -= self.bucket(number);
            if used <= allowed {
                return Some(self.gone_at(number).saturating_since(now));
            }
        }
        unreachable!("an empty window has room for everything within its limit")
    }

    /// How long after `now` the window is empty again, when nothing else happens.
    pub(crate) fn wait_for_empty(&self, now: Moment) -> Duration {
        let last = self.alive(now).rev().find(|&number| self.bucket(number) > 0);
        last.map_or(Duration::ZERO, |number| self.gone_at(number).saturating_since(now))
    }

    /// The numbers of the buckets that count at `now`, oldest first.
    fn alive(&self, now: Moment) -> core::ops::RangeInclusive<u64> {
        let newest = self.newest.max(now.nanos() / self.width);
        newest.saturating_sub(BUCKETS as u64)..=self.newest
    }

    fn bucket(&self, number: u64) -> u64 {
        if number == self.newest { self.current } else { self.full.get(place(number)) }
    }

    fn set(&mut self, number: u64, count: u64) {
        if number == self.newest {
            self.current = count;
        } else {
            self.full.replace(place(number), count);
        }
    }

    /// When the bucket of this number has left the window.
    fn gone_at(&self, number: u64) -> Moment {
        Moment::from_nanos((number + BUCKETS as u64 + 1).saturating_mul(self.width))
    }

    /// Bytes of the window and its buckets.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Trailing>() + self.full.bytes()
    }
}
