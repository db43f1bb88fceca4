//! An answer in no dialect, whole or as a stream of events.

use super::seal::Seal;
use crate::usage::Usage;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Said {
    /// The provider's own id; empty when it has none.
    pub(super) id: String,
    pub(super) model: String,
    pub(super) choices: Vec<Choice>,
    pub(super) usage: Option<Usage>,
}

/// One of the answers that were asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Choice {
    pub(super) pieces: Vec<Piece>,
    pub(super) finish: Option<Finish>,
    /// Chances of tokens, as chats write them.
    pub(super) logprobs: Vec<String>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// Why the model will not answer.
    Refusal(String),
    Thinking {
        text: String,
        signature: Option<Seal<'static>>,
    },
    /// Anthropic's thinking that only it can read.
    Redacted(String),
    Call {
        id: String,
        name: String,
        arguments: String,
        signature: Option<Seal<'static>>,
    },
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finish {
    /// The model was done.
    Stop,
    /// It was about to write one of the client's stop sequences.
    Sequence(Option<String>),
    /// At the output limit.
    Length,
    /// At the end of the context window.
    Window,
    /// To call tools.
    Calls,
    /// A filter stopped it.
    Filter,
    /// The model refused.
    Refusal,
    /// To be continued by another call.
    Pause,
}

/// An error, as far as dialects agree what one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// As HTTP has it; 0 where nothing says it.
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
}

/// One step of a streamed answer. Calls are numbered from 0 in each choice.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    Start {
        id: String,
        model: String,
    },
    Text {
        choice: usize,
        text: String,
    },
    Refusal {
        choice: usize,
        text: String,
    },
    Thinking {
        choice: usize,
        text: String,
    },
    /// Seals the thinking before it.
    Signature {
        choice: usize,
        signature: Seal<'static>,
    },
    Redacted {
        choice: usize,
        data: String,
    },
    Call {
        choice: usize,
        call: usize,
        id: String,
        name: String,
        signature: Option<Seal<'static>>,
    },
    Arguments {
        choice: usize,
        call: usize,
        text: String,
    },
    Logprobs {
        choice: usize,
        items: Vec<String>,
    },
    Finish {
        choice: usize,
        finish: Finish,
    },
    Usage(Usage),
    Problem(Problem),
    /// The answer is whole.
    End,
}

impl Event {
    /// The bytes of all texts in it.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Event::Start { id, model } => id.len() + model.len(),
            Event::Text { text, .. }
            | Event::Refusal { text, .. }
            | Event::Thinking { text, .. }
            | Event::Arguments { text, .. }
            | Event::Redacted { data: text, .. } => text.len(),
            Event::Signature { signature, .. } => signature.bytes(),
            Event::Call { id, name, signature, .. } => {
                id.len() + name.len() + signature.as_ref().map_or(0, Seal::bytes)
            }
            Event::Logprobs { items, .. } => items.iter().map(String::len).sum(),
            Event::Problem(problem) => problem.message.len(),
            Event::Finish { .. } | Event::Usage(_) | Event::End => 0,
        }
    }
}

/// What the relay itself knows of an answer: for whatever its provider leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The call's own id.
    pub(super) id: String,
    /// The model that was asked for.
    pub(super) model: String,
    /// When it came, in seconds since 1970.
    pub(super) created: i64,
}

/// Most choices of an answer that are looked at.
pub(super) const CHOICES_MAX: usize = 128;

impl Said {
    /// A whole answer, made of its events.
    pub(super) fn fold(events: Vec<Event>) -> Said {
        let mut said = Said::default();
        for event in events {
            said.add(event);
        }
        said
    }

    fn add(&mut self, event: Event) {
        match event {
            Event::Start { id, model } => (self.id, self.model) = (id, model),
            Event::Text { choice, text } => match self.pieces(choice).last_mut() {
                Some(Piece::Text(before)) => before.push_str(&text),
                _ => self.pieces(choice).push(Piece::Text(text)),
            },
            Event::Refusal { choice, text } => match self.pieces(choice).last_mut() {
                Some(Piece::Refusal(before)) => before.push_str(&text),
                _ => self.pieces(choice).push(Piece::Refusal(text)),
            },
            Event::Thinking { choice, text: more } => match self.pieces(choice).last_mut() {
                Some(Piece::Thinking { text, signature: None }) => text.push_str(&more),
                _ => self.pieces(choice).push(Piece::Thinking { text: more, signature: None }),
            },
            Event::Signature { choice, signature: seal } => match self.pieces(choice).last_mut() {
                Some(Piece::Thinking { signature: signature @ None, .. }) => *signature = Some(seal),
                _ => self.pieces(choice).push(Piece::Thinking { text: String::new(), signature: Some(seal) }),
            },
            Event::Redacted { choice, data } => self.pieces(choice).push(Piece::Redacted(data)),
            Event::Call { choice, id, name, signature, .. } => {
                self.pieces(choice).push(Piece::Call { id, name, arguments: String::new(), signature });
            }
            Event::Arguments { choice, call, text } => {
                let mut calls = self.pieces(choice).iter_mut().filter_map(|piece| match piece {
                    Piece::Call { arguments, .. } => Some(arguments),
                    _ => None,
                });
                if let Some(arguments) = calls.nth(call) {
                    arguments.push_str(&text);
                }
            }
            Event::Logprobs { choice, items } => self.choice(choice).logprobs.extend(items),
            Event::Finish { choice, finish } => self.choice(choice).finish = Some(finish),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Problem(_) | Event::End => {}
        }
    }

    /// The choice of an index, made where it is missing.
    fn choice(&mut self, index: usize) -> &mut Choice {
        let index = index.min(CHOICES_MAX - 1);
        while self.choices.len() <= index {
            self.choices.push(Choice::default());
        }
        &mut self.choices[index]
    }

    fn pieces(&mut self, index: usize) -> &mut Vec<Piece> {
        &mut self.choice(index).pieces
    }
}
