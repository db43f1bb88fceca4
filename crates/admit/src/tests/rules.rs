//! What single windows, slots and configuration changes do.

use core::time::Duration;

use base::{AccountIndex, Limits, Moment, Window};

use crate::{Admission, Ask};

const TENANT: AccountIndex = AccountIndex(3);
const KEY: AccountIndex = AccountIndex(70_000);
const PATH: [AccountIndex; 2] = [TENANT, KEY];

fn seconds(seconds: u64) -> Moment {
    Moment::from_nanos(seconds * 1_000_000_000)
}

fn with(tenant: Limits, key: Limits) -> Admission {
    let mut admission = Admission::default();
    admission.configure(TENANT, &tenant.into());
    admission.configure(KEY, &key.into());
    admission
}

fn rpm(limit: u64) -> Limits {
    Limits { rpm: Some(limit), ..Limits::default() }
}

fn used(admission: &Admission, account: AccountIndex, now: Moment) -> Vec<(Window, u64)> {
    admission.windows(account, now).iter().map(|status| (status.window, status.used)).collect()
}

#[test]
fn all_levels_take_or_none() {
    let mut admission = with(Limits { rph: Some(5), ..rpm(3) }, Limits { tpm: Some(100), ..Limits::default() });
    let _first = admission.admit(&Ask::of(&PATH, 60), seconds(1)).unwrap();
    let breach = admission.admit(&Ask::of(&PATH, 41), seconds(1)).unwrap_err();
    assert_eq!((breach.account, breach.window, breach.limit), (KEY, Window::TokensPerMinute, 100));
    assert!(!breach.is_never);
    assert_eq!(
        used(&admission, TENANT, seconds(1)),
        [(Window::RequestsPerMinute, 1), (Window::RequestsPerHour, 1)],
        "a refused call takes nothing"
    );
}

#[test]
fn a_full_window_opens_within_a_sixtieth_of_its_length() {
    let mut admission = with(rpm(2), Limits::default());
    for _ in 0..2 {
        let pass = admission.admit(&Ask::of(&PATH, 0), seconds(100)).unwrap();
        admission.settle(pass, 0, seconds(100));
    }
    let breach = admission.admit(&Ask::of(&PATH, 0), seconds(130)).unwrap_err();
    assert_eq!(breach.retry_after, Duration::from_secs(31));
    assert!(admission.admit(&Ask::of(&PATH, 0), seconds(160)).is_err(), "60 s later both still count");
    assert!(admission.admit(&Ask::of(&PATH, 0), seconds(161)).is_ok());
}

#[test]
fn unused_tokens_go_back_to_the_bucket_they_came_from() {
    let mut admission = with(Limits { tpm: Some(100), tpd: Some(1_000), ..Limits::default() }, Limits::default());
    let pass = admission.admit(&Ask::of(&PATH, 90), seconds(10)).unwrap();
    let other = admission.admit(&Ask::of(&PATH, 10), seconds(40)).unwrap();
    admission.settle(pass, 20, seconds(41));
    assert_eq!(used(&admission, TENANT, seconds(41)), [(Window::TokensPerMinute, 30), (Window::TokensPerDay, 30)]);
    assert_eq!(used(&admission, TENANT, seconds(71))[0].1, 10, "the 20 of second 10 are gone");
    // Its bucket has left the minute by itself; the day still knows it.
    admission.settle(other, 0, seconds(150));
    assert_eq!(used(&admission, TENANT, seconds(150)), [(Window::TokensPerMinute, 0), (Window::TokensPerDay, 20)]);
}

#[test]
fn more_tokens_than_reserved_are_not_counted() {
    let mut admission = with(Limits { tpm: Some(100), ..Limits::default() }, Limits::default());
    let pass = admission.admit(&Ask::of(&PATH, 50), seconds(10)).unwrap();
    admission.settle(pass, 5_000, seconds(10));
    assert_eq!(used(&admission, TENANT, seconds(10)), [(Window::TokensPerMinute, 50)]);
}

