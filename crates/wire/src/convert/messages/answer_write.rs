//! Writes an answer of messages, whole or event by event.

use super::super::build::Build;
use super::super::counts;
use super::super::node::is_object;
use super::super::problem;
use super::super::said::{Event, Finish, Names, Piece, Said};
use super::super::seal::Maker;
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
#[derive(Debug)]
pub(in super::super) struct Writer {
    names: Names,
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
    pub(in super::super) fn new(names: Names) -> Writer {
        Writer { names, has_begun: false, open: None, blocks: 0, calls: Vec::new(), finish: None, usage: None }
    }

    /// Adds what the client sees of one event.
    pub(in super::super) fn event(&mut self, event: Event, json: &mut Build) {
        match event {
            Event::Start { id, model } => self.begin(&id, &model, json),
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                let block = self.ensure(Block::Text, json);
                delta(block, "text_delta", "text", &text, json);
            }
            Event::Thinking { choice: 0, text } => {
                let block = self.ensure(Block::Thinking, json);
                delta(block, "thinking_delta", "thinking", &text, json);
            }
            Event::Signature { choice: 0, signature } => {
                let block = self.ensure(Block::Thinking, json);
                delta(block, "signature_delta", "signature", &signature.written(OWN), json);
                // The next thought has a seal of its own.
                self.close(json);
            }
            Event::Redacted { choice: 0, data } => {
                self.start(Block::Text, json, |json| {
                    json.texted("type", "redacted_thinking").texted("data", &data);
                });
                self.close(json);
            }
            Event::Call { choice: 0, id, name, signature, .. } => {
                if let Some(signature) = signature {
                    let block = self.start(Block::Thinking, json, |json| {
                        json.texted("type", "thinking").texted("thinking", "").texted("signature", "");
                    });
                    delta(block, "signature_delta", "signature", &signature.written(OWN), json);
                }
                let block = self.start(Block::Call, json, |json| {
                    json.texted("type", "tool_use").texted("id", &id).texted("name", &name);
                    json.key("input").begin_object().end_object();
                });
                self.calls.push(block);
            }
            Event::Arguments { choice: 0, call, text } => {
                if let Some(block) = self.calls.get(call) {
                    delta(*block, "input_json_delta", "partial_json", &text, json);
                }
            }
            Event::Finish { choice: 0, finish } => self.finish = Some(finish),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(problem) => {
                json.out.extend_from_slice(b"event: error\ndata: ");
                problem::write_anthropic(&problem, json);
                json.out.extend_from_slice(b"\n\n");
            }
            Event::End => self.end(json),
            // Of another choice, or without a place in this dialect.
            _ => {}
        }
    }

    fn begin(&mut self, id: &str, model: &str, json: &mut Build) {
        if core::mem::replace(&mut self.has_begun, true) {
            return;
        }
        open(json, "message_start");
        json.key("message");
        head(id, model, &self.names, json);
        json.key("content").begin_array().end_array().key("stop_reason").raw("null").key("stop_sequence").raw("null");
        // Most providers count at the end: the last event but one has it all.
        json.key("usage");
        counts::messages(&self.usage.unwrap_or_default(), json);
        json.end_object();
        finish_event(json);
    }

    /// The open block if it is of this kind, else a new one.
    fn ensure(&mut self, kind: Block, json: &mut Build) -> u64 {
        match self.open {
            Some((block, open)) if open == kind => block,
            _ => self.start(kind, json, |json| match kind {
                Block::Thinking => {
                    json.texted("type", "thinking").texted("thinking", "").texted("signature", "").done()
                }
                _ => json.texted("type", "text").texted("text", "").done(),
            }),
        }
    }

    fn start(&mut self, kind: Block, json: &mut Build, members: impl FnOnce(&mut Build)) -> u64 {
        self.begin("", "", json);
        self.close(json);
        let block = self.blocks;
        self.blocks += 1;
        self.open = Some((block, kind));
        open(json, "content_block_start");
        json.counted("index", block).key("content_block").begin_object();
        members(json);
        json.end_object();
        finish_event(json);
        block
    }

    fn close(&mut self, json: &mut Build) {
        if let Some((block, _)) = self.open.take() {
            open(json, "content_block_stop");
            json.counted("index", block);
            finish_event(json);
        }
    }

    fn end(&mut self, json: &mut Build) {
        self.begin("", "", json);
        self.close(json);
        open(json, "message_delta");
        json.key("delta").begin_object();
        stop(self.finish.as_ref(), json);
        json.end_object().key("usage");
        counts::messages(&self.usage.unwrap_or_default(), json);
        finish_event(json);
        open(json, "message_stop");
        finish_event(json);
    }
}

