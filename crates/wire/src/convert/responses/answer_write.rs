//! Writes a response, whole or event by event. Its stream says everything twice, piece by piece and whole, so that the whole
//! is kept.

use super::super::build::Build;
use super::super::counts;
use super::super::problem;
use super::super::said::{Event, Finish, Names, Piece, Said};
use super::super::seal::{Seal, mark_redacted};
use super::items::{Item, summary, written};
use crate::usage::Usage;

/// Writes a stream.
#[derive(Debug)]
pub(in super::super) struct Writer {
    head: Head,
    has_begun: bool,
    /// The number of the next event.
    sequence: u64,
    items: Vec<Item>,
    /// The last item is not done yet.
    is_open: bool,
    /// The item of each call, and whether it is done.
    calls: Vec<usize>,
    finish: Option<Finish>,
    usage: Option<Usage>,
    pub(in super::super) kept_bytes: usize,
}

/// What every mention of the response begins with.
#[derive(Debug)]
struct Head {
    id: String,
    model: String,
    created: i64,
}

impl Head {
    fn new(id: &str, model: &str, names: &Names) -> Head {
        let id = if id.is_empty() { format!("resp_{}", names.id) } else { id.to_owned() };
        Head { id, model: model.to_owned(), created: names.created }
    }

    /// A response with its output and how it ended.
    fn write(&self, items: &[Item], end: Option<(&Option<Finish>, Option<&Usage>)>, json: &mut Build) {
        let status = match end {
            None => "in_progress",
            Some((Some(Finish::Length | Finish::Window | Finish::Filter | Finish::Refusal), _)) => "incomplete",
            Some(_) => "completed",
        };
        json.begin_object().texted("id", &self.id).texted("object", "response");
        json.key("created_at").raw(&self.created.to_string()).texted("status", status).key("error").raw("null");
        json.key("incomplete_details");
        match end {
            Some((Some(Finish::Length | Finish::Window), _)) => {
                json.begin_object().texted("reason", "max_output_tokens").end_object();
            }
            Some((Some(Finish::Filter | Finish::Refusal), _)) => {
                json.begin_object().texted("reason", "content_filter").end_object();
            }
            _ => json.raw("null").done(),
        }
        json.key("instructions").raw("null").key("metadata").begin_object().end_object();
        json.texted("model", &self.model).key("output").begin_array();
        for (index, item) in items.iter().enumerate() {
            item.write(&item.id(&self.id, index), true, json);
        }
        json.end_array().key("parallel_tool_calls").boolean(true).key("temperature").raw("null");
        json.texted("tool_choice", "auto").key("tools").begin_array().end_array().key("top_p").raw("null");
        json.key("usage");
        match end.and_then(|(_, usage)| usage) {
            Some(usage) => counts::responses(usage, json),
            None => json.raw("null").done(),
        }
        json.end_object();
    }
}

impl Writer {
    pub(in super::super) fn new(names: &Names) -> Writer {
        Writer {
            head: Head::new("", "", names),
            has_begun: false,
            sequence: 0,
            items: Vec::new(),
            is_open: false,
            calls: Vec::new(),
            finish: None,
            usage: None,
            kept_bytes: 0,
        }
    }

    /// Adds what the client sees of one event.
    pub(in super::super) fn event(&mut self, event: Event, json: &mut Build) {
        match event {
            Event::Start { id, model } => {
                if !id.is_empty() {
                    self.head.id = id;
                }
                self.head.model = model;
                self.begin(json);
            }
            Event::Text { choice: 0, text } => self.say(&text, false, json),
            Event::Refusal { choice: 0, text } => self.say(&text, true, json),
            Event::Thinking { choice: 0, text } => self.think(&text, json),
            Event::Signature { choice: 0, signature } => self.seal(&signature, json),
            Event::Redacted { choice: 0, data } => {
                self.start(Item::Reasoning { text: String::new(), seal: Some(mark_redacted(&data)) }, json);
                self.close(json);
            }
            Event::Call { choice: 0, id, name, signature, .. } => {
                if let Some(seal) = signature {
                    self.start(Item::sealed(&seal), json);
                }
                let index = self.start(Item::Call { id, name, arguments: String::new() }, json);
                self.calls.push(index);
            }
            Event::Arguments { choice: 0, call, text } => self.argue(call, &text, json),
            Event::Logprobs { choice: 0, items } => {
                if let Some(Item::Message { logprobs, .. }) = self.items.last_mut() {
                    self.kept_bytes += items.iter().map(String::len).sum::<usize>();
                    logprobs.extend(items);
                }
            }
            Event::Finish { choice: 0, finish } => self.finish = Some(finish),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(problem) => {
                self.open("error", json);
                let code = problem.code.as_deref().unwrap_or("server_error");
                json.texted("code", code).texted("message", &problem.message).key("param").raw("null");
                let mut error = Build::default();
                problem::write_openai(&problem, &mut error);
                // SDKs look for this object.
                let inner = error.take();
                let inner = inner.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or_default();
                json.separate();
                json.out.extend_from_slice(inner);
                close_event(json);
            }
            Event::End => self.end(json),
            // Of another choice, which cannot be asked for.
            _ => {}
        }
    }

