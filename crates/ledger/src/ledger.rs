//! The operations on accounts and holds.

use std::collections::HashMap;

use base::{AccountIndex, AccountMap, AttemptId, NumberHashing, PATH_LEVELS_MAX, Timestamp};

use crate::account::{Account, AccountConfig};
use crate::amounts::{AMOUNT_MAX, Amounts, Available, money};
use crate::balances::{AccountBalances, PostedBalance};
use crate::entry::{AccountPath, Entry};
use crate::hold::{Ending, Hold, Settlement, Unresolved};
use crate::shortage::Shortage;

/// The accounts of one shard of tenants and their open holds. Not to be shared: its owner locks it.
///
/// Every method that takes a path or an account panics when an account was never configured: an account without
/// limits that nobody asked for would be one without protection.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Where an account is in `accounts`.
    places: AccountMap<u32>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) open: HashMap<AttemptId, Open, NumberHashing>,
}

/// A hold as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) places: Places,
    /// Each account's generation at the grant: it says in which periods the money is held.
    pub(crate) generations: [u32; PATH_LEVELS_MAX],
    pub(crate) worst: Amounts,
    granted_at: Timestamp,
    is_unresolved: bool,
}

/// A path as places in the vector of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    places: [u32; PATH_LEVELS_MAX],
    length: u8,
}

impl Places {
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        self.places.into_iter().take(usize::from(self.length)).map(|place| place as usize)
    }
}

impl Ledger {
    /// A ledger without accounts.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Creates an account or changes its limits and time zone. Applied twice it does what it does once.
    ///
    /// A lowered limit stops new holds at once and leaves what is posted and held alone.
    pub fn configure(&mut self, account: AccountIndex, config: &AccountConfig) {
        if let Some(&place) = self.places.get(&account) {
            self.accounts[place as usize].configure(config);
        } else {
            let place = u32::try_from(self.accounts.len()).expect("accounts are fewer than 2^32");
            self.accounts.push(Account::new(account, config));
            self.places.insert(account, place);
        }
    }

    /// Whether the account was configured.
    #[must_use]
    pub fn knows(&self, account: AccountIndex) -> bool {
        self.places.contains_key(&account)
    }

    /// Sets what was charged before this process started, after [`Ledger::configure`] and before the first hold.
    ///
    /// A balance of a period older than the account's current one is ignored.
    pub fn restore(&mut self, account: AccountIndex, posted: &[PostedBalance]) {
        let place = self.place(account);
        for balance in posted {
            self.accounts[place].restore(balance);
        }
    }

    /// Takes `worst` from every account of the path, in every period and of each resource, or takes nothing.
    ///
    /// # Errors
    /// [`Shortage`] with the gravest limit in the way.
    ///
    /// # Panics
    /// When `attempt` has an open hold, or the path is empty, too long, or names an account twice.
    pub fn reserve(
        &mut self,
        path: &[AccountIndex],
        attempt: AttemptId,
        worst: Amounts,
        now: Timestamp,
    ) -> Result<Hold, Shortage> {
        let places = self.places_of(path);
        let at = self.time_on(&places, now);
        let needed = worst.numbers();
        for place in places.iter() {
            self.accounts[place].roll(at);
        }
        if !places.iter().all(|place| self.accounts[place].fits(needed)) {
            let shortage = self.shortage_on(&places, needed, at);
            return Err(shortage.expect("what does not fit has a reason"));
        }
        self.take(places, attempt, worst, at, false);
        Ok(Hold { attempt, worst })
    }

    /// What [`Ledger::reserve`] would answer, without taking anything.
    ///
    /// # Errors
    /// As for [`Ledger::reserve`].
    pub fn check(&self, path: &[AccountIndex], worst: Amounts, now: Timestamp) -> Result<(), Shortage> {
        let places = self.places_of(path);
        self.shortage_on(&places, worst.numbers(), self.time_on(&places, now)).map_or(Ok(()), Err)
    }

    /// The most that one attempt could take of the path; the largest amounts there are where nothing limits it.
    #[must_use]
    pub fn available(&self, path: &[AccountIndex], now: Timestamp) -> Available {
        let places = self.places_of(path);
        let at = self.time_on(&places, now);
        let most = Amounts { usd: money(AMOUNT_MAX), tokens: AMOUNT_MAX };
        let start = Available { now: most, alone: most };
        places
            .iter()
            .map(|place| self.accounts[place].available(at))
            .fold(start, |least, (now, alone)| Available { now: least.now.min(now), alone: least.alone.min(alone) })
    }

    /// Ends a hold, in the periods of its grant. Cannot fail; [`Ending::Unknown`] keeps it as an unresolved hold.
    pub fn settle(&mut self, hold: Hold, ending: Ending) -> Settlement {
        self.end(hold.attempt, ending).expect("a hold is open until it is settled")
    }

