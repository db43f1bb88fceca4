//! `docs/translation.md`, generated from the table of what translations change.

/// Where the document is, relative to the root.
pub const DOCUMENT: &str = "docs/translation.md";

/// What the document must say.
#[must_use]
pub fn markdown() -> String {
    wire::convert::translation_markdown()
}
