//! One account: its limits, and what is posted and held in each of its current and past calendar periods.

use std::borrow::Cow;

use base::{AccountIndex, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::alerts::{Alerts, Crossed};
use crate::amounts::{AMOUNT_MAX, Amounts, Resource, money};
use crate::balances::{AccountBalances, PeriodBalance, PostedBalance};
use crate::calendar::{Bounds, end_of, period_at};
use crate::counter::Counter;
use crate::lease::{Lease, Lost};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) index: AccountIndex,
    zone: TimeZone,
    alerts: Alerts,
    /// The budget on all time alone; the slot has the smaller of it and the wallet.
    total_cap: u64,
    /// What was credited in all.
    wallet: u64,
    /// In the order of [`BudgetPeriod::ALL`].
    pub(crate) slots: [Slot; 5],
    /// Past periods with open holds, oldest first.
    pub(crate) earlier: Vec<Slot>,
    /// Goes up whenever a period begins.
    pub(crate) generation: u32,
    /// The start of the youngest period: no grant is dated before it.
    newest: Timestamp,
    /// The earliest end of a current period, so that one comparison says that none is over.
    ends_first: Timestamp,
}

impl Account {
    pub(crate) fn new(index: AccountIndex, config: &AccountConfig, has_leases: bool) -> Account {
        let never = Timestamp::from_micros(i64::MIN);
        let mut account = Account {
            index,
            zone: config.zone.clone(),
            alerts: config.alerts,
            total_cap: AMOUNT_MAX,
            wallet: AMOUNT_MAX,
            slots: BudgetPeriod::ALL.map(|period| Slot::unstarted(period, has_leases)),
            earlier: Vec::new(),
            generation: 0,
            newest: never,
            ends_first: never,
        };
        account.configure(config);
        account
    }

    /// Takes new limits, and a new time zone. A current period keeps its name and its sums and ends where the new
    /// zone's calendar ends it.
    pub(crate) fn configure(&mut self, config: &AccountConfig) {
        let moved = self.zone != config.zone;
        if moved {
            self.zone = config.zone.clone();
        }
        self.alerts = config.alerts;
        self.total_cap = cap(config.budgets.total);
        self.wallet = cap(config.wallet);
        for slot in &mut self.slots {
            let mut limits = config.limits(slot.period);
            if slot.period == BudgetPeriod::Total {
                limits[0] = limits[0].min(self.wallet);
            }
            slot.set_limits(limits, config.alerts);
            if moved && slot.is_started() {
                slot.ends = end_of(slot.period, &self.zone, slot.date);
            }
        }
        self.remember_ends();
    }

    /// What is credited in all after `amount` more. A wallet that opens now owes nothing for the past.
    pub(crate) fn credited_with(&self, amount: Money) -> Money {
        let posted = self.slots[TOTAL].counters[0].posted;
        let before = if self.wallet < AMOUNT_MAX { self.wallet } else { posted };
        money(before.saturating_add(amount.nanos().unsigned_abs()))
    }

    /// Sets what was credited in all, if that is more than now.
    pub(crate) fn set_credited(&mut self, in_all: Money) {
        let in_all = cap(Some(in_all));
        if self.wallet < AMOUNT_MAX && in_all <= self.wallet {
            return;
        }
        self.wallet = in_all;
        let total = &mut self.slots[TOTAL];
        let tokens = total.counters[1].limit;
        total.set_limits([self.total_cap.min(in_all), tokens], self.alerts);
    }

    /// Sets what was charged in the period around `balance.starts`; a period older than the current one is ignored.
    pub(crate) fn restore(&mut self, balance: &PostedBalance) {
        let Some(place) = self.place_around(balance.period, balance.starts) else { return };
        let slot = &mut self.slots[place];
        for (counter, posted) in slot.counters.iter_mut().zip(balance.amounts.numbers()) {
            counter.posted = posted.min(AMOUNT_MAX);
        }
        slot.note_over_limit();
        // Who was told before the restart is not told again.
        self.cross();
    }

    /// Lets a lease go as far as it says; one of a past period is ignored.
    pub(crate) fn extend(&mut self, lease: &Lease) {
        let Some(place) = self.place_around(lease.period, lease.starts) else { return };
        let slot = &mut self.slots[place];
        slot.counters[lease.resource as usize].extend(lease.up_to);
        slot.note_over_limit();
    }

