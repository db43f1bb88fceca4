//! Reads an answer as it passes and knows, at any moment, what the attempt cost as far as anyone can tell.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use catalog::{Model, Rates, Tokenizer};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use wire::convert::AnswerTranslator;
use wire::{COUNT_HEADERS, Call, Endpoint, Heard, StreamEnd, StreamMeter, StreamOptions, Usage, UsageFault};

use crate::heads::ResponseHead;
use crate::hold::Outcome;
use crate::owned::Sealing;

/// Where nobody says how long a file is: what a second takes at 16 kbit/s, less than nearly all speech is sent at.
const BYTES_PER_SECOND: u64 = 2_000;
/// Tokens that a second of audio is billed as at most (OpenAI's models say 10, Mistral's 12.5).
const TOKENS_PER_SECOND: u64 = 13;

/// Headers that mean nothing to a client of another dialect.
const OF_ONE_PROVIDER: [HeaderName; 3] = [
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
    HeaderName::from_static("anthropic-version"),
];

/// The reader of one answer.
pub(crate) struct Meter {
    call: Arc<Call>,
    model: Arc<Model>,
    line_bytes_max: usize,
    /// Output tokens have a price.
    prices_tokens: bool,
    /// Seconds of audio have.
    prices_seconds: bool,
    /// Characters have.
    prices_characters: bool,
    /// Searches, and units of them, have.
    prices_searches: bool,
    /// What the head tells of an invoked model's usage.
    told: Result<Option<Usage>, UsageFault>,
    /// Zero until the head has come.
    status: u16,
    reading: Reading,
    /// Between an upstream of one dialect and a client of another.
    translator: Option<Box<AnswerTranslator>>,
    /// Gives stored objects the names under which the client knows them.
    sealing: Option<Box<Sealing>>,
    /// The whole answer in the client's dialect and with its names, once it was turned around.
    translated: Option<Bytes>,
}

enum Reading {
    /// No head yet.
    Nothing,
    /// A whole answer is gathered, then read.
    Whole { body: BytesMut, only: Bytes },
    /// Events are read as they pass.
    Stream(Box<StreamMeter>),
    /// Nobody can read what comes.
    Encoded,
    /// Bytes pass unread: what sound costs is known from what is to be spoken, and a file costs nothing.
    Raw,
}

/// Why an answer cannot be metered any further.
#[derive(Debug)]
pub(crate) struct Malformed;

impl Meter {
    pub(crate) fn new(call: Arc<Call>, model: Arc<Model>, line_bytes_max: usize) -> Meter {
        Meter {
            call,
            model,
            line_bytes_max,
            prices_tokens: true,
            prices_seconds: false,
            prices_characters: false,
            prices_searches: false,
            told: Ok(None),
            status: 0,
            reading: Reading::Nothing,
            translator: None,
            sealing: None,
            translated: None,
        }
    }

    /// The answer comes in another dialect than its client speaks.
    pub(crate) fn translating(self, translator: Option<AnswerTranslator>) -> Meter {
        Meter { translator: translator.map(Box::new), ..self }
    }

    /// What its candidate asks for is what it is charged by.
    pub(crate) fn priced(self, rates: &Rates) -> Meter {
        Meter {
            prices_tokens: rates.output.is_some(),
            prices_seconds: rates.second.is_some(),
            prices_characters: rates.character.is_some(),
            prices_searches: rates.web_search.is_some(),
            ..self
        }
    }

    /// The answer may name stored objects.
    pub(crate) fn sealing(self, sealing: Option<Box<Sealing>>) -> Meter {
        Meter { sealing, ..self }
    }

    /// What the upstream was asked for.
    fn endpoint(&self) -> wire::Endpoint {
        self.translator.as_ref().map_or(self.call.endpoint(), |translator| translator.endpoint())
    }

