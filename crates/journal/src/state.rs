//! What the writers change under the one short lock: where the next record goes, and how much room is promised.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::frame::{self, Mark, Place};
use crate::room::{ends_behind, ends_of};
use crate::segment::Segment;
use crate::{Poisoned, header};

/// The space for the mark of a clean stop is promised from the start.
const ENDS_OF_STOP: u64 = 1;

/// A blank file that becomes the next segment.
pub(crate) struct Spare<F> {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) file: F,
}

/// A segment and the one after it.
pub(crate) type Pair<F> = (Arc<Segment<F>>, Option<Arc<Segment<F>>>);

/// Guarded by the lock of [`crate::core::Core`].
pub(crate) struct State<F> {
    /// From the oldest that is kept to the one that is written.
    pub(crate) segments: VecDeque<Arc<Segment<F>>>,
    /// The last of them.
    current: Arc<Segment<F>>,
    /// In the file of the current segment.
    offset: u64,
    /// Where the last record ends.
    pub(crate) end: u64,
    spares: VecDeque<Spare<F>>,
    /// How many ends the spares can take.
    spare_ends: u64,
    /// Intents whose end has not come.
    rooms: u64,
    /// The bytes of the record that is being written.
    frame: Vec<u8>,
    /// The size of new segments.
    segment_bytes: u64,
    /// Why there is no writing any more.
    pub(crate) poison: Option<Poisoned>,
    /// True once the journal is being closed: no record comes any more.
    pub(crate) is_closed: bool,
    /// True while the last attempt to make a spare failed.
    pub(crate) is_spare_refused: bool,
    /// True while a record waits for the spare that is being made.
    pub(crate) is_spare_awaited: bool,
    /// Somebody waits until the journal is durable up to here.
    pub(crate) wanted: u64,
    /// Segments wholly at or before it are not needed.
    pub(crate) applied: u64,
    /// The heads of segments up to this one are written.
    pub(crate) headed: u64,
    pub(crate) is_syncer_idle: bool,
    /// There is something to sync, and nobody waits for it yet.
    pub(crate) is_syncer_lingering: bool,
    pub(crate) is_keeper_idle: bool,
    pub(crate) is_stopping: bool,
}

impl<F: DiskFile> State<F> {
    /// Of a journal whose last segment is new.
    pub(crate) fn new(segments: Vec<Arc<Segment<F>>>, segment_bytes: u64, applied: u64) -> State<F> {
        let current = Arc::clone(segments.last().expect("recovery begins a segment"));
        State {
            offset: header::BYTES,
            end: current.first,
            headed: current.number,
            segments: segments.into(),
            current,
            spares: VecDeque::new(),
            spare_ends: 0,
            rooms: 0,
            frame: Vec::with_capacity(frame::BYTES_MAX as usize),
            segment_bytes,
            poison: None,
            is_closed: false,
            is_spare_refused: false,
            is_spare_awaited: false,
            wanted: 0,
            applied,
            is_syncer_idle: false,
            is_syncer_lingering: false,
            is_keeper_idle: false,
            is_stopping: false,
        }
    }

    /// True when a record of `bytes` can be written and everything promised still fits, with `more` promises.
    pub(crate) fn fits(&self, bytes: u64, more: u64) -> bool {
        let ends = if self.offset + bytes <= self.current.bytes {
            ends_behind(self.offset + bytes, self.current.bytes) + self.spare_ends
        } else {
            let Some(next) = self.spares.front() else { return false };
            ends_behind(header::BYTES + bytes, next.bytes) + self.spare_ends - ends_of(next.bytes)
        };
        ends >= self.rooms + more + ENDS_OF_STOP
    }

    /// True when another spare should be made: half a segment and all promises must fit into the spares alone.
    pub(crate) fn wants_spare(&self) -> bool {
        self.poison.is_none() && self.spare_ends < self.rooms + 2 + ENDS_OF_STOP + ends_of(self.segment_bytes) / 2
    }

    /// The number and the size of the spare to be made.
    pub(crate) fn next_spare(&self) -> (u64, u64) {
        let last = self.spares.back().map_or(self.current.number, |spare| spare.number);
        (last + 1, self.segment_bytes)
    }

    pub(crate) fn add_spare(&mut self, spare: Spare<F>) {
        self.spare_ends += ends_of(spare.bytes);
        self.spares.push_back(spare);
        self.is_spare_refused = false;
    }

    pub(crate) fn take_room(&mut self) {
        self.rooms += 1;
    }

    pub(crate) fn give_room_back(&mut self) {
        self.rooms = self.rooms.checked_sub(1).expect("a room is given back once");
    }

    /// Writes one record and returns where it ends. The space was promised, or found by [`State::fits`].
    pub(crate) fn write(&mut self, durable: u64, mark: Mark, kind: u8, payload: &[u8]) -> io::Result<u64> {
        let bytes = frame::bytes_of(payload);
        if self.offset + bytes > self.current.bytes {
            self.rotate();
        }
        let place = Place { start: self.end, epoch: self.current.epoch };
        frame::encode(&mut self.frame, place, durable, mark, kind, payload);
        self.current.file.write_at(&self.frame, self.offset)?;
        self.offset += bytes;
        self.end += bytes;
        Ok(self.end)
    }

    /// Goes on in the first spare. Its head is written when everything before it is durable.
    fn rotate(&mut self) {
        let Spare { number, bytes, file } = self.spares.pop_front().expect("the space was promised");
        self.spare_ends -= ends_of(bytes);
        let segment = Segment { number, first: self.end, epoch: self.current.epoch, bytes, file };
        self.current = Arc::new(segment);
        self.segments.push_back(Arc::clone(&self.current));
        self.offset = header::BYTES;
    }

    /// The segment with this number and the one after it.
    pub(crate) fn pair(&self, number: u64) -> Option<Pair<F>> {
        let first = self.segments.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        Some((Arc::clone(self.segments.get(index)?), self.segments.get(index + 1).cloned()))
    }

    /// The segment in which the record behind `position` is.
    pub(crate) fn number_at(&self, position: u64) -> Option<u64> {
        self.segments.iter().rev().find(|segment| segment.first <= position).map(|segment| segment.number)
    }

    /// The oldest segment, when nothing in it is needed: not by the caller, and not for the hash in the next head.
    pub(crate) fn deletable(&self) -> Option<Arc<Segment<F>>> {
        let next = self.segments.get(1)?;
        let is_done = next.first <= self.applied && next.number <= self.headed;
        is_done.then(|| self.segments.front().cloned()).flatten()
    }
}
