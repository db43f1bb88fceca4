//! From an admitted call to a [`Hold`]: takes the worst case on every level, and helps where it does not fit at once.
//!
//! What does not fit by bytes is counted by tokens. What does not fit because other calls hold the money waits for
//! them, in order and for a bounded time. A call that named no output limit is sent with the largest one that the money
//! buys. What is left is refused, with what would fit.

use core::time::Duration;
use std::sync::Arc;

use base::{AccountIndex, BudgetPeriod, LimitedCalls, Refusal, Shortfall, Timestamp, Window};
use catalog::Plan;
use ledger::waiting::Ticket;
use ledger::{Amounts, Available, NoHold, Resource, Shortage};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use wire::{Billable, Call};

use crate::admit::{Admitted, scope};
use crate::authenticate::Path;
use crate::books::{Books, Indexes, indexes};
use crate::hold::{Hold, Label};
use crate::queue::Standing;
use crate::relay::Relay;

/// What an overloaded relay asks for.
const OVERLOADED: Refusal = Refusal::Overloaded { retry_after: Duration::from_secs(1) };

/// Holds the worst case of the plan on every level, or nowhere. Where only an output limit makes the call fit, `plan`
/// and `call` have it when this returns.
///
/// # Errors
/// 402 for money, 429 for tokens per month, 503 when nothing more can be recorded.
pub(crate) async fn reserve(
    mut admitted: Box<Admitted>,
    plan: &mut Plan,
    call: &mut Call,
    label: Label,
) -> Result<Hold, Refusal> {
    let relay = admitted.relay().clone();
    let path = admitted.caller().path().clone();
    let mut asking = Asking::new(&relay, &path, plan, call, label.at, admitted.standing());
    let (held, limit) = asking.hold().await?;
    drop(asking);
    if let Some(limit) = limit {
        call.lower_output_limit(limit);
    }
    if held.refill_due() {
        extend_in_background(&relay, &path);
    }
    Hold::open(admitted, held, plan, call, label, limit)
}

/// One call's way to its money.
struct Asking<'a> {
    relay: &'a Arc<Relay>,
    path: &'a Path,
    indexes: Indexes,
    plan: &'a mut Plan,
    call: &'a Call,
    /// What the client asked for, before an output limit was set for it.
    asked: Billable,
    /// The output limit that the plan is quoted with now, where the relay chose it.
    limit: Option<u64>,
    is_tight: bool,
    at: Timestamp,
    place: Place<'a>,
    /// Its place at an upstream.
    standing: &'a mut Standing,
}

/// What one look at the books said.
enum Look {
    Held(ledger::Hold),
    /// A lease must be extended first.
    Unleased,
    /// Somebody who came earlier waits for money on this path.
    Behind(AccountIndex),
    Short(Shortage, Available),
}

/// What to do about a shortage.
enum Way {
    /// Send it with at most this much output.
    Limit(u64),
    /// Wait for the holds of others.
    Wait,
    Refuse,
}

