//! What an account may do: request and token windows, concurrency, and budgets per calendar period.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ModelId, Money};

/// The limits of one account, or of a part of it; `None` means that it sets none (its ancestors may).
///
/// Requests and tokens per minute, hour and day are trailing windows; tokens per month follow the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests admitted in any trailing minute.
    pub rpm: Option<u64>,
    /// Requests admitted in any trailing hour.
    pub rph: Option<u64>,
    /// Requests admitted in any trailing 24 hours.
    pub rpd: Option<u64>,
    /// Tokens (input and output) reserved in any trailing minute.
    pub tpm: Option<u64>,
    /// Tokens (input and output) reserved in any trailing 24 hours.
    pub tpd: Option<u64>,
    /// Tokens (input and output) per calendar month in the tenant's time zone.
    pub tokens_per_month: Option<u64>,
    /// Calls under way at once.
    pub concurrency: Option<u64>,
    /// After a trailing window refused a call, everything is refused for this long.
    pub block_for: Option<Duration>,
}

/// All limits that are set on one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountLimits {
    /// Those of the account as a whole.
    pub own: Limits,
    /// The others; most accounts have none.
    pub more: Option<Box<MoreLimits>>,
}

/// The limits of an account beside those of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MoreLimits {
    /// Evaluated and counted for the account as a whole, never enforced.
    pub shadow: Option<Limits>,
    /// Budgets that are evaluated and counted, never enforced.
    pub shadow_budgets: Option<Budgets>,
    /// For its calls of single models.
    pub models: BTreeMap<ModelId, PartLimits>,
    /// What each of its end users gets.
    pub per_end_user: Option<PartLimits>,
}

/// The limits of a part of an account's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartLimits {
    /// Enforced.
    pub own: Limits,
    /// Evaluated and counted, never enforced.
    pub shadow: Option<Limits>,
}

impl From<Limits> for AccountLimits {
    fn from(own: Limits) -> AccountLimits {
        AccountLimits { own, more: None }
    }
}

/// Which of an account's calls a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All of them.
    #[default]
    Whole,
    /// Those of one model.
    Model,
    /// Those of one end user.
    EndUser,
}

/// What can run out for a moment and comes back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Requests in a trailing minute.
    RequestsPerMinute,
    /// Requests in a trailing hour.
    RequestsPerHour,
    /// Requests in trailing 24 hours.
    RequestsPerDay,
    /// Tokens in a trailing minute.
    TokensPerMinute,
    /// Tokens in trailing 24 hours.
    TokensPerDay,
    /// Tokens in a calendar month.
    TokensPerMonth,
    /// Calls under way at once.
    Concurrency,
}

impl Window {
    /// The length of a trailing window; `None` for the calendar month and for concurrency.
    #[must_use]
    pub const fn length(self) -> Option<Duration> {
        match self {
            Window::RequestsPerMinute | Window::TokensPerMinute => Some(Duration::from_secs(60)),
            Window::RequestsPerHour => Some(Duration::from_secs(3_600)),
            Window::RequestsPerDay | Window::TokensPerDay => Some(Duration::from_secs(86_400)),
            Window::TokensPerMonth | Window::Concurrency => None,
        }
    }
}

/// As people say it: "requests per minute".
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Window::RequestsPerMinute => "requests per minute",
            Window::RequestsPerHour => "requests per hour",
            Window::RequestsPerDay => "requests per day",
            Window::TokensPerMinute => "tokens per minute",
            Window::TokensPerDay => "tokens per day",
            Window::TokensPerMonth => "tokens per month",
            Window::Concurrency => "calls at once",
        })
    }
}

/// The budgets of one account, in USD per calendar period of the tenant's time zone; `None` means no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Per calendar day.
    #[serde(rename = "usd_per_day", skip_serializing_if = "Option::is_none")]
    pub per_day: Option<Money>,
    /// Per calendar week, from Monday.
    #[serde(rename = "usd_per_week", skip_serializing_if = "Option::is_none")]
    pub per_week: Option<Money>,
    /// Per calendar month.
    #[serde(rename = "usd_per_month", skip_serializing_if = "Option::is_none")]
    pub per_month: Option<Money>,
    /// Per calendar year.
    #[serde(rename = "usd_per_year", skip_serializing_if = "Option::is_none")]
    pub per_year: Option<Money>,
    /// For ever.
    #[serde(rename = "usd_total", skip_serializing_if = "Option::is_none")]
    pub total: Option<Money>,
    /// Soft limits: at which parts of each cap somebody is told.
    #[serde(skip_serializing_if = "Percents::is_empty")]
    pub alert_at: Percents,
}

/// Up to four percents from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Percents {
    /// Zero where there is none.
    percents: [u8; Percents::MAX],
}

impl Percents {
    /// The most there can be.
    pub const MAX: usize = 4;

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.percents[0] == 0
    }

    /// As they were given.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let length = self.percents.iter().take_while(|percent| **percent > 0).count();
        &self.percents[..length]
    }
}

impl TryFrom<Vec<u8>> for Percents {
    type Error = &'static str;

    fn try_from(given: Vec<u8>) -> Result<Percents, &'static str> {
        if given.len() > Percents::MAX || given.iter().any(|percent| !(1..=100).contains(percent)) {
            return Err("at most four percents from 1 to 100");
        }
        let mut percents = [0; Percents::MAX];
        percents[..given.len()].copy_from_slice(&given);
        Ok(Percents { percents })
    }
}

impl From<Percents> for Vec<u8> {
    fn from(percents: Percents) -> Vec<u8> {
        percents.as_slice().to_vec()
    }
}

/// The calendar period of a budget, or the wallet beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// From New Year to New Year.
    Year,
    /// Without end.
    Total,
    /// No period: the prepaid balance, whose cap is what was credited in all.
    Wallet,
}

impl BudgetPeriod {
    /// All periods of budgets, shortest first; the wallet is none.
    pub const ALL: [BudgetPeriod; 5] =
        [BudgetPeriod::Day, BudgetPeriod::Week, BudgetPeriod::Month, BudgetPeriod::Year, BudgetPeriod::Total];
}

impl Budgets {
    /// The cap of one period, if there is one.
    #[must_use]
    pub const fn cap(&self, period: BudgetPeriod) -> Option<Money> {
        match period {
            BudgetPeriod::Day => self.per_day,
            BudgetPeriod::Week => self.per_week,
            BudgetPeriod::Month => self.per_month,
            BudgetPeriod::Year => self.per_year,
            BudgetPeriod::Total => self.total,
            BudgetPeriod::Wallet => None,
        }
    }
}

/// Who goes first when an upstream is scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before the others.
    High,
    /// The default.
    #[default]
    Normal,
    /// After the others, but never starved.
    Low,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        })
    }
}
