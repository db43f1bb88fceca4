//! The edge of a budget: nothing over it, and all of it usable.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use base::{AccountIndex, AttemptId, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;

use crate::{AccountConfig, Amounts, Ending, Ledger, NoHold};

const CALLS: u64 = 2_000;
const BUDGET: Money = Money::from_usd(10);
const PATH: [AccountIndex; 3] = [AccountIndex(1), AccountIndex(20), AccountIndex(300)];

fn ledger() -> Ledger {
    let mut ledger = Ledger::new();
    let limited = Budgets { per_month: Some(BUDGET), ..Budgets::default() };
    for (place, account) in PATH.into_iter().enumerate() {
        let budgets = if place == 0 { limited } else { Budgets::default() };
        ledger.configure(account, &AccountConfig { budgets, ..AccountConfig::unlimited(TimeZone::UTC) });
    }
    ledger
}

/// A call's worst case, and what it will use of it, in nano-USD.
fn sizes(random: &mut fastrand::Rng) -> (i64, i64) {
    let worst = random.i64(1_000_000..50_000_000);
    (worst, random.i64(0..=worst))
}

/// What is spent of the first account, and what is held.
fn spent(ledger: &Ledger) -> (Money, Money) {
    let balance = *ledger.balances(PATH[0], Timestamp::EPOCH).of(base::BudgetPeriod::Month);
    (balance.posted.usd, balance.held.usd)
}

#[test]
fn two_thousand_interleaved_calls_never_exceed_the_budget_and_can_use_all_of_it() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut ledger = ledger();
        let mut open = Vec::new();
        let mut sequence = 0;
        let mut waiting: Vec<(i64, i64)> = (0..CALLS).map(|_| sizes(&mut random)).collect();
        while let Some(&(worst, used)) = waiting.last() {
            sequence += 1;
            let amounts = Amounts { usd: Money::from_nanos(worst), tokens: 1 };
            match ledger.reserve(&PATH, AttemptId { epoch: 1, sequence }, amounts, Timestamp::EPOCH) {
                Ok(hold) => {
                    open.push((hold, used));
                    waiting.pop();
                }
                // Waiting can help exactly as long as others hold something.
                Err(NoHold::Short(shortage)) if shortage.fits_alone => assert!(!open.is_empty(), "seed {seed}"),
                Err(_) => {
                    waiting.pop();
                    continue;
                }
            }
            let (posted, held) = spent(&ledger);
            assert!(posted + held <= BUDGET, "seed {seed}");
            while !open.is_empty() && (random.bool() || waiting.is_empty()) {
                let (hold, used) = open.swap_remove(random.usize(..open.len()));
                let used = Amounts { usd: Money::from_nanos(used), tokens: 1 };
                let ending = if random.u8(..) < 16 { Ending::Refused } else { Ending::Complete(used) };
                let _ = ledger.settle(hold, ending);
            }
        }
        for (hold, used) in open {
            let _ = ledger.settle(hold, Ending::Cut(Amounts { usd: Money::from_nanos(used), tokens: 1 }));
        }
        let (posted, held) = spent(&ledger);
        assert_eq!(held, Money::ZERO, "seed {seed}");
        assert!(posted.nanos() >= BUDGET.nanos() / 100 * 99, "seed {seed}: {posted} was usable");
        let rest = Amounts { usd: BUDGET - posted, tokens: 0 };
        let last = ledger.reserve(&PATH, AttemptId { epoch: 2, sequence: 1 }, rest, Timestamp::EPOCH);
        let _ = ledger.settle(last.expect("the last nano-dollar is usable"), Ending::Complete(rest));
        assert_eq!(spent(&ledger).0, BUDGET, "seed {seed}");
        ledger.assert_invariants();
    }
}

#[test]
fn parallel_calls_never_exceed_the_budget() {
    let ledger = Mutex::new(ledger());
    let sequence = AtomicU64::new(1);
    let threads = 8;
    std::thread::scope(|scope| {
        for seed in 0..threads {
            let (ledger, sequence) = (&ledger, &sequence);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..CALLS / threads {
                    let (worst, used) = sizes(&mut random);
                    let attempt = AttemptId { epoch: 1, sequence: sequence.fetch_add(1, Ordering::Relaxed) };
                    let worst = Amounts { usd: Money::from_nanos(worst), tokens: 1 };
                    let held = ledger.lock().unwrap().reserve(&PATH, attempt, worst, Timestamp::EPOCH);
                    std::thread::yield_now();
                    let Ok(hold) = held else { continue };
                    let used = Amounts { usd: Money::from_nanos(used), tokens: 1 };
                    let _ = ledger.lock().unwrap().settle(hold, Ending::Complete(used));
                }
            });
        }
    });
    let ledger = ledger.into_inner().unwrap();
    ledger.assert_invariants();
    let (posted, held) = spent(&ledger);
    assert_eq!((held, ledger.open_holds()), (Money::ZERO, 0));
    assert!(posted <= BUDGET && posted.nanos() >= BUDGET.nanos() / 100 * 99, "{posted}");
}
