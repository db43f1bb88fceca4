//! The operations on the windows of account paths.

use base::{AccountIndex, AccountLimits, AccountMap, Chunks, Limits, Moment, PATH_LEVELS_MAX, Part, PartLimits};

use crate::account::Account;
use crate::counts::Counts;
use crate::end_users::Found;
use crate::pass::{Ask, PartPlace, Pass, PassMore};
use crate::status::{Breach, Obstacle, Tightest, WindowStatus};

/// End users remembered per account, unless something else is said.
const END_USERS_MAX: usize = 10_000;

/// The windows and slots of one shard of tenants. Not to be shared: its owner locks it.
///
/// Moments never go back: one that is earlier than the latest seen counts as that one. Every method that takes a path
/// or an account panics when an account was never configured: one without limits that nobody asked for would be one
/// without protection.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Where an account is in `accounts`.
    places: AccountMap<u32>,
    /// Accounts, and parts of them: single models and end users. A place is never given to another account.
    pub(crate) accounts: Chunks<Account>,
    latest: Option<Moment>,
    /// Goes up whenever windows are created.
    created: u32,
    /// End users remembered per account.
    end_users_max: usize,
    limits_end_users: bool,
}

impl Default for Admission {
    fn default() -> Admission {
        Admission::new(END_USERS_MAX)
    }
}

impl Admission {
    /// Without accounts. Of each account that gives windows to its end users so many are remembered.
    #[must_use]
    pub fn new(end_users_max: usize) -> Admission {
        Admission {
            places: AccountMap::default(),
            accounts: Chunks::default(),
            latest: None,
            created: 0,
            end_users_max,
            limits_end_users: false,
        }
    }

    /// Creates an account or changes its limits. Applied twice it does what it does once.
    ///
    /// A changed limit keeps the counts; a window that is newly set counts from now on; one whose limit is removed is
    /// forgotten. Calls under way are always counted.
    pub fn configure(&mut self, account: AccountIndex, limits: &AccountLimits) {
        let created = self.created.checked_add(1).expect("windows are created fewer than 2^32 times");
        let next = u32::try_from(self.accounts.len()).expect("accounts are fewer than 2^32");
        let place = *self.places.entry(account).or_insert(next) as usize;
        if place == self.accounts.len() {
            self.accounts.push(Account::default());
        }
        let mut is_any_new = self.accounts[place].configure(&limits.own, created);
        if limits.more.is_some() || self.accounts[place].more.is_some() {
            is_any_new |= self.configure_more(place, limits, created);
        }
        if is_any_new {
            self.created = created;
        }
    }

    fn configure_more(&mut self, place: usize, limits: &AccountLimits, created: u32) -> bool {
        let none = base::MoreLimits::default();
        let wanted = limits.more.as_deref().unwrap_or(&none);
        let mut more = self.accounts[place].more.take().unwrap_or_default();
        let mut is_any_new = more.watch(wanted.shadow.as_ref(), created);
        for model in wanted.models.keys() {
            if let Err(at) = more.models.binary_search_by(|(known, _)| known.cmp(model)) {
                more.models.insert(at, (model.clone(), self.accounts.len() as u32));
                self.accounts.push(Account::default());
            }
        }
        for (model, place) in &more.models {
            // One whose limits are removed keeps its place, and what is under way there.
            let limits = wanted.models.get(model).copied().unwrap_or_default();
            is_any_new |= configure_part(&mut self.accounts[*place as usize], &limits, created);
        }
        if wanted.per_end_user.is_some() || more.end_users.is_some() {
            let users = more.end_users.get_or_insert_default();
            users.limits = wanted.per_end_user;
            self.limits_end_users |= wanted.per_end_user.is_some();
            for place in users.places() {
                let limits = wanted.per_end_user.unwrap_or_default();
                is_any_new |= configure_part(&mut self.accounts[place as usize], &limits, created);
            }
        }
        self.accounts[place].more = Some(more);
        is_any_new
    }

    /// Whether the account was configured.
    #[must_use]
    pub fn knows(&self, account: AccountIndex) -> bool {
        self.places.contains_key(&account)
    }

