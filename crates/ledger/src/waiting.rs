//! Who waits for money, and who is tried first: one queue per account, the oldest call at its head.
//!
//! A call whose shortage `fits_alone` waits at the account that is short. A call that comes later on a path where
//! somebody waits, waits too ([`Waiting::ahead_on`]): it would take what the others wait for. When money becomes free,
//! a [`Round`] gives the heads of the path's queues, oldest first, until each is either empty or has a head that does
//! not fit. A call that turns out to be short at another account goes to the queue there with its age; who is tried asks [`Waiting::ahead_on`] for
//! its own path first, and goes there if somebody older waits. At its deadline
//! a call leaves first and tries once more for itself, whatever the order.
//!
//! Nothing here knows a clock or an amount: deadlines and reservations are the caller's.

use std::collections::{BTreeSet, HashMap};

use base::{AccountIndex, AccountMap, NumberHashing};
use smallvec::SmallVec;
use thiserror::Error;

/// Who waits; a smaller number is older. Its owner numbers calls as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// As many wait at this account as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many calls wait for account {0:?}")]
pub struct Full(pub AccountIndex);

/// The queues of one shard of tenants.
///
/// Every operation costs a hash and a step in an ordered set of bounded size.
#[derive(Debug, Clone)]
pub struct Waiting {
    queues: AccountMap<BTreeSet<Ticket>>,
    places: HashMap<Ticket, AccountIndex, NumberHashing>,
    per_account_max: usize,
}

impl Waiting {
    /// Empty queues of at most so many calls each.
    #[must_use]
    pub fn new(per_account_max: usize) -> Waiting {
        Waiting { queues: AccountMap::default(), places: HashMap::default(), per_account_max }
    }

    /// Puts a call into the queue of an account, by its age.
    ///
    /// # Errors
    /// [`Full`], and nothing is changed.
    ///
    /// # Panics
    /// When the ticket waits already.
    pub fn join(&mut self, account: AccountIndex, ticket: Ticket) -> Result<(), Full> {
        assert!(!self.places.contains_key(&ticket), "a ticket waits in one place");
        self.enter(account, ticket)
    }

    fn enter(&mut self, account: AccountIndex, ticket: Ticket) -> Result<(), Full> {
        if self.waiting_at(account) >= self.per_account_max {
            return Err(Full(account));
        }
        self.queues.entry(account).or_default().insert(ticket);
        self.places.insert(ticket, account);
        Ok(())
    }

    /// Ends a call's wait: it was granted, refused or hung up, or its deadline has come. It is not tried after that.
    ///
    /// Says at whose head it was, if at one: the next there may fit, so that a round is due on that account.
    pub fn leave(&mut self, ticket: Ticket) -> Option<AccountIndex> {
        let account = self.places.remove(&ticket)?;
        let queue = self.queues.get_mut(&account).expect("who waits is in the queue of its place");
        let was_head = queue.first() == Some(&ticket);
        queue.remove(&ticket);
        if queue.is_empty() {
            self.queues.remove(&account);
        }
        was_head.then_some(account)
    }

    /// The first account of the path, from the tenant down, at which somebody waits who is older than `ticket`: it
    /// joins there rather than overtake.
    #[must_use]
    pub fn ahead_on(&self, path: &[AccountIndex], ticket: Ticket) -> Option<AccountIndex> {
        path.iter().copied().find(|&account| self.head(account).is_some_and(|head| head < ticket))
    }

    /// Begins to try those who wait on a path, because money has become free there.
    #[must_use]
    pub fn round(&self, path: &[AccountIndex]) -> Round {
        Round { open: path.iter().copied().filter(|&account| self.head(account).is_some()).collect() }
    }

    /// The oldest that waits at an account.
    #[must_use]
    pub fn head(&self, account: AccountIndex) -> Option<Ticket> {
        self.queues.get(&account)?.first().copied()
    }

    /// Where a ticket waits.
    #[must_use]
    pub fn place_of(&self, ticket: Ticket) -> Option<AccountIndex> {
        self.places.get(&ticket).copied()
    }

    /// How many wait at an account.
    #[must_use]
    pub fn waiting_at(&self, account: AccountIndex) -> usize {
        self.queues.get(&account).map_or(0, BTreeSet::len)
    }

    /// How many wait in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

/// One pass over the queues of a path. Between [`Round::next_to_try`] and the report of what became of it, nobody joins
/// or leaves.
#[derive(Debug, Clone)]
pub struct Round {
    /// The accounts whose heads are still worth a try.
    open: SmallVec<[AccountIndex; 8]>,
}

impl Round {
    /// The oldest head that was not found to lack money in this round.
    #[must_use]
    pub fn next_to_try(&self, waiting: &Waiting) -> Option<Ticket> {
        self.open.iter().filter_map(|&account| waiting.head(account)).min()
    }

    /// The ticket got its money, or was refused for good: it leaves, and the next in its queue is tried.
    pub fn done(&mut self, waiting: &mut Waiting, ticket: Ticket) {
        waiting.leave(ticket);
    }

    /// The ticket still lacks money, at `account`. Where it stays at the head, nobody behind it is tried in this round;
    /// else it moves to the queue there by its age, and the next of the old queue is tried.
    ///
    /// # Errors
    /// [`Full`] when that queue takes nobody: the ticket has left and is to be refused.
    pub fn still_short(&mut self, waiting: &mut Waiting, ticket: Ticket, account: AccountIndex) -> Result<(), Full> {
        if waiting.place_of(ticket) != Some(account) {
            waiting.leave(ticket);
            waiting.enter(account, ticket)?;
        }
        // The oldest of all heads that were open is the head wherever it goes, if anything is open there.
        self.open.retain(|open| *open != account);
        Ok(())
    }
}
