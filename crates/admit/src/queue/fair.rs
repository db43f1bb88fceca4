//! The queue itself. Not to be shared: its owner locks it, and calls [`Queue::next`] after every other operation until
//! nobody goes.

use core::time::Duration;

use base::{AccountIndex, Moment};

use crate::queue::ask::{Ask, Discipline, Entered, Policy, QueueStatus, Slot, Ticket};
use crate::queue::limit::{Answered, Limit};
use crate::queue::line::{Key, LOW_PASSED_MAX, Lines, NORMAL_PASSED_MAX, Stand};
use crate::queue::rate::Rate;
use crate::queue::seats::Seats;
use crate::queue::tenant::{Ratio, Tenant, units};

/// Waiting this long for a place to come back harms nobody, so places that come back faster are not kept free.
const HARMLESS_WAIT: Duration = Duration::from_millis(2);
/// This part of the places is not lent where they come back slowly, for tenants that were idle.
const SPARE_PARTS: u32 = 8;
/// This part is kept, as far as it is claimed, however fast places come back on average: they come back in bursts where
/// calls are alike.
const PROMPT_PARTS: u32 = 16;
/// A tenant claims this part more of the places than it used lately.
const CLAIM_MARGIN_PARTS: u32 = 4;
/// No more than this part is ever kept free.
const KEPT_PARTS: u32 = 2;
/// The least and the most that a client is asked to wait.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(600);

/// See the description of [`crate::queue`].
///
/// Moments never go back: one that is earlier than the latest seen counts as that one.
#[derive(Debug)]
pub struct Queue {
    policy: Policy,
    limit: Limit,
    seats: Seats,
    lines: Lines,
    rate: Rate,
    waiting: u32,
    /// The sum of the tenants' claims.
    claims: u32,
    /// What tenants of which nothing is known yet are expected to use.
    ratio: Ratio,
    sequence: u64,
    latest: Moment,
}

impl Queue {
    /// Without calls.
    #[must_use]
    pub fn new(policy: Policy, limit: Limit) -> Queue {
        Queue {
            policy,
            limit,
            seats: Seats::default(),
            lines: Lines::default(),
            rate: Rate::default(),
            waiting: 0,
            claims: 0,
            ratio: Ratio::UNKNOWN,
            sequence: 0,
            latest: Moment::START,
        }
    }

    /// Changes the limit. Calls under way stay, also beyond it.
    pub fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    /// A place for a call that does not want to wait.
    pub fn pass(&mut self, ask: &Ask, now: Moment) -> Option<Slot> {
        let now = self.time(now);
        self.look_after_idle(now);
        let seat = self.sit(ask, now);
        if self.seats.get(seat).waiting.len() > 0 {
            return None;
        }
        self.lift(seat);
        self.may_pass(seat, ask.tokens, now).then(|| self.admit(seat, ask.tokens, now))
    }

    /// Takes a call in: it goes at once, waits, or is refused.
    pub fn enter(&mut self, ask: &Ask, now: Moment) -> Entered {
        let now = self.time(now);
        self.look_after_idle(now);
        let seat = self.sit(ask, now);
        let came_back = self.seats.get(seat).waiting.len() == 0;
        if came_back {
            self.lift(seat);
            if self.may_pass(seat, ask.tokens, now) {
                return Entered::Admitted(self.admit(seat, ask.tokens, now));
            }
        }
        let waiting = &self.seats.get(seat).waiting;
        if waiting.len() >= self.policy.requests_max || waiting.bytes() + ask.bytes > self.policy.bytes_max {
            return Entered::Full { retry_after: self.wait_of(seat, now) };
        }
        self.sequence += 1;
        let ticket = Ticket { seat, sequence: self.sequence };
        self.seats.get_mut(seat).waiting.push(ticket.sequence, ask);
        self.waiting += 1;
        self.settle_in(seat, now);
        Entered::Waiting(ticket)
    }

    /// The next call that may go now. To be called until there is none, after every other operation, and at
    /// [`Queue::opens_at`].
    pub fn next(&mut self, now: Moment) -> Option<(Ticket, Slot)> {
        if self.waiting == 0 {
            return None;
        }
        let now = self.time(now);
        self.look_after_idle(now);
        if self.limit.opens_at(now).is_some() {
            return None;
        }
        let seat = self.lines.pick(|seat| self.has_room_for(seat, now))?;
        let waiter = self.seats.get_mut(seat).waiting.pop().expect("who stands in a line has a call there");
        self.waiting -= 1;
        let slot = self.admit(seat, waiter.tokens, now);
        Some((Ticket { seat, sequence: waiter.sequence }, slot))
    }

