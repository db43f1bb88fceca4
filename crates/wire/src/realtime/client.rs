//! Reads the events of a client strictly: what can change a price is found or refused; the bytes stay as they are.

use core::ops::Range;

use base::Refusal;

use crate::scan::{Kind, Strict, Text};

/// Longest `event_id` that is remembered, in bytes.
const EVENT_ID_BYTES_MAX: usize = 512;

/// Members of a session's settings and of a response's that change nothing beyond what is counted or guarded here.
const SETTINGS: [&str; 30] = [
    "id",
    "object",
    "type",
    "model",
    "modalities",
    "output_modalities",
    "instructions",
    "voice",
    "speed",
    "input_audio_format",
    "output_audio_format",
    "input_audio_noise_reduction",
    "input_audio_transcription",
    "turn_detection",
    "audio",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "max_output_tokens",
    "max_response_output_tokens",
    "truncation",
    "include",
    "tracing",
    "prompt",
    "conversation",
    "metadata",
    "input",
    "reasoning",
    "expires_at",
];

/// What an event can lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// A response.
    Response,
    /// Audio, which the provider answers by itself where it hears the end of a turn.
    Audio,
    /// Nothing that is billed by itself.
    Nothing,
}

/// What of an event may become input of later responses, as far as it bounds their price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Input {
    /// Bytes of the event less its payloads: a token covers at least one.
    pub text_bytes: u64,
    /// Decoded bytes of audio, rounded up.
    pub audio_bytes: u64,
    /// Images.
    pub images: u32,
    /// Items of the conversation.
    pub items: u32,
    /// Tools.
    pub tools: u32,
    /// It has a parameter that is not known, so that nobody can say what it leads to.
    pub is_open: bool,
}

/// An event of a client that may be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEvent {
    /// What it can lead to.
    pub asks: Asks,
    /// Its own id, by which an error names it.
    pub event_id: Option<String>,
    /// What it adds to the conversation.
    pub input: Input,
    /// The output limit that it sets for its response.
    pub output_limit: Option<u64>,
    /// The model that it names, and where its name stands with its quotes.
    pub model: Option<(String, Range<usize>)>,
}

/// Reads one event, which is UTF-8.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for what is not an event that has a price here, [`Refusal::AmbiguousRequest`] for what two
/// parsers could read differently.
pub fn client_event(text: &[u8]) -> Result<ClientEvent, Refusal> {
    let top = Top::read(text)?;
    let Some(kind) = top.kind else {
        return Err(Refusal::invalid(Some("type"), "An event must have a 'type'."));
    };
    let mut draft = Draft::default();
    let asks = match &*kind {
        "response.create" => {
            top.response.map_or(Ok(()), |place| draft.settings(text, place, "response"))?;
            Asks::Response
        }
        "session.update" => {
            top.session.map_or(Ok(()), |place| draft.settings(text, place, "session"))?;
            // What it limits is the session's, and a response may say otherwise.
            draft.output_limit = None;
            Asks::Nothing
        }
        "conversation.item.create" => {
            top.item.map_or(Ok(()), |place| draft.item(&mut Strict::new(&text[place])))?;
            Asks::Nothing
        }
        "input_audio_buffer.append" => {
            top.audio.map_or(Ok(()), |place| draft.audio(&mut Strict::new(&text[place])))?;
            Asks::Audio
        }
        "input_audio_buffer.commit" => Asks::Audio,
        "input_audio_buffer.clear"
        | "output_audio_buffer.clear"
        | "conversation.item.retrieve"
        | "conversation.item.truncate"
        | "conversation.item.delete"
        | "response.cancel" => Asks::Nothing,
        kind => {
            let shown = &kind[..kind.floor_char_boundary(64)];
            let sentence = format!("Events of the type '{}' are not passed on by this relay.", shown.escape_debug());
            return Err(Refusal::invalid(Some("type"), sentence));
        }
    };
    draft.input.text_bytes = (text.len() as u64).saturating_sub(draft.payload_bytes);
    let Draft { input, output_limit, model, .. } = draft;
    Ok(ClientEvent { asks, event_id: top.event_id, input, output_limit, model })
}

