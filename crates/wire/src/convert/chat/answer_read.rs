//! Reads an answer of chat completions, whole or event by event.

use std::borrow::Cow;

use super::super::counts;
use super::super::node::Node;
use super::super::problem;
use super::super::said::{CHOICES_MAX, Event, Finish};
use super::super::seal::{Maker, Seal, redacted};
use crate::dialect::Endpoint;
use crate::usage::Usage;

/// Most tool calls of one choice that are told apart.
const CALLS_MAX: usize = 1024;

/// A call that has begun.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The provider's number of it, where it has one.
    index: Option<u64>,
    /// A sum of its id.
    id: u32,
}

/// What is known between events.
#[derive(Debug, Default)]
pub(in super::super) struct Reader {
    has_begun: bool,
    /// The calls of each choice, in the order of their beginnings.
    calls: Vec<Vec<Known>>,
    usage: Option<Usage>,
}

impl Reader {
    /// A whole answer; `None` when it is none.
    pub(in super::super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        body.get("choices")?.items()?;
        self.chunk(body, events)?;
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::End);
        Some(())
    }

    /// The data of one event; `None` when it is not what the dialect says.
    pub(in super::super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        if data.trim_ascii() == b"[DONE]" {
            events.push(Event::End);
            return Some(());
        }
        let node = Node::parse(data)?;
        if let Some(error) = node.get("error") {
            events.push(Event::Problem(problem::openai(error, 0)));
            return Some(());
        }
        let before = self.usage;
        self.chunk(node, events)?;
        events.extend(self.usage.filter(|usage| Some(*usage) != before).map(Event::Usage));
        Some(())
    }

    fn chunk(&mut self, node: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let members = node.members()?;
        let text_of = |wanted: &str| members.iter().find(|(name, _)| name == wanted).and_then(|(_, node)| node.text());
        if !self.has_begun {
            // Azure's first event has results of filters, and no name.
            let (id, model) = (text_of("id").unwrap_or_default(), text_of("model").unwrap_or_default());
            self.has_begun = !id.is_empty() || !model.is_empty();
            if self.has_begun {
                events.push(Event::Start { id: id.into_owned(), model: model.into_owned() });
            }
        }
        for (name, value) in &members {
            match &**name {
                "choices" => {
                    for (place, choice) in value.items()?.into_iter().enumerate() {
                        self.choice(choice, place, events)?;
                    }
                }
                "usage" => self.usage = counts::read(Endpoint::ChatCompletions, *value).or(self.usage),
                "x_groq" => {
                    let usage = value.get("usage").and_then(|usage| counts::read(Endpoint::ChatCompletions, usage));
                    self.usage = self.usage.or(usage);
                }
                _ => {}
            }
        }
        Some(())
    }

    fn choice(&mut self, node: Node<'_>, place: usize, events: &mut Vec<Event>) -> Option<()> {
        let members = node.members()?;
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, node)| *node);
        let choice = get("index").and_then(Node::count).map_or(place, |index| index as usize);
        if choice >= CHOICES_MAX {
            return None;
        }
        if let Some(delta) = get("delta").or_else(|| get("message")) {
            self.delta(delta, choice, events)?;
        }
        if let Some(content) = get("logprobs").and_then(|logprobs| logprobs.get("content")) {
            let items: Vec<String> = content.items()?.iter().map(|item| item.raw().to_owned()).collect();
            if !items.is_empty() {
                events.push(Event::Logprobs { choice, items });
            }
        }
        if let Some(reason) = get("finish_reason").and_then(Node::text).filter(|reason| !reason.is_empty()) {
            // Some servers say of every answer that it just stopped.
            let has_calls = self.calls.get(choice).is_some_and(|calls| !calls.is_empty());
            events.push(match finish(&reason) {
                Some(Finish::Stop) if has_calls => Event::Finish { choice, finish: Finish::Calls },
                Some(finish) => Event::Finish { choice, finish },
                None => Event::Problem(match get("error") {
                    Some(error) => problem::openai(error, 0),
                    None => problem::unclean(&reason),
                }),
            });
        }
        Some(())
    }

    fn delta(&mut self, delta: Node<'_>, choice: usize, events: &mut Vec<Event>) -> Option<()> {
        let members = delta.members()?;
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, node)| *node);
        // Some servers send the same reasoning under two or three names.
        match get("reasoning_details").and_then(Node::items).filter(|details| !details.is_empty()) {
            Some(details) => details.into_iter().for_each(|detail| thought(detail, choice, events)),
            None => {
                let plain = ["reasoning_content", "reasoning"].into_iter().filter_map(|name| get(name)?.text());
                if let Some(text) = plain.into_iter().find(|text| !text.is_empty()) {
                    events.push(Event::Thinking { choice, text: text.into_owned() });
                }
            }
        }
        if let Some(content) = get("content") {
            texts(content, choice, events)?;
        }
        if let Some(text) = get("refusal").and_then(Node::text).filter(|text| !text.is_empty()) {
            events.push(Event::Refusal { choice, text: text.into_owned() });
        }
        if let Some(calls) = get("tool_calls") {
            for call in calls.items()? {
                self.call(call, choice, events)?;
            }
        }
        Some(())
    }

    /// The beginning of a call, or more of its arguments. Some servers do not number them, and some give all of them one
    /// number: what tells them apart then is that each begins with an id or a name.
    fn call(&mut self, node: Node<'_>, choice: usize, events: &mut Vec<Event>) -> Option<()> {
        while self.calls.len() <= choice {
            self.calls.push(Vec::new());
        }
        let calls = &mut self.calls[choice];
        let id = node.text_of("id").filter(|id| !id.is_empty());
        let function = node.get("function");
        let name = function.and_then(|function| function.text_of("name")).filter(|name| !name.is_empty());
        let index = node.get("index").and_then(Node::count);
        let sum = id.as_ref().map(|id| crc32fast::hash(id.as_bytes()));
        // The last one of a number, and where there are no numbers the last one.
        let last = calls.iter().rposition(|known| index.is_none() || known.index == index);
        let goes_on = last.filter(|last| {
            let is_other = sum.is_some_and(|sum| sum != calls[*last].id);
            if index.is_some() { !(is_other && name.is_some()) } else { !is_other && name.is_none() }
        });
        let call = match goes_on {
            Some(call) => call,
            None if calls.len() >= CALLS_MAX => return None,
            None => {
                calls.push(Known { index, id: sum.unwrap_or_default() });
                let call = calls.len() - 1;
                let name = name.unwrap_or_default().into_owned();
                let extra = node.get("extra_content").and_then(|extra| extra.get("google"));
                let seal = extra.and_then(|google| google.text_of("thought_signature"));
                let signature = seal.and_then(|seal| Seal::read(seal, Some(Maker::Google))).map(Seal::into_owned);
                let id = id.map_or_else(|| format!("call_{choice}_{call}"), Into::into);
                events.push(Event::Call { choice, call, id, name, signature });
                call
            }
        };
        let arguments = function.and_then(|function| function.get("arguments"));
        let text = arguments.map(|node| node.text().map_or_else(|| node.raw().to_owned(), Into::into));
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            events.push(Event::Arguments { choice, call, text });
        }
        Some(())
    }
}

