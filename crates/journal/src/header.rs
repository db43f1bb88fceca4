//! The head of a segment file. It is written once everything before the segment is durable, so its presence proves
//! that; until then its place is blank.

use crate::BootId;

/// What the head takes in the file. No record shares a sector with it, whatever size sectors have.
pub(crate) const BYTES: u64 = 4096;
/// What of it is used, in one sector of the smallest kind: it is on the disk as a whole or not at all.
const USED_BYTES: usize = 128;
const CHECKSUM_AT: usize = USED_BYTES - 4;
const MAGIC: &[u8; 8] = b"MANDANTJ";
const VERSION: u32 = 1;

/// How the journal was left before it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It had never been opened.
    First,
    /// It was closed.
    Clean,
    /// The process ended, and everything that it had written is there.
    Killed,
    /// The machine lost its memory, and what was not synced may be gone.
    PowerLost,
}

/// What the head of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The number in the file's name.
    pub(crate) number: u64,
    /// The position where its first record begins.
    pub(crate) first: u64,
    /// The opening that made it.
    pub(crate) epoch: u64,
    /// The run of the machine that made it.
    pub(crate) boot: BootId,
    /// How the journal was left before that opening, in the first segment of one; else nothing.
    pub(crate) after: Option<Stop>,
    /// The hash over the segment before: its head and its records.
    pub(crate) chain: [u8; 32],
}

/// What is where a head should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Blank,
    Header(Header),
    Foreign,
    Version(u32),
    Damaged,
}

impl Stop {
    const fn byte(stop: Option<Stop>) -> u8 {
        match stop {
            None => 0,
            Some(Stop::First) => 1,
            Some(Stop::Clean) => 2,
            Some(Stop::Killed) => 3,
            Some(Stop::PowerLost) => 4,
        }
    }

    const fn from_byte(byte: u8) -> Option<Option<Stop>> {
        match byte {
            0 => Some(None),
            1 => Some(Some(Stop::First)),
            2 => Some(Some(Stop::Clean)),
            3 => Some(Some(Stop::Killed)),
            4 => Some(Some(Stop::PowerLost)),
            _ => None,
        }
    }
}

/// The bytes of the head, all [`BYTES`] of them.
pub(crate) fn encode(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES as usize);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    for number in [header.number, header.first, header.epoch] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&header.boot.0);
    bytes.push(Stop::byte(header.after));
    bytes.extend_from_slice(&header.chain);
    bytes.resize(CHECKSUM_AT, 0);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes.resize(BYTES as usize, 0);
    bytes
}

/// Reads a head. Fewer than [`BYTES`] bytes are a file that was never finished.
pub(crate) fn parse(bytes: &[u8]) -> Head {
    const BLANK: [u8; BYTES as usize] = [0; BYTES as usize];
    if bytes == &BLANK[..bytes.len().min(BLANK.len())] {
        return Head::Blank;
    }
    let Some((used, rest)) = bytes.split_at_checked(USED_BYTES) else { return Head::Foreign };
    if !used.starts_with(MAGIC) {
        return Head::Foreign;
    }
    let version = u32::from_le_bytes(array(used, 8));
    if version != VERSION {
        return Head::Version(version);
    }
    let is_whole = bytes.len() as u64 >= BYTES && rest == &BLANK[..rest.len().min(BLANK.len())];
    let checksum = u32::from_le_bytes(array(used, CHECKSUM_AT));
    let after = Stop::from_byte(used[52]);
    match after {
        Some(after) if is_whole && checksum == crc32fast::hash(&used[..CHECKSUM_AT]) => Head::Header(Header {
            number: u64::from_le_bytes(array(used, 12)),
            first: u64::from_le_bytes(array(used, 20)),
            epoch: u64::from_le_bytes(array(used, 28)),
            boot: BootId(array(used, 36)),
            after,
            chain: array(used, 53),
        }),
        _ => Head::Damaged,
    }
}

/// The bytes at `at`, which is within the used part of a head.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("every field lies in the used part")
}
