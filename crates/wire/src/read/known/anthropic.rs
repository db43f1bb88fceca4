//! The parameters of Anthropic's messages and of counting their tokens.

use super::super::table::{Field, Rule, TEXT, Table};

pub(super) static TABLE: Table = Table::new(KNOWN, false);

const OWNED: &str = "names an object of the provider's account, whose owner this relay does not know; leave it out";

const KNOWN: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::Model)),
    ("route", Rule::Routing),
    ("speed", Rule::Field(Field::Speed)),
    ("tools", Rule::Field(Field::Tools)),
    ("top_k", Rule::Harmless(TEXT)),
    ("top_p", Rule::Harmless(TEXT)),
    ("betas", Rule::Harmless(TEXT)),
    ("models", Rule::Routing),
    ("preset", Rule::Routing),
    ("stream", Rule::Field(Field::Stream)),
    ("system", Rule::Field(Field::System)),
    ("thread", Rule::Refused(OWNED)),
    ("plugins", Rule::Refused("runs paid plugins whose cost cannot be bounded; leave it out")),
    ("messages", Rule::Field(Field::Messages)),
    ("metadata", Rule::Field(Field::Metadata)),
    ("provider", Rule::Field(Field::Provider)),
    ("thinking", Rule::Harmless(TEXT)),
    ("container", Rule::Refused(OWNED)),
    ("fallbacks", Rule::Routing),
    ("compaction", Rule::Field(Field::Compaction)),
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
    ("providerOptions", Rule::Routing),
    ("context_management", Rule::Field(Field::ContextManagement)),
];
