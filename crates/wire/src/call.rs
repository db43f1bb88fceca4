//! A request that was read: its body verbatim, what it asks for, and where in the body the values stand that may be spliced.

use base::{ModelId, UpstreamId};
use bytes::Bytes;
use smallvec::SmallVec;

use crate::billable::{Billable, CacheWrites};
use crate::dialect::{Dialect, Endpoint};
use crate::hosting::Hosting;
use crate::maker::Maker;

/// A place in a body, in bytes from its start: from `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// How many bytes it covers.
    pub(crate) const fn len(self) -> usize {
        self.end - self.start
    }
}

/// Where `include_usage` stands or can be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageOption {
    /// There is no `stream_options`.
    Absent,
    /// `stream_options` is null: the span is of that value.
    Null(Span),
    /// An object without `include_usage`: the place after its brace, and whether it is empty.
    Object { inside: usize, is_empty: bool },
    /// The value of `include_usage`.
    Value(Span),
}

/// Where the settings of a generation stand that are nested in the body (Gemini's `generationConfig`, Bedrock's
/// `inferenceConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NestedPlaces {
    /// There are none.
    Absent,
    /// They are null: the span is of that value.
    Null(Span),
    /// An object: the place after its brace, and whether it is empty.
    Object { inside: usize, is_empty: bool },
}

/// What a query says that an upstream should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Query {
    /// Nothing.
    #[default]
    None,
    /// Anthropic's beta endpoints.
    Beta,
    /// Google's answer as server-sent events.
    Events,
    /// Google's answer as JSON, said out loud.
    Json,
    /// The same, with numbers for the names of enums.
    JsonWithNumbers,
}

impl Query {
    const fn text(self) -> &'static str {
        match self {
            Query::None => "",
            Query::Beta => "?beta=true",
            Query::Events => "?alt=sse",
            Query::Json => "?alt=json",
            Query::JsonWithNumbers => "?%24alt=json%3Benum-encoding%3Dint",
        }
    }
}

/// Places of values, for splicing.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Right after the opening brace of the body.
    pub(crate) inside: usize,
    /// The body is `{}`.
    pub(crate) is_empty: bool,
    pub(crate) model: Option<Span>,
    pub(crate) max_tokens: Option<Span>,
    pub(crate) max_completion_tokens: Option<Span>,
    pub(crate) temperature: Option<Span>,
    pub(crate) usage_option: UsageOption,
    /// Models written as resources (`"models/NAME"`), which must follow the one of the path.
    pub(crate) resource_names: SmallVec<[Span; 1]>,
    pub(crate) nested: NestedPlaces,
}

impl Places {
    /// Of a body that begins at `inside`, or of none, in which nothing was found yet.
    pub(crate) fn at(inside: usize) -> Places {
        Places {
            inside,
            is_empty: true,
            model: None,
            max_tokens: None,
            max_completion_tokens: None,
            temperature: None,
            usage_option: UsageOption::Absent,
            resource_names: SmallVec::new(),
            nested: NestedPlaces::Absent,
        }
    }
}

/// A value whose text may become prompt tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TextPlace {
    /// Strings inside become text, each by itself; other values count as they are written.
    Strings(Span),
    /// The JSON itself becomes text, such as the schema of a tool.
    Json(Span),
}

/// Where an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedPlace {
    /// In the path, behind so many others: the object that something is done with.
    Path(usize),
    /// In the query, as the value of this pair.
    Query(usize),
    /// In the body: the span is of the string with its quotes.
    Body(Span),
}

/// One id that a request names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) place: NamedPlace,
    /// As the client wrote it.
    pub(crate) id: String,
    /// Only the id says what is meant: without its object the request means nothing, or something else.
    pub(crate) is_needed: bool,
    /// What the provider calls it, once it was opened.
    pub(crate) opened: Option<String>,
}

/// What a request says of stored objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    pub(crate) named: Vec<Named>,
    /// Pairs of the query that are passed on, such as `limit` and its value.
    pub(crate) pairs: Vec<(&'static str, String)>,
    /// The only upstream that has them.
    pub(crate) upstream: Option<UpstreamId>,
}

/// What was filled in and goes out with every body made of the call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filled {
    pub(crate) output_limit: Option<u64>,
    /// A raw JSON number.
    pub(crate) temperature: Option<String>,
}

/// What a call says of the form that it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Upload {
    /// Where the value of the model stands in what was read before the call left.
    pub(crate) model: Option<Span>,
    pub(crate) boundary: String,
    /// Bytes of the whole body.
    pub(crate) bytes: u64,
}

/// One client request, read strictly. Made only by [`crate::read`]; the body is kept verbatim.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) endpoint: Endpoint,
    pub(crate) hosting: Hosting,
    /// Whose form the body has, where a model is invoked whose maker is known.
    pub(crate) maker: Option<Maker>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
    pub(crate) model: Option<ModelId>,
    pub(crate) stream: bool,
    pub(crate) client_wants_usage: bool,
    pub(crate) billable: Billable,
    pub(crate) end_user: Option<String>,
    pub(crate) places: Places,
    pub(crate) filled: Filled,
    pub(crate) texts: SmallVec<[TextPlace; 4]>,
    /// Inline base64 payloads, in order: they are not text.
    pub(crate) payloads: Vec<Span>,
    /// The stored objects that it names; `None` for nearly all calls.
    pub(crate) objects: Option<Box<Objects>>,
    /// The provider is to keep what it answers.
    pub(crate) is_stored: bool,
    /// The form that it came as; `None` for a call in JSON.
    pub(crate) upload: Option<Box<Upload>>,
}

