//! A client for one request at a time that hides nothing: it keeps what came before an error.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mandant_testkit::{Options, SimulatedProvider};
use serde_json::Value;
use tokio::net::TcpStream;

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// HTTP chunks as they came.
    pub(crate) frames: Vec<Bytes>,
    /// Whether the body came to its proper end.
    pub(crate) is_whole: bool,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The JSON of each `data:` event but `[DONE]`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let payloads = self.text().split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        payloads.filter(|payload| *payload != "[DONE]").map(|payload| serde_json::from_str(payload).unwrap()).collect()
    }

    pub(crate) fn streamed_text(&self) -> String {
        let events = self.events();
        events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
    }
}

pub(crate) async fn provider(options: Options) -> SimulatedProvider {
    SimulatedProvider::start(Options { created_seconds: Some(1_700_000_000), ..options }).await.unwrap()
}

pub(crate) async fn open(address: SocketAddr, req: Request<Full<Bytes>>) -> hyper::Result<http::Response<Incoming>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(req).await
}

pub(crate) async fn read(answer: http::Response<Incoming>) -> Reply {
    let (head, mut body) = answer.into_parts();
    let mut frames = Vec::new();
    let mut is_whole = true;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frames.push(frame.into_data().unwrap_or_default()),
            Err(_) => is_whole = false,
        }
        if !is_whole {
            break;
        }
    }
    Reply { status: head.status, headers: head.headers, body: frames.concat().into(), frames, is_whole }
}

pub(crate) fn request(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut req = Request::builder().uri(path).header("host", "simulated");
    req = req.method(if body.is_empty() { "GET" } else { "POST" });
    for (name, value) in headers {
        req = req.header(*name, *value);
    }
    req.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

pub(crate) async fn send(provider: &SimulatedProvider, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    read(open(provider.address(), request(path, headers, body)).await.unwrap()).await
}

pub(crate) const KEY: (&str, &str) = ("authorization", "Bearer sk-test");

pub(crate) async fn chat(provider: &SimulatedProvider, body: Value) -> Reply {
    send(provider, "/v1/chat/completions", &[KEY], &body.to_string()).await
}