    /// Learns from the head whether events or one document follow; a translation has a head of its own.
    pub(crate) fn begin(&mut self, head: &mut ResponseHead) {
        self.status = head.status.as_u16();
        if matches!(self.endpoint(), Endpoint::InvokeText | Endpoint::InvokeVectors) {
            let values = COUNT_HEADERS.map(|name| head.headers.get(&HeaderName::from_static(name)));
            self.told = wire::header_usage(self.endpoint(), values);
        }
        let content_type = head.headers.get(&CONTENT_TYPE);
        // An upstream that names no type answers what it was asked for. An error is never a stream, though Google types it
        // like one.
        let is_events = content_type.map_or(self.call.stream(), |value| value.starts_with(b"text/event-stream"));
        let is_json = content_type.is_none_or(|value| value.starts_with(b"application/json"));
        let is_array = self.translator.is_none() && self.call.streams_array() && is_json;
        let is_frames = self.endpoint().streams_frames()
            && content_type.is_some_and(|value| value.starts_with(b"application/vnd.amazon.eventstream"));
        let is_lines = self.endpoint().streams_lines()
            && content_type.is_some_and(|value| value.starts_with(b"application/x-ndjson"));
        self.reading = if head.is_encoded() {
            Reading::Encoded
        } else if head.status.is_success() && (is_events || is_array || is_frames || is_lines) {
            let options = match &self.translator {
                None => StreamOptions { is_array, ..StreamOptions::of(&self.call) },
                Some(translator) => StreamOptions {
                    choices: self.call.billable().choices,
                    ..StreamOptions::new(translator.endpoint(), false)
                },
            };
            let options = StreamOptions { line_bytes_max: self.line_bytes_max, ..options };
            Reading::Stream(Box::new(StreamMeter::new(options)))
        } else if head.status.is_success() && self.is_raw(is_json) {
            Reading::Raw
        } else {
            Reading::Whole { body: BytesMut::new(), only: Bytes::new() }
        };
        if let Some(translator) = &self.translator {
            let kind = translator.content_type(matches!(self.reading, Reading::Stream(_)));
            head.headers.set(&CONTENT_TYPE, kind.as_bytes());
            OF_ONE_PROVIDER.iter().for_each(|name| head.headers.remove(name));
        }
    }

    /// Whether the answer is bytes that nobody has to read.
    fn is_raw(&self, is_json: bool) -> bool {
        let endpoint = self.endpoint();
        endpoint.answers_bytes() || (endpoint == Endpoint::Speech && !is_json)
    }

    /// The model that answers.
    pub(crate) fn model(&self) -> &str {
        self.model.id.as_str()
    }

    /// Images are billed when they are asked for, whoever waits for them.
    pub(crate) fn is_billed_whole(&self) -> bool {
        self.endpoint().makes_images()
    }

