//! The registry of client-facing routes: what is not listed does not exist.

use std::borrow::Cow;

use base::{BaseUrl, Refusal};

use crate::dialect::{Dialect, Endpoint};
use crate::hosting::Hosting;
use crate::maker::Maker;

/// One client-facing route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteSpec {
    /// The one HTTP method it takes.
    pub method: &'static str,
    /// The path; `{model}` stands for a name that may contain slashes, `{id}` for an id, which has none, and of which there may
    /// be two. A `*` before them is any one segment: whose project it is there does not matter here.
    pub pattern: &'static str,
    /// The dialect of its requests, answers and refusals; `None` where it is that of the client: see [`Accent`].
    pub dialect: Option<Dialect>,
    /// What it does.
    pub endpoint: Endpoint,
    /// The answer is streamed whatever the body says.
    pub stream: bool,
    /// Whose form of the dialect it is.
    pub hosting: Hosting,
}

const fn to(method: &'static str, pattern: &'static str, endpoint: Endpoint) -> RouteSpec {
    RouteSpec { method, pattern, dialect: endpoint.dialect(), endpoint, stream: false, hosting: Hosting::Inventor }
}

const fn of(dialect: Dialect, method: &'static str, pattern: &'static str, endpoint: Endpoint) -> RouteSpec {
    RouteSpec { method, pattern, dialect: Some(dialect), endpoint, stream: false, hosting: Hosting::Inventor }
}

const fn streaming(method: &'static str, pattern: &'static str, endpoint: Endpoint) -> RouteSpec {
    RouteSpec { stream: true, ..to(method, pattern, endpoint) }
}

/// Of Vertex, where the model is in the path and the body is not quite the inventor's.
const fn vertex(pattern: &'static str, endpoint: Endpoint, stream: bool) -> RouteSpec {
    RouteSpec { stream, hosting: Hosting::Vertex, ..to("POST", pattern, endpoint) }
}

