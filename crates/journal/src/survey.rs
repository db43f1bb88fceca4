//! What is in the folder: which segments, where the last record ends, and what is left behind it. Nothing is changed.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::error::Wrong;
use crate::frame::{self, Frame, Mark, Place};
use crate::header::{self, Head, Header};
use crate::scan::{self, Remains};
use crate::segment::{self, Segment};
use crate::{BootId, Doubt, Position};

/// All that was found.
pub(crate) struct Survey<F> {
    /// Segments with a place in the sequence, from the oldest.
    pub(crate) found: Vec<Found<F>>,
    /// Files after them that have none: a spare, or records behind a tail that was lost.
    pub(crate) beyond: Vec<Beyond<F>>,
    /// What is behind the last record in its segment.
    pub(crate) remains: Remains,
    /// How far the journal is proven to be durable.
    pub(crate) durable: u64,
}

/// A segment.
pub(crate) struct Found<F> {
    pub(crate) segment: Arc<Segment<F>>,
    /// Its head; not yet written where the process ended before the one before was synced.
    pub(crate) header: Option<Header>,
    /// Where its last record ends.
    pub(crate) end: u64,
    /// True when the journal was closed behind that record.
    pub(crate) is_clean: bool,
    /// How many records it has; zero where they were not read.
    pub(crate) records: u64,
}

/// A file that has no place in the sequence.
pub(crate) struct Beyond<F> {
    pub(crate) number: u64,
    pub(crate) file: F,
    pub(crate) bytes: u64,
    /// From its start to its last byte that is not zero.
    pub(crate) used: u64,
}

struct Candidate<F> {
    number: u64,
    file: F,
    bytes: u64,
    head: Option<Header>,
}

impl<F: DiskFile> Survey<F> {
    /// The run of the machine that wrote last, and the epoch.
    pub(crate) fn last_header(&self) -> Option<Header> {
        self.found.iter().rev().find_map(|found| found.header)
    }

    /// Where the last record ends, and nothing where there are no segments.
    pub(crate) fn end(&self) -> Option<u64> {
        self.found.last().map(|found| found.end)
    }

    /// Bytes that are no record, behind the last one.
    pub(crate) fn torn_bytes(&self) -> u64 {
        self.remains.bytes + self.beyond.iter().map(|beyond| beyond.used).sum::<u64>()
    }

    /// Finds what no crash can have left behind, when the machine has been in the run `now` since.
    ///
    /// A loss of power takes any part of what was not synced. The end of the process takes nothing: behind the last
    /// record there is at most one that is not whole.
    pub(crate) fn check_tail(&self, now: BootId) -> Result<(), Doubt> {
        let (Some(last), Some(header)) = (self.found.last(), self.last_header()) else {
            // The first head of all is durable before the first record is written.
            let used = self.beyond.iter().find(|beyond| beyond.used > 0);
            return used.map_or(Ok(()), |used| Err(Doubt::new(segment::name(used.number), 0, Wrong::Header)));
        };
        let place = |wrong| Err(Doubt::new(last.segment.name(), last.segment.offset_of(last.end), wrong));
        if last.is_clean && self.torn_bytes() > 0 {
            return place(Wrong::Record);
        }
        if let Some((_, durable)) = self.remains.frame
            && (durable > last.end || header.boot.is_same_run(now))
        {
            return place(Wrong::Record);
        }
        let is_lost = self.beyond.iter().any(|beyond| beyond.used > 0);
        if is_lost && header.boot.is_same_run(now) { place(Wrong::Record) } else { Ok(()) }
    }
}

/// Reads the folder. Records of segments that end at or before `skip` are not read.
pub(crate) fn survey<D: Disk>(disk: &D, skip: u64) -> Result<Survey<D::File>, Doubt> {
    let mut candidates = candidates(disk)?;
    let headed = candidates.iter().rposition(|candidate| candidate.head.is_some()).map_or(0, |last| last + 1);
    let rest = candidates.split_off(headed);
    let mut survey = Survey { found: Vec::new(), beyond: Vec::new(), remains: Remains::default(), durable: 0 };
    let firsts: Vec<Option<u64>> = candidates.iter().map(|next| next.head.map(|head| head.first)).collect();
    for (index, candidate) in candidates.into_iter().enumerate() {
        let Some(header) = candidate.head else {
            return Err(Doubt::new(segment::name(candidate.number), 0, Wrong::Header));
        };
        check_order(survey.found.last(), &header)?;
        let found = match firsts.get(index + 1) {
            Some(next) => read_whole(candidate, header, next.unwrap_or(header.first), skip)?,
            None => read_tail(candidate, Some(header), header.first, header.epoch, &mut survey.durable)?,
        };
        survey.found.push(found);
    }
    find_tail(&mut survey, rest)?;
    Ok(survey)
}

/// Every file of a segment, in order and without a gap.
fn candidates<D: Disk>(disk: &D) -> Result<Vec<Candidate<D::File>>, Doubt> {
    let names = disk.list().map_err(Doubt::unreadable("."))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    if let Some(pair) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
        return Err(Doubt::new(segment::name(pair[0] + 1), 0, Wrong::Missing));
    }
    numbers.into_iter().map(|number| candidate(disk, number)).collect()
}

