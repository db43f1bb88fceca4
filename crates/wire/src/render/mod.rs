//! Refusals and model lists in the words of each dialect, and the document that lists all refusals.

mod anthropic;
mod bedrock;
mod cohere;
mod details;
mod dialects;
mod document;
mod entry;
mod examples;
mod gemini;
mod ollama;
mod openai;

pub use dialects::{headers, model, models, refusal, session_error, stream_error, token_count};
pub use document::refusals_markdown;
pub use entry::{ModelEntry, Rendered};
pub use examples::examples;
