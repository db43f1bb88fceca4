//! The records of the journal: what the relay notes before and after each attempt, and how that is written as bytes.
//!
//! The journal itself sees a kind of one byte and an opaque payload. A kind names one form for ever: a record that
//! changes its form gets another kind, and old ones stay readable.

mod bytes;
mod codec;
mod settled;

use base::{AttemptId, BudgetPeriod, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use ledger::{Amounts, Resource};
use wire::Endpoint;

use crate::resource::ProjectPath;
use crate::usage::UsageRecord;

pub(crate) use bytes::cut;
pub(crate) use codec::{
    decode_intent, decode_usage, encode_intent, from_period_code, from_resource_code, period_code, resource_code,
};
pub(crate) use settled::Settled;

/// Longest payload of a record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 2_048;
/// Longest kept part of a provider's name for an answer, in bytes.
pub(crate) const RESPONSE_ID_BYTES_MAX: usize = 256;
/// Longest kept part of the name of a tenant's own user, in bytes.
pub const END_USER_BYTES_MAX: usize = 256;
/// Longest kept part of a reason, in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 512;

/// One record of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An attempt is about to leave, with this much held for it.
    Intent(IntentRecord),
    /// An attempt ended, or nobody knows how it did.
    Settled(UsageRecord),
    /// Provably nothing of an attempt left the process: it never was.
    Void(AttemptId),
    /// An account may use up to so much.
    Leased(LeaseRecord),
    /// An attempt of which nobody knew the cost is ended by evidence or by decision.
    Resolved(ResolvedRecord),
    /// All that a loss of power before this epoch may have taken is written down before this.
    LossCounted(u64),
}

/// What is known of an attempt before it leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentRecord {
    /// Unique.
    pub attempt: AttemptId,
    /// The call's name, as the client knows it.
    pub request_id: RequestId,
    /// When its hold was granted.
    pub at: Timestamp,
    /// Who pays.
    pub tenant: TenantId,
    /// The key's project.
    pub project: ProjectPath,
    /// The key.
    pub key: KeyId,
    /// The tenant's own user, where the call named one.
    pub end_user: Option<String>,
    /// The public model name.
    pub model: ModelId,
    /// Where it goes.
    pub upstream: UpstreamId,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// What is held on every account of the path.
    pub worst: Amounts,
    /// The price version that it is rated with.
    pub price_version: u32,
    /// The call's `Idempotency-Key`, where it had one; only the journal has it.
    pub idempotency: Option<Idempotency>,
}

/// What an `Idempotency-Key` and the call that it came with are known by: keyed hashes, which tell nothing of either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idempotency {
    /// Stands for the key and for whose it is: two accounts that use the same text have different names.
    pub name: [u8; 16],
    /// Stands for what was asked, and of which endpoint.
    pub body: [u8; 16],
}

/// Durable permission of an account to use a resource up to a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Whose tree.
    pub tenant: TenantId,
    /// The project, or the key's project; `None` for the tenant itself.
    pub project: Option<ProjectPath>,
    /// The key; `None` for a project or the tenant.
    pub key: Option<KeyId>,
    /// Which kind of period.
    pub period: BudgetPeriod,
    /// When that period began.
    pub starts: Timestamp,
    /// Of what.
    pub resource: Resource,
    /// Posted, held and lost together may reach this; a smaller number than before changes nothing.
    pub up_to: u64,
    /// How much of it is lost now: unused when the power went, and perhaps spent. `None` leaves that as it was.
    pub lost: Option<u64>,
}

impl LeaseRecord {
    /// What both say of one lease, where `later` was written after this.
    pub(crate) fn then(&self, later: &LeaseRecord) -> LeaseRecord {
        // Two that were asked for around a period's end may come in either order: the younger period stays.
        if self.starts != later.starts {
            return if later.starts > self.starts { later.clone() } else { self.clone() };
        }
        LeaseRecord { up_to: self.up_to.max(later.up_to), lost: later.lost.or(self.lost), ..later.clone() }
    }
}

/// How an unknown attempt was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRecord {
    /// Which.
    pub attempt: AttemptId,
    /// When that was decided.
    pub at: Timestamp,
    /// What is charged, never more than is held; the rest is released.
    pub charged: Amounts,
    /// Why, for whoever asks later.
    pub reason: String,
}

impl Record {
    /// The attempt it is about; a lease and a loss are about none.
    #[must_use]
    pub const fn attempt(&self) -> Option<AttemptId> {
        match self {
            Record::Intent(intent) => Some(intent.attempt),
            Record::Settled(usage) => Some(usage.attempt),
            Record::Void(attempt) => Some(*attempt),
            Record::Resolved(resolved) => Some(resolved.attempt),
            Record::Leased(_) | Record::LossCounted(_) => None,
        }
    }
}

impl IntentRecord {
    /// The record of an attempt that never reported its end.
    #[must_use]
    pub fn without_end(&self) -> UsageRecord {
        UsageRecord {
            attempt: self.attempt,
            request_id: self.request_id,
            at: self.at,
            tenant: self.tenant.clone(),
            project: self.project.clone(),
            key: self.key.clone(),
            end_user: self.end_user.clone(),
            model: self.model.clone(),
            upstream: self.upstream.clone(),
            endpoint: self.endpoint,
            stream: self.stream,
            status: 0,
            ending: crate::Ending::Unknown,
            usage: wire::Usage::default(),
            held: self.worst.usd,
            held_tokens: self.worst.tokens,
            charged: Money::ZERO,
            variance: Money::ZERO,
            price_version: self.price_version,
            upstream_response_id: None,
            first_byte_ms: 0,
            total_ms: 0,
        }
    }

    /// What the intent of a settled attempt must have been.
    pub(crate) fn of(usage: &UsageRecord) -> IntentRecord {
        IntentRecord {
            attempt: usage.attempt,
            request_id: usage.request_id,
            at: usage.at,
            tenant: usage.tenant.clone(),
            project: usage.project.clone(),
            key: usage.key.clone(),
            end_user: usage.end_user.clone(),
            model: usage.model.clone(),
            upstream: usage.upstream.clone(),
            endpoint: usage.endpoint,
            stream: usage.stream,
            worst: Amounts { usd: usage.held, tokens: usage.held_tokens },
            price_version: usage.price_version,
            idempotency: None,
        }
    }
}
