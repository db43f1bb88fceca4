//! Reads an answer of Converse, whole or event by event. It names neither itself nor its model.

use super::super::counts;
use super::super::node::Node;
use super::super::problem;
use super::super::said::{Event, Finish, Names, Problem};
use super::super::seal::{Maker, Seal};
use crate::dialect::Endpoint;

/// Most tool calls that are told apart.
const CALLS_MAX: usize = 1024;

/// What is known between events.
#[derive(Debug)]
pub(in super::super) struct Reader {
    model: String,
    has_begun: bool,
    calls: usize,
    /// The call whose block is open, and whether it has arguments.
    open: Option<(usize, bool)>,
}

impl Reader {
    pub(in super::super) fn new(names: &Names) -> Reader {
        Reader { model: names.model.clone(), has_begun: false, calls: 0, open: None }
    }

    /// A whole answer; `None` when it is none.
    pub(in super::super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let content = body.get("output")?.get("message")?.get("content")?.items()?;
        self.start(events);
        for block in content {
            self.block(block, events)?;
        }
        stop(body, events);
        usage(body, events);
        events.push(Event::End);
        Some(())
    }

    /// The payload of one event, which shows by its members what it is; `None` when it is not what the dialect says.
    pub(in super::super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let members = Node::parse(data)?.members()?;
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, node)| *node);
        if let Some(start) = get("start") {
            self.start(events);
            if let Some(call) = start.get("toolUse") {
                self.call(call, events)?;
            }
        } else if let Some(delta) = get("delta") {
            self.start(events);
            self.delta(delta, events);
        } else if get("role").is_some() {
            self.start(events);
        } else if get("stopReason").is_some() {
            stop(Node::parse(data)?, events);
        } else if get("usage").is_some() {
            usage(Node::parse(data)?, events);
            events.push(Event::End);
        } else if get("contentBlockIndex").is_some() {
            self.close(events);
        }
        Some(())
    }

    fn start(&mut self, events: &mut Vec<Event>) {
        if !core::mem::replace(&mut self.has_begun, true) {
            events.push(Event::Start { id: String::new(), model: self.model.clone() });
        }
    }

    fn block(&mut self, block: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        for (name, value) in block.members()? {
            match &*name {
                "text" => text(value, events),
                "toolUse" => {
                    if let Some(call) = self.call(value, events)? {
                        let input = value.get("input").map_or("{}", Node::raw);
                        events.push(Event::Arguments { choice: 0, call, text: input.to_owned() });
                        self.open = None;
                    }
                }
                "reasoningContent" => reasoning(value.get("reasoningText").unwrap_or(value), events),
                "citationsContent" => {
                    let pieces = value.get("content").and_then(Node::items).unwrap_or_default();
                    pieces.into_iter().filter_map(|piece| piece.get("text")).for_each(|piece| text(piece, events));
                }
                // What tools of the provider's did; none can be asked for through a translation.
                _ => {}
            }
        }
        Some(())
    }

    /// The beginning of a call; what the provider's own tools are called with is not the client's matter.
    fn call(&mut self, call: Node<'_>, events: &mut Vec<Event>) -> Option<Option<usize>> {
        if call.text_of("type").is_some_and(|kind| kind != "tool_use") {
            return Some(None);
        }
        if self.calls >= CALLS_MAX {
            return None;
        }
        let number = self.calls;
        self.calls += 1;
        self.open = Some((number, false));
        let text_of = |name: &str| call.text_of(name).unwrap_or_default().into_owned();
        let (id, name) = (text_of("toolUseId"), text_of("name"));
        events.push(Event::Call { choice: 0, call: number, id, name, signature: None });
        Some(Some(number))
    }

    fn delta(&mut self, delta: Node<'_>, events: &mut Vec<Event>) {
        if let Some(piece) = delta.get("text") {
            text(piece, events);
        }
        if let Some(thought) = delta.get("reasoningContent") {
            reasoning(thought, events);
        }
        let input = delta.get("toolUse").and_then(|call| call.text_of("input")).filter(|input| !input.is_empty());
        if let (Some((call, has_arguments)), Some(input)) = (&mut self.open, input) {
            *has_arguments = true;
            events.push(Event::Arguments { choice: 0, call: *call, text: input.into_owned() });
        }
    }

    /// A block has ended: a call without arguments has an empty object of them.
    fn close(&mut self, events: &mut Vec<Event>) {
        if let Some((call, false)) = self.open.take() {
            events.push(Event::Arguments { choice: 0, call, text: "{}".to_owned() });
        }
    }
}

fn text(node: Node<'_>, events: &mut Vec<Event>) {
    let text = node.text().filter(|text| !text.is_empty());
    events.extend(text.map(|text| Event::Text { choice: 0, text: text.into_owned() }));
}

/// A thought or a piece of one.
fn reasoning(node: Node<'_>, events: &mut Vec<Event>) {
    let text_of = |name: &str| node.text_of(name).filter(|text| !text.is_empty()).map(|text| text.into_owned());
    events.extend(text_of("text").map(|text| Event::Thinking { choice: 0, text }));
    let seal = node.text_of("signature").and_then(|seal| Seal::read(seal, Some(Maker::Anthropic)));
    events.extend(seal.map(|seal| Event::Signature { choice: 0, signature: seal.into_owned() }));
    events.extend(text_of("redactedContent").map(|data| Event::Redacted { choice: 0, data }));
}

fn stop(node: Node<'_>, events: &mut Vec<Event>) {
    let finish = match node.text_of("stopReason").as_deref() {
        None => return,
        Some("max_tokens") => Finish::Length,
        Some("model_context_window_exceeded") => Finish::Window,
        Some("stop_sequence") => Finish::Sequence(None),
        Some("tool_use") => Finish::Calls,
        Some("guardrail_intervened" | "content_filtered") => Finish::Filter,
        Some(word @ ("malformed_model_output" | "malformed_tool_use")) => {
            return events.push(Event::Problem(problem::unclean(word)));
        }
        Some(_) => Finish::Stop,
    };
    events.push(Event::Finish { choice: 0, finish });
}

fn usage(node: Node<'_>, events: &mut Vec<Event>) {
    let usage = node.get("usage").and_then(|usage| counts::read(Endpoint::Converse, usage));
    events.extend(usage.map(Event::Usage));
}

/// An error that ends a stream, by the kind that its frame names.
pub(in super::super) fn exception(kind: &[u8], data: &[u8]) -> Problem {
    let node = Node::parse(data);
    let text_of = |name: &str| node.and_then(|node| node.text_of(name)).map(|text| text.into_owned());
    let status = match kind {
        b"validationException" => 400,
        b"throttlingException" => 429,
        b"serviceUnavailableException" => 503,
        b"modelStreamErrorException" => 502,
        b"modelTimeoutException" => 504,
        _ => 500,
    };
    let message = text_of("message").or_else(|| text_of("Message"));
    let kind = String::from_utf8_lossy(kind).into_owned();
    Problem { status, message: message.unwrap_or_default(), code: Some(kind), param: None }
}
