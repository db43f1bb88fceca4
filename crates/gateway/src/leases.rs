//! Leases: permission to use an account's money, durable before it is used, so that a loss of power loses none.

use std::sync::Arc;

use base::ScopeLevel;
use journal::NoRoom;
use ledger::Lease;
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
            let mut payload = Vec::with_capacity(128);
            let kind = Record::Leased(record).encode(&mut payload);
            written = Some(self.journal.append(kind, &payload)?);
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

/// A lease by the names of its account.
fn record(path: &Path, lease: &Lease) -> Option<LeaseRecord> {
    let account = path.iter().find(|account| account.index == lease.account)?;
    let (project, key) = names(account)?;
    let tenant = base::TenantId::new(&path[0].name).ok()?;
    let Lease { period, starts, resource, up_to, .. } = *lease;
    Some(LeaseRecord { tenant, project, key, period, starts, resource, up_to })
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
