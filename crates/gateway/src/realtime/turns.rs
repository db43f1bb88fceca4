//! The responses of a session that are paid for, from the hold to the usage; and the session's own slot.
//!
//! Whoever drops them settles nothing by guess: a response of which no end was seen has an unknown cost, and keeps its hold.

use std::sync::{Arc, Mutex, MutexGuard};

use admit::{Pass, Tightest};
use base::Refusal;
use catalog::Model;
use journal::Position;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;
use wire::realtime::{Context, Input};
use wire::{Billable, Usage, UsageFault};

use crate::admit::rate_limited;
use crate::authenticate::Path;
use crate::books::Asked;
use crate::hold::{Hold, Observed, Outcome};
use crate::queue::Place;
use crate::relay::Relay;

/// The place of a session among its tenant's calls at once; given back when dropped.
pub(super) struct Slot {
    relay: Arc<Relay>,
    path: Path,
    /// Taken when it is dropped.
    pass: Option<Pass>,
}

impl Slot {
    /// Counts a session as one request that is under way.
    ///
    /// # Errors
    /// 429 that names the window.
    pub(super) fn take(relay: &Arc<Relay>, path: &Path, model: &Model) -> Result<(Slot, Tightest), Refusal> {
        let asked = Asked { path, model: &model.id, end_user: None, tokens: 0, is_in_session: false };
        let admitted = relay.books.admit(&asked, relay.clock.moment());
        let (pass, tightest) = admitted.map_err(|breach| rate_limited(&asked, &breach))?;
        Ok((Slot { relay: relay.clone(), path: path.clone(), pass: Some(pass) }, tightest))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let now = self.relay.clock.moment();
            self.relay.books.shard(self.path[0].index).admission.settle(pass, 0, now);
        }
    }
}

/// By what an error names the event that asked for a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) event_id: String,
    /// The client sent none, and sees none.
    pub(super) is_ours: bool,
}

/// One response that is paid for, begun or not.
pub(super) struct Turn {
    hold: Hold,
    place: Place,
    /// The event that asks for it; `None` for one that the provider may begin by itself.
    tag: Option<Tag>,
    /// Held for what was said until now, and not for more.
    is_tight: bool,
    since: Instant,
    first_byte: Option<Instant>,
    /// Something of its answer came.
    is_delivered: bool,
}

impl Turn {
    pub(super) fn new(hold: Hold, place: Place, tag: Option<Tag>, is_tight: bool) -> Turn {
        Turn { hold, place, tag, is_tight, since: Instant::now(), first_byte: None, is_delivered: false }
    }

    fn settle(mut self, outcome: Outcome, status: u16, response_id: Option<String>) {
        self.place.note_used(outcome.tokens());
        self.hold.settle(outcome, Observed { status, first_byte: self.first_byte, response_id });
    }

    /// Nothing began for it: it is as if it had never been.
    fn release(mut self) {
        self.place.note_used(Some(0));
        self.hold.unmark_sent();
    }
}

#[derive(Default)]
struct State {
    context: Context,
    /// No response began yet; in the order of their events.
    waiting: Vec<Turn>,
    /// Begun, by the provider's id.
    running: Vec<(Option<String>, Turn)>,
    /// The last intent that was written.
    intent: Option<Position>,
}

/// All of them. Shared by both directions of a session.
#[derive(Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Notify,
}

