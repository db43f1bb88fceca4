//! What each dialect calls its parameters.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod invoked;
mod media;
mod ollama;
mod openai;
mod responses;

use super::table::Table;
use crate::dialect::Endpoint;
use crate::maker::Maker;

/// The table of an endpoint, or of the maker whose model is invoked.
pub(super) fn table_of(endpoint: Endpoint, maker: Option<Maker>) -> &'static Table {
    if let Some(table) = maker.and_then(invoked::table) {
        return table;
    }
    match endpoint {
        Endpoint::Messages | Endpoint::CountMessageTokens | Endpoint::Invoke => &anthropic::TABLE,
        endpoint if endpoint.asks_response() => &responses::TABLE,
        endpoint if endpoint.is_of_conversation() => &responses::CONVERSATION,
        Endpoint::GenerateContent | Endpoint::CountTokens => &gemini::CONTENT,
        Endpoint::EmbedContent | Endpoint::BatchEmbedContents => &gemini::EMBED,
        Endpoint::Interactions => &gemini::INTERACTION,
        Endpoint::Predict | Endpoint::PredictImages => &gemini::PREDICT,
        Endpoint::ImageGenerations | Endpoint::ImageEdits => &media::IMAGES,
        Endpoint::Speech => &media::SPEECH,
        Endpoint::CohereChat => &cohere::CHAT,
        Endpoint::CohereEmbed => &cohere::EMBED,
        Endpoint::CohereRerank => &cohere::RERANK,
        Endpoint::Rerank => &openai::RERANK,
        Endpoint::Converse => &bedrock::TABLE,
        Endpoint::OllamaChat => &ollama::CHAT,
        Endpoint::OllamaGenerate => &ollama::GENERATE,
        Endpoint::OllamaEmbed => &ollama::EMBED,
        Endpoint::OllamaEmbeddings => &ollama::EMBEDDINGS,
        _ => &openai::TABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{NAME_BYTES_MAX, NAMES_MAX};
    use super::*;

    #[test]
    fn every_known_name_is_found_once() {
        for table in [
            &openai::TABLE,
            &openai::RERANK,
            &anthropic::TABLE,
            &responses::TABLE,
            &responses::CONVERSATION,
            &gemini::CONTENT,
            &gemini::EMBED,
            &gemini::INTERACTION,
            &gemini::PREDICT,
            &media::IMAGES,
            &media::SPEECH,
            &cohere::CHAT,
            &cohere::EMBED,
            &cohere::RERANK,
            &bedrock::TABLE,
            &ollama::CHAT,
            &ollama::GENERATE,
            &ollama::EMBED,
            &ollama::EMBEDDINGS,
        ]
        .into_iter()
        .chain(invoked::TABLES)
        {
            for (place, (name, _)) in table.known.iter().enumerate() {
                assert_eq!(table.find(name.as_bytes()), Some(place), "{name} stands twice");
                assert!(name.len() <= NAME_BYTES_MAX, "{name}");
            }
            assert!(table.known.len() <= NAMES_MAX);
            for absent in ["", "modell", "max_output_tokenss", &"x".repeat(40)] {
                assert_eq!(table.find(absent.as_bytes()), None);
            }
        }
    }

    #[test]
    fn variants_of_guarded_names_are_known() {
        for (variant, name) in [
            ("Model", "model"),
            ("MAX_TOKENS", "max_tokens"),
            ("maxTokens", "max_tokens"),
            ("max-tokens", "max_tokens"),
            ("\u{17f}tream", "stream"),
            ("max_to\u{212a}ens", "max_tokens"),
            ("N", "n"),
            ("bestOf", "best_of"),
        ] {
            assert_eq!(openai::TABLE.variant_of(variant), Some(name));
        }
        assert_eq!(openai::TABLE.variant_of("modell"), None);
        assert_eq!(openai::TABLE.variant_of("topK"), None, "harmless names are not guarded");
    }

    #[test]
    fn protocol_buffers_take_two_spellings_and_no_third() {
        let camel = gemini::CONTENT.find(b"generationConfig");
        assert!(camel.is_some() && gemini::CONTENT.find(b"generation_config") == camel);
        assert_eq!(gemini::CONTENT.find(b"GenerationConfig"), None);
        assert_eq!(gemini::CONTENT.variant_of("GenerationConfig"), Some("generationConfig"));
        assert_eq!(anthropic::TABLE.find(b"maxTokens"), None);
    }
}