/// The path of a Converse.
pub(crate) fn converse_path(model: &str, stream: bool) -> String {
    amazon_path(model, if stream { "converse-stream" } else { "converse" })
}

/// A path as Amazon's SDKs write it.
fn amazon_path(model: &str, action: &str) -> String {
    let model = model.replace(':', "%3A").replace('/', "%2F");
    format!("/model/{model}/{action}")
}

impl Call {
    /// A call that says nothing but which objects it is about.
    pub(crate) fn naming(endpoint: Endpoint, hosting: Hosting, body: Bytes, objects: Objects) -> Call {
        Call {
            endpoint,
            hosting,
            maker: None,
            query: Query::None,
            body,
            model: None,
            stream: false,
            client_wants_usage: false,
            billable: Billable { cache_writes: CacheWrites::None, is_free: true, ..Billable::default() },
            end_user: None,
            places: Places::at(0),
            filled: Filled::default(),
            texts: SmallVec::new(),
            payloads: Vec::new(),
            objects: Some(Box::new(objects)),
            is_stored: true,
            upload: None,
        }
    }

    /// What the call asks for; always one that is billed.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// Whose form the body has, where it is known.
    #[must_use]
    pub const fn maker(&self) -> Option<Maker> {
        self.maker
    }

    /// The path and query below an upstream's `base_url` for its model `model`, where [`Endpoint::path`] is not all of it.
    ///
    /// A model with a slash in its name is the name of a resource (`tunedModels/x`), and stands for itself.
    #[must_use]
    pub fn path(&self, model: &str) -> Option<String> {
        if self.endpoint.is_of_object() || self.endpoint.is_of_conversation() {
            return Some(self.object_path());
        }
        if let Some(path) = self.hosting.path(self.endpoint, self.stream, model) {
            return Some(path);
        }
        if self.endpoint == Endpoint::Converse {
            return Some(converse_path(model, self.stream));
        }
        if self.endpoint.is_invoked() {
            return Some(amazon_path(model, if self.stream { "invoke-with-response-stream" } else { "invoke" }));
        }
        if self.endpoint.dialect() != Some(Dialect::Gemini) {
            let path = self.endpoint.path();
            return (self.query != Query::None).then(|| format!("{path}{}", self.query.text()));
        }
        if self.endpoint == Endpoint::Interactions {
            return Some(format!("{}{}", self.endpoint.path(), self.query.text()));
        }
        let collection = if model.contains('/') { "" } else { "models/" };
        let action = match (self.endpoint, self.stream) {
            (Endpoint::GenerateContent, true) => ":streamGenerateContent",
            (endpoint, _) => endpoint.path(),
        };
        Some(format!("/{collection}{model}{action}{}", self.query.text()))
    }

    /// Whether the model is named in the path alone, though other bodies of the dialect have it.
    pub(crate) const fn names_model_in_path(&self) -> bool {
        self.endpoint.is_invoked() || self.hosting.names_model_in_path(self.endpoint)
    }

    /// Whether usage has to be asked for, since the client did not, and is to be taken out of the stream again.
    #[must_use]
    pub const fn adds_usage(&self) -> bool {
        let asks = matches!(self.endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
        asks && self.stream && !self.client_wants_usage
    }

    /// Whether a stream of this call is one JSON array rather than events.
    #[must_use]
    pub fn streams_array(&self) -> bool {
        self.endpoint == Endpoint::GenerateContent && self.stream && self.query != Query::Events
    }

    /// Bytes of the whole body of a call that came as a form; `None` for one in JSON.
    #[must_use]
    pub fn form_bytes(&self) -> Option<u64> {
        self.upload.as_ref().map(|upload| upload.bytes)
    }

    /// The body as it came; of a form, what was read of it before the call left.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The model that the client named; `None` when it named none (or null).
    #[must_use]
    pub const fn model(&self) -> Option<&ModelId> {
        self.model.as_ref()
    }

    /// Whether the answer is to be streamed.
    #[must_use]
    pub const fn stream(&self) -> bool {
        self.stream
    }

    /// Whether the client itself asked for usage in the stream; else the usage chunk is to be stripped.
    #[must_use]
    pub const fn client_wants_usage(&self) -> bool {
        self.client_wants_usage
    }

    /// What can change the price.
    #[must_use]
    pub const fn billable(&self) -> &Billable {
        &self.billable
    }

    /// Whether the client set a temperature; null does not set one.
    #[must_use]
    pub fn has_temperature(&self) -> bool {
        self.places.temperature.is_some_and(|place| self.body[place.start] != b'n')
    }

    /// The tenant's own user: the `user` field, where it is a text of 1 to 256 bytes without control characters.
    #[must_use]
    pub fn end_user(&self) -> Option<&str> {
        self.end_user.as_deref()
    }
}
