//! Limits for single models and end users, blocks after a refusal, and limits that are only watched.

use core::time::Duration;

use base::{AccountIndex, AccountLimits, Limits, ModelId, Moment, MoreLimits, Part, PartLimits, Window};

use crate::{Admission, Ask, Breach, Pass};

const TENANT: AccountIndex = AccountIndex(3);
const KEY: AccountIndex = AccountIndex(70_000);
const PATH: [AccountIndex; 2] = [TENANT, KEY];

fn seconds(seconds: u64) -> Moment {
    Moment::from_nanos(seconds * 1_000_000_000)
}

fn rpm(limit: u64) -> Limits {
    Limits { rpm: Some(limit), ..Limits::default() }
}

fn part(own: Limits) -> PartLimits {
    PartLimits { own, shadow: None }
}

fn more(more: MoreLimits) -> AccountLimits {
    AccountLimits { own: Limits::default(), more: Some(Box::new(more)) }
}

fn for_model(name: &str, limits: Limits) -> AccountLimits {
    let models = [(ModelId::new(name).unwrap(), part(limits))].into_iter().collect();
    more(MoreLimits { models, ..MoreLimits::default() })
}

fn for_end_users(limits: Limits) -> AccountLimits {
    more(MoreLimits { per_end_user: Some(part(limits)), ..MoreLimits::default() })
}

fn watching(limits: Limits) -> AccountLimits {
    more(MoreLimits { shadow: Some(limits), ..MoreLimits::default() })
}

struct Bench {
    admission: Admission,
    now: Moment,
}

impl Bench {
    fn new(tenant: &AccountLimits, key: &AccountLimits, end_users_max: usize) -> Bench {
        let mut admission = Admission::new(end_users_max);
        admission.configure(TENANT, tenant);
        admission.configure(KEY, key);
        Bench { admission, now: seconds(1_000) }
    }

    fn call(&mut self, model: &str, end_user: Option<u64>, tokens: u64) -> Result<Pass, Breach> {
        self.admission.admit(&Ask { path: &PATH, model: Some(model), end_user, tokens }, self.now)
    }

    /// Calls that go through, one after the other and each ended at once, until one does not.
    fn calls_until_refused(&mut self, model: &str, end_user: Option<u64>) -> (usize, Breach) {
        for count in 0..1_000 {
            match self.call(model, end_user, 1) {
                Ok(pass) => self.admission.settle(pass, 1, self.now),
                Err(breach) => return (count, breach),
            }
        }
        panic!("nothing refused a thousand calls");
    }
}

#[test]
fn a_model_has_windows_of_its_own_and_the_others_do_not_feel_them() {
    let mut bench = Bench::new(&for_model("large", rpm(2)), &for_model("large", rpm(5)), 10);
    let (count, breach) = bench.calls_until_refused("large", None);
    assert_eq!((count, breach.account, breach.part, breach.limit), (2, TENANT, Part::Model, 2));
    for _ in 0..100 {
        let pass = bench.call("small", None, 1).unwrap();
        bench.admission.settle(pass, 1, bench.now);
    }
    // What the tenant refused took nothing from the key.
    let used = |account| bench.admission.report(account, bench.now).models[0].windows[0].used;
    assert_eq!((used(TENANT), used(KEY)), (2, 2));
    let ask = |model| Ask { path: &PATH, model: Some(model), end_user: None, tokens: 0 };
    let left = |model| bench.admission.tightest(&ask(model), bench.now).request.map(|status| status.remaining);
    assert_eq!((left("large"), left("small")), (Some(0), None), "headers tell the tightest that the call has");
}