    /// Takes a waiting call out: it costs nobody anything. False when it does not wait (any more).
    pub fn leave(&mut self, ticket: Ticket, now: Moment) -> bool {
        let now = self.time(now);
        if !self.seats.get_mut(ticket.seat).waiting.leave(ticket.sequence) {
            return false;
        }
        self.waiting -= 1;
        self.settle_in(ticket.seat, now);
        true
    }

    /// Ends a call that used so many tokens: 0 when it was not billed, `None` when nobody knows, which counts as its
    /// worst case.
    pub fn end(&mut self, slot: Slot, used: Option<u64>, now: Moment) {
        let now = self.time(now);
        self.rate.end(slot.started, now);
        if let Some(used) = used.filter(|&used| used > 0) {
            self.ratio.learn(used, slot.tokens);
            self.seats.get_mut(slot.seat).ratio.learn(used, slot.tokens);
        }
        let tenant = self.seats.get_mut(slot.seat);
        tenant.running -= 1;
        tenant.kept.note(now.saturating_since(slot.started));
        tenant.touched = now;
        tenant.pending -= slot.charged;
        if !slot.is_own {
            tenant.settled = tenant.settled.saturating_add(units(used.unwrap_or(slot.tokens), slot.weight));
        }
        self.settle_in(slot.seat, now);
    }

    /// Takes in what the head of an answer says, of a call that was admitted at `started`.
    pub fn answered(&mut self, started: Moment, answered: &Answered, now: Moment) {
        let now = self.time(now);
        self.limit.answered(started, answered, self.rate.running(), now);
    }

    /// When calls may go again that the provider's own quota keeps from going now.
    #[must_use]
    pub fn opens_at(&self, now: Moment) -> Option<Moment> {
        if self.waiting == 0 { None } else { self.limit.opens_at(now) }
    }

    /// When it is worth asking again for a tenant whose call waited too long.
    pub fn retry_after(&mut self, tenant: AccountIndex, now: Moment) -> Duration {
        let now = self.time(now);
        self.seats.find(tenant).map_or(RETRY_MIN, |seat| self.wait_of(seat, now))
    }

    /// Whether a call of this tenant that waits now waits for others: the tenant has fewer places than its share.
    #[must_use]
    pub fn waits_for_others(&self, tenant: AccountIndex) -> bool {
        self.seats.find(tenant).is_some_and(|seat| !self.borrows(self.seats.get(seat)))
    }

    /// Figures of now.
    #[must_use]
    pub fn status(&self) -> QueueStatus {
        QueueStatus {
            limit: self.limit.most(),
            running: self.rate.running(),
            waiting: self.waiting,
            tenants: self.seats.len(),
        }
    }

