//! What was used lately, given back with its times: exact where rows are read, late rather than early elsewhere.

use std::collections::BTreeMap;

use base::Money;
use base::{AttemptId, Timestamp};
use ledger::Amounts;

use super::Bench;
use super::usage::{START, many, record};
use crate::{ClockAnchor, Ending, RecentMoment, ResolvedRecord, UsageRecord};

/// By tenant, project, key and model: when, and how many tokens; in order.
type Uses = BTreeMap<String, Vec<(i64, u64, u64)>>;

fn given(bench: &Bench, since: i64, rows_max: usize) -> Uses {
    let uses = bench.store.recent_uses_of(Timestamp::from_seconds(since), rows_max).unwrap();
    let named = uses.into_iter().map(|used| {
        let name = format!("{} {} {} {}", used.tenant, used.project.as_str(), used.key, used.model);
        let told = |one: RecentMoment| (one.at.micros(), one.requests, one.tokens);
        let mut moments: Vec<_> = used.moments.into_iter().map(told).collect();
        moments.sort_unstable();
        (name, moments)
    });
    named.collect()
}

/// The same, straight from the records.
fn expected(records: &[UsageRecord], since: i64) -> Uses {
    let mut uses = Uses::new();
    for one in records.iter().filter(|one| one.at.seconds().div_euclid(900) >= since.div_euclid(900)) {
        let name = format!("{} {} {} {}", one.tenant, one.project.as_str(), one.key, one.model);
        let used = (one.usage.input + one.usage.output).min(one.held_tokens);
        let tokens = if one.ending == Ending::Unknown { one.held_tokens } else { used };
        uses.entry(name).or_default().push((one.at.micros(), 1, tokens));
    }
    uses.values_mut().for_each(|moments| moments.sort_unstable());
    uses
}

#[test]
fn rows_give_back_what_was_used_and_when() {
    let bench = Bench::new();
    let mut records = many(2_000);
    for record in &mut records {
        record.usage = wire::Usage { input: 100, output: 10, ..Default::default() };
    }
    bench.record_usage(&records);
    for since in [START - 1_000, START + 86_400, START + 345_000, START + 400_000] {
        assert_eq!(given(&bench, since, usize::MAX), expected(&records, since), "since {since}");
    }
}

#[test]
fn what_is_not_read_is_dated_late_and_nothing_is_missing() {
    let bench = Bench::new();
    // One call every ten seconds, so that attempts are in the order of their time.
    let records: Vec<UsageRecord> = (1..=2_000).map(|one| record(one, START + 10 * one as i64)).collect();
    bench.record_usage(&records);
    let exact = &expected(&records, START)["acme search ci small"];
    for rows_max in [0, 10, 100, 1_000, 1_999, 2_000] {
        let given = &given(&bench, START, rows_max)["acme search ci small"];
        let sum = |moments: &[(i64, u64, u64)]| {
            moments.iter().fold((0, 0), |(requests, tokens), one| (requests + one.1, tokens + one.2))
        };
        assert_eq!(sum(given), sum(exact), "{rows_max} rows");
        // At every time at least as much counts as the exact log has, and a quarter of an hour later no more.
        for (at, _, _) in exact {
            let later = |moments: &[(i64, u64, u64)], at: i64| -> u64 {
                moments.iter().filter(|one| one.0 >= at).map(|one| one.1).sum()
            };
            assert!(later(given, *at) >= later(exact, *at), "{rows_max} rows, {at}");
            assert!(later(given, *at) <= later(exact, *at - 900_000_000), "{rows_max} rows, {at}");
        }
        // The newest are exact.
        let newest = rows_max * 8 / 10;
        assert_eq!(given[given.len() - newest..], exact[exact.len() - newest..], "{rows_max} rows");
    }
}

#[test]
fn what_an_unknown_attempt_reserved_stays_counted_once_it_is_resolved() {
    let bench = Bench::new();
    let unknown =
        UsageRecord { ending: Ending::Unknown, charged: Money::ZERO, usage: Default::default(), ..record(1, START) };
    bench.record_usage(&[unknown, record(2, START + 5)]);
    let before = given(&bench, START, usize::MAX);
    assert_eq!(before["acme search ci small"], [(START * 1_000_000, 1, 500), ((START + 5) * 1_000_000, 1, 110)]);
    let charged = Amounts { usd: Money::from_nanos(1), tokens: 7 };
    let resolved = ResolvedRecord {
        attempt: AttemptId { epoch: 1, sequence: 1 },
        at: Timestamp::from_seconds(START + 60),
        charged,
        reason: "known".into(),
    };
    assert!(bench.store.resolve(resolved).unwrap());
    assert_eq!(given(&bench, START, usize::MAX), before);
}

#[test]
fn anchors_are_of_one_run_of_the_machine_and_survive_the_process() {
    let bench = Bench::new();
    let anchor = |boot: u8, seconds: u64| ClockAnchor {
        boot: [boot; 16],
        since_boot_micros: seconds * 1_000_000,
        wall: Timestamp::from_seconds(START),
    };
    let noted = [anchor(1, 5), anchor(2, 3), anchor(2, 9)];
    for one in &noted {
        bench.store.note_clock(one).unwrap();
    }
    let store = bench.reopen();
    assert_eq!(store.clock_anchors([2; 16]).unwrap(), noted[1..]);
    assert_eq!(store.clock_anchors([1; 16]).unwrap(), noted[..1]);
    assert!(store.clock_anchors([3; 16]).unwrap().is_empty());
    for seconds in 0..1_100 {
        store.note_clock(&anchor(4, seconds)).unwrap();
    }
    assert_eq!(store.clock_anchors([4; 16]).unwrap().len(), 1_000, "old ones are forgotten");
    assert!(store.clock_anchors([2; 16]).unwrap().is_empty());
}

#[test]
fn rows_say_whose_calls_they_were_and_sums_do_not() {
    let bench = Bench::new();
    let of = |one: u64, user: Option<&str>| UsageRecord {
        end_user: user.map(str::to_owned),
        ..record(one, START + 10 * one as i64)
    };
    bench.record_usage(&[of(1, Some("ann")), of(2, None), of(3, Some("bob")), of(4, Some("ann"))]);
    let users = |rows_max: usize| {
        let uses = bench.store.recent_uses_of(Timestamp::from_seconds(START), rows_max).unwrap();
        let moments = uses.into_iter().flat_map(|used| used.moments);
        let mut users: Vec<_> = moments.map(|one| one.end_user.map(|name| name.to_string())).collect();
        users.sort();
        users
    };
    let (ann, bob) = (Some("ann".to_owned()), Some("bob".to_owned()));
    assert_eq!(users(usize::MAX), [None, ann.clone(), ann.clone(), bob]);
    assert_eq!(users(1), [None, ann], "what is not read is one sum");
}
