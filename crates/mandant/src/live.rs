//! The running relay as the control interface sees it: the one place where the two meet.

use std::sync::{Arc, PoisonError, RwLock};

use base::{AttemptId, TenantId};
use bytes::Bytes;
use control::{Decision, Live, Resolution, Unresolved};
use gateway::{ResolveError, Running};
use serde_json::Value;
use store::status::TenantStatus;
use store::{Directory, OpenHold};

const STOPPING: &str = "the relay is being stopped";

/// The relay while it runs; nothing once it was taken out to be stopped.
pub(crate) struct LiveRelay {
    directory: Arc<Directory>,
    running: RwLock<Option<Running>>,
}

impl LiveRelay {
    pub(crate) fn new(directory: Arc<Directory>, running: Running) -> LiveRelay {
        LiveRelay { directory, running: RwLock::new(Some(running)) }
    }

    /// Takes the relay out, to be stopped; from then on nothing is ready.
    pub(crate) fn take(&self) -> Option<Running> {
        self.running.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns when nothing can be paid for any more, because the disk failed.
    pub(crate) async fn poisoned(&self) {
        let poisoned = self.with(|running| Some(running.poisoned()));
        match poisoned {
            Some(poisoned) => poisoned.await,
            None => core::future::pending().await,
        }
    }

    fn with<T>(&self, ask: impl FnOnce(&Running) -> Option<T>) -> Option<T> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(ask)
    }
}

impl Live for LiveRelay {
    fn status(&self, tenant: &TenantId) -> Option<TenantStatus> {
        self.with(|running| running.status(tenant))
    }

    fn flush(&self) {
        self.with(|running| {
            running.flush();
            Some(())
        });
    }

    fn explain(&self, key: &str, endpoint: &str, body: Bytes) -> Result<Value, String> {
        let route = wire::route("POST", endpoint, "", wire::Accent::default()).map_err(|refusal| refusal.message())?;
        let explained = self.with(|running| running.explain(key, endpoint, &route, body));
        let explained = explained.ok_or("There is no such key, or it may not be used now.")?;
        let explained = explained.map_err(|refusal| refusal.message())?;
        serde_json::to_value(explained).map_err(|error| format!("The explanation cannot be written: {error}."))
    }

    fn refresh(&self) {
        if let Err(error) = self.directory.sync() {
            tracing::error!(%error, "a change is stored, but not in force yet");
        }
    }

    fn holds(&self) -> Result<Vec<OpenHold>, String> {
        let holds = self.with(|running| Some(running.holds())).ok_or(STOPPING)?;
        holds.map_err(|error| error.to_string())
    }

    /// Blocks; the control interface asks on a thread that may.
    fn resolve(&self, attempt: AttemptId, decision: Decision, reason: &str) -> Result<Resolution, Unresolved> {
        let decision = match decision {
            Decision::ChargeWhole => gateway::Decision::ChargeWhole,
            Decision::Charge(usd) => gateway::Decision::Charge(usd),
            Decision::Release => gateway::Decision::Release,
        };
        let event_loop = tokio::runtime::Handle::current();
        let resolved = self.with(|running| Some(event_loop.block_on(running.resolve(attempt, decision, reason))));
        match resolved {
            Some(Ok(settlement)) => Ok(Resolution { charged: settlement.charged, released: settlement.released }),
            Some(Err(ResolveError::NoSuchAttempt(_))) => Err(Unresolved::NoSuchAttempt),
            Some(Err(ResolveError::TooMuch { held, .. })) => Err(Unresolved::TooMuch { held }),
            Some(Err(error @ ResolveError::Journal(_))) => Err(Unresolved::Failed(error.to_string())),
            None => Err(Unresolved::Failed(STOPPING.into())),
        }
    }

    fn metrics(&self) -> Option<String> {
        self.with(|running| Some(running.metrics()))
    }

    fn ready(&self) -> bool {
        self.with(|_| Some(())).is_some()
    }
}
