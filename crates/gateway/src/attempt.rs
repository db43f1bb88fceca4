//! One request at an upstream, from the moment it may leave until its last byte: the owner of the hold meanwhile.
//!
//! Whoever drops an attempt before its end (because the client hung up) sets nothing free: what is left of it is drained
//! for a bounded time in a task of its own, so that the usage is still learnt, and then settled by what is known.

use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;

use base::Refusal;
use bytes::Bytes;
use catalog::{Candidate, Timeouts};
use tokio::time::{Instant, timeout_at};
use wire::Call;

use crate::heads::{Outgoing, ResponseHead};
use crate::hold::{Hold, Observed, Outcome, Receipt};
use crate::idempotency::{Claim, Recorder};
use crate::meter::{Malformed, Meter};
use crate::owned::Sealing;
use crate::queue::Place;
use crate::relay::Relay;
use crate::upload::Fate;
use crate::upstream::{Connection, Fault};

/// See the module's description.
pub(crate) struct Attempt {
    /// Empty only after the attempt was taken apart.
    exchange: Option<Box<Exchange>>,
}

struct Exchange {
    stage: Stage,
    connection: Connection,
    /// Kept until the upstream is done with the request, or the connection is closed. Below the connection, since that
    /// has to be closed first.
    place: Place,
    sent: Instant,
    /// Taken when settled, which may be before the last byte.
    hold: Option<Hold>,
    /// The idempotency key of a call that was charged, until its answer is kept or lost.
    claim: Option<Claim>,
    /// Writes the answer down for that key.
    recorder: Option<Box<Recorder>>,
    observed: Observed,
    meter: Meter,
    deadlines: Deadlines,
    /// What becomes of the rest of the request, where that comes while it is sent.
    upload: Option<Arc<Fate>>,
    relay: Arc<Relay>,
}

enum Stage {
    /// The request is on its way; no head yet.
    Sent,
    /// The head came; the body is being read.
    Reading,
    /// The body was read to its end.
    Ended,
    /// The upstream broke the protocol or the connection.
    Broken,
}

/// When to stop waiting.
#[derive(Clone, Copy)]
struct Deadlines {
    head: Instant,
    total: Instant,
    timeouts: Timeouts,
}

/// Why there is no head or no further byte of an answer.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// The request did not leave, or the upstream did nothing with it: nothing is billed, and it may be sent elsewhere.
    NotSent(Fault),
    /// The request may have left, and the connection broke.
    Broken(Fault),
    /// The request may have left, and the upstream was too slow.
    Timeout,
    /// The rest of the request never came: nothing is billed.
    Upload(Refusal),
}

impl Attempt {
    /// Sends `request`. From here on the hold's fate is the attempt's.
    pub(crate) fn start(
        mut connection: Connection,
        request: Outgoing,
        mut hold: Hold,
        candidate: &Candidate,
        call: &Arc<Call>,
    ) -> Attempt {
        hold.mark_sent(candidate);
        let relay = hold.relay().clone();
        let line_bytes_max = relay.settings.stream_line_bytes_max;
        let mut place = hold.standing().take().expect("an attempt is made from a place");
        place.note_used(None);
        let timeouts = candidate.upstream().timeouts;
        let now = Instant::now();
        let upload = request.body.fate();
        let upload_time = upload.as_ref().map_or(Duration::ZERO, |fate| fate.patience());
        let head = now + upload_time + timeouts.first_byte;
        let deadlines = Deadlines { head, total: now + upload_time + timeouts.total, timeouts };
        let meter = Meter::new(call.clone(), candidate.model().clone(), line_bytes_max);
        let meter = meter.translating(candidate.translation().map(|translation| hold.answers(translation)));
        let meter = meter.priced(&candidate.price().rates);
        let meter = meter.sealing(Sealing::of(&hold, candidate, call));
        connection.send(request);
        let exchange = Exchange {
            stage: Stage::Sent,
            connection,
            claim: None,
            recorder: hold.recorder().map(Box::new),
            place,
            sent: now,
            hold: Some(hold),
            observed: Observed::default(),
            meter,
            deadlines,
            upload,
            relay,
        };
        Attempt { exchange: Some(Box::new(exchange)) }
    }

