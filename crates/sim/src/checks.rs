//! The invariants, each a function of what is true and of what the process has: called after every step.

use std::fmt;

use base::{AccountIndex, AttemptId, BudgetPeriod, Timestamp};
use journal::Position;
use ledger::{AccountBalances, PeriodBalance, Resource, Shortage, bounds};

use crate::node::{Call, Node};
use crate::oracle::{Attempt, Belief, Oracle, Slot, Sums};
use crate::scenario::{Scenario, amounts, numbers};
use crate::world::World;

/// What was found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant.
    pub check: &'static str,
    /// In words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

type Verdict = Result<(), Violation>;

/// Fails a check when `holds` is false.
fn ensure(holds: bool, check: &'static str, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Violation { check, what: what() }) }
}

/// One resource in one period of one account, from all sides.
#[derive(Debug)]
struct Place<'a> {
    slot: &'a Slot,
    resource: usize,
    /// The truth.
    sums: &'a Sums,
    /// The limit now.
    limit: Option<u64>,
    /// The longest lease that is on the disk.
    leased_durably: u64,
    /// The process' counter; none where it keeps none.
    counter: Option<Counter>,
    /// No later period of the account has begun.
    is_newest: bool,
}

/// The process' numbers.
#[derive(Debug, Clone, Copy)]
struct Counter {
    posted: u64,
    held: u64,
    lost: u64,
    leased: Option<u64>,
    is_current: bool,
}

/// All invariants that can be looked at at any time.
pub(crate) fn all(world: &World) -> Verdict {
    let oracle = &world.oracle;
    let node = world.node.as_ref().expect("a process runs");
    for (id, attempt) in &oracle.attempts {
        i2_charge_within_hold(*id, attempt)?;
        i3_one_intent_one_end(*id, attempt)?;
        i3_output_is_committed(*id, attempt)?;
        i3_batch_is_looked_after(*id, attempt, world.shelf.batches.contains(id), node.journal.durable())?;
        i4_refund_within_charge(*id, attempt)?;
        i10_nothing_leaves_without_a_hold(*id, attempt)?;
    }
    i4_ids_are_given_once(oracle)?;
    i5_unknown_stays_held(oracle, node)?;
    let sums = oracle.sums();
    let durable = node.journal.durable();
    let balances = balances(world, node);
    for (slot, sums) in oracle.slots.iter().zip(&sums) {
        let Some(balances) = &balances[slot.account] else { continue };
        for resource in 0..2 {
            let place = place(&world.scenario, durable, slot, sums, balances, resource, node.not_before);
            i1_authority(&place)?;
            i1_log_alone(&place)?;
            i1_truth(&place)?;
            i2_bills_are_covered(&place)?;
            i6_leases_cover(&place)?;
            i7_sums(&place)?;
            i8_periods_never_go_back(&place)?;
        }
    }
    Ok(())
}

/// Everything that the process has, by account; nothing of accounts that it has not looked at yet.
fn balances(world: &World, node: &Node) -> Vec<Option<AccountBalances>> {
    let accounts = 0..world.scenario.accounts.len() as u32;
    // No time at all: nothing begins by being looked at.
    let never = Timestamp::from_micros(i64::MIN);
    let known = |index: AccountIndex| node.ledger.knows(index).then(|| node.ledger.balances(index, never));
    accounts.map(|account| known(AccountIndex(account))).collect()
}

fn place<'a>(
    scenario: &Scenario,
    durable: Position,
    slot: &'a Slot,
    sums: &'a Sums,
    balances: &AccountBalances,
    resource: usize,
    not_before: Timestamp,
) -> Place<'a> {
    let current = &balances.current[slot.period];
    let is_same = |balance: &PeriodBalance| balance.starts == slot.starts && balance.period == current.period;
    // A period that ended before this process began to count is not in force any more.
    let is_stale = current.resets_at.is_some_and(|ends| ends <= not_before);
    let counter = if current.starts == slot.starts || current.period == BudgetPeriod::Total {
        Some(counter(current, resource, !is_stale))
    } else {
        balances.earlier.iter().find(|balance| is_same(balance)).map(|balance| counter(balance, resource, false))
    };
    let durable = slot.leases[resource].iter().filter(|(at, _)| *at <= durable).map(|(_, up_to)| *up_to).max();
    Place {
        slot,
        resource,
        sums,
        limit: scenario.limit(slot.account, slot.period, resource),
        leased_durably: durable.unwrap_or(0),
        counter,
        is_newest: current.starts <= slot.starts && not_before <= slot.starts,
    }
}

