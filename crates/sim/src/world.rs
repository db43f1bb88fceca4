//! The world around one node, driven by a seed: what happens next, and what is true.

use std::sync::OnceLock;

use base::{AccountIndex, AttemptId, ModelId, Timestamp, UpstreamId};
use fastrand::Rng;
use journal::{Durability, Fault, FaultDisk, Loss, Position};
use ledger::Lease;
use store::{Ending, Record};

use crate::checks::{self, Violation};
use crate::line::{Line, period_number};
use crate::mutant::Mutant;
use crate::node::{Call, Node, Stage};
use crate::oracle::{Belief, Numbers, Oracle};
use crate::recover::Indexes;
use crate::scenario::{Scenario, numbers};
use crate::shelf::{Flaws, Shelf, charged};
use crate::twin::Twin;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Steps of the scheduler, each followed by all checks.
    pub steps: u64,
    /// Starts after a stop of any kind.
    pub restarts: u64,
    /// Losses of power.
    pub losses: u64,
    /// Holds that were granted.
    pub attempts: u64,
}

pub(crate) struct World {
    pub(crate) chance: Rng,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) scenario: Scenario,
    pub(crate) names: &'static (ModelId, UpstreamId),
    pub(crate) disk: FaultDisk,
    /// `None` between two processes.
    pub(crate) node: Option<Node>,
    pub(crate) shelf: Shelf,
    /// The real store beside the shelf, in some runs.
    pub(crate) twin: Option<Twin>,
    pub(crate) oracle: Oracle,
    pub(crate) clock: Timestamp,
    /// Seconds of the monotonic clock.
    pub(crate) mono: u64,
    pub(crate) epoch: u64,
    pub(crate) boot: u8,
    /// The line that was to be written when a write failed.
    pub(crate) tried: Option<Line>,
    pub(crate) are_faults_on: bool,
    /// What the disk loses when the armed fault comes.
    pub(crate) loss: Loss,
    /// The first thing that was found wrong.
    pub(crate) violation: Option<Violation>,
    pub(crate) stats: Stats,
}