/// Every route of the relay port. Of two that match, the first with the method counts.
pub const ROUTES: &[RouteSpec] = &[
    to("POST", "/v1/chat/completions", Endpoint::ChatCompletions),
    to("POST", "/v1/completions", Endpoint::Completions),
    to("POST", "/v1/embeddings", Endpoint::Embeddings),
    to("POST", "/v1/responses", Endpoint::Responses),
    to("POST", "/v1/moderations", Endpoint::Moderations),
    to("POST", "/v1/messages", Endpoint::Messages),
    to("POST", "/v1/messages/count_tokens", Endpoint::CountMessageTokens),
    to("POST", "/v1/models/{model}:generateContent", Endpoint::GenerateContent),
    to("POST", "/v1beta/models/{model}:generateContent", Endpoint::GenerateContent),
    streaming("POST", "/v1/models/{model}:streamGenerateContent", Endpoint::GenerateContent),
    streaming("POST", "/v1beta/models/{model}:streamGenerateContent", Endpoint::GenerateContent),
    to("POST", "/v1/models/{model}:countTokens", Endpoint::CountTokens),
    to("POST", "/v1beta/models/{model}:countTokens", Endpoint::CountTokens),
    to("POST", "/v1/models/{model}:embedContent", Endpoint::EmbedContent),
    to("POST", "/v1beta/models/{model}:embedContent", Endpoint::EmbedContent),
    to("POST", "/v1/models/{model}:batchEmbedContents", Endpoint::BatchEmbedContents),
    to("POST", "/v1beta/models/{model}:batchEmbedContents", Endpoint::BatchEmbedContents),
    to("POST", "/v1/models/{model}:predict", Endpoint::Predict),
    to("POST", "/v1beta/models/{model}:predict", Endpoint::Predict),
    // Interactions, in both versions of Google's API.
    to("POST", "/v1/interactions", Endpoint::Interactions),
    to("GET", "/v1/interactions/{id}", Endpoint::InteractionGet),
    to("DELETE", "/v1/interactions/{id}", Endpoint::InteractionDelete),
    to("POST", "/v1/interactions/{id}/cancel", Endpoint::InteractionCancel),
    to("POST", "/v1beta/interactions", Endpoint::Interactions),
    to("GET", "/v1beta/interactions/{id}", Endpoint::InteractionGet),
    to("DELETE", "/v1beta/interactions/{id}", Endpoint::InteractionDelete),
    to("POST", "/v1beta/interactions/{id}/cancel", Endpoint::InteractionCancel),
    to("POST", "/v1/images/generations", Endpoint::ImageGenerations),
    to("POST", "/v1/audio/speech", Endpoint::Speech),
    to("POST", "/openai/deployments/{model}/images/generations", Endpoint::ImageGenerations),
    to("POST", "/openai/deployments/{model}/audio/speech", Endpoint::Speech),
    to("POST", "/openai/v1/images/generations", Endpoint::ImageGenerations),
    to("POST", "/openai/v1/audio/speech", Endpoint::Speech),
    to("POST", "/v1/audio/transcriptions", Endpoint::Transcriptions),
    to("POST", "/v1/audio/translations", Endpoint::Translations),
    to("POST", "/v1/images/edits", Endpoint::ImageEdits),
    to("POST", "/v1/images/variations", Endpoint::ImageVariations),
    to("POST", "/openai/deployments/{model}/audio/transcriptions", Endpoint::Transcriptions),
    to("POST", "/openai/deployments/{model}/audio/translations", Endpoint::Translations),
    to("POST", "/openai/deployments/{model}/images/edits", Endpoint::ImageEdits),
    to("POST", "/openai/deployments/{model}/images/variations", Endpoint::ImageVariations),
    to("POST", "/openai/v1/audio/transcriptions", Endpoint::Transcriptions),
    to("POST", "/openai/v1/audio/translations", Endpoint::Translations),
    to("POST", "/openai/v1/images/edits", Endpoint::ImageEdits),
    to("POST", "/openai/v1/images/variations", Endpoint::ImageVariations),
    to("POST", "/v2/chat", Endpoint::CohereChat),
    to("POST", "/v2/embed", Endpoint::CohereEmbed),
    to("POST", "/v2/rerank", Endpoint::CohereRerank),
    to("POST", "/v1/rerank", Endpoint::Rerank),
    to("POST", "/api/chat", Endpoint::OllamaChat),
    to("POST", "/api/generate", Endpoint::OllamaGenerate),
    to("POST", "/api/embed", Endpoint::OllamaEmbed),
    to("POST", "/api/embeddings", Endpoint::OllamaEmbeddings),
    of(Dialect::Ollama, "GET", "/api/tags", Endpoint::ModelList),
    to("POST", "/model/{model}/converse", Endpoint::Converse),
    streaming("POST", "/model/{model}/converse-stream", Endpoint::Converse),
    // Files, which the list shows of the tenant alone.
    to("POST", "/v1/files", Endpoint::FileUpload),
    of(Dialect::Openai, "GET", "/v1/files", Endpoint::FileList),
    to("GET", "/v1/files/{id}", Endpoint::FileGet),
    to("DELETE", "/v1/files/{id}", Endpoint::FileDelete),
    to("GET", "/v1/files/{id}/content", Endpoint::FileContent),
    to("POST", "/openai/v1/files", Endpoint::FileUpload),
    of(Dialect::Openai, "GET", "/openai/v1/files", Endpoint::FileList),
    to("GET", "/openai/v1/files/{id}", Endpoint::FileGet),
    to("DELETE", "/openai/v1/files/{id}", Endpoint::FileDelete),
    to("GET", "/openai/v1/files/{id}/content", Endpoint::FileContent),
    // Batches, which the list shows of the tenant alone, too.
    to("POST", "/v1/batches", Endpoint::BatchCreate),
    of(Dialect::Openai, "GET", "/v1/batches", Endpoint::BatchList),
    to("GET", "/v1/batches/{id}", Endpoint::BatchGet),
    to("POST", "/v1/batches/{id}/cancel", Endpoint::BatchCancel),
    to("POST", "/v1/messages/batches", Endpoint::MessageBatchCreate),
    of(Dialect::Anthropic, "GET", "/v1/messages/batches", Endpoint::MessageBatchList),
    to("GET", "/v1/messages/batches/{id}", Endpoint::MessageBatchGet),
    to("DELETE", "/v1/messages/batches/{id}", Endpoint::MessageBatchDelete),
    to("POST", "/v1/messages/batches/{id}/cancel", Endpoint::MessageBatchCancel),
    to("GET", "/v1/messages/batches/{id}/results", Endpoint::MessageBatchResults),
    to("POST", "/openai/v1/batches", Endpoint::BatchCreate),
    of(Dialect::Openai, "GET", "/openai/v1/batches", Endpoint::BatchList),
    to("GET", "/openai/v1/batches/{id}", Endpoint::BatchGet),
    to("POST", "/openai/v1/batches/{id}/cancel", Endpoint::BatchCancel),
    to("POST", "/model/{model}/invoke", Endpoint::Invoke),
    streaming("POST", "/model/{model}/invoke-with-response-stream", Endpoint::Invoke),
    // Azure's two forms of OpenAI's dialect: the model in the path, and the same endpoints elsewhere.
    to("POST", "/openai/deployments/{model}/chat/completions", Endpoint::ChatCompletions),
    to("POST", "/openai/deployments/{model}/completions", Endpoint::Completions),
    to("POST", "/openai/deployments/{model}/embeddings", Endpoint::Embeddings),
    to("POST", "/openai/v1/chat/completions", Endpoint::ChatCompletions),
    to("POST", "/openai/v1/completions", Endpoint::Completions),
    to("POST", "/openai/v1/embeddings", Endpoint::Embeddings),
    to("POST", "/openai/v1/responses", Endpoint::Responses),
    to("POST", "/openai/responses", Endpoint::Responses),
    // What is stored of responses, under every prefix that they are made under.
    to("POST", "/v1/responses/input_tokens", Endpoint::ResponseInputTokens),
    to("GET", "/v1/responses/{id}", Endpoint::ResponseGet),
    to("DELETE", "/v1/responses/{id}", Endpoint::ResponseDelete),
    to("POST", "/v1/responses/{id}/cancel", Endpoint::ResponseCancel),
    to("GET", "/v1/responses/{id}/input_items", Endpoint::ResponseInputItems),
    to("POST", "/v1/responses/compact", Endpoint::ResponseCompact),
    to("POST", "/openai/v1/responses/input_tokens", Endpoint::ResponseInputTokens),
    to("POST", "/openai/v1/responses/compact", Endpoint::ResponseCompact),
    to("GET", "/openai/v1/responses/{id}", Endpoint::ResponseGet),
    to("DELETE", "/openai/v1/responses/{id}", Endpoint::ResponseDelete),
    to("POST", "/openai/v1/responses/{id}/cancel", Endpoint::ResponseCancel),
    to("GET", "/openai/v1/responses/{id}/input_items", Endpoint::ResponseInputItems),
    to("POST", "/openai/responses/input_tokens", Endpoint::ResponseInputTokens),
    to("POST", "/openai/responses/compact", Endpoint::ResponseCompact),
    to("GET", "/openai/responses/{id}", Endpoint::ResponseGet),
    to("DELETE", "/openai/responses/{id}", Endpoint::ResponseDelete),
    to("POST", "/openai/responses/{id}/cancel", Endpoint::ResponseCancel),
    to("GET", "/openai/responses/{id}/input_items", Endpoint::ResponseInputItems),
    // Conversations that responses go on with, and their items.
    to("POST", "/v1/conversations", Endpoint::ConversationCreate),
    to("POST", "/v1/conversations/{id}", Endpoint::ConversationUpdate),
    to("GET", "/v1/conversations/{id}", Endpoint::ConversationGet),
    to("DELETE", "/v1/conversations/{id}", Endpoint::ConversationDelete),
    to("POST", "/v1/conversations/{id}/items", Endpoint::ConversationItemsCreate),
    to("GET", "/v1/conversations/{id}/items", Endpoint::ConversationItemList),
    to("GET", "/v1/conversations/{id}/items/{id}", Endpoint::ConversationItemGet),
    to("DELETE", "/v1/conversations/{id}/items/{id}", Endpoint::ConversationItemDelete),
    to("POST", "/openai/v1/conversations", Endpoint::ConversationCreate),
    to("POST", "/openai/v1/conversations/{id}", Endpoint::ConversationUpdate),
    to("GET", "/openai/v1/conversations/{id}", Endpoint::ConversationGet),
    to("DELETE", "/openai/v1/conversations/{id}", Endpoint::ConversationDelete),
    to("POST", "/openai/v1/conversations/{id}/items", Endpoint::ConversationItemsCreate),
    to("GET", "/openai/v1/conversations/{id}/items", Endpoint::ConversationItemList),
    to("GET", "/openai/v1/conversations/{id}/items/{id}", Endpoint::ConversationItemGet),
    to("DELETE", "/openai/v1/conversations/{id}/items/{id}", Endpoint::ConversationItemDelete),
    to("GET", "/v1/realtime", Endpoint::Realtime),
    to("GET", "/openai/v1/realtime", Endpoint::Realtime),
    of(Dialect::Openai, "GET", "/openai/v1/models", Endpoint::ModelList),
    of(Dialect::Openai, "GET", "/openai/v1/models/{model}", Endpoint::ModelGet),
    to("GET", "/v1/models", Endpoint::ModelList),
    to("GET", "/v1/models/{model}", Endpoint::ModelGet),
    of(Dialect::Gemini, "GET", "/v1beta/models", Endpoint::ModelList),
    of(Dialect::Gemini, "GET", "/v1beta/models/{model}", Endpoint::ModelGet),
    of(Dialect::Openai, "GET", "/v1/usage", Endpoint::Usage),
    of(Dialect::Openai, "GET", "/v1/limits", Endpoint::Limits),
    of(Dialect::Openai, "POST", "/v1/explain", Endpoint::Explain),
    // Vertex: what its publishers' SDKs call, in two versions, and Google's own models without a project.
    to(
        "POST",
        "/v1/projects/*/locations/*/publishers/google/models/{model}:generateContent",
        Endpoint::GenerateContent,
    ),
    to(
        "POST",
        "/v1beta1/projects/*/locations/*/publishers/google/models/{model}:generateContent",
        Endpoint::GenerateContent,
    ),
    to("POST", "/v1/publishers/google/models/{model}:generateContent", Endpoint::GenerateContent),
    to("POST", "/v1beta1/publishers/google/models/{model}:generateContent", Endpoint::GenerateContent),
    streaming(
        "POST",
        "/v1/projects/*/locations/*/publishers/google/models/{model}:streamGenerateContent",
        Endpoint::GenerateContent,
    ),
    streaming(
        "POST",
        "/v1beta1/projects/*/locations/*/publishers/google/models/{model}:streamGenerateContent",
        Endpoint::GenerateContent,
    ),
    streaming("POST", "/v1/publishers/google/models/{model}:streamGenerateContent", Endpoint::GenerateContent),
    streaming("POST", "/v1beta1/publishers/google/models/{model}:streamGenerateContent", Endpoint::GenerateContent),
    to("POST", "/v1/projects/*/locations/*/publishers/google/models/{model}:countTokens", Endpoint::CountTokens),
    to("POST", "/v1beta1/projects/*/locations/*/publishers/google/models/{model}:countTokens", Endpoint::CountTokens),
    to("POST", "/v1/publishers/google/models/{model}:countTokens", Endpoint::CountTokens),
    to("POST", "/v1beta1/publishers/google/models/{model}:countTokens", Endpoint::CountTokens),
    to("POST", "/v1/projects/*/locations/*/publishers/google/models/{model}:embedContent", Endpoint::EmbedContent),
    to("POST", "/v1beta1/projects/*/locations/*/publishers/google/models/{model}:embedContent", Endpoint::EmbedContent),
    to("POST", "/v1/projects/*/locations/*/publishers/google/models/{model}:predict", Endpoint::Predict),
    to("POST", "/v1beta1/projects/*/locations/*/publishers/google/models/{model}:predict", Endpoint::Predict),
    to("POST", "/v1/publishers/google/models/{model}:predict", Endpoint::Predict),
    to("POST", "/v1beta1/publishers/google/models/{model}:predict", Endpoint::Predict),
    vertex(
        "/v1/projects/*/locations/*/publishers/anthropic/models/count-tokens:rawPredict",
        Endpoint::CountMessageTokens,
        false,
    ),
    vertex("/v1/projects/*/locations/*/publishers/anthropic/models/{model}:rawPredict", Endpoint::Messages, false),
    vertex("/v1/projects/*/locations/*/publishers/anthropic/models/{model}:streamRawPredict", Endpoint::Messages, true),
];

