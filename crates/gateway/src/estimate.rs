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

/// Of more text than this nobody pays for the reading: four bytes are a token then.
const COUNTED_BYTES_MAX: u64 = 1 << 20;

/// The answer to a call that asks for a count which no provider can give; `None` where one can.
///
/// # Errors
/// 429: it counts as a request like those that go to a provider.
pub(crate) fn answer(relay: &Relay, caller: &Caller, call: &Call, now: Moment) -> Result<Option<Reply>, Refusal> {
    let catalog = relay.directory.catalog();
    let (Some(model), Some(dialect)) = (catalog::estimated(&catalog, call), call.endpoint().dialect()) else {
        return Ok(None);
    };
    if !caller.may_use(&model.id) {
        return Ok(None);
    }
    let (path, end_user) = (caller.path(), call.end_user());
    let asked = Asked { path, model: &model.id, end_user, tokens: 0, is_in_session: false };
    let (pass, tightest) = relay.books.admit(&asked, now).map_err(|breach| rate_limited(&asked, &breach))?;
    // Nothing is under way behind it.
    relay.books.shard(path[0].index).admission.settle(pass, 0, now);
    let tokens = match call.billable().text_bytes {
        ..=COUNTED_BYTES_MAX => catalog::estimate_tokens(model, call),
        bytes => bytes.div_ceil(4),
    };
    let mut reply = Reply::new(StatusCode::OK, AnswerBody::whole(wire::render::token_count(dialect, tokens)));
    reply.fields.put_text(&CONTENT_TYPE, b"application/json");
    headers::estimate(&mut reply.fields);
    headers::limits(&mut reply.fields, &tightest, relay.clock.now());
    Ok(Some(reply))
}
