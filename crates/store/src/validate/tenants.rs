//! Checks of tenants, projects and keys.

use std::collections::HashSet;

use base::ModelId;
use jiff::tz::TimeZone;
use rusqlite::params;

use super::Checker;
use crate::StoreError;
use crate::resource::{DEPTH_MAX, Defaults, KeyResource, KeyStatus, ProjectPath, ProjectResource, TenantResource};
use crate::secret::{SECRET_BYTES_MIN, is_acceptable};

/// Longest name for people, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Where a project is, in the file and in its tenant.
struct Place<'a> {
    tenant: &'a str,
    file: String,
    path: ProjectPath,
}

const FIND_KEY: &str = "
    SELECT key.hash FROM key JOIN project ON project.number = key.project JOIN tenant ON tenant.number = project.tenant
    WHERE tenant.id = ?1 AND project.path = ?2 AND key.name = ?3 AND key.deleted = 0
        AND json_extract(key.form, '$.status') = 'revoked'";

const FIND_HASH: &str = "
    SELECT tenant.id || '/' || project.path || '/' || key.name FROM key
    JOIN project ON project.number = key.project JOIN tenant ON tenant.number = project.tenant
    WHERE key.hash = ?1 AND NOT (tenant.id = ?2 AND project.path = ?3 AND key.name = ?4)";

impl Checker<'_> {
    pub(super) fn tenants(&mut self, tenants: &[TenantResource]) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for tenant in tenants {
            let path = format!("tenant[{}]", tenant.id);
            self.unique(&mut seen, &tenant.id, &path);
            self.tenant(tenant, &path)?;
        }
        Ok(())
    }

    fn tenant(&mut self, tenant: &TenantResource, path: &str) -> Result<(), StoreError> {
        if let Some(name) = &tenant.name
            && (name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control))
        {
            self.problem(format!("{path}.name"), "a name is one line of at most 200 bytes");
        }
        if tenant.weight.is_some_and(|weight| !(1..=1_000).contains(&weight)) {
            self.problem(format!("{path}.weight"), "a weight is from 1 to 1000");
        }
        if let Some(zone) = &tenant.timezone
            && TimeZone::get(zone).is_err()
        {
            let message = format!("there is no time zone {zone:?}; use a name such as \"Europe/Berlin\", or \"UTC\"");
            self.problem(format!("{path}.timezone"), message);
        }
        self.known_models(tenant.models.as_ref(), path)?;
        self.limits(tenant.limits.as_ref(), path)?;
        self.defaults(tenant.defaults.as_ref(), tenant.models.as_ref(), path)?;
        let mut seen = HashSet::new();
        for project in &tenant.project {
            let place = Place {
                tenant: tenant.id.as_str(),
                file: format!("{path}.project[{}]", project.id),
                path: ProjectPath::root(&project.id),
            };
            self.unique(&mut seen, &project.id, &place.file);
            self.project(project, &place)?;
        }
        Ok(())
    }

    fn project(&mut self, project: &ProjectResource, place: &Place<'_>) -> Result<(), StoreError> {
        let path = &place.file;
        if place.path.depth() > DEPTH_MAX - 2 {
            self.problem(path, format!("a tenant's tree has at most {DEPTH_MAX} levels, tenant and key included"));
            return Ok(());
        }
        self.known_models(project.models.as_ref(), path)?;
        self.limits(project.limits.as_ref(), path)?;
        self.defaults(project.defaults.as_ref(), project.models.as_ref(), path)?;
        let mut seen = HashSet::new();
        for key in &project.key {
            let file = format!("{path}.key[{}]", key.name);
            self.unique(&mut seen, &key.name, &file);
            self.key(key, place, &file)?;
        }
        let mut seen = HashSet::new();
        for child in &project.project {
            let child_place = Place {
                tenant: place.tenant,
                file: format!("{path}.project[{}]", child.id),
                path: place.path.child(&child.id),
            };
            self.unique(&mut seen, &child.id, &child_place.file);
            self.project(child, &child_place)?;
        }
        Ok(())
    }

    fn key(&mut self, key: &KeyResource, place: &Place<'_>, file: &str) -> Result<(), StoreError> {
        self.secret(key, place, file)?;
        self.known_models(key.models.as_ref(), file)?;
        self.limits(key.limits.as_ref(), file)?;
        if key.expires.is_some_and(|expires| expires <= self.world.now) {
            self.warning(format!("{file}.expires"), "this time has passed, so that the key is refused");
        }
        let Some(service) = &key.service else { return Ok(()) };
        let path = format!("{file}.service");
        if service.is_empty() {
            self.problem(&path, "the list is empty; name the tenants, or leave it out for an ordinary key");
        }
        for tenant in service {
            if !self.tenant_exists(tenant.as_str())? {
                let message = format!("there is no tenant {tenant}; add it under [[tenant]], or correct the name");
                self.problem(&path, message);
            }
        }
        Ok(())
    }

    fn secret(&mut self, key: &KeyResource, place: &Place<'_>, file: &str) -> Result<(), StoreError> {
        let hash = key.secret.as_ref().map(|secret| self.world.hasher.hash(secret.expose().as_bytes()));
        let path = format!("{file}.secret");
        if let (Some(secret), Some(hash)) = (&key.secret, hash) {
            if !is_acceptable(secret.expose()) {
                let message = format!(
                    "a secret has at least {SECRET_BYTES_MIN} visible ASCII characters and no spaces; leave it out to have one made"
                );
                self.problem(&path, message);
            } else if !self.secrets.insert(hash) || self.hash_is_taken(key, place, &hash)? {
                self.problem(&path, "another key has the same secret; each key needs its own");
            }
        }
        if key.status == Some(KeyStatus::Active) {
            let revoked: Option<Vec<u8>> =
                self.row(FIND_KEY, params![place.tenant, place.path.as_str(), key.name.as_str()])?;
            if let Some(revoked) = revoked
                && hash.is_none_or(|hash| hash.as_slice() == revoked)
            {
                self.problem(
                    format!("{file}.status"),
                    "this key was revoked and does not come back; give it a new secret, or make a key with another name",
                );
            }
        }
        Ok(())
    }

    /// Whether a stored key other than this one has the secret and will still have it; with prune, a key that is not in
    /// the file frees its own.
    fn hash_is_taken(&self, key: &KeyResource, place: &Place<'_>, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let params = params![hash, place.tenant, place.path.as_str(), key.name.as_str()];
        let holder: Option<String> = self.row(FIND_HASH, params)?;
        Ok(holder.is_some_and(|holder| !self.world.prune || self.names.keys.contains(&holder)))
    }

    fn defaults(
        &mut self,
        defaults: Option<&Defaults>,
        allowed: Option<&Vec<ModelId>>,
        path: &str,
    ) -> Result<(), StoreError> {
        let Some(defaults) = defaults else { return Ok(()) };
        let path = format!("{path}.defaults");
        if defaults.max_tokens == Some(0) {
            self.problem(format!("{path}.max_tokens"), "0 would leave no room for any answer; leave it out instead");
        }
        let Some(model) = &defaults.model else { return Ok(()) };
        if !self.model_exists(model)? {
            let message = format!("there is no model {model}; add it under [[model]], or correct the name");
            self.problem(format!("{path}.model"), message);
        } else if allowed.is_some_and(|allowed| !allowed.contains(model)) {
            self.problem(
                format!("{path}.model"),
                format!("{model} is not among the models allowed here; add it to models"),
            );
        }
        Ok(())
    }
}