    fn time(&mut self, now: Moment) -> Moment {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Forgets tenants that were idle for a while, and what others used a while ago. Those that are ahead of what would
    /// be assumed of them are remembered until the others have caught up.
    fn look_after_idle(&mut self, now: Moment) {
        while let Some(seat) = self.seats.due(now) {
            let tenant = self.seats.get(seat);
            let is_ahead = tenant.counter() > self.lines.level(tenant.priority);
            let is_recent = tenant.touched.saturating_add(crate::queue::tenant::MEMORY) > now;
            if tenant.is_idle() && !is_ahead && !is_recent {
                self.claims -= tenant.claim;
                self.seats.forget(seat);
            } else {
                self.settle_in(seat, now);
                self.seats.look_again(seat, now);
            }
        }
    }

    /// The seat of a tenant, with its settings of now.
    fn sit(&mut self, ask: &Ask, now: Moment) -> u32 {
        let Some(seat) = self.seats.find(ask.tenant) else {
            return self.seats.add(Tenant::new(ask, now));
        };
        let tenant = self.seats.get_mut(seat);
        tenant.touched = now;
        if (tenant.weight, tenant.priority) != (ask.weight.max(1), ask.priority) {
            self.stand_up(seat);
            self.seats.set_weight(seat, ask.weight.max(1));
            let tenant = self.seats.get_mut(seat);
            if tenant.priority != ask.priority {
                // Counters of different priorities cannot be compared: it begins where the others are.
                tenant.priority = ask.priority;
                tenant.settled = self.lines.level(ask.priority);
            }
            self.settle_in(seat, now);
        }
        seat
    }

    /// A tenant none of whose calls waits comes back to where the others are. What its calls under way are expected to
    /// use counts on top, as it does for the others.
    fn lift(&mut self, seat: u32) {
        let level = self.lines.level(self.seats.get(seat).priority);
        let tenant = self.seats.get_mut(seat);
        tenant.settled = tenant.settled.max(level);
    }

    /// Whether a call of a tenant that does not wait may go at once.
    fn may_pass(&self, seat: u32, tokens: u64, now: Moment) -> bool {
        if self.limit.opens_at(now).is_some() || !self.has_room_for(seat, now) {
            return false;
        }
        let tenant = self.seats.get(seat);
        if self.policy.discipline == Discipline::Fifo || self.borrows(tenant) {
            return self.lines.is_empty();
        }
        if self.is_modest(tenant) {
            return true;
        }
        // Where there is room, others wait because it is kept. It is kept for those who have not had much more.
        let ahead = units(tenant.ratio.or(self.ratio).expect(tokens), tenant.weight)
            .saturating_mul(u64::from(self.limit.most() / SPARE_PARTS));
        self.lines.least(tenant.priority).is_none_or(|least| tenant.counter() <= least.saturating_add(ahead))
    }

    /// Whether there is a place that this tenant may have. Below its share, that is any; beyond it, one that is not kept
    /// for tenants that do not wait. Nothing is kept from those whose turn comes before that of a tenant below its share.
    fn has_room_for(&self, seat: u32, now: Moment) -> bool {
        let free = self.limit.most().saturating_sub(self.rate.running());
        if free == 0 || self.policy.discipline == Discipline::Fifo {
            return free > 0;
        }
        let tenant = self.seats.get(seat);
        let is_free_for_all = !self.borrows(tenant) || self.lines.has_entitled(tenant.priority);
        is_free_for_all || free > self.kept_from(tenant, now)
    }

    /// Whether this tenant has and wants less than its share of the places: that much is its own, whatever others have had.
    fn is_modest(&self, tenant: &Tenant) -> bool {
        let share = self.share(tenant);
        tenant.running < share && tenant.wants.is_below(share)
    }

    /// Whether a further place of this tenant would be beyond its share.
    fn borrows(&self, tenant: &Tenant) -> bool {
        tenant.running >= self.share(tenant)
    }

    /// The places that are a tenant's own beside those that are remembered and one more that may come.
    fn share(&self, tenant: &Tenant) -> u32 {
        let tenants = u64::from(self.seats.len().max(1));
        let weights = self.seats.weight().max(1) * (tenants + 1);
        let share = u64::from(self.limit.most()) * u64::from(tenant.weight) * tenants / weights;
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }

    /// Places that are not lent to a tenant beyond its share.
    fn kept_from(&self, tenant: &Tenant, now: Moment) -> u32 {
        let most = self.limit.most();
        let claimed = self.claims - tenant.claim;
        let wanted = claimed.max(most / SPARE_PARTS).min(most / KEPT_PARTS);
        if wanted == 0 {
            return 0;
        }
        let needed = self.rate.until_next(tenant.kept, now).as_nanos() / HARMLESS_WAIT.as_nanos();
        wanted.min(u32::try_from(needed).unwrap_or(u32::MAX)).max(claimed.min(most / PROMPT_PARTS))
    }

    /// Gives a call its place and charges for it.
    fn admit(&mut self, seat: u32, tokens: u64, now: Moment) -> Slot {
        let tenant = self.seats.get_mut(seat);
        let expected = tenant.ratio.or(self.ratio).expect(tokens);
        // Who goes before its turn takes what is its own: it owes the others nothing for that.
        let is_own = self.policy.discipline == Discipline::Fair
            && self.lines.least(tenant.priority).is_some_and(|least| least < tenant.counter());
        let charged = if is_own { 0 } else { units(expected, tenant.weight) };
        self.lines.went(tenant.priority, tenant.settled);
        tenant.pending = tenant.pending.saturating_add(charged);
        tenant.running += 1;
        let slot = Slot { seat, weight: tenant.weight, charged, is_own, tokens, started: now };
        self.rate.begin(now);
        self.limit.spend(expected);
        self.settle_in(seat, now);
        slot
    }

    /// Takes a tenant out of its line.
    fn stand_up(&mut self, seat: u32) {
        let tenant = self.seats.get_mut(seat);
        if let Some(stand) = tenant.stand.take() {
            self.lines.remove(tenant.priority, tenant.weight, &stand);
        }
    }

    /// Brings a tenant's place in its line, its claim and its peak up to its state. After every change of it.
    fn settle_in(&mut self, seat: u32, now: Moment) {
        let is_fair = self.policy.discipline == Discipline::Fair;
        let tenant = self.seats.get_mut(seat);
        tenant.wants.note(tenant.running + tenant.waiting.len(), now);
        let tenant = self.seats.get(seat);
        let counter = if is_fair { tenant.counter() } else { 0 };
        let key = tenant.waiting.front().map(|waiter| Key { counter, sequence: waiter.sequence, seat });
        let stand = key.map(|key| Stand {
            key,
            is_entitled: !self.borrows(tenant),
            is_modest: is_fair && self.is_modest(tenant),
        });
        if stand != tenant.stand {
            self.stand_up(seat);
            let tenant = self.seats.get_mut(seat);
            tenant.stand = stand;
            if let Some(stand) = stand {
                self.lines.insert(tenant.priority, tenant.weight, stand);
            }
        }
        let share = self.share(self.seats.get(seat));
        let tenant = self.seats.get_mut(seat);
        tenant.peak.note(tenant.demand(), now);
        // A little more than it used: who comes at random comes more often now and then.
        let wanted = tenant.peak.get() + tenant.peak.get() / CLAIM_MARGIN_PARTS + 1;
        let claim = if stand.is_none() { share.min(wanted).saturating_sub(tenant.running) } else { 0 };
        self.claims = self.claims + claim - tenant.claim;
        tenant.claim = claim;
    }

    /// How long a new call of this tenant is likely to wait beyond what it is going to, and at least until there is a
    /// place in its tenant's line.
    fn wait_of(&self, seat: u32, now: Moment) -> Duration {
        let tenant = self.seats.get(seat);
        let weights = self.lines.weight().max(u64::from(tenant.weight));
        let turn = self.rate.kept(now).as_secs_f64() / f64::from(self.limit.most())
            * (weights as f64 / f64::from(tenant.weight));
        let turn = turn * self.lag(tenant);
        let all = turn * f64::from(tenant.waiting.len() + 1);
        let wait = (all - self.policy.patience.as_secs_f64()).max(turn);
        let closed = self.limit.opens_at(now).map_or(Duration::ZERO, |opens| opens.saturating_since(now));
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(RETRY_MAX);
        wait.saturating_add(closed).clamp(RETRY_MIN, RETRY_MAX)
    }

    /// How many admissions go to higher priorities for one of this.
    fn lag(&self, tenant: &Tenant) -> f64 {
        let passed = match tenant.priority {
            base::Priority::High => 0,
            base::Priority::Normal => NORMAL_PASSED_MAX,
            base::Priority::Low => LOW_PASSED_MAX,
        };
        if self.lines.is_behind(tenant.priority) { f64::from(passed + 1) } else { 1.0 }
    }
}

#[cfg(test)]
impl Queue {
    /// Whether a tenant wants less than its share.
    pub(crate) fn wants_little(&self, tenant: AccountIndex) -> bool {
        let tenant = self.seats.find(tenant).map(|seat| self.seats.get(seat));
        tenant.is_some_and(|tenant| tenant.wants.is_below(self.share(tenant)))
    }

