//! What people and the passing of time do: decisions on unknown cost, credits, refunds, other limits, hang-ups.

use base::{AttemptId, Money, Timestamp};
use ledger::Amounts;

use crate::checks;
use crate::line::{Line, LostLine, period_number};
use crate::mutant::Mutant;
use crate::node::{Call, Job};
use crate::oracle::{Belief, Numbers, add, sub};
use crate::scenario::amounts;
use crate::world::World;

/// `hold_deadline` of the gateway.
const DEADLINE_SECONDS: i64 = 86_400;
/// `batch_deadline` of the gateway.
const BATCH_DEADLINE_SECONDS: i64 = 2 * DEADLINE_SECONDS;

impl World {
    /// Somebody looks at what is unknown: with the provider's bill in hand, or with an opinion.
    pub(crate) fn person(&mut self) {
        let mut unknown: Vec<_> = self.node().ledger.unresolved().map(|one| one.attempt).collect();
        unknown.sort_unstable();
        if unknown.is_empty() {
            return;
        }
        let attempt = unknown[self.chance.usize(0..unknown.len())];
        let truth = self.oracle.of(attempt);
        let (owed, left) = (truth.owed(), truth.left);
        match self.chance.u8(0..4) {
            0 => self.decide(attempt, None, false),
            1 => self.decide(attempt, Some([0, 0]), false),
            _ => {
                let more = if self.is(Mutant::DecideAboveHold) { 5 } else { 0 };
                self.decide(attempt, Some(if left { add(owed, [more, 0]) } else { [0, 0] }), true);
            }
        }
    }

    /// `holds.rs`, `end_due`.
    pub(crate) fn deadline(&mut self) {
        let calls = Timestamp::from_seconds(self.clock.seconds() - DEADLINE_SECONDS);
        let batches = Timestamp::from_seconds(self.clock.seconds() - BATCH_DEADLINE_SECONDS);
        let charge = if self.scenario.charges_at_deadline { None } else { Some([0, 0]) };
        for attempt in self.shelf.due(calls, batches) {
            self.decide(attempt, charge, false);
        }
    }

    /// A client goes. One that waits leaves its queue; of one under way the relay goes on.
    pub(crate) fn hang_up(&mut self) {
        let calls = self.node().calls.len();
        if calls == 0 {
            return;
        }
        let place = self.chance.usize(0..calls);
        let mut call = self.node().calls.swap_remove(place);
        call.has_hung_up = true;
        if call.attempt.is_some() && call.hold.is_some() {
            self.node().calls.push(call);
        } else if call.room.is_none() {
            self.leave(&mut call);
        }
    }

    /// An operator changes one limit of an account.
    pub(crate) fn change_limits(&mut self) {
        let account = self.chance.usize(0..self.scenario.accounts.len());
        let (up, down) = (self.chance.u64(100..300), self.chance.u64(20..100));
        let percent = if self.chance.bool() { up } else { down };
        let config = &mut self.scenario.accounts[account].config;
        let scaled = |cap: &mut Option<Money>| {
            if let Some(cap) = cap {
                *cap = Money::from_nanos((cap.nanos().unsigned_abs() * percent / 100 + 1).min(1 << 40) as i64);
            }
        };
        match self.chance.u8(0..5) {
            0 => scaled(&mut config.budgets.per_day),
            1 => scaled(&mut config.budgets.per_month),
            2 => scaled(&mut config.budgets.total),
            3 => scaled(&mut config.budgets.per_week),
            _ => config.tokens_per_month = config.tokens_per_month.map(|cap| (cap * percent / 100 + 1).min(1 << 40)),
        }
        self.limits_changed(account);
    }

    /// A tenant pays in advance. The store has it at once, and the ledger with the next look.
    pub(crate) fn credit(&mut self) {
        let account = self.chance.usize(0..self.scenario.accounts.len());
        let amount = self.chance.i64(1..100);
        let wallet = &mut self.scenario.accounts[account].config.wallet;
        *wallet = wallet.map(|wallet| wallet + Money::from_nanos(amount));
        self.limits_changed(account);
    }

    fn limits_changed(&mut self, account: usize) {
        self.scenario.accounts[account].version += 1;
        self.oracle.limits_changed(&self.scenario, account);
    }

