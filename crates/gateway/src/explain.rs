//! A dry run of a call: the stages of the pipeline up to the upstream, nothing taken, and what each would say.

use base::{Money, Refusal, Timestamp};
use bytes::Bytes;
use catalog::Plan;
use serde::Serialize;
use store::status::TenantStatus;
use wire::Route;

use crate::authenticate::Caller;
use crate::books::{Asked, indexes};
use crate::relay::Relay;
use crate::{admit, intake, reserve, status};

/// What a call would meet.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Whether the call would be forwarded now.
    pub would_be_forwarded: bool,
    /// What would refuse it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalSummary>,
    /// The model that it asks for, or that its account's default gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Who may answer, first to last.
    pub candidates: Vec<CandidateSummary>,
    /// The worst case, held while the call is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_case: Option<WorstCase>,
    /// The accounts that it draws on, with every limit and what is left of it.
    pub accounts: TenantStatus,
}

/// A refusal as data.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalSummary {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: &'static str,
    /// The sentence.
    pub message: String,
}

/// One place that may answer.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateSummary {
    /// The public model.
    pub model: String,
    /// The upstream.
    pub upstream: String,
    /// The name that the upstream knows the model by.
    pub upstream_model: String,
    /// The price version in force.
    pub price_version: u32,
}

/// What a call can cost at most.
#[derive(Debug, Clone, Serialize)]
pub struct WorstCase {
    /// In USD.
    pub usd: Money,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
}

/// Explains a call of `caller` with this body.
pub(crate) fn call<'a>(
    relay: &Relay,
    caller: &Caller,
    route: impl Into<Route<'a>>,
    body: Bytes,
    now: Timestamp,
) -> Explanation {
    let planned = intake::read(caller, route, Some(b"application/json"), body)
        .and_then(|call| Ok((intake::plan(relay, caller, &call, now)?, call)));
    let accounts = status::of_caller(relay, caller, now);
    match planned {
        Err(refusal) => explanation(accounts, None, Some(&refusal)),
        Ok((mut plan, call)) => {
            let refusal = obstacle(relay, caller, &mut plan, &call, now);
            explanation(accounts, Some(&plan), refusal.as_ref())
        }
    }
}

/// The first thing that would refuse a planned call.
fn obstacle(relay: &Relay, caller: &Caller, plan: &mut Plan, call: &wire::Call, now: Timestamp) -> Option<Refusal> {
    let path = caller.path();
    let moment = relay.clock.moment();
    let asked = Asked::of(path, plan, call);
    if let Err(breach) = relay.books.ask(&asked, |shard, ask| shard.admission.check(ask, moment)) {
        return Some(admit::rate_limited(&asked, &breach));
    }
    let indexes = indexes(path);
    let mut shard = relay.books.shard(indexes[0]);
    shard.refresh(path);
    if shard.ledger.check(&indexes, reserve::amounts(plan), now).is_err() {
        if let Err(refusal) = plan.tighten(call) {
            return Some(refusal);
        }
        if let Err(shortage) = shard.ledger.check(&indexes, reserve::amounts(plan), now) {
            return Some(reserve::short_of(path, plan, call, &shortage, now));
        }
    }
    None
}

fn explanation(accounts: TenantStatus, plan: Option<&Plan>, refusal: Option<&Refusal>) -> Explanation {
    let candidates = plan.map_or(&[][..], Plan::candidates);
    Explanation {
        would_be_forwarded: refusal.is_none(),
        refusal: refusal.map(|refusal| RefusalSummary {
            status: refusal.status(),
            code: refusal.code(),
            message: refusal.message(),
        }),
        model: plan.map(|plan| plan.model().id.to_string()),
        candidates: candidates
            .iter()
            .map(|candidate| CandidateSummary {
                model: candidate.model().id.to_string(),
                upstream: candidate.upstream().id.to_string(),
                upstream_model: candidate.target().model.to_string(),
                price_version: candidate.price().id,
            })
            .collect(),
        worst_case: plan.map(|plan| WorstCase {
            usd: plan.quote().usd,
            input_tokens: plan.quote().input_tokens,
            output_tokens: plan.quote().output_tokens,
        }),
        accounts,
    }
}
