//! The parameters of Bedrock's Converse.

use super::super::table::{ALL, Field, Rule, Table};

pub(super) static TABLE: Table = Table::new(KNOWN, false);

const GUARDRAIL: &str =
    "has fees for which this relay has no price, and names an object of the provider's account; leave it out";
const PROMPT: &str =
    "belongs to a prompt of the provider's account, whose owner this relay does not know; leave it out";

const KNOWN: &[(&str, Rule)] = &[
    ("system", Rule::Field(Field::System)),
    ("messages", Rule::Field(Field::Messages)),
    ("toolConfig", Rule::Field(Field::BedrockTools)),
    ("serviceTier", Rule::Field(Field::BedrockTier)),
    ("outputConfig", Rule::Field(Field::ResponseFormat)),
    ("inferenceConfig", Rule::Field(Field::InferenceConfig)),
    ("guardrailConfig", Rule::Refused(GUARDRAIL)),
    ("promptVariables", Rule::Refused(PROMPT)),
    ("requestMetadata", Rule::Harmless(ALL)),
    ("performanceConfig", Rule::Field(Field::Performance)),
    ("additionalModelRequestFields", Rule::Field(Field::BedrockFields)),
    ("additionalModelResponseFieldPaths", Rule::Harmless(ALL)),
];
