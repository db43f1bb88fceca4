//! The opening of a WebSocket as a client asks for it (RFC 6455, section 4).

use base::{ModelId, Refusal};
use http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderValue, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::answer::AnswerBody;
use crate::authenticate::query_value;
use crate::heads::RequestHead;
use crate::http1::{self, Lines};
use crate::reply::Reply;

/// What a client asks for.
pub(super) struct Offer {
    /// The model of the query.
    pub(super) model: Option<ModelId>,
    /// The protocols that may be spoken, in the client's order, without its key.
    pub(super) protocols: Vec<String>,
    /// Proves that its key was read.
    accept: HeaderValue,
}

impl Offer {
    /// Reads the head of the request.
    ///
    /// # Errors
    /// 400 for what is no WebSocket, or asks for a session that has no price here.
    pub(super) fn read(head: &RequestHead) -> Result<Offer, Refusal> {
        let refuse = |sentence: &str| Err(Refusal::invalid(None, sentence));
        if !wants_websocket(head) {
            return refuse("This is the address of a WebSocket. Open one, over HTTP/1.1.");
        }
        if head.headers.get(&SEC_WEBSOCKET_VERSION).is_none_or(|version| version != b"13") {
            return refuse("Only version 13 of WebSocket is spoken here.");
        }
        let key = head.headers.get(&SEC_WEBSOCKET_KEY).unwrap_or_default();
        if key.len() != 24 || !key.ends_with(b"==") {
            return refuse("'Sec-WebSocket-Key' must be 16 bytes in base64.");
        }
        for param in ["call_id", "intent"] {
            if query_value(head, param).is_some() {
                return Err(Refusal::invalid(Some(param), "Such sessions are not passed on by this relay."));
            }
        }
        let accept = HeaderValue::try_from(derive_accept_key(key)).map_err(|_| Refusal::Internal)?;
        Ok(Offer { model: model(head)?, protocols: protocols(&head.headers), accept })
    }

    /// The answer that changes the protocol.
    pub(super) fn accept(&self, protocol: Option<&str>) -> Reply {
        let mut reply = Reply::new(StatusCode::SWITCHING_PROTOCOLS, AnswerBody::Whole(None));
        reply.fields.put_text(&UPGRADE, b"websocket");
        reply.fields.put_text(&CONNECTION, b"Upgrade");
        reply.fields.put(&SEC_WEBSOCKET_ACCEPT, &self.accept);
        if let Some(protocol) = protocol {
            reply.fields.put_text(&SEC_WEBSOCKET_PROTOCOL, protocol.as_bytes());
        }
        reply
    }
}

/// The model of the query, in which clients escape what stands in names.
fn model(head: &RequestHead) -> Result<Option<ModelId>, Refusal> {
    let Some(named) = query_value(head, "model") else { return Ok(None) };
    let mut name = named.to_owned();
    for (escape, plain) in [("%2F", "/"), ("%2f", "/"), ("%3A", ":"), ("%3a", ":"), ("%40", "@")] {
        name = name.replace(escape, plain);
    }
    let model = ModelId::new(&name);
    model.map(Some).map_err(|error| Refusal::invalid(Some("model"), format!("The query has no model name: {error}.")))
}

/// Whether a request asks for the protocol to be changed to a WebSocket's.
pub(super) fn wants_websocket(head: &RequestHead) -> bool {
    let is_http11 = head.version == Version::HTTP_11;
    is_http11 && names(&head.headers, &UPGRADE, b"websocket") && names(&head.headers, &CONNECTION, b"upgrade")
}

/// Whether a list of words in the headers has this one.
fn names(headers: &Lines, name: &HeaderName, wanted: &[u8]) -> bool {
    headers.words(name).any(|word| word.eq_ignore_ascii_case(wanted))
}

/// What may go to a provider of the protocols that a client offers: what is spoken. Others are its key, or say for whose
/// account at the provider it speaks, and that is the operator's.
fn protocols(headers: &Lines) -> Vec<String> {
    let offered = headers.words(&SEC_WEBSOCKET_PROTOCOL).filter_map(http1::text);
    let is_spoken = |name: &&str| {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        is_plain && (*name == "realtime" || name.starts_with("openai-beta."))
    };
    offered.filter(is_spoken).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_key_and_an_account_among_the_protocols_stay_here() {
        let mut headers = HeaderMap::new();
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("realtime, openai-insecure-api-key.mk-1"));
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("openai-beta.realtime-v1, a b,"));
        let account = "openai-organization.org-1, openai-project.proj_1, other";
        headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(account));
        assert_eq!(protocols(&headers.into()), ["realtime", "openai-beta.realtime-v1"]);
    }

    #[test]
    fn words_are_found_in_lists_whatever_their_case() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive, UPGRADE"));
        let lines = Lines::from(headers);
        assert!(names(&lines, &CONNECTION, b"upgrade") && !names(&lines, &UPGRADE, b"upgrade"));
    }
}
