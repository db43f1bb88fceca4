//! What windows look like from outside, and why a call was not admitted.

use core::time::Duration;

use base::{AccountIndex, ModelId, Part, Window};
use thiserror::Error;

/// The window that stands in the way of a call. When several do, it is the one that does so longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the limit of {limit} {window} of account {account:?} is reached")]
pub struct Breach {
    /// Whose limit.
    pub account: AccountIndex,
    /// Of which of its calls.
    pub part: Part,
    /// Which one.
    pub window: Window,
    /// Its size.
    pub limit: u64,
    /// After this long the same call is admitted, when nothing else was admitted meanwhile and, for concurrency, when
    /// the calls under way have ended. The window's length when `is_never`.
    pub retry_after: Duration,
    /// The call asks for more than the limit and is not admitted by waiting.
    pub is_never: bool,
    /// Everything is refused for a while because the limit was reached.
    pub is_block: bool,
    /// It was this call that reached it.
    pub begins_block: bool,
}

/// A breach of which it is not said whose limit it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Obstacle {
    pub(crate) window: Window,
    pub(crate) limit: u64,
    pub(crate) retry_after: Duration,
    pub(crate) is_never: bool,
    pub(crate) is_block: bool,
    pub(crate) begins_block: bool,
}

impl Obstacle {
    /// Which of two to report: one that waiting cannot end, then the longer wait.
    pub(crate) fn graver(self, other: Obstacle) -> Obstacle {
        let gravity = |one: &Obstacle| (one.is_never, one.retry_after);
        if gravity(&other) > gravity(&self) { other } else { self }
    }
}

impl Breach {
    pub(crate) const fn new(account: AccountIndex, part: Part, obstacle: Obstacle) -> Breach {
        let Obstacle { window, limit, retry_after, is_never, is_block, begins_block } = obstacle;
        Breach { account, part, window, limit, retry_after, is_never, is_block, begins_block }
    }

    /// As for obstacles.
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
    /// What can still be taken now; zero also when the limit was lowered below `used`, and while everything is refused.
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

/// A limit that is evaluated and not enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowStatus {
    /// Of which of the account's calls.
    pub part: Part,
    /// The model, where it is for one.
    pub model: Option<ModelId>,
    /// The limit, and what counts of the calls that it would have admitted. For end users `used` is zero: each has
    /// its own.
    pub status: WindowStatus,
    /// How many calls it would have refused since the process began or the limit was set.
    pub refused: u64,
}

/// Windows of one model of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    /// The model.
    pub model: ModelId,
    /// Its windows.
    pub windows: Vec<WindowStatus>,
    /// How long everything is refused yet, and because of which limit.
    pub blocked: Option<(Duration, Window)>,
}

/// What one limit says to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedLimit {
    /// Whose limit.
    pub account: AccountIndex,
    /// Of which of its calls.
    pub part: Part,
    /// The limit and what counts against it.
    pub status: WindowStatus,
    /// What the call takes of it.
    pub needs: u64,
    /// How long the call has to wait for this limit alone: not at all, so long, or for ever where it is `None`.
    pub wait: Option<Duration>,
    /// Evaluated and not enforced.
    pub is_shadow: bool,
}

/// All that an account's windows say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountReport {
    /// Those of the account as a whole.
    pub windows: Vec<WindowStatus>,
    /// How long everything is refused yet, and because of which limit.
    pub blocked: Option<(Duration, Window)>,
    /// Models with windows of their own.
    pub models: Vec<ModelStatus>,
    /// How many end users are remembered; `None` when they have no windows of their own.
    pub end_users: Option<usize>,
    /// Limits that are only watched.
    pub shadows: Vec<ShadowStatus>,
}
