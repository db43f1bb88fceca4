//! The parameters of Gemini's contents and embeddings, and of what Vertex predicts.

use super::super::table::{ALL, Field, Rule, Table};

/// `generateContent` and `countTokens`.
pub(super) static CONTENT: Table = Table::new(KNOWN_CONTENT, true);
/// `embedContent` and `batchEmbedContents`.
pub(super) static EMBED: Table = Table::new(KNOWN_EMBED, true);
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

const KNOWN_PREDICT: &[(&str, Rule)] = &[
    ("labels", Rule::Harmless(ALL)),
    ("instances", Rule::Field(Field::Instances)),
    ("parameters", Rule::Field(Field::Parameters)),
];
