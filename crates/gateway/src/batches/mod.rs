//! Batches: many requests in one file, that a provider goes through in hours. See `docs/decisions/0011-batches.md`.
//!
//! What the lines of the file could cost at most is held when a batch is made, and stays held, as an attempt without an end,
//! until the provider says that the batch has ended. Then what its results used is charged, and the rest is free.

mod create;
mod lines;
mod measure;
mod watch;

pub(crate) use create::create;
pub(crate) use measure::plan;
pub(crate) use watch::watch;

use base::{AttemptId, Refusal, Timestamp};
use bytes::Bytes;
use http::StatusCode;
use store::{KeptObject, ObjectKind};
use wire::{Call, Endpoint, Results, Route};

use crate::authenticate::Caller;
use crate::files;
use crate::relay::Relay;

/// Most requests in one batch, and most bytes of the file that has them: what providers take.
pub(crate) const LINES_MAX: u64 = 50_000;
pub(crate) const BYTES_MAX: u64 = 200 << 20;
/// Longest request in a batch, in bytes: so much of a file is in memory at once.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 20;
/// Most batches of a tenant that are under way: each is asked for again and again.
const OPEN_MAX: u64 = 1_000;
/// Most batches of a tenant in its list, and how long one is there.
const LISTED_MAX: u64 = 100_000;
const LISTED_MICROS: i64 = 365 * 24 * 3_600 * 1_000_000;
/// Batches in one page of a list where nobody says how many.
const PAGE_ROWS: usize = 20;

/// Refuses a batch more than a tenant may have.
async fn check_room(relay: &Relay, caller: &Caller, kind: ObjectKind) -> Result<(), Refusal> {
    let (tenant, now) = (caller.tenant().id().clone(), relay.clock.now());
    let counted = files::blocking(relay, move |store| {
        Ok((store.count_open_batches(&tenant)?, store.count_objects(&tenant, kind, now)?))
    });
    let (open, listed) = counted.await?;
    if open >= OPEN_MAX {
        let sentence = format!("{OPEN_MAX} batches are under way. Wait until some have ended, or cancel some.");
        return Err(Refusal::invalid(None, sentence));
    }
    if listed >= LISTED_MAX {
        return Err(Refusal::invalid(None, format!("The tenant made {LISTED_MAX} batches within a year.")));
    }
    Ok(())
}

/// What kind of batch an endpoint is about.
fn kind_of(endpoint: Endpoint) -> ObjectKind {
    if endpoint.is_of_messages() { ObjectKind::MessageBatch } else { ObjectKind::Batch }
}

/// What an answer says of a batch, for the list.
fn object_of(kind: ObjectKind, document: &Bytes, now: Timestamp) -> Option<KeptObject> {
    let said: serde_json::Value = serde_json::from_slice(document).ok()?;
    Some(KeptObject {
        kind,
        id: said.get("id")?.as_str()?.to_owned(),
        purpose: String::new(),
        expires: Some(Timestamp::from_micros(now.micros().saturating_add(LISTED_MICROS))),
        document: document.to_vec(),
    })
}

/// Notes a new batch before its client hears of it: from now on it is looked after.
///
/// # Errors
/// 500 when that cannot be written: its hold stays.
async fn note_new(
    relay: &Relay,
    caller: &Caller,
    call: &Call,
    attempt: AttemptId,
    body: &Bytes,
) -> Result<(), Refusal> {
    let Some(batch) = object_of(kind_of(call.endpoint()), body, relay.clock.now()) else {
        tracing::error!(%attempt, "a provider made a batch and did not say which; its hold stays");
        return Ok(());
    };
    let tenant = caller.tenant().id().clone();
    files::blocking(relay, move |store| store.keep_batch(&tenant, attempt, &batch)).await
}

/// Notes what an answer says of a batch that is known, before it goes out. Of one that has ended, what it cost is settled
/// soon: nobody waits for the next look.
///
/// # Errors
/// 500 when that cannot be written.
pub(crate) async fn note(
    relay: &Relay,
    caller: &Caller,
    call: &Call,
    status: StatusCode,
    body: &Bytes,
) -> Result<(), Refusal> {
    if !status.is_success() {
        return Ok(());
    }
    let tenant = caller.tenant().id().clone();
    match call.endpoint() {
        Endpoint::BatchGet | Endpoint::BatchCancel | Endpoint::MessageBatchGet | Endpoint::MessageBatchCancel => {}
        Endpoint::MessageBatchDelete => {
            let Some(id) = call.opened_objects().next().map(|(id, _)| id.to_owned()) else { return Ok(()) };
            let kind = ObjectKind::MessageBatch;
            return files::blocking(relay, move |store| store.forget_object(&tenant, kind, &id)).await;
        }
        _ => return Ok(()),
    }
    let Some(batch) = object_of(kind_of(call.endpoint()), body, relay.clock.now()) else { return Ok(()) };
    let has_ended = wire::batch_state(body).is_some_and(|state| state.has_ended);
    let is_due = files::blocking(relay, move |store| {
        store.keep_object(&tenant, &batch)?;
        Ok(has_ended && store.is_batch_open(&tenant, &batch.id)?)
    });
    if is_due.await? {
        relay.batch_bell.notify_one();
    }
    Ok(())
}

/// Whether a call may take results away.
pub(crate) fn may_delete_results(call: &Call) -> bool {
    matches!(call.endpoint(), Endpoint::FileDelete | Endpoint::MessageBatchDelete)
}

/// Refuses to delete the results of a batch before they are counted: they say what it cost.
///
/// # Errors
/// 503 until then.
pub(crate) async fn keep_results(relay: &Relay, caller: &Caller, call: &Call) -> Result<(), Refusal> {
    let of_batch = call.endpoint() == Endpoint::MessageBatchDelete;
    let Some(id) = call.opened_objects().next().map(|(sealed, _)| sealed.to_owned()) else { return Ok(()) };
    let tenant = caller.tenant().id().clone();
    let is_needed = files::blocking(relay, move |store| {
        if of_batch {
            return store.is_batch_open(&tenant, &id);
        }
        for batch in store.open_batches()?.into_iter().filter(|batch| batch.tenant == tenant) {
            let document = store.object(&tenant, batch.kind, &batch.id)?.unwrap_or_default();
            let results = wire::batch_state(&document).and_then(|state| state.results);
            if matches!(results, Some(Results::File(file)) if file == id) {
                return Ok(true);
            }
        }
        Ok(false)
    });
    if is_needed.await? {
        relay.batch_bell.notify_one();
        return Err(Refusal::Overloaded { retry_after: core::time::Duration::from_secs(2) });
    }
    Ok(())
}

/// The batches of a caller's tenant.
///
/// # Errors
/// As for [`files::list`].
pub(crate) async fn list(relay: &Relay, caller: &Caller, route: &Route<'_>) -> Result<Bytes, Refusal> {
    let kind = if route.endpoint == Endpoint::MessageBatchList { ObjectKind::MessageBatch } else { ObjectKind::Batch };
    files::list_of(relay, caller, route, kind, PAGE_ROWS).await
}
