//! Single changes that need no resource file: suspend, revoke, rotate, delete.

use base::{KeyId, ModelId, Secret, TenantId, UpstreamId};
use rusqlite::{OptionalExtension, Params, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::apply::{Applied, Work};
use crate::resource::{KeyResource, KeyStatus, ProjectPath, TenantResource, TenantStatus};
use crate::secret::generate;
use crate::store::wall_clock;
use crate::{ApplyError, Kind, Store, StoreError, feed};

const FIND_KEY: &str = "
    SELECT key.number FROM key JOIN project ON project.number = key.project JOIN tenant ON tenant.number = project.tenant
    WHERE tenant.id = ?1 AND project.path = ?2 AND key.name = ?3 AND key.deleted = 0";

impl Store {
    /// Suspends a tenant, or ends that. Returns whether it was otherwise before.
    ///
    /// # Errors
    /// A problem when there is no such tenant.
    pub fn set_tenant_status(&self, tenant: &TenantId, status: TenantStatus) -> Result<bool, ApplyError> {
        self.write(|transaction| {
            let sql = "SELECT number FROM tenant WHERE id = ?1 AND deleted = 0";
            let number = find(transaction, sql, [tenant.as_str()], &format!("tenant[{tenant}]"))?;
            edit(transaction, Kind::Tenant, number, |form: &mut TenantResource| form.status = Some(status))
        })
    }

    /// Revokes a key for good. Returns whether it was active before.
    ///
    /// # Errors
    /// A problem when there is no such key.
    pub fn revoke_key(&self, tenant: &TenantId, project: &ProjectPath, key: &KeyId) -> Result<bool, ApplyError> {
        self.write(|transaction| {
            let number = find_key(transaction, tenant, project, key)?;
            edit(transaction, Kind::Key, number, |form: &mut KeyResource| form.status = Some(KeyStatus::Revoked))
        })
    }

    /// Gives a key a new secret; the old one stops working.
    ///
    /// # Errors
    /// A problem when there is no such key, or it is revoked.
    pub fn rotate_key(
        &self,
        tenant: &TenantId,
        project: &ProjectPath,
        key: &KeyId,
    ) -> Result<Secret<String>, ApplyError> {
        self.write(|transaction| {
            let number = find_key(transaction, tenant, project, key)?;
            let form: KeyResource = read(transaction, Kind::Key, number)?;
            if form.status == Some(KeyStatus::Revoked) {
                return Err(ApplyError::problem(
                    key_path(tenant, project, key),
                    "this key was revoked and does not come back; make a key with another name",
                ));
            }
            let secret = generate()?;
            let hash = self.hasher.hash(secret.expose().as_bytes());
            transaction.execute("UPDATE key SET hash = ?2 WHERE number = ?1", params![number, hash])?;
            feed::note(transaction, Kind::Key, number)?;
            Ok(secret)
        })
    }

    /// Deletes a key. Its usage stays.
    ///
    /// # Errors
    /// A problem when there is no such key.
    pub fn delete_key(&self, tenant: &TenantId, project: &ProjectPath, key: &KeyId) -> Result<Applied, ApplyError> {
        self.write(|transaction| {
            let number = find_key(transaction, tenant, project, key)?;
            let mut work = Work::new(self, transaction, wall_clock());
            work.delete(Kind::Key, number, format!("{tenant}/{project}/{key}"))?;
            Ok(work.applied)
        })
    }

    /// Deletes a project with everything inside it. Its usage stays.
    ///
    /// # Errors
    /// A problem when there is no such project.
    pub fn delete_project(&self, tenant: &TenantId, project: &ProjectPath) -> Result<Applied, ApplyError> {
        self.write(|transaction| {
            let sql = "SELECT project.tenant FROM project JOIN tenant ON tenant.number = project.tenant
                WHERE tenant.id = ?1 AND project.path = ?2 AND project.deleted = 0";
            let path = format!("tenant[{tenant}].project[{project}]");
            let number = find(transaction, sql, params![tenant.as_str(), project.as_str()], &path)?;
            let mut work = Work::new(self, transaction, wall_clock());
            delete_below(&mut work, transaction, number, tenant, project.as_str())?;
            Ok(work.applied)
        })
    }

    /// Deletes a tenant with everything inside it. Its usage stays.
    ///
    /// # Errors
    /// A problem when there is no such tenant.
    pub fn delete_tenant(&self, tenant: &TenantId) -> Result<Applied, ApplyError> {
        self.write(|transaction| {
            let sql = "SELECT number FROM tenant WHERE id = ?1 AND deleted = 0";
            let number = find(transaction, sql, [tenant.as_str()], &format!("tenant[{tenant}]"))?;
            let mut work = Work::new(self, transaction, wall_clock());
            delete_below(&mut work, transaction, number, tenant, "")?;
            work.delete(Kind::Tenant, number, tenant.to_string())?;
            Ok(work.applied)
        })
    }

    /// Deletes a model. Its prices and usage stay.
    ///
    /// # Errors
    /// A problem for each place that still refers to it, or when there is no such model.
    pub fn delete_model(&self, model: &ModelId) -> Result<Applied, ApplyError> {
        let at = format!("model[{model}]");
        self.delete_unused(Kind::Model, model.as_str(), &at, |value| match value {
            User::Model(form) => form.fallbacks.contains(model),
            User::Tenant(text) => text.contains(&format!("\"{model}\"")),
        })
    }

    /// Deletes an upstream.
    ///
    /// # Errors
    /// A problem for each route that still leads to it, or when there is no such upstream.
    pub fn delete_upstream(&self, upstream: &UpstreamId) -> Result<Applied, ApplyError> {
        let at = format!("upstream[{upstream}]");
        self.delete_unused(Kind::Upstream, upstream.as_str(), &at, |value| match value {
            User::Model(form) => form.route.iter().any(|target| target.upstream == *upstream),
            User::Tenant(_) => false,
        })
    }

    fn delete_unused(
        &self,
        kind: Kind,
        id: &str,
        at: &str,
        uses: impl Fn(&User<'_>) -> bool,
    ) -> Result<Applied, ApplyError> {
        self.write(|transaction| {
            let sql = match kind {
                Kind::Model => "SELECT number FROM model WHERE id = ?1 AND deleted = 0",
                _ => "SELECT number FROM upstream WHERE id = ?1 AND deleted = 0",
            };
            let number = find(transaction, sql, [id], at)?;
            let users = users(transaction, uses)?;
            if !users.is_empty() {
                let message = format!("it is still used by {}; change these first", users.join(", "));
                return Err(ApplyError::problem(at, message));
            }
            let mut work = Work::new(self, transaction, wall_clock());
            work.delete(kind, number, id.to_owned())?;
            Ok(work.applied)
        })
    }
}

/// Something that may refer to a model or an upstream.
enum User<'a> {
    Model(&'a crate::resource::ModelResource),
    /// The form of a tenant, project or key as JSON; names of models stand in it in quotes.
    Tenant(&'a str),
}

/// The names of what refers to something.
fn users(transaction: &Transaction<'_>, uses: impl Fn(&User<'_>) -> bool) -> Result<Vec<String>, StoreError> {
    let mut users = Vec::new();
    crate::rows::each_model(transaction, |row| {
        if uses(&User::Model(&row.form)) {
            users.push(format!("model[{}]", row.form.id));
        }
        Ok(())
    })?;
    let mut statement = transaction.prepare_cached(
        "SELECT 'tenant[' || id || ']', form FROM tenant WHERE deleted = 0
         UNION ALL SELECT 'tenant[' || tenant.id || '].project[' || path || ']', project.form
         FROM project JOIN tenant ON tenant.number = project.tenant WHERE project.deleted = 0
         UNION ALL SELECT 'tenant[' || tenant.id || '].project[' || path || '].key[' || key.name || ']', key.form
         FROM key JOIN project ON project.number = key.project JOIN tenant ON tenant.number = project.tenant
         WHERE key.deleted = 0 AND json_extract(key.form, '$.models') IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let form = row.get_ref(1)?.as_str().unwrap_or_default();
        if uses(&User::Tenant(models_of(form).as_str())) {
            users.push(row.get(0)?);
        }
    }
    Ok(users)
}

/// The members of a form that name models.
fn models_of(form: &str) -> String {
    let form: serde_json::Value = serde_json::from_str(form).unwrap_or_default();
    format!("{}{}", form["models"], form["defaults"]["model"])
}

fn find(transaction: &Transaction<'_>, sql: &str, params: impl Params, path: &str) -> Result<i64, ApplyError> {
    let number = transaction.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?;
    number.ok_or_else(|| ApplyError::problem(path, "it does not exist; check the name"))
}

fn key_path(tenant: &TenantId, project: &ProjectPath, key: &KeyId) -> String {
    let projects: Vec<String> = project.as_str().split('/').map(|name| format!(".project[{name}]")).collect();
    format!("tenant[{tenant}]{}.key[{key}]", projects.concat())
}

fn find_key(
    transaction: &Transaction<'_>,
    tenant: &TenantId,
    project: &ProjectPath,
    key: &KeyId,
) -> Result<i64, ApplyError> {
    let params = params![tenant.as_str(), project.as_str(), key.as_str()];
    find(transaction, FIND_KEY, params, &key_path(tenant, project, key))
}

fn read<Form: DeserializeOwned>(transaction: &Transaction<'_>, kind: Kind, number: i64) -> Result<Form, StoreError> {
    let sql = match kind {
        Kind::Tenant => "SELECT form FROM tenant WHERE number = ?1",
        _ => "SELECT form FROM key WHERE number = ?1",
    };
    let form: String = transaction.prepare_cached(sql)?.query_row([number], |row| row.get(0))?;
    serde_json::from_str(&form).map_err(|error| StoreError::corrupt("form", error))
}

/// Changes a form; returns whether that made a difference.
fn edit<Form: Serialize + DeserializeOwned + PartialEq + Clone>(
    transaction: &Transaction<'_>,
    kind: Kind,
    number: i64,
    change: impl FnOnce(&mut Form),
) -> Result<bool, ApplyError> {
    let before: Form = read(transaction, kind, number)?;
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(false);
    }
    let form = serde_json::to_string(&after).map_err(|error| StoreError::corrupt("form", error))?;
    let sql = match kind {
        Kind::Tenant => "UPDATE tenant SET form = ?2 WHERE number = ?1",
        _ => "UPDATE key SET form = ?2 WHERE number = ?1",
    };
    transaction.prepare_cached(sql)?.execute(params![number, form])?;
    feed::note(transaction, kind, number)?;
    Ok(true)
}

/// Deletes a project with all inside it; with an empty path, all projects of the tenant. Innermost first.
fn delete_below(
    work: &mut Work<'_>,
    transaction: &Transaction<'_>,
    tenant_number: i64,
    tenant: &TenantId,
    path: &str,
) -> Result<(), ApplyError> {
    // The character after '/' bounds everything that begins with the path and a slash.
    let inside = "tenant = ?1 AND (?2 = '' OR path = ?2 OR (path > ?2 || '/' AND path < ?2 || '0'))";
    let keys = format!(
        "SELECT key.number, project.path || '/' || key.name FROM project JOIN key ON key.project = project.number
         WHERE {inside} AND key.deleted = 0"
    );
    let projects = format!("SELECT number, path FROM project WHERE {inside} AND deleted = 0 ORDER BY number DESC");
    for (kind, sql) in [(Kind::Key, keys), (Kind::Project, projects)] {
        let mut statement = transaction.prepare_cached(&sql)?;
        let rows = statement.query_map(params![tenant_number, path], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        for (number, name) in rows {
            work.delete(kind, number, format!("{tenant}/{name}"))?;
        }
    }
    Ok(())
}
