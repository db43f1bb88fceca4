//! How long one reserve and one settle take. Run with `--release -- --ignored --nocapture`.

use std::hint::black_box;

use base::{AccountIndex, AttemptId, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;

use crate::{AccountConfig, Alerts, Amounts, Ending, LeasePolicy, Ledger, NoHold};

const ACCOUNTS: u32 = 30_000;
const OPEN: usize = 1_000;
/// Calls between two looks at the clock.
const BLOCK: u64 = 1_000;
const ROUNDS: u64 = 2_000_000;

#[test]
#[ignore = "measures; only a release build says something"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn reserve_and_settle_of_a_hot_tenant_cost_less_than_300_ns() {
    let many = u64::from(ACCOUNTS / 3);
    let plain = Ledger::new;
    let leased = || Ledger::with_leases(LeasePolicy { parts: 64 });
    for (name, tenants, mut ledger) in [
        ("one hot tenant", 1, plain()),
        ("one hot tenant with leases", 1, leased()),
        ("10,000 tenants", many, plain()),
        ("10,000 tenants with leases", many, leased()),
    ] {
        let budgets = Budgets { per_month: Some(Money::from_usd(1_000_000)), ..Budgets::default() };
        let (alerts, unlimited) = (Alerts::new(&[50, 80]).unwrap(), AccountConfig::unlimited(TimeZone::UTC));
        let config = AccountConfig { budgets, tokens_per_month: Some(1 << 60), alerts, ..unlimited };
        for account in 0..ACCOUNTS {
            ledger.configure(AccountIndex(account * 16), &config);
        }
        let worst = Amounts { usd: Money::from_nanos(1_000), tokens: 1_000 };
        let used = Amounts { usd: Money::from_nanos(10), tokens: 500 };
        let mut open = std::collections::VecDeque::new();
        let mut blocks = Vec::new();
        for block in 0..ROUNDS / BLOCK {
            let start = std::time::Instant::now();
            for sequence in block * BLOCK + 1..=(block + 1) * BLOCK {
                let now = Timestamp::from_micros(1_700_000_000_000_000 + sequence as i64);
                let (path, attempt) = (path(sequence, tenants), AttemptId { epoch: 1, sequence });
                let mut hold = ledger.reserve(&path, attempt, worst, now);
                if hold == Err(NoHold::Unleased) {
                    for lease in ledger.leases_wanted(&path, worst, now) {
                        ledger.extend(&lease);
                    }
                    hold = ledger.reserve(&path, attempt, worst, now);
                }
                open.push_back(hold.expect("there is money"));
                if open.len() > OPEN {
                    let hold = open.pop_front().expect("a thousand are open");
                    black_box(ledger.settle(hold, Ending::Complete(used)));
                }
            }
            blocks.push(start.elapsed().as_nanos() / u128::from(BLOCK));
        }
        blocks.sort_unstable();
        let (median, mean) = (blocks[blocks.len() / 2], blocks.iter().sum::<u128>() / blocks.len() as u128);
        println!("{name}: reserve + settle median {median} ns, mean {mean} ns");
        // With many tenants the caches of this machine are measured, not the ledger: reported only.
        assert!(tenants > 1 || median < 300, "reserve + settle took {median} ns");
    }
}

/// Tenant, project and key, in a step that visits the tenants in no order.
fn path(round: u64, tenants: u64) -> [AccountIndex; 3] {
    let tenant = (round * 7_919 % tenants) as u32 * 3 * 16;
    [AccountIndex(tenant), AccountIndex(tenant + 16), AccountIndex(tenant + 32)]
}
