//! The accounts of the live tree (tenant, project, key) and the settings that apply to each.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use base::{AccountIndex, AccountLimits, Budgets, ModelId, Money, Priority, ScopeLevel};
use jiff::tz::TimeZone;

use crate::resource::Defaults;

/// One node of a tenant's tree. It lives as long as the process: deleted and created again under the same name, it is
/// the same account, so that nobody gets a fresh budget that way.
#[derive(Debug)]
pub struct Account {
    /// Its place in the ledger and in admission; dense from zero.
    pub index: AccountIndex,
    /// Tenant, project or key.
    pub level: ScopeLevel,
    /// Its own name: the tenant's id, the project's path, or the key's name.
    pub name: String,
    /// The account around it; `None` for a tenant.
    pub parent: Option<Arc<Account>>,
    settings: ArcSwap<AccountSettings>,
}

/// What applies at one account; its parents' settings apply as well.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountSettings {
    /// At least one; increases with each change. Whoever keeps state per account compares it and reconfigures.
    pub version: u64,
    /// Windows, tokens per month, concurrency.
    pub limits: AccountLimits,
    /// Caps in USD per calendar period.
    pub budgets: Budgets,
    /// What the tenant may use in total, ever, because it was paid in advance; `None` without a wallet.
    pub wallet: Option<Money>,
    /// The only models allowed here; all of the parent's when `None`.
    pub models: Option<HashSet<ModelId>>,
    /// What fills the gaps of a call; the innermost account that sets a default wins.
    pub defaults: Defaults,
    /// Every call is refused (tenants only).
    pub suspended: bool,
    /// The tenant's priority.
    pub priority: Priority,
    /// The tenant's share among those of the same priority, 1 to 1000.
    pub weight: u32,
    /// The tenant's zone, whose calendar the budgets follow.
    pub zone: TimeZone,
}

impl Account {
    pub(super) fn new(
        index: AccountIndex,
        level: ScopeLevel,
        name: String,
        parent: Option<Arc<Account>>,
        settings: Arc<AccountSettings>,
    ) -> Account {
        Account { index, level, name, parent, settings: ArcSwap::new(settings) }
    }

    /// The settings in force now. Keep the guard only for the moment of use.
    #[must_use]
    pub fn settings(&self) -> Guard<Arc<AccountSettings>> {
        self.settings.load()
    }

    pub(super) fn replace_settings(&self, settings: Arc<AccountSettings>) {
        self.settings.store(settings);
    }
}
