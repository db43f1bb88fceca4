//! Carries what the journal has on disk into the store, off the request path: a thread that reads, applies and confirms.
//!
//! Records are applied in batches, each in one transaction together with the position it reaches, so that a batch counts
//! once however often it is given. A batch that the store does not take is tried again until it does; meanwhile the
//! journal grows, and new calls are refused once it is too far ahead.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use journal::{Journal, Position};
use store::{Gathered, Store};

/// How long records gather before they are applied together.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How much the applier lets calls go first on a core that it shares with them. At 5 a call that wakes up runs at once,
/// and on a core that is never idle the applier still has a quarter of it, which is more than it needs.
const NICENESS: i32 = 5;
/// Most bytes of records in one batch: its commit takes the core for a moment, and there may be but one.
const BATCH_BYTES_MAX: usize = 512 << 10;
/// Steps after which the applier lets whoever waits for its core go first. A step takes one to three microseconds. To
/// sleep instead was tried: it cost a tenth of a call's processor time on a busy core, and late answers came no sooner.
const STEPS_A_TURN: u32 = 16;
/// An applier that has more bytes of records to apply than this lets nobody go first: it would fall behind for good.
const BEHIND_BYTES: u64 = 8 << 20;
/// Wait before a refused batch is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// A process that stops gives a batch up after so many failures.
const STOP_FAILURES_MAX: u32 = 10;

/// The thread and what it is asked.
pub(crate) struct Applier {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    journal: Journal,
    store: Arc<Store>,
    applied: AtomicU64,
    orders: Mutex<Orders>,
    /// Wakes the thread before its interval is over.
    ordered: Condvar,
    /// Wakes whoever waits in [`Applier::flush`].
    done: Condvar,
}

#[derive(Default)]
struct Orders {
    /// Somebody waits until this many rounds were begun after it asked.
    rounds_wanted: u64,
    rounds_begun: u64,
    rounds_done: u64,
    stopping: bool,
}

impl Applier {
    /// Starts applying after `applied`.
    pub(crate) fn start(journal: Journal, store: Arc<Store>, applied: Position) -> Applier {
        let shared = Arc::new(Shared {
            journal,
            store,
            applied: AtomicU64::new(applied.get()),
            orders: Mutex::default(),
            ordered: Condvar::new(),
            done: Condvar::new(),
        });
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("mandant-applier".into())
            .spawn(move || for_thread.run())
            .expect("a thread can be started at process start");
        Applier { shared, thread: Mutex::new(Some(thread)) }
    }

    /// The position up to which everything is in the store.
    pub(crate) fn applied(&self) -> Position {
        Position::new(self.shared.applied.load(Ordering::Relaxed))
    }

    /// Blocks until everything that was journalled before this call is in the store, and says whether it is: not where
    /// the journal cannot be written any more, or the process stops.
    pub(crate) fn flush(&self) -> bool {
        let end = self.shared.journal.end();
        let mut orders = self.shared.orders.lock().expect("no panic while orders are given");
        let wanted = orders.rounds_begun + 1;
        orders.rounds_wanted = orders.rounds_wanted.max(wanted);
        self.shared.ordered.notify_one();
        while orders.rounds_done < wanted && !orders.stopping {
            orders = self.shared.done.wait(orders).expect("no panic while orders are given");
        }
        self.applied() >= end
    }

    /// Applies what is left and ends the thread.
    pub(crate) fn stop(&self) {
        self.shared.orders.lock().expect("no panic while orders are given").stopping = true;
        self.shared.ordered.notify_one();
        let thread = self.thread.lock().expect("no panic while the thread is joined").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the applier panicked; the journal keeps what was not applied");
        }
    }
}

impl Shared {
    fn run(&self) {
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::debug!(%error, "the applier runs at the priority of calls");
        }
        loop {
            let stopping = self.await_round();
            self.apply_everything();
            let mut orders = self.orders.lock().expect("no panic while orders are given");
            orders.rounds_done = orders.rounds_begun;
            drop(orders);
            self.done.notify_all();
            if stopping {
                return;
            }
        }
    }

    /// Sleeps until the interval is over or somebody asks; says whether this is the last round.
    fn await_round(&self) -> bool {
        let orders = self.orders.lock().expect("no panic while orders are given");
        let idle = |orders: &mut Orders| !orders.stopping && orders.rounds_wanted <= orders.rounds_begun;
        let (mut orders, _) =
            self.ordered.wait_timeout_while(orders, BATCH_INTERVAL, idle).expect("no panic while orders are given");
        orders.rounds_begun += 1;
        orders.stopping
    }

    /// Applies all that is in the journal now. What is not on the disk yet is synced first: the store must never know
    /// more than the journal. A batch that fails is read and given again, however often it takes.
    fn apply_everything(&self) {
        let Ok(until) = self.journal.sync() else { return };
        let mut failures = 0_u32;
        while self.applied.load(Ordering::Relaxed) < until.get() {
            match self.apply_batch() {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::error!(error, failures, "records cannot be applied; trying again");
                    // The journal keeps them for the next start.
                    if failures >= STOP_FAILURES_MAX && self.is_stopping() {
                        return;
                    }
                    std::thread::park_timeout(RETRY_INTERVAL);
                }
            }
        }
    }

    fn is_stopping(&self) -> bool {
        self.orders.lock().expect("no panic while orders are given").stopping
    }

    fn apply_batch(&self) -> Result<(), String> {
        let after = Position::new(self.applied.load(Ordering::Relaxed));
        let behind = self.journal.end().get().saturating_sub(after.get());
        let mut turns = Turns::new(behind);
        let mut gathered = Gathered::with_room(BATCH_BYTES_MAX.min(usize::try_from(behind).unwrap_or(BATCH_BYTES_MAX)));
        let read = self.journal.read(after, BATCH_BYTES_MAX, &mut |_, kind, payload| {
            gathered.take(kind, payload);
            turns.step();
        });
        let reached = read.map_err(|error| error.to_string())?;
        let applied = self.store.apply_gathered(&gathered, reached.get(), &mut || turns.step());
        applied.map_err(|error| error.to_string())?;
        self.applied.store(reached.get(), Ordering::Relaxed);
        self.journal.applied(reached);
        Ok(())
    }
}

/// When to let others have the core: where there is but one, what the applier does at a stretch is what a call waits.
struct Turns {
    gives_way: bool,
    steps: u32,
}

impl Turns {
    fn new(behind_bytes: u64) -> Turns {
        Turns { gives_way: behind_bytes <= BEHIND_BYTES, steps: 0 }
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.gives_way && self.steps.is_multiple_of(STEPS_A_TURN) {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use journal::RealDisk;

    use super::*;

    /// [`base::AttemptId`] 1-1, as it is ended before it left.
    fn void() -> (u8, Vec<u8>) {
        let mut payload = Vec::new();
        let attempt = base::AttemptId { epoch: 1, sequence: 1 };
        let kind = store::Record::Void(attempt).encode(&mut payload);
        (kind, payload)
    }

    #[test]
    fn flush_tells_whether_the_store_has_everything() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let options = journal::Options::new(1, journal::BootId([1; 16]));
        let disk = RealDisk::new(&folder.path().join("journal"));
        let (journal, recovered) = Journal::open(disk, options, Position::new(0)).unwrap();
        drop(recovered);
        let applier = Applier::start(journal.clone(), store, Position::new(0));
        let (kind, payload) = void();
        journal.append(kind, &payload).unwrap();
        assert!(applier.flush());
        applier.stop();
        journal.append(kind, &payload).unwrap();
        assert!(!applier.flush(), "what came after the stop is in no store");
    }
}