#[test]
fn a_model_whose_limits_come_and_go_keeps_the_calls_under_way() {
    let one = Limits { concurrency: Some(1), ..Limits::default() };
    let mut bench = Bench::new(&for_model("large", one), &AccountLimits::default(), 10);
    let pass = bench.call("large", None, 1).unwrap();
    bench.admission.configure(TENANT, &AccountLimits::default());
    let free = bench.call("large", None, 1).unwrap();
    bench.admission.configure(TENANT, &for_model("large", one));
    assert_eq!(bench.call("large", None, 1).unwrap_err().window, Window::Concurrency);
    bench.admission.settle(pass, 1, bench.now);
    assert!(bench.call("large", None, 1).is_err(), "the second is still under way");
    bench.admission.settle(free, 1, bench.now);
    let _pass = bench.call("large", None, 1).unwrap();
}

#[test]
fn each_end_user_gets_its_own_windows() {
    let mut bench = Bench::new(&for_end_users(rpm(3)), &AccountLimits::default(), 10);
    assert!(bench.admission.limits_end_users());
    for user in 1..=4 {
        let (count, breach) = bench.calls_until_refused("any", Some(user));
        assert_eq!((count, breach.account, breach.part), (3, TENANT, Part::EndUser), "end user {user}");
    }
    for _ in 0..20 {
        let pass = bench.call("any", None, 1).unwrap();
        bench.admission.settle(pass, 1, bench.now);
    }
    assert_eq!(bench.admission.report(TENANT, bench.now).end_users, Some(4));
}

#[test]
fn a_flood_of_end_users_gives_nobody_a_fresh_window_and_takes_bounded_memory() {
    let mut bench = Bench::new(&for_end_users(rpm(3)), &AccountLimits::default(), 100);
    let victim = 7_777_777;
    assert_eq!(bench.calls_until_refused("any", Some(victim)).0, 3);
    for user in 0..20_000 {
        if let Ok(pass) = bench.call("any", Some(user), 1) {
            bench.admission.settle(pass, 1, bench.now);
        }
        if user % 100 == 0 {
            assert!(bench.call("any", Some(victim), 1).is_err(), "after {user} others its window is as full as before");
        }
    }
    assert_eq!(bench.admission.report(TENANT, bench.now).end_users, Some(100));
    // Two accounts, a hundred end users, and the shared windows.
    assert_eq!(bench.admission.accounts.len(), 2 + 100 + 64);
    // A minute and a bucket later everybody is as new, and those who came late are remembered in their place.
    bench.now = seconds(1_062);
    assert_eq!(bench.calls_until_refused("any", Some(victim)).0, 3);
    assert_eq!(bench.calls_until_refused("any", Some(19_999)).0, 3);
    assert_eq!(bench.admission.accounts.len(), 2 + 100 + 64);
}

#[test]
fn who_shares_windows_goes_on_sharing_until_they_are_empty() {
    let mut bench = Bench::new(&for_end_users(rpm(3)), &AccountLimits::default(), 1);
    let first = bench.call("any", Some(1), 1).unwrap();
    bench.admission.settle(first, 1, bench.now);
    // No room for a second one: it shares, and uses the shared windows up.
    bench.now = seconds(1_030);
    assert_eq!(bench.calls_until_refused("any", Some(2)).0, 3);
    // A minute after its call the first is idle and its place free, but what the second used half a minute ago counts still.
    bench.now = seconds(1_062);
    assert!(bench.call("any", Some(2), 1).is_err(), "its own windows would be fresh ones");
    assert!(bench.call("any", Some(2 + 64), 1).is_err(), "its windows are those of the second");
    assert_eq!(bench.calls_until_refused("any", Some(3)).0, 3, "of another share, it takes the place");
    bench.now = seconds(1_123);
    assert_eq!(bench.calls_until_refused("any", Some(2)).0, 3);
}

#[test]
fn an_end_user_under_way_is_not_forgotten() {
    let one = Limits { concurrency: Some(1), ..Limits::default() };
    let mut bench = Bench::new(&for_end_users(one), &AccountLimits::default(), 1);
    let pass = bench.call("any", Some(1), 1).unwrap();
    bench.now = seconds(1_000_000);
    let _shared = bench.call("any", Some(2), 1).unwrap();
    assert!(bench.call("any", Some(1), 1).is_err());
    bench.admission.settle(pass, 1, bench.now);
    let _third = bench.call("any", Some(3), 1).unwrap();
    assert_eq!(bench.admission.report(TENANT, bench.now).end_users, Some(1), "the first made room");
}

