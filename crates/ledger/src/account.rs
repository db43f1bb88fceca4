//! One account: its limits, and what is posted and held in each of its current and past calendar periods.

use std::sync::Arc;

use base::{AccountIndex, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::alerts::{Alerts, Crossed};
use crate::amounts::{AMOUNT_MAX, Amounts, Resource, money};
use crate::balances::{AccountBalances, PeriodBalance, PostedBalance};
use crate::calendar::{Bounds, end_of, period_at};
use crate::counter::{Counter, Terms};
use crate::held::Held;
use crate::lease::{Lease, Lost};
use crate::limited::{Bound, Limited};
use crate::periods::Periods;
use crate::shortage::Shortage;
use crate::slot::{Slot, TOTAL, place};

/// What an account may use, and by which calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// Caps on money per calendar period.
    pub budgets: Budgets,
    /// Cap on tokens per calendar month.
    pub tokens_per_month: Option<u64>,
    /// What was credited to the prepaid balance in all; `None` when there is no wallet. Everything that the account was
    /// ever charged counts against it: see [`crate::Ledger::credit`] for a wallet that is opened later.
    pub wallet: Option<Money>,
    /// Of which parts of each limit somebody wants to know.
    pub alerts: Alerts,
    /// The tenant's time zone.
    pub zone: TimeZone,
}

impl AccountConfig {
    /// No limit at all, by the calendar of `zone`.
    #[must_use]
    pub fn unlimited(zone: TimeZone) -> AccountConfig {
        let budgets = Budgets::default();
        AccountConfig { budgets, tokens_per_month: None, wallet: None, alerts: Alerts::NONE, zone }
    }

    /// The caps on money and on tokens in one period, as plain numbers.
    fn limits(&self, period: BudgetPeriod) -> [u64; 2] {
        let tokens = if period == BudgetPeriod::Month { self.tokens_per_month } else { None };
        [cap(self.budgets.cap(period)), tokens.map_or(AMOUNT_MAX, |cap| cap.min(AMOUNT_MAX))]
    }
}

/// A cap on money as a plain number.
fn cap(money: Option<Money>) -> u64 {
    money.map_or(AMOUNT_MAX, |cap| cap.nanos().unsigned_abs())
}

/// The dates that name the periods of one time, in the order of [`BudgetPeriod::ALL`].
pub(crate) type PeriodNames = [Date; 5];

/// In which periods of an account a hold is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When<'a> {
    /// In those that were current in this generation of the account.
    Generation(u32),
    /// In those of these names.
    Named(&'a PeriodNames),
}

impl When<'_> {
    /// Whether a slot that stands at `place` is the one, once all younger ones are known not to be.
    fn is(self, slot: &Slot, place: usize) -> bool {
        match self {
            When::Generation(generation) => slot.first_generation <= generation,
            When::Named(names) => place == TOTAL || slot.date == names[place],
        }
    }
}

/// An account of the tree, with its current periods and those past ones in which attempts are open.
///
/// There are many accounts, and most have no limit: what they have in common, and what only limits need, is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) index: AccountIndex,
    /// Goes up whenever a period begins.
    pub(crate) generation: u32,
    /// When the current periods begin and end.
    pub(crate) periods: Arc<Periods>,
    /// What was charged in each current period.
    posted: [[u64; 2]; 5],
    held: Held,
    /// `None` where nothing is limited, nor was while something was leased.
    limited: Option<Box<Limited>>,
    alerts: Alerts,
    /// A bit for each current period in which a limit was lowered below what is posted and held, or a restored or
    /// replayed sum is above limit or lease. Nothing is granted there until it fits again.
    over_limit: u8,
    has_leases: bool,
}

impl Account {
    pub(crate) fn new(index: AccountIndex, config: &AccountConfig, has_leases: bool) -> Account {
        let mut account = Account {
            index,
            generation: 0,
            periods: Arc::new(Periods::unstarted(config.zone.clone())),
            posted: [[0; 2]; 5],
            held: Held::Alike([0; 2]),
            limited: None,
            alerts: config.alerts,
            over_limit: 0,
            has_leases,
        };
        account.configure(config);
        account
    }

