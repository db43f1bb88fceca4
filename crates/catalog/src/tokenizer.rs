//! Counting tokens with a provider's own vocabulary, where it is public.

use serde::{Deserialize, Serialize};

/// A public vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tokenizer {
    /// GPT-3.5, GPT-4, text-embedding-3 and text-embedding-ada-002.
    Cl100k,
    /// GPT-4o, GPT-4.1, GPT-5 and the o-series.
    O200k,
}

impl Tokenizer {
    /// Loaded at first use (tens of milliseconds), then shared by the process.
    fn vocabulary(self) -> &'static bpe_openai::Tokenizer {
        match self {
            Tokenizer::Cl100k => bpe_openai::cl100k_base(),
            Tokenizer::O200k => bpe_openai::o200k_base(),
        }
    }
}

/// Tokens of `text`, in time linear in its length: special tokens count as the plain text that they are written with.
///
/// Never more than the bytes of `text`.
#[must_use]
pub fn count_tokens(tokenizer: Tokenizer, text: &str) -> u64 {
    if text.is_empty() { 0 } else { tokenizer.vocabulary().count(text) as u64 }
}

/// Tokens of `text` when they are at most `limit`, else `None`, found out without counting to the end.
///
/// A text of no more bytes than `limit` always fits; use that before asking where the exact count does not matter.
#[must_use]
pub fn count_tokens_within(tokenizer: Tokenizer, text: &str, limit: u64) -> Option<u64> {
    if text.is_empty() {
        return Some(0);
    }
    let vocabulary = tokenizer.vocabulary();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    vocabulary.count_till_limit(&vocabulary.normalize(text), limit).map(|tokens| tokens as u64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn known_texts_have_their_known_counts() {
        let cases =
            [(Tokenizer::Cl100k, "hello world", 2), (Tokenizer::O200k, "hello world", 2), (Tokenizer::O200k, "", 0)];
        for (tokenizer, text, tokens) in cases {
            assert_eq!(count_tokens(tokenizer, text), tokens, "{text}");
        }
        assert!(count_tokens(Tokenizer::O200k, "<|endoftext|>") > 1, "a special token written out is plain text");
    }

    #[test]
    fn tokens_never_outnumber_bytes() {
        for text in ["a", "ä", "🦀🦀🦀", "\u{0}\u{1}\u{fffd}", "ﷺ", "e\u{301}\u{301}", "  \n\n\t x", "한국어 日本語"]
        {
            for tokenizer in [Tokenizer::Cl100k, Tokenizer::O200k] {
                assert!(count_tokens(tokenizer, text) <= text.len() as u64, "{text:?}");
            }
        }
    }

    /// The usual implementations are superlinear in such inputs and take seconds.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "measures real time")]
    fn two_hundred_kilobytes_of_anything_take_no_time() {
        let hostile = [
            " ".repeat(200_000),
            "a".repeat(200_000),
            "\n".repeat(200_000),
            " \t".repeat(100_000),
            "🦀".repeat(50_000),
            "^".repeat(200_000),
        ];
        assert!(count_tokens(Tokenizer::O200k, "load") > 0);
        assert!(count_tokens(Tokenizer::Cl100k, "load") > 0);
        for text in &hostile {
            for tokenizer in [Tokenizer::Cl100k, Tokenizer::O200k] {
                let start = Instant::now();
                assert!(count_tokens(tokenizer, text) <= text.len() as u64);
                let took = start.elapsed();
                assert!(took < Duration::from_secs(2), "{tokenizer:?} took {took:?} for {:?}...", &text[..4]);
            }
        }
    }

    #[test]
    fn counting_stops_at_the_limit() {
        let text = "one two three four five";
        let tokens = count_tokens(Tokenizer::O200k, text);
        assert_eq!(count_tokens_within(Tokenizer::O200k, text, tokens), Some(tokens));
        assert_eq!(count_tokens_within(Tokenizer::O200k, text, tokens - 1), None);
        assert_eq!(count_tokens_within(Tokenizer::O200k, "", 0), Some(0));
    }
}
