//! One request from its head to the body of its answer.

use std::collections::VecDeque;
use std::future::pending;
use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::batched::{Around, Batched};
use crate::body::{Cuts, Ending, Guard, HangUp, Parts, SimBody, Slot};
use crate::capture::{Captured, Captures};
use crate::dialect::bedrock;
use crate::dialect::gemini::{self, Form};
use crate::dialect::{Style, restyle, stream_error};
use crate::errors::ErrorAnswer;
use crate::fault::{Directives, Fault};
use crate::filed::Filed;
use crate::form;
use crate::kept::Kept;
use crate::messages_batched::MessagesBatched;
use crate::models;
use crate::options::{ChunkBorders, CutBilling, Options};
use crate::prepare::{Cache, Endpoint, Overrides, Prepared, prepare};
use crate::render::ID_CHARACTERS;
use crate::replay::Exchange;
use crate::truth::{Bill, Books, Labels};

/// One piece of an endless line.
const ENDLESS_PIECE: [u8; 16 << 10] = [b'a'; 16 << 10];

/// What all connections of a provider share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) books: Arc<Books>,
    pub(crate) captures: Captures,
    pub(crate) script: Mutex<VecDeque<Fault>>,
    cache: Cache,
    kept: Kept,
    filed: Filed,
    batched: Batched,
    messages_batched: MessagesBatched,
    sequence: AtomicU64,
    taken: Arc<AtomicUsize>,
}

type Answer = Response<SimBody>;

