//! Proves a folder against itself, and reads it, without opening it for writing.

use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::error::Wrong;
use crate::recovered::visit_segment;
use crate::survey::{Survey, survey};
use crate::{BootId, Doubt, Position, ReadError, chain, segment};

/// How often a folder is read again when somebody writes to it, who may be half-way through a record.
const ATTEMPTS: usize = 5;

/// What a folder holds in which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Files with records.
    pub segments: usize,
    /// Records in them.
    pub records: u64,
    /// Where the first of them begins.
    pub first: Position,
    /// Where the last of them ends.
    pub end: Position,
    /// True when the journal was closed.
    pub is_clean: bool,
    /// The hash over the last segment's head and records, and so over everything before that is kept.
    pub hash: [u8; 32],
}

/// Proves every record and every head of the journal in a folder. A process may have it open for writing.
///
/// # Errors
/// The first thing that is not as the journal left it, with its file and offset. That is also a torn tail that was not
/// repaired yet.
pub fn verify_folder(folder: &Path) -> Result<Report, Doubt> {
    verify(&RealDisk::new(folder))
}

/// The same on any disk.
///
/// # Errors
/// See [`verify_folder`].
pub fn verify<D: Disk>(disk: &D) -> Result<Report, Doubt> {
    let mut attempt = 1;
    loop {
        let result = verify_once(disk);
        let is_live = disk.is_locked().map_err(Doubt::unreadable("."))?;
        if result.is_ok() || !is_live || attempt == ATTEMPTS {
            return result;
        }
        attempt += 1;
    }
}

fn verify_once<D: Disk>(disk: &D) -> Result<Report, Doubt> {
    let survey = survey(disk, 0)?;
    survey.check_tail(BootId::UNKNOWN)?;
    let hash = verify_chain(&survey)?;
    let last = survey.found.last();
    if survey.remains.bytes > 0
        && let Some(last) = last
    {
        let offset = last.segment.offset_of(last.end);
        return Err(Doubt::new(last.segment.name(), offset, Wrong::Torn(survey.remains.bytes)));
    }
    if let Some(beyond) = survey.beyond.iter().find(|beyond| beyond.used > 0) {
        return Err(Doubt::new(segment::name(beyond.number), 0, Wrong::Torn(beyond.used)));
    }
    Ok(Report {
        segments: survey.found.len(),
        records: survey.found.iter().map(|found| found.records).sum(),
        first: survey.found.first().map_or(Position::START, |first| Position::new(first.segment.first)),
        end: Position::new(survey.end().unwrap_or_default()),
        is_clean: last.is_some_and(|last| last.is_clean),
        hash,
    })
}

/// Each head has the hash of the segment before it. Returns the last one.
fn verify_chain<F: crate::DiskFile>(survey: &Survey<F>) -> Result<[u8; 32], Doubt> {
    let mut before = None;
    for found in &survey.found {
        let name = found.segment.name();
        if let (Some(header), Some(before)) = (found.header, before)
            && header.chain != before
        {
            return Err(Doubt::new(name, 0, Wrong::Chain));
        }
        before = Some(chain::of(&found.segment, found.end).map_err(Doubt::unreadable(&name))?);
    }
    Ok(before.unwrap_or(chain::START))
}

/// Shows every record in a folder after `after`, without changing anything. Returns where the last one ends; a torn
/// tail behind it is left alone.
///
/// # Errors
/// When `after` is not in the journal, or something before its end is damaged.
pub fn read_folder(
    folder: &Path,
    after: Position,
    visit: &mut dyn FnMut(Position, u8, &[u8]),
) -> Result<Position, ReadError> {
    read_disk(&RealDisk::new(folder), after, visit)
}

/// The same on any disk.
///
/// # Errors
/// See [`read_folder`].
pub fn read_disk<D: Disk>(
    disk: &D,
    after: Position,
    visit: &mut dyn FnMut(Position, u8, &[u8]),
) -> Result<Position, ReadError> {
    let survey = survey(disk, after.get())?;
    let (first, end) = (survey.found.first().map_or(0, |first| first.segment.first), survey.end().unwrap_or_default());
    if after.get() < first || after.get() > end {
        return Err(ReadError::Outside(after));
    }
    for found in survey.found.iter().filter(|found| found.end > after.get()) {
        let segment = Arc::clone(&found.segment);
        visit_segment(&segment, found.end, after.get().max(segment.first), visit)?;
    }
    Ok(Position::new(end))
}
