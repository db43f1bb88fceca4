//! One response of a session: what it says, piece by piece, and what it bills.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fault::{Fault, UsageShape};
use crate::truth::Bill;

/// Audio tokens of one spoken word.
const AUDIO_TOKENS_PER_WORD: u64 = 2;

/// Tokens that were heard or said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub(super) text: u64,
    pub(super) audio: u64,
}

impl Heard {
    pub(super) fn sum(self) -> u64 {
        self.text + self.audio
    }
}

/// A response under way.
pub(super) struct Active {
    pub(super) id: String,
    pub(super) fault: Fault,
    pub(super) input: Heard,
    pub(super) cached: Heard,
    pub(super) said: Heard,
    is_spoken: bool,
    words: u64,
    words_left: u64,
    bill: Bill,
}

impl Active {
    pub(super) fn new(id: String, fault: Fault, input: Heard, cached: Heard, is_spoken: bool, bill: Bill) -> Active {
        let said = Heard::default();
        Active { id, fault, input, cached, said, is_spoken, words: 0, words_left: 0, bill }
    }

    /// Begins to work on so many tokens, within a limit.
    pub(super) fn begin(&mut self, tokens: u64, limit: Option<u64>) {
        self.bill.charge_prompt(self.input.sum(), self.cached.sum());
        let per_word = if self.is_spoken { 1 + AUDIO_TOKENS_PER_WORD } else { 1 };
        self.words_left = tokens.min(limit.map_or(u64::MAX, |limit| limit / per_word));
    }

    /// The events of the next word; `None` when all is said.
    pub(super) fn next(&mut self) -> Option<Vec<Value>> {
        self.words_left = self.words_left.checked_sub(1)?;
        self.words += 1;
        let mut said = Heard { text: 1, audio: 0 };
        let event = |kind: &str, delta: &str| {
            json!({
                "type": kind, "event_id": format!("event_{}_{kind}_{}", self.id, self.words), "response_id": self.id,
                "item_id": format!("item_of_{}", self.id), "output_index": 0, "content_index": 0, "delta": delta,
            })
        };
        let word = format!("word{} ", self.words);
        let events = if self.is_spoken {
            said.audio = AUDIO_TOKENS_PER_WORD;
            let audio = STANDARD.encode([self.words as u8; 480]);
            vec![event("response.output_audio_transcript.delta", &word), event("response.output_audio.delta", &audio)]
        } else {
            vec![event("response.output_text.delta", &word)]
        };
        self.bill.charge_completion(said.sum());
        self.said = Heard { text: self.said.text + said.text, audio: self.said.audio + said.audio };
        Some(events)
    }

    /// Words said so far.
    pub(super) fn words(&self) -> u64 {
        self.words
    }

    /// The response as an object.
    pub(super) fn object(&self, status: &str) -> Value {
        json!({
            "object": "realtime.response", "id": self.id, "status": status, "status_details": null, "output": [],
            "conversation_id": "conv_1", "output_modalities": [if self.is_spoken { "audio" } else { "text" }],
            "metadata": null, "usage": null,
        })
    }

    /// The last event; the bill is closed.
    pub(super) fn done(mut self, status: &str) -> Value {
        let mut response = self.object(status);
        if status != "failed" {
            response["usage"] = self.usage();
        }
        self.bill.complete();
        json!({ "type": "response.done", "event_id": format!("event_done_{}", self.id), "response": response })
    }

    fn usage(&self) -> Value {
        let Active { input, cached, said, .. } = self;
        let mut usage = json!({
            "total_tokens": input.sum() + said.sum(), "input_tokens": input.sum(), "output_tokens": said.sum(),
            "input_token_details": {
                "text_tokens": input.text, "audio_tokens": input.audio, "image_tokens": 0, "cached_tokens": cached.sum(),
                "cached_tokens_details": { "text_tokens": cached.text, "audio_tokens": cached.audio, "image_tokens": 0 },
            },
            "output_token_details": { "text_tokens": said.text, "audio_tokens": said.audio },
        });
        match self.fault {
            Fault::Usage(UsageShape::Missing) => usage = Value::Null,
            Fault::Usage(UsageShape::Negative) => usage["output_tokens"] = json!(-5),
            Fault::Usage(UsageShape::Absurd) => usage["output_tokens"] = json!(9_000_000_000_000_000_u64),
            Fault::Usage(UsageShape::Fractional) => usage["output_tokens"] = json!(1.5),
            Fault::Usage(UsageShape::Text) => usage["output_tokens"] = json!("7"),
            _ => {}
        }
        usage
    }
}
