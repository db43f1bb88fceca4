//! Guaranteed shares and borrowing, bounded lines, leaving, and when to come back.

use core::time::Duration;

use super::{POLICY, ask, millis, queue, slot, ticket};
use crate::queue::{Ask, Discipline, Entered, Limit, Policy, Queue};

/// Lets the queue see that calls are short.
fn comes_back_fast(queue: &mut Queue) {
    let first = slot(queue.enter(&ask(1, 100), millis(0)));
    queue.end(first, Some(100), millis(1));
}

#[test]
fn a_tenant_alone_has_all_places_that_come_back_fast() {
    let mut queue = queue(64);
    comes_back_fast(&mut queue);
    for round in 0..64 {
        let _running = slot(queue.enter(&ask(1, 100), millis(round / 8)));
    }
    ticket(queue.enter(&ask(1, 100), millis(8)));
    assert_eq!(queue.next(millis(8)).map(|_| ()), None);
}

#[test]
fn of_places_that_come_back_slowly_an_eighth_is_not_lent() {
    let mut queue = queue(64);
    let mut running: Vec<_> = (0..40).map(|_| slot(queue.enter(&ask(1, 100), millis(0)))).collect();
    // Calls of ten seconds: a place comes back every 150 ms.
    while let Entered::Admitted(slot) = queue.enter(&ask(1, 100), millis(10_000)) {
        running.push(slot);
    }
    assert_eq!(running.len(), 56);
    for _ in 0..8 {
        let _place = slot(queue.enter(&ask(2, 100), millis(10_000)));
    }
    ticket(queue.enter(&ask(2, 100), millis(10_000)));
}

#[test]
fn what_a_tenant_used_lately_of_its_share_is_kept_for_it() {
    let mut queue = queue(64);
    let mine: Vec<_> = (0..20).map(|_| slot(queue.enter(&ask(2, 5), millis(0)))).collect();
    let mut theirs: Vec<_> = (0..20).map(|_| slot(queue.enter(&ask(1, 100), millis(0)))).collect();
    for one in mine {
        queue.end(one, Some(2), millis(5_000));
    }
    while let Entered::Admitted(slot) = queue.enter(&ask(1, 100), millis(5_000)) {
        theirs.push(slot);
    }
    // 20 and a quarter, but no more than its share of 21.
    assert_eq!(theirs.len(), 43, "the other has what this one did not use");
    for _ in 0..20 {
        let _place = slot(queue.enter(&ask(2, 5), millis(5_000)));
    }
    // What was not used for long enough is lent.
    let mut queue = Queue::new(POLICY, Limit::Fixed(64));
    let mine: Vec<_> = (0..20).map(|_| slot(queue.enter(&ask(2, 5), millis(0)))).collect();
    let mut theirs: Vec<_> = (0..20).map(|_| slot(queue.enter(&ask(1, 100), millis(0)))).collect();
    for one in mine {
        queue.end(one, Some(2), millis(5_000));
    }
    while let Entered::Admitted(slot) = queue.enter(&ask(1, 100), millis(60_000)) {
        theirs.push(slot);
    }
    assert_eq!(theirs.len(), 56);
}

#[test]
fn a_burst_within_the_share_goes_before_a_neighbour_s_long_line() {
    let mut queue = queue(8);
    comes_back_fast(&mut queue);
    let running: Vec<_> = (0..8).map(|_| slot(queue.enter(&ask(1, 100), millis(0)))).collect();
    for _ in 0..500 {
        ticket(queue.enter(&ask(1, 100), millis(1)));
    }
    let burst: Vec<_> = (0..3).map(|_| ticket(queue.enter(&ask(2, 100), millis(2)))).collect();
    let mut went = Vec::new();
    for slot in running {
        queue.end(slot, Some(100), millis(3));
        went.extend(queue.next(millis(3)).map(|(ticket, _)| ticket));
    }
    let place = |one| went.iter().position(|other| other == one);
    for (turn, one) in burst.iter().enumerate() {
        assert!(place(one).is_some_and(|at| at <= 2 * turn + 1), "{turn}: {:?}", place(one));
    }
}

#[test]
fn lines_are_bounded_in_calls_and_in_bytes_and_leaving_makes_room() {
    let mut queue = Queue::new(Policy { requests_max: 3, bytes_max: 1_000, ..POLICY }, Limit::Fixed(1));
    let _running = slot(queue.enter(&ask(9, 1), millis(0)));
    let tickets: Vec<_> = (0..3).map(|_| ticket(queue.enter(&ask(1, 1), millis(0)))).collect();
    assert!(matches!(queue.enter(&ask(1, 1), millis(0)), Entered::Full { .. }));
    assert!(queue.leave(tickets[1], millis(0)));
    ticket(queue.enter(&ask(1, 1), millis(0)));
    let big = |bytes| Ask { bytes, ..ask(2, 1) };
    ticket(queue.enter(&big(600), millis(0)));
    assert!(matches!(queue.enter(&big(500), millis(0)), Entered::Full { .. }));
    ticket(queue.enter(&big(400), millis(0)));
    ticket(queue.enter(&ask(3, 1), millis(0)));
}

