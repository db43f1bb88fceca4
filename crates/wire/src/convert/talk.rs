//! A conversation and its settings in no dialect: what readers make and writers write. Texts and JSON are borrowed from
//! the client's body wherever they can be.

use core::fmt::{self, Display};
use std::borrow::Cow;
use std::collections::HashMap;

use super::fault::Fault;
use super::seal::Seal;

/// A number, or another small value, as the client wrote it, and what it called it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) name: &'static str,
    pub(super) raw: &'a str,
}

impl Setting<'_> {
    /// Whether it is zero, which for a penalty is the same as none.
    pub(super) fn is_zero(&self) -> bool {
        self.raw.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
    }
}

/// One request.
#[derive(Debug, Default)]
pub(super) struct Talk<'a> {
    pub(super) system: Vec<Part<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    /// What the client calls that, where it is not `tool_choice`.
    pub(super) choice_name: &'static str,
    /// Whether several tools may be called at once.
    pub(super) parallel: Option<(&'static str, bool)>,
    pub(super) format: Option<(&'static str, Format<'a>)>,
    pub(super) thinking: Thinking<'a>,
    pub(super) stop: Vec<Cow<'a, str>>,
    /// What the client calls `stop`.
    pub(super) stop_name: &'static str,
    pub(super) numbers: Numbers<'a>,
    /// The tenant's own user.
    pub(super) user: Option<Cow<'a, str>>,
    /// The names of the functions that were called, by the ids of the calls.
    pub(super) called: HashMap<Cow<'a, str>, Cow<'a, str>>,
}

/// Settings that are one number, or a switch.
#[derive(Debug, Default)]
pub(super) struct Numbers<'a> {
    pub(super) temperature: Option<Setting<'a>>,
    pub(super) top_p: Option<Setting<'a>>,
    pub(super) top_k: Option<Setting<'a>>,
    pub(super) seed: Option<Setting<'a>>,
    pub(super) presence_penalty: Option<Setting<'a>>,
    pub(super) frequency_penalty: Option<Setting<'a>>,
    /// More than one.
    pub(super) choices: Option<Setting<'a>>,
    /// `true`.
    pub(super) logprobs: Option<Setting<'a>>,
    pub(super) top_logprobs: Option<Setting<'a>>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
}

/// What one side said before the other spoke.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) role: Role,
    pub(super) parts: Vec<Part<'a>>,
}

/// A part of what was said, and where it stands in the client's list.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) place: Place,
    pub(super) cache: Option<Cache>,
    pub(super) body: Body<'a>,
}

/// The place of a message in the client's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) list: &'static str,
    pub(super) index: usize,
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.list, self.index)
    }
}

/// The prompt up to here is to be kept in the provider's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    /// For minutes.
    Short,
    /// For an hour.
    Hour,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Text(Cow<'a, str>),
    Image(Source<'a>),
    Audio(Source<'a>),
    /// A document, and its name.
    File(Source<'a>, Option<Cow<'a, str>>),
    Call(Call<'a>),
    Result(Outcome<'a>),
    Thinking {
        text: Cow<'a, str>,
        signature: Option<Seal<'a>>,
    },
    /// Anthropic's thinking that only it can read.
    Redacted(Cow<'a, str>),
}

impl Body<'_> {
    /// For sentences.
    pub(super) const fn what(&self) -> &'static str {
        match self {
            Body::Text(_) => "a text",
            Body::Image(_) => "an image",
            Body::Audio(_) => "audio",
            Body::File(..) => "a file",
            Body::Call(_) => "a tool call",
            Body::Result(_) => "a tool result",
            Body::Thinking { .. } | Body::Redacted(_) => "thinking",
        }
    }

    /// A text of nothing but blanks, which Anthropic and Bedrock refuse.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Body::Text(text) if text.trim().is_empty())
    }
}

/// Where the bytes of a medium are.
#[derive(Debug)]
pub(super) enum Source<'a> {
    Url {
        url: Cow<'a, str>,
        media: Option<Cow<'a, str>>,
    },
    /// In base64.
    Inline {
        media: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    /// A plain text.
    Text(Cow<'a, str>),
}

/// A tool that the model called.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    /// A JSON object.
    pub(super) arguments: Cow<'a, str>,
    /// The provider's seal on the thinking before it.
    pub(super) signature: Option<Seal<'a>>,
}

/// What a tool gave back.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) is_error: bool,
    pub(super) parts: Vec<Part<'a>>,
}

/// A function that the client runs.
#[derive(Debug)]
pub(super) struct Tool<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) description: Option<Cow<'a, str>>,
    /// A JSON schema.
    pub(super) schema: Option<Cow<'a, str>>,
    pub(super) strict: Option<bool>,
    pub(super) cache: Option<Cache>,
}

/// Which tools must or may be called.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ToolChoice<'a> {
    None,
    Auto,
    Required,
    Named(Cow<'a, str>),
}

/// The form of the answer.
#[derive(Debug)]
pub(super) enum Format<'a> {
    /// Any JSON object.
    Object,
    Schema {
        name: Option<Cow<'a, str>>,
        schema: Cow<'a, str>,
        strict: Option<bool>,
    },
}

