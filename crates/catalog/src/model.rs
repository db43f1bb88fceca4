//! What a model is: its name, where it is served, what it can take and give, and what it costs since when.

use core::fmt;
use core::str::FromStr;

use base::{ModelId, Timestamp, UpstreamId};
use serde::{Deserialize, Serialize};
use wire::Endpoint;

use crate::{Rates, Tokenizer};

/// Tokens that a provider may bill for one image when the model does not say: above every documented limit but those of
/// models that bill small images by a multiple (the default catalogue says it for these).
pub const IMAGE_TOKENS_DEFAULT: u64 = 16_384;

/// Input tokens that a provider may bill beyond what the request says (its own system prompt, tool instructions, a
/// response format turned into a prompt) when the model does not say. Recorded traffic reached 1,575 in a request of
/// 212 bytes.
pub const HIDDEN_PROMPT_TOKENS_DEFAULT: u64 = 2_048;

/// Seconds of audio that one call may be billed for when the model does not say: providers take files of 25 MB, which have
/// four hours of speech at 14 kbit/s.
pub const AUDIO_SECONDS_DEFAULT: u64 = 4 * 3_600;

/// Which endpoints a model serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Conversations.
    #[default]
    Chat,
    /// Plain texts.
    Completion,
    /// Conversations and plain texts, as local servers often do.
    Text,
    /// Vectors; there is no output to pay for.
    Embedding,
    /// Judgements of texts and images, for which no tokens are billed.
    Moderation,
    /// Images, for which each or their tokens are billed.
    Image,
    /// Speech, which is billed by the characters that are spoken.
    Speech,
    /// What is heard, written down: tokens or seconds of audio are billed.
    Transcription,
    /// Documents in the order of a query; tokens or units of search are billed.
    Rerank,
    /// Conversations by voice, whose audio has prices of its own.
    Realtime,
}

impl ModelKind {
    /// Every kind.
    pub const ALL: [ModelKind; 10] = [
        ModelKind::Chat,
        ModelKind::Completion,
        ModelKind::Text,
        ModelKind::Embedding,
        ModelKind::Moderation,
        ModelKind::Image,
        ModelKind::Speech,
        ModelKind::Transcription,
        ModelKind::Rerank,
        ModelKind::Realtime,
    ];

    /// Whether a model of this kind serves `endpoint`.
    #[must_use]
    pub const fn serves(self, endpoint: Endpoint) -> bool {
        match endpoint {
            Endpoint::ChatCompletions
            | Endpoint::Responses
            | Endpoint::ResponseGet
            | Endpoint::ResponseDelete
            | Endpoint::ResponseCancel
            | Endpoint::ResponseInputItems
            | Endpoint::ResponseInputTokens
            | Endpoint::ResponseCompact
            | Endpoint::ConversationCreate
            | Endpoint::ConversationGet
            | Endpoint::ConversationUpdate
            | Endpoint::ConversationDelete
            | Endpoint::ConversationItemsCreate
            | Endpoint::ConversationItemList
            | Endpoint::ConversationItemGet
            | Endpoint::ConversationItemDelete
            | Endpoint::Messages
            | Endpoint::CountMessageTokens
            | Endpoint::GenerateContent
            | Endpoint::Interactions
            | Endpoint::InteractionGet
            | Endpoint::InteractionDelete
            | Endpoint::InteractionCancel
            | Endpoint::CohereChat
            | Endpoint::Converse
            | Endpoint::Invoke
            | Endpoint::OllamaChat
            | Endpoint::OllamaGenerate => matches!(self, ModelKind::Chat | ModelKind::Text),
            Endpoint::Completions => matches!(self, ModelKind::Completion | ModelKind::Text),
            // Each model has one form there, whether its maker calls it a chat or not.
            Endpoint::InvokeText => matches!(self, ModelKind::Chat | ModelKind::Completion | ModelKind::Text),
            Endpoint::Embeddings
            | Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents
            | Endpoint::Predict
            | Endpoint::CohereEmbed
            | Endpoint::InvokeVectors
            | Endpoint::OllamaEmbed
            | Endpoint::OllamaEmbeddings => matches!(self, ModelKind::Embedding),
            Endpoint::CountTokens => {
                matches!(self, ModelKind::Chat | ModelKind::Text | ModelKind::Completion | ModelKind::Embedding)
            }
            Endpoint::ImageGenerations
            | Endpoint::ImageEdits
            | Endpoint::ImageVariations
            | Endpoint::PredictImages => matches!(self, ModelKind::Image),
            Endpoint::Realtime => matches!(self, ModelKind::Realtime),
            Endpoint::Transcriptions | Endpoint::Translations => matches!(self, ModelKind::Transcription),
            Endpoint::Speech => matches!(self, ModelKind::Speech),
            Endpoint::CohereRerank | Endpoint::Rerank => matches!(self, ModelKind::Rerank),
            Endpoint::Moderations => matches!(self, ModelKind::Moderation),
            // They lie where a model is served that may read them, whatever kind that is.
            Endpoint::FileUpload
            | Endpoint::FileGet
            | Endpoint::FileDelete
            | Endpoint::FileContent
            // What its lines ask for decides.
            | Endpoint::BatchCreate
            | Endpoint::BatchGet
            | Endpoint::BatchCancel
            | Endpoint::MessageBatchCreate
            | Endpoint::MessageBatchGet
            | Endpoint::MessageBatchCancel
            | Endpoint::MessageBatchResults
            | Endpoint::MessageBatchDelete => true,
            Endpoint::ModelList
            | Endpoint::ModelGet
            | Endpoint::FileList
            | Endpoint::BatchList
            | Endpoint::MessageBatchList
            | Endpoint::Usage
            | Endpoint::Limits
            | Endpoint::Explain => false,
        }
    }

