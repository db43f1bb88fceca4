//! The latest durable permission of each account.

use base::{KeyId, TenantId, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::Entries;
use super::chain::{Canonical, toggle};
use crate::journaled::{LeaseRecord, from_period_code, from_resource_code, period_code, resource_code};
use crate::resource::ProjectPath;
use crate::{Store, StoreError};

/// tenant, project, key, period, resource, starts, up to, lost
pub(super) type LeaseRow = [i64; 8];

pub(super) fn canonical_lease(into: &mut Canonical, row: &LeaseRow) {
    for number in row {
        into.number(*number);
    }
}

fn hashed(row: &LeaseRow) -> Canonical {
    let mut canonical = Canonical::default();
    canonical_lease(&mut canonical, row);
    canonical
}

impl Entries<'_> {
    /// Puts a lease in the place of the one before it, or extends that one.
    pub(super) fn lease(&mut self, lease: &LeaseRecord) -> Result<(), StoreError> {
        let row: LeaseRow = [
            self.name(lease.tenant.as_str())?,
            lease.project.as_ref().map_or(Ok(0), |project| self.name(project.as_str()))?,
            lease.key.as_ref().map_or(Ok(0), |key| self.name(key.as_str()))?,
            i64::from(period_code(lease.period)),
            i64::from(resource_code(lease.resource)),
            lease.starts.micros(),
            i64::try_from(lease.up_to).unwrap_or(i64::MAX),
            lease.lost.map_or(0, |lost| i64::try_from(lost).unwrap_or(i64::MAX)),
        ];
        let sql = "SELECT starts, up_to, lost FROM lease
            WHERE tenant = ?1 AND project = ?2 AND key = ?3 AND period = ?4 AND resource = ?5";
        let [tenant, project, key, period, resource, starts, up_to, lost] = row;
        let mut find = self.transaction.prepare_cached(sql)?;
        let before = find.query_row(params![tenant, project, key, period, resource], |row| {
            Ok([tenant, project, key, period, resource, row.get(0)?, row.get(1)?, row.get(2)?])
        });
        let before: Option<LeaseRow> = before.optional()?;
        if before.is_some_and(|[.., begins, _, _]| begins > starts) {
            // Of a period that was over when this was written: the lease of the younger one stays.
            return Ok(());
        }
        let (up_to, lost) = match before {
            Some([.., before, reached, was_lost]) if before == starts => {
                (reached.max(up_to), if lease.lost.is_some() { lost } else { was_lost })
            }
            _ => (up_to, lost),
        };
        let row = [tenant, project, key, period, resource, starts, up_to, lost];
        if before == Some(row) {
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO lease (tenant, project, key, period, resource, starts, up_to, lost)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let params = params![tenant, project, key, period, resource, starts, up_to, lost];
        self.transaction.prepare_cached(sql)?.execute(params)?;
        if let Some(before) = before {
            toggle(&mut self.block.leases, &hashed(&before));
        }
        toggle(&mut self.block.leases, &hashed(&row));
        Ok(())
    }
}

impl Entries<'_> {
    /// All that was lost before this epoch is among the leases.
    pub(super) fn loss_counted(&self, epoch: u64) -> Result<(), StoreError> {
        let epoch = i64::try_from(epoch).map_err(|error| StoreError::corrupt("loss.epoch", error))?;
        let sql = "INSERT INTO loss (epoch) VALUES (?1) ON CONFLICT (epoch) DO NOTHING";
        self.transaction.prepare_cached(sql)?.execute([epoch])?;
        Ok(())
    }
}

impl Store {
    /// The last epoch at whose start a loss of power was counted, as far as the journal is applied; zero when none was.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn loss_counted(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(epoch), 0) FROM loss";
        let epoch: i64 = self.reader().prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(epoch.unsigned_abs())
    }

    /// The latest lease of each account, period and resource, as far as the journal is applied.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn leases(&self) -> Result<Vec<LeaseRecord>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT tenant.text, project.text, key.text, lease.period, lease.resource, lease.starts, lease.up_to,
                lease.lost
             FROM lease JOIN name tenant ON tenant.number = lease.tenant
             LEFT JOIN name project ON project.number = lease.project LEFT JOIN name key ON key.number = lease.key",
        )?;
        let mut rows = statement.query([])?;
        let mut leases = Vec::new();
        while let Some(row) = rows.next()? {
            let corrupt = |error: base::IdError| StoreError::corrupt("lease", error);
            let unknown = || StoreError::corrupt("lease", "its period or resource is unknown");
            let project: Option<String> = row.get(1)?;
            let key: Option<String> = row.get(2)?;
            leases.push(LeaseRecord {
                tenant: TenantId::new(&row.get::<_, String>(0)?).map_err(corrupt)?,
                project: project.as_deref().map(ProjectPath::from_stored),
                key: key.as_deref().map(KeyId::new).transpose().map_err(corrupt)?,
                period: from_period_code(row.get(3)?).ok_or_else(unknown)?,
                resource: from_resource_code(row.get(4)?).ok_or_else(unknown)?,
                starts: Timestamp::from_micros(row.get(5)?),
                up_to: row.get::<_, i64>(6)?.max(0).unsigned_abs(),
                lost: Some(row.get::<_, i64>(7)?.max(0).unsigned_abs()),
            });
        }
        Ok(leases)
    }
}