impl<'a> Asking<'a> {
    fn new(
        relay: &'a Arc<Relay>,
        path: &'a Path,
        plan: &'a mut Plan,
        call: &'a Call,
        at: Timestamp,
        standing: &'a mut Standing,
    ) -> Asking<'a> {
        let place = Place::new(&relay.books, path[0].index);
        let asked = call.billable().clone();
        Asking {
            relay,
            path,
            indexes: indexes(path),
            plan,
            call,
            asked,
            limit: None,
            is_tight: false,
            at,
            place,
            standing,
        }
    }

    /// The hold, and the output limit that it is for where the relay chose one.
    async fn hold(&mut self) -> Result<(ledger::Hold, Option<u64>), Refusal> {
        let mut now = Instant::now();
        let deadline = now + self.relay.settings.reserve_wait;
        loop {
            let in_time = now < deadline;
            // At its deadline a call tries once more for itself, whatever the order.
            match self.look(in_time) {
                Look::Held(hold) => return Ok((hold, self.limit)),
                Look::Unleased => extend(self.relay, self.path, amounts(self.plan)).await?,
                Look::Behind(account) => self.wait(account, deadline).await?,
                Look::Short(..) if !self.is_tight => {
                    self.is_tight = true;
                    self.plan.tighten(self.call)?;
                }
                Look::Short(shortage, available) => match self.way(&shortage, available) {
                    Way::Limit(limit) if self.limit != Some(limit) => self.set_limit(Some(limit))?,
                    Way::Wait if in_time => {
                        self.set_limit(None)?;
                        let account = self.bottleneck(shortage.resource);
                        self.wait(account, deadline).await?;
                    }
                    Way::Limit(_) | Way::Wait | Way::Refuse => {
                        self.set_limit(None)?;
                        return Err(short_of(self.path, self.plan, self.call, &shortage, self.at));
                    }
                },
            }
            now = Instant::now();
        }
    }

    /// Tries to take the worst case as it is quoted now.
    fn look(&mut self, in_order: bool) -> Look {
        let worst = amounts(self.plan);
        let attempt = self.relay.books.next_attempt();
        let mut shard = self.relay.books.shard(self.indexes[0]);
        shard.refresh(self.path);
        if in_order && let Some(account) = shard.waiting.ahead_on(&self.indexes, self.place.ticket) {
            return Look::Behind(account);
        }
        match shard.ledger.reserve(&self.indexes, attempt, worst, self.at) {
            Ok(hold) => {
                let watched = shard.watch_budgets(&self.indexes, worst, self.at, || self.relay.clock.moment());
                drop(shard);
                if let Some(account) = watched {
                    let (tenant, account) = (&self.path[0].name, scope(self.path, account));
                    tracing::info!(%tenant, %account, "a watched budget would have refused a call; told once a minute");
                }
                Look::Held(hold)
            }
            Err(NoHold::Unleased) => Look::Unleased,
            Err(NoHold::Short(shortage)) => Look::Short(shortage, shard.ledger.available(&self.indexes, self.at)),
        }
    }

    /// Decides what to do about a shortage of the call as the client asked for it.
    fn way(&self, shortage: &Shortage, available: Available) -> Way {
        let settings = &self.relay.settings;
        let has_output = self.call.endpoint().has_output();
        let can_fall = match self.asked.output_limit {
            None => true,
            // Whoever wants no output cannot have less.
            Some(limit) => limit > 0 && clamps(self.path),
        };
        let may_limit = has_output && can_fall;
        if !may_limit {
            return if shortage.fits_alone { Way::Wait } else { Way::Refuse };
        }
        let buys = |amounts: Amounts| self.plan.affordable_output(&self.asked, amounts.usd, amounts.tokens);
        let Some(alone) = buys(available.alone) else { return Way::Refuse };
        let floor = settings.output_floor_tokens.min(alone).min(self.asked.output_limit.unwrap_or(u64::MAX));
        match buys(available.now) {
            Some(now) if now >= floor => Way::Limit(now),
            _ => Way::Wait,
        }
    }

    /// Quotes the plan anew, with an output limit or as the client asked.
    fn set_limit(&mut self, limit: Option<u64>) -> Result<(), Refusal> {
        if self.limit == limit {
            return Ok(());
        }
        self.limit = limit;
        let mut billable = self.asked.clone();
        billable.output_limit = limit.into_iter().chain(billable.output_limit).min();
        self.plan.requote(&billable)
    }

    /// The account of the path at which the least is free: whoever ends a call there may help.
    fn bottleneck(&self, resource: Resource) -> AccountIndex {
        let shard = self.relay.books.shard(self.indexes[0]);
        let free = |account: &AccountIndex| {
            let now = shard.ledger.available(core::slice::from_ref(account), self.at).now;
            match resource {
                Resource::Usd => now.usd.nanos().unsigned_abs(),
                Resource::Tokens => now.tokens,
            }
        };
        *self.indexes.iter().min_by_key(|account| free(account)).expect("a path has a tenant at least")
    }

    /// Waits at `account` until it is this call's turn, or the deadline has come.
    async fn wait(&mut self, account: AccountIndex, deadline: Instant) -> Result<(), Refusal> {
        self.standing.step_aside();
        if self.place.join(account)? {
            // Money that became free before it stood in the queue called nobody: look again.
            return Ok(());
        }
        if timeout_at(deadline, self.place.turn.notified()).await.is_err() {
            self.place.leave();
        }
        Ok(())
    }
}

