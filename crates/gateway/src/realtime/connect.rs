//! The connection to a provider that opens a session.

use base::{Refusal, UpstreamFault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use catalog::{Candidate, Plan};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    USER_AGENT,
};
use http::{HeaderName, Method};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use wire::Endpoint;

use super::handshake::Offer;
use crate::answer::{AnswerBody, pass_headers};
use crate::body::OutgoingBody;
use crate::forward::{OPENAI_BETA, forwarded, may_fail_over, unusable};
use crate::heads::{Outgoing, RequestHead, ResponseHead};
use crate::relay::Relay;
use crate::reply::Reply;
use crate::upstream::{Pool, Socket, Upgrade};

/// A session at a provider.
pub(super) struct Open {
    pub(super) candidate: Candidate,
    pub(super) socket: Box<dyn Socket>,
    /// What it said already.
    pub(super) rest: Bytes,
    /// The protocol that it chose.
    pub(super) protocol: Option<String>,
}

/// What became of the opening.
pub(super) enum Connected {
    Open(Box<Open>),
    /// A provider said no in its own words.
    Answered(Box<Reply>),
}

/// Asks the candidates of a plan in order until one opens a session.
///
/// # Errors
/// 502 or 504 when none can be asked.
pub(super) async fn connect(
    relay: &Relay,
    plan: &Plan,
    head: &RequestHead,
    offer: &Offer,
) -> Result<Connected, Refusal> {
    let mut failure = Err(Refusal::UpstreamError { reason: UpstreamFault::Unreachable });
    for candidate in plan.candidates() {
        let pool = match relay.upstreams.pool(candidate.upstream()) {
            Ok(pool) => pool,
            Err(error) => {
                failure = Err(unusable(candidate, &error));
                continue;
            }
        };
        let nonce: [u64; 2] = [relay.clock.draw(), relay.clock.draw()];
        let nonce = STANDARD.encode(nonce.map(u64::to_be_bytes).concat());
        let request = request(&pool, candidate, head, offer, &nonce);
        let token = pool.token_of(&request);
        let opened = pool.upgrade(request).await;
        if let (Some(token), Ok(Upgrade::Answered { head, .. })) = (token, &opened) {
            pool.note_answer(&token, head.status);
        }
        match opened {
            Ok(Upgrade::Switched { head, socket, rest }) => {
                let accept = head.headers.get(&SEC_WEBSOCKET_ACCEPT);
                if accept != Some(derive_accept_key(nonce.as_bytes()).as_bytes()) {
                    tracing::warn!(upstream = %candidate.upstream().id, "it began no WebSocket");
                    failure = Err(Refusal::UpstreamError { reason: UpstreamFault::Malformed });
                    continue;
                }
                let chosen = head.headers.text(&SEC_WEBSOCKET_PROTOCOL);
                let protocol = offer.protocols.iter().find(|offered| chosen == Some(offered)).cloned();
                let candidate = candidate.clone();
                return Ok(Connected::Open(Box::new(Open { candidate, socket, rest, protocol })));
            }
            Ok(Upgrade::Answered { head, body }) => {
                tracing::debug!(upstream = %candidate.upstream().id, status = head.status.as_u16(), "no session");
                let is_final = !may_fail_over(head.status);
                failure = Ok(Connected::Answered(Box::new(answer(&pool, &head, body))));
                if is_final {
                    break;
                }
            }
            Err(error) => failure = Err(unusable(candidate, &error)),
        }
    }
    failure
}

fn request(pool: &Pool, candidate: &Candidate, client: &RequestHead, offer: &Offer, nonce: &str) -> Outgoing {
    let below = format!("{}?model={}", Endpoint::Realtime.path(), escaped(candidate.target().model.as_str()));
    let address = (Endpoint::Realtime, Some(&*below));
    let mut request = pool.request(Method::GET, address, false, OutgoingBody::default());
    let mut put = |name: &HeaderName, value: &[u8]| pool.put(&mut request, name, value);
    put(&CONNECTION, b"Upgrade");
    put(&UPGRADE, b"websocket");
    put(&SEC_WEBSOCKET_VERSION, b"13");
    put(&SEC_WEBSOCKET_KEY, nonce.as_bytes());
    if !offer.protocols.is_empty() {
        put(&SEC_WEBSOCKET_PROTOCOL, offer.protocols.join(", ").as_bytes());
    }
    for name in [USER_AGENT, OPENAI_BETA] {
        if let Some(value) = forwarded(&client.headers, &name) {
            put(&name, &value);
        }
    }
    pool.authorize(&mut request);
    request
}

/// A name as it stands in a query.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// The provider's own refusal, without the operator's secrets. What is encoded cannot be looked through for them.
fn answer(pool: &Pool, head: &ResponseHead, body: Bytes) -> Reply {
    let body = if head.is_encoded() { Bytes::new() } else { body };
    let body = pool.redact(&body).map_or(body, Bytes::from);
    let mut reply = Reply::new(head.status, AnswerBody::whole(body));
    pass_headers(head, &mut reply.fields);
    reply
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_escaped_in_queries() {
        assert_eq!(super::escaped("gpt-realtime_1.5~"), "gpt-realtime_1.5~");
        assert_eq!(super::escaped("a/b c+d&e=f"), "a%2Fb%20c%2Bd%26e%3Df");
    }
}
