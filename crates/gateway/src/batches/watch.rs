//! Looks after batches until they have ended: asks their providers now and then, and settles what they cost by what their
//! results used. What is not known stays held, and is asked again; a start goes on where the process before it stopped.

use core::time::Duration;
use std::collections::HashSet;
use std::sync::{Arc, Weak};

use base::{Money, UpstreamId};
use bytes::Bytes;
use catalog::Rates;
use store::{ObjectKind, OpenBatch, OwnedObject, StoreError};
use thiserror::Error;
use tokio::time::timeout;
use wire::{BatchState, Endpoint, ResultLine, Results, Usage};

use super::lines::{Lines, LinesError};
use super::object_of;
use crate::hold::tell_unpriced;
use crate::holds::{ResolveError, Used};
use crate::relay::Relay;
use crate::upstream::{ConnectError, LookError, Pool};

/// Largest batch object of a provider, in bytes.
const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Largest file of results, in bytes: what is larger is not counted, and stays held until its deadline.
const RESULTS_BYTES_MAX: u64 = 8 << 30;
/// Between two rounds at least.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// How long one look may take that reads no results.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a batch is not settled yet.
#[derive(Debug, Error)]
enum Unsettled {
    #[error("its id does not open, or its upstream is gone")]
    Unreachable,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Look(#[from] LookError),
    #[error("its results: {0}")]
    Lines(#[from] LinesError),
    #[error("line {0} of its results does not say what it cost")]
    Line(u64),
    #[error("{answered} results are there, and {completed} are said to be")]
    Missing { answered: u64, completed: u64 },
    #[error("its provider does not say what became of it")]
    Untold,
    #[error("its prices are gone")]
    Prices,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("its hold may not be in the store yet")]
    Behind,
    #[error("the process stops")]
    Stopping,
}

/// Looks after all batches, until the relay is gone.
pub(crate) async fn watch(relay: Weak<Relay>) {
    loop {
        let (pause, bell) = {
            let Some(relay) = relay.upgrade() else { return };
            let tasks = relay.tasks.clone();
            tokio::select! {
                () = tasks.stopping() => return,
                () = look_at_all(&relay) => {}
            }
            (relay.settings.batch_poll, relay.batch_bell.clone())
        };
        // However often it is rung.
        tokio::time::sleep(PAUSE_MIN.min(pause)).await;
        let _rung = timeout(pause, bell.notified()).await;
    }
}

async fn look_at_all(relay: &Arc<Relay>) {
    let open = match blocking(relay, |relay| relay.store.open_batches()).await {
        Ok(open) => open,
        Err(error) => return tracing::error!(%error, "the batches that are under way cannot be read"),
    };
    // Of an upstream that does not answer, the others wait for the next time.
    let mut silent: HashSet<UpstreamId> = HashSet::new();
    for batch in open {
        let Some(object) = relay.object_seal.open(&batch.tenant, &batch.id) else {
            tracing::error!(attempt = %batch.attempt, "the id of a batch does not open");
            continue;
        };
        if silent.contains(&object.origin.upstream) {
            continue;
        }
        match look(relay, &batch, &object).await {
            Ok(()) => {}
            Err(error @ (Unsettled::Connect(_) | Unsettled::Look(LookError::Timeout | LookError::Broken(_)))) => {
                tracing::warn!(attempt = %batch.attempt, upstream = %object.origin.upstream, %error, "a batch cannot be looked at");
                silent.insert(object.origin.upstream);
            }
            Err(error) => {
                tracing::warn!(attempt = %batch.attempt, tenant = %batch.tenant, %error, "a batch is not settled yet; its hold stays");
            }
        }
    }
}

/// Runs work that waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    relay: &Arc<Relay>,
    work: impl FnOnce(&Relay) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Unsettled> {
    let relay = relay.clone();
    match tokio::task::spawn_blocking(move || work(&relay)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Unsettled::Stopping),
    }
}

/// Looks at one batch, and settles it where it has ended.
async fn look(relay: &Arc<Relay>, batch: &OpenBatch, object: &OwnedObject) -> Result<(), Unsettled> {
    let catalog = relay.directory.catalog().clone();
    let upstream = catalog.upstream(object.origin.upstream.as_str()).ok_or(Unsettled::Unreachable)?;
    let pool = relay.upstreams.pool(upstream)?;
    let path = path_of(batch.kind, &object.id);
    let asked = async { pool.look(&path).await?.whole(DOCUMENT_BYTES_MAX).await };
    let document = timeout(LOOK_TIMEOUT, asked).await.map_err(|_| LookError::Timeout)??;
    let state = wire::batch_state(&document).ok_or(Unsettled::Untold)?;
    note(relay, batch, object, &document).await?;
    if state.has_ended { settle(relay, (batch, object), &pool, &state).await } else { Ok(()) }
}

