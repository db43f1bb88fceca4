//! Counts of tokens for clients of another dialect than the providers of their model: no provider can be asked, and the
//! clients ask before nearly every call. So the relay counts, and says that it is an estimate. It costs nothing.

use base::{Moment, Refusal};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use wire::Call;

use crate::admit::rate_limited;
use crate::answer::AnswerBody;
use crate::authenticate::Caller;
use crate::books::Asked;
use crate::headers;
use crate::relay::Relay;
use crate::reply::Reply;

/// So much text is counted where it came in, in less than a millisecond.
const AT_ONCE_BYTES_MAX: u64 = 16 << 10;
/// Of more text than this nobody pays for the counting: four bytes are a token then.
const COUNTED_BYTES_MAX: u64 = 1 << 20;

/// The answer to a call that is only to be counted, and that no provider can count; `None` for any other.
///
/// # Errors
/// 429: it counts as a request like those that go to a provider.
pub(crate) async fn answer(relay: &Relay, caller: &Caller, call: &Call, now: Moment) -> Result<Option<Reply>, Refusal> {
    let model = catalog::estimated(&relay.directory.catalog(), call).cloned();
    let (Some(model), Some(dialect)) = (model, call.endpoint().dialect()) else { return Ok(None) };
    if !caller.may_use(&model.id) {
        return Ok(None);
    }
    let (path, end_user) = (caller.path(), call.end_user());
    let asked = Asked { path, model: &model.id, end_user, tokens: 0, is_in_session: false };
    let (pass, tightest) = relay.books.admit(&asked, now).map_err(|breach| rate_limited(&asked, &breach))?;
    // Nothing is under way behind it.
    relay.books.shard(path[0].index).admission.settle(pass, 0, now);
    let tokens = match call.billable().text_bytes {
        bytes if bytes <= AT_ONCE_BYTES_MAX => catalog::estimate_tokens(&model, call),
        bytes if bytes <= COUNTED_BYTES_MAX => {
            // Not where others wait.
            let call = call.clone();
            let counted = tokio::task::spawn_blocking(move || catalog::estimate_tokens(&model, &call));
            counted.await.map_err(|_| Refusal::Internal)?
        }
        bytes => bytes.div_ceil(4),
    };
    let mut reply = Reply::new(StatusCode::OK, AnswerBody::whole(wire::render::token_count(dialect, tokens)));
    reply.fields.put_text(&CONTENT_TYPE, b"application/json");
    headers::estimate(&mut reply.fields);
    headers::limits(&mut reply.fields, &tightest, relay.clock.now());
    Ok(Some(reply))
}
