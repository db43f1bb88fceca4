//! Whether the data folder holds what was written to it: the store against itself, the journal against itself, and one
//! against the other. Nothing is changed.
//!
//! Where nobody serves, nobody can begin to while this runs, and everything is compared. Beside a serving process what
//! moves is left out: records that the store does not have yet, holds and leases.

mod crossed;
pub(crate) mod csv;
pub(crate) mod provider;
#[cfg(test)]
mod tests;

use journal::Position;
use serde::Serialize;
use store::{AlreadyServing, ServingGuard, Store, StoreError};

use crate::catch_up;
use crate::failure::Failure;

/// Doubts that are told; nobody reads more.
const DOUBTS_MAX: usize = 1_000;
/// How often a journal is read again from which somebody deletes.
const ATTEMPTS: usize = 5;

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Doubt {
    /// The table, or the file.
    pub(crate) place: String,
    /// The row by its key, or the offset in the file.
    pub(crate) at: String,
    /// What is wrong with it.
    pub(crate) what: String,
}

impl Doubt {
    pub(crate) fn new(place: impl Into<String>, at: impl ToString, what: impl Into<String>) -> Doubt {
        Doubt { place: place.into(), at: at.to_string(), what: what.into() }
    }

    fn of_journal(doubt: &journal::Doubt) -> Doubt {
        let what = doubt.what.to_string();
        Doubt::new(format!("journal/{}", doubt.file), format!("byte {}", doubt.offset), what)
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether all is as it was written.
    pub(crate) sound: bool,
    /// One for each thing that is not.
    pub(crate) doubts: Vec<Doubt>,
    /// What could not be compared, because a process serves.
    pub(crate) left_out: Vec<&'static str>,
    /// Attempts in the store.
    pub(crate) attempts: u64,
    /// Segments of the journal.
    pub(crate) segments: usize,
    /// Records of the journal.
    pub(crate) records: u64,
    /// Of these, the store does not have so many yet.
    pub(crate) unapplied: u64,
    /// Where the store is in the journal.
    pub(crate) applied: u64,
    /// Where the journal ends.
    pub(crate) end: u64,
    /// The hash over the last segment, and so over everything before it: kept elsewhere, it tells a journal from another
    /// one that was made to look like it.
    pub(crate) journal_hash: Option<String>,
}

impl Report {
    fn add(&mut self, doubts: impl IntoIterator<Item = Doubt>) {
        let room = DOUBTS_MAX.saturating_sub(self.doubts.len());
        self.doubts.extend(doubts.into_iter().take(room));
    }
}

/// Tells how far it is: what, done and in all; zero in all where that is not known.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(&'static str, u64, u64);

/// The store while it is verified.
pub(crate) struct Verification<'a> {
    store: &'a Store,
    /// Nobody serves while this is held.
    claim: Option<ServingGuard>,
}

impl Verification<'_> {
    /// Keeps others from serving meanwhile, where nobody does.
    ///
    /// # Errors
    /// When the claim can neither be made nor is another's.
    pub(crate) fn begin(store: &Store) -> Result<Verification<'_>, Failure> {
        match store.claim_serving() {
            Ok(claim) => Ok(Verification { store, claim: Some(claim) }),
            Err(AlreadyServing::Other { .. }) => Ok(Verification { store, claim: None }),
            Err(AlreadyServing::Store(error)) => {
                Err(Failure::other(format!("the data folder cannot be claimed: {error}")))
            }
        }
    }

    /// Compares everything.
    pub(crate) fn run(&self, progress: Progress<'_>) -> Report {
        let mut report = Report::default();
        if self.claim.is_none() {
            report.left_out = vec!["records that the store does not have yet", "holds", "leases"];
        }
        self.store(&mut report, progress);
        self.journal(&mut report, progress);
        report.sound = report.doubts.is_empty();
        report
    }

    fn store(&self, report: &mut Report, progress: Progress<'_>) {
        match self.store.integrity_problems() {
            Ok(problems) => report.add(problems.into_iter().map(|told| Doubt::new("mandant.db", "file", told))),
            Err(error) => report.add([unreadable(&error)]),
        }
        let verified = self.store.verify(&mut |done, total| {
            report.attempts = done;
            progress("attempts", done, total);
        });
        match verified {
            Ok(doubts) => report.add(doubts.into_iter().map(|doubt| Doubt::new(doubt.table, doubt.row, doubt.what))),
            Err(error) => report.add([unreadable(&error)]),
        }
    }

    fn journal(&self, report: &mut Report, progress: Progress<'_>) {
        let folder = catch_up::folder(self.store.data_dir());
        // Before the journal is read, so that it has all that the store had then.
        match self.store.applied() {
            Ok(applied) => report.applied = applied,
            Err(error) => return report.add([unreadable(&error)]),
        }
        if !folder.exists() {
            if report.applied > 0 {
                let what = format!("the store has applied a journal up to {}, and there is none", report.applied);
                report.add([Doubt::new("journal", "folder", what)]);
            }
            return;
        }
        progress("segments", 0, 0);
        let found = match journal::verify_folder(&folder) {
            Ok(found) => found,
            Err(doubt) => return report.add([Doubt::of_journal(&doubt)]),
        };
        (report.segments, report.records, report.end) = (found.segments, found.records, found.end.get());
        report.journal_hash = Some(found.hash.iter().map(|byte| format!("{byte:02x}")).collect());
        if report.applied > report.end || report.applied < found.first.get() {
            let what = format!(
                "the store is at {}, and the journal has only what is between {} and {}",
                report.applied, found.first, report.end
            );
            report.add([Doubt::new("counter", "applied", what)]);
        }
        progress("records", 0, report.records);
        let crossed = self.crossed(found.first, report, progress);
        report.add(crossed);
    }

    /// The records of the journal against the rows of the store.
    fn crossed(&self, first: Position, report: &mut Report, progress: Progress<'_>) -> Vec<Doubt> {
        let folder = catch_up::folder(self.store.data_dir());
        let mut first = first;
        for attempt in 1.. {
            let mut check = match crossed::Check::new(self.store, report.applied, self.claim.is_none()) {
                Ok(check) => check,
                Err(error) => return vec![unreadable(&error)],
            };
            let mut done = 0;
            let read = journal::read_folder(&folder, first, &mut |position, kind, payload| {
                done += 1;
                if done % 10_000 == 0 {
                    progress("records", done, report.records.max(done));
                }
                check.record(position, kind, payload);
            });
            match read {
                Ok(_) => {
                    report.unapplied = check.unapplied();
                    return check.finish();
                }
                // The first segments were applied and deleted meanwhile.
                Err(_) if self.claim.is_none() && attempt < ATTEMPTS => {
                    first = journal::verify_folder(&folder).map_or(first, |found| found.first);
                }
                Err(journal::ReadError::Doubt(doubt)) => return vec![Doubt::of_journal(&doubt)],
                Err(error) => return vec![Doubt::new("journal", "folder", error.to_string())],
            }
        }
        Vec::new()
    }
}

/// The database cannot be read at all, or a part of it.
pub(crate) fn unreadable(error: &StoreError) -> Doubt {
    Doubt::new("mandant.db", "file", error.to_string())
}
