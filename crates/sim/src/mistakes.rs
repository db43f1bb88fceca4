//! What some mutants do that the protocol has no step for.

use journal::Position;
use ledger::Ending;
use store::Record;

use crate::line::Line;
use crate::mutant::Mutant;
use crate::node::{Applier, Call, Stage};
use crate::oracle::Belief;
use crate::scenario::numbers;
use crate::world::World;

impl World {
    /// [`Mutant::TrustedShortcut`].
    pub(crate) fn forward_unheld(&mut self, call: &Call) -> Stage {
        let attempt = self.next_attempt();
        self.oracle.granted(&self.scenario, attempt, call.path, call.worst, self.clock);
        self.oracle.of(attempt).belief = Belief::Nothing;
        self.oracle_left(attempt, None, call.worst);
        Stage::Gone
    }

    /// [`Mutant::NoRoomForEnd`].
    pub(crate) fn end_without_room(&mut self, call: &Call, ending: Ending) {
        let Some(hold) = &call.hold else { return };
        let (attempt, charged) = (hold.attempt(), numbers(hold.settlement(ending).charged));
        if ending == Ending::Unknown {
            return;
        }
        let line = Line::Real(Record::Void(attempt));
        let line = if charged == [0, 0] { line } else { self.resolution_line(attempt, charged) };
        if let Ok(position) = self.append(&line) {
            self.oracle_ended(attempt, position, &line);
        }
    }

    fn resolution_line(&self, attempt: base::AttemptId, charged: [u64; 2]) -> Line {
        let charged = crate::scenario::amounts(charged);
        let record =
            store::ResolvedRecord { attempt, at: self.clock, charged, reason: self.padding().unwrap_or_default() };
        Line::Real(Record::Resolved(record))
    }

    /// [`Mutant::ApplyUnsynced`].
    pub(crate) fn read_unsynced(&mut self) -> Applier {
        let reached = self.node().journal.end();
        let after = self.node().applied;
        if reached <= after {
            return Applier::Idle;
        }
        // Through a handle of the files: the journal itself shows only what is synced.
        let mut lines = Vec::new();
        let read = self.node().journal.read(after, usize::MAX, &mut |_, kind, payload| {
            lines.extend(Line::decode(kind, payload));
        });
        let _: Result<Position, _> = read;
        Applier::Read { lines, reached }
    }

    /// [`Mutant::DeadlineWhileRunning`], [`Mutant::TimedReclaim`] and [`Mutant::RolloverDropsHolds`].
    pub(crate) fn reclaim(&mut self) {
        let now = self.clock;
        let old = |seconds: u64, at: base::Timestamp| now.saturating_since(at).as_secs() > seconds;
        let due: Vec<_> = match self.mutant {
            Some(Mutant::DeadlineWhileRunning) => {
                let calls = self.node().calls.iter().filter(|call| call.intent.is_some());
                let attempts: Vec<_> = calls.filter_map(|call| call.attempt).collect();
                attempts.into_iter().filter(|attempt| old(3_600, self.oracle.of(*attempt).granted_at)).collect()
            }
            Some(Mutant::TimedReclaim) => {
                self.node().ledger.unresolved().filter(|one| old(60, one.granted_at)).map(|one| one.attempt).collect()
            }
            Some(Mutant::RolloverDropsHolds) => self
                .node()
                .ledger
                .unresolved()
                .filter(|one| old(86_400, one.granted_at))
                .map(|one| one.attempt)
                .collect(),
            _ => return,
        };
        for attempt in due {
            if self.is(Mutant::DeadlineWhileRunning) {
                let line = self.resolution_line(attempt, [0, 0]);
                if let Ok(position) = self.append(&line) {
                    self.oracle_ended(attempt, position, &line);
                }
            } else {
                self.node().ledger.resolve(attempt, Ending::Refused);
            }
        }
    }
}
