//! Windows against an exact log of what was admitted and when: of accounts, of single models and of end users.

use std::collections::BTreeMap;

use base::{AccountIndex, AccountLimits, Limits, ModelId, Moment, MoreLimits, PartLimits, Window};
use proptest::prelude::*;

use crate::{Admission, Ask, Pass};

const PATHS: [&[u32]; 3] = [&[0, 1], &[0, 2], &[0]];
/// The second one has no limits of its own.
const MODELS: [&str; 2] = ["large", "small"];
const END_USERS: u64 = 2;
const WINDOWS: [Window; 5] = [
    Window::RequestsPerMinute,
    Window::RequestsPerHour,
    Window::RequestsPerDay,
    Window::TokensPerMinute,
    Window::TokensPerDay,
];

/// Of one call what windows ask for.
#[derive(Debug, Clone, Copy)]
struct Kind {
    path: usize,
    model: usize,
    end_user: Option<u64>,
    tokens: u64,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a hundred of them at a time")]
enum Step {
    Admit(Kind),
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
        kind: Kind,
    },
    /// The process dies; another begins so much later, whose clock shows this at that moment, and is told the log.
    Restart {
        nanos: u64,
        shows: u64,
        shuffle: u64,
    },
    Configure {
        account: u32,
        limits: Set,
    },
}

/// What one account is given: for itself, for calls of the large model, and for each end user.
#[derive(Debug, Clone, Copy)]
struct Set {
    own: Limits,
    model: Option<Limits>,
    per_end_user: Option<Limits>,
}

impl Set {
    fn account_limits(&self) -> AccountLimits {
        let part = |own| PartLimits { own, shadow: None };
        let large = ModelId::new(MODELS[0]).unwrap();
        let models: BTreeMap<_, _> = self.model.map(|limits| (large, part(limits))).into_iter().collect();
        let more = MoreLimits { models, per_end_user: self.per_end_user.map(part), ..MoreLimits::default() };
        AccountLimits { own: self.own, more: (more != MoreLimits::default()).then(|| Box::new(more)) }
    }

    /// Where only calls under way are in the way, they have ended.
    fn without_slots(&self) -> Set {
        let free = |limits: Limits| Limits { concurrency: limits.concurrency.filter(|&limit| limit == 0), ..limits };
        Set { own: free(self.own), model: self.model.map(free), per_end_user: self.per_end_user.map(free) }
    }
}

fn set() -> impl Strategy<Value = Set> {
    let part = || proptest::option::weighted(0.4, limits());
    (limits(), part(), part()).prop_map(|(own, model, per_end_user)| Set { own, model, per_end_user })
}

fn kind() -> impl Strategy<Value = Kind> {
    (0..PATHS.len(), 0..MODELS.len(), proptest::option::of(0..END_USERS), 0_u64..60)
        .prop_map(|(path, model, end_user, tokens)| Kind { path, model, end_user, tokens })
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
            block_for: None,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    const SECOND: u64 = 1_000_000_000;
    // A new process's clock begins where the trailing day, and its last bucket, can be told on it.
    const DAYS: u64 = 2 * 86_400;
    prop_oneof![
        8 => kind().prop_map(Step::Admit),
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
        1 => (0..90_000 * SECOND, kind()).prop_map(|(nanos, kind)| Step::Back { nanos, kind }),
        1 => (prop_oneof![0..3 * SECOND, 0..4_000 * SECOND, 0..90_000 * SECOND], DAYS * SECOND..1_000 * DAYS * SECOND, any::<u64>())
            .prop_map(|(nanos, shows, shuffle)| Step::Restart { nanos, shows, shuffle }),
        1 => (0_u32..3, set()).prop_map(|(account, limits)| Step::Configure { account, limits }),
    ]
}

/// Windows of one kind of call of one account: all of them, those of the large model, or those of one end user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Whole(u32),
    Large(u32),
    EndUser(u32, u64),
}

impl Subject {
    fn all() -> impl Iterator<Item = Subject> {
        (0..3).flat_map(|account| {
            let users = (0..END_USERS).map(move |user| Subject::EndUser(account, user));
            [Subject::Whole(account), Subject::Large(account)].into_iter().chain(users)
        })
    }

    fn has(self, kind: &Kind) -> bool {
        let (account, fits) = match self {
            Subject::Whole(account) => (account, true),
            Subject::Large(account) => (account, kind.model == 0),
            Subject::EndUser(account, user) => (account, kind.end_user == Some(user)),
        };
        fits && PATHS[kind.path].contains(&account)
    }

    /// Its limits; none where it has no windows.
    fn limits(self, sets: &[Set; 3]) -> Option<Limits> {
        match self {
            Subject::Whole(account) => Some(sets[account as usize].own),
            Subject::Large(account) => sets[account as usize].model,
            Subject::EndUser(account, _) => sets[account as usize].per_end_user,
        }
    }
}

