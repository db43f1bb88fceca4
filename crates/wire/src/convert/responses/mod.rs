//! The dialect of OpenAI's responses.

mod answer_read;
mod answer_write;
mod items;
mod request_read;
mod request_write;

pub(super) use self::answer_read::Reader;
pub(super) use self::answer_write::{Writer, whole};
pub(super) use self::request_read::read;
pub(super) use self::request_write::write;
