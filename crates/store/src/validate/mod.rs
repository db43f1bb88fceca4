//! Whether a resource file can stand: all problems at once, each with its place and what to do, before anything is
//! written.

mod base_url;
mod limits;
mod rates;
mod supply;
mod tenants;

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use base::{ModelId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::resource::Resources;
use crate::secret::{MasterKey, SecretHash, SecretHasher};
use crate::{Problem, StoreError};

/// What a file is checked against.
pub(crate) struct World<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) master: &'a MasterKey,
    pub(crate) hasher: &'a SecretHasher,
    pub(crate) now: Timestamp,
    /// What is not in the file will be gone, so that nothing may refer to it.
    pub(crate) prune: bool,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    /// Sayings that stop nothing.
    pub(crate) warnings: Vec<Problem>,
}

/// Checks a whole file.
pub(crate) fn check(resources: &Resources, world: &World<'_>) -> Result<Findings, StoreError> {
    let names = Names {
        upstreams: resources.upstream.iter().map(|upstream| upstream.id.as_str()).collect(),
        models: resources.model.iter().map(|model| model.id.as_str()).collect(),
        tenants: resources.tenant.iter().map(|tenant| tenant.id.as_str()).collect(),
        // Only needed to tell which keys a prune leaves.
        keys: if world.prune { resources.key_names() } else { HashSet::new() },
    };
    let mut checker = Checker { world, names, findings: Findings::default(), secrets: HashSet::new() };
    checker.upstreams(&resources.upstream)?;
    checker.models(&resources.model)?;
    checker.tenants(&resources.tenant)?;
    Ok(checker.findings)
}

/// The names that the file itself has.
struct Names<'a> {
    upstreams: HashSet<&'a str>,
    models: HashSet<&'a str>,
    tenants: HashSet<&'a str>,
    /// `acme/search/ci`
    keys: HashSet<String>,
}

struct Checker<'a> {
    world: &'a World<'a>,
    names: Names<'a>,
    findings: Findings,
    /// Hashes of the secrets in the file.
    secrets: HashSet<SecretHash>,
}

impl Checker<'_> {
    fn problem(&mut self, path: impl Display, message: impl Into<String>) {
        self.findings.problems.push(Problem { path: path.to_string(), message: message.into() });
    }

    fn warning(&mut self, path: impl Display, message: impl Into<String>) {
        self.findings.warnings.push(Problem { path: path.to_string(), message: message.into() });
    }

    /// Reports a name that was there before.
    fn unique<T: Eq + Hash>(&mut self, seen: &mut HashSet<T>, name: T, path: &str) {
        if !seen.insert(name) {
            self.problem(path, "this name is given twice; rename one of them, or remove it");
        }
    }

    /// Reports models that exist neither in the file nor in the store.
    fn known_models(&mut self, models: Option<&Vec<ModelId>>, path: &str) -> Result<(), StoreError> {
        let Some(models) = models else { return Ok(()) };
        let path = format!("{path}.models");
        if models.is_empty() {
            self.problem(&path, "the list is empty, so that no model could be used; leave it out to allow every model");
        }
        let mut seen = HashSet::new();
        for model in models {
            if !seen.insert(model) {
                self.problem(&path, format!("{model} is listed twice; remove one"));
            } else if !self.model_exists(model)? {
                self.problem(&path, format!("there is no model {model}; add it under [[model]], or correct the name"));
            }
        }
        Ok(())
    }

    fn model_exists(&self, id: &ModelId) -> Result<bool, StoreError> {
        Ok(self.names.models.contains(id.as_str())
            || self.stored("SELECT 1 FROM model WHERE id = ?1 AND deleted = 0", id.as_str())?)
    }

    fn upstream_exists(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.names.upstreams.contains(id)
            || self.stored("SELECT 1 FROM upstream WHERE id = ?1 AND deleted = 0", id)?)
    }

    fn tenant_exists(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.names.tenants.contains(id) || self.stored("SELECT 1 FROM tenant WHERE id = ?1 AND deleted = 0", id)?)
    }

    fn stored(&self, sql: &str, id: &str) -> Result<bool, StoreError> {
        if self.world.prune {
            return Ok(false);
        }
        let mut statement = self.world.connection.prepare_cached(sql)?;
        Ok(statement.exists([id])?)
    }

    fn row<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Option<T>, StoreError> {
        let mut statement = self.world.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params, |row| row.get(0)).optional()?)
    }
}
