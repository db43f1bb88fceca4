//! How long one admission and its settlement take, and what an account weighs. The measurement runs with
//! `--release -- --ignored --nocapture`.

use core::time::Duration;
use std::hint::black_box;

use base::{AccountIndex, AccountLimits, Limits, Moment};

use crate::account::Account;
use crate::{Admission, Ask};

/// The binary's: where it puts things decides what tenants in turn cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u32 = 30_000;
const OPEN: usize = 1_000;
/// Calls between two looks at the clock.
const BLOCK: u64 = 1_000;
const ROUNDS: u64 = 2_000_000;

#[test]
fn an_account_with_four_windows_weighs_less_than_900_bytes_and_one_without_less_than_64() {
    let mut account = Account::default();
    let bytes = |account: &Account| size_of::<Account>() + account.meters.heap_bytes();
    assert!(bytes(&account) < 64, "{} bytes", bytes(&account));
    let limits = Limits { rpm: Some(60), rph: Some(1_000), rpd: Some(10_000), tpm: Some(200_000), ..Limits::default() };
    account.configure(&limits, 1);
    println!("an account with four windows: {} bytes", bytes(&account));
    assert!(bytes(&account) < 900, "{} bytes", bytes(&account));
}

#[test]
#[ignore = "measures; only a release build says something"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn admit_and_settle_of_a_hot_tenant_cost_less_than_500_ns() {
    let most = Some(1 << 30);
    let own = Limits { rpm: most, rph: most, rpd: most, tpm: Some(1 << 50), concurrency: most, ..Limits::default() };
    let limits = AccountLimits::from(own);
    // Limits at every level, and at the tenant alone, as most have them.
    let cases = [("one hot tenant", 1), ("10,000 tenants", u64::from(ACCOUNTS / 3))];
    let cases = cases.into_iter().flat_map(|(name, tenants)| [(name, tenants, true), (name, tenants, false)]);
    for (name, tenants, at_every_level) in cases {
        let mut admission = Admission::default();
        for account in 0..ACCOUNTS {
            let has_limits = at_every_level || account % 3 == 0;
            let limits = if has_limits { limits.clone() } else { AccountLimits::default() };
            admission.configure(AccountIndex(account * 16), &limits);
        }
        let mut open = std::collections::VecDeque::new();
        let (mut calls, mut headers) = (Vec::new(), Vec::new());
        for block in 0..ROUNDS / BLOCK {
            let start = std::time::Instant::now();
            for round in block * BLOCK..(block + 1) * BLOCK {
                let now = Moment::from_nanos(round * 10_000);
                open.push_back(admission.admit(&Ask::of(&path(round, tenants), 1_000), now).expect("there is room"));
                if open.len() > OPEN {
                    let pass = open.pop_front().expect("a thousand are open");
                    admission.settle(pass, 500, now);
                }
            }
            calls.push(start.elapsed());
            let start = std::time::Instant::now();
            for round in block * BLOCK..(block + 1) * BLOCK {
                let now = Moment::from_nanos((block + 1) * BLOCK * 10_000);
                black_box(admission.tightest(&Ask::of(&path(round, tenants), 0), now))
                    .request
                    .expect("there are windows");
            }
            headers.push(start.elapsed());
        }
        let (calls, headers) = (median(calls), median(headers));
        let levels = if at_every_level { "limits at three levels" } else { "limits at one level" };
        println!("{name}, {levels}: admit + settle median {calls} ns, tightest {headers} ns");
        // With many tenants the caches of this machine are measured, not the windows: reported only.
        assert!(tenants > 1 || calls < 500, "admit + settle took {calls} ns");
    }
}

/// Of one call, in nanoseconds, in the median block.
fn median(mut blocks: Vec<Duration>) -> u128 {
    blocks.sort_unstable();
    blocks[blocks.len() / 2].as_nanos() / u128::from(BLOCK)
}

/// Tenant, project and key, in a step that visits the tenants in no order.
fn path(round: u64, tenants: u64) -> [AccountIndex; 3] {
    let tenant = (round * 7_919 % tenants) as u32 * 3 * 16;
    [AccountIndex(tenant), AccountIndex(tenant + 16), AccountIndex(tenant + 32)]
}
