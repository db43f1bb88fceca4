//! Realtime sessions: a conversation over a WebSocket, each response of which is billed.

mod response;
mod session;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::body::{Guard, SimBody};
use crate::capture::Captured;
use crate::errors::ErrorAnswer;
use crate::fault::{Directives, Fault};
use crate::service::{Shared, error};
use crate::truth::Labels;

use self::session::Session;

/// Whether a request is for a session.
pub(crate) fn is_for_session(req: &Request<Incoming>) -> bool {
    req.uri().path().ends_with("/realtime")
}

/// Opens a session, or says why not.
pub(crate) fn open(shared: &Arc<Shared>, mut req: Request<Incoming>) -> Response<SimBody> {
    match opened(shared, &mut req) {
        Ok(response) => response,
        Err(refused) => error(&refused, Guard::default()),
    }
}

fn opened(shared: &Arc<Shared>, req: &mut Request<Incoming>) -> Result<Response<SimBody>, ErrorAnswer> {
    note(shared, req, Bytes::new());
    let key = shared.authenticate(req.headers())?.to_owned();
    let query = req.uri().query().unwrap_or_default();
    let model = query.split('&').find_map(|pair| pair.strip_prefix("model="));
    let model = model.ok_or_else(|| ErrorAnswer::invalid("You must provide a model parameter.", Some("model")))?;
    let model = model.to_owned();
    if shared.options.models.as_ref().is_some_and(|known| !known.contains(&model)) {
        return Err(ErrorAnswer::unknown_model(&model));
    }
    let wishes =
        Directives::of_model(&model).map_err(|error| ErrorAnswer::invalid(&error.to_string(), Some("model")))?;
    if let Some(Fault::Status { status, retry_after_seconds }) = wishes.fault {
        return Err(ErrorAnswer::of_status(status, retry_after_seconds));
    }
    let Some(nonce) = req.headers().get(SEC_WEBSOCKET_KEY) else {
        return Err(ErrorAnswer::invalid("This is the address of a WebSocket.", None));
    };
    let accept = HeaderValue::try_from(derive_accept_key(nonce.as_bytes())).expect("base64 is text");
    let labels = Labels { key, trace: None, model };
    let protocol = req.headers().get(SEC_WEBSOCKET_PROTOCOL).filter(|offer| offer.as_bytes().starts_with(b"realtime"));
    let protocol = protocol.map(|_| HeaderValue::from_static("realtime"));
    let upgrade = hyper::upgrade::on(req);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            Session::new(shared, labels, wishes, socket).run().await;
        }
    });
    let mut response = Response::new(SimBody::Whole { bytes: None, guard: Guard::default() });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(response)
}

/// Keeps the request for whoever asks what came.
fn note(shared: &Shared, req: &Request<Incoming>, body: Bytes) {
    if shared.captures.is_on() {
        let path = req.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let (method, headers) = (req.method().clone(), req.headers().clone());
        shared.captures.push(Captured { sequence: 0, method, path, headers, body, exchange: None });
    }
}

/// Keeps an event of a session for whoever asks what came: its method is `EVENT`.
fn note_event(shared: &Shared, text: &str) {
    if shared.captures.is_on() {
        let mut headers = http::HeaderMap::new();
        headers.insert(HeaderName::from_static("x-event"), HeaderValue::from_static("realtime"));
        let method = Method::from_bytes(b"EVENT").expect("letters are a method");
        let body = Bytes::copy_from_slice(text.as_bytes());
        shared.captures.push(Captured { sequence: 0, method, path: String::new(), headers, body, exchange: None });
    }
}
