//! Every "no" that Mandant itself gives, as one closed enum. Rendering in a dialect is `wire`'s business.
//!
//! A refusal carries only what its client may know: no internal text, no other tenant, no secret.

use core::fmt;
use core::time::Duration;

use crate::{ModelId, Money, Timestamp, Window};

/// Which kind of account a limit belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeLevel {
    /// The whole tenant.
    Tenant,
    /// A project of it.
    Project,
    /// One key.
    Key,
}

impl fmt::Display for ScopeLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ScopeLevel::Tenant => "tenant",
            ScopeLevel::Project => "project",
            ScopeLevel::Key => "key",
        })
    }
}

/// The account whose limit refused: its level and its own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The level in the account path.
    pub level: ScopeLevel,
    /// The name at that level.
    pub name: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.name)
    }
}

/// Which of an account's calls a limit is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitedCalls {
    /// All of them.
    All,
    /// Those of this model.
    OfModel(ModelId),
    /// Those of this call's end user.
    OfEndUser,
}

impl fmt::Display for LimitedCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitedCalls::All => Ok(()),
            LimitedCalls::OfModel(model) => write!(f, " for the model {model}"),
            LimitedCalls::OfEndUser => f.write_str(" for each of its end users"),
        }
    }
}

/// A "no" that Mandant gives. The set is closed: `docs/refusals.md` is generated from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No credential, or none that is known.
    InvalidApiKey,
    /// The key's expiry has passed.
    KeyExpired,
    /// The key was revoked.
    KeyRevoked,
    /// The client's address is not on the key's list.
    AddressNotAllowed,
    /// A service key was used without saying for which tenant.
    TenantRequired,
    /// The named tenant does not exist, or this key may not act for it.
    TenantNotFound,
    /// The tenant is suspended.
    TenantSuspended,
    /// No such path on this relay.
    RouteNotFound {
        /// What the path tells of the base URL.
        base_url: BaseUrl,
    },
    /// The path exists, but not for this method; the allowed one is named.
    MethodNotAllowed {
        /// The method that the path takes.
        allowed: &'static str,
    },
    /// The path is one, but opens no WebSocket. Clients that try one first fall back to HTTP at once on this status.
    NoWebSocket,
    /// No such model.
    ModelNotFound {
        /// The name that was asked for, cut to a printable length.
        model: String,
    },
    /// The model exists, but this key may not use it.
    ModelNotAllowed {
        /// The name that was asked for.
        model: ModelId,
        /// What this key may use, in order.
        allowed: Vec<ModelId>,
    },
    /// The request names a stored object that is not one of its tenant's.
    ObjectNotFound {
        /// The id as it was sent, cut to a printable length.
        id: String,
    },
    /// The request is malformed.
    InvalidRequest {
        /// The field at fault, where there is one.
        param: Option<String>,
        /// What is wrong and what to do, as a sentence.
        reason: String,
    },
    /// Two parsers could read the request differently.
    AmbiguousRequest {
        /// The field at fault.
        param: String,
        /// What is ambiguous and what to do, as a sentence.
        reason: String,
    },
    /// The model's provider speaks another dialect, which has no word for a field of the request.
    UnsupportedField {
        /// The field, as the client calls it.
        param: String,
        /// What cannot be translated and what to do, as a sentence.
        reason: String,
    },
    /// The body exceeds the limit.
    RequestTooLarge {
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// The same call, by its `Idempotency-Key`, is under way.
    IdempotencyInFlight {
        /// Look again after this long.
        retry_after: Duration,
    },
    /// The `Idempotency-Key` was used for another call.
    IdempotencyMismatch,
    /// The same call, by its `Idempotency-Key`, was charged or may yet be, and its answer is gone.
    IdempotencyLost,
    /// A rate or token window is full, or too many calls are under way.
    RateLimited {
        /// Whose limit.
        scope: Scope,
        /// Of which of its calls.
        of: LimitedCalls,
        /// Which limit.
        window: Window,
        /// Its size.
        limit: u64,
        /// After this long, the same call alone succeeds.
        retry_after: Duration,
        /// Everything is refused for a while, because the limit was reached.
        is_block: bool,
    },
    /// A budget does not cover the worst case of this call.
    BudgetExhausted(Box<Shortfall>),
    /// The wallet does not cover the worst case of this call.
    WalletEmpty(Box<Shortfall>),
    /// The relay itself has no room for the call now.
    Overloaded {
        /// Try again after this long.
        retry_after: Duration,
    },
    /// No upstream gave an answer.
    UpstreamError {
        /// What happened, without addresses or credentials.
        reason: UpstreamFault,
    },
    /// No upstream answered in time.
    UpstreamTimeout,
    /// A defect of the relay; the request id leads the operator to it.
    Internal,
}

