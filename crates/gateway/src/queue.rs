//! The fair queue in front of each upstream, as calls meet it: [`Standing`] is a call's place there, taken before its
//! money and kept until its last attempt ends. The order is `admit::queue`'s; here are the lock, the clock and the waking.
//!
//! A call that waits and is dropped leaves the queue; a [`Place`] that is dropped frees it, whoever drops it.

use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use admit::queue::{Answered, Ask, Entered, Limit, Policy, Queue, QueueStatus, Quota, Slot, Ticket};
use base::{Moment, Refusal};
use catalog::{Candidate, Plan};
use http::{HeaderName, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::authenticate::Caller;
use crate::counts::{WaitCounts, WaitHistogram};
use crate::forward::unusable;
use crate::headers::{REMAINING_REQUESTS, REMAINING_TOKENS, RESET_REQUESTS, RESET_TOKENS};
use crate::heads::ResponseHead;
use crate::relay::Relay;
use crate::upstream::Pool;

/// The queue of one upstream. It outlives changes of the upstream's settings.
pub(crate) struct UpstreamQueue {
    start: Instant,
    waits: WaitHistogram,
    inner: Mutex<Inner>,
}

struct Inner {
    queue: Queue,
    /// How those who wait are given their slot.
    turns: HashMap<Ticket, oneshot::Sender<Slot>>,
    concurrency: Option<u32>,
    /// Somebody looks again when the provider's quota resets.
    is_timed: bool,
}

impl UpstreamQueue {
    pub(crate) fn new(policy: Policy, concurrency: Option<u32>) -> UpstreamQueue {
        let queue = Queue::new(policy, Limit::new(concurrency));
        let inner = Inner { queue, turns: HashMap::new(), concurrency, is_timed: false };
        UpstreamQueue { start: Instant::now(), waits: WaitHistogram::default(), inner: Mutex::new(inner) }
    }

    /// Takes over a changed limit; what was learnt stays while nothing changes.
    pub(crate) fn configure(self: &Arc<UpstreamQueue>, concurrency: Option<u32>) {
        let mut inner = self.lock();
        if inner.concurrency != concurrency {
            inner.concurrency = concurrency;
            inner.queue.set_limit(Limit::new(concurrency));
            self.call_next(&mut inner, self.now());
        }
    }

    /// Its places, and who takes or wants them.
    pub(crate) fn status(&self) -> QueueStatus {
        self.lock().queue.status()
    }

    /// How long calls waited.
    pub(crate) fn waits(&self) -> WaitCounts {
        self.waits.read()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic while the queue is locked")
    }

    fn now(&self) -> Moment {
        let nanos = Instant::now().saturating_duration_since(self.start).as_nanos();
        Moment::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Gives slots to whoever may go now. After every change.
    fn call_next(self: &Arc<UpstreamQueue>, inner: &mut Inner, now: Moment) {
        while let Some((ticket, slot)) = inner.queue.next(now) {
            let turn = inner.turns.remove(&ticket).expect("who waits can be called");
            if let Err(slot) = turn.send(slot) {
                inner.queue.end(slot, Some(0), now);
            }
        }
        if let Some(opens) = inner.queue.opens_at(now).filter(|_| !inner.is_timed) {
            inner.is_timed = true;
            tokio::spawn(look_again(Arc::downgrade(self), opens.saturating_since(now)));
        }
    }

    /// A slot now, or the right to wait for one.
    fn enter(self: &Arc<UpstreamQueue>, ask: &Ask) -> Result<Slot, Option<Waiting>> {
        let now = self.now();
        let mut inner = self.lock();
        match inner.queue.enter(ask, now) {
            Entered::Admitted(slot) => Ok(slot),
            Entered::Full { .. } => Err(None),
            Entered::Waiting(ticket) => {
                let (tx, rx) = oneshot::channel();
                inner.turns.insert(ticket, tx);
                let for_others = inner.queue.waits_for_others(ask.tenant);
                self.call_next(&mut inner, now);
                Err(Some(Waiting {
                    queue: self.clone(),
                    ticket: Some(ticket),
                    turn: rx,
                    for_others,
                    since: Instant::now(),
                }))
            }
        }
    }

    /// A slot, if there is one without waiting.
    fn pass(self: &Arc<UpstreamQueue>, ask: &Ask) -> Option<Slot> {
        let now = self.now();
        self.lock().queue.pass(ask, now)
    }

    fn retry_after(&self, ask: &Ask) -> Refusal {
        let now = self.now();
        Refusal::Overloaded { retry_after: self.lock().queue.retry_after(ask.tenant, now) }
    }

    fn end(self: &Arc<UpstreamQueue>, slot: Slot, used: Option<u64>) {
        let now = self.now();
        let mut inner = self.lock();
        inner.queue.end(slot, used, now);
        self.call_next(&mut inner, now);
    }
}

/// Calls whoever may go when the provider's quota has reset.
async fn look_again(queue: Weak<UpstreamQueue>, wait: Duration) {
    tokio::time::sleep(wait).await;
    if let Some(queue) = queue.upgrade() {
        let mut inner = queue.lock();
        inner.is_timed = false;
        queue.call_next(&mut inner, queue.now());
    }
}

/// A call in the queue. Dropped, it leaves.
struct Waiting {
    queue: Arc<UpstreamQueue>,
    /// Taken when it has been called.
    ticket: Option<Ticket>,
    turn: oneshot::Receiver<Slot>,
    /// Its tenant had fewer places than its share when it began to wait.
    for_others: bool,
    since: Instant,
}

impl Waiting {
    /// Waits to be called; `None` at the deadline.
    async fn turn(mut self, deadline: Instant) -> Option<Slot> {
        let slot = timeout_at(deadline, &mut self.turn).await.ok()?.ok()?;
        self.ticket = None;
        self.queue.waits.note(self.since.elapsed(), true);
        Some(slot)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        self.queue.waits.note(self.since.elapsed(), false);
        let now = self.queue.now();
        let mut inner = self.queue.lock();
        if inner.queue.leave(ticket, now) {
            inner.turns.remove(&ticket);
        } else if let Ok(slot) = self.turn.try_recv() {
            // It was called just now.
            inner.queue.end(slot, Some(0), now);
        }
        self.queue.call_next(&mut inner, now);
    }
}

/// One of the calls that an upstream works on.
pub(crate) struct Place {
    pool: Arc<Pool>,
    /// Taken when it is dropped.
    slot: Option<Slot>,
    /// Tokens that the call used; `None` while nobody knows.
    used: Option<u64>,
}

impl Place {
    /// What the call used, as far as is known: zero before it is sent, `None` afterwards.
    pub(crate) fn note_used(&mut self, used: Option<u64>) {
        self.used = used;
    }

    /// Lets the queue learn from the head of an answer. `latency` is given when the head does not wait for the whole.
    pub(crate) fn answered(&self, head: &ResponseHead, model: &str, latency: Option<Duration>) {
        let queue = self.pool.queue();
        let quota = |remaining: &HeaderName, reset: &HeaderName| {
            let text = |name: &HeaderName| head.headers.text(name);
            Some(Quota { remaining: text(remaining)?.parse().ok()?, resets_in: span(text(reset)?)? })
        };
        let answered = Answered {
            refused: matches!(head.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
                || head.status.as_u16() == 529,
            latency: latency.map(|latency| (kind(model), latency)),
            requests: quota(&REMAINING_REQUESTS, &RESET_REQUESTS),
            tokens: quota(&REMAINING_TOKENS, &RESET_TOKENS),
        };
        let started = self.slot.as_ref().expect("a place has its slot until it is dropped").started();
        let now = queue.now();
        let mut inner = queue.lock();
        if inner.concurrency.is_none() {
            inner.queue.answered(started, &answered, now);
            queue.call_next(&mut inner, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.queue().end(slot, self.used);
        }
    }
}

/// A number for a model's name, to compare its calls with each other.
fn kind(model: &str) -> u64 {
    use core::hash::Hasher as _;
    let mut hasher = base::NumberHasher::default();
    hasher.write(model.as_bytes());
    hasher.finish()
}

/// OpenAI's way to write a span: `6ms`, `1.5s`, `1m30.2s`, `2h0m0s`.
fn span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit =
            rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(&rest[digits..], |end| &rest[digits..][..end]);
        seconds += number
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[digits + unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// A call's right to a place, and the place while it has one.
pub(crate) struct Standing {
    ask: Ask,
    /// How long it may wait in queues, in all. What it waits for money does not count.
    patience: Duration,
    place: Option<Place>,
    waited: Duration,
    /// How much of that was for other tenants.
    waited_for_others: Duration,
    /// Whom to try first.
    first: usize,
}

impl Standing {
    fn new(relay: &Relay, caller: &Caller, plan: &Plan, bytes: u64) -> Standing {
        let tenant = &caller.path()[0];
        let settings = tenant.settings();
        let ask = Ask {
            tenant: tenant.index,
            weight: settings.weight,
            priority: settings.priority,
            tokens: plan.quote().tokens(),
            bytes,
        };
        let patience = relay.settings.queue_wait;
        Standing { ask, patience, place: None, waited: Duration::ZERO, waited_for_others: Duration::ZERO, first: 0 }
    }

    /// How long it waited in queues.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// How long it waited in queues because of other tenants.
    pub(crate) fn waited_for_others(&self) -> Duration {
        self.waited_for_others
    }

    /// The candidate whose upstream it has its place at.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// Gives the place up for now: whoever waits for something else keeps nobody from the upstream.
    pub(crate) fn step_aside(&mut self) {
        self.place = None;
    }

    /// The place, for the attempt that uses it.
    pub(crate) fn take(&mut self) -> Option<Place> {
        self.place.take()
    }

    /// The place of an attempt that came to nothing.
    pub(crate) fn give_back(&mut self, mut place: Place) {
        place.note_used(Some(0));
        self.place = Some(place);
    }

    fn stand(&mut self, pool: Arc<Pool>, slot: Slot) {
        self.place = Some(Place { pool, slot: Some(slot), used: Some(0) });
    }

    /// Takes a place at this candidate's upstream, unless it has one there; waits for it if need be.
    ///
    /// # Errors
    /// 503 when the tenant's line is full or its turn does not come in time; whatever makes the upstream unusable.
    pub(crate) async fn at(&mut self, relay: &Relay, candidate: &Candidate) -> Result<Arc<Pool>, Refusal> {
        if let Some(place) =
            self.place.as_ref().filter(|place| Arc::ptr_eq(place.pool.upstream(), candidate.upstream()))
        {
            return Ok(place.pool.clone());
        }
        self.place = None;
        let pool = relay.upstreams.pool(candidate.upstream()).map_err(|error| unusable(candidate, &error))?;
        let queue = pool.queue().clone();
        let slot = match queue.enter(&self.ask) {
            Ok(slot) => slot,
            Err(None) => return Err(queue.retry_after(&self.ask)),
            Err(Some(waiting)) => {
                let since = Instant::now();
                let for_others = waiting.for_others;
                let called = waiting.turn(since + self.patience.saturating_sub(self.waited)).await;
                let waited = since.elapsed();
                self.waited += waited;
                if for_others {
                    self.waited_for_others += waited;
                }
                called.ok_or_else(|| queue.retry_after(&self.ask))?
            }
        };
        self.stand(pool.clone(), slot);
        Ok(pool)
    }

    /// Finds a place for the call, as [`enter`] says.
    async fn enter(&mut self, relay: &Relay, plan: &Plan) -> Result<(), Refusal> {
        let candidates = plan.candidates();
        let first = &candidates[0];
        let is_peer =
            |other: &Candidate| Arc::ptr_eq(other.model(), first.model()) && other.target().tier == first.target().tier;
        let peers = candidates.iter().take_while(|candidate| is_peer(candidate)).enumerate();
        if candidates.len() > 1 && self.pass(relay, peers) {
            return Ok(());
        }
        match self.at(relay, first).await {
            Ok(_) => Ok(()),
            Err(_) if self.pass(relay, candidates.iter().enumerate().skip(1)) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Takes a place that is free now at one of these candidates.
    fn pass<'a>(&mut self, relay: &Relay, mut candidates: impl Iterator<Item = (usize, &'a Candidate)>) -> bool {
        candidates.any(|(position, candidate)| {
            let Ok(pool) = relay.upstreams.pool(candidate.upstream()) else { return false };
            let Some(slot) = pool.queue().pass(&self.ask) else { return false };
            self.first = position;
            self.stand(pool, slot);
            true
        })
    }
}

/// Takes a place for a call: at its first candidate; where that is busy, at another of the same tier that is not; where
/// none is free, by waiting at the first; and when that comes to nothing, at any that is free.
///
/// # Errors
/// As for [`Standing::at`].
pub(crate) async fn enter(relay: &Relay, caller: &Caller, plan: &Plan, bytes: u64) -> Result<Standing, Refusal> {
    let mut standing = Standing::new(relay, caller, plan, bytes);
    let entered = standing.enter(relay, plan).await;
    if let Err(refusal) = entered {
        // Whoever is refused waited too, or was not even let in.
        relay.books.note_wait(caller.path()[0].index, standing.waited_for_others, relay.clock.moment());
        return Err(refusal);
    }
    Ok(standing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_openai_writes_them() {
        let millis = |text| span(text).map(|span| span.as_millis());
        assert_eq!(millis("6ms"), Some(6));
        assert_eq!(millis("1.5s"), Some(1_500));
        assert_eq!(millis("1m30.2s"), Some(90_200));
        assert_eq!(millis("2h0m0s"), Some(7_200_000));
        for wrong in ["soon", "12", "-1s", "1 s", "1e9s", "9999999999999999999999999d"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }
}
