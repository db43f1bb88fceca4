//! The parameters of Ollama's own calls.

use super::super::table::{ALL, Field, Rule, Table};

/// `chat`.
pub(super) static CHAT: Table = Table::new(KNOWN_CHAT, false);
/// `generate`.
pub(super) static GENERATE: Table = Table::new(KNOWN_GENERATE, false);
/// `embed`.
pub(super) static EMBED: Table = Table::new(KNOWN_EMBED, false);
/// `embeddings`, which is older.
pub(super) static EMBEDDINGS: Table = Table::new(KNOWN_EMBEDDINGS, false);

const KNOWN_CHAT: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("think", Rule::Harmless(ALL)),
    ("tools", Rule::Field(Field::Tools)),
    ("format", Rule::Field(Field::ResponseFormat)),
    ("stream", Rule::Field(Field::OllamaStream)),
    ("options", Rule::Field(Field::OllamaOptions)),
    ("logprobs", Rule::Harmless(ALL)),
    ("messages", Rule::Field(Field::Messages)),
    ("keep_alive", Rule::Harmless(ALL)),
    ("top_logprobs", Rule::Harmless(ALL)),
];

const KNOWN_GENERATE: &[(&str, Rule)] = &[
    ("raw", Rule::Harmless(ALL)),
    ("model", Rule::Field(Field::Model)),
    ("think", Rule::Harmless(ALL)),
    ("format", Rule::Field(Field::ResponseFormat)),
    ("images", Rule::Field(Field::Images)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("stream", Rule::Field(Field::OllamaStream)),
    ("suffix", Rule::Field(Field::Text)),
    ("system", Rule::Field(Field::Text)),
    ("context", Rule::Field(Field::Text)),
    ("options", Rule::Field(Field::OllamaOptions)),
    ("logprobs", Rule::Harmless(ALL)),
    ("template", Rule::Field(Field::Text)),
    ("keep_alive", Rule::Harmless(ALL)),
    ("top_logprobs", Rule::Harmless(ALL)),
];

const KNOWN_EMBED: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("input", Rule::Field(Field::Input)),
    // Without an output, none of them can raise the price.
    ("options", Rule::Harmless(ALL)),
    ("truncate", Rule::Harmless(ALL)),
    ("dimensions", Rule::Harmless(ALL)),
    ("keep_alive", Rule::Harmless(ALL)),
];

const KNOWN_EMBEDDINGS: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("options", Rule::Harmless(ALL)),
    ("keep_alive", Rule::Harmless(ALL)),
];
