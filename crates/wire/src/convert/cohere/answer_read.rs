//! Reads an answer of Cohere's chats, whole or event by event. It does not name its model.

use super::super::counts;
use super::super::node::Node;
use super::super::said::{Event, Finish, Names, Problem};
use crate::dialect::Endpoint;

/// Most tool calls that are told apart.
const CALLS_MAX: usize = 1024;

/// What is known between events.
#[derive(Debug)]
pub(in super::super) struct Reader {
    model: String,
    has_begun: bool,
    /// The provider's numbers of the calls, in the order of their beginnings.
    calls: Vec<u64>,
}

impl Reader {
    pub(in super::super) fn new(names: &Names) -> Reader {
        Reader { model: names.model.clone(), has_begun: false, calls: Vec::new() }
    }

    /// A whole answer; `None` when it is none.
    pub(in super::super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let message = body.get("message").filter(|message| message.members().is_some())?;
        self.start(body, events);
        self.message(message, None, events)?;
        if end(body, events) {
            return Some(());
        }
        events.push(Event::End);
        Some(())
    }

    /// The data of one event; `None` when it is not what the dialect says.
    pub(in super::super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let node = Node::parse(data)?;
        let index = node.get("index").and_then(Node::count);
        match &*node.text_of("type")? {
            "message-start" => self.start(node, events),
            "message-end" => {
                let delta = node.get("delta")?;
                self.start(node, events);
                if !end(delta, events) {
                    events.push(Event::End);
                }
            }
            // Where citations stand is of no use elsewhere.
            "citation-start" | "citation-end" => {}
            _ => {
                if let Some(message) = node.get("delta").and_then(|delta| delta.get("message")) {
                    self.start(node, events);
                    self.message(message, index, events)?;
                }
            }
        }
        Some(())
    }

    fn start(&mut self, node: Node<'_>, events: &mut Vec<Event>) {
        if !core::mem::replace(&mut self.has_begun, true) {
            let id = node.text_of("id").unwrap_or_default().into_owned();
            events.push(Event::Start { id, model: self.model.clone() });
        }
    }

    /// A message, or what is added to it: the same members, with one thing where the whole has a list.
    fn message(&mut self, message: Node<'_>, index: Option<u64>, events: &mut Vec<Event>) -> Option<()> {
        let members = message.members()?;
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, node)| *node);
        if let Some(plan) = get("tool_plan") {
            text(plan, events);
        }
        if let Some(content) = get("content") {
            for item in content.items().unwrap_or_else(|| vec![content]) {
                let thought = item.text_of("thinking").filter(|text| !text.is_empty());
                events.extend(thought.map(|text| Event::Thinking { choice: 0, text: text.into_owned() }));
                item.get("text").into_iter().for_each(|piece| text(piece, events));
            }
        }
        if let Some(calls) = get("tool_calls") {
            for (place, call) in calls.items().unwrap_or_else(|| vec![calls]).into_iter().enumerate() {
                self.call(call, index.unwrap_or(place as u64), events)?;
            }
        }
        Some(())
    }

    /// The beginning of a call, or more of its arguments.
    fn call(&mut self, node: Node<'_>, index: u64, events: &mut Vec<Event>) -> Option<()> {
        let function = node.get("function");
        let call = match self.calls.iter().position(|known| *known == index) {
            Some(call) => call,
            None if self.calls.len() >= CALLS_MAX => return None,
            None => {
                let call = self.calls.len();
                self.calls.push(index);
                let name = function.and_then(|function| function.text_of("name")).unwrap_or_default().into_owned();
                let id = node.text_of("id").map_or_else(|| format!("call_0_{call}"), Into::into);
                events.push(Event::Call { choice: 0, call, id, name, signature: None });
                call
            }
        };
        let arguments = function.and_then(|function| function.text_of("arguments")).filter(|text| !text.is_empty());
        events.extend(arguments.map(|text| Event::Arguments { choice: 0, call, text: text.into_owned() }));
        Some(())
    }
}

fn text(node: Node<'_>, events: &mut Vec<Event>) {
    let text = node.text().filter(|text| !text.is_empty());
    events.extend(text.map(|text| Event::Text { choice: 0, text: text.into_owned() }));
}

/// Why it ended, and what was used; says whether the reason is an error.
fn end(node: Node<'_>, events: &mut Vec<Event>) -> bool {
    let usage = node.get("usage").and_then(|usage| counts::read(Endpoint::CohereChat, usage));
    let finish = match node.text_of("finish_reason").as_deref() {
        Some("MAX_TOKENS") => Finish::Length,
        Some("STOP_SEQUENCE") => Finish::Sequence(None),
        Some("TOOL_CALL") => Finish::Calls,
        Some("ERROR_LIMIT") => Finish::Window,
        Some(kind @ ("ERROR" | "error" | "TIMEOUT")) => {
            let message = node.text_of("error").map(|text| text.into_owned());
            let message = message.unwrap_or_else(|| "The provider ended the answer with an error.".to_owned());
            let status = if kind == "TIMEOUT" { 504 } else { 500 };
            events.extend(usage.map(Event::Usage));
            events.push(Event::Problem(Problem { status, message, code: None, param: None }));
            return true;
        }
        _ => Finish::Stop,
    };
    events.push(Event::Finish { choice: 0, finish });
    events.extend(usage.map(Event::Usage));
    false
}
