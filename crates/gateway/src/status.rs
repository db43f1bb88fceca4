//! What accounts may use, have used and have left, as the running relay counts it.

use base::{BudgetPeriod, Timestamp};
use ledger::PeriodBalance;
use store::status::{AccountStatus, BalanceFigure, Figures, NeighbourStatus, TenantStatus, WindowFigure, figures};
use store::{Account, LiveTenant};

use crate::authenticate::{Caller, Path};
use crate::relay::Relay;
use crate::shadows::WatchedFigure;

/// The accounts that a caller's calls draw on.
pub(crate) fn of_caller(relay: &Relay, caller: &Caller, now: Timestamp) -> TenantStatus {
    let path = caller.path();
    let accounts = (1..path.len()).map(|level| below_tenant(relay, &path[..=level], now)).collect();
    TenantStatus {
        tenant_id: caller.tenant().id().to_string(),
        live: true,
        figures: account_figures(relay, &path[..1], now),
        neighbours: Some(neighbours(relay, &path[0])),
        accounts,
    }
}

/// A tenant and everything below it: each project before what is inside it, each key after its project.
pub(crate) fn of_tenant(relay: &Relay, tenant: &LiveTenant, now: Timestamp) -> TenantStatus {
    let mut paths: Vec<Path> = tenant.projects().into_iter().map(|(_, account)| path_to(&account)).collect();
    paths.extend(tenant.keys().iter().map(|key| key.path()));
    let mut accounts: Vec<AccountStatus> = paths.iter().map(|path| below_tenant(relay, path, now)).collect();
    accounts.sort_by(|left, right| left.name.cmp(&right.name));
    let root = path_to(&tenant.account);
    let figures = account_figures(relay, &root, now);
    let neighbours = Some(neighbours(relay, &tenant.account));
    TenantStatus { tenant_id: tenant.id().to_string(), live: true, figures, neighbours, accounts }
}

/// What other tenants' load cost this one's calls.
fn neighbours(relay: &Relay, tenant: &Account) -> NeighbourStatus {
    let waits = relay.books.waits(tenant.index, relay.clock.moment());
    let millis = |wait: core::time::Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    NeighbourStatus {
        calls: waits.calls,
        calls_waited: waits.waited,
        wait_p50_ms: millis(waits.p50),
        wait_p95_ms: millis(waits.p95),
        wait_p99_ms: millis(waits.p99),
    }
}

/// When the current month of the caller's tenant began.
pub(crate) fn month_start(relay: &Relay, caller: &Caller, now: Timestamp) -> Timestamp {
    let tenant = &caller.path()[..1];
    let mut shard = relay.books.shard(tenant[0].index);
    shard.refresh(tenant);
    shard.ledger.balances(tenant[0].index, now).of(BudgetPeriod::Month).starts
}

/// The path from the tenant down to `account`.
pub(crate) fn path_to(account: &std::sync::Arc<Account>) -> Path {
    let mut path = Path::new();
    let mut next = Some(account);
    while let Some(account) = next {
        path.insert(0, account.clone());
        next = account.parent.as_ref();
    }
    path
}

/// The status of the last account of `path`, which is a project or a key.
fn below_tenant(relay: &Relay, path: &[std::sync::Arc<Account>], now: Timestamp) -> AccountStatus {
    let account = path.last().expect("a path has a tenant at least");
    let name = match (account.level, &account.parent) {
        (base::ScopeLevel::Key, Some(project)) => format!("{}/{}", project.name, account.name),
        _ => account.name.to_string(),
    };
    AccountStatus { level: account.level.to_string(), name, figures: account_figures(relay, path, now) }
}

fn account_figures(relay: &Relay, path: &[std::sync::Arc<Account>], now: Timestamp) -> Figures {
    let account = path.last().expect("a path has a tenant at least");
    let mut shard = relay.books.shard(path[0].index);
    shard.refresh(path);
    let balances = shard.ledger.balances(account.index, now);
    let shadow = shard.watched_budgets(account.index, now).iter().map(WatchedFigure::status).collect();
    let report = shard.admission.report(account.index, relay.clock.moment());
    drop(shard);

    let windows: Vec<WindowFigure> = report.windows.iter().map(WindowFigure::from).collect();
    let month = balances.of(BudgetPeriod::Month);
    let tokens = BalanceFigure {
        period: BudgetPeriod::Month,
        limit: month.tokens_limit,
        posted: month.posted.tokens,
        held: month.held_in_all().tokens,
        resets_at: month.resets_at,
    };
    let told = |balance: &&PeriodBalance| balance.usd_limit.is_some() || balance.period == BudgetPeriod::Month;
    let budgets: Vec<BalanceFigure<base::Money>> = balances
        .current
        .iter()
        .chain(&balances.wallet)
        .filter(told)
        .map(|balance| BalanceFigure {
            period: balance.period,
            limit: balance.usd_limit,
            posted: balance.posted.usd,
            held: balance.held_in_all().usd,
            resets_at: balance.resets_at,
        })
        .collect();
    figures(&windows, Some(&tokens), &budgets, account.settings().suspended, now).with_report(&report).watching(shadow)
}
