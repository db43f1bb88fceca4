//! Starting the relay, asking it things while it runs, and stopping it without losing a record.

use std::net::SocketAddr;
use std::sync::Arc;

use base::TenantId;
use bytes::Bytes;
use store::status::TenantStatus;
use store::{Directory, Store, StoreError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::Endpoint;

use crate::authenticate::Caller;
use crate::books::Books;
use crate::clock::Clock;
use crate::explain::{self, Explanation};
use crate::recorder::Recorder;
use crate::relay::Relay;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::upstream::{PoolLimits, Tls, Upstreams};
use crate::{server, status};

/// Why the relay does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The trusted authorities cannot be read.
    #[error("the certificate authorities cannot be used: {0}")]
    Authorities(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A relay that takes calls.
pub struct Running {
    relay: Arc<Relay>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Starts the relay. `seeds` are two random words: request ids and the spreading of load come from them.
///
/// # Errors
/// [`StartError`], before any call was taken.
pub async fn start(
    settings: Settings,
    store: Arc<Store>,
    directory: Arc<Directory>,
    seeds: [u64; 2],
) -> Result<Running, StartError> {
    let listen = settings.listen;
    let listener = server::bind(listen).map_err(|source| StartError::Listen { address: listen, source })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen { address: listen, source })?;
    let tls = Tls::new(settings.extra_ca_file.as_deref()).map_err(StartError::Authorities)?;
    let limits = PoolLimits {
        idle_max: settings.upstream_idle_max,
        idle_timeout: settings.upstream_idle_timeout,
        http2_connections_max: settings.upstream_http2_connections_max,
    };
    let books = Books::new(store.next_epoch()?);
    restore(&books, &store, &directory)?;
    let relay = Arc::new(Relay {
        recorder: Recorder::start(store.clone(), settings.records_waiting_max),
        upstreams: Upstreams::new(Arc::new(tls), limits),
        clock: Clock::new(seeds),
        tasks: Tasks::default(),
        settings,
        store,
        directory,
        books,
    });
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(server::accept(relay.clone(), listener, stopped));
    Ok(Running { relay, address, stop, accepting })
}

impl Running {
    /// Where it listens; the port is real also when the settings said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets the calls under way end within the grace period, and writes every record.
    ///
    /// Calls that are still under way after it are cut, and settled by what is known.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let ended = async {
            let _ = self.accepting.await;
            self.relay.tasks.idle().await;
        };
        if tokio::time::timeout(self.relay.settings.shutdown_grace, ended).await.is_err() {
            tracing::warn!("some calls did not end within the grace period and are cut");
        }
        let relay = self.relay.clone();
        let written = tokio::task::spawn_blocking(move || relay.recorder.stop()).await;
        if written.is_err() {
            tracing::error!("the last usage records may not be written");
        }
    }

    /// Blocks until every usage record handed over so far is durable.
    pub fn flush(&self) {
        self.relay.recorder.flush();
    }

    /// A tenant and all accounts below it; `None` when there is no such tenant.
    #[must_use]
    pub fn status(&self, tenant: &TenantId) -> Option<TenantStatus> {
        let tenant = self.relay.directory.tenant(tenant.as_str())?;
        Some(status::of_tenant(&self.relay, &tenant, self.relay.clock.now()))
    }

    /// What a call with this body would meet under the key named `tenant/project/key`, or given by its secret; `None`
    /// when there is no such key, or it may not be used.
    #[must_use]
    pub fn explain(&self, key: &str, endpoint: Endpoint, body: Bytes) -> Option<Explanation> {
        let directory = &self.relay.directory;
        let named = || {
            let (tenant, rest) = key.split_once('/')?;
            let tenant = directory.tenant(tenant)?;
            tenant.keys().into_iter().find(|key| format!("{}/{}", key.project(), key.id()) == rest)
        };
        let key = named().or_else(|| directory.find_key(key.as_bytes()))?;
        Some(explain::call(&self.relay, &Caller::of_key(key), endpoint, body, self.relay.clock.now()))
    }

    /// Holds whose attempt has not ended, or of which nobody knows what it cost.
    #[must_use]
    pub fn open_holds(&self) -> usize {
        self.relay.books.open_holds()
    }
}

/// Gives the books what was charged before this start.
fn restore(books: &Books, store: &Store, directory: &Directory) -> Result<(), StartError> {
    for tenant in directory.tenants() {
        for (account, posted) in store.posted_balances(&tenant)? {
            books.restore(tenant.account.index, account, posted);
        }
    }
    Ok(())
}