/// What shows which SDK a client uses, for the paths that several dialects share, and for those that no dialect has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accent {
    /// It sent `anthropic-version`.
    pub anthropic_version: bool,
    /// It sent its key as `x-goog-api-key` or `?key=`, or names itself in `x-goog-api-client`.
    pub google_key: bool,
    /// Its `x-fern-sdk-name` is that of one of Cohere's.
    pub cohere_sdk: bool,
}

impl Accent {
    /// The dialect that the client is taken to speak.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Accent { anthropic_version: true, .. } => Dialect::Anthropic,
            Accent { google_key: true, .. } => Dialect::Gemini,
            Accent { cohere_sdk: true, .. } => Dialect::Cohere,
            _ => Dialect::Openai,
        }
    }
}

/// A route that a request matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// The dialect of the answer and of refusals.
    pub dialect: Dialect,
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The `{model}` part of the path, not decoded, which may contain `/`; or the `{id}` part, which does not; or two of those
    /// with what stands between them.
    pub tail: Option<&'a str>,
    /// The path asks for a stream.
    pub stream: bool,
    /// The query, as it came.
    pub query: &'a str,
    /// Whose form of the dialect it is.
    pub hosting: Hosting,
    /// The maker of the model, where the path names it otherwise than its maker does.
    pub maker: Option<Maker>,
}

