//! What all handles, rooms and threads of a journal have in common: the lock, how far it is durable, and the poison.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::disk::Disk;
use crate::frame::{self, Mark};
use crate::state::State;
use crate::syncer::Syncer;
use crate::waiting::Waiting;
use crate::{Driver, Durability, NoRoom, Options, PAYLOAD_BYTES_MAX, Poisoned, Position};

/// How long a record waits for a spare that is being made. It bounds what a slow disk can do to the hot path.
const SPARE_WAIT: Duration = Duration::from_millis(20);

pub(crate) struct Core<D: Disk> {
    pub(crate) disk: D,
    pub(crate) options: Options,
    state: Mutex<State<D::File>>,
    pub(crate) syncer: Mutex<Syncer>,
    /// One at a time makes spares and deletes segments.
    pub(crate) keeper: Mutex<()>,
    durable: AtomicU64,
    pub(crate) waiting: Waiting,
    /// There is something to sync, or the end.
    pub(crate) sync_due: Condvar,
    /// There is a spare to make or a segment to delete, or the end.
    pub(crate) keep_due: Condvar,
    /// A spare was made or could not be.
    pub(crate) spare_tried: Condvar,
    /// The journal is durable further, or poisoned.
    pub(crate) synced: Condvar,
    _lock: D::Lock,
}

impl<D: Disk> Core<D> {
    pub(crate) fn new(disk: D, lock: D::Lock, options: Options, state: State<D::File>) -> Core<D> {
        let durable = state.end;
        let syncer = Syncer::new(state.headed);
        Core {
            disk,
            options,
            state: Mutex::new(state),
            syncer: Mutex::new(syncer),
            keeper: Mutex::new(()),
            durable: AtomicU64::new(durable),
            waiting: Waiting::default(),
            sync_due: Condvar::new(),
            keep_due: Condvar::new(),
            spare_tried: Condvar::new(),
            synced: Condvar::new(),
            _lock: lock,
        }
    }

    /// A panic under the lock is a broken promise of the room accounting; what it guards is whole at every step.
    pub(crate) fn state(&self) -> MutexGuard<'_, State<D::File>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// True when the threads do the work beside the hot path.
    pub(crate) fn has_threads(&self) -> bool {
        self.options.driver == Driver::Threads
    }

    /// Writes a record that leaves the promised space alone. With `is_intent` it promises space for one more.
    pub(crate) fn append(&self, is_intent: bool, kind: u8, payload: &[u8]) -> Result<Position, NoRoom> {
        assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a payload of {} bytes is too long", payload.len());
        let bytes = frame::bytes_of(payload);
        let mut state = self.admit(bytes, u64::from(is_intent))?;
        match state.write(self.durable(), Mark::Record, kind, payload) {
            Ok(end) => {
                if is_intent {
                    state.take_room();
                }
                self.wake(state);
                Ok(Position::new(end))
            }
            Err(error) => Err(self.poison(state, "write", &error).into()),
        }
    }

    /// Writes a record into promised space. On a journal that is unusable it does nothing.
    pub(crate) fn finish(&self, kind: u8, payload: &[u8]) -> Position {
        let mut state = self.state();
        state.give_room_back();
        let never = Position::new(state.end + frame::bytes_of(payload));
        if state.poison.is_some() || state.is_closed {
            return never;
        }
        match state.write(self.durable(), Mark::Record, kind, payload) {
            Ok(end) => {
                self.wake(state);
                Position::new(end)
            }
            Err(error) => {
                self.poison(state, "write", &error);
                never
            }
        }
    }

    pub(crate) fn give_back(&self) {
        self.state().give_room_back();
    }

    /// The lock, once there is space for the record and all promises.
    fn admit(&self, bytes: u64, more: u64) -> Result<MutexGuard<'_, State<D::File>>, NoRoom> {
        let mut state = self.state();
        let mut has_waited = false;
        loop {
            if let Some(poison) = &state.poison {
                return Err(poison.clone().into());
            }
            if state.is_closed {
                return Err(closed().into());
            }
            if state.fits(bytes, more) {
                return Ok(state);
            }
            if has_waited || state.is_spare_refused {
                return Err(NoRoom::Full);
            }
            if self.has_threads() {
                state.is_spare_awaited = true;
                self.keep_due.notify_one();
                let waited = self.spare_tried.wait_timeout(state, SPARE_WAIT).unwrap_or_else(PoisonError::into_inner);
                (state, has_waited) = (waited.0, waited.1.timed_out());
            } else {
                drop(state);
                has_waited = !matches!(self.keep(), Ok(true));
                state = self.state();
            }
        }
    }

    /// Ends a write: lets the threads know when they sleep and have something to do.
    fn wake(&self, mut state: MutexGuard<'_, State<D::File>>) {
        let sync = state.is_syncer_idle && self.is_sync_due(&state);
        let keep = state.is_keeper_idle && self.is_keep_due(&state);
        state.is_syncer_idle &= !sync;
        state.is_keeper_idle &= !keep;
        drop(state);
        if sync {
            self.sync_due.notify_one();
        }
        if keep {
            self.keep_due.notify_one();
        }
    }

    /// True when somebody waits for a sync, or records do.
    pub(crate) fn is_sync_due(&self, state: &State<D::File>) -> bool {
        let durable = self.durable();
        state.wanted > durable || (self.options.durability != Durability::Process && state.end > durable)
    }

    /// True when there is something to delete or a spare to make; after a refusal only the retry makes one.
    pub(crate) fn is_keep_due(&self, state: &State<D::File>) -> bool {
        (state.wants_spare() && !state.is_spare_refused) || state.deletable().is_some()
    }

    /// Tells everyone that the journal is durable up to `end`.
    pub(crate) fn announce(&self, end: u64) {
        self.durable.store(end, Ordering::Release);
        self.waiting.announce(end);
        // Whoever waits looked at the mark under the lock.
        drop(self.state());
        self.synced.notify_all();
    }

    /// Ends all writing, for good. The first reason stays, and the caller is told of it once.
    pub(crate) fn poison(&self, state: MutexGuard<'_, State<D::File>>, what: &str, error: &io::Error) -> Poisoned {
        let poison = Poisoned::new(format_args!("{what}: {error}"));
        let (poison, is_first) = self.shut(state, poison);
        if is_first && let Some(tell) = &self.options.on_poison {
            tell(&poison);
        }
        poison
    }

    /// Ends with the mark of a clean stop. Nothing is written after it.
    pub(crate) fn close(&self) -> Result<Position, Poisoned> {
        {
            let mut state = self.state();
            if let Some(poison) = &state.poison {
                return Err(poison.clone());
            }
            if std::mem::replace(&mut state.is_closed, true) {
                return Err(closed());
            }
        }
        self.sync()?;
        let mut state = self.state();
        if let Err(error) = state.write(self.durable(), Mark::Clean, 0, &[]) {
            return Err(self.poison(state, "write", &error));
        }
        drop(state);
        self.sync()?;
        self.shut(self.state(), closed());
        Ok(Position::new(self.durable()))
    }

    /// Ends all writing; true when that was not so before.
    pub(crate) fn shut(&self, mut state: MutexGuard<'_, State<D::File>>, poison: Poisoned) -> (Poisoned, bool) {
        let is_first = state.poison.is_none();
        let poison = state.poison.get_or_insert(poison).clone();
        drop(state);
        self.waiting.poison(&poison);
        for waiting in [&self.sync_due, &self.keep_due, &self.spare_tried, &self.synced] {
            waiting.notify_all();
        }
        (poison, is_first)
    }
}

fn closed() -> Poisoned {
    Poisoned::new("it was closed")
}