    /// Where the current slot of a kind is, begun around `at` where that is later than the one there; `None` when `at`
    /// is in a past period.
    fn place_around(&mut self, period: BudgetPeriod, at: Timestamp) -> Option<usize> {
        let place = place(period);
        let slot = &self.slots[place];
        if slot.is_started() && (place == TOTAL || slot.starts == at) {
            return Some(place);
        }
        let (_, date) = period_at(slot.period, &self.zone, at);
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
        for slot in &mut self.slots {
            for counter in &mut slot.counters {
                has_lost |= counter.lose();
            }
            slot.note_over_limit();
        }
        has_lost
    }

    /// What is lost in the current periods.
    pub(crate) fn lost(&self) -> impl Iterator<Item = Lost> {
        self.slots.iter().flat_map(|slot| {
            let counters = slot.counters.iter().zip(Resource::ALL);
            counters.filter(|(counter, _)| counter.lost > 0).map(|(counter, resource)| Lost {
                account: self.index,
                period: slot.period,
                starts: slot.starts,
                resource,
                amount: counter.lost,
            })
        })
    }

    /// What is lost in current, leased periods when a hold of then is charged so much and the rest is not free but lost.
    pub(crate) fn lost_with(
        &self,
        when: When<'_>,
        released: [u64; 2],
        charged: [u64; 2],
    ) -> impl Iterator<Item = Lost> {
        let slots = self.slots.iter().enumerate().filter(move |(place, slot)| when.is(slot, *place));
        slots.flat_map(move |(_, slot)| {
            Resource::ALL.into_iter().filter_map(move |resource| {
                let (counter, number) = (&slot.counters[resource as usize], resource as usize);
                let leased = counter.lease().filter(|_| released[number] > 0)?;
                // Nobody could spend more than was leased.
                let most = leased.saturating_sub(counter.posted.saturating_add(charged[number]));
                let amount = counter.lost.saturating_add(released[number]).min(most).max(counter.lost);
                Some(Lost { account: self.index, period: slot.period, starts: slot.starts, resource, amount })
            })
        })
    }

    /// Sets what is lost in a period; a past one is ignored.
    pub(crate) fn set_lost(&mut self, lost: &Lost) {
        let Some(place) = self.place_around(lost.period, lost.starts) else { return };
        let slot = &mut self.slots[place];
        slot.counters[lost.resource as usize].lost = lost.amount.min(AMOUNT_MAX);
        slot.note_over_limit();
    }

    /// Takes charges back in the periods of `granted_at`, as far as they are kept.
    pub(crate) fn refund(&mut self, amounts: [u64; 2], granted_at: Timestamp) {
        for place in 0..self.slots.len() {
            let current = &self.slots[place];
            let period = current.period;
            let slot = if granted_at >= current.starts {
                Some(&mut self.slots[place])
            } else {
                let kin = self.earlier.iter_mut().rev().filter(|slot| slot.period == period);
                kin.into_iter().find(|slot| slot.starts <= granted_at && granted_at < slot.ends)
            };
            let Some(slot) = slot else { continue };
            for (counter, amount) in slot.counters.iter_mut().zip(amounts) {
                counter.posted = counter.posted.saturating_sub(amount);
            }
        }
    }

    /// The thresholds that charges have reached since they were last asked for.
    pub(crate) fn cross(&mut self) -> Vec<Crossed> {
        let mut crossed = Vec::new();
        for place in 0..self.slots.len() {
            for resource in Resource::ALL {
                let period = self.period_in_the_way(place, resource);
                let slot = &mut self.slots[place];
                let counter = &mut slot.counters[resource as usize];
                while let Some(percent) = counter.cross(self.alerts) {
                    let (limit, posted) = (counter.limit, counter.posted);
                    let (account, starts) = (self.index, slot.starts);
                    crossed.push(Crossed { account, resource, period, starts, percent, limit, posted });
                }
            }
        }
        crossed
    }

    /// Whose limit it is in one slot: on all time the smaller of the budget's and the wallet's binds.
    fn period_in_the_way(&self, place: usize, resource: Resource) -> BudgetPeriod {
        let is_wallet = place == TOTAL && resource == Resource::Usd && self.wallet < self.total_cap;
        if is_wallet { BudgetPeriod::Wallet } else { self.slots[place].period }
    }

