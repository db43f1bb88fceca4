//! Writes an answer of contents, whole or piece by piece: events, or the items of one array.

use super::super::build::Build;
use super::super::counts;
use super::super::node::{Node, is_object};
use super::super::problem;
use super::super::said::{Choice, Event, Finish, Names, Piece, Said};
use super::super::seal::{Maker, Seal};
use crate::usage::Usage;

/// Whose seals stand here as they are.
const OWN: Option<Maker> = Some(Maker::Google);

/// A call whose arguments are not whole yet: this dialect has no piece of a call.
#[derive(Debug, Default)]
struct Pending {
    id: String,
    name: String,
    arguments: String,
    signature: Option<Seal<'static>>,
}

/// Writes a stream.
#[derive(Debug)]
pub(in super::super) struct Writer {
    names: Names,
    is_array: bool,
    has_begun: bool,
    id: String,
    model: String,
    /// Of each choice.
    pending: Vec<Vec<Pending>>,
    finishes: Vec<Option<Finish>>,
    usage: Option<Usage>,
    /// Bytes of pending arguments.
    pub(in super::super) kept_bytes: usize,
}

impl Writer {
    pub(in super::super) fn new(names: Names, is_array: bool) -> Writer {
        Writer {
            names,
            is_array,
            has_begun: false,
            id: String::new(),
            model: String::new(),
            pending: Vec::new(),
            finishes: Vec::new(),
            usage: None,
            kept_bytes: 0,
        }
    }

    /// Adds what the client sees of one event.
    pub(in super::super) fn event(&mut self, event: Event, json: &mut Build) {
        match event {
            Event::Start { id, model } => (self.id, self.model) = (id, model),
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.part(choice, json, |json| json.texted("text", &text).done());
            }
            Event::Thinking { choice, text } => {
                self.part(choice, json, |json| json.texted("text", &text).key("thought").boolean(true).done());
            }
            Event::Signature { choice, signature } => self.part(choice, json, |json| {
                json.texted("text", "")
                    .key("thought")
                    .boolean(true)
                    .texted("thoughtSignature", &signature.written(OWN));
            }),
            Event::Call { choice, id, name, signature, .. } => {
                self.reserve(choice);
                let seal_bytes = signature.as_ref().map_or(0, Seal::bytes);
                self.kept_bytes += size_of::<Pending>() + id.len() + name.len() + seal_bytes;
                self.pending[choice].push(Pending { id, name, signature, ..Pending::default() });
            }
            Event::Arguments { choice, call, text } => {
                self.reserve(choice);
                self.kept_bytes += text.len();
                if let Some(pending) = self.pending[choice].get_mut(call) {
                    pending.arguments.push_str(&text);
                }
            }
            Event::Logprobs { choice, items } => {
                self.open(json);
                json.begin_object();
                logprobs(&items, json);
                json.counted("index", choice as u64).end_object();
                self.close(json);
            }
            Event::Finish { choice, finish } => {
                self.reserve(choice);
                self.finishes[choice] = Some(finish);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(problem) => {
                self.separate(json);
                problem::write_google(&problem, json);
                json.out.extend_from_slice(if self.is_array { b"\n]\n" } else { b"\n\n" });
            }
            Event::End => self.end(json),
            // What only its provider can read has no place here.
            Event::Redacted { .. } => {}
        }
    }

    fn reserve(&mut self, choice: usize) {
        while self.pending.len() <= choice {
            self.pending.push(Vec::new());
            self.finishes.push(None);
        }
    }

    /// What stands before an item. The comma of the builder would stand in the wrong place.
    fn separate(&mut self, json: &mut Build) {
        let before: &[u8] = match (self.is_array, self.has_begun) {
            (false, _) => b"data: ",
            (true, false) => b"[",
            (true, true) => b"\n, ",
        };
        json.out.extend_from_slice(before);
        self.has_begun = true;
    }

    fn open(&mut self, json: &mut Build) {
        self.separate(json);
        json.begin_object().key("candidates").begin_array();
    }

    fn close(&self, json: &mut Build) {
        json.end_array();
        tail(&self.id, &self.model, &self.names, json);
        json.end_object();
        if !self.is_array {
            json.out.extend_from_slice(b"\n\n");
        }
    }

    fn part(&mut self, choice: usize, json: &mut Build, members: impl FnOnce(&mut Build)) {
        self.open(json);
        json.begin_object().key("content").begin_object().key("parts").begin_array().begin_object();
        members(json);
        json.end_object().end_array().texted("role", "model").end_object();
        json.counted("index", choice as u64).end_object();
        self.close(json);
    }