fn names() -> &'static (ModelId, UpstreamId) {
    static NAMES: OnceLock<(ModelId, UpstreamId)> = OnceLock::new();
    NAMES.get_or_init(|| (ModelId::new("small").expect("a good name"), UpstreamId::new("local").expect("a good name")))
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>) -> World {
        let mut chance = Rng::with_seed(seed);
        let scenario = Scenario::draw(seed, &mut chance);
        let is = |one: Mutant| mutant == Some(one);
        let flaws = Flaws { counts_twice: is(Mutant::ApplyCountsTwice), last_lease_wins: is(Mutant::LastLeaseWins) };
        let mut world = World {
            mutant,
            names: names(),
            disk: FaultDisk::new(chance.u64(..)),
            node: None,
            shelf: Shelf { flaws, ..Shelf::default() },
            twin: None,
            oracle: Oracle::default(),
            clock: scenario.start,
            mono: 0,
            epoch: 0,
            boot: 1,
            tried: None,
            are_faults_on: true,
            loss: Loss::Nothing,
            violation: None,
            stats: Stats::default(),
            scenario,
            chance,
        };
        world.restart(Loss::Nothing);
        world
    }

    pub(crate) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn node(&mut self) -> &mut Node {
        self.node.as_mut().expect("a process runs")
    }

    pub(crate) fn indexes(&self, path: usize) -> Indexes {
        self.scenario.paths[path].indexes()
    }

    pub(crate) fn fail(&mut self, check: &'static str, what: String) {
        self.violation.get_or_insert(Violation { check, what });
    }

    /// One step of whatever comes next, then all checks.
    pub(crate) fn step(&mut self) {
        self.stats.steps += 1;
        self.happen();
        if self.disk.is_down() {
            let loss = self.loss;
            self.restart(loss);
        }
        if self.violation.is_none() {
            self.violation = checks::all(self).err();
        }
    }

    fn happen(&mut self) {
        let scenario = (self.scenario.faults, self.scenario.jumps);
        if self.are_faults_on && self.chance.u32(0..1_000) < scenario.0 {
            return self.fault();
        }
        if self.chance.u32(0..1_000) < scenario.1 {
            return self.jump();
        }
        if self.node().journal.poisoned().is_some() && self.chance.u8(0..4) == 0 {
            // `running.rs`, `poisoned`: the process is to end.
            return self.restart(Loss::Nothing);
        }
        if self.scenario.is_stormy && self.chance.u8(0..16) == 0 {
            return if self.chance.bool() { self.refund() } else { self.person() };
        }
        if self.scenario.is_disk_small && self.chance.u8(0..5) == 0 {
            return self.arrive();
        }
        if self.scenario.has_batches && self.chance.u8(0..16) == 0 {
            return self.look_after_a_batch();
        }
        match self.chance.u8(0..100) {
            0..=11 => self.arrive(),
            12..=77 => self.advance_some(),
            78..=79 => self.advance_some_job(),
            80..=82 => self.drive(),
            83..=87 => self.advance_applier(),
            88..=90 => self.tick(),
            91 => self.person(),
            92 => self.deadline(),
            93 => self.hang_up(),
            94 => self.change_limits(),
            95 => self.credit(),
            96 => self.refund(),
            97 => self.release_lost(),
            98 => self.reclaim(),
            _ => self.set_disk_full(),
        }
    }

    /// A step of a call; of three where the disk is to become full.
    fn advance_some(&mut self) {
        for _ in 0..if self.scenario.is_disk_small { 3 } else { 1 } {
            let calls = self.node().calls.len();
            if calls > 0 {
                let place = self.chance.usize(0..calls);
                self.advance(place);
            }
        }
    }

    pub(crate) fn advance_some_job(&mut self) {
        let jobs = self.node().jobs.len();
        if jobs > 0 {
            let place = self.chance.usize(0..jobs);
            self.advance_job(place);
        }
    }

    pub(crate) fn drive(&mut self) {
        // An error poisons the journal, which is looked at above.
        let _ = self.node().journal.drive();
    }

    pub(crate) fn tick(&mut self) {
        let seconds = self.chance.u64(1..12);
        self.mono += seconds;
        self.clock = self.clock.saturating_add(core::time::Duration::from_secs(seconds));
    }

    /// A new call.
    fn arrive(&mut self) {
        if self.node().calls.len() >= if self.scenario.is_disk_small { 30 } else { 12 } {
            return;
        }
        let path = self.chance.usize(0..self.scenario.paths.len());
        let asked = [self.chance.u64(1..=self.scenario.call_max), self.chance.u64(1..=self.scenario.call_max)];
        let makes_batch = self.scenario.has_batches && self.chance.u8(0..4) == 0;
        let may_limit = self.chance.u8(0..4) == 0 && !makes_batch;
        let (at, deadline) = (self.clock, self.mono + self.scenario.wait_seconds);
        let node = self.node();
        let ticket = ledger::waiting::Ticket(node.tickets);
        node.tickets += 1;
        node.calls.push(Call {
            path,
            asked,
            worst: asked,
            may_limit,
            ticket,
            deadline,
            at,
            attempt: None,
            hold: None,
            room: None,
            intent: None,
            waits_at: None,
            has_hung_up: false,
            makes_batch,
            stage: Stage::Ask,
        });
    }

    /// Arms a fault of the disk, or lets the machine fail now.
    fn fault(&mut self) {
        match self.chance.u8(0..10) {
            _ if self.scenario.is_stormy && self.chance.bool() => self.restart(Loss::Unsynced),
            0..=1 => self.restart(Loss::Nothing),
            2 => self.restart(Loss::Unsynced),
            3 => self.restart(Loss::Torn),
            4 => self.close(),
            _ => self.loss = self.arm(),
        }
    }

    /// A fault at one of the next I/Os. Says what the disk loses should the machine stop there.
    pub(crate) fn arm(&mut self) -> Loss {
        let at = self.disk.ios() + self.chance.u64(0..8);
        let faults = [Fault::Crash, Fault::Crash, Fault::Error, Fault::ShortWrite, Fault::NoSpace];
        let fault = faults[self.chance.usize(0..faults.len())];
        self.disk.fail_at(at, fault);
        [Loss::Nothing, Loss::Unsynced, Loss::Torn][self.chance.usize(0..3)]
    }

    /// A clean stop: `running.rs`, `Running::stop`. Calls under way are cut.
    pub(crate) fn close(&mut self) {
        let node = self.node.take().expect("a process runs");
        let journal = node.journal.clone();
        drop(node);
        let _ = journal.close();
        if !self.disk.is_down() {
            self.restart(Loss::Nothing);
        }
    }

    fn set_disk_full(&mut self) {
        let is_full =
            self.are_faults_on && (self.scenario.is_disk_small || self.chance.u32(0..100) < self.scenario.faults);
        self.disk.set_full(is_full);
    }

    /// The clock moves far, or back.
    fn jump(&mut self) {
        const HOUR: u64 = 3_600;
        let hours = |hours: u64| core::time::Duration::from_secs(hours * HOUR);
        let span = match self.chance.u8(0..10) {
            0..=4 => hours(self.chance.u64(1..12)),
            5..=7 => hours(self.chance.u64(12..60)),
            8 => hours(24 * 31),
            _ => {
                let back = self.chance.u64(1..40) * HOUR;
                self.clock = Timestamp::from_seconds(self.clock.seconds() - back as i64);
                return;
            }
        };
        self.clock = self.clock.saturating_add(span);
        self.mono += span.as_secs();
    }

    pub(crate) fn next_attempt(&mut self) -> AttemptId {
        let is_fresh = !self.is(Mutant::AttemptsNumberedAgain);
        let node = self.node();
        node.attempts += 1;
        AttemptId { epoch: if is_fresh { node.epoch } else { 1 }, sequence: node.attempts }
    }

    /// What the provider bills for a call: mostly less than its worst case, sometimes nothing, seldom more.
    pub(crate) fn draw_bill(&mut self, worst: Numbers) -> Numbers {
        match self.chance.u8(0..16) {
            0 => [0, 0],
            1 => [worst[0] + self.chance.u64(1..9), worst[1] + self.chance.u64(0..9)],
            2..=4 => worst,
            _ => [self.chance.u64(0..=worst[0]), self.chance.u64(1..=worst[1].max(1)).min(worst[1])],
        }
    }

    /// Gives a batch to the store.
    pub(crate) fn store_batch(&mut self, lines: &[Line], reached: Position) {
        if self.is(Mutant::NoPosition) || self.is(Mutant::PositionFirst) {
            self.shelf.apply_rows(lines);
        } else {
            self.shelf.apply(lines, reached.get());
        }
        if let Some(twin) = &self.twin {
            let differs = twin.apply(&self.scenario, &self.shelf, lines, reached.get(), self.clock);
            if let Some(differs) = differs {
                self.fail("I4", format!("the real store is not as its model: {differs}"));
            }
        }
    }
}

