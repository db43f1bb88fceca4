//! The live directory: what each request reads, from memory and without locks.

mod account;
mod by_hash;
mod by_row;
mod few;
mod live;
mod load;
mod state;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use catalog::Catalog;

use crate::{Store, StoreError};
use by_hash::{ByHash, ById, FirstBytes};
use state::State;

pub use account::{Account, AccountName, AccountSettings};
pub use live::{LiveKey, LiveTenant};
pub use watch::WatchGuard;

/// Tenants, keys, models and prices as they are in force now. Reads take no lock; changes are applied one by one.
pub struct Directory {
    store: Arc<Store>,
    keys: papaya::HashMap<ByHash, Arc<LiveKey>, FirstBytes>,
    tenants: papaya::HashMap<ById, Arc<LiveTenant>>,
    catalog: ArcSwap<Catalog>,
    state: Mutex<State>,
}

impl Directory {
    /// Reads everything that the store has.
    ///
    /// # Errors
    /// When the store cannot be read, or holds what this version does not understand.
    pub fn load(store: Arc<Store>) -> Result<Arc<Directory>, StoreError> {
        let directory = Directory {
            store,
            keys: papaya::HashMap::default(),
            tenants: papaya::HashMap::default(),
            catalog: ArcSwap::default(),
            state: Mutex::default(),
        };
        load::everything(&directory, &mut directory.state())?;
        Ok(Arc::new(directory))
    }

    /// Brings into force what changed in the store since the last time, by whichever process; costs no more than the
    /// changes. Returns how many there were. What cannot be read is logged and left out, a key then being refused.
    ///
    /// # Errors
    /// When the store cannot be read; the next call tries again.
    pub fn sync(&self) -> Result<usize, StoreError> {
        load::changes(self, &mut self.state())
    }

    /// Brings changes into force by itself, from a thread that ends when the guard is dropped: those made through the
    /// same [`Store`] at once, those of other processes within a fifth of a second.
    ///
    /// # Errors
    /// When the store cannot be opened once more.
    pub fn watch(self: &Arc<Directory>) -> Result<WatchGuard, StoreError> {
        watch::start(self)
    }

    /// The key with this secret, revoked or expired or not. Whatever is presented costs one hash and one look-up.
    #[must_use]
    pub fn find_key(&self, presented: &[u8]) -> Option<Arc<LiveKey>> {
        self.keys.pin().get(&self.store.hasher.hash(presented)).cloned()
    }

    /// The tenant of this name.
    #[must_use]
    pub fn tenant(&self, id: &str) -> Option<Arc<LiveTenant>> {
        self.tenants.pin().get(id).cloned()
    }

    /// All tenants by name.
    #[must_use]
    pub fn tenants(&self) -> Vec<Arc<LiveTenant>> {
        let mut tenants: Vec<_> = self.tenants.pin().values().cloned().collect();
        tenants.sort_by(|left, right| left.id().cmp(right.id()));
        tenants
    }

    /// How many tenants there are.
    #[must_use]
    pub fn tenants_count(&self) -> usize {
        self.tenants.len()
    }

    /// How many keys there are, revoked ones included.
    #[must_use]
    pub fn keys_count(&self) -> usize {
        self.keys.len()
    }

    /// Models and upstreams as they are now. Keep the guard only for the moment of use.
    #[must_use]
    pub fn catalog(&self) -> Guard<Arc<Catalog>> {
        self.catalog.load()
    }

    /// The store behind it.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// A panic while applying changes left some of them out; the sequence was not moved, so that they come again.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says how much it holds, not what.
impl core::fmt::Debug for Directory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (tenants, keys) = (self.tenants.len(), self.keys.len());
        f.debug_struct("Directory").field("tenants", &tenants).field("keys", &keys).finish_non_exhaustive()
    }
}