/// A text, or what Mistral sends in its place: pieces that are texts or thinking.
fn texts(content: Node<'_>, choice: usize, events: &mut Vec<Event>) -> Option<()> {
    if let Some(text) = content.text() {
        if !text.is_empty() {
            events.push(Event::Text { choice, text: text.into_owned() });
        }
        return Some(());
    }
    for item in content.items()? {
        if let Some(thinking) = item.get("thinking") {
            let pieces = thinking.items().unwrap_or_default();
            let texts = pieces.iter().filter_map(|piece| piece.text_of("text")).chain(thinking.text());
            events.extend(texts.map(|text| Event::Thinking { choice, text: text.into_owned() }));
        } else if let Some(text) = item.text_of("text") {
            events.push(Event::Text { choice, text: text.into_owned() });
        }
    }
    Some(())
}

/// A piece of thinking as OpenRouter writes it.
fn thought(detail: Node<'_>, choice: usize, events: &mut Vec<Event>) {
    if let Some(data) = redacted_of(detail) {
        return events.push(Event::Redacted { choice, data: data.into_owned() });
    }
    let text = detail.text_of("text").or_else(|| detail.text_of("summary")).filter(|text| !text.is_empty());
    events.extend(text.map(|text| Event::Thinking { choice, text: text.into_owned() }));
    let seal = seal_of(detail).map(Seal::into_owned);
    events.extend(seal.map(|signature| Event::Signature { choice, signature }));
}

/// The maker that a piece of thinking names by its form.
fn maker_of(detail: Node<'_>) -> Option<Maker> {
    let format = detail.text_of("format")?;
    let makers = [("anthropic-", Maker::Anthropic), ("google-", Maker::Google), ("openai-", Maker::Openai)];
    makers.into_iter().find(|(start, _)| format.starts_with(start)).map(|(_, maker)| maker)
}

/// Anthropic's thinking that only it can read.
pub(in super::super) fn redacted_of(detail: Node<'_>) -> Option<Cow<'_, str>> {
    let data = detail.text_of("data")?;
    redacted(&data).or_else(|| (maker_of(detail) == Some(Maker::Anthropic)).then_some(data))
}

/// The seal of a thought: with its text, or, as `data`, without.
pub(in super::super) fn seal_of(detail: Node<'_>) -> Option<Seal<'_>> {
    let text = detail.text_of("signature").or_else(|| detail.text_of("data"))?;
    Seal::read(text, maker_of(detail))
}

/// Why a choice ended; `None` where the provider could not go on.
fn finish(reason: &str) -> Option<Finish> {
    Some(match reason {
        "length" => Finish::Length,
        "model_length" => Finish::Window,
        "tool_calls" | "function_call" => Finish::Calls,
        "content_filter" => Finish::Filter,
        // OpenRouter's and Mistral's word, DeepSeek's, and those of servers that gave up.
        "error" | "insufficient_system_resource" | "abort" | "aborted" => return None,
        _ => Finish::Stop,
    })
}