#[test]
fn a_cancelled_call_leaves_no_trace() {
    let all = Limits {
        rpm: Some(1),
        rph: Some(1),
        rpd: Some(1),
        tpm: Some(10),
        tpd: Some(10),
        concurrency: Some(1),
        ..Limits::default()
    };
    let mut admission = with(all, all);
    let before = (admission.windows(TENANT, seconds(9)), admission.windows(KEY, seconds(9)));
    for _ in 0..100 {
        let pass = admission.admit(&Ask::of(&PATH, 10), seconds(9)).unwrap();
        assert!(admission.check(&Ask::of(&PATH, 0), seconds(9)).is_err());
        admission.cancel(pass, seconds(9));
    }
    assert_eq!((admission.windows(TENANT, seconds(9)), admission.windows(KEY, seconds(9))), before);
}

#[test]
fn calls_under_way_are_limited_and_known_to_a_limit_set_later() {
    let mut admission = with(Limits::default(), Limits::default());
    let first = admission.admit(&Ask::of(&PATH, 0), seconds(1)).unwrap();
    let second = admission.admit(&Ask::of(&PATH, 0), seconds(1)).unwrap();
    admission.configure(TENANT, &Limits { concurrency: Some(2), ..Limits::default() }.into());
    let breach = admission.admit(&Ask::of(&PATH, 0), seconds(1)).unwrap_err();
    assert_eq!((breach.window, breach.limit, breach.is_never), (Window::Concurrency, 2, false));
    admission.settle(first, 0, seconds(1));
    let third = admission.admit(&Ask::of(&PATH, 0), seconds(1)).unwrap();
    admission.settle(second, 0, seconds(2));
    admission.cancel(third, seconds(2));
    assert_eq!(used(&admission, TENANT, seconds(2)), [(Window::Concurrency, 0)]);
}

#[test]
fn what_can_never_fit_says_so() {
    let mut admission = with(Limits { tpm: Some(100), ..rpm(5) }, Limits::default());
    let breach = admission.admit(&Ask::of(&PATH, 101), seconds(1)).unwrap_err();
    assert!(breach.is_never);
    assert_eq!(breach.window, Window::TokensPerMinute);
    admission.configure(KEY, &rpm(0).into());
    assert!(admission.admit(&Ask::of(&PATH, 1), seconds(1)).unwrap_err().is_never);
}

#[test]
fn a_changed_limit_keeps_the_counts_and_a_new_window_starts_empty() {
    let mut admission = with(rpm(10), Limits::default());
    let passes: Vec<_> = (0..5).map(|_| admission.admit(&Ask::of(&PATH, 7), seconds(5)).unwrap()).collect();
    admission.configure(TENANT, &rpm(4).into());
    assert!(admission.admit(&Ask::of(&PATH, 0), seconds(5)).is_err());
    admission.configure(TENANT, &Limits { tpm: Some(100), ..rpm(6) }.into());
    let _sixth = admission.admit(&Ask::of(&PATH, 7), seconds(5)).unwrap();
    assert!(admission.admit(&Ask::of(&PATH, 7), seconds(5)).is_err());
    for pass in passes {
        // They were admitted before there was a token window, which has none of their tokens to give back.
        admission.settle(pass, 0, seconds(6));
    }
    assert_eq!(used(&admission, TENANT, seconds(6)), [(Window::RequestsPerMinute, 6), (Window::TokensPerMinute, 7)]);
}

#[test]
fn a_window_set_again_knows_nothing_of_passes_of_the_one_before() {
    let mut admission = with(Limits { tpm: Some(10), ..Limits::default() }, Limits::default());
    let old = admission.admit(&Ask::of(&PATH, 10), seconds(5)).unwrap();
    admission.configure(TENANT, &Limits::default().into());
    admission.configure(TENANT, &Limits { tpm: Some(10), ..Limits::default() }.into());
    let new = admission.admit(&Ask::of(&PATH, 10), seconds(5)).unwrap();
    admission.settle(old, 0, seconds(5));
    assert_eq!(used(&admission, TENANT, seconds(5)), [(Window::TokensPerMinute, 10)]);
    admission.settle(new, 4, seconds(5));
    assert_eq!(used(&admission, TENANT, seconds(5)), [(Window::TokensPerMinute, 4)]);
}

