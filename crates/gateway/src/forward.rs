//! Sends a call to the candidates of its plan, in order, inside one hold, until one answers.
//!
//! Another candidate is tried only when the last one provably billed nothing: no connection, a request that did not
//! leave, or an error status. A request that may have left and got no answer is not sent twice: it may be billed.

use std::borrow::Cow;
use std::sync::Arc;

use base::{Refusal, UpstreamFault};
use catalog::{Candidate, Plan};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, Method, StatusCode};
use wire::{Call, Dialect, Edits};

use crate::attempt::{Attempt, AttemptError};
use crate::body::OutgoingBody;
use crate::heads::{Outgoing, RequestHead, ResponseHead};
use crate::hold::Hold;
use crate::http1::Lines;
use crate::upload::Upload;
use crate::upstream::{ConnectError, Connection, Pool};

/// Headers of a client that reach an upstream. Everything else stays here, above all whatever names an identity.
const FORWARDED: [HeaderName; 5] = [ACCEPT, USER_AGENT, OPENAI_BETA, ANTHROPIC_VERSION, ANTHROPIC_BETA];

/// Those of them that are lists: they may stand in several lines, all of which count.
const LISTS: [HeaderName; 3] = [ACCEPT, OPENAI_BETA, ANTHROPIC_BETA];

pub(crate) const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Anthropic refuses a call without one; its SDKs send it.
pub(crate) const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// An answer whose head has come; the attempt still owns the hold.
pub struct Answer {
    pub(crate) head: ResponseHead,
    pub(crate) attempt: Attempt,
    /// Where it came from, to keep that upstream's secrets out of it.
    pub(crate) pool: Arc<Pool>,
}

/// See the module's description. Takes the hold by value: without one there is nothing to call this with.
///
/// # Errors
/// 502, 503 or 504, when no candidate answered.
///
/// The rest of a form that comes while it is sent is sent once: then the first that is asked is the last.
pub async fn forward(
    plan: &Plan,
    mut hold: Hold,
    call: &Arc<Call>,
    client: &RequestHead,
    upload: Option<&Upload>,
) -> Result<Answer, Refusal> {
    let candidates = plan.candidates();
    let mut failure = Refusal::UpstreamError { reason: UpstreamFault::Unreachable };
    // Where it has its place, then the others in their order.
    let first = hold.standing().first();
    let others = (0..candidates.len()).filter(|&position| position != first);
    for (tried, position) in core::iter::once(first).chain(others).enumerate() {
        let (candidate, is_last) = (&candidates[position], tried + 1 == candidates.len());
        match try_candidate(candidate, hold, (call, client, upload), is_last).await {
            Tried::Answered(answer) => return Ok(answer),
            Tried::Ended(refusal) => return Err(refusal),
            Tried::Next(returned, refusal) => (hold, failure) = (returned, refusal),
        }
        if upload.is_some_and(Upload::is_taken) {
            break;
        }
    }
    Err(failure)
}

enum Tried {
    Answered(Answer),
    /// Nothing was billed; the hold is free for the next candidate.
    Next(Hold, Refusal),
    /// Something may have been billed; the attempt has settled itself.
    Ended(Refusal),
}

async fn try_candidate(
    candidate: &Candidate,
    mut hold: Hold,
    (call, client, upload): (&Arc<Call>, &RequestHead, Option<&Upload>),
    is_last: bool,
) -> Tried {
    let relay = hold.relay().clone();
    let pool = match hold.standing().at(&relay, candidate).await {
        Ok(pool) => pool,
        Err(refusal) => return Tried::Next(hold, refusal),
    };
    // A connection that its upstream has closed meanwhile would take an upload with it.
    let mut fresh = upload.is_some();
    let is_last = is_last || upload.is_some();
    loop {
        let connection = match pool.checkout(fresh).await {
            Ok(connection) => connection,
            Err(error) => return Tried::Next(hold, unusable(candidate, &error)),
        };
        let reused = connection.reused;
        let request = outgoing(candidate, &pool, &connection, call, client);
        let request = request.then(upload.and_then(Upload::take));
        let token = pool.token_of(&request);
        let mut attempt = Attempt::start(connection, request, hold, candidate, call);
        let head = attempt.head().await;
        if let (Some(token), Ok(head)) = (token, &head) {
            pool.note_answer(&token, head.status);
        }
        match head {
            Ok(head) if is_last || !may_fail_over(head.status) => {
                return Tried::Answered(Answer { head, attempt, pool });
            }
            Ok(head) => {
                tracing::debug!(upstream = %candidate.upstream().id, status = head.status.as_u16(), "trying the next candidate");
                return Tried::Next(attempt.give_up(), Refusal::UpstreamError { reason: UpstreamFault::Unreachable });
            }
            // A connection that the upstream had closed meanwhile: once more, on a new one.
            Err(AttemptError::NotSent(_)) if reused && !fresh => (hold, fresh) = (attempt.give_up(), true),
            Err(error) => return failed(candidate, attempt, error),
        }
    }
}

