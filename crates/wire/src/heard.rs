//! Answers of what was heard: JSON with a usage or a length, or a text with times, or without.

use crate::dialect::Endpoint;
use crate::event;
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::{self, Usage, UsageFault, seconds_ceil};

/// What an answer that writes speech down says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Tokens, or the seconds that were heard; `Ok(None)` when it tells neither.
    pub usage: Result<Option<Usage>, UsageFault>,
    /// What was written down, for counting.
    pub text: String,
    /// The provider's own id of the answer.
    pub id: Option<String>,
}

/// Reads a whole answer of [`Endpoint::hears`], in whichever form it was asked for.
#[must_use]
pub fn heard(body: &[u8]) -> Heard {
    let is_json = body.trim_ascii_start().starts_with(b"{");
    if is_json {
        return of_json(body);
    }
    let seconds = last_time(body);
    let usage = seconds.map(|seconds| Usage { seconds, ..Usage::default() });
    Heard { usage: Ok(usage), text: String::from_utf8_lossy(body).into_owned(), id: None }
}

fn of_json(body: &[u8]) -> Heard {
    let mut heard = Heard { usage: Ok(None), text: String::new(), id: None };
    let mut length = None;
    let mut scanner = Lenient::new(body);
    let read = scanner.object::<ScanError>(|scanner, key| {
        match key.raw {
            b"usage" if scanner.kind()? == Kind::Object => {
                heard.usage = usage::read(Endpoint::Transcriptions, scanner)?
            }
            b"duration" => length = usage::seconds(scanner)?,
            b"text" if scanner.kind()? == Kind::String => heard.text = scanner.string()?.decode().into_owned(),
            b"id" if scanner.kind()? == Kind::String => heard.id = event::id_of(&scanner.string()?.decode()),
            _ => scanner.skip()?,
        }
        Ok(())
    });
    if read.and_then(|()| scanner.end()).is_err() {
        heard.usage = Err(UsageFault::Malformed);
    }
    if let (Ok(usage), Some(seconds)) = (&mut heard.usage, length) {
        let told = usage.get_or_insert_default();
        told.seconds = told.seconds.max(seconds);
    }
    heard
}

/// The end of the last subtitle (`00:00:05,500` in SRT, `00:05.500` in VTT), in seconds, rounded up.
fn last_time(body: &[u8]) -> Option<u64> {
    let at = memchr::memmem::rfind(body, b"-->")?;
    let line = body[at + 3..].split(|byte| matches!(byte, b'\n' | b'\r')).next()?.trim_ascii();
    let time = core::str::from_utf8(line.split(|byte| *byte == b' ').next()?).ok()?.replace(',', ".");
    let mut parts = time.rsplit(':');
    let seconds = seconds_ceil(parts.next()?.as_bytes())?;
    parts
        .zip([60, 3_600])
        .try_fold(seconds, |sum, (part, factor)| part.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(body: &str) -> Option<u64> {
        heard(body.as_bytes()).usage.expect("a usage or none").map(|usage| usage.seconds)
    }

    #[test]
    fn a_length_is_found_in_every_form() {
        assert_eq!(seconds(r#"{"text":"x","usage":{"seconds":6,"type":"duration"}}"#), Some(6));
        assert_eq!(seconds(r#"{"duration":5.495999813079834,"text":"x"}"#), Some(6));
        assert_eq!(seconds(r#"{"duration":"8.00","text":"x"}"#), Some(8));
        assert_eq!(seconds(r#"{"duration":3.2,"usage":{"type":"duration","seconds":4}}"#), Some(4));
        assert_eq!(seconds(r#"{"text":"x"}"#), None);
        assert_eq!(
            seconds("1\n00:00:00,000 --> 00:00:02,500\nA\n\n2\n01:00:03,000 --> 01:02:03,001\nB\n\n"),
            Some(3_724)
        );
        assert_eq!(
            seconds("WEBVTT\n\n00:00.000 --> 00:02.000\nA --> B\n\n00:02.000 --> 00:04.100 align:left\nB"),
            Some(5)
        );
        assert_eq!(seconds("A plain text."), None);
        assert_eq!(seconds("a --> b"), None);
        assert_eq!(seconds("a --> 99999999999999999999:00:00"), None);
    }

    #[test]
    fn tokens_are_audio_and_text() {
        let body = br#"{"text":"hi","usage":{"type":"tokens","input_tokens":37,"output_tokens":12,"total_tokens":49,
            "input_token_details":{"text_tokens":2,"audio_tokens":35}}}"#;
        let usage = heard(body).usage.unwrap().unwrap();
        assert_eq!((usage.input, usage.audio_input, usage.output, usage.seconds), (37, 35, 12, 0));
        assert_eq!(heard(body).text, "hi");
        // Mistral's audio is missing in the prompt, and in the total.
        let body = br#"{"text":"hi","usage":{"prompt_audio_seconds":3,"prompt_tokens":5,"total_tokens":391,
            "completion_tokens":11,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":375}}}"#;
        let usage = heard(body).usage.unwrap().unwrap();
        assert_eq!((usage.input, usage.audio_input, usage.output, usage.seconds), (380, 375, 11, 3));
    }

    #[test]
    fn what_cannot_be_true_is_a_fault() {
        assert!(heard(br#"{"usage":{"input_tokens":-1,"output_tokens":0}}"#).usage.is_err());
        assert_eq!(heard(b"{\"text\":\"cut").usage, Err(UsageFault::Malformed));
        assert_eq!(seconds(r#"{"usage":{"seconds":-1}}"#), None);
    }
}
