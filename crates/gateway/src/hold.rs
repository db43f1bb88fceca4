//! The two proofs that stand between a client and an upstream: [`Admitted`] (within all windows) and [`Hold`] (paid for).
//!
//! Each has one owner at every moment and gives back what it took when that owner drops it. A hold has four endings; the
//! one that nobody chose is decided by whether the request may have left.

use core::time::Duration;
use std::sync::Arc;

use base::{BudgetPeriod, Moment, Money, Refusal, RequestId, Scope, Shortfall, Timestamp, Window};
use catalog::{Candidate, Plan};
use ledger::{Amounts, Ending, Resource, Shortage};
use store::UsageRecord;
use tokio::time::Instant;
use wire::{Call, Usage};

use crate::authenticate::{Caller, Path};
use crate::recorder::Slot;
use crate::relay::Relay;

/// A call that is within every window of its account path, and has its place among the calls under way.
pub(crate) struct Admitted {
    relay: Arc<Relay>,
    caller: Caller,
    /// Taken out when the hold takes over.
    pass: Option<admit::Pass>,
    pub(crate) tightest: admit::Tightest,
}

/// Checks all windows of all levels, and takes them all or none.
///
/// # Errors
/// 429 that names the window; 503 never, until there is a queue.
pub(crate) fn admit(relay: &Arc<Relay>, caller: Caller, plan: &Plan, now: Moment) -> Result<Admitted, Refusal> {
    let tokens = plan.quote().tokens();
    match relay.books.admit(caller.path(), tokens, now) {
        Ok((pass, tightest)) => Ok(Admitted { relay: relay.clone(), caller, pass: Some(pass), tightest }),
        Err(breach) => Err(rate_limited(caller.path(), &breach)),
    }
}

/// What a client is told when a window is full.
pub(crate) fn rate_limited(path: &Path, breach: &admit::Breach) -> Refusal {
    Refusal::RateLimited {
        scope: scope(path, breach.account),
        window: breach.window,
        limit: breach.limit,
        retry_after: breach.retry_after,
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let now = self.relay.clock.moment();
            let mut shard = self.relay.books.shard(self.caller.path()[0].index);
            shard.admission.cancel(pass, now);
        }
    }
}

/// What a record says of a call beside its money.
pub(crate) struct Label {
    pub(crate) request_id: RequestId,
    pub(crate) started: Instant,
    pub(crate) at: Timestamp,
}

/// Money and tokens held on every level of the account path, with room for the record of what becomes of them.
pub struct Hold {
    relay: Arc<Relay>,
    caller: Caller,
    /// Present until settled.
    open: Option<Open>,
    worst: Amounts,
    label: Label,
    call: CallFacts,
    /// Whom the request went to, once it may have left.
    sent: Option<Candidate>,
}

struct Open {
    hold: ledger::Hold,
    pass: admit::Pass,
    slot: Slot,
}

/// What settling needs to know of the call; the body itself may be gone by then.
struct CallFacts {
    endpoint: wire::Endpoint,
    stream: bool,
    end_user: Option<String>,
}

/// How an attempt ended, in tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The answer came whole, with this usage.
    Complete(Usage),
    /// The answer broke off; this is what had been produced.
    Cut(Usage),
    /// Provably nothing is billed.
    Refused,
    /// Nobody knows; the whole hold stays.
    Unknown,
}

/// What was seen of the answer, for the record.
#[derive(Debug, Default, Clone)]
pub(crate) struct Observed {
    pub(crate) status: u16,
    pub(crate) first_byte: Option<Instant>,
    pub(crate) response_id: Option<String>,
}

/// The account of one call's cost, as its client may see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    pub(crate) charged: Money,
    pub(crate) held: Money,
    pub(crate) price_version: u32,
    /// The least that is left of any budget of the path; `None` when there is no budget.
    pub(crate) budget_remaining: Option<Money>,
}

/// Holds the worst case of the plan on every level, or nowhere: first the bound that costs nothing to know, then, if
/// that does not fit, the one that needs the tokenizer.
///
/// # Errors
/// 402 for money, 429 for tokens per month, 503 when usage cannot be recorded.
pub(crate) fn reserve(mut admitted: Admitted, plan: &mut Plan, call: &Call, label: Label) -> Result<Hold, Refusal> {
    let relay = admitted.relay.clone();
    let slot = relay.recorder.slot().ok_or(Refusal::Overloaded { retry_after: Duration::from_secs(1) })?;
    let path = admitted.caller.path();
    let mut worst = amounts(plan);
    let mut held = relay.books.reserve(path, worst, label.at);
    if held.is_err() {
        plan.tighten(call)?;
        worst = amounts(plan);
        held = relay.books.reserve(path, worst, label.at);
    }
    let hold = held.map_err(|shortage| short_of(path, plan, call, &shortage, label.at))?;
    let pass = admitted.pass.take().expect("an admitted call has its pass until the hold takes it");
    let end_user = call.end_user().map(str::to_owned);
    Ok(Hold {
        caller: admitted.caller.clone(),
        open: Some(Open { hold, pass, slot }),
        worst,
        label,
        call: CallFacts { endpoint: call.endpoint(), stream: call.stream(), end_user },
        sent: None,
        relay,
    })
}

fn amounts(plan: &Plan) -> Amounts {
    Amounts { usd: plan.quote().usd, tokens: plan.quote().tokens() }
}

