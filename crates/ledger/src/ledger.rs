//! The operations on accounts and holds.

use std::collections::HashMap;

use base::{
    AccountIndex, AccountMap, AttemptId, BudgetPeriod, Budgets, Chunks, NumberHashing, PATH_LEVELS_MAX, Timestamp,
};

use crate::account::{Account, AccountConfig, PeriodNames, When};
use crate::alerts::Crossed;
use crate::amounts::{AMOUNT_MAX, Amounts, Available, Resource, money};
use crate::balances::{AccountBalances, PostedBalance};
use crate::entry::{AccountPath, Entry};
use crate::hold::{Ending, Hold, Settlement, Unresolved};
use crate::lease::LeasePolicy;
use crate::periods::Shelf;
use crate::shortage::{NoHold, Shortage};

/// The accounts of one shard of tenants and their open holds. Not to be shared: its owner locks it.
///
/// Every method that takes a path or an account panics when an account was never configured: an account without
/// limits that nobody asked for would be one without protection.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Where an account is in `accounts`.
    places: AccountMap<u32>,
    pub(crate) accounts: Chunks<Account>,
    pub(crate) open: HashMap<AttemptId, Open, NumberHashing>,
    /// `None` when limits bind alone.
    pub(crate) lease_policy: Option<LeasePolicy>,
    /// What nobody was told of yet.
    pub(crate) crossed: Vec<Crossed>,
    /// No grant is dated before it.
    not_before: Option<Timestamp>,
    /// The periods that accounts have now.
    shelf: Shelf,
}

/// A hold as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) places: Places,
    /// Each account's generation at the grant: it says in which periods the money is held.
    pub(crate) generations: [u32; PATH_LEVELS_MAX],
    pub(crate) worst: Amounts,
    /// The periods of a hold that was replayed when younger ones had begun: by level, the date that names each.
    pub(crate) past: Option<Box<[PeriodNames]>>,
    granted_at: Timestamp,
    is_unresolved: bool,
    /// It was open when power was lost: see [`Ledger::lost_by_resolving`].
    pub(crate) survived_loss: bool,
}

/// A path as places in the vector of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places {
    places: [u32; PATH_LEVELS_MAX],
    length: u8,
}

impl Open {
    /// In which periods of one account of the path it is held.
    pub(crate) fn when(&self, level: usize) -> When<'_> {
        self.past.as_ref().map_or(When::Generation(self.generations[level]), |names| When::Named(&names[level]))
    }
}

impl Places {
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        self.places.into_iter().take(usize::from(self.length)).map(|place| place as usize)
    }
}

impl Ledger {
    /// A ledger without accounts and without leases.
    #[must_use]
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// A ledger without accounts in which what has a limit is granted only as far as it is leased.
    #[must_use]
    pub fn with_leases(policy: LeasePolicy) -> Ledger {
        Ledger { lease_policy: Some(policy), ..Ledger::default() }
    }

    /// Creates an account or changes its limits and time zone. Applied twice it does what it does once.
    ///
    /// A lowered limit stops new holds at once and leaves what is posted and held alone.
    pub fn configure(&mut self, account: AccountIndex, config: &AccountConfig) {
        if let Some(&place) = self.places.get(&account) {
            self.change(place as usize, |account| account.configure(config));
        } else {
            let place = u32::try_from(self.accounts.len()).expect("accounts are fewer than 2^32");
            self.accounts.push(Account::new(account, config, self.lease_policy.is_some()));
            self.places.insert(account, place);
            self.change(place as usize, |_| {});
        }
    }

    /// Changes an account in a way that may change its periods.
    pub(crate) fn change<T>(&mut self, place: usize, work: impl FnOnce(&mut Account) -> T) -> T {
        let account = &mut self.accounts[place];
        let done = work(account);
        self.shelf.share(&mut account.periods);
        done
    }

    /// How many accounts were configured before this one; `None` when it was not. For whoever keeps a list beside.
    #[must_use]
    pub fn number(&self, account: AccountIndex) -> Option<usize> {
        self.places.get(&account).map(|&place| place as usize)
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
        self.change(place, |account| posted.iter().for_each(|balance| account.restore(balance)));
    }

