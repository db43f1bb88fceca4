//! Batches: a hold that stays when the call that made it is over, and ends by what the provider says hours later. Steps of
//! the gateway's `batches`, as in `protocol.rs`.

use base::AttemptId;
use journal::Position;
use ledger::Ending;
use store::{Record, UsageRecord};

use crate::line::Line;
use crate::mutant::Mutant;
use crate::node::{Applier, Call, Job, Stage};
use crate::oracle::Numbers;
use crate::scenario::{amounts, numbers};
use crate::shelf::usage_of;
use crate::world::World;

/// Steps of the applier in which it has applied everything, where nothing fails.
const FLUSH_STEPS: usize = 400;

impl World {
    /// `hold.rs`, `Hold::close`: the call is over, its hold stays.
    pub(crate) fn keep(&mut self, call: &mut Call) -> Stage {
        drop(self.free(call, Ending::Unknown));
        if self.is(Mutant::BatchNotedLate) { Stage::Noted } else { Stage::Made }
    }

    /// `batches/mod.rs`, `note_new`.
    pub(crate) fn note_batch(&mut self, call: &Call) -> Stage {
        self.shelf.batches.insert(call.attempt.expect("who is held has an attempt"));
        if self.is(Mutant::BatchNotedLate) { Stage::Gone } else { Stage::Noted }
    }

    /// `batches/create.rs`, `create`: the client hears of it.
    pub(crate) fn tell_of_batch(&mut self, call: &Call) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        if !call.has_hung_up {
            self.oracle_seen(attempt, call.intent);
            self.oracle.of(attempt).is_batch_told = true;
        }
        if self.is(Mutant::BatchNotedLate) { Stage::Made } else { Stage::Gone }
    }

    /// `batches/watch.rs`, `settle`, for a batch that has ended: one after the other.
    pub(crate) fn look_after_a_batch(&mut self) {
        let is_busy = self.node().jobs.iter().any(|job| matches!(job, Job::EndBatch { .. } | Job::ForgetBatch { .. }));
        let batches = self.shelf.batches.len();
        if is_busy || batches == 0 {
            return;
        }
        // More often the youngest, since a provider may be done at once.
        let place = if self.chance.bool() { batches - 1 } else { self.chance.usize(0..batches) };
        let attempt = *self.shelf.batches.iter().nth(place).expect("it is one of them");
        if !self.flush() && !self.is(Mutant::BatchMissedByStore) {
            return;
        }
        match self.shelf.holds.get(&attempt).map(|(intent, _)| usage_of(intent)) {
            Some(record) => self.write_end_of_batch(record),
            None => drop(self.shelf.batches.remove(&attempt)),
        }
    }

    /// `applier.rs`, `Applier::flush`: whether all that the journal has is in the store.
    fn flush(&mut self) -> bool {
        for _ in 0..FLUSH_STEPS {
            self.advance_applier();
            let node = self.node();
            if node.journal.poisoned().is_some() {
                return false;
            }
            if matches!(node.applier, Applier::Idle) && node.applied >= node.journal.durable() {
                return true;
            }
        }
        false
    }

    /// `holds.rs`, `Relay::end_kept`: the record.
    fn write_end_of_batch(&mut self, record: UsageRecord) {
        let attempt = record.attempt;
        if self.is_being_decided(attempt) {
            return;
        }
        let used = self.oracle.of(attempt).bill;
        let ending = Ending::Complete(amounts(used));
        let Some(settlement) = self.node().ledger.resolution(attempt, ending) else { return };
        if !self.write_lost_with(attempt, numbers(settlement.charged)) {
            return;
        }
        let line = Line::Real(Record::Settled(UsageRecord {
            ending: store::Ending::Complete,
            usage: wire::Usage { input: used[1], ..wire::Usage::default() },
            charged: settlement.charged.usd,
            variance: settlement.variance,
            ..record
        }));
        if self.is(Mutant::BatchForgottenEarly) {
            self.shelf.batches.remove(&attempt);
        }
        let Ok(written) = self.append(&line) else { return };
        self.oracle_ended(attempt, written, &line);
        self.node().jobs.push(Job::EndBatch { attempt, written, used });
    }

    /// `holds.rs`, `Relay::end_kept`: the use of it, when it is durable.
    pub(crate) fn end_batch(&mut self, attempt: AttemptId, written: Position, used: Numbers) {
        if self.is_durable(written) {
            self.resolve(attempt, used, true);
            self.oracle.of(attempt).is_confirmed = true;
            self.node().jobs.push(Job::ForgetBatch { attempt });
        }
    }

    /// Whether a decision on an attempt, or its end, is being written. The gateway's lock is on all of them.
    pub(crate) fn is_being_decided(&mut self, attempt: AttemptId) -> bool {
        self.node().jobs.iter().any(|job| {
            matches!(job, Job::Decide { attempt: one, .. } | Job::EndBatch { attempt: one, .. } if *one == attempt)
        })
    }

    /// Every provider has ended its batches.
    pub(crate) fn look_after_all_batches(&mut self) {
        for _ in 0..2 * self.shelf.batches.len() {
            self.look_after_a_batch();
            while !self.node().jobs.is_empty() {
                self.advance_some_job();
            }
        }
    }
}