    /// Whether it matters who a call's end user is; else [`Ask::end_user`] need not be computed.
    #[must_use]
    pub const fn limits_end_users(&self) -> bool {
        self.limits_end_users
    }

    /// Takes one request, `tokens` and a slot from every account of the path, and from what its model and its end user
    /// have there, or takes nothing.
    ///
    /// # Errors
    /// [`Breach`] with the limit that stands in the way longest.
    ///
    /// # Panics
    /// When the path is empty, too long, or names an account twice.
    pub fn admit(&mut self, ask: &Ask<'_>, now: Moment) -> Result<Pass, Breach> {
        self.admit_with(ask, 1, now)
    }

    /// As [`Admission::admit`], for a call of a session, whose own pass has a slot everywhere on the path: it takes none.
    ///
    /// # Errors
    /// As for [`Admission::admit`].
    ///
    /// # Panics
    /// As for [`Admission::admit`].
    pub fn admit_within(&mut self, ask: &Ask<'_>, now: Moment) -> Result<Pass, Breach> {
        self.admit_with(ask, 0, now)
    }

    fn admit_with(&mut self, ask: &Ask<'_>, slots: u8, now: Moment) -> Result<Pass, Breach> {
        let (mut pass, mut fits) = self.open(ask, slots, now);
        let now = pass.taken;
        for part in pass.parts() {
            fits &= self.accounts[part.place as usize].fits(ask.tokens, slots, now);
        }
        if !fits {
            let breach = self.breach(ask, &pass).expect("what does not fit has a reason");
            if pass.more.is_some() {
                self.begin_blocks(&pass);
            }
            return Err(breach);
        }
        for &place in pass.accounts() {
            self.accounts[place as usize].meters.take(ask.tokens, slots);
        }
        if pass.more.is_some() {
            for part in pass.parts() {
                self.accounts[part.place as usize].meters.take(ask.tokens, slots);
            }
            self.watch(ask, &mut pass);
        }
        Ok(pass)
    }

    /// A pass that has taken nothing yet, and whether all whole accounts have room.
    #[inline]
    pub(crate) fn open(&mut self, ask: &Ask<'_>, slots: u8, now: Moment) -> (Pass, bool) {
        let path = ask.path;
        assert!((1..=PATH_LEVELS_MAX).contains(&path.len()), "a path has 1 to {PATH_LEVELS_MAX} accounts");
        let now = self.time(now);
        self.latest = Some(now);
        let mut places = [u32::MAX; PATH_LEVELS_MAX];
        for (level, &account) in path.iter().enumerate() {
            let place = self.place(account);
            assert!(!places[..level].contains(&place), "an account is once in its path");
            places[level] = place;
        }
        let (mut is_behind, mut fits, mut has_more) = (false, true, false);
        for &place in &places[..path.len()] {
            let account = &self.accounts[place as usize];
            let (account_is_behind, account_fits) = account.meters.peek(ask.tokens, slots, now);
            is_behind |= account_is_behind;
            fits &= account_fits;
            has_more |= account.more.is_some();
        }
        if is_behind {
            fits = true;
            for &place in &places[..path.len()] {
                fits &= self.accounts[place as usize].fits(ask.tokens, slots, now);
            }
        } else if has_more {
            let mut accounts = places[..path.len()].iter().map(|&place| &self.accounts[place as usize]);
            fits &= !accounts.any(|account| account.is_blocked(now));
        }
        let more = if has_more { Some(self.open_more(ask, &places, now)) } else { None };
        let (created, tokens) = (self.created, ask.tokens);
        (Pass { places, length: path.len() as u8, created, tokens, slots, taken: now, more }, fits)
    }

    #[cold]
    fn open_more(&mut self, ask: &Ask<'_>, places: &[u32], now: Moment) -> Box<PassMore> {
        Box::new(PassMore { parts: self.parts(ask, places, now), is_watched: false, shadow: None })
    }

