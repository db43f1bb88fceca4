//! Tenants and keys as requests see them.

use core::cmp::Ordering;
use core::fmt;
use core::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use base::{AccountIndex, KeyId, TenantId, Timestamp};
use smallvec::SmallVec;

use super::Account;
use super::account::AccountName;
use super::few::Few;
use crate::resource::{Network, ProjectPath};
use crate::secret::SecretHash;

/// A tenant that exists now.
pub struct LiveTenant {
    /// Its account, the root of its tree.
    pub account: Arc<Account>,
    below: Mutex<Below>,
}

/// What belongs to a tenant: most have little.
#[derive(Default)]
struct Below {
    /// In the order of their paths.
    projects: Few<Arc<Account>>,
    /// In the order of their accounts.
    keys: Few<Weak<LiveKey>>,
}

/// A key that exists now, revoked or not. Replaced as a whole when the key changes; its accounts stay.
pub struct LiveKey {
    pub(super) account: Arc<Account>,
    pub(super) tenant: Arc<LiveTenant>,
    pub(super) hash: SecretHash,
    /// What few keys have.
    pub(super) rare: Option<Box<RareKey>>,
}

/// What few keys have; an ordinary one has the default.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RareKey {
    pub(super) revoked: bool,
    pub(super) expires: Option<Timestamp>,
    pub(super) ip_allow: Box<[Network]>,
    pub(super) service: Option<Box<[TenantId]>>,
}

impl LiveKey {
    /// Its name within its project.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        let AccountName::Key(id) = &self.account.name else { unreachable!("a key's account is named as a key") };
        id
    }

    /// Its project.
    #[must_use]
    pub fn project(&self) -> &ProjectPath {
        let around = self.account.parent.as_ref().map(|parent| &parent.name);
        let Some(AccountName::Project(path)) = around else { unreachable!("a key is in a project") };
        path
    }

    /// Its tenant.
    #[must_use]
    pub const fn tenant(&self) -> &Arc<LiveTenant> {
        &self.tenant
    }

    /// All accounts that a call with it draws on: the tenant first, then the projects from outside in, the key last.
    #[must_use]
    pub fn path(&self) -> SmallVec<[Arc<Account>; 4]> {
        self.account.path()
    }

    /// The key's own account, the last of its path.
    #[must_use]
    pub const fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether it is refused for good.
    #[must_use]
    pub fn revoked(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.revoked)
    }

    /// From when on it is refused.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.rare.as_ref().and_then(|rare| rare.expires)
    }

    /// Whether it may be used from `address`.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let allowed: &[Network] = self.rare.as_ref().map_or(&[], |rare| &rare.ip_allow);
        allowed.is_empty() || allowed.iter().any(|network| network.contains(address))
    }

    /// For a service key the tenants that it may act for; `None` for an ordinary key.
    #[must_use]
    pub fn service(&self) -> Option<&[TenantId]> {
        self.rare.as_ref().and_then(|rare| rare.service.as_deref())
    }
}

/// Without its hash.
impl fmt::Debug for LiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = f.debug_struct("LiveKey");
        key.field("tenant", self.tenant.id()).field("account", &self.account).field("rare", &self.rare);
        key.finish_non_exhaustive()
    }
}

impl LiveTenant {
    pub(super) fn new(account: Arc<Account>) -> LiveTenant {
        LiveTenant { account, below: Mutex::default() }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        let AccountName::Tenant(id) = &self.account.name else { unreachable!("a tenant's account is named as one") };
        id
    }

    /// Its projects by path, each before those inside it.
    #[must_use]
    pub fn projects(&self) -> Vec<(ProjectPath, Arc<Account>)> {
        let named = |account: &Arc<Account>| match &account.name {
            AccountName::Project(path) => Some((path.clone(), account.clone())),
            AccountName::Tenant(_) | AccountName::Key(_) => None,
        };
        self.below().projects.as_slice().iter().filter_map(named).collect()
    }

    /// One of its projects.
    #[must_use]
    pub fn project(&self, path: &ProjectPath) -> Option<Arc<Account>> {
        self.below().projects.get(|account| (*account.name).cmp(path.as_str())).cloned()
    }

    /// Its keys in order of project and name.
    #[must_use]
    pub fn keys(&self) -> Vec<Arc<LiveKey>> {
        let keys = self.below().keys.as_slice().iter().filter_map(Weak::upgrade).collect();
        let mut keys: Vec<Arc<LiveKey>> = keys;
        keys.sort_by(|left, right| (left.project(), left.id()).cmp(&(right.project(), right.id())));
        keys
    }

    /// Brings a project into force, or takes it out.
    pub(super) fn set_project(&self, account: &Arc<Account>, exists: bool) {
        let compare = |known: &Arc<Account>| (*known.name).cmp(&*account.name);
        self.below().projects.set(compare, exists.then(|| account.clone()));
    }

    /// Brings the key of an account into force, or takes it out.
    pub(super) fn set_key(&self, account: AccountIndex, key: Option<&Arc<LiveKey>>) {
        // None is gone: the directory's state keeps them all until they were replaced here.
        let compare =
            |known: &Weak<LiveKey>| known.upgrade().map_or(Ordering::Less, |known| known.account.index.cmp(&account));
        self.below().keys.set(compare, key.map(Arc::downgrade));
    }

    fn below(&self) -> MutexGuard<'_, Below> {
        self.below.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without its projects and keys, which would print their tenant again.
impl fmt::Debug for LiveTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTenant")
            .field("id", self.id())
            .field("account", &self.account.index)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands before a thing in an [`Arc`].
    const COUNTS: usize = 2 * size_of::<usize>();

    /// Each is there for every tenant, active or not. Allocators give memory in steps of 16 bytes.
    #[test]
    fn what_every_tenant_has_stays_small() {
        assert_eq!(COUNTS + size_of::<Account>(), 64);
        assert_eq!(COUNTS + size_of::<LiveTenant>(), 64);
        assert!(COUNTS + size_of::<LiveKey>() <= 80);
    }
}
