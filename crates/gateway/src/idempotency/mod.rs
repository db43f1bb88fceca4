//! `Idempotency-Key`: a call that comes again is answered as the first time, and charged once.
//!
//! ```text
//!            enter            the hold ends              the answer ends
//! (nobody) -------> under way -------------> charged ------------------> kept
//!    ^                 |                        |
//!    +--- cost nothing +       cut, too large,  +----------------------> lost
//!                              unknown, killed
//! ```
//!
//! A key that cost nothing is free again. One that was charged is never: a call that comes again gets the kept answer, or
//! is told that it is lost. The journal's intents carry the keys, so that a killed process forgets none; answers are
//! written beside it, a moment after they ended.
//!
//! The owner of a key's end is its [`Claim`]: it goes from the pipeline into the hold, from there to the attempt that
//! reads the answer, and decides when it is dropped.

mod claim;
mod index;
mod keeper;
mod known;
mod recorder;
mod space;
mod stored;
mod sweep;

use std::sync::{Arc, Mutex};

use base::{Refusal, Timestamp};
use bytes::Bytes;
use http::HeaderName;
use store::{Idempotency, Store};
use tokio::sync::Semaphore;
use wire::Route;

pub(crate) use claim::Claim;
pub(crate) use recorder::Recorder;
pub(crate) use stored::StoredAnswer;
pub(crate) use sweep::forget_expired;

use crate::authenticate::Caller;
use crate::heads::RequestHead;
use crate::settings::Settings;
use crate::tasks::Tasks;
use index::Index;
use keeper::Queue;
use known::{AnswerState, Found};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Larger bodies are hashed off the event loop.
const INLINE_BYTES_MAX: usize = 256 << 10;
/// Answers read from the store at once: the others wait, so that they do not take all blocking threads.
const READS_MAX: usize = 4;
/// When to look again for a call that is under way.
const IN_FLIGHT_RETRY: core::time::Duration = core::time::Duration::from_secs(1);

/// All keys of the process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keys {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<Store>,
    tasks: Tasks,
    index: Index,
    /// Largest answer that is kept, in bytes.
    answer_bytes_max: usize,
    queue: Mutex<Queue>,
    reads: Semaphore,
}

/// What a call meets.
pub(crate) enum Entry {
    /// It has no key.
    Unkeyed,
    /// It is the first with its key.
    First(Claim),
    /// It came before, and this is what it was answered.
    Again(Arc<StoredAnswer>),
}

impl Keys {
    pub(crate) fn new(store: Arc<Store>, tasks: Tasks, settings: &Settings) -> Keys {
        let shared = Shared {
            store,
            tasks,
            index: Index::new(settings),
            answer_bytes_max: settings.idempotency_answer_bytes_max,
            queue: Mutex::default(),
            reads: Semaphore::new(READS_MAX),
        };
        Keys { shared: Arc::new(shared) }
    }

    /// Finds out whether a call came before, and claims its key if not.
    ///
    /// # Errors
    /// 400 for a bad key, 409 while the first call is under way or when its answer is lost, 422 for another body, 503
    /// when no more keys can be remembered.
    pub(crate) async fn enter(
        &self,
        caller: &Caller,
        route: &Route<'_>,
        head: &RequestHead,
        body: &Bytes,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let Some(key) = key_of(head)? else { return Ok(Entry::Unkeyed) };
        let idempotency = self.digests(caller, route, key, body).await?;
        let tenant = caller.tenant().id();
        match self.shared.index.claim(tenant, idempotency, now) {
            Found::Nothing => Ok(Entry::First(Claim::new(&self.shared, tenant.clone(), idempotency, now))),
            Found::OtherBody => Err(Refusal::IdempotencyMismatch),
            Found::UnderWay => Err(Refusal::IdempotencyInFlight { retry_after: IN_FLIGHT_RETRY }),
            Found::Full => {
                tracing::error!(%tenant, "no more idempotency keys can be remembered; a call is refused");
                Err(Refusal::Overloaded { retry_after: core::time::Duration::from_secs(60) })
            }
            Found::Ended(_, AnswerState::Lost) => Err(Refusal::IdempotencyLost),
            Found::Ended(_, AnswerState::Waiting(answer)) => Ok(Entry::Again(answer)),
            Found::Ended(attempt, AnswerState::Written) => self.read(attempt).await.map(Entry::Again),
        }
    }

    async fn digests(
        &self,
        caller: &Caller,
        route: &Route<'_>,
        key: &[u8],
        body: &Bytes,
    ) -> Result<Idempotency, Refusal> {
        let asked = route.asked();
        let digest = move |store: &Store, caller: &Caller, key: &[u8], body: &[u8]| {
            let credential = caller.key();
            // A service key acts for several tenants: both its own and the one that pays are part of the name.
            let account = [
                caller.tenant().id().as_str(),
                credential.tenant().id().as_str(),
                credential.project().as_str(),
                credential.id().as_str(),
            ];
            store.idempotency(&account, key, &asked, body)
        };
        if body.len() <= INLINE_BYTES_MAX {
            return Ok(digest(&self.shared.store, caller, key, body));
        }
        let (store, caller, key, body) = (self.shared.store.clone(), caller.clone(), key.to_vec(), body.clone());
        let hashed = tokio::task::spawn_blocking(move || digest(&store, &caller, &key, &body)).await;
        hashed.map_err(|_| Refusal::Internal)
    }

    async fn read(&self, attempt: base::AttemptId) -> Result<Arc<StoredAnswer>, Refusal> {
        let _permit = self.shared.reads.acquire().await.map_err(|_| Refusal::Internal)?;
        let store = self.shared.store.clone();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = store.kept_answer(attempt)?;
            Ok::<_, store::StoreError>(bytes.and_then(|bytes| StoredAnswer::decode(&bytes)))
        });
        match read.await {
            Ok(Ok(Some(answer))) => Ok(Arc::new(answer)),
            // It was dropped for newer ones, or expired, between the look and the reading.
            Ok(Ok(None)) => Err(Refusal::IdempotencyLost),
            Ok(Err(error)) => {
                tracing::error!(%attempt, %error, "a kept answer cannot be read");
                Err(Refusal::Internal)
            }
            Err(_) => Err(Refusal::Internal),
        }
    }
}

/// Whether a call has a key: then its body is held whole.
pub(crate) fn is_keyed(head: &RequestHead) -> bool {
    head.method == http::Method::POST && head.headers.contains(&HEADER)
}

/// The call's key, if it has one.
fn key_of(head: &RequestHead) -> Result<Option<&[u8]>, Refusal> {
    // What reads or deletes may be repeated as it is.
    let key = head.headers.get(&HEADER).filter(|_| head.method == http::Method::POST);
    let Some(key) = key else { return Ok(None) };
    if head.headers.get_all(&HEADER).nth(1).is_some() {
        return Err(Refusal::ambiguous("Idempotency-Key", "'Idempotency-Key' stands twice. Send it once."));
    }
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.iter().all(u8::is_ascii_graphic) {
        let reason = "'Idempotency-Key' must be 1 to 255 visible ASCII characters, such as a UUID.";
        return Err(Refusal::invalid(Some("Idempotency-Key"), reason));
    }
    Ok(Some(key))
}