/// What a hold for one more response has to cover.
pub(super) struct Wanted {
    pub(super) billable: Billable,
    pub(super) is_tight: bool,
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the turns are locked")
    }

    /// Wakes when a response began or ended, and was called before.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// An event of the client is about to be passed on.
    pub(super) fn hear(&self, input: &Input) {
        self.state().context.add(input);
    }

    /// What a response that is asked for now can cost. Where audio was sent, another one may begin first, and this one later.
    pub(super) fn wanted(&self, output_limit: Option<u64>, output_max: u64) -> Wanted {
        let state = self.state();
        if state.context.has_audio() {
            return Wanted { billable: Context::anything(), is_tight: false };
        }
        let others = (state.running.len() + state.waiting.len()) as u64;
        let billable = state.context.billable(output_limit, others.saturating_mul(output_max));
        Wanted { billable, is_tight: true }
    }

    /// Whether a response that the provider begins by itself is paid for.
    pub(super) fn is_armed(&self) -> bool {
        self.state().waiting.iter().any(|turn| turn.tag.is_none())
    }

    /// Whether a hold waits for its response that more audio would outgrow.
    pub(super) fn has_tight(&self) -> bool {
        self.state().waiting.iter().any(|turn| turn.is_tight)
    }

    /// Keeps a response that is paid for until it begins.
    pub(super) fn expect(&self, turn: Turn) {
        let mut state = self.state();
        state.intent = Some(turn.hold.intent());
        state.waiting.push(turn);
    }

    /// The last intent that was written: what the client learns, it learns after that is durable.
    pub(super) fn intent(&self) -> Option<Position> {
        self.state().intent
    }

    /// A response began; says whether it is paid for.
    pub(super) fn begin(&self, id: Option<&str>) -> bool {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return false;
        }
        let mut turn = state.waiting.remove(0);
        turn.since = Instant::now();
        turn.first_byte = Some(turn.since);
        state.running.push((id.map(str::to_owned), turn));
        drop(state);
        self.changed.notify_waiters();
        true
    }

    /// Something of a response came.
    pub(super) fn deliver(&self) {
        self.state().running.iter_mut().for_each(|(_, turn)| turn.is_delivered = true);
    }

    /// A response ended.
    pub(super) fn end(&self, id: Option<String>, usage: Result<Option<Usage>, UsageFault>, has_failed: bool) {
        let mut state = self.state();
        let place = state.running.iter().position(|(running, _)| *running == id);
        let Some(place) = place.or((state.running.len() == 1).then_some(0)) else { return };
        let (_, turn) = state.running.remove(place);
        if let Ok(Some(usage)) = usage {
            state.context.answered(usage.output);
        }
        drop(state);
        let outcome = match usage {
            Ok(Some(usage)) => Outcome::Complete(usage),
            // What failed before anything came of it is not billed.
            Ok(None) if has_failed && !turn.is_delivered => Outcome::Refused,
            Ok(None) => {
                tracing::error!("a response ended without a usage; its hold stays");
                Outcome::Unknown
            }
            Err(fault) => {
                tracing::error!(?fault, "an upstream reported a usage that cannot be true; the hold stays");
                Outcome::Unknown
            }
        };
        turn.settle(outcome, 200, id);
        self.changed.notify_waiters();
    }

    /// The provider did not take an event; says whose id it was, if it asked for a response.
    pub(super) fn refuse(&self, event_id: &str) -> Option<Tag> {
        let mut state = self.state();
        let is_it = |turn: &Turn| turn.tag.as_ref().is_some_and(|tag| tag.event_id == event_id);
        let place = state.waiting.iter().position(is_it)?;
        let turn = state.waiting.remove(place);
        drop(state);
        let tag = turn.tag.clone();
        turn.settle(Outcome::Refused, 400, None);
        self.changed.notify_waiters();
        tag
    }

    /// Whether a response is under way, or was asked for.
    pub(super) fn is_busy(&self) -> bool {
        let state = self.state();
        !state.running.is_empty() || state.waiting.iter().any(|turn| turn.tag.is_some())
    }

    /// Since when the provider owes an event of a response, at the latest; `None` while it owes none.
    pub(super) fn owed_since(&self) -> Option<Instant> {
        let state = self.state();
        let asked = state.waiting.iter().filter(|turn| turn.tag.is_some());
        asked.chain(state.running.iter().map(|(_, turn)| turn)).map(|turn| turn.since).max()
    }

    /// The oldest response under way began then.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.state().running.iter().map(|(_, turn)| turn.since).min()
    }

    /// The responses under way.
    pub(super) fn running(&self) -> Vec<Option<String>> {
        self.state().running.iter().map(|(id, _)| id.clone()).collect()
    }

    /// The session is over. Where its provider `said_goodbye`, everything that began was seen: what was only held in case
    /// it begins a response by itself is free again. Of the rest nobody knows the cost.
    pub(super) fn finish(&self, said_goodbye: bool) {
        let State { waiting, running, .. } = core::mem::take(&mut *self.state());
        for turn in waiting {
            if said_goodbye && turn.tag.is_none() {
                turn.release();
            }
        }
        if !running.is_empty() {
            tracing::warn!(responses = running.len(), "a session ended within responses; their holds stay");
        }
        self.changed.notify_waiters();
    }
}
