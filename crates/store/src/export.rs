//! The declarative form of everything that is stored. Secrets of keys are not: only their hashes exist.

use std::collections::HashMap;

use base::TenantId;
use rusqlite::Connection;

use crate::resource::{ProjectResource, Resources, TenantResource};
use crate::rows;
use crate::{Store, StoreError};

/// Children of one project, in the order in which they were made.
type Children = HashMap<Option<i64>, Vec<(i64, ProjectResource)>>;

impl Store {
    /// Everything, in the form that [`Store::apply`] reads. Applied to the same store it changes nothing; applied to
    /// another one, new keys get new secrets, and sealed credentials must be given again.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn export(&self) -> Result<Resources, StoreError> {
        let mut reader = self.reader();
        let view = reader.transaction()?;
        let mut resources = Resources::default();
        rows::each_upstream(&view, |row| {
            resources.upstream.push(row.form);
            Ok(())
        })?;
        rows::each_model(&view, |row| {
            resources.model.push(row.form);
            Ok(())
        })?;
        let mut keys: HashMap<i64, Vec<_>> = HashMap::new();
        rows::each_key(&view, |row| {
            keys.entry(row.project).or_default().push(row.form);
            Ok(())
        })?;
        let mut projects: HashMap<i64, Children> = HashMap::new();
        rows::each_project(&view, |row| {
            let form = ProjectResource { key: keys.remove(&row.number).unwrap_or_default(), ..row.form };
            let siblings = projects.entry(row.tenant).or_default().entry(row.parent).or_default();
            siblings.push((row.number, form));
            Ok(())
        })?;
        rows::each_tenant(&view, |row| {
            let mut children = projects.remove(&row.number).unwrap_or_default();
            let project = assemble(&mut children, None);
            resources.tenant.push(TenantResource { project, ..row.form });
            Ok(())
        })?;
        Ok(resources)
    }

    /// One tenant's own settings, without its projects; `None` when there is no such tenant.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tenant(&self, id: &TenantId) -> Result<Option<TenantResource>, StoreError> {
        let reader = self.reader();
        match number(&reader, id.as_str())? {
            None => Ok(None),
            Some(number) => Ok(rows::tenant(&reader, number)?.map(|row| row.form)),
        }
    }
}

fn number(connection: &Connection, tenant: &str) -> Result<Option<i64>, StoreError> {
    use rusqlite::OptionalExtension;
    let mut statement = connection.prepare_cached("SELECT number FROM tenant WHERE id = ?1 AND deleted = 0")?;
    Ok(statement.query_row([tenant], |row| row.get(0)).optional()?)
}

/// Puts projects into those around them; the depth is bounded by validation.
fn assemble(children: &mut Children, parent: Option<i64>) -> Vec<ProjectResource> {
    let siblings = children.remove(&parent).unwrap_or_default();
    siblings
        .into_iter()
        .map(|(number, form)| ProjectResource { project: assemble(children, Some(number)), ..form })
        .collect()
}
