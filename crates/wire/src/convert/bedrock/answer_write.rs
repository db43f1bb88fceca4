//! Writes an answer of Converse, whole or event by event: each event is a frame.

use super::super::build::Build;
use super::super::counts;
use super::super::node::is_object;
use super::super::problem;
use super::super::said::{Event, Finish, Piece, Said};
use super::super::seal::{Maker, Seal};
use crate::frames;
use crate::usage::Usage;

/// Whose seals stand here as they are.
const OWN: Option<Maker> = Some(Maker::Anthropic);

/// What the open block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    Call,
}

/// Writes a stream. Of several choices only the first is written; more cannot be asked for.
#[derive(Debug, Default)]
pub(in super::super) struct Writer {
    has_begun: bool,
    /// Number and kind of the open block.
    open: Option<(u64, Block)>,
    blocks: u64,
    /// The block of each call.
    calls: Vec<u64>,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Writer {
    /// Adds what the client sees of one event.
    pub(in super::super) fn event(&mut self, event: Event, json: &mut Build) {
        match event {
            Event::Start { .. } => self.begin(json),
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                let block = self.ensure(Block::Text, json);
                delta(block, json, |json| json.texted("text", &text).done());
            }
            Event::Thinking { choice: 0, text } => self.think("text", &text, json),
            Event::Signature { choice: 0, signature } => {
                self.think("signature", &signature.written(OWN), json);
                // The next thought has a seal of its own.
                self.close(json);
            }
            Event::Redacted { choice: 0, data } => {
                self.close(json);
                self.think("redactedContent", &data, json);
                self.close(json);
            }
            Event::Call { choice: 0, id, name, signature, .. } => {
                if let Some(signature) = signature {
                    self.close(json);
                    self.think("signature", &signature.written(OWN), json);
                }
                let block = self.start(Block::Call, json);
                frame("contentBlockStart", json, |json| {
                    json.counted("contentBlockIndex", block).key("start").begin_object().key("toolUse").begin_object();
                    json.texted("toolUseId", &id).texted("name", &name).end_object().end_object();
                });
                self.calls.push(block);
            }
            Event::Arguments { choice: 0, call, text } => {
                if let Some(block) = self.calls.get(call) {
                    delta(*block, json, |json| {
                        json.key("toolUse").begin_object().texted("input", &text).end_object();
                    });
                }
            }
            Event::Finish { choice: 0, finish } => self.finish = Some(finish),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(problem) => {
                let mut payload = Build::default();
                problem::write_bedrock(&problem, &mut payload);
                json.out.extend_from_slice(&frames::exception(problem::bedrock_exception(&problem), &payload.take()));
            }
            Event::End => self.end(json),
            // Of another choice, or without a place in this dialect.
            _ => {}
        }
    }

    fn begin(&mut self, json: &mut Build) {
        if !core::mem::replace(&mut self.has_begun, true) {
            frame("messageStart", json, |json| json.texted("role", "assistant").done());
        }
    }

    /// The open block if it is of this kind, else a new one. Only calls say that they begin.
    fn ensure(&mut self, kind: Block, json: &mut Build) -> u64 {
        match self.open {
            Some((block, open)) if open == kind => block,
            _ => self.start(kind, json),
        }
    }

    fn start(&mut self, kind: Block, json: &mut Build) -> u64 {
        self.begin(json);
        self.close(json);
        let block = self.blocks;
        self.blocks += 1;
        self.open = Some((block, kind));
        block
    }

    fn think(&mut self, member: &str, text: &str, json: &mut Build) {
        let block = self.ensure(Block::Thinking, json);
        delta(block, json, |json| {
            json.key("reasoningContent").begin_object().texted(member, text).end_object();
        });
    }

    fn close(&mut self, json: &mut Build) {
        if let Some((block, _)) = self.open.take() {
            frame("contentBlockStop", json, |json| json.counted("contentBlockIndex", block).done());
        }
    }

    fn end(&mut self, json: &mut Build) {
        self.begin(json);
        self.close(json);
        let reason = stop(self.finish.as_ref());
        frame("messageStop", json, |json| json.texted("stopReason", reason).done());
        frame("metadata", json, |json| {
            json.key("usage");
            counts::bedrock(&self.usage.unwrap_or_default(), json);
            metrics(json);
        });
    }
}

fn frame(kind: &str, json: &mut Build, members: impl FnOnce(&mut Build)) {
    let mut payload = Build::new();
    payload.begin_object();
    members(&mut payload);
    payload.end_object();
    json.out.extend_from_slice(&frames::event(kind, &payload.take()));
}

fn delta(block: u64, json: &mut Build, members: impl FnOnce(&mut Build)) {
    frame("contentBlockDelta", json, |json| {
        json.counted("contentBlockIndex", block).key("delta").begin_object();
        members(json);
        json.end_object();
    });
}

/// Some SDKs want a time here; nobody measures it.
fn metrics(json: &mut Build) {
    json.key("metrics").begin_object().counted("latencyMs", 0).end_object();
}

const fn stop(finish: Option<&Finish>) -> &'static str {
    match finish {
        None | Some(Finish::Stop | Finish::Pause) => "end_turn",
        Some(Finish::Sequence(_)) => "stop_sequence",
        Some(Finish::Length) => "max_tokens",
        Some(Finish::Window) => "model_context_window_exceeded",
        Some(Finish::Calls) => "tool_use",
        Some(Finish::Filter | Finish::Refusal) => "content_filtered",
    }
}

/// A whole answer.
pub(in super::super) fn whole(said: &Said, json: &mut Build) {
    let choice = said.choices.first();
    json.begin_object().key("output").begin_object().key("message").begin_object().texted("role", "assistant");
    json.key("content").begin_array();
    for piece in choice.into_iter().flat_map(|choice| &choice.pieces) {
        write_piece(piece, json);
    }
    json.end_array().end_object().end_object();
    json.texted("stopReason", stop(choice.and_then(|choice| choice.finish.as_ref()))).key("usage");
    counts::bedrock(&said.usage.unwrap_or_default(), json);
    metrics(json);
    json.end_object();
}

fn write_piece(piece: &Piece, json: &mut Build) {
    match piece {
        Piece::Text(text) | Piece::Refusal(text) => json.begin_object().texted("text", text).end_object().done(),
        Piece::Thinking { text, signature } => thought(text, signature.as_ref(), json),
        Piece::Redacted(data) => {
            json.begin_object().key("reasoningContent").begin_object().texted("redactedContent", data);
            json.end_object().end_object();
        }
        Piece::Call { id, name, arguments, signature } => {
            if let Some(signature) = signature {
                thought("", Some(signature), json);
            }
            json.begin_object().key("toolUse").begin_object().texted("toolUseId", id).texted("name", name);
            json.key("input");
            match arguments.trim() {
                "" => json.raw("{}").done(),
                whole if is_object(whole) => json.raw(whole).done(),
                // What the model wrote is no JSON: it comes as a text, since an object must stand here.
                broken => json.begin_object().texted("invalid_json", broken).end_object().done(),
            }
            json.end_object().end_object();
        }
    }
}

fn thought(text: &str, signature: Option<&Seal<'_>>, json: &mut Build) {
    json.begin_object().key("reasoningContent").begin_object().key("reasoningText").begin_object();
    json.texted("text", text);
    if let Some(signature) = signature {
        json.texted("signature", &signature.written(OWN));
    }
    json.end_object().end_object().end_object();
}
