//! The proof that a call is paid for: [`Hold`], from the intent in the journal to its end there.
//!
//! A hold has one owner at every moment and four endings; the one that nobody chose is decided by whether the request
//! may have left.
//!
//! The journal is always the more careful of the two: an intent is written after the money is held in memory, and an
//! end before the money is free there. So the journal alone, cut off anywhere, never has more posted and held than the
//! limits allow (I1).

use core::cell::RefCell;
use core::time::Duration;
use std::sync::Arc;

use base::{AttemptId, ModelId, Money, Refusal, RequestId, Timestamp};
use catalog::{Candidate, Plan, Rates};
use journal::{NoRoom, Position, RealDisk, Room};
use ledger::{Amounts, Ending};
use store::{IntentRecord, Record, UsageRecord};
use tokio::time::Instant;
use wire::convert::{AnswerTranslator, Translation};
use wire::{Call, Usage};

use crate::admit::Admitted;
use crate::authenticate::Caller;
use crate::idempotency::{Claim, Recorder};
use crate::queue::Standing;
use crate::relay::Relay;

/// Room for most records.
const RECORD_BYTES: usize = 512;

/// What a record says of a call beside its money.
pub(crate) struct Label {
    pub(crate) request_id: RequestId,
    pub(crate) started: Instant,
    pub(crate) at: Timestamp,
    /// The call's idempotency key, until it is known whether it was charged.
    pub(crate) claim: Option<Claim>,
}

/// Money and tokens held on every level of the account path, with room for the record of what becomes of them. It goes
/// from hand to hand, so that it lies on the heap.
pub struct Hold(Box<Held>);

struct Held {
    relay: Arc<Relay>,
    caller: Caller,
    /// Its place at an upstream, between attempts.
    standing: Standing,
    /// Present until settled.
    open: Option<Open>,
    worst: Amounts,
    label: Label,
    call: CallFacts,
    /// The output limit in tokens that the relay set, because the money buys no more.
    output_limit: Option<u64>,
    /// Whom the request went to, once it may have left.
    sent: Option<Candidate>,
}

struct Open {
    hold: ledger::Hold,
    pass: admit::Pass,
    /// The intent's place in the journal, and the space for its end.
    room: Room<RealDisk>,
}

/// What settling needs to know of the call; the body itself may be gone by then.
struct CallFacts {
    endpoint: wire::Endpoint,
    stream: bool,
    end_user: Option<String>,
}

/// How an attempt ended, in tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The answer came whole, with this usage.
    Complete(Usage),
    /// The answer broke off; this is what had been produced.
    Cut(Usage),
    /// Provably nothing is billed.
    Refused,
    /// Nobody knows; the whole hold stays.
    Unknown,
    /// The provider goes on with it, and somebody looks after it: the whole hold stays until that has ended.
    Kept,
}

impl Outcome {
    /// Tokens that were used, as far as is known.
    pub(crate) fn tokens(&self) -> Option<u64> {
        match self {
            Outcome::Complete(usage) | Outcome::Cut(usage) => Some(usage.input.saturating_add(usage.output)),
            Outcome::Refused | Outcome::Kept => Some(0),
            Outcome::Unknown => None,
        }
    }
}

/// What was seen of the answer, for the record.
#[derive(Debug, Default, Clone)]
pub(crate) struct Observed {
    pub(crate) status: u16,
    pub(crate) first_byte: Option<Instant>,
    pub(crate) response_id: Option<String>,
}

/// The account of one call's cost, as its client may see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    pub(crate) charged: Money,
    pub(crate) held: Money,
    pub(crate) price_version: u32,
    /// The least that is left of any budget of the path; `None` when there is no budget.
    pub(crate) budget_remaining: Option<Money>,
}

impl Hold {
    /// Writes the intent of a call whose worst case is held.
    ///
    /// # Errors
    /// 503 when the journal has no room; the money is free again.
    pub(crate) fn open(
        admitted: Box<Admitted>,
        hold: ledger::Hold,
        plan: &Plan,
        call: &Call,
        label: Label,
        output_limit: Option<u64>,
    ) -> Result<Hold, Refusal> {
        let relay = admitted.relay().clone();
        let worst = hold.worst();
        // The ledger's time, not the clock's: a record belongs to the periods in which it is held.
        let label = Label { at: hold.granted_at(), ..label };
        let facts = CallFacts {
            endpoint: call.endpoint(),
            stream: call.stream(),
            end_user: call.end_user().map(str::to_owned),
        };
        let intent = intent(admitted.caller(), &hold, &plan.candidates()[0], &facts, &label);
        let room = match relay.begin(intent) {
            Ok(room) => room,
            Err(error) => {
                let released = relay.books.release(admitted.caller().path(), hold);
                tracing::error!(%error, attempt = %released.attempt, "a call is refused: its intent cannot be written");
                return Err(Refusal::Overloaded { retry_after: Duration::from_secs(1) });
            }
        };
        let (relay, caller, pass, standing) = admitted.into_parts();
        let open = Some(Open { hold, pass, room });
        let held = Held { relay, caller, standing, open, worst, label, call: facts, output_limit, sent: None };
        Ok(Hold(Box::new(held)))
    }

