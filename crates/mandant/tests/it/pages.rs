//! Reads the pages of a database file, to damage one value of it as a disk or an intruder would.

use core::ops::Range;

/// A database file.
pub(crate) struct Pages {
    bytes: Vec<u8>,
    page_bytes: usize,
}

/// A row: where its record stands in the file.
pub(crate) type Cell = Range<usize>;

impl Pages {
    pub(crate) fn new(bytes: Vec<u8>) -> Pages {
        let page_bytes = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
        assert!(bytes.starts_with(b"SQLite format 3\0") && page_bytes >= 512, "no database");
        Pages { bytes, page_bytes }
    }

    /// All rows of a table.
    pub(crate) fn table(&self, name: &str) -> Vec<Cell> {
        let schema = self.tree(1);
        let root = schema.into_iter().find_map(|cell| {
            let values = self.values(&cell);
            let text = |place: usize| &self.bytes[values[place].clone()];
            let root = || text(3).iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
            (text(0) == b"table" && text(1) == name.as_bytes()).then(root)
        });
        self.tree(root.unwrap_or_else(|| panic!("no table {name}")))
    }

    /// Where each value of a row stands; some have no bytes.
    pub(crate) fn values(&self, cell: &Cell) -> Vec<Range<usize>> {
        let (head, mut at) = self.varint(cell.start);
        let mut value = cell.start + head;
        let mut values = Vec::new();
        while at < cell.start + head {
            let (kind, next) = self.varint(at);
            let length = match kind {
                0 | 8 | 9 => 0,
                1..=4 => kind,
                5 => 6,
                6 | 7 => 8,
                _ => (kind - 12) / 2,
            };
            values.push(value..value + length);
            (at, value) = (next, value + length);
        }
        values
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn tree(&self, root: usize) -> Vec<Cell> {
        let page = (root - 1) * self.page_bytes;
        let head = page + if root == 1 { 100 } else { 0 };
        let number = |at: usize| usize::from(u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]));
        let child = |at: usize| u32::from_be_bytes(self.bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind = self.bytes[head];
        let is_inner = kind == 2 || kind == 5;
        let pointers = head + if is_inner { 12 } else { 8 };
        let mut cells = Vec::new();
        for place in 0..number(head + 3) {
            let mut at = page + number(pointers + place * 2);
            if is_inner {
                cells.extend(self.tree(child(at)));
                at += 4;
            }
            match kind {
                5 => continue,
                2 | 10 | 13 => {}
                other => panic!("page {root} is of kind {other}"),
            }
            let (length, next) = self.varint(at);
            let start = if kind == 13 { self.varint(next).1 } else { next };
            // What goes on in other pages is left out.
            if start + length <= page + self.page_bytes {
                cells.push(start..start + length);
            }
        }
        if is_inner {
            cells.extend(self.tree(child(head + 8)));
        }
        cells
    }

    /// A number of one to nine bytes, and what follows it.
    fn varint(&self, mut at: usize) -> (usize, usize) {
        let mut number = 0;
        for _ in 0..8 {
            let byte = self.bytes[at];
            at += 1;
            number = number << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return (number, at);
            }
        }
        (number << 8 | usize::from(self.bytes[at]), at + 1)
    }
}
