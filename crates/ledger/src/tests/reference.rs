//! The ledger against a naive one: a list of all attempts, from which every answer is computed from scratch.

use base::{AccountIndex, AttemptId, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::table::{sum, zone};
use crate::{AccountConfig, Amounts, Ending, Entry, Hold, Ledger, NoHold, bounds};

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
        1 => (0..ACCOUNTS, 0_usize..6, proptest::option::weighted(0.8, 0_i64..100))
            .prop_map(|(account, period, cap)| Step::Limit { account, period, cap }),
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
    state: State,
}

/// The naive ledger.
struct Reference {
    zone: TimeZone,
    attempts: Vec<Attempt>,
    configs: Vec<AccountConfig>,
    /// The latest time each account has seen.
    seen: Vec<Timestamp>,
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

    /// Whether it fits, and whether it would without the holds.
    fn fits(&self, path: &[usize], worst: Amounts, now: Timestamp) -> (bool, bool) {
        let at = self.time(path, now);
        let (mut fits, mut fits_alone) = (true, true);
        for &account in path {
            for (place, period) in BudgetPeriod::ALL.into_iter().enumerate() {
                let (posted, held) = self.sums(account, place, at);
                if let Some(cap) = self.configs[account].budgets.cap(period).filter(|_| worst.usd > Money::ZERO) {
                    fits &= posted.usd + held.usd + worst.usd <= cap;
                    fits_alone &= posted.usd + worst.usd <= cap;
                }
                let cap = self.configs[account].tokens_per_month.filter(|_| period == BudgetPeriod::Month);
                if let Some(cap) = cap.filter(|_| worst.tokens > 0) {
                    fits &= posted.tokens + held.tokens + worst.tokens <= cap;
                    fits_alone &= posted.tokens + worst.tokens <= cap;
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
}

fn index(account: usize) -> AccountIndex {
    AccountIndex(account as u32 * 977 + 3)
}

impl Pair {
    fn new(zone: TimeZone, caps: &[Option<i64>]) -> Pair {
        let mut ledger = Ledger::new();
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
        let reference = Reference { zone, attempts: Vec::new(), configs, seen };
        // Some days before Samoa skipped one.
        Pair { ledger, reference, holds: Vec::new(), log: Vec::new(), now: Timestamp::from_seconds(1_324_900_000) }
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
                    _ => config.tokens_per_month = cap.map(i64::unsigned_abs),
                }
                self.ledger.configure(index(account), config);
            }
        }
    }

    fn reserve(&mut self, path: &'static [usize], usd: i64, tokens: u64) {
        let worst = Amounts { usd: Money::from_nanos(usd), tokens };
        let accounts: Vec<AccountIndex> = path.iter().map(|&account| index(account)).collect();
        let id = AttemptId { epoch: 1, sequence: self.reference.attempts.len() as u64 + 1 };
        let (fits, fits_alone) = self.reference.fits(path, worst, self.now);
        let at = self.reference.time(path, self.now);
        let checked = self.ledger.check(&accounts, worst, self.now);
        let reserved = self.ledger.reserve(&accounts, id, worst, self.now);
        let short = reserved.as_ref().err().and_then(|no_hold| no_hold.shortage());
        assert_eq!(checked.err(), short, "check and reserve agree");
        for &account in path {
            self.reference.seen[account] = self.reference.seen[account].max(at);
        }
        match reserved {
            Ok(hold) => {
                assert!(fits, "granted what does not fit: {worst:?} on {path:?}");
                self.log.push(self.ledger.entry(&hold));
                self.holds.push(hold);
                let names = self.reference.names(at);
                self.reference.attempts.push(Attempt { id, path, worst, names, state: State::UnderWay });
            }
            Err(NoHold::Unleased) => panic!("no lease is needed"),
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
        let settlement = self.ledger.settle(hold, ending);
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
        let resolved = self.ledger.resolve(attempt.id, Ending::Complete(used));
        assert_eq!(resolved.is_some(), attempt.state == State::Unknown);
        if let Some(settlement) = resolved {
            self.log.extend(settlement.entry());
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
            }
        }
        let unknown = self.reference.attempts.iter().filter(|one| one.state == State::Unknown).count();
        assert_eq!(self.ledger.unresolved().count(), unknown);
    }

    /// I7: the log, replayed into a new ledger, gives every balance; a second time it changes no open one.
    fn replay(&self) {
        let mut again = Ledger::new();
        for (account, config) in self.reference.configs.iter().enumerate() {
            again.configure(index(account), config);
        }
        for entry in &self.log {
            again.apply(entry);
            // Each line again: what is open stays open once, what has ended has ended.
            let is_open = again.open_holds();
            again.apply(entry);
            assert_eq!(again.open_holds(), is_open);
        }
        again.assert_invariants();
        for account in 0..ACCOUNTS {
            let far = Timestamp::from_micros(self.now.micros() + 200_000 * 1_000_000);
            let (ours, theirs) = (self.ledger.balances(index(account), far), again.balances(index(account), far));
            assert_eq!(ours.of(BudgetPeriod::Total), theirs.of(BudgetPeriod::Total));
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
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut pair = Pair::new(zone(ZONES[place]), &caps);
        for step in &steps {
            pair.run(step);
            pair.compare();
        }
        pair.replay();
    }
}