    /// Lets no grant be dated before `at`: the time of the balances that [`Ledger::restore`] is given. A clock that shows
    /// an earlier day after a restart than before it would count in periods of which nothing was restored.
    pub fn begin_at(&mut self, at: Timestamp) {
        self.not_before = self.not_before.max(Some(at));
    }

    /// Takes `worst` from every account of the path, in every period and of each resource, or takes nothing.
    ///
    /// # Errors
    /// [`NoHold::Short`] with the gravest limit in the way; [`NoHold::Unleased`] when none is, but a lease.
    ///
    /// # Panics
    /// When `attempt` has an open hold, or the path is empty, too long, or names an account twice.
    pub fn reserve(
        &mut self,
        path: &[AccountIndex],
        attempt: AttemptId,
        worst: Amounts,
        now: Timestamp,
    ) -> Result<Hold, NoHold> {
        let places = self.places_of(path);
        let at = self.time_on(&places, now);
        let needed = worst.numbers();
        self.roll(&places, at);
        if !places.iter().all(|place| self.accounts[place].fits(needed)) {
            return Err(self.shortage_on(&places, needed, at).map_or(NoHold::Unleased, NoHold::Short));
        }
        let is_refill_due = self.take(places, attempt, worst, at, false);
        Ok(Hold { attempt, worst, granted_at: at, is_refill_due })
    }

    /// What [`Ledger::reserve`] would answer, without taking anything, once every lease is long enough.
    ///
    /// # Errors
    /// The gravest limit in the way.
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

    /// What [`Ledger::settle`] would answer, so that it can be written down before the money is free.
    #[must_use]
    pub fn settlement(&self, hold: &Hold, ending: Ending) -> Settlement {
        Settlement::of(hold.attempt, hold.worst, ending)
    }

    /// What [`Ledger::resolve`] would answer.
    #[must_use]
    pub fn resolution(&self, attempt: AttemptId, ending: Ending) -> Option<Settlement> {
        let open = self.open.get(&attempt).filter(|open| open.is_unresolved)?;
        Some(Settlement::of(attempt, open.worst, ending))
    }

    /// Ends a hold, in the periods of its grant. Cannot fail; [`Ending::Unknown`] keeps it as an unresolved hold.
    pub fn settle(&mut self, hold: Hold, ending: Ending) -> Settlement {
        self.end(hold.attempt, ending).expect("a hold is open until it is settled")
    }

