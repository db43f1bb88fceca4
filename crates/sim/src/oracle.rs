//! The truth: a naive ledger of all attempts, with what the provider bills for each, what the journal says of it and
//! what the process believes. Nothing here is incremental: every sum is computed anew from the attempts.

use std::collections::BTreeMap;

use base::{AttemptId, BudgetPeriod, Timestamp};
use journal::Position;
use ledger::bounds;

use crate::scenario::{LEVELS, Scenario};

/// Money and tokens.
pub(crate) type Numbers = [u64; 2];

/// What the process believes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belief {
    /// The process that knew it is gone, or it was never told.
    Nothing,
    /// It is under way.
    UnderWay,
    /// Nobody knows its cost; all of it is held.
    Unknown,
    /// It ended with this charge.
    Ended(Numbers),
}

/// One attempt, from all sides.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) path: usize,
    pub(crate) worst: Numbers,
    pub(crate) granted_at: Timestamp,
    /// The place of each period of each account of the path in [`Oracle::slots`].
    pub(crate) slots: [[usize; 5]; LEVELS],
    /// Intents in the journal, by where they end.
    pub(crate) intents: Vec<Position>,
    /// Ends in the journal, with their charges.
    pub(crate) ends: Vec<(Position, Numbers)>,
    /// Refunds in the journal.
    pub(crate) refunds: Vec<(Position, Numbers)>,
    pub(crate) belief: Belief,
    /// Refunds that the process knows.
    pub(crate) refunded: Numbers,
    /// A byte of the request may have left.
    pub(crate) left: bool,
    /// It left without a hold, without an intent, or after the journal was unusable.
    pub(crate) left_wrongly: Option<&'static str>,
    /// What the provider bills.
    pub(crate) bill: Numbers,
    /// It makes a batch.
    pub(crate) makes_batch: bool,
    /// The client was told which batch it made.
    pub(crate) is_batch_told: bool,
    /// The client saw a byte of the answer, or all of it.
    pub(crate) seen: bool,
    pub(crate) seen_whole: bool,
    /// Its client saw something that was not on the disk.
    pub(crate) seen_too_early: bool,
    /// A person was told that the decision on it is durable.
    pub(crate) is_confirmed: bool,
    /// Somebody who may do so decided what is charged, whatever the bill is.
    pub(crate) decided: bool,
    /// A loss of power took its intent.
    pub(crate) is_lost: bool,
    /// That was an earlier one than the last start followed.
    pub(crate) was_lost_before: bool,
    /// The record of its end contradicts its intent.
    pub(crate) record_fault: Option<&'static str>,
}

/// One period of one account.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) account: usize,
    pub(crate) period: usize,
    pub(crate) starts: Timestamp,
    /// The highest limit that was ever in force in it.
    pub(crate) limit_highest: [Option<u64>; 2],
    /// Leases in the journal.
    pub(crate) leases: [Vec<(Position, u64)>; 2],
    /// What was lost up to this many losses of power is released.
    pub(crate) forgiven: [usize; 2],
}

/// See the head of the file.
#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
    pub(crate) slots: Vec<Slot>,
    /// The last slot of each account and period.
    latest: BTreeMap<(usize, usize), Vec<usize>>,
    /// Who was lost in which loss of power.
    pub(crate) lost: Vec<(usize, AttemptId)>,
    /// How often power was lost.
    pub(crate) losses: usize,
    /// An id that was given twice.
    pub(crate) given_twice: Option<AttemptId>,
    /// Refunds given, so that each has a number.
    pub(crate) refunds: u64,
}

/// The sums of one slot.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// As the process must have them.
    pub(crate) posted: Numbers,
    pub(crate) held: Numbers,
    /// Posted and held by the journal alone.
    pub(crate) logged: Numbers,
    /// What the provider bills at most within the holds, as far as nobody was let off.
    pub(crate) truth: Numbers,
}

impl Attempt {
    /// What the provider bills that is the tenant's to pay.
    pub(crate) fn owed(&self) -> Numbers {
        [self.bill[0].min(self.worst[0]), self.bill[1].min(self.worst[1])]
    }

    fn truth(&self) -> Numbers {
        let owed = if self.left { self.owed() } else { [0, 0] };
        // Whoever decided to charge less takes the rest on the operator; to charge more makes nobody owe more.
        let ended = match self.belief {
            Belief::Ended(charged) => Some(charged),
            _ => self.ends.first().map(|(_, charged)| *charged),
        };
        let known = match ended {
            Some(charged) if self.decided => [owed[0].min(charged[0]), owed[1].min(charged[1])],
            _ => owed,
        };
        sub(known, self.refunds.iter().fold([0, 0], |sum, (_, amount)| add(sum, *amount)))
    }

    fn logged(&self) -> Numbers {
        if self.intents.is_empty() {
            return [0, 0];
        }
        let counts = self.ends.first().map_or(self.worst, |(_, charged)| *charged);
        sub(counts, self.refunds.iter().fold([0, 0], |sum, (_, amount)| add(sum, *amount)))
    }
}

pub(crate) fn add(left: Numbers, right: Numbers) -> Numbers {
    [left[0] + right[0], left[1] + right[1]]
}

pub(crate) fn sub(left: Numbers, right: Numbers) -> Numbers {
    [left[0].saturating_sub(right[0]), left[1].saturating_sub(right[1])]
}

