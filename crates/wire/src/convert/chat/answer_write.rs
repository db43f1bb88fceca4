//! Writes an answer of chat completions, whole or event by event.

use super::super::build::Build;
use super::super::counts;
use super::super::problem;
use super::super::said::{Choice, Event, Finish, Names, Piece, Said};
use super::super::seal::{Maker, Seal, mark_redacted};
use crate::usage::Usage;

/// How far a choice is.
#[derive(Debug, Default)]
struct Progress {
    has_begun: bool,
    /// Thoughts so far, and whether the last one goes on.
    thoughts: usize,
    is_thinking: bool,
}

/// Writes a stream.
#[derive(Debug)]
pub(in super::super) struct Writer {
    names: Names,
    wants_usage: bool,
    id: String,
    model: String,
    choices: Vec<Progress>,
    usage: Option<Usage>,
}

impl Writer {
    pub(in super::super) fn new(names: Names, wants_usage: bool) -> Writer {
        Writer { names, wants_usage, id: String::new(), model: String::new(), choices: Vec::new(), usage: None }
    }

    /// Adds what the client sees of one event.
    pub(in super::super) fn event(&mut self, event: Event, json: &mut Build) {
        match event {
            Event::Start { id, model } => {
                (self.id, self.model) = (id, model);
                self.begin(0, json);
            }
            Event::Text { choice, text } => {
                self.delta(choice, json, |json| json.texted("content", &text).done());
            }
            Event::Refusal { choice, text } => {
                self.delta(choice, json, |json| json.texted("refusal", &text).done());
            }
            Event::Thinking { choice, text } => self.think(choice, json, |index, json| {
                json.texted("reasoning_content", &text).key("reasoning_details").begin_array();
                detail(index, Some(&text), None, json);
                json.end_array();
            }),
            Event::Signature { choice, signature } => {
                self.think(choice, json, |index, json| {
                    json.key("reasoning_details").begin_array();
                    detail(index, None, Some(&signature), json);
                    json.end_array();
                });
                self.of(choice).is_thinking = false;
            }
            Event::Redacted { choice, data } => {
                self.of(choice).is_thinking = false;
                self.think(choice, json, |index, json| {
                    json.key("reasoning_details").begin_array();
                    encrypted(index, &data, json);
                    json.end_array();
                });
                self.of(choice).is_thinking = false;
            }
            Event::Call { choice, call, id, name, signature } => self.delta(choice, json, |json| {
                json.key("tool_calls").begin_array().begin_object().counted("index", call as u64);
                write_call(&id, &name, "", signature.as_ref(), json);
                json.end_object().end_array();
            }),
            Event::Arguments { choice, call, text } => self.delta(choice, json, |json| {
                json.key("tool_calls").begin_array().begin_object().counted("index", call as u64);
                json.key("function").begin_object().texted("arguments", &text).end_object();
                json.end_object().end_array();
            }),
            Event::Logprobs { choice, items } => self.chunk(choice, json, |json| {
                json.key("delta").begin_object().end_object();
                write_logprobs(&items, json);
                json.key("finish_reason").raw("null");
            }),
            Event::Finish { choice, finish } => self.chunk(choice, json, |json| {
                json.key("delta").begin_object().end_object().texted("finish_reason", reason(&finish));
            }),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(problem) => {
                json.out.extend_from_slice(b"data: ");
                problem::write_openai(&problem, json);
                json.out.extend_from_slice(b"\n\n");
            }
            Event::End => self.end(json),
        }
    }

    fn of(&mut self, choice: usize) -> &mut Progress {
        while self.choices.len() <= choice {
            self.choices.push(Progress::default());
        }
        &mut self.choices[choice]
    }

    fn begin(&mut self, choice: usize, json: &mut Build) {
        if !core::mem::replace(&mut self.of(choice).has_begun, true) {
            self.open(json);
            json.begin_object().counted("index", choice as u64).key("delta").begin_object();
            json.texted("role", "assistant").texted("content", "").end_object().key("finish_reason").raw("null");
            json.end_object();
            close(json);
        }
    }

    /// A piece of a thought, with the number of the thought: SDKs put pieces of one number together.
    fn think(&mut self, choice: usize, json: &mut Build, members: impl FnOnce(usize, &mut Build)) {
        let progress = self.of(choice);
        progress.thoughts += usize::from(!progress.is_thinking);
        let index = progress.thoughts - 1;
        self.delta(choice, json, |json| members(index, json));
        self.of(choice).is_thinking = true;
    }

    fn delta(&mut self, choice: usize, json: &mut Build, members: impl FnOnce(&mut Build)) {
        self.of(choice).is_thinking = false;
        self.chunk(choice, json, |json| {
            json.key("delta").begin_object();
            members(json);
            json.end_object().key("finish_reason").raw("null");
        });
    }

    fn chunk(&mut self, choice: usize, json: &mut Build, members: impl FnOnce(&mut Build)) {
        self.begin(choice, json);
        self.open(json);
        json.begin_object().counted("index", choice as u64);
        members(json);
        json.end_object();
        close(json);
    }

    fn open(&self, json: &mut Build) {
        json.out.extend_from_slice(b"data: ");
        head(&self.id, &self.model, &self.names, "chat.completion.chunk", json);
        json.key("choices").begin_array();
    }

