//! `docs/refusals.md`, generated from the one renderer of refusals.

/// Where the document is, relative to the root.
pub const DOCUMENT: &str = "docs/refusals.md";

/// What the document must say.
#[must_use]
pub fn markdown() -> String {
    wire::render::refusals_markdown()
}
