//! Reads what only OpenAI's responses have.

use base::Refusal;

use super::body::{Draft, duplicate};
use super::fields::{boolean, is_present, wrong_kind};
use super::media::Media;
use super::tools;
use crate::call::{Named, NamedPlace, Span, TextPlace};
use crate::dialect::Endpoint;
use crate::scan::{Kind, Strict, Text};

/// What one item of the input says of stored objects.
#[derive(Default)]
struct Item {
    id: Option<(Span, String)>,
    /// Of an item that the provider waits for.
    approved: Option<(Span, String)>,
    is_typed: bool,
    is_reference: bool,
    is_reasoning: bool,
    /// It has something that can be read: a text, arguments, a result.
    has_content: bool,
    /// It has reasoning that can be read, if only by its provider.
    has_reasoning: bool,
}

impl Item {
    /// Takes one member.
    fn member(&mut self, scanner: &mut Strict<'_>, name: &str, media: &mut Media<'_>) -> Result<(), Refusal> {
        let kind = scanner.kind()?;
        match (name, kind) {
            ("id", Kind::String) => once(&mut self.id, scanner, "input.id"),
            ("approval_request_id", Kind::String) => once(&mut self.approved, scanner, "input.approval_request_id"),
            ("type", Kind::String) => {
                if core::mem::replace(&mut self.is_typed, true) {
                    return Err(duplicate("input.type"));
                }
                let kind = scanner.string()?.decode();
                self.is_reference = &*kind == "item_reference";
                self.is_reasoning = &*kind == "reasoning";
                Ok(())
            }
            ("id" | "approval_request_id" | "type" | "status" | "role", _) => media.member(scanner, name, false),
            _ if ["id", "approval_request_id", "type"].iter().any(|guarded| name.eq_ignore_ascii_case(guarded)) => {
                let guarded = name.to_ascii_lowercase();
                let sentence =
                    format!("Some parsers read '{}' as '{guarded}'. Write '{guarded}'.", name.escape_debug());
                Err(Refusal::ambiguous("input", sentence))
            }
            _ => {
                let start = scanner.at();
                match (name, kind) {
                    ("tools", Kind::Array) => tools::in_item(scanner, media.billable)?,
                    ("input", _) => media.arguments(scanner)?,
                    _ => media.member(scanner, name, false)?,
                }
                let is_empty = matches!(scanner.slice(start, scanner.at()), b"null" | b"\"\"" | b"[]" | b"{}");
                self.has_content |= !is_empty;
                self.has_reasoning |= !is_empty && matches!(name, "encrypted_content" | "content");
                Ok(())
            }
        }
    }

    /// The ids that it names. A message or the call of a function is itself what it says, whatever its id; a reference,
    /// and reasoning that is not here, are what the provider has under that id.
    fn named(self) -> impl Iterator<Item = Named> {
        let is_whole = if self.is_reasoning { self.has_reasoning } else { self.has_content };
        let needed = [(self.id, self.is_reference || !is_whole), (self.approved, true)];
        needed.into_iter().filter_map(|(id, is_needed)| {
            let (span, id) = id?;
            Some(Named { place: NamedPlace::Body(span), id, is_needed, opened: None })
        })
    }
}

/// Takes a string that may stand once.
fn once(at: &mut Option<(Span, String)>, scanner: &mut Strict<'_>, name: &str) -> Result<(), Refusal> {
    let text = scanner.string()?;
    match at.replace((place(&text), text.decode().into_owned())) {
        None => Ok(()),
        Some(_) => Err(duplicate(name)),
    }
}

/// The place of a string with its quotes.
fn place(text: &Text<'_>) -> Span {
    Span { start: text.start - 1, end: text.start + text.raw.len() + 1 }
}

impl<'a> Draft<'a> {
    /// A text, or an array of items.
    pub(super) fn response_items(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        let kind = scanner.kind()?;
        let start = scanner.at();
        match kind {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => {
                scanner.skip()?;
                self.billable.messages = 1;
            }
            Kind::Array => {
                let mut items = 0_u32;
                let (named, mut stored_input) = (&mut self.named, false);
                let mut files = Vec::new();
                let mut media = Media { billable: &mut self.billable, payloads: &mut self.payloads, named: &mut files };
                scanner.array::<Refusal>(|scanner| {
                    items = items.saturating_add(1);
                    if scanner.kind()? != Kind::Object {
                        return media.walk(scanner, false);
                    }
                    let mut item = Item::default();
                    scanner.object::<Refusal>(|scanner, key| item.member(scanner, &key.decode(), &mut media))?;
                    let before = named.len();
                    named.extend(item.named());
                    stored_input |= named[before..].iter().any(|named| named.is_needed);
                    Ok(())
                })?;
                named.append(&mut files);
                self.billable.messages = items;
                self.billable.stored_input |= stored_input;
            }
            _ => return wrong_kind(name, "a text or an array"),
        }
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// A prompt that the operator keeps at the provider, which may choose a model of its own; its variables may be files.
    pub(super) fn stored_prompt(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        self.billable.upstream_routing.get_or_insert("prompt");
        let named = &mut self.named;
        Media { billable: &mut self.billable, payloads: &mut self.payloads, named }.walk(scanner, true)
    }

    /// The response or interaction that this one goes on from.
    pub(super) fn previous_response(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => {}
            _ => return wrong_kind(name, "a string"),
        }
        let id = scanner.string()?;
        self.goes_on_from((place(&id), id.decode().into_owned()));
        Ok(())
    }

    /// The conversation that the response is put at the end of: its id, or an object with that.
    pub(super) fn conversation(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let mut id = None;
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => once(&mut id, scanner, "conversation")?,
            Kind::Object => scanner.object::<Refusal>(|scanner, key| match (&*key.decode(), scanner.kind()?) {
                ("id", Kind::String) => once(&mut id, scanner, "conversation.id"),
                (name, _) if name.eq_ignore_ascii_case("id") => {
                    wrong_kind("conversation.id", "a string with that name")
                }
                _ => Ok(scanner.skip()?),
            })?,
            _ => return wrong_kind("conversation", "an id or an object"),
        }
        if let Some(id) = id {
            self.is_in_conversation = true;
            self.goes_on_from(id);
        }
        Ok(())
    }

    /// What the provider keeps under an id is input, too.
    fn goes_on_from(&mut self, (span, id): (Span, String)) {
        self.named.push(Named { place: NamedPlace::Body(span), id, is_needed: true, opened: None });
        self.billable.stored_input = true;
    }

    /// Whether the provider keeps the response: unsaid it does, and so does null.
    pub(super) fn store(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let is_null = scanner.kind()? == Kind::Null;
        self.is_stored = boolean(scanner, "store")? || is_null;
        Ok(())
    }

    /// A conversation is made shorter in one answer, of any length: a limit is not documented, so none is believed.
    pub(super) fn check_compact(&mut self) -> Result<(), Refusal> {
        if self.endpoint != Endpoint::ResponseCompact {
            return Ok(());
        }
        if self.stream {
            let sentence = "A conversation that is made shorter is not streamed. Leave 'stream' out.";
            return Err(Refusal::invalid(Some("stream"), sentence));
        }
        self.max_tokens = None;
        Ok(())
    }

    /// An answer that is made later is never seen here, and could not be charged.
    pub(super) fn later(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        if boolean(scanner, name)? {
            let sentence = format!("Answers that are made later are not relayed. Set '{name}' to false, and stream.");
            return Err(Refusal::invalid(Some(name), sentence));
        }
        Ok(())
    }
}