    /// Takes new limits, and a new time zone. A current period keeps its name and its sums and ends where the new
    /// zone's calendar ends it.
    pub(crate) fn configure(&mut self, config: &AccountConfig) {
        let moved = self.periods.zone != config.zone;
        if moved {
            Arc::make_mut(&mut self.periods).zone = config.zone.clone();
        }
        self.alerts = config.alerts;
        let (total_cap, wallet) = (cap(config.budgets.total), cap(config.wallet));
        if (total_cap, wallet) != self.caps() {
            let limited = self.limited.get_or_insert_default();
            (limited.total_cap, limited.wallet) = (total_cap, wallet);
        }
        for place in 0..BudgetPeriod::ALL.len() {
            let mut slot = self.slot(place);
            let mut limits = config.limits(slot.period);
            if place == TOTAL {
                limits[0] = limits[0].min(wallet);
            }
            slot.set_limits(limits, config.alerts);
            if moved && slot.is_started() {
                slot.ends = end_of(slot.period, &self.periods.zone, slot.date);
            }
            self.set_slot(place, &slot);
        }
        self.remember_ends();
        if self.limited.as_ref().is_some_and(|limited| limited.is_empty()) {
            self.limited = None;
        }
    }

    /// A current period with all that is known of it.
    pub(crate) fn slot(&self, place: usize) -> Slot {
        let (span, held) = (self.periods.spans[place], self.held.at(place));
        let counter = |resource| {
            let (posted, held) = (self.posted[place][resource], held[resource]);
            Counter { posted, held, terms: self.terms(place, resource) }
        };
        Slot {
            period: BudgetPeriod::ALL[place],
            starts: span.starts,
            ends: span.ends,
            date: span.date,
            first_generation: self.held.first_generation(place),
            is_over_limit: self.is_over_limit(place),
            counters: [counter(0), counter(1)],
        }
    }

