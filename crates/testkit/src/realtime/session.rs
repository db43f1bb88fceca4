//! One session: events in, events out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::note_event;
use super::response::{Active, Heard};
use crate::fault::{Directives, Fault};
use crate::service::Shared;
use crate::tokens::{MESSAGE_TOKENS, PRIMER_TOKENS, count_tokens};
use crate::truth::{Bill, Labels};

/// Bytes of audio that make a token: 48,000 a second, and 10 tokens.
const AUDIO_BYTES_PER_TOKEN: u64 = 4_800;
/// So many zeros in a piece of audio are the silence after a turn.
const SILENCE_BYTES: usize = 200;

/// Numbers the responses of a process.
static RESPONSES: AtomicU64 = AtomicU64::new(1);

pub(super) struct Session {
    shared: Arc<Shared>,
    labels: Labels,
    wishes: Directives,
    socket: WebSocketStream<TokioIo<Upgraded>>,
    /// The conversation so far.
    heard: Heard,
    /// Audio that is not part of the conversation yet.
    buffered_bytes: u64,
    hears_turns: bool,
    is_spoken: bool,
    active: Option<Active>,
    ready: VecDeque<Value>,
    items: u64,
}

/// The session is over.
struct Over;

impl Session {
    pub(super) fn new(
        shared: Arc<Shared>,
        labels: Labels,
        wishes: Directives,
        socket: WebSocketStream<TokioIo<Upgraded>>,
    ) -> Session {
        Session {
            shared,
            labels,
            wishes,
            socket,
            heard: Heard { text: PRIMER_TOKENS, audio: 0 },
            buffered_bytes: 0,
            hears_turns: true,
            is_spoken: true,
            active: None,
            ready: VecDeque::new(),
            items: 0,
        }
    }

    pub(super) async fn run(mut self) {
        self.say("session.created", json!({ "session": self.settings() }));
        while self.step().await.is_ok() {}
    }

