//! The protocol of the money, step by step, each beside the function of the gateway that it stands for. What can
//! happen between two steps of the gateway happens here between two calls of these functions.

use base::{AccountIndex, AttemptId};
use journal::{Durability, FaultDisk, NoRoom, Position, Room};
use ledger::{Ending, Lease, NoHold};
use store::{IntentRecord, LeaseRecord, Record, ResolvedRecord, UsageRecord};

use crate::line::{Line, LostLine};
use crate::mutant::Mutant;
use crate::node::{Answer, Applier, Call, Job, Stage};
use crate::oracle::{Belief, Numbers};
use crate::scenario::{amounts, names_of, numbers};
use crate::world::World;

/// A call without an output limit is not sent with less than this.
const FLOOR: u64 = 10;
/// Most bytes in one batch of the applier.
const BATCH_BYTES: usize = 3_000;

/// What one look at the books said.
enum Look {
    Held(ledger::Hold),
    Unleased,
    Behind(AccountIndex),
    Short(ledger::Shortage, ledger::Available),
}

impl World {
    /// One step of a call.
    pub(crate) fn advance(&mut self, place: usize) {
        let mut call = self.node().calls.swap_remove(place);
        let stage = core::mem::replace(&mut call.stage, Stage::Gone);
        call.stage = match stage {
            Stage::Ask => self.ask(&mut call),
            Stage::Granting { leases, written } => self.grant_durably(leases, written),
            Stage::Extending { leases } => self.extend(&leases),
            Stage::Wait => self.wait(&mut call),
            Stage::Held => self.open(&mut call),
            Stage::Written => self.forward(&mut call),
            Stage::Forwarded => self.answered(&call),
            Stage::Answered(answer) => self.commit_output(&call, answer),
            Stage::Passing(answer) => self.end(&mut call, answer),
            Stage::Ended(ending) => self.free(&mut call, ending),
            Stage::Freed { is_whole } => self.last_bytes(&call, is_whole),
            Stage::Kept => self.keep(&mut call),
            Stage::Made => self.note_batch(&call),
            Stage::Noted => self.tell_of_batch(&call),
            Stage::Gone => Stage::Gone,
        };
        if !matches!(call.stage, Stage::Gone) {
            self.node().calls.push(call);
        }
    }

    /// `reserve.rs`, `Asking::hold`: one round of its loop.
    fn ask(&mut self, call: &mut Call) -> Stage {
        let in_time = self.mono < call.deadline;
        if self.is(Mutant::TrustedShortcut) && call.worst[0] < FLOOR {
            return self.forward_unheld(call);
        }
        match self.look(call, in_time) {
            Look::Held(hold) => self.held(call, hold),
            Look::Unleased => {
                // `reserve.rs`, `extend`
                let (indexes, now) = (self.indexes(call.path), self.clock);
                let worst = amounts(call.worst);
                let leases = self.node().ledger.leases_wanted(&indexes, worst, now).to_vec();
                self.grant(leases)
            }
            Look::Behind(account) => self.queue(call, account, in_time),
            Look::Short(shortage, available) => self.short(call, &shortage, available, in_time),
        }
    }

    /// `reserve.rs`, `Asking::look`: under the lock of the shard.
    fn look(&mut self, call: &mut Call, in_order: bool) -> Look {
        let attempt = self.next_attempt();
        self.refresh(call.path);
        let (indexes, at) = (self.indexes(call.path), call.at);
        let is_poisoned = self.node().journal.poisoned().is_some();
        let levels = if self.is(Mutant::TenantOnly) { &indexes[..1] } else { &indexes[..] };
        let node = self.node();
        if in_order && let Some(account) = node.waiting.ahead_on(&indexes, call.ticket) {
            return Look::Behind(account);
        }
        match node.ledger.reserve(levels, attempt, amounts(call.worst), at) {
            Ok(hold) => {
                self.oracle_granted(call.path, &hold);
                self.oracle.of(attempt).makes_batch = call.makes_batch;
                call.attempt = Some(attempt);
                Look::Held(hold)
            }
            Err(NoHold::Unleased) => Look::Unleased,
            Err(NoHold::Short(shortage)) => {
                let available = node.ledger.available(&indexes, at);
                if self.is(Mutant::PartialHoldKept) && !is_poisoned {
                    let attempt = self.next_attempt();
                    let _ = self.node().ledger.reserve(&indexes[..1], attempt, amounts(call.worst), at);
                }
                Look::Short(shortage, available)
            }
        }
    }

