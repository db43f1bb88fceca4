//! Windows against an exact log of what was admitted and when.

use base::{AccountIndex, Limits, Moment, Window};
use proptest::prelude::*;

use crate::{Admission, Pass};

const PATHS: [&[u32]; 3] = [&[0, 1], &[0, 2], &[0]];
const WINDOWS: [Window; 5] = [
    Window::RequestsPerMinute,
    Window::RequestsPerHour,
    Window::RequestsPerDay,
    Window::TokensPerMinute,
    Window::TokensPerDay,
];

#[derive(Debug, Clone)]
enum Step {
    Admit {
        path: usize,
        tokens: u64,
    },
    Settle {
        which: usize,
        used: u64,
    },
    Cancel {
        which: usize,
    },
    Clock {
        nanos: u64,
    },
    /// The clock shows an earlier time for one call: it counts as the latest.
    Back {
        nanos: u64,
        path: usize,
        tokens: u64,
    },
    /// The process dies; another begins so much later, whose clock shows this at that moment, and is told the log.
    Restart {
        nanos: u64,
        shows: u64,
        shuffle: u64,
    },
    Configure {
        account: u32,
        limits: Limits,
    },
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = |most: u64| proptest::option::weighted(0.6, 1..most);
    (limit(12), limit(25), limit(40), limit(100), limit(300), limit(6)).prop_map(
        |(rpm, rph, rpd, tpm, tpd, concurrency)| Limits {
            rpm,
            rph,
            rpd,
            tpm,
            tpd,
            tokens_per_month: None,
            concurrency,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    const SECOND: u64 = 1_000_000_000;
    // A new process's clock begins where the trailing day, and its last bucket, can be told on it.
    const DAYS: u64 = 2 * 86_400;
    prop_oneof![
        8 => (0..PATHS.len(), 0_u64..60).prop_map(|(path, tokens)| Step::Admit { path, tokens }),
        4 => (any::<usize>(), 0_u64..80).prop_map(|(which, used)| Step::Settle { which, used }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        4 => prop_oneof![
            Just(0),
            0..3 * SECOND,
            0..70 * SECOND,
            0..4_000 * SECOND,
            0..90_000 * SECOND,
            (50_u64..70).prop_map(|seconds| seconds * SECOND),
            1_000_000 * SECOND..1_000_000_000 * SECOND,
        ].prop_map(|nanos| Step::Clock { nanos }),
        1 => (0..90_000 * SECOND, 0..PATHS.len(), 0_u64..60)
            .prop_map(|(nanos, path, tokens)| Step::Back { nanos, path, tokens }),
        1 => (prop_oneof![0..3 * SECOND, 0..4_000 * SECOND, 0..90_000 * SECOND], DAYS * SECOND..1_000 * DAYS * SECOND, any::<u64>())
            .prop_map(|(nanos, shows, shuffle)| Step::Restart { nanos, shows, shuffle }),
        1 => (0_u32..3, limits()).prop_map(|(account, limits)| Step::Configure { account, limits }),
    ]
}

/// One admitted call. Its amounts shrink when it is settled.
struct Call {
    path: &'static [u32],
    at: u64,
    requests: u64,
    tokens: u64,
    is_under_way: bool,
}

/// The exact log.
struct Oracle {
    calls: Vec<Call>,
    limits: [Limits; 3],
    /// Since when each window of each account counts.
    since: [[usize; 5]; 3],
}

fn limit_of(limits: &Limits, window: Window) -> Option<u64> {
    match window {
        Window::RequestsPerMinute => limits.rpm,
        Window::RequestsPerHour => limits.rph,
        Window::RequestsPerDay => limits.rpd,
        Window::TokensPerMinute => limits.tpm,
        Window::TokensPerDay => limits.tpd,
        Window::TokensPerMonth | Window::Concurrency => limits.concurrency,
    }
}

impl Oracle {
    /// What counts in the trailing window of `sixtieths` sixtieths of its length, its older end included.
    fn sum(&self, account: u32, window: usize, now: u64, sixtieths: u64) -> u64 {
        let span = WINDOWS[window].length().unwrap().as_nanos() as u64 / 60 * sixtieths;
        let known = self.calls.iter().skip(self.since[account as usize][window]);
        let here = known
            .filter(|call| call.path.contains(&account) && u128::from(call.at) + u128::from(span) > u128::from(now));
        here.map(|call| if window < 3 { call.requests } else { call.tokens }).sum()
    }

    fn under_way(&self, account: u32) -> u64 {
        self.calls.iter().filter(|call| call.is_under_way && call.path.contains(&account)).count() as u64
    }

    /// Whether one more call fits everywhere, when windows are `sixtieths` long.
    fn fits(&self, path: &[u32], tokens: u64, now: u64, sixtieths: u64) -> bool {
        path.iter().all(|&account| {
            let limits = &self.limits[account as usize];
            let slots = limits.concurrency.is_none_or(|limit| self.under_way(account) < limit);
            let mut windows = WINDOWS.iter().enumerate();
            slots
                && windows.all(|(place, &window)| {
                    let amount = if place < 3 { 1 } else { tokens };
                    let limit = limit_of(limits, window);
                    amount == 0 || limit.is_none_or(|limit| self.sum(account, place, now, sixtieths) + amount <= limit)
                })
        })
    }
}

struct Pair {
    admission: Admission,
    oracle: Oracle,
    passes: Vec<(Pass, usize)>,
    now: u64,
    /// What the process's clock shows beyond `now`; it may be less.
    ahead: i128,
}

fn accounts(path: &[u32]) -> Vec<AccountIndex> {
    path.iter().map(|&account| AccountIndex(account * 1_000 + 1)).collect()
}

impl Pair {
    fn new(limits: [Limits; 3]) -> Pair {
        let mut admission = Admission::new();
        for (account, limits) in (0..).zip(&limits) {
            admission.configure(AccountIndex(account * 1_000 + 1), limits);
        }
        let oracle = Oracle { calls: Vec::new(), limits, since: [[0; 5]; 3] };
        Pair { admission, oracle, passes: Vec::new(), now: 0, ahead: 0 }
    }

    /// A time of the log, as the process's clock shows it.
    fn moment(&self, at: u64) -> Moment {
        Moment::from_nanos(u64::try_from(i128::from(at) + self.ahead).unwrap_or(0))
    }

    /// The process is gone; the log is all that is left.
    fn restart(&mut self, nanos: u64, shows: u64, shuffle: u64) {
        self.now += nanos;
        self.ahead = i128::from(shows) - i128::from(self.now);
        self.passes.clear();
        self.admission = Admission::new();
        for (account, limits) in (0..).zip(&self.oracle.limits) {
            self.admission.configure(AccountIndex(account * 1_000 + 1), limits);
        }
        let mut order: Vec<usize> = (0..self.oracle.calls.len()).collect();
        fastrand::Rng::with_seed(shuffle).shuffle(&mut order);
        for place in order {
            let call = &mut self.oracle.calls[place];
            // Nobody knows what it used: what was reserved stays counted.
            call.is_under_way = false;
            let call = &self.oracle.calls[place];
            let (requests, tokens) = (call.requests, call.tokens);
            self.admission.restore(&accounts(call.path), requests, tokens, self.moment(call.at), self.moment(self.now));
        }
        self.oracle.since = [[0; 5]; 3];
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Admit { path, tokens } => self.admit(PATHS[path], tokens, self.moment(self.now)),
            Step::Settle { which, used } => {
                if let Some((pass, call)) = self.take(which) {
                    self.admission.settle(pass, used, self.moment(self.now));
                    let call = &mut self.oracle.calls[call];
                    call.tokens = call.tokens.min(used);
                    call.is_under_way = false;
                }
            }
            Step::Cancel { which } => {
                if let Some((pass, call)) = self.take(which) {
                    self.admission.cancel(pass, self.moment(self.now));
                    let call = &mut self.oracle.calls[call];
                    (call.requests, call.tokens, call.is_under_way) = (0, 0, false);
                }
            }
            Step::Clock { nanos } => self.now += nanos,
            Step::Back { nanos, path, tokens } => {
                // What it has seen counts, whatever became of the call.
                let now = self.moment(self.now);
                if let Ok(pass) = self.admission.admit(&accounts(PATHS[path]), 0, now) {
                    self.admission.cancel(pass, now);
                }
                self.admit(PATHS[path], tokens, self.moment(self.now.saturating_sub(nanos)));
            }
            Step::Restart { nanos, shows, shuffle } => self.restart(nanos, shows, shuffle),
            Step::Configure { account, limits } => {
                for (place, &window) in WINDOWS.iter().enumerate() {
                    if limit_of(&self.oracle.limits[account as usize], window).is_none() {
                        self.oracle.since[account as usize][place] = self.oracle.calls.len();
                    }
                }
                self.oracle.limits[account as usize] = limits;
                self.admission.configure(AccountIndex(account * 1_000 + 1), &limits);
            }
        }
    }

    fn take(&mut self, which: usize) -> Option<(Pass, usize)> {
        (!self.passes.is_empty()).then(|| self.passes.swap_remove(which % self.passes.len()))
    }

    /// Asks at a time that the clock shows, which may be earlier than it is.
    fn admit(&mut self, path: &'static [u32], tokens: u64, now: Moment) {
        let checked = self.admission.check(&accounts(path), tokens, now);
        let admitted = self.admission.admit(&accounts(path), tokens, now);
        assert_eq!(checked.err(), admitted.as_ref().err().copied(), "check and admit agree");
        match admitted {
            Ok(pass) => {
                assert!(self.oracle.fits(path, tokens, self.now, 60), "more than the limit in a trailing window");
                self.passes.push((pass, self.oracle.calls.len()));
                let call = Call { path, at: self.now, requests: 1, tokens, is_under_way: true };
                self.oracle.calls.push(call);
            }
            Err(breach) => {
                assert!(!self.oracle.fits(path, tokens, self.now, 61), "capacity is late: {breach:?}");
                self.assert_retry(path, tokens, &breach);
            }
        }
    }

    /// After the wait, alone, the call is admitted; one bucket earlier the exact log has no room for it either.
    fn assert_retry(&self, path: &[u32], tokens: u64, breach: &crate::Breach) {
        let mut later = self.admission.clone();
        // "Alone": the slots of calls under way are free by then; their tokens and requests still count.
        for (account, limits) in (0..).zip(&self.oracle.limits) {
            let limits = Limits { concurrency: limits.concurrency.filter(|&limit| limit == 0), ..*limits };
            later.configure(AccountIndex(account * 1_000 + 1), &limits);
        }
        let then = self.moment(self.now).saturating_add(breach.retry_after);
        let answer = later.admit(&accounts(path), tokens, then);
        assert_eq!(answer.is_ok(), !breach.is_never, "retry after {:?}: {answer:?}", breach.retry_after);
        if let (Some(length), false) = (breach.window.length(), breach.is_never) {
            assert!(breach.retry_after <= length + length / 60);
            let wait = u64::try_from(breach.retry_after.as_nanos()).unwrap();
            let early = (self.now + wait).checked_sub(length.as_nanos() as u64 / 60 + 1);
            if let Some(early) = early.filter(|&early| early > self.now) {
                assert!(!self.oracle.fits(path, tokens, early, 60), "retry after {:?} is late", breach.retry_after);
            }
        }
    }

    /// What is reported lies between the exact sums of the window and of one bucket more.
    fn compare(&self) {
        for account in 0..3 {
            for status in self.admission.windows(AccountIndex(account * 1_000 + 1), self.moment(self.now)) {
                let Some(place) = WINDOWS.iter().position(|&window| window == status.window) else {
                    assert_eq!(status.used, self.oracle.under_way(account));
                    continue;
                };
                let least = self.oracle.sum(account, place, self.now, 60);
                let most = self.oracle.sum(account, place, self.now, 61);
                assert!(least <= status.used && status.used <= most, "{least} {status:?} {most}");
                assert_eq!(status.remaining, status.limit.saturating_sub(status.used));
            }
        }
    }
}

/// As many cases as `PROPTEST_CASES` says; the million of the promise with `MANDANT_LONG=1`.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    if std::env::var_os("MANDANT_LONG").is_some() { ProptestConfig { cases: 1_000_000, ..config } } else { config }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn windows_answer_as_the_exact_log_allows(
        limits in [limits(), limits(), limits()],
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let mut pair = Pair::new(limits);
        for step in &steps {
            pair.run(step);
            pair.compare();
        }
        // Everything ends: no slot is lost.
        while let Some((pass, call)) = pair.take(0) {
            pair.admission.cancel(pass, pair.moment(pair.now));
            let call = &mut pair.oracle.calls[call];
            (call.requests, call.tokens, call.is_under_way) = (0, 0, false);
        }
        pair.compare();
    }
}
