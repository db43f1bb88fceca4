//! One session under way: what the client says goes to the provider when it is paid for, what the provider says to the
//! client when it is on the disk.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use base::{Refusal, RequestId};
use catalog::Candidate;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use wire::realtime::{Asks, ClientEvent, Context, ServerEvent};

use super::connect::Open;
use super::end::End;
use super::turns::{Tag, Turn, Turns, Wanted};
use crate::admit::admit;
use crate::authenticate::Caller;
use crate::hold::Label;
use crate::intake;
use crate::relay::Relay;
use crate::reserve::reserve;
use crate::server::ClientStream;
use crate::upstream::Socket;

/// Longest that an event of the client waits for its money and its turn: clients expect an answer to their pings.
const PAY_WAIT: Duration = Duration::from_secs(15);
/// How long a client may take to answer that it saw the end.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
/// Bytes that are read at once.
const READ_BYTES: usize = 8 << 10;

type Client = WebSocketStream<ClientStream>;
type Provider = WebSocketStream<Box<dyn Socket>>;

/// See the module's description.
pub(super) struct Session {
    relay: Arc<Relay>,
    caller: Caller,
    /// Of the opening; each response has another.
    request_id: RequestId,
    candidate: Candidate,
    turns: Turns,
    to_client: tokio::sync::Mutex<SplitSink<Client, Message>>,
    to_provider: tokio::sync::Mutex<SplitSink<Provider, Message>>,
    said: Mutex<Said>,
}

/// When somebody said something last.
#[derive(Clone, Copy)]
struct Said {
    anybody: Instant,
    provider: Instant,
    /// Number of the events that were given an id.
    named: u64,
}

impl Session {
    /// Runs until somebody ends it, and settles what is open.
    pub(super) async fn run(
        relay: Arc<Relay>,
        caller: Caller,
        request_id: RequestId,
        stream: ClientStream,
        open: Open,
    ) {
        let bytes_max = relay.settings.realtime_message_bytes_max;
        let config = WebSocketConfig::default()
            .max_message_size(Some(bytes_max))
            .max_frame_size(Some(bytes_max))
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(bytes_max.saturating_mul(2));
        let client = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let rest = open.rest.to_vec();
        let provider = WebSocketStream::from_partially_read(open.socket, rest, Role::Client, Some(config)).await;
        let (to_client, mut from_client) = client.split();
        let (to_provider, mut from_provider) = provider.split();
        let now = Instant::now();
        let session = Session {
            relay,
            caller,
            request_id,
            candidate: open.candidate,
            turns: Turns::default(),
            to_client: tokio::sync::Mutex::new(to_client),
            to_provider: tokio::sync::Mutex::new(to_provider),
            said: Mutex::new(Said { anybody: now, provider: now, named: 0 }),
        };
        let end = tokio::select! {
            end = session.hear_client(&mut from_client) => end,
            end = session.hear_provider(&mut from_provider) => end,
            end = session.watch() => end,
        };
        tracing::debug!(request = %session.request_id, ?end, "a session ends");
        // Settled whether the client takes its leave or not.
        let settling = async {
            let said_goodbye = match end {
                End::Provider(_) => true,
                End::Broken | End::Silent => false,
                _ => session.drain(&mut from_provider).await,
            };
            session.turns.finish(said_goodbye);
        };
        tokio::join!(settling, session.leave_client(&end, &mut from_client));
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().expect("no panic while it is locked")
    }

    fn note_said(&self, by_provider: bool) {
        let (mut said, now) = (self.said(), Instant::now());
        said.anybody = now;
        if by_provider {
            said.provider = now;
        }
    }

    /// Passes on what the client says, until it leaves or asks for what is not to be had.
    async fn hear_client(&self, from: &mut SplitStream<Client>) -> End {
        while let Some(message) = from.next().await {
            let end = match message {
                Ok(Message::Text(text)) => {
                    self.note_said(false);
                    self.client_event(text).await
                }
                Ok(Message::Binary(_)) => {
                    let sentence = "Events are texts; a binary message is none.";
                    Err(End::Refused(Refusal::invalid(None, sentence)))
                }
                Ok(Message::Close(_)) => Err(End::Client),
                // Pings are answered where they are read.
                Ok(_) => Ok(()),
                Err(error) => Err(End::of_client(&error, self.relay.settings.realtime_message_bytes_max)),
            };
            if let Err(end) = end {
                return self.deliver_first(end).await;
            }
        }
        End::Client
    }