    /// `reserve.rs`, `reserve`: what is held, and a lease that is half used.
    fn held(&mut self, call: &mut Call, hold: ledger::Hold) -> Stage {
        self.leave(call);
        if hold.refill_due() {
            // `reserve.rs`, `extend_in_background`
            let (indexes, now) = (self.indexes(call.path), self.clock);
            let leases = self.node().ledger.refills_due(&indexes, now).to_vec();
            if let Stage::Granting { leases, written } = self.grant(leases) {
                self.node().jobs.push(Job::Refill { leases, written, is_durable: false });
            }
        }
        call.hold = Some(hold);
        if self.is(Mutant::ForwardBeforeIntent) && self.chance.bool() { Stage::Written } else { Stage::Held }
    }

    /// `reserve.rs`, `Asking::way`.
    fn short(
        &mut self,
        call: &mut Call,
        shortage: &ledger::Shortage,
        available: ledger::Available,
        in_time: bool,
    ) -> Stage {
        let (now, alone) = (numbers(available.now), numbers(available.alone));
        let buys = |room: Numbers| [0, 1].map(|resource| room[resource].min(call.asked[resource]));
        let can_wait = if call.may_limit { alone[0] > 0 && alone[1] > 0 } else { shortage.fits_alone };
        if call.may_limit && can_wait {
            let floor = buys(alone).map(|most| most.min(FLOOR));
            let limited = buys(now);
            if limited[0] >= floor[0] && limited[1] >= floor[1] && limited != call.worst {
                call.worst = limited;
                return Stage::Ask;
            }
        }
        call.worst = call.asked;
        if !can_wait || !in_time {
            self.refused(call, shortage);
            self.leave(call);
            return Stage::Gone;
        }
        if self.is(Mutant::WaitingHolds) {
            let (indexes, attempt) = (self.indexes(call.path), self.next_attempt());
            let _ = self.node().ledger.reserve(&indexes, attempt, available.now.min(amounts(call.worst)), call.at);
        }
        // `reserve.rs`, `Asking::bottleneck`
        let (indexes, at) = (self.indexes(call.path), call.at);
        let resource = shortage.resource as usize;
        let ledger = &self.node().ledger;
        let free = |account: &AccountIndex| numbers(ledger.available(&[*account], at).now)[resource];
        let account = indexes.iter().min_by_key(|account| free(account)).copied().unwrap_or(indexes[0]);
        self.queue(call, account, in_time)
    }

    /// `reserve.rs`, `Asking::wait` and `Place::join`.
    fn queue(&mut self, call: &mut Call, account: AccountIndex, in_time: bool) -> Stage {
        if call.waits_at == Some(account) && in_time {
            return Stage::Wait;
        }
        self.leave(call);
        if self.node().waiting.join(account, call.ticket).is_err() {
            return Stage::Gone;
        }
        call.waits_at = Some(account);
        Stage::Ask
    }

    /// `reserve.rs`, `Asking::wait`: until its turn or its deadline.
    fn wait(&mut self, call: &mut Call) -> Stage {
        if self.node().turns.remove(&call.ticket) {
            return Stage::Ask;
        }
        if self.mono < call.deadline {
            return Stage::Wait;
        }
        self.leave(call);
        Stage::Ask
    }