    /// Which attempt it is for.
    pub(crate) fn attempt(&self) -> AttemptId {
        self.0.open.as_ref().expect("a hold is open until it is settled").hold.attempt()
    }

    /// Where the intent stands in the journal.
    pub(crate) fn intent(&self) -> Position {
        self.0.open.as_ref().expect("a hold is open until it is settled").room.position()
    }

    /// The output limit in tokens that the relay set.
    pub(crate) fn output_limit(&self) -> Option<u64> {
        self.0.output_limit
    }

    /// The most that this call can cost.
    pub(crate) fn worst(&self) -> Money {
        self.0.worst.usd
    }

    /// From here on the request may leave for `candidate`: dropping the hold no longer releases it.
    pub(crate) fn mark_sent(&mut self, candidate: &Candidate) {
        self.0.sent = Some(candidate.clone());
    }

    /// The request provably did not leave, or provably cost nothing; another candidate may be tried.
    pub(crate) fn unmark_sent(&mut self) {
        self.0.sent = None;
    }

    /// Its place at an upstream, or the right to one.
    pub(crate) fn standing(&mut self) -> &mut Standing {
        &mut self.0.standing
    }

    pub(crate) fn relay(&self) -> &Arc<Relay> {
        &self.0.relay
    }

    /// Who pays.
    pub(crate) fn tenant(&self) -> &base::TenantId {
        self.0.caller.tenant().id()
    }

    /// What turns the answers to this call around; `translation` is the call as it was sent.
    pub(crate) fn answers(&self, translation: &Translation) -> AnswerTranslator {
        let line_bytes_max = self.0.relay.settings.stream_line_bytes_max;
        translation.answers(self.0.label.request_id.as_str(), self.0.label.at.seconds(), line_bytes_max)
    }

    /// What writes the answer down, where the call has an idempotency key.
    pub(crate) fn recorder(&self) -> Option<Recorder> {
        self.0.label.claim.as_ref().map(|claim| claim.recorder(self.0.label.request_id, self.0.output_limit))
    }

    /// Turns the hold into a charge, releases the rest, and hands the record over. Cannot fail and does not wait. The
    /// idempotency key of a call that was charged comes back: its answer is to be kept.
    pub(crate) fn settle(mut self, outcome: Outcome, observed: Observed) -> (Receipt, Option<Claim>) {
        self.close(outcome, observed).expect("a hold is settled once, by value or by its drop")
    }

    fn close(&mut self, outcome: Outcome, observed: Observed) -> Option<(Receipt, Option<Claim>)> {
        let Open { hold, pass, room } = self.0.open.take()?;
        // What is done with a stored object costs nothing, also where each call has a price.
        let priced = self.0.sent.as_ref().filter(|_| !self.0.call.endpoint.costs_nothing());
        let charge = |usage: &Usage| Amounts {
            usd: priced.map_or(Money::ZERO, |sent| sent.price().rates.charge(usage)),
            tokens: usage.input.saturating_add(usage.output),
        };
        let (ending, usage) = match &outcome {
            Outcome::Complete(usage) => (Ending::Complete(charge(usage)), *usage),
            Outcome::Cut(usage) => (Ending::Cut(charge(usage)), *usage),
            Outcome::Refused => (Ending::Refused, Usage::default()),
            Outcome::Unknown | Outcome::Kept => (Ending::Unknown, Usage::default()),
        };
        if let Some(sent) = priced {
            tell_unpriced(&sent.price().rates, &usage, &sent.model().id);
        }
        let settlement = hold.settlement(ending);
        let ended = Instant::now();
        match &self.0.sent {
            // Its end is written when it comes: until then the journal has an intent, which is what is held.
            Some(_) if matches!(outcome, Outcome::Kept) => drop(room),
            Some(sent) => {
                let record = Record::Settled(self.record(&settlement, &outcome, usage, sent, observed, ended));
                with_payload(&record, |kind, payload| room.finish(kind, payload));
            }
            None => {
                let record = Record::Void(settlement.attempt);
                with_payload(&record, |kind, payload| room.finish(kind, payload));
            }
        }
        let now = (self.0.relay.clock.now(), self.0.relay.clock.moment_of(ended));
        let pass = (pass, self.0.standing.waited_for_others());
        let budget_remaining = self.0.relay.books.settle(self.0.caller.path(), hold, pass, ending, now);
        if settlement.variance > Money::ZERO {
            tracing::error!(attempt = %settlement.attempt, variance_usd = %settlement.variance, "a provider billed more than the worst case; the operator pays");
        }
        let price_version = self.0.sent.as_ref().map_or(0, |sent| sent.price().id);
        let receipt =
            Receipt { charged: settlement.charged.usd, held: self.0.worst.usd, price_version, budget_remaining };
        Some((receipt, self.end_claim(&outcome, settlement.attempt)))
    }