/// What the truth is told.
impl World {
    pub(crate) fn oracle_granted(&mut self, path: usize, hold: &ledger::Hold) {
        self.stats.attempts += 1;
        let worst = numbers(hold.worst());
        self.oracle.granted(&self.scenario, hold.attempt(), path, worst, hold.granted_at());
    }

    pub(crate) fn oracle_leased(&mut self, lease: &Lease, position: Position) {
        let (account, period) = (lease.account.0 as usize, period_number(lease.period));
        let slot = self.oracle.slot(&self.scenario, account, period, lease.starts);
        self.oracle.slots[slot].leases[lease.resource as usize].push((position, lease.up_to));
    }

    pub(crate) fn oracle_left(&mut self, id: AttemptId, intent: Option<Position>, bill: Numbers) {
        let journal = &self.node().journal;
        let (durable, is_usable) = (journal.durable(), journal.poisoned().is_none());
        let is_strict = self.scenario.durability == Durability::Strict;
        let attempt = self.oracle.of(id);
        attempt.left = true;
        attempt.bill = bill;
        attempt.left_wrongly = match intent {
            _ if attempt.belief == Belief::Nothing => Some("without a hold"),
            None if is_usable => Some("without an intent"),
            None => Some("after the journal was unusable"),
            Some(at) if is_strict && at > durable => Some("before its intent was durable, at `strict`"),
            Some(_) => None,
        };
    }

    pub(crate) fn oracle_seen(&mut self, id: AttemptId, intent: Option<Position>) {
        let durable = self.node().journal.durable();
        let must_wait = self.scenario.durability != Durability::Process;
        let attempt = self.oracle.of(id);
        attempt.seen = true;
        attempt.seen_too_early = must_wait && intent.is_none_or(|at| at > durable);
    }

    /// An end stands in the journal.
    pub(crate) fn oracle_ended(&mut self, id: AttemptId, position: Position, line: &Line) {
        let attempt = self.oracle.of(id);
        match line {
            Line::Real(Record::Settled(usage)) if usage.ending == Ending::Unknown => {}
            Line::Real(Record::Settled(usage)) => attempt.ends.push((position, charged(usage))),
            Line::Real(Record::Resolved(resolved)) => attempt.ends.push((position, numbers(resolved.charged))),
            Line::Real(Record::Void(_)) => {
                attempt.ends.push((position, [0, 0]));
                if attempt.left && attempt.bill != [0, 0] {
                    attempt.record_fault = Some("it left, and the journal says that it did not");
                }
            }
            _ => {}
        }
    }

    /// A line stands in the journal of which the process was not told.
    pub(crate) fn oracle_learns(&mut self, position: Position, line: &Line) {
        match line {
            Line::Real(Record::Intent(intent)) => {
                if let Some(attempt) = self.oracle.attempts.get_mut(&intent.attempt) {
                    attempt.intents.push(position);
                }
            }
            Line::Real(Record::Leased(record)) => {
                let account = crate::scenario::account_named(record).expect("leases name accounts of the scenario");
                let lease = Lease {
                    account: AccountIndex(account as u32),
                    period: record.period,
                    starts: record.starts,
                    resource: record.resource,
                    up_to: record.up_to,
                };
                self.oracle_leased(&lease, position);
            }
            Line::Real(record) => {
                let Some(id) = record.attempt() else { return };
                self.oracle_ended(id, position, line);
                if matches!(record, Record::Resolved(_)) {
                    self.oracle.of(id).decided = true;
                }
            }
            Line::Refunded { attempt, amounts, .. } => self.oracle.of(*attempt).refunds.push((position, *amounts)),
            Line::Lost(lost) => self.forgive(lost),
        }
    }
}