#[test]
fn those_who_leave_cost_the_others_nothing() {
    let mut queue = queue(1);
    let mut running = slot(queue.enter(&ask(1, 10), millis(0)));
    let gone: Vec<_> = (0..900).map(|_| ticket(queue.enter(&ask(1, 10), millis(0)))).collect();
    let stays = ticket(queue.enter(&ask(1, 10), millis(0)));
    let other = ticket(queue.enter(&ask(2, 10), millis(0)));
    for ticket in gone {
        assert!(queue.leave(ticket, millis(1)));
    }
    assert_eq!(queue.status().waiting, 2);
    let mut went = Vec::new();
    for _ in 0..2 {
        queue.end(running, Some(10), millis(2));
        let (ticket, slot) = queue.next(millis(2)).unwrap();
        went.push(ticket);
        running = slot;
    }
    assert_eq!(went, [other, stays]);
    assert!(queue.next(millis(2)).is_none());
    queue.check();
}

#[test]
fn a_retry_after_what_was_said_gets_its_place_and_is_served_in_time() {
    let patience = Duration::from_secs(2);
    let policy = Policy { requests_max: 200, patience, ..POLICY };
    let mut queue = Queue::new(policy, Limit::Fixed(4));
    let mut running = std::collections::VecDeque::new();
    let mut refused: Option<u64> = None;
    let mut asked = None;
    let mut waited = None;
    // A call takes 100 ms: forty a second, of which two equal tenants have twenty each.
    for now in (0..60_000).step_by(25) {
        while running.front().is_some_and(|&(at, _)| at <= now) {
            let (_, one) = running.pop_front().unwrap();
            queue.end(one, Some(10), millis(now));
            while let Some((ticket, slot)) = queue.next(millis(now)) {
                if asked.is_some_and(|(mine, _)| mine == ticket) {
                    waited = asked.take().map(|(_, since)| now - since);
                }
                running.push_back((now + 100, slot));
            }
        }
        // The neighbour always has calls; this tenant sends until it is refused, then only what is needed.
        for tenant in [1, 2] {
            let is_due = tenant == 2 || refused.is_none_or(|at| now >= at && asked.is_none() && waited.is_none());
            if !is_due {
                continue;
            }
            match queue.enter(&ask(tenant, 10), millis(now)) {
                Entered::Admitted(slot) => running.push_back((now + 100, slot)),
                Entered::Waiting(ticket) if tenant == 1 && refused.is_some() => asked = Some((ticket, now)),
                Entered::Full { retry_after } if tenant == 1 => {
                    assert!(refused.is_none(), "refused again at {now} ms");
                    refused = Some(now + retry_after.as_millis() as u64);
                }
                Entered::Waiting(_) | Entered::Full { .. } => {}
            }
        }
    }
    let waited = waited.expect("the retry was served");
    println!("refused until {refused:?} ms, then waited {waited} ms");
    assert!(u128::from(waited) <= patience.as_millis() * 3 / 2, "{waited}");
}

#[test]
fn an_idle_tenant_is_forgotten_and_one_that_is_ahead_is_not() {
    let mut queue = queue(4);
    for tenant in 0..1_000 {
        let one = slot(queue.enter(&ask(tenant, 100), millis(u64::from(tenant))));
        queue.end(one, Some(100), millis(u64::from(tenant)));
    }
    assert_eq!(queue.status().tenants, 1_000);
    for round in 0..5 {
        let one = slot(queue.enter(&ask(2_000, 100), millis(30_000 * (round + 1))));
        queue.end(one, Some(100), millis(30_000 * (round + 1)));
    }
    assert!(queue.status().tenants <= 2, "{:?}", queue.status());
    queue.check();
}

#[test]
fn fifo_is_first_come_first_served_whoever_comes() {
    let mut queue = Queue::new(Policy { discipline: Discipline::Fifo, ..POLICY }, Limit::Fixed(1));
    let mut running = slot(queue.enter(&ask(1, 100), millis(0)));
    let order: Vec<_> =
        [1, 1, 2, 1, 3, 2].into_iter().map(|tenant| ticket(queue.enter(&ask(tenant, 100), millis(0)))).collect();
    let mut went = Vec::new();
    while let Some((ticket, next)) = {
        queue.end(running, Some(100), millis(1));
        queue.next(millis(1))
    } {
        went.push(ticket);
        running = next;
    }
    assert_eq!(went, order);
}

#[test]
fn an_estimate_that_is_far_too_high_keeps_nobody_waiting() {
    let mut queue = queue(16);
    comes_back_fast(&mut queue);
    let running: Vec<_> = (0..16).map(|_| slot(queue.enter(&ask(1, 20_000), millis(0)))).collect();
    for _ in 0..100 {
        ticket(queue.enter(&ask(1, 20_000), millis(0)));
    }
    // It comes while the neighbour counts as having had 320,000 tokens, of which nearly all are given back.
    let mut mine: Vec<_> = (0..2).map(|_| ticket(queue.enter(&ask(2, 1_000), millis(1)))).collect();
    for one in running {
        queue.end(one, Some(100), millis(2));
        while let Some((went, slot)) = queue.next(millis(2)) {
            mine.retain(|&ticket| ticket != went);
            queue.end(slot, Some(100), millis(2));
        }
        assert!(mine.is_empty(), "it goes with the first place that comes back");
    }
}
