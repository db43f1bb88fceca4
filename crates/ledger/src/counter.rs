//! One resource in one period: what may be used of it, what is, and from when on somebody should look.

use crate::alerts::Alerts;
use crate::amounts::AMOUNT_MAX;

/// What is leased where no lease is needed. A lease itself stays below.
const NO_LEASE_NEEDED: u64 = AMOUNT_MAX;

/// A new lease covers so many calls of the size that asked for it, where the limit allows.
const LEASE_CALLS: u64 = 8;

/// One resource in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    /// The smaller of limit and lease: what posted, held and lost may come to.
    pub(crate) authority: u64,
    pub(crate) posted: u64,
    pub(crate) held: u64,
    /// Leased before a power loss and perhaps spent: counts like held until somebody knows better.
    pub(crate) lost: u64,
    /// Above this use the lease should be extended.
    refill_at: u64,
    /// From this charge on a threshold is reached.
    alert_at: u64,
    pub(crate) limit: u64,
    pub(crate) leased: u64,
    /// By how much the lease was extended last.
    chunk: u64,
    /// The highest threshold that was reported, in percent.
    alerted: u8,
}

impl Counter {
    /// An empty counter without a limit.
    pub(crate) const fn new(has_leases: bool) -> Counter {
        let leased = if has_leases { 0 } else { NO_LEASE_NEEDED };
        Counter {
            authority: AMOUNT_MAX,
            posted: 0,
            held: 0,
            lost: 0,
            refill_at: u64::MAX,
            alert_at: u64::MAX,
            limit: AMOUNT_MAX,
            leased,
            chunk: 0,
            alerted: 0,
        }
    }

    /// The counter of the next period: the same limit, and nothing else.
    pub(crate) fn next(&self, alerts: Alerts) -> Counter {
        let mut next = Counter::new(self.needs_lease());
        next.set_limit(self.limit, alerts);
        next
    }

    /// Takes the limit. A changed one is a new one: its thresholds count anew.
    pub(crate) fn set_limit(&mut self, limit: u64, alerts: Alerts) {
        if self.limit != limit {
            self.limit = limit;
            self.alerted = 0;
        }
        self.set_marks();
        self.set_alert(alerts);
    }

    pub(crate) const fn is_limited(&self) -> bool {
        self.limit < AMOUNT_MAX
    }

    const fn needs_lease(&self) -> bool {
        self.leased < NO_LEASE_NEEDED
    }

    /// What is leased, where a lease is needed.
    pub(crate) fn lease(&self) -> Option<u64> {
        (self.needs_lease() && self.is_limited()).then_some(self.leased)
    }

    pub(crate) const fn used(&self) -> u64 {
        self.posted.saturating_add(self.held).saturating_add(self.lost)
    }

    /// What can still be granted by the limit.
    pub(crate) const fn room(&self) -> u64 {
        self.limit.saturating_sub(self.used())
    }

    /// What can still be granted by the limit and the lease.
    pub(crate) const fn grantable(&self) -> u64 {
        self.authority.saturating_sub(self.used())
    }

    /// What could be granted without the holds. What is lost does not come back by waiting.
    pub(crate) const fn room_alone(&self) -> u64 {
        self.limit.saturating_sub(self.posted.saturating_add(self.lost))
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.used() > self.authority
    }

    pub(crate) const fn is_refill_due(&self) -> bool {
        self.used() > self.refill_at
    }

    /// Up to where the lease must go for `needed` more, and some calls ahead; `None` when it goes far enough, or the
    /// limit does not.
    pub(crate) fn wanted(&self, needed: u64, parts: u32) -> Option<u64> {
        if needed <= self.leased.saturating_sub(self.used()) || needed > self.room() {
            return None;
        }
        let ahead = self.part(parts).max(needed.saturating_mul(LEASE_CALLS));
        self.longer(self.used().saturating_add(needed).saturating_add(ahead))
    }

    /// Up to where the lease should go when half of its last extension is used.
    pub(crate) fn refill(&self, parts: u32) -> Option<u64> {
        if !self.is_refill_due() {
            return None;
        }
        self.longer(self.leased.max(self.used()).saturating_add(self.part(parts).max(self.chunk)))
    }

    /// A lease up to there, if there is to be one and the limit lets it be longer than now.
    fn longer(&self, up_to: u64) -> Option<u64> {
        let up_to = up_to.min(self.limit);
        (self.lease().is_some() && up_to > self.leased).then_some(up_to)
    }

    fn part(&self, parts: u32) -> u64 {
        self.limit / u64::from(parts.max(1))
    }

    /// Lets the lease go up to there, if that is further. The limit still binds.
    pub(crate) fn extend(&mut self, up_to: u64) {
        let up_to = up_to.min(AMOUNT_MAX - 1);
        if self.needs_lease() && up_to > self.leased {
            self.chunk = up_to - self.leased.max(self.used()).min(up_to);
            self.leased = up_to;
            self.set_marks();
        }
    }

    /// Counts what is leased and not used as lost; says whether that was anything.
    pub(crate) fn lose(&mut self) -> bool {
        let unused = if self.needs_lease() { self.leased.saturating_sub(self.used()) } else { 0 };
        self.lost += unused;
        unused > 0
    }

    fn set_marks(&mut self) {
        let is_bound = self.needs_lease() && self.is_limited();
        self.authority = if is_bound { self.limit.min(self.leased) } else { self.limit };
        let is_extensible = is_bound && self.leased < self.limit;
        self.refill_at = if is_extensible { self.leased - self.chunk.div_ceil(2) } else { u64::MAX };
    }

    fn set_alert(&mut self, alerts: Alerts) {
        let next = alerts.above(self.alerted).filter(|_| self.is_limited() && self.limit > 0);
        self.alert_at = next.map_or(u64::MAX, |percent| {
            let share = u128::from(self.limit) * u128::from(percent);
            u64::try_from(share.div_ceil(100)).unwrap_or(u64::MAX)
        });
    }

    pub(crate) const fn is_alert_due(&self) -> bool {
        self.posted >= self.alert_at
    }

    /// The next threshold that the charges have reached; each is given once.
    pub(crate) fn cross(&mut self, alerts: Alerts) -> Option<u8> {
        if !self.is_alert_due() {
            return None;
        }
        let percent = alerts.above(self.alerted)?;
        self.alerted = percent;
        self.set_alert(alerts);
        Some(percent)
    }

    /// Whether everything derived is as it should be: for the full check.
    pub(crate) fn assert_sound(&self) {
        let mut again = *self;
        again.set_marks();
        assert_eq!(*self, again, "authority follows limit and lease (I1)");
        assert!(!self.is_limited() || self.authority <= self.limit, "a lease never lifts a limit (I1)");
    }
}