impl From<Endpoint> for Route<'_> {
    /// The route of an endpoint whose calls say everything in their bodies.
    fn from(endpoint: Endpoint) -> Self {
        let dialect = endpoint.dialect().unwrap_or(Dialect::Openai);
        Route { dialect, endpoint, tail: None, stream: false, query: "", hosting: Hosting::Inventor, maker: None }
    }
}

impl Route<'_> {
    /// The model that the path names, as its client writes it.
    #[must_use]
    pub fn model(&self) -> Option<Cow<'_, str>> {
        self.tail.map(unescaped)
    }

    /// Everything but its body that tells one call from another, such as "chat/completions" or "generateContent m".
    #[must_use]
    pub fn asked(&self) -> Cow<'static, str> {
        let name = self.endpoint.name();
        let Some(tail) = self.tail else { return Cow::Borrowed(name) };
        let form = self.query.split('&').filter(|pair| pair.contains("alt=")).collect::<Vec<_>>().join("&");
        Cow::Owned(format!("{name} {tail} {} {form}", self.stream))
    }
}

/// Finds the route of a method and a path, exactly as written. The query is kept for [`crate::read`].
///
/// # Errors
/// [`Refusal::RouteNotFound`], also for every path that another server could read as a different one (empty, `.` or `..`
/// segments, percent escapes but for two in names of models, backslashes, anything beyond printable ASCII);
/// [`Refusal::MethodNotAllowed`].
pub fn route<'a>(method: &str, path: &'a str, query: &'a str, accent: Accent) -> Result<Route<'a>, Refusal> {
    if !is_canonical(path) {
        return Err(Refusal::RouteNotFound { base_url: BaseUrl::Unknown });
    }
    let mut allowed = None;
    for (spec, tail) in at(path, accent) {
        if spec.method == method {
            let dialect = spec.dialect.unwrap_or(accent.dialect());
            let RouteSpec { endpoint, stream, hosting, .. } = *spec;
            return Ok(Route { dialect, endpoint, tail, stream, query, hosting, maker: None });
        }
        // What is posted behind a colon is an action of Google's that is not relayed, and no model that takes another method.
        if spec.endpoint == Endpoint::ModelGet && method == "POST" && tail.is_some_and(|tail| tail.contains(':')) {
            continue;
        }
        allowed = match (allowed, spec.method) {
            (Some("GET"), "DELETE") => Some("GET, DELETE"),
            (Some("POST"), "GET") => Some("POST, GET"),
            (Some("POST, GET"), "DELETE") => Some("POST, GET, DELETE"),
            (first, method) => first.or(Some(method)),
        };
    }
    match allowed {
        Some(allowed) => Err(Refusal::MethodNotAllowed { allowed }),
        None => Err(Refusal::RouteNotFound { base_url: base_url(path, accent) }),
    }
}

