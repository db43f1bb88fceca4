//! Writes an answer of Cohere's chats, whole or event by event.

use super::super::build::Build;
use super::super::counts;
use super::super::said::{Event, Finish, Names, Piece, Said};
use crate::usage::Usage;

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text(u64),
    Thinking(u64),
    Call(usize),
}

/// Writes a stream. Of several choices only the first is written; more cannot be asked for.
#[derive(Debug)]
pub(in super::super) struct Writer {
    names: Names,
    id: String,
    has_begun: bool,
    open: Option<Open>,
    /// Contents so far.
    contents: u64,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Writer {
    pub(in super::super) fn new(names: Names) -> Writer {
        Writer { names, id: String::new(), has_begun: false, open: None, contents: 0, finish: None, usage: None }
    }

    /// Adds what the client sees of one event.
    pub(in super::super) fn event(&mut self, event: Event, json: &mut Build) {
        match event {
            Event::Start { id, .. } => {
                self.id = id;
                self.begin(json);
            }
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => self.add(false, &text, json),
            Event::Thinking { choice: 0, text } => self.add(true, &text, json),
            Event::Call { choice: 0, call, id, name, .. } => {
                self.begin(json);
                self.close(json);
                self.open = Some(Open::Call(call));
                event_of("tool-call-start", call as u64, json, |json| {
                    json.key("tool_calls").begin_object();
                    write_call(&id, &name, "", json);
                    json.end_object();
                });
            }
            Event::Arguments { choice: 0, call, text } => {
                event_of("tool-call-delta", call as u64, json, |json| {
                    json.key("tool_calls").begin_object().key("function").begin_object();
                    json.texted("arguments", &text).end_object().end_object();
                });
            }
            Event::Finish { choice: 0, finish } => self.finish = Some(finish),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(problem) => {
                open("message-end", json);
                json.texted("id", &self.names.id).key("delta").begin_object().texted("finish_reason", "ERROR");
                json.texted("error", &problem.message).end_object();
                close_event(json);
            }
            Event::End => self.end(json),
            // Of another choice, or a seal, which has no place in this dialect.
            _ => {}
        }
    }

    fn begin(&mut self, json: &mut Build) {
        if core::mem::replace(&mut self.has_begun, true) {
            return;
        }
        open("message-start", json);
        json.texted("id", if self.id.is_empty() { &self.names.id } else { &self.id });
        json.key("delta").begin_object().key("message").begin_object().texted("role", "assistant");
        for name in ["content", "tool_calls", "citations"] {
            json.key(name).begin_array().end_array();
        }
        json.texted("tool_plan", "").end_object().end_object();
        close_event(json);
    }

    /// Adds to the content of this kind, which may have to begin.
    fn add(&mut self, is_thinking: bool, text: &str, json: &mut Build) {
        let kind = if is_thinking { "thinking" } else { "text" };
        let index = match (is_thinking, self.open) {
            (true, Some(Open::Thinking(index))) | (false, Some(Open::Text(index))) => index,
            _ => {
                self.begin(json);
                self.close(json);
                let index = self.contents;
                self.contents += 1;
                self.open = Some(if is_thinking { Open::Thinking(index) } else { Open::Text(index) });
                event_of("content-start", index, json, |json| {
                    json.key("content").begin_object().texted("type", kind).texted(kind, "").end_object();
                });
                index
            }
        };
        event_of("content-delta", index, json, |json| {
            json.key("content").begin_object().texted(kind, text).end_object();
        });
    }

    fn close(&mut self, json: &mut Build) {
        let (name, index) = match self.open.take() {
            None => return,
            Some(Open::Text(index) | Open::Thinking(index)) => ("content-end", index),
            Some(Open::Call(call)) => ("tool-call-end", call as u64),
        };
        open(name, json);
        json.counted("index", index);
        close_event(json);
    }

    fn end(&mut self, json: &mut Build) {
        self.begin(json);
        self.close(json);
        open("message-end", json);
        json.key("delta").begin_object().texted("finish_reason", reason(self.finish.as_ref()));
        if let Some(usage) = &self.usage {
            json.key("usage");
            counts::cohere(usage, json);
        }
        json.end_object();
        close_event(json);
        json.out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

fn open(name: &str, json: &mut Build) {
    json.out.extend_from_slice(b"event: ");
    json.out.extend_from_slice(name.as_bytes());
    json.out.extend_from_slice(b"\ndata: ");
    json.begin_object().texted("type", name);
}

fn close_event(json: &mut Build) {
    json.end_object();
    json.out.extend_from_slice(b"\n\n");
}

/// One event about the message.
fn event_of(name: &str, index: u64, json: &mut Build, members: impl FnOnce(&mut Build)) {
    open(name, json);
    json.counted("index", index).key("delta").begin_object().key("message").begin_object();
    members(json);
    json.end_object().end_object();
    close_event(json);
}

fn write_call(id: &str, name: &str, arguments: &str, json: &mut Build) {
    json.texted("id", id).texted("type", "function").key("function").begin_object();
    json.texted("name", name).texted("arguments", arguments).end_object();
}

const fn reason(finish: Option<&Finish>) -> &'static str {
    match finish {
        None | Some(Finish::Stop | Finish::Pause) => "COMPLETE",
        Some(Finish::Sequence(_)) => "STOP_SEQUENCE",
        Some(Finish::Length | Finish::Window) => "MAX_TOKENS",
        // There is no word for a filter; this one says at least that the text is not all.
        Some(Finish::Filter | Finish::Refusal) => "ERROR",
        Some(Finish::Calls) => "TOOL_CALL",
    }
}

/// A whole answer.
pub(in super::super) fn whole(said: &Said, names: &Names, json: &mut Build) {
    let pieces = || said.choices.first().into_iter().flat_map(|choice| &choice.pieces);
    json.begin_object().texted("id", if said.id.is_empty() { &names.id } else { &said.id });
    json.texted("finish_reason", reason(said.choices.first().and_then(|choice| choice.finish.as_ref())));
    json.key("message").begin_object().texted("role", "assistant").key("content").begin_array();
    for piece in pieces() {
        match piece {
            Piece::Text(text) | Piece::Refusal(text) => {
                json.begin_object().texted("type", "text").texted("text", text).end_object();
            }
            Piece::Thinking { text, .. } if !text.is_empty() => {
                json.begin_object().texted("type", "thinking").texted("thinking", text).end_object();
            }
            _ => {}
        }
    }
    json.end_array();
    if pieces().any(|piece| matches!(piece, Piece::Call { .. })) {
        json.key("tool_calls").begin_array();
        for piece in pieces() {
            if let Piece::Call { id, name, arguments, .. } = piece {
                json.begin_object();
                write_call(id, name, arguments, json);
                json.end_object();
            }
        }
        json.end_array();
    }
    json.end_object();
    if let Some(usage) = &said.usage {
        json.key("usage");
        counts::cohere(usage, json);
    }
    json.end_object();
}
