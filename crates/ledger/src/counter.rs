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
    pub(crate) posted: u64,
    pub(crate) held: u64,
    pub(crate) terms: Terms,
}

/// What is to be known of a counter beside its sums. Where nothing was ever limited it is [`Terms::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) limit: u64,
    pub(crate) leased: u64,
    /// Leased before a power loss and perhaps spent: counts like held until somebody knows better.
    pub(crate) lost: u64,
    /// Above this use the lease should be extended.
    refill_at: u64,
    /// From this charge on a threshold is reached.
    alert_at: u64,
    /// By how much the lease was extended last.
    chunk: u64,
    /// The highest threshold that was reported, in percent.
    alerted: u8,
}

impl Terms {
    /// No limit, and nothing that was leased or lost.
    pub(crate) const fn new(has_leases: bool) -> Terms {
        Terms {
            limit: AMOUNT_MAX,
            leased: if has_leases { 0 } else { NO_LEASE_NEEDED },
            lost: 0,
            refill_at: u64::MAX,
            alert_at: u64::MAX,
            chunk: 0,
            alerted: 0,
        }
    }

    pub(crate) const fn is_limited(&self) -> bool {
        self.limit < AMOUNT_MAX
    }

    const fn needs_lease(&self) -> bool {
        self.leased < NO_LEASE_NEEDED
    }

    /// The smaller of limit and lease: what posted, held and lost may come to.
    #[inline]
    pub(crate) const fn authority(&self) -> u64 {
        if self.is_limited() && self.leased < self.limit { self.leased } else { self.limit }
    }

    /// What is leased, where a lease is needed.
    pub(crate) fn lease(&self) -> Option<u64> {
        (self.needs_lease() && self.is_limited()).then_some(self.leased)
    }

    #[inline]
    pub(crate) const fn is_refill_due(&self, used: u64) -> bool {
        used > self.refill_at
    }

    #[inline]
    pub(crate) const fn is_alert_due(&self, posted: u64) -> bool {
        posted >= self.alert_at
    }

    /// The next threshold that the charges have reached; each is given once.
    pub(crate) fn cross(&mut self, posted: u64, alerts: Alerts) -> Option<u8> {
        if !self.is_alert_due(posted) {
            return None;
        }
        let percent = alerts.above(self.alerted)?;
        self.alerted = percent;
        self.set_alert(alerts);
        Some(percent)
    }

    fn set_limit(&mut self, limit: u64, alerts: Alerts) {
        if self.limit != limit {
            self.limit = limit;
            self.alerted = 0;
        }
        self.set_refill();
        self.set_alert(alerts);
    }

    fn set_refill(&mut self) {
        let is_extensible = self.lease().is_some_and(|leased| leased < self.limit);
        self.refill_at = if is_extensible { self.leased - self.chunk.div_ceil(2) } else { u64::MAX };
    }

    fn set_alert(&mut self, alerts: Alerts) {
        let next = alerts.above(self.alerted).filter(|_| self.is_limited() && self.limit > 0);
        self.alert_at = next.map_or(u64::MAX, |percent| {
            let share = u128::from(self.limit) * u128::from(percent);
            u64::try_from(share.div_ceil(100)).unwrap_or(u64::MAX)
        });
    }

    /// Whether everything derived is as it should be: for the full check.
    pub(crate) fn assert_sound(&self) {
        let mut again = *self;
        again.set_refill();
        assert_eq!(*self, again, "when a refill is due follows limit and lease (I1)");
        assert!(!self.is_limited() || self.authority() <= self.limit, "a lease never lifts a limit (I1)");
    }
}

impl Counter {
    /// An empty counter without a limit.
    pub(crate) const fn new(has_leases: bool) -> Counter {
        Counter { posted: 0, held: 0, terms: Terms::new(has_leases) }
    }

    /// The counter of the next period: the same limit, and nothing else.
    pub(crate) fn next(&self, alerts: Alerts) -> Counter {
        let mut next = Counter::new(self.terms.needs_lease());
        next.set_limit(self.terms.limit, alerts);
        next
    }

    /// Takes the limit. A changed one is a new one: its thresholds count anew.
    pub(crate) fn set_limit(&mut self, limit: u64, alerts: Alerts) {
        self.terms.set_limit(limit, alerts);
    }

    pub(crate) const fn used(&self) -> u64 {
        self.posted.saturating_add(self.held).saturating_add(self.terms.lost)
    }

    /// What can still be granted by the limit.
    pub(crate) const fn room(&self) -> u64 {
        self.terms.limit.saturating_sub(self.used())
    }

    /// What can still be granted by the limit and the lease.
    pub(crate) const fn grantable(&self) -> u64 {
        self.terms.authority().saturating_sub(self.used())
    }

    /// What could be granted without the holds. What is lost does not come back by waiting.
    pub(crate) const fn room_alone(&self) -> u64 {
        self.terms.limit.saturating_sub(self.posted.saturating_add(self.terms.lost))
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.used() > self.terms.authority()
    }

    pub(crate) const fn is_refill_due(&self) -> bool {
        self.terms.is_refill_due(self.used())
    }

    /// Up to where the lease must go for `needed` more, and some calls ahead; `None` when it goes far enough, or the
    /// limit does not.
    pub(crate) fn wanted(&self, needed: u64, parts: u32) -> Option<u64> {
        if needed <= self.terms.leased.saturating_sub(self.used()) || needed > self.room() {
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
        self.longer(self.terms.leased.max(self.used()).saturating_add(self.part(parts).max(self.terms.chunk)))
    }

    /// A lease up to there, if there is to be one and the limit lets it be longer than now.
    fn longer(&self, up_to: u64) -> Option<u64> {
        let up_to = up_to.min(self.terms.limit);
        (self.terms.lease().is_some() && up_to > self.terms.leased).then_some(up_to)
    }

    fn part(&self, parts: u32) -> u64 {
        self.terms.limit / u64::from(parts.max(1))
    }

    /// Lets the lease go up to there, if that is further. The limit still binds.
    pub(crate) fn extend(&mut self, up_to: u64) {
        let up_to = up_to.min(AMOUNT_MAX - 1);
        if self.terms.needs_lease() && up_to > self.terms.leased {
            self.terms.chunk = up_to - self.terms.leased.max(self.used()).min(up_to);
            self.terms.leased = up_to;
            self.terms.set_refill();
        }
    }

    /// Counts what is leased and not used as lost; says whether that was anything.
    pub(crate) fn lose(&mut self) -> bool {
        let unused = if self.terms.needs_lease() { self.terms.leased.saturating_sub(self.used()) } else { 0 };
        self.terms.lost += unused;
        unused > 0
    }
}
