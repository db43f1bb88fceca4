//! The parameters of models that Bedrock invokes, in the forms of other makers than Anthropic.

use super::super::table::{ALL, Field, Rule, Table};
use crate::maker::Maker;

static TITAN_TEXT: Table = Table::new(KNOWN_TITAN_TEXT, false);
static TITAN_VECTORS: Table = Table::new(KNOWN_TITAN_VECTORS, false);
static NOVA: Table = Table::new(KNOWN_NOVA, false);
static LLAMA: Table = Table::new(KNOWN_LLAMA, false);
static COHERE_TEXT: Table = Table::new(KNOWN_COHERE_TEXT, false);
static COHERE_VECTORS: Table = Table::new(KNOWN_COHERE_VECTORS, false);
static JURASSIC: Table = Table::new(KNOWN_JURASSIC, false);
static OPEN: Table = Table::new(KNOWN_OPEN, false);

/// The table of a maker; `None` where that of the endpoint holds.
pub(super) const fn table(maker: Maker) -> Option<&'static Table> {
    match maker {
        Maker::Anthropic | Maker::Other => None,
        Maker::TitanText => Some(&TITAN_TEXT),
        Maker::TitanVectors => Some(&TITAN_VECTORS),
        Maker::Nova => Some(&NOVA),
        Maker::Llama => Some(&LLAMA),
        Maker::CohereText => Some(&COHERE_TEXT),
        Maker::CohereVectors => Some(&COHERE_VECTORS),
        Maker::Jurassic => Some(&JURASSIC),
        Maker::Open => Some(&OPEN),
    }
}

#[cfg(test)]
pub(super) static TABLES: [&Table; 8] =
    [&TITAN_TEXT, &TITAN_VECTORS, &NOVA, &LLAMA, &COHERE_TEXT, &COHERE_VECTORS, &JURASSIC, &OPEN];

const IMAGES: &str = "has no price on this relay: images are billed apart; send texts";
const GUARDRAIL: &str = "belongs to a guardrail, whose fees have no price on this relay; leave it out";
const MODEL: &str = "stands in the path; leave it out";

const GUARDED: (&str, Rule) = ("amazon-bedrock-guardrailConfig", Rule::Refused(GUARDRAIL));

const KNOWN_TITAN_TEXT: &[(&str, Rule)] =
    &[("inputText", Rule::Field(Field::Prompt)), ("textGenerationConfig", Rule::Field(Field::MakerSettings)), GUARDED];

const KNOWN_TITAN_VECTORS: &[(&str, Rule)] = &[
    ("inputText", Rule::Field(Field::Prompt)),
    ("normalize", Rule::Harmless(ALL)),
    ("dimensions", Rule::Harmless(ALL)),
    ("inputImage", Rule::Refused(IMAGES)),
    ("embeddingTypes", Rule::Harmless(ALL)),
];

const KNOWN_NOVA: &[(&str, Rule)] = &[
    ("system", Rule::Field(Field::System)),
    ("messages", Rule::Field(Field::Messages)),
    ("toolConfig", Rule::Field(Field::BedrockTools)),
    ("serviceTier", Rule::Field(Field::BedrockTier)),
    ("schemaVersion", Rule::Harmless(ALL)),
    ("inferenceConfig", Rule::Field(Field::MakerSettings)),
    ("performanceConfig", Rule::Field(Field::Performance)),
    GUARDED,
];

