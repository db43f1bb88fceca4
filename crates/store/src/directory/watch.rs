//! The thread that brings changes into force: at once for this process, soon for others.

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::Directory;
use crate::{StoreError, database};

/// How often other processes' writes are looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Dropped, it ends the thread.
#[derive(Debug)]
pub struct WatchGuard {
    stopping: Arc<AtomicBool>,
    directory: Weak<Directory>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(directory) = self.directory.upgrade() {
            directory.store.signal.raise();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches for changes panicked");
        }
    }
}

/// Starts the thread, with a connection of its own.
pub(super) fn start(directory: &Arc<Directory>) -> Result<WatchGuard, StoreError> {
    let connection = database::open_reader(directory.store.data_dir())?;
    let stopping = Arc::new(AtomicBool::new(false));
    let (for_thread, weak) = (stopping.clone(), Arc::downgrade(directory));
    let watched = weak.clone();
    let thread = std::thread::Builder::new()
        .name("mandant-watch".into())
        .spawn(move || run(&watched, &connection, &for_thread))
        .map_err(|error| StoreError::file(directory.store.data_dir(), error))?;
    Ok(WatchGuard { stopping, directory: weak, thread: Some(thread) })
}

fn run(directory: &Weak<Directory>, connection: &Connection, stopping: &AtomicBool) {
    // Nothing seen yet, so that what changed since the directory was loaded is found in the first round.
    let (mut seen_generation, mut seen_version) = (0, None);
    while let Some(directory) = directory.upgrade() {
        if stopping.load(Ordering::Acquire) {
            return;
        }
        let generation = directory.store.signal.generation();
        let version = data_version(connection);
        if generation != seen_generation || version.is_none() || version != seen_version {
            match directory.sync() {
                Ok(_) => (seen_generation, seen_version) = (generation, version),
                Err(error) => tracing::error!(%error, "changes cannot be read; the last known ones stay in force"),
            }
        }
        let signal = directory.store.signal.clone();
        // Not kept while waiting: the directory must be able to end.
        drop(directory);
        signal.wait(generation, POLL_INTERVAL);
    }
}

/// A number that changes with every commit of another connection.
fn data_version(connection: &Connection) -> Option<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).ok()
}
