//! Refusals as answers, in the dialect of the route that was called.

use admit::{Ask, Tightest};
use base::{Refusal, RequestId, whole_seconds_ceil};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use wire::Dialect;

use crate::answer::AnswerBody;
use crate::authenticate::{Caller, accent};
use crate::books::indexes;
use crate::headers;
use crate::relay::Relay;

/// A refusal before it is known who asks.
pub(crate) fn unidentified(head: &Parts, refusal: &Refusal, id: RequestId) -> Response<AnswerBody> {
    let dialect = wire::dialect_of(head.uri.path(), accent(head));
    let mut response = render(dialect, refusal, id);
    headers::request_id(response.headers_mut(), dialect, id);
    response
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
pub(crate) fn caller(
    relay: &Relay,
    caller: &Caller,
    dialect: Dialect,
    refused: &Refused,
    id: RequestId,
) -> Response<AnswerBody> {
    let mut response = render(dialect, &refused.refusal, id);
    match &refused.tightest {
        Some(tightest) => headers::limits(response.headers_mut(), tightest, relay.clock.now()),
        None => limits(relay, caller, response.headers_mut()),
    }
    response
}

/// The state of a caller's limits, for answers that did not go through them.
pub(crate) fn limits(relay: &Relay, caller: &Caller, headers: &mut HeaderMap) {
    let indexes = indexes(caller.path());
    let mut shard = relay.books.shard(indexes[0]);
    shard.refresh(caller.path());
    let tightest = shard.admission.tightest(&Ask::of(&indexes, 0), relay.clock.moment());
    drop(shard);
    headers::limits(headers, &tightest, relay.clock.now());
}

fn render(dialect: Dialect, refusal: &Refusal, id: RequestId) -> Response<AnswerBody> {
    let rendered = wire::render::refusal(dialect, refusal, id.as_str());
    let mut response = Response::new(AnswerBody::whole(rendered.body));
    *response.status_mut() = StatusCode::from_u16(rendered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(rendered.content_type));
    if let Some(wait) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds_ceil(wait)));
    }
    match refusal {
        Refusal::MethodNotAllowed { allowed } => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Refusal::InvalidApiKey | Refusal::KeyExpired | Refusal::KeyRevoked => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // SDKs take a 409 for a conflict that passes; this one does not.
        Refusal::IdempotencyLost => {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        // The rest of such a body would be read as the next request.
        Refusal::RequestTooLarge { .. } => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}