    /// From now on this tenant counts as wanting so many places.
    pub(crate) fn assume_demand(&mut self, tenant: AccountIndex, places: u32) {
        let seat = self.seats.find(tenant).expect("it had a call");
        self.seats.get_mut(seat).wants.assume(places);
    }

    /// Asserts that every sum is that of its parts.
    pub(crate) fn check(&self) {
        let sum = |of: fn(&Tenant) -> u64| self.seats.iter().map(of).sum::<u64>();
        assert_eq!(u64::from(self.waiting), sum(|tenant| u64::from(tenant.waiting.len())));
        assert_eq!(u64::from(self.rate.running()), sum(|tenant| u64::from(tenant.running)));
        assert_eq!(u64::from(self.claims), sum(|tenant| u64::from(tenant.claim)));
        assert_eq!(self.seats.weight(), sum(|tenant| u64::from(tenant.weight)));
        let waits = self.seats.iter().filter(|tenant| tenant.waiting.len() > 0);
        assert_eq!(self.lines.weight(), waits.map(|tenant| u64::from(tenant.weight)).sum::<u64>());
    }

    /// What the heaviest tenant takes, its part of the shared structures included.
    pub(crate) fn bytes_per_tenant(&self) -> usize {
        let line = self.seats.iter().map(|tenant| tenant.waiting.capacity_bytes()).max().unwrap_or(0);
        // A seat, a look, an entry of the map at half its load, and a key at half the load of its tree.
        size_of::<Tenant>() + 8 + 24 + 2 * 16 + 2 * size_of::<Key>() + line
    }
}
