//! The dialect of Google's contents.

mod answer_read;
mod answer_write;
mod request_read;
mod request_write;
mod schema;

pub(super) use self::answer_read::Reader;
pub(super) use self::answer_write::{Writer, whole};
pub(super) use self::request_read::read;
pub(super) use self::request_write::write;

/// What Google's documents have for the seal of a call that its models did not make.
pub(super) const NO_SEAL: &str = "skip_thought_signature_validator";
