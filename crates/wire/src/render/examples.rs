//! One example of every refusal, for the document and for tests.

use core::time::Duration;

use base::{
    BaseUrl, LimitedCalls, ModelId, Money, Refusal, Scope, ScopeLevel, Shortfall, Timestamp, UpstreamFault, Window,
};

/// One example of every refusal, in the order of the enum.
#[must_use]
pub fn examples() -> Vec<Refusal> {
    core::iter::successors(Some(Refusal::InvalidApiKey), after).collect()
}

/// The example after this one. A new variant does not compile until it has its place here.
fn after(refusal: &Refusal) -> Option<Refusal> {
    Some(match refusal {
        Refusal::InvalidApiKey => Refusal::KeyExpired,
        Refusal::KeyExpired => Refusal::KeyRevoked,
        Refusal::KeyRevoked => Refusal::AddressNotAllowed,
        Refusal::AddressNotAllowed => Refusal::TenantRequired,
        Refusal::TenantRequired => Refusal::TenantNotFound,
        Refusal::TenantNotFound => Refusal::TenantSuspended,
        Refusal::TenantSuspended => Refusal::RouteNotFound { base_url: BaseUrl::Unknown },
        Refusal::RouteNotFound { .. } => Refusal::MethodNotAllowed { allowed: "POST" },
        Refusal::MethodNotAllowed { .. } => Refusal::NoWebSocket,
        Refusal::NoWebSocket => Refusal::ModelNotFound { model: "gpt-9".into() },
        Refusal::ModelNotFound { .. } => Refusal::ModelNotAllowed {
            model: id("gpt-4.1"),
            allowed: vec![id("gemini-2.5-flash"), id("deepseek-v3.2")],
        },
        Refusal::ModelNotAllowed { .. } => Refusal::ObjectNotFound { id: "resp_0123456789abcdef".into() },
        Refusal::ObjectNotFound { .. } => {
            Refusal::invalid(Some("n"), "'n' must be a whole number from 1 to 2147483647, in plain digits.")
        }
        Refusal::InvalidRequest { .. } => {
            Refusal::ambiguous("model", "'model' stands twice; parsers differ in which one they take. Send it once.")
        }
        Refusal::AmbiguousRequest { .. } => Refusal::UnsupportedField {
            param: "seed".into(),
            reason: "'seed': this field cannot be translated for the provider of this model. Leave it out.".into(),
        },
        Refusal::UnsupportedField { .. } => Refusal::RequestTooLarge { bytes_max: 33_554_432 },
        Refusal::RequestTooLarge { .. } => Refusal::IdempotencyInFlight { retry_after: Duration::from_secs(1) },
        Refusal::IdempotencyInFlight { .. } => Refusal::IdempotencyMismatch,
        Refusal::IdempotencyMismatch => Refusal::IdempotencyLost,
        Refusal::IdempotencyLost => Refusal::RateLimited {
            scope: scope(ScopeLevel::Tenant, "tenant_premium_001"),
            of: LimitedCalls::All,
            window: Window::RequestsPerMinute,
            limit: 120,
            retry_after: Duration::from_millis(11_300),
            is_block: false,
        },
        Refusal::RateLimited { .. } => Refusal::BudgetExhausted(shortfall("month", Some(412))),
        Refusal::BudgetExhausted(_) => Refusal::WalletEmpty(shortfall("", None)),
        Refusal::WalletEmpty(_) => Refusal::Overloaded { retry_after: Duration::from_secs(2) },
        Refusal::Overloaded { .. } => Refusal::UpstreamError { reason: UpstreamFault::Unreachable },
        Refusal::UpstreamError { .. } => Refusal::UpstreamTimeout,
        Refusal::UpstreamTimeout => Refusal::Internal,
        Refusal::Internal => return None,
    })
}

fn id(name: &str) -> ModelId {
    ModelId::new(name).expect("the examples have plain names")
}

fn scope(level: ScopeLevel, name: &str) -> Scope {
    Scope { level, name: name.into() }
}

fn shortfall(period: &'static str, affordable_max_tokens: Option<u64>) -> Box<Shortfall> {
    Box::new(Shortfall {
        scope: scope(ScopeLevel::Project, "search"),
        period,
        limit: Money::from_usd(100),
        spent: Money::from_nanos(99_990_000_000),
        held: Money::from_nanos(5_000_000),
        needed: Money::from_nanos(262_144_000),
        affordable_max_tokens,
        // Midnight before 1 December 2026.
        resets_at: (!period.is_empty()).then(|| Timestamp::from_seconds(1_796_083_200)),
    })
}
