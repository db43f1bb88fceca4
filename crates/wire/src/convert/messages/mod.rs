//! Anthropic's messages, and whoever copies them.

mod answer_read;
mod answer_write;
mod request_read;
mod request_write;

pub(super) use self::answer_read::Reader;
pub(super) use self::answer_write::{Writer, whole};
pub(super) use self::request_read::{read, thinking};
pub(super) use self::request_write::{effort, input_schema, is_sayable, think, write};