const KNOWN_LLAMA: &[(&str, Rule)] = &[
    ("top_p", Rule::Harmless(ALL)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("images", Rule::Field(Field::Images)),
    ("max_gen_len", Rule::Field(Field::MaxCompletionTokens)),
    ("temperature", Rule::Field(Field::Temperature)),
    GUARDED,
];

/// Command takes a prompt, and Command R a message with all that belongs to it, which goes into a prompt of its own.
const KNOWN_COHERE_TEXT: &[(&str, Rule)] = &[
    ("k", Rule::Harmless(ALL)),
    ("p", Rule::Harmless(ALL)),
    ("seed", Rule::Harmless(ALL)),
    ("tools", Rule::Field(Field::MakerTurn)),
    ("prompt", Rule::Field(Field::Prompt)),
    // Which path is asked says whether it streams.
    ("stream", Rule::Harmless(ALL)),
    ("message", Rule::Field(Field::MakerTurn)),
    ("preamble", Rule::Field(Field::MakerTurn)),
    ("truncate", Rule::Harmless(ALL)),
    ("documents", Rule::Field(Field::MakerTurn)),
    ("logit_bias", Rule::Harmless(ALL)),
    ("max_tokens", Rule::Field(Field::MaxTokens)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("chat_history", Rule::Field(Field::MakerTurn)),
    ("tool_results", Rule::Field(Field::MakerTurn)),
    ("return_prompt", Rule::Harmless(ALL)),
    ("raw_prompting", Rule::Harmless(ALL)),
    ("stop_sequences", Rule::Harmless(ALL)),
    ("num_generations", Rule::Field(Field::Choices)),
    ("presence_penalty", Rule::Harmless(ALL)),
    ("frequency_penalty", Rule::Harmless(ALL)),
    ("prompt_truncation", Rule::Harmless(ALL)),
    ("return_likelihoods", Rule::Harmless(ALL)),
    ("search_queries_only", Rule::Harmless(ALL)),
    GUARDED,
];

const KNOWN_COHERE_VECTORS: &[(&str, Rule)] = &[
    ("texts", Rule::Field(Field::Prompt)),
    ("images", Rule::Refused(IMAGES)),
    ("inputs", Rule::Refused(IMAGES)),
    ("truncate", Rule::Harmless(ALL)),
    ("input_type", Rule::Harmless(ALL)),
    ("max_tokens", Rule::Harmless(ALL)),
    ("embedding_types", Rule::Harmless(ALL)),
    ("output_dimension", Rule::Harmless(ALL)),
];

const KNOWN_JURASSIC: &[(&str, Rule)] = &[
    ("topP", Rule::Harmless(ALL)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("maxTokens", Rule::Field(Field::MaxCompletionTokens)),
    ("minTokens", Rule::Harmless(ALL)),
    ("numResults", Rule::Field(Field::Choices)),
    ("topKReturn", Rule::Harmless(ALL)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("countPenalty", Rule::Harmless(ALL)),
    ("stopSequences", Rule::Harmless(ALL)),
    ("presencePenalty", Rule::Harmless(ALL)),
    ("frequencyPenalty", Rule::Harmless(ALL)),
    GUARDED,
];

const KNOWN_OPEN: &[(&str, Rule)] = &[
    ("n", Rule::Field(Field::Choices)),
    ("seed", Rule::Harmless(ALL)),
    ("stop", Rule::Harmless(ALL)),
    ("model", Rule::Refused(MODEL)),
    ("tools", Rule::Field(Field::Tools)),
    ("top_k", Rule::Harmless(ALL)),
    ("top_p", Rule::Harmless(ALL)),
    ("prompt", Rule::Field(Field::Prompt)),
    ("stream", Rule::Harmless(ALL)),
    ("messages", Rule::Field(Field::Messages)),
    ("max_tokens", Rule::Field(Field::MaxTokens)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("tool_choice", Rule::Harmless(ALL)),
    ("service_tier", Rule::Field(Field::ServiceTier)),
    ("response_format", Rule::Field(Field::ResponseFormat)),
    ("presence_penalty", Rule::Harmless(ALL)),
    ("reasoning_effort", Rule::Harmless(ALL)),
    ("frequency_penalty", Rule::Harmless(ALL)),
    ("max_completion_tokens", Rule::Field(Field::MaxCompletionTokens)),
    GUARDED,
];
