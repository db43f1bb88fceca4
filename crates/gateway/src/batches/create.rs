//! Makes a batch. Its client may leave meanwhile: whatever its provider made is noted all the same.

use std::sync::Arc;

use base::Refusal;
use catalog::Plan;
use tokio::sync::oneshot;
use wire::Call;

use super::note_new;
use crate::answer::{self, AnswerBody, Room};
use crate::authenticate::Caller;
use crate::forward::forward;
use crate::headers;
use crate::heads::RequestHead;
use crate::hold::Hold;
use crate::relay::Relay;
use crate::reply::Reply;

/// Sends a batch for which all is held, and notes it before its client hears of it.
///
/// # Errors
/// Those of [`forward`] and [`answer::gather`]; 500 when it cannot be noted, and then its hold stays.
pub(crate) async fn create(
    relay: &Arc<Relay>,
    caller: &Caller,
    plan: &Plan,
    hold: Hold,
    call: Call,
    head: &RequestHead,
) -> Result<Reply, Refusal> {
    let (tell, told) = oneshot::channel();
    let (relay, caller, plan, head) = (relay.clone(), caller.clone(), plan.clone(), head.clone());
    let tasks = relay.tasks.clone();
    tasks.spawn(async move {
        // A client that is gone has nobody to tell.
        let _gone = tell.send(make(&relay, &caller, &plan, hold, Arc::new(call), &head).await);
    });
    told.await.unwrap_or(Err(Refusal::Internal))
}

async fn make(
    relay: &Arc<Relay>,
    caller: &Caller,
    plan: &Plan,
    hold: Hold,
    call: Arc<Call>,
    head: &RequestHead,
) -> Result<Reply, Refusal> {
    let (attempt, intent) = (hold.attempt(), hold.intent());
    // What goes on for hours is known after a loss of power too, whatever was promised for calls.
    relay.durable(intent).await?;
    let answer = forward(plan, hold, &call, head, None).await?;
    let mut reply = Reply::new(answer.head.status, AnswerBody::Whole(None));
    answer::pass_headers(&answer.head, &mut reply.fields);
    let room = Room { answers: &relay.answers, tenant: caller.path()[0].index };
    let (body, receipt) = answer::gather(answer, relay.settings.answer_bytes_max, room).await?;
    if reply.status.is_success() {
        note_new(relay, caller, &call, attempt, &body).await?;
    }
    if let Some(receipt) = receipt {
        headers::receipt(&mut reply.fields, &receipt);
    }
    reply.body = AnswerBody::whole(body);
    Ok(reply)
}
