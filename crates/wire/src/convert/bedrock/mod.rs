//! The dialect of Bedrock's Converse.

mod answer_read;
mod answer_write;
mod formats;
mod request_read;
mod request_write;

pub(super) use self::answer_read::{Reader, exception};
pub(super) use self::answer_write::{Writer, whole};
pub(super) use self::request_read::read;
pub(super) use self::request_write::write;
