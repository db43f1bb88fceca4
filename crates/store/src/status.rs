//! The status of a tenant and its accounts: quota, current usage, remaining, and what blocks until when.

use core::time::Duration;

use admit::{AccountReport, WindowStatus};
use base::{BudgetPeriod, Money, Part, Timestamp, Window};
use serde::{Deserialize, Serialize};

/// The status of a tenant, with every account below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantStatus {
    /// The tenant.
    pub tenant_id: String,
    /// Whether windows and held amounts are those of a serving process; otherwise they are absent and shown as unused.
    pub live: bool,
    /// The tenant's own figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// What other tenants' load cost its calls in the last half hour to hour; absent without a serving process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<NeighbourStatus>,
    /// Its projects and keys, each after the one that it belongs to.
    pub accounts: Vec<AccountStatus>,
}

/// How long a tenant's calls waited at busy upstreams although the tenant had fewer places there than its share.
/// Percentiles are of all calls, those that did not wait included, and up to a quarter too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighbourStatus {
    /// Calls that ended or were refused.
    pub calls: u64,
    /// Those of them that waited for others for a millisecond or more.
    pub calls_waited: u64,
    /// Half of the calls waited no longer, in milliseconds.
    pub wait_p50_ms: u64,
    /// 95 of a hundred.
    pub wait_p95_ms: u64,
    /// 99 of a hundred.
    pub wait_p99_ms: u64,
}

/// The status of a project or key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountStatus {
    /// `project` or `key`.
    pub level: String,
    /// The place in the tenant: `search`, or `search/ci` for a key.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What one account may use, has used and has left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The limits set on this account; `null` where it sets none.
    pub quota: Quota,
    /// What counts against them now.
    pub current_usage: CurrentUsage,
    /// What is left, held amounts taken off; `null` where there is no limit.
    pub remaining: Quota,
    /// The windows that its calls of single models have, one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelLimit>,
    /// How many end users with windows of their own are remembered; absent where they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_users_remembered: Option<usize>,
    /// Limits that are only watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<ShadowLimit>,
    /// Reserved by calls under way.
    pub held_usd: Money,
    /// Whether a limit of this account, or its status, refuses every call now.
    pub is_blocked: bool,
    /// When the last of what blocks ends by itself (RFC 3339); `null` when nothing blocks, or no time is known.
    pub blocked_until: Option<String>,
    /// What blocks, in words.
    pub blocked_by: Vec<String>,
    /// Every budget, period by period.
    pub budgets: Vec<BudgetStatus>,
}

/// One window of an account's calls of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelLimit {
    /// The model.
    pub model: String,
    /// Which window.
    pub window: Window,
    /// Its size.
    pub limit: u64,
    /// What counts against it.
    pub used: u64,
    /// What is left.
    pub remaining: u64,
}

/// A limit that refuses nothing: it is evaluated and counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowLimit {
    /// The model, where it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether each end user has it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub per_end_user: bool,
    /// Which limit, as in refusals: `requests_per_minute`, or `usd_per_month` of a budget.
    pub limit_name: String,
    /// Its size: a number, or an amount in USD.
    pub limit: String,
    /// What counts against it of the calls that it would have admitted; for a budget what is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<String>,
    /// How many calls it would have refused since the process began, or since it was set.
    pub would_have_refused: u64,
}

/// One number per limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests in any trailing minute.
    pub rpm: Option<u64>,
    /// Requests in any trailing hour.
    pub rph: Option<u64>,
    /// Requests in any trailing 24 hours.
    pub rpd: Option<u64>,
    /// Tokens in any trailing minute.
    pub tpm: Option<u64>,
    /// Tokens in any trailing 24 hours.
    pub tpd: Option<u64>,
    /// Calls at once.
    pub concurrency: Option<u64>,
    /// Tokens in a calendar month.
    pub monthly_tokens: Option<u64>,
    /// The monthly budget; where there is none, the budget with the least left.
    pub budget_usd: Option<Money>,
}

/// What counts against the limits now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentUsage {
    /// Requests in the last minute.
    pub rpm: u64,
    /// Requests in the last hour.
    pub rph: u64,
    /// Requests in the last 24 hours.
    pub rpd: u64,
    /// Tokens in the last minute.
    pub tpm: u64,
    /// Tokens in the last 24 hours.
    pub tpd: u64,
    /// Calls under way.
    pub concurrency: u64,
    /// Tokens in this calendar month, held ones included.
    pub monthly_tokens: u64,
    /// Charged in the period of `budget_usd`, without what is held.
    pub total_cost_usd: Money,
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The calendar period.
    pub period: BudgetPeriod,
    /// The cap; `null` when the period has none.
    pub limit_usd: Option<Money>,
    /// Charged in this period.
    pub spent_usd: Money,
    /// Held by calls under way.
    pub held_usd: Money,
    /// What is left.
    pub remaining_usd: Option<Money>,
    /// When the period ends (RFC 3339).
    pub resets_at: Option<String>,
}

