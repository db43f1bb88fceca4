//! The wire formats that clients and upstreams speak, and the endpoints that each has.

mod names;

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::names::UnknownEndpoint;

/// A wire format. Closed: a dialect is code, an upstream is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions, completions, responses, embeddings, moderations and models, and whoever copies them.
    Openai,
    /// Anthropic's messages, and whoever copies them.
    Anthropic,
    /// Google's Gemini API: contents, embeddings and models under `/v1beta` and `/v1`; and what Vertex predicts.
    Gemini,
    /// Cohere's chat, embeddings and reranking under `/v2`.
    Cohere,
    /// Amazon Bedrock's Converse, whose model is in the path and whose streams are frames.
    Bedrock,
    /// Ollama's own chat and completion, whose streams are lines, and its embeddings.
    Ollama,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Dialect; 6] =
        [Dialect::Openai, Dialect::Anthropic, Dialect::Gemini, Dialect::Cohere, Dialect::Bedrock, Dialect::Ollama];

    /// The name used in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Openai => "openai",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
            Dialect::Cohere => "cohere",
            Dialect::Bedrock => "bedrock",
            Dialect::Ollama => "ollama",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no dialect; the known ones are in the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown dialect; known: openai, anthropic, gemini, cohere, bedrock, ollama")]
pub struct UnknownDialect;

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Dialect, UnknownDialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == text).ok_or(UnknownDialect)
    }
}

