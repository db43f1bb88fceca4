//! Deleting: rows stay, marked, so that their numbers and the usage under their names keep their meaning.

use rusqlite::params;

use super::{Action, Work};
use crate::resource::Resources;
use crate::{Kind, StoreError};

/// Everything that exists, innermost first, with its full name.
const KEYS: &str = "
    SELECT key.number, tenant.id || '/' || project.path || '/' || key.name FROM key
    JOIN project ON project.number = key.project JOIN tenant ON tenant.number = project.tenant
    WHERE key.deleted = 0 ORDER BY key.number";
const PROJECTS: &str = "
    SELECT project.number, tenant.id || '/' || project.path FROM project
    JOIN tenant ON tenant.number = project.tenant WHERE project.deleted = 0 ORDER BY project.number DESC";
const TENANTS: &str = "SELECT number, id FROM tenant WHERE deleted = 0 ORDER BY number";
const MODELS: &str = "SELECT number, id FROM model WHERE deleted = 0 ORDER BY number";
const UPSTREAMS: &str = "SELECT number, id FROM upstream WHERE deleted = 0 ORDER BY number";

impl Work<'_> {
    /// Deletes everything that the file does not have.
    pub(super) fn prune(&mut self) -> Result<(), StoreError> {
        let all = [
            (Kind::Key, KEYS),
            (Kind::Project, PROJECTS),
            (Kind::Tenant, TENANTS),
            (Kind::Model, MODELS),
            (Kind::Upstream, UPSTREAMS),
        ];
        for (kind, sql) in all {
            for (number, id) in self.list(sql)? {
                if !self.kept.contains(&(kind, number)) {
                    self.delete(kind, number, id)?;
                }
            }
        }
        Ok(())
    }

    /// Deletes the keys that the file does not have before others are written: one of these may take over a secret.
    pub(super) fn free_secrets(&mut self, resources: &Resources) -> Result<(), StoreError> {
        let wanted = resources.key_names();
        for (number, id) in self.list(KEYS)? {
            if !wanted.contains(&id) {
                self.delete(Kind::Key, number, id)?;
            }
        }
        Ok(())
    }

    fn list(&self, sql: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Marks one row as gone. What is inside it must have gone before.
    pub(crate) fn delete(&mut self, kind: Kind, number: i64, id: String) -> Result<(), StoreError> {
        let sql = match kind {
            Kind::Key => "UPDATE key SET deleted = 1, hash = NULL WHERE number = ?1",
            Kind::Project => "UPDATE project SET deleted = 1 WHERE number = ?1",
            Kind::Tenant => "UPDATE tenant SET deleted = 1 WHERE number = ?1",
            Kind::Model => "UPDATE model SET deleted = 1 WHERE number = ?1",
            Kind::Upstream => "UPDATE upstream SET deleted = 1 WHERE number = ?1",
        };
        self.transaction.prepare_cached(sql)?.execute(params![number])?;
        self.done(kind, number, id, Action::Deleted, Vec::new())
    }
}
