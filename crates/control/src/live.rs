//! What only a serving process knows. The binary implements it over the relay, so that control never sees the relay.

use axum::body::Bytes;
use base::{AttemptId, Money, TenantId};
use ledger::Amounts;
use serde_json::Value;
use store::OpenHold;
use store::status::TenantStatus;

/// What becomes of a hold of which nobody knows the cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// All of it is charged.
    ChargeWhole,
    /// So much money is charged, and all tokens that were held.
    Charge(Money),
    /// Nothing is charged.
    Release,
}

/// A hold that was ended: what of it was charged, and what its accounts can use again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// What they pay.
    pub charged: Amounts,
    /// The rest.
    pub released: Amounts,
}

/// Why a hold was not ended. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such attempt among those of which nobody knows the cost.
    NoSuchAttempt,
    /// More was to be charged than is held.
    TooMuch {
        /// What is held.
        held: Money,
    },
    /// It cannot be written down.
    Failed(String),
}

/// The figures and decisions of the running relay.
pub trait Live: Send + Sync {
    /// Limits, use and what is left of a tenant and all accounts below it; `None` when there is no such tenant.
    fn status(&self, tenant: &TenantId) -> Option<TenantStatus>;

    /// What would happen to a call with this body under a key, named by its path `tenant/project/key` or its secret,
    /// without making the call. `endpoint` is its path on the relay, such as `/v1/chat/completions`.
    ///
    /// # Errors
    /// A sentence when the key does not exist.
    fn explain(&self, key: &str, endpoint: &str, body: Bytes) -> Result<Value, String>;

    /// Blocks until the records of all that has ended so far are in the store.
    fn flush(&self);

    /// Brings what was just changed in the store into force, before the change is confirmed.
    fn refresh(&self);

    /// Everything that is held now, oldest first; the records of everything that ended before are in the store when this
    /// returns.
    ///
    /// # Errors
    /// A sentence when the store cannot be read.
    fn holds(&self) -> Result<Vec<OpenHold>, String>;

    /// Ends a hold of which nobody knows the cost. Durable when it returns.
    ///
    /// # Errors
    /// [`Unresolved`].
    fn resolve(&self, attempt: AttemptId, decision: Decision, reason: &str) -> Result<Resolution, Unresolved>;

    /// The figures of the process, as Prometheus reads them; `None` while nothing is served.
    fn metrics(&self) -> Option<String>;

    /// Whether calls are being served.
    fn ready(&self) -> bool;
}
