//! The ledger and the admission state of all tenants, sharded by tenant, each shard behind one short lock.
//!
//! A shard is a plain mutex, never held across an await: what happens under it is a handful of integer operations.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use admit::{Admission, Ask, Breach, Pass, Tightest, WaitFigures, Waits};
use base::{AccountIndex, AccountMap, AttemptId, BudgetPeriod, Chunks, ModelId, Moment, Money, Timestamp};
use catalog::Plan;
use ledger::waiting::{Full, Ticket, Waiting};
use ledger::{AccountConfig, Amounts, Ending, Entry, Hold, LeasePolicy, Ledger, Lost, PostedBalance, Settlement};
use smallvec::SmallVec;
use store::{Account, AccountSettings};
use tokio::sync::Notify;
use wire::{Call, Endpoint};

use crate::admit::scope;
use crate::alerts;
use crate::authenticate::Path;
use crate::counts::ShardCounts;
use crate::shadows::{Shadows, WatchedFigure};

/// Shards; a power of two, so that a tenant's shard is a mask away.
pub(crate) const SHARDS: usize = 64;

/// A lease goes this part of its limit ahead: that much may count as lost after a power failure.
const LEASES: LeasePolicy = LeasePolicy { parts: 64 };

/// The account indexes of a path, tenant first.
pub(crate) type Indexes = SmallVec<[AccountIndex; 4]>;

/// All accounts of the process: who holds and has spent what, and what is in which window.
pub(crate) struct Books {
    shards: Box<[Mutex<Shard>]>,
    epoch: u64,
    attempts: AtomicU64,
    tickets: AtomicU64,
    /// Makes numbers of the names of end users, which nobody can foresee.
    end_users: RandomState,
}

/// What a call asks the windows for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a Path,
    pub(crate) model: &'a ModelId,
    pub(crate) end_user: Option<&'a str>,
    pub(crate) tokens: u64,
    /// It belongs to a session, which has its slots.
    pub(crate) is_in_session: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(path: &'a Path, plan: &'a Plan, call: &'a Call) -> Asked<'a> {
        let is_in_session = call.endpoint() == Endpoint::Realtime;
        // A provider goes through a batch in its own time: its tokens are of no minute and no day.
        let tokens = if call.endpoint().makes_batch() { 0 } else { plan.quote().tokens() };
        Asked { path, model: &plan.model().id, end_user: call.end_user(), tokens, is_in_session }
    }
}

/// What an earlier process admitted.
pub(crate) struct Taken<'a> {
    pub(crate) at: Moment,
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) end_user: Option<&'a str>,
}

pub(crate) struct Shard {
    pub(crate) ledger: Ledger,
    pub(crate) admission: Admission,
    /// Calls that wait for the holds of others.
    pub(crate) waiting: Waiting,
    /// How each of them is told that it is its turn.
    turns: HashMap<Ticket, Arc<Notify>>,
    /// How long the calls of each tenant waited for others.
    waits: AccountMap<Box<Waits>>,
    /// The low half of the version of the settings that each account was last configured with, in the ledger's order.
    /// Settings do not change four billion times between two calls.
    versions: Chunks<u32>,
    /// What is only watched of the ledger's limits.
    shadows: Shadows,
    counts: ShardCounts,
    /// What accounts were charged before this process started, until they are first used.
    restored: AccountMap<Vec<PostedBalance>>,
}

