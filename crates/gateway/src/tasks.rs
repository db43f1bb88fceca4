//! Tasks that outlive the call they belong to, counted, so that a stopping process can wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts what is under way.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    running: AtomicUsize,
    ended: Notify,
    is_stopping: AtomicBool,
    stopping: Notify,
}

/// One thing under way, until it is dropped.
pub(crate) struct Running {
    inner: Arc<Inner>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.inner.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.inner.ended.notify_waiters();
        }
    }
}

impl Tasks {
    /// Counts something as under way.
    pub(crate) fn enter(&self) -> Running {
        self.inner.running.fetch_add(1, Ordering::AcqRel);
        Running { inner: self.inner.clone() }
    }

    /// Runs `task` to its end, independent of the caller. Outside a runtime (the process is ending) it is dropped, and
    /// with it whatever it owns.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let running = self.enter();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                task.await;
                drop(running);
            });
        }
    }

    /// Tells whatever would go on by itself that the process stops.
    pub(crate) fn stop(&self) {
        self.inner.is_stopping.store(true, Ordering::Release);
        self.inner.stopping.notify_waiters();
    }

    /// Returns when the process stops.
    pub(crate) async fn stopping(&self) {
        let told = self.inner.stopping.notified();
        let mut told = core::pin::pin!(told);
        // Listens before it looks, so that nothing is missed in between.
        told.as_mut().enable();
        if !self.inner.is_stopping.load(Ordering::Acquire) {
            told.await;
        }
    }

    /// How much is under way.
    pub(crate) fn running(&self) -> usize {
        self.inner.running.load(Ordering::Relaxed)
    }

    /// Waits until nothing is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.inner.ended.notified();
            if self.inner.running.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}
