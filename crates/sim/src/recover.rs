//! A start after a stop of any kind, in the order of the gateway's `running.rs` and `recover.rs`.

use base::{AccountIndex, Timestamp};
use journal::{Driver, FaultDisk, Journal, Loss, OpenError, Options, Position, Recovered, Stop};
use ledger::{AccountPath, Entry, Lost};
use store::{Ending, IntentRecord, Record};

use crate::checks;
use crate::line::{Line, LostLine};
use crate::mutant::Mutant;
use crate::node::Node;
use crate::scenario::{LEVELS, account_named, amounts};
use crate::shelf::charged;
use crate::world::World;

/// The smallest segments there are, so that a run sees many of them.
const SEGMENT_BYTES: u64 = 0;

/// What the start was told of a loss of power.
#[derive(Default)]
struct Losses {
    /// Where the journal ended when an opening found that power had been lost.
    last_at: Option<Position>,
    /// Where that was written down last.
    counted_at: Option<Position>,
}

impl World {
    /// Ends the process, if one runs, and starts another one; `loss` is what the disk loses.
    pub(crate) fn restart(&mut self, loss: Loss) {
        self.stats.restarts += 1;
        self.node = None;
        let mut loss = loss;
        for tries in 0_u64.. {
            if loss != Loss::Nothing {
                self.boot += 1;
            }
            self.disk = self.disk.restart(loss);
            if tries < 3 && self.are_faults_on && self.chance.u32(0..1_000) < self.scenario.faults * 5 {
                loss = self.arm();
            } else {
                loss = Loss::Nothing;
            }
            match self.start() {
                Ok(()) => return,
                Err(None) => self.node = None,
                Err(Some(error)) => return self.fail("I3", format!("the journal does not open: {error}")),
            }
            assert!(tries < 100, "a disk without faults opens");
        }
    }

    /// `running.rs`, `start`. Without an error when the disk failed, so that it is to be tried again.
    fn start(&mut self) -> Result<(), Option<OpenError>> {
        self.epoch += 1;
        let applied = Position::new(self.shelf.applied);
        let options = Options {
            segment_bytes: SEGMENT_BYTES,
            durability: self.scenario.durability,
            driver: Driver::Caller,
            ..Options::new(self.epoch, journal::BootId([self.boot; 16]))
        };
        let (journal, recovered) = match Journal::open(self.disk.clone(), options, applied) {
            Ok(opened) => opened,
            Err(OpenError::Disk { .. }) => return Err(None),
            Err(_) if self.disk.is_down() => return Err(None),
            Err(error) => return Err(Some(error)),
        };
        let tail = tail(&recovered);
        self.absorb(&tail);
        self.oracle.recovered(recovered.end, recovered.power_lost());
        self.node = Some(Node::new(journal, self.epoch, applied, !self.is(Mutant::NoLease)));
        let waits = self.scenario.durability != journal::Durability::Process;
        let seen = checks::i3_nothing_seen_is_gone(&self.oracle, recovered.power_lost(), waits);
        if let Err(violation) = seen {
            self.violation.get_or_insert(violation);
        }
        if recovered.power_lost() {
            self.oracle.forget_what_power_took();
        }
        let losses = self.restore(&recovered, &tail);
        if self.count_losses(&recovered, &losses).is_err() {
            return Err(None);
        }
        for path in 0..self.scenario.paths.len() {
            if self.chance.bool() {
                self.refresh(path);
            }
        }
        Ok(())
    }

    /// `recover.rs`, `restore`.
    fn restore(
        &mut self,
        recovered: &Recovered<<FaultDisk as journal::Disk>::File>,
        tail: &[(Position, Line)],
    ) -> Losses {
        let leases: Vec<_> = self.shelf.leases().collect();
        // Not before what the books have seen: a clock may show an earlier day than they do.
        let seen = leases.iter().map(|lease| lease.starts).max().unwrap_or(Timestamp::EPOCH);
        let now = if self.is(Mutant::RestartByWallClock) { self.clock } else { self.clock.max(seen) };
        if !self.is(Mutant::ForgetPosted) {
            self.node().not_before = now;
            self.node().ledger.begin_at(now);
            self.node().restored = self.shelf.restored(&self.scenario, now);
        }
        for lease in &leases {
            self.replay(lease.account.0 as usize, &Entry::Leased(*lease));
        }
        if !self.is(Mutant::DropHoldsAtRestart) {
            let holds: Vec<_> = self.shelf.holds.values().map(|(intent, _)| intent.clone()).collect();
            holds.iter().for_each(|intent| self.replay_hold(intent));
        }
        let lost: Vec<_> = self.shelf.lost.values().copied().collect();
        lost.iter().for_each(|line| self.replay_lost(line));
        let loss_epoch = self.shelf.loss_epoch;
        self.survivors_before(loss_epoch);
        let losing = recovered.openings.iter().filter(|one| one.after == Stop::PowerLost);
        let mut losses = Losses { last_at: losing.map(|one| one.at).max(), counted_at: None };
        if !self.is(Mutant::SkipTail) {
            for (position, line) in tail {
                self.replay_line(line);
                if matches!(line, Line::Real(Record::LossCounted(_))) {
                    losses.counted_at = Some(*position);
                }
            }
        }
        if self.is(Mutant::ReleaseAtRestart) {
            let open: Vec<_> = self.node().ledger.unresolved().map(|one| one.attempt).collect();
            for attempt in open {
                self.node().ledger.resolve(attempt, ledger::Ending::Refused);
            }
        }
        losses
    }

