//! The feed of changes, by which a live directory learns what to read again.

use rusqlite::{Connection, params};

use crate::StoreError;

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An upstream.
    Upstream,
    /// A model or its price.
    Model,
    /// A tenant.
    Tenant,
    /// A project.
    Project,
    /// A key.
    Key,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Upstream, Kind::Model, Kind::Tenant, Kind::Project, Kind::Key];

    /// The word of the vocabulary.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Upstream => "upstream",
            Kind::Model => "model",
            Kind::Tenant => "tenant",
            Kind::Project => "project",
            Kind::Key => "key",
        }
    }

    const fn code(self) -> i64 {
        match self {
            Kind::Upstream => 1,
            Kind::Model => 2,
            Kind::Tenant => 3,
            Kind::Project => 4,
            Kind::Key => 5,
        }
    }

    fn from_code(code: i64) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

/// One thing that changed since some sequence; its latest change only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeNote {
    /// Increases with each change, over all processes.
    pub sequence: u64,
    /// What kind of thing.
    pub kind: Kind,
    /// Its number in the store, which never means another thing.
    pub number: i64,
}

/// Notes that a thing changed.
pub(crate) fn note(connection: &Connection, kind: Kind, number: i64) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO change (kind, number) VALUES (?1, ?2)")?;
    statement.execute(params![kind.code(), number])?;
    Ok(())
}

/// The sequence of the latest change; zero when there was none.
pub(crate) fn head(connection: &Connection) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(sequence), 0) FROM change")?;
    let head: i64 = statement.query_row([], |row| row.get(0))?;
    Ok(head.unsigned_abs())
}

/// What changed after `sequence`, kinds that others stand on first within one batch of changes.
pub(crate) fn since(connection: &Connection, sequence: u64) -> Result<Vec<ChangeNote>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT sequence, kind, number FROM change WHERE sequence > ?1 ORDER BY sequence")?;
    let mut rows = statement.query([i64::try_from(sequence).unwrap_or(i64::MAX)])?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        let (sequence, code, number) = (row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?, row.get(2)?);
        let kind = Kind::from_code(code).ok_or_else(|| StoreError::corrupt("change.kind", code))?;
        notes.push(ChangeNote { sequence, kind, number });
    }
    notes.sort_by_key(|note: &ChangeNote| (note.kind, note.number));
    Ok(notes)
}
