//! Reads a response, whole or event by event. Of what its stream says twice the pieces are taken, and the whole where no
//! piece came.

use super::super::counts;
use super::super::node::Node;
use super::super::problem;
use super::super::said::{Event, Finish, Problem};
use super::super::seal::{Maker, Seal, redacted};
use crate::dialect::Endpoint;

/// What is known between events.
#[derive(Debug, Default)]
pub(in super::super) struct Reader {
    has_begun: bool,
    /// Numbers of the items that are calls.
    calls: Vec<u64>,
    /// Numbers of the items of which a piece came.
    begun: Vec<u64>,
    /// The model refused, in words.
    has_refused: bool,
}

/// Most items of a response that are told apart.
const ITEMS_MAX: usize = 4096;

impl Reader {
    /// A whole answer; `None` when it is none.
    pub(in super::super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let output = body.get("output")?.items()?;
        if let Some(problem) = failure(body) {
            events.push(Event::Problem(problem));
            return Some(());
        }
        self.start(body, events);
        for (index, item) in output.into_iter().enumerate() {
            self.item(item, index as u64, events)?;
        }
        self.end(body, events);
        Some(())
    }

    /// The data of one event; `None` when it is not what the dialect says.
    pub(in super::super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let node = Node::parse(data)?;
        let index = node.get("output_index").and_then(Node::count).unwrap_or(0);
        let delta = || node.text_of("delta").filter(|delta| !delta.is_empty()).map(|delta| delta.into_owned());
        let choice = 0;
        match &*node.text_of("type")? {
            "response.created" => self.start(node.get("response")?, events),
            "response.output_item.added" => {
                let item = node.get("item")?;
                if item.text_of("type").as_deref() == Some("function_call") {
                    self.call(item, index, events)?;
                }
            }
            "response.output_text.delta" => {
                self.note(index)?;
                events.extend(delta().map(|text| Event::Text { choice, text }));
                let chances = node.get("logprobs").and_then(Node::items).unwrap_or_default();
                let items: Vec<String> = chances.iter().map(|item| item.raw().to_owned()).collect();
                events.extend((!items.is_empty()).then_some(Event::Logprobs { choice, items }));
            }
            "response.refusal.delta" => {
                self.note(index)?;
                self.has_refused = true;
                events.extend(delta().map(|text| Event::Refusal { choice, text }));
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.note(index)?;
                events.extend(delta().map(|text| Event::Thinking { choice, text }));
            }
            "response.function_call_arguments.delta" => {
                self.note(index)?;
                let call = self.calls.iter().position(|known| *known == index)?;
                events.extend(delta().map(|text| Event::Arguments { choice, call, text }));
            }
            "response.output_item.done" => self.item(node.get("item")?, index, events)?,
            "response.completed" | "response.incomplete" => {
                let response = node.get("response")?;
                self.start(response, events);
                self.end(response, events);
            }
            "response.failed" | "response.cancelled" => {
                let problem = node.get("response").and_then(failure);
                events.push(Event::Problem(problem.unwrap_or_else(|| problem::openai(node, 0))));
            }
            "error" => events.push(Event::Problem(problem::openai(node.get("error").unwrap_or(node), 0))),
            _ => {}
        }
        Some(())
    }

    fn start(&mut self, response: Node<'_>, events: &mut Vec<Event>) {
        if !core::mem::replace(&mut self.has_begun, true) {
            let text_of = |name: &str| response.text_of(name).unwrap_or_default().into_owned();
            events.push(Event::Start { id: text_of("id"), model: text_of("model") });
        }
    }

    /// A piece of an item came.
    fn note(&mut self, index: u64) -> Option<()> {
        if !self.begun.contains(&index) {
            self.begun.push(index);
        }
        (self.begun.len() <= ITEMS_MAX).then_some(())
    }

    fn call(&mut self, item: Node<'_>, index: u64, events: &mut Vec<Event>) -> Option<usize> {
        if let Some(call) = self.calls.iter().position(|known| *known == index) {
            return Some(call);
        }
        if self.calls.len() >= ITEMS_MAX {
            return None;
        }
        let call = self.calls.len();
        self.calls.push(index);
        let text_of = |name: &str| item.text_of(name).unwrap_or_default().into_owned();
        let (id, name) = (text_of("call_id"), text_of("name"));
        events.push(Event::Call { choice: 0, call, id, name, signature: None });
        Some(call)
    }

    /// A whole item, less what came in pieces.
    fn item(&mut self, item: Node<'_>, index: u64, events: &mut Vec<Event>) -> Option<()> {
        let is_said = self.begun.contains(&index);
        let choice = 0;
        let pieces = |name: &str| item.get(name).and_then(Node::items).unwrap_or_default();
        match &*item.text_of("type")? {
            "message" if !is_said => {
                for part in pieces("content") {
                    let text_of = |name: &str| part.text_of(name).filter(|text| !text.is_empty());
                    events.extend(text_of("text").map(|text| Event::Text { choice, text: text.into_owned() }));
                    let refusal = text_of("refusal");
                    self.has_refused |= refusal.is_some();
                    events.extend(refusal.map(|text| Event::Refusal { choice, text: text.into_owned() }));
                    let chances = part.get("logprobs").and_then(Node::items).unwrap_or_default();
                    let items: Vec<String> = chances.iter().map(|item| item.raw().to_owned()).collect();
                    events.extend((!items.is_empty()).then_some(Event::Logprobs { choice, items }));
                }
            }
            "reasoning" => {
                if !is_said {
                    for piece in pieces("summary").into_iter().chain(pieces("content")) {
                        let text = piece.text_of("text").filter(|text| !text.is_empty());
                        events.extend(text.map(|text| Event::Thinking { choice, text: text.into_owned() }));
                    }
                }
                let seal = item.text_of("encrypted_content").unwrap_or_default();
                match redacted(&seal) {
                    Some(data) => events.push(Event::Redacted { choice, data: data.into_owned() }),
                    None => {
                        let seal = Seal::read(seal, Some(Maker::Openai));
                        events.extend(seal.map(|seal| Event::Signature { choice, signature: seal.into_owned() }));
                    }
                }
            }
            "function_call" => {
                let call = self.call(item, index, events)?;
                let text = item.text_of("arguments").filter(|text| !text.is_empty() && !is_said);
                events.extend(text.map(|text| Event::Arguments { choice, call, text: text.into_owned() }));
            }
            // Messages that came in pieces, and what tools of the provider's did.
            _ => {}
        }
        Some(())
    }

    fn end(&self, response: Node<'_>, events: &mut Vec<Event>) {
        let reason = response.get("incomplete_details").and_then(|details| details.text_of("reason"));
        let finish = match reason.as_deref() {
            Some("content_filter") => Finish::Filter,
            Some(_) => Finish::Length,
            None if self.has_refused => Finish::Refusal,
            None if !self.calls.is_empty() => Finish::Calls,
            None => Finish::Stop,
        };
        events.push(Event::Finish { choice: 0, finish });
        let usage = response.get("usage").and_then(|usage| counts::read(Endpoint::Responses, usage));
        events.extend(usage.map(Event::Usage));
        events.push(Event::End);
    }
}

/// What went wrong with a response that is no answer.
fn failure(response: Node<'_>) -> Option<Problem> {
    let status = response.text_of("status");
    match (status.as_deref(), response.get("error")) {
        (Some("completed" | "incomplete"), _) => None,
        (_, Some(error)) => Some(problem::openai(error, 0)),
        (Some(status @ ("failed" | "cancelled")), None) => Some(problem::unclean(status)),
        _ => None,
    }
}
