//! The operations on the windows of account paths.

use base::{AccountIndex, AccountMap, Limits, Moment, PATH_LEVELS_MAX};

use crate::account::Account;
use crate::pass::Pass;
use crate::status::{Breach, Tightest, WindowStatus};

/// The windows and slots of one shard of tenants. Not to be shared: its owner locks it.
///
/// Moments never go back: one that is earlier than the latest seen counts as that one. Every method that takes a path
/// or an account panics when an account was never configured: one without limits that nobody asked for would be one
/// without protection.
#[derive(Debug, Clone, Default)]
pub struct Admission {
    /// Where an account is in `accounts`.
    places: AccountMap<u32>,
    accounts: Vec<Account>,
    latest: Option<Moment>,
    /// Goes up whenever windows are created.
    created: u32,
}

impl Admission {
    /// Without accounts.
    #[must_use]
    pub fn new() -> Admission {
        Admission::default()
    }

    /// Creates an account or changes its limits. Applied twice it does what it does once.
    ///
    /// A changed limit keeps the counts; a window that is newly set counts from now on; one whose limit is removed is
    /// forgotten. Calls under way are always counted.
    pub fn configure(&mut self, account: AccountIndex, limits: &Limits) {
        let created = self.created.checked_add(1).expect("windows are created fewer than 2^32 times");
        let next = u32::try_from(self.accounts.len()).expect("accounts are fewer than 2^32");
        let place = *self.places.entry(account).or_insert(next) as usize;
        if place == self.accounts.len() {
            self.accounts.push(Account::default());
        }
        if self.accounts[place].configure(limits, created) {
            self.created = created;
        }
    }

    /// Whether the account was configured.
    #[must_use]
    pub fn knows(&self, account: AccountIndex) -> bool {
        self.places.contains_key(&account)
    }

    /// Takes one request, `tokens` and a slot from every account of the path, or takes nothing.
    ///
    /// # Errors
    /// [`Breach`] with the limit that stands in the way longest.
    ///
    /// # Panics
    /// When the path is empty, too long, or names an account twice.
    pub fn admit(&mut self, path: &[AccountIndex], tokens: u64, now: Moment) -> Result<Pass, Breach> {
        assert!((1..=PATH_LEVELS_MAX).contains(&path.len()), "a path has 1 to {PATH_LEVELS_MAX} accounts");
        let now = self.time(now);
        self.latest = Some(now);
        let mut places = [u32::MAX; PATH_LEVELS_MAX];
        let mut fits = true;
        for (level, &account) in path.iter().enumerate() {
            let place = self.place(account);
            assert!(!places[..level].contains(&place), "an account is once in its path");
            places[level] = place;
            fits &= self.accounts[place as usize].fits(tokens, now);
        }
        if !fits {
            return Err(self.breach_on(path, tokens, now).expect("what does not fit has a reason"));
        }
        let pass = Pass { places, length: path.len() as u8, created: self.created, tokens, taken: now };
        for place in pass.places() {
            self.accounts[place].take(tokens);
        }
        Ok(pass)
    }

    /// Counts what an earlier process admitted at `taken`, in every account of the path: a restart gives nobody a fresh
    /// quota. In any order, and as if it had been counted all along. A time after `now` counts as now.
    pub fn restore(&mut self, path: &[AccountIndex], requests: u64, tokens: u64, taken: Moment, now: Moment) {
        let now = self.time(now);
        self.latest = Some(now);
        for &account in path {
            let place = self.place(account) as usize;
            self.accounts[place].restore(requests, tokens, taken, now);
        }
    }

    /// What [`Admission::admit`] would answer, without taking anything.
    ///
    /// # Errors
    /// As for [`Admission::admit`].
    pub fn check(&self, path: &[AccountIndex], tokens: u64, now: Moment) -> Result<(), Breach> {
        self.breach_on(path, tokens, self.time(now)).map_or(Ok(()), Err)
    }

    /// Ends a call: frees its slots, and gives the tokens that it did not use back to the buckets they came from.
    ///
    /// Tokens beyond the reserved ones are not counted: windows limit what is reserved, and that was the worst case.
    pub fn settle(&mut self, pass: Pass, tokens_used: u64, now: Moment) {
        let unused = pass.tokens.saturating_sub(tokens_used);
        self.give_back(&pass, 0, unused, now);
    }

    /// Takes back an admission, as if the call had never been: it was refused later, and nothing was sent.
    pub fn cancel(&mut self, pass: Pass, now: Moment) {
        self.give_back(&pass, 1, pass.tokens, now);
    }

    /// All limited windows of one account, and its slots where they are limited.
    #[must_use]
    pub fn windows(&self, account: AccountIndex, now: Moment) -> Vec<WindowStatus> {
        let now = self.time(now);
        let account = self.account(account);
        account.request_statuses(now).chain(account.token_statuses(now)).chain(account.concurrency_status()).collect()
    }

    /// The windows of the path with least left: for the headers of every answer.
    #[must_use]
    pub fn tightest(&self, path: &[AccountIndex], now: Moment) -> Tightest {
        let now = self.time(now);
        let (mut request, mut tokens) = (None, None);
        for account in path.iter().map(|&account| self.account(account)) {
            let tighter = |best: Option<(u64, usize, _)>, here: Option<(u64, usize)>| match (best, here) {
                (Some(best), Some(here)) if best.0 <= here.0 => Some(best),
                (best, None) => best,
                (_, Some((left, place))) => Some((left, place, account)),
            };
            request = tighter(request, account.tightest_request(now));
            tokens = tighter(tokens, account.tightest_tokens(now));
        }
        Tightest {
            request: request.and_then(|(_, place, account)| account.request_status(place, now)),
            tokens: tokens.and_then(|(_, place, account)| account.token_status(place, now)),
        }
    }

    fn give_back(&mut self, pass: &Pass, requests: u64, tokens: u64, now: Moment) {
        self.latest = Some(self.time(now));
        for place in pass.places() {
            self.accounts[place].give_back(requests, tokens, pass.taken, pass.created);
        }
    }

    fn breach_on(&self, path: &[AccountIndex], tokens: u64, now: Moment) -> Option<Breach> {
        let breaches = path.iter().filter_map(|&account| self.account(account).breach(account, tokens, now));
        breaches.reduce(Breach::graver)
    }

    /// The time that counts: it never goes back.
    fn time(&self, now: Moment) -> Moment {
        self.latest.map_or(now, |latest| latest.max(now))
    }

    fn account(&self, account: AccountIndex) -> &Account {
        &self.accounts[self.place(account) as usize]
    }

    fn place(&self, account: AccountIndex) -> u32 {
        *self.places.get(&account).expect("an account is configured before it is used")
    }
}
