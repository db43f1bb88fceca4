//! The learnt limit: what refusals, slowness and the provider's own quotas do to it.

use core::time::Duration;
use std::collections::VecDeque;

use super::{POLICY, ask, millis, slot, ticket};
use crate::queue::{Answered, Entered, Limit, Queue, Quota, Slot};

/// A provider that takes `capacity` calls of 50 ms at once and refuses more; the limit that is learnt, and the part of
/// calls refused in the second half of the time.
fn converge(capacity: usize) -> (u32, f64) {
    let mut queue = Queue::new(POLICY, Limit::new(None));
    let mut running: VecDeque<(u64, Slot)> = VecDeque::new();
    let (mut refused, mut all) = (0_u32, 0_u32);
    for now in 0..20_000_u64 {
        let mut began: Vec<Slot> = Vec::new();
        while running.front().is_some_and(|(ends, _)| *ends <= now) {
            let (_, one) = running.pop_front().unwrap();
            queue.end(one, Some(10), millis(now));
        }
        // Enough to fill any limit.
        while queue.status().waiting < 900 {
            if let Entered::Admitted(slot) = queue.enter(&ask(1, 10), millis(now)) {
                began.push(slot);
            }
        }
        loop {
            while let Some((_, slot)) = queue.next(millis(now)) {
                began.push(slot);
            }
            let Some(one) = began.pop() else { break };
            let is_refused = running.len() >= capacity;
            queue.answered(one.started(), &Answered { refused: is_refused, ..Answered::default() }, millis(now));
            if now > 10_000 {
                (refused, all) = (refused + u32::from(is_refused), all + 1);
            }
            if is_refused {
                queue.end(one, Some(0), millis(now));
                break;
            }
            running.push_back((now + 50, one));
        }
        for one in began {
            queue.end(one, Some(0), millis(now));
        }
    }
    (queue.status().limit, f64::from(refused) / f64::from(all))
}

#[test]
fn refusals_bring_the_limit_to_what_the_provider_takes() {
    for capacity in [8, 64, 300] {
        let (limit, refused) = converge(capacity);
        println!("a provider of {capacity} places: the limit is {limit}, {:.2} % are refused", refused * 100.0);
        let capacity = capacity as u32;
        assert!((capacity * 3 / 4..=capacity * 5 / 4 + 2).contains(&limit), "{capacity}: {limit}");
        assert!(refused < 0.06, "{capacity}: {refused}");
    }
}

#[test]
fn calls_from_before_a_change_do_not_lower_the_limit_again() {
    let mut queue = Queue::new(POLICY, Limit::new(None));
    let running: Vec<_> = (0..100).map(|_| slot(queue.enter(&ask(1, 10), millis(0)))).collect();
    for one in running {
        queue.answered(one.started(), &Answered { refused: true, ..Answered::default() }, millis(100));
        queue.end(one, Some(0), millis(100));
    }
    assert_eq!(queue.status().limit, 90);
}

/// A tenth of a second at best, then three, with so many calls under way.
fn slowness(running: usize) -> u32 {
    let mut queue = Queue::new(POLICY, Limit::new(None));
    let _held: Vec<_> = (0..running).map(|_| slot(queue.enter(&ask(2, 10), millis(0)))).collect();
    let answer = |queue: &mut Queue, latency: u64, at: u64| {
        let latency = Some((3, Duration::from_millis(latency)));
        queue.answered(millis(at), &Answered { latency, ..Answered::default() }, millis(at + 1));
    };
    for at in 0..50 {
        answer(&mut queue, 100, at);
    }
    assert_eq!(queue.status().limit, 1_024, "steady answers change nothing");
    for at in 50..1_000 {
        answer(&mut queue, 3_000, at);
    }
    queue.status().limit
}

#[test]
fn answers_that_begin_much_later_than_at_best_lower_it_to_a_floor() {
    let limit = slowness(600);
    assert!((256..=600).contains(&limit), "{limit}");
}

#[test]
fn a_slow_upstream_that_takes_every_call_is_not_cut_down_to_a_few() {
    assert_eq!(slowness(64), 1_024, "long prompts begin late, whatever the load");
}

#[test]
fn the_provider_s_quota_stops_calls_before_it_refuses_and_they_go_in_fair_order() {
    let mut queue = Queue::new(POLICY, Limit::new(None));
    let first = slot(queue.enter(&ask(1, 10), millis(0)));
    let quota = Quota { remaining: 2, resets_in: Duration::from_millis(500) };
    queue.answered(first.started(), &Answered { requests: Some(quota), ..Answered::default() }, millis(10));
    let _two: Vec<_> = (0..2).map(|_| slot(queue.enter(&ask(1, 10), millis(20)))).collect();
    let waits = ticket(queue.enter(&ask(1, 10), millis(30)));
    let other = ticket(queue.enter(&ask(2, 10), millis(40)));
    assert!(queue.next(millis(100)).is_none());
    assert_eq!(queue.opens_at(millis(100)), Some(millis(510)));
    let (went, _one) = queue.next(millis(510)).unwrap();
    let (then, _two) = queue.next(millis(510)).unwrap();
    assert_eq!([went, then], [other, waits]);
}
