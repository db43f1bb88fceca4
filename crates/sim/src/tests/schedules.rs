//! Threads on one shard, in every order that a scheduler can think of: the journal's prefixes keep to the limit (I1).
//!
//! The shard is a mutex, the journal another: as in the gateway, a reservation is under the first, its intent under the
//! second alone, its end under the second alone and before the money is free.

use base::{AccountIndex, AttemptId, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;
use ledger::{AccountConfig, Amounts, Ending, Ledger};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

const ACCOUNT: AccountIndex = AccountIndex(0);
const LIMIT: i64 = 10;
const DAY: i64 = 86_400;

/// One line: an intent, or an end with its charge, and the day of the grant.
#[derive(Debug, Clone, Copy)]
enum Line {
    Intent { id: u64, day: i64, worst: i64 },
    End { id: u64, charged: i64 },
}

fn usd(nanos: i64) -> Amounts {
    Amounts { usd: Money::from_nanos(nanos), tokens: 0 }
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::new();
    let budgets = Budgets { per_day: Some(Money::from_nanos(LIMIT)), ..Budgets::default() };
    ledger.configure(ACCOUNT, &AccountConfig { budgets, ..AccountConfig::unlimited(TimeZone::UTC) });
    ledger
}

/// In every prefix, what is charged and what is open stays within the limit of each day.
fn assert_prefixes(lines: &[Line]) {
    let mut open: Vec<(u64, i64, i64)> = Vec::new();
    let mut posted = [0_i64; 3];
    for line in lines {
        match *line {
            Line::Intent { id, day, worst } => open.push((id, day, worst)),
            Line::End { id, charged } => {
                let place = open.iter().position(|one| one.0 == id).expect("an end follows its intent");
                posted[open.swap_remove(place).1 as usize] += charged;
            }
        }
        for day in 0..3 {
            let held: i64 = open.iter().filter(|one| one.1 == day).map(|one| one.2).sum();
            assert!(posted[day as usize] + held <= LIMIT, "I1 of a prefix: {lines:?}");
        }
    }
}

/// Some calls, each with its worst case, its charge and the second at which it comes; `frees_first` is the mistake.
fn calls(shard: &Mutex<Ledger>, journal: &Mutex<Vec<Line>>, thread: u64, frees_first: bool) {
    for (number, (worst, charged, at)) in [(6, 2, DAY - 1), (8, 3, DAY - 1), (7, 7, DAY + 1)].into_iter().enumerate() {
        let id = thread * 10 + number as u64;
        let attempt = AttemptId { epoch: 1, sequence: id };
        let granted = shard.lock().unwrap().reserve(&[ACCOUNT], attempt, usd(worst), Timestamp::from_seconds(at));
        let Ok(hold) = granted else { continue };
        let day = hold.granted_at().seconds() / DAY;
        journal.lock().unwrap().push(Line::Intent { id, day, worst });
        thread::yield_now();
        let end = Line::End { id, charged };
        if number == 1 {
            // Nobody knows, and somebody decides: the record, then the money, under the lock of the shard.
            shard.lock().unwrap().settle(hold, Ending::Unknown);
            let mut ledger = shard.lock().unwrap();
            journal.lock().unwrap().push(end);
            ledger.resolve(attempt, Ending::Complete(usd(charged)));
        } else if frees_first {
            shard.lock().unwrap().settle(hold, Ending::Complete(usd(charged)));
            journal.lock().unwrap().push(end);
        } else {
            journal.lock().unwrap().push(end);
            shard.lock().unwrap().settle(hold, Ending::Complete(usd(charged)));
        }
    }
}

fn model(frees_first: bool) {
    let shard = Arc::new(Mutex::new(ledger()));
    let journal = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..2)
        .map(|number| {
            let (shard, journal) = (shard.clone(), journal.clone());
            thread::spawn(move || calls(&shard, &journal, number, frees_first))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let ledger = shard.lock().unwrap();
    ledger.assert_invariants();
    assert_eq!(ledger.open_holds(), 0);
    assert_prefixes(&journal.lock().unwrap());
}

#[test]
fn the_journal_keeps_to_the_limit_in_every_schedule() {
    let schedules = super::share(3_000) as usize;
    shuttle::check_random(|| model(false), schedules);
    shuttle::check_pct(|| model(false), schedules, 3);
}

#[test]
#[should_panic(expected = "I1 of a prefix")]
fn money_that_is_free_before_its_end_is_written_is_found() {
    shuttle::check_random(|| model(true), 20_000);
}
