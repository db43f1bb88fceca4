//! The provider's own token rule, simple enough to check by hand.
//!
//! - A text has one token per started four bytes of UTF-8: `ceil(bytes / 4)`.
//! - A chat prompt has three tokens, and three more per message, beside its texts; a tool has the tokens of its strings and
//!   member names; an image or file part has [`IMAGE_TOKENS`].
//! - An answer has one token per piece that it was produced in; no piece is empty.
//!
//! The braces, quotes and member names that a message needs are longer than its three tokens, so the number of bytes
//! of a request's body is never below its prompt tokens (images aside).

/// Tokens of one image, audio or file part, whatever its size.
pub const IMAGE_TOKENS: u64 = 85;

/// Tokens that the answer's own start costs in a chat prompt.
pub(crate) const PRIMER_TOKENS: u64 = 3;

/// Tokens per chat message beside its text.
pub(crate) const MESSAGE_TOKENS: u64 = 3;

/// Tokens of a text: one per started four bytes.
pub fn count_tokens(text: &str) -> u64 {
    text.len().div_ceil(4) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_token_per_started_four_bytes() {
        for (text, tokens) in [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("äöü", 2), ("12345678", 2)] {
            assert_eq!(count_tokens(text), tokens, "{text:?}");
        }
    }
}
