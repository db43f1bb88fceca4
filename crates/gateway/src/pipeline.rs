//! The request path, from top to bottom. Each stage returns a value that only it can make; the next one asks for it.
//!
//! ```text
//! authenticate -> Caller    401 403 404   from headers alone, before the body is read
//! read         -> Call      400 413       bytes kept verbatim
//! enter        -> Entry     409 422       only with an Idempotency-Key: the first call, or the answer of an earlier one
//! plan         -> Plan      403 404       candidates, and the worst case over all of them
//! admit        -> Admitted  429 503       every window of every level; its turn at an upstream
//! reserve      -> Hold      402           every budget of every level; the intent is in the journal
//! forward      -> Answer    502 504       retries and fail-over inside the hold
//! deliver      -> Response                owns the hold until the last byte, and settles it
//! ```

use std::net::IpAddr;
use std::sync::Arc;

use base::Refusal;
use catalog::Plan;
use tokio::time::Instant;
use wire::{Call, Endpoint, Route};

use crate::admit::admit;
use crate::answer::{self, AnswerBody, MeteredStream, Room};
use crate::authenticate::{Caller, authenticate};
use crate::books::Asked;
use crate::client_body::ClientBody;
use crate::cors::Cors;
use crate::forward::forward;
use crate::heads::RequestHead;
use crate::hold::Label;
use crate::idempotency::{Entry, StoredAnswer};
use crate::refuse::Refused;
use crate::relay::Relay;
use crate::reply::Reply;
use crate::reserve::reserve;
use crate::trace::Trace;
use crate::{authenticate, batches, estimate, files, headers, inquiry, intake, owned, realtime, refuse, upload};

/// Answers one request. Never fails: a refusal is an answer too.
pub(crate) async fn handle(relay: Arc<Relay>, address: IpAddr, head: RequestHead, body: ClientBody) -> Reply {
    let cors = Cors::of(&relay.settings.cors_origins, &head);
    if let Some(reply) = cors.preflight(&head) {
        return reply;
    }
    let running = relay.tasks.enter();
    let started = Instant::now();
    let mut trace = Trace::new(relay.clock.moment_of(started));
    let label = Label { request_id: relay.clock.request_id(), started, at: relay.clock.now(), claim: None };
    let id = label.request_id;

    let (route, caller) = match identify(&relay, &head, address, label.at) {
        Ok(identified) => identified,
        Err(refusal) => {
            relay.counts.refused(&refusal);
            let mut reply = refuse::unidentified(&head, &refusal, id);
            cors.allow(&mut reply.fields);
            return reply;
        }
    };
    trace.authenticated(relay.clock.moment());
    let answered = if route.endpoint == Endpoint::Realtime {
        // On the heap: a call's future, which is moved there whole, would have to have room for it.
        Box::pin(realtime::open(&relay, &caller, &head, &label)).await
    } else if route.endpoint.is_billed() {
        call(&relay, &caller, &route, &head, body, label, &mut trace, running).await
    } else {
        inquiry::answer(&relay, &caller, &route, &head, body).await.map_err(Refused::from)
    };
    let mut reply = match answered {
        Ok(reply) => {
            relay.counts.answered(reply.status);
            reply
        }
        Err(refused) => {
            relay.counts.refused(&refused.refusal);
            refuse::caller(&relay, &caller, route.dialect, &refused, id)
        }
    };
    headers::request_id(&mut reply.fields, route.dialect, id);
    headers::tenant(&mut reply.fields, caller.tenant().id().as_str());
    headers::timing(&mut reply.fields, &trace, relay.clock.moment());
    cors.allow(&mut reply.fields);
    reply
}

/// What is asked, and who asks.
fn identify<'a>(
    relay: &Relay,
    head: &'a RequestHead,
    address: IpAddr,
    now: base::Timestamp,
) -> Result<(Route<'a>, Caller), Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let found = wire::route(head.method.as_str(), head.uri.path(), query, authenticate::accent(head));
    let route = found.map_err(|refusal| realtime::refused(refusal, head))?;
    let caller = authenticate(head, address, &relay.directory, now)?;
    Ok((route, caller))
}

