//! One account: its limits, and what is posted and held in each of its current and past calendar periods.

use base::{AccountIndex, BudgetPeriod, Budgets, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::amounts::{AMOUNT_MAX, Amounts, Resource, money};
use crate::balances::{AccountBalances, PeriodBalance, PostedBalance};
use crate::calendar::{end_of, period_at};
use crate::shortage::Shortage;

/// What an account may use, and by which calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// Caps on money per calendar period.
    pub budgets: Budgets,
    /// Cap on tokens per calendar month.
    pub tokens_per_month: Option<u64>,
    /// The tenant's time zone.
    pub zone: TimeZone,
}

impl AccountConfig {
    /// The caps on money and on tokens in one period, as plain numbers.
    fn limits(&self, period: BudgetPeriod) -> [u64; 2] {
        let usd = self.budgets.cap(period).map_or(AMOUNT_MAX, |cap| cap.nanos().unsigned_abs());
        let tokens = if period == BudgetPeriod::Month { self.tokens_per_month } else { None };
        [usd, tokens.map_or(AMOUNT_MAX, |cap| cap.min(AMOUNT_MAX))]
    }
}

/// One resource in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) limit: u64,
    pub(crate) posted: u64,
    pub(crate) held: u64,
}

impl Counter {
    const fn new(limit: u64) -> Counter {
        Counter { limit, posted: 0, held: 0 }
    }

    const fn used(&self) -> u64 {
        self.posted.saturating_add(self.held)
    }

    /// What can still be granted.
    const fn room(&self) -> u64 {
        self.limit.saturating_sub(self.used())
    }

    /// What could be granted without the holds.
    const fn room_alone(&self) -> u64 {
        self.limit.saturating_sub(self.posted)
    }

    const fn is_over(&self) -> bool {
        self.used() > self.limit
    }
}

/// One calendar period of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) period: BudgetPeriod,
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
    /// The date on which it begins: its name, which a change of time zone leaves alone.
    date: Date,
    /// The account's generation when this slot began. A hold belongs to the newest slot that is not younger than it.
    first_generation: u32,
    /// A limit was lowered below what is posted and held, or a restored or replayed sum is above it. Nothing is granted
    /// there until it fits again.
    pub(crate) is_over_limit: bool,
    pub(crate) counters: [Counter; 2],
}

impl Slot {
    /// A slot before the first time is known: any time is after its end.
    fn unstarted(period: BudgetPeriod, limits: [u64; 2]) -> Slot {
        let never = Timestamp::from_micros(i64::MIN);
        Slot {
            period,
            starts: never,
            ends: never,
            date: Date::MIN,
            first_generation: 0,
            is_over_limit: false,
            counters: limits.map(Counter::new),
        }
    }

    fn is_started(&self) -> bool {
        self.ends.micros() != i64::MIN
    }

    /// Whether `at` is after this period. Its end is the latest time there is when it never ends.
    fn is_over(&self, at: Timestamp) -> bool {
        at >= self.ends && self.ends != Timestamp::MAX
    }

    /// The slot of the same kind around `at`, empty.
    fn next(&self, zone: &TimeZone, at: Timestamp, generation: u32) -> Slot {
        let (bounds, date) = period_at(self.period, zone, at);
        assert!(!self.is_started() || date > self.date, "a period never goes back (I8)");
        let counters = self.counters.map(|counter| Counter::new(counter.limit));
        Slot {
            period: self.period,
            starts: bounds.starts,
            ends: bounds.ends,
            date,
            first_generation: generation,
            is_over_limit: false,
            counters,
        }
    }

    fn note_over_limit(&mut self) {
        self.is_over_limit = self.counters.iter().any(Counter::is_over);
    }

    fn has_holds(&self) -> bool {
        self.counters.iter().any(|counter| counter.held > 0)
    }

    fn sums(&self, of: fn(&Counter) -> u64) -> Amounts {
        Amounts::from_numbers([of(&self.counters[0]), of(&self.counters[1])])
    }

    fn balance(&self) -> PeriodBalance {
        let limit = |counter: &Counter| (counter.limit < AMOUNT_MAX).then_some(counter.limit);
        PeriodBalance {
            period: self.period,
            starts: self.starts,
            resets_at: self.resets_at(),
            usd_limit: limit(&self.counters[0]).map(money),
            tokens_limit: limit(&self.counters[1]),
            posted: self.sums(|counter| counter.posted),
            held: self.sums(|counter| counter.held),
        }
    }

    fn resets_at(&self) -> Option<Timestamp> {
        (self.ends != Timestamp::MAX).then_some(self.ends)
    }
}