/// The event with this id, where it has none; the event is known to be an object that is not empty. An id that is null is
/// replaced where it stands: nothing is given twice.
#[must_use]
pub fn named(text: &str, event_id: &str) -> String {
    if let Ok(Top { null_id: Some(place), .. }) = Top::read(text.as_bytes()) {
        return [&text[..place.start], "\"", event_id, "\"", &text[place.end..]].concat();
    }
    let inside = text.find('{').map_or(0, |brace| brace + 1);
    [&text[..inside], "\"event_id\":\"", event_id, "\",", &text[inside..]].concat()
}

/// The event with another name for the model that stands at `place`.
#[must_use]
pub fn with_model(text: &str, place: &Range<usize>, model: &str) -> String {
    [&text[..place.start], "\"", model, "\"", &text[place.end..]].concat()
}

/// The outermost members, each at most once, and where their values stand.
#[derive(Default)]
struct Top {
    kind: Option<String>,
    event_id: Option<String>,
    /// Where an id stands that is none.
    null_id: Option<Range<usize>>,
    session: Option<Range<usize>>,
    response: Option<Range<usize>>,
    item: Option<Range<usize>>,
    audio: Option<Range<usize>>,
}

impl Top {
    fn read(text: &[u8]) -> Result<Top, Refusal> {
        let mut scanner = Strict::new(text);
        if scanner.kind()? != Kind::Object {
            return Err(Refusal::invalid(None, "An event must be a JSON object."));
        }
        let (mut top, mut seen) = (Top::default(), 0_u8);
        scanner.object::<Refusal>(|scanner, key| {
            const NAMES: [&str; 6] = ["type", "event_id", "session", "response", "item", "audio"];
            let Some(place) = guarded(&key, &NAMES)? else { return Ok(scanner.skip()?) };
            if seen & 1 << place != 0 {
                return Err(twice(NAMES[place]));
            }
            seen |= 1 << place;
            match place {
                0 if scanner.kind()? == Kind::String => top.kind = Some(scanner.string()?.decode().into_owned()),
                1 if scanner.kind()? == Kind::String => top.event_id = Some(event_id(scanner)?),
                1 if scanner.kind()? == Kind::Null => {
                    let (start, end) = scanner.span()?;
                    top.null_id = Some(start..end);
                }
                0 | 1 => return Err(Refusal::invalid(Some(NAMES[place]), "It must be a text.")),
                _ => {
                    let (start, end) = scanner.span()?;
                    let value = Some(start..end);
                    match place {
                        2 => top.session = value,
                        3 => top.response = value,
                        4 => top.item = value,
                        _ => top.audio = value,
                    }
                }
            }
            Ok(())
        })?;
        scanner.end()?;
        Ok(top)
    }
}

fn event_id(scanner: &mut Strict<'_>) -> Result<String, Refusal> {
    let id = scanner.string()?.decode().into_owned();
    if id.is_empty() || id.len() > EVENT_ID_BYTES_MAX {
        return Err(Refusal::invalid(Some("event_id"), "'event_id' must have 1 to 512 bytes."));
    }
    Ok(id)
}

/// Where a key stands in `names`; a spelling that some parsers would take for one of them is refused.
fn guarded(key: &Text<'_>, names: &[&'static str]) -> Result<Option<usize>, Refusal> {
    let name = key.decode();
    if let Some(place) = names.iter().position(|known| *known == name) {
        return Ok(Some(place));
    }
    match names.iter().find(|known| known.eq_ignore_ascii_case(&name)) {
        None => Ok(None),
        Some(known) => {
            let sentence = format!("Some parsers read '{}' as '{known}'. Write '{known}'.", name.escape_debug());
            Err(Refusal::ambiguous(known, sentence))
        }
    }
}

fn twice(name: &str) -> Refusal {
    Refusal::ambiguous(name, format!("'{name}' is given twice. Give it once."))
}

