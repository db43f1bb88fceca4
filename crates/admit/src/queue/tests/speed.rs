//! What a decision costs with many tenants, and what a tenant weighs. The measurement runs with
//! `--release -- --ignored --nocapture`.

use std::collections::VecDeque;
use std::hint::black_box;

use base::{AccountIndex, Moment, Priority};

use super::{ask, millis, queue, slot, ticket};
use crate::queue::{Ask, Entered, Slot};

const BLOCK: u64 = 1_000;
const ROUNDS: u64 = 1_000_000;

#[test]
fn a_tenant_weighs_less_than_512_bytes_idle_and_2_kib_with_sixteen_calls_waiting() {
    let mut queue = queue(1);
    let one = slot(queue.enter(&ask(0, 10), millis(0)));
    let idle = queue.bytes_per_tenant();
    println!("an idle tenant: {idle} bytes");
    assert!(idle <= 512, "{idle} bytes");
    for _ in 0..16 {
        ticket(queue.enter(&ask(0, 10), millis(0)));
    }
    let active = queue.bytes_per_tenant();
    println!("a tenant with 16 calls waiting: {active} bytes");
    assert!(active <= 2_048, "{active} bytes");
    queue.end(one, None, millis(0));
}

/// Nanoseconds of one decision (a call comes, one ends, the next goes) in the median block.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn decision(known: u32, active: u32) -> u128 {
    let mut queue = queue(64);
    let call = |tenant: u32| Ask {
        tenant: AccountIndex(tenant * 16),
        weight: 1 + tenant % 7,
        priority: Priority::Normal,
        tokens: 1_000,
        bytes: 1_000,
    };
    for tenant in 0..known {
        let one = slot(queue.enter(&call(tenant), millis(0)));
        queue.end(one, Some(200), millis(0));
    }
    let mut random = fastrand::Rng::with_seed(3);
    let mut running: VecDeque<Slot> = VecDeque::new();
    let enter = |queue: &mut crate::queue::Queue, running: &mut VecDeque<Slot>, tenant: u32, now| match queue
        .enter(&call(tenant), now)
    {
        Entered::Admitted(slot) => running.push_back(slot),
        Entered::Waiting(_) => {}
        Entered::Full { .. } => unreachable!("few wait"),
    };
    for round in 0..4 * active {
        enter(&mut queue, &mut running, round % active * (known / active), millis(0));
    }
    let mut blocks = Vec::new();
    for block in 0..ROUNDS / BLOCK {
        let start = std::time::Instant::now();
        for round in 0..BLOCK {
            let now = Moment::from_nanos((block * BLOCK + round) * 1_000);
            queue.end(running.pop_front().expect("all places are taken"), Some(random.u64(100..400)), now);
            while let Some((ticket, slot)) = black_box(queue.next(now)) {
                running.push_back(slot);
                enter(&mut queue, &mut running, ticket.seat, now);
            }
        }
        blocks.push(start.elapsed());
    }
    blocks.sort_unstable();
    blocks[blocks.len() / 2].as_nanos() / u128::from(BLOCK)
}

#[test]
#[ignore = "measures; only a release build says something"]
fn a_decision_costs_the_same_with_100_000_tenants() {
    let few = decision(100, 100);
    for (known, active) in [(1_000, 1_000), (100_000, 1_000), (100_000, 10_000)] {
        let cost = decision(known, active);
        println!("{known} tenants, {active} active: {cost} ns a decision; 100 tenants: {few} ns");
        assert!(cost < 5_000, "{cost} ns");
    }
}

#[test]
#[ignore = "measures; only a release build says something"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn a_call_that_need_not_wait_costs_less_than_a_microsecond() {
    let mut queue = queue(1_000);
    let mut running: VecDeque<Slot> = (0..500).map(|tenant| slot(queue.enter(&ask(tenant, 100), millis(0)))).collect();
    let mut blocks = Vec::new();
    for block in 0..1_000_u64 {
        let start = std::time::Instant::now();
        for round in 0..BLOCK {
            let now = Moment::from_nanos((block * BLOCK + round) * 1_000);
            running.push_back(slot(queue.enter(&ask((round % 500) as u32, 100), now)));
            queue.end(running.pop_front().expect("there are 500"), Some(50), now);
            assert!(queue.next(now).is_none());
        }
        blocks.push(start.elapsed());
    }
    blocks.sort_unstable();
    let cost = blocks[500].as_nanos() / u128::from(BLOCK);
    println!("enter + end without waiting: {cost} ns");
    assert!(cost < 1_000, "{cost} ns");
}
