//! A dry run of a call: the stages of the pipeline up to the upstream, nothing taken, and what each would say.

use core::time::Duration;
use std::sync::Arc;

use base::{AccountIndex, Money, Part, Refusal, Timestamp, Window};
use bytes::Bytes;
use catalog::{Candidate, Model, Plan};
use ledger::{Amounts, PeriodBalance};
use serde::Serialize;
use store::status::{TenantStatus, budget_field, window_name};
use wire::Route;

use crate::authenticate::{Caller, Path};
use crate::books::{Asked, indexes};
use crate::relay::Relay;
use crate::shadows::WatchedFigure;
use crate::{admit, estimate, intake, owned, reserve, status};

/// What a call would meet.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The path that would be called.
    pub endpoint: String,
    /// Its dialect.
    pub dialect: String,
    /// Whether the call would be forwarded now.
    pub would_be_forwarded: bool,
    /// Whether the relay would answer it by itself, with an estimate: it asks for a count that no provider of its model can
    /// give. It is not forwarded then, and costs nothing.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub would_be_estimated: bool,
    /// What would refuse it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalSummary>,
    /// The model that it asks for, or that its account's default gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The end user that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// The accounts that it draws on, the tenant first: `tenant acme`, `project search`, `key ci`.
    pub path: Vec<String>,
    /// Where it would go now, and why there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteSummary>,
    /// Who may answer, first to last.
    pub candidates: Vec<CandidateSummary>,
    /// The worst case, held while the call is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_case: Option<WorstCase>,
    /// Every limit that the call meets, level by level, with what it takes of it. Absent where nothing is planned.
    pub limits: Vec<LimitSummary>,
    /// The accounts that it draws on, with every limit and what is left of it.
    pub accounts: TenantStatus,
}

/// Where a call would go now.
#[derive(Debug, Clone, Serialize)]
pub struct RouteSummary {
    /// The upstream.
    pub upstream: String,
    /// The place of the candidate in the list, from 1.
    pub candidate: usize,
    /// Why there.
    pub why: &'static str,
    /// Whether the call would have to wait there for its turn.
    pub waits: bool,
}

/// What one limit says to the call.
#[derive(Debug, Clone, Serialize)]
pub struct LimitSummary {
    /// Whose: `tenant acme`, `project search`, `key ci`.
    pub account: String,
    /// Of which of its calls: all (`whole`), those of its `model`, those of its `end_user`.
    pub part: Part,
    /// Which limit, as in a resource file: `requests_per_minute`, `usd_per_month`, `wallet`.
    pub limit_name: &'static str,
    /// Its size, a number or an amount in USD.
    pub limit: String,
    /// What counts against it, held amounts included.
    pub used: String,
    /// What is left.
    pub remaining: String,
    /// What the call takes of it.
    pub needs: String,
    /// Whether it would stand in the way, if it were enforced.
    pub would_refuse: bool,
    /// Only watched: it refuses nothing.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub shadow: bool,
    /// How long until it has room, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
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
    /// Lower tiers are tried first.
    pub tier: u32,
    /// Its share of the calls of its tier.
    pub weight: u32,
    /// It is of a model that the call did not ask for.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub is_fallback: bool,
    /// Calls that its upstream may work on at once, and does, and calls that wait there; absent before its first call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueSummary>,
}

/// The queue in front of an upstream.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct QueueSummary {
    /// Calls that it may work on at once.
    pub places: u32,
    /// Calls that it works on.
    pub taken: u32,
    /// Calls that wait.
    pub waiting: u32,
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

/// Where a call that is read would go.
enum Ahead {
    /// To a provider.
    Plan(Plan),
    /// Nowhere: the relay counts the tokens of this model.
    Estimate(Arc<Model>),
}

