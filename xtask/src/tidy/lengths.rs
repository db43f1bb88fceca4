//! Files are short, open with a sentence that says what they are for, and their median only shrinks.

use anyhow::{Context, Result};

use super::{Finding, SourceFile, Workspace};

/// What no Rust file exceeds, tests included.
const FILE_LINES_MAX: usize = 800;
/// The median that production files aim for.
const MEDIAN_LINES_GOAL: usize = 150;
/// Holds the median of the past; it may only shrink.
const RATCHET: &str = "xtask/ratchet.txt";

/// Checks all files, and the median against the ratchet.
///
/// # Errors
/// When the ratchet is missing or holds no number.
pub(super) fn check_workspace(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = check(workspace.rust_files());
    let ratchet = workspace.text(RATCHET).with_context(|| format!("{RATCHET} is missing"))?;
    let recorded = read_ratchet(ratchet)?;
    findings.extend(check_median(median(workspace.rust_files()), recorded));
    Ok(findings)
}

/// The number on the last line that is not a comment.
fn read_ratchet(text: &str) -> Result<usize> {
    let line = text.lines().rfind(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    line.trim().parse().with_context(|| format!("{RATCHET} holds no number: {line:?}"))
}

fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.syntax.is_some()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            let advice = format!("{lines} lines: at most {FILE_LINES_MAX}; move a part with a name of its own out");
            findings.push(Finding::new(&file.path, lines, advice));
        }
        if !opens_with_sentence(&file.text) {
            let advice = "open the file with a `//!` sentence that says what it is for";
            findings.push(Finding::new(&file.path, 1, advice));
        }
    }
    findings
}

/// True when the first line is an inner doc comment, and its first paragraph ends a sentence.
fn opens_with_sentence(text: &str) -> bool {
    let paragraph: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let sentence = paragraph.join(" ");
    sentence.split_whitespace().count() >= 3 && sentence.ends_with(['.', ':', '!', '?'])
}

/// The median length of production files; zero when there is none.
fn median(files: &[SourceFile]) -> usize {
    let mut lengths: Vec<usize> = files
        .iter()
        .filter(|file| file.syntax.is_some() && !file.is_test)
        .map(|file| file.text.lines().count())
        .collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

fn check_median(median: usize, recorded: usize) -> Option<Finding> {
    let allowed = recorded.max(MEDIAN_LINES_GOAL);
    if median > allowed {
        let advice = format!("the median production file has {median} lines, {allowed} are allowed: split some files");
        return Some(Finding::new(RATCHET, 0, advice));
    }
    let best = median.max(MEDIAN_LINES_GOAL);
    (best < recorded).then(|| {
        let advice = format!("the median is down to {median}: write {best} here, so that it stays");
        Finding::new(RATCHET, 0, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile::parse("crates/wire/src/a.rs", text).unwrap()
    }

    #[test]
    fn a_long_file_is_found() {
        let text = |lines: usize| format!("//! It is long.\n{}", "\n".repeat(lines - 1));
        assert!(check(&[file(&text(800))]).is_empty());
        assert_eq!(check(&[file(&text(801))]).len(), 1);
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(!opens_with_sentence("//! Reads things.\n\nfn a() {}"), "two words say nothing");
        assert!(opens_with_sentence("//! Reads the head\n//! of a request.\n//!\n//! More"));
        for bad in ["", "fn a() {}", "// Not a doc comment here.", "\n//! Too late by one.", "//! No end of it"] {
            assert_eq!(check(&[file(bad)]).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn the_median_only_shrinks() {
        assert!(check_median(150, 150).is_none());
        assert!(check_median(151, 150).is_some());
        assert!(check_median(180, 180).is_none());
        assert!(check_median(170, 180).is_some_and(|finding| finding.advice.contains("write 170")));
        assert!(check_median(90, 180).is_some_and(|finding| finding.advice.contains("write 150")));
        assert!(check_median(90, 150).is_none());
    }

    #[test]
    fn the_ratchet_is_a_number_after_comments() {
        assert_eq!(read_ratchet("# why\n\n150\n").unwrap(), 150);
        assert!(read_ratchet("# 150\n").is_err());
    }

    #[test]
    fn tests_do_not_count_for_the_median() {
        let production = file("//! It is short.\n");
        let test = SourceFile::parse("crates/wire/tests/b.rs", "//! It is long.\n\n\n\n\n").unwrap();
        assert_eq!(median(&[production, test]), 1);
    }
}
