//! What commands print: JSON for machines, tables for people, colours only on a terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the binary speaks")]

use std::io::IsTerminal as _;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::failure::Failure;

/// How to speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

impl Output {
    /// JSON when asked for; colours when people can see them.
    pub(crate) fn new(json: bool) -> Output {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Output { json, colour: wanted && std::io::stdout().is_terminal() }
    }

    /// Whether machines read.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a line.
    pub(crate) fn line(self, line: impl core::fmt::Display) {
        println!("{line}");
    }

    /// Prints text as it is.
    pub(crate) fn text(self, text: &str) {
        print!("{text}");
    }

    /// Prints JSON for machines.
    pub(crate) fn json(self, value: &Value) {
        println!("{value:#}");
    }

    /// Prints a line for people beside the answer; machines do not get it.
    pub(crate) fn note(self, line: impl core::fmt::Display) {
        if !self.json {
            eprintln!("{line}");
        }
    }

    /// Tells a failure.
    pub(crate) fn failure(self, failure: &Failure) {
        match self.json {
            true if matches!(failure, Failure::Told(..)) => {}
            true => println!("{:#}", failure.json()),
            false if matches!(failure, Failure::Config(_) | Failure::Data(_)) => eprintln!("{failure}"),
            false => eprintln!("mandant: {failure}"),
        }
    }

    /// Prints a table; numbers stand to the right.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) {
        println!("{}", self.draw(head, rows));
    }

    fn draw(self, head: &[&str], rows: &[Vec<String>]) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(head.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
        for row in rows {
            table.add_row(row.iter().map(|text| self.cell(text)));
        }
        table
    }

    fn cell(self, text: &str) -> Cell {
        let cell = Cell::new(text);
        let cell = match text {
            "created" | "active" | "ok" | "complete" => cell.fg(Color::Green),
            "updated" | "cut" | "warning" => cell.fg(Color::Yellow),
            "deleted" | "suspended" | "revoked" | "blocked" | "unknown" | "problem" | "doubt" => cell.fg(Color::Red),
            _ => cell,
        };
        let plain = text.trim_start_matches('$').trim_end_matches('%');
        let number =
            !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',');
        if number { cell.set_alignment(CellAlignment::Right) } else { cell }
    }
}

/// One line of CSV. Cells that a spreadsheet would run as a formula get an apostrophe in front.
pub(crate) fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(csv_cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    let text = format!("{guard}{text}");
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A JSON value as one cell: texts without quotes, nothing for `null`, the rest as JSON.
pub(crate) fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(cell_text).collect::<Vec<_>>().join(" ")
        }
        value => value.to_string(),
    }
}

/// A whole number with its thousands apart: 1,047,576.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_become_a_formula_or_break_its_line() {
        let line = csv_line(["plain", "=HYPERLINK(1)", "a,b", "say \"hi\"", "@x\ny"]);
        assert_eq!(line, "plain,'=HYPERLINK(1),\"a,b\",\"say \"\"hi\"\"\",\"'@x\ny\"\r\n");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([grouped(0), grouped(999), grouped(1_000), grouped(1_047_576)], ["0", "999", "1,000", "1,047,576"]);
    }

    #[test]
    fn without_a_terminal_a_table_has_no_escapes() {
        let output = Output { json: false, colour: false };
        let table = output.draw(&["id", "status"], &[vec!["acme".into(), "suspended".into()]]).to_string();
        assert!(!table.contains('\u{1b}') && table.contains("suspended"), "{table:?}");
    }
}
