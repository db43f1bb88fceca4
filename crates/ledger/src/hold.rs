//! Holds and how they end.

use base::{AttemptId, Money, Timestamp};

use crate::amounts::Amounts;
use crate::entry::{AccountPath, Entry};

/// Proof that the worst case of one attempt is reserved on every account of its path.
///
/// It can be spent once: [`crate::Ledger::settle`] takes it by value. One that is dropped keeps its money held until
/// the process ends, so its owner settles it in its own destructor.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a hold that is not settled keeps its money held"]
pub struct Hold {
    pub(crate) attempt: AttemptId,
    pub(crate) worst: Amounts,
    pub(crate) granted_at: Timestamp,
    pub(crate) is_refill_due: bool,
}

impl Hold {
    /// Whose attempt it is for.
    #[must_use]
    pub const fn attempt(&self) -> AttemptId {
        self.attempt
    }

    /// What [`crate::Ledger::settle`] will answer, so that it can be written down before the money is free.
    #[must_use]
    pub fn settlement(&self, ending: Ending) -> Settlement {
        Settlement::of(self.attempt, self.worst, ending)
    }

    /// The time of the grant, which decides its periods: that of the clock, or that of the youngest period of the path
    /// where the clock was set back.
    #[must_use]
    pub const fn granted_at(&self) -> Timestamp {
        self.granted_at
    }

    /// What is held on every account of the path.
    #[must_use]
    pub const fn worst(&self) -> Amounts {
        self.worst
    }

    /// Whether half of the last extension of a lease on the path was used when this was granted: see
    /// [`crate::Ledger::refills_due`].
    #[must_use]
    pub const fn refill_due(&self) -> bool {
        self.is_refill_due
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The provider finished and said what it used.
    Complete(Amounts),
    /// The answer was cut off; this much was used up to then.
    Cut(Amounts),
    /// Provably nothing was billed.
    Refused,
    /// Nobody knows yet: the full hold stays, as a hold, until evidence comes.
    Unknown,
}

/// What an ending did to each account of the path. `charged + released + still_held` is what was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The attempt.
    pub attempt: AttemptId,
    /// What the accounts pay: the amounts used, but never more than was held.
    pub charged: Amounts,
    /// What they can use again.
    pub released: Amounts,
    /// What stays held: everything after [`Ending::Unknown`], else nothing.
    pub still_held: Amounts,
    /// Cost beyond the hold: the operator's, never the tenant's. More than zero is an alarm.
    pub variance: Money,
    /// Tokens used beyond the hold; not counted on any account, so that no limit is ever exceeded.
    pub variance_tokens: u64,
    /// Whether this ended the attempt; false after [`Ending::Unknown`] only.
    pub is_final: bool,
}

impl Settlement {
    /// Splits `worst` by how the attempt ended.
    pub(crate) fn of(attempt: AttemptId, worst: Amounts, ending: Ending) -> Settlement {
        let (used, still_held) = match ending {
            Ending::Complete(used) | Ending::Cut(used) => (used, Amounts::ZERO),
            Ending::Refused => (Amounts::ZERO, Amounts::ZERO),
            Ending::Unknown => (Amounts::ZERO, worst),
        };
        let charged = used.min(worst);
        let excess = used.saturating_sub(worst);
        Settlement {
            attempt,
            charged,
            released: worst.saturating_sub(charged).saturating_sub(still_held),
            still_held,
            variance: excess.usd,
            variance_tokens: excess.tokens,
            is_final: ending != Ending::Unknown,
        }
    }

    /// The line for the log; none while the attempt is unknown, because that ends nothing.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        let settled = Entry::Settled { attempt: self.attempt, charged: self.charged, variance: self.variance };
        self.is_final.then_some(settled)
    }
}

/// An attempt of which nobody knows what it cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unresolved {
    /// The attempt.
    pub attempt: AttemptId,
    /// Who holds for it.
    pub path: AccountPath,
    /// What is held on each account.
    pub worst: Amounts,
    /// Since when.
    pub granted_at: Timestamp,
}