    /// Lets the responses that are under way come to their end before the session does.
    async fn deliver_first(&self, end: End) -> End {
        let deadline = Instant::now() + self.candidate.upstream().timeouts.total;
        while end.may_wait() {
            let changed = self.turns.changed();
            let mut changed = core::pin::pin!(changed);
            changed.as_mut().enable();
            if !self.turns.is_busy() || timeout_at(deadline, changed).await.is_err() {
                break;
            }
        }
        end
    }

    /// One event of the client.
    async fn client_event(&self, text: Utf8Bytes) -> Result<(), End> {
        let mut share = self.relay.bodies.share(self.caller.path()[0].index);
        let read = share.grow(text.len() as u64).and_then(|()| wire::realtime::client_event(text.as_bytes()));
        let (event, mut text) = match read.and_then(|event| self.own_model(event, text)) {
            Ok(read) => read,
            Err(refusal) => return self.tell(&refusal, None).await,
        };
        self.turns.hear(&event.input);
        match event.asks {
            Asks::Nothing => {}
            // Audio comes in pieces: a client that is told of each that it cannot send learns nothing new.
            Asks::Audio => self.arm().await.map_err(End::Refused)?,
            Asks::Response => {
                let tag = match &event.event_id {
                    Some(id) => Tag { event_id: id.clone(), is_ours: false },
                    None => {
                        let tag = self.tag();
                        text = wire::realtime::named(&text, &tag.event_id).into();
                        tag
                    }
                };
                let wanted = self.turns.wanted(event.output_limit, self.candidate.model().max_output_tokens);
                match self.pay(wanted, Some(tag)).await {
                    Ok(turn) => self.turns.expect(turn),
                    Err(refusal) if may_ask_again(&refusal) => {
                        return self.tell(&refusal, event.event_id.as_deref()).await;
                    }
                    Err(refusal) => return Err(End::Refused(refusal)),
                }
            }
        }
        self.send_provider(Message::Text(text)).await
    }

    /// The event with the model's name at the provider, where it names the session's model.
    fn own_model(&self, event: ClientEvent, text: Utf8Bytes) -> Result<(ClientEvent, Utf8Bytes), Refusal> {
        let Some((named, place)) = &event.model else { return Ok((event, text)) };
        if *named != *self.candidate.model().id.as_str() {
            let sentence = "The model of a session cannot be changed. Open another session.";
            return Err(Refusal::invalid(Some("session.model"), sentence));
        }
        let renamed = wire::realtime::with_model(&text, place, self.candidate.target().model.as_str());
        Ok((event, renamed.into()))
    }

    /// An id for an event that has none.
    fn tag(&self) -> Tag {
        let mut said = self.said();
        said.named += 1;
        Tag { event_id: format!("mandant_{}", said.named), is_ours: true }
    }

    /// Makes sure that a response which the provider begins by itself is paid for.
    async fn arm(&self) -> Result<(), Refusal> {
        let deadline = Instant::now() + PAY_WAIT;
        loop {
            let changed = self.turns.changed();
            let mut changed = core::pin::pin!(changed);
            changed.as_mut().enable();
            if self.turns.is_armed() {
                return Ok(());
            }
            // What was asked for is held for what was said before: it begins before more is said.
            if !self.turns.has_tight() {
                break;
            }
            timeout_at(deadline, changed).await.map_err(|_| Refusal::UpstreamTimeout)?;
        }
        let wanted = Wanted { billable: Context::anything(), is_tight: false };
        let turn = self.pay(wanted, None).await?;
        self.turns.expect(turn);
        Ok(())
    }

