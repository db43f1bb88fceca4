//! Documents equal the code: the refusals, the translations, the crates of ARCHITECTURE.md, the two commands of the README, and every relative link.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{Finding, Workspace};
use crate::{refusals, translation};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
const README: &str = "README.md";
/// What a newcomer types.
const COMMANDS: &[&str] = &["./run", "./test"];

/// Compares the documents with the code.
///
/// # Errors
/// None so far; the signature is that of every check.
pub(super) fn check_workspace(workspace: &Workspace) -> Result<Vec<Finding>> {
    let text = |path: &str| workspace.text(path).unwrap_or_default();
    let packages = workspace.metadata.workspace_packages();
    let crates: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = check_crates(text(ARCHITECTURE), &crates);
    findings.extend(check_commands(text(README)));
    let generated = [
        (refusals::DOCUMENT, "refusals", refusals::markdown()),
        (translation::DOCUMENT, "translation", translation::markdown()),
    ];
    for (path, chore, markdown) in generated {
        findings.extend(check_generated(path, chore, text(path), &markdown));
    }
    let paths: BTreeSet<&str> = workspace.files.iter().map(|file| file.path.as_str()).collect();
    for file in workspace.files.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(check_links(&file.path, &file.text, &paths));
    }
    Ok(findings)
}

/// Every crate has a row that opens with its name in a code span.
fn check_crates(architecture: &str, crates: &[&str]) -> Vec<Finding> {
    let has_row = |name: &str| {
        let folder = name.strip_prefix("mandant-").unwrap_or(name);
        architecture.lines().any(|line| line.starts_with(&format!("| `{folder}`")))
    };
    let missing = crates.iter().filter(|name| !has_row(name));
    missing.map(|name| Finding::new(ARCHITECTURE, 0, format!("the crate table lacks {name}"))).collect()
}

fn check_commands(readme: &str) -> Vec<Finding> {
    let missing = COMMANDS.iter().filter(|command| !readme.lines().any(|line| line.trim().starts_with(**command)));
    missing.map(|command| Finding::new(README, 0, format!("does not show the command {command}"))).collect()
}

fn check_generated(path: &str, chore: &str, document: &str, generated: &str) -> Option<Finding> {
    let same = document.lines().zip(generated.lines()).take_while(|(old, new)| old == new).count();
    (document != generated).then(|| {
        let advice = format!("differs from the code: run `cargo run -p xtask -- {chore}`");
        Finding::new(path, same + 1, advice)
    })
}

/// Every relative link of a document leads to a file or folder of the workspace.
fn check_links(path: &str, text: &str, files: &BTreeSet<&str>) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let resolved = resolve(folder, target);
            let inside = format!("{resolved}/");
            if !files.iter().any(|file| **file == resolved || file.starts_with(&inside)) {
                findings.push(Finding::new(path, index + 1, format!("the link to {target} leads nowhere")));
            }
        }
    }
    findings
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_a_row_is_found() {
        let table = "| crate | what |\n| `wire` | formats |\n";
        assert!(check_crates(table, &["mandant-wire"]).is_empty());
        assert_eq!(check_crates(table, &["mandant-wire", "mandant-ledger"]).len(), 1);
    }

    #[test]
    fn the_readme_shows_both_commands() {
        assert!(check_commands("    ./run\n    ./test\n").is_empty());
        assert_eq!(check_commands("    ./run\n").len(), 1);
    }

    #[test]
    fn a_stale_document_names_the_first_line_that_differs() {
        assert!(check_generated("d", "c", "a\nb\n", "a\nb\n").is_none());
        assert_eq!(check_generated("d", "c", "a\nb\n", "a\nc\n").map(|finding| finding.line), Some(2));
    }

    #[test]
    fn a_dead_link_is_found() {
        let files = BTreeSet::from(["README.md", "docs/a.md"]);
        let count = |text: &str| check_links("docs/a.md", text, &files).len();
        assert_eq!(count("[x](../README.md#part) [y](a.md) [z](https://example.org) [w](../docs)"), 0);
        assert_eq!(count("[x](b.md)"), 1);
    }
}
