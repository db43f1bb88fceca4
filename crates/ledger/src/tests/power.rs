//! A loss of power: the end of the log is gone, and yet nothing that may have been spent can be spent again.

use base::{AccountIndex, AttemptId, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::{AccountConfig, Amounts, Ending, Entry, Hold, LeasePolicy, Ledger, NoHold};

const PATHS: [[AccountIndex; 2]; 2] = [[AccountIndex(1), AccountIndex(2)], [AccountIndex(1), AccountIndex(3)]];
const ACCOUNTS: [AccountIndex; 3] = [AccountIndex(1), AccountIndex(2), AccountIndex(3)];
const START: Timestamp = Timestamp::from_seconds(1_767_000_000);

#[derive(Debug, Clone)]
enum Step {
    Reserve { path: usize, usd: i64, tokens: u64 },
    Settle { which: usize, usd: i64, tokens: u64 },
    Refill { path: usize },
    Hours(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..2_usize, 1_i64..30, 0_u64..30).prop_map(|(path, usd, tokens)| Step::Reserve { path, usd, tokens }),
        3 => (any::<usize>(), 0_i64..30, 0_u64..30)
            .prop_map(|(which, usd, tokens)| Step::Settle { which, usd, tokens }),
        1 => (0..2_usize).prop_map(|path| Step::Refill { path }),
        1 => (1_i64..30).prop_map(Step::Hours),
    ]
}

struct World {
    ledger: Ledger,
    log: Vec<Entry>,
    /// Up to here the log was certainly synced: leases are, before they are used.
    synced: usize,
    holds: Vec<Hold>,
    now: Timestamp,
}

fn configured(caps: [i64; 3], parts: u32) -> Ledger {
    let mut ledger = Ledger::with_leases(LeasePolicy { parts });
    for (account, cap) in ACCOUNTS.into_iter().zip(caps) {
        let budgets = Budgets {
            per_day: Some(Money::from_nanos(cap)),
            total: Some(Money::from_nanos(cap * 3)),
            ..Budgets::default()
        };
        let tokens_per_month = Some(cap.unsigned_abs() * 2);
        let config = AccountConfig { budgets, tokens_per_month, ..AccountConfig::unlimited(TimeZone::UTC) };
        ledger.configure(account, &config);
    }
    ledger
}

impl World {
    fn run(&mut self, step: &Step) {
        match *step {
            Step::Reserve { path, usd, tokens } => {
                let worst = Amounts { usd: Money::from_nanos(usd), tokens };
                let attempt = AttemptId { epoch: 1, sequence: self.log.len() as u64 + 1 };
                let mut held = self.ledger.reserve(&PATHS[path], attempt, worst, self.now);
                if held == Err(NoHold::Unleased) {
                    let wanted = self.ledger.leases_wanted(&PATHS[path], worst, self.now);
                    self.extend(&wanted);
                    held = self.ledger.reserve(&PATHS[path], attempt, worst, self.now);
                }
                if let Ok(hold) = held {
                    self.log.push(self.ledger.entry(&hold));
                    self.holds.push(hold);
                }
            }
            Step::Settle { which, usd, tokens } if !self.holds.is_empty() => {
                let hold = self.holds.swap_remove(which % self.holds.len());
                let ending = Ending::Complete(Amounts { usd: Money::from_nanos(usd), tokens });
                self.log.extend(self.ledger.settlement(&hold, ending).entry());
                let _ = self.ledger.settle(hold, ending);
            }
            Step::Settle { .. } => {}
            Step::Refill { path } => {
                let due = self.ledger.refills_due(&PATHS[path], self.now);
                self.extend(&due);
            }
            Step::Hours(hours) => self.now = Timestamp::from_seconds(self.now.seconds() + hours * 3_600),
        }
    }

    fn extend(&mut self, leases: &[crate::Lease]) {
        for lease in leases {
            self.log.push(Entry::Leased(*lease));
            self.ledger.extend(lease);
        }
        if !leases.is_empty() {
            self.synced = self.log.len();
        }
    }
}

/// Posted, held and lost in one period.
fn used(ledger: &Ledger, account: AccountIndex, period: BudgetPeriod, now: Timestamp) -> [u64; 2] {
    let balance = *ledger.balances(account, now).of(period);
    super::table::sum([balance.posted, balance.held, balance.lost]).numbers()
}

proptest! {
    #[test]
    fn what_the_lost_end_of_the_log_may_have_spent_is_not_spent_again(
        caps in [20_i64..300, 20_i64..300, 20_i64..300],
        parts in 1_u32..12,
        steps in proptest::collection::vec(step(), 1..80),
        cut in any::<prop::sample::Index>(),
    ) {
        let ledger = configured(caps, parts);
        let mut world = World { ledger, log: Vec::new(), synced: 0, holds: Vec::new(), now: START };
        for step in &steps {
            world.run(step);
        }
        let kept = world.synced + cut.index(world.log.len() - world.synced + 1);
        let mut again = configured(caps, parts);
        for entry in &world.log[..kept] {
            again.apply(entry);
            again.assert_invariants();
        }
        let _ = again.lose_unused_leases();
        again.assert_invariants();
        let now = again.balances(ACCOUNTS[0], world.now).of(BudgetPeriod::Day).starts.max(world.now);
        for account in ACCOUNTS {
            for (period, cap) in [(BudgetPeriod::Day, 1), (BudgetPeriod::Month, 2), (BudgetPeriod::Total, 3)] {
                let (before, after) =
                    (used(&world.ledger, account, period, now), used(&again, account, period, now));
                let is_tokens = period == BudgetPeriod::Month;
                let resource = usize::from(is_tokens);
                prop_assert!(
                    after[resource] >= before[resource],
                    "{account:?} {period:?}: {before:?} may be spent, {after:?} are counted of {cap} parts"
                );
            }
        }
    }
}
