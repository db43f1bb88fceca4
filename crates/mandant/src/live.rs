//! The running relay as the control interface sees it: the one place where the two meet.

use std::sync::{Arc, PoisonError, RwLock};

use base::TenantId;
use bytes::Bytes;
use control::Live;
use gateway::Running;
use serde_json::Value;
use store::Directory;
use store::status::TenantStatus;

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

    /// Blocks until every usage record so far is durable.
    pub(crate) fn flush(&self) {
        if let Some(running) = self.running.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            running.flush();
        }
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

    fn explain(&self, key: &str, endpoint: &str, body: Bytes) -> Result<Value, String> {
        let route = wire::route("POST", endpoint).map_err(|refusal| refusal.message())?;
        let explained = self.with(|running| running.explain(key, route.endpoint, body));
        let explained = explained.ok_or("There is no such key, or it may not be used now.")?;
        serde_json::to_value(explained).map_err(|error| format!("The explanation cannot be written: {error}."))
    }

    fn refresh(&self) {
        if let Err(error) = self.directory.sync() {
            tracing::error!(%error, "a change is stored, but not in force yet");
        }
    }

    fn ready(&self) -> bool {
        self.with(|_| Some(())).is_some()
    }
}