    /// Holds the worst case of one more response, with its intent in the journal, as for any call.
    async fn pay(&self, wanted: Wanted, tag: Option<Tag>) -> Result<Turn, Refusal> {
        let paying = async {
            let (relay, now) = (&self.relay, self.relay.clock.now());
            self.caller.still_in_force(now)?;
            let request_id = relay.clock.request_id();
            let label = Label { request_id, started: Instant::now(), at: now, claim: None };
            let mut call = wire::realtime::call(Some(self.candidate.model().id.clone()), wanted.billable);
            call.keep_at(self.candidate.upstream().id.clone());
            let mut plan = intake::plan(relay, &self.caller, &call, now)?;
            let admitted = admit(relay, self.caller.clone(), &plan, &call, 0, relay.clock.moment()).await?;
            let mut hold = reserve(admitted, &mut plan, &mut call, label).await?;
            // Whoever waited for money gave its place at the provider up.
            hold.standing().at(relay, &plan.candidates()[0]).await?;
            relay.before_forwarding(hold.intent()).await?;
            let mut place = hold.standing().take().ok_or(Refusal::Internal)?;
            place.note_used(None);
            hold.mark_sent(&plan.candidates()[0]);
            Ok(Turn::new(hold, place, tag, wanted.is_tight))
        };
        let late = |_| Err(Refusal::Overloaded { retry_after: Duration::from_secs(1) });
        timeout(PAY_WAIT, paying).await.unwrap_or_else(late)
    }