#[test]
fn limits_per_end_user_that_change_are_in_force_for_those_that_are_known() {
    let mut bench = Bench::new(&for_end_users(rpm(3)), &AccountLimits::default(), 10);
    assert_eq!(bench.calls_until_refused("any", Some(1)).0, 3);
    bench.admission.configure(TENANT, &for_end_users(rpm(5)));
    assert_eq!(bench.calls_until_refused("any", Some(1)).0, 2);
    bench.admission.configure(TENANT, &AccountLimits::default());
    let pass = bench.call("any", Some(1), 1).unwrap();
    bench.admission.settle(pass, 1, bench.now);
}

#[test]
fn after_a_refusal_everything_is_refused_for_as_long_as_it_says() {
    let block = |limits| Limits { block_for: Some(Duration::from_secs(200)), ..limits };
    let mut bench = Bench::new(&block(rpm(2)).into(), &AccountLimits::default(), 10);
    let (count, breach) = bench.calls_until_refused("any", None);
    assert_eq!((count, breach.is_block, breach.retry_after), (2, true, Duration::from_secs(200)));
    assert!(breach.begins_block);
    bench.now = seconds(1_030);
    let breach = bench.call("any", None, 1).unwrap_err();
    assert_eq!(breach.retry_after, Duration::from_secs(170), "both stand in the way");
    assert!(!breach.begins_block);
    // The window has room after a minute, the block is in force.
    bench.now = seconds(1_150);
    let breach = bench.call("any", None, 1).unwrap_err();
    assert_eq!((breach.window, breach.limit, breach.is_block), (Window::RequestsPerMinute, 2, true));
    assert_eq!(breach.retry_after, Duration::from_secs(50), "refused calls do not prolong it");
    let tightest = bench.admission.tightest(&Ask::of(&PATH, 0), bench.now).request.unwrap();
    assert_eq!((tightest.remaining, tightest.resets_in), (0, Duration::from_secs(50)));
    assert_eq!(
        bench.admission.report(TENANT, bench.now).blocked,
        Some((Duration::from_secs(50), Window::RequestsPerMinute))
    );
    bench.now = seconds(1_200);
    assert_eq!(bench.calls_until_refused("any", None).0, 2);
    // Taken away, the block goes with it.
    bench.now = seconds(1_300);
    assert!(bench.call("any", None, 1).is_err());
    bench.admission.configure(TENANT, &rpm(2).into());
    assert_eq!(bench.calls_until_refused("any", None).0, 2);
}

#[test]
fn a_check_begins_no_block_and_neither_does_a_call_too_large_or_one_at_once_too_many() {
    let limits = Limits {
        tpm: Some(100),
        rpm: Some(1),
        concurrency: Some(1),
        block_for: Some(Duration::from_secs(900)),
        ..Limits::default()
    };
    let mut bench = Bench::new(&limits.into(), &AccountLimits::default(), 10);
    assert!(bench.call("any", None, 101).unwrap_err().is_never);
    let pass = bench.call("any", None, 50).unwrap();
    let ask = Ask::of(&PATH, 1);
    assert_eq!(bench.admission.check(&ask, bench.now).unwrap_err().retry_after, Duration::from_secs(900));
    bench.now = seconds(1_100);
    assert_eq!(bench.call("any", None, 1).unwrap_err().window, Window::Concurrency);
    bench.admission.settle(pass, 1, bench.now);
    assert!(bench.call("any", None, 1).is_ok(), "nothing was blocked");
}

#[test]
fn a_block_is_of_the_part_whose_window_refused() {
    let limits = Limits { block_for: Some(Duration::from_secs(300)), ..rpm(1) };
    let mut bench = Bench::new(&for_end_users(limits), &for_model("large", limits), 10);
    assert_eq!(bench.calls_until_refused("large", None).1.part, Part::Model);
    assert_eq!(bench.calls_until_refused("small", Some(5)).1.part, Part::EndUser);
    bench.now = seconds(1_200);
    assert!(bench.call("large", None, 1).is_err() && bench.call("small", Some(5), 1).is_err());
    assert!(bench.call("small", Some(6), 1).is_ok() && bench.call("small", None, 1).is_ok());
}

