//! Word to a connection that the process stops: it takes no further request.

use core::pin::Pin;
use core::task::{Context, Poll};

use tokio::sync::watch;

/// See the module's description.
pub(super) struct Stopping {
    stop: watch::Receiver<bool>,
    /// Made when somebody waits for the first time.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stopping {
    pub(super) fn new(stop: watch::Receiver<bool>) -> Stopping {
        Stopping { stop, waiting: None }
    }

    pub(super) fn is_on(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ready once the process stops, and ever after.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_on() {
            return Poll::Ready(());
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut stop = self.stop.clone();
            Box::pin(async move {
                // Whoever could say that it stops has gone: it stops.
                let _stops = stop.wait_for(|stops| *stops).await;
            })
        });
        waiting.as_mut().poll(cx)
    }
}