    /// The windows of the call's model and end user, which are made where they are missing.
    fn parts(&mut self, ask: &Ask<'_>, places: &[u32], now: Moment) -> Vec<PartPlace> {
        let mut parts = Vec::new();
        for (level, &place) in (0_u8..).zip(&places[..ask.path.len()]) {
            let Some(more) = &self.accounts[place as usize].more else { continue };
            if let Some(place) = ask.model.and_then(|model| more.model(model)) {
                parts.push(PartPlace { place, level, part: Part::Model });
            }
            let limits = more.end_users.as_ref().and_then(|users| users.limits);
            if let (Some(user), Some(limits)) = (ask.end_user, limits) {
                let place = self.end_user(place as usize, user, &limits, now);
                parts.push(PartPlace { place, level, part: Part::EndUser });
            }
        }
        parts
    }

    fn end_user(&mut self, account: usize, user: u64, limits: &PartLimits, now: Moment) -> u32 {
        // Taken out meanwhile, so that the accounts can be looked at beside it.
        let mut more = self.accounts[account].more.take().expect("an account with end users has more");
        let users = more.end_users.as_mut().expect("an account with limits for end users has them");
        let place = match users.find(user, self.end_users_max, |place| self.accounts[place as usize].is_idle(now)) {
            Found::At(place) => place,
            Found::New => {
                let place = self.part(limits);
                users.remember(user, place);
                place
            }
            Found::NoneShared(count) => {
                let places = (0..count).map(|_| self.part(limits)).collect();
                users.share(user, places)
            }
        };
        self.accounts[account].more = Some(more);
        place
    }

    /// New windows of a part.
    fn part(&mut self, limits: &PartLimits) -> u32 {
        let place = u32::try_from(self.accounts.len()).expect("accounts are fewer than 2^32");
        let mut account = Account::default();
        configure_part(&mut account, limits, self.created);
        self.accounts.push(account);
        place
    }

    /// Counts what an earlier process admitted at `taken`, in every account of the path: a restart gives nobody a fresh
    /// quota. In any order, and as if it had been counted all along. A time after `now` counts as now.
    pub fn restore(&mut self, ask: &Ask<'_>, requests: u64, taken: Moment, now: Moment) {
        let now = self.time(now);
        self.latest = Some(now);
        let mut places = [u32::MAX; PATH_LEVELS_MAX];
        for (level, &account) in ask.path.iter().enumerate() {
            places[level] = self.place(account);
        }
        let parts = self.parts(ask, &places, now);
        let parts = parts.iter().map(|part| part.place);
        for place in places[..ask.path.len()].iter().copied().chain(parts) {
            self.accounts[place as usize].restore(requests, ask.tokens, taken, now);
        }
    }

