//! What endpoints are called: below an upstream's address, and in records.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use super::Endpoint;

impl Endpoint {
    /// The path below an upstream's `base_url`, such as "/chat/completions", unless [`crate::Call::path`] gives another.
    ///
    /// Where the model is in the path it is what follows the model, and where ids are, what follows the collection.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "/chat/completions",
            Endpoint::Completions => "/completions",
            Endpoint::Embeddings => "/embeddings",
            Endpoint::ModelList | Endpoint::ModelGet => "/models",
            Endpoint::Usage => "/usage",
            Endpoint::Limits => "/limits",
            Endpoint::Explain => "/explain",
            Endpoint::Responses => "/responses",
            Endpoint::Moderations => "/moderations",
            Endpoint::Messages => "/messages",
            Endpoint::CountMessageTokens => "/messages/count_tokens",
            Endpoint::GenerateContent => ":generateContent",
            Endpoint::CountTokens => ":countTokens",
            Endpoint::EmbedContent => ":embedContent",
            Endpoint::BatchEmbedContents => ":batchEmbedContents",
            Endpoint::Predict | Endpoint::PredictImages => ":predict",
            Endpoint::ResponseGet
            | Endpoint::ResponseDelete
            | Endpoint::ConversationGet
            | Endpoint::ConversationUpdate
            | Endpoint::ConversationDelete
            | Endpoint::InteractionGet
            | Endpoint::InteractionDelete
            | Endpoint::FileGet
            | Endpoint::FileDelete
            | Endpoint::BatchGet
            | Endpoint::MessageBatchGet
            | Endpoint::MessageBatchDelete => "{id}",
            Endpoint::FileContent => "{id}/content",
            Endpoint::ConversationCreate => "/conversations",
            Endpoint::ConversationItemsCreate | Endpoint::ConversationItemList => "{id}/items",
            Endpoint::ConversationItemGet | Endpoint::ConversationItemDelete => "{id}/items/{id}",
            Endpoint::FileUpload | Endpoint::FileList => "/files",
            Endpoint::BatchCreate | Endpoint::BatchList => "/batches",
            Endpoint::MessageBatchCreate | Endpoint::MessageBatchList => "/messages/batches",
            Endpoint::MessageBatchResults => "{id}/results",
            Endpoint::ResponseCancel
            | Endpoint::InteractionCancel
            | Endpoint::BatchCancel
            | Endpoint::MessageBatchCancel => "{id}/cancel",
            Endpoint::Interactions => "/interactions",
            Endpoint::ResponseInputItems => "{id}/input_items",
            Endpoint::ResponseInputTokens => "/responses/input_tokens",
            Endpoint::ResponseCompact => "/responses/compact",
            Endpoint::ImageGenerations => "/images/generations",
            Endpoint::Speech => "/audio/speech",
            Endpoint::Transcriptions => "/audio/transcriptions",
            Endpoint::Translations => "/audio/translations",
            Endpoint::ImageEdits => "/images/edits",
            Endpoint::ImageVariations => "/images/variations",
            Endpoint::CohereChat => "/chat",
            Endpoint::CohereEmbed => "/embed",
            Endpoint::CohereRerank | Endpoint::Rerank => "/rerank",
            Endpoint::Converse => "/converse",
            Endpoint::Invoke | Endpoint::InvokeText | Endpoint::InvokeVectors => "/invoke",
            Endpoint::OllamaChat => "/api/chat",
            Endpoint::OllamaGenerate => "/api/generate",
            Endpoint::OllamaEmbed => "/api/embed",
            Endpoint::OllamaEmbeddings => "/api/embeddings",
            Endpoint::Realtime => "/realtime",
        }
    }

    /// The name in records and metrics, such as "chat/completions".
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Endpoint::ChatCompletions => "chat/completions",
            Endpoint::Completions => "completions",
            Endpoint::Embeddings => "embeddings",
            Endpoint::ModelList => "models",
            Endpoint::ModelGet => "models/get",
            Endpoint::Usage => "usage",
            Endpoint::Limits => "limits",
            Endpoint::Explain => "explain",
            Endpoint::Responses => "responses",
            Endpoint::Moderations => "moderations",
            Endpoint::Messages => "messages",
            Endpoint::CountMessageTokens => "messages/count_tokens",
            Endpoint::GenerateContent => "generateContent",
            Endpoint::CountTokens => "countTokens",
            Endpoint::EmbedContent => "embedContent",
            Endpoint::BatchEmbedContents => "batchEmbedContents",
            Endpoint::Interactions => "interactions",
            Endpoint::InteractionGet => "interactions/get",
            Endpoint::InteractionDelete => "interactions/delete",
            Endpoint::InteractionCancel => "interactions/cancel",
            Endpoint::Predict => "predict",
            Endpoint::PredictImages => "predict/images",
            Endpoint::ResponseGet => "responses/get",
            Endpoint::ResponseDelete => "responses/delete",
            Endpoint::ResponseCancel => "responses/cancel",
            Endpoint::ResponseInputItems => "responses/input_items",
            Endpoint::ResponseInputTokens => "responses/input_tokens",
            Endpoint::ResponseCompact => "responses/compact",
            Endpoint::ConversationCreate => "conversations",
            Endpoint::ConversationGet => "conversations/get",
            Endpoint::ConversationUpdate => "conversations/update",
            Endpoint::ConversationDelete => "conversations/delete",
            Endpoint::ConversationItemsCreate => "conversations/items",
            Endpoint::ConversationItemList => "conversations/items/list",
            Endpoint::ConversationItemGet => "conversations/items/get",
            Endpoint::ConversationItemDelete => "conversations/items/delete",
            Endpoint::Rerank => "v1/rerank",
            Endpoint::ImageGenerations => "images/generations",
            Endpoint::Speech => "audio/speech",
            Endpoint::Transcriptions => "audio/transcriptions",
            Endpoint::Translations => "audio/translations",
            Endpoint::ImageEdits => "images/edits",
            Endpoint::ImageVariations => "images/variations",
            Endpoint::FileUpload => "files",
            Endpoint::FileGet => "files/get",
            Endpoint::FileDelete => "files/delete",
            Endpoint::FileContent => "files/content",
            Endpoint::FileList => "files/list",
            Endpoint::CohereChat => "chat",
            Endpoint::CohereEmbed => "embed",
            Endpoint::CohereRerank => "rerank",
            Endpoint::Converse => "converse",
            Endpoint::Invoke => "invoke",
            Endpoint::InvokeText => "invoke/text",
            Endpoint::InvokeVectors => "invoke/vectors",
            Endpoint::OllamaChat => "api/chat",
            Endpoint::OllamaGenerate => "api/generate",
            Endpoint::OllamaEmbed => "api/embed",
            Endpoint::OllamaEmbeddings => "api/embeddings",
            Endpoint::Realtime => "realtime",
            Endpoint::BatchCreate => "batches",
            Endpoint::BatchGet => "batches/get",
            Endpoint::BatchCancel => "batches/cancel",
            Endpoint::BatchList => "batches/list",
            Endpoint::MessageBatchCreate => "messages/batches",
            Endpoint::MessageBatchGet => "messages/batches/get",
            Endpoint::MessageBatchCancel => "messages/batches/cancel",
            Endpoint::MessageBatchResults => "messages/batches/results",
            Endpoint::MessageBatchDelete => "messages/batches/delete",
            Endpoint::MessageBatchList => "messages/batches/list",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not the name of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown endpoint")]
pub struct UnknownEndpoint;

/// The inverse of [`Endpoint::name`].
impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(text: &str) -> Result<Endpoint, UnknownEndpoint> {
        Endpoint::ALL.into_iter().find(|endpoint| endpoint.name() == text).ok_or(UnknownEndpoint)
    }
}