    /// A part of a charge is given back.
    pub(crate) fn refund(&mut self) {
        // One at a time: what was taken back before is known then.
        if self.node().jobs.iter().any(|job| matches!(job, Job::Refund { .. })) {
            return;
        }
        // Not of what began before the last loss of power: it may be charged above its bill, for others that were lost.
        let first = AttemptId { epoch: self.node().loss_epoch, sequence: 0 };
        let ended = self.oracle.attempts.range(first..).filter(|(_, one)| {
            matches!(one.belief, Belief::Ended(charged) if charged != [0, 0]) && !one.ends.is_empty()
        });
        let ended: Vec<_> = ended.map(|(id, _)| *id).collect();
        if ended.is_empty() || self.chance.bool() {
            return;
        }
        let id = ended[self.chance.usize(0..ended.len())];
        let truth = self.oracle.of(id);
        let refunded = truth.refunded;
        let Belief::Ended(charged) = truth.belief else { return };
        let left = if self.is(Mutant::RefundTwice) { charged } else { sub(charged, refunded) };
        let taken: Numbers = [self.chance.u64(0..=left[0]), self.chance.u64(0..=left[1])];
        self.oracle.refunds += 1;
        let line = Line::Refunded { attempt: id, number: self.oracle.refunds, amounts: taken };
        let Ok(written) = self.append(&line) else { return };
        self.oracle.of(id).refunds.push((written, taken));
        if self.is(Mutant::RefundBeforeDurable) {
            self.take_back(id, taken);
        } else {
            // Unlike an end, a refund frees what was billed: if a loss of power took it, and with it what the money went
            // to since, more would be owed than the limit.
            self.node().jobs.push(Job::Refund { attempt: id, written, taken });
        }
    }

    /// Uses a refund.
    pub(crate) fn take_back(&mut self, id: AttemptId, taken: Numbers) {
        let truth = self.oracle.of(id);
        let (path, granted_at) = (truth.path, truth.granted_at);
        truth.refunded = add(truth.refunded, taken);
        self.refresh(path);
        let indexes = self.indexes(path);
        self.node().ledger.refund(&indexes, id, amounts(taken), granted_at);
    }

    /// Somebody has found out what was spent before the power went, or has waited long enough.
    pub(crate) fn release_lost(&mut self) {
        let mut lost: Vec<_> = self.node().ledger.lost().collect();
        lost.sort_unstable_by_key(|one| (one.account, one.period, one.resource));
        if lost.is_empty() {
            return;
        }
        let lost = lost[self.chance.usize(0..lost.len())];
        let ledger::Lost { account, period, resource, .. } = lost;
        let line = LostLine { amount: 0, ..LostLine::of(&lost) };
        let Ok(position) = self.append(&Line::Lost(line)) else { return };
        self.forgive(&line);
        if self.is_durable(position) {
            self.node().ledger.release_lost(account, period, resource);
        }
    }

    /// What was lost in that period until now is nobody's to pay any more.
    pub(crate) fn forgive(&mut self, line: &LostLine) {
        if line.amount == 0 {
            let period = period_number(line.period);
            let slot = self.oracle.slot(&self.scenario, line.account, period, line.starts);
            self.oracle.slots[slot].forgiven[line.resource as usize] = self.oracle.losses;
        }
    }

    /// A call is refused for want of money: that must be true.
    pub(crate) fn refused(&mut self, call: &Call, shortage: &ledger::Shortage) {
        if let Err(violation) = checks::i9_refused_in_truth(self, call, shortage) {
            self.violation.get_or_insert(violation);
        }
    }

    /// Money became free on these accounts: who waits at their heads and fits has a turn.
    pub(crate) fn note_freed(&mut self, accounts: &[base::AccountIndex]) {
        if let Err(violation) = checks::i9_freed_is_offered(self, accounts) {
            self.violation.get_or_insert(violation);
        }
    }

    /// Ends everything that began, without faults, and waits beyond every deadline.
    pub(crate) fn quiesce(&mut self) {
        self.are_faults_on = false;
        self.disk.set_full(false);
        self.restart(journal::Loss::Nothing);
        for path in 0..self.scenario.paths.len() {
            self.refresh(path);
        }
        for _ in 0..200 {
            self.advance_applier();
        }
        self.look_after_all_batches();
        let deadline = core::time::Duration::from_secs(BATCH_DEADLINE_SECONDS as u64 + 3_600);
        self.clock = self.clock.saturating_add(deadline);
        while self.oracle.attempts.values().any(|one| one.granted_at.saturating_add(deadline) > self.clock) {
            self.clock = self.clock.saturating_add(deadline);
        }
        self.deadline();
        while !self.node().jobs.is_empty() {
            self.advance_some_job();
        }
        for _ in 0..200 {
            if self.node().ledger.lost().next().is_none() {
                break;
            }
            self.release_lost();
        }
    }

    /// What one call could cost on a path, with what is left.
    pub(crate) fn affordable(&mut self, path: usize) -> Amounts {
        let (indexes, now) = (self.indexes(path), self.clock);
        self.node().ledger.available(&indexes, now).now
    }
}
