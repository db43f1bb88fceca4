//! A small HTTP client for the sample traffic of the demonstration: real calls over real connections.

use core::time::Duration;
use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// A sample call takes this long at most.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// One sample call.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// The tenant, for the table.
    pub(crate) tenant: &'static str,
    /// Which of its keys, by name.
    pub(crate) key: &'static str,
    /// The model asked for.
    pub(crate) model: &'static str,
    /// Whether the answer is streamed.
    pub(crate) stream: bool,
    /// The output limit.
    pub(crate) max_tokens: u32,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What it cost, where the answer says so.
    pub(crate) cost: Option<String>,
    /// The answer in a few words: tokens, events, or the refusal.
    pub(crate) told: String,
}

/// Makes a call at the relay with a key's secret.
pub(crate) async fn call(relay: SocketAddr, secret: &str, sample: &Sample, prompt: &str) -> anyhow::Result<Outcome> {
    tokio::time::timeout(CALL_TIMEOUT, exchange(relay, secret, sample, prompt)).await.context("no answer in time")?
}

async fn exchange(relay: SocketAddr, secret: &str, sample: &Sample, prompt: &str) -> anyhow::Result<Outcome> {
    let body = json!({
        "model": sample.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": sample.max_tokens,
        "stream": sample.stream,
    });
    let request = Request::post("/v1/chat/completions")
        .header(header::HOST, relay.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {secret}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .context("the request cannot be written")?;
    let stream = TcpStream::connect(relay).await.context("the relay does not answer")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("no HTTP on the connection")?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.context("the call broke off")?;
    let status = answer.status().as_u16();
    let cost = answer.headers().get("mandant-cost-usd").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = answer.into_body().collect().await.context("the answer broke off")?;
    connection.abort();
    let trailer =
        body.trailers().and_then(|trailers| trailers.get("mandant-cost-usd")?.to_str().ok().map(str::to_owned));
    let bytes = body.to_bytes();
    Ok(Outcome { status, cost: cost.or(trailer), told: in_few_words(&bytes, sample.stream && status == 200) })
}

fn in_few_words(body: &[u8], stream: bool) -> String {
    if stream {
        let events = body.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"data: {")).count();
        return format!("{events} events");
    }
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(error) = value.get("error") {
        let [code, message] = ["code", "message"].map(|name| error[name].as_str().unwrap_or_default().to_owned());
        return format!("{code}: {message}");
    }
    let count = |name: &str| value["usage"][name].as_u64().unwrap_or_default();
    format!("{} tokens in, {} out", count("prompt_tokens"), count("completion_tokens"))
}