    /// Whether the answer can be neither metered nor passed on.
    pub(crate) fn is_encoded(&self) -> bool {
        matches!(self.reading, Reading::Encoded)
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.reading, Reading::Stream(_) | Reading::Raw)
            || (matches!(self.reading, Reading::Nothing) && self.call.stream())
    }

    /// Takes the next bytes; `forward` receives what the client should see of them, which for a whole answer is nothing yet.
    pub(crate) fn push(&mut self, data: Bytes, forward: &mut impl FnMut(Bytes)) -> Result<(), Malformed> {
        match &mut self.reading {
            Reading::Nothing | Reading::Encoded => Err(Malformed),
            Reading::Raw => {
                forward(data);
                Ok(())
            }
            Reading::Stream(meter) => match &mut self.translator {
                None => match &mut self.sealing {
                    None => meter.push(data, forward).map_err(|_| Malformed),
                    Some(sealing) => {
                        meter.push(data, &mut |piece| sealing.push(&piece, forward)).map_err(|_| Malformed)
                    }
                },
                Some(translator) => {
                    meter.push(data.clone(), &mut |_| {}).map_err(|_| Malformed)?;
                    let said = translator.push(&data).map_err(|_| Malformed)?;
                    forward_some(said, forward);
                    Ok(())
                }
            },
            Reading::Whole { body, only } => {
                // Most answers come in one piece: keep it instead of copying it.
                if body.is_empty() && only.is_empty() {
                    *only = data;
                } else {
                    if body.is_empty() {
                        body.extend_from_slice(&core::mem::take(only));
                    }
                    body.extend_from_slice(&data);
                }
                Ok(())
            }
        }
    }

    /// Bytes gathered of a whole answer.
    pub(crate) fn gathered(&self) -> usize {
        match &self.reading {
            Reading::Whole { body, only } => body.len().max(only.len()),
            _ => 0,
        }
    }

    /// The whole answer as its client reads it, once it has ended. Cheap to call again.
    pub(crate) fn whole(&mut self) -> Result<Bytes, Malformed> {
        let whole = self.gathered_whole();
        if let Some(translated) = &self.translated {
            return Ok(translated.clone());
        }
        let translated = match (&self.translator, &mut self.sealing) {
            (Some(translator), _) => translator.whole(self.status, &whole).map_err(|_| Malformed)?,
            (None, Some(sealing)) => sealing.whole((200..300).contains(&self.status), &whole),
            (None, None) => return Ok(whole),
        };
        self.translated = Some(translated.clone());
        Ok(translated)
    }

    /// The whole answer as it came. Cheap to call again.
    fn gathered_whole(&mut self) -> Bytes {
        match &mut self.reading {
            Reading::Whole { body, only } => {
                if !body.is_empty() {
                    *only = core::mem::take(body).freeze();
                }
                only.clone()
            }
            _ => Bytes::new(),
        }
    }

    /// The upstream closed its side; forwards what was held back, and says whether the answer is whole.
    ///
    /// Some providers end a stream without `[DONE]`: one whose usage of the whole came, or that ended in an error event of
    /// the provider's own, said all that it had to say.
    pub(crate) fn finish(&mut self, forward: &mut impl FnMut(Bytes)) -> bool {
        match &mut self.reading {
            Reading::Stream(meter) => {
                let Some(translator) = &mut self.translator else {
                    let end = match &mut self.sealing {
                        None => meter.finish(forward),
                        Some(sealing) => {
                            let end = meter.finish(&mut |piece| sealing.push(&piece, forward));
                            sealing.finish(forward);
                            end
                        }
                    };
                    return end == StreamEnd::Terminal || meter.is_final() || meter.error_event();
                };
                let end = meter.finish(&mut |_| {});
                let is_whole = end == StreamEnd::Terminal || meter.is_final() || meter.error_event();
                forward_some(translator.finish(is_whole), forward);
                is_whole
            }
            Reading::Encoded => false,
            _ => true,
        }
    }

    /// The stream's last event has been seen: the usage is final.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(&self.reading, Reading::Stream(meter) if meter.is_terminal())
    }

    /// How the attempt ended as far as is known, and the provider's own id of its answer; `ended` says that the body
    /// was read to its end.
    pub(crate) fn outcome(&mut self, ended: bool) -> (Outcome, Option<String>) {
        let whole = self.gathered_whole();
        let (outcome, id) = match &self.reading {
            // No provider bills what is done with a stored object, whatever its answer says of an earlier one.
            _ if self.call.endpoint().is_of_object() => {
                let id = self.call.opened_objects().next().map(|(_, id)| id.to_owned());
                (Outcome::Complete(Usage::default()), id)
            }
            Reading::Whole { .. } if ended && self.call.endpoint().makes_batch() => {
                (Outcome::Kept, wire::answer_facts(self.endpoint(), &whole).id)
            }
            Reading::Whole { .. } if !ended && self.call.endpoint().hears() => (Outcome::Cut(self.estimate("")), None),
            // The whole text is billed when it is spoken, however much of that is heard.
            Reading::Nothing | Reading::Encoded => (Outcome::Unknown, None),
            reading if self.call.endpoint() == Endpoint::Speech => {
                let usage = Usage { characters: self.call.billable().characters, ..Usage::default() };
                let is_whole = ended || matches!(reading, Reading::Stream(meter) if meter.is_terminal());
                (if is_whole { Outcome::Complete(usage) } else { Outcome::Cut(usage) }, None)
            }
            Reading::Raw => (Outcome::Unknown, None),
            Reading::Whole { .. } if !ended => (Outcome::Unknown, None),
            Reading::Whole { .. } => self.of_whole(&whole),
            Reading::Stream(meter) => (self.of_stream(meter, ended), meter.response_id().map(str::to_owned)),
        };
        // No provider bills an answer that it gives with an error status. Without a head there is no status.
        let refused = self.status != 0 && !(200..300).contains(&self.status);
        (if refused { Outcome::Refused } else { outcome }, id)
    }

    fn of_whole(&self, body: &[u8]) -> (Outcome, Option<String>) {
        if self.endpoint().hears() {
            return self.of_heard(wire::heard(body));
        }
        let facts = wire::answer_facts(self.endpoint(), body);
        let outcome = match facts.usage {
            // What is told of vectors is told of texts; of images that became some, the request says how many.
            Ok(told) if self.endpoint() == Endpoint::Predict => match told {
                Some(usage) if usage.characters > 0 || !self.prices_characters => {
                    Outcome::Complete(Usage { images: u64::from(self.call.billable().images), ..usage })
                }
                _ => Outcome::Cut(self.count("", 0)),
            },
            // Images that are priced by their tokens, and came without a count of them.
            Ok(Some(usage)) if usage.images > 0 && usage.output == 0 && self.prices_tokens => Outcome::Unknown,
            // Units of search alone, of a model that is priced by tokens.
            Ok(Some(usage)) if self.endpoint().ranks() && usage.input == 0 && !self.prices_searches => {
                Outcome::Cut(self.count("", 0))
            }
            Ok(Some(usage)) => Outcome::Complete(usage),
            // What the body does not tell, the head may.
            Ok(None) => match self.told {
                Ok(Some(usage)) => Outcome::Complete(usage),
                Ok(None) => Outcome::Cut(self.count(&wire::answer_text(self.endpoint(), body), 0)),
                Err(fault) => unusable(fault),
            },
            Err(fault) => unusable(fault),
        };
        (outcome, facts.id)
    }

    /// What was written down: told in tokens or seconds, whichever the model is priced by, or estimated.
    fn of_heard(&self, heard: Heard) -> (Outcome, Option<String>) {
        let outcome = match heard.usage {
            Ok(Some(usage)) if self.is_priced_by(&usage) => Outcome::Complete(usage),
            Ok(told) => {
                let seconds = told.map_or(0, |usage| usage.seconds);
                let estimate = self.estimate(&heard.text);
                Outcome::Cut(if seconds > 0 { self.heard_for(seconds, &heard.text) } else { estimate })
            }
            Err(fault) => unusable(fault),
        };
        (outcome, heard.id)
    }

    /// Whether a usage of what was heard has the unit that the model is priced by.
    fn is_priced_by(&self, usage: &Usage) -> bool {
        (!self.prices_seconds || usage.seconds > 0) && (!self.prices_tokens || usage.input + usage.output > 0)
    }

    /// What was heard of a file whose answer does not say so: as long as a file of its size could be.
    fn estimate(&self, text: &str) -> Usage {
        let bytes = self.call.form_bytes().unwrap_or(0);
        self.heard_for(bytes.div_ceil(BYTES_PER_SECOND).clamp(1, self.model.audio_seconds_max.max(1)), text)
    }

    /// So many seconds, and the tokens that they are billed as.
    fn heard_for(&self, seconds: u64, text: &str) -> Usage {
        let audio = seconds.saturating_mul(TOKENS_PER_SECOND).min(self.model.context_window);
        let output = catalog::count_tokens(self.model.tokenizer.unwrap_or(Tokenizer::O200k), text);
        Usage { seconds, input: audio, audio_input: audio, output, ..Usage::default() }
    }

    fn of_stream(&self, meter: &StreamMeter, ended: bool) -> Outcome {
        if self.endpoint().hears() && meter.fault().is_none() {
            return match meter.usage() {
                Some(usage) if meter.is_final() && self.is_priced_by(&usage) => Outcome::Complete(usage),
                _ => Outcome::Cut(self.estimate(meter.delivered().text)),
            };
        }
        match (meter.usage(), meter.fault()) {
            // Images that are priced by their tokens, and came without a count of them.
            (Some(usage), _) if usage.images > 0 && usage.output == 0 && self.prices_tokens => Outcome::Unknown,
            (Some(usage), _) if meter.is_final() && (ended || meter.is_terminal()) => Outcome::Complete(usage),
            (Some(usage), _) if meter.is_final() => Outcome::Cut(usage),
            // What the provider had counted up to some event, and at least what was delivered.
            (Some(usage), _) => Outcome::Cut(self.at_least(meter, usage)),
            (None, Some(fault)) => unusable(fault),
            // What was not told of images cannot be counted.
            (None, None) if self.endpoint().makes_images() => Outcome::Unknown,
            (None, None) => {
                let delivered = meter.delivered();
                Outcome::Cut(self.count(delivered.text, delivered.beyond_bytes))
            }
        }
    }

    /// The end of a stream as an error in its dialect.
    pub(crate) fn stream_error(&self, refusal: &base::Refusal, request_id: base::RequestId) -> Bytes {
        let array = match (&self.translator, &self.reading) {
            (Some(translator), _) => translator.array(),
            (None, Reading::Stream(meter)) => meter.array(),
            _ => None,
        };
        wire::render::stream_error(self.call.endpoint(), array, refusal, request_id.as_str())
    }

    /// Whether the client is told of a fault in the stream; where it cannot be, the stream breaks off.
    pub(crate) fn takes_errors(&self) -> bool {
        !matches!(self.reading, Reading::Raw)
    }

    /// Whether comments may stand in the stream.
    pub(crate) fn takes_comments(&self) -> bool {
        match (&self.translator, &self.reading) {
            (Some(translator), Reading::Stream(_)) => translator.takes_comments(),
            (None, Reading::Stream(meter)) => meter.takes_comments(),
            _ => false,
        }
    }

    /// A usage that stops in the middle of a stream, with the output that was delivered.
    fn at_least(&self, meter: &StreamMeter, usage: Usage) -> Usage {
        let delivered = meter.delivered();
        let counted = self.count(delivered.text, delivered.beyond_bytes);
        Usage { output: usage.output.max(counted.output), ..usage }
    }

    /// Usage by counting, when the provider reported none: the prompt's texts and what was produced.
    ///
    /// `beyond_bytes` of further text are counted at four bytes a token, rounded up.
    fn count(&self, produced: &str, beyond_bytes: u64) -> Usage {
        let tokenizer = self.model.tokenizer.unwrap_or(Tokenizer::O200k);
        // Only there do they have a price without tokens.
        let (characters, images) = if self.endpoint() == Endpoint::Predict {
            let characters = self.call.prompt_texts().map(|text| text.chars().count() as u64).sum();
            (characters, u64::from(self.call.billable().images))
        } else {
            (0, 0)
        };
        let input = catalog::prompt_tokens(&self.model, &self.call);
        let output = catalog::count_tokens(tokenizer, produced) + beyond_bytes.div_ceil(4);
        Usage { input, output, characters, images, ..Usage::default() }
    }
}

/// Most pieces of a stream are the beginning of something that the client's dialect says at its end.
fn forward_some(bytes: Bytes, forward: &mut impl FnMut(Bytes)) {
    if !bytes.is_empty() {
        forward(bytes);
    }
}

/// A usage that makes no sense: nobody can say what was billed, so the hold stays for a person to resolve.
fn unusable(fault: UsageFault) -> Outcome {
    tracing::error!(?fault, "an upstream reported a usage that cannot be true; the hold stays");
    Outcome::Unknown
}
