//! A client for load: HTTP/1.1 with keep-alive or HTTP/2, which may leave in the middle and says exactly what it saw.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::books::{Nanos, nanos};

/// A relay that does not answer within this time has lost a call.
const PATIENCE: Duration = Duration::from_secs(90);

/// One call to make.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) tenant: String,
    /// Names the call: sent as `User-Agent`, which reaches the provider, and as the end user, which is on record.
    pub(super) trace: String,
    pub(super) model: &'static str,
    pub(super) more: Value,
    /// The client hangs up after this time, wherever the answer is by then.
    pub(super) leaves_after: Option<Duration>,
}

impl Call {
    /// The body, whose length depends on what is asked and not on who asks.
    pub(super) fn body(&self) -> Bytes {
        let mut body = json!({
            "model": self.model, "user": self.trace,
            "messages": [{ "role": "user", "content": "Say something kind." }],
        });
        for (name, value) in self.more.as_object().expect("an object of fields") {
            body[name] = value.clone();
        }
        body.to_string().into()
    }

    fn is_stream(&self) -> bool {
        self.more["stream"] == true
    }
}

/// The secret of a tenant's key.
pub(super) fn secret(tenant: &str) -> String {
    format!("test-secret-of-{tenant}-0123456789")
}

/// What the client saw.
#[derive(Debug)]
pub(super) enum Seen {
    /// The whole answer.
    Whole(Answer),
    /// It left by itself.
    Left,
    /// The relay went away.
    Broken,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) cost: Option<Nanos>,
    pub(super) body: Bytes,
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// A place on a connection, opened when it is first needed and again after it broke.
pub(super) struct Client {
    address: SocketAddr,
    line: Option<Line>,
    /// The request ids that answers began with, and the traces of their calls.
    pub(super) told: Vec<(String, String)>,
}

enum Line {
    /// A connection of one's own; the task that drives it is ended with it.
    One(http1::SendRequest<Full<Bytes>>, JoinHandle<()>),
    /// A share of a connection.
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Client {
        Client { address, line: None, told: Vec::new() }
    }

    /// `count` clients, all connected: with connections of their own, or a hundred to one HTTP/2 connection.
    pub(super) async fn many(address: SocketAddr, count: usize, is_http2: bool) -> Vec<Client> {
        let mut clients = Vec::with_capacity(count);
        let mut shared = None;
        for place in 0..count {
            let line = if is_http2 {
                if place % 100 == 0 {
                    shared = Some(connect_http2(address).await);
                }
                Line::Two(shared.clone().expect("made for the first of a hundred"))
            } else {
                connect(address).await.expect("the relay listens")
            };
            clients.push(Client { address, line: Some(line), told: Vec::new() });
        }
        clients
    }

    /// Makes the call and hangs up when its time has come.
    pub(super) async fn call(&mut self, call: &Call) -> Seen {
        let span = call.leaves_after.unwrap_or(PATIENCE);
        let seen = match timeout(span, self.exchange(call)).await {
            Ok(Some(answer)) => Seen::Whole(answer),
            Ok(None) => Seen::Broken,
            Err(_) if call.leaves_after.is_some() => Seen::Left,
            Err(_) => panic!("no answer to {call:?} within {PATIENCE:?}"),
        };
        if !matches!(seen, Seen::Whole(_)) {
            self.close();
        }
        seen
    }

    /// `None` when the connection cannot be made or breaks.
    async fn exchange(&mut self, call: &Call) -> Option<Answer> {
        let started = Instant::now();
        let request = Request::post("/v1/chat/completions")
            .header("authorization", format!("Bearer {}", secret(&call.tenant)))
            .header("content-type", "application/json")
            .header("user-agent", &call.trace);
        let response = self.send(request.body(Full::new(call.body())).expect("a request")).await?;
        let (head, body) = response.into_parts();
        if let Some(id) = text(&head.headers, "x-request-id") {
            self.told.push((id, call.trace.clone()));
        }
        let body = body.collect().await.ok()?.to_bytes();
        let status = head.status.as_u16();
        if status == 200 && call.is_stream() {
            // A stream whose connection ended well without its last event would be an answer cut in silence.
            assert!(body.ends_with(b"data: [DONE]\n\n"), "{call:?}: {}", String::from_utf8_lossy(&body));
        }
        let cost = text(&head.headers, "mandant-cost-usd").map(|usd| nanos(&usd));
        Some(Answer { status, cost, body, took: started.elapsed() })
    }

    /// Sends a request for a path; `None` when the connection cannot be made or breaks.
    pub(super) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Option<Response<Incoming>> {
        if self.line.is_none() {
            self.line = Some(connect(self.address).await?);
        }
        match self.line.as_mut()? {
            Line::One(sender, _) => {
                sender.ready().await.ok()?;
                request.headers_mut().insert("host", HeaderValue::from_static("relay"));
                sender.send_request(request).await.ok()
            }
            Line::Two(sender) => {
                sender.ready().await.ok()?;
                *request.uri_mut() = format!("http://relay{}", request.uri()).parse().expect("an address");
                sender.send_request(request).await.ok()
            }
        }
    }

    /// Closes the connection at once, with whatever is under way on it.
    fn close(&mut self) {
        match self.line.take() {
            Some(Line::One(_, task)) => task.abort(),
            // Others use it too: the dropped call was reset alone.
            Some(Line::Two(sender)) if !sender.is_closed() => self.line = Some(Line::Two(sender)),
            _ => {}
        }
    }
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn connect(address: SocketAddr) -> Option<Line> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let task = tokio::spawn(async move {
        // How it ends is seen by the calls on it.
        let _ = connection.await;
    });
    Some(Line::One(sender, task))
}

async fn connect_http2(address: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("the relay listens");
    let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.expect("the relay speaks HTTP/2");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender
}