/// What a call asks for. Those that go to an upstream belong to one dialect each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// OpenAI: a conversation is continued.
    ChatCompletions,
    /// OpenAI: a text is continued.
    Completions,
    /// OpenAI: texts become vectors.
    Embeddings,
    /// The models of the calling key.
    ModelList,
    /// One model of the calling key.
    ModelGet,
    /// Mandant's own: what the calling key's accounts have used.
    Usage,
    /// Mandant's own: the limits of the calling key's accounts and what is left of them.
    Limits,
    /// Mandant's own: a dry run of a call.
    Explain,
    /// OpenAI: a response is made of items, with tools.
    Responses,
    /// OpenAI: texts and images are judged.
    Moderations,
    /// Anthropic: a conversation is continued.
    Messages,
    /// Anthropic: the tokens of a conversation are counted.
    CountMessageTokens,
    /// Gemini: contents are continued, at once or as a stream.
    GenerateContent,
    /// Gemini: the tokens of contents are counted.
    CountTokens,
    /// Gemini: a content becomes a vector.
    EmbedContent,
    /// Gemini: contents become vectors.
    BatchEmbedContents,
    /// Gemini: a conversation is continued by steps, and may be kept.
    Interactions,
    /// Gemini: an interaction that is kept is read again.
    InteractionGet,
    /// Gemini: an interaction that is kept is deleted.
    InteractionDelete,
    /// Gemini: an interaction that goes on in the background is given up.
    InteractionCancel,
    /// Vertex: texts and images become vectors.
    Predict,
    /// Vertex: images are made from a text, by the same path.
    PredictImages,
    /// OpenAI: a stored response is read again.
    ResponseGet,
    /// OpenAI: a stored response is deleted.
    ResponseDelete,
    /// OpenAI: a response that is made in the background is given up.
    ResponseCancel,
    /// OpenAI: the items that a stored response was made from.
    ResponseInputItems,
    /// OpenAI: the tokens of what a response would be made from are counted.
    ResponseInputTokens,
    /// OpenAI: the conversation so far is made shorter, for a response that goes on from it.
    ResponseCompact,
    /// OpenAI: a conversation is begun that the provider keeps, and that responses go on with.
    ConversationCreate,
    /// OpenAI: what is known of a conversation that is kept.
    ConversationGet,
    /// OpenAI: what is noted of a conversation is changed.
    ConversationUpdate,
    /// OpenAI: a conversation is deleted.
    ConversationDelete,
    /// OpenAI: items are put at the end of a conversation.
    ConversationItemsCreate,
    /// OpenAI: the items of a conversation.
    ConversationItemList,
    /// OpenAI: one item of a conversation.
    ConversationItemGet,
    /// OpenAI: an item is taken out of a conversation.
    ConversationItemDelete,
    /// Jina, Voyage and whoever copies OpenAI's dialect: documents are put in order.
    Rerank,
    /// OpenAI: images are made from a text.
    ImageGenerations,
    /// OpenAI: a text is spoken.
    Speech,
    /// OpenAI: speech is written down.
    Transcriptions,
    /// OpenAI: speech is written down in English.
    Translations,
    /// OpenAI: images are changed as a text says.
    ImageEdits,
    /// OpenAI: images are made that resemble one.
    ImageVariations,
    /// OpenAI: a file is given to the provider to keep.
    FileUpload,
    /// OpenAI: what is known of a file.
    FileGet,
    /// OpenAI: a file is deleted.
    FileDelete,
    /// OpenAI: the bytes of a file.
    FileContent,
    /// The files of the calling key's tenant, in OpenAI's form.
    FileList,
    /// Cohere: a conversation is continued.
    CohereChat,
    /// Cohere: texts become vectors.
    CohereEmbed,
    /// Cohere: documents are put in order.
    CohereRerank,
    /// Bedrock: a conversation is continued, at once or as a stream.
    Converse,
    /// Bedrock: one of Anthropic's models is asked in Anthropic's own words, at once or as a stream.
    Invoke,
    /// Bedrock: a model of another maker is asked for a text in its maker's words, at once or as a stream.
    InvokeText,
    /// Bedrock: a model of another maker makes vectors of texts.
    InvokeVectors,
    /// Ollama: a conversation is continued, as a stream unless told otherwise.
    OllamaChat,
    /// Ollama: a text is continued, as a stream unless told otherwise.
    OllamaGenerate,
    /// Ollama: texts become vectors.
    OllamaEmbed,
    /// Ollama: a text becomes a vector, as older clients ask for it.
    OllamaEmbeddings,
    /// OpenAI: a conversation by voice over a WebSocket; each of its responses is a call.
    Realtime,
    /// OpenAI: the requests in a file are made by the provider, in its own time.
    BatchCreate,
    /// OpenAI: how far a batch is.
    BatchGet,
    /// OpenAI: a batch is given up.
    BatchCancel,
    /// The batches of the calling key's tenant, in OpenAI's form.
    BatchList,
    /// Anthropic: many messages are made by the provider, in its own time.
    MessageBatchCreate,
    /// Anthropic: how far a batch is.
    MessageBatchGet,
    /// Anthropic: a batch is given up.
    MessageBatchCancel,
    /// Anthropic: what came of a batch, a line a request.
    MessageBatchResults,
    /// Anthropic: a batch that has ended is deleted.
    MessageBatchDelete,
    /// The batches of the calling key's tenant, in Anthropic's form.
    MessageBatchList,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: [Endpoint; 70] = [
        Endpoint::ChatCompletions,
        Endpoint::Completions,
        Endpoint::Embeddings,
        Endpoint::ModelList,
        Endpoint::ModelGet,
        Endpoint::Usage,
        Endpoint::Limits,
        Endpoint::Explain,
        Endpoint::Responses,
        Endpoint::Moderations,
        Endpoint::Messages,
        Endpoint::CountMessageTokens,
        Endpoint::GenerateContent,
        Endpoint::CountTokens,
        Endpoint::EmbedContent,
        Endpoint::BatchEmbedContents,
        Endpoint::Interactions,
        Endpoint::InteractionGet,
        Endpoint::InteractionDelete,
        Endpoint::InteractionCancel,
        Endpoint::Predict,
        Endpoint::PredictImages,
        Endpoint::ResponseGet,
        Endpoint::ResponseDelete,
        Endpoint::ResponseCancel,
        Endpoint::ResponseInputItems,
        Endpoint::ResponseInputTokens,
        Endpoint::ResponseCompact,
        Endpoint::ConversationCreate,
        Endpoint::ConversationGet,
        Endpoint::ConversationUpdate,
        Endpoint::ConversationDelete,
        Endpoint::ConversationItemsCreate,
        Endpoint::ConversationItemList,
        Endpoint::ConversationItemGet,
        Endpoint::ConversationItemDelete,
        Endpoint::Rerank,
        Endpoint::ImageGenerations,
        Endpoint::Speech,
        Endpoint::Transcriptions,
        Endpoint::Translations,
        Endpoint::ImageEdits,
        Endpoint::ImageVariations,
        Endpoint::FileUpload,
        Endpoint::FileGet,
        Endpoint::FileDelete,
        Endpoint::FileContent,
        Endpoint::FileList,
        Endpoint::CohereChat,
        Endpoint::CohereEmbed,
        Endpoint::CohereRerank,
        Endpoint::Converse,
        Endpoint::Invoke,
        Endpoint::InvokeText,
        Endpoint::InvokeVectors,
        Endpoint::OllamaChat,
        Endpoint::OllamaGenerate,
        Endpoint::OllamaEmbed,
        Endpoint::OllamaEmbeddings,
        Endpoint::Realtime,
        Endpoint::BatchCreate,
        Endpoint::BatchGet,
        Endpoint::BatchCancel,
        Endpoint::BatchList,
        Endpoint::MessageBatchCreate,
        Endpoint::MessageBatchGet,
        Endpoint::MessageBatchCancel,
        Endpoint::MessageBatchResults,
        Endpoint::MessageBatchDelete,
        Endpoint::MessageBatchList,
    ];

    /// The dialect of an endpoint whose calls go to an upstream; `None` for those that are answered here.
    #[must_use]
    pub const fn dialect(self) -> Option<Dialect> {
        match self {
            Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::Embeddings
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
            | Endpoint::Rerank
            | Endpoint::ImageGenerations
            | Endpoint::Speech
            | Endpoint::Transcriptions
            | Endpoint::Translations
            | Endpoint::ImageEdits
            | Endpoint::ImageVariations
            | Endpoint::FileUpload
            | Endpoint::FileGet
            | Endpoint::FileDelete
            | Endpoint::FileContent
            | Endpoint::BatchCreate
            | Endpoint::BatchGet
            | Endpoint::BatchCancel
            | Endpoint::Realtime
            | Endpoint::Moderations => Some(Dialect::Openai),
            Endpoint::Messages
            | Endpoint::CountMessageTokens
            | Endpoint::MessageBatchCreate
            | Endpoint::MessageBatchGet
            | Endpoint::MessageBatchCancel
            | Endpoint::MessageBatchResults
            | Endpoint::MessageBatchDelete => Some(Dialect::Anthropic),
            Endpoint::GenerateContent
            | Endpoint::CountTokens
            | Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents
            | Endpoint::Interactions
            | Endpoint::InteractionGet
            | Endpoint::InteractionDelete
            | Endpoint::InteractionCancel
            | Endpoint::Predict
            | Endpoint::PredictImages => Some(Dialect::Gemini),
            Endpoint::CohereChat | Endpoint::CohereEmbed | Endpoint::CohereRerank => Some(Dialect::Cohere),
            Endpoint::Converse | Endpoint::Invoke | Endpoint::InvokeText | Endpoint::InvokeVectors => {
                Some(Dialect::Bedrock)
            }
            Endpoint::OllamaChat | Endpoint::OllamaGenerate | Endpoint::OllamaEmbed | Endpoint::OllamaEmbeddings => {
                Some(Dialect::Ollama)
            }
            Endpoint::ModelList
            | Endpoint::ModelGet
            | Endpoint::FileList
            | Endpoint::BatchList
            | Endpoint::MessageBatchList
            | Endpoint::Usage
            | Endpoint::Limits
            | Endpoint::Explain => None,
        }
    }

    /// Whether a call to it goes to an upstream, behind a hold; the others are answered here.
    #[must_use]
    pub const fn is_billed(self) -> bool {
        self.dialect().is_some()
    }

    /// Whether providers bill a call by its tokens; counting, moderation and what is done with stored objects cost none.
    #[must_use]
    pub const fn has_usage(self) -> bool {
        self.is_billed()
            && !self.is_of_object()
            && !self.is_of_conversation()
            && !matches!(
                self,
                Endpoint::FileUpload
                    | Endpoint::Moderations
                    | Endpoint::CountMessageTokens
                    | Endpoint::CountTokens
                    | Endpoint::ResponseInputTokens
            )
    }

    /// Whether it does something with one stored object, whose id is in the path. Such a call has no body.
    #[must_use]
    pub const fn is_of_object(self) -> bool {
        matches!(
            self,
            Endpoint::ResponseGet
                | Endpoint::ResponseDelete
                | Endpoint::ResponseCancel
                | Endpoint::ResponseInputItems
                | Endpoint::ConversationGet
                | Endpoint::ConversationDelete
                | Endpoint::ConversationItemList
                | Endpoint::ConversationItemGet
                | Endpoint::ConversationItemDelete
                | Endpoint::InteractionGet
                | Endpoint::InteractionDelete
                | Endpoint::InteractionCancel
                | Endpoint::FileGet
                | Endpoint::FileDelete
                | Endpoint::FileContent
                | Endpoint::BatchGet
                | Endpoint::BatchCancel
                | Endpoint::MessageBatchGet
                | Endpoint::MessageBatchCancel
                | Endpoint::MessageBatchResults
                | Endpoint::MessageBatchDelete
        )
    }

    /// Whether it makes a batch: many requests that the provider goes on with after it has answered.
    #[must_use]
    pub const fn makes_batch(self) -> bool {
        matches!(self, Endpoint::BatchCreate | Endpoint::MessageBatchCreate)
    }

    /// Whether its answer is a batch.
    #[must_use]
    pub const fn answers_batch(self) -> bool {
        matches!(self, Endpoint::BatchCreate | Endpoint::BatchGet | Endpoint::BatchCancel) || self.is_of_messages()
    }

    /// Whether it is about a batch of messages.
    #[must_use]
    pub const fn is_of_messages(self) -> bool {
        matches!(
            self,
            Endpoint::MessageBatchCreate
                | Endpoint::MessageBatchGet
                | Endpoint::MessageBatchCancel
                | Endpoint::MessageBatchResults
                | Endpoint::MessageBatchDelete
        )
    }

    /// Whether its answer is bytes that pass as they are.
    #[must_use]
    pub const fn answers_bytes(self) -> bool {
        matches!(self, Endpoint::FileContent | Endpoint::MessageBatchResults)
    }

    /// Whether it is about files that the provider keeps, which belong to no model.
    #[must_use]
    pub const fn is_of_file(self) -> bool {
        matches!(self, Endpoint::FileUpload | Endpoint::FileGet | Endpoint::FileDelete | Endpoint::FileContent)
    }

    /// Whether it is about a conversation that the provider keeps, which belongs to no model.
    #[must_use]
    pub const fn is_of_conversation(self) -> bool {
        matches!(
            self,
            Endpoint::ConversationCreate
                | Endpoint::ConversationGet
                | Endpoint::ConversationUpdate
                | Endpoint::ConversationDelete
                | Endpoint::ConversationItemsCreate
                | Endpoint::ConversationItemList
                | Endpoint::ConversationItemGet
                | Endpoint::ConversationItemDelete
        )
    }

    /// Whether nothing is asked but how many tokens a call would have.
    #[must_use]
    pub const fn counts_tokens(self) -> bool {
        matches!(self, Endpoint::CountMessageTokens | Endpoint::CountTokens)
    }

    /// Whether a call costs nothing at all, also where each call of its model has a price.
    #[must_use]
    pub const fn costs_nothing(self) -> bool {
        self.is_of_object() || self.is_of_file() || self.is_of_conversation()
    }

    /// Whether its requests are those of OpenAI's responses.
    #[must_use]
    pub const fn asks_response(self) -> bool {
        matches!(self, Endpoint::Responses | Endpoint::ResponseInputTokens | Endpoint::ResponseCompact)
    }

    /// Whether documents are put in the order of a query.
    #[must_use]
    pub const fn ranks(self) -> bool {
        matches!(self, Endpoint::CohereRerank | Endpoint::Rerank)
    }

    /// Whether its answers and their events are those of OpenAI's responses.
    #[must_use]
    pub const fn answers_response(self) -> bool {
        matches!(
            self,
            Endpoint::Responses | Endpoint::ResponseGet | Endpoint::ResponseCancel | Endpoint::ResponseCompact
        )
    }

    /// Whether it is about an interaction, whose answers and events are Google's.
    #[must_use]
    pub const fn is_interaction(self) -> bool {
        matches!(
            self,
            Endpoint::Interactions
                | Endpoint::InteractionGet
                | Endpoint::InteractionDelete
                | Endpoint::InteractionCancel
        )
    }

    /// Whether the provider keeps what it answers, unless it is told not to.
    #[must_use]
    pub const fn keeps_answers(self) -> bool {
        matches!(self, Endpoint::Responses | Endpoint::ResponseCompact | Endpoint::Interactions)
    }

    /// The method that it is called with at an upstream.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Endpoint::ResponseGet
            | Endpoint::ResponseInputItems
            | Endpoint::ConversationGet
            | Endpoint::ConversationItemList
            | Endpoint::ConversationItemGet
            | Endpoint::InteractionGet
            | Endpoint::FileGet
            | Endpoint::FileContent
            | Endpoint::BatchGet
            | Endpoint::MessageBatchGet
            | Endpoint::MessageBatchResults
            | Endpoint::Realtime => "GET",
            Endpoint::ResponseDelete
            | Endpoint::ConversationDelete
            | Endpoint::ConversationItemDelete
            | Endpoint::InteractionDelete
            | Endpoint::FileDelete
            | Endpoint::MessageBatchDelete => "DELETE",
            _ => "POST",
        }
    }

    /// Whether a text is made, which an output limit can bound.
    #[must_use]
    pub const fn has_output(self) -> bool {
        match self {
            Endpoint::ChatCompletions
            | Endpoint::Completions
            | Endpoint::Responses
            | Endpoint::Messages
            | Endpoint::GenerateContent
            | Endpoint::Interactions
            | Endpoint::CohereChat
            | Endpoint::Converse
            | Endpoint::Invoke
            | Endpoint::InvokeText
            | Endpoint::OllamaChat
            | Endpoint::OllamaGenerate => true,
            Endpoint::Embeddings
            | Endpoint::Moderations
            | Endpoint::CountMessageTokens
            | Endpoint::CountTokens
            | Endpoint::EmbedContent
            | Endpoint::BatchEmbedContents
            | Endpoint::InteractionGet
            | Endpoint::InteractionDelete
            | Endpoint::InteractionCancel
            | Endpoint::Predict
            | Endpoint::PredictImages
            | Endpoint::ResponseGet
            | Endpoint::ResponseDelete
            | Endpoint::ResponseCancel
            | Endpoint::ResponseInputItems
            | Endpoint::ResponseInputTokens
            | Endpoint::ImageGenerations
            | Endpoint::Speech
            | Endpoint::Transcriptions
            | Endpoint::Translations
            | Endpoint::ImageEdits
            | Endpoint::ImageVariations
            | Endpoint::FileUpload
            | Endpoint::FileGet
            | Endpoint::FileDelete
            | Endpoint::FileContent
            | Endpoint::FileList
            | Endpoint::BatchCreate
            | Endpoint::BatchGet
            | Endpoint::BatchCancel
            | Endpoint::BatchList
            | Endpoint::MessageBatchCreate
            | Endpoint::MessageBatchGet
            | Endpoint::MessageBatchCancel
            | Endpoint::MessageBatchResults
            | Endpoint::MessageBatchDelete
            | Endpoint::MessageBatchList
            // Its limit is not ours to set: an event of the client has it, or nothing.
            | Endpoint::Realtime
            | Endpoint::ResponseCompact
            | Endpoint::ConversationCreate
            | Endpoint::ConversationGet
            | Endpoint::ConversationUpdate
            | Endpoint::ConversationDelete
            | Endpoint::ConversationItemsCreate
            | Endpoint::ConversationItemList
            | Endpoint::ConversationItemGet
            | Endpoint::ConversationItemDelete
            | Endpoint::CohereEmbed
            | Endpoint::InvokeVectors
            | Endpoint::CohereRerank
            | Endpoint::Rerank
            | Endpoint::OllamaEmbed
            | Endpoint::OllamaEmbeddings
            | Endpoint::ModelList
            | Endpoint::ModelGet
            | Endpoint::Usage
            | Endpoint::Limits
            | Endpoint::Explain => false,
        }
    }

    /// Whether its calls come as forms with files in them (`multipart/form-data`).
    #[must_use]
    pub const fn is_form(self) -> bool {
        self.hears() || matches!(self, Endpoint::ImageEdits | Endpoint::ImageVariations | Endpoint::FileUpload)
    }

    /// Whether a call comes as JSON, or may: edits of images may name where the images are.
    #[must_use]
    pub const fn takes_json(self) -> bool {
        !self.is_form() || matches!(self, Endpoint::ImageEdits)
    }

    /// Whether speech is written down.
    #[must_use]
    pub const fn hears(self) -> bool {
        matches!(self, Endpoint::Transcriptions | Endpoint::Translations)
    }

    /// Whether images are made.
    #[must_use]
    pub const fn makes_images(self) -> bool {
        matches!(
            self,
            Endpoint::ImageGenerations | Endpoint::ImageEdits | Endpoint::ImageVariations | Endpoint::PredictImages
        )
    }

    /// How many answers are made of a prompt where nothing is said.
    #[must_use]
    pub const fn choices_by_default(self) -> u32 {
        match self {
            // So many images Google makes.
            Endpoint::PredictImages => 4,
            _ => 1,
        }
    }

    /// Whether its streams are those of OpenAI's images and audio.
    #[must_use]
    pub const fn makes_media(self) -> bool {
        self.hears() || self.makes_images() || matches!(self, Endpoint::Speech)
    }

    /// Whether requests and answers are Anthropic's messages, whoever wraps them.
    #[must_use]
    pub const fn speaks_messages(self) -> bool {
        matches!(self, Endpoint::Messages | Endpoint::CountMessageTokens | Endpoint::Invoke)
    }

    /// Whether an answer is a stream of lines unless the call says otherwise.
    #[must_use]
    pub const fn streams_lines(self) -> bool {
        matches!(self, Endpoint::OllamaChat | Endpoint::OllamaGenerate)
    }

    /// Whether its streams are frames with sums.
    #[must_use]
    pub const fn streams_frames(self) -> bool {
        matches!(self, Endpoint::Converse) || self.is_invoked()
    }

    /// Whether Bedrock invokes a model, in the form of its maker.
    #[must_use]
    pub const fn is_invoked(self) -> bool {
        matches!(self, Endpoint::Invoke | Endpoint::InvokeText | Endpoint::InvokeVectors)
    }

    /// Whether texts become vectors.
    #[must_use]
    pub const fn is_embedding(self) -> bool {
        matches!(
            self,
            Endpoint::Embeddings
                | Endpoint::EmbedContent
                | Endpoint::BatchEmbedContents
                | Endpoint::Predict
                | Endpoint::CohereEmbed
                | Endpoint::InvokeVectors
                | Endpoint::OllamaEmbed
                | Endpoint::OllamaEmbeddings
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.name().parse(), Ok(endpoint));
        }
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        assert_eq!("OpenAI".parse::<Dialect>(), Err(UnknownDialect));
        assert_eq!(serde_json::to_string(&Dialect::Openai).expect("plain"), "\"openai\"");
    }
}
