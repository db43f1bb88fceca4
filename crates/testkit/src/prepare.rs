//! From a request's bytes to an answer's template: everything but ids, times, delays and unhappy ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::call::{self, ChatCall, Common, CompletionCall, EmbeddingCall};
use crate::chat::{self, ChatAnswer};
use crate::completions::CompletionAnswer;
use crate::dialect::{Style, bedrock, cohere, gemini, messages, responses};
use crate::embeddings;
use crate::errors::ErrorAnswer;
use crate::fault::{Directives, Fault, UsageShape};
use crate::made;
use crate::options::{Options, TextSource};
use crate::pieces::{Product, Wish, produce};
use crate::render::{Page, Usage};

/// A billed endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
    Responses,
    Moderations,
    Messages,
    CountMessageTokens,
    CountResponseTokens,
    Images,
    Speech,
    Heard,
    Ranked,
    Compacted,
    Contents,
    CountTokens,
    Vectors,
    Predicted,
    CohereChat,
    Converse,
}

impl Endpoint {
    /// Whose words its answers are in.
    pub(crate) const fn style(self) -> Style {
        match self {
            Endpoint::Chat
            | Endpoint::Completions
            | Endpoint::Embeddings
            | Endpoint::Moderations
            | Endpoint::Images
            | Endpoint::Speech
            | Endpoint::Heard
            | Endpoint::Ranked => Style::Openai,
            Endpoint::Responses | Endpoint::CountResponseTokens | Endpoint::Compacted => Style::Responses,
            Endpoint::Messages | Endpoint::CountMessageTokens => Style::Anthropic,
            Endpoint::Contents | Endpoint::CountTokens | Endpoint::Vectors | Endpoint::Predicted => Style::Gemini,
            Endpoint::CohereChat => Style::Cohere,
            Endpoint::Converse => Style::Bedrock,
        }
    }
}

/// The answer to one request's bytes.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) model: String,
    pub(crate) is_stream: bool,
    /// The stream is one JSON array instead of events.
    pub(crate) is_array: bool,
    pub(crate) style: Style,
    pub(crate) page: Page,
    pub(crate) content_type: &'static str,
    pub(crate) usage: Usage,
    pub(crate) fault: Fault,
    pub(crate) first_byte_latency: Duration,
    pub(crate) chunk_latency: Duration,
}

/// Wishes of one request beyond its model name: from the script and from the header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) scripted: Option<Fault>,
    pub(crate) header: Option<Directives>,
}

struct Settings<'a> {
    options: &'a Options,
    wishes: Directives,
    fault: Fault,
}

impl Settings<'_> {
    fn shape(&self) -> Option<UsageShape> {
        match self.fault {
            Fault::Usage(shape) => Some(shape),
            _ => None,
        }
    }

    fn product(&self, common: &Common, echo_text: &str, choice: usize) -> Product {
        produce(&Wish {
            source: if self.wishes.echo { &TextSource::Echo } else { &self.options.text },
            echo_text,
            output_tokens: self.wishes.output_tokens.unwrap_or(self.options.output_tokens),
            limit: common.output_limit,
            reasoning_percent: self.options.reasoning_percent,
            choice,
        })
    }

    fn usage(&self, prompt: u64, completion: u64, reasoning: u64) -> Usage {
        Usage { prompt, completion, reasoning, cached: 0 }.with_cached_percent(self.options.cached_percent)
    }
}

pub(crate) fn prepare(
    endpoint: Endpoint,
    body: &[u8],
    options: &Options,
    overrides: Overrides,
) -> Result<Prepared, ErrorAnswer> {
    let members = call::object(body)?;
    let model = call::model(&members)?;
    if options.models.as_ref().is_some_and(|known| !known.contains(&model)) {
        return Err(ErrorAnswer::unknown_model(&model));
    }
    let named =
        Directives::of_model(&model).map_err(|error| ErrorAnswer::invalid(&error.to_string(), Some("model")))?;
    let by_prefix = options.faults.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, fault)| fault);
    let header = overrides.header.unwrap_or_default();
    let fault = overrides.scripted.or(header.fault).or(named.fault).or_else(|| by_prefix.cloned()).unwrap_or_default();
    let wishes = Directives {
        fault: None,
        output_tokens: header.output_tokens.or(named.output_tokens),
        first_byte_latency: header.first_byte_latency.or(named.first_byte_latency),
        chunk_latency: header.chunk_latency.or(named.chunk_latency),
        echo: header.echo || named.echo,
    };
    let settings = Settings { options, wishes, fault };
    let (is_stream, page, usage) = match endpoint {
        Endpoint::Chat => chat_page(&ChatCall::read(&members)?, &settings),
        Endpoint::Completions => completion_page(&CompletionCall::read(&members)?, &settings),
        Endpoint::Embeddings => {
            let call = EmbeddingCall::read(&members)?;
            let page = embeddings::plain(&call, options.embedding_dimensions, settings.shape());
            (false, page, Usage { prompt: call.prompt_tokens, ..Usage::default() })
        }
        Endpoint::Moderations => {
            let count = members.get("input").and_then(serde_json::Value::as_array).map_or(1, Vec::len);
            (false, responses::moderation(&model, count), Usage::default())
        }
        Endpoint::CountMessageTokens => counted("input_tokens", &messages::read(&members, true)?),
        Endpoint::Images => made::images(&members, settings.shape())?,
        Endpoint::Speech => made::speech(&members)?,
        Endpoint::Heard => made::heard(&members, settings.shape())?,
        Endpoint::Ranked => made::ranked(&members, settings.shape())?,
        Endpoint::Compacted => {
            let call = responses::read(&members)?;
            styled(&call, &settings, responses::compacted, responses::stream)
        }
        Endpoint::CountResponseTokens => {
            counted("object\":\"response.input_tokens\",\"input_tokens", &responses::read(&members)?)
        }
        Endpoint::CountTokens => counted("totalTokens", &gemini::read(&members)?),
        Endpoint::Vectors => {
            let (prompt, count) = gemini::embedded(&members)?;
            let page = gemini::vectors(prompt, count, options.embedding_dimensions);
            (false, page, Usage { prompt, ..Usage::default() })
        }
        Endpoint::Predicted => {
            let (page, prompt) = gemini::predicted(&members, options.embedding_dimensions)?;
            (false, page, Usage { prompt, ..Usage::default() })
        }
        Endpoint::Responses => styled(&responses::read(&members)?, &settings, responses::plain, responses::stream),
        Endpoint::Messages => styled(&messages::read(&members, false)?, &settings, messages::plain, messages::stream),
        Endpoint::CohereChat => styled(&cohere::read(&members)?, &settings, cohere::plain, cohere::stream),
        Endpoint::Converse => styled(&bedrock::read(&members)?, &settings, bedrock::plain, bedrock::stream),
        Endpoint::Contents => {
            let is_array = gemini::is_array(&members);
            styled(&gemini::read(&members)?, &settings, gemini::plain, |answer| gemini::stream(answer, is_array))
        }
    };
    Ok(Prepared {
        model,
        is_stream,
        is_array: endpoint == Endpoint::Contents && gemini::is_array(&members),
        style: endpoint.style(),
        content_type: made::content_type(endpoint, &members),
        page,
        usage,
        fault: settings.fault,
        first_byte_latency: settings.wishes.first_byte_latency.unwrap_or(options.first_byte_latency),
        chunk_latency: settings.wishes.chunk_latency.unwrap_or(options.chunk_latency),
    })
}

