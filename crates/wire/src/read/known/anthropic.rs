//! The parameters of Anthropic's messages and of counting their tokens.

use super::super::table::{Field, Rule, TEXT, Table};

pub(super) static TABLE: Table = Table::new(KNOWN, false);

const CONTAINER: &str = "names an object of the provider's account, whose owner this relay does not know; leave it out";

const KNOWN: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("speed", Rule::Field(Field::Speed)),
    ("tools", Rule::Field(Field::Tools)),
    ("top_k", Rule::Harmless(TEXT)),
    ("top_p", Rule::Harmless(TEXT)),
    ("betas", Rule::Harmless(TEXT)),
    ("stream", Rule::Field(Field::Stream)),
    ("system", Rule::Field(Field::System)),
    ("messages", Rule::Field(Field::Messages)),
    ("metadata", Rule::Field(Field::Metadata)),
    ("thinking", Rule::Harmless(TEXT)),
    ("container", Rule::Refused(CONTAINER)),
    ("max_tokens", Rule::Field(Field::MaxTokens)),
    ("mcp_servers", Rule::Field(Field::McpServers)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("tool_choice", Rule::Harmless(TEXT)),
    ("anthropic_beta", Rule::Harmless(TEXT)),
    ("anthropic_version", Rule::Field(Field::AnthropicVersion)),
    ("service_tier", Rule::Field(Field::ServiceTier)),
    ("cache_control", Rule::Harmless(TEXT)),
    ("inference_geo", Rule::Field(Field::Geography)),
    ("output_config", Rule::Field(Field::ResponseFormat)),
    ("output_format", Rule::Field(Field::ResponseFormat)),
    ("stop_sequences", Rule::Harmless(TEXT)),
];
