//! The house rules as checks: each takes sources and returns findings, so that each can be tested on a bad example.

mod cycles;
mod documents;
mod functions;
mod graph;
mod lengths;
mod licences;
mod purity;
mod source;
mod unwraps;
mod words;

use std::fmt;
use std::path::Path;

use anyhow::Result;

pub use source::{SourceFile, Workspace};

/// One breach of a house rule: where it is and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the root of the workspace.
    pub path: String,
    /// From one; zero when the finding is about the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub advice: String,
}

impl Finding {
    /// A finding at `path`:`line`.
    pub fn new(path: &str, line: usize, advice: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.path, self.advice)
        } else {
            write!(f, "{}:{}: {}", self.path, self.line, self.advice)
        }
    }
}

/// A check by name, so that a failing test and the command line say which rule spoke.
pub struct Check {
    /// What the rule says, in a few words.
    pub name: &'static str,
    /// Applies the rule.
    pub run: fn(&Workspace) -> Result<Vec<Finding>>,
}

/// Every rule, in the order in which they are reported.
pub const CHECKS: &[Check] = &[
    Check { name: "crates point one way", run: |workspace| graph::check(&workspace.metadata) },
    Check { name: "pure crates touch no world", run: |workspace| Ok(purity::check(workspace.rust_files())) },
    Check { name: "no module cycles in pure crates", run: |workspace| Ok(cycles::check(workspace.rust_files())) },
    Check { name: "functions fit a screen", run: |workspace| Ok(functions::check(workspace.rust_files())) },
    Check { name: "files are short and say what they are for", run: lengths::check_workspace },
    Check { name: "no unwrap outside tests", run: |workspace| Ok(unwraps::check(workspace.rust_files())) },
    Check { name: "no forbidden words", run: |workspace| Ok(words::check(&workspace.files)) },
    Check { name: "documents equal the code", run: documents::check_workspace },
    Check { name: "licences are the allowed ones", run: licences::check_workspace },
];

/// Applies every rule to the workspace at `root` and returns the findings by rule.
///
/// # Errors
/// When the workspace cannot be read at all, such as a file that is not Rust.
pub fn run(root: &Path) -> Result<Vec<(&'static str, Vec<Finding>)>> {
    let workspace = Workspace::read(root)?;
    CHECKS.iter().map(|check| Ok((check.name, (check.run)(&workspace)?))).collect()
}
