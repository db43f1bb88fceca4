//! Recorded exchanges with real providers, answered byte for byte.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

/// Headers of a recording that describe its transport, not the answer.
const TRANSPORT_HEADERS: [&str; 6] =
    ["connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "trailer"];

/// Why recordings cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error("the recordings cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not a recording.
    #[error("line {line} of the recordings is not an exchange: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// One recorded request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The recording's own id.
    pub id: String,
    /// Who answered, for example `openai`.
    pub provider: String,
    /// The endpoint's short name, for example `chat/completions`.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// Path and query as sent to the provider.
    pub path: String,
    /// The JSON that was sent; null when the recording has none.
    pub request_body: Value,
    /// The answer's status.
    pub status: u16,
    /// The answer's headers, without those of the transport.
    pub response_headers: HeaderMap,
    /// The answer's bytes.
    pub response_body: Bytes,
    /// Whether the answer is a stream.
    pub streaming: bool,
    /// Whether the bytes are the provider's own, not re-serialised by the recorder.
    pub verbatim: bool,
    /// The tokens that the recorder found in the answer, normalised by it.
    pub recorded_usage: Option<Value>,
}

#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    endpoint: String,
    method: String,
    path: String,
    #[serde(default)]
    request_body: Value,
    status: u16,
    #[serde(default)]
    response_headers: HashMap<String, String>,
    #[serde(default)]
    response_encoding: Option<String>,
    response_body: String,
    #[serde(default)]
    streaming: bool,
    #[serde(default)]
    verbatim: bool,
    #[serde(default)]
    recorded_usage: Option<Value>,
}

impl Line {
    fn into_exchange(self) -> Result<Exchange, String> {
        let response_body = match self.response_encoding.as_deref() {
            Some("base64") => STANDARD.decode(&self.response_body).map_err(|problem| problem.to_string())?,
            _ => self.response_body.into_bytes(),
        };
        let mut response_headers = HeaderMap::new();
        for (name, value) in self.response_headers {
            let name = name.to_ascii_lowercase();
            let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) else {
                continue;
            };
            if !TRANSPORT_HEADERS.contains(&name.as_str()) {
                response_headers.append(name, value);
            }
        }
        Ok(Exchange {
            id: self.id,
            provider: self.provider,
            endpoint: self.endpoint,
            method: self.method,
            path: self.path,
            request_body: self.request_body,
            status: self.status,
            response_headers,
            response_body: Bytes::from(response_body),
            streaming: self.streaming,
            verbatim: self.verbatim,
            recorded_usage: self.recorded_usage,
        })
    }
}

/// Recorded exchanges, found by method, path and JSON body. Equal requests are answered in turn.
#[derive(Clone, Debug)]
pub struct Replay {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    exchanges: Vec<Exchange>,
    ignored_members: Vec<String>,
    by_request: HashMap<String, Same>,
}

/// The exchanges with one request, and how often it was asked.
#[derive(Debug, Default)]
struct Same {
    indexes: Vec<usize>,
    asked: AtomicUsize,
}

impl Replay {
    /// Loads the exchanges that `wanted` picks from a gzip-compressed file of one JSON object a line.
    ///
    /// # Errors
    /// An unreadable file, or a line that is no exchange.
    pub fn load(path: &Path, wanted: impl Fn(&Exchange) -> bool) -> Result<Replay, ReplayError> {
        Replay::read(MultiGzDecoder::new(File::open(path)?), wanted)
    }

    /// The same from any source of uncompressed lines.
    ///
    /// # Errors
    /// An unreadable source, or a line that is no exchange.
    pub fn read(source: impl Read, wanted: impl Fn(&Exchange) -> bool) -> Result<Replay, ReplayError> {
        let mut exchanges = Vec::new();
        for (index, line) in BufReader::new(source).lines().enumerate() {
            let line = line?;
            if line.is_empty() {
                continue;
            }
            let parsed = serde_json::from_str::<Line>(&line).map_err(|problem| problem.to_string());
            let exchange = parsed.and_then(Line::into_exchange);
            let exchange = exchange.map_err(|problem| ReplayError::Line { line: index + 1, problem })?;
            if wanted(&exchange) {
                exchanges.push(exchange);
            }
        }
        Ok(Replay::new(exchanges))
    }

    /// A replay of these exchanges.
    pub fn new(exchanges: Vec<Exchange>) -> Replay {
        Replay::indexed(exchanges, Vec::new())
    }

    /// The same exchanges, matched without regard to these top-level members of the body (what a relay may edit, such
    /// as `stream_options`).
    pub fn ignoring(&self, members: &[&str]) -> Replay {
        Replay::indexed(self.inner.exchanges.clone(), members.iter().map(|member| (*member).to_owned()).collect())
    }

    /// All exchanges, in the order of the file.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.inner.exchanges
    }

    fn indexed(exchanges: Vec<Exchange>, ignored_members: Vec<String>) -> Replay {
        let mut by_request: HashMap<String, Same> = HashMap::new();
        for (index, exchange) in exchanges.iter().enumerate() {
            let key = request_key(&exchange.method, &exchange.path, &exchange.request_body, &ignored_members);
            by_request.entry(key).or_default().indexes.push(index);
        }
        Replay { inner: Arc::new(Inner { exchanges, ignored_members, by_request }) }
    }

    /// The next answer to this request.
    pub(crate) fn answer(&self, method: &str, path: &str, body: &[u8]) -> Option<&Exchange> {
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).ok()? };
        let key = request_key(method, path, &body, &self.inner.ignored_members);
        let same = self.inner.by_request.get(&key)?;
        let turn = same.asked.fetch_add(1, Ordering::Relaxed) % same.indexes.len();
        self.inner.exchanges.get(same.indexes[turn])
    }
}

fn request_key(method: &str, path: &str, body: &Value, ignored_members: &[String]) -> String {
    let mut key = format!("{method} {path} ");
    match body {
        Value::Object(members) if !ignored_members.is_empty() => {
            let mut members = members.clone();
            for ignored in ignored_members {
                members.remove(ignored);
            }
            write_canonical(&Value::Object(members), &mut key);
        }
        other => write_canonical(other, &mut key),
    }
    key
}

/// JSON without spaces and with sorted members, so that equal values are equal texts.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (name, value) in sorted {
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write_canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
