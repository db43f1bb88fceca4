//! Counts of tokens for clients of another dialect than the providers of their model: no provider can be asked, and the
//! clients ask before nearly every call. So the relay counts, and says that it is an estimate. It costs nothing.

use std::sync::Arc;

use base::{Moment, Refusal};
use catalog::Model;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use wire::Call;

use crate::admit::rate_limited;
use crate::answer::AnswerBody;
use crate::authenticate::{Caller, Path};
use crate::books::Asked;
use crate::headers;
use crate::relay::Relay;
use crate::reply::Reply;

/// Of more text than this nobody pays for the reading: four bytes are a token then.
const COUNTED_BYTES_MAX: u64 = 1 << 20;

/// The model whose tokens the relay counts by itself for this call, since no provider of it can.
pub(crate) fn model(relay: &Relay, caller: &Caller, call: &Call) -> Option<Arc<Model>> {
    if !call.endpoint().counts_tokens() {
        return None;
    }
    let catalog = relay.directory.catalog();
    catalog::estimated(&catalog, call).filter(|model| caller.may_use(&model.id)).cloned()
}

/// What such a call takes: it is a request like those that go to a provider.
pub(crate) fn asked<'a>(path: &'a Path, model: &'a Model, call: &'a Call) -> Asked<'a> {
    Asked { path, model: &model.id, end_user: call.end_user(), tokens: 0, is_in_session: false }
}

/// The answer to a call that asks for a count which no provider can give; `None` where one can.
///
/// # Errors
/// 429, by the windows for requests.
pub(crate) fn answer(relay: &Relay, caller: &Caller, call: &Call, now: Moment) -> Result<Option<Reply>, Refusal> {
    let (Some(model), Some(dialect)) = (model(relay, caller, call), call.endpoint().dialect()) else {
        return Ok(None);
    };
    let path = caller.path();
    let asked = asked(path, &model, call);
    let (pass, tightest) = relay.books.admit(&asked, now).map_err(|breach| rate_limited(&asked, &breach))?;
    // Nothing is under way behind it.
    relay.books.shard(path[0].index).admission.settle(pass, 0, now);
    let tokens = match call.billable().text_bytes {
        ..=COUNTED_BYTES_MAX => catalog::estimate_tokens(&model, call),
        bytes => bytes.div_ceil(4),
    };
    let mut reply = Reply::new(StatusCode::OK, AnswerBody::whole(wire::render::token_count(dialect, tokens)));
    reply.fields.put_text(&CONTENT_TYPE, b"application/json");
    headers::estimate(&mut reply.fields);
    headers::limits(&mut reply.fields, &tightest, relay.clock.now());
    Ok(Some(reply))
}