fn candidate<D: Disk>(disk: &D, number: u64) -> Result<Candidate<D::File>, Doubt> {
    let name = segment::name(number);
    let file = disk.open(&name).map_err(Doubt::unreadable(&name))?;
    let bytes = file.length().map_err(Doubt::unreadable(&name))?;
    let mut head = vec![0; header::BYTES as usize];
    let read = file.read_at(&mut head, 0).map_err(Doubt::unreadable(&name))?;
    let head = match header::parse(&head[..read]) {
        Head::Blank => None,
        Head::Header(header) if header.number == number => Some(header),
        Head::Header(_) | Head::Damaged => return Err(Doubt::new(name, 0, Wrong::Header)),
        Head::Foreign => return Err(Doubt::new(name, 0, Wrong::Foreign)),
        Head::Version(version) => return Err(Doubt::new(name, 0, Wrong::Version(version))),
    };
    Ok(Candidate { number, file, bytes, head })
}

fn check_order<F>(before: Option<&Found<F>>, header: &Header) -> Result<(), Doubt> {
    let Some(before) = before else { return Ok(()) };
    let doubt = |wrong| Err(Doubt::new(segment::name(header.number), 0, wrong));
    // A new opening has a later epoch; a segment that goes on in one has the same.
    let (found, before) = (header.epoch, before.segment.epoch);
    let is_in_order = if header.after.is_some() { found > before } else { found == before };
    if is_in_order { Ok(()) } else { doubt(Wrong::Epoch { found, before }) }
}

impl<F: DiskFile> Candidate<F> {
    fn into_found(self, header: Option<Header>, first: u64, epoch: u64) -> Found<F> {
        let segment = Segment { number: self.number, first, epoch, bytes: self.bytes, file: self.file };
        Found { segment: Arc::new(segment), header, end: first, is_clean: false, records: 0 }
    }
}

/// Reads a segment that ends where the next one begins.
fn read_whole<F: DiskFile>(candidate: Candidate<F>, header: Header, end: u64, skip: u64) -> Result<Found<F>, Doubt> {
    let mut found = candidate.into_found(Some(header), header.first, header.epoch);
    let segment = Arc::clone(&found.segment);
    let gap = |at| {
        let wrong = Wrong::Gap { expected: Position::new(at), found: Position::new(end) };
        Err(Doubt::new(segment::name(header.number + 1), 0, wrong))
    };
    if end < header.first || segment.offset_of(end) > segment.bytes {
        return gap(header.first);
    }
    if end > skip {
        let mut scan = segment.scan(end);
        while step(&mut found, &mut scan, |_| ())? {}
        if scan.position() != end {
            let (offset, place) = (scan.offset(), Place { start: found.end, epoch: header.epoch });
            let behind = scan::remains(&segment.file, offset, place).map_err(Doubt::unreadable(&segment.name()))?;
            let is_blank = behind.bytes == 0;
            return if is_blank { gap(found.end) } else { Err(Doubt::new(segment.name(), offset, Wrong::Record)) };
        }
    }
    found.end = end;
    Ok(found)
}

/// Reads a segment until there is no record.
fn read_tail<F: DiskFile>(
    candidate: Candidate<F>,
    header: Option<Header>,
    first: u64,
    epoch: u64,
    durable: &mut u64,
) -> Result<Found<F>, Doubt> {
    let mut found = candidate.into_found(header, first, epoch);
    if header.is_some() {
        *durable = first;
    }
    let segment = Arc::clone(&found.segment);
    let mut scan = segment.scan_all();
    while step(&mut found, &mut scan, |frame| *durable = (*durable).max(frame.durable))? {}
    Ok(found)
}

/// Reads one record; false when there is none.
fn step<F: DiskFile>(
    found: &mut Found<F>,
    scan: &mut scan::Scan<'_, F>,
    mut see: impl FnMut(&Frame<'_>),
) -> Result<bool, Doubt> {
    if found.is_clean {
        return Ok(false);
    }
    let Some((end, frame)) = scan.next().map_err(Doubt::unreadable(&found.segment.name()))? else { return Ok(false) };
    see(&frame);
    found.end = end;
    match frame.mark {
        Mark::Record => found.records += 1,
        Mark::Clean => found.is_clean = true,
    }
    Ok(true)
}

/// Goes on behind the last head: segments whose head was not written yet continue where the one before ends.
fn find_tail<F: DiskFile>(survey: &mut Survey<F>, rest: Vec<Candidate<F>>) -> Result<(), Doubt> {
    let mut rest = rest.into_iter().peekable();
    while let (Some(last), Some(next)) = (survey.found.last(), rest.peek()) {
        let (first, epoch) = (last.end, last.segment.epoch);
        if last.is_clean || !continues(next, Place { start: first, epoch })? {
            break;
        }
        let next = rest.next().expect("it was seen a moment ago");
        let found = read_tail(next, None, first, epoch, &mut survey.durable)?;
        survey.found.push(found);
    }
    if let Some(last) = survey.found.last() {
        let segment = &last.segment;
        let place = Place { start: last.end, epoch: segment.epoch };
        let remains = scan::remains(&segment.file, segment.offset_of(last.end), place);
        survey.remains = remains.map_err(Doubt::unreadable(&segment.name()))?;
    }
    for Candidate { number, file, bytes, .. } in rest {
        let remains = scan::remains(&file, 0, Place { start: 0, epoch: 0 });
        let remains = remains.map_err(Doubt::unreadable(&segment::name(number)))?;
        survey.beyond.push(Beyond { number, file, bytes, used: remains.bytes });
    }
    Ok(())
}

/// True when the first record of a file is the one that begins at `place`.
fn continues<F: DiskFile>(next: &Candidate<F>, place: Place) -> Result<bool, Doubt> {
    let mut bytes = vec![0; frame::BYTES_MAX as usize];
    let read = next.file.read_at(&mut bytes, header::BYTES);
    let read = read.map_err(Doubt::unreadable(&segment::name(next.number)))?;
    Ok(frame::parse(&bytes[..read], place).is_some())
}
