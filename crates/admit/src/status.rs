//! What windows look like from outside, and why a call was not admitted.

use core::time::Duration;

use base::{AccountIndex, Window};
use thiserror::Error;

/// The window that stands in the way of a call. When several do, it is the one that does so longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the limit of {limit} {window} of account {account:?} is reached")]
pub struct Breach {
    /// Whose limit.
    pub account: AccountIndex,
    /// Which one.
    pub window: Window,
    /// Its size.
    pub limit: u64,
    /// After this long the same call is admitted, when nothing else was admitted meanwhile and, for concurrency, when
    /// the calls under way have ended. The window's length when `is_never`.
    pub retry_after: Duration,
    /// The call asks for more than the limit and is not admitted by waiting.
    pub is_never: bool,
}

impl Breach {
    /// Which of two breaches to report: one that waiting cannot end, then the longer wait.
    pub(crate) fn graver(self, other: Breach) -> Breach {
        let gravity = |one: &Breach| (one.is_never, one.retry_after);
        if gravity(&other) > gravity(&self) { other } else { self }
    }
}

/// How full one window of one account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowStatus {
    /// Which one.
    pub window: Window,
    /// Its size.
    pub limit: u64,
    /// What counts now.
    pub used: u64,
    /// What can still be taken now; zero also when the limit was lowered below `used`.
    pub remaining: u64,
    /// How long until nothing counts any more, when nothing else is admitted; zero for concurrency, where nobody
    /// knows.
    pub resets_in: Duration,
}

/// The windows of a path that have least left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tightest {
    /// Of requests per minute, hour and day on all levels; `None` when there are none.
    pub request: Option<WindowStatus>,
    /// Of tokens per minute and day on all levels; `None` when there are none.
    pub tokens: Option<WindowStatus>,
}