fn open(json: &mut Build, name: &str) {
    json.out.extend_from_slice(b"event: ");
    json.out.extend_from_slice(name.as_bytes());
    json.out.extend_from_slice(b"\ndata: ");
    json.begin_object().texted("type", name);
}

fn finish_event(json: &mut Build) {
    json.end_object();
    json.out.extend_from_slice(b"\n\n");
}

fn delta(block: u64, kind: &str, member: &str, text: &str, json: &mut Build) {
    open(json, "content_block_delta");
    json.counted("index", block).key("delta").begin_object();
    json.texted("type", kind).texted(member, text).end_object();
    finish_event(json);
}

fn head(id: &str, model: &str, names: &Names, json: &mut Build) {
    json.begin_object();
    match id {
        "" => json.texted("id", &format!("msg_{}", names.id)).done(),
        id => json.texted("id", id).done(),
    }
    json.texted("type", "message").texted("role", "assistant").texted("model", model);
}

/// Why it stopped.
fn stop(finish: Option<&Finish>, json: &mut Build) {
    let (reason, sequence) = match finish {
        None | Some(Finish::Stop) => ("end_turn", None),
        Some(Finish::Sequence(sequence)) => ("stop_sequence", sequence.as_deref()),
        Some(Finish::Length) => ("max_tokens", None),
        Some(Finish::Window) => ("model_context_window_exceeded", None),
        Some(Finish::Calls) => ("tool_use", None),
        Some(Finish::Pause) => ("pause_turn", None),
        Some(Finish::Filter | Finish::Refusal) => ("refusal", None),
    };
    json.texted("stop_reason", reason).key("stop_sequence");
    match sequence {
        Some(sequence) => json.text(sequence),
        None => json.raw("null"),
    };
}

/// A whole answer.
pub(in super::super) fn whole(said: &Said, names: &Names, json: &mut Build) {
    let choice = said.choices.first();
    head(&said.id, &said.model, names, json);
    json.key("content").begin_array();
    for piece in choice.into_iter().flat_map(|choice| &choice.pieces) {
        write_piece(piece, json);
    }
    json.end_array();
    stop(choice.and_then(|choice| choice.finish.as_ref()), json);
    json.key("usage");
    counts::messages(&said.usage.unwrap_or_default(), json);
    json.end_object();
}

fn write_piece(piece: &Piece, json: &mut Build) {
    match piece {
        Piece::Text(text) | Piece::Refusal(text) => {
            json.begin_object().texted("type", "text").texted("text", text).end_object();
        }
        Piece::Thinking { text, signature } => {
            let signature = signature.as_ref().map(|seal| seal.written(OWN));
            thinking(text, signature.as_deref().unwrap_or_default(), json);
        }
        Piece::Redacted(data) => {
            json.begin_object().texted("type", "redacted_thinking").texted("data", data).end_object();
        }
        Piece::Call { id, name, arguments, signature } => {
            if let Some(signature) = signature {
                thinking("", &signature.written(OWN), json);
            }
            json.begin_object().texted("type", "tool_use").texted("id", id).texted("name", name).key("input");
            match arguments.trim() {
                "" => json.raw("{}").done(),
                whole if is_object(whole) => json.raw(whole).done(),
                // What the model wrote is no JSON: it comes as a text, since an object must stand here.
                broken => json.begin_object().texted("invalid_json", broken).end_object().done(),
            }
            json.end_object();
        }
    }
}

fn thinking(text: &str, signature: &str, json: &mut Build) {
    json.begin_object().texted("type", "thinking").texted("thinking", text);
    json.texted("signature", signature).end_object();
}