#[test]
fn the_longest_wait_is_reported() {
    let mut admission = with(Limits { rph: Some(1), ..rpm(1) }, Limits { concurrency: Some(1), ..rpm(1) });
    let _pass = admission.admit(&Ask::of(&PATH, 0), seconds(0)).unwrap();
    let breach = admission.admit(&Ask::of(&PATH, 0), seconds(30)).unwrap_err();
    assert_eq!((breach.account, breach.window), (TENANT, Window::RequestsPerHour));
    assert_eq!(breach.retry_after, Duration::from_secs(3_660 - 30));
}

#[test]
fn a_clock_that_stands_or_steps_back_or_leaps_breaks_nothing() {
    let mut admission = with(rpm(2), Limits { tpm: Some(5), ..Limits::default() });
    let pass = admission.admit(&Ask::of(&PATH, 5), seconds(1_000)).unwrap();
    assert!(admission.admit(&Ask::of(&PATH, 1), seconds(10)).is_err(), "an earlier moment counts as the latest");
    admission.settle(pass, 1, seconds(3));
    let pass = admission.admit(&Ask::of(&PATH, 4), seconds(1_000)).unwrap();
    let far = Moment::from_nanos(u64::MAX);
    assert_eq!(used(&admission, TENANT, far), [(Window::RequestsPerMinute, 0)]);
    let late = admission.admit(&Ask::of(&PATH, 5), far).unwrap();
    admission.settle(pass, 0, far);
    admission.settle(late, 0, far);
    assert_eq!(used(&admission, KEY, far), [(Window::TokensPerMinute, 0)]);
}

#[test]
fn what_an_earlier_moment_took_is_given_back_where_it_was_taken() {
    let mut admission = with(Limits { tpm: Some(100), ..Limits::default() }, Limits::default());
    let _before = admission.admit(&Ask::of(&PATH, 10), seconds(1_000)).unwrap();
    let pass = admission.admit(&Ask::of(&PATH, 50), seconds(10)).unwrap();
    admission.settle(pass, 20, seconds(11));
    assert_eq!(used(&admission, TENANT, seconds(12)), [(Window::TokensPerMinute, 30)]);
}

#[test]
fn the_tightest_windows_of_a_path_are_found() {
    let mut admission = with(Limits { rpd: Some(9), tpm: Some(500), ..rpm(8) }, Limits { tpd: Some(400), ..rpm(20) });
    assert_eq!(admission.tightest(&Ask::of(&[KEY], 0), seconds(1)).request.unwrap().remaining, 20);
    let _pass = admission.admit(&Ask::of(&PATH, 30), seconds(1)).unwrap();
    let tightest = admission.tightest(&Ask::of(&PATH, 0), seconds(31));
    let (request, tokens) = (tightest.request.unwrap(), tightest.tokens.unwrap());
    assert_eq!((request.window, request.remaining, request.limit), (Window::RequestsPerMinute, 7, 8));
    assert_eq!(request.resets_in, Duration::from_secs(31));
    assert_eq!((tokens.window, tokens.remaining), (Window::TokensPerDay, 370));
    // The minute is over: its window is full of room again, the day's is not.
    assert_eq!(admission.tightest(&Ask::of(&[TENANT], 0), seconds(62)).request.unwrap().remaining, 8);
}

#[test]
#[should_panic(expected = "an account is configured before it is used")]
fn an_unknown_account_is_not_one_without_limits() {
    let _ = Admission::default().admit(&Ask::of(&PATH, 0), Moment::START);
}
