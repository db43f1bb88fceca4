//! Starting the relay, asking it things while it runs, and stopping it without losing a record.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use admit::queue::Policy;
use base::{AttemptId, Refusal, TenantId};
use bytes::Bytes;
use journal::{Journal, Position, RealDisk};
use ledger::Settlement;
use store::status::TenantStatus;
use store::{Directory, OpenHold, Store, StoreError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use wire::Route;

use crate::ages::{self, Ages};
use crate::applier::Applier;
use crate::authenticate::Caller;
use crate::bodies::Bodies;
use crate::books::Books;
use crate::clock::Clock;
use crate::explain::{self, Explanation};
use crate::holds::{Decision, ResolveError};
use crate::idempotency::Keys;
use crate::relay::Relay;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::upstream::{PoolLimits, Tls, Upstreams};
use crate::{archive, batches, holds, idempotency, leases, metrics, recover, server, status, upstream};

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
    /// The journal cannot be opened, and nothing may be spent without it.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// The journal cannot be written.
    #[error(transparent)]
    NoRoom(#[from] journal::NoRoom),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Recovery(#[from] journal::ReadError),
}

/// A relay that takes calls.
pub struct Running {
    relay: Arc<Relay>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    poisoned: watch::Receiver<bool>,
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
    let policy = Policy {
        discipline: settings.queue_discipline,
        requests_max: settings.queue_waiting_max,
        bytes_max: settings.queue_bytes_max,
        patience: settings.queue_wait,
    };
    let epoch = store.next_epoch()?;
    let applied = Position::new(store.applied()?);
    let boot = settings.boot.unwrap_or_else(boot_id);
    let (broken, poisoned) = watch::channel(false);
    let options = journal::Options {
        segment_bytes: settings.journal_segment_bytes,
        durability: settings.durability,
        on_poison: Some(Arc::new(move |error| {
            tracing::error!(%error, "the disk failed; no call can be paid for any more");
            broken.send_replace(true);
        })),
        ..journal::Options::new(epoch, boot)
    };
    let disk = RealDisk::new(&store.data_dir().join("journal"));
    let (journal, recovered) = Journal::open(disk, options, applied)?;
    let clock = Clock::new(seeds);
    let books = Books::new(epoch, settings.reserve_waiting_max, settings.end_users_max);
    let tasks = Tasks::default();
    let keys = Keys::new(store.clone(), tasks.clone(), &settings);
    let anchor = ages::anchor(&clock, boot);
    if let Some(anchor) = &anchor {
        store.note_clock(anchor)?;
    }
    let ages = Ages::new(&store.clock_anchors(boot.0)?, clock.now(), clock.moment());
    let restored = recover::restore(&books, &keys, &store, &directory, &recovered, &ages, clock.now())?;
    if !recovered.clean() || restored.unresolved > 0 {
        let recover::Restored { records, unresolved, ref lost, .. } = restored;
        tracing::info!(records, unresolved, lost = lost.len(), after = ?recovered.after, "the journal was read");
    }
    if restored.is_loss_open {
        // Before the applier may have a segment deleted that tells of the loss.
        leases::count_loss(&journal, &restored.lost, epoch).await?;
    }
    let relay = Arc::new(Relay {
        applier: Applier::start(journal.clone(), store.clone(), applied),
        lost: Mutex::new(restored.lost),
        survivors: Mutex::new(restored.survivors),
        leasing: tokio::sync::Mutex::default(),
        deciding: tokio::sync::Mutex::default(),
        journal,
        upstreams: Upstreams::new(Arc::new(tls), limits, policy),
        bodies: Bodies::new(settings.tenant_body_bytes_max),
        answers: Bodies::new(settings.tenant_answer_bytes_max),
        counts: crate::counts::Counts::default(),
        object_seal: Arc::new(store.object_seal()),
        sessions: Arc::new(tokio::sync::Semaphore::new(settings.realtime_sessions_max)),
        batch_bell: Arc::default(),
        clock,
        keys,
        tasks,
        settings,
        store,
        directory,
        books,
    });
    tokio::spawn(holds::watch_deadlines(Arc::downgrade(&relay)));
    tokio::spawn(batches::watch(Arc::downgrade(&relay)));
    if let Some(anchor) = anchor {
        tokio::spawn(ages::watch(Arc::downgrade(&relay), anchor));
    }
    tokio::spawn(idempotency::forget_expired(Arc::downgrade(&relay)));
    tokio::spawn(archive::move_old_calls(Arc::downgrade(&relay)));
    tokio::spawn(upstream::close_idle(Arc::downgrade(&relay)));
    tokio::spawn(upstream::keep_tokens(Arc::downgrade(&relay)));
    let (stop, stopped) = watch::channel(false);
    let accepting = tokio::spawn(server::accept(relay.clone(), listener, stopped));
    Ok(Running { relay, address, stop, accepting, poisoned })
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
        self.relay.tasks.stop();
        let ended = async {
            let _ = self.accepting.await;
            self.relay.tasks.idle().await;
        };
        if tokio::time::timeout(self.relay.settings.shutdown_grace, ended).await.is_err() {
            tracing::warn!("some calls did not end within the grace period and are cut");
        }
        let relay = self.relay.clone();
        let stopped = tokio::task::spawn_blocking(move || {
            relay.applier.stop();
            relay.journal.clone().close()
        });
        if !matches!(stopped.await, Ok(Ok(_))) {
            tracing::error!("the journal was not closed in peace; the next start reads it");
        }
    }

    /// Returns when the disk under the journal has failed: nothing can be paid for any more, and the process is to end.
    pub fn poisoned(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut poisoned = self.poisoned.clone();
        async move {
            // The sender lives as long as the journal; when it is gone there is nothing left to wait for.
            if poisoned.wait_for(|poisoned| *poisoned).await.is_err() {
                core::future::pending::<()>().await;
            }
        }
    }

    /// Blocks until everything that was journalled so far is in the store, and says whether it is: not where the journal
    /// is unusable, or the process stops.
    pub fn flush(&self) -> bool {
        self.relay.applier.flush()
    }

    /// The relay's figures, as Prometheus reads them.
    #[must_use]
    pub fn metrics(&self) -> String {
        metrics::page(&self.relay)
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
    ///
    /// # Errors
    /// The refusal of an endpoint that is no call.
    pub fn explain(
        &self,
        key: &str,
        endpoint: &str,
        route: &Route<'_>,
        body: Bytes,
    ) -> Option<Result<Explanation, Refusal>> {
        let directory = &self.relay.directory;
        let named = || {
            let (tenant, rest) = key.split_once('/')?;
            let tenant = directory.tenant(tenant)?;
            tenant.keys().into_iter().find(|key| format!("{}/{}", key.project(), key.id()) == rest)
        };
        let key = named().or_else(|| directory.find_key(key.as_bytes()))?;
        Some(explain::call(&self.relay, &Caller::of_key(key), endpoint, route, body, self.relay.clock.now()))
    }

    /// Every hold of now, oldest first, and whether its call is under way or nobody knows its cost. Blocks for the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn holds(&self) -> Result<Vec<OpenHold>, StoreError> {
        self.relay.open_holds()
    }

    /// Ends a hold of which nobody knows the cost; durable when it returns. `reason` is kept for whoever asks later.
    ///
    /// # Errors
    /// [`ResolveError`]; nothing is changed then.
    pub async fn resolve(
        &self,
        attempt: AttemptId,
        decision: Decision,
        reason: &str,
    ) -> Result<Settlement, ResolveError> {
        self.relay.resolve(attempt, decision, reason).await
    }

    /// Frees what may have been spent when the power went: somebody knows that it was not. Says how many leases were
    /// concerned.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn release_lost(&self) -> Result<usize, journal::NoRoom> {
        self.relay.release_lost().await
    }

    /// Holds whose attempt has not ended, or of which nobody knows what it cost.
    #[must_use]
    pub fn open_holds(&self) -> usize {
        self.relay.books.open_holds()
    }
}

/// This run of the machine: memory that was not written to the disk outlives a process, but not this.
fn boot_id() -> journal::BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).map_or(journal::BootId::UNKNOWN, |id| journal::BootId(id.to_be_bytes()))
}