/// The routes at a path, in their order, each with the name or id in it. Anthropic has files where OpenAI has them; those
/// are not relayed, and an upstream of OpenAI's must not get them.
fn at(path: &str, accent: Accent) -> impl Iterator<Item = (&'static RouteSpec, Option<&str>)> {
    let found = ROUTES.iter().filter_map(move |spec| Some((spec, matches(spec.pattern, path)?)));
    let is_of_files = |spec: &RouteSpec| spec.endpoint.is_of_file() || spec.endpoint == Endpoint::FileList;
    found.filter(move |(spec, _)| !(accent.anthropic_version && is_of_files(spec)))
}

/// What a path that does not exist tells of the base URL that its client was given.
fn base_url(path: &str, accent: Accent) -> BaseUrl {
    let is_route = |path: &str| at(path, accent).next().is_some();
    let versions = ["/v1", "/v2", "/v1beta"];
    if versions.iter().any(|version| path.strip_prefix(version).is_some_and(is_route)) {
        BaseUrl::HasVersion
    } else if is_route(&["/v1", path].concat()) {
        BaseUrl::EndsBeforeV1
    } else {
        BaseUrl::Unknown
    }
}

/// The dialect to refuse in when a request has no route.
#[must_use]
pub fn dialect_of(path: &str, accent: Accent) -> Dialect {
    at(path, accent).next().and_then(|(spec, _)| spec.dialect).unwrap_or(accent.dialect())
}

