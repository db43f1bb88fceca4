//! The pieces that answers are produced in, one token each.

use crate::options::TextSource;

/// Written by us; every word is one token, the space in front belongs to it.
const PARAGRAPH: &str = "This answer comes from a simulated provider . It speaks the same protocol as a real one , \
    counts its tokens by a simple rule and never tires . Ask for more words and it begins again :";

/// More pieces than this are never produced, whatever a request asks for.
const PIECES_MAX: u64 = 1_000_000;

/// What the model says in one choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// Visible text, one token a piece, none empty.
    pub(crate) pieces: Vec<String>,
    /// Tokens of invisible reasoning, produced before the first piece.
    pub(crate) reasoning_tokens: u64,
    /// Whether the caller's limit ended it.
    pub(crate) is_cut: bool,
}

impl Product {
    pub(crate) fn tokens(&self) -> u64 {
        self.pieces.len() as u64 + self.reasoning_tokens
    }

    pub(crate) fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// How much to say, and what.
pub(crate) struct Wish<'a> {
    pub(crate) source: &'a TextSource,
    pub(crate) echo_text: &'a str,
    pub(crate) output_tokens: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) reasoning_percent: u8,
    /// Choices begin the paragraph at different words.
    pub(crate) choice: usize,
}

pub(crate) fn produce(wish: &Wish<'_>) -> Product {
    let percent = u64::from(wish.reasoning_percent.min(100));
    match wish.source {
        TextSource::Words => {
            let wanted = wish.output_tokens.min(PIECES_MAX);
            let reasoning = wanted * percent / 100;
            let total = wanted.min(wish.limit.unwrap_or(u64::MAX));
            let reasoning_tokens = reasoning.min(total);
            let pieces = words(wish.choice, total - reasoning_tokens);
            Product { pieces, reasoning_tokens, is_cut: total < wanted }
        }
        TextSource::Fixed(text) => limited(split(text), percent, wish.limit),
        TextSource::Echo => limited(split(wish.echo_text), percent, wish.limit),
    }
}

/// Cuts a whole text's pieces down to the limit.
pub(crate) fn limited(mut pieces: Vec<String>, reasoning_percent: u64, limit: Option<u64>) -> Product {
    let visible = pieces.len() as u64;
    let reasoning = visible * reasoning_percent / 100;
    let total = (visible + reasoning).min(limit.unwrap_or(u64::MAX));
    let reasoning_tokens = reasoning.min(total);
    pieces.truncate((total - reasoning_tokens) as usize);
    Product { pieces, reasoning_tokens, is_cut: total < visible + reasoning }
}

fn words(first: usize, count: u64) -> Vec<String> {
    let all: Vec<&str> = PARAGRAPH.split(' ').filter(|word| !word.is_empty()).collect();
    (0..count as usize)
        .map(|index| {
            let word = all[(first + index) % all.len()];
            if index == 0 { word.to_owned() } else { format!(" {word}") }
        })
        .collect()
}

/// Pieces of four bytes, or of one character where that is longer.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut pieces = Vec::with_capacity(text.len() / 4 + 1);
    let mut piece = String::new();
    for character in text.chars() {
        if !piece.is_empty() && piece.len() + character.len_utf8() > 4 {
            pieces.push(std::mem::take(&mut piece));
        }
        piece.push(character);
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_piece_is_empty_and_together_they_are_the_text() {
        for text in ["", "a", "abcd", "abcdefghi", "äöüß", "a😀b😀😀c", "日本語テキスト"] {
            let pieces = split(text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| !piece.is_empty()));
            assert!(pieces.len() <= text.len());
        }
    }

    #[test]
    fn the_callers_limit_ends_the_answer() {
        let wish = |limit| Wish {
            source: &TextSource::Words,
            echo_text: "",
            output_tokens: 100,
            limit,
            reasoning_percent: 30,
            choice: 0,
        };
        let whole = produce(&wish(None));
        assert_eq!((whole.tokens(), whole.reasoning_tokens, whole.is_cut), (100, 30, false));
        let cut = produce(&wish(Some(40)));
        assert_eq!((cut.pieces.len(), cut.reasoning_tokens, cut.is_cut), (10, 30, true));
        let only_thought = produce(&wish(Some(20)));
        assert_eq!((only_thought.pieces.len(), only_thought.reasoning_tokens), (0, 20));
    }
}