    /// Whether its answers are texts, billed by output tokens, so that it needs an output price and a maximum.
    #[must_use]
    pub const fn has_output(self) -> bool {
        matches!(self, ModelKind::Chat | ModelKind::Completion | ModelKind::Text | ModelKind::Realtime)
    }

    /// The name used in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ModelKind::Chat => "chat",
            ModelKind::Completion => "completion",
            ModelKind::Text => "text",
            ModelKind::Embedding => "embedding",
            ModelKind::Moderation => "moderation",
            ModelKind::Image => "image",
            ModelKind::Speech => "speech",
            ModelKind::Transcription => "transcription",
            ModelKind::Rerank => "rerank",
            ModelKind::Realtime => "realtime",
        }
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no kind of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownModelKind;

impl fmt::Display for UnknownModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "unknown kind of model; known: chat, completion, text, embedding, moderation, image, speech, transcription, rerank, \
              realtime",
        )
    }
}

impl core::error::Error for UnknownModelKind {}

impl FromStr for ModelKind {
    type Err = UnknownModelKind;

    fn from_str(text: &str) -> Result<ModelKind, UnknownModelKind> {
        ModelKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownModelKind)
    }
}

/// One place where a model is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The upstream.
    pub upstream: UpstreamId,
    /// The name that the upstream knows the model by.
    pub model: ModelId,
    /// The share of calls within the tier, relative to its other targets; 0 takes the target out of rotation.
    pub weight: u32,
    /// Lower tiers are tried first.
    pub tier: u32,
    /// The one endpoint that serves conversations there, where the others of the upstream's dialect do not: calls of the
    /// others are translated.
    pub endpoint: Option<Endpoint>,
}

/// Prices in force from a time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    /// From 1, per model; every record of a charge carries it.
    pub id: u32,
    /// When it comes into force.
    pub effective_from: Timestamp,
    /// The prices.
    pub rates: Rates,
}

/// A public model name with its route, its bounds and its prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The name that clients use.
    pub id: ModelId,
    /// Which endpoints it serves.
    pub kind: ModelKind,
    /// Where it is served.
    pub route: Vec<Target>,
    /// Tokens of input and output together that fit; bounds what one prompt can cost. For embeddings, per input.
    pub context_window: u64,
    /// Output tokens per choice when a call sets no limit; unused for embeddings.
    pub max_output_tokens: u64,
    /// Tokens that one image may be billed as; see [`IMAGE_TOKENS_DEFAULT`].
    pub image_tokens_max: u64,
    /// Input tokens that a call may be billed for beyond what it says; see [`HIDDEN_PROMPT_TOKENS_DEFAULT`]. A model that
    /// runs tools of its own accord needs its context window here.
    pub hidden_prompt_tokens: u64,
    /// Output tokens that a choice may be billed for beyond the limit of the call: reasoning of models whose provider does
    /// not count it against the limit (xAI).
    pub hidden_output_tokens: u64,
    /// Seconds of audio that one call may be billed for; see [`AUDIO_SECONDS_DEFAULT`].
    pub audio_seconds_max: u64,
    /// Whether a call may choose among models or providers behind the upstream (OpenRouter's `models`, `provider.order`).
    /// They may ask other prices and be other models than the caller's allowed ones: for upstreams where the operator
    /// accepts that. The tenant pays this model's price.
    pub upstream_routing: bool,
    /// The public vocabulary that it counts with, where it has one.
    pub tokenizer: Option<Tokenizer>,
    /// What a tenant pays, ascending by `effective_from`. Empty: the model is blocked.
    pub prices: Vec<PriceVersion>,
    /// What the provider asks, for reports of savings.
    pub list_price: Option<Rates>,
    /// Models that may answer instead, in order, where the caller may use them too.
    pub fallbacks: Vec<ModelId>,
    /// When it was made, as `/v1/models` shows it.
    pub created: Timestamp,
    /// Who made it, as `/v1/models` shows it.
    pub owned_by: String,
}