impl Books {
    pub(crate) fn new(epoch: u64, waiting_max: usize, end_users_max: usize) -> Books {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(waiting_max, end_users_max))).collect();
        let (attempts, tickets) = (AtomicU64::new(0), AtomicU64::new(0));
        Books { shards, epoch, attempts, tickets, end_users: RandomState::new() }
    }

    /// Holds that have not ended.
    pub(crate) fn open_holds(&self) -> usize {
        (0..SHARDS).map(|shard| self.shard(AccountIndex(shard as u32)).ledger.open_holds()).sum()
    }

    /// Notes what an account was charged before this process started.
    pub(crate) fn restore(&self, tenant: AccountIndex, account: AccountIndex, posted: Vec<PostedBalance>) {
        self.shard(tenant).restored.insert(account, posted);
    }

    /// Counts in the windows of a path, and of a model there, what was admitted before this process started.
    pub(crate) fn restore_windows<'a>(
        &self,
        path: &Path,
        model: &ModelId,
        now: Moment,
        admitted: impl IntoIterator<Item = Taken<'a>>,
    ) {
        let indexes = indexes(path);
        let mut shard = self.shard(indexes[0]);
        shard.refresh(path);
        for taken in admitted {
            let end_user = self.end_user(&shard, taken.end_user);
            let ask = Ask { path: &indexes, model: Some(model.as_str()), end_user, tokens: taken.tokens };
            shard.admission.restore(&ask, taken.requests, taken.at, now);
        }
    }

    /// An end user's number, where it matters. Names are cut as records cut them.
    fn end_user(&self, shard: &Shard, name: Option<&str>) -> Option<u64> {
        let name = name.filter(|_| shard.admission.limits_end_users())?;
        Some(self.end_users.hash_one(&name[..name.floor_char_boundary(store::END_USER_BYTES_MAX)]))
    }

    /// Works on the shard of a path with the question to its windows.
    pub(crate) fn ask<T>(&self, asked: &Asked<'_>, work: impl FnOnce(&mut Shard, &Ask<'_>) -> T) -> T {
        let indexes = indexes(asked.path);
        let mut shard = self.shard(indexes[0]);
        shard.refresh(asked.path);
        let end_user = self.end_user(&shard, asked.end_user);
        let ask = Ask { path: &indexes, model: Some(asked.model.as_str()), end_user, tokens: asked.tokens };
        work(&mut shard, &ask)
    }

    /// The attempts of which nobody knows the cost.
    pub(crate) fn unresolved(&self) -> HashSet<AttemptId> {
        let shards = (0..SHARDS).map(|shard| self.shard(AccountIndex(shard as u32)));
        shards.flat_map(|shard| shard.ledger.unresolved().map(|one| one.attempt).collect::<Vec<_>>()).collect()
    }

    /// Applies what stands in the journal; the accounts of `path` are brought to their settings first.
    pub(crate) fn replay(&self, path: &Path, entry: &Entry) {
        let mut shard = self.shard(path[0].index);
        shard.refresh(path);
        shard.ledger.apply(entry);
    }

    /// Applies the end of an attempt of which the tenant is not known: it changes only the shard where it is open.
    pub(crate) fn replay_everywhere(&self, entry: &Entry) {
        for shard in 0..SHARDS {
            self.shard(AccountIndex(shard as u32)).ledger.apply(entry);
        }
    }

    /// After a loss of power: what is leased and unused may have been spent.
    pub(crate) fn lose_unused_leases(&self) {
        for shard in 0..SHARDS {
            self.shard(AccountIndex(shard as u32)).ledger.lose_unused_leases();
        }
    }

    /// Lets no grant be dated before this time, which the restored balances are of.
    pub(crate) fn begin_at(&self, at: Timestamp) {
        for shard in 0..SHARDS {
            self.shard(AccountIndex(shard as u32)).ledger.begin_at(at);
        }
    }

    /// What is held for attempts before `epoch` was open when power was lost: what its ending releases counts as lost.
    pub(crate) fn mark_survivors(&self, epoch: u64) {
        for shard in 0..SHARDS {
            self.shard(AccountIndex(shard as u32)).ledger.mark_survivors(epoch);
        }
    }

    /// What is lost of the leases of the last account of a path.
    pub(crate) fn lost(&self, path: &Path) -> Vec<Lost> {
        let account = path.last().expect("a path has a tenant at least").index;
        self.shard(path[0].index).ledger.lost().filter(|lost| lost.account == account).collect()
    }

    /// The number of this opening of the journal.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
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

    /// Checks every window of every level of the path, of the model and of the end user, and takes them all, or none.
    pub(crate) fn admit(&self, asked: &Asked<'_>, now: Moment) -> Result<(Pass, Tightest), Breach> {
        let admitted = self.ask(asked, |shard, ask| {
            let admitted = if asked.is_in_session {
                shard.admission.admit_within(ask, now)
            } else {
                shard.admission.admit(ask, now)
            };
            let pass = admitted.inspect_err(|breach| shard.counts.window_refused(breach.window))?;
            let tightest = shard.admission.tightest(ask, now);
            let news = match pass.shadow_breach() {
                None => None,
                Some(breach) => {
                    shard.shadows.refused += 1;
                    shard.shadows.is_news(breach.account, now).then_some(*breach)
                }
            };
            Ok((pass, tightest, news))
        });
        let (pass, tightest, news) = admitted?;
        if let Some(breach) = news {
            let (tenant, account) = (&asked.path[0].name, scope(asked.path, breach.account));
            let (part, window, limit) = (breach.part, breach.window, breach.limit);
            tracing::info!(%tenant, %account, ?part, %window, limit, model = %asked.model, "a watched limit would have refused a call; told once a minute");
        }
        Ok((pass, tightest))
    }

    /// What was counted, and how many calls limits that are only watched would have refused.
    pub(crate) fn counts(&self) -> (ShardCounts, u64) {
        let (mut sum, mut shadows) = (ShardCounts::default(), 0);
        for shard in 0..SHARDS {
            let shard = self.shard(AccountIndex(shard as u32));
            sum.add(&shard.counts);
            shadows += shard.shadows.refused;
        }
        (sum, shadows)
    }

    /// What is left where the least is left.
    pub(crate) fn tightest(&self, asked: &Asked<'_>, now: Moment) -> Tightest {
        self.ask(asked, |shard, ask| shard.admission.tightest(ask, now))
    }

    /// Counts how long a call of a tenant waited for others.
    pub(crate) fn note_wait(&self, tenant: AccountIndex, waited: Duration, now: Moment) {
        self.shard(tenant).note_wait(tenant, waited, now);
    }

    /// How long a tenant's calls waited for others lately.
    pub(crate) fn waits(&self, tenant: AccountIndex, now: Moment) -> WaitFigures {
        self.shard(tenant).waits.get(&tenant).map(|waits| waits.figures(now)).unwrap_or_default()
    }

    /// A place in the order of those who wait for money.
    pub(crate) fn next_ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// Gives back a hold whose intent was never written.
    pub(crate) fn release(&self, path: &Path, hold: Hold) -> Settlement {
        let indexes = indexes(path);
        let mut shard = self.shard(indexes[0]);
        let settlement = shard.ledger.settle(hold, Ending::Refused);
        shard.call_next(&indexes);
        settlement
    }

    /// Ends a hold and the place in the windows that went with it, in one step; says what is left of the budgets. Its
    /// end stands in the journal already.
    pub(crate) fn settle(
        &self,
        path: &Path,
        hold: Hold,
        (pass, waited): (Pass, Duration),
        ending: Ending,
        now: (Timestamp, Moment),
    ) -> Option<Money> {
        let indexes = indexes(path);
        let has_budget = path.iter().any(|account| has_cap(&account.settings()));
        let mut shard = self.shard(indexes[0]);
        shard.counts.ended(&ending);
        let settlement = shard.ledger.settle(hold, ending);
        let tokens_used = settlement.charged.tokens + settlement.still_held.tokens;
        shard.admission.settle(pass, tokens_used, now.1);
        shard.note_wait(indexes[0], waited, now.1);
        shard.call_next(&indexes);
        let crossed = shard.ledger.take_crossed();
        let remaining = has_budget.then(|| shard.ledger.available(&indexes, now.0).now.usd);
        drop(shard);
        alerts::tell(path, &crossed);
        remaining
    }
}

