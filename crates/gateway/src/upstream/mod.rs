//! Upstream connections: a pool per upstream, dialled with TLS where its address says so.
//!
//! Nothing in here knows tenants or money; but a connection sends only what an [`crate::attempt::Attempt`] hands it, and
//! an attempt cannot be made without a hold.

mod connect;
pub(crate) mod credential;
mod pool;
mod tls;

use std::sync::Arc;

use base::UpstreamId;
use catalog::Upstream;
use thiserror::Error;

pub(crate) use pool::{Connection, Pool, PoolLimits, SendError};
pub(crate) use tls::Tls;

/// Why an upstream cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("its base_url cannot be used: {0}")]
    Address(&'static str),
    #[error("its API key cannot be read: {0}")]
    Credential(String),
    #[error("as many calls are under way as it allows")]
    Full,
    #[error("its name does not resolve: {0}")]
    Resolve(std::io::Error),
    #[error("no connection: {0}")]
    Dial(std::io::Error),
    #[error("no connection within the time allowed")]
    Timeout,
    #[error("no HTTP on the connection: {0}")]
    Handshake(hyper::Error),
}

/// The pools of all upstreams, made on first use and remade when an upstream changes.
pub(crate) struct Upstreams {
    pools: papaya::HashMap<UpstreamId, Arc<Pool>>,
    tls: Arc<Tls>,
    limits: PoolLimits,
}

impl Upstreams {
    pub(crate) fn new(tls: Arc<Tls>, limits: PoolLimits) -> Upstreams {
        Upstreams { pools: papaya::HashMap::new(), tls, limits }
    }

    /// The pool of `upstream`. A changed upstream gets a new pool; calls under way finish on the old one.
    pub(crate) fn pool(&self, upstream: &Arc<Upstream>) -> Result<Arc<Pool>, ConnectError> {
        let pools = self.pools.pin();
        if let Some(pool) = pools.get(&upstream.id)
            && Arc::ptr_eq(pool.upstream(), upstream)
        {
            return Ok(pool.clone());
        }
        let pool = Arc::new(Pool::new(upstream.clone(), self.tls.clone(), self.limits)?);
        pools.insert(upstream.id.clone(), pool.clone());
        Ok(pool)
    }
}