    fn exchange(&mut self) -> &mut Exchange {
        self.exchange.as_mut().expect("an attempt is whole until it is taken apart by value")
    }

    /// Waits for the head of the response.
    pub(crate) async fn head(&mut self) -> Result<ResponseHead, AttemptError> {
        self.exchange().head().await
    }

    /// The next bytes of the body, as they came; `None` at its end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        self.exchange().poll_data(cx)
    }

    pub(crate) async fn data(&mut self) -> Option<Result<Bytes, AttemptError>> {
        self.exchange().data().await
    }

    /// Takes the next bytes; `forward` receives what the client should see of them.
    pub(crate) fn push(&mut self, data: Bytes, forward: &mut impl FnMut(Bytes)) -> Result<(), Malformed> {
        self.exchange().push(data, forward)
    }

    /// The upstream's side is over: forwards what was held back, and says whether the answer is whole.
    pub(crate) fn finish(&mut self, forward: &mut impl FnMut(Bytes)) -> bool {
        self.exchange().finish(forward)
    }

    /// What reads the body and knows what it cost.
    pub(crate) fn meter(&mut self) -> &mut Meter {
        &mut self.exchange().meter
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.exchange.as_ref().expect("whole").deadlines.timeouts
    }

    /// Takes the hold back for another candidate: this attempt provably cost nothing.
    pub(crate) fn give_up(mut self) -> Hold {
        let mut exchange = self.exchange.take().expect("whole");
        let mut hold = exchange.hold.take().expect("an attempt is given up before it is settled");
        hold.unmark_sent();
        // Closed before the place is free for others, or for the next attempt.
        let Exchange { connection, place, .. } = *exchange;
        drop(connection);
        hold.standing().give_back(place);
        hold
    }

    /// Settles by what is known now. The connection stays until the body was read or the attempt is dropped.
    ///
    /// Returns `None` when it was settled before.
    pub(crate) fn settle(&mut self) -> Option<Receipt> {
        self.exchange().settle()
    }

    /// The answer will never be whole: it is lost for the call's idempotency key, and nobody reads on for it. The hold must
    /// be settled.
    pub(crate) fn lose_answer(mut self) {
        let mut exchange = self.exchange.take().expect("whole");
        assert!(exchange.hold.is_none(), "an answer is lost after it is settled");
        exchange.claim = None;
    }

    /// The answer is whole: it is kept for the call's idempotency key, and the connection given back when the body was
    /// read to its end. The hold must be settled.
    pub(crate) fn release(mut self) {
        let mut exchange = self.exchange.take().expect("whole");
        assert!(exchange.hold.is_none(), "an attempt is released after it is settled");
        exchange.keep_answer();
        if matches!(exchange.stage, Stage::Ended) {
            exchange.connection.release();
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        if exchange.hold.is_none() && exchange.claim.is_none() {
            return;
        }
        let relay = exchange.relay.clone();
        relay.tasks.spawn(exchange.drain());
    }
}

impl Exchange {
    async fn head(&mut self) -> Result<ResponseHead, AttemptError> {
        let (connection, due) = (&mut self.connection, self.deadlines.head);
        let answered = core::future::poll_fn(|cx| match connection.poll_head(cx) {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            Poll::Pending => connection.poll_past(due, cx).map(|()| None),
        });
        let answered = answered.await;
        let given_up = self.upload.as_ref().and_then(|fate| fate.problem());
        let failed = match answered {
            Some(Ok(mut head)) => {
                self.observed.status = head.status.as_u16();
                self.observed.first_byte = Some(Instant::now());
                self.meter.begin(&mut head);
                if let Some(recorder) = &mut self.recorder {
                    recorder.begin(&head);
                }
                let is_stream = self.meter.is_stream();
                self.place.answered(&head, self.meter.model(), is_stream.then(|| self.sent.elapsed()));
                self.stage = Stage::Reading;
                return Ok(head);
            }
            Some(Err(error)) => match given_up {
                Some(refusal) => AttemptError::Upload(refusal),
                None if error.may_have_left => AttemptError::Broken(error.source),
                None => AttemptError::NotSent(error.source),
            },
            None => AttemptError::Timeout,
        };
        self.stage = Stage::Broken;
        Err(failed)
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        if !matches!(self.stage, Stage::Reading) {
            return Poll::Ready(None);
        }
        let data = core::task::ready!(self.connection.poll_data(cx));
        match &data {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.stage = Stage::Broken,
            None => self.stage = Stage::Ended,
        }
        Poll::Ready(data.map(|data| data.map_err(AttemptError::Broken)))
    }