/// `Some(tail)` when `path` is what `pattern` describes; a trailing slash is a different path.
fn matches<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    if pattern == path {
        return Some(None);
    }
    let (fixed, rest) = pattern.split_once('{').unwrap_or((pattern, ""));
    let left = without_prefix(fixed, path)?;
    let Some((name, suffix)) = rest.split_once('}') else { return left.is_empty().then_some(None) };
    if let Some((between, _)) = suffix.split_once('{') {
        let (first, second) = left.split_once(between)?;
        return [first, second].iter().all(|id| !id.is_empty() && !id.contains('/')).then_some(Some(left));
    }
    let tail = left.strip_suffix(suffix)?;
    let is_name = !tail.is_empty() && (name == "model" || !tail.contains('/'));
    is_name.then_some(Some(tail))
}

/// What follows `prefix`, in which a `*` is any one segment.
fn without_prefix<'a>(prefix: &str, path: &'a str) -> Option<&'a str> {
    let mut parts = prefix.split('*');
    let mut left = path.strip_prefix(parts.next()?)?;
    for part in parts {
        let end = left.find('/').filter(|&end| end > 0)?;
        left = left[end..].strip_prefix(part)?;
    }
    Some(left)
}

/// Below these paths stand names of models, in which SDKs escape what they take for the path's.
const ESCAPED_BELOW: [&str; 5] =
    ["/model/", "/v1/models/", "/v1beta/models/", "/openai/deployments/", "/openai/v1/models/"];

/// A name without the escapes of the two characters that SDKs escape in names.
pub(crate) fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.replace("%3A", ":").replace("%2F", "/"))
}

/// Whether every server reads this path alike: no empty or dot segments, no escapes, only the characters of names. Names of
/// models may have a colon and a slash escaped, in one way.
fn is_canonical(path: &str) -> bool {
    let has_name = ESCAPED_BELOW.iter().any(|above| path.starts_with(above));
    let read = if has_name { unescaped(path) } else { Cow::Borrowed(path) };
    let Some(rest) = read.strip_prefix('/') else { return false };
    // A segment that is empty or ends with a dot shows where it ends.
    let mut before = b'/';
    rest.bytes().chain(*b"/").all(|byte| {
        let ends_badly = byte == b'/' && matches!(before, b'/' | b'.');
        before = byte;
        !ends_badly && (byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/' | b':' | b'@' | b'+'))
    })
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
