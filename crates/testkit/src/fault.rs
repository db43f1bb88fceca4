//! What the provider can be told to do wrong, and the spelling of it in a model name or header.

use std::time::Duration;

/// How one request goes wrong. Everything not named here still follows the options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: an ordinary answer. Useful in a script, between two faults.
    #[default]
    Nothing,
    /// An error answer in the provider's shape. Bills nothing.
    Status {
        /// The HTTP status, 400..=599.
        status: u16,
        /// Seconds in a `Retry-After` header.
        retry_after_seconds: Option<u32>,
    },
    /// The connection closes after the request was read, before any byte of an answer. Bills in full: the worst case
    /// for a caller, who cannot know.
    CloseBeforeHeaders,
    /// The connection closes in the middle of the body. A plain answer bills in full, a stream what was produced.
    CloseMidBody,
    /// A stream ends abruptly (no last HTTP chunk) after this many events.
    CloseMidStream {
        /// Events sent before the end.
        after_events: u32,
    },
    /// A stream ends properly as HTTP, but after this many events and without `[DONE]`; `None`: only `[DONE]` is missing.
    MissingDone {
        /// Events sent before the end.
        after_events: Option<u32>,
    },
    /// A stream, already answered with 200, carries an error event after this many events and ends.
    StreamError {
        /// Events sent before the error.
        after_events: u32,
    },
    /// The usage object is wrong. The bill is right.
    Usage(UsageShape),
    /// 502 with a page of HTML, as a load balancer in front of a provider answers. Bills nothing.
    HtmlBadGateway,
    /// 200 and a line (or JSON string) that never ends, as fast as the reader takes it.
    EndlessLine,
    /// The right answer, one byte at a time.
    SlowDrip {
        /// Between two bytes.
        interval: Duration,
    },
    /// The request is read and never answered. Bills in full.
    NeverAnswer,
    /// The right answer, gzip-encoded although nobody may have asked for it.
    Gzip,
}

impl Fault {
    /// An error status without `Retry-After`.
    pub fn status(status: u16) -> Fault {
        Fault::Status { status, retry_after_seconds: None }
    }
}

/// The ways in which a usage object is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageShape {
    /// There is none.
    Missing,
    /// A completion count below zero.
    Negative,
    /// Counts of 9 × 10^15.
    Absurd,
    /// A completion count with a fraction.
    Fractional,
    /// Counts as strings.
    Text,
    /// A plain answer has two `usage` members; a stream reports half of it first, then all of it.
    Twice,
}

/// Wishes in a model name: `sim-` and parts joined by dots, for example `sim-tokens-200.chunk-delay-20` or
/// `sim-error-429.retry-after-3`; or the same, without `sim-`, in the header `x-sim`.
///
/// Parts: `error-STATUS`, `retry-after-SECONDS`, `close-before-headers`, `close-mid-body`, `close-mid-stream[-EVENTS]`,
/// `missing-done[-EVENTS]`, `stream-error[-EVENTS]`, `usage-missing`, `usage-negative`, `usage-absurd`,
/// `usage-fractional`, `usage-text`, `usage-twice`, `html-502`, `endless-line`, `slow-drip[-MILLIS]`, `never-answer`,
/// `gzip`, `tokens-COUNT`, `delay-MILLIS` (first byte), `chunk-delay-MILLIS`, `echo`, `text` (no wish).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// Tokens to produce when the caller's limit allows them.
    pub output_tokens: Option<u64>,
    /// Before the headers of the answer.
    pub first_byte_latency: Option<Duration>,
    /// Before each event of a stream but the first.
    pub chunk_latency: Option<Duration>,
    /// Answer with the last user message.
    pub echo: bool,
}

/// A part that is no wish: a typing error must not make a test vacuous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown simulation directive `{0}`")]
pub struct DirectiveError(pub String);

/// Events before a stream goes wrong when the name does not say.
const EVENTS_DEFAULT: u64 = 3;

/// Milliseconds between two bytes of a slow drip when the name does not say.
const DRIP_MILLIS_DEFAULT: u64 = 200;

impl Directives {
    /// The wishes in a model name; none when it does not begin with `sim-`.
    ///
    /// # Errors
    /// A part that is not in the list.
    pub fn of_model(model: &str) -> Result<Directives, DirectiveError> {
        model.strip_prefix("sim-").map_or_else(|| Ok(Directives::default()), Directives::parse)
    }

