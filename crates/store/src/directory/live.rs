//! Tenants and keys as requests see them.

use core::fmt;
use core::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};
use base::{KeyId, TenantId, Timestamp};
use smallvec::SmallVec;

use super::Account;
use super::few::Few;
use crate::resource::{Network, ProjectPath};

/// A tenant that exists now.
pub struct LiveTenant {
    /// Its name.
    pub id: TenantId,
    /// Its account, the root of its tree.
    pub account: Arc<Account>,
    display_name: ArcSwap<Option<String>>,
    projects: Mutex<Few<ProjectPath, Arc<Account>>>,
    keys: Mutex<Few<i64, Weak<LiveKey>>>,
}

/// A key that exists now, revoked or not. Replaced as a whole when the key changes; its accounts stay.
#[derive(Debug)]
pub struct LiveKey {
    pub(super) id: KeyId,
    pub(super) project: ProjectPath,
    pub(super) tenant: Arc<LiveTenant>,
    pub(super) path: SmallVec<[Arc<Account>; 4]>,
    pub(super) revoked: bool,
    pub(super) expires: Option<Timestamp>,
    pub(super) ip_allow: Box<[Network]>,
    pub(super) service: Option<Box<[TenantId]>>,
}

impl LiveKey {
    /// Its name within its project.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// Its project.
    #[must_use]
    pub const fn project(&self) -> &ProjectPath {
        &self.project
    }

    /// Its tenant.
    #[must_use]
    pub const fn tenant(&self) -> &Arc<LiveTenant> {
        &self.tenant
    }

    /// All accounts that a call with it draws on: the tenant first, then the projects from outside in, the key last.
    #[must_use]
    pub fn path(&self) -> &[Arc<Account>] {
        &self.path
    }

    /// The key's own account, the last of its path.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        self.path.last().expect("a path ends at its key")
    }

    /// Whether it is refused for good.
    #[must_use]
    pub const fn revoked(&self) -> bool {
        self.revoked
    }

    /// From when on it is refused.
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Whether it may be used from `address`.
    #[must_use]
    pub fn allows_address(&self, address: IpAddr) -> bool {
        self.ip_allow.is_empty() || self.ip_allow.iter().any(|network| network.contains(address))
    }

    /// For a service key the tenants that it may act for; `None` for an ordinary key.
    #[must_use]
    pub fn service(&self) -> Option<&[TenantId]> {
        self.service.as_deref()
    }
}

impl LiveTenant {
    pub(super) fn new(id: TenantId, account: Arc<Account>, display_name: Option<String>) -> LiveTenant {
        LiveTenant {
            id,
            account,
            display_name: ArcSwap::new(Arc::new(display_name)),
            projects: Mutex::default(),
            keys: Mutex::default(),
        }
    }

    /// The name for people, where one was given.
    #[must_use]
    pub fn display_name(&self) -> Guard<Arc<Option<String>>> {
        self.display_name.load()
    }

    /// Its projects by path, each before those inside it.
    #[must_use]
    pub fn projects(&self) -> Vec<(ProjectPath, Arc<Account>)> {
        let projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.iter().cloned().collect()
    }

    /// One of its projects.
    #[must_use]
    pub fn project(&self, path: &ProjectPath) -> Option<Arc<Account>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Its keys in order of project and name.
    #[must_use]
    pub fn keys(&self) -> Vec<Arc<LiveKey>> {
        let mut keys: Vec<Arc<LiveKey>> = {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.iter().filter_map(|(_, key)| key.upgrade()).collect()
        };
        keys.sort_by(|left, right| (&left.project, &left.id).cmp(&(&right.project, &right.id)));
        keys
    }

    pub(super) fn rename(&self, display_name: Option<String>) {
        self.display_name.store(Arc::new(display_name));
    }

    pub(super) fn set_project(&self, path: ProjectPath, account: Option<Arc<Account>>) {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.set(path, account);
    }

    pub(super) fn set_key(&self, number: i64, key: Option<&Arc<LiveKey>>) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.set(number, key.map(Arc::downgrade));
    }
}

/// Without its projects and keys, which would print their tenant again.
impl fmt::Debug for LiveTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTenant").field("id", &self.id).field("account", &self.account.index).finish_non_exhaustive()
    }
}
