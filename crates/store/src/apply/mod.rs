//! Bringing the store to what a resource file says: everything is checked first, then written in one transaction.

mod prices;
mod prune;
mod supply;
mod tree;

use core::fmt;
use std::collections::HashSet;

use base::Timestamp;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;

use crate::resource::Resources;
use crate::secret::NewSecret;
use crate::store::wall_clock;
use crate::validate::{self, World};
use crate::{ApplyError, Kind, Problem, Store, StoreError, feed};

/// How to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApplyOptions {
    /// Delete what is absent from the file. Usage records stay.
    pub prune: bool,
    /// Check and report, but change nothing.
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Debug, Default)]
pub struct Applied {
    /// Each thing in the file, and each that was deleted.
    pub changes: Vec<Change>,
    /// Secrets made for new keys; shown nowhere else. Empty after a dry run.
    pub new_secrets: Vec<NewSecret>,
    /// What stops nothing but deserves a look.
    pub warnings: Vec<Problem>,
}

/// What became of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name with all around it: `acme/search/ci`.
    pub id: String,
    /// What was done.
    pub action: Action,
    /// The settings that changed, by name.
    pub details: Vec<String>,
}

/// What was done to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was not there.
    Created,
    /// It was there, with other settings.
    Updated,
    /// It is not there any more.
    Deleted,
    /// It was there with the same settings.
    Unchanged,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Created => "created",
            Action::Updated => "updated",
            Action::Deleted => "deleted",
            Action::Unchanged => "unchanged",
        })
    }
}

impl Store {
    /// Brings the store to what `resources` say. Applying the same file again changes nothing.
    ///
    /// # Errors
    /// All problems of the file at once, or the store's own; either way nothing was changed.
    pub fn apply(&self, resources: &Resources, options: ApplyOptions) -> Result<Applied, ApplyError> {
        self.apply_at(resources, options, wall_clock())
    }

    /// As [`Store::apply`], at a given time: prices without `effective_from` come into force then.
    ///
    /// # Errors
    /// See [`Store::apply`].
    pub fn apply_at(
        &self,
        resources: &Resources,
        options: ApplyOptions,
        now: Timestamp,
    ) -> Result<Applied, ApplyError> {
        let mut writer = self.lock_writer();
        let transaction = writer.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let world =
            World { connection: &transaction, master: &self.master, hasher: &self.hasher, now, prune: options.prune };
        let findings = validate::check(resources, &world)?;
        if !findings.problems.is_empty() {
            return Err(ApplyError::Problems(findings.problems));
        }
        let mut work = Work::new(self, &transaction, now);
        work.applied.warnings = findings.warnings;
        if options.prune {
            work.free_secrets(resources)?;
        }
        for upstream in &resources.upstream {
            work.upstream(upstream)?;
        }
        for model in &resources.model {
            work.model(model)?;
        }
        for tenant in &resources.tenant {
            work.tenant(tenant)?;
        }
        if options.prune {
            work.prune()?;
        }
        let mut applied = work.applied;
        if options.dry_run {
            applied.new_secrets.clear();
            return Ok(applied);
        }
        transaction.commit()?;
        drop(writer);
        self.signal.raise();
        Ok(applied)
    }
}

/// One application under way.
pub(crate) struct Work<'a> {
    store: &'a Store,
    transaction: &'a Transaction<'a>,
    now: Timestamp,
    /// Rows that the file has.
    kept: HashSet<(Kind, i64)>,
    pub(crate) applied: Applied,
}

/// Which table holds things that are known by their id alone.
#[derive(Clone, Copy)]
enum Table {
    Upstream,
    Model,
    Tenant,
}

impl Table {
    const fn kind(self) -> Kind {
        match self {
            Table::Upstream => Kind::Upstream,
            Table::Model => Kind::Model,
            Table::Tenant => Kind::Tenant,
        }
    }
}

/// A row as it was before.
struct Before {
    number: i64,
    form: String,
    deleted: bool,
}

impl Before {
    /// The settings that a thing that exists has now.
    fn live(before: Option<&Before>) -> Option<&str> {
        before.filter(|before| !before.deleted).map(|before| before.form.as_str())
    }
}