    /// What the end means for the call's idempotency key. The journal knows it by now.
    fn end_claim(&mut self, outcome: &Outcome, attempt: AttemptId) -> Option<Claim> {
        let claim = self.0.label.claim.take()?;
        match outcome {
            Outcome::Complete(_) | Outcome::Cut(_) | Outcome::Kept => Some(claim.charged(attempt)),
            Outcome::Unknown => {
                claim.unknown(attempt);
                None
            }
            Outcome::Refused => None,
        }
    }

    fn record(
        &self,
        settlement: &ledger::Settlement,
        outcome: &Outcome,
        usage: Usage,
        sent: &Candidate,
        observed: Observed,
        ended: Instant,
    ) -> UsageRecord {
        let started = self.0.label.started;
        let millis = |since: Duration| u32::try_from(since.as_millis()).unwrap_or(u32::MAX);
        UsageRecord {
            attempt: settlement.attempt,
            request_id: self.0.label.request_id,
            at: self.0.label.at,
            tenant: self.0.caller.tenant().id().clone(),
            project: self.0.caller.key().project().clone(),
            key: self.0.caller.key().id().clone(),
            end_user: self.0.call.end_user.clone(),
            model: sent.model().id.clone(),
            upstream: sent.upstream().id.clone(),
            endpoint: self.0.call.endpoint,
            stream: self.0.call.stream,
            status: observed.status,
            ending: match outcome {
                Outcome::Complete(_) => store::Ending::Complete,
                Outcome::Cut(_) => store::Ending::Cut,
                Outcome::Refused => store::Ending::Refused,
                Outcome::Unknown | Outcome::Kept => store::Ending::Unknown,
            },
            usage,
            held: self.0.worst.usd,
            held_tokens: self.0.worst.tokens,
            charged: settlement.charged.usd,
            variance: settlement.variance,
            price_version: sent.price().id,
            upstream_response_id: observed.response_id,
            first_byte_ms: observed.first_byte.map_or(0, |at| millis(at.saturating_duration_since(started))),
            total_ms: millis(ended.saturating_duration_since(started)),
        }
    }
}

/// A hold that nobody ended: if the request may have left, nobody knows what it cost and the hold stays; if not, it is
/// released.
impl Drop for Hold {
    fn drop(&mut self) {
        let outcome = if self.0.sent.is_some() { Outcome::Unknown } else { Outcome::Refused };
        self.close(outcome, Observed::default());
    }
}

/// What the journal says before the call leaves.
fn intent(
    caller: &Caller,
    hold: &ledger::Hold,
    candidate: &Candidate,
    call: &CallFacts,
    label: &Label,
) -> IntentRecord {
    IntentRecord {
        attempt: hold.attempt(),
        request_id: label.request_id,
        at: label.at,
        tenant: caller.tenant().id().clone(),
        project: caller.key().project().clone(),
        key: caller.key().id().clone(),
        end_user: call.end_user.clone(),
        model: candidate.model().id.clone(),
        upstream: candidate.upstream().id.clone(),
        endpoint: call.endpoint,
        stream: call.stream,
        worst: hold.worst(),
        price_version: candidate.price().id,
        idempotency: label.claim.as_ref().map(Claim::idempotency),
    }
}

thread_local! {
    /// Every call writes two records: the space for them is taken once a thread.
    static PAYLOAD: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(RECORD_BYTES));
}

/// Hands over the kind and the payload of a record.
fn with_payload<T>(record: &Record, write: impl FnOnce(u8, &[u8]) -> T) -> T {
    PAYLOAD.with_borrow_mut(|payload| {
        payload.clear();
        let kind = record.encode(payload);
        write(kind, payload)
    })
}

impl Relay {
    /// Writes an intent, with the room for its end.
    fn begin(&self, intent: IntentRecord) -> Result<Room<RealDisk>, NoRoom> {
        let waiting = self.journal.end().get().saturating_sub(self.applier.applied().get());
        if waiting > self.settings.journal_bytes_max {
            return Err(NoRoom::Full);
        }
        with_payload(&Record::Intent(intent), |kind, payload| self.journal.begin(kind, payload))
    }
}

/// Tells the operator, in the log, of what was used and cannot be charged.
pub(crate) fn tell_unpriced(rates: &Rates, usage: &Usage, model: &ModelId) {
    if let Some(class) = rates.unpriced(usage) {
        tracing::error!(class, %model, "a provider counted what has no price; the operator pays");
    }
}
