//! The ledger against a naive one: a list of all attempts, from which every answer is computed from scratch.

use std::collections::HashMap;

use base::{AccountIndex, AttemptId, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::table::{sum, zone};
use crate::{AccountConfig, Amounts, Ending, Entry, Hold, Lease, LeasePolicy, Ledger, Lost, NoHold, Resource, bounds};

/// Tenant, two projects, three keys.
const ACCOUNTS: usize = 6;
const PATHS: [&[usize]; 5] = [&[0, 1, 3], &[0, 1, 4], &[0, 2, 5], &[0], &[0, 2]];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia"];

#[derive(Debug, Clone)]
enum Step {
    Reserve { path: usize, usd: i64, tokens: u64 },
    Settle { which: usize, ending: u8, usd: i64, tokens: u64 },
    Resolve { which: usize, usd: i64 },
    Clock { seconds: i64 },
    Limit { account: usize, period: usize, cap: Option<i64> },
    Credit { account: usize, usd: i64 },
    Refund { which: usize, usd: i64, tokens: u64 },
    Refill { path: usize },
    PowerLoss,
    Release { account: usize, period: usize, tokens: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..PATHS.len(), 0_i64..40, 0_u64..40)
            .prop_map(|(path, usd, tokens)| Step::Reserve { path, usd, tokens }),
        4 => (any::<usize>(), 0_u8..4, 0_i64..50, 0_u64..50)
            .prop_map(|(which, ending, usd, tokens)| Step::Settle { which, ending, usd, tokens }),
        1 => (any::<usize>(), 0_i64..50).prop_map(|(which, usd)| Step::Resolve { which, usd }),
        2 => prop_oneof![0_i64..7_200, 40_000_i64..90_000, 0_i64..4_000_000, -200_000_i64..0]
            .prop_map(|seconds| Step::Clock { seconds }),
        1 => (0..ACCOUNTS, 0_usize..7, proptest::option::weighted(0.8, 0_i64..100))
            .prop_map(|(account, period, cap)| Step::Limit { account, period, cap }),
        1 => (0..ACCOUNTS, 0_i64..50).prop_map(|(account, usd)| Step::Credit { account, usd }),
        1 => (any::<usize>(), 0_i64..50, 0_u64..50)
            .prop_map(|(which, usd, tokens)| Step::Refund { which, usd, tokens }),
        1 => (0..PATHS.len()).prop_map(|path| Step::Refill { path }),
        1 => Just(Step::PowerLoss),
        1 => (0..ACCOUNTS, 0_usize..5, any::<bool>())
            .prop_map(|(account, period, tokens)| Step::Release { account, period, tokens }),
    ]
}