impl Shard {
    fn new(waiting_max: usize, end_users_max: usize) -> Shard {
        Shard {
            ledger: Ledger::with_leases(LEASES),
            admission: Admission::new(end_users_max),
            waiting: Waiting::new(waiting_max),
            turns: HashMap::new(),
            waits: AccountMap::default(),
            versions: Chunks::default(),
            shadows: Shadows::default(),
            counts: ShardCounts::default(),
            restored: AccountMap::default(),
        }
    }

    /// Puts a call that lacks money into the queue of an account.
    pub(crate) fn wait(&mut self, account: AccountIndex, ticket: Ticket, turn: &Arc<Notify>) -> Result<(), Full> {
        self.waiting.join(account, ticket)?;
        self.turns.insert(ticket, turn.clone());
        Ok(())
    }

    fn note_wait(&mut self, tenant: AccountIndex, waited: Duration, now: Moment) {
        if !self.waits.contains_key(&tenant) {
            // Whoever comes makes room for itself.
            self.waits.retain(|_, waits| !waits.is_over(now));
        }
        self.waits.entry(tenant).or_default().note(waited, now);
    }

    /// Takes a call out of its queue; the next one there gets its turn.
    pub(crate) fn stop_waiting(&mut self, ticket: Ticket) {
        let freed = self.waiting.leave(ticket);
        self.turns.remove(&ticket);
        self.call_next(freed.as_slice());
    }

