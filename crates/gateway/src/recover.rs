//! Gives the books back what they knew before this start: what was charged, what is held, and what is leased.
//!
//! Most of it comes from the store, the rest from the end of the journal that was not applied to it. What was held and
//! has no end stays held: somebody may have been billed for it.

use std::collections::HashMap;
use std::sync::Arc;

use base::{AccountIndex, AttemptId, KeyId, Money, TenantId, Timestamp};
use journal::Recovered;
use ledger::{Amounts, Entry, Lease, Lost};
use store::{
    Directory, Ending, HoldState, IntentRecord, LeaseRecord, LiveTenant, ProjectPath, Record, Store, UsageRecord,
};

use crate::ages::Ages;
use crate::authenticate::Path;
use crate::books::{Books, indexes};
use crate::idempotency::Keys;
use crate::running::StartError;
use crate::windows::{self, Windows};

/// What was found.
#[derive(Default)]
pub(crate) struct Restored {
    /// Records at the end of the journal that the store does not have yet.
    pub(crate) records: usize,
    /// Attempts without an end.
    pub(crate) unresolved: usize,
    /// The unused parts of leases that count as lost, because the machine lost its memory then or earlier.
    pub(crate) lost: Vec<(Path, Lost)>,
    /// The machine lost its memory, and what that took is not written down yet.
    pub(crate) is_loss_open: bool,
    /// Who holds for attempts that were open when the power went.
    pub(crate) survivors: HashMap<AttemptId, Path>,
}

/// Restores the books. The journal is not changed.
///
/// # Errors
/// When the store or the journal cannot be read.
pub(crate) fn restore(
    books: &Books,
    keys: &Keys,
    store: &Store,
    directory: &Directory,
    recovered: &Recovered<std::fs::File>,
    ages: &Ages,
    now: Timestamp,
) -> Result<Restored, StartError> {
    let leases = store.leases()?;
    // Not before what the books have seen: a clock that shows an earlier day would count in periods that are not restored.
    let now = leases.iter().map(|lease| lease.starts).fold(now, Timestamp::max);
    books.begin_at(now);
    for restored in store.restored_accounts(directory, now)? {
        books.restore(restored.tenant, restored.account, restored.posted);
    }
    let names = Names::new(directory);
    let windows = Windows::default();
    let loss_counted = store.loss_counted()?;
    let (leased, held) = (HashMap::new(), HashMap::new());
    let mut replay = Replay { books, names, windows, records: 0, leased, held, loss_counted };
    for lease in &leases {
        replay.leased(lease);
    }
    for held in store.open_holds()? {
        replay.held(&held.intent);
        // One that ended is in the usage, whoever knows what it cost.
        if held.state == HoldState::Open {
            replay.windows.began(&held.intent);
        }
    }
    store.used_keys(&mut |key| keys.restore(&key, now))?;
    let mut unreadable = None;
    recovered.visit(&mut |_, kind, payload| match Record::decode(kind, payload) {
        Ok(record) => {
            replay.record(&record);
            replay.windows.record(&record);
            keys.replay(&record, now);
        }
        Err(error) => unreadable = unreadable.take().or(Some(error)),
    })?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    replay.windows.used(store.recent_uses(ages.since(windows::MEMORY))?);
    replay.windows.restore(books, &mut replay.names, ages);
    // The opening that met the loss may have been ended before it had counted it; then this one does.
    let met = recovered.openings.iter().filter(|one| one.after == journal::Stop::PowerLost).map(|one| one.epoch).max();
    let counted = replay.loss_counted;
    let is_loss_open = met.is_some_and(|met| counted < met);
    let lost_before = if is_loss_open { books.epoch() } else { counted };
    if is_loss_open {
        books.lose_unused_leases();
    }
    let lost = replay.leased.values().flat_map(|path| {
        let lost = books.lost(path);
        lost.into_iter().map(move |lost| (path.clone(), lost))
    });
    let lost: Vec<_> = lost.collect();
    // What was open when the power went may have ended, and what it releases may be spent.
    books.mark_survivors(lost_before);
    let survivors = replay.held.into_iter().filter(|(attempt, _)| attempt.epoch < lost_before).collect();
    Ok(Restored { records: replay.records, unresolved: books.open_holds(), lost, is_loss_open, survivors })
}

struct Replay<'a> {
    books: &'a Books,
    names: Names<'a>,
    windows: Windows,
    records: usize,
    /// The paths to the accounts that have leases.
    leased: HashMap<AccountIndex, Path>,
    /// Who holds for each attempt that was replayed, ended or not.
    held: HashMap<AttemptId, Path>,
    /// The last epoch at whose start a loss of power was counted.
    loss_counted: u64,
}