    async fn data(&mut self) -> Option<Result<Bytes, AttemptError>> {
        let Deadlines { total, timeouts, .. } = self.deadlines;
        // Most often the rest is there already, and no clock is read.
        let mut due = None;
        let read = core::future::poll_fn(|cx| match self.poll_data(cx) {
            Poll::Ready(data) => Poll::Ready(Some(data)),
            Poll::Pending => {
                let due = *due.get_or_insert_with(|| total.min(Instant::now() + timeouts.idle));
                self.connection.poll_past(due, cx).map(|()| None)
            }
        });
        let read = read.await;
        read.unwrap_or_else(|| {
            self.stage = Stage::Broken;
            Some(Err(AttemptError::Timeout))
        })
    }

    fn settle(&mut self) -> Option<Receipt> {
        let hold = self.hold.take()?;
        let (outcome, response_id) = self.meter.outcome(matches!(self.stage, Stage::Ended));
        // A request that was not sent to its end is none.
        let is_given_up = self.upload.as_ref().is_some_and(|fate| fate.problem().is_some());
        let is_unanswered = self.observed.status == 0;
        let outcome = if is_given_up && is_unanswered { Outcome::Refused } else { outcome };
        self.place.note_used(outcome.tokens());
        let (receipt, claim) = hold.settle(outcome, Observed { response_id, ..self.observed.clone() });
        self.claim = claim;
        if let Some(recorder) = &mut self.recorder {
            recorder.settled(&receipt);
        }
        Some(receipt)
    }

    fn push(&mut self, data: Bytes, forward: &mut impl FnMut(Bytes)) -> Result<(), Malformed> {
        match &mut self.recorder {
            None => self.meter.push(data, forward),
            Some(recorder) => self.meter.push(data, &mut |piece| {
                recorder.push(&piece);
                forward(piece);
            }),
        }
    }

    fn finish(&mut self, forward: &mut impl FnMut(Bytes)) -> bool {
        match &mut self.recorder {
            None => self.meter.finish(forward),
            Some(recorder) => self.meter.finish(&mut |piece| {
                recorder.push(&piece);
                forward(piece);
            }),
        }
    }

    /// Keeps a whole answer for the call's idempotency key; without this, it is lost.
    fn keep_answer(&mut self) {
        let (Some(claim), Some(recorder)) = (self.claim.take(), self.recorder.take()) else { return };
        let whole = if self.meter.is_stream() { None } else { Some(self.meter.whole()) };
        // One that could not be turned around is no answer that anybody got.
        let Ok(whole) = whole.transpose() else { return };
        if matches!(self.stage, Stage::Ended)
            && let Some((answer, space)) = recorder.finish(whole)
        {
            claim.keep(answer, space);
        }
    }

    /// Reads on without a client, for a bounded time, then settles.
    async fn drain(mut self: Box<Self>) {
        let settings = &self.relay.settings;
        let patience = if self.meter.is_stream() && !self.meter.is_billed_whole() {
            settings.stream_drain
        } else {
            settings.answer_drain
        };
        let deadline = Instant::now() + patience;
        let intent = self.hold.as_ref().map(Hold::intent);
        let read_on = async {
            if matches!(self.stage, Stage::Sent) && self.head().await.is_err() {
                return;
            }
            while let Some(Ok(data)) = self.data().await {
                if self.push(data, &mut |_| {}).is_err() {
                    return;
                }
            }
        };
        // Past the deadline the connection is dropped with the exchange, which cancels the request at the upstream.
        let _cancelled = timeout_at(deadline, read_on).await;
        let is_whole = self.finish(&mut |_| {});
        self.settle();
        // Whoever asks again learns nothing of it before the intent is durable.
        let is_durable = match intent {
            Some(intent) if is_whole && self.claim.is_some() => self.relay.before_answering(intent).await.is_ok(),
            _ => true,
        };
        if is_whole && is_durable {
            self.keep_answer();
        }
        if matches!(self.stage, Stage::Ended) {
            self.connection.release();
        }
    }
}