    fn open(&mut self, name: &str, json: &mut Build) {
        json.out.extend_from_slice(b"event: ");
        json.out.extend_from_slice(name.as_bytes());
        json.out.extend_from_slice(b"\ndata: ");
        json.begin_object().texted("type", name).counted("sequence_number", self.sequence);
        self.sequence += 1;
    }

    fn begin(&mut self, json: &mut Build) {
        if core::mem::replace(&mut self.has_begun, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            self.open(name, json);
            json.key("response");
            self.head.write(&[], None, json);
            close_event(json);
        }
    }

    /// Begins an item and gives its place.
    fn start(&mut self, item: Item, json: &mut Build) -> usize {
        self.begin(json);
        self.close(json);
        self.kept_bytes += size_of::<Item>() + item.text_bytes();
        let index = self.items.len();
        self.open("response.output_item.added", json);
        json.counted("output_index", index as u64).key("item");
        item.write(&item.id(&self.head.id, index), false, json);
        close_event(json);
        self.items.push(item);
        self.is_open = true;
        index
    }

    /// Opens an event about the last item.
    fn open_last(&mut self, name: &str, json: &mut Build) {
        let index = self.items.len().saturating_sub(1);
        self.open_item(name, index, json);
    }

    fn open_item(&mut self, name: &str, index: usize, json: &mut Build) {
        self.open(name, json);
        let id = self.items.get(index).map(|item| item.id(&self.head.id, index)).unwrap_or_default();
        json.texted("item_id", &id).counted("output_index", index as u64);
    }

    fn say(&mut self, more: &str, is_refusal: bool, json: &mut Build) {
        let is_same = |item: &Item| matches!(item, Item::Message { is_refusal: known, .. } if *known == is_refusal);
        if !(self.is_open && self.items.last().is_some_and(is_same)) {
            let item = Item::Message { text: String::new(), is_refusal, logprobs: Vec::new() };
            self.start(item.clone(), json);
            self.open_last("response.content_part.added", json);
            json.counted("content_index", 0).key("part");
            item.write_part(json);
            close_event(json);
        }
        self.kept_bytes += more.len();
        if let Some(Item::Message { text, .. }) = self.items.last_mut() {
            text.push_str(more);
        }
        self.open_last(if is_refusal { "response.refusal.delta" } else { "response.output_text.delta" }, json);
        json.counted("content_index", 0).texted("delta", more);
        if !is_refusal {
            json.key("logprobs").begin_array().end_array();
        }
        close_event(json);
    }

    fn think(&mut self, more: &str, json: &mut Build) {
        if !(self.is_open && matches!(self.items.last(), Some(Item::Reasoning { seal: None, .. }))) {
            self.start(Item::Reasoning { text: String::new(), seal: None }, json);
            self.open_last("response.reasoning_summary_part.added", json);
            json.counted("summary_index", 0).key("part");
            summary("", json);
            close_event(json);
        }
        self.kept_bytes += more.len();
        if let Some(Item::Reasoning { text, .. }) = self.items.last_mut() {
            text.push_str(more);
        }
        self.open_last("response.reasoning_summary_text.delta", json);
        json.counted("summary_index", 0).texted("delta", more);
        close_event(json);
    }