    /// Passes on what the provider says, until it says no more.
    async fn hear_provider(&self, from: &mut SplitStream<Provider>) -> End {
        while let Some(message) = from.next().await {
            let end = match message {
                Ok(Message::Text(text)) => {
                    self.note_said(true);
                    self.provider_event(text).await
                }
                Ok(Message::Binary(_)) => Err(End::Broken),
                Ok(Message::Close(frame)) => Err(End::Provider(frame)),
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, upstream = %self.candidate.upstream().id, "a session broke");
                    Err(End::Broken)
                }
            };
            if let Err(end) = end {
                return end;
            }
        }
        End::Broken
    }

    /// One event of the provider.
    async fn provider_event(&self, mut text: Utf8Bytes) -> Result<(), End> {
        match wire::realtime::server_event(text.as_bytes()) {
            ServerEvent::Malformed => return Err(End::Broken),
            ServerEvent::Created { id } => self.begin(id).await?,
            ServerEvent::Done { id, usage, has_failed } => self.turns.end(id, usage, has_failed),
            ServerEvent::Error { event_id: Some((id, place)) } => {
                if self.turns.refuse(&id).is_some_and(|tag| tag.is_ours) {
                    text = wire::realtime::unnamed(&text, &place).into();
                }
            }
            ServerEvent::Delta => self.turns.deliver(),
            ServerEvent::Error { event_id: None } | ServerEvent::Other => {}
        }
        if let Some(intent) = self.turns.intent() {
            self.relay.before_answering(intent).await.map_err(End::Refused)?;
        }
        self.send_client(Message::Text(text)).await
    }

    /// A response began. One that nobody paid for is paid for now, before its client sees it, or given up.
    async fn begin(&self, id: Option<String>) -> Result<(), End> {
        if self.turns.begin(id.as_deref()) {
            return Ok(());
        }
        match self.pay(Wanted { billable: Context::anything(), is_tight: false }, None).await {
            Ok(turn) => {
                self.turns.expect(turn);
                self.turns.begin(id.as_deref());
                Ok(())
            }
            Err(refusal) => {
                tracing::error!(upstream = %self.candidate.upstream().id, response = id, "a response began that nobody paid for; it is cancelled, and what it cost is the operator's");
                let _gone = self.send_provider(cancel(id.as_deref())).await;
                Err(End::Refused(refusal))
            }
        }
    }

    /// Ends the session when its time has come.
    async fn watch(&self) -> End {
        let settings = &self.relay.settings;
        let timeouts = self.candidate.upstream().timeouts;
        let oldest = Instant::now() + settings.realtime_age_max;
        loop {
            let said = *self.said();
            let patience = timeouts.idle.max(timeouts.first_byte);
            let owed = self.turns.owed_since().map(|since| since.max(said.provider) + patience);
            let total = self.turns.oldest().map(|since| since + timeouts.total);
            let silent = owed.into_iter().chain(total).min();
            let idle = said.anybody + settings.realtime_idle_timeout;
            let due = silent.unwrap_or(idle).min(oldest);
            let now = Instant::now();
            if now >= oldest {
                return self.deliver_first(End::Old).await;
            }
            if now >= due {
                return if silent.is_some() { End::Silent } else { End::Idle };
            }
            // A response that begins meanwhile may be due earlier.
            tokio::select! {
                () = sleep_until(due.min(now + patience)) => {}
                () = self.relay.tasks.stopping() => return self.deliver_first(End::Stopping).await,
            }
        }
    }

    async fn send_client(&self, message: Message) -> Result<(), End> {
        // A client that takes nothing is given up below, by the socket's own patience.
        self.to_client.lock().await.send(message).await.map_err(|_| End::Client)
    }

    async fn send_provider(&self, message: Message) -> Result<(), End> {
        let patience = self.candidate.upstream().timeouts.idle;
        let sending = async { self.to_provider.lock().await.send(message).await };
        match timeout(patience, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Broken),
            Err(_) => Err(End::Silent),
        }
    }

    /// Tells the client that something was not done; the session goes on.
    async fn tell(&self, refusal: &Refusal, event_id: Option<&str>) -> Result<(), End> {
        self.relay.counts.refused(refusal);
        let event = wire::render::session_error(refusal, self.request_id.as_str(), event_id);
        self.send_client(Message::Text(event.into())).await
    }

    /// Tells the client why it is over, and waits a moment for it to see that.
    async fn leave_client(&self, end: &End, from: &mut SplitStream<Client>) {
        let leaving = async {
            if let Some(refusal) = end.refusal() {
                let _gone = self.tell(&refusal, None).await;
            }
            let _gone = self.send_client(Message::Close(end.close())).await;
            while let Some(Ok(_)) = from.next().await {}
        };
        let _late = timeout(CLOSE_WAIT, leaving).await;
    }

    /// Ends what is under way at the provider, learns what it cost, and says goodbye; says whether the provider did, too.
    async fn drain(&self, from: &mut SplitStream<Provider>) -> bool {
        let draining = async {
            for id in self.turns.running() {
                self.send_provider(cancel(id.as_deref())).await.ok()?;
            }
            let mut is_closing = false;
            loop {
                if !is_closing && !self.turns.is_busy() {
                    let close = Message::Close(Some(CloseFrame { code: 1000.into(), reason: "".into() }));
                    self.send_provider(close).await.ok()?;
                    is_closing = true;
                }
                match from.next().await? {
                    Ok(Message::Text(text)) => self.learn(&text).await,
                    Ok(Message::Close(_)) => return Some(()),
                    Ok(_) => {}
                    Err(Error::ConnectionClosed) if is_closing => return Some(()),
                    Err(_) => return None,
                }
            }
        };
        timeout(self.relay.settings.stream_drain, draining).await.is_ok_and(|said| said.is_some())
    }

    /// What an event means for the bill, when nobody is there to see it.
    async fn learn(&self, text: &Utf8Bytes) {
        match wire::realtime::server_event(text.as_bytes()) {
            ServerEvent::Created { id } => {
                if !self.turns.begin(id.as_deref()) {
                    tracing::error!(
                        response = id,
                        "a response began that nobody paid for; what it cost is the operator's"
                    );
                }
                let _gone = self.send_provider(cancel(id.as_deref())).await;
            }
            ServerEvent::Done { id, usage, has_failed } => self.turns.end(id, usage, has_failed),
            ServerEvent::Error { event_id: Some((id, _)) } => {
                self.turns.refuse(&id);
            }
            _ => {}
        }
    }
}

/// The event that gives a response up.
fn cancel(id: Option<&str>) -> Message {
    let event = match id {
        Some(id) => format!("{{\"type\":\"response.cancel\",\"response_id\":{}}}", serde_json::Value::from(id)),
        None => String::from("{\"type\":\"response.cancel\"}"),
    };
    Message::Text(event.into())
}

/// Whether a session goes on after a response that was refused: the next one may fit.
fn may_ask_again(refusal: &Refusal) -> bool {
    let is_money = matches!(refusal, Refusal::BudgetExhausted(_) | Refusal::WalletEmpty(_));
    !is_money && !matches!(refusal, Refusal::KeyRevoked | Refusal::KeyExpired | Refusal::TenantSuspended)
}
