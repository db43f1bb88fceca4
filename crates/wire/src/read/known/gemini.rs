//! The parameters of Gemini's contents and embeddings, and of what Vertex predicts.

use super::super::table::{ALL, Field, Rule, Table};

/// `generateContent` and `countTokens`.
pub(super) static CONTENT: Table = Table::new(KNOWN_CONTENT, true);
/// `embedContent` and `batchEmbedContents`.
pub(super) static EMBED: Table = Table::new(KNOWN_EMBED, true);
/// `interactions`, whose names are written one way.
pub(super) static INTERACTION: Table = Table::new(KNOWN_INTERACTION, false);
/// `predict`, whatever it makes.
pub(super) static PREDICT: Table = Table::new(KNOWN_PREDICT, true);

const KNOWN_CONTENT: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::ResourceName)),
    ("store", Rule::Harmless(ALL)),
    ("tools", Rule::Field(Field::GeminiTools)),
    ("labels", Rule::Harmless(ALL)),
    ("contents", Rule::Field(Field::Messages)),
    ("toolConfig", Rule::Harmless(ALL)),
    ("serviceTier", Rule::Field(Field::ServiceTier)),
    ("cachedContent", Rule::Field(Field::CachedContent)),
    ("safetySettings", Rule::Harmless(ALL)),
    ("generationConfig", Rule::Field(Field::GenerationConfig)),
    ("systemInstruction", Rule::Field(Field::System)),
    ("generateContentRequest", Rule::Field(Field::CountedRequest)),
];

const KNOWN_EMBED: &[(&str, Rule)] = &[
    ("model", Rule::Field(Field::ResourceName)),
    ("title", Rule::Harmless(ALL)),
    ("content", Rule::Field(Field::Parts)),
    ("taskType", Rule::Harmless(ALL)),
    ("requests", Rule::Field(Field::EmbedRequests)),
    ("autoTruncate", Rule::Harmless(ALL)),
    ("embedContentConfig", Rule::Harmless(ALL)),
    ("outputDimensionality", Rule::Harmless(ALL)),
];

const AGENT: &str = "asks an agent, which answers later and with models of its own choice; name a model";
const OWNED: &str =
    "names an object of the provider's account, whose owner this relay does not know yet; send the contents themselves";

const KNOWN_INTERACTION: &[(&str, Rule)] = &[
    ("agent", Rule::Refused(AGENT)),
    ("input", Rule::Field(Field::InteractionInput)),
    ("model", Rule::Field(Field::Model)),
    ("store", Rule::Field(Field::Store)),
    ("tools", Rule::Field(Field::InteractionTools)),
    ("labels", Rule::Harmless(ALL)),
    ("stream", Rule::Field(Field::Stream)),
    ("background", Rule::Field(Field::Later)),
    ("environment", Rule::Refused(OWNED)),
    ("agent_config", Rule::Refused(AGENT)),
    ("service_tier", Rule::Field(Field::ServiceTier)),
    ("cached_content", Rule::Field(Field::CachedContent)),
    ("webhook_config", Rule::Refused("has the answer told elsewhere, later; leave it out")),
    ("response_format", Rule::Field(Field::AnswerFormats)),
    ("safety_settings", Rule::Harmless(ALL)),
    ("generation_config", Rule::Field(Field::GenerationConfig)),
    ("response_mime_type", Rule::Harmless(ALL)),
    ("system_instruction", Rule::Field(Field::Text)),
    ("response_modalities", Rule::Field(Field::AnswerModalities)),
    ("previous_interaction_id", Rule::Field(Field::PreviousResponse)),
];

const KNOWN_PREDICT: &[(&str, Rule)] = &[
    ("labels", Rule::Harmless(ALL)),
    ("instances", Rule::Field(Field::Instances)),
    ("parameters", Rule::Field(Field::Parameters)),
];
