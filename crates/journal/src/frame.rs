//! One record on the disk: a checksum, what was durable when it was written, its length, its kind and its payload.
//!
//! The checksum covers where the record begins in the sequence of all records, and the epoch. A record therefore reads
//! as one at its own place only, whatever bytes a file had before.

use crate::PAYLOAD_BYTES_MAX;

/// Before the payload: checksum (4), lag (4), length (2), kind (1), mark (1).
pub(crate) const HEAD_BYTES: usize = 12;
/// The longest frame.
pub(crate) const BYTES_MAX: u64 = (HEAD_BYTES + PAYLOAD_BYTES_MAX) as u64;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A record of the caller.
    Record,
    /// The last thing before a clean stop.
    Clean,
}

impl Mark {
    /// Neither is zero, so that blank space is no frame, and they differ in more than one bit.
    const fn byte(self) -> u8 {
        match self {
            Mark::Record => 0xA5,
            Mark::Clean => 0x5A,
        }
    }

    const fn from_byte(byte: u8) -> Option<Mark> {
        match byte {
            0xA5 => Some(Mark::Record),
            0x5A => Some(Mark::Clean),
            _ => None,
        }
    }
}

/// Where a frame is: what its checksum knows beside its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The position where it begins.
    pub(crate) start: u64,
    /// The epoch in which it was written.
    pub(crate) epoch: u64,
}

impl Place {
    /// What the checksum starts from. Another place starts from another number but for one in four billion.
    const fn seed(self) -> u32 {
        let mixed = self.start.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.epoch.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        ((mixed >> 32) ^ mixed) as u32
    }

    fn checksum(self, rest: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.seed());
        hasher.update(rest);
        hasher.finalize()
    }
}

/// The size of the frame of a payload.
pub(crate) const fn bytes_of(payload: &[u8]) -> u64 {
    (HEAD_BYTES + payload.len()) as u64
}

/// Writes a frame into `into`, which is emptied first. `durable` is how far the journal was synced.
///
/// # Panics
/// When the payload is longer than [`PAYLOAD_BYTES_MAX`].
pub(crate) fn encode(into: &mut Vec<u8>, place: Place, durable: u64, mark: Mark, kind: u8, payload: &[u8]) {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a payload of {} bytes is too long", payload.len());
    let length = u16::try_from(payload.len()).expect("the longest payload fits in 16 bits");
    // What lags by more than this reads as less durable than it was, which only makes recovery less suspicious.
    let lag = u32::try_from(place.start.saturating_sub(durable)).unwrap_or(u32::MAX);
    into.clear();
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&lag.to_le_bytes());
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&[kind, mark.byte()]);
    into.extend_from_slice(payload);
    let checksum = place.checksum(&into[4..]);
    into[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// A frame as it was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) mark: Mark,
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
    /// How far the journal was synced when this was written, at least.
    pub(crate) durable: u64,
}

impl Frame<'_> {
    pub(crate) const fn bytes(&self) -> u64 {
        bytes_of(self.payload)
    }
}

/// Reads the frame at the start of `bytes`, or nothing when there is none.
pub(crate) fn parse(bytes: &[u8], place: Place) -> Option<Frame<'_>> {
    let head = bytes.first_chunk::<HEAD_BYTES>()?;
    let mark = Mark::from_byte(head[11])?;
    let length = usize::from(u16::from_le_bytes([head[8], head[9]]));
    if length > PAYLOAD_BYTES_MAX {
        return None;
    }
    let whole = bytes.get(..HEAD_BYTES + length)?;
    let checksum = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    if checksum != place.checksum(&whole[4..]) {
        return None;
    }
    let lag = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    let durable = if lag == u64::from(u32::MAX) { 0 } else { place.start.saturating_sub(lag) };
    Some(Frame { mark, kind: head[10], payload: &whole[HEAD_BYTES..], durable })
}
