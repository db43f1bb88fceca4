//! What goes into the queue and what comes out of it.

use core::time::Duration;

use base::{AccountIndex, Moment, Priority};

/// A call that wants a place at an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Whose call: the account of the tenant.
    pub tenant: AccountIndex,
    /// The tenant's share among those of its priority, 1 to 1000.
    pub weight: u32,
    /// Who goes first.
    pub priority: Priority,
    /// The most tokens that the call can use; what it is expected to use is learnt from the tenant's calls.
    pub tokens: u64,
    /// The bytes that it keeps in memory while it waits.
    pub bytes: u64,
}

/// What the queue said to a call.
#[derive(Debug)]
pub enum Entered {
    /// It may go now.
    Admitted(Slot),
    /// It waits; [`crate::queue::Queue::next`] names its ticket when it may go.
    Waiting(Ticket),
    /// Its tenant has as many calls waiting as it may.
    Full {
        /// When there is a place in the tenant's line, and waiting in it is likely to be worth it.
        retry_after: Duration,
    },
}

/// A call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    pub(crate) seat: u32,
    pub(crate) sequence: u64,
}

/// One of the calls that the upstream works on. It goes back with [`crate::queue::Queue::end`].
#[derive(Debug)]
#[must_use = "a slot that is not ended is taken for ever"]
pub struct Slot {
    pub(crate) seat: u32,
    pub(crate) weight: u32,
    /// What its tenant's counter was charged.
    pub(crate) charged: u64,
    /// It was given before its tenant's turn, of what is the tenant's own: not counted.
    pub(crate) is_own: bool,
    pub(crate) tokens: u64,
    pub(crate) started: Moment,
}

impl Slot {
    /// When it was given.
    #[must_use]
    pub const fn started(&self) -> Moment {
        self.started
    }
}

/// In which order waiting calls go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Discipline {
    /// Fairly, as the module's description says.
    #[default]
    Fair,
    /// As they came, whoever asks: for comparison only.
    Fifo,
}

/// The rules of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The order.
    pub discipline: Discipline,
    /// Calls of one tenant that may wait.
    pub requests_max: u32,
    /// Bytes that the waiting calls of one tenant may keep.
    pub bytes_max: u64,
    /// How long a call is going to wait at most: who could not be served in that time is told to come back later.
    pub patience: Duration,
}

/// The state of a queue in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueStatus {
    /// Calls that the upstream may work on at once.
    pub limit: u32,
    /// Calls that it works on.
    pub running: u32,
    /// Calls that wait.
    pub waiting: u32,
    /// Tenants that are remembered.
    pub tenants: u32,
}
