//! The ledger and the admission state of all tenants, sharded by tenant, each shard behind one short lock.
//!
//! A shard is a plain mutex, never held across an await: what happens under it is a handful of integer operations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use admit::{Admission, Breach, Pass, Tightest};
use base::{AccountIndex, AccountMap, AttemptId, Budgets, Moment, Money, Timestamp};
use ledger::{AccountConfig, Amounts, Ending, Hold, Ledger, PostedBalance, Settlement, Shortage};
use smallvec::SmallVec;
use store::Account;

use crate::authenticate::Path;

/// Shards; a power of two, so that a tenant's shard is a mask away.
const SHARDS: usize = 64;

/// The account indexes of a path, tenant first.
pub(crate) type Indexes = SmallVec<[AccountIndex; 4]>;

/// All accounts of the process: who holds and has spent what, and what is in which window.
pub(crate) struct Books {
    shards: Box<[Mutex<Shard>]>,
    epoch: u64,
    attempts: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) ledger: Ledger,
    pub(crate) admission: Admission,
    /// The version of the settings that each account was last configured with.
    versions: AccountMap<u64>,
    /// What accounts were charged before this process started, until they are first used.
    restored: AccountMap<Vec<PostedBalance>>,
}

impl Books {
    pub(crate) fn new(epoch: u64) -> Books {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Books { shards, epoch, attempts: AtomicU64::new(0) }
    }

    /// Holds that have not ended.
    pub(crate) fn open_holds(&self) -> usize {
        (0..SHARDS).map(|shard| self.shard(AccountIndex(shard as u32)).ledger.open_holds()).sum()
    }

    /// Notes what an account was charged before this process started.
    pub(crate) fn restore(&self, tenant: AccountIndex, account: AccountIndex, posted: Vec<PostedBalance>) {
        self.shard(tenant).restored.insert(account, posted);
    }

    /// A fresh attempt id, made before anything is written.
    pub(crate) fn next_attempt(&self) -> AttemptId {
        AttemptId { epoch: self.epoch, sequence: self.attempts.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// The shard of the tenant whose account is `tenant`.
    ///
    /// A panic under this lock means that the ledger contradicts itself; going on could give money away, so the process
    /// ends here.
    pub(crate) fn shard(&self, tenant: AccountIndex) -> MutexGuard<'_, Shard> {
        match self.shards[tenant.0 as usize % SHARDS].lock() {
            Ok(shard) => shard,
            Err(_) => {
                tracing::error!("the ledger failed an assertion; stopping rather than risking money");
                std::process::abort()
            }
        }
    }

    /// Checks every window of every level of `path` and takes them all, or none.
    pub(crate) fn admit(&self, path: &Path, tokens: u64, now: Moment) -> Result<(Pass, Tightest), Breach> {
        let indexes = indexes(path);
        let mut shard = self.shard(indexes[0]);
        shard.refresh(path);
        let pass = shard.admission.admit(&indexes, tokens, now)?;
        let tightest = shard.admission.tightest(&indexes, now);
        Ok((pass, tightest))
    }

    /// Holds `worst` on every level of `path`, or nowhere.
    pub(crate) fn reserve(&self, path: &Path, worst: Amounts, now: Timestamp) -> Result<Hold, Shortage> {
        let indexes = indexes(path);
        let attempt = self.next_attempt();
        let mut shard = self.shard(indexes[0]);
        shard.refresh(path);
        shard
            .ledger
            .reserve(&indexes, attempt, worst, now)
            .map_err(|no_hold| no_hold.shortage().expect("a ledger without leases knows only shortages"))
    }

    /// Ends a hold and the place in the windows that went with it, in one step; also says what is left of the budgets.
    pub(crate) fn settle(
        &self,
        path: &Path,
        hold: Hold,
        pass: Pass,
        ending: Ending,
        now: (Timestamp, Moment),
    ) -> (Settlement, Option<Money>) {
        let indexes = indexes(path);
        let has_budget = path.iter().any(|account| account.settings().budgets != Budgets::default());
        let mut shard = self.shard(indexes[0]);
        let settlement = shard.ledger.settle(hold, ending);
        let tokens_used = settlement.charged.tokens + settlement.still_held.tokens;
        shard.admission.settle(pass, tokens_used, now.1);
        let remaining = has_budget.then(|| shard.ledger.available(&indexes, now.0).now.usd);
        (settlement, remaining)
    }
}

impl Shard {
    /// Brings the accounts of `path` to their current settings; costs a comparison each when nothing changed.
    pub(crate) fn refresh(&mut self, path: &[std::sync::Arc<Account>]) {
        for account in path {
            let settings = account.settings();
            if self.versions.get(&account.index) == Some(&settings.version) {
                continue;
            }
            let config = AccountConfig {
                budgets: settings.budgets,
                tokens_per_month: settings.limits.tokens_per_month,
                ..AccountConfig::unlimited(settings.zone.clone())
            };
            self.ledger.configure(account.index, &config);
            if let Some(posted) = self.restored.remove(&account.index) {
                self.ledger.restore(account.index, &posted);
            }
            self.admission.configure(account.index, &settings.limits);
            self.versions.insert(account.index, settings.version);
        }
    }
}

/// The indexes of a path, tenant first.
pub(crate) fn indexes(path: &[std::sync::Arc<Account>]) -> Indexes {
    path.iter().map(|account| account.index).collect()
}
