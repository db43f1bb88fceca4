//! The parameters of Cohere's chat, embeddings and reranking (version 2).

use super::super::table::{ALL, Field, Rule, Table};

/// `chat`.
pub(super) static CHAT: Table = Table::new(KNOWN_CHAT, false);
/// `embed`.
pub(super) static EMBED: Table = Table::new(KNOWN_EMBED, false);
/// `rerank`.
pub(super) static RERANK: Table = Table::new(KNOWN_RERANK, false);

const IMAGES: &str = "has no price on this relay: Cohere bills the tokens of images apart; send texts";

const KNOWN_CHAT: &[(&str, Rule)] = &[
    ("k", Rule::Harmless(ALL)),
    ("p", Rule::Harmless(ALL)),
    ("seed", Rule::Harmless(ALL)),
    ("model", Rule::Field(Field::Model)),
    ("tools", Rule::Field(Field::Tools)),
    ("stream", Rule::Field(Field::Stream)),
    ("logprobs", Rule::Harmless(ALL)),
    ("messages", Rule::Field(Field::Messages)),
    ("priority", Rule::Harmless(ALL)),
    ("thinking", Rule::Harmless(ALL)),
    ("documents", Rule::Field(Field::Documents)),
    ("max_tokens", Rule::Field(Field::MaxTokens)),
    ("safety_mode", Rule::Harmless(ALL)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("tool_choice", Rule::Harmless(ALL)),
    ("strict_tools", Rule::Harmless(ALL)),
    ("raw_prompting", Rule::Harmless(ALL)),
    ("stop_sequences", Rule::Harmless(ALL)),
    ("response_format", Rule::Field(Field::ResponseFormat)),
    ("citation_options", Rule::Harmless(ALL)),
    ("presence_penalty", Rule::Harmless(ALL)),
    ("frequency_penalty", Rule::Harmless(ALL)),
];

const KNOWN_EMBED: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("texts", Rule::Field(Field::Prompt)),
    ("images", Rule::Refused(IMAGES)),
    ("inputs", Rule::Field(Field::Input)),
    ("priority", Rule::Harmless(ALL)),
    ("truncate", Rule::Harmless(ALL)),
    ("input_type", Rule::Harmless(ALL)),
    ("max_tokens", Rule::Harmless(ALL)),
    ("embedding_types", Rule::Harmless(ALL)),
    ("output_dimension", Rule::Harmless(ALL)),
];

const KNOWN_RERANK: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("query", Rule::Field(Field::Query)),
    ("top_n", Rule::Harmless(ALL)),
    ("priority", Rule::Harmless(ALL)),
    ("documents", Rule::Field(Field::Documents)),
    ("max_tokens_per_doc", Rule::Harmless(ALL)),
];