/// One window as the relay counts it.
#[derive(Debug, Clone, Copy)]
pub struct WindowFigure {
    /// Which.
    pub window: Window,
    /// Its size, where it has one.
    pub limit: Option<u64>,
    /// What counts against it.
    pub used: u64,
    /// What is left: nothing while everything is refused.
    pub remaining: u64,
    /// When it has room again; `None` when that is not a matter of time.
    pub resets_in: Option<Duration>,
}

impl From<&WindowStatus> for WindowFigure {
    fn from(status: &WindowStatus) -> WindowFigure {
        WindowFigure {
            window: status.window,
            limit: Some(status.limit),
            used: status.used,
            remaining: status.remaining,
            resets_in: (!status.resets_in.is_zero()).then_some(status.resets_in),
        }
    }
}

impl Figures {
    /// Adds what the windows say beside those of the account as a whole.
    #[must_use]
    pub fn with_report(mut self, report: &AccountReport) -> Figures {
        let models = report.models.iter().flat_map(|one| one.windows.iter().map(move |status| (&one.model, status)));
        self.models = models
            .map(|(model, status)| ModelLimit {
                model: model.to_string(),
                window: status.window,
                limit: status.limit,
                used: status.used,
                remaining: status.remaining,
            })
            .collect();
        self.end_users_remembered = report.end_users;
        self.shadow.extend(report.shadows.iter().map(|shadow| ShadowLimit {
            model: shadow.model.as_ref().map(ToString::to_string),
            per_end_user: shadow.part == Part::EndUser,
            limit_name: window_name(shadow.status.window).into(),
            limit: shadow.status.limit.to_string(),
            used: (shadow.part != Part::EndUser).then(|| shadow.status.used.to_string()),
            would_have_refused: shadow.refused,
        }));
        self
    }

    /// Adds budgets that are only watched.
    #[must_use]
    pub fn watching(mut self, budgets: Vec<ShadowLimit>) -> Figures {
        self.shadow.extend(budgets);
        self
    }
}

/// As in refusals and resource files.
#[must_use]
pub const fn window_name(window: Window) -> &'static str {
    match window {
        Window::RequestsPerMinute => "requests_per_minute",
        Window::RequestsPerHour => "requests_per_hour",
        Window::RequestsPerDay => "requests_per_day",
        Window::TokensPerMinute => "tokens_per_minute",
        Window::TokensPerDay => "tokens_per_day",
        Window::TokensPerMonth => "tokens_per_month",
        Window::Concurrency => "concurrency",
    }
}

/// As in resource files; a wallet is in none.
#[must_use]
pub const fn budget_field(period: BudgetPeriod) -> &'static str {
    match period {
        BudgetPeriod::Day => "usd_per_day",
        BudgetPeriod::Week => "usd_per_week",
        BudgetPeriod::Month => "usd_per_month",
        BudgetPeriod::Year => "usd_per_year",
        BudgetPeriod::Total => "usd_total",
        BudgetPeriod::Wallet => "wallet",
    }
}

/// One budget or monthly allowance of tokens as the ledger counts it.
#[derive(Debug, Clone, Copy)]
pub struct BalanceFigure<Amount> {
    /// The calendar period.
    pub period: BudgetPeriod,
    /// The cap, where there is one.
    pub limit: Option<Amount>,
    /// Charged in this period.
    pub posted: Amount,
    /// Held by calls under way.
    pub held: Amount,
    /// When the period ends.
    pub resets_at: Option<Timestamp>,
}

impl BudgetStatus {
    fn new(balance: &BalanceFigure<Money>) -> BudgetStatus {
        let used = balance.posted + balance.held;
        BudgetStatus {
            period: balance.period,
            limit_usd: balance.limit,
            spent_usd: balance.posted,
            held_usd: balance.held,
            remaining_usd: balance.limit.map(|limit| limit.saturating_sub(used)),
            resets_at: balance.resets_at.map(rfc3339),
        }
    }
}