    /// The time that counts for this account: never before its youngest period, whatever the clock says.
    pub(crate) fn latest(&self, now: Timestamp) -> Timestamp {
        now.max(self.newest)
    }

    /// Begins new periods where the current ones are over.
    pub(crate) fn roll(&mut self, at: Timestamp) {
        if at < self.ends_first {
            return;
        }
        let over = self.slots.each_ref().map(|slot| slot.is_over(at));
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
        let next = self.next(&self.slots[place], at);
        self.newest = self.newest.max(next.starts);
        let past = core::mem::replace(&mut self.slots[place], next);
        if past.has_holds() {
            self.earlier.push(past);
        }
    }

    fn next(&self, slot: &Slot, at: Timestamp) -> Slot {
        slot.next(&self.zone, at, self.generation, self.alerts)
    }

    fn remember_ends(&mut self) {
        let ends = self.slots.iter().map(|slot| slot.ends);
        self.ends_first = ends.min().expect("there are five periods");
    }

    /// Whether every current period has room. Call [`Account::roll`] first.
    pub(crate) fn fits(&self, needed: [u64; 2]) -> bool {
        self.slots.iter().all(|slot| {
            let [usd, tokens] = &slot.counters;
            // Nothing always fits: a free call passes an account whose limit was lowered below its use.
            (needed[0] <= usd.grantable() || needed[0] == 0) & (needed[1] <= tokens.grantable() || needed[1] == 0)
        })
    }

