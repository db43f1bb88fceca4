//! A plain HTTP client that shows exactly what came back.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::app::{TestApp, secret};

/// A whole answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("our headers are text"))
    }

    /// The stable code of a refusal.
    pub(crate) fn code(&self) -> String {
        let error = &self.json()["error"];
        // Google's `code` is the status.
        error["code"].as_str().or(error["details"][0]["reason"].as_str()).unwrap_or_default().to_owned()
    }
}

/// A connection to the relay.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.expect("the relay listens");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("the relay speaks HTTP");
        tokio::spawn(connection);
        Client { sender }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        self.sender.ready().await.expect("the connection is open");
        self.sender.send_request(request).await.expect("an answer comes")
    }

    pub(crate) async fn call(&mut self, request: Request<Full<Bytes>>) -> Reply {
        let (head, body) = self.send(request).await.into_parts();
        let collected = body.collect().await.expect("the answer is whole");
        let trailers = collected.trailers().cloned();
        Reply { status: head.status, headers: head.headers, body: collected.to_bytes(), trailers }
    }
}

/// A request without a body, by this method.
pub(crate) fn with_method(method: &str, path: &str, tenant: &str) -> Request<Full<Bytes>> {
    let mut request = get(path, tenant);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    request
}

/// A request with a tenant's key.
pub(crate) fn post(path: &str, tenant: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "relay")
        .header("authorization", format!("Bearer {}", secret(tenant)))
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .expect("a request")
}

pub(crate) fn get(path: &str, tenant: &str) -> Request<Full<Bytes>> {
    Request::get(path)
        .header("host", "relay")
        .header("authorization", format!("Bearer {}", secret(tenant)))
        .body(Full::default())
        .expect("a request")
}

/// A chat body of `model` with `more` merged in.
pub(crate) fn chat(model: &str, more: Value) -> Bytes {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "Say something kind." }] });
    for (name, value) in more.as_object().expect("an object of fields") {
        body[name] = value.clone();
    }
    body.to_string().into()
}

impl TestApp {
    /// One call on a connection of its own.
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Reply {
        Client::connect(self.relay.address()).await.call(request).await
    }

    /// One chat call of `tenant`.
    pub(crate) async fn chat(&self, tenant: &str, model: &str, more: Value) -> Reply {
        self.call(post("/v1/chat/completions", tenant, chat(model, more))).await
    }
}
