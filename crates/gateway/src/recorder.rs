//! Carries usage records from calls to the store, off the request path and without losing one.
//!
//! Room for a record is taken together with the hold, so that handing it over at the end can neither fail nor wait.
//! A batch that the store does not take is tried again until it does; meanwhile the room fills and new calls are
//! refused rather than served unrecorded.

use core::time::Duration;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use store::{Store, UsageRecord};

/// How long records gather before they are written together.
const BATCH_INTERVAL: Duration = Duration::from_millis(25);
/// Wait before a refused batch is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The waiting records and the thread that writes them.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    /// Signals the writer that the first record came, or that it should stop.
    arrived: Condvar,
    /// Signals whoever waits in [`Recorder::flush`] that a batch was written.
    written: Condvar,
    /// Slots taken: holds under way plus records not yet written.
    taken: AtomicUsize,
    slots_max: usize,
}

#[derive(Default)]
struct Waiting {
    records: Vec<UsageRecord>,
    /// The writer has a batch in its hands.
    writing: bool,
    stopping: bool,
}

/// Room for one record; given back when the record is durable, or when the slot is dropped unused.
pub(crate) struct Slot {
    shared: Arc<Shared>,
    used: bool,
}

impl Recorder {
    pub(crate) fn start(store: Arc<Store>, slots_max: usize) -> Recorder {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
            taken: AtomicUsize::new(0),
            slots_max,
        });
        let for_writer = shared.clone();
        let writer = std::thread::Builder::new()
            .name("mandant-recorder".into())
            .spawn(move || write_batches(&for_writer, &store))
            .expect("a thread can be started at process start");
        Recorder { shared, writer: Mutex::new(Some(writer)) }
    }

    /// Room for one record, or `None` when the store is too far behind.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let before = self.shared.taken.fetch_add(1, Ordering::Relaxed);
        let slot = Slot { shared: self.shared.clone(), used: false };
        (before < self.shared.slots_max).then_some(slot)
    }

    /// Blocks until every record handed over so far is durable.
    pub(crate) fn flush(&self) {
        let mut waiting = self.shared.waiting.lock().expect("no panic while records are queued");
        while waiting.writing || !waiting.records.is_empty() {
            waiting = self.shared.written.wait(waiting).expect("no panic while records are queued");
        }
    }

    /// Writes what is left and ends the thread.
    pub(crate) fn stop(&self) {
        self.shared.waiting.lock().expect("no panic while records are queued").stopping = true;
        self.shared.arrived.notify_all();
        let writer = self.writer.lock().expect("no panic while the writer is joined").take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the usage writer panicked");
        }
    }
}

impl Slot {
    /// Hands a record over; it will be written.
    pub(crate) fn record(mut self, record: UsageRecord) {
        self.used = true;
        let mut waiting = self.shared.waiting.lock().expect("no panic while records are queued");
        let first = waiting.records.is_empty();
        waiting.records.push(record);
        drop(waiting);
        if first {
            self.shared.arrived.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.used {
            self.shared.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The writer: sleeps until a record comes, lets more gather, writes them in one transaction.
fn write_batches(shared: &Shared, store: &Store) {
    loop {
        let mut waiting = shared.waiting.lock().expect("no panic while records are queued");
        while waiting.records.is_empty() && !waiting.stopping {
            waiting = shared.arrived.wait(waiting).expect("no panic while records are queued");
        }
        if !waiting.stopping {
            waiting =
                shared.arrived.wait_timeout(waiting, BATCH_INTERVAL).expect("no panic while records are queued").0;
        }
        if waiting.records.is_empty() {
            return;
        }
        let batch = core::mem::take(&mut waiting.records);
        waiting.writing = true;
        drop(waiting);
        write(store, &batch);
        shared.taken.fetch_sub(batch.len(), Ordering::Relaxed);
        shared.waiting.lock().expect("no panic while records are queued").writing = false;
        shared.written.notify_all();
    }
}

/// Writes one batch, however often it takes. The store ignores records that it already has.
fn write(store: &Store, batch: &[UsageRecord]) {
    let mut failures = 0_u32;
    while let Err(error) = store.record_usage(batch) {
        failures += 1;
        tracing::error!(%error, failures, records = batch.len(), "usage cannot be recorded; trying again");
        std::thread::park_timeout(RETRY_INTERVAL);
    }
}
