//! The status of a tenant when no process serves: what was recorded counts, what has no end is held, and every window is
//! empty.

use std::sync::Arc;

use admit::Admission;
use base::{BudgetPeriod, Moment, Money, ScopeLevel, TenantId, Timestamp};
use ledger::{AccountConfig, AccountPath, Entry, Ledger};
use store::status::{AccountStatus, BalanceFigure, Figures, TenantStatus, WindowFigure, figures};
use store::{Account, Directory, IntentRecord, LiveTenant, Store, StoreError};

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
            tokens_per_month: settings.limits.own.tokens_per_month,
            wallet: settings.wallet,
            ..AccountConfig::unlimited(settings.zone.clone())
        };
        ledger.configure(account.index, &config);
    }
    for restored in store.restored_accounts_of(tenant.id(), &directory, now)? {
        // The directory has all tenants, but only this one's accounts are in the ledger.
        if ledger.knows(restored.account) {
            ledger.restore(restored.account, &restored.posted);
        }
    }
    for hold in store.holds(tenant.id())? {
        ledger.apply(&held(&tenant, &hold.intent));
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
    Ok(Some(TenantStatus {
        tenant_id: tenant.id().to_string(),
        live: false,
        figures: own,
        neighbours: None,
        accounts: below,
    }))
}

/// What is held on every account of an attempt's path that still exists.
fn held(tenant: &LiveTenant, intent: &IntentRecord) -> Entry {
    let key = tenant.keys().into_iter().find(|key| *key.project() == intent.project && *key.id() == intent.key);
    let mut around = Some(intent.project.clone());
    let mut project = None;
    while let (None, Some(path)) = (&project, around) {
        project = tenant.project(&path);
        around = path.parent();
    }
    let last = key.map(|key| key.account().clone()).or(project).unwrap_or_else(|| tenant.account.clone());
    let mut indexes = vec![last.index];
    let mut next = last.parent.as_ref();
    while let Some(account) = next {
        indexes.insert(0, account.index);
        next = account.parent.as_ref();
    }
    let path = AccountPath::new(&indexes);
    Entry::Held { attempt: intent.attempt, path, worst: intent.worst, granted_at: intent.at }
}

/// The place in the tenant: a project's path, or that of a key with its name.
fn name(account: &Account) -> String {
    match (account.level, &account.parent) {
        (ScopeLevel::Key, Some(project)) => format!("{}/{}", project.name, account.name),
        _ => account.name.to_string(),
    }
}

fn account_figures(ledger: &Ledger, account: &Account, now: Timestamp) -> Figures {
    let settings = account.settings();
    let mut admission = Admission::default();
    admission.configure(account.index, &settings.limits);
    let report = admission.report(account.index, Moment::START);
    let windows: Vec<WindowFigure> = report.windows.iter().map(WindowFigure::from).collect();
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
    figures(&windows, Some(&tokens), &budgets, settings.suspended, now).with_report(&report)
}