/// Puts the counts of one account into the shape that people read. `suspended` blocks everything.
#[must_use]
pub fn figures(
    windows: &[WindowFigure],
    tokens: Option<&BalanceFigure<u64>>,
    budgets: &[BalanceFigure<Money>],
    suspended: bool,
    now: Timestamp,
) -> Figures {
    let mut out = Figures {
        quota: Quota::default(),
        current_usage: CurrentUsage::default(),
        remaining: Quota::default(),
        models: Vec::new(),
        end_users_remembered: None,
        shadow: Vec::new(),
        held_usd: budgets.iter().map(|balance| balance.held).max().unwrap_or_default(),
        is_blocked: false,
        blocked_until: None,
        blocked_by: Vec::new(),
        budgets: budgets.iter().map(BudgetStatus::new).collect(),
    };
    let mut block = Block::default();
    if suspended {
        block.add("suspended".into(), None);
    }
    for figure in windows {
        window(&mut out, figure);
        if figure.limit.is_some() && figure.remaining == 0 {
            block.add(figure.window.to_string(), figure.resets_in.map(|span| now.saturating_add(span)));
        }
    }
    if let Some(balance) = tokens {
        let used = balance.posted.saturating_add(balance.held);
        out.quota.monthly_tokens = balance.limit;
        out.current_usage.monthly_tokens = used;
        out.remaining.monthly_tokens = balance.limit.map(|limit| limit.saturating_sub(used));
        if out.remaining.monthly_tokens == Some(0) {
            block.add(Window::TokensPerMonth.to_string(), balance.resets_at);
        }
    }
    for (balance, status) in budgets.iter().zip(&out.budgets) {
        if status.remaining_usd == Some(Money::ZERO) {
            block.add(budget_name(balance.period), balance.resets_at);
        }
    }
    if let Some(main) = main_budget(&out.budgets) {
        out.quota.budget_usd = main.limit_usd;
        out.current_usage.total_cost_usd = main.spent_usd;
        out.remaining.budget_usd = main.remaining_usd;
    }
    out.is_blocked = !block.reasons.is_empty();
    out.blocked_until = block.until.filter(|_| !block.open_ended).map(rfc3339);
    out.blocked_by = block.reasons;
    out
}

/// What blocks an account, and until when.
#[derive(Default)]
struct Block {
    reasons: Vec<String>,
    until: Option<Timestamp>,
    open_ended: bool,
}

impl Block {
    fn add(&mut self, reason: String, until: Option<Timestamp>) {
        self.reasons.push(reason);
        match until {
            Some(until) => self.until = Some(self.until.map_or(until, |latest| latest.max(until))),
            None => self.open_ended = true,
        }
    }
}

fn window(out: &mut Figures, figure: &WindowFigure) {
    let (quota, usage, remaining) = (&mut out.quota, &mut out.current_usage, &mut out.remaining);
    let (quota, usage, remaining) = match figure.window {
        Window::RequestsPerMinute => (&mut quota.rpm, &mut usage.rpm, &mut remaining.rpm),
        Window::RequestsPerHour => (&mut quota.rph, &mut usage.rph, &mut remaining.rph),
        Window::RequestsPerDay => (&mut quota.rpd, &mut usage.rpd, &mut remaining.rpd),
        Window::TokensPerMinute => (&mut quota.tpm, &mut usage.tpm, &mut remaining.tpm),
        Window::TokensPerDay => (&mut quota.tpd, &mut usage.tpd, &mut remaining.tpd),
        Window::Concurrency => (&mut quota.concurrency, &mut usage.concurrency, &mut remaining.concurrency),
        Window::TokensPerMonth => (&mut quota.monthly_tokens, &mut usage.monthly_tokens, &mut remaining.monthly_tokens),
    };
    *quota = figure.limit;
    *usage = figure.used;
    *remaining = figure.limit.map(|_| figure.remaining);
}

/// The budget that stands for all: the month's, else the one with the least left, else the month's spending alone.
fn main_budget(budgets: &[BudgetStatus]) -> Option<&BudgetStatus> {
    let month = budgets.iter().find(|budget| budget.period == BudgetPeriod::Month);
    let capped_month = month.filter(|budget| budget.limit_usd.is_some());
    let capped = budgets.iter().filter(|budget| budget.limit_usd.is_some());
    capped_month.or_else(|| capped.min_by_key(|budget| budget.remaining_usd)).or(month)
}

/// What blocks, as people say it.
fn budget_name(period: BudgetPeriod) -> String {
    match period {
        BudgetPeriod::Wallet => "wallet".into(),
        _ => format!("budget per {}", period_name(period)),
    }
}

