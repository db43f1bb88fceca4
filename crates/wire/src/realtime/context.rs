//! The most that the next response of a session can have as input.

use crate::billable::{Billable, CacheWrites};

use super::Input;

/// Decoded bytes of audio that make one token at least. The densest format is 8,000 bytes a second and 10 tokens: 800
/// bytes each, of which this leaves eight times as many tokens.
const AUDIO_BYTES_PER_TOKEN: u64 = 100;

/// What was said in a session so far. It only grows: what the provider forgets or cuts off costs less than is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Context {
    input: Input,
    /// Output tokens of responses that ended.
    answered: u64,
}

impl Context {
    /// An event of the client was passed on.
    pub fn add(&mut self, input: &Input) {
        // Exhaustive, so that a new part must be given a meaning here.
        let Input { text_bytes, audio_bytes, images, items, tools, is_open } = *input;
        let sum = &mut self.input;
        sum.text_bytes = sum.text_bytes.saturating_add(text_bytes);
        sum.audio_bytes = sum.audio_bytes.saturating_add(audio_bytes);
        sum.images = sum.images.saturating_add(images);
        sum.items = sum.items.saturating_add(items);
        sum.tools = sum.tools.saturating_add(tools);
        sum.is_open |= is_open;
    }

    /// A response ended with so many output tokens, which are input from now on.
    pub fn answered(&mut self, output_tokens: u64) {
        self.answered = self.answered.saturating_add(output_tokens);
        self.input.items = self.input.items.saturating_add(1);
    }

    /// Whether audio was sent, so that the provider may begin a response by itself.
    #[must_use]
    pub const fn has_audio(&self) -> bool {
        self.input.audio_bytes > 0
    }

    /// What a response that begins now can be billed for, while others under way may yet add `running` tokens.
    #[must_use]
    pub fn billable(&self, output_limit: Option<u64>, running: u64) -> Billable {
        let Input { text_bytes, audio_bytes, images, items, tools, is_open } = self.input;
        let heard = audio_bytes.div_ceil(AUDIO_BYTES_PER_TOKEN);
        Billable {
            text_bytes,
            messages: items,
            tools,
            images,
            // Without clips each byte counts as a token. What was answered may have been audio.
            audio_bytes: heard.saturating_add(self.answered).saturating_add(running),
            output_limit,
            audio_output: true,
            unknown_parameters: is_open,
            cache_writes: CacheWrites::None,
            ..Billable::default()
        }
    }

    /// What any response can be billed for, whatever is said until it begins.
    #[must_use]
    pub fn anything() -> Billable {
        Billable {
            audio_bytes: u64::MAX,
            audio_output: true,
            unknown_parameters: true,
            cache_writes: CacheWrites::None,
            ..Billable::default()
        }
    }
}