/// Where a request goes.
enum Target<'a> {
    Billed(Endpoint),
    /// The model and what is to be done with it are in the path.
    Gemini(&'a str, Endpoint, Form),
    /// The model is in the path, and whether its answer is streamed.
    Converse(&'a str, bool),
    /// What is done with a response that is kept, and its id before it.
    Kept(&'a str, &'a str),
    /// What is done with a conversation that is kept, or a new one, and its query.
    Conversation(&'a str, &'a str),
    /// What is done with a file that is kept, or a new one.
    Filed(&'a str),
    /// What is done with a batch, or a new one.
    Batched(&'a str),
    /// The same of messages.
    MessagesBatched(&'a str),
    ModelList,
    Model(&'a str),
    Unknown,
}

fn target<'a>(method: &Method, path: &'a str, query: &'a str) -> Target<'a> {
    if let (&Method::POST, Some((model, action))) =
        (method, path.strip_prefix("/model/").and_then(|rest| rest.rsplit_once('/')))
    {
        return match action {
            "converse" => Target::Converse(model, false),
            "converse-stream" => Target::Converse(model, true),
            _ => Target::Unknown,
        };
    }
    if (method, path) == (&Method::POST, "/v2/chat") {
        return Target::Billed(Endpoint::CohereChat);
    }
    let path = path.strip_prefix("/v1beta").or_else(|| path.strip_prefix("/v1"));
    if let (&Method::POST, Some((model, action))) =
        (method, path.and_then(|path| path.strip_prefix("/models/")).and_then(|rest| rest.rsplit_once(':')))
    {
        let streamed = if query.contains("alt=sse") { Form::Events } else { Form::Array };
        return match action {
            "generateContent" => Target::Gemini(model, Endpoint::Contents, Form::Whole),
            "streamGenerateContent" => Target::Gemini(model, Endpoint::Contents, streamed),
            "countTokens" => Target::Gemini(model, Endpoint::CountTokens, Form::Whole),
            "embedContent" | "batchEmbedContents" => Target::Gemini(model, Endpoint::Vectors, Form::Whole),
            "predict" => Target::Gemini(model, Endpoint::Predicted, Form::Whole),
            _ => Target::Unknown,
        };
    }
    match (method, path) {
        (&Method::POST, Some("/responses")) => Target::Billed(Endpoint::Responses),
        (&Method::POST, Some("/responses/compact")) => Target::Billed(Endpoint::Compacted),
        (&Method::POST, Some("/rerank")) => Target::Billed(Endpoint::Ranked),
        (&Method::POST, Some("/responses/input_tokens")) => Target::Billed(Endpoint::CountResponseTokens),
        (_, Some(path)) if path.starts_with("/responses/") => Target::Kept(&path["/responses/".len()..], query),
        (&Method::POST, Some("/images/generations")) => Target::Billed(Endpoint::Images),
        (&Method::POST, Some("/images/edits" | "/images/variations")) => Target::Billed(Endpoint::Images),
        (&Method::POST, Some("/audio/speech")) => Target::Billed(Endpoint::Speech),
        (&Method::POST, Some("/audio/transcriptions" | "/audio/translations")) => Target::Billed(Endpoint::Heard),
        (_, Some("/conversations")) => Target::Conversation("", query),
        (_, Some(path)) if path.starts_with("/conversations/") => {
            Target::Conversation(&path["/conversations/".len()..], query)
        }
        (_, Some("/files")) => Target::Filed(""),
        (_, Some(path)) if path.starts_with("/files/") => Target::Filed(&path["/files/".len()..]),
        (_, Some("/messages/batches")) => Target::MessagesBatched(""),
        (_, Some(path)) if path.starts_with("/messages/batches/") => {
            Target::MessagesBatched(&path["/messages/batches/".len()..])
        }
        (_, Some("/batches")) => Target::Batched(""),
        (_, Some(path)) if path.starts_with("/batches/") => Target::Batched(&path["/batches/".len()..]),
        (&Method::POST, Some("/moderations")) => Target::Billed(Endpoint::Moderations),
        (&Method::POST, Some("/messages")) => Target::Billed(Endpoint::Messages),
        (&Method::POST, Some("/messages/count_tokens")) => Target::Billed(Endpoint::CountMessageTokens),
        (&Method::POST, Some("/chat/completions")) => Target::Billed(Endpoint::Chat),
        (&Method::POST, Some("/completions")) => Target::Billed(Endpoint::Completions),
        (&Method::POST, Some("/embeddings")) => Target::Billed(Endpoint::Embeddings),
        (&Method::GET, Some("/models")) => Target::ModelList,
        (&Method::GET, Some(rest)) => rest.strip_prefix("/models/").map_or(Target::Unknown, Target::Model),
        _ => Target::Unknown,
    }
}

impl Shared {
    pub(crate) fn new(options: Options) -> Shared {
        Shared {
            captures: Captures::new(options.captures_max),
            options,
            books: Arc::default(),
            script: Mutex::default(),
            cache: Cache::default(),
            kept: Kept::default(),
            filed: Filed::default(),
            batched: Batched::default(),
            messages_batched: MessagesBatched::default(),
            sequence: AtomicU64::new(0),
            taken: Arc::default(),
        }
    }

    /// Answers one request; an error closes the connection without an answer.
    pub(crate) async fn serve(&self, req: Request<Incoming>) -> Result<Answer, HangUp> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let (head, body) = req.into_parts();
        let mut answer = match Limited::new(body, self.options.body_bytes_max).collect().await {
            Ok(collected) => self.answer(sequence, &head, collected.to_bytes()).await?,
            Err(problem) if problem.is::<http_body_util::LengthLimitError>() => {
                error(&ErrorAnswer::too_large(), Guard::default())
            }
            Err(_) => return Err(HangUp),
        };
        if self.options.replay.is_none() {
            self.add_headers(sequence, answer.headers_mut());
        }
        Ok(answer)
    }

    async fn answer(&self, sequence: u64, head: &request::Parts, body: Bytes) -> Result<Answer, HangUp> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let replay = self.options.replay.as_ref();
        if path == "/sim/truth" {
            return Ok(json(self.books.total_json()));
        }
        let exchange = replay.and_then(|replay| replay.answer(head.method.as_str(), path, &body));
        if self.captures.is_on() {
            self.captures.push(Captured {
                sequence,
                method: head.method.clone(),
                path: path.to_owned(),
                headers: head.headers.clone(),
                body: body.clone(),
                exchange: exchange.map(|exchange| exchange.id.clone()),
            });
        }
        if let Some(exchange) = exchange {
            return Ok(self.replayed(sequence, head, exchange));
        }
        if replay.is_some() {
            return Ok(error(&ErrorAnswer::unknown_url(head.method.as_str(), path), Guard::default()));
        }
        let target = target(&head.method, head.uri.path(), head.uri.query().unwrap_or_default());
        let style = match &target {
            Target::Billed(endpoint) | Target::Gemini(_, endpoint, _) => endpoint.style(),
            Target::Converse(..) => Style::Bedrock,
            Target::Kept(..) | Target::Conversation(..) => Style::Responses,
            _ => Style::Openai,
        };
        let mut answer = self.to_target(sequence, head, target, &body).await?;
        restyle(&mut answer, style);
        Ok(answer)
    }

    async fn to_target(
        &self,
        sequence: u64,
        head: &request::Parts,
        target: Target<'_>,
        body: &Bytes,
    ) -> Result<Answer, HangUp> {
        let key = match self.authenticate(&head.headers) {
            Ok(key) => key,
            Err(refused) => return Ok(error(&refused, Guard::default())),
        };
        let created = self.created_seconds();
        let known = self.options.models.as_deref();
        match target {
            Target::Billed(endpoint) => match of_form(&head.headers, body) {
                Ok(Some(body)) => self.billed(sequence, endpoint, key, &head.headers, &body.into()).await,
                Ok(None) => self.billed(sequence, endpoint, key, &head.headers, body).await,
                Err(refused) => Ok(error(&refused, Guard::default())),
            },
            Target::Gemini(model, endpoint, form) => match gemini::with_path(body, model, form) {
                Ok(body) => self.billed(sequence, endpoint, key, &head.headers, &body.into()).await,
                Err(refused) => Ok(error(&refused, Guard::default())),
            },
            Target::Converse(model, is_stream) => match bedrock::with_path(body, model, is_stream) {
                Ok(body) => self.billed(sequence, Endpoint::Converse, key, &head.headers, &body.into()).await,
                Err(refused) => Ok(error(&refused, Guard::default())),
            },
            Target::Kept(rest, query) => Ok(match self.kept.answer(&head.method, rest, query) {
                Ok((kind, body)) => {
                    respond(200, kind, SimBody::Whole { bytes: Some(body.into()), guard: Guard::default() })
                }
                Err(refused) => error(&refused, Guard::default()),
            }),
            Target::Conversation(rest, query) => {
                let fresh = String::from_utf8_lossy(&self.answer_id(sequence)).into_owned();
                let said = self.kept.conversations.answer(&head.method, (rest, query), body, (&fresh, created));
                Ok(said.map_or_else(|refused| error(&refused, Guard::default()), |said| json(said.to_string())))
            }
            Target::Filed(rest) => Ok(self.filed(sequence, head, rest, body)),
            Target::Batched(rest) => Ok(self.batched(sequence, head, key, (rest, false), body)),
            Target::MessagesBatched(rest) => Ok(self.batched(sequence, head, key, (rest, true), body)),
            Target::ModelList => Ok(json(models::list(known, created))),
            Target::Model(name) => {
                Ok(models::get(name, known, created).map_or_else(|refused| error(&refused, Guard::default()), json))
            }
            Target::Unknown => {
                Ok(error(&ErrorAnswer::unknown_url(head.method.as_str(), head.uri.path()), Guard::default()))
            }
        }
    }

    fn filed(&self, sequence: u64, head: &request::Parts, rest: &str, body: &Bytes) -> Answer {
        let answered = if head.method == Method::POST && rest.is_empty() {
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let id = String::from_utf8_lossy(&self.answer_id(sequence)).into_owned();
            let kept = self.filed.keep(&id, self.created_seconds(), content_type, body);
            kept.map(|said| ("application/json", said.into()))
        } else {
            self.filed.answer(&head.method, rest)
        };
        match answered {
            Ok((kind, bytes)) => respond(200, kind, SimBody::Whole { bytes: Some(bytes), guard: Guard::default() }),
            Err(refused) => error(&refused, Guard::default()),
        }
    }

    /// Of messages, or of a file.
    fn batched(
        &self,
        sequence: u64,
        head: &request::Parts,
        key: &str,
        (rest, of_messages): (&str, bool),
        body: &Bytes,
    ) -> Answer {
        let id = self.answer_id(sequence);
        let around = Around {
            filed: &self.filed,
            options: &self.options,
            books: &self.books,
            created_seconds: self.created_seconds(),
            key,
            id: &String::from_utf8_lossy(&id),
        };
        let answered = if of_messages {
            self.messages_batched.answer(&head.method, rest, body, &around)
        } else {
            self.batched.answer(&head.method, rest, body, &around)
        };
        match answered {
            Ok(said) => json(said),
            Err(refused) => error(&refused, Guard::default()),
        }
    }

    fn created_seconds(&self) -> u64 {
        self.options.created_seconds.unwrap_or_else(crate::clock::wall_seconds)
    }

    pub(crate) fn authenticate<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, ErrorAnswer> {
        let key = presented_key(headers).ok_or_else(ErrorAnswer::missing_key)?;
        match &self.options.keys {
            Some(keys) if !keys.iter().any(|known| known == key) => Err(ErrorAnswer::wrong_key(key)),
            _ => Ok(key),
        }
    }

    async fn billed(
        &self,
        sequence: u64,
        endpoint: Endpoint,
        key: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Answer, HangUp> {
        let prepared = self.prepared(endpoint, headers, body);
        let labels = Labels {
            key: key.to_owned(),
            trace: self.trace(headers),
            model: prepared.as_ref().map(|prepared| prepared.model.clone()).unwrap_or_default(),
        };
        let mut guard = Guard { bill: Some(Bill::open(&self.books, labels)), slot: None };
        guard.slot = Slot::take(&self.taken, self.options.concurrency_max);
        if guard.slot.is_none() {
            return Ok(error(&ErrorAnswer::too_many_at_once(), guard));
        }
        let prepared = prepared.and_then(|prepared| match prepared.style {
            Style::Responses => self.kept.check(body).map(|()| prepared),
            _ => Ok(prepared),
        });
        let prepared = prepared.and_then(|prepared| self.filed.check(body).map(|()| prepared));
        match prepared {
            Ok(prepared) => self.produce(sequence, &prepared, body, guard).await,
            Err(refused) => Ok(error(&refused, guard)),
        }
    }

    /// What the script says goes before the header, the header before the model's name.
    fn prepared(&self, endpoint: Endpoint, headers: &HeaderMap, body: &Bytes) -> Result<Arc<Prepared>, ErrorAnswer> {
        let scripted = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let header = match headers.get("x-sim").map(|value| Directives::parse(value.to_str().unwrap_or("?"))) {
            Some(Ok(wishes)) => Some(wishes),
            Some(Err(problem)) => return Err(ErrorAnswer::invalid(&problem.to_string(), Some("x-sim"))),
            None => None,
        };
        if scripted.is_none() && header.is_none() {
            return self.cache.get_or_prepare(endpoint, body, &self.options);
        }
        prepare(endpoint, body, &self.options, Overrides { scripted, header }).map(Arc::new)
    }

    fn trace(&self, headers: &HeaderMap) -> Option<String> {
        if self.options.trace_header.is_empty() {
            return None;
        }
        headers.get(&self.options.trace_header).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// From here on the model works: the prompt is owed, and the whole of a plain answer.
    async fn produce(
        &self,
        sequence: u64,
        prepared: &Prepared,
        request: &Bytes,
        mut guard: Guard,
    ) -> Result<Answer, HangUp> {
        let refused = match prepared.fault {
            Fault::Status { status, retry_after_seconds } => Some(ErrorAnswer::of_status(status, retry_after_seconds)),
            Fault::HtmlBadGateway => Some(ErrorAnswer::html()),
            _ => None,
        };
        let is_paid_ahead =
            !prepared.is_stream || self.options.cut_billing == CutBilling::Full || bills_in_full(&prepared.fault);
        if let (Some(bill), None) = (&mut guard.bill, &refused) {
            bill.charge_prompt(prepared.usage.prompt, prepared.usage.cached);
            if is_paid_ahead {
                bill.charge_completion(prepared.usage.completion);
            }
        }
        if !prepared.first_byte_latency.is_zero() {
            tokio::time::sleep(prepared.first_byte_latency).await;
        }
        if let Some(refused) = refused {
            return Ok(error(&refused, guard));
        }
        match prepared.fault {
            Fault::CloseBeforeHeaders => Err(HangUp),
            Fault::NeverAnswer => pending().await,
            _ if !prepared.is_stream && is_plain_fault_free(&prepared.fault) => {
                let bytes = prepared.page.fill(&self.answer_id(sequence), self.created_seconds());
                let bytes = self.keep(prepared, request, bytes);
                Ok(respond(200, prepared.content_type, SimBody::Whole { bytes: Some(bytes), guard }))
            }
            _ => Ok(self.in_parts(sequence, prepared, request, guard, is_paid_ahead)),
        }
    }

    /// Keeps a response for those who ask for it again.
    fn keep(&self, prepared: &Prepared, request: &Bytes, answer: Bytes) -> Bytes {
        if prepared.style != Style::Responses {
            return answer;
        }
        self.kept.keep(request, answer, prepared.is_stream)
    }

    /// Streams, and plain answers that do not come in one piece.
    fn in_parts(
        &self,
        sequence: u64,
        prepared: &Prepared,
        request: &Bytes,
        guard: Guard,
        is_paid_ahead: bool,
    ) -> Answer {
        let mut page = prepared.page.clone();
        let mut ending = Ending::Clean { whole: true };
        let kept_events = kept_events(prepared, page.events().len());
        if let Some(kept) = kept_events {
            page.truncate_events(kept);
            ending = Ending::Clean { whole: false };
        }
        let mut bytes = page.fill(&self.answer_id(sequence), self.created_seconds());
        bytes = self.keep(prepared, request, bytes);
        let mut events = page.events().to_vec();
        let mut content_length = None;
        match prepared.fault {
            Fault::CloseMidStream { .. } if prepared.is_stream => ending = Ending::Abort,
            Fault::StreamError { .. } if prepared.is_stream => {
                bytes = [bytes.as_ref(), &stream_error(prepared.style)].concat().into();
            }
            Fault::CloseMidBody => {
                content_length = (!prepared.is_stream).then_some(bytes.len());
                bytes.truncate(bytes.len() / 2);
                ending = Ending::Abort;
            }
            Fault::EndlessLine => {
                let head =
                    if prepared.is_stream { "data: {\"choices\":[{\"delta\":{\"content\":\"" } else { "{\"id\":\"" };
                bytes = Bytes::from_static(head.as_bytes());
                events.clear();
                ending = Ending::Endless(Bytes::from_static(&ENDLESS_PIECE));
            }
            Fault::Gzip => bytes = gzip(&bytes),
            _ => {}
        }
        let mut parts = Parts::new(bytes, events, self.cuts(sequence, prepared), guard);
        if is_paid_ahead {
            parts.events.iter_mut().for_each(|event| event.tokens = 0);
        }
        parts.ending = ending;
        parts.delay = match prepared.fault {
            Fault::SlowDrip { interval } => interval,
            _ if prepared.is_stream => prepared.chunk_latency,
            _ => Duration::ZERO,
        };
        let content_type = match prepared.style {
            Style::Bedrock if prepared.is_stream => "application/vnd.amazon.eventstream",
            _ if prepared.is_stream && !prepared.is_array => "text/event-stream; charset=utf-8",
            _ => prepared.content_type,
        };
        let mut answer = respond(200, content_type, SimBody::Parts(Box::new(parts)));
        if prepared.fault == Fault::Gzip {
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(length) = content_length {
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        answer
    }

    fn cuts(&self, sequence: u64, prepared: &Prepared) -> Cuts {
        match (&prepared.fault, self.options.chunk_borders) {
            (Fault::SlowDrip { .. }, _) => Cuts::EveryByte,
            (_, ChunkBorders::Random { chunk_bytes_max }) => {
                Cuts::Random { random: self.random(sequence), chunk_bytes_max }
            }
            // The events' places say nothing about compressed bytes.
            (Fault::Gzip, _) => Cuts::Random { random: self.random(sequence), chunk_bytes_max: 512 },
            _ => Cuts::Events,
        }
    }

    /// A generator of its own for each request, so that the order of other requests does not matter.
    fn random(&self, sequence: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(sequence))
    }

    fn answer_id(&self, sequence: u64) -> [u8; ID_CHARACTERS] {
        let mut random = self.random(sequence);
        let mut id = [0; ID_CHARACTERS];
        id.fill_with(|| random.alphanumeric() as u8);
        id
    }

    fn add_headers(&self, sequence: u64, headers: &mut HeaderMap) {
        let request_id = format!("req_{:032x}", self.random(sequence).u128(..));
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(HeaderName::from_static("x-request-id"), value);
        }
        if self.options.rate_limit_headers {
            for (name, value) in [
                ("openai-version", "2020-10-01"),
                ("openai-processing-ms", "7"),
                ("x-ratelimit-limit-requests", "10000"),
                ("x-ratelimit-limit-tokens", "2000000"),
                ("x-ratelimit-remaining-requests", "9999"),
                ("x-ratelimit-remaining-tokens", "1999000"),
                ("x-ratelimit-reset-requests", "6ms"),
                ("x-ratelimit-reset-tokens", "30ms"),
            ] {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        }
    }

    /// Recorded usage is billed as the recorder normalised it; a stream's in full, whoever leaves.
    fn replayed(&self, sequence: u64, head: &request::Parts, exchange: &Exchange) -> Answer {
        let labels = Labels {
            key: presented_key(&head.headers).unwrap_or_default().to_owned(),
            trace: self.trace(&head.headers),
            model: exchange.request_body["model"].as_str().unwrap_or_default().to_owned(),
        };
        let mut bill = Bill::open(&self.books, labels);
        if let Some(usage) = &exchange.recorded_usage {
            bill.charge_prompt(usage["input"].as_u64().unwrap_or(0), 0);
            bill.charge_completion(usage["output"].as_u64().unwrap_or(0));
        }
        let guard = Guard { bill: Some(bill), slot: None };
        let bytes = exchange.response_body.clone();
        let body = if exchange.streaming {
            let chunk_bytes_max = match self.options.chunk_borders {
                ChunkBorders::Random { chunk_bytes_max } => chunk_bytes_max,
                ChunkBorders::Events => bytes.len().max(1),
            };
            let cuts = Cuts::Random { random: self.random(sequence), chunk_bytes_max };
            let mut parts = Parts::new(bytes, Vec::new(), cuts, guard);
            parts.delay = self.options.chunk_latency;
            SimBody::Parts(Box::new(parts))
        } else {
            SimBody::Whole { bytes: Some(bytes), guard }
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::from_u16(exchange.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *answer.headers_mut() = exchange.response_headers.clone();
        answer
    }
}

/// A form as JSON; `None` for a body that is none.
fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Option<Vec<u8>>, ErrorAnswer> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type.starts_with("multipart/form-data");
    is_form.then(|| form::as_json(body, content_type)).transpose()
}

/// Faults that leave a plain answer whole: those of the usage object, and those that only streams can have.
fn is_plain_fault_free(fault: &Fault) -> bool {
    !matches!(fault, Fault::CloseMidBody | Fault::EndlessLine | Fault::SlowDrip { .. } | Fault::Gzip)
}

/// Faults after which nobody could say how much of the answer was produced: all of it was.
fn bills_in_full(fault: &Fault) -> bool {
    matches!(fault, Fault::CloseBeforeHeaders | Fault::NeverAnswer | Fault::EndlessLine | Fault::Gzip)
}

/// How many events of a stream are sent when not all are.
fn kept_events(prepared: &Prepared, all: usize) -> Option<usize> {
    match prepared.fault {
        _ if !prepared.is_stream => None,
        Fault::CloseMidStream { after_events }
        | Fault::StreamError { after_events }
        | Fault::MissingDone { after_events: Some(after_events) } => Some((after_events as usize).min(all - 1)),
        Fault::MissingDone { after_events: None } => Some(all - 1),
        _ => None,
    }
}

fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    bearer
        .or_else(|| {
            ["x-api-key", "api-key", "x-goog-api-key"].iter().find_map(|name| headers.get(*name)?.to_str().ok())
        })
        .filter(|key| !key.is_empty())
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing into memory does not fail").into()
}

fn json(body: String) -> Answer {
    respond(200, "application/json", SimBody::Whole { bytes: Some(body.into()), guard: Guard::default() })
}

pub(crate) fn error(refused: &ErrorAnswer, guard: Guard) -> Answer {
    let body = SimBody::Whole { bytes: Some(refused.body.clone().into()), guard };
    let mut answer = respond(refused.status, refused.content_type, body);
    if let Some(seconds) = refused.retry_after_seconds {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

fn respond(status: u16, content_type: &'static str, body: SimBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