    fn seal(&mut self, signature: &Seal<'_>, json: &mut Build) {
        let signature = written(signature);
        match self.items.last_mut() {
            Some(Item::Reasoning { seal: seal @ None, .. }) if self.is_open => {
                self.kept_bytes += signature.len();
                *seal = Some(signature);
            }
            _ => drop(self.start(Item::Reasoning { text: String::new(), seal: Some(signature) }, json)),
        }
        self.close(json);
    }

    fn argue(&mut self, call: usize, more: &str, json: &mut Build) {
        let Some(&index) = self.calls.get(call) else { return };
        self.kept_bytes += more.len();
        if let Some(Item::Call { arguments, .. }) = self.items.get_mut(index) {
            arguments.push_str(more);
        }
        self.open_item("response.function_call_arguments.delta", index, json);
        json.texted("delta", more);
        close_event(json);
    }

    /// The last item is done.
    fn close(&mut self, json: &mut Build) {
        if !core::mem::take(&mut self.is_open) {
            return;
        }
        let index = self.items.len() - 1;
        match self.items[index].clone() {
            Item::Message { text, is_refusal, .. } => {
                let name = if is_refusal { "response.refusal.done" } else { "response.output_text.done" };
                self.open_last(name, json);
                json.counted("content_index", 0).texted(if is_refusal { "refusal" } else { "text" }, &text);
                if !is_refusal {
                    json.key("logprobs").begin_array().end_array();
                }
                close_event(json);
                self.open_last("response.content_part.done", json);
                json.counted("content_index", 0).key("part");
                self.items[index].write_part(json);
                close_event(json);
            }
            Item::Reasoning { text, .. } if !text.is_empty() => {
                self.open_last("response.reasoning_summary_text.done", json);
                json.counted("summary_index", 0).texted("text", &text);
                close_event(json);
                self.open_last("response.reasoning_summary_part.done", json);
                json.counted("summary_index", 0).key("part");
                summary(&text, json);
                close_event(json);
            }
            Item::Reasoning { .. } => {}
            Item::Call { name, arguments, .. } => {
                self.open_last("response.function_call_arguments.done", json);
                json.texted("name", &name).texted("arguments", &arguments);
                close_event(json);
            }
        }
        self.open("response.output_item.done", json);
        json.counted("output_index", index as u64).key("item");
        let item = &self.items[index];
        item.write(&item.id(&self.head.id, index), true, json);
        close_event(json);
    }

    fn end(&mut self, json: &mut Build) {
        self.begin(json);
        self.close(json);
        let is_incomplete =
            matches!(self.finish, Some(Finish::Length | Finish::Window | Finish::Filter | Finish::Refusal));
        self.open(if is_incomplete { "response.incomplete" } else { "response.completed" }, json);
        json.key("response");
        self.head.write(&self.items, Some((&self.finish, self.usage.as_ref())), json);
        close_event(json);
    }
}

fn close_event(json: &mut Build) {
    json.end_object();
    json.out.extend_from_slice(b"\n\n");
}

/// A whole response.
pub(in super::super) fn whole(said: &Said, names: &Names, json: &mut Build) {
    let choice = said.choices.first();
    let mut items = Vec::new();
    for piece in choice.into_iter().flat_map(|choice| choice.pieces.iter().cloned()) {
        match piece {
            Piece::Text(text) => items.push(Item::Message { text, is_refusal: false, logprobs: Vec::new() }),
            Piece::Refusal(text) => items.push(Item::Message { text, is_refusal: true, logprobs: Vec::new() }),
            Piece::Thinking { text, signature } => {
                items.push(Item::Reasoning { text, seal: signature.as_ref().map(written) });
            }
            Piece::Redacted(data) => {
                items.push(Item::Reasoning { text: String::new(), seal: Some(mark_redacted(&data)) });
            }
            Piece::Call { id, name, arguments, signature } => {
                items.extend(signature.as_ref().map(Item::sealed));
                items.push(Item::Call { id, name, arguments });
            }
        }
    }
    let chances = choice.map(|choice| choice.logprobs.clone()).unwrap_or_default();
    let message = items.iter_mut().rev().find(|item| matches!(item, Item::Message { .. }));
    if let Some(Item::Message { logprobs, .. }) = message {
        *logprobs = chances;
    }
    let finish = choice.and_then(|choice| choice.finish.clone());
    Head::new(&said.id, &said.model, names).write(&items, Some((&finish, said.usage.as_ref())), json);
}
