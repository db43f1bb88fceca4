//! Makes the folder ready for writing: cuts the torn tail, makes durable what is there, and begins a segment.
//!
//! A crash at any point of it leaves a folder from which it can begin again: files behind the tail go first, then the
//! tail is blanked, and only when all of that is durable is there a new head.

use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::header::Header;
use crate::recovered::{Opening, Recovered};
use crate::segment::{self, Segment};
use crate::survey::{Found, Survey};
use crate::{OpenError, Options, Position, Stop, chain, options};

/// A folder that is ready.
pub(crate) struct Ready<F> {
    /// From the oldest; the last one is new and has no records.
    pub(crate) segments: Vec<Arc<Segment<F>>>,
    /// What was there before.
    pub(crate) recovered: Recovered<F>,
}

/// Checks what was found, and makes it ready.
pub(crate) fn recover<D: Disk>(
    disk: &D,
    mut survey: Survey<D::File>,
    options: &Options,
    applied: Position,
) -> Result<Ready<D::File>, OpenError> {
    check(&survey, options, applied)?;
    let torn_bytes = survey.torn_bytes();
    let after = stop(&survey, options, applied);
    let spare = clear_beyond(disk, &mut survey, options)?;
    blank_tail(&survey)?;
    let header = Header {
        number: survey.found.last().map_or(1, |last| last.segment.number + 1),
        first: survey.end().unwrap_or(applied.get()),
        epoch: options.epoch,
        boot: options.boot,
        after: Some(after),
        chain: settle_tail(&survey)?,
    };
    let current = begin(disk, &mut survey, header, spare, options)?;
    let openings = openings(&survey.found, &current, options, after);
    let records = survey.found.iter().map(|found| (Arc::clone(&found.segment), found.end)).collect();
    let mut segments: Vec<_> = survey.found.into_iter().map(|found| found.segment).collect();
    let end = Position::new(current.first);
    segments.push(current);
    Ok(Ready { segments, recovered: Recovered { applied, end, after, torn_bytes, openings, records } })
}

fn check<F: DiskFile>(survey: &Survey<F>, options: &Options, applied: Position) -> Result<(), OpenError> {
    survey.check_tail(options.boot)?;
    if let Some(last) = survey.last_header().filter(|last| last.epoch >= options.epoch) {
        return Err(OpenError::Epoch { given: options.epoch, last: last.epoch });
    }
    let (Some(first), Some(end)) = (survey.found.first(), survey.end()) else {
        let is_lost = applied > Position::START && !options.accept_lost;
        return if is_lost { Err(OpenError::Beyond { applied, end: Position::START }) } else { Ok(()) };
    };
    if applied.get() < first.segment.first {
        return Err(OpenError::Gone { applied, first: Position::new(first.segment.first) });
    }
    if applied.get() > end {
        return Err(OpenError::Beyond { applied, end: Position::new(end) });
    }
    Ok(())
}

/// How the journal was left. An opening that wrote nothing hands on what it found, so that whoever was ended before it
/// could act on a loss is told of it again.
fn stop<F: DiskFile>(survey: &Survey<F>, options: &Options, applied: Position) -> Stop {
    let (Some(last), Some(header)) = (survey.found.last(), survey.last_header()) else {
        return if applied == Position::START { Stop::First } else { Stop::PowerLost };
    };
    match last.header.and_then(|header| header.after) {
        _ if last.is_clean => Stop::Clean,
        _ if !header.boot.is_same_run(options.boot) => Stop::PowerLost,
        Some(before) if last.end == last.segment.first => before,
        _ => Stop::Killed,
    }
}

/// Removes files that have no place in the sequence, from the last; a spare of the right size is kept.
fn clear_beyond<D: Disk>(
    disk: &D,
    survey: &mut Survey<D::File>,
    options: &Options,
) -> Result<Option<D::File>, OpenError> {
    let mut spare = None;
    let next = survey.found.last().map_or(1, |last| last.segment.number + 1);
    while let Some(beyond) = survey.beyond.pop() {
        if beyond.number == next && beyond.used == 0 && beyond.bytes == options.segment_bytes() {
            spare = Some(beyond.file);
            continue;
        }
        let name = segment::name(beyond.number);
        disk.remove(&name).map_err(OpenError::disk(&name))?;
        // One by one: a loss of power may take any of several removals, and leave a gap.
        disk.sync_dir().map_err(OpenError::disk("."))?;
    }
    Ok(spare)
}

