//! The request as another dialect says it: made once when a call is planned, sent with the model and the output limit
//! that are known when it leaves.

use base::Refusal;
use bytes::Bytes;

use super::build::Build;
use super::fault::Fault;
use super::form::{form_of, is_translated, read, write};
use super::node::Node;
use super::said::Names;
use super::stream::AnswerTranslator;
use super::talk::Setting;
use crate::call::{Call, converse_path};
use crate::dialect::{Dialect, Endpoint};
use crate::splice::refuses_max_tokens;

/// One request in the words of an upstream's dialect.
#[derive(Debug, Clone)]
pub struct Translation {
    /// What the client called.
    client: Endpoint,
    /// What is called at the upstream.
    endpoint: Endpoint,
    stream: bool,
    /// The client asked for usage at the end of its stream.
    wants_usage: bool,
    /// What the client calls the model.
    model: String,
    /// The client's stream is one JSON array.
    is_array: bool,
    members: Vec<u8>,
    /// Members of Gemini's `generationConfig`, or of Converse's `inferenceConfig`.
    nested: Vec<u8>,
}

impl Translation {
    /// The call for an upstream that speaks `dialect`; `None` when calls of this kind are not translated. `form` is what it
    /// is to be asked in, where the upstream does not serve all that its dialect has.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedField`] names what that dialect has no word for, [`Refusal::InvalidRequest`] what is wrong in
    /// the client's own.
    pub fn of(call: &Call, dialect: Dialect, form: Option<Endpoint>) -> Option<Result<Translation, Refusal>> {
        let (client, endpoint) = (call.endpoint(), Translation::form(dialect, form)?);
        if client == endpoint || ![client, endpoint].into_iter().all(is_translated) {
            return None;
        }
        let made = Translation::between(client, endpoint, call).map_err(Fault::refusal);
        Some(made)
    }

    /// What an upstream that speaks `dialect` is asked in, where it must be `form` or may be any; `None` where nothing is
    /// translated into its dialect.
    #[must_use]
    pub fn form(dialect: Dialect, form: Option<Endpoint>) -> Option<Endpoint> {
        form.filter(|form| form.dialect() == Some(dialect)).or(form_of(dialect))
    }

    pub(super) fn between(client: Endpoint, endpoint: Endpoint, call: &Call) -> Result<Translation, Fault> {
        let body = Node::parse(call.body()).ok_or_else(|| Fault::invalid("body", "a JSON object"))?;
        let mut talk = read(client, body)?;
        if let Some(raw) = &call.filled.temperature {
            talk.numbers.temperature = Some(Setting { name: "temperature", raw });
        }
        let stream = call.stream();
        let (members, nested) = write(endpoint, &talk, stream)?;
        let (wants_usage, is_array) = (call.client_wants_usage(), call.streams_array());
        let model = call.model().map(ToString::to_string).unwrap_or_default();
        Ok(Translation { client, endpoint, stream, wants_usage, model, is_array, members, nested })
    }

    /// What is called at the upstream.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The path and query below the upstream's `base_url`, where the endpoint's own is not all of it.
    #[must_use]
    pub fn path(&self, model: &str) -> Option<String> {
        if self.endpoint == Endpoint::Converse {
            return Some(converse_path(model, self.stream));
        }
        if self.endpoint != Endpoint::GenerateContent {
            return None;
        }
        let collection = if model.contains('/') { "" } else { "models/" };
        let action = if self.stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
        Some(format!("/{collection}{model}{action}"))
    }

    /// The body for the upstream's `model`. `limit` bounds the output where the client or the relay bounds it;
    /// `worst` is what is held where nobody does, for the dialect that must be told one.
    #[must_use]
    pub fn body(&self, model: &str, limit: Option<u64>, worst: u64) -> Bytes {
        let mut json = Build { out: Vec::with_capacity(self.members.len() + self.nested.len() + 160) };
        json.begin_object();
        match self.endpoint {
            Endpoint::GenerateContent => {
                json.key("generationConfig").begin_object();
                if let Some(limit) = limit {
                    json.counted("maxOutputTokens", limit);
                }
                append(&mut json, &self.nested);
                json.end_object();
            }
            Endpoint::Converse => {
                json.key("inferenceConfig").begin_object();
                if let Some(limit) = limit {
                    json.counted("maxTokens", limit);
                }
                append(&mut json, &self.nested);
                json.end_object();
            }
            Endpoint::Messages => json.texted("model", model).counted("max_tokens", limit.unwrap_or(worst)).done(),
            endpoint => {
                json.texted("model", model);
                let name = match endpoint {
                    Endpoint::Responses => "max_output_tokens",
                    Endpoint::ChatCompletions if refuses_max_tokens(model) => "max_completion_tokens",
                    _ => "max_tokens",
                };
                if let Some(limit) = limit {
                    json.counted(name, limit);
                }
            }
        }
        append(&mut json, &self.members);
        json.end_object();
        json.take().into()
    }

    /// What turns the answers around. `id` is the call's own and `created` its time in seconds since 1970, for whatever
    /// the provider leaves out.
    #[must_use]
    pub fn answers(&self, id: &str, created: i64, line_bytes_max: usize) -> AnswerTranslator {
        let names = Names { id: id.to_owned(), model: self.model.clone(), created };
        AnswerTranslator::new(self.endpoint, self.client, names, self.wants_usage, self.is_array, line_bytes_max)
    }
}

/// Members that were built apart.
fn append(json: &mut Build, members: &[u8]) {
    if !members.is_empty() {
        json.separate();
        json.out.extend_from_slice(members);
    }
}
