//! Items of a response's output, as its whole and its events write them.

use super::super::build::Build;
use super::super::seal::{Maker, Seal};

/// One item of the output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Reasoning { text: String, seal: Option<String> },
    Message { text: String, is_refusal: bool, logprobs: Vec<String> },
    Call { id: String, name: String, arguments: String },
}

impl Item {
    /// A thought without text, for its seal.
    pub(super) fn sealed(seal: &Seal<'_>) -> Item {
        Item::Reasoning { text: String::new(), seal: Some(written(seal)) }
    }

    /// The bytes of all texts in it.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Item::Reasoning { text, seal } => text.len() + seal.as_ref().map_or(0, String::len),
            Item::Message { text, logprobs, .. } => text.len() + logprobs.iter().map(String::len).sum::<usize>(),
            Item::Call { id, name, arguments } => id.len() + name.len() + arguments.len(),
        }
    }

    /// The id that the relay gives an item: its place in the answer.
    pub(super) fn id(&self, answer: &str, index: usize) -> String {
        let kind = match self {
            Item::Reasoning { .. } => "rs",
            Item::Message { .. } => "msg",
            Item::Call { .. } => "fc",
        };
        format!("{kind}_{answer}_{index}")
    }

    /// The whole item; one that is not done has nothing in it yet.
    pub(super) fn write(&self, id: &str, is_done: bool, json: &mut Build) {
        let status = if is_done { "completed" } else { "in_progress" };
        json.begin_object().texted("id", id);
        match self {
            Item::Reasoning { text, seal } => {
                json.texted("type", "reasoning").key("summary").begin_array();
                if is_done && !text.is_empty() {
                    summary(text, json);
                }
                json.end_array();
                if let Some(seal) = seal {
                    json.texted("encrypted_content", seal);
                }
            }
            Item::Message { .. } => {
                json.texted("type", "message").texted("role", "assistant").texted("status", status);
                json.key("content").begin_array();
                if is_done {
                    self.write_part(json);
                }
                json.end_array();
            }
            Item::Call { id, name, arguments } => {
                json.texted("type", "function_call").texted("call_id", id).texted("name", name);
                json.texted("arguments", if is_done { arguments } else { "" }).texted("status", status);
            }
        }
        json.end_object();
    }

    /// The one part of a message.
    pub(super) fn write_part(&self, json: &mut Build) {
        let Item::Message { text, is_refusal, logprobs } = self else { return };
        json.begin_object();
        if *is_refusal {
            json.texted("type", "refusal").texted("refusal", text);
        } else {
            json.texted("type", "output_text").texted("text", text).key("annotations").begin_array().end_array();
            json.key("logprobs").begin_array();
            logprobs.iter().for_each(|item| json.raw(item).done());
            json.end_array();
        }
        json.end_object();
    }
}

/// A seal as it stands in an item.
pub(super) fn written(seal: &Seal<'_>) -> String {
    seal.written(Some(Maker::Openai)).into_owned()
}

/// One part of a summary.
pub(super) fn summary(text: &str, json: &mut Build) {
    json.begin_object().texted("type", "summary_text").texted("text", text).end_object();
}
