//! Group commit: one sync makes durable whatever was written before it began.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::chain::Chain;
use crate::core::Core;
use crate::disk::{Disk, DiskFile};
use crate::header::Header;
use crate::segment::Segment;
use crate::state::State;
use crate::{Driver, Durability, Poisoned};

/// How far the syncs are.
pub(crate) struct Syncer {
    /// The segment that has its head and is not durable as a whole.
    number: u64,
    /// Its hash so far.
    chain: Chain,
}

impl Syncer {
    pub(crate) fn new(number: u64) -> Syncer {
        Syncer { number, chain: Chain::new() }
    }
}

/// Why a sync was not made.
enum Failed {
    /// The journal was unusable before.
    Before(Poisoned),
    /// The disk refused.
    Now(&'static str, io::Error),
}

/// One sync: of a segment up to a position, and of whether another segment follows there.
struct Task<F> {
    segment: Arc<Segment<F>>,
    end: u64,
    next: Option<Arc<Segment<F>>>,
}

impl<D: Disk> Core<D> {
    /// Makes durable what is written so far.
    pub(crate) fn sync(&self) -> Result<(), Poisoned> {
        let target = self.state().end;
        loop {
            match self.sync_step(target) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Failed::Before(poison)) => return Err(poison),
                Err(Failed::Now(what, error)) => return Err(self.poison(self.state(), what, &error)),
            }
        }
    }

    /// Syncs one segment; false when the journal is durable up to `target` already.
    fn sync_step(&self, target: u64) -> Result<bool, Failed> {
        let mut syncer = self.syncer.lock().unwrap_or_else(PoisonError::into_inner);
        let task = {
            let state = self.state();
            // After a failed sync the system takes what was lost for clean, and the next sync would succeed.
            if let Some(poison) = &state.poison {
                return Err(Failed::Before(poison.clone()));
            }
            if self.durable() >= target {
                return Ok(false);
            }
            task(&state, syncer.number)
        };
        task.segment.file.sync_data().map_err(|error| Failed::Now("sync", error))?;
        self.announce(task.end);
        self.go_on(&mut syncer, task).map_err(|error| Failed::Now("write after a sync", error))?;
        Ok(true)
    }

    /// Adds to the hash what was synced; writes the head of the next segment when this one is complete.
    fn go_on(&self, syncer: &mut Syncer, task: Task<D::File>) -> io::Result<()> {
        syncer.chain.read_to(&task.segment, task.end)?;
        let Some(next) = task.next else { return Ok(()) };
        next.write_header(&Header {
            number: next.number,
            first: next.first,
            epoch: next.epoch,
            boot: self.options.boot,
            after: None,
            chain: syncer.chain.hash(),
        })?;
        *syncer = Syncer::new(next.number);
        let mut state = self.state();
        state.headed = next.number;
        self.wake_keeper(state);
        Ok(())
    }

    /// Waits until the journal is durable up to `position`.
    pub(crate) fn wait(&self, position: u64) -> Result<(), Poisoned> {
        if self.options.driver == Driver::Caller && self.durable() < position {
            self.sync()?;
        }
        let mut state = self.state();
        loop {
            if self.durable() >= position {
                return Ok(());
            }
            if let Some(poison) = &state.poison {
                return Err(poison.clone());
            }
            state = self.ask(state, position);
            state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Asks for a sync up to `position`.
    pub(crate) fn ask<'a>(
        &self,
        mut state: MutexGuard<'a, State<D::File>>,
        position: u64,
    ) -> MutexGuard<'a, State<D::File>> {
        if state.wanted < position {
            state.wanted = position.min(state.end);
            // One that syncs or lets records gather looks again afterwards.
            if state.is_syncer_idle || state.is_syncer_lingering {
                (state.is_syncer_idle, state.is_syncer_lingering) = (false, false);
                self.sync_due.notify_one();
            }
        }
        state
    }

    /// Leaves records without a sync while nobody waits for one, for a bounded time.
    fn linger<'a>(&'a self, mut state: MutexGuard<'a, State<D::File>>) -> MutexGuard<'a, State<D::File>> {
        if self.options.durability != Durability::Power {
            return state;
        }
        state.is_syncer_lingering = true;
        let goes_on =
            |state: &mut State<D::File>| !state.is_stopping && state.poison.is_none() && state.wanted <= self.durable();
        let waited = self.sync_due.wait_timeout_while(state, self.options.linger, goes_on);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.is_syncer_lingering = false;
        state
    }

    /// Lets records gather after a sync, so that a busy journal pays for fewer of them.
    fn gather<'a>(&'a self, state: MutexGuard<'a, State<D::File>>) -> MutexGuard<'a, State<D::File>> {
        if self.options.durability == Durability::Strict {
            return state;
        }
        let goes_on = |state: &mut State<D::File>| !state.is_stopping && state.poison.is_none();
        let waited = self.sync_due.wait_timeout_while(state, self.options.gather, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// The work of the thread.
    pub(crate) fn run_syncer(&self) {
        let mut state = self.state();
        loop {
            if state.is_stopping || state.poison.is_some() {
                return;
            }
            if self.is_sync_due(&state) {
                drop(self.linger(state));
                if self.sync().is_err() {
                    return;
                }
                state = self.gather(self.state());
            } else {
                state.is_syncer_idle = true;
                state = self.sync_due.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_syncer_idle = false;
            }
        }
    }
}

fn task<F: DiskFile>(state: &State<F>, number: u64) -> Task<F> {
    let (segment, next) = state.pair(number).expect("a segment is kept until the next one has its head");
    let end = next.as_ref().map_or(state.end, |next| next.first);
    Task { segment, end, next }
}
