//! Refusals as answers, in the dialect of the route that was called.

use admit::{Ask, Tightest};
use base::{Refusal, RequestId, whole_seconds_ceil};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use wire::Dialect;

use crate::answer::AnswerBody;
use crate::authenticate::{Caller, accent};
use crate::books::indexes;
use crate::headers;
use crate::heads::RequestHead;
use crate::http1::Fields;
use crate::relay::Relay;
use crate::reply::Reply;

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A refusal before it is known who asks.
pub(crate) fn unidentified(head: &RequestHead, refusal: &Refusal, id: RequestId) -> Reply {
    let dialect = wire::dialect_of(head.uri.path(), accent(head));
    let mut reply = render(dialect, refusal, id);
    headers::request_id(&mut reply.fields, dialect, id);
    reply
}

/// A refusal, and what is left of the limits of the call where it was known what it asks for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) tightest: Option<Tightest>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, tightest: None }
    }
}

/// A refusal to a known caller, with the state of its limits.
pub(crate) fn caller(relay: &Relay, caller: &Caller, dialect: Dialect, refused: &Refused, id: RequestId) -> Reply {
    let mut reply = render(dialect, &refused.refusal, id);
    match &refused.tightest {
        Some(tightest) => headers::limits(&mut reply.fields, tightest, relay.clock.now()),
        None => limits(relay, caller, &mut reply.fields),
    }
    reply
}

/// The state of a caller's limits, for answers that did not go through them.
pub(crate) fn limits(relay: &Relay, caller: &Caller, fields: &mut Fields) {
    let indexes = indexes(caller.path());
    let mut shard = relay.books.shard(indexes[0]);
    shard.refresh(caller.path());
    let tightest = shard.admission.tightest(&Ask::of(&indexes, 0), relay.clock.moment());
    drop(shard);
    headers::limits(fields, &tightest, relay.clock.now());
}

/// A refusal in the words of a dialect.
pub(crate) fn render(dialect: Dialect, refusal: &Refusal, id: RequestId) -> Reply {
    let rendered = wire::render::refusal(dialect, refusal, id.as_str());
    let status = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = Reply::new(status, AnswerBody::whole(rendered.body));
    let fields = &mut reply.fields;
    fields.put_text(&CONTENT_TYPE, rendered.content_type.as_bytes());
    if let Some(wait) = refusal.retry_after() {
        fields.put_number(&RETRY_AFTER, whole_seconds_ceil(wait));
    }
    // SDKs take a 409 for a conflict that passes, and sleep as long as a 429 says.
    if refusal.forbids_retries() {
        fields.put_text(&SHOULD_RETRY, b"false");
    }
    match refusal {
        Refusal::MethodNotAllowed { allowed } => fields.put_text(&ALLOW, allowed.as_bytes()),
        // What is spoken here (RFC 9110, section 15.5.22).
        Refusal::NoWebSocket => {
            fields.put_text(&UPGRADE, b"HTTP/1.1");
            fields.put_text(&CONNECTION, b"upgrade");
        }
        Refusal::InvalidApiKey | Refusal::KeyExpired | Refusal::KeyRevoked => {
            fields.put_text(&WWW_AUTHENTICATE, b"Bearer");
        }
        // The rest of such a body would be read as the next request.
        Refusal::RequestTooLarge { .. } => reply.closes = true,
        _ => {}
    }
    reply
}