    /// Ends an attempt of which nobody knew the cost. Its end stands in the journal already.
    pub(crate) fn resolve(&mut self, attempt: AttemptId, ending: Ending) -> Settlement {
        let path = self.ledger.unresolved().find(|one| one.attempt == attempt).map(|one| one.path);
        let settlement = self.ledger.resolve(attempt, ending).expect("the caller found it unresolved");
        if let Some(path) = path {
            self.call_next(path.accounts());
        }
        settlement
    }

    /// Lets budgets that are only watched look at a hold; says the account to tell the log of.
    pub(crate) fn watch_budgets(
        &mut self,
        path: &[AccountIndex],
        worst: Amounts,
        at: Timestamp,
        now: impl FnOnce() -> Moment,
    ) -> Option<AccountIndex> {
        let account = self.shadows.watch(&self.ledger, path, worst, at)?;
        self.shadows.is_news(account, now()).then_some(account)
    }

    /// What an account watches of budgets.
    pub(crate) fn watched_budgets(&self, account: AccountIndex, now: Timestamp) -> Vec<WatchedFigure> {
        self.shadows.figures(&self.ledger, account, now)
    }

    /// Gives a turn to the oldest that waits at each of these accounts: money may be free there.
    pub(crate) fn call_next(&self, accounts: &[AccountIndex]) {
        if self.waiting.is_empty() {
            return;
        }
        for ticket in accounts.iter().filter_map(|&account| self.waiting.head(account)) {
            self.turns[&ticket].notify_one();
        }
    }

    /// Brings the accounts of `path` to their current settings; costs a comparison each when nothing changed.
    pub(crate) fn refresh(&mut self, path: &[Arc<Account>]) {
        for account in path {
            let settings = account.settings();
            let known = self.ledger.number(account.index);
            if known.is_some_and(|number| self.versions[number] == settings.version as u32) {
                continue;
            }
            let config = AccountConfig {
                budgets: settings.budgets,
                tokens_per_month: settings.limits.own.tokens_per_month,
                wallet: settings.wallet,
                alerts: alerts::of(&settings.budgets.alert_at),
                zone: settings.zone.clone(),
            };
            self.ledger.configure(account.index, &config);
            // A raised limit, or a credit, may be what somebody waits for.
            self.call_next(&[account.index]);
            if let Some(posted) = self.restored.remove(&account.index) {
                self.ledger.restore(account.index, &posted);
            }
            self.admission.configure(account.index, &settings.limits);
            self.shadows.configure(account.index, &settings.limits);
            match known {
                Some(number) => self.versions[number] = settings.version as u32,
                None => self.versions.push(settings.version as u32),
            }
        }
    }
}

/// Whether anything limits the money of an account.
fn has_cap(settings: &AccountSettings) -> bool {
    settings.wallet.is_some() || BudgetPeriod::ALL.iter().any(|&period| settings.budgets.cap(period).is_some())
}

/// The indexes of a path, tenant first.
pub(crate) fn indexes(path: &[Arc<Account>]) -> Indexes {
    path.iter().map(|account| account.index).collect()
}
