//! The wall clock of this binary.

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the one clock of the binary")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