/// How much the model is to think.
#[derive(Debug, Default)]
pub(super) struct Thinking<'a> {
    /// "none", "minimal", "low", "medium", "high", "xhigh", "max".
    pub(super) effort: Option<Cow<'a, str>>,
    /// In tokens.
    pub(super) budget: Option<&'a str>,
    pub(super) mode: Option<Mode>,
    /// What the client calls it.
    pub(super) name: &'static str,
}

/// Whether the model thinks at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Off,
    On,
    /// As it sees fit.
    Adaptive,
}

impl Thinking<'_> {
    /// The model is not to think.
    pub(super) fn is_off(&self) -> bool {
        self.mode == Some(Mode::Off) || self.effort.as_deref() == Some("none")
    }
}

impl<'a> Turn<'a> {
    /// The parts, results before anything else: several providers want them right behind the calls.
    pub(super) fn results_first(&self) -> impl Iterator<Item = &Part<'a>> {
        let is_result = |part: &&Part<'a>| matches!(part.body, Body::Result(_));
        self.parts.iter().filter(is_result).chain(self.parts.iter().filter(move |part| !is_result(part)))
    }
}

impl<'a> Talk<'a> {
    /// Adds a part to what `role` is saying. A thought without text in front of a call is the seal of the call.
    pub(super) fn say(&mut self, role: Role, mut part: Part<'a>) {
        if let Body::Call(call) = &part.body {
            self.called.insert(call.id.clone(), call.name.clone());
        }
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => {
                let last = turn.parts.last_mut().map(|part| &mut part.body);
                if let (Body::Call(call @ Call { signature: None, .. }), Some(Body::Thinking { text, signature })) =
                    (&mut part.body, last)
                    && text.is_empty()
                {
                    call.signature = signature.take();
                    turn.parts.pop();
                }
                turn.parts.push(part);
            }
            _ => self.turns.push(Turn { role, parts: vec![part] }),
        }
    }

    /// What the client calls the choice of tools.
    pub(super) const fn choice_name(&self) -> &'static str {
        if self.choice_name.is_empty() { "tool_choice" } else { self.choice_name }
    }

    /// Refuses that only one tool may be called at a time, where there are any.
    pub(super) fn refuse_single(&self) -> Result<(), Fault> {
        match self.parallel {
            Some((name, false)) if !self.tools.is_empty() => Err(Fault::unsupported(name, "one tool call at a time")),
            _ => Ok(()),
        }
    }

    /// A choice where there are no tools: none of them is chosen, and another choice cannot be made.
    pub(super) fn choose_none(&self) -> Result<(), Fault> {
        match &self.tool_choice {
            None | Some(ToolChoice::None | ToolChoice::Auto) => Ok(()),
            Some(_) => Err(Fault::unsupported(self.choice_name(), "a choice without tools")),
        }
    }

    /// The name of the function that was called by this id.
    pub(super) fn name_of(&self, id: &str) -> Option<&str> {
        self.called.get(id).map(|name| &**name)
    }
}

impl<'a> Part<'a> {
    pub(super) const fn new(place: Place, body: Body<'a>) -> Part<'a> {
        Part { place, cache: None, body }
    }
}

/// The id of a call for providers that take only letters, digits, `_` and `-`, and at most `longest` bytes: itself where it
/// fits; else what fits of it, and a sum of the whole, so that calls and results still meet and different ids stay different.
pub(super) fn fitting_id(id: &str, longest: usize) -> Cow<'_, str> {
    const SUM_BYTES: usize = "_89abcdef".len();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !id.is_empty() && id.len() <= longest && id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    let clean =
        id.chars().take(longest.saturating_sub(SUM_BYTES)).map(|letter| if fits(letter) { letter } else { '_' });
    Cow::Owned(format!("{}_{:08x}", clean.collect::<String>(), crc32fast::hash(id.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_and_stay_apart() {
        for id in ["call_1", "toolu_01-Ab", &"x".repeat(64)] {
            assert!(matches!(fitting_id(id, 64), Cow::Borrowed(same) if same == id), "{id}");
        }
        let long = "x".repeat(65);
        assert_eq!(fitting_id(&long, usize::MAX), long);
        let others = ["", "functions.f:0", "functions.f:1", "functions_f.0", "é", "è", "a b", &long, &"x".repeat(66)];
        let fitted = others.map(|id| fitting_id(id, 64));
        for (index, id) in fitted.iter().enumerate() {
            assert!(!id.is_empty() && id.len() <= 64, "{id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'), "{id}");
            assert!(!fitted[..index].contains(id), "{id} twice");
        }
        assert_eq!(fitted[1], fitting_id("functions.f:0", 64));
    }

    #[test]
    fn only_texts_of_blanks_are_blank() {
        assert!([" ", "", "\n\t", "\u{a0}"].iter().all(|text| Body::Text((*text).into()).is_blank()));
        assert!(!Body::Text(" x ".into()).is_blank());
        assert!(!Body::Thinking { text: " ".into(), signature: None }.is_blank());
    }
}
