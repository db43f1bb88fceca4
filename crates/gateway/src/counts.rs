//! What the relay counts of its calls, for those who watch it. All labels are from closed sets: no tenant, key or model.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{Refusal, Window};
use ledger::Ending;

/// The windows that can refuse, in the order in which they are counted.
pub(crate) const WINDOWS: [(Window, &str); 7] = [
    (Window::RequestsPerMinute, "requests_per_minute"),
    (Window::RequestsPerHour, "requests_per_hour"),
    (Window::RequestsPerDay, "requests_per_day"),
    (Window::TokensPerMinute, "tokens_per_minute"),
    (Window::TokensPerDay, "tokens_per_day"),
    (Window::TokensPerMonth, "tokens_per_month"),
    (Window::Concurrency, "concurrency"),
];
/// How attempts end.
pub(crate) const ENDINGS: [&str; 4] = ["complete", "cut", "refused", "unknown"];

/// Of all calls: answers by the class of their status, and refusals by their code.
#[derive(Default)]
pub(crate) struct Counts {
    /// From 1xx to 5xx.
    answers: [AtomicU64; 5],
    refusals: [AtomicU64; Refusal::CODES.len()],
}

impl Counts {
    pub(crate) fn answered(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5);
        self.answers[class - 1].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self, refusal: &Refusal) {
        if let Some(place) = Refusal::CODES.iter().position(|code| *code == refusal.code()) {
            self.refusals[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers by class, `1xx` first.
    pub(crate) fn answers(&self) -> [u64; 5] {
        self.answers.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Refusals in the order of [`Refusal::CODES`].
    pub(crate) fn refusals(&self) -> [u64; Refusal::CODES.len()] {
        self.refusals.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// What one shard counts under its lock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ShardCounts {
    /// In the order of [`WINDOWS`].
    pub(crate) windows: [u64; WINDOWS.len()],
    /// In the order of [`ENDINGS`].
    pub(crate) endings: [u64; ENDINGS.len()],
}

impl ShardCounts {
    pub(crate) fn window_refused(&mut self, window: Window) {
        if let Some(place) = WINDOWS.iter().position(|(known, _)| *known == window) {
            self.windows[place] += 1;
        }
    }

    pub(crate) const fn ended(&mut self, ending: &Ending) {
        let place = match ending {
            Ending::Complete(_) => 0,
            Ending::Cut(_) => 1,
            Ending::Refused => 2,
            Ending::Unknown => 3,
        };
        self.endings[place] += 1;
    }

    pub(crate) fn add(&mut self, other: &ShardCounts) {
        self.windows.iter_mut().zip(other.windows).for_each(|(sum, more)| *sum += more);
        self.endings.iter_mut().zip(other.endings).for_each(|(sum, more)| *sum += more);
    }
}

/// Upper edges of the histogram of waits, in milliseconds.
pub(crate) const WAIT_EDGES_MS: [u64; 10] = [1, 5, 10, 50, 100, 500, 1_000, 2_500, 5_000, 10_000];

/// How long calls waited for their turn at one upstream. Calls that need not wait are not in it, so that they pay
/// nothing for it.
#[derive(Default)]
pub(crate) struct WaitHistogram {
    /// By edge, and one for what is beyond the last.
    counts: [AtomicU64; WAIT_EDGES_MS.len() + 1],
    micros: AtomicU64,
    /// Those whose turn did not come.
    given_up: AtomicU64,
}

impl WaitHistogram {
    pub(crate) fn note(&self, waited: Duration, was_called: bool) {
        let place = WAIT_EDGES_MS.iter().position(|&edge| waited <= Duration::from_millis(edge));
        self.counts[place.unwrap_or(WAIT_EDGES_MS.len())].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.given_up.fetch_add(u64::from(!was_called), Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> WaitCounts {
        WaitCounts {
            counts: self.counts.each_ref().map(|count| count.load(Ordering::Relaxed)),
            micros: self.micros.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
        }
    }
}

/// The histogram at one moment.
pub(crate) struct WaitCounts {
    pub(crate) counts: [u64; WAIT_EDGES_MS.len() + 1],
    pub(crate) micros: u64,
    pub(crate) given_up: u64,
}
