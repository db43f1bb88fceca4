//! Soft limits: says when charges reach a threshold of a budget. Nothing is refused because of them.

use base::Percents;
use ledger::{Alerts, Crossed, Resource, Shortage};

use crate::admit::scope;
use crate::authenticate::Path;

/// Where an account says nothing: when it becomes narrow, and when it is spent.
const DEFAULT_PERCENTS: [u8; 2] = [80, 100];

/// The soft limits of an account.
pub(crate) fn of(percents: &Percents) -> Alerts {
    let given = if percents.is_empty() { &DEFAULT_PERCENTS } else { percents.as_slice() };
    Alerts::new(given).expect("percents are as few and as small as alerts")
}

/// Tells the operator's log what was just crossed on this path.
pub(crate) fn tell(path: &Path, crossed: &[Crossed]) {
    for one in crossed {
        let tenant = &path[0].name;
        let account = scope(path, one.account);
        let (percent, period) = (one.percent, one.period);
        match one.resource {
            Resource::Usd => {
                let (limit_usd, spent_usd) = (Shortage::as_usd(one.limit), Shortage::as_usd(one.posted));
                tracing::warn!(%tenant, %account, ?period, percent, %limit_usd, %spent_usd, "a soft limit is reached");
            }
            Resource::Tokens => {
                let (limit, used) = (one.limit, one.posted);
                tracing::warn!(%tenant, %account, ?period, percent, limit, used, "a soft limit on tokens is reached");
            }
        }
    }
}