impl Model {
    /// A model with default bounds for images and hidden prompts, without route, price, tokenizer or fallbacks.
    #[must_use]
    pub fn new(id: ModelId, kind: ModelKind, context_window: u64, max_output_tokens: u64) -> Model {
        Model {
            id,
            kind,
            route: Vec::new(),
            context_window,
            max_output_tokens,
            image_tokens_max: IMAGE_TOKENS_DEFAULT,
            hidden_prompt_tokens: HIDDEN_PROMPT_TOKENS_DEFAULT,
            hidden_output_tokens: 0,
            audio_seconds_max: AUDIO_SECONDS_DEFAULT,
            upstream_routing: false,
            tokenizer: None,
            prices: Vec::new(),
            list_price: None,
            fallbacks: Vec::new(),
            created: Timestamp::EPOCH,
            owned_by: String::from("mandant"),
        }
    }

    /// The prices in force at `now`; `None` means that the model is blocked, never free.
    #[must_use]
    pub fn price_at(&self, now: Timestamp) -> Option<&PriceVersion> {
        self.price_index_at(now).map(|index| &self.prices[index])
    }

    /// Where in `prices` the ones in force at `now` stand.
    pub(crate) fn price_index_at(&self, now: Timestamp) -> Option<usize> {
        self.prices.iter().rposition(|version| version.effective_from <= now)
    }
}

#[cfg(test)]
mod tests {
    use base::Price;

    use super::*;

    #[test]
    fn the_price_in_force_is_the_latest_that_has_begun() {
        let mut model = Model::new(ModelId::new("m").unwrap(), ModelKind::Chat, 1, 1);
        let version = |id, seconds| PriceVersion {
            id,
            effective_from: Timestamp::from_seconds(seconds),
            rates: Rates::new(Price::FREE, None),
        };
        assert_eq!(model.price_at(Timestamp::MAX), None);
        model.prices = vec![version(1, 10), version(2, 20)];
        let at = |seconds| model.price_at(Timestamp::from_seconds(seconds)).map(|version| version.id);
        assert_eq!((at(9), at(10), at(19), at(20), at(99)), (None, Some(1), Some(1), Some(2), Some(2)));
    }

    #[test]
    fn kinds_are_read_back_and_serve_their_endpoints_only() {
        for kind in ModelKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert!(!kind.serves(Endpoint::ModelList));
            let without_output = [
                Endpoint::Embeddings,
                Endpoint::Moderations,
                Endpoint::ImageGenerations,
                Endpoint::Speech,
                Endpoint::Transcriptions,
                Endpoint::CohereRerank,
            ];
            assert_eq!(without_output.into_iter().any(|endpoint| kind.serves(endpoint)), !kind.has_output());
            assert_eq!(kind.serves(Endpoint::Rerank), kind.serves(Endpoint::CohereRerank));
            assert_eq!(kind.serves(Endpoint::ResponseCompact), kind.serves(Endpoint::Responses));
            assert_eq!(kind.serves(Endpoint::CohereChat), kind.serves(Endpoint::ChatCompletions));
            for vectors in [Endpoint::CohereEmbed, Endpoint::Predict, Endpoint::OllamaEmbed, Endpoint::OllamaEmbeddings]
            {
                assert_eq!(kind.serves(vectors), kind.serves(Endpoint::Embeddings));
            }
            assert_eq!(kind.serves(Endpoint::PredictImages), kind.serves(Endpoint::ImageGenerations));
            assert_eq!(kind.serves(Endpoint::Messages), kind.serves(Endpoint::ChatCompletions));
        }
        assert!("Chat".parse::<ModelKind>().is_err());
        assert!(ModelKind::Text.serves(Endpoint::Completions) && !ModelKind::Chat.serves(Endpoint::Completions));
    }
}