    /// Ends an unresolved attempt on later evidence; `None` when there is none of that id, so that evidence may come
    /// twice.
    ///
    /// Of a hold that was open when power was lost, what is released counts as lost: see [`Ledger::lost_by_resolving`].
    pub fn resolve(&mut self, attempt: AttemptId, ending: Ending) -> Option<Settlement> {
        if !self.open.get(&attempt)?.is_unresolved {
            return None;
        }
        let lost = self.lost_by_resolving(attempt, ending);
        let settlement = self.end(attempt, ending);
        for lost in &lost {
            let place = self.place(lost.account);
            self.change(place, |account| account.set_lost(lost));
        }
        settlement
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

    /// Which of these limits, set or only watched, would not cover `worst` even if every open hold were released: money, and
    /// tokens in the month.
    pub fn beyond(
        &self,
        account: AccountIndex,
        budgets: &Budgets,
        tokens_per_month: Option<u64>,
        worst: Amounts,
        now: Timestamp,
    ) -> impl Iterator<Item = (BudgetPeriod, Resource)> {
        let balances = self.balances(account, now);
        let money = BudgetPeriod::ALL
            .map(|period| (period, Resource::Usd, budgets.cap(period).map(|cap| cap.nanos().unsigned_abs())));
        let tokens = (BudgetPeriod::Month, Resource::Tokens, tokens_per_month);
        money.into_iter().chain([tokens]).filter_map(move |(period, resource, cap)| {
            let balance = balances.of(period);
            let charged = balance.posted.saturating_add(balance.lost);
            let left = cap?.saturating_sub(charged.of(resource));
            (worst.of(resource) > left).then_some((period, resource))
        })
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
    /// its end comes. The hold of an open attempt, and the end of one that is not open, change nothing; leases, losses
    /// and credits may come twice. A refund may not: who keeps the log counts it once. No threshold is told again.
    pub fn apply(&mut self, entry: &Entry) {
        match *entry {
            Entry::Held { attempt, path, worst, granted_at } => {
                if self.open.contains_key(&attempt) {
                    return;
                }
                let places = self.places_of(path.accounts());
                if places.iter().any(|place| self.accounts[place].latest(granted_at) > granted_at) {
                    self.take_in_the_past(places, attempt, worst, granted_at);
                    return;
                }
                self.roll(&places, granted_at);
                self.take(places, attempt, worst, granted_at, true);
            }
            Entry::Settled { attempt, charged, variance: _ } => {
                // The variance is on nobody's account here: the operator's books have it.
                let told = self.crossed.len();
                let _ = self.end(attempt, Ending::Complete(charged));
                self.crossed.truncate(told);
            }
            Entry::Leased(ref lease) => self.extend(lease),
            Entry::Lost(ref lost) => {
                let place = self.place(lost.account);
                self.change(place, |account| account.set_lost(lost));
            }
            Entry::Credited { account, amount: _, in_all } => {
                let place = self.place(account);
                self.accounts[place].set_credited(in_all);
            }
            Entry::Refunded { attempt: _, ref path, amounts, granted_at } => {
                self.take_back(path, amounts, granted_at);
            }
        }
    }

    fn roll(&mut self, places: &Places, at: Timestamp) {
        for place in places.iter() {
            let account = &mut self.accounts[place];
            if account.roll(at) {
                self.shelf.share(&mut account.periods);
            }
        }
    }

    /// Takes the amounts that the caller has found to fit; says whether a lease is to be extended.
    fn take(&mut self, places: Places, attempt: AttemptId, worst: Amounts, at: Timestamp, is_replay: bool) -> bool {
        let mut is_refill_due = false;
        let mut generations = [0; PATH_LEVELS_MAX];
        for (level, place) in places.iter().enumerate() {
            let account = &mut self.accounts[place];
            is_refill_due |= account.hold(worst.numbers(), is_replay);
            generations[level] = account.generation;
        }
        let open = Open {
            places,
            generations,
            worst,
            past: None,
            granted_at: at,
            is_unresolved: is_replay,
            survived_loss: false,
        };
        let before = self.open.insert(attempt, open);
        assert!(before.is_none(), "an attempt has one hold (I4)");
        is_refill_due
    }

    /// Replays a hold after younger periods have begun, as balances and leases of today make them do: it is held in
    /// those of its grant (I8).
    fn take_in_the_past(&mut self, places: Places, attempt: AttemptId, worst: Amounts, at: Timestamp) {
        let hold = |place| self.change(place, |account| account.hold_in_the_past(worst.numbers(), at));
        let names = places.iter().map(hold).collect();
        let generations = [0; PATH_LEVELS_MAX];
        let open = Open {
            places,
            generations,
            worst,
            past: Some(names),
            granted_at: at,
            is_unresolved: true,
            survived_loss: false,
        };
        self.open.insert(attempt, open);
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
        for (level, place) in open.places.iter().enumerate() {
            if self.accounts[place].settle(open.when(level), worst, charged) {
                self.note_crossed(place);
            }
        }
        Some(settlement)
    }

    /// The gravest limit in the way on the whole path.
    fn shortage_on(&self, places: &Places, needed: [u64; 2], at: Timestamp) -> Option<Shortage> {
        let found = places.iter().filter_map(|place| self.accounts[place].shortage(needed, at));
        found.reduce(Shortage::graver)
    }

    /// The time that counts for the whole path, so that one grant has one time on all levels.
    pub(crate) fn time_on(&self, places: &Places, now: Timestamp) -> Timestamp {
        let earliest = self.not_before.map_or(now, |at| now.max(at));
        places.iter().fold(earliest, |latest, place| self.accounts[place].latest(latest))
    }

    pub(crate) fn place(&self, account: AccountIndex) -> usize {
        *self.places.get(&account).expect("an account is configured before it is used") as usize
    }

    pub(crate) fn places_of(&self, path: &[AccountIndex]) -> Places {
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