fn counter(balance: &PeriodBalance, resource: usize, is_current: bool) -> Counter {
    let of = |amounts| numbers(amounts)[resource];
    let leased = match Resource::ALL[resource] {
        Resource::Usd => balance.usd_leased.map(|leased| leased.nanos().unsigned_abs()),
        Resource::Tokens => balance.tokens_leased,
    };
    Counter { posted: of(balance.posted), held: of(balance.held), lost: of(balance.lost), leased, is_current }
}

impl Place<'_> {
    /// What the process has, of a period that is in force and limited.
    fn in_force(&self) -> Option<(Counter, u64)> {
        let highest = self.slot.limit_highest[self.resource].filter(|_| self.limit.is_some())?;
        self.counter.filter(|counter| counter.is_current).map(|counter| (counter, highest))
    }
}

impl Counter {
    const fn used(&self) -> u64 {
        self.posted + self.held + self.lost
    }
}

/// I1: posted, held and the unused lease are within the highest limit that was ever in force in the period, and so is
/// what is lost. (All of them together are more where a period is counted again after the clock was set back: then
/// nothing is granted.)
fn i1_authority(place: &Place<'_>) -> Verdict {
    let Some((counter, highest)) = place.in_force() else { return Ok(()) };
    let leased = counter.leased.unwrap_or(0).min(place.limit.unwrap_or(0));
    ensure((counter.posted + counter.held).max(counter.lost).max(leased) <= highest, "I1", || {
        format!("more than the limit is taken: {place:?}")
    })?;
    ensure(place.leased_durably <= highest, "I1", || format!("a lease goes beyond the limit: {place:?}"))
}

/// I1 of the journal alone: what stands there never shows more than the limit.
fn i1_log_alone(place: &Place<'_>) -> Verdict {
    let Some(highest) = place.slot.limit_highest[place.resource] else { return Ok(()) };
    let logged = place.sums.logged[place.resource];
    ensure(logged <= highest, "I1", || format!("the journal alone shows more than the limit: {place:?}"))
}

/// I1 of the truth: no more is ever owed than the limit.
fn i1_truth(place: &Place<'_>) -> Verdict {
    let Some(highest) = place.slot.limit_highest[place.resource] else { return Ok(()) };
    let owed = place.sums.truth[place.resource];
    ensure(owed <= highest, "I1", || format!("more than the limit is owed: {place:?}"))
}

/// I2: what the provider bills is posted, held or counted as lost.
fn i2_bills_are_covered(place: &Place<'_>) -> Verdict {
    let Some((counter, _)) = place.in_force() else { return Ok(()) };
    let owed = place.sums.truth[place.resource];
    ensure(owed <= counter.used(), "I2", || format!("a bill is not covered: {place:?}"))
}

/// I2 of one attempt: the tenant is never charged above the hold.
fn i2_charge_within_hold(id: AttemptId, attempt: &Attempt) -> Verdict {
    let within =
        attempt.ends.iter().all(|(_, charged)| charged[0] <= attempt.worst[0] && charged[1] <= attempt.worst[1]);
    ensure(within, "I2", || format!("attempt {id} is charged above its hold: {attempt:?}"))
}

/// I3: whatever left has one intent, unless a loss of power took it, and at most one end.
fn i3_one_intent_one_end(id: AttemptId, attempt: &Attempt) -> Verdict {
    let intents = attempt.intents.len();
    let is_written =
        intents == 1 || (intents == 0 && (!attempt.left || attempt.is_lost || attempt.left_wrongly.is_some()));
    ensure(is_written, "I3", || format!("attempt {id} has {intents} intents: {attempt:?}"))?;
    ensure(attempt.ends.len() <= 1, "I3", || format!("attempt {id} ends more than once: {attempt:?}"))?;
    ensure(attempt.record_fault.is_none(), "I3", || format!("attempt {id}: {attempt:?}"))
}

/// I3: what a client saw, or a person was told, is there.
fn i3_output_is_committed(id: AttemptId, attempt: &Attempt) -> Verdict {
    ensure(!attempt.seen_too_early, "I3", || format!("a client saw what is not on the disk, attempt {id}: {attempt:?}"))
}