/// One admitted call. Its amounts shrink when it is settled.
struct Call {
    kind: Kind,
    at: u64,
    requests: u64,
    tokens: u64,
    /// Where it has a slot.
    under_way: Vec<Subject>,
}

/// The exact log.
struct Oracle {
    calls: Vec<Call>,
    sets: [Set; 3],
    /// Since when each window counts.
    since: BTreeMap<(Subject, usize), usize>,
    /// Models that have had limits since the process began: their slots are counted.
    known: Vec<Subject>,
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
    fn sum(&self, subject: Subject, window: usize, now: u64, sixtieths: u64) -> u64 {
        let span = WINDOWS[window].length().unwrap().as_nanos() as u64 / 60 * sixtieths;
        let known = self.calls.iter().skip(self.since.get(&(subject, window)).copied().unwrap_or(0));
        let here =
            known.filter(|call| subject.has(&call.kind) && u128::from(call.at) + u128::from(span) > u128::from(now));
        here.map(|call| if window < 3 { call.requests } else { call.tokens }).sum()
    }

    fn under_way(&self, subject: Subject) -> u64 {
        self.calls.iter().filter(|call| call.under_way.contains(&subject)).count() as u64
    }

    /// Whether one more call fits everywhere, when windows are `sixtieths` long.
    fn fits(&self, kind: &Kind, now: u64, sixtieths: u64) -> bool {
        Subject::all().filter(|subject| subject.has(kind)).all(|subject| {
            let Some(limits) = subject.limits(&self.sets) else { return true };
            let slots = limits.concurrency.is_none_or(|limit| self.under_way(subject) < limit);
            let mut windows = WINDOWS.iter().enumerate();
            slots
                && windows.all(|(place, &window)| {
                    let amount = if place < 3 { 1 } else { kind.tokens };
                    let limit = limit_of(&limits, window);
                    amount == 0 || limit.is_none_or(|limit| self.sum(subject, place, now, sixtieths) + amount <= limit)
                })
        })
    }

    /// Where a call gets a slot.
    fn slots(&self, kind: &Kind) -> Vec<Subject> {
        let counts = |subject: &Subject| match subject {
            Subject::Whole(_) => true,
            Subject::Large(_) => self.known.contains(subject),
            Subject::EndUser(..) => subject.limits(&self.sets).is_some(),
        };
        Subject::all().filter(|subject| subject.has(kind)).filter(counts).collect()
    }

    fn configure(&mut self, account: u32, set: Set) {
        let ours = |subject: &Subject| match *subject {
            Subject::Whole(one) | Subject::Large(one) | Subject::EndUser(one, _) => one == account,
        };
        for subject in Subject::all().filter(ours) {
            for (place, &window) in WINDOWS.iter().enumerate() {
                if subject.limits(&self.sets).and_then(|limits| limit_of(&limits, window)).is_none() {
                    self.since.insert((subject, place), self.calls.len());
                }
            }
        }
        self.sets[account as usize] = set;
        self.note_models();
    }