/// Where a provider has a batch.
fn path_of(kind: ObjectKind, id: &str) -> String {
    let collection = if kind == ObjectKind::MessageBatch { "/messages/batches" } else { "/batches" };
    format!("{collection}/{id}")
}

/// Notes what the provider says, for lists.
async fn note(relay: &Arc<Relay>, batch: &OpenBatch, object: &OwnedObject, document: &Bytes) -> Result<(), Unsettled> {
    let mut rename = |id: &str, _| Some(relay.object_seal.seal(&batch.tenant, &object.origin, id));
    let sealed = wire::rename_objects(wire::Endpoint::BatchGet, document, &mut rename)
        .map_or_else(|| document.clone(), Bytes::from);
    let Some(known) = object_of(batch.kind, &sealed, relay.clock.now()).filter(|known| known.id == batch.id) else {
        return Err(Unsettled::Untold);
    };
    let (tenant, kind) = (batch.tenant.clone(), batch.kind);
    blocking(relay, move |relay| {
        // An unchanged one is not written again.
        if relay.store.object(&tenant, kind, &known.id)?.as_ref() == Some(&known.document) {
            return Ok(());
        }
        relay.store.keep_object(&tenant, &known)
    })
    .await
}

async fn settle(
    relay: &Arc<Relay>,
    (batch, object): (&OpenBatch, &OwnedObject),
    pool: &Arc<Pool>,
    state: &BatchState,
) -> Result<(), Unsettled> {
    let attempt = batch.attempt;
    // A hold that the store does not have yet would look like one that has ended.
    let hold = blocking(relay, move |relay| relay.applier.flush().then(|| relay.store.hold(attempt)).transpose());
    if let Some(intent) = hold.await?.ok_or(Unsettled::Behind)? {
        let (model, version) = (intent.model.clone(), intent.price_version);
        let rates = blocking(relay, move |relay| relay.store.rates(&model, version)).await?;
        let rates = rates.ok_or(Unsettled::Prices)?.for_batch();
        let path = path_of(batch.kind, &object.id);
        let counted = count(pool, &path, state, &rates, relay.settings.stream_line_bytes_max).await?;
        tell_unpriced(&rates, &counted.usage, &intent.model);
        let used = Used { id: object.id.clone(), ..counted };
        let settlement = relay.end_kept(&intent, &used).await?;
        tracing::info!(%attempt, tenant = %batch.tenant, charged_usd = %settlement.charged.usd, "a batch has ended");
    }
    // It has ended, by this or by a decision; nothing is left to look after.
    blocking(relay, move |relay| relay.store.end_batch(attempt)).await
}

/// What the results of a batch used and cost: each answer is rated for itself, as a call's is.
async fn count(
    pool: &Arc<Pool>,
    path: &str,
    state: &BatchState,
    rates: &Rates,
    line_bytes_max: usize,
) -> Result<Used, Unsettled> {
    let mut used = Used::default();
    let Some(results) = &state.results else {
        return match state.completed {
            // Nothing was answered.
            Some(0) => Ok(used),
            Some(completed) => Err(Unsettled::Missing { answered: 0, completed }),
            None => Err(Unsettled::Untold),
        };
    };
    let endpoint: Endpoint = state.endpoint.ok_or(Unsettled::Untold)?;
    let results = match results {
        Results::File(file) => format!("/files/{file}/content"),
        Results::OfBatch => format!("{path}/results"),
    };
    let look = pool.look(&results).await?;
    let mut lines = Lines::new(look, line_bytes_max, RESULTS_BYTES_MAX, None);
    let mut answered = 0;
    while let Some(line) = lines.next().await? {
        match wire::result_line(endpoint, &line) {
            Ok(ResultLine::Failed) => {}
            Ok(ResultLine::Answered(usage)) => {
                answered += 1;
                used.add(&usage, rates.charge(&usage));
            }
            Err(_) => return Err(Unsettled::Line(lines.number())),
        }
        if lines.number().is_multiple_of(64) {
            tokio::task::yield_now().await;
        }
    }
    match state.completed {
        Some(completed) if answered < completed => Err(Unsettled::Missing { answered, completed }),
        _ => Ok(used),
    }
}

impl Used {
    /// Adds one answer.
    fn add(&mut self, usage: &Usage, usd: Money) {
        self.usage = self.usage.plus(usage);
        self.usd = self.usd.checked_add(usd).unwrap_or(Money::MAX);
    }
}
