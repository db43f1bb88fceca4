//! Keeps the folder: makes spares ahead of their use, and deletes what was applied.

use std::io;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::Core;
use crate::disk::Disk;
use crate::segment;
use crate::state::{Spare, State};

/// Between two attempts when the disk is full.
const RETRY: Duration = Duration::from_secs(1);
/// After each run of a spare's zeros. A spare is made long before it is used; written in one go, its zeros keep the core
/// from whoever answers calls there, for 4 ms at a time and a tenth of a second in all.
const REST: Duration = Duration::from_millis(1);

impl<D: Disk> Core<D> {
    /// Deletes what can be, then makes a spare if one is wanted; true when there was one to make.
    ///
    /// An error here says nothing of what is written, so nothing is poisoned: without a spare the journal refuses new
    /// intents and ends the ones that it has.
    pub(crate) fn keep(&self) -> io::Result<bool> {
        let _one = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let deleted = self.delete();
        let (number, bytes) = {
            let state = self.state();
            if !state.wants_spare() {
                return deleted.map(|()| false);
            }
            state.next_spare()
        };
        let made = self.disk.create(&segment::name(number), bytes, &|| self.rest());
        let mut state = self.state();
        state.is_spare_awaited = false;
        state.is_spare_refused = made.is_err();
        let result = made.map(|file| state.add_spare(Spare { number, bytes, file }));
        drop(state);
        self.spare_tried.notify_all();
        result.and(deleted).map(|()| true)
    }

    /// Leaves the core to others for a moment, unless somebody waits for the spare.
    fn rest(&self) {
        let state = self.state();
        if self.has_threads() && !state.is_spare_awaited && !state.is_stopping {
            drop(self.keep_due.wait_timeout(state, REST));
        }
    }

    /// From the oldest, one by one, so that a crash leaves no gap.
    fn delete(&self) -> io::Result<()> {
        loop {
            let Some(oldest) = self.state().deletable() else { return Ok(()) };
            match self.disk.remove(&oldest.name()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.disk.sync_dir()?,
            }
            self.state().segments.pop_front();
        }
    }

    pub(crate) fn wake_keeper(&self, mut state: MutexGuard<'_, State<D::File>>) {
        if state.is_keeper_idle && self.is_keep_due(&state) {
            state.is_keeper_idle = false;
            drop(state);
            self.keep_due.notify_one();
        }
    }

    /// The work of the thread.
    pub(crate) fn run_keeper(&self) {
        let mut has_failed = false;
        let mut state = self.state();
        while !state.is_stopping && state.poison.is_none() {
            if self.is_keep_due(&state) || has_failed {
                drop(state);
                has_failed = self.keep().is_err();
                state = self.state();
            }
            if state.is_stopping || self.is_keep_due(&state) && !has_failed {
                continue;
            }
            state.is_keeper_idle = true;
            state = if has_failed {
                self.keep_due.wait_timeout(state, RETRY).unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.keep_due.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
            state.is_keeper_idle = false;
        }
    }
}