    /// Ends an unresolved attempt on later evidence; `None` when there is none of that id, so that evidence may come
    /// twice.
    pub fn resolve(&mut self, attempt: AttemptId, ending: Ending) -> Option<Settlement> {
        if self.open.get(&attempt)?.is_unresolved { self.end(attempt, ending) } else { None }
    }

    /// The attempts of which nobody knows the cost, in no order.
    pub fn unresolved(&self) -> impl Iterator<Item = Unresolved> {
        self.open.iter().filter(|(_, open)| open.is_unresolved).map(|(&attempt, open)| Unresolved {
            attempt,
            path: self.path_of(&open.places),
            worst: open.worst,
            granted_at: open.granted_at,
        })
    }

    /// How many holds are open, the unresolved ones included.
    #[must_use]
    pub fn open_holds(&self) -> usize {
        self.open.len()
    }

    /// All sums of one account.
    #[must_use]
    pub fn balances(&self, account: AccountIndex, now: Timestamp) -> AccountBalances {
        self.accounts[self.place(account)].balances(now)
    }

    /// The log's line for a hold that was just granted.
    #[must_use]
    pub fn entry(&self, hold: &Hold) -> Entry {
        let open = self.open.get(&hold.attempt).expect("a hold is open until it is settled");
        Entry::Held {
            attempt: hold.attempt,
            path: self.path_of(&open.places),
            worst: open.worst,
            granted_at: open.granted_at,
        }
    }

    /// Replays one line of a log: what was granted is held again, whatever the limits are now, and is unresolved until
    /// its end comes. The hold of an open attempt, and the end of one that is not open, change nothing.
    pub fn apply(&mut self, entry: &Entry) {
        match *entry {
            Entry::Held { attempt, path, worst, granted_at } => {
                if self.open.contains_key(&attempt) {
                    return;
                }
                let places = self.places_of(path.accounts());
                let at = self.time_on(&places, granted_at);
                for place in places.iter() {
                    self.accounts[place].roll(at);
                }
                self.take(places, attempt, worst, at, true);
            }
            Entry::Settled { attempt, charged, variance: _ } => {
                // The variance is on nobody's account here: the operator's books have it.
                let _ = self.end(attempt, Ending::Complete(charged));
            }
        }
    }

    /// Takes the amounts that the caller has found to fit.
    fn take(&mut self, places: Places, attempt: AttemptId, worst: Amounts, at: Timestamp, is_replay: bool) {
        let mut generations = [0; PATH_LEVELS_MAX];
        for (level, place) in places.iter().enumerate() {
            let account = &mut self.accounts[place];
            account.hold(worst.numbers(), is_replay);
            generations[level] = account.generation;
        }
        let open = Open { places, generations, worst, granted_at: at, is_unresolved: is_replay };
        let before = self.open.insert(attempt, open);
        assert!(before.is_none(), "an attempt has one hold (I4)");
    }

    /// Ends an open attempt, or marks it as unresolved.
    fn end(&mut self, attempt: AttemptId, ending: Ending) -> Option<Settlement> {
        if ending == Ending::Unknown {
            let open = self.open.get_mut(&attempt)?;
            open.is_unresolved = true;
            return Some(Settlement::of(attempt, open.worst, ending));
        }
        let open = self.open.remove(&attempt)?;
        let settlement = Settlement::of(attempt, open.worst, ending);
        let (worst, charged) = (open.worst.numbers(), settlement.charged.numbers());
        for (place, generation) in open.places.iter().zip(open.generations) {
            self.accounts[place].settle(generation, worst, charged);
        }
        Some(settlement)
    }

    /// The gravest limit in the way on the whole path.
    fn shortage_on(&self, places: &Places, needed: [u64; 2], at: Timestamp) -> Option<Shortage> {
        let found = places.iter().filter_map(|place| self.accounts[place].shortage(needed, at));
        found.reduce(Shortage::graver)
    }

    /// The time that counts for the whole path, so that one grant has one time on all levels.
    fn time_on(&self, places: &Places, now: Timestamp) -> Timestamp {
        places.iter().fold(now, |latest, place| self.accounts[place].latest(latest))
    }

    fn place(&self, account: AccountIndex) -> usize {
        *self.places.get(&account).expect("an account is configured before it is used") as usize
    }

    fn places_of(&self, path: &[AccountIndex]) -> Places {
        assert!((1..=PATH_LEVELS_MAX).contains(&path.len()), "a path has 1 to {PATH_LEVELS_MAX} accounts");
        let mut places = [u32::MAX; PATH_LEVELS_MAX];
        for (level, &account) in path.iter().enumerate() {
            let place = self.place(account) as u32;
            assert!(!places[..level].contains(&place), "an account is once in its path");
            places[level] = place;
        }
        Places { places, length: path.len() as u8 }
    }

    fn path_of(&self, places: &Places) -> AccountPath {
        let mut path = [AccountIndex(0); PATH_LEVELS_MAX];
        let mut length = 0;
        for (level, place) in places.iter().enumerate() {
            path[level] = self.accounts[place].index;
            length = level + 1;
        }
        AccountPath::new(&path[..length])
    }
}