    async fn step(&mut self) -> Result<(), Over> {
        while let Some(event) = self.ready.pop_front() {
            self.socket.send(Message::Text(event.to_string().into())).await.map_err(|_| Over)?;
        }
        let latency = self.wishes.chunk_latency.unwrap_or(self.shared.options.chunk_latency);
        tokio::select! {
            biased;
            () = tokio::time::sleep(latency), if self.is_producing() => self.produce(),
            message = self.socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    note_event(&self.shared, &text);
                    self.hear(&text);
                    Ok(())
                }
                // Answered by the next look at the socket.
                Some(Ok(Message::Close(_))) => {
                    let _flushed = self.socket.flush().await;
                    Err(Over)
                }
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => Err(Over),
            },
        }
    }

    fn is_producing(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.fault != Fault::NeverAnswer)
    }

    fn say(&mut self, kind: &str, more: Value) {
        let mut event =
            json!({ "type": kind, "event_id": format!("event_{}", RESPONSES.fetch_add(1, Ordering::Relaxed)) });
        for (name, value) in more.as_object().into_iter().flatten() {
            event[name] = value.clone();
        }
        self.ready.push_back(event);
    }

    fn error(&mut self, event: &Value, code: &str, message: &str) {
        let error = json!({
            "type": "invalid_request_error", "code": code, "message": message, "param": null, "event_id": event["event_id"],
        });
        self.say("error", json!({ "error": error }));
    }

    fn settings(&self) -> Value {
        let turns = if self.hears_turns { json!({ "type": "server_vad" }) } else { Value::Null };
        json!({
            "type": "realtime", "object": "realtime.session", "id": "sess_1", "model": self.labels.model,
            "output_modalities": [if self.is_spoken { "audio" } else { "text" }],
            "audio": { "input": { "turn_detection": turns } },
        })
    }

    fn hear(&mut self, text: &str) {
        let Ok(event) = serde_json::from_str::<Value>(text) else {
            return self.error(&Value::Null, "invalid_event", "This is not JSON.");
        };
        match event["type"].as_str().unwrap_or_default() {
            "session.update" => self.update(&event["session"]),
            "conversation.item.create" => {
                let contents = event["item"]["content"].as_array().cloned().unwrap_or_default();
                let texts = contents.iter().filter_map(|part| part["text"].as_str()).map(count_tokens).sum::<u64>();
                let audio = contents.iter().filter_map(|part| part["audio"].as_str()).map(bytes_of);
                let audio = audio.map(|bytes| (bytes.len() as u64).div_ceil(AUDIO_BYTES_PER_TOKEN)).sum::<u64>();
                self.heard.text += MESSAGE_TOKENS + texts;
                self.heard.audio += audio;
                self.add_item(event["item"].clone());
            }
            "input_audio_buffer.append" => {
                let bytes = bytes_of(event["audio"].as_str().unwrap_or_default());
                let mut heard = 0;
                // Each turn is answered; whoever speaks again interrupts the answer.
                let ends = if self.hears_turns { turn_ends(&bytes) } else { Vec::new() };
                for end in ends {
                    self.buffered_bytes += (end - heard) as u64;
                    heard = end;
                    self.say("input_audio_buffer.speech_stopped", json!({ "audio_end_ms": 1 }));
                    self.commit();
                    self.give_up();
                    self.begin(&Value::Null);
                }
                self.buffered_bytes += (bytes.len() - heard) as u64;
            }
            "input_audio_buffer.commit" if self.buffered_bytes == 0 => {
                self.error(&event, "input_audio_buffer_commit_empty", "There is no audio.");
            }
            "input_audio_buffer.commit" => self.commit(),
            "input_audio_buffer.clear" => {
                self.buffered_bytes = 0;
                self.say("input_audio_buffer.cleared", Value::Null);
            }
            "response.create" if self.active.is_some() => {
                let message = "Conversation already has an active response in progress.";
                self.error(&event, "conversation_already_has_active_response", message);
            }
            "response.create" => self.begin(&event["response"]),
            "response.cancel" if self.active.is_none() => {
                self.error(&event, "response_cancel_not_active", "There is no active response.");
            }
            "response.cancel" => self.give_up(),
            _ => self.error(&event, "invalid_value", "Such an event is not known."),
        }
    }

    fn update(&mut self, session: &Value) {
        let set = [session.get("turn_detection"), session.pointer("/audio/input/turn_detection")];
        if let Some(turns) = set.into_iter().flatten().next() {
            self.hears_turns = !turns.is_null();
        }
        if let Some(modalities) = session["output_modalities"].as_array() {
            self.is_spoken = modalities.iter().any(|one| one == "audio");
        }
        self.heard.text += count_tokens(session["instructions"].as_str().unwrap_or_default());
        self.say("session.updated", json!({ "session": self.settings() }));
    }

    fn add_item(&mut self, item: Value) {
        self.items += 1;
        let mut item = if item.is_object() { item } else { json!({ "type": "message", "role": "user" }) };
        item["id"] = json!(format!("item_{}", self.items));
        self.say("conversation.item.added", json!({ "previous_item_id": null, "item": item }));
        self.say("conversation.item.done", json!({ "previous_item_id": null, "item": item }));
    }

    fn commit(&mut self) {
        self.heard.audio += self.buffered_bytes.div_ceil(AUDIO_BYTES_PER_TOKEN);
        self.heard.text += MESSAGE_TOKENS;
        self.buffered_bytes = 0;
        self.say("input_audio_buffer.committed", json!({ "previous_item_id": null, "item_id": "item_audio" }));
        self.add_item(Value::Null);
    }

    /// Starts a response: from here on the prompt is owed.
    fn begin(&mut self, response: &Value) {
        let scripted = self.shared.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let fault = scripted.or(self.wishes.fault.clone()).unwrap_or_default();
        let id = format!("resp_{}", RESPONSES.fetch_add(1, Ordering::Relaxed));
        let percent = u64::from(self.shared.options.cached_percent);
        let cached = Heard { text: self.heard.text * percent / 100, audio: self.heard.audio * percent / 100 };
        let bill = Bill::open(&self.shared.books, self.labels.clone());
        let fails = matches!(fault, Fault::Status { .. });
        let mut active = Active::new(id, fault, self.heard, cached, self.is_spoken, bill);
        self.say("response.created", json!({ "response": active.object("in_progress") }));
        if fails {
            return self.ready.push_back(active.done("failed"));
        }
        let limit = [&response["max_output_tokens"], &response["max_response_output_tokens"]];
        let limit = limit.into_iter().find_map(Value::as_u64);
        active.begin(self.wishes.output_tokens.unwrap_or(self.shared.options.output_tokens), limit);
        self.active = Some(active);
    }

    fn give_up(&mut self) {
        if let Some(active) = self.active.take() {
            self.end(active, "cancelled");
        }
    }

    fn end(&mut self, active: Active, status: &str) {
        self.heard.text += active.said.text;
        self.heard.audio += active.said.audio;
        self.ready.push_back(active.done(status));
        self.say("rate_limits.updated", json!({ "rate_limits": [] }));
    }

    /// The next word of the response under way.
    fn produce(&mut self) -> Result<(), Over> {
        let Some(mut active) = self.active.take() else { return Ok(()) };
        if let Fault::CloseMidStream { after_events } = active.fault
            && active.words() >= u64::from(after_events)
        {
            return Err(Over);
        }
        match active.next() {
            Some(events) => {
                self.ready.extend(events);
                self.active = Some(active);
            }
            None if matches!(active.fault, Fault::MissingDone { .. }) => {
                // Nothing more is heard of it, and nothing else.
                active.fault = Fault::NeverAnswer;
                self.active = Some(active);
            }
            None => self.end(active, "completed"),
        }
        Ok(())
    }
}

/// Where the silences end that end a turn.
fn turn_ends(audio: &[u8]) -> Vec<usize> {
    let (mut ends, mut silent, mut is_turn) = (Vec::new(), 0, false);
    for (place, byte) in audio.iter().enumerate() {
        silent = if *byte == 0 { silent + 1 } else { 0 };
        is_turn |= *byte != 0;
        if is_turn && silent == SILENCE_BYTES {
            ends.push(place + 1);
            is_turn = false;
        }
    }
    ends
}

fn bytes_of(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap_or_default()
}