impl<'a> Work<'a> {
    pub(crate) fn new(store: &'a Store, transaction: &'a Transaction<'a>, now: Timestamp) -> Work<'a> {
        Work { store, transaction, now, kept: HashSet::new(), applied: Applied::default() }
    }

    fn find(&self, table: Table, id: &str) -> Result<Option<Before>, StoreError> {
        let sql = match table {
            Table::Upstream => "SELECT number, form, deleted FROM upstream WHERE id = ?1",
            Table::Model => "SELECT number, form, deleted FROM model WHERE id = ?1",
            Table::Tenant => "SELECT number, form, deleted FROM tenant WHERE id = ?1",
        };
        let mut statement = self.transaction.prepare_cached(sql)?;
        let read =
            |row: &rusqlite::Row<'_>| Ok(Before { number: row.get(0)?, form: row.get(1)?, deleted: row.get(2)? });
        Ok(statement.query_row([id], read).optional()?)
    }

    /// Writes the form of a thing that is known by its id, where it differs; returns its number.
    fn put(&mut self, table: Table, id: &str, form: &impl Serialize, also: Vec<String>) -> Result<i64, StoreError> {
        let form = to_json(form)?;
        let before = self.find(table, id)?;
        let (action, details) = compare(before.as_ref(), &form, also);
        let number = match &before {
            Some(before) => before.number,
            None => {
                let sql = match table {
                    Table::Upstream => "INSERT INTO upstream (id, form) VALUES (?1, ?2)",
                    Table::Model => "INSERT INTO model (id, form) VALUES (?1, ?2)",
                    Table::Tenant => "INSERT INTO tenant (id, form) VALUES (?1, ?2)",
                };
                self.transaction.prepare_cached(sql)?.execute(params![id, form])?;
                self.transaction.last_insert_rowid()
            }
        };
        if before.is_some() && action != Action::Unchanged {
            let sql = match table {
                Table::Upstream => "UPDATE upstream SET form = ?2, deleted = 0 WHERE number = ?1",
                Table::Model => "UPDATE model SET form = ?2, deleted = 0 WHERE number = ?1",
                Table::Tenant => "UPDATE tenant SET form = ?2, deleted = 0 WHERE number = ?1",
            };
            self.transaction.prepare_cached(sql)?.execute(params![number, form])?;
        }
        self.done(table.kind(), number, id.to_owned(), action, details)?;
        Ok(number)
    }

    /// Notes what became of a row, for the feed and for the report.
    fn done(
        &mut self,
        kind: Kind,
        number: i64,
        id: String,
        action: Action,
        details: Vec<String>,
    ) -> Result<(), StoreError> {
        if action != Action::Unchanged {
            feed::note(self.transaction, kind, number)?;
        }
        if action != Action::Deleted {
            self.kept.insert((kind, number));
        }
        self.applied.changes.push(Change { kind, id, action, details });
        Ok(())
    }
}

fn to_json(form: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(form).map_err(|error| StoreError::corrupt("form", error))
}

/// What it means to write `form` over what was before, with the names of the settings that differ.
fn compare(before: Option<&Before>, form: &str, also: Vec<String>) -> (Action, Vec<String>) {
    let Some(old) = Before::live(before) else { return (Action::Created, Vec::new()) };
    let mut details = if old == form { Vec::new() } else { changed_members(old, form) };
    details.extend(also.into_iter().filter(|name| !details.contains(name)).collect::<Vec<_>>());
    if details.is_empty() { (Action::Unchanged, details) } else { (Action::Updated, details) }
}

/// The members in which two forms differ.
fn changed_members(old: &str, new: &str) -> Vec<String> {
    type Members = serde_json::Map<String, serde_json::Value>;
    let read = |text: &str| serde_json::from_str::<Members>(text).unwrap_or_default();
    let (old, new) = (read(old), read(new));
    let mut names: Vec<String> =
        old.keys().chain(new.keys()).filter(|name| old.get(*name) != new.get(*name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { vec!["form".to_owned()] } else { names }
}
