//! What the directory knows beside what requests read: which row is which account. Touched only while changes are
//! applied.

use std::collections::VecDeque;
use std::sync::Arc;

use base::AccountIndex;

use super::account::AccountName;
use super::by_row::ByRow;
use super::{Account, AccountSettings, LiveKey, LiveTenant};

/// Row numbers to live things. Entries stay when the row is deleted: created again, it is the same account.
#[derive(Default)]
pub(super) struct State {
    /// Changes up to this sequence are in force.
    pub(super) sequence: u64,
    next_index: u32,
    pub(super) tenants: ByRow<Arc<LiveTenant>>,
    pub(super) projects: ByRow<Arc<Account>>,
    /// Each as it is or was when it could be found last: it may come back.
    pub(super) keys: ByRow<Arc<LiveKey>>,
    /// Settings that were seen last. Plans are few and accounts many: what is equal is kept once.
    shared: VecDeque<Arc<AccountSettings>>,
}

/// Settings that are looked at for equal ones.
const SHARED_MAX: usize = 32;

impl State {
    /// The settings, or equal ones that another account has.
    pub(super) fn share(&mut self, settings: AccountSettings) -> Arc<AccountSettings> {
        if let Some(place) = self.shared.iter().position(|known| **known == settings) {
            // The ones that are asked for are the last to be forgotten.
            let known = self.shared.remove(place).expect("it was found there");
            self.shared.push_front(known.clone());
            return known;
        }
        let settings = Arc::new(settings);
        self.shared.truncate(SHARED_MAX - 1);
        self.shared.push_front(settings.clone());
        settings
    }

    /// A new account in the next free place.
    pub(super) fn account(
        &mut self,
        name: AccountName,
        parent: Option<Arc<Account>>,
        settings: Arc<AccountSettings>,
    ) -> Arc<Account> {
        let index = AccountIndex(self.next_index);
        self.next_index = self.next_index.checked_add(1).expect("fewer than four billion accounts fit in memory");
        Arc::new(Account::new(index, name, parent, settings))
    }
}
