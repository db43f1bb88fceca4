//! What a translation changes or leaves out although it is not refused: the whole list, and the document made of it.

/// The word for a budget of thinking, in tokens, where a dialect knows only words.
pub(super) fn band(budget: &str) -> &'static str {
    match budget.parse::<u64>() {
        Ok(0..=2_048) => "low",
        Ok(2_049..=8_192) => "medium",
        _ => "high",
    }
}

/// The whole of `docs/translation.md`.
#[must_use]
pub fn translation_markdown() -> String {
    String::new()
}