const fn period_name(period: BudgetPeriod) -> &'static str {
    match period {
        BudgetPeriod::Day => "day",
        BudgetPeriod::Week => "week",
        BudgetPeriod::Month => "month",
        BudgetPeriod::Year => "year",
        BudgetPeriod::Total => "lifetime",
        BudgetPeriod::Wallet => "wallet",
    }
}

fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_second(time.seconds()).map_or_else(|_| time.seconds().to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn balance(period: BudgetPeriod, limit: u32, posted: u32, held: u32) -> BalanceFigure<Money> {
        let is_endless = matches!(period, BudgetPeriod::Total | BudgetPeriod::Wallet);
        let resets_at = (!is_endless).then(|| NOW.saturating_add(Duration::from_secs(3_600)));
        let usd = Money::from_usd;
        BalanceFigure { period, limit: Some(usd(limit)), posted: usd(posted), held: usd(held), resets_at }
    }

    fn requests(limit: u64, used: u64) -> WindowFigure {
        let resets_in = Some(Duration::from_secs(30));
        WindowFigure { window: Window::RequestsPerMinute, limit: Some(limit), used, remaining: limit - used, resets_in }
    }

    #[test]
    fn remaining_is_what_is_neither_used_nor_held() {
        let out = figures(&[requests(60, 20)], None, &[balance(BudgetPeriod::Month, 100, 30, 5)], false, NOW);
        assert_eq!((out.quota.rpm, out.current_usage.rpm, out.remaining.rpm), (Some(60), 20, Some(40)));
        assert_eq!(out.remaining.budget_usd, Some(Money::from_usd(65)));
        assert_eq!((out.current_usage.total_cost_usd, out.held_usd), (Money::from_usd(30), Money::from_usd(5)));
        assert!(!out.is_blocked && out.blocked_until.is_none());
    }

    #[test]
    fn the_last_thing_to_end_says_until_when_it_blocks() {
        let out = figures(&[requests(60, 60)], None, &[balance(BudgetPeriod::Day, 1, 1, 0)], false, NOW);
        assert!(out.is_blocked);
        assert_eq!(out.blocked_until.as_deref(), Some("2027-01-15T09:00:00Z"));
        assert_eq!(out.blocked_by, ["requests per minute", "budget per day"]);
    }

    #[test]
    fn what_never_ends_by_itself_blocks_without_a_time() {
        for (budgets, suspended) in [(vec![balance(BudgetPeriod::Total, 1, 1, 0)], false), (vec![], true)] {
            let out = figures(&[requests(60, 60)], None, &budgets, suspended, NOW);
            assert!(out.is_blocked && out.blocked_until.is_none(), "{out:?}");
        }
    }

    #[test]
    fn an_empty_wallet_blocks_by_its_name() {
        let out = figures(&[], None, &[balance(BudgetPeriod::Wallet, 5, 4, 1)], false, NOW);
        assert_eq!((out.is_blocked, out.blocked_until.is_none()), (true, true));
        assert_eq!(out.blocked_by, ["wallet"]);
        assert_eq!(out.quota.budget_usd, Some(Money::from_usd(5)));
    }

    #[test]
    fn without_a_monthly_budget_the_tightest_stands_for_all() {
        let budgets = [balance(BudgetPeriod::Day, 10, 1, 0), balance(BudgetPeriod::Year, 100, 99, 0)];
        let out = figures(&[], None, &budgets, false, NOW);
        assert_eq!(
            (out.quota.budget_usd, out.remaining.budget_usd),
            (Some(Money::from_usd(100)), Some(Money::from_usd(1)))
        );
    }

    #[test]
    fn the_json_has_the_names_that_clients_rely_on() {
        let status = TenantStatus {
            tenant_id: "acme".into(),
            live: true,
            figures: figures(&[requests(60, 1)], None, &[], false, NOW),
            neighbours: None,
            accounts: Vec::new(),
        };
        let json = serde_json::to_value(&status).expect("it is plain data");
        for name in ["tenant_id", "quota", "current_usage", "remaining", "held_usd", "is_blocked", "blocked_until"] {
            assert!(json.get(name).is_some(), "{name}");
        }
        for name in ["rpm", "rph", "rpd", "tpm", "concurrency", "monthly_tokens", "budget_usd"] {
            assert!(json["quota"].get(name).is_some() && json["remaining"].get(name).is_some(), "{name}");
        }
        assert!(json["current_usage"].get("total_cost_usd").is_some());
        assert_eq!(serde_json::from_value::<TenantStatus>(json).expect("it reads back"), status);
    }
}
