//! Who gets how much when everybody wants more: equal tenants, weighted ones, and what FIFO does instead.

use base::{AccountIndex, Priority};

use super::{POLICY, millis};
use crate::queue::{Ask, Discipline, Entered, Limit, Policy, Queue, Slot};

/// A tenant with calls waiting all the time.
#[derive(Clone, Copy)]
struct Greedy {
    weight: u32,
    /// Tokens of its calls: between half of this and this.
    tokens: u64,
    /// Calls that it keeps waiting.
    depth: u32,
    /// Milliseconds that its calls take.
    takes: u64,
}

/// Tokens that each tenant got in `rounds` ends of calls.
fn simulate(discipline: Discipline, places: u32, tenants: &[Greedy], rounds: u64) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut queue = Queue::new(Policy { discipline, ..POLICY }, Limit::Fixed(places));
    let mut served = vec![0; tenants.len()];
    let mut owners = std::collections::HashMap::new();
    let mut running: std::collections::BinaryHeap<std::cmp::Reverse<(u64, u64)>> = Default::default();
    let mut slots: std::collections::HashMap<u64, (usize, Slot)> = Default::default();
    let mut number = 0;
    let mut now = 0;
    for round in 0..rounds {
        for (tenant, greedy) in tenants.iter().enumerate() {
            while owners.values().filter(|&&owner| owner == tenant).count() < greedy.depth as usize {
                let ask = Ask {
                    tenant: AccountIndex(tenant as u32),
                    weight: greedy.weight,
                    priority: Priority::Normal,
                    tokens: 50 * greedy.tokens,
                    bytes: 1,
                };
                match queue.enter(&ask, millis(now)) {
                    Entered::Admitted(slot) => {
                        number += 1;
                        running.push(std::cmp::Reverse((now + greedy.takes, number)));
                        slots.insert(number, (tenant, slot));
                    }
                    Entered::Waiting(ticket) => assert_eq!(owners.insert(ticket, tenant), None),
                    Entered::Full { .. } => panic!("there is room"),
                }
            }
        }
        let std::cmp::Reverse((at, which)) = running.pop().expect("somebody is served");
        now = at;
        let (tenant, slot) = slots.remove(&which).unwrap();
        let used = random.u64(tenants[tenant].tokens / 2..=tenants[tenant].tokens);
        // The first tenth of the time is for learning what calls use.
        if round > rounds / 10 {
            served[tenant] += used;
        }
        queue.end(slot, Some(used), millis(now));
        while let Some((ticket, slot)) = queue.next(millis(now)) {
            let tenant = owners.remove(&ticket).unwrap();
            number += 1;
            running.push(std::cmp::Reverse((now + tenants[tenant].takes, number)));
            slots.insert(number, (tenant, slot));
        }
    }
    served
}

/// Jain's index of fairness: 1 when all have the same.
fn jain(served: &[u64]) -> f64 {
    let sum: f64 = served.iter().map(|&one| one as f64).sum();
    let squares: f64 = served.iter().map(|&one| (one as f64).powi(2)).sum();
    sum * sum / (served.len() as f64 * squares)
}

#[test]
fn equal_backlogged_tenants_get_equal_tokens_whatever_their_calls_are_like() {
    let greedy = |tokens, depth, takes| Greedy { weight: 1, tokens, depth, takes };
    let tenants = [greedy(100, 5, 60), greedy(1_000, 5, 300), greedy(20, 40, 20), greedy(400, 200, 2_000)];
    let fair = simulate(Discipline::Fair, 16, &tenants, 40_000);
    let fifo = simulate(Discipline::Fifo, 16, &tenants, 40_000);
    println!("Jain's index: fair {:.4} {fair:?}, first come first served {:.4} {fifo:?}", jain(&fair), jain(&fifo));
    assert!(jain(&fair) >= 0.99, "{fair:?}");
    assert!(jain(&fifo) < 0.8, "{fifo:?}");
}

#[test]
fn weights_1_2_5_get_1_2_5() {
    let greedy = |weight, tokens, takes| Greedy { weight, tokens, depth: 20, takes };
    for places in [4, 16, 64] {
        let served =
            simulate(Discipline::Fair, places, &[greedy(1, 300, 60), greedy(2, 100, 90), greedy(5, 200, 60)], 60_000);
        let unit = served.iter().sum::<u64>() as f64 / 8.0;
        for (tokens, weight) in served.iter().zip([1.0, 2.0, 5.0]) {
            let off = (*tokens as f64 / (unit * weight) - 1.0).abs();
            assert!(off < 0.05, "{places} places, weight {weight}: {:.1} % off, {served:?}", off * 100.0);
        }
    }
}

#[test]
fn a_tenant_that_was_idle_has_no_credit() {
    let mut queue = Queue::new(POLICY, Limit::Fixed(1));
    let ask = |tenant: u32| Ask {
        tenant: AccountIndex(tenant),
        weight: 1,
        priority: Priority::Normal,
        tokens: 100,
        bytes: 1,
    };
    let mut slot = super::slot(queue.enter(&ask(1), millis(0)));
    let mut owners = std::collections::HashMap::new();
    owners.insert(super::ticket(queue.enter(&ask(1), millis(0))), 1);
    let mut served = [0_u32; 3];
    for round in 0..2_000 {
        // The second tenant comes after the first had a thousand calls.
        for tenant in [1, 2] {
            if (tenant == 1 || round >= 1_000) && !owners.values().any(|&owner| owner == tenant) {
                owners.insert(super::ticket(queue.enter(&ask(tenant), millis(round))), tenant);
            }
        }
        queue.end(slot, Some(100), millis(round));
        let (ticket, next) = queue.next(millis(round)).unwrap();
        let tenant = owners.remove(&ticket).unwrap();
        if round >= 1_000 {
            served[tenant as usize] += 1;
        }
        slot = next;
    }
    assert!(served[1].abs_diff(served[2]) <= 2, "{served:?}");
}