/// Explains a call of `caller` with this body.
///
/// # Errors
/// The refusal of an endpoint that costs nothing, and is no call.
pub(crate) fn call(
    relay: &Relay,
    caller: &Caller,
    endpoint: &str,
    route: &Route<'_>,
    body: Bytes,
    now: Timestamp,
) -> Result<Explanation, Refusal> {
    if !route.endpoint.is_billed() || route.endpoint.is_of_conversation() {
        return Err(Refusal::invalid(
            Some("endpoint"),
            "Nothing is billed at that path, so that there is nothing to explain.",
        ));
    }
    let mut explanation = Explanation {
        endpoint: endpoint.to_owned(),
        dialect: route.dialect.to_string(),
        would_be_forwarded: false,
        would_be_estimated: false,
        refusal: None,
        model: None,
        end_user: None,
        path: caller.path().iter().map(|account| name(caller.path(), account.index)).collect(),
        route: None,
        candidates: Vec::new(),
        worst_case: None,
        limits: Vec::new(),
        accounts: status::of_caller(relay, caller, now),
    };
    let planned =
        intake::read(caller, intake::with_maker(relay, route), Some(b"application/json"), body).and_then(|mut call| {
            owned::open(relay, caller, &mut call)?;
            (explanation.model, explanation.end_user) =
                (call.model().map(ToString::to_string), call.end_user().map(str::to_owned));
            Ok(match estimate::model(relay, caller, &call) {
                Some(model) => (Ahead::Estimate(model), call),
                None => (Ahead::Plan(intake::plan(relay, caller, &call, now)?), call),
            })
        });
    let path = caller.path();
    let refusal = match planned {
        Err(refusal) => Some(refusal),
        Ok((Ahead::Estimate(model), call)) => {
            let asked = estimate::asked(path, &model, &call);
            explanation.limits = limits(relay, &asked, None, now);
            explanation.would_be_estimated = true;
            window(relay, &asked)
        }
        Ok((Ahead::Plan(mut plan), call)) => {
            let refusal = obstacle(relay, path, &mut plan, &call, now);
            explanation.limits = limits(relay, &Asked::of(path, &plan, &call), Some(reserve::amounts(&plan)), now);
            explanation.candidates = plan.candidates().iter().map(|one| candidate(relay, &plan, one)).collect();
            explanation.route = Some(choice(&plan, &explanation.candidates));
            explanation.worst_case = Some(WorstCase {
                usd: plan.quote().usd,
                input_tokens: plan.quote().input_tokens,
                output_tokens: plan.quote().output_tokens,
            });
            refusal
        }
    };
    explanation.would_be_estimated &= refusal.is_none();
    explanation.would_be_forwarded = refusal.is_none() && !explanation.would_be_estimated;
    explanation.refusal = refusal.map(|refusal| RefusalSummary {
        status: refusal.status(),
        code: refusal.code(),
        message: refusal.message(),
    });
    Ok(explanation)
}

fn name(path: &Path, index: AccountIndex) -> String {
    admit::scope(path, index).to_string()
}

fn candidate(relay: &Relay, plan: &Plan, candidate: &Candidate) -> CandidateSummary {
    let queue = relay.upstreams.queues().into_iter().find(|(name, _)| *name == candidate.upstream().id.as_str());
    let queue = queue.map(|(_, queue)| queue.status());
    CandidateSummary {
        model: candidate.model().id.to_string(),
        upstream: candidate.upstream().id.to_string(),
        upstream_model: candidate.target().model.to_string(),
        price_version: candidate.price().id,
        tier: candidate.target().tier,
        weight: candidate.target().weight,
        is_fallback: candidate.model().id != plan.model().id,
        queue: queue.map(|queue| QueueSummary { places: queue.limit, taken: queue.running, waiting: queue.waiting }),
    }
}

/// The rule of the queue: the first candidate, or another of its tier that has a free place where the first has none.
fn choice(plan: &Plan, candidates: &[CandidateSummary]) -> RouteSummary {
    let first = &candidates[0];
    let is_free =
        |one: &CandidateSummary| one.queue.is_none_or(|queue| queue.waiting == 0 && queue.taken < queue.places);
    let is_peer = |one: &&CandidateSummary| one.model == first.model && one.tier == first.tier;
    let peers = candidates.iter().take_while(is_peer).count();
    let free = candidates[..peers].iter().position(is_free);
    let (place, why) = match free {
        Some(0) if peers > 1 => (0, "it was drawn by weight from the targets of the first tier"),
        Some(0) => (0, "it is the only target of the first tier"),
        Some(place) => (place, "the target that was drawn is busy, and this one of the same tier is not"),
        None => (0, "no target of the first tier has a free place; calls wait at the one that was drawn"),
    };
    let upstream = plan.candidates()[place].upstream().id.to_string();
    RouteSummary { upstream, candidate: place + 1, why, waits: free.is_none() }
}