    /// `reserve.rs`, `Place::leave`; `books.rs`, `Shard::stop_waiting`.
    pub(crate) fn leave(&mut self, call: &mut Call) {
        if call.waits_at.take().is_some() {
            let freed = self.node().waiting.leave(call.ticket);
            self.node().turns.remove(&call.ticket);
            self.call_next(freed.as_slice());
        }
    }

    /// `books.rs`, `Shard::call_next`.
    fn call_next(&mut self, accounts: &[AccountIndex]) {
        if self.is(Mutant::NobodyIsCalled) {
            return self.note_freed(accounts);
        }
        let node = self.node();
        let heads: Vec<_> = accounts.iter().filter_map(|&account| node.waiting.head(account)).collect();
        node.turns.extend(heads);
        self.note_freed(accounts);
    }

    /// `leases.rs`, `Relay::grant`: the records.
    fn grant(&mut self, mut leases: Vec<Lease>) -> Stage {
        if self.is(Mutant::LeaseAboveLimit) {
            leases.iter_mut().for_each(|lease| lease.up_to *= 2);
        }
        let mut written = None;
        for lease in &leases {
            match self.append(&Line::Real(Record::Leased(World::lease_record(lease)))) {
                Ok(position) => {
                    self.oracle_leased(lease, position);
                    written = Some(position);
                }
                Err(_) => return Stage::Gone,
            }
        }
        if self.is(Mutant::LeaseBeforeDurable) {
            Stage::Extending { leases }
        } else {
            Stage::Granting { leases, written }
        }
    }

    /// `leases.rs`, `Relay::grant`: until they are durable.
    fn grant_durably(&mut self, leases: Vec<Lease>, written: Option<Position>) -> Stage {
        match written {
            Some(position) if !self.is_durable(position) => Stage::Gone,
            _ => Stage::Extending { leases },
        }
    }

    /// `leases.rs`, `Relay::grant`: the use of them.
    fn extend(&mut self, leases: &[Lease]) -> Stage {
        for lease in leases {
            self.node().ledger.extend(lease);
        }
        Stage::Ask
    }

    /// A step of what goes on beside the calls.
    pub(crate) fn advance_job(&mut self, place: usize) {
        match self.node().jobs.swap_remove(place) {
            Job::Refill { leases, is_durable: true, .. } => drop(self.extend(&leases)),
            Job::Refill { leases, written, .. } => {
                if let Stage::Extending { leases } = self.grant_durably(leases, written) {
                    self.node().jobs.push(Job::Refill { leases, written, is_durable: true });
                }
            }
            Job::EndBatch { attempt, written, used } => self.end_batch(attempt, written, used),
            Job::ForgetBatch { attempt } => drop(self.shelf.batches.remove(&attempt)),
            Job::Refund { attempt, written, taken } => {
                if self.is_durable(written) {
                    self.take_back(attempt, taken);
                }
            }
            Job::Decide { attempt, written, charged, is_evidence } => {
                if self.is_durable(written) {
                    self.resolve(attempt, charged, is_evidence);
                    self.oracle.of(attempt).is_confirmed = true;
                }
            }
        }
    }

    /// `hold.rs`, `Hold::open`.
    fn open(&mut self, call: &mut Call) -> Stage {
        if call.has_hung_up {
            // `hold.rs`, the drop of what was never opened.
            return self.release(call);
        }
        let attempt = call.attempt.expect("who is held has an attempt");
        let record = Record::Intent(self.intent(call));
        match self.begin(record) {
            Ok((position, room)) => {
                self.oracle.of(attempt).intents.push(position);
                (call.intent, call.room) = (Some(position), room);
                Stage::Written
            }
            Err(error) => {
                let goes_on = match error {
                    NoRoom::Full => self.is(Mutant::IgnoreFullDisk),
                    NoRoom::Poisoned(_) => self.is(Mutant::HoldAfterPoison),
                };
                if goes_on { Stage::Written } else { self.release(call) }
            }
        }
    }