    /// The gravest of the limits that stand in the way, if any, at a time that need not have been rolled to.
    pub(crate) fn shortage(&self, needed: [u64; 2], at: Timestamp) -> Option<Shortage> {
        let mut gravest: Option<Shortage> = None;
        for (place, slot) in self.slots_at(at).enumerate() {
            for (counter, resource) in slot.counters.iter().zip(Resource::ALL) {
                let needed = needed[resource as usize];
                if needed == 0 || needed <= counter.room() {
                    continue;
                }
                let shortage = Shortage {
                    account: self.index,
                    resource,
                    period: self.period_in_the_way(place, resource),
                    limit: counter.limit,
                    posted: counter.posted,
                    held: counter.held,
                    lost: counter.lost,
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
        let rooms = self.slots_at(at).map(|slot| (slot.sums(Counter::room), slot.sums(Counter::room_alone)));
        let least = rooms.reduce(|(now, alone), (next, next_alone)| (now.min(next), alone.min(next_alone)));
        least.expect("there are five periods")
    }

    /// The current periods as they are at `at`, without changing anything. A slot is large: only one that is over is made
    /// anew.
    pub(crate) fn slots_at(&self, at: Timestamp) -> impl Iterator<Item = Cow<'_, Slot>> {
        self.slots.iter().map(
            move |slot| {
                if slot.is_over(at) { Cow::Owned(self.next(slot, at)) } else { Cow::Borrowed(slot) }
            },
        )
    }

    /// Takes `worst` in every current period; says whether a lease is to be extended. The caller has checked that it
    /// fits, unless it replays a log.
    pub(crate) fn hold(&mut self, worst: [u64; 2], is_replay: bool) -> bool {
        let mut is_refill_due = false;
        for slot in &mut self.slots {
            for (counter, amount) in slot.counters.iter_mut().zip(worst) {
                counter.held = counter.held.checked_add(amount).expect("a sum of holds overflowed");
                let is_granted = amount > 0 && !is_replay;
                assert!(!is_granted || !counter.is_over(), "a grant never exceeds limit and lease (I1)");
                is_refill_due |= counter.is_refill_due();
            }
            if slot.is_over_limit || is_replay {
                slot.note_over_limit();
            }
        }
        is_refill_due
    }

    /// Takes `worst` in the periods around `at`, some of which are over; returns what they are called.
    pub(crate) fn hold_in_the_past(&mut self, worst: [u64; 2], at: Timestamp) -> PeriodNames {
        let mut names = [Date::MIN; 5];
        for (place, name) in names.iter_mut().enumerate() {
            let (bounds, date) = period_at(self.slots[place].period, &self.zone, at);
            *name = date;
            let slot = match self.place_around(self.slots[place].period, at) {
                Some(place) => &mut self.slots[place],
                None => self.past_slot(place, bounds, date),
            };
            for (counter, amount) in slot.counters.iter_mut().zip(worst) {
                counter.held = counter.held.checked_add(amount).expect("a sum of holds overflowed");
            }
            slot.note_over_limit();
        }
        names
    }

    /// The past period of this name, made where no hold has kept it.
    fn past_slot(&mut self, place: usize, bounds: Bounds, date: Date) -> &mut Slot {
        let current = &self.slots[place];
        let period = current.period;
        let found = self.earlier.iter().position(|slot| slot.period == period && slot.date == date);
        let index = found.unwrap_or_else(|| {
            let next = self.earlier.iter().position(|slot| slot.period == period && slot.date > date);
            // A generation of the next one, whose holds find that first: only by its name is this one found.
            let first_generation = next.map_or(current.first_generation, |next| self.earlier[next].first_generation);
            let counters = current.counters.each_ref().map(|counter| counter.next(self.alerts));
            let Bounds { starts, ends } = bounds;
            let slot = Slot { period, starts, ends, date, first_generation, is_over_limit: false, counters };
            let index = next.unwrap_or(self.earlier.len());
            self.earlier.insert(index, slot);
            index
        });
        &mut self.earlier[index]
    }

    /// Ends a hold of `worst` that was granted then: `charged` is posted, the rest is free again. Says whether the
    /// charges have reached a threshold.
    pub(crate) fn settle(&mut self, when: When<'_>, worst: [u64; 2], charged: [u64; 2]) -> bool {
        let mut is_alert_due = false;
        for place in 0..self.slots.len() {
            let slot = if when.is(&self.slots[place], place) {
                &mut self.slots[place]
            } else {
                let period = self.slots[place].period;
                let kin = self.earlier.iter_mut().rev().filter(|slot| slot.period == period);
                // A slot without amounts is not kept: a hold of nothing finds none and needs none.
                match kin.into_iter().find(|slot| when.is(slot, place)) {
                    Some(slot) => slot,
                    None => {
                        assert!(worst == [0, 0], "a hold's period is kept until the hold ends");
                        continue;
                    }
                }
            };
            for (counter, (worst, charged)) in slot.counters.iter_mut().zip(worst.into_iter().zip(charged)) {
                assert!(charged <= worst, "a charge never exceeds its hold (I2)");
                counter.held = counter.held.checked_sub(worst).expect("held never falls below zero (I4)");
                counter.posted = counter.posted.checked_add(charged).expect("a sum of charges overflowed");
                is_alert_due |= counter.is_alert_due();
            }
        }
        if !self.earlier.is_empty() {
            self.earlier.retain(Slot::has_holds);
        }
        is_alert_due
    }

    /// All sums, as of `now`.
    pub(crate) fn balances(&self, now: Timestamp) -> AccountBalances {
        let slots: Vec<Cow<'_, Slot>> = self.slots_at(self.latest(now)).collect();
        let over = self.slots.iter().zip(&slots).filter(|(old, new)| old.starts != new.starts && old.has_holds());
        let without_limits = |slot: &Slot| PeriodBalance {
            usd_limit: None,
            tokens_limit: None,
            usd_leased: None,
            tokens_leased: None,
            ..slot.balance()
        };
        let limit = |cap: u64| (cap < AMOUNT_MAX).then(|| money(cap));
        let mut current = core::array::from_fn(|place| slots[place].balance());
        current[TOTAL].usd_limit = limit(self.total_cap);
        let wallet = PeriodBalance { period: BudgetPeriod::Wallet, usd_limit: limit(self.wallet), ..current[TOTAL] };
        AccountBalances {
            current,
            wallet: wallet.usd_limit.map(|_| wallet),
            earlier: self.earlier.iter().chain(over.map(|(old, _)| old)).map(without_limits).collect(),
        }
    }

    /// The slots that a hold is in.
    pub(crate) fn slots_of<'a>(&'a self, when: When<'a>) -> impl Iterator<Item = &'a Slot> {
        self.slots.iter().enumerate().filter_map(move |(place, current)| {
            if when.is(current, place) {
                return Some(current);
            }
            let mut kin = self.earlier.iter().rev().filter(|slot| slot.period == current.period);
            kin.find(|slot| when.is(slot, place))
        })
    }
}