/// I3: a batch of which its client knows is one that somebody looks after, until its end is on the disk.
fn i3_batch_is_looked_after(id: AttemptId, attempt: &Attempt, is_noted: bool, durable: Position) -> Verdict {
    let has_end = attempt.ends.iter().any(|(at, _)| *at <= durable);
    ensure(!attempt.is_batch_told || is_noted || has_end, "I3", || {
        format!("nobody looks after the batch of attempt {id}: {attempt:?}")
    })
}

/// I4: no more is taken back than was charged.
fn i4_refund_within_charge(id: AttemptId, attempt: &Attempt) -> Verdict {
    let Belief::Ended(charged) = attempt.belief else { return Ok(()) };
    let within = attempt.refunded[0] <= charged[0] && attempt.refunded[1] <= charged[1];
    ensure(within, "I4", || format!("attempt {id} is refunded above its charge: {attempt:?}"))
}

/// I4: an id names one attempt.
fn i4_ids_are_given_once(oracle: &Oracle) -> Verdict {
    ensure(oracle.given_twice.is_none(), "I4", || format!("an id was given twice: {:?}", oracle.given_twice))
}

/// I5: whatever nobody knows the cost of is held in full.
fn i5_unknown_stays_held(oracle: &Oracle, node: &Node) -> Verdict {
    let unknown = oracle.attempts.iter().filter(|(_, attempt)| attempt.belief == Belief::Unknown);
    for (id, attempt) in unknown {
        let found = node.ledger.resolution(*id, ledger::Ending::Unknown);
        let is_held = found.is_some_and(|found| found.still_held == amounts(attempt.worst));
        ensure(is_held, "I5", || format!("attempt {id} of unknown cost is not held in full: {attempt:?}"))?;
    }
    Ok(())
}

/// I6: what is used, believed or owed under a lease is covered by one that is on the disk.
fn i6_leases_cover(place: &Place<'_>) -> Verdict {
    let Some((counter, _)) = place.in_force() else { return Ok(()) };
    let durable = place.leased_durably;
    let leased = counter.leased.unwrap_or(0);
    ensure(leased <= durable, "I6", || format!("a lease is used that is not on the disk: {place:?}"))?;
    ensure(place.sums.truth[place.resource] <= durable, "I6", || format!("more is owed than is leased: {place:?}"))
}

/// I7: the process' sums are those of the attempts. What was charged in past periods is left to the books.
fn i7_sums(place: &Place<'_>) -> Verdict {
    let (posted, held) = (place.sums.posted[place.resource], place.sums.held[place.resource]);
    let Some(counter) = place.counter else {
        return ensure(held == 0, "I7", || format!("a hold is on no period: {place:?}"));
    };
    ensure(counter.held == held, "I7", || format!("held is not the sum of the open holds: {place:?}"))?;
    let is_exact = place.in_force().is_none() || counter.posted == posted;
    ensure(is_exact, "I7", || format!("posted is not the sum of the charges: {place:?}"))
}

/// I8: no period in which something is counted was left for an older one.
fn i8_periods_never_go_back(place: &Place<'_>) -> Verdict {
    let is_counted = place.sums.posted[place.resource] + place.sums.truth[place.resource] > 0 && place.limit.is_some();
    let is_gone = place.is_newest && place.counter.is_none() && is_counted;
    ensure(!is_gone, "I8", || format!("a period was left for an older one: {place:?}"))
}

/// I10: nothing leaves without a hold and an intent, and nothing after the journal became unusable.
fn i10_nothing_leaves_without_a_hold(id: AttemptId, attempt: &Attempt) -> Verdict {
    ensure(attempt.left_wrongly.is_none(), "I10", || format!("attempt {id} left wrongly: {attempt:?}"))
}

/// I9: who is refused is short of something in truth.
pub(crate) fn i9_refused_in_truth(world: &World, call: &Call, shortage: &Shortage) -> Verdict {
    let (resource, account) = (shortage.resource as usize, shortage.account.0 as usize);
    let period = crate::line::period_number(shortage.period);
    let limit = world.scenario.limit(account, period, resource);
    // Settings that changed since the last look are taken up by the next one.
    let node = world.node.as_ref().expect("a process runs");
    let is_current = node.versions[account] == world.scenario.accounts[account].version;
    let sums = world.oracle.sums();
    let last = shortage.resets_at.map_or(Timestamp::EPOCH, |ends| Timestamp::from_micros(ends.micros() - 1));
    let starts = bounds(BudgetPeriod::ALL[period], &world.scenario.zone, last).starts;
    let is_meant = |slot: &Slot| slot.account == account && slot.period == period && slot.starts == starts;
    let used = world.oracle.slots.iter().zip(&sums).find(|(slot, _)| is_meant(slot));
    let used = used.map_or(0, |(_, sums)| sums.posted[resource] + sums.held[resource]) + shortage.lost;
    let is_short = limit.is_some_and(|limit| used + call.asked[resource] > limit);
    ensure(is_short || !is_current, "I9", || format!("a call was refused that fits: {shortage:?}, used {used}"))
}

