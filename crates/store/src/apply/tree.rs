//! Writing tenants, projects and keys.

use base::Secret;
use rusqlite::{OptionalExtension, params};

use super::{Action, Before, Table, Work, compare, to_json};
use crate::entries::wallet;
use crate::resource::{KeyResource, ProjectPath, ProjectResource, TenantResource};
use crate::secret::{NewSecret, SecretHash, generate};
use crate::{Kind, StoreError};

/// Where a project is written.
struct Place<'a> {
    tenant_number: i64,
    tenant: &'a str,
    parent: Option<i64>,
    path: ProjectPath,
}

impl Work<'_> {
    pub(super) fn tenant(&mut self, tenant: &TenantResource) -> Result<(), StoreError> {
        let id = tenant.id.as_str();
        let before = self.find(Table::Tenant, id)?;
        let mut form = TenantResource { project: Vec::new(), ..tenant.clone() };
        if let Some(stored) = Before::live(before.as_ref()) {
            // A file that does not speak of it must not end a suspension, nor let a tenant that pays in advance go on
            // without paying.
            let stored = read::<TenantResource>(stored)?;
            form.status = form.status.or(stored.status);
            form.wallet = form.wallet.or(stored.wallet);
        }
        let number = self.put(Table::Tenant, id, &form, Vec::new())?;
        if form.wallet == Some(true) {
            wallet::open(self.transaction, &tenant.id, self.now)?;
        }
        for project in &tenant.project {
            let path = ProjectPath::root(&project.id);
            self.project(project, &Place { tenant_number: number, tenant: id, parent: None, path })?;
        }
        Ok(())
    }

    fn project(&mut self, project: &ProjectResource, place: &Place<'_>) -> Result<(), StoreError> {
        let form = ProjectResource { key: Vec::new(), project: Vec::new(), ..project.clone() };
        let number = self.put_project(&form, place)?;
        let owner = format!("{}/{}", place.tenant, place.path);
        for key in &project.key {
            self.key(key, number, &owner)?;
        }
        for child in &project.project {
            let path = place.path.child(&child.id);
            let parent = Some(number);
            self.project(child, &Place { tenant_number: place.tenant_number, tenant: place.tenant, parent, path })?;
        }
        Ok(())
    }

    fn put_project(&mut self, form: &ProjectResource, place: &Place<'_>) -> Result<i64, StoreError> {
        let form = to_json(form)?;
        let sql = "SELECT number, form, deleted FROM project WHERE tenant = ?1 AND path = ?2";
        let before = self
            .transaction
            .prepare_cached(sql)?
            .query_row(params![place.tenant_number, place.path.as_str()], |row| {
                Ok(Before { number: row.get(0)?, form: row.get(1)?, deleted: row.get(2)? })
            })
            .optional()?;
        let (action, details) = compare(before.as_ref(), &form, Vec::new());
        let number = match before {
            Some(before) => {
                if action != Action::Unchanged {
                    let sql = "UPDATE project SET form = ?2, deleted = 0 WHERE number = ?1";
                    self.transaction.prepare_cached(sql)?.execute(params![before.number, form])?;
                }
                before.number
            }
            None => {
                let sql = "INSERT INTO project (tenant, parent, path, form) VALUES (?1, ?2, ?3, ?4)";
                let params = params![place.tenant_number, place.parent, place.path.as_str(), form];
                self.transaction.prepare_cached(sql)?.execute(params)?;
                self.transaction.last_insert_rowid()
            }
        };
        self.done(Kind::Project, number, format!("{}/{}", place.tenant, place.path), action, details)?;
        Ok(number)
    }

    fn key(&mut self, key: &KeyResource, project: i64, owner: &str) -> Result<(), StoreError> {
        let sql = "SELECT number, form, deleted, hash FROM key WHERE project = ?1 AND name = ?2";
        let found = self
            .transaction
            .prepare_cached(sql)?
            .query_row(params![project, key.name.as_str()], |row| {
                let before = Before { number: row.get(0)?, form: row.get(1)?, deleted: row.get(2)? };
                Ok((before, row.get::<_, Option<SecretHash>>(3)?))
            })
            .optional()?;
        let (before, stored_hash) = found.map_or((None, None), |(before, hash)| (Some(before), hash));
        let mut form = KeyResource { secret: None, ..key.clone() };
        let live = Before::live(before.as_ref());
        if let (None, Some(stored)) = (form.status, live) {
            // A file that does not speak of the status must not bring back a revoked key.
            form.status = read::<KeyResource>(stored)?.status;
        }
        let id = format!("{owner}/{}", key.name);
        let given = key.secret.as_ref().map(|secret| self.store.hasher.hash(secret.expose().as_bytes()));
        let hash = match (given, stored_hash) {
            (Some(hash), _) => hash,
            (None, Some(hash)) if live.is_some() => hash,
            (None, _) => self.new_secret(&id)?,
        };
        let also = if live.is_some() && stored_hash != Some(hash) { vec!["secret".to_owned()] } else { Vec::new() };
        let json = to_json(&form)?;
        let (action, details) = compare(before.as_ref(), &json, also);
        let number = self.put_key(before.as_ref(), action, (project, key.name.as_str()), &hash, &json)?;
        self.done(Kind::Key, number, id, action, details)
    }

    fn put_key(
        &self,
        before: Option<&Before>,
        action: Action,
        (project, name): (i64, &str),
        hash: &SecretHash,
        form: &str,
    ) -> Result<i64, StoreError> {
        let Some(before) = before else {
            let sql = "INSERT INTO key (project, name, hash, form) VALUES (?1, ?2, ?3, ?4)";
            self.transaction.prepare_cached(sql)?.execute(params![project, name, hash, form])?;
            return Ok(self.transaction.last_insert_rowid());
        };
        if action != Action::Unchanged {
            let sql = "UPDATE key SET hash = ?2, form = ?3, deleted = 0 WHERE number = ?1";
            self.transaction.prepare_cached(sql)?.execute(params![before.number, hash, form])?;
        }
        Ok(before.number)
    }

    /// Makes a secret, to be told once, and returns its hash.
    pub(super) fn new_secret(&mut self, id: &str) -> Result<SecretHash, StoreError> {
        let secret: Secret<String> = generate()?;
        let hash = self.store.hasher.hash(secret.expose().as_bytes());
        self.applied.new_secrets.push(NewSecret { key: id.to_owned(), secret });
        Ok(hash)
    }
}

fn read<Form: serde::de::DeserializeOwned>(json: &str) -> Result<Form, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::corrupt("form", error))
}
