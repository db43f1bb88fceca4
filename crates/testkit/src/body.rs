//! Answer bodies: whole, or in parts with borders, delays and unhappy ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::render::Event;
use crate::truth::Bill;

/// The connection is to be closed, without a further byte.
#[derive(Debug, thiserror::Error)]
#[error("the simulated provider hangs up")]
pub(crate) struct HangUp;

/// One of the calls that are answered at the same time; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    taken: Arc<AtomicUsize>,
}

impl Slot {
    /// `None` when all are taken.
    pub(crate) fn take(taken: &Arc<AtomicUsize>, concurrency_max: Option<usize>) -> Option<Slot> {
        let slot = Slot { taken: Arc::clone(taken) };
        let before = taken.fetch_add(1, Ordering::AcqRel);
        (before < concurrency_max.unwrap_or(usize::MAX)).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What lives as long as an answer: its bill and its slot.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    pub(crate) bill: Option<Bill>,
    pub(crate) slot: Option<Slot>,
}

impl Guard {
    fn complete(&mut self) {
        if let Some(bill) = &mut self.bill {
            bill.complete();
        }
        self.slot = None;
    }
}

/// The body of every answer.
#[derive(Debug)]
pub(crate) enum SimBody {
    Whole { bytes: Option<Bytes>, guard: Guard },
    Parts(Box<Parts>),
}

/// How the bytes are cut.
#[derive(Debug)]
pub(crate) enum Cuts {
    Events,
    Random { random: fastrand::Rng, chunk_bytes_max: usize },
    EveryByte,
}

/// What follows the last byte.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The end of the body; `whole` is false when something is missing.
    Clean { whole: bool },
    /// The connection closes.
    Abort,
    /// These bytes, again and again.
    Endless(Bytes),
}

/// A body in parts.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) bytes: Bytes,
    pub(crate) events: Vec<Event>,
    pub(crate) cuts: Cuts,
    pub(crate) delay: Duration,
    pub(crate) ending: Ending,
    pub(crate) guard: Guard,
    progress: Progress,
}

#[derive(Debug, Default)]
struct Progress {
    sent_bytes: usize,
    charged_events: usize,
    timer: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    has_flushed: bool,
}

impl Parts {
    pub(crate) fn new(bytes: Bytes, events: Vec<Event>, cuts: Cuts, guard: Guard) -> Parts {
        Parts {
            bytes,
            events,
            cuts,
            delay: Duration::ZERO,
            ending: Ending::Clean { whole: true },
            guard,
            progress: Progress::default(),
        }
    }

    fn next_end(&mut self) -> usize {
        let sent = self.progress.sent_bytes;
        let end = match &mut self.cuts {
            Cuts::Events => {
                self.events.iter().skip(self.progress.charged_events).map(|event| event.end).find(|end| *end > sent)
            }
            Cuts::Random { random, chunk_bytes_max } => Some(sent + random.usize(1..=(*chunk_bytes_max).max(1))),
            Cuts::EveryByte => Some(sent + 1),
        };
        end.unwrap_or(self.bytes.len()).min(self.bytes.len())
    }

    /// Events are produced, and so billed, when their first byte is handed over.
    fn charge_until(&mut self, end: usize) {
        let Some(bill) = &mut self.guard.bill else { return };
        loop {
            let charged = self.progress.charged_events;
            let start = if charged == 0 { 0 } else { self.events[charged - 1].end };
            match self.events.get(charged) {
                Some(event) if start < end => bill.charge_completion(event.tokens),
                _ => return,
            }
            self.progress.charged_events += 1;
        }
    }

    fn poll_delay(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.delay.is_zero() || self.progress.sent_bytes == 0 {
            return Poll::Ready(());
        }
        let delay = self.delay;
        let timer = self.progress.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
        if !self.progress.is_waiting {
            timer.as_mut().reset(Instant::now() + delay);
            self.progress.is_waiting = true;
        }
        ready!(timer.as_mut().poll(context));
        self.progress.is_waiting = false;
        Poll::Ready(())
    }

    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HangUp>>> {
        if self.progress.sent_bytes >= self.bytes.len() {
            return self.poll_ending(context);
        }
        ready!(self.poll_delay(context));
        let end = self.next_end();
        self.charge_until(end);
        let part = self.bytes.slice(self.progress.sent_bytes..end);
        self.progress.sent_bytes = end;
        // Nothing can be lost from here on; and a reader who stops at the last byte never asks for the end.
        if end == self.bytes.len() && matches!(self.ending, Ending::Clean { whole: true }) {
            self.guard.complete();
        }
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn poll_ending(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HangUp>>> {
        match &self.ending {
            Ending::Clean { .. } => Poll::Ready(None),
            Ending::Endless(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes.clone())))),
            Ending::Abort if self.progress.has_flushed => Poll::Ready(Some(Err(HangUp))),
            Ending::Abort => {
                // An error would throw away what is still in the connection's buffer: let it be written first.
                self.progress.has_flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = HangUp;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HangUp>>> {
        match self.get_mut() {
            SimBody::Whole { bytes, guard } => {
                let frame = bytes.take().map(|bytes| Ok(Frame::data(bytes)));
                guard.complete();
                Poll::Ready(frame)
            }
            SimBody::Parts(parts) => parts.poll_part(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, SimBody::Whole { bytes: None, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            SimBody::Whole { bytes, .. } => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            SimBody::Parts(_) => SizeHint::default(),
        }
    }
}