    /// `books.rs`, `Books::release`: the intent was never written.
    fn release(&mut self, call: &mut Call) -> Stage {
        if let (Some(hold), Some(attempt)) = (call.hold.take(), call.attempt) {
            self.node().ledger.settle(hold, Ending::Refused);
            self.oracle.of(attempt).belief = Belief::Ended([0, 0]);
            self.call_next(&self.indexes(call.path));
        }
        Stage::Gone
    }

    /// `attempt.rs`: `strict` waits for the disk, `mark_sent`, and the request leaves.
    fn forward(&mut self, call: &mut Call) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        let position = call.intent;
        // What makes a batch goes on without its client.
        if call.has_hung_up && !call.makes_batch && !self.is(Mutant::ForwardBeforeIntent) {
            return Stage::Passing(Answer::Refused);
        }
        // `batches/create.rs`, `make`: what goes on for hours is known after a loss of power.
        let is_kept = call.makes_batch && !self.is(Mutant::BatchBeforeDurable);
        if (self.scenario.durability == Durability::Strict || is_kept)
            && let Some(position) = position
            && !self.is_durable(position)
        {
            return Stage::Passing(Answer::Refused);
        }
        let bill = self.draw_bill(call.worst);
        self.oracle_left(attempt, position, bill);
        if self.is(Mutant::ForwardBeforeIntent) && call.intent.is_none() {
            return Stage::Held;
        }
        Stage::Forwarded
    }

    /// The head of the answer is there.
    fn answered(&mut self, call: &Call) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        if call.has_hung_up && self.is(Mutant::HangUpReleases) {
            return Stage::Passing(Answer::Refused);
        }
        let bill = self.oracle.of(attempt).bill;
        Stage::Answered(match self.chance.u8(0..10) {
            _ if bill == [0, 0] => Answer::Refused,
            0..=1 => Answer::Unknown,
            _ if call.makes_batch => Answer::Kept,
            2 => Answer::Cut(bill),
            _ => Answer::Whole(bill),
        })
    }

    /// `relay.rs`, the output commit: no byte before the intent is durable.
    fn commit_output(&mut self, call: &Call, answer: Answer) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        let position = call.intent;
        let waits = self.scenario.durability != Durability::Process && !self.is(Mutant::AnswerBeforeDurable);
        if waits
            && let Some(position) = position
            && !self.is_durable(position)
            && !self.is(Mutant::IgnoreSyncError)
        {
            // The client gets 500, and the answer is drained for what it cost.
            return Stage::Passing(answer);
        }
        // Of a batch nothing is told before it is noted.
        if !call.has_hung_up && answer != Answer::Kept {
            self.oracle_seen(attempt, position);
        }
        Stage::Passing(answer)
    }

    /// `hold.rs`, `Hold::close`: the settlement, and its record.
    fn end(&mut self, call: &mut Call, answer: Answer) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        let ending = match answer {
            Answer::Whole(bill) => Ending::Complete(amounts(bill)),
            Answer::Cut(bill) if self.is(Mutant::CutIsHalf) => Ending::Cut(amounts([bill[0] / 2, bill[1] / 2])),
            Answer::Cut(bill) => Ending::Cut(amounts(bill)),
            Answer::Refused => Ending::Refused,
            Answer::Unknown if self.is(Mutant::UnknownIsZero) => Ending::Complete(amounts([0, 0])),
            Answer::Unknown | Answer::Kept => Ending::Unknown,
        };
        if self.is(Mutant::FreeBeforeEnd) && call.hold.is_some() {
            let freed = self.free(call, ending);
            drop(freed);
            return Stage::Passing(answer);
        }
        let Some(room) = call.room.take() else {
            if self.is(Mutant::NoRoomForEnd) {
                self.end_without_room(call, ending);
            }
            return Stage::Ended(ending);
        };
        if answer == Answer::Kept {
            // Its end is written when it comes.
            drop(room);
            return Stage::Kept;
        }
        let left = self.oracle.of(attempt).left && !self.is(Mutant::VoidForSent);
        let usage = self.usage(call, ending);
        let line = if left { Line::Real(Record::Settled(usage)) } else { Line::Real(Record::Void(attempt)) };
        let (kind, payload) = line.encode();
        self.try_line(&line);
        let position = room.finish(kind, &payload);
        if self.node().journal.poisoned().is_none() {
            self.tried = None;
            self.oracle_ended(attempt, position, &line);
            if self.is(Mutant::SettleTwice)
                && self.chance.bool()
                && let Ok(position) = self.append(&line)
            {
                self.oracle_ended(attempt, position, &line);
            }
        }
        Stage::Ended(ending)
    }

    /// `books.rs`, `Books::settle`: the end stands in the journal, the money is free.
    pub(crate) fn free(&mut self, call: &mut Call, ending: Ending) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        let is_whole = matches!(ending, Ending::Complete(_) | Ending::Refused);
        if let Some(hold) = call.hold.take() {
            let settlement = self.node().ledger.settle(hold, ending);
            let belief = if settlement.is_final { Belief::Ended(numbers(settlement.charged)) } else { Belief::Unknown };
            self.oracle.of(attempt).belief = belief;
            self.call_next(&self.indexes(call.path));
        }
        Stage::Freed { is_whole }
    }

    /// `answer.rs`: the last bytes go out when the end is written.
    fn last_bytes(&mut self, call: &Call, is_whole: bool) -> Stage {
        let attempt = call.attempt.expect("who is held has an attempt");
        let is_usable = self.node().journal.poisoned().is_none();
        let truth = self.oracle.of(attempt);
        truth.seen_whole = is_whole && is_usable && truth.seen;
        Stage::Gone
    }

    /// `holds.rs`, `Relay::decide`: the record.
    pub(crate) fn decide(&mut self, attempt: AttemptId, charge: Option<Numbers>, is_evidence: bool) {
        // One decision at a time on an attempt.
        if self.is_being_decided(attempt) {
            return;
        }
        let Some(found) = self.node().ledger.resolution(attempt, Ending::Unknown) else { return };
        let charged = charge.map_or(found.still_held, amounts);
        if charged.usd > found.still_held.usd && !self.is(Mutant::DecideAboveHold) {
            return;
        }
        let record = ResolvedRecord { attempt, at: self.clock, charged, reason: String::new() };
        let line = Line::Real(Record::Resolved(record));
        let charged = numbers(charged);
        if self.is(Mutant::DecisionNotWritten) {
            return self.resolve(attempt, charged, is_evidence);
        }
        if !self.write_lost_with(attempt, charged) {
            return;
        }
        let Ok(written) = self.append(&line) else { return };
        self.oracle_ended(attempt, written, &line);
        self.oracle.of(attempt).decided |= !is_evidence;
        if self.is(Mutant::DecideBeforeDurable) {
            return self.resolve(attempt, charged, is_evidence);
        }
        self.node().jobs.push(Job::Decide { attempt, written, charged, is_evidence });
    }

    /// What was open when power was lost may have ended then: what is released now may be spent already.
    pub(crate) fn write_lost_with(&mut self, attempt: AttemptId, charged: Numbers) -> bool {
        if self.is(Mutant::SurvivorsReleased) || self.is(Mutant::SurvivorsNotWritten) {
            return true;
        }
        let lost = self.node().ledger.lost_by_resolving(attempt, Ending::Complete(amounts(charged)));
        lost.iter().all(|lost| self.append(&Line::Lost(LostLine::of(lost))).is_ok())
    }

    /// `books.rs`, `Shard::resolve`: when the decision is durable. What it charges below the bill would else be free
    /// for others whose intents a loss of power could take together with it.
    pub(crate) fn resolve(&mut self, attempt: AttemptId, charged: Numbers, is_evidence: bool) {
        let forgets = self.is(Mutant::SurvivorsReleased);
        let settlement = self.node().ledger.resolution(attempt, Ending::Complete(amounts(charged)));
        if let Some(settlement) = settlement.filter(|_| forgets) {
            let entry = ledger::Entry::Settled { attempt, charged: settlement.charged, variance: base::Money::ZERO };
            self.node().ledger.apply(&entry);
        } else {
            self.node().ledger.resolve(attempt, Ending::Complete(amounts(charged)));
        }
        let truth = self.oracle.of(attempt);
        truth.decided |= !is_evidence;
        let path = truth.path;
        if let Some(settlement) = settlement {
            truth.belief = Belief::Ended(numbers(settlement.charged));
        }
        self.call_next(&self.indexes(path));
    }

    /// `applier.rs`, `Shared::apply_everything`: one step of it.
    pub(crate) fn advance_applier(&mut self) {
        let applier = core::mem::replace(&mut self.node().applier, Applier::Idle);
        let next = match applier {
            Applier::Idle => self.read_batch(),
            Applier::Read { lines, reached } if self.is(Mutant::PositionFirst) => {
                self.shelf.applied = self.shelf.applied.max(reached.get());
                Applier::Half { lines, reached }
            }
            Applier::Read { lines, reached } => {
                self.store_batch(&lines, reached);
                Applier::Stored { lines, reached }
            }
            Applier::Half { lines, reached } => {
                self.store_batch(&lines, reached);
                Applier::Stored { lines, reached }
            }
            // A batch whose commit was not answered is given again.
            Applier::Stored { lines, reached } if self.chance.u8(0..4) == 0 => {
                self.store_batch(&lines, reached);
                Applier::Stored { lines, reached }
            }
            Applier::Stored { reached, .. } => {
                self.node().applied = reached;
                self.node().journal.applied(reached);
                Applier::Idle
            }
        };
        self.node().applier = next;
    }

    fn read_batch(&mut self) -> Applier {
        if self.is(Mutant::ApplyUnsynced) {
            return self.read_unsynced();
        }
        // What is not on the disk yet is synced first.
        let synced = self.node().journal.sync();
        let Ok(until) = synced else { return Applier::Idle };
        let after = self.node().applied;
        if after >= until {
            return Applier::Idle;
        }
        let mut lines = Vec::new();
        let read = self.node().journal.read(after, BATCH_BYTES, &mut |_, kind, payload| {
            lines.extend(Line::decode(kind, payload));
        });
        match read {
            Ok(reached) => Applier::Read { lines, reached },
            Err(error) => {
                self.fail("I7", format!("the journal cannot be read back: {error}"));
                Applier::Idle
            }
        }
    }

    /// `hold.rs`, `Relay::begin`.
    fn begin(&mut self, record: Record) -> Result<(Position, Option<Room<FaultDisk>>), NoRoom> {
        let line = Line::Real(record);
        if self.is(Mutant::NoRoomForEnd) {
            return self.append(&line).map(|position| (position, None));
        }
        let (kind, payload) = line.encode();
        self.try_line(&line);
        let room = self.node().journal.begin(kind, &payload)?;
        self.tried = None;
        Ok((room.position(), Some(room)))
    }

    /// Writes one line.
    pub(crate) fn append(&mut self, line: &Line) -> Result<Position, NoRoom> {
        let (kind, payload) = line.encode();
        self.try_line(line);
        let position = self.node().journal.append(kind, &payload)?;
        self.tried = None;
        Ok(position)
    }

    /// Remembers what is about to be written. An unusable journal writes nothing more: what made it so stays remembered.
    fn try_line(&mut self, line: &Line) {
        if self.node().journal.poisoned().is_none() {
            self.tried = Some(line.clone());
        }
    }

    /// Waits until it is durable; false when the journal is unusable.
    pub(crate) fn is_durable(&mut self, position: Position) -> bool {
        self.node().journal.wait_durable_blocking(position).is_ok()
    }

    /// `hold.rs`, `intent`.
    fn intent(&mut self, call: &Call) -> IntentRecord {
        let wall = self.clock;
        let hold = call.hold.as_ref().expect("who writes an intent is held");
        let path = &self.scenario.paths[call.path];
        let at = if self.is(Mutant::IntentByWallClock) { wall } else { hold.granted_at() };
        IntentRecord {
            attempt: hold.attempt(),
            request_id: base::RequestId::from_bits(u128::from(hold.attempt().sequence)),
            at,
            tenant: path.tenant.clone(),
            project: path.project.clone(),
            key: path.key.clone(),
            end_user: self.padding(),
            model: self.names.0.clone(),
            upstream: self.names.1.clone(),
            endpoint: call.endpoint(),
            stream: !call.makes_batch,
            worst: hold.worst(),
            price_version: 1,
            idempotency: None,
        }
    }

    /// `hold.rs`, `Hold::record`.
    fn usage(&mut self, call: &Call, ending: Ending) -> UsageRecord {
        let attempt = call.attempt.expect("who is held has an attempt");
        let (worst, granted_at) = {
            let truth = self.oracle.of(attempt);
            (truth.worst, truth.granted_at)
        };
        let path = &self.scenario.paths[call.path];
        let (used, ending) = match ending {
            Ending::Complete(used) => (used, store::Ending::Complete),
            Ending::Cut(used) => (used, store::Ending::Cut),
            Ending::Refused => (ledger::Amounts::ZERO, store::Ending::Refused),
            Ending::Unknown => (ledger::Amounts::ZERO, store::Ending::Unknown),
        };
        let charged = if self.is(Mutant::ChargeAboveHold) { used } else { used.min(amounts(worst)) };
        let at = if self.is(Mutant::ChargeWhenEnded) { self.clock } else { granted_at };
        UsageRecord {
            attempt,
            request_id: base::RequestId::from_bits(u128::from(attempt.sequence)),
            at,
            tenant: path.tenant.clone(),
            project: path.project.clone(),
            key: path.key.clone(),
            end_user: self.padding(),
            model: self.names.0.clone(),
            upstream: self.names.1.clone(),
            endpoint: call.endpoint(),
            stream: !call.makes_batch,
            status: 200,
            ending,
            usage: wire::Usage { input: used.tokens, ..wire::Usage::default() },
            held: amounts(worst).usd,
            held_tokens: worst[1],
            charged: charged.usd,
            variance: used.usd.saturating_sub(charged.usd),
            price_version: 1,
            upstream_response_id: self.padding(),
            first_byte_ms: 0,
            total_ms: 0,
        }
    }

    /// What makes a record long.
    pub(crate) fn padding(&self) -> Option<String> {
        self.scenario.is_disk_small.then(|| "x".repeat(256))
    }

    /// `leases.rs`, `record`.
    fn lease_record(lease: &Lease) -> LeaseRecord {
        let (tenant, project, key) = names_of(lease.account.0 as usize);
        let Lease { period, starts, resource, up_to, .. } = *lease;
        LeaseRecord { tenant, project, key, period, starts, resource, up_to, lost: None }
    }

    /// `books.rs`, `Shard::refresh`.
    pub(crate) fn refresh(&mut self, path: usize) {
        for account in self.scenario.paths[path].accounts {
            let settings = &self.scenario.accounts[account];
            let node = self.node.as_mut().expect("a process runs");
            if node.versions[account] == settings.version {
                continue;
            }
            let index = AccountIndex(account as u32);
            node.ledger.configure(index, &settings.config);
            if let Some(posted) = node.restored.remove(&account) {
                node.ledger.restore(index, &posted);
            }
            node.versions[account] = settings.version;
        }
    }
}