/// What a client is told when a resource does not cover its call.
pub(crate) fn short_of(path: &Path, plan: &Plan, call: &Call, shortage: &Shortage, now: Timestamp) -> Refusal {
    let scope = scope(path, shortage.account);
    if shortage.resource == Resource::Tokens {
        let retry_after = shortage.resets_at.map_or(Duration::MAX, |at| at.saturating_since(now));
        return Refusal::RateLimited { scope, window: Window::TokensPerMonth, limit: shortage.limit, retry_after };
    }
    let free = shortage.limit.saturating_sub(shortage.posted).saturating_sub(shortage.held_in_all());
    let shortfall = Box::new(Shortfall {
        scope,
        period: period_name(shortage.period),
        limit: Shortage::as_usd(shortage.limit),
        spent: Shortage::as_usd(shortage.posted),
        held: Shortage::as_usd(shortage.held_in_all()),
        needed: Shortage::as_usd(shortage.needed),
        affordable_max_tokens: plan.affordable_output(call.billable(), Shortage::as_usd(free), u64::MAX),
        resets_at: shortage.resets_at,
    });
    if shortage.period == BudgetPeriod::Wallet {
        Refusal::WalletEmpty(shortfall)
    } else {
        Refusal::BudgetExhausted(shortfall)
    }
}

const fn period_name(period: BudgetPeriod) -> &'static str {
    match period {
        BudgetPeriod::Day => "day",
        BudgetPeriod::Week => "week",
        BudgetPeriod::Month => "month",
        BudgetPeriod::Year => "year",
        BudgetPeriod::Total => "total",
        // A wallet has none.
        BudgetPeriod::Wallet => "",
    }
}

/// The account of `path` at `index`, as a refusal names it.
fn scope(path: &Path, index: base::AccountIndex) -> Scope {
    let account = path.iter().find(|account| account.index == index).unwrap_or(&path[0]);
    Scope { level: account.level, name: account.name.clone() }
}

impl Hold {
    /// The most that this call can cost.
    pub(crate) fn worst(&self) -> Money {
        self.worst.usd
    }

    /// From here on the request may leave for `candidate`: dropping the hold no longer releases it.
    pub(crate) fn mark_sent(&mut self, candidate: &Candidate) {
        self.sent = Some(candidate.clone());
    }

    /// The request provably did not leave, or provably cost nothing; another candidate may be tried.
    pub(crate) fn unmark_sent(&mut self) {
        self.sent = None;
    }

    pub(crate) fn relay(&self) -> &Arc<Relay> {
        &self.relay
    }

    /// Turns the hold into a charge, releases the rest, and hands the record over. Cannot fail and does not wait.
    pub(crate) fn settle(mut self, outcome: Outcome, observed: Observed) -> Receipt {
        self.close(outcome, observed).expect("a hold is settled once, by value or by its drop")
    }

    fn close(&mut self, outcome: Outcome, observed: Observed) -> Option<Receipt> {
        let Open { hold, pass, slot } = self.open.take()?;
        let charge = |usage: &Usage| Amounts {
            usd: self.sent.as_ref().map_or(Money::ZERO, |sent| sent.price().rates.charge(usage)),
            tokens: usage.input.saturating_add(usage.output),
        };
        let (ending, usage) = match &outcome {
            Outcome::Complete(usage) => (Ending::Complete(charge(usage)), *usage),
            Outcome::Cut(usage) => (Ending::Cut(charge(usage)), *usage),
            Outcome::Refused => (Ending::Refused, Usage::default()),
            Outcome::Unknown => (Ending::Unknown, Usage::default()),
        };
        let now = (self.relay.clock.now(), self.relay.clock.moment());
        let (settlement, budget_remaining) = self.relay.books.settle(self.caller.path(), hold, pass, ending, now);
        if settlement.variance > Money::ZERO {
            tracing::error!(attempt = %settlement.attempt, variance_usd = %settlement.variance, "a provider billed more than the worst case; the operator pays");
        }
        let price_version = self.sent.as_ref().map_or(0, |sent| sent.price().id);
        if let Some(sent) = &self.sent {
            slot.record(self.record(&settlement, &outcome, usage, sent, observed));
        }
        Some(Receipt { charged: settlement.charged.usd, held: self.worst.usd, price_version, budget_remaining })
    }

    fn record(
        &self,
        settlement: &ledger::Settlement,
        outcome: &Outcome,
        usage: Usage,
        sent: &Candidate,
        observed: Observed,
    ) -> UsageRecord {
        let started = self.label.started;
        let millis = |since: Duration| u32::try_from(since.as_millis()).unwrap_or(u32::MAX);
        UsageRecord {
            attempt: settlement.attempt,
            request_id: self.label.request_id,
            at: self.label.at,
            tenant: self.caller.tenant().id.clone(),
            project: self.caller.key().project().clone(),
            key: self.caller.key().id().clone(),
            end_user: self.call.end_user.clone(),
            model: sent.model().id.clone(),
            upstream: sent.upstream().id.clone(),
            endpoint: self.call.endpoint,
            stream: self.call.stream,
            status: observed.status,
            ending: match outcome {
                Outcome::Complete(_) => store::Ending::Complete,
                Outcome::Cut(_) => store::Ending::Cut,
                Outcome::Refused => store::Ending::Refused,
                Outcome::Unknown => store::Ending::Unknown,
            },
            usage,
            held: self.worst.usd,
            held_tokens: self.worst.tokens,
            charged: settlement.charged.usd,
            variance: settlement.variance,
            price_version: sent.price().id,
            upstream_response_id: observed.response_id,
            first_byte_ms: observed.first_byte.map_or(0, |at| millis(at.saturating_duration_since(started))),
            total_ms: millis(started.elapsed()),
        }
    }
}

/// A hold that nobody ended: if the request may have left, nobody knows what it cost and the hold stays; if not, it is
/// released.
impl Drop for Hold {
    fn drop(&mut self) {
        let outcome = if self.sent.is_some() { Outcome::Unknown } else { Outcome::Refused };
        self.close(outcome, Observed::default());
    }
}