/// A call that costs money.
#[expect(clippy::too_many_arguments, reason = "everything that a call is made of, once")]
async fn call(
    relay: &Arc<Relay>,
    caller: &Caller,
    route: &Route<'_>,
    head: &RequestHead,
    body: ClientBody,
    mut label: Label,
    trace: &mut Trace,
    running: crate::tasks::Running,
) -> Result<Reply, Refused> {
    let request_id = label.request_id;
    let body = upload::arrive(relay, caller, route, head, body).await?;
    let arrived = relay.clock.moment();
    trace.body_read(arrived);
    // A body may come slowly: a record is dated when its call counts in the windows.
    label.at = label.at.saturating_add(trace.since_start(arrived));
    label.claim = match relay.keys.enter(caller, route, head, &body.content(head), label.at).await? {
        Entry::Unkeyed => None,
        Entry::First(claim) => Some(claim),
        Entry::Again(answer) => return Ok(again(relay, caller, &answer, head)),
    };
    let bytes = body.held_bytes();
    let (mut call, upload) = body.call(caller, &intake::with_maker(relay, route), head)?;
    owned::open(relay, caller, &mut call)?;
    files::choose_place(relay, caller, head, &mut call).await?;
    if batches::may_delete_results(&call) {
        Box::pin(batches::keep_results(relay, caller, &call)).await?;
    }
    if let Some(reply) = estimate::answer(relay, caller, &call, arrived)? {
        return Ok(reply);
    }
    let mut plan = if call.endpoint().makes_batch() {
        Box::pin(batches::plan(relay, caller, &mut call, &label, arrived)).await?
    } else {
        intake::plan(relay, caller, &call, label.at)?
    };
    let admitted = admit(relay, caller.clone(), &plan, &call, bytes, arrived).await;
    let admitted = admitted.map_err(|refusal| refused(relay, caller, &plan, &call, refusal))?;
    let tightest = admitted.tightest;
    trace.admitted(relay.clock.moment(), admitted.waited());
    let hold = reserve(admitted, &mut plan, &mut call, label).await;
    let hold = hold.map_err(|refusal| refused(relay, caller, &plan, &call, refusal))?;
    trace.reserved(relay.clock.moment());
    let (worst, limit, intent) = (hold.worst(), hold.output_limit(), hold.intent());
    if call.endpoint().makes_batch() {
        let made = Box::pin(batches::create(relay, caller, &plan, hold, call, head)).await;
        let mut reply = made.map_err(Refused::from)?;
        headers::limits(&mut reply.fields, &tightest, relay.clock.now());
        return Ok(reply);
    }
    relay.before_forwarding(intent).await?;
    let call = Arc::new(call);
    let answered = forward(&plan, hold, &call, head, upload.as_ref()).await;
    // Whatever the client learns, it learns after the intent is durable.
    relay.before_answering(intent).await?;
    let mut answer = answered.map_err(|refusal| refused(relay, caller, &plan, &call, refusal))?;
    if answer.attempt.meter().is_encoded() {
        let mut reply = answer::instead_of_encoded(answer, route.dialect, request_id)?;
        headers::limits(&mut reply.fields, &tightest, relay.clock.now());
        return Ok(reply);
    }

    let mut reply = Reply::new(answer.head.status, AnswerBody::Whole(None));
    answer::pass_headers(&answer.head, &mut reply.fields);
    if call.endpoint().is_invoked() {
        answer::pass_counts(&answer.head, &mut reply.fields);
    }
    headers::limits(&mut reply.fields, &tightest, relay.clock.now());
    headers::output_limit(&mut reply.fields, limit);
    if answer.attempt.meter().is_stream() {
        trace.answered(relay.clock.moment());
        let wishes = intake::receipt_wishes(head);
        headers::hold(&mut reply.fields, worst);
        MeteredStream::announce(&mut reply.fields, wishes);
        let stream = MeteredStream::new(answer, request_id, wishes, running);
        reply.body = AnswerBody::Stream(Box::new(stream));
    } else {
        let room = Room { answers: &relay.answers, tenant: caller.path()[0].index };
        let (body, receipt) = answer::gather(answer, relay.settings.answer_bytes_max, room).await?;
        trace.answered(relay.clock.moment());
        files::note(relay, caller, &call, reply.status, &body).await?;
        if call.endpoint().answers_batch() {
            Box::pin(batches::note(relay, caller, &call, reply.status, &body)).await?;
        }
        if let Some(receipt) = receipt {
            headers::receipt(&mut reply.fields, &receipt);
        }
        reply.body = AnswerBody::whole(body);
    }
    Ok(reply)
}

/// A refusal of a call of which it is known what it asks for, with what is left of its limits.
fn refused(relay: &Relay, caller: &Caller, plan: &Plan, call: &Call, refusal: Refusal) -> Refused {
    let asked = Asked::of(caller.path(), plan, call);
    Refused { refusal, tightest: Some(relay.books.tightest(&asked, relay.clock.moment())) }
}

/// The answer of an earlier call with the same idempotency key. It costs nothing and counts against no window.
fn again(relay: &Relay, caller: &Caller, answer: &StoredAnswer, head: &RequestHead) -> Reply {
    let mut reply = answer.reply(intake::receipt_wishes(head).comment);
    refuse::limits(relay, caller, &mut reply.fields);
    reply
}