/// Which period a time lies in, by its date alone.
fn name(period: BudgetPeriod, zone: &TimeZone, at: Timestamp) -> (i16, i16) {
    let at = jiff::Timestamp::from_microsecond(at.micros()).unwrap();
    let date: Date = zone.to_datetime(at).date();
    match period {
        BudgetPeriod::Day => (date.year(), date.day_of_year()),
        BudgetPeriod::Week => (date.iso_week_date().year(), i16::from(date.iso_week_date().week())),
        BudgetPeriod::Month => (date.year(), i16::from(date.month())),
        BudgetPeriod::Year => (date.year(), 0),
        BudgetPeriod::Total | BudgetPeriod::Wallet => (0, 0),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    UnderWay,
    Unknown,
    Ended(Amounts),
}

struct Attempt {
    id: AttemptId,
    path: &'static [usize],
    worst: Amounts,
    names: [(i16, i16); 5],
    at: Timestamp,
    state: State,
    /// It was open when power was lost.
    survived: bool,
}

/// An account, a period with its name, and money or tokens.
type Place = (usize, usize, (i16, i16), usize);

impl Attempt {
    /// What it counts for: its hold, or what it was charged.
    fn counts(&self) -> Amounts {
        if let State::Ended(charged) = self.state { charged } else { self.worst }
    }
}

/// The naive ledger.
struct Reference {
    zone: TimeZone,
    attempts: Vec<Attempt>,
    configs: Vec<AccountConfig>,
    /// The latest time each account has seen.
    seen: Vec<Timestamp>,
    /// Up to where each place is leased; `None` when leases are not needed.
    leases: Option<HashMap<Place, u64>>,
    lost: HashMap<Place, u64>,
}

impl Reference {
    fn names(&self, at: Timestamp) -> [(i16, i16); 5] {
        BudgetPeriod::ALL.map(|period| name(period, &self.zone, at))
    }

    /// A clock set back counts as the first instant of the newest day.
    fn time(&self, path: &[usize], now: Timestamp) -> Timestamp {
        let days = path.iter().map(|&account| match self.seen[account] {
            seen if seen == Timestamp::EPOCH => seen,
            seen => bounds(BudgetPeriod::Day, &self.zone, seen).starts,
        });
        days.fold(now, Timestamp::max)
    }

    /// Posted and held of one account in the period around `at`.
    fn sums(&self, account: usize, period: usize, at: Timestamp) -> (Amounts, Amounts) {
        let names = self.names(at);
        let here =
            || self.attempts.iter().filter(|one| one.path.contains(&account) && one.names[period] == names[period]);
        let posted = here().filter_map(|one| if let State::Ended(charged) = one.state { Some(charged) } else { None });
        let held = here().filter(|one| !matches!(one.state, State::Ended(_))).map(|one| one.worst);
        (sum(posted), sum(held))
    }

    fn lost(&self, account: usize, period: usize, at: Timestamp) -> Amounts {
        let name = self.names(at)[period];
        let of = |resource| self.lost.get(&(account, period, name, resource)).copied().unwrap_or_default();
        Amounts { usd: Money::from_nanos(of(0) as i64), tokens: of(1) }
    }

    /// Posted, held and lost, as numbers.
    fn used(&self, account: usize, period: usize, at: Timestamp) -> [u64; 2] {
        let (posted, held) = self.sums(account, period, at);
        sum([posted, held, self.lost(account, period, at)]).numbers()
    }

    /// The cap on money or tokens of one period, the wallet's included.
    fn cap(&self, account: usize, period: usize, resource: usize) -> Option<u64> {
        let config = &self.configs[account];
        if resource == 1 {
            return config.tokens_per_month.filter(|_| BudgetPeriod::ALL[period] == BudgetPeriod::Month);
        }
        let budget = config.budgets.cap(BudgetPeriod::ALL[period]);
        let wallet = config.wallet.filter(|_| BudgetPeriod::ALL[period] == BudgetPeriod::Total);
        budget.into_iter().chain(wallet).min().map(|cap| cap.nanos().unsigned_abs())
    }

    /// Up to where a place is leased; nothing without a cap or without leases.
    fn leased(&self, account: usize, period: usize, resource: usize, at: Timestamp) -> Option<u64> {
        let place = (account, period, self.names(at)[period], resource);
        let leases = self.leases.as_ref().filter(|_| self.cap(account, period, resource).is_some())?;
        Some(leases.get(&place).copied().unwrap_or_default())
    }

    /// Whether every lease goes far enough.
    fn is_leased(&self, path: &[usize], worst: Amounts, now: Timestamp) -> bool {
        let at = self.time(path, now);
        let mut is_leased = true;
        for &account in path {
            for period in 0..5 {
                for (resource, needed) in worst.numbers().into_iter().enumerate().filter(|(_, needed)| *needed > 0) {
                    let leased = self.leased(account, period, resource, at);
                    let used = self.used(account, period, at)[resource];
                    is_leased &= leased.is_none_or(|leased| used + needed <= leased);
                }
            }
        }
        is_leased
    }

    fn extend(&mut self, lease: &Lease) {
        let account = (0..ACCOUNTS).find(|&account| index(account) == lease.account).unwrap();
        let period = BudgetPeriod::ALL.iter().position(|&period| period == lease.period).unwrap();
        let resource = usize::from(lease.resource == Resource::Tokens);
        let cap = self.cap(account, period, resource).expect("what has no limit needs no lease");
        // Which day begins then does not depend on what is over by now.
        let name = if period == 4 { (0, 0) } else { name(lease.period, &self.zone, lease.starts) };
        let leased = self.leases.as_mut().unwrap().entry((account, period, name, resource)).or_default();
        assert!(*leased < lease.up_to && lease.up_to <= cap, "leased {leased}, then {lease:?} of {cap}");
        *leased = lease.up_to;
    }

    /// Everything leased and unused is lost, in whatever period.
    fn lose(&mut self) {
        for (place, leased) in self.leases.clone().unwrap_or_default() {
            let (account, period, name, resource) = place;
            let here = |one: &&Attempt| one.path.contains(&account) && one.names[period] == name;
            let used: u64 = self.attempts.iter().filter(here).map(|one| one.counts().numbers()[resource]).sum();
            let lost = self.lost.entry(place).or_default();
            *lost += leased.saturating_sub(used + *lost);
        }
    }

    /// A survivor of a loss of power ends: what it releases may be spent already, as far as there was a lease for it.
    fn lose_released(&mut self, place: usize, charged: Amounts) {
        let attempt = &self.attempts[place];
        let (path, names, at) = (attempt.path, attempt.names, attempt.at);
        let released = attempt.worst.saturating_sub(charged).numbers();
        for &account in path {
            for (period, name) in names.into_iter().enumerate() {
                let (posted, _) = self.sums(account, period, at);
                for resource in [0, 1].into_iter().filter(|resource| released[*resource] > 0) {
                    let Some(leased) = self.leased(account, period, resource, at) else { continue };
                    let most = leased.saturating_sub(posted.numbers()[resource] + charged.numbers()[resource]);
                    let lost = self.lost.entry((account, period, name, resource)).or_default();
                    *lost = (*lost).max(most.min(*lost + released[resource]));
                }
            }
        }
    }

    /// Whether it fits, and whether it would without the holds.
    fn fits(&self, path: &[usize], worst: Amounts, now: Timestamp) -> (bool, bool) {
        let at = self.time(path, now);
        let (mut fits, mut fits_alone) = (true, true);
        for &account in path {
            for (place, period) in BudgetPeriod::ALL.into_iter().enumerate() {
                let (posted, held) = self.sums(account, place, at);
                let lost = self.lost(account, place, at);
                let wallet = self.configs[account].wallet.filter(|_| period == BudgetPeriod::Total);
                if let Some(wallet) = wallet.filter(|_| worst.usd > Money::ZERO) {
                    fits &= posted.usd + held.usd + lost.usd + worst.usd <= wallet;
                    fits_alone &= posted.usd + lost.usd + worst.usd <= wallet;
                }
                if let Some(cap) = self.configs[account].budgets.cap(period).filter(|_| worst.usd > Money::ZERO) {
                    fits &= posted.usd + held.usd + lost.usd + worst.usd <= cap;
                    fits_alone &= posted.usd + lost.usd + worst.usd <= cap;
                }
                let cap = self.configs[account].tokens_per_month.filter(|_| period == BudgetPeriod::Month);
                if let Some(cap) = cap.filter(|_| worst.tokens > 0) {
                    fits &= posted.tokens + held.tokens + lost.tokens + worst.tokens <= cap;
                    fits_alone &= posted.tokens + lost.tokens + worst.tokens <= cap;
                }
            }
        }
        (fits, fits_alone)
    }
}

/// Both ledgers and the open holds.
struct Pair {
    ledger: Ledger,
    reference: Reference,
    holds: Vec<Hold>,
    log: Vec<Entry>,
    now: Timestamp,
    policy: Option<LeasePolicy>,
}

fn index(account: usize) -> AccountIndex {
    AccountIndex(account as u32 * 977 + 3)
}

impl Pair {
    fn new(zone: TimeZone, caps: &[Option<i64>], policy: Option<LeasePolicy>) -> Pair {
        let mut ledger = policy.map_or_else(Ledger::new, Ledger::with_leases);
        let configs: Vec<AccountConfig> = (0..ACCOUNTS)
            .map(|account| {
                let cap = |place: usize| caps[account * 2 + place].map(Money::from_nanos);
                let budgets = Budgets { per_month: cap(0), per_day: cap(1), ..Budgets::default() };
                AccountConfig { budgets, ..AccountConfig::unlimited(zone.clone()) }
            })
            .collect();
        for (account, config) in configs.iter().enumerate() {
            ledger.configure(index(account), config);
        }
        let seen = vec![Timestamp::EPOCH; ACCOUNTS];
        let leases = policy.map(|_| HashMap::new());
        let reference = Reference { zone, attempts: Vec::new(), configs, seen, leases, lost: HashMap::new() };
        // Some days before Samoa skipped one.
        let now = Timestamp::from_seconds(1_324_900_000);
        Pair { ledger, reference, holds: Vec::new(), log: Vec::new(), now, policy }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Reserve { path, usd, tokens } => self.reserve(PATHS[path], usd, tokens),
            Step::Settle { which, ending, usd, tokens } => self.settle(which, ending, usd, tokens),
            Step::Resolve { which, usd } => self.resolve(which, usd),
            Step::Clock { seconds } => {
                self.now = Timestamp::from_micros(self.now.micros() + seconds * 1_000_000 + 1);
            }
            Step::Limit { account, period, cap } => {
                let config = &mut self.reference.configs[account];
                let money = cap.map(Money::from_nanos);
                match period {
                    0 => config.budgets.per_day = money,
                    1 => config.budgets.per_week = money,
                    2 => config.budgets.per_month = money,
                    3 => config.budgets.per_year = money,
                    4 => config.budgets.total = money,
                    5 => config.wallet = money,
                    _ => config.tokens_per_month = cap.map(i64::unsigned_abs),
                }
                self.ledger.configure(index(account), config);
            }
            Step::Credit { account, usd } => self.credit(account, usd),
            Step::Refund { which, usd, tokens } => self.refund(which, usd, tokens),
            Step::Refill { path } => {
                let accounts: Vec<AccountIndex> = PATHS[path].iter().map(|&account| index(account)).collect();
                let leases = self.ledger.refills_due(&accounts, self.now);
                self.extend(&leases);
            }
            Step::PowerLoss => {
                let lost = self.ledger.lose_unused_leases();
                self.log.extend(lost.into_iter().map(Entry::Lost));
                self.reference.lose();
                let open = |one: &&mut Attempt| !matches!(one.state, State::Ended(_));
                self.reference.attempts.iter_mut().filter(open).for_each(|one| one.survived = true);
            }
            Step::Release { account, period, tokens } => self.release(account, period, tokens),
        }
    }

    fn extend(&mut self, leases: &[Lease]) {
        for lease in leases {
            self.ledger.extend(lease);
            self.reference.extend(lease);
            self.log.push(Entry::Leased(*lease));
        }
    }

    fn credit(&mut self, account: usize, usd: i64) {
        let posted = self.reference.sums(account, 4, self.now).0.usd;
        let entry = self.ledger.credit(index(account), Money::from_nanos(usd));
        let config = &mut self.reference.configs[account];
        config.wallet = Some(config.wallet.unwrap_or(posted) + Money::from_nanos(usd));
        let (account, amount) = (index(account), Money::from_nanos(usd));
        assert_eq!(entry, Entry::Credited { account, amount, in_all: config.wallet.unwrap() });
        self.log.push(entry);
    }

    fn refund(&mut self, which: usize, usd: i64, tokens: u64) {
        let count = self.reference.attempts.len();
        let Some(attempt) = self.reference.attempts.get_mut(which % count.max(1)) else { return };
        let State::Ended(charged) = attempt.state else { return };
        let amounts = Amounts { usd: Money::from_nanos(usd), tokens }.min(charged);
        attempt.state = State::Ended(charged.saturating_sub(amounts));
        let path: Vec<AccountIndex> = attempt.path.iter().map(|&account| index(account)).collect();
        self.log.push(self.ledger.refund(&path, attempt.id, amounts, attempt.at));
    }

    fn release(&mut self, account: usize, period: usize, tokens: bool) {
        let resource = Resource::ALL[usize::from(tokens)];
        let name = self.reference.names(self.reference.seen[account])[period];
        let lost = self.reference.lost.remove(&(account, period, name, usize::from(tokens))).filter(|lost| *lost > 0);
        let released = self.ledger.release_lost(index(account), BudgetPeriod::ALL[period], resource);
        assert_eq!(released.map(|lost| lost.amount), lost);
        self.log.extend(released.map(|lost| Entry::Lost(Lost { amount: 0, ..lost })));
    }

    fn reserve(&mut self, path: &'static [usize], usd: i64, tokens: u64) {
        let worst = Amounts { usd: Money::from_nanos(usd), tokens };
        let accounts: Vec<AccountIndex> = path.iter().map(|&account| index(account)).collect();
        let id = AttemptId { epoch: 1, sequence: self.reference.attempts.len() as u64 + 1 };
        let (fits, fits_alone) = self.reference.fits(path, worst, self.now);
        let is_leased = self.reference.is_leased(path, worst, self.now);
        let at = self.reference.time(path, self.now);
        let checked = self.ledger.check(&accounts, worst, self.now);
        let mut reserved = self.ledger.reserve(&accounts, id, worst, self.now);
        let short = reserved.as_ref().err().and_then(|no_hold| no_hold.shortage());
        assert_eq!(checked.err(), short, "check and reserve agree");
        for &account in path {
            self.reference.seen[account] = self.reference.seen[account].max(at);
        }
        if reserved == Err(NoHold::Unleased) {
            assert!(fits && !is_leased, "no lease is in the way: {worst:?} on {path:?}");
            let wanted = self.ledger.leases_wanted(&accounts, worst, self.now);
            self.extend(&wanted);
            assert!(self.reference.is_leased(path, worst, self.now), "{wanted:?} is not enough for {worst:?}");
            self.ledger.assert_invariants();
            reserved = self.ledger.reserve(&accounts, id, worst, self.now);
        } else {
            assert!(!fits || is_leased, "a lease is in the way: {worst:?} on {path:?}");
        }
        match reserved {
            Ok(hold) => {
                assert!(fits, "granted what does not fit: {worst:?} on {path:?}");
                self.log.push(self.ledger.entry(&hold));
                self.holds.push(hold);
                let names = self.reference.names(at);
                self.reference.attempts.push(Attempt {
                    id,
                    path,
                    worst,
                    names,
                    at,
                    state: State::UnderWay,
                    survived: false,
                });
            }
            Err(NoHold::Unleased) => panic!("every lease was extended"),
            Err(NoHold::Short(shortage)) => {
                assert!(!fits, "refused what fits: {shortage:?}");
                assert_eq!(shortage.fits_alone, fits_alone, "{shortage:?}");
            }
        }
    }

    fn settle(&mut self, which: usize, ending: u8, usd: i64, tokens: u64) {
        if self.holds.is_empty() {
            return;
        }
        let hold = self.holds.swap_remove(which % self.holds.len());
        let (id, worst) = (hold.attempt(), hold.worst());
        let used = Amounts { usd: Money::from_nanos(usd), tokens };
        let ending = [Ending::Complete(used), Ending::Cut(used), Ending::Refused, Ending::Unknown][usize::from(ending)];
        let expected = self.ledger.settlement(&hold, ending);
        let settlement = self.ledger.settle(hold, ending);
        assert_eq!(settlement, expected);
        assert_eq!(sum([settlement.charged, settlement.released, settlement.still_held]), worst);
        self.log.extend(settlement.entry());
        let state = match ending {
            Ending::Complete(used) | Ending::Cut(used) => {
                let charged = Amounts { usd: used.usd.min(worst.usd), tokens: used.tokens.min(worst.tokens) };
                assert_eq!(settlement.variance, used.usd.saturating_sub(worst.usd));
                State::Ended(charged)
            }
            Ending::Refused => State::Ended(Amounts::ZERO),
            Ending::Unknown => State::Unknown,
        };
        self.reference.attempts.iter_mut().find(|one| one.id == id).unwrap().state = state;
    }

    fn resolve(&mut self, which: usize, usd: i64) {
        if self.reference.attempts.is_empty() {
            return;
        }
        let place = which % self.reference.attempts.len();
        let attempt = &mut self.reference.attempts[place];
        let used = Amounts { usd: Money::from_nanos(usd), tokens: 0 };
        let (charged, lost) =
            (used.min(attempt.worst), self.ledger.lost_by_resolving(attempt.id, Ending::Complete(used)));
        let resolved = self.ledger.resolve(attempt.id, Ending::Complete(used));
        assert_eq!(resolved.is_some(), attempt.state == State::Unknown);
        if let Some(settlement) = resolved {
            self.log.extend(lost.into_iter().map(Entry::Lost));
            self.log.extend(settlement.entry());
            if attempt.survived {
                self.reference.lose_released(place, charged);
            }
            let attempt = &mut self.reference.attempts[place];
            attempt.state = State::Ended(Amounts { usd: used.usd.min(attempt.worst.usd), tokens: 0 });
        }
    }

    /// Every balance, unresolved attempt and invariant.
    fn compare(&self) {
        self.ledger.assert_invariants();
        for account in 0..ACCOUNTS {
            let balances = self.ledger.balances(index(account), self.now);
            let at = self.reference.time(&[account], self.now);
            for (place, balance) in balances.current.iter().enumerate() {
                let sums = self.reference.sums(account, place, at);
                assert_eq!((balance.posted, balance.held), sums, "{balance:?} of account {account}");
                assert_eq!(balance.lost, self.reference.lost(account, place, at), "{balance:?} of account {account}");
                let leased = [balance.usd_leased.map(|usd| usd.nanos().unsigned_abs()), balance.tokens_leased];
                let expected = [0, 1].map(|resource| self.reference.leased(account, place, resource, at));
                assert_eq!(leased, expected, "{balance:?} of account {account}");
            }
            let wallet = balances.wallet.map(|wallet| (wallet.usd_limit, wallet.posted, wallet.held));
            let (posted, held) = self.reference.sums(account, 4, at);
            let expected = self.reference.configs[account].wallet.map(|cap| (Some(cap), posted, held));
            assert_eq!(wallet, expected, "account {account}");
        }
        let unknown = self.reference.attempts.iter().filter(|one| one.state == State::Unknown).count();
        assert_eq!(self.ledger.unresolved().count(), unknown);
    }

    /// I7: the log, replayed into a new ledger, gives every balance; a second time it changes no open one.
    fn replay(&self) {
        let mut again = self.policy.map_or_else(Ledger::new, Ledger::with_leases);
        for (account, config) in self.reference.configs.iter().enumerate() {
            again.configure(index(account), config);
        }
        for entry in &self.log {
            again.apply(entry);
            // Each line again: what is open stays open once, what has ended has ended.
            let is_open = again.open_holds();
            if !matches!(entry, Entry::Refunded { .. }) {
                again.apply(entry);
            }
            assert_eq!(again.open_holds(), is_open);
        }
        for (account, config) in self.reference.configs.iter().enumerate() {
            // What was configured since the last credit is no entry.
            again.configure(index(account), config);
        }
        again.assert_invariants();
        for account in 0..ACCOUNTS {
            let far = Timestamp::from_micros(self.now.micros() + 200_000 * 1_000_000);
            let (ours, theirs) = (self.ledger.balances(index(account), far), again.balances(index(account), far));
            assert_eq!(ours.of(BudgetPeriod::Total), theirs.of(BudgetPeriod::Total));
            assert_eq!(ours.wallet, theirs.wallet);
            let at = self.reference.time(&[account], self.now);
            let (ours, theirs) = (self.ledger.balances(index(account), at), again.balances(index(account), at));
            assert_eq!(ours.current, theirs.current, "replayed (I7), account {account}");
        }
        // From here on both answer alike.
        for path in PATHS {
            let accounts: Vec<AccountIndex> = path.iter().map(|&account| index(account)).collect();
            let at = self.reference.time(path, self.now);
            assert_eq!(self.ledger.available(&accounts, at), again.available(&accounts, at));
        }
    }
}

proptest! {
    #[test]
    fn the_ledger_answers_as_the_naive_one(
        place in 0..ZONES.len(),
        caps in proptest::collection::vec(proptest::option::weighted(0.5, 20_i64..200), ACCOUNTS * 2),
        parts in proptest::option::weighted(0.7, 1_u32..12),
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut pair = Pair::new(zone(ZONES[place]), &caps, parts.map(|parts| LeasePolicy { parts }));
        for step in &steps {
            pair.run(step);
            pair.compare();
        }
        pair.replay();
    }
}
