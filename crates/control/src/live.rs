//! What only a serving process knows. The binary implements it over the relay, so that control never sees the relay.

use axum::body::Bytes;
use base::TenantId;
use serde_json::Value;

use store::status::TenantStatus;

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

    /// Brings what was just changed in the store into force, before the change is confirmed.
    fn refresh(&self);

    /// Whether calls are being served.
    fn ready(&self) -> bool;
}
