//! Realtime sessions: a WebSocket of a client and one of a provider, with the meter in between.
//!
//! Each response of a session is a call of its own: planned, admitted, held and recorded like any other, before the event
//! that may lead to it is passed on, and settled by the usage of its end before the client sees that. A session as such
//! takes a slot of its tenant and counts as a request, and costs nothing.

mod connect;
mod end;
mod handshake;
mod session;
mod turns;

use std::sync::Arc;

use base::Refusal;
use core::time::Duration;
use http::Method;
use tokio::sync::oneshot;
use wire::realtime::Context;

use crate::authenticate::Caller;
use crate::headers;
use crate::heads::RequestHead;
use crate::hold::Label;
use crate::intake;
use crate::realtime::connect::Connected;
use crate::realtime::handshake::Offer;
use crate::realtime::session::Session;
use crate::realtime::turns::Slot;
use crate::refuse::Refused;
use crate::relay::Relay;
use crate::reply::Reply;

/// The refusal of a request without a route. Who asks for a WebSocket where there is none would try again after a 405.
pub(crate) fn refused(refusal: Refusal, head: &RequestHead) -> Refusal {
    match refusal {
        Refusal::MethodNotAllowed { .. } if head.method == Method::GET && handshake::wants_websocket(head) => {
            Refusal::NoWebSocket
        }
        refusal => refusal,
    }
}

/// Opens a session: everything that can be refused with a status is refused here, before the protocol changes.
///
/// # Errors
/// 400 for what is no opening of a WebSocket; 403 and 404 for the model; 429 for the tenant's limits; 503 when there are
/// too many sessions; 502 and 504 when no provider opens one.
pub(crate) async fn open(
    relay: &Arc<Relay>,
    caller: &Caller,
    head: &RequestHead,
    label: &Label,
) -> Result<Reply, Refused> {
    let offer = Offer::read(head)?;
    let mut call = wire::realtime::call(offer.model.clone(), Context::default().billable(None, 0));
    for account in caller.path().iter().rev() {
        call.fill(account.settings().defaults.model.as_ref(), None, || None);
    }
    let plan = intake::plan(relay, caller, &call, label.at)?;
    let place = relay.sessions.clone().try_acquire_owned();
    let place = place.map_err(|_| Refusal::Overloaded { retry_after: Duration::from_secs(1) })?;
    let (slot, tightest) = Slot::take(relay, caller.path(), plan.model())?;
    let open = match connect::connect(relay, &plan, head, &offer).await? {
        Connected::Open(open) => *open,
        Connected::Answered(reply) => return Ok(*reply),
    };
    let mut reply = offer.accept(open.protocol.as_deref());
    headers::limits(&mut reply.fields, &tightest, relay.clock.now());
    let (successor, stream) = oneshot::channel();
    reply.successor = Some(successor);
    let (relay, caller, request_id) = (relay.clone(), caller.clone(), label.request_id);
    relay.clone().tasks.spawn(async move {
        let _taken = (place, slot);
        match stream.await {
            Ok(stream) => Session::run(relay, caller, request_id, stream, open).await,
            Err(_) => tracing::debug!("a client left while its session was opened"),
        }
    });
    Ok(reply)
}