    /// `recover.rs`, `Replay::record`.
    fn replay_line(&mut self, line: &Line) {
        match line {
            Line::Real(Record::Intent(intent)) => self.replay_hold(intent),
            Line::Real(Record::Settled(usage)) if usage.ending == Ending::Unknown => {}
            Line::Real(Record::Settled(usage)) => {
                let charged = amounts(charged(usage));
                let entry = Entry::Settled { attempt: usage.attempt, charged, variance: usage.variance };
                self.node().ledger.apply(&entry);
            }
            Line::Real(Record::Void(attempt)) => {
                let (charged, variance) = (ledger::Amounts::ZERO, base::Money::ZERO);
                self.node().ledger.apply(&Entry::Settled { attempt: *attempt, charged, variance });
            }
            Line::Real(Record::Resolved(resolved)) => {
                let (attempt, charged, variance) = (resolved.attempt, resolved.charged, base::Money::ZERO);
                self.node().ledger.apply(&Entry::Settled { attempt, charged, variance });
            }
            Line::Real(Record::Leased(lease)) => {
                let account = account_named(lease).expect("leases name accounts of the scenario");
                let lease = ledger::Lease {
                    account: AccountIndex(account as u32),
                    period: lease.period,
                    starts: lease.starts,
                    resource: lease.resource,
                    up_to: lease.up_to,
                };
                self.replay(account, &Entry::Leased(lease));
            }
            Line::Lost(lost) => self.replay_lost(lost),
            Line::Real(Record::LossCounted(epoch)) => self.survivors_before(*epoch),
            Line::Refunded { attempt, amounts: taken, .. } => {
                let Some(truth) = self.oracle.attempts.get(attempt) else { return };
                let (path, granted_at) = (self.indexes(truth.path), truth.granted_at);
                self.refresh(truth.path);
                self.node().ledger.refund(&path, *attempt, amounts(*taken), granted_at);
            }
        }
    }

    /// `recover.rs`, `Replay::held`.
    fn replay_hold(&mut self, intent: &IntentRecord) {
        let path = self.scenario.path_of(&intent.key);
        self.refresh(path);
        let entry = Entry::Held {
            attempt: intent.attempt,
            path: AccountPath::new(&self.indexes(path)),
            worst: intent.worst,
            granted_at: intent.at,
        };
        self.node().ledger.apply(&entry);
    }

    fn replay_lost(&mut self, line: &LostLine) {
        let LostLine { account, period, starts, resource, amount } = *line;
        let lost = Lost { account: AccountIndex(account as u32), period, starts, resource, amount };
        self.replay(account, &Entry::Lost(lost));
    }

    /// A loss of power was counted at the start of `epoch`: what was open then may have ended before.
    fn survivors_before(&mut self, epoch: u64) {
        self.node().loss_epoch = epoch;
        self.node().ledger.mark_survivors(epoch);
    }

    /// `books.rs`, `Books::replay`.
    fn replay(&mut self, account: usize, entry: &Entry) {
        let on = |path: &crate::scenario::Path| path.accounts.contains(&account);
        let path = self.scenario.paths.iter().position(on).expect("an account is on some path");
        self.refresh(path);
        self.node().ledger.apply(entry);
    }

    /// After a loss of power the unused leases count as lost. That is written down before anything else is, and ended
    /// by a mark, so that a start that was itself interrupted is known by the next one.
    fn count_losses(
        &mut self,
        recovered: &Recovered<<FaultDisk as journal::Disk>::File>,
        losses: &Losses,
    ) -> Result<(), journal::NoRoom> {
        let is_open = losses
            .last_at
            .is_some_and(|at| at >= recovered.applied && losses.counted_at.is_none_or(|counted| counted <= at));
        let by_stop = self.is(Mutant::LostForgotten) || self.is(Mutant::LossHalfWritten);
        let is_open = if by_stop { recovered.power_lost() } else { is_open };
        if !is_open || self.is(Mutant::NothingLost) {
            return Ok(());
        }
        // Accounts without a lease have lost nothing; those with one were brought to their settings with it.
        let (lost, epoch) = (self.node().ledger.lose_unused_leases(), self.epoch);
        self.node().loss_epoch = epoch;
        if self.is(Mutant::LostForgotten) {
            return Ok(());
        }
        for lost in lost {
            self.append(&Line::Lost(LostLine::of(&lost)))?;
        }
        let counted = self.append(&Line::Real(Record::LossCounted(self.epoch)))?;
        self.node().journal.wait_durable_blocking(counted)?;
        Ok(())
    }

    /// A write that failed may have reached the disk all the same: what the journal shows of it is the truth then.
    fn absorb(&mut self, tail: &[(Position, Line)]) {
        let tried = self.tried.take();
        let Some((position, line)) = tail.last() else { return };
        if tried.as_ref() == Some(line) {
            self.oracle_learns(*position, line);
        }
    }
}

/// The records after what was applied.
fn tail(recovered: &Recovered<<FaultDisk as journal::Disk>::File>) -> Vec<(Position, Line)> {
    let mut tail = Vec::new();
    let read = recovered.visit(&mut |position, kind, payload| {
        tail.push((position, Line::decode(kind, payload).expect("only lines are written")));
    });
    read.expect("what was just recovered can be read");
    tail
}

/// The accounts of a path as a slice of indexes.
pub(crate) type Indexes = [AccountIndex; LEVELS];
