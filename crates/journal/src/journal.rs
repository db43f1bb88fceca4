//! The handle that callers have.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::core::Core;
use crate::disk::{Disk, RealDisk};
use crate::error::OpenError;
use crate::recover::recover;
use crate::recovered::{Recovered, visit_batch};
use crate::state::State;
use crate::survey::survey;
use crate::{Driver, Durability, NoRoom, Options, Poisoned, Position, ReadError, Room};

/// An open journal. Clones are handles of the same one; when the last is dropped, its threads end.
pub struct Journal<D: Disk = RealDisk> {
    handle: Arc<Handle<D>>,
}

struct Handle<D: Disk> {
    core: Arc<Core<D>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Journal<RealDisk> {
    /// Opens the journal in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// See [`Journal::open`].
    pub fn open_folder(
        folder: &Path,
        options: Options,
        applied: Position,
    ) -> Result<(Journal, Recovered<std::fs::File>), OpenError> {
        Journal::open(RealDisk::new(folder), options, applied)
    }
}

impl<D: Disk> Journal<D> {
    /// Opens the journal on `disk`. The caller has applied all records up to `applied` and does not need them.
    ///
    /// A record that the end of a process or a loss of power caught at the end of the journal is cut. Anything else
    /// that is not as the journal left it is an error, and nothing is changed then.
    ///
    /// # Errors
    /// When another process has the journal, something in it is damaged or missing, or the disk refuses.
    pub fn open(disk: D, options: Options, applied: Position) -> Result<(Journal<D>, Recovered<D::File>), OpenError> {
        let lock = disk.lock().map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::Locked,
            _ => OpenError::Disk { file: ".".into(), source: error },
        })?;
        let survey = survey(&disk, applied.get())?;
        let ready = recover(&disk, survey, &options, applied)?;
        let state = State::new(ready.segments, options.segment_bytes(), applied.get());
        let core = Arc::new(Core::new(disk, lock, options, state));
        let handle = Handle { core: Arc::clone(&core), threads: Mutex::default() };
        if core.options.driver == Driver::Threads {
            handle.start("journal-sync", Core::run_syncer)?;
            handle.start("journal-keep", Core::run_keeper)?;
        }
        Ok((Journal { handle: Arc::new(handle) }, ready.recovered))
    }

    /// Appends an intent with one write, and takes room for its end.
    ///
    /// # Errors
    /// When there is no room for both, or the journal is unusable. Nothing was written then that a restart would show,
    /// except by a write that failed, which may have reached the disk.
    ///
    /// # Panics
    /// When the payload is longer than [`crate::PAYLOAD_BYTES_MAX`].
    pub fn begin(&self, kind: u8, payload: &[u8]) -> Result<Room<D>, NoRoom> {
        let position = self.core().append(true, kind, payload)?;
        Ok(Room::new(Arc::clone(&self.handle.core), position))
    }

    /// Appends a record that needs no end. It never takes the room of one.
    ///
    /// # Errors
    /// See [`Journal::begin`].
    ///
    /// # Panics
    /// When the payload is longer than [`crate::PAYLOAD_BYTES_MAX`].
    pub fn append(&self, kind: u8, payload: &[u8]) -> Result<Position, NoRoom> {
        self.core().append(false, kind, payload)
    }

    /// Where the last record that was written ends.
    #[must_use]
    pub fn end(&self) -> Position {
        Position::new(self.core().state().end)
    }

    /// How far the journal survives a loss of power.
    #[must_use]
    pub fn durable(&self) -> Position {
        Position::new(self.core().durable())
    }

    /// Waits until `position` is durable. To wait is to ask: at [`Durability::Process`] it makes the journal sync.
    ///
    /// # Errors
    /// When the journal became unusable first.
    pub async fn wait_durable(&self, position: Position) -> Result<(), Poisoned> {
        let core = self.core();
        let wanted = position.get();
        if core.durable() >= wanted {
            return Ok(());
        }
        if !core.has_threads() {
            return core.wait(wanted);
        }
        if core.options.durability != Durability::Strict {
            drop(core.ask(core.state(), wanted));
        }
        let told = core.waiting.enter(wanted);
        if core.durable() >= wanted {
            return Ok(());
        }
        told.await.expect("whoever waits is told before the journal is gone")
    }

    /// The same, blocking the thread.
    ///
    /// # Errors
    /// See [`Journal::wait_durable`].
    pub fn wait_durable_blocking(&self, position: Position) -> Result<(), Poisoned> {
        self.core().wait(position.get())
    }

    /// Makes all that is written durable, and returns how far that is. Blocks for the disk.
    ///
    /// # Errors
    /// When the journal is or becomes unusable.
    pub fn sync(&self) -> Result<Position, Poisoned> {
        self.core().sync()?;
        Ok(self.durable())
    }

    /// Shows durable records after `after` in order, at least one if there is one, and not many more than `bytes_max`
    /// bytes of them. Returns where to go on, also when no record was there to show.
    ///
    /// # Errors
    /// When `after` is not the end of a record that is kept, or the disk refuses.
    pub fn read(
        &self,
        after: Position,
        bytes_max: usize,
        visit: &mut dyn FnMut(Position, u8, &[u8]),
    ) -> Result<Position, ReadError> {
        let durable = self.durable();
        let mut at = after.get();
        if after > durable {
            return Err(ReadError::Outside(after));
        }
        let mut left = bytes_max as u64;
        while at < durable.get() && left > 0 {
            let pair = {
                let state = self.core().state();
                state.number_at(at).and_then(|number| state.pair(number))
            };
            let (segment, next) = pair.ok_or(ReadError::Outside(after))?;
            let end = next.map_or(durable.get(), |next| next.first.min(durable.get()));
            let reached = visit_batch(&segment, end, at, left, visit)?;
            left = left.saturating_sub(reached - at);
            at = reached;
        }
        Ok(Position::new(at))
    }

    /// Says that nothing up to `up_to` is needed any more, which the caller has made durable elsewhere. Segments wholly
    /// before it are deleted in the background.
    pub fn applied(&self, up_to: Position) {
        let mut state = self.core().state();
        state.applied = state.applied.max(up_to.get().min(self.core().durable()));
        self.core().wake_keeper(state);
    }

    /// Does the work beside the hot path once: a sync if one is due, deletions, and a spare. For [`Driver::Caller`].
    ///
    /// # Errors
    /// When the journal is or becomes unusable. A spare that cannot be made is none.
    pub fn drive(&self) -> Result<(), Poisoned> {
        let core = self.core();
        if core.is_sync_due(&core.state()) {
            core.sync()?;
        }
        while matches!(core.keep(), Ok(true)) {}
        Ok(())
    }

    /// Why the journal is unusable, when it is.
    #[must_use]
    pub fn poisoned(&self) -> Option<Poisoned> {
        self.core().state().poison.clone()
    }

    /// Makes all durable and marks a clean stop, behind which no handle and no room writes any more. Intents without an
    /// end stay open.
    ///
    /// # Errors
    /// When the journal is or becomes unusable; the stop is not a clean one then.
    pub fn close(self) -> Result<Position, Poisoned> {
        self.core().close()
    }

    fn core(&self) -> &Core<D> {
        &self.handle.core
    }
}

impl<D: Disk> Handle<D> {
    fn start(&self, name: &str, work: fn(&Core<D>)) -> Result<(), OpenError> {
        let core = Arc::clone(&self.core);
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&core));
        let thread = started.map_err(|error| OpenError::Disk { file: name.to_owned(), source: error })?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }
}

impl<D: Disk> Drop for Handle<D> {
    fn drop(&mut self) {
        self.core.state().is_stopping = true;
        self.core.sync_due.notify_all();
        self.core.keep_due.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let own = std::thread::current().id();
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != own) {
            // A panic of a thread was reported by its hook; there is nobody else to tell here.
            let _ = thread.join();
        }
    }
}

impl<D: Disk> Clone for Journal<D> {
    fn clone(&self) -> Journal<D> {
        Journal { handle: Arc::clone(&self.handle) }
    }
}

impl<D: Disk> core::fmt::Debug for Journal<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Journal").field("durable", &self.durable()).finish_non_exhaustive()
    }
}