/// A call's place among those who wait for money of its tenant. Dropped, it leaves, and the next is called.
struct Place<'a> {
    books: &'a Books,
    tenant: AccountIndex,
    ticket: Ticket,
    turn: Arc<Notify>,
    at: Option<AccountIndex>,
}

impl<'a> Place<'a> {
    fn new(books: &'a Books, tenant: AccountIndex) -> Place<'a> {
        Place { books, tenant, ticket: books.next_ticket(), turn: Arc::default(), at: None }
    }

    /// Joins the queue at `account`, or stays where it is; says whether it joined.
    fn join(&mut self, account: AccountIndex) -> Result<bool, Refusal> {
        if self.at == Some(account) {
            return Ok(false);
        }
        self.leave();
        let mut shard = self.books.shard(self.tenant);
        shard.wait(account, self.ticket, &self.turn).map_err(|_| OVERLOADED)?;
        self.at = Some(account);
        Ok(true)
    }

    fn leave(&mut self) {
        if self.at.take().is_some() {
            self.books.shard(self.tenant).stop_waiting(self.ticket);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Whether the path wants calls that ask for too much output to be cut short rather than refused; the narrowest account
/// that says anything decides.
fn clamps(path: &Path) -> bool {
    path.iter().rev().find_map(|account| account.settings().defaults.clamp_max_tokens).unwrap_or(false)
}

/// Extends the leases that stand in the way of `worst`: they are durable before they are used. Of many calls that need
/// the same ones, the first writes them.
async fn extend(relay: &Arc<Relay>, path: &Path, worst: Amounts) -> Result<(), Refusal> {
    let _turn = relay.leasing.lock().await;
    let leases = {
        let indexes = indexes(path);
        let mut shard = relay.books.shard(indexes[0]);
        shard.refresh(path);
        shard.ledger.leases_wanted(&indexes, worst, relay.clock.now())
    };
    relay.grant(path, &leases).await.map_err(|_| OVERLOADED)
}

/// Extends leases of which half is used, before somebody has to wait for it.
fn extend_in_background(relay: &Arc<Relay>, path: &Path) {
    let (relay, path) = (relay.clone(), path.clone());
    let tasks = relay.tasks.clone();
    tasks.spawn(async move {
        let _turn = relay.leasing.lock().await;
        let leases = {
            let indexes = indexes(&path);
            let mut shard = relay.books.shard(indexes[0]);
            shard.refresh(&path);
            shard.ledger.refills_due(&indexes, relay.clock.now())
        };
        if relay.grant(&path, &leases).await.is_err() {
            tracing::warn!("a lease was not extended; it is tried again when it runs out");
        }
    });
}

/// What a plan holds.
pub(crate) fn amounts(plan: &Plan) -> Amounts {
    Amounts { usd: plan.quote().usd, tokens: plan.quote().tokens() }
}

/// What a client is told when a resource does not cover its call.
pub(crate) fn short_of(path: &Path, plan: &Plan, call: &Call, shortage: &Shortage, now: Timestamp) -> Refusal {
    let scope = scope(path, shortage.account);
    if shortage.resource == Resource::Tokens {
        let retry_after = shortage.resets_at.map_or(Duration::MAX, |at| at.saturating_since(now));
        let (of, window, limit) = (LimitedCalls::All, Window::TokensPerMonth, shortage.limit);
        return Refusal::RateLimited { scope, of, window, limit, retry_after, is_block: false };
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
