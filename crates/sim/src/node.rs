//! What a process has in its memory: gone when it is killed.

use std::collections::{BTreeMap, BTreeSet};

use base::{AccountIndex, AttemptId, Timestamp};
use journal::{FaultDisk, Journal, Position, Room};
use ledger::waiting::{Ticket, Waiting};
use ledger::{Ending, Hold, Lease, LeasePolicy, Ledger, PostedBalance};
use wire::Endpoint;

use crate::line::Line;
use crate::oracle::Numbers;
use crate::scenario::NAMES;

/// As many calls wait at one account.
const WAITING_MAX: usize = 8;
/// As the gateway has it.
const LEASES: LeasePolicy = LeasePolicy { parts: 64 };

/// The process.
pub(crate) struct Node {
    pub(crate) ledger: Ledger,
    pub(crate) waiting: Waiting,
    /// Whose turn it is, untaken.
    pub(crate) turns: BTreeSet<Ticket>,
    /// The version of the settings that each account was last configured with.
    pub(crate) versions: [u64; NAMES.len()],
    /// What accounts were charged before this process started, until they are first used.
    pub(crate) restored: BTreeMap<usize, Vec<PostedBalance>>,
    /// The start that counted the last loss of power.
    pub(crate) loss_epoch: u64,
    /// No grant is dated before it.
    pub(crate) not_before: Timestamp,
    pub(crate) journal: Journal<FaultDisk>,
    pub(crate) epoch: u64,
    pub(crate) attempts: u64,
    pub(crate) tickets: u64,
    /// How far the applier is.
    pub(crate) applied: Position,
    pub(crate) applier: Applier,
    pub(crate) calls: Vec<Call>,
    pub(crate) jobs: Vec<Job>,
}

/// Where the applier is in its round.
pub(crate) enum Applier {
    Idle,
    Read {
        lines: Vec<Line>,
        reached: Position,
    },
    /// The position is in the store, and the rows are not.
    Half {
        lines: Vec<Line>,
        reached: Position,
    },
    Stored {
        lines: Vec<Line>,
        reached: Position,
    },
}

/// One call.
pub(crate) struct Call {
    pub(crate) path: usize,
    /// What it can cost at most as its client asked for it.
    pub(crate) asked: Numbers,
    /// What is to be held.
    pub(crate) worst: Numbers,
    /// The client named no output limit.
    pub(crate) may_limit: bool,
    pub(crate) ticket: Ticket,
    /// Of the monotonic clock, in seconds.
    pub(crate) deadline: u64,
    /// When it came.
    pub(crate) at: Timestamp,
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) hold: Option<Hold>,
    pub(crate) room: Option<Room<FaultDisk>>,
    /// Where its intent ends in the journal.
    pub(crate) intent: Option<Position>,
    pub(crate) waits_at: Option<AccountIndex>,
    pub(crate) has_hung_up: bool,
    /// It makes a batch, which goes on at its provider.
    pub(crate) makes_batch: bool,
    pub(crate) stage: Stage,
}

impl Call {
    pub(crate) fn endpoint(&self) -> Endpoint {
        if self.makes_batch { Endpoint::BatchCreate } else { Endpoint::ChatCompletions }
    }
}

/// What a call does next.
pub(crate) enum Stage {
    /// Look at the books.
    Ask,
    /// Make leases durable that stand in the journal.
    Granting { leases: Vec<Lease>, written: Option<Position> },
    /// Use leases that are durable.
    Extending { leases: Vec<Lease> },
    /// Wait for a turn.
    Wait,
    /// Write the intent.
    Held,
    /// Forward.
    Written,
    /// Wait for the head of the answer.
    Forwarded,
    /// Let the client see it.
    Answered(Answer),
    /// Pass the rest and write the end.
    Passing(Answer),
    /// Free the money.
    Ended(Ending),
    /// Give the client the last bytes.
    Freed { is_whole: bool },
    /// Leave held what goes on at its provider.
    Kept,
    /// Note the batch that was made.
    Made,
    /// Tell the client which batch it is.
    Noted,
    /// Nothing.
    Gone,
}

/// How an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With its usage.
    Whole(Numbers),
    /// It breaks off after so much.
    Cut(Numbers),
    /// Nothing is billed.
    Refused,
    /// Nobody learns what it cost.
    Unknown,
    /// A batch was made: what it costs is known when it has ended.
    Kept,
}

/// What goes on beside the calls.
pub(crate) enum Job {
    /// A lease is extended before somebody has to wait for it.
    Refill { leases: Vec<Lease>, written: Option<Position>, is_durable: bool },
    /// A decision is used, and told, when it is durable.
    Decide { attempt: AttemptId, written: Position, charged: Numbers, is_evidence: bool },
    /// A batch has ended: that is used when it is durable.
    EndBatch { attempt: AttemptId, written: Position, used: Numbers },
    /// Nothing is left to look after of a batch.
    ForgetBatch { attempt: AttemptId },
    /// A refund is used when it is durable.
    Refund { attempt: AttemptId, written: Position, taken: Numbers },
}

impl Node {
    pub(crate) fn new(journal: Journal<FaultDisk>, epoch: u64, applied: Position, has_leases: bool) -> Node {
        Node {
            ledger: if has_leases { Ledger::with_leases(LEASES) } else { Ledger::new() },
            waiting: Waiting::new(WAITING_MAX),
            turns: BTreeSet::new(),
            versions: [0; NAMES.len()],
            restored: BTreeMap::new(),
            loss_epoch: 0,
            not_before: Timestamp::EPOCH,
            journal,
            epoch,
            attempts: 0,
            tickets: 0,
            applied,
            applier: Applier::Idle,
            calls: Vec::new(),
            jobs: Vec::new(),
        }
    }
}
