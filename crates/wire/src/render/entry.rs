//! What goes into the renderers and what comes out.

use bytes::Bytes;

/// A body ready to be sent, with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// One model, as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelEntry<'a> {
    /// Its public name.
    pub id: &'a str,
    /// When it was added, in seconds since the Unix epoch.
    pub created_seconds: i64,
    /// Who runs it.
    pub owned_by: &'a str,
    /// Whether it makes text; the others make vectors.
    pub has_output: bool,
}
