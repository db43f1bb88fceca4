//! The parameters of OpenAI's responses, of counting their tokens and of making their conversations shorter.

use super::super::table::{Field, Rule, TEXT, Table};

pub(super) static TABLE: Table = Table::new(KNOWN, false);

/// Of conversations, and of items for them.
pub(super) static CONVERSATION: Table =
    Table::new(&[("items", Rule::Field(Field::ResponseItems)), ("metadata", Rule::Harmless(TEXT))], false);

const KNOWN: &[(&str, Rule)] = &[
    ("text", Rule::Field(Field::ResponseFormat)),
    ("user", Rule::Field(Field::User)),
    ("input", Rule::Field(Field::ResponseItems)),
    ("model", Rule::Field(Field::Model)),
    ("route", Rule::Routing),
    ("store", Rule::Field(Field::Store)),
    ("tools", Rule::Field(Field::Tools)),
    ("top_p", Rule::Harmless(TEXT)),
    ("models", Rule::Routing),
    ("preset", Rule::Routing),
    ("prompt", Rule::Field(Field::StoredPrompt)),
    ("stream", Rule::Field(Field::Stream)),
    ("include", Rule::Harmless(TEXT)),
    ("plugins", Rule::Refused("runs paid plugins whose cost cannot be bounded; leave it out")),
    ("metadata", Rule::Harmless(TEXT)),
    ("provider", Rule::Field(Field::Provider)),
    ("fallbacks", Rule::Routing),
    ("reasoning", Rule::Harmless(TEXT)),
    ("background", Rule::Field(Field::Later)),
    ("extra_body", Rule::Field(Field::ExtraBody)),
    ("moderation", Rule::Harmless(TEXT)),
    ("truncation", Rule::Harmless(TEXT)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("tool_choice", Rule::Harmless(TEXT)),
    ("conversation", Rule::Field(Field::Conversation)),
    ("instructions", Rule::Field(Field::System)),
    ("service_tier", Rule::Field(Field::ServiceTier)),
    ("top_logprobs", Rule::Harmless(TEXT)),
    ("max_tool_calls", Rule::Harmless(TEXT)),
    ("stream_options", Rule::Harmless(TEXT)),
    ("prompt_cache_key", Rule::Harmless(TEXT)),
    ("max_output_tokens", Rule::Field(Field::MaxTokens)),
    ("safety_identifier", Rule::Field(Field::SafetyIdentifier)),
    ("search_parameters", Rule::Field(Field::SearchOptions)),
    ("parallel_tool_calls", Rule::Harmless(TEXT)),
    ("prompt_cache_options", Rule::Harmless(TEXT)),
    ("previous_response_id", Rule::Field(Field::PreviousResponse)),
    ("providerOptions", Rule::Routing),
    ("prompt_cache_retention", Rule::Harmless(TEXT)),
];