    fn note_models(&mut self) {
        let named = (0..3).map(Subject::Large).filter(|subject| subject.limits(&self.sets).is_some());
        self.known.extend(named);
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

fn index(account: u32) -> AccountIndex {
    AccountIndex(account * 1_000 + 1)
}

/// Asks with the accounts of the kind's path.
fn with<T>(kind: &Kind, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
    let path: Vec<AccountIndex> = PATHS[kind.path].iter().copied().map(index).collect();
    let end_user = kind.end_user.map(|user| user.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    ask(&Ask { path: &path, model: Some(MODELS[kind.model]), end_user, tokens: kind.tokens })
}

impl Pair {
    fn new(sets: [Set; 3]) -> Pair {
        let mut admission = Admission::default();
        for (account, set) in (0..).zip(&sets) {
            admission.configure(index(account), &set.account_limits());
        }
        let mut oracle = Oracle { calls: Vec::new(), sets, since: BTreeMap::new(), known: Vec::new() };
        oracle.note_models();
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
        self.admission = Admission::default();
        for (account, set) in (0..).zip(&self.oracle.sets) {
            self.admission.configure(index(account), &set.account_limits());
        }
        let mut order: Vec<usize> = (0..self.oracle.calls.len()).collect();
        fastrand::Rng::with_seed(shuffle).shuffle(&mut order);
        for place in order {
            let call = &mut self.oracle.calls[place];
            // Nobody knows what it used: what was reserved stays counted.
            call.under_way.clear();
            let call = &self.oracle.calls[place];
            let kind = Kind { tokens: call.tokens, ..call.kind };
            let (at, now) = (self.moment(call.at), self.moment(self.now));
            let requests = call.requests;
            with(&kind, |ask| self.admission.restore(ask, requests, at, now));
        }
        self.oracle.since.clear();
        self.oracle.known.clear();
        self.oracle.note_models();
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Admit(kind) => self.admit(&kind, self.moment(self.now)),
            Step::Settle { which, used } => {
                if let Some((pass, call)) = self.take(which) {
                    self.admission.settle(pass, used, self.moment(self.now));
                    let call = &mut self.oracle.calls[call];
                    call.tokens = call.tokens.min(used);
                    call.under_way.clear();
                }
            }
            Step::Cancel { which } => self.cancel(which),
            Step::Clock { nanos } => self.now += nanos,
            Step::Back { nanos, kind } => {
                // What it has seen counts, whatever became of the call.
                let now = self.moment(self.now);
                if let Ok(pass) = with(&Kind { tokens: 0, ..kind }, |ask| self.admission.admit(ask, now)) {
                    self.admission.cancel(pass, now);
                }
                self.admit(&kind, self.moment(self.now.saturating_sub(nanos)));
            }
            Step::Restart { nanos, shows, shuffle } => self.restart(nanos, shows, shuffle),
            Step::Configure { account, limits } => {
                self.oracle.configure(account, limits);
                self.admission.configure(index(account), &limits.account_limits());
            }
        }
    }

    fn take(&mut self, which: usize) -> Option<(Pass, usize)> {
        (!self.passes.is_empty()).then(|| self.passes.swap_remove(which % self.passes.len()))
    }

    fn cancel(&mut self, which: usize) {
        if let Some((pass, call)) = self.take(which) {
            self.admission.cancel(pass, self.moment(self.now));
            let call = &mut self.oracle.calls[call];
            (call.requests, call.tokens) = (0, 0);
            call.under_way.clear();
        }
    }

    /// Asks at a time that the clock shows, which may be earlier than it is.
    fn admit(&mut self, kind: &Kind, now: Moment) {
        let checked = with(kind, |ask| self.admission.check(ask, now));
        let admitted = with(kind, |ask| self.admission.admit(ask, now));
        assert_eq!(checked.err(), admitted.as_ref().err().copied(), "check and admit agree");
        match admitted {
            Ok(pass) => {
                assert!(self.oracle.fits(kind, self.now, 60), "more than the limit in a trailing window");
                self.passes.push((pass, self.oracle.calls.len()));
                let under_way = self.oracle.slots(kind);
                let call = Call { kind: *kind, at: self.now, requests: 1, tokens: kind.tokens, under_way };
                self.oracle.calls.push(call);
            }
            Err(breach) => {
                assert!(!self.oracle.fits(kind, self.now, 61), "capacity is late: {breach:?}");
                self.assert_retry(kind, &breach);
            }
        }
    }

    /// After the wait, alone, the call is admitted; one bucket earlier the exact log has no room for it either.
    fn assert_retry(&self, kind: &Kind, breach: &crate::Breach) {
        let mut later = self.admission.clone();
        // "Alone": the slots of calls under way are free by then; their tokens and requests still count.
        for (account, set) in (0..).zip(&self.oracle.sets) {
            later.configure(index(account), &set.without_slots().account_limits());
        }
        let then = self.moment(self.now).saturating_add(breach.retry_after);
        let answer = with(kind, |ask| later.admit(ask, then));
        assert_eq!(answer.is_ok(), !breach.is_never, "retry after {:?}: {answer:?}", breach.retry_after);
        if let (Some(length), false) = (breach.window.length(), breach.is_never) {
            assert!(breach.retry_after <= length + length / 60);
            let wait = u64::try_from(breach.retry_after.as_nanos()).unwrap();
            let early = (self.now + wait).checked_sub(length.as_nanos() as u64 / 60 + 1);
            if let Some(early) = early.filter(|&early| early > self.now) {
                assert!(!self.oracle.fits(kind, early, 60), "retry after {:?} is late", breach.retry_after);
            }
        }
    }

    /// What is reported lies between the exact sums of the window and of one bucket more.
    fn compare(&self) {
        for account in 0..3 {
            let report = self.admission.report(index(account), self.moment(self.now));
            assert_eq!(report.models.len(), usize::from(report.models.iter().any(|one| !one.windows.is_empty())));
            let whole = report.windows.iter().map(|status| (Subject::Whole(account), status));
            let models = report.models.iter().flat_map(|model| &model.windows);
            for (subject, status) in whole.chain(models.map(|status| (Subject::Large(account), status))) {
                let Some(place) = WINDOWS.iter().position(|&window| window == status.window) else {
                    assert_eq!(status.used, self.oracle.under_way(subject));
                    continue;
                };
                let least = self.oracle.sum(subject, place, self.now, 60);
                let most = self.oracle.sum(subject, place, self.now, 61);
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
        limits in [set(), set(), set()],
        steps in proptest::collection::vec(step(), 1..150),
    ) {
        let mut pair = Pair::new(limits);
        for step in &steps {
            pair.run(step);
            pair.compare();
        }
        // Everything ends: no slot is lost.
        while !pair.passes.is_empty() {
            pair.cancel(0);
        }
        pair.compare();
    }
}
