//! From bytes to a plan: reads the body within its limits, fills in the account's defaults, and finds who may answer.

use base::{ModelId, Refusal, Timestamp};
use bytes::{Bytes, BytesMut};
use catalog::Plan;
use http::HeaderName;
use http::header::{CONTENT_ENCODING, TE};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use wire::{Call, Maker, Route};

use crate::answer::ReceiptWishes;
use crate::authenticate::Caller;
use crate::bodies::Share;
use crate::client_body::ClientBody;
use crate::clock::within;
use crate::heads::RequestHead;
use crate::relay::Relay;

/// Reads the whole body, within the limits of size and time.
///
/// # Errors
/// 413 as soon as the size is known to be too large; 503 when its tenant has too many in memory; 400 for a body that
/// breaks off, comes too slowly, or is encoded.
pub(crate) async fn body(
    relay: &Relay,
    caller: &Caller,
    head: &RequestHead,
    body: ClientBody,
) -> Result<Bytes, Refusal> {
    let settings = &relay.settings;
    check_encoding(head)?;
    let too_large = Refusal::RequestTooLarge { bytes_max: settings.body_bytes_max };
    if body.size_hint().lower() > settings.body_bytes_max {
        return Err(too_large);
    }
    let mut share = relay.bodies.enter(caller.path()[0].index, body.size_hint().lower())?;
    let deadline = || Instant::now() + settings.body_timeout;
    match within(collect(body, settings.body_bytes_max, &mut share), deadline).await {
        Ok(Ok(bytes)) => Ok(share.hold(bytes)),
        Ok(Err(Unread::Refused(refusal))) => Err(refusal),
        Ok(Err(Unread::TooLarge)) => Err(too_large),
        Ok(Err(Unread::Broken)) => Err(Refusal::invalid(None, "The request body broke off. Send it again.")),
        Err(_) => Err(Refusal::invalid(None, "The request body did not arrive in time. Send it again.")),
    }
}

/// Bodies are read as they are.
pub(crate) fn check_encoding(head: &RequestHead) -> Result<(), Refusal> {
    if head.headers.get(&CONTENT_ENCODING).is_some_and(|value| value != b"identity") {
        return Err(Refusal::invalid(None, "Encoded request bodies are not accepted. Send the JSON as it is."));
    }
    Ok(())
}

enum Unread {
    TooLarge,
    Refused(Refusal),
    Broken,
}

/// Gathers the frames of a body. A body of one frame, the usual case, is not copied.
async fn collect(mut body: ClientBody, bytes_max: u64, share: &mut Share) -> Result<Bytes, Unread> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        let bytes = (first.len() + rest.len() + data.len()) as u64;
        if bytes > bytes_max {
            return Err(Unread::TooLarge);
        }
        share.grow(bytes).map_err(Unread::Refused)?;
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Reads the call and fills in what the account has defaults for.
pub(crate) fn read<'a>(
    caller: &Caller,
    route: impl Into<Route<'a>>,
    content_type: Option<&[u8]>,
    body: Bytes,
) -> Result<Call, Refusal> {
    let mut call = wire::read(route, content_type, body)?;
    fill(caller, &mut call);
    Ok(call)
}

/// The route with the maker of the model that is invoked, by the name under which it is asked at its provider.
pub(crate) fn with_maker<'a>(relay: &Relay, route: &Route<'a>) -> Route<'a> {
    if !route.endpoint.is_invoked() {
        return *route;
    }
    let catalog = relay.directory.catalog();
    let model = route.model().and_then(|name| catalog.model(&name));
    let mut targets = model.iter().flat_map(|model| &model.route).filter(|target| target.weight > 0);
    Route { maker: targets.find_map(|target| Maker::of(target.model.as_str())), ..*route }
}

/// Fills in what the account has defaults for: the narrowest account that says something wins.
pub(crate) fn fill(caller: &Caller, call: &mut Call) {
    for account in caller.path().iter().rev() {
        let settings = account.settings();
        let defaults = &settings.defaults;
        let temperature = || defaults.temperature.map(store::Temperature::json);
        call.fill(defaults.model.as_ref(), defaults.max_tokens, temperature);
    }
}

/// Finds the candidates and the worst case over all of them.
pub(crate) fn plan(relay: &Relay, caller: &Caller, call: &Call, now: Timestamp) -> Result<Plan, Refusal> {
    let catalog = relay.directory.catalog();
    let may_use = |model: &ModelId| caller.may_use(model);
    let usable = || caller.models(&catalog).map(|model| model.id.clone()).collect();
    catalog::plan(&catalog, may_use, usable, call, now, relay.clock.draw())
}

/// How the client wants to learn what a stream cost.
pub(crate) fn receipt_wishes(head: &RequestHead) -> ReceiptWishes {
    let names =
        |name: HeaderName, wanted: &[u8]| head.headers.words(&name).any(|word| word.eq_ignore_ascii_case(wanted));
    ReceiptWishes {
        trailers: names(TE, b"trailers"),
        comment: names(HeaderName::from_static("mandant-receipt"), b"sse"),
    }
}