/// The answer to a question of how many tokens there are; nobody pays for it.
fn counted(member: &str, call: &ChatCall) -> (bool, Page, Usage) {
    let mut page = Page::default();
    page.text("{\"").text(member).text("\":").number(call.common.prompt_tokens).text("}").end_event(0);
    (false, page, Usage::default())
}

/// A chat's answer in the words of another dialect.
fn styled(
    call: &ChatCall,
    settings: &Settings<'_>,
    plain: impl Fn(&ChatAnswer<'_>) -> Page,
    stream: impl Fn(&ChatAnswer<'_>) -> Page,
) -> (bool, Page, Usage) {
    let answer = chat_answer(call, settings);
    (call.common.stream, if call.common.stream { stream(&answer) } else { plain(&answer) }, answer.usage)
}

fn chat_page(call: &ChatCall, settings: &Settings<'_>) -> (bool, Page, Usage) {
    styled(call, settings, |answer| answer.plain(), |answer| answer.stream())
}

fn chat_answer<'a>(call: &'a ChatCall, settings: &Settings<'_>) -> ChatAnswer<'a> {
    let choices = 0..call.common.choices;
    let products: Vec<Product> = match (&call.function, &call.schema) {
        (Some(_), _) => choices.map(|_| chat::arguments(call)).collect(),
        (None, Some(schema)) => choices.map(|_| chat::structured(call, schema)).collect(),
        (None, None) => choices.map(|choice| settings.product(&call.common, &call.last_user_text, choice)).collect(),
    };
    // The name of a called function is one token.
    let name_tokens = if call.function.is_some() { products.len() as u64 } else { 0 };
    let completion = products.iter().map(Product::tokens).sum::<u64>() + name_tokens;
    let reasoning = products.iter().map(|product| product.reasoning_tokens).sum();
    let usage = settings.usage(call.common.prompt_tokens, completion, reasoning);
    ChatAnswer { call, products, usage, shape: settings.shape() }
}

fn completion_page(call: &CompletionCall, settings: &Settings<'_>) -> (bool, Page, Usage) {
    let mut products = Vec::with_capacity(call.prompts.len() * call.common.choices);
    let mut completion = 0;
    let mut reasoning = 0;
    for prompt in &call.prompts {
        // All candidates are billed, the first `n` are shown.
        for candidate in 0..call.best_of {
            let product = settings.product(&call.common, prompt, candidate);
            completion += product.tokens();
            reasoning += product.reasoning_tokens;
            if candidate < call.common.choices {
                products.push(product);
            }
        }
    }
    let usage = settings.usage(call.common.prompt_tokens, completion, reasoning);
    let answer = CompletionAnswer { call, products, usage, shape: settings.shape() };
    (call.common.stream, if call.common.stream { answer.stream() } else { answer.plain() }, usage)
}

/// Answers to equal bytes, so that a load test costs the provider next to nothing.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    kept: Mutex<HashMap<(Endpoint, Bytes), Arc<Prepared>>>,
}

/// Answers kept, and the largest body that is worth keeping.
const KEPT_MAX: usize = 64;
const KEPT_BODY_BYTES_MAX: usize = 64 << 10;

impl Cache {
    pub(crate) fn get_or_prepare(
        &self,
        endpoint: Endpoint,
        body: &Bytes,
        options: &Options,
    ) -> Result<Arc<Prepared>, ErrorAnswer> {
        if body.len() > KEPT_BODY_BYTES_MAX {
            return prepare(endpoint, body, options, Overrides::default()).map(Arc::new);
        }
        let key = (endpoint, body.clone());
        if let Some(prepared) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(prepared));
        }
        let prepared = Arc::new(prepare(endpoint, body, options, Overrides::default())?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        // A copy: the request's own bytes may be part of a far larger read buffer.
        kept.insert((endpoint, Bytes::copy_from_slice(body)), Arc::clone(&prepared));
        Ok(prepared)
    }
}