    /// The wishes in a text of parts joined by dots.
    ///
    /// # Errors
    /// A part that is not in the list.
    pub fn parse(text: &str) -> Result<Directives, DirectiveError> {
        let mut wishes = Directives::default();
        let mut retry_after = None;
        for part in text.split('.') {
            let (name, number) = split_number(part);
            match (name, number) {
                ("retry-after", Some(seconds)) => retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
                ("tokens", Some(count)) => wishes.output_tokens = Some(count),
                ("delay", Some(millis)) => wishes.first_byte_latency = Some(Duration::from_millis(millis)),
                ("chunk-delay", Some(millis)) => wishes.chunk_latency = Some(Duration::from_millis(millis)),
                ("echo", None) => wishes.echo = true,
                ("text", None) => {}
                _ => wishes.fault = Some(fault_of(name, number).ok_or_else(|| DirectiveError(part.to_owned()))?),
            }
        }
        if let (Some(Fault::Status { retry_after_seconds, .. }), Some(seconds)) = (&mut wishes.fault, retry_after) {
            *retry_after_seconds = Some(seconds);
        }
        Ok(wishes)
    }
}

fn split_number(part: &str) -> (&str, Option<u64>) {
    match part.rsplit_once('-') {
        Some((name, digits)) => match digits.parse() {
            Ok(number) => (name, Some(number)),
            Err(_) => (part, None),
        },
        None => (part, None),
    }
}

fn fault_of(name: &str, number: Option<u64>) -> Option<Fault> {
    let events = u32::try_from(number.unwrap_or(EVENTS_DEFAULT)).unwrap_or(u32::MAX);
    Some(match (name, number) {
        ("error", Some(status @ 400..=599)) => Fault::status(status as u16),
        ("html", Some(502)) => Fault::HtmlBadGateway,
        ("close-before-headers", None) => Fault::CloseBeforeHeaders,
        ("close-mid-body", None) => Fault::CloseMidBody,
        ("close-mid-stream", _) => Fault::CloseMidStream { after_events: events },
        ("missing-done", _) => Fault::MissingDone { after_events: number.map(|_| events) },
        ("stream-error", _) => Fault::StreamError { after_events: events },
        ("usage-missing", None) => Fault::Usage(UsageShape::Missing),
        ("usage-negative", None) => Fault::Usage(UsageShape::Negative),
        ("usage-absurd", None) => Fault::Usage(UsageShape::Absurd),
        ("usage-fractional", None) => Fault::Usage(UsageShape::Fractional),
        ("usage-text", None) => Fault::Usage(UsageShape::Text),
        ("usage-twice", None) => Fault::Usage(UsageShape::Twice),
        ("endless-line", None) => Fault::EndlessLine,
        ("slow-drip", _) => Fault::SlowDrip { interval: Duration::from_millis(number.unwrap_or(DRIP_MILLIS_DEFAULT)) },
        ("never-answer", None) => Fault::NeverAnswer,
        ("gzip", None) => Fault::Gzip,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_says_what_goes_wrong() {
        let table = [
            ("gpt-4.1", None),
            ("sim-text", None),
            ("sim-error-503", Some(Fault::status(503))),
            ("sim-error-429.retry-after-3", Some(Fault::Status { status: 429, retry_after_seconds: Some(3) })),
            ("sim-close-mid-stream", Some(Fault::CloseMidStream { after_events: 3 })),
            ("sim-close-mid-stream-7", Some(Fault::CloseMidStream { after_events: 7 })),
            ("sim-missing-done", Some(Fault::MissingDone { after_events: None })),
            ("sim-usage-negative", Some(Fault::Usage(UsageShape::Negative))),
            ("sim-html-502", Some(Fault::HtmlBadGateway)),
            ("sim-slow-drip-5", Some(Fault::SlowDrip { interval: Duration::from_millis(5) })),
        ];
        for (model, fault) in table {
            assert_eq!(Directives::of_model(model).unwrap().fault, fault, "{model}");
        }
        let wishes = Directives::of_model("sim-tokens-200.chunk-delay-20.delay-5").unwrap();
        assert_eq!(wishes.output_tokens, Some(200));
        assert_eq!(wishes.chunk_latency, Some(Duration::from_millis(20)));
        assert_eq!(wishes.first_byte_latency, Some(Duration::from_millis(5)));
    }

    #[test]
    fn a_typing_error_is_refused() {
        for model in ["sim-", "sim-eror-500", "sim-error", "sim-error-99", "sim-tokens", "sim-gzip-3", "sim-echo..text"]
        {
            assert!(Directives::of_model(model).is_err(), "{model}");
        }
    }
}