/// What is wrong with a client's base URL, as far as a path tells that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseUrl {
    /// It tells nothing.
    Unknown,
    /// Behind `/v1` the path is one.
    EndsBeforeV1,
    /// Without its version the path is one.
    HasVersion,
}

impl BaseUrl {
    const fn sentence(self) -> &'static str {
        match self {
            BaseUrl::Unknown => {
                "Check the base URL: for OpenAI's clients it ends in /v1, for those of other providers it has no path"
            }
            BaseUrl::EndsBeforeV1 => "The base URL of this client has to end in /v1",
            BaseUrl::HasVersion => "The base URL of this client must have no path: the client adds all of it",
        }
    }
}

/// What a refusal over money says, so that the client can act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// Whose budget or wallet.
    pub scope: Scope,
    /// The period as people say it ("month", "total"); empty for a wallet.
    pub period: &'static str,
    /// The cap.
    pub limit: Money,
    /// Charged so far in this period.
    pub spent: Money,
    /// Held by calls under way.
    pub held: Money,
    /// The worst case of this call.
    pub needed: Money,
    /// With at most this `max_tokens` the call fits now; `None` when it cannot fit at all.
    pub affordable_max_tokens: Option<u64>,
    /// When the period ends; `None` when it never does.
    pub resets_at: Option<Timestamp>,
}

/// How an upstream failed, in words that a client may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFault {
    /// No connection could be made.
    Unreachable,
    /// The connection broke before the answer was complete.
    Broken,
    /// What came is not what the protocol says.
    Malformed,
    /// What came is encoded, and cannot be read for what it costs.
    Encoded,
    /// The answer exceeded the relay's limit.
    TooLarge,
    /// The upstream's credentials were refused; only the operator can repair that.
    Credentials,
}

impl UpstreamFault {
    const fn sentence(self) -> &'static str {
        match self {
            UpstreamFault::Unreachable => "the provider could not be reached",
            UpstreamFault::Broken => "the provider's connection broke before its answer was complete",
            UpstreamFault::Malformed => "the provider's answer was not what its protocol says",
            UpstreamFault::Encoded => "the provider encoded its answer, which this relay had asked it not to do",
            UpstreamFault::TooLarge => "the provider's answer was larger than this relay forwards",
            UpstreamFault::Credentials => "the provider refused this relay's credentials; tell its operator",
        }
    }
}

impl Refusal {
    /// A refusal of a malformed request.
    #[must_use]
    pub fn invalid(param: Option<&str>, reason: impl Into<String>) -> Refusal {
        Refusal::InvalidRequest { param: param.map(str::to_owned), reason: reason.into() }
    }

