//! Reads CSV as spreadsheets and providers write it: quotes around cells with commas, doubled quotes inside them.

/// One line and its cells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// In the file, from one.
    pub(crate) number: usize,
    /// From the left.
    pub(crate) cells: Vec<String>,
}

/// All lines that are not empty. A quote that is never closed ends with the text.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut reader = Reader { cells: Vec::new(), cell: String::new(), is_quoted: false };
    let (mut number, mut begun) = (1, 1);
    let mut characters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(character) = characters.next() {
        number += usize::from(character == '\n');
        match character {
            '"' if reader.is_quoted && characters.next_if_eq(&'"').is_some() => reader.cell.push('"'),
            '"' => reader.is_quoted = !reader.is_quoted,
            ',' if !reader.is_quoted => reader.end_cell(),
            '\n' if !reader.is_quoted => {
                lines.extend(reader.end_line(begun));
                begun = number;
            }
            '\r' if !reader.is_quoted => {}
            other => reader.cell.push(other),
        }
    }
    lines.extend(reader.end_line(begun));
    lines
}

struct Reader {
    cells: Vec<String>,
    cell: String,
    is_quoted: bool,
}

impl Reader {
    fn end_cell(&mut self) {
        self.cells.push(core::mem::take(&mut self.cell).trim().to_owned());
    }

    fn end_line(&mut self, number: usize) -> Option<Line> {
        self.end_cell();
        let cells = core::mem::take(&mut self.cells);
        cells.iter().any(|cell| !cell.is_empty()).then_some(Line { number, cells })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_lines_and_quotes() {
        let read = lines("\u{feff}a,b\r\n\n\"x, y\", \"say \"\"hi\"\"\"\n\"two\nlines\",2\nlast");
        let told: Vec<(usize, Vec<&str>)> =
            read.iter().map(|line| (line.number, line.cells.iter().map(String::as_str).collect())).collect();
        let expected =
            [(1, vec!["a", "b"]), (3, vec!["x, y", "say \"hi\""]), (4, vec!["two\nlines", "2"]), (6, vec!["last"])];
        assert_eq!(told, expected);
        assert!(lines("").is_empty() && lines("\n,\n").is_empty());
    }
}