#[test]
fn a_limit_that_is_only_watched_counts_what_it_would_refuse_and_refuses_nothing() {
    let limits = Limits { tpm: Some(1_000), concurrency: Some(5), ..rpm(3) };
    let mut bench = Bench::new(&watching(limits), &rpm(50).into(), 10);
    for number in 0..10 {
        let pass = bench.call("any", None, 10).unwrap();
        assert_eq!(pass.shadow_breach().is_some(), number >= 3, "call {number}");
        if let Some(breach) = pass.shadow_breach() {
            assert_eq!((breach.account, breach.window, breach.limit), (TENANT, Window::RequestsPerMinute, 3));
        }
        bench.admission.settle(pass, 10, bench.now);
    }
    let told = |bench: &Bench| -> Vec<(Window, u64, u64)> {
        let shadows = bench.admission.report(TENANT, bench.now).shadows;
        shadows.iter().map(|one| (one.status.window, one.status.used, one.refused)).collect()
    };
    let (minute, tokens, slots) = (Window::RequestsPerMinute, Window::TokensPerMinute, Window::Concurrency);
    // As if it were enforced: what it would have refused does not count in it.
    assert_eq!(told(&bench), [(minute, 3, 7), (tokens, 30, 0), (slots, 0, 0)]);
    bench.now = seconds(1_062);
    let passes: Vec<_> = (0..3).map(|_| bench.call("any", None, 400).unwrap()).collect();
    assert_eq!(told(&bench), [(minute, 2, 7), (tokens, 800, 1), (slots, 2, 0)], "the third has too many tokens");
    for pass in passes {
        bench.admission.cancel(pass, bench.now);
    }
    assert_eq!(told(&bench), [(minute, 0, 7), (tokens, 0, 1), (slots, 0, 0)]);
    // What is enforced refuses as ever.
    assert_eq!(bench.calls_until_refused("any", None).1.account, KEY);
}

#[test]
fn a_watched_limit_that_comes_later_knows_nothing_of_calls_under_way() {
    let mut bench = Bench::new(&AccountLimits::default(), &AccountLimits::default(), 10);
    let before = bench.call("any", None, 10).unwrap();
    bench.admission.configure(TENANT, &watching(Limits { tpm: Some(100), ..Limits::default() }));
    let first = bench.call("any", None, 10).unwrap();
    bench.admission.configure(TENANT, &AccountLimits::default());
    bench.admission.configure(TENANT, &watching(Limits { tpm: Some(100), ..Limits::default() }));
    let second = bench.call("any", None, 30).unwrap();
    for pass in [before, first] {
        bench.admission.settle(pass, 0, bench.now);
    }
    assert_eq!(bench.admission.report(TENANT, bench.now).shadows[0].status.used, 30);
    bench.admission.settle(second, 20, bench.now);
    assert_eq!(bench.admission.report(TENANT, bench.now).shadows[0].status.used, 20);
}

#[test]
fn what_end_users_would_be_refused_is_counted_at_their_account() {
    let limits = PartLimits { own: Limits::default(), shadow: Some(rpm(2)) };
    let mut bench =
        Bench::new(&more(MoreLimits { per_end_user: Some(limits), ..MoreLimits::default() }), &rpm(100).into(), 2);
    for user in 0..3 {
        for _ in 0..5 {
            let pass = bench.call("any", Some(user), 1).unwrap();
            bench.admission.settle(pass, 1, bench.now);
        }
    }
    let shadows = bench.admission.report(TENANT, bench.now).shadows;
    assert_eq!((shadows[0].part, shadows[0].status.limit, shadows[0].refused), (Part::EndUser, 2, 9));
}