    /// A refusal of an ambiguous request.
    #[must_use]
    pub fn ambiguous(param: &str, reason: impl Into<String>) -> Refusal {
        Refusal::AmbiguousRequest { param: param.to_owned(), reason: reason.into() }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Refusal::TenantRequired
            | Refusal::InvalidRequest { .. }
            | Refusal::AmbiguousRequest { .. }
            | Refusal::UnsupportedField { .. } => 400,
            Refusal::InvalidApiKey | Refusal::KeyExpired | Refusal::KeyRevoked => 401,
            Refusal::BudgetExhausted(_) | Refusal::WalletEmpty(_) => 402,
            Refusal::AddressNotAllowed | Refusal::TenantSuspended | Refusal::ModelNotAllowed { .. } => 403,
            Refusal::TenantNotFound
            | Refusal::RouteNotFound { .. }
            | Refusal::ModelNotFound { .. }
            | Refusal::ObjectNotFound { .. } => 404,
            Refusal::MethodNotAllowed { .. } => 405,
            Refusal::NoWebSocket => 426,
            Refusal::IdempotencyInFlight { .. } | Refusal::IdempotencyLost => 409,
            Refusal::RequestTooLarge { .. } => 413,
            Refusal::IdempotencyMismatch => 422,
            Refusal::RateLimited { .. } => 429,
            Refusal::Internal => 500,
            Refusal::UpstreamError { .. } => 502,
            Refusal::Overloaded { .. } => 503,
            Refusal::UpstreamTimeout => 504,
        }
    }

    /// All codes, each once.
    pub const CODES: [&'static str; 27] = [
        "invalid_api_key",
        "key_expired",
        "key_revoked",
        "address_not_allowed",
        "tenant_required",
        "tenant_not_found",
        "tenant_suspended",
        "route_not_found",
        "method_not_allowed",
        "no_websocket",
        "model_not_found",
        "model_not_allowed",
        "object_not_found",
        "invalid_request",
        "ambiguous_request",
        "unsupported_field",
        "request_too_large",
        "idempotency_in_flight",
        "idempotency_mismatch",
        "idempotency_lost",
        "rate_limited",
        "budget_exhausted",
        "wallet_empty",
        "overloaded",
        "upstream_error",
        "upstream_timeout",
        "internal_error",
    ];

    /// The stable code for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::InvalidApiKey => "invalid_api_key",
            Refusal::KeyExpired => "key_expired",
            Refusal::KeyRevoked => "key_revoked",
            Refusal::AddressNotAllowed => "address_not_allowed",
            Refusal::TenantRequired => "tenant_required",
            Refusal::TenantNotFound => "tenant_not_found",
            Refusal::TenantSuspended => "tenant_suspended",
            Refusal::RouteNotFound { .. } => "route_not_found",
            Refusal::MethodNotAllowed { .. } => "method_not_allowed",
            Refusal::NoWebSocket => "no_websocket",
            Refusal::ModelNotFound { .. } => "model_not_found",
            Refusal::ModelNotAllowed { .. } => "model_not_allowed",
            Refusal::ObjectNotFound { .. } => "object_not_found",
            Refusal::InvalidRequest { .. } => "invalid_request",
            Refusal::AmbiguousRequest { .. } => "ambiguous_request",
            Refusal::UnsupportedField { .. } => "unsupported_field",
            Refusal::RequestTooLarge { .. } => "request_too_large",
            Refusal::IdempotencyInFlight { .. } => "idempotency_in_flight",
            Refusal::IdempotencyMismatch => "idempotency_mismatch",
            Refusal::IdempotencyLost => "idempotency_lost",
            Refusal::RateLimited { .. } => "rate_limited",
            Refusal::BudgetExhausted(_) => "budget_exhausted",
            Refusal::WalletEmpty(_) => "wallet_empty",
            Refusal::Overloaded { .. } => "overloaded",
            Refusal::UpstreamError { .. } => "upstream_error",
            Refusal::UpstreamTimeout => "upstream_timeout",
            Refusal::Internal => "internal_error",
        }
    }

    /// The field of the request at fault, where there is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Refusal::InvalidRequest { param, .. } => param.as_deref(),
            Refusal::AmbiguousRequest { param, .. } | Refusal::UnsupportedField { param, .. } => Some(param),
            Refusal::ModelNotFound { .. } | Refusal::ModelNotAllowed { .. } => Some("model"),
            _ => None,
        }
    }

    /// How long to wait before the same call can succeed, where waiting helps.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Refusal::RateLimited { retry_after, .. }
            | Refusal::Overloaded { retry_after }
            | Refusal::IdempotencyInFlight { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// Whether its client is told not to try again by itself: it would in vain, or it would sleep longer than anybody waits
    /// for a call, since official SDKs sleep as long as they are told.
    #[must_use]
    pub fn forbids_retries(&self) -> bool {
        matches!(self, Refusal::IdempotencyLost) || self.retry_after().is_some_and(|wait| wait > RETRY_WAIT_MAX)
    }

    /// A sentence for people: what was wrong and what to do.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Refusal::InvalidApiKey => {
                "The API key is missing or unknown. Send a valid key as 'Authorization: Bearer <key>'.".into()
            }
            Refusal::KeyExpired => "This API key has expired. Ask for a new one.".into(),
            Refusal::KeyRevoked => "This API key was revoked. Ask for a new one.".into(),
            Refusal::AddressNotAllowed => "This API key may not be used from your network address.".into(),
            Refusal::TenantRequired => {
                "This key may act for several tenants: name one in the X-Tenant-ID header.".into()
            }
            Refusal::TenantNotFound => {
                "The tenant named in X-Tenant-ID does not exist or is not one that this key may act for.".into()
            }
            Refusal::TenantSuspended => "This tenant is suspended. Contact the operator.".into(),
            Refusal::RouteNotFound { base_url } => {
                format!("There is no such path on this relay. {}.", base_url.sentence())
            }
            Refusal::MethodNotAllowed { allowed } => format!("This path takes {allowed} only."),
            Refusal::NoWebSocket => "This path opens no WebSocket. Send the request by POST, over HTTP.".into(),
            Refusal::ModelNotFound { model } => {
                format!("The model '{model}' does not exist. GET /v1/models lists yours.")
            }
            Refusal::ModelNotAllowed { model, allowed } => {
                let list: Vec<&str> = allowed.iter().map(ModelId::as_str).collect();
                format!("The model '{model}' is not allowed for this key. Allowed models: {}.", list.join(", "))
            }
            Refusal::ObjectNotFound { id } => {
                format!("There is no object '{id}' of yours. Use the id as an answer of this relay gave it.")
            }
            Refusal::InvalidRequest { reason, .. }
            | Refusal::AmbiguousRequest { reason, .. }
            | Refusal::UnsupportedField { reason, .. } => reason.clone(),
            Refusal::RequestTooLarge { bytes_max } => {
                format!("The request body is larger than the {bytes_max} bytes allowed.")
            }
            Refusal::IdempotencyInFlight { .. } => {
                "The first call with this Idempotency-Key is under way. Send it again later to get the same answer.".into()
            }
            Refusal::IdempotencyMismatch => {
                "This Idempotency-Key was used with another body or path. Use a new key for a new call.".into()
            }
            Refusal::IdempotencyLost => {
                "The first call with this Idempotency-Key was charged, or may yet be, and its answer is gone. It is not run again; use a new key to pay for it again.".into()
            }
            Refusal::RateLimited { scope, of, window, limit, retry_after, is_block } => format!(
                "The limit of {limit} {window} of {scope}{of} {}. Try again in {} s.",
                if *is_block { "was reached, so that everything is refused for a while" } else { "is reached" },
                whole_seconds_ceil(*retry_after)
            ),
            Refusal::BudgetExhausted(shortfall) => shortfall.sentence("budget"),
            Refusal::WalletEmpty(shortfall) => shortfall.sentence("wallet"),
            Refusal::Overloaded { retry_after } => {
                format!("The relay is overloaded. Try again in {} s.", whole_seconds_ceil(*retry_after))
            }
            Refusal::UpstreamError { reason } => format!("The model is not available now: {}.", reason.sentence()),
            Refusal::UpstreamTimeout => "The provider did not answer in time. Try again.".into(),
            Refusal::Internal => "The relay met an internal error. Quote the request id to its operator.".into(),
        }
    }
}

