//! Reads an answer of messages, whole or event by event.

use super::super::node::Node;
use super::super::problem;
use super::super::said::{Event, Finish};
use super::super::seal::{Maker, Seal};
use crate::scan::Lenient;
use crate::usage::MessageCounts;

/// What is known between events.
#[derive(Debug, Default)]
pub(in super::super) struct Reader {
    counts: MessageCounts,
    calls: usize,
    /// The call whose block is open, and whether it has arguments.
    open: Option<(usize, bool)>,
}

impl Reader {
    /// A whole answer; `None` when it is none.
    pub(in super::super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let content = body.get("content")?.items()?;
        self.start(body, events);
        for block in content {
            self.block(block, events)?;
            self.close(events);
        }
        self.stop(body, events);
        self.usage(body, events);
        events.push(Event::End);
        Some(())
    }

    /// The data of one event; `None` when it is not what the dialect says.
    pub(in super::super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let node = Node::parse(data)?;
        match &*node.text_of("type")? {
            "message_start" => {
                let message = node.get("message")?;
                self.start(message, events);
                self.usage(message, events);
            }
            "content_block_start" => self.block(node.get("content_block")?, events)?,
            "content_block_delta" => self.delta(node.get("delta")?, events)?,
            "content_block_stop" => self.close(events),
            "message_delta" => {
                self.stop(node.get("delta")?, events);
                self.usage(node, events);
            }
            "message_stop" => events.push(Event::End),
            "error" => events.push(Event::Problem(problem::anthropic(node.get("error")?, 0))),
            // Pings, and whatever comes to be.
            _ => {}
        }
        Some(())
    }

    fn start(&self, message: Node<'_>, events: &mut Vec<Event>) {
        let text_of = |name: &str| message.text_of(name).unwrap_or_default().into_owned();
        events.push(Event::Start { id: text_of("id"), model: text_of("model") });
    }

    fn block(&mut self, block: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let text_of = |name: &str| block.text_of(name).filter(|text| !text.is_empty()).map(|text| text.into_owned());
        match &*block.text_of("type")? {
            "text" => events.extend(text_of("text").map(|text| Event::Text { choice: 0, text })),
            "thinking" => {
                events.extend(text_of("thinking").map(|text| Event::Thinking { choice: 0, text }));
                events.extend(sealed(block));
            }
            "redacted_thinking" => {
                events.push(Event::Redacted { choice: 0, data: text_of("data").unwrap_or_default() })
            }
            "tool_use" => {
                let (id, name) = (text_of("id").unwrap_or_default(), text_of("name").unwrap_or_default());
                let call = self.calls;
                self.calls += 1;
                events.push(Event::Call { choice: 0, call, id, name, signature: None });
                let input = block.get("input").filter(|input| input.members().is_some_and(|all| !all.is_empty()));
                self.open = Some((call, input.is_some()));
                let text = input.map(|input| input.raw().to_owned());
                events.extend(text.map(|text| Event::Arguments { choice: 0, call, text }));
            }
            // What tools of the provider's did; none can be asked for through a translation.
            _ => {}
        }
        Some(())
    }

    fn delta(&mut self, delta: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        let text_of = |name: &str| delta.text_of(name).filter(|text| !text.is_empty()).map(|text| text.into_owned());
        match &*delta.text_of("type")? {
            "text_delta" => events.extend(text_of("text").map(|text| Event::Text { choice: 0, text })),
            "thinking_delta" => events.extend(text_of("thinking").map(|text| Event::Thinking { choice: 0, text })),
            "signature_delta" => events.extend(sealed(delta)),
            "input_json_delta" => {
                if let (Some((call, has_arguments)), Some(text)) = (&mut self.open, text_of("partial_json")) {
                    *has_arguments = true;
                    events.push(Event::Arguments { choice: 0, call: *call, text });
                }
            }
            _ => {}
        }
        Some(())
    }

    /// A block has ended: a call without arguments has an empty object of them.
    fn close(&mut self, events: &mut Vec<Event>) {
        if let Some((call, false)) = self.open.take() {
            events.push(Event::Arguments { choice: 0, call, text: "{}".to_owned() });
        }
    }

    fn stop(&self, node: Node<'_>, events: &mut Vec<Event>) {
        let sequence = || node.text_of("stop_sequence").map(|text| text.into_owned());
        let finish = match node.text_of("stop_reason").as_deref() {
            None => return,
            Some("max_tokens") => Finish::Length,
            Some("model_context_window_exceeded") => Finish::Window,
            Some("stop_sequence") => Finish::Sequence(sequence()),
            Some("tool_use") => Finish::Calls,
            Some("pause_turn") => Finish::Pause,
            Some("refusal") => Finish::Refusal,
            Some(_) => Finish::Stop,
        };
        events.push(Event::Finish { choice: 0, finish });
    }

    fn usage(&mut self, node: Node<'_>, events: &mut Vec<Event>) {
        let Some(usage) = node.get("usage") else { return };
        let mut scanner = Lenient::new(usage.raw().as_bytes());
        if let (Ok(Ok(())), Ok(Some(usage))) = (self.counts.add(&mut scanner), self.counts.usage()) {
            events.push(Event::Usage(usage));
        }
    }
}

/// The seal of a thought.
fn sealed(node: Node<'_>) -> Option<Event> {
    let signature = Seal::read(node.text_of("signature")?, Some(Maker::Anthropic))?.into_owned();
    Some(Event::Signature { choice: 0, signature })
}
