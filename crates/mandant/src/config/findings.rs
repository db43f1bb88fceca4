//! What is wrong with a file: every problem with its line and what to do, gathered so that all are told at once.

use core::fmt;
use core::ops::Range;

use serde::Serialize;

/// One problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// The line, from one; absent when the problem belongs to no line.
    pub(crate) line: Option<usize>,
    /// The place within the document, such as `tenant[acme].limits.rpm`; empty for a problem of the text itself.
    pub(crate) path: String,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// All problems of one file. An empty list means that the file is good.
#[derive(Debug, Clone)]
pub(crate) struct Findings {
    file: String,
    line_starts: Vec<usize>,
    list: Vec<Finding>,
}

impl Findings {
    /// Starts with no problem for `file`, whose text is `text`.
    pub(crate) fn new(file: &str, text: &str) -> Findings {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Findings { file: file.to_owned(), line_starts: core::iter::once(0).chain(breaks).collect(), list: Vec::new() }
    }

    /// The line, from one, of the byte at `span`'s start.
    pub(crate) fn line(&self, span: &Range<usize>) -> usize {
        self.line_starts.partition_point(|start| *start <= span.start)
    }

    /// Adds a problem at a place in the text.
    pub(crate) fn add(&mut self, span: &Range<usize>, path: &str, message: impl Into<String>) {
        let line = Some(self.line(span));
        self.list.push(Finding { line, path: path.to_owned(), message: message.into() });
    }

    /// Adds a problem whose line is known, or which has none.
    pub(crate) fn add_at(&mut self, line: Option<usize>, path: &str, message: impl Into<String>) {
        self.list.push(Finding { line, path: path.to_owned(), message: message.into() });
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems in the order of their lines.
    pub(crate) fn sorted(mut self) -> Findings {
        self.list.sort_by_key(|finding| finding.line);
        self
    }

    /// The problems.
    pub(crate) fn list(&self) -> &[Finding] {
        &self.list
    }
}

/// One line a problem: `mandant.toml:12: relay.listn: unknown key; did you mean "listen"?`
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, finding) in self.list.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(line) = finding.line {
                write!(f, ":{line}")?;
            }
            if !finding.path.is_empty() {
                write!(f, ": {}", finding.path)?;
            }
            write!(f, ": {}", finding.message)?;
        }
        Ok(())
    }
}

/// The word of `known` that `given` was probably meant to be.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = 1 + given.len() / 4;
    let closest = known.into_iter().map(|word| (distance(given, word), word)).min_by_key(|(edits, _)| *edits)?;
    (closest.0 <= allowed).then_some(closest.1)
}

/// The number of letters to insert, remove or replace to turn one word into the other, ignoring case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, wanted) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_one_does_not() {
        let known = ["listen", "connections_max", "head_timeout"];
        assert_eq!(nearest("listn", known), Some("listen"));
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("conections_max", known), Some("connections_max"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let mut findings = Findings::new("a.toml", "x = 1\ny = 2\n");
        findings.add(&(6..7), "y", "no");
        findings.add(&(0..1), "x", "no");
        assert_eq!(findings.sorted().to_string(), "a.toml:1: x: no\na.toml:2: y: no");
    }
}