    fn end(&mut self, json: &mut Build) {
        if let (true, Some(usage)) = (self.wants_usage, &self.usage) {
            json.out.extend_from_slice(b"data: ");
            head(&self.id, &self.model, &self.names, "chat.completion.chunk", json);
            json.key("choices").begin_array().end_array().key("usage");
            counts::chat(usage, json);
            json.end_object();
            json.out.extend_from_slice(b"\n\n");
        }
        json.out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

fn close(json: &mut Build) {
    json.end_array().end_object();
    json.out.extend_from_slice(b"\n\n");
}

fn head(id: &str, model: &str, names: &Names, object: &str, json: &mut Build) {
    json.begin_object();
    match id {
        "" => json.texted("id", &format!("chatcmpl-{}", names.id)).done(),
        id => json.texted("id", id).done(),
    }
    json.texted("object", object).key("created").raw(&names.created.to_string()).texted("model", model);
}

/// A whole answer.
pub(in super::super) fn whole(said: &Said, names: &Names, json: &mut Build) {
    head(&said.id, &said.model, names, "chat.completion", json);
    json.key("choices").begin_array();
    for (index, choice) in said.choices.iter().enumerate() {
        json.begin_object().counted("index", index as u64).key("message");
        message(choice, json);
        if !choice.logprobs.is_empty() {
            write_logprobs(&choice.logprobs, json);
        }
        json.texted("finish_reason", choice.finish.as_ref().map_or("stop", reason)).end_object();
    }
    json.end_array();
    if let Some(usage) = &said.usage {
        json.key("usage");
        counts::chat(usage, json);
    }
    json.end_object();
}

fn message(choice: &Choice, json: &mut Build) {
    let (mut text, mut refusal, mut thinking) = (None::<String>, None::<String>, None::<String>);
    for piece in &choice.pieces {
        match piece {
            Piece::Text(more) => text.get_or_insert_default().push_str(more),
            Piece::Refusal(more) => refusal.get_or_insert_default().push_str(more),
            Piece::Thinking { text: more, .. } => thinking.get_or_insert_default().push_str(more),
            Piece::Redacted(_) | Piece::Call { .. } => {}
        }
    }
    let optional = |name, text: Option<String>, json: &mut Build| match text {
        Some(text) => json.texted(name, &text).done(),
        None => json.key(name).raw("null").done(),
    };
    json.begin_object().texted("role", "assistant");
    optional("content", text, json);
    optional("refusal", refusal, json);
    if let Some(thinking) = thinking.filter(|thinking| !thinking.is_empty()) {
        json.texted("reasoning_content", &thinking);
    }
    let is_thought = |piece: &&Piece| matches!(piece, Piece::Thinking { .. } | Piece::Redacted(_));
    if choice.pieces.iter().any(|piece| is_thought(&piece)) {
        json.key("reasoning_details").begin_array();
        for (index, piece) in choice.pieces.iter().filter(is_thought).enumerate() {
            match piece {
                Piece::Redacted(data) => encrypted(index, data, json),
                Piece::Thinking { text, signature } => detail(index, Some(text), signature.as_ref(), json),
                _ => {}
            }
        }
        json.end_array();
    }
    if choice.pieces.iter().any(|piece| matches!(piece, Piece::Call { .. })) {
        json.key("tool_calls").begin_array();
        for piece in &choice.pieces {
            if let Piece::Call { id, name, arguments, signature } = piece {
                json.begin_object();
                write_call(id, name, arguments, signature.as_ref(), json);
                json.end_object();
            }
        }
        json.end_array();
    }
    json.end_object();
}

/// The members of a call. A seal stands where Google's own service for this dialect puts it.
fn write_call(id: &str, name: &str, arguments: &str, signature: Option<&Seal<'_>>, json: &mut Build) {
    json.texted("id", id).texted("type", "function").key("function").begin_object();
    json.texted("name", name).texted("arguments", arguments).end_object();
    if let Some(signature) = signature {
        json.key("extra_content").begin_object().key("google").begin_object();
        json.texted("thought_signature", &signature.written(Some(Maker::Google))).end_object().end_object();
    }
}

/// Thinking with its seal, as OpenRouter writes it: nobody else has a place for the seal.
fn detail(index: usize, text: Option<&str>, signature: Option<&Seal<'_>>, json: &mut Build) {
    json.begin_object().texted("type", "reasoning.text").counted("index", index as u64);
    if let Some(text) = text {
        json.texted("text", text);
    }
    if let Some(signature) = signature {
        json.texted("signature", &signature.written(None));
    }
    json.end_object();
}

fn encrypted(index: usize, data: &str, json: &mut Build) {
    json.begin_object().texted("type", "reasoning.encrypted").counted("index", index as u64);
    json.texted("data", &mark_redacted(data)).end_object();
}

fn write_logprobs(items: &[String], json: &mut Build) {
    json.key("logprobs").begin_object().key("content").begin_array();
    items.iter().for_each(|item| json.raw(item).done());
    json.end_array().key("refusal").raw("null").end_object();
}

const fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) | Finish::Pause => "stop",
        Finish::Length | Finish::Window => "length",
        Finish::Calls => "tool_calls",
        Finish::Filter | Finish::Refusal => "content_filter",
    }
}
