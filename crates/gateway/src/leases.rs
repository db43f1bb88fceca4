//! Leases: permission to use an account's money, durable before it is used, so that a loss of power loses none.

use std::sync::Arc;

use base::{AccountIndex, AttemptId, ScopeLevel};
use journal::{Journal, NoRoom, Position};
use ledger::{Ending, Lease, Lost};
use store::{Account, LeaseRecord, ProjectPath, Record};

use crate::authenticate::Path;
use crate::relay::Relay;

impl Relay {
    /// Makes leases on a path durable, then lets the accounts use them.
    ///
    /// # Errors
    /// When they cannot be written; nothing is extended then.
    pub(crate) async fn grant(&self, path: &Path, leases: &[Lease]) -> Result<(), NoRoom> {
        let mut written = None;
        for lease in leases {
            let Some(record) = record(path, lease) else { continue };
            written = Some(append(&self.journal, &Record::Leased(record))?);
        }
        if let Some(written) = written {
            self.journal.wait_durable(written).await?;
        }
        let mut shard = self.books.shard(path[0].index);
        for lease in leases {
            shard.ledger.extend(lease);
        }
        Ok(())
    }
}

impl Relay {
    /// Frees what was lost: nobody came to say that it was spent. That is durable before anything is free.
    ///
    /// # Errors
    /// When it cannot be written; nothing is free then.
    pub(crate) async fn release_lost(&self) -> Result<usize, NoRoom> {
        let lost = self.lost.lock().expect("no panic while losses are listed").clone();
        let released: Vec<_> = lost.iter().map(|(path, one)| (path.clone(), Lost { amount: 0, ..*one })).collect();
        write_lost(&self.journal, &released).await?;
        for (path, one) in &lost {
            let mut shard = self.books.shard(path[0].index);
            shard.ledger.release_lost(one.account, one.period, one.resource);
            shard.call_next(&[one.account]);
        }
        self.lost.lock().expect("no panic while losses are listed").clear();
        Ok(lost.len())
    }

    /// Writes down what has to count as lost when an attempt ends so that was open when the power went.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) async fn keep_what_may_be_spent(
        &self,
        shard: AccountIndex,
        attempt: AttemptId,
        ending: Ending,
    ) -> Result<(), NoRoom> {
        let path = self.survivors.lock().expect("no panic while survivors are listed").get(&attempt).cloned();
        let Some(path) = path else { return Ok(()) };
        let lost = self.books.shard(shard).ledger.lost_by_resolving(attempt, ending);
        let lost: Vec<(Path, Lost)> =
            lost.into_iter().filter_map(|one| Some((up_to(&path, one.account)?, one))).collect();
        write_lost(&self.journal, &lost).await?;
        let mut all = self.lost.lock().expect("no panic while losses are listed");
        let is_same = |one: &Lost, other: &Lost| {
            (one.account, one.period, one.resource) == (other.account, other.period, other.resource)
        };
        all.retain(|(_, old)| !lost.iter().any(|(_, new)| is_same(old, new)));
        all.extend(lost);
        Ok(())
    }
}

/// Writes down what a loss of power took, and then that this is all of it, so that it stays so at every later start and is
/// counted again where this one ends in the middle. Durable when it returns; before it does, nothing is granted and
/// nothing of the journal deleted.
///
/// # Errors
/// When it cannot be written.
pub(crate) async fn count_loss(journal: &Journal, lost: &[(Path, Lost)], epoch: u64) -> Result<(), NoRoom> {
    write_lost(journal, lost).await?;
    let counted = append(journal, &Record::LossCounted(epoch))?;
    journal.wait_durable(counted).await?;
    Ok(())
}

async fn write_lost(journal: &Journal, lost: &[(Path, Lost)]) -> Result<(), NoRoom> {
    let mut written = None;
    for record in lost.iter().filter_map(|(path, lost)| lost_record(path, lost)) {
        written = Some(append(journal, &Record::Leased(record))?);
    }
    if let Some(written) = written {
        journal.wait_durable(written).await?;
    }
    Ok(())
}

fn append(journal: &Journal, record: &Record) -> Result<Position, NoRoom> {
    let mut payload = Vec::with_capacity(128);
    let kind = record.encode(&mut payload);
    journal.append(kind, &payload)
}

/// The part of a path that ends at an account.
fn up_to(path: &Path, account: AccountIndex) -> Option<Path> {
    let place = path.iter().position(|one| one.index == account)?;
    Some(path[..=place].iter().cloned().collect())
}

/// What is lost of a lease now, by the names of its account.
fn lost_record(path: &Path, lost: &Lost) -> Option<LeaseRecord> {
    let Lost { account, period, starts, resource, amount } = *lost;
    let lease = record(path, &Lease { account, period, starts, resource, up_to: 0 })?;
    Some(LeaseRecord { lost: Some(amount), ..lease })
}

/// A lease by the names of its account.
fn record(path: &Path, lease: &Lease) -> Option<LeaseRecord> {
    let account = path.iter().find(|account| account.index == lease.account)?;
    let (project, key) = names(account)?;
    let tenant = base::TenantId::new(&path[0].name).ok()?;
    let Lease { period, starts, resource, up_to, .. } = *lease;
    Some(LeaseRecord { tenant, project, key, period, starts, resource, up_to, lost: None })
}

/// The project and the key that name an account within its tenant.
fn names(account: &Arc<Account>) -> Option<(Option<ProjectPath>, Option<base::KeyId>)> {
    match account.level {
        ScopeLevel::Tenant => Some((None, None)),
        ScopeLevel::Project => Some((Some(ProjectPath::parse(&account.name)?), None)),
        ScopeLevel::Key => {
            let project = ProjectPath::parse(&account.parent.as_ref()?.name)?;
            Some((Some(project), Some(base::KeyId::new(&account.name).ok()?)))
        }
    }
}