/// An account of the tree, with its current periods and those past ones in which attempts are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) index: AccountIndex,
    zone: TimeZone,
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
    pub(crate) fn new(index: AccountIndex, config: &AccountConfig) -> Account {
        let never = Timestamp::from_micros(i64::MIN);
        Account {
            index,
            zone: config.zone.clone(),
            slots: BudgetPeriod::ALL.map(|period| Slot::unstarted(period, config.limits(period))),
            earlier: Vec::new(),
            generation: 0,
            newest: never,
            ends_first: never,
        }
    }

    /// Takes new limits, and a new time zone. A current period keeps its name and its sums and ends where the new
    /// zone's calendar ends it.
    pub(crate) fn configure(&mut self, config: &AccountConfig) {
        let moved = self.zone != config.zone;
        if moved {
            self.zone = config.zone.clone();
        }
        for slot in &mut self.slots {
            for (counter, limit) in slot.counters.iter_mut().zip(config.limits(slot.period)) {
                counter.limit = limit;
            }
            slot.note_over_limit();
            if moved && slot.is_started() {
                slot.ends = end_of(slot.period, &self.zone, slot.date);
            }
        }
        self.remember_ends();
    }

    /// Sets what was charged in the period around `balance.starts`; a period older than the current one is ignored.
    pub(crate) fn restore(&mut self, balance: &PostedBalance) {
        let place = place(balance.period);
        let (_, date) = period_at(balance.period, &self.zone, balance.starts);
        let is_started = self.slots[place].is_started();
        let is_total = balance.period == BudgetPeriod::Total;
        if !is_started || (date > self.slots[place].date && !is_total) {
            self.generation += 1;
            self.begin(place, balance.starts);
            self.remember_ends();
        } else if date < self.slots[place].date && !is_total {
            return;
        }
        for (counter, posted) in self.slots[place].counters.iter_mut().zip(balance.amounts.numbers()) {
            counter.posted = posted.min(AMOUNT_MAX);
        }
        self.slots[place].note_over_limit();
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
        let next = self.slots[place].next(&self.zone, at, self.generation);
        self.newest = self.newest.max(next.starts);
        let past = core::mem::replace(&mut self.slots[place], next);
        if past.has_holds() {
            self.earlier.push(past);
        }
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
            (needed[0] <= usd.room() || needed[0] == 0) & (needed[1] <= tokens.room() || needed[1] == 0)
        })
    }

    /// The gravest of the limits that stand in the way, if any, at a time that need not have been rolled to.
    pub(crate) fn shortage(&self, needed: [u64; 2], at: Timestamp) -> Option<Shortage> {
        let mut gravest: Option<Shortage> = None;
        for slot in &self.slots_at(at) {
            for (place, counter) in slot.counters.iter().enumerate() {
                let needed = needed[place];
                if needed == 0 || needed <= counter.room() {
                    continue;
                }
                let shortage = Shortage {
                    account: self.index,
                    resource: Resource::ALL[place],
                    period: slot.period,
                    limit: counter.limit,
                    posted: counter.posted,
                    held: counter.held,
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
        let slots = self.slots_at(at);
        let least = |room: fn(&Counter) -> u64| {
            let sums = slots.iter().map(|slot| slot.sums(room));
            sums.reduce(Amounts::min).expect("there are five periods")
        };
        (least(Counter::room), least(Counter::room_alone))
    }

    /// The current periods as they are at `at`, without changing anything.
    fn slots_at(&self, at: Timestamp) -> [Slot; 5] {
        self.slots
            .each_ref()
            .map(|slot| if slot.is_over(at) { slot.next(&self.zone, at, self.generation) } else { slot.clone() })
    }

    /// Takes `worst` in every current period. The caller has checked that it fits, unless it replays a log.
    pub(crate) fn hold(&mut self, worst: [u64; 2], is_replay: bool) {
        for slot in &mut self.slots {
            for (counter, amount) in slot.counters.iter_mut().zip(worst) {
                counter.held = counter.held.checked_add(amount).expect("a sum of holds overflowed");
                let is_granted = amount > 0 && !is_replay;
                assert!(!is_granted || !counter.is_over(), "a grant never exceeds the limit (I1)");
            }
            if slot.is_over_limit || is_replay {
                slot.note_over_limit();
            }
        }
    }

    /// Ends a hold of `worst` that was granted in `generation`: `charged` is posted, the rest is free again.
    pub(crate) fn settle(&mut self, generation: u32, worst: [u64; 2], charged: [u64; 2]) {
        for place in 0..self.slots.len() {
            let slot = if generation >= self.slots[place].first_generation {
                &mut self.slots[place]
            } else {
                let period = self.slots[place].period;
                let kin = self.earlier.iter_mut().rev().filter(|slot| slot.period == period);
                // A slot without amounts is not kept: a hold of nothing finds none and needs none.
                match kin.into_iter().find(|slot| slot.first_generation <= generation) {
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
            }
        }
        if !self.earlier.is_empty() {
            self.earlier.retain(Slot::has_holds);
        }
    }

    /// All sums, as of `now`.
    pub(crate) fn balances(&self, now: Timestamp) -> AccountBalances {
        let slots = self.slots_at(self.latest(now));
        let over = self.slots.iter().zip(&slots).filter(|(old, new)| old.starts != new.starts && old.has_holds());
        let without_limits = |slot: &Slot| PeriodBalance { usd_limit: None, tokens_limit: None, ..slot.balance() };
        AccountBalances {
            current: slots.each_ref().map(Slot::balance),
            earlier: self.earlier.iter().chain(over.map(|(old, _)| old)).map(without_limits).collect(),
        }
    }

    /// The slots a hold of `generation` is in.
    pub(crate) fn slots_of(&self, generation: u32) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter_map(move |current| {
            if generation >= current.first_generation {
                return Some(current);
            }
            let mut kin = self.earlier.iter().rev().filter(|slot| slot.period == current.period);
            kin.find(|slot| slot.first_generation <= generation)
        })
    }
}

/// Where a period stands in [`BudgetPeriod::ALL`].
fn place(period: BudgetPeriod) -> usize {
    let found = BudgetPeriod::ALL.iter().position(|&one| one == period);
    found.expect("every period is listed")
}