/// I9: when money becomes free, whoever waits at the head of a queue there and fits has a turn.
pub(crate) fn i9_freed_is_offered(world: &World, accounts: &[AccountIndex]) -> Verdict {
    let node = world.node.as_ref().expect("a process runs");
    for ticket in accounts.iter().filter_map(|&account| node.waiting.head(account)) {
        let Some(call) = node.calls.iter().find(|call| call.ticket == ticket) else { continue };
        let path = world.scenario.paths[call.path].indexes();
        let fits = path.iter().all(|account| node.ledger.knows(*account))
            && node.ledger.check(&path, amounts(call.worst), call.at).is_ok();
        ensure(!fits || node.turns.contains(&ticket), "I9", || format!("nobody called {ticket:?}, which fits"))?;
    }
    Ok(())
}

/// I9, when faults are over and the deadline has passed: nothing is held, nothing lost, and who has money is admitted.
pub(crate) fn i9_at_rest(world: &mut World) -> Verdict {
    let node = world.node();
    let (held, lost) = (node.ledger.open_holds(), node.ledger.lost().count());
    ensure(held == 0, "I9", || format!("{held} holds are left"))?;
    ensure(lost == 0, "I9", || format!("{lost} losses are left"))?;
    ensure(world.shelf.batches.is_empty(), "I9", || format!("{:?} are looked after for ever", world.shelf.batches))?;
    for (id, attempt) in &world.oracle.attempts {
        let charged = attempt.ends.first().map(|(_, charged)| *charged);
        let is_exact = !attempt.is_batch_told || attempt.decided || charged == Some(attempt.owed());
        ensure(is_exact, "I3", || format!("the batch of attempt {id} is not charged what it was billed: {attempt:?}"))?;
    }
    for path in 0..world.scenario.paths.len() {
        let most = world.affordable(path);
        let worst = amounts([numbers(most)[0].min(1_000), numbers(most)[1].min(1_000)]);
        let (indexes, now, attempt) = (world.indexes(path), world.clock, world.next_attempt());
        let leases = world.node().ledger.leases_wanted(&indexes, worst, now);
        for lease in &leases {
            world.node().ledger.extend(lease);
        }
        let taken = world.node().ledger.reserve(&indexes, attempt, worst, now);
        ensure(taken.is_ok(), "I9", || format!("path {path} has {worst:?} and is refused: {taken:?}"))?;
        if let Ok(hold) = taken {
            world.node().ledger.settle(hold, ledger::Ending::Refused);
        }
    }
    Ok(())
}

/// I3 after a start: what clients saw is there. After a kill that is everything, after a loss of power what was durable.
pub(crate) fn i3_nothing_seen_is_gone(oracle: &Oracle, power_lost: bool, waits: bool) -> Verdict {
    for (id, attempt) in &oracle.attempts {
        let promised = waits || !power_lost || attempt.makes_batch;
        let is_gone = attempt.seen && attempt.intents.is_empty() && promised;
        ensure(!is_gone, "I3", || format!("a client saw an answer whose intent is gone, attempt {id}: {attempt:?}"))?;
        let is_unended =
            attempt.seen_whole && attempt.ends.is_empty() && !power_lost && attempt.belief != Belief::Nothing;
        ensure(!is_unended, "I3", || {
            format!("a client saw a whole answer whose end is gone, attempt {id}: {attempt:?}")
        })?;
        let is_unsaid = attempt.is_confirmed && attempt.ends.is_empty();
        ensure(!is_unsaid, "I3", || format!("a decision that was told is gone, attempt {id}: {attempt:?}"))?;
        ensure(power_lost || !attempt.is_lost || attempt.was_lost_before, "I3", || {
            format!("a kill lost the intent of attempt {id}: {attempt:?}")
        })?;
    }
    Ok(())
}