/// Every limit of every level, windows first; those of money and of its tokens where the call costs something at worst.
fn limits(relay: &Relay, asked: &Asked<'_>, worst: Option<Amounts>, now: Timestamp) -> Vec<LimitSummary> {
    let path = asked.path;
    let moment = relay.clock.moment();
    relay.books.ask(asked, |shard, ask| {
        let windows = shard.admission.limits_of(ask, moment).into_iter().map(|said| LimitSummary {
            account: name(path, said.account),
            part: said.part,
            limit_name: window_name(said.status.window),
            limit: said.status.limit.to_string(),
            used: said.status.used.to_string(),
            remaining: said.status.remaining.to_string(),
            needs: said.needs.to_string(),
            would_refuse: said.wait != Some(Duration::ZERO),
            shadow: said.is_shadow,
            retry_after_seconds: said.wait.filter(|wait| !wait.is_zero()).map(base::whole_seconds_ceil),
        });
        let mut limits: Vec<LimitSummary> = windows.collect();
        let Some(worst) = worst else { return limits };
        for &account in ask.path {
            let balances = shard.ledger.balances(account, now);
            for balance in balances.current.iter().chain(&balances.wallet) {
                limits.extend(budget(&name(path, account), balance, worst.usd, now));
                limits.extend(tokens(&name(path, account), balance, worst.tokens, now));
            }
            limits.extend(
                shard
                    .watched_budgets(account, now)
                    .into_iter()
                    .map(|watched| watched_budget(&name(path, account), &watched, worst)),
            );
        }
        limits
    })
}

fn budget(account: &str, balance: &PeriodBalance, needs: Money, now: Timestamp) -> Option<LimitSummary> {
    let limit = balance.usd_limit?;
    let used = balance.posted.usd + balance.held_in_all().usd;
    let remaining = limit.saturating_sub(used);
    Some(LimitSummary {
        account: account.to_owned(),
        part: Part::Whole,
        limit_name: budget_field(balance.period),
        limit: limit.to_string(),
        used: used.to_string(),
        remaining: remaining.to_string(),
        needs: needs.to_string(),
        would_refuse: needs > remaining,
        shadow: false,
        retry_after_seconds: reset(balance, needs > remaining && needs <= limit, now),
    })
}

fn tokens(account: &str, balance: &PeriodBalance, needs: u64, now: Timestamp) -> Option<LimitSummary> {
    let limit = balance.tokens_limit?;
    let used = balance.posted.tokens.saturating_add(balance.held_in_all().tokens);
    let remaining = limit.saturating_sub(used);
    Some(LimitSummary {
        account: account.to_owned(),
        part: Part::Whole,
        limit_name: window_name(Window::TokensPerMonth),
        limit: limit.to_string(),
        used: used.to_string(),
        remaining: remaining.to_string(),
        needs: needs.to_string(),
        would_refuse: needs > remaining,
        shadow: false,
        retry_after_seconds: reset(balance, needs > remaining && needs <= limit, now),
    })
}

fn watched_budget(account: &str, watched: &WatchedFigure, worst: Amounts) -> LimitSummary {
    let ([limit, used, remaining, needs], would_refuse) = watched.asked(worst);
    LimitSummary {
        account: account.to_owned(),
        part: Part::Whole,
        limit_name: watched.limit_name,
        limit,
        used,
        remaining,
        needs,
        would_refuse,
        shadow: true,
        retry_after_seconds: None,
    }
}

/// When a period ends that stands in the way.
fn reset(balance: &PeriodBalance, stands_in_the_way: bool, now: Timestamp) -> Option<u64> {
    let ends = balance.resets_at.filter(|_| stands_in_the_way)?;
    Some(base::whole_seconds_ceil(ends.saturating_since(now)))
}

/// The window that would refuse what is asked.
fn window(relay: &Relay, asked: &Asked<'_>) -> Option<Refusal> {
    let moment = relay.clock.moment();
    let breach = relay.books.ask(asked, |shard, ask| shard.admission.check(ask, moment)).err()?;
    Some(admit::rate_limited(asked, &breach))
}

/// The first thing that would refuse a planned call.
fn obstacle(relay: &Relay, path: &Path, plan: &mut Plan, call: &wire::Call, now: Timestamp) -> Option<Refusal> {
    if let Some(refusal) = window(relay, &Asked::of(path, plan, call)) {
        return Some(refusal);
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