impl Replay<'_> {
    fn record(&mut self, record: &Record) {
        self.records += 1;
        match record {
            Record::Intent(intent) => self.held(intent),
            Record::Settled(usage) if usage.ending == Ending::Unknown => {}
            Record::Settled(usage) => self.ended(&usage.tenant, usage.attempt, charged(usage), usage.variance),
            Record::Void(attempt) => self.ended_anywhere(*attempt, Amounts::ZERO),
            Record::Resolved(resolved) => self.ended_anywhere(resolved.attempt, resolved.charged),
            Record::Leased(lease) => self.leased(lease),
            Record::LossCounted(epoch) => self.loss_counted = self.loss_counted.max(*epoch),
        }
    }

    /// An account that is gone has no budget left to protect; those around it have.
    fn held(&mut self, intent: &IntentRecord) {
        let Some(path) = self.names.path(&intent.tenant, Some(&intent.project), Some(&intent.key)) else { return };
        let entry = Entry::Held {
            attempt: intent.attempt,
            path: ledger::AccountPath::new(&indexes(&path)),
            worst: intent.worst,
            granted_at: intent.at,
        };
        self.books.replay(&path, &entry);
        self.held.insert(intent.attempt, path);
    }

    fn ended(&mut self, tenant: &TenantId, attempt: AttemptId, charged: Amounts, variance: Money) {
        let Some(path) = self.names.path(tenant, None, None) else { return };
        self.held.remove(&attempt);
        self.books.replay(&path, &Entry::Settled { attempt, charged, variance });
    }

    /// For ends that do not name their tenant: an attempt is open in one shard at most.
    fn ended_anywhere(&mut self, attempt: AttemptId, charged: Amounts) {
        self.held.remove(&attempt);
        self.books.replay_everywhere(&Entry::Settled { attempt, charged, variance: Money::ZERO });
    }

    fn leased(&mut self, record: &LeaseRecord) {
        let found = self.names.path(&record.tenant, record.project.as_ref(), record.key.as_ref());
        let Some(path) = found else { return };
        // A lease of an account that is gone must not become one of the account around it.
        let level = if record.key.is_some() {
            base::ScopeLevel::Key
        } else if record.project.is_some() {
            base::ScopeLevel::Project
        } else {
            base::ScopeLevel::Tenant
        };
        let Some(account) = path.last().filter(|account| account.level == level) else { return };
        let account = account.index;
        let LeaseRecord { period, starts, resource, up_to, lost, .. } = *record;
        self.books.replay(&path, &Entry::Leased(Lease { account, period, starts, resource, up_to }));
        if let Some(amount) = lost {
            self.books.replay(&path, &Entry::Lost(Lost { account, period, starts, resource, amount }));
        }
        self.leased.insert(account, path);
    }
}

/// What every account of the path was charged.
fn charged(usage: &UsageRecord) -> Amounts {
    let tokens = usage.usage.input.saturating_add(usage.usage.output);
    Amounts { usd: usage.charged, tokens: tokens.min(usage.held_tokens) }
}

/// Finds accounts by their names; every tenant's are looked up once.
pub(crate) struct Names<'a> {
    directory: &'a Directory,
    tenants: HashMap<TenantId, Option<TenantNames>>,
}

struct TenantNames {
    tenant: Arc<LiveTenant>,
    keys: HashMap<(ProjectPath, KeyId), Path>,
}

impl<'a> Names<'a> {
    fn new(directory: &'a Directory) -> Names<'a> {
        Names { directory, tenants: HashMap::new() }
    }

    /// The path to a key, a project or a tenant; as far as it exists. `None` without the tenant.
    pub(crate) fn path(
        &mut self,
        tenant: &TenantId,
        project: Option<&ProjectPath>,
        key: Option<&KeyId>,
    ) -> Option<Path> {
        if !self.tenants.contains_key(tenant) {
            let names = self.directory.tenant(tenant.as_str()).map(TenantNames::new);
            self.tenants.insert(tenant.clone(), names);
        }
        let names = self.tenants.get(tenant)?.as_ref()?;
        let by_key = project.zip(key).and_then(|(project, key)| names.keys.get(&(project.clone(), key.clone())));
        if let Some(path) = by_key {
            return Some(path.clone());
        }
        let mut around = project.cloned();
        while let Some(project) = around {
            if let Some(account) = names.tenant.project(&project) {
                return Some(crate::status::path_to(&account));
            }
            around = project.parent();
        }
        Some(Path::from_iter([names.tenant.account.clone()]))
    }
}

impl TenantNames {
    fn new(tenant: Arc<LiveTenant>) -> TenantNames {
        let keys = tenant.keys().into_iter();
        let keys = keys.map(|key| ((key.project().clone(), key.id().clone()), key.path())).collect();
        TenantNames { tenant, keys }
    }
}
