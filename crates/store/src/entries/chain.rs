//! The hash chain: one block a transaction, each covering its rows, the state of the small tables, and the block before.

use blake3::Hasher;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::StoreError;

/// A BLAKE3 hash, or the exclusive or of several.
pub(super) type Digest = [u8; 32];

/// What the first block follows.
const START: Digest = [0; 32];

/// Bytes of rows in the one form that is hashed: numbers of eight bytes, texts and blobs behind their length.
#[derive(Default)]
pub(super) struct Canonical {
    bytes: Vec<u8>,
}

impl Canonical {
    pub(super) fn number(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn blob(&mut self, blob: &[u8]) {
        self.bytes.extend_from_slice(&(blob.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(blob);
    }

    /// A blob of two parts. Returns it.
    pub(super) fn blob_of(&mut self, parts: [&[u8]; 2]) -> &[u8] {
        let length = parts[0].len() + parts[1].len();
        self.bytes.extend_from_slice(&(length as u64).to_le_bytes());
        let start = self.bytes.len();
        parts.into_iter().for_each(|part| self.bytes.extend_from_slice(part));
        &self.bytes[start..]
    }

    pub(super) fn optional(&mut self, blob: Option<&[u8]>) {
        self.bytes.push(u8::from(blob.is_some()));
        self.blob(blob.unwrap_or_default());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn digest(&self) -> Digest {
        *blake3::hash(&self.bytes).as_bytes()
    }
}

/// The rows of one table that belong to a block, hashed in the order of their keys.
#[derive(Default)]
pub(super) struct Rows {
    canonical: Canonical,
    /// Each row's key, and where it begins.
    starts: Vec<(i64, usize)>,
}

impl Rows {
    /// Where the next row is to be written.
    pub(super) fn add(&mut self, key: i64) -> &mut Canonical {
        self.starts.push((key, self.canonical.bytes.len()));
        &mut self.canonical
    }

    /// Makes room for so many rows more, which have so many bytes: to let them grow is to move them.
    pub(super) fn reserve(&mut self, rows: usize, bytes: usize) {
        self.starts.reserve(rows);
        self.canonical.bytes.reserve(bytes);
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.starts.len()
    }

    /// Takes back all but the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        if let Some((_, start)) = self.starts.get(rows) {
            self.canonical.bytes.truncate(*start);
            self.starts.truncate(rows);
        }
    }

    fn digest(&self) -> Digest {
        if self.starts.is_sorted() {
            return self.canonical.digest();
        }
        let ends = self.starts.iter().skip(1).map(|(_, start)| *start).chain([self.canonical.bytes.len()]);
        let mut rows: Vec<(i64, &[u8])> = self
            .starts
            .iter()
            .zip(ends)
            .map(|((key, start), end)| (*key, &self.canonical.bytes[*start..end]))
            .collect();
        rows.sort_unstable();
        let mut hasher = Hasher::new();
        for (_, row) in rows {
            hasher.update(row);
        }
        *hasher.finalize().as_bytes()
    }
}

/// Puts a row into the digest of a table whose rows come and go, or takes it out again.
pub(super) fn toggle(state: &mut Digest, row: &Canonical) {
    for (byte, other) in state.iter_mut().zip(row.digest()) {
        *byte ^= other;
    }
}

/// The hash of a block's rows: of the hashes of its tables.
pub(super) fn content(tables: &[&Rows; 4]) -> Digest {
    content_of(&tables.map(Rows::digest))
}

/// As [`content`], from the hashes.
pub(super) fn content_of(tables: &[Digest; 4]) -> Digest {
    *blake3::hash(tables.as_flattened()).as_bytes()
}

/// A row of the table `block` but for its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) number: i64,
    pub(super) applied: i64,
    pub(super) usages: i64,
    pub(super) resolutions: i64,
    pub(super) credits: i64,
    pub(super) names: i64,
    pub(super) content: Digest,
    pub(super) holds: Digest,
    pub(super) leases: Digest,
}

/// The last block, or what is before the first.
pub(super) struct Head {
    pub(super) number: i64,
    pub(super) applied: i64,
    pub(super) names: i64,
    pub(super) holds: Digest,
    pub(super) leases: Digest,
    pub(super) hash: Digest,
}

/// The columns of [`Block`] and its hash.
pub(super) const COLUMNS: &str = "number, applied, usages, resolutions, credits, names, content, holds, leases, hash";

impl Head {
    /// Before the first block.
    pub(super) const NONE: Head = Head { number: 0, applied: 0, names: 0, holds: START, leases: START, hash: START };

    pub(super) fn read(connection: &Connection) -> Result<Head, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM block ORDER BY number DESC LIMIT 1");
        let found = connection.prepare_cached(&sql)?.query_row([], Block::read).optional()?;
        Ok(found.map_or(Head::NONE, |(block, hash)| Head::of(&block, hash)))
    }

    /// What the block after this one follows.
    pub(super) const fn of(block: &Block, hash: Digest) -> Head {
        Head {
            number: block.number,
            applied: block.applied,
            names: block.names,
            holds: block.holds,
            leases: block.leases,
            hash,
        }
    }
}

impl Block {
    /// An empty block that follows another.
    pub(super) fn after(head: &Head) -> Block {
        Block {
            number: head.number + 1,
            applied: head.applied,
            usages: 0,
            resolutions: 0,
            credits: 0,
            names: head.names,
            content: START,
            holds: head.holds,
            leases: head.leases,
        }
    }

    /// Whether there is anything that the block before does not say.
    pub(super) fn differs(&self, head: &Head) -> bool {
        *self != Block { number: self.number, ..Block::after(head) }
    }

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(Block, Digest)> {
        let block = Block {
            number: row.get(0)?,
            applied: row.get(1)?,
            usages: row.get(2)?,
            resolutions: row.get(3)?,
            credits: row.get(4)?,
            names: row.get(5)?,
            content: row.get(6)?,
            holds: row.get(7)?,
            leases: row.get(8)?,
        };
        Ok((block, row.get(9)?))
    }

    /// The hash of the row, of what its rows are, and of everything before it.
    pub(super) fn hash(&self, previous: &Digest) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(previous);
        for number in [self.number, self.applied, self.usages, self.resolutions, self.credits, self.names] {
            hasher.update(&number.to_le_bytes());
        }
        for digest in [&self.content, &self.holds, &self.leases] {
            hasher.update(digest);
        }
        *hasher.finalize().as_bytes()
    }

    pub(super) fn write(&self, connection: &Connection, previous: &Digest) -> Result<(), StoreError> {
        let sql = format!("INSERT INTO block ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
        #[rustfmt::skip]
        connection.prepare_cached(&sql)?.execute(params![
            self.number, self.applied, self.usages, self.resolutions, self.credits, self.names, self.content,
            self.holds, self.leases, self.hash(previous),
        ])?;
        Ok(())
    }
}
