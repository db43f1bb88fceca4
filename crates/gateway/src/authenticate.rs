//! Who calls: from the headers alone, before a byte of the body is read.
//!
//! The credential alone decides the tenant. Whatever else a client says about its identity is either checked against
//! the credential or ignored, and never forwarded.

use std::net::IpAddr;
use std::sync::Arc;

use base::{ModelId, Refusal, Timestamp};
use catalog::{Catalog, Model};
use http::HeaderName;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use smallvec::SmallVec;
use store::{Account, Directory, LiveKey, LiveTenant};
use wire::Accent;

use crate::forward::ANTHROPIC_VERSION;
use crate::headers;
use crate::heads::RequestHead;
use crate::http1;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const AZURE_API_KEY: HeaderName = HeaderName::from_static("api-key");
const GOOGLE_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const FERN_SDK_NAME: HeaderName = HeaderName::from_static("x-fern-sdk-name");
const GOOGLE_API_CLIENT: HeaderName = HeaderName::from_static("x-goog-api-client");

/// The accounts that pay for a call, tenant first, key last.
pub(crate) type Path = SmallVec<[Arc<Account>; 4]>;

/// A proven identity: a live key that may be used now, from here, for this tenant.
///
/// Only [`authenticate`] makes one.
#[derive(Clone)]
pub(crate) struct Caller {
    key: Arc<LiveKey>,
    tenant: Arc<LiveTenant>,
    path: Path,
}

impl Caller {
    /// The caller that an ordinary key stands for, without a request: for dry runs by the operator.
    pub(crate) fn of_key(key: Arc<LiveKey>) -> Caller {
        let (tenant, path) = (key.tenant().clone(), key.path());
        Caller { key, tenant, path }
    }

    pub(crate) fn key(&self) -> &LiveKey {
        &self.key
    }

    pub(crate) fn tenant(&self) -> &LiveTenant {
        &self.tenant
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether every level of the path lets this model pass: a child can only narrow.
    pub(crate) fn may_use(&self, model: &ModelId) -> bool {
        self.path.iter().all(|account| account.settings().models.as_ref().is_none_or(|models| models.contains(model)))
    }
}

impl Caller {
    /// Whether it may still call: for sessions, which outlive their opening.
    ///
    /// # Errors
    /// 401 for a key that expired or was revoked meanwhile, 403 for a suspended tenant.
    pub(crate) fn still_in_force(&self, now: Timestamp) -> Result<(), Refusal> {
        in_force(&self.key, now)?;
        not_suspended(&self.path)
    }