fn refused(param: String, sentence: &str) -> Refusal {
    Refusal::InvalidRequest { param: Some(param), reason: sentence.to_owned() }
}

/// What was read of an event so far.
#[derive(Default)]
struct Draft {
    input: Input,
    /// Bytes that are no text.
    payload_bytes: u64,
    output_limit: Option<u64>,
    model: Option<(String, Range<usize>)>,
}

impl Draft {
    /// The settings of a session or of one response.
    fn settings(&mut self, text: &[u8], place: Range<usize>, of: &str) -> Result<(), Refusal> {
        let mut scanner = Strict::new(&text[place.clone()]);
        if scanner.kind()? != Kind::Object {
            return Err(refused(of.to_owned(), "It must be an object."));
        }
        let mut seen = 0_u32;
        scanner.object::<Refusal>(|scanner, key| {
            let Some(known) = guarded(&key, &SETTINGS)? else {
                self.input.is_open = true;
                return Ok(scanner.skip()?);
            };
            if seen & 1 << known != 0 {
                return Err(twice(SETTINGS[known]));
            }
            seen |= 1 << known;
            self.setting(scanner, SETTINGS[known], of)
        })?;
        // The place of the model is one in the whole event.
        self.model = self.model.take().map(|(model, at)| (model, at.start + place.start..at.end + place.start));
        Ok(())
    }

    fn setting(&mut self, scanner: &mut Strict<'_>, name: &str, of: &str) -> Result<(), Refusal> {
        let param = || format!("{of}.{name}");
        let kind = scanner.kind()?;
        match (name, kind) {
            (_, Kind::Null) => Ok(scanner.skip()?),
            ("model", Kind::String) => {
                let text = scanner.string()?;
                self.model = Some((text.decode().into_owned(), text.start - 1..text.start + text.raw.len() + 1));
                Ok(())
            }
            ("model", _) => Err(refused(param(), "The name of a model must be a text.")),
            ("type", Kind::String) => match &*scanner.string()?.decode() {
                "transcription" => Err(refused(param(), "Sessions that only transcribe have no price here.")),
                _ => Ok(()),
            },
            ("prompt", _) => Err(refused(param(), "A stored prompt is an object of the account. Send its text.")),
            ("input_audio_transcription", _) => Err(no_transcription(param())),
            ("turn_detection", Kind::Object) => turn_detection(scanner, &param()),
            ("audio", Kind::Object) => audio_settings(scanner, of),
            ("tools", Kind::Array) => scanner.array(|scanner| self.tool(scanner)),
            ("input", Kind::Array) => scanner.array(|scanner| self.item(scanner)),
            ("max_output_tokens" | "max_response_output_tokens", _) => self.limit(scanner, &param()),
            ("turn_detection" | "audio" | "tools" | "input", _) => Err(refused(param(), "It has the wrong type.")),
            _ => Ok(scanner.skip()?),
        }
    }

    /// A limit of tokens, or "inf".
    fn limit(&mut self, scanner: &mut Strict<'_>, param: &str) -> Result<(), Refusal> {
        let wrong = || refused(param.to_owned(), "It must be a whole number from 1 in plain digits, or \"inf\".");
        match scanner.kind()? {
            Kind::String if &*scanner.string()?.decode() == "inf" => Ok(()),
            Kind::Number => {
                let raw = scanner.number()?;
                let digits = core::str::from_utf8(raw).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                let limit = digits.and_then(|text| text.parse::<u64>().ok()).filter(|limit| *limit > 0);
                let limit = limit.ok_or_else(wrong)?;
                // Two names for one limit: the larger one is held.
                self.output_limit = Some(self.output_limit.map_or(limit, |other| other.max(limit)));
                Ok(())
            }
            _ => Err(wrong()),
        }
    }