impl Oracle {
    /// A hold was granted.
    pub(crate) fn granted(
        &mut self,
        scenario: &Scenario,
        id: AttemptId,
        path: usize,
        worst: Numbers,
        granted_at: Timestamp,
    ) {
        let mut slots = [[0; 5]; LEVELS];
        for (level, account) in scenario.paths[path].accounts.into_iter().enumerate() {
            for (number, period) in BudgetPeriod::ALL.into_iter().enumerate() {
                let starts = bounds(period, &scenario.zone, granted_at).starts;
                slots[level][number] = self.slot(scenario, account, number, starts);
            }
        }
        let attempt = Attempt {
            path,
            worst,
            granted_at,
            slots,
            intents: Vec::new(),
            ends: Vec::new(),
            refunds: Vec::new(),
            belief: Belief::UnderWay,
            refunded: [0, 0],
            left: false,
            left_wrongly: None,
            bill: [0, 0],
            makes_batch: false,
            is_batch_told: false,
            seen: false,
            seen_whole: false,
            seen_too_early: false,
            is_confirmed: false,
            decided: false,
            is_lost: false,
            was_lost_before: false,
            record_fault: None,
        };
        if self.attempts.get(&id).is_some_and(|before| !before.intents.is_empty() || before.left) {
            self.given_twice = Some(id);
        }
        self.attempts.insert(id, attempt);
    }

    /// The place of a period that begins at `starts`.
    pub(crate) fn slot(&mut self, scenario: &Scenario, account: usize, period: usize, starts: Timestamp) -> usize {
        let known = self.latest.entry((account, period)).or_default();
        if let Some(place) = known.iter().rev().find(|place| self.slots[**place].starts == starts) {
            return *place;
        }
        let limit_highest = [0, 1].map(|resource| scenario.limit(account, period, resource));
        let (leases, forgiven) = ([Vec::new(), Vec::new()], [0, 0]);
        self.slots.push(Slot { account, period, starts, limit_highest, leases, forgiven });
        known.push(self.slots.len() - 1);
        self.slots.len() - 1
    }

    pub(crate) fn of(&mut self, id: AttemptId) -> &mut Attempt {
        self.attempts.get_mut(&id).expect("the truth knows every attempt")
    }

    /// The limits of an account were changed.
    pub(crate) fn limits_changed(&mut self, scenario: &Scenario, account: usize) {
        for slot in self.slots.iter_mut().filter(|slot| slot.account == account) {
            for (resource, highest) in slot.limit_highest.iter_mut().enumerate() {
                *highest = (*highest).max(scenario.limit(account, slot.period, resource));
            }
        }
    }

    /// A process ended, and a journal was recovered up to `end`. What is behind it never was.
    pub(crate) fn recovered(&mut self, end: Position, power_lost: bool) {
        self.losses += usize::from(power_lost);
        for (id, attempt) in &mut self.attempts {
            attempt.was_lost_before = attempt.is_lost;
            let had_intent = !attempt.intents.is_empty();
            attempt.intents.retain(|at| *at <= end);
            attempt.ends.retain(|(at, _)| *at <= end);
            attempt.refunds.retain(|(at, _)| *at <= end);
            attempt.refunded = attempt.refunds.iter().fold([0, 0], |sum, (_, amount)| add(sum, *amount));
            attempt.decided &= !attempt.ends.is_empty();
            if had_intent && attempt.intents.is_empty() && attempt.left {
                attempt.is_lost = true;
                self.lost.push((self.losses, *id));
            }
            attempt.belief = match (attempt.intents.is_empty(), attempt.ends.first()) {
                (true, _) => Belief::Nothing,
                (false, Some((_, charged))) => Belief::Ended(*charged),
                (false, None) => Belief::Unknown,
            };
        }
        for slot in &mut self.slots {
            slot.leases.iter_mut().for_each(|leases| leases.retain(|(at, _)| *at <= end));
        }
    }

    /// What a loss of power was allowed to take is not looked for after the next stop.
    pub(crate) fn forget_what_power_took(&mut self) {
        for attempt in self.attempts.values_mut() {
            attempt.seen &= !attempt.intents.is_empty();
            attempt.seen_whole &= !attempt.ends.is_empty();
        }
    }

    /// Whether what the journal had of an attempt may be gone: it is not after a kill.
    pub(crate) fn is_forgiven(&self, id: AttemptId, slot: &Slot, resource: usize) -> bool {
        self.lost.iter().any(|(loss, lost)| *lost == id && *loss <= slot.forgiven[resource])
    }

    /// All sums, by slot.
    pub(crate) fn sums(&self) -> Vec<Sums> {
        let mut sums = vec![Sums::default(); self.slots.len()];
        for (id, attempt) in &self.attempts {
            let (posted, held) = match attempt.belief {
                Belief::Nothing => ([0, 0], [0, 0]),
                Belief::UnderWay | Belief::Unknown => ([0, 0], attempt.worst),
                Belief::Ended(charged) => (sub(charged, attempt.refunded), [0, 0]),
            };
            let (logged, truth) = (attempt.logged(), attempt.truth());
            for place in attempt.slots.iter().flatten() {
                let sum = &mut sums[*place];
                sum.posted = add(sum.posted, posted);
                sum.held = add(sum.held, held);
                sum.logged = add(sum.logged, logged);
                if !attempt.is_lost {
                    sum.truth = add(sum.truth, truth);
                    continue;
                }
                for (resource, owed) in truth.into_iter().enumerate() {
                    if !self.is_forgiven(*id, &self.slots[*place], resource) {
                        sum.truth[resource] += owed;
                    }
                }
            }
        }
        sums
    }
}