/// Overwrites what is behind the last record.
fn blank_tail<F: DiskFile>(survey: &Survey<F>) -> Result<(), OpenError> {
    let Some(last) = survey.found.last() else { return Ok(()) };
    let zeros = vec![0; usize::try_from(survey.remains.bytes).unwrap_or_default()];
    if zeros.is_empty() {
        return Ok(());
    }
    let segment = &last.segment;
    segment.file.write_at(&zeros, segment.offset_of(last.end)).map_err(OpenError::disk(&segment.name()))
}

/// Makes every record durable, gives each segment that lacks its head one, and returns the hash for the next head.
fn settle_tail<F: DiskFile>(survey: &Survey<F>) -> Result<[u8; 32], OpenError> {
    let mut hash = chain::START;
    let headed = survey.found.iter().rposition(|found| found.header.is_some()).unwrap_or(0);
    let boot = survey.last_header().map(|header| header.boot).unwrap_or_default();
    for found in survey.found.iter().skip(headed) {
        let segment = &found.segment;
        let disk = |error| OpenError::Disk { file: segment.name(), source: error };
        if found.header.is_none() {
            let header = Header {
                number: segment.number,
                first: segment.first,
                epoch: segment.epoch,
                boot,
                after: None,
                chain: hash,
            };
            segment.write_header(&header).map_err(disk)?;
        }
        // The mark of a clean stop, too: its own sync may have failed.
        rewrite(found, survey.durable).map_err(disk)?;
        segment.file.sync_data().map_err(disk)?;
        hash = chain::of(segment, found.end).map_err(disk)?;
    }
    Ok(hash)
}

/// Writes again what is not proven to be durable. Where a sync failed before, the system may show what the disk does
/// not have, and take a page for clean; a page that is written again is not.
fn rewrite<F: DiskFile>(found: &Found<F>, durable: u64) -> std::io::Result<()> {
    let segment = &found.segment;
    let start = segment.offset_of(durable.clamp(segment.first, found.end));
    let mut bytes = vec![0; usize::try_from(segment.offset_of(found.end) - start).unwrap_or_default()];
    if bytes.is_empty() {
        return Ok(());
    }
    let read = segment.file.read_at(&mut bytes, start)?;
    segment.file.write_at(&bytes[..read], start)
}

/// Begins the segment of this opening. One that has its head and nothing else is taken over, so that a process that
/// cannot start does not fill the disk with empty segments.
fn begin<D: Disk>(
    disk: &D,
    survey: &mut Survey<D::File>,
    mut header: Header,
    spare: Option<D::File>,
    options: &Options,
) -> Result<Arc<Segment<D::File>>, OpenError> {
    let is_empty = |last: &mut Found<D::File>| {
        last.end == last.segment.first && last.segment.bytes >= options::SEGMENT_BYTES_MIN && last.header.is_some()
    };
    let taken = survey.found.pop_if(is_empty);
    let name = segment::name(taken.as_ref().map_or(header.number, |taken| taken.segment.number));
    let (file, bytes) = match taken {
        Some(taken) => {
            header.number = taken.segment.number;
            header.chain = taken.header.map_or(header.chain, |before| before.chain);
            (disk.open(&name), taken.segment.bytes)
        }
        None => {
            let bytes = options.segment_bytes();
            (spare.map_or_else(|| disk.create(&name, bytes, &|| ()), Ok), bytes)
        }
    };
    let file = file.map_err(OpenError::disk(&name))?;
    let segment = Segment { number: header.number, first: header.first, epoch: header.epoch, bytes, file };
    segment.write_header(&header).map_err(OpenError::disk(&name))?;
    segment.file.sync_data().map_err(OpenError::disk(&name))?;
    Ok(Arc::new(segment))
}

fn openings<F: DiskFile>(found: &[Found<F>], current: &Segment<F>, options: &Options, after: Stop) -> Vec<Opening> {
    let old = found.iter().filter_map(|found| {
        let header = found.header?;
        let at = Position::new(header.first);
        Some(Opening { at, epoch: header.epoch, boot: header.boot, after: header.after? })
    });
    let new = Opening { at: Position::new(current.first), epoch: options.epoch, boot: options.boot, after };
    old.chain([new]).collect()
}
