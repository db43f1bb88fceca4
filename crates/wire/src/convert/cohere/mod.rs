//! The dialect of Cohere's chats (version 2).

mod answer_read;
mod answer_write;
mod request_read;
mod request_write;

pub(super) use self::answer_read::Reader;
pub(super) use self::answer_write::{Writer, whole};
pub(super) use self::request_read::read;
pub(super) use self::request_write::write;
