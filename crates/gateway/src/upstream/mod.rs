//! Upstream connections: a pool per upstream, dialled with TLS where its address says so.
//!
//! Nothing in here knows tenants or money; but a connection sends only what an [`crate::attempt::Attempt`] hands it, and
//! an attempt cannot be made without a hold. But for a [`look`]: a GET that costs nothing, asked for nobody.

mod auth;
mod connect;
mod connection;
pub(crate) mod credential;
mod http1;
mod look;
mod pool;
mod tls;

use core::time::Duration;
use std::sync::{Arc, Mutex, Weak};

use admit::queue::Policy;
use base::UpstreamId;
use catalog::Upstream;
use thiserror::Error;

use crate::queue::UpstreamQueue;
use crate::relay::Relay;

pub(crate) use connection::{Connection, Fault};
pub(crate) use http1::{Socket, Upgrade};
pub(crate) use look::{Look, LookError};
pub(crate) use pool::{Pool, PoolLimits};
pub(crate) use tls::Tls;

/// Why an upstream cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("its base_url cannot be used: {0}")]
    Address(&'static str),
    #[error("its API key cannot be read: {0}")]
    Credential(String),
    #[error("its name does not resolve: {0}")]
    Resolve(std::io::Error),
    #[error("no connection: {0}")]
    Dial(std::io::Error),
    #[error("no connection within the time allowed")]
    Timeout,
    #[error("no HTTP on the connection: {0}")]
    Handshake(hyper::Error),
    #[error("no answer to a request for another protocol: {0}")]
    Upgrade(http1::Fault),
}

/// How often idle connections are looked after.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Closes idle connections that are too old or closed by their upstreams, until the relay is gone.
pub(crate) async fn close_idle(relay: Weak<Relay>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(relay) = relay.upgrade() else { return };
        relay.upstreams.sweep();
    }
}

/// How often access tokens are looked after.
const TOKEN_INTERVAL: Duration = Duration::from_millis(500);

/// Gets access tokens for the upstreams that want them, and renews them ahead of their end, until the relay is gone: no call
/// waits for one, unless the last renewal failed.
pub(crate) async fn keep_tokens(relay: Weak<Relay>) {
    loop {
        {
            let Some(relay) = relay.upgrade() else { return };
            let catalog = relay.directory.catalog().clone();
            for upstream in catalog.upstreams().into_iter().filter(|upstream| upstream.auth.takes_tokens()) {
                // Why a pool cannot be made is told to the call that wants it.
                if let Ok(pool) = relay.upstreams.pool(upstream) {
                    pool.renew_tokens();
                }
            }
        }
        tokio::time::sleep(TOKEN_INTERVAL).await;
    }
}

/// The pools of all upstreams, made on first use and remade when an upstream changes.
pub(crate) struct Upstreams {
    pools: papaya::HashMap<UpstreamId, Arc<Pool>>,
    tls: Arc<Tls>,
    limits: PoolLimits,
    policy: Policy,
    /// Held by whoever makes a pool, so that there is one queue an upstream.
    making: Mutex<()>,
}

impl Upstreams {
    pub(crate) fn new(tls: Arc<Tls>, limits: PoolLimits, policy: Policy) -> Upstreams {
        Upstreams { pools: papaya::HashMap::new(), tls, limits, policy, making: Mutex::new(()) }
    }

    /// The queue of each upstream that was ever asked, by its name.
    pub(crate) fn queues(&self) -> Vec<(String, Arc<UpstreamQueue>)> {
        let pools = self.pools.pin();
        let mut queues: Vec<_> = pools.iter().map(|(id, pool)| (id.to_string(), pool.queue().clone())).collect();
        queues.sort_by(|left, right| left.0.cmp(&right.0));
        queues
    }

    /// Looks after the idle connections of all pools.
    pub(crate) fn sweep(&self) {
        self.pools.pin().values().for_each(|pool| pool.sweep());
    }

    /// The pool of `upstream`. A changed upstream gets a new pool; calls under way finish on the old one. The queue stays.
    pub(crate) fn pool(&self, upstream: &Arc<Upstream>) -> Result<Arc<Pool>, ConnectError> {
        let pools = self.pools.pin();
        if let Some(pool) = pools.get(&upstream.id)
            && Arc::ptr_eq(pool.upstream(), upstream)
        {
            return Ok(pool.clone());
        }
        let _making = self.making.lock().expect("no panic while a pool is made");
        let before = pools.get(&upstream.id);
        if let Some(pool) = before.filter(|pool| Arc::ptr_eq(pool.upstream(), upstream)) {
            return Ok(pool.clone());
        }
        let fresh = || Arc::new(UpstreamQueue::new(self.policy, upstream.concurrency));
        let queue = before.map_or_else(fresh, |pool| pool.queue().clone());
        queue.configure(upstream.concurrency);
        let pool = Arc::new(Pool::new(upstream.clone(), queue, self.tls.clone(), self.limits)?);
        pools.insert(upstream.id.clone(), pool.clone());
        Ok(pool)
    }
}