    /// What [`Admission::admit`] would answer, without taking anything and without consequence.
    ///
    /// # Errors
    /// As for [`Admission::admit`].
    pub fn check(&mut self, ask: &Ask<'_>, now: Moment) -> Result<(), Breach> {
        let (pass, _) = self.open(ask, 1, now);
        self.breach(ask, &pass).map_or(Ok(()), Err)
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

    /// All limited windows of one account as a whole, and its slots where they are limited.
    #[must_use]
    pub fn windows(&self, account: AccountIndex, now: Moment) -> Vec<WindowStatus> {
        let now = self.time(now);
        self.account(account).statuses(now).collect()
    }

    /// The windows of the path, of the model and of the end user with least left: for the headers of every answer.
    #[must_use]
    pub fn tightest(&self, ask: &Ask<'_>, now: Moment) -> Tightest {
        let now = self.time(now);
        let mut best: [Option<(u64, usize, &Account)>; 2] = [None; 2];
        let mut compare = |account| tighter(&mut best, account, now);
        for &index in ask.path {
            let account = self.account(index);
            compare(account);
            let Some(more) = &account.more else { continue };
            let model = ask.model.and_then(|model| more.model(model));
            let users = more.end_users.as_ref().filter(|users| users.limits.is_some());
            let user = users.zip(ask.end_user).and_then(|(users, user)| users.get(user));
            model.into_iter().chain(user).for_each(|place| compare(&self.accounts[place as usize]));
        }
        let [request, tokens] = best.map(|best| best.map(|(_, place, account)| account.status_at(place, now)));
        Tightest { request, tokens }
    }

    fn give_back(&mut self, pass: &Pass, requests: u64, tokens: u64, now: Moment) {
        self.latest = Some(self.time(now));
        for &place in pass.accounts() {
            self.accounts[place as usize].meters.give_back(requests, tokens, pass);
        }
        for part in pass.parts() {
            self.accounts[part.place as usize].meters.give_back(requests, tokens, pass);
        }
        if pass.more.as_ref().is_some_and(|more| more.is_watched) {
            for place in pass.all() {
                let shadow = self.accounts[place].shadow_mut();
                if let Some(shadow) = shadow.filter(|shadow| shadow.created <= pass.created) {
                    shadow.meters.give_back(requests, tokens, pass);
                }
            }
        }
    }

    fn breach(&self, ask: &Ask<'_>, pass: &Pass) -> Option<Breach> {
        let breaches = pass.subjects().filter_map(|(place, level, part)| {
            let obstacle = self.accounts[place].obstacle(ask.tokens, pass.slots, pass.taken)?;
            Some(Breach::new(ask.path[level], part, obstacle))
        });
        breaches.reduce(Breach::graver)
    }

    fn begin_blocks(&mut self, refused: &Pass) {
        for place in refused.all() {
            self.accounts[place].begin_block(refused.tokens, refused.taken);
        }
    }

    /// Lets the limits that are only watched say what they would have done: all of them together, as if they were those
    /// of the path. What they would have refused does not count there.
    fn watch(&mut self, ask: &Ask<'_>, pass: &mut Pass) {
        let (tokens, slots, now) = (ask.tokens, pass.slots, pass.taken);
        let (mut fits, mut is_any) = (true, false);
        for place in pass.all() {
            if let Some(shadow) = self.accounts[place].shadow_mut() {
                is_any = true;
                fits &= shadow.meters.fits(tokens, slots, now);
            }
        }
        if !is_any {
            return;
        }
        let mut worst: Option<Breach> = None;
        for (place, level, part) in pass.subjects() {
            let mut refused = Counts::default();
            let Some(shadow) = self.accounts[place].shadow_mut() else {
                continue;
            };
            if fits {
                shadow.meters.take(tokens, slots);
                continue;
            }
            let obstacles = shadow.meters.each_obstacle(tokens, slots, now).inspect(|one| refused.note(one.window));
            let Some(obstacle) = obstacles.reduce(Obstacle::graver) else { continue };
            let breach = Breach::new(ask.path[level], part, obstacle);
            worst = Some(worst.map_or(breach, |worst| worst.graver(breach)));
            match part {
                // End users come and go; what their limits would have refused is the account's to tell.
                Part::EndUser => {
                    let users = self.accounts[pass.places[level] as usize].more.as_mut();
                    let users = users.and_then(|more| more.end_users.as_mut());
                    users.expect("its end user was found there").refused.add(&refused);
                }
                Part::Whole | Part::Model => shadow.refused.add(&refused),
            }
        }
        if let Some(more) = &mut pass.more {
            (more.is_watched, more.shadow) = (fits, worst);
        }
    }

    /// The time that counts: it never goes back.
    pub(crate) fn time(&self, now: Moment) -> Moment {
        self.latest.map_or(now, |latest| latest.max(now))
    }

    pub(crate) fn account(&self, account: AccountIndex) -> &Account {
        &self.accounts[self.place(account) as usize]
    }

    fn place(&self, account: AccountIndex) -> u32 {
        *self.places.get(&account).expect("an account is configured before it is used")
    }
}

/// Takes over the windows of an account where they have less left.
fn tighter<'a>(best: &mut [Option<(u64, usize, &'a Account)>; 2], account: &'a Account, now: Moment) {
    for (best, here) in best.iter_mut().zip(account.tightest(now)) {
        if let Some((left, place)) = here
            && best.is_none_or(|(least, _, _)| left < least)
        {
            *best = Some((left, place, account));
        }
    }
}

fn configure_part(account: &mut Account, limits: &PartLimits, created: u32) -> bool {
    let own: &Limits = &limits.own;
    let is_new = account.configure(own, created);
    if limits.shadow.is_none() && account.more.is_none() {
        return is_new;
    }
    account.more.get_or_insert_default().watch(limits.shadow.as_ref(), created) | is_new
}