    /// The current periods.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        (0..BudgetPeriod::ALL.len()).map(|place| self.slot(place))
    }

    /// Past periods with open holds, oldest first.
    pub(crate) fn earlier(&self) -> &[Slot] {
        self.held.earlier()
    }

    /// Takes what became of a current period.
    fn set_slot(&mut self, place: usize, slot: &Slot) {
        if self.periods.spans[place] != slot.span() {
            Arc::make_mut(&mut self.periods).spans[place] = slot.span();
        }
        self.posted[place] = slot.counters.each_ref().map(|counter| counter.posted);
        self.held.set(place, slot.counters.each_ref().map(|counter| counter.held), slot.first_generation);
        for (resource, counter) in slot.counters.iter().enumerate() {
            let terms = (counter.terms != Terms::new(self.has_leases)).then_some(counter.terms);
            if terms.is_some() || self.limited.is_some() {
                self.limited.get_or_insert_default().set_terms(place, resource, terms);
            }
        }
        self.set_over_limit(place, slot.is_over_limit);
    }

    fn terms(&self, place: usize, resource: usize) -> Terms {
        let known = self.limited.as_ref().and_then(|limited| limited.terms(place, resource));
        known.copied().unwrap_or(Terms::new(self.has_leases))
    }

    /// The budget on all time alone, and what was credited in all.
    fn caps(&self) -> (u64, u64) {
        self.limited.as_ref().map_or((AMOUNT_MAX, AMOUNT_MAX), |limited| (limited.total_cap, limited.wallet))
    }

    const fn is_over_limit(&self, place: usize) -> bool {
        self.over_limit & 1 << place != 0
    }

    const fn set_over_limit(&mut self, place: usize, is_over: bool) {
        self.over_limit = self.over_limit & !(1 << place) | (is_over as u8) << place;
    }

    /// What is credited in all after `amount` more. A wallet that opens now owes nothing for the past.
    pub(crate) fn credited_with(&self, amount: Money) -> Money {
        let (_, wallet) = self.caps();
        let before = if wallet < AMOUNT_MAX { wallet } else { self.posted[TOTAL][0] };
        money(before.saturating_add(amount.nanos().unsigned_abs()))
    }

    /// Sets what was credited in all, if that is more than now.
    pub(crate) fn set_credited(&mut self, in_all: Money) {
        let in_all = cap(Some(in_all));
        let (total_cap, wallet) = self.caps();
        if wallet < AMOUNT_MAX && in_all <= wallet {
            return;
        }
        self.limited.get_or_insert_default().wallet = in_all;
        let mut total = self.slot(TOTAL);
        let tokens = total.counters[1].terms.limit;
        total.set_limits([total_cap.min(in_all), tokens], self.alerts);
        self.set_slot(TOTAL, &total);
    }

    /// Sets what was charged in the period around `balance.starts`; a period older than the current one is ignored.
    pub(crate) fn restore(&mut self, balance: &PostedBalance) {
        let Some(place) = self.place_around(balance.period, balance.starts) else { return };
        let mut slot = self.slot(place);
        for (counter, posted) in slot.counters.iter_mut().zip(balance.amounts.numbers()) {
            counter.posted = posted.min(AMOUNT_MAX);
        }
        slot.note_over_limit();
        self.set_slot(place, &slot);
        // Who was told before the restart is not told again.
        self.cross();
    }

    /// Lets a lease go as far as it says; one of a past period is ignored.
    pub(crate) fn extend(&mut self, lease: &Lease) {
        let Some(place) = self.place_around(lease.period, lease.starts) else { return };
        let mut slot = self.slot(place);
        slot.counters[lease.resource as usize].extend(lease.up_to);
        slot.note_over_limit();
        self.set_slot(place, &slot);
    }

    /// Where the current slot of a kind is, begun around `at` where that is later than the one there; `None` when `at`
    /// is in a past period.
    fn place_around(&mut self, period: BudgetPeriod, at: Timestamp) -> Option<usize> {
        let place = place(period);
        let slot = self.slot(place);
        if slot.is_started() && (place == TOTAL || slot.starts == at) {
            return Some(place);
        }
        let (_, date) = period_at(slot.period, &self.periods.zone, at);
        if slot.is_started() && date < slot.date {
            return None;
        }
        if !slot.is_started() || date > slot.date {
            self.generation = self.generation.checked_add(1).expect("periods begin fewer than 2^32 times");
            self.begin(place, at);
            self.remember_ends();
        }
        Some(place)
    }

    /// Counts what is leased and unused as lost; says whether that was anything.
    pub(crate) fn lose_unused_leases(&mut self) -> bool {
        let mut has_lost = false;
        for place in 0..BudgetPeriod::ALL.len() {
            let mut slot = self.slot(place);
            for counter in &mut slot.counters {
                has_lost |= counter.lose();
            }
            slot.note_over_limit();
            self.set_slot(place, &slot);
        }
        has_lost
    }

    /// What is lost in the current periods.
    pub(crate) fn lost(&self) -> impl Iterator<Item = Lost> {
        let bounds = self.limited.iter().flat_map(|limited| &limited.bounds);
        bounds.filter(|bound| bound.terms.lost > 0).map(|bound| Lost {
            account: self.index,
            period: BudgetPeriod::ALL[bound.place()],
            starts: self.periods.spans[bound.place()].starts,
            resource: Resource::ALL[bound.resource()],
            amount: bound.terms.lost,
        })
    }

    /// What is lost in current, leased periods when a hold of then is charged so much and the rest is not free but lost.
    pub(crate) fn lost_with(
        &self,
        when: When<'_>,
        released: [u64; 2],
        charged: [u64; 2],
    ) -> impl Iterator<Item = Lost> {
        let slots = self.slots().enumerate().filter(move |(place, slot)| when.is(slot, *place));
        slots.flat_map(move |(_, slot)| {
            Resource::ALL.into_iter().filter_map(move |resource| {
                let (counter, number) = (&slot.counters[resource as usize], resource as usize);
                let leased = counter.terms.lease().filter(|_| released[number] > 0)?;
                // Nobody could spend more than was leased.
                let most = leased.saturating_sub(counter.posted.saturating_add(charged[number]));
                let amount = counter.terms.lost.saturating_add(released[number]).min(most).max(counter.terms.lost);
                Some(Lost { account: self.index, period: slot.period, starts: slot.starts, resource, amount })
            })
        })
    }

    /// Sets what is lost in a period; a past one is ignored.
    pub(crate) fn set_lost(&mut self, lost: &Lost) {
        let Some(place) = self.place_around(lost.period, lost.starts) else { return };
        let mut slot = self.slot(place);
        slot.counters[lost.resource as usize].terms.lost = lost.amount.min(AMOUNT_MAX);
        slot.note_over_limit();
        self.set_slot(place, &slot);
    }

    /// Takes charges back in the periods of `granted_at`, as far as they are kept.
    pub(crate) fn refund(&mut self, amounts: [u64; 2], granted_at: Timestamp) {
        for (place, period) in BudgetPeriod::ALL.into_iter().enumerate() {
            if granted_at >= self.periods.spans[place].starts {
                for (posted, amount) in self.posted[place].iter_mut().zip(amounts) {
                    *posted = posted.saturating_sub(amount);
                }
                continue;
            }
            let Held::Apart(past) = &mut self.held else { continue };
            let mut kin = past.earlier.iter_mut().rev().filter(|slot| slot.period == period);
            let Some(slot) = kin.find(|slot| slot.starts <= granted_at && granted_at < slot.ends) else { continue };
            for (counter, amount) in slot.counters.iter_mut().zip(amounts) {
                counter.posted = counter.posted.saturating_sub(amount);
            }
        }
    }

    /// The thresholds that charges have reached since they were last asked for.
    pub(crate) fn cross(&mut self) -> Vec<Crossed> {
        let mut crossed = Vec::new();
        let Some(limited) = &mut self.limited else { return crossed };
        let binds_wallet = limited.wallet < limited.total_cap;
        for bound in &mut limited.bounds {
            let (place, resource) = (bound.place(), Resource::ALL[bound.resource()]);
            let (posted, starts) = (self.posted[place][bound.resource()], self.periods.spans[place].starts);
            let (account, period) = (self.index, period_in_the_way(place, resource, binds_wallet));
            let terms = &mut bound.terms;
            while let Some(percent) = terms.cross(posted, self.alerts) {
                crossed.push(Crossed { account, resource, period, starts, percent, limit: terms.limit, posted });
            }
        }
        crossed
    }

    /// The time that counts for this account: never before its youngest period, whatever the clock says.
    pub(crate) fn latest(&self, now: Timestamp) -> Timestamp {
        now.max(self.periods.newest)
    }

    /// Begins new periods where the current ones are over; says whether any is new.
    #[inline]
    pub(crate) fn roll(&mut self, at: Timestamp) -> bool {
        let is_due = at >= self.periods.ends_first;
        if is_due {
            self.roll_on(at);
        }
        is_due
    }

    fn roll_on(&mut self, at: Timestamp) {
        let over = self.periods.spans.map(|span| span.is_over(at));
        if over.contains(&true) {
            self.generation = self.generation.checked_add(1).expect("periods begin fewer than 2^32 times");
        }
        for (place, _) in over.iter().enumerate().filter(|(_, over)| **over) {
            self.begin(place, at);
        }
        self.remember_ends();
    }

    /// Puts the slot around `at` in place of the current one, which stays aside while attempts are open in it.
    fn begin(&mut self, place: usize, at: Timestamp) {
        let past = self.slot(place);
        let next = self.next(&past, at);
        let periods = Arc::make_mut(&mut self.periods);
        periods.newest = periods.newest.max(next.starts);
        if past.has_holds() {
            self.held.apart().earlier.push(past);
        }
        self.set_slot(place, &next);
    }

    fn next(&self, slot: &Slot, at: Timestamp) -> Slot {
        slot.next(&self.periods.zone, at, self.generation, self.alerts)
    }

    fn remember_ends(&mut self) {
        let before = self.periods.ends_first;
        let ends = self.periods.spans.iter().map(|span| span.ends);
        if ends.min() != Some(before) {
            Arc::make_mut(&mut self.periods).remember_ends();
        }
    }

    /// The most that is used by charges and holds in any current period, where all holds are in all of them.
    #[inline]
    fn most_used(&self, held: [u64; 2]) -> [u64; 2] {
        let posted = self.posted.iter().fold([0, 0], |most, posted| [most[0].max(posted[0]), most[1].max(posted[1])]);
        [posted[0].saturating_add(held[0]), posted[1].saturating_add(held[1])]
    }

    /// Whether every current period has room. Call [`Account::roll`] first.
    #[inline]
    pub(crate) fn fits(&self, needed: [u64; 2]) -> bool {
        // Nothing always fits: a free call passes an account whose limit was lowered below its use.
        let Held::Alike(held) = self.held else {
            let fits = |counter: &Counter, needed: u64| needed == 0 || needed <= counter.grantable();
            return self.slots().all(|slot| fits(&slot.counters[0], needed[0]) && fits(&slot.counters[1], needed[1]));
        };
        let used = self.most_used(held);
        let fits =
            |resource: usize| needed[resource] <= AMOUNT_MAX.saturating_sub(used[resource]) || needed[resource] == 0;
        fits(0) & fits(1)
            && self.limited.as_ref().is_none_or(|limited| {
                limited.bounds.iter().all(|bound| {
                    let (needed, used) = (needed[bound.resource()], self.used(bound, held));
                    needed <= bound.terms.authority().saturating_sub(used) || needed == 0
                })
            })
    }

    /// What is used of a limit while holds are alike everywhere.
    #[inline]
    const fn used(&self, bound: &Bound, held: [u64; 2]) -> u64 {
        let posted = self.posted[bound.place()][bound.resource()];
        posted.saturating_add(held[bound.resource()]).saturating_add(bound.terms.lost)
    }

    /// The gravest of the limits that stand in the way, if any, at a time that need not have been rolled to.
    pub(crate) fn shortage(&self, needed: [u64; 2], at: Timestamp) -> Option<Shortage> {
        let mut gravest: Option<Shortage> = None;
        let (total_cap, wallet) = self.caps();
        let binds_wallet = wallet < total_cap;
        for (place, slot) in self.slots_at(at).enumerate() {
            for (counter, resource) in slot.counters.iter().zip(Resource::ALL) {
                let needed = needed[resource as usize];
                if needed == 0 || needed <= counter.room() {
                    continue;
                }
                let shortage = Shortage {
                    account: self.index,
                    resource,
                    period: period_in_the_way(place, resource, binds_wallet),
                    limit: counter.terms.limit,
                    posted: counter.posted,
                    held: counter.held,
                    lost: counter.terms.lost,
                    needed,
                    resets_at: slot.resets_at(),
                    fits_alone: needed <= counter.room_alone(),
                };
                gravest = Some(gravest.map_or(shortage, |gravest| gravest.graver(shortage)));
            }
        }
        gravest
    }

    /// What a single attempt could take at `at`: now, and without the other holds.
    pub(crate) fn available(&self, at: Timestamp) -> (Amounts, Amounts) {
        let Some(held) = self.alike_at(at) else {
            let rooms = self.slots_at(at).map(|slot| (slot.sums(Counter::room), slot.sums(Counter::room_alone)));
            let least = rooms.reduce(|(now, alone), (next, next_alone)| (now.min(next), alone.min(next_alone)));
            return least.expect("there are five periods");
        };
        let mut now = self.most_used(held).map(|used| AMOUNT_MAX.saturating_sub(used));
        let mut alone = self.most_used([0; 2]).map(|used| AMOUNT_MAX.saturating_sub(used));
        for bound in self.limited.iter().flat_map(|limited| &limited.bounds) {
            let (resource, limit) = (bound.resource(), bound.terms.limit);
            now[resource] = now[resource].min(limit.saturating_sub(self.used(bound, held)));
            alone[resource] = alone[resource].min(limit.saturating_sub(self.used(bound, [0; 2])));
        }
        (Amounts::from_numbers(now), Amounts::from_numbers(alone))
    }

    /// What is held in each period, where that is the same and none is over at `at`.
    fn alike_at(&self, at: Timestamp) -> Option<[u64; 2]> {
        match self.held {
            Held::Alike(held) if at < self.periods.ends_first => Some(held),
            _ => None,
        }
    }

    /// The current periods as they are at `at`, without changing anything.
    pub(crate) fn slots_at(&self, at: Timestamp) -> impl Iterator<Item = Slot> {
        self.slots().map(move |slot| if slot.span().is_over(at) { self.next(&slot, at) } else { slot })
    }

    /// Takes `worst` in every current period; says whether a lease is to be extended. The caller has checked that it
    /// fits, unless it replays a log.
    pub(crate) fn hold(&mut self, worst: [u64; 2], is_replay: bool) -> bool {
        if self.over_limit != 0 || is_replay || matches!(self.held, Held::Apart(_)) {
            return self.hold_with_care(worst, is_replay);
        }
        let Held::Alike(held) = &mut self.held else { unreachable!("other holds are taken with care") };
        for (held, amount) in held.iter_mut().zip(worst) {
            *held = held.checked_add(amount).expect("a sum of holds overflowed");
        }
        let held = *held;
        let used = self.most_used(held);
        let is_within = |resource: usize| worst[resource] == 0 || used[resource] <= AMOUNT_MAX;
        assert!(is_within(0) && is_within(1), "a grant never exceeds what can be counted (I1)");
        let mut is_refill_due = false;
        for bound in self.limited.iter().flat_map(|limited| &limited.bounds) {
            let used = self.used(bound, held);
            let is_over = used > bound.terms.authority();
            assert!(worst[bound.resource()] == 0 || !is_over, "a grant never exceeds limit and lease (I1)");
            is_refill_due |= bound.terms.is_refill_due(used);
        }
        is_refill_due
    }

    /// The same where periods differ in what is held, or some is beyond its limit.
    fn hold_with_care(&mut self, worst: [u64; 2], is_replay: bool) -> bool {
        let mut is_refill_due = false;
        self.held.apart();
        for place in 0..BudgetPeriod::ALL.len() {
            let mut slot = self.slot(place);
            for (counter, amount) in slot.counters.iter_mut().zip(worst) {
                counter.held = counter.held.checked_add(amount).expect("a sum of holds overflowed");
                let is_granted = amount > 0 && !is_replay;
                assert!(!is_granted || !counter.is_over(), "a grant never exceeds limit and lease (I1)");
                is_refill_due |= counter.is_refill_due();
            }
            slot.note_over_limit();
            self.set_slot(place, &slot);
        }
        self.held.gather();
        is_refill_due
    }

    /// Takes `worst` in the periods around `at`, some of which are over; returns what they are called.
    pub(crate) fn hold_in_the_past(&mut self, worst: [u64; 2], at: Timestamp) -> PeriodNames {
        let mut names = [Date::MIN; 5];
        self.held.apart();
        for (place, name) in names.iter_mut().enumerate() {
            let period = BudgetPeriod::ALL[place];
            let (bounds, date) = period_at(period, &self.periods.zone, at);
            *name = date;
            if self.place_around(period, at).is_some() {
                let mut slot = self.slot(place);
                slot.hold(worst);
                self.set_slot(place, &slot);
            } else {
                self.past_slot(place, bounds, date).hold(worst);
            }
        }
        self.held.gather();
        names
    }

    /// The past period of this name, made where no hold has kept it.
    fn past_slot(&mut self, place: usize, bounds: Bounds, date: Date) -> &mut Slot {
        let current = self.slot(place);
        let (period, alerts) = (current.period, self.alerts);
        let earlier = &mut self.held.apart().earlier;
        let found = earlier.iter().position(|slot| slot.period == period && slot.date == date);
        let index = found.unwrap_or_else(|| {
            let next = earlier.iter().position(|slot| slot.period == period && slot.date > date);
            // A generation of the next one, whose holds find that first: only by its name is this one found.
            let first_generation = next.map_or(current.first_generation, |next| earlier[next].first_generation);
            let counters = current.counters.each_ref().map(|counter| counter.next(alerts));
            let Bounds { starts, ends } = bounds;
            let slot = Slot { period, starts, ends, date, first_generation, is_over_limit: false, counters };
            let index = next.unwrap_or(earlier.len());
            earlier.insert(index, slot);
            index
        });
        &mut earlier[index]
    }

    /// Ends a hold of `worst` that was granted then: `charged` is posted, the rest is free again. Says whether the
    /// charges have reached a threshold.
    pub(crate) fn settle(&mut self, when: When<'_>, worst: [u64; 2], charged: [u64; 2]) -> bool {
        let is_charge = charged[0] <= worst[0] && charged[1] <= worst[1];
        assert!(is_charge, "a charge never exceeds its hold (I2)");
        let is_current = match &mut self.held {
            Held::Alike(held) => {
                free(held, worst);
                [true; 5]
            }
            Held::Apart(_) => self.settle_apart(when, worst, charged),
        };
        for (posted, _) in self.posted.iter_mut().zip(is_current).filter(|(_, is_current)| *is_current) {
            for (posted, charged) in posted.iter_mut().zip(charged) {
                *posted = posted.checked_add(charged).expect("a sum of charges overflowed");
            }
        }
        let mut bounds = self.limited.iter().flat_map(|limited| &limited.bounds);
        bounds.any(|bound| bound.terms.is_alert_due(self.posted[bound.place()][bound.resource()]))
    }

    /// Frees a hold where some are in past periods, and posts what it is charged in those; says in which current ones it
    /// was.
    fn settle_apart(&mut self, when: When<'_>, worst: [u64; 2], charged: [u64; 2]) -> [bool; 5] {
        let is_current: [bool; 5] = core::array::from_fn(|place| when.is(&self.slot(place), place));
        let past = self.held.apart();
        for (place, period) in BudgetPeriod::ALL.into_iter().enumerate() {
            if is_current[place] {
                free(&mut past.held[place], worst);
                continue;
            }
            let mut kin = past.earlier.iter_mut().rev().filter(|slot| slot.period == period);
            // A slot without amounts is not kept: a hold of nothing finds none and needs none.
            let Some(slot) = kin.find(|slot| when.is(slot, place)) else {
                assert!(worst == [0, 0], "a hold's period is kept until the hold ends");
                continue;
            };
            for (counter, (worst, charged)) in slot.counters.iter_mut().zip(worst.into_iter().zip(charged)) {
                counter.held = counter.held.checked_sub(worst).expect("held never falls below zero (I4)");
                counter.posted = counter.posted.checked_add(charged).expect("a sum of charges overflowed");
            }
        }
        self.held.gather();
        is_current
    }

    /// All sums, as of `now`.
    pub(crate) fn balances(&self, now: Timestamp) -> AccountBalances {
        let slots: Vec<Slot> = self.slots_at(self.latest(now)).collect();
        let over = self.slots().zip(&slots).filter(|(old, new)| old.starts != new.starts && old.has_holds());
        let without_limits = |slot: Slot| PeriodBalance {
            usd_limit: None,
            tokens_limit: None,
            usd_leased: None,
            tokens_leased: None,
            ..slot.balance()
        };
        let limit = |cap: u64| (cap < AMOUNT_MAX).then(|| money(cap));
        let mut current = core::array::from_fn(|place| slots[place].balance());
        let (total_cap, credited) = self.caps();
        current[TOTAL].usd_limit = limit(total_cap);
        let wallet = PeriodBalance { period: BudgetPeriod::Wallet, usd_limit: limit(credited), ..current[TOTAL] };
        AccountBalances {
            current,
            wallet: wallet.usd_limit.map(|_| wallet),
            earlier: self.earlier().iter().cloned().chain(over.map(|(old, _)| old)).map(without_limits).collect(),
        }
    }

    /// The periods that a hold is in.
    pub(crate) fn homes_of(&self, when: When<'_>) -> impl Iterator<Item = Home> {
        self.slots().enumerate().filter_map(move |(place, current)| {
            if when.is(&current, place) {
                return Some(Home::Current(place));
            }
            let mut kin = self.earlier().iter().enumerate().rev().filter(|(_, slot)| slot.period == current.period);
            kin.find(|(_, slot)| when.is(slot, place)).map(|(at, _)| Home::Earlier(at))
        })
    }
}

/// Takes a hold out of the sums of a period.
fn free(held: &mut [u64; 2], worst: [u64; 2]) {
    for (held, worst) in held.iter_mut().zip(worst) {
        *held = held.checked_sub(worst).expect("held never falls below zero (I4)");
    }
}

/// Whose limit it is in one period: on all time the smaller of the budget's and the wallet's binds.
fn period_in_the_way(place: usize, resource: Resource, binds_wallet: bool) -> BudgetPeriod {
    let is_wallet = place == TOTAL && resource == Resource::Usd && binds_wallet;
    if is_wallet { BudgetPeriod::Wallet } else { BudgetPeriod::ALL[place] }
}

/// A period of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Home {
    /// A current one, in the order of [`BudgetPeriod::ALL`].
    Current(usize),
    /// A past one, in the order of [`Account::earlier`].
    Earlier(usize),
}
