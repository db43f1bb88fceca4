//! What can go wrong: with the disk and the database ([`StoreError`]), or with what an operator wrote ([`Problem`]).

use core::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// The store cannot do its work. The sentences are for operators, never for clients.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or directory cannot be used.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The master key is missing, malformed, readable by others, or not the one of this database.
    #[error("{0}")]
    MasterKey(String),
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migration(#[from] refinery::Error),
    /// What is stored is not what this version writes.
    #[error("stored data is not readable: {0}")]
    Corrupt(String),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

impl StoreError {
    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> StoreError {
        StoreError::File { path: path.into(), source }
    }

    pub(crate) fn corrupt(what: &str, reason: impl fmt::Display) -> StoreError {
        StoreError::Corrupt(format!("{what}: {reason}"))
    }
}

/// Something in a resource file that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where: `model[gpt-4.1].route[0].upstream`.
    pub path: String,
    /// What is wrong and what to do, as a sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Why a change was not made; nothing of it was.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// What was written cannot stand; every problem is listed, at least one.
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApplyError {
    /// One problem.
    pub(crate) fn problem(path: impl Into<String>, message: impl Into<String>) -> ApplyError {
        ApplyError::Problems(vec![Problem { path: path.into(), message: message.into() }])
    }
}

impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> ApplyError {
        ApplyError::Store(StoreError::Database(error))
    }
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