    /// A tool that the client runs; the provider's own have no price here.
    fn tool(&mut self, scanner: &mut Strict<'_>) -> Result<(), Refusal> {
        self.input.tools = self.input.tools.saturating_add(1);
        let mut is_function = false;
        scanner.object::<Refusal>(|scanner, key| match guarded(&key, &["type"])? {
            Some(_) if is_function => Err(twice("type")),
            Some(_) if scanner.kind()? == Kind::String => {
                is_function = &*scanner.string()?.decode() == "function";
                if is_function { Ok(()) } else { Err(no_tool()) }
            }
            _ => Ok(scanner.skip()?),
        })?;
        if is_function { Ok(()) } else { Err(no_tool()) }
    }

    /// One item of the conversation.
    fn item(&mut self, scanner: &mut Strict<'_>) -> Result<(), Refusal> {
        self.input.items = self.input.items.saturating_add(1);
        if scanner.kind()? != Kind::Object {
            return Ok(scanner.skip()?);
        }
        scanner.object::<Refusal>(|scanner, key| match guarded(&key, &["type", "content"])? {
            Some(0) if scanner.kind()? == Kind::String => {
                let kind = scanner.string()?.decode();
                if kind.starts_with("mcp") { Err(no_tool()) } else { Ok(()) }
            }
            Some(1) if scanner.kind()? == Kind::Array => scanner.array(|scanner| self.part(scanner)),
            _ => Ok(scanner.skip()?),
        })
    }

    fn part(&mut self, scanner: &mut Strict<'_>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return Ok(scanner.skip()?);
        }
        scanner.object::<Refusal>(|scanner, key| match guarded(&key, &["audio", "image_url"])? {
            Some(0) => self.audio(scanner),
            Some(_) => {
                self.input.images = self.input.images.saturating_add(1);
                if scanner.kind()? != Kind::String {
                    return Ok(scanner.skip()?);
                }
                self.payload_bytes += scanner.string()?.raw.len() as u64;
                Ok(())
            }
            None => Ok(scanner.skip()?),
        })
    }

    /// Audio in base64.
    fn audio(&mut self, scanner: &mut Strict<'_>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => Ok(scanner.skip()?),
            Kind::String => {
                let bytes = scanner.string()?.raw.len() as u64;
                self.payload_bytes += bytes;
                self.input.audio_bytes += bytes.div_ceil(4) * 3;
                Ok(())
            }
            _ => Err(refused("audio".to_owned(), "Audio must be a text in base64.")),
        }
    }
}

/// `audio` of a session's settings: what is heard, and what is said.
fn audio_settings(scanner: &mut Strict<'_>, of: &str) -> Result<(), Refusal> {
    let mut seen = false;
    scanner.object::<Refusal>(|scanner, key| match guarded(&key, &["input"])? {
        Some(_) if core::mem::replace(&mut seen, true) => Err(twice("input")),
        Some(_) if scanner.kind()? == Kind::Object => {
            scanner.object::<Refusal>(|scanner, key| match guarded(&key, &["transcription", "turn_detection"])? {
                Some(_) if scanner.kind()? == Kind::Null => Ok(scanner.skip()?),
                Some(0) => Err(no_transcription(format!("{of}.audio.input.transcription"))),
                Some(_) if scanner.kind()? == Kind::Object => {
                    turn_detection(scanner, &format!("{of}.audio.input.turn_detection"))
                }
                _ => Ok(scanner.skip()?),
            })
        }
        _ => Ok(scanner.skip()?),
    })
}

/// A response after a silence would begin without an event of the client, and without a hold.
fn turn_detection(scanner: &mut Strict<'_>, of: &str) -> Result<(), Refusal> {
    scanner.object::<Refusal>(|scanner, key| match guarded(&key, &["idle_timeout_ms"])? {
        Some(_) if scanner.kind()? != Kind::Null => {
            let sentence = "Responses that begin after a silence are not passed on by this relay. Leave it out.";
            Err(refused(format!("{of}.idle_timeout_ms"), sentence))
        }
        _ => Ok(scanner.skip()?),
    })
}

fn no_transcription(param: String) -> Refusal {
    refused(param, "Transcription of the input has no price here. Leave it out.")
}

fn no_tool() -> Refusal {
    refused("tools".to_owned(), "Tools that the provider runs have no price here. Use functions.")
}