    /// The calls, the reasons to finish, and the usage.
    fn end(&mut self, json: &mut Build) {
        self.reserve(0);
        self.separate(json);
        json.begin_object().key("candidates").begin_array();
        for (index, (calls, finish)) in self.pending.iter().zip(&self.finishes).enumerate() {
            json.begin_object().key("content").begin_object().key("parts").begin_array();
            for call in calls {
                write_call(&call.id, &call.name, &call.arguments, call.signature.as_ref(), json);
            }
            json.end_array().texted("role", "model").end_object();
            json.texted("finishReason", finish.as_ref().map_or("STOP", reason));
            json.counted("index", index as u64).end_object();
        }
        json.end_array();
        if let Some(usage) = &self.usage {
            json.key("usageMetadata");
            counts::gemini(usage, json);
        }
        tail(&self.id, &self.model, &self.names, json);
        json.end_object();
        json.out.extend_from_slice(if self.is_array { b"\n]\n" } else { b"\n\n" });
    }
}

fn tail(id: &str, model: &str, names: &Names, json: &mut Build) {
    json.texted("modelVersion", model).texted("responseId", if id.is_empty() { &names.id } else { id });
}

/// A whole answer.
pub(in super::super) fn whole(said: &Said, names: &Names, json: &mut Build) {
    json.begin_object().key("candidates").begin_array();
    for (index, choice) in said.choices.iter().enumerate() {
        json.begin_object().key("content").begin_object().key("parts").begin_array();
        parts(choice, json);
        json.end_array().texted("role", "model").end_object();
        json.texted("finishReason", choice.finish.as_ref().map_or("STOP", reason));
        if !choice.logprobs.is_empty() {
            logprobs(&choice.logprobs, json);
        }
        json.counted("index", index as u64).end_object();
    }
    json.end_array();
    if let Some(usage) = &said.usage {
        json.key("usageMetadata");
        counts::gemini(usage, json);
    }
    tail(&said.id, &said.model, names, json);
    json.end_object();
}

fn parts(choice: &Choice, json: &mut Build) {
    for piece in &choice.pieces {
        match piece {
            Piece::Text(text) | Piece::Refusal(text) => json.begin_object().texted("text", text).end_object().done(),
            Piece::Thinking { text, signature } => {
                json.begin_object().texted("text", text).key("thought").boolean(true);
                if let Some(signature) = signature {
                    json.texted("thoughtSignature", &signature.written(OWN));
                }
                json.end_object();
            }
            Piece::Redacted(_) => {}
            Piece::Call { id, name, arguments, signature } => {
                write_call(id, name, arguments, signature.as_ref(), json);
            }
        }
    }
}

fn write_call(id: &str, name: &str, arguments: &str, signature: Option<&Seal<'_>>, json: &mut Build) {
    json.begin_object().key("functionCall").begin_object().texted("id", id).texted("name", name).key("args");
    match arguments.trim() {
        "" => json.raw("{}").done(),
        whole if is_object(whole) => json.raw(whole).done(),
        // What the model wrote is no JSON: it comes as a text, since an object must stand here.
        broken => json.begin_object().texted("invalid_json", broken).end_object().done(),
    }
    json.end_object();
    if let Some(signature) = signature {
        json.texted("thoughtSignature", &signature.written(OWN));
    }
    json.end_object();
}

/// Chances of tokens, from the words of chats.
fn logprobs(items: &[String], json: &mut Build) {
    let items: Vec<Node<'_>> = items.iter().filter_map(|item| Node::parse(item.as_bytes())).collect();
    json.key("logprobsResult").begin_object().key("chosenCandidates").begin_array();
    items.iter().for_each(|item| chance(*item, json));
    json.end_array().key("topCandidates").begin_array();
    for item in &items {
        json.begin_object().key("candidates").begin_array();
        let top = item.get("top_logprobs").and_then(Node::items).unwrap_or_default();
        top.into_iter().for_each(|item| chance(item, json));
        json.end_array().end_object();
    }
    json.end_array().end_object();
}

fn chance(item: Node<'_>, json: &mut Build) {
    json.begin_object().texted("token", &item.text_of("token").unwrap_or_default());
    json.key("logProbability").raw(item.get("logprob").and_then(Node::number).unwrap_or("0")).end_object();
}

const fn reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Sequence(_) | Finish::Pause | Finish::Calls => "STOP",
        Finish::Length | Finish::Window => "MAX_TOKENS",
        Finish::Filter | Finish::Refusal => "SAFETY",
    }
}