    /// The models that this caller may use, in the order of their names.
    pub(crate) fn models<'a>(&'a self, catalog: &'a Catalog) -> impl Iterator<Item = &'a Arc<Model>> {
        catalog.models().into_iter().filter(|model| self.may_use(&model.id))
    }
}

/// Finds out who calls.
///
/// # Errors
/// 401 for a missing, unknown, expired or revoked key; 403 for a foreign address or a suspended tenant; 400 and 404 for
/// what `X-Tenant-ID` says.
pub(crate) fn authenticate(
    head: &RequestHead,
    address: IpAddr,
    directory: &Directory,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let credential = credential(head).ok_or(Refusal::InvalidApiKey)?;
    let key = directory.find_key(credential).ok_or(Refusal::InvalidApiKey)?;
    in_force(&key, now)?;
    if !key.allows_address(address) {
        return Err(Refusal::AddressNotAllowed);
    }
    let caller = act_for(key, named_tenant(head)?, directory)?;
    not_suspended(&caller.path)?;
    Ok(caller)
}

fn in_force(key: &LiveKey, now: Timestamp) -> Result<(), Refusal> {
    if key.revoked() {
        return Err(Refusal::KeyRevoked);
    }
    if key.expires().is_some_and(|expires| expires <= now) {
        return Err(Refusal::KeyExpired);
    }
    Ok(())
}

fn not_suspended(path: &Path) -> Result<(), Refusal> {
    let is_suspended = path.iter().any(|account| account.settings().suspended);
    if is_suspended { Err(Refusal::TenantSuspended) } else { Ok(()) }
}

/// Resolves the tenant that a key acts for: its own, or for a service key the named one of its list.
fn act_for(key: Arc<LiveKey>, named: Option<&str>, directory: &Directory) -> Result<Caller, Refusal> {
    let Some(permitted) = key.service() else {
        if named.is_some_and(|named| named != key.tenant().id().as_str()) {
            return Err(Refusal::TenantNotFound);
        }
        return Ok(Caller::of_key(key));
    };
    let named = named.ok_or(Refusal::TenantRequired)?;
    if !permitted.iter().any(|tenant| tenant.as_str() == named) {
        return Err(Refusal::TenantNotFound);
    }
    let tenant = directory.tenant(named).ok_or(Refusal::TenantNotFound)?;
    let path = SmallVec::from_iter([tenant.account.clone()]);
    Ok(Caller { key, tenant, path })
}

/// The presented credential, in the styles of the field, first match: bearer, `x-api-key`, `api-key`, `x-goog-api-key`,
/// `?key=`, a WebSocket's protocol. An empty value counts as none.
fn credential(head: &RequestHead) -> Option<&[u8]> {
    let header = |name: HeaderName| head.headers.get(&name);
    let bearer = header(AUTHORIZATION).and_then(|value| {
        let (scheme, rest) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
    });
    bearer
        .or_else(|| header(API_KEY))
        .or_else(|| header(AZURE_API_KEY))
        .or_else(|| header(GOOGLE_API_KEY))
        .or_else(|| query_value(head, "key").map(str::as_bytes))
        .or_else(|| protocol_key(head))
        .filter(|value| !value.is_empty())
}

/// How the name of a protocol begins that is a key: a browser can set no header for a WebSocket but the protocols.
const PROTOCOL_KEY: &[u8] = b"openai-insecure-api-key.";

fn protocol_key(head: &RequestHead) -> Option<&[u8]> {
    head.headers.words(&SEC_WEBSOCKET_PROTOCOL).find_map(|protocol| protocol.strip_prefix(PROTOCOL_KEY))
}

/// What shows which SDK a client uses.
pub(crate) fn accent(head: &RequestHead) -> Accent {
    let has = |name: HeaderName| head.headers.contains(&name);
    Accent {
        anthropic_version: has(ANTHROPIC_VERSION),
        // Its SDKs call themselves "cohere", "cohere-ai" and "github.com/cohere-ai/cohere-go/v2".
        cohere_sdk: head.headers.text(&FERN_SDK_NAME).is_some_and(|name| name.contains("cohere")),
        google_key: has(GOOGLE_API_KEY) || has(GOOGLE_API_CLIENT) || query_value(head, "key").is_some(),
    }
}

/// The tenant named by `X-Tenant-ID` or `?tenant_id=`; naming two different ones is malformed.
fn named_tenant(head: &RequestHead) -> Result<Option<&str>, Refusal> {
    let mut named: Option<&str> = None;
    // A value that is not text names no tenant, and is refused as an unknown one.
    let name = headers::TENANT_ID;
    let headers = head.headers.get_all(&name).map(|value| http1::text(value).unwrap_or_default());
    for value in headers.chain(query_value(head, "tenant_id")) {
        if named.is_some_and(|earlier| earlier != value) {
            return Err(Refusal::ambiguous("X-Tenant-ID", "Two different tenants are named. Name one."));
        }
        named = Some(value);
    }
    Ok(named)
}

/// A query parameter as it stands; keys and tenant ids need no percent-encoding.
pub(crate) fn query_value<'a>(head: &'a RequestHead, name: &str) -> Option<&'a str> {
    let query = head.uri.query()?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
