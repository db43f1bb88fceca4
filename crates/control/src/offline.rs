//! The status of a tenant when no process serves: what was recorded counts, and every window is empty.

use std::sync::Arc;

use admit::Admission;
use base::{BudgetPeriod, Moment, Money, ScopeLevel, TenantId, Timestamp};
use ledger::{AccountConfig, Ledger};
use store::status::{AccountStatus, BalanceFigure, Figures, TenantStatus, WindowFigure, figures};
use store::{Account, Directory, Store, StoreError};

/// The status of `tenant` from the records alone; `None` when there is no such tenant.
pub(crate) fn status(
    store: &Arc<Store>,
    tenant: &TenantId,
    now: Timestamp,
) -> Result<Option<TenantStatus>, StoreError> {
    let directory = Directory::load(store.clone())?;
    let Some(tenant) = directory.tenant(tenant.as_str()) else { return Ok(None) };
    let mut ledger = Ledger::new();
    let mut accounts = vec![tenant.account.clone()];
    accounts.extend(tenant.projects().into_iter().map(|(_, account)| account));
    accounts.extend(tenant.keys().iter().map(|key| key.account().clone()));
    for account in &accounts {
        let settings = account.settings();
        let config = AccountConfig {
            budgets: settings.budgets,
            tokens_per_month: settings.limits.tokens_per_month,
            ..AccountConfig::unlimited(settings.zone.clone())
        };
        ledger.configure(account.index, &config);
    }
    for (index, posted) in store.posted_balances(&tenant)? {
        ledger.restore(index, &posted);
    }
    let figures = |account: &Account| account_figures(&ledger, account, now);
    let mut below: Vec<AccountStatus> = accounts[1..]
        .iter()
        .map(|account| AccountStatus {
            level: account.level.to_string(),
            name: name(account),
            figures: figures(account),
        })
        .collect();
    below.sort_by(|left, right| left.name.cmp(&right.name));
    let own = figures(&tenant.account);
    Ok(Some(TenantStatus { tenant_id: tenant.id.to_string(), live: false, figures: own, accounts: below }))
}

/// The place in the tenant: a project's path, or that of a key with its name.
fn name(account: &Account) -> String {
    match (account.level, &account.parent) {
        (ScopeLevel::Key, Some(project)) => format!("{}/{}", project.name, account.name),
        _ => account.name.clone(),
    }
}

fn account_figures(ledger: &Ledger, account: &Account, now: Timestamp) -> Figures {
    let settings = account.settings();
    let mut admission = Admission::default();
    admission.configure(account.index, &settings.limits);
    let windows: Vec<WindowFigure> = admission
        .windows(account.index, Moment::START)
        .iter()
        .map(|status| WindowFigure {
            window: status.window,
            limit: Some(status.limit),
            used: status.used,
            resets_in: None,
        })
        .collect();
    let balances = ledger.balances(account.index, now);
    let month = balances.of(BudgetPeriod::Month);
    let tokens = BalanceFigure {
        period: BudgetPeriod::Month,
        limit: month.tokens_limit,
        posted: month.posted.tokens,
        held: month.held_in_all().tokens,
        resets_at: month.resets_at,
    };
    let budgets: Vec<BalanceFigure<Money>> = balances
        .current
        .iter()
        .chain(&balances.wallet)
        .filter(|balance| balance.usd_limit.is_some() || balance.period == BudgetPeriod::Month)
        .map(|balance| BalanceFigure {
            period: balance.period,
            limit: balance.usd_limit,
            posted: balance.posted.usd,
            held: balance.held_in_all().usd,
            resets_at: balance.resets_at,
        })
        .collect();
    figures(&windows, Some(&tokens), &budgets, settings.suspended, now)
}