/// A head never came: what that means for the money and for the client.
fn failed(candidate: &Candidate, mut attempt: Attempt, error: AttemptError) -> Tried {
    let upstream = &candidate.upstream().id;
    match error {
        AttemptError::NotSent(source) => {
            tracing::warn!(%upstream, error = %source, "the request was not taken");
            Tried::Next(attempt.give_up(), Refusal::UpstreamError { reason: UpstreamFault::Unreachable })
        }
        AttemptError::Broken(source) => {
            tracing::warn!(%upstream, error = %source, "no answer; the hold stays, for it may have been billed");
            attempt.settle();
            Tried::Ended(Refusal::UpstreamError { reason: UpstreamFault::Broken })
        }
        AttemptError::Upload(refusal) => {
            tracing::debug!(%upstream, "an upload did not come whole; its provider never had a request");
            attempt.settle();
            Tried::Ended(refusal)
        }
        AttemptError::Timeout => {
            tracing::warn!(%upstream, "no answer in time; the hold stays, for it may have been billed");
            attempt.settle();
            Tried::Ended(Refusal::UpstreamTimeout)
        }
    }
}

/// Why a candidate was not even tried, for the log; the client learns only the kind.
pub(crate) fn unusable(candidate: &Candidate, error: &ConnectError) -> Refusal {
    tracing::warn!(upstream = %candidate.upstream().id, %error, "an upstream cannot be used");
    match error {
        ConnectError::Timeout => Refusal::UpstreamTimeout,
        ConnectError::Credential(_) => Refusal::UpstreamError { reason: UpstreamFault::Credentials },
        _ => Refusal::UpstreamError { reason: UpstreamFault::Unreachable },
    }
}

/// Statuses that say "not now" or "not here": a different upstream may do better, and nothing was billed.
pub(crate) const fn may_fail_over(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 408 | 429 | 500..=599)
}

/// What a client says in a header that reaches an upstream: all of a list, the first of what is said once. The head's limit
/// is its limit.
pub(crate) fn forwarded<'a>(headers: &'a Lines, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    if !LISTS.contains(name) {
        return Some(Cow::Borrowed(first));
    }
    let more = |list: Cow<'a, [u8]>, value: &[u8]| Cow::Owned([&list, value].join(&b", "[..]));
    Some(values.fold(Cow::Borrowed(first), more))
}

/// The request for one candidate: the client's body with the model's name there, and the headers it should see.
fn outgoing(
    candidate: &Candidate,
    pool: &Pool,
    connection: &Connection,
    call: &Call,
    client: &RequestHead,
) -> Outgoing {
    let model = candidate.target().model.as_str();
    let (translation, upstream) = (candidate.translation(), candidate.upstream());
    let (body, path, endpoint) = match translation {
        None => {
            let include_usage = call.adds_usage() && upstream.asks_stream_usage;
            let edits = Edits { model: Some(model), include_usage, ..Edits::default() };
            match call.rehosted(upstream.hosting, &edits) {
                None => (OutgoingBody::new(call.outgoing(&edits).into_pieces()), call.path(model), call.endpoint()),
                Some((path, body)) => (OutgoingBody::new([body]), path, call.endpoint()),
            }
        }
        Some(translation) => {
            // Where a limit must be named and nobody did, it is the one that is held.
            let (limit, worst) = (call.billable().output_limit, candidate.model().max_output_tokens);
            let (body, endpoint) = (translation.body(model, limit, worst), translation.endpoint());
            match upstream.hosting.path(endpoint, call.stream(), model) {
                None => (OutgoingBody::new([body]), translation.path(model), endpoint),
                path => {
                    let body = upstream.hosting.recast(endpoint, &body, model, call.stream());
                    (OutgoingBody::new([body]), path, endpoint)
                }
            }
        }
    };
    let method = match endpoint.method() {
        "GET" => Method::GET,
        "DELETE" => Method::DELETE,
        _ => Method::POST,
    };
    let mut request = pool.request(method, (endpoint, path.as_deref()), connection.is_http2(), body);
    let mut put = |name: &HeaderName, value: &[u8]| pool.put(&mut request, name, value);
    // What a client says to another provider means nothing to this one.
    let names = if translation.is_none() { &FORWARDED[..] } else { &FORWARDED[..2] };
    for name in names {
        if let Some(value) = forwarded(&client.headers, name) {
            put(name, &value);
        }
    }
    if let (Some(_), Some(kind)) = (call.form_bytes(), client.headers.get(&CONTENT_TYPE)) {
        put(&CONTENT_TYPE, kind);
    } else if !endpoint.is_of_object() {
        put(&CONTENT_TYPE, b"application/json");
    }
    // The answer is read for its usage: an encoded one would have to be decoded first.
    put(&ACCEPT_ENCODING, b"identity");
    let wants_version = upstream.dialect == Dialect::Anthropic && !upstream.hosting.has_own_form(endpoint);
    let is_told = translation.is_none() && client.headers.contains(&ANTHROPIC_VERSION);
    if wants_version && !is_told {
        put(&ANTHROPIC_VERSION, b"2023-06-01");
    }
    pool.authorize(&mut request);
    request
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn of_a_list_in_several_lines_all_passes_and_of_anything_else_the_first() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("anthropic-beta", "a-1,b-2"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "c-3"),
            ("anthropic-version", "2023-01-01"),
            ("anthropic-beta", "d-4"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let lines = Lines::from(headers);
        let said = |name: &HeaderName| forwarded(&lines, name).map(|value| String::from_utf8(value.into()).unwrap());
        assert_eq!(said(&ANTHROPIC_BETA).as_deref(), Some("a-1,b-2, c-3, d-4"));
        assert_eq!(said(&ANTHROPIC_VERSION).as_deref(), Some("2023-06-01"));
        assert_eq!(said(&OPENAI_BETA), None);
    }
}
