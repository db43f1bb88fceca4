//! Soft limits: which part of a budget being spent is worth a word, and the word.

use base::{AccountIndex, BudgetPeriod, Timestamp};

use crate::amounts::Resource;

/// Thresholds of one account at most.
pub const ALERTS_MAX: usize = 4;

/// Percents of every limit of an account at which somebody wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alerts {
    /// Rising; zero where there is none.
    percents: [u8; ALERTS_MAX],
}

impl Alerts {
    /// No threshold.
    pub const NONE: Alerts = Alerts { percents: [0; ALERTS_MAX] };

    /// Takes up to [`ALERTS_MAX`] percents from 1 to 100 in any order; `None` when these are no such ones.
    #[must_use]
    pub fn new(percents: &[u8]) -> Option<Alerts> {
        if percents.len() > ALERTS_MAX || percents.iter().any(|percent| !(1..=100).contains(percent)) {
            return None;
        }
        let mut alerts = Alerts::NONE;
        alerts.percents[..percents.len()].copy_from_slice(percents);
        alerts.percents.sort_unstable();
        Some(alerts)
    }

    /// The lowest threshold above `percent`.
    pub(crate) fn above(self, percent: u8) -> Option<u8> {
        self.percents.into_iter().find(|&one| one > percent)
    }
}

/// What was charged in a period has reached a threshold. Each is reported once per period, and again only when the
/// limit changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossed {
    /// Whose limit.
    pub account: AccountIndex,
    /// Of what.
    pub resource: Resource,
    /// Per which period.
    pub period: BudgetPeriod,
    /// When the period began.
    pub starts: Timestamp,
    /// The threshold, in percent of the limit.
    pub percent: u8,
    /// The limit.
    pub limit: u64,
    /// Charged so far in this period.
    pub posted: u64,
}
