//! How a simulated provider behaves when nothing goes wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::fault::Fault;
use crate::replay::Replay;

/// Everything that can be set before the start. The defaults are a fast, correct provider that knows every model.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve TLS with a fresh certificate, see `SimulatedProvider::certificate_pem`.
    pub tls: bool,
    /// Which HTTP versions are spoken.
    pub protocol: Protocol,
    /// Before the headers of each answer.
    pub first_byte_latency: Duration,
    /// Before each event of a stream but the first.
    pub chunk_latency: Duration,
    /// Tokens of an answer of [`TextSource::Words`], when the caller's limit allows them.
    pub output_tokens: u64,
    /// What answers say.
    pub text: TextSource,
    /// Share of the prompt that is reported as cached, in percent (0..=100, rounded down).
    pub cached_percent: u8,
    /// Share of the completion that is reported as reasoning and not shown, in percent (0..=100, rounded down).
    pub reasoning_percent: u8,
    /// Numbers of an embedding when the request does not say; 1..=4096.
    pub embedding_dimensions: usize,
    /// Where the bytes of streams are cut into HTTP chunks.
    pub chunk_borders: ChunkBorders,
    /// Calls answered at the same time, streams included; more get 429. `None`: no limit.
    pub concurrency_max: Option<usize>,
    /// Accepted bearer keys. `None`: any, but not none.
    pub keys: Option<Vec<String>>,
    /// Known models. `None`: every name is known; the model list then shows a few.
    pub models: Option<Vec<String>>,
    /// Faults by prefix of the model name; the first that fits holds.
    pub faults: Vec<(String, Fault)>,
    /// What is billed for a stream that its reader left.
    pub cut_billing: CutBilling,
    /// Whether answers carry the `x-ratelimit-*` family.
    pub rate_limit_headers: bool,
    /// The request header whose values the truth is broken down by; empty: none (for load, so that memory stays flat).
    pub trace_header: String,
    /// Requests kept for `requests()`; the oldest go first.
    pub captures_max: usize,
    /// Larger request bodies get 413.
    pub body_bytes_max: usize,
    /// The `created` of answers. `None`: the wall clock.
    pub created_seconds: Option<u64>,
    /// Makes ids and chunk borders; the same seed gives the same ones in the same order.
    pub seed: u64,
    /// Recorded exchanges that are answered before anything else is considered.
    pub replay: Option<Replay>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            protocol: Protocol::Any,
            first_byte_latency: Duration::ZERO,
            chunk_latency: Duration::ZERO,
            output_tokens: 32,
            text: TextSource::Words,
            cached_percent: 0,
            reasoning_percent: 0,
            embedding_dimensions: 256,
            chunk_borders: ChunkBorders::Events,
            concurrency_max: None,
            keys: None,
            models: None,
            faults: Vec::new(),
            cut_billing: CutBilling::Produced,
            rate_limit_headers: true,
            trace_header: "x-request-id".to_owned(),
            captures_max: 10_000,
            body_bytes_max: 64 << 20,
            created_seconds: None,
            seed: 1,
            replay: None,
        }
    }
}

impl Options {
    /// Options for load: nothing is kept per request, so memory stays flat.
    pub fn for_load() -> Options {
        Options { captures_max: 0, trace_header: String::new(), rate_limit_headers: false, ..Options::default() }
    }
}

/// HTTP versions of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Both; by ALPN with TLS, else by the first bytes.
    Any,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, also without TLS (prior knowledge).
    Http2,
}

/// What answers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// A short paragraph, over and over, one token a word.
    Words,
    /// This text, one token per started four bytes (cut at characters).
    Fixed(String),
    /// The text of the last user message.
    Echo,
}

/// Where the bytes of a stream are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkBorders {
    /// One HTTP chunk per event.
    Events,
    /// At random places, seeded by the options' seed and the number of the request: inside UTF-8, inside `\n\n`.
    Random {
        /// Longest chunk, at least 1.
        chunk_bytes_max: usize,
    },
}

/// What a provider bills for a stream whose reader went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutBilling {
    /// The prompt, and the tokens handed to the connection until then.
    Produced,
    /// Everything, as if it had been read: a provider that does not notice.
    Full,
}