impl Shortfall {
    fn sentence(&self, kind: &str) -> String {
        let period = if self.period.is_empty() { String::new() } else { format!(" ({})", self.period) };
        let advice = match self.affordable_max_tokens {
            Some(tokens) => format!("Set max_tokens to at most {tokens}, or raise the {kind}."),
            None => format!("Raise the {kind}, or wait until it resets."),
        };
        format!(
            "This call may cost up to ${}, which the {kind}{period} of {} does not cover: limit ${}, spent ${}, held by calls under way ${}. {advice}",
            self.needed, self.scope, self.limit, self.spent, self.held
        )
    }
}

/// The longest that an SDK is to sleep in the middle of a call, before it tries again.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(60);

/// Whole seconds, rounded up, at least one: what `Retry-After` can say without lying.
#[must_use]
pub fn whole_seconds_ceil(span: Duration) -> u64 {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    seconds.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_never_too_early() {
        assert_eq!(whole_seconds_ceil(Duration::ZERO), 1);
        assert_eq!(whole_seconds_ceil(Duration::from_nanos(1_000_000_001)), 2);
        assert_eq!(whole_seconds_ceil(Duration::from_secs(7)), 7);
    }

    #[test]
    fn nobody_sleeps_for_hours_in_the_middle_of_a_call() {
        let waiting = |seconds| Refusal::Overloaded { retry_after: Duration::from_secs(seconds) }.forbids_retries();
        assert_eq!([waiting(1), waiting(60), waiting(61)], [false, false, true]);
        assert!(Refusal::IdempotencyLost.forbids_retries() && !Refusal::UpstreamTimeout.forbids_retries());
    }

    #[test]
    fn a_budget_refusal_says_what_would_help() {
        let refusal = Refusal::BudgetExhausted(Box::new(Shortfall {
            scope: Scope { level: ScopeLevel::Tenant, name: "acme".into() },
            period: "month",
            limit: Money::from_usd(100),
            spent: Money::from_usd(99),
            held: Money::ZERO,
            needed: Money::from_usd(2),
            affordable_max_tokens: Some(500),
            resets_at: None,
        }));
        assert_eq!((refusal.status(), refusal.code()), (402, "budget_exhausted"));
        assert!(refusal.message().contains("at most 500"), "{}", refusal.message());
    }
}
