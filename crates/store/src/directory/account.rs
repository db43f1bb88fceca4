//! The accounts of the live tree (tenant, project, key) and the settings that apply to each.

use core::fmt;
use core::ops::Deref;
use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use base::{AccountIndex, AccountLimits, Budgets, KeyId, ModelId, Money, Priority, ScopeLevel, TenantId};
use jiff::tz::TimeZone;
use smallvec::SmallVec;

use crate::resource::{Defaults, ProjectPath};

/// One node of a tenant's tree. It lives as long as the process: deleted and created again under the same name, it is
/// the same account, so that nobody gets a fresh budget that way.
#[derive(Debug)]
pub struct Account {
    /// Its place in the ledger and in admission; dense from zero.
    pub index: AccountIndex,
    /// Tenant, project or key.
    pub level: ScopeLevel,
    /// Its own name: the tenant's id, the project's path, or the key's name.
    pub name: AccountName,
    /// The account around it; `None` for a tenant.
    pub parent: Option<Arc<Account>>,
    settings: ArcSwap<AccountSettings>,
}

/// The name of an account within its tenant. It shares its text with whatever else has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountName {
    /// The tenant itself.
    Tenant(TenantId),
    /// One of its projects.
    Project(ProjectPath),
    /// A key, by its name within its project.
    Key(KeyId),
}

impl AccountName {
    const fn level(&self) -> ScopeLevel {
        match self {
            AccountName::Tenant(_) => ScopeLevel::Tenant,
            AccountName::Project(_) => ScopeLevel::Project,
            AccountName::Key(_) => ScopeLevel::Key,
        }
    }
}

impl Deref for AccountName {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            AccountName::Tenant(name) => name.as_str(),
            AccountName::Project(name) => name.as_str(),
            AccountName::Key(name) => name.as_str(),
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
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
        name: AccountName,
        parent: Option<Arc<Account>>,
        settings: Arc<AccountSettings>,
    ) -> Account {
        Account { index, level: name.level(), name, parent, settings: ArcSwap::new(settings) }
    }

    /// The settings in force now. Keep the guard only for the moment of use.
    #[must_use]
    pub fn settings(&self) -> Guard<Arc<AccountSettings>> {
        self.settings.load()
    }

    /// All accounts that a call draws on which this one pays for: the tenant first, itself last.
    #[must_use]
    pub fn path(self: &Arc<Account>) -> SmallVec<[Arc<Account>; 4]> {
        let mut path = SmallVec::new();
        let mut next = Some(self);
        while let Some(account) = next {
            path.push(account.clone());
            next = account.parent.as_ref();
        }
        path.reverse();
        path
    }

    pub(super) fn replace_settings(&self, settings: Arc<AccountSettings>) {
        self.settings.store(settings);
    }
}
