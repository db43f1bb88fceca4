//! The queue against a naive one: every decision found by looking at everybody.

use std::collections::{BTreeMap, VecDeque};

use base::{AccountIndex, Priority};
use proptest::prelude::*;

use super::{POLICY, millis};
use crate::queue::{Ask, Entered, LOW_PASSED_MAX, Limit, NORMAL_PASSED_MAX, Policy, Queue, Slot, Ticket};

const TENANTS: u32 = 6;
const BANDS: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];
const REQUESTS_MAX: u32 = 4;

#[derive(Debug, Clone)]
enum Step {
    Enter { tenant: u32, tokens: u64 },
    End { which: usize, used: u64 },
    Leave { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..TENANTS, 1_u64..100).prop_map(|(tenant, tokens)| Step::Enter { tenant, tokens }),
        5 => (any::<usize>(), 0_u64..150).prop_map(|(which, used)| Step::End { which, used }),
        1 => any::<usize>().prop_map(|which| Step::Leave { which }),
    ]
}

/// What the naive queue knows of a tenant.
#[derive(Default)]
struct Naive {
    settled: u64,
    pending: u64,
    running: u32,
    /// Of the estimate, learnt as the real one learns it.
    ratio: Option<u32>,
    waiting: VecDeque<(Ticket, u64)>,
}

struct Oracle {
    tenants: BTreeMap<u32, Naive>,
    reached: [u64; 3],
    passed: [u32; 3],
    places: u32,
    running: u32,
    ratio: Option<u32>,
    /// Nobody wants much: whoever has less than its share goes first.
    is_modest: bool,
}

fn band(tenant: u32) -> usize {
    tenant as usize % 3
}

fn weight(tenant: u32) -> u32 {
    [1, 1, 2, 5, 3, 700][tenant as usize]
}

fn units(tokens: u64, tenant: u32) -> u64 {
    (tokens << 16).div_ceil(u64::from(weight(tenant)))
}

fn learn(ratio: Option<u32>, used: u64, worst: u64) -> Option<u32> {
    let seen = ((u128::from(used.min(worst)) << 32) / u128::from(worst)).min(u128::from(u32::MAX - 1)) as u32;
    Some(match ratio {
        None | Some(u32::MAX) => seen,
        Some(before) => before - before / 8 + seen / 8,
    })
}

impl Oracle {
    /// The waiting tenant of a band with the least, and of those with the same the one whose first call came first.
    fn least(&self, of: usize) -> Option<(u64, u64, u32)> {
        self.least_of(of, |_, _| true)
    }

    fn least_of(&self, of: usize, wanted: impl Fn(u32, &Naive) -> bool) -> Option<(u64, u64, u32)> {
        let waiting = self
            .tenants
            .iter()
            .filter(|(tenant, naive)| band(**tenant) == of && !naive.waiting.is_empty() && wanted(**tenant, naive));
        waiting.map(|(&tenant, naive)| (naive.settled + naive.pending, naive.waiting[0].0.sequence, tenant)).min()
    }

    /// The places that are a tenant's own, when all are remembered.
    fn share(&self, tenant: u32) -> u32 {
        let weights: u32 = (0..TENANTS).map(weight).sum();
        (self.places * weight(tenant) * TENANTS / (weights * (TENANTS + 1))).max(1)
    }

    fn next(&self) -> Option<u32> {
        let free = self.running < self.places;
        let first = |of: usize| {
            let own = self.least_of(of, |tenant, naive| self.is_modest && naive.running < self.share(tenant));
            own.or_else(|| self.least(of)).map(|(_, _, tenant)| tenant)
        };
        let aged = |of: usize, most: u32| if self.passed[of] >= most { first(of) } else { None };
        let chosen = aged(2, LOW_PASSED_MAX).or_else(|| aged(1, NORMAL_PASSED_MAX));
        chosen.or_else(|| (0..3).find_map(first)).filter(|_| free)
    }

    fn lift(&mut self, tenant: u32) {
        let of = band(tenant);
        let level = self.least(of).map_or(self.reached[of], |(least, ..)| least.min(self.reached[of]));
        let naive = self.tenants.entry(tenant).or_default();
        naive.settled = naive.settled.max(level);
    }

    /// What is charged for a call that goes.
    fn admit(&mut self, tenant: u32, tokens: u64, least: Option<u64>) -> u64 {
        let of = band(tenant);
        let overall = self.ratio;
        let naive = self.tenants.get_mut(&tenant).unwrap();
        let ratio = u128::from(naive.ratio.or(overall).unwrap_or(u32::MAX)) + 1;
        let expected = ((u128::from(tokens) * ratio) >> 32).max(1) as u64;
        let is_own = least.is_some_and(|least| least < naive.settled + naive.pending);
        let charged = if is_own { 0 } else { units(expected, tenant) };
        self.reached[of] = self.reached[of].max(least.map_or(naive.settled, |least| naive.settled.min(least)));
        naive.pending += charged;
        naive.running += 1;
        self.running += 1;
        for other in 0..3 {
            let waits = self.tenants.iter().any(|(&tenant, naive)| band(tenant) == other && !naive.waiting.is_empty());
            self.passed[other] = if other == of || !waits { 0 } else { self.passed[other] + 1 };
        }
        charged
    }
}

struct Call {
    tenant: u32,
    slot: Slot,
    tokens: u64,
    charged: u64,
}

struct Pair {
    queue: Queue,
    oracle: Oracle,
    running: Vec<Call>,
    now: u64,
}

impl Pair {
    fn ask(tenant: u32, tokens: u64) -> Ask {
        let priority = BANDS[band(tenant)];
        Ask { tenant: AccountIndex(tenant), weight: weight(tenant), priority, tokens, bytes: 10 }
    }

    /// `least` is the counter of who was first in its line then.
    fn began(&mut self, tenant: u32, tokens: u64, slot: Slot, least: Option<u64>) {
        let charged = self.oracle.admit(tenant, tokens, least);
        assert_eq!(slot.charged, charged, "tenant {tenant} is charged");
        self.running.push(Call { tenant, slot, tokens, charged });
    }

    /// Lets everybody go who may, in the oracle's order.
    fn drain(&mut self) {
        while let Some((ticket, slot)) = self.queue.next(millis(self.now)) {
            let tenant = self.oracle.next().expect("the oracle lets somebody go too");
            let least = self.oracle.least(band(tenant)).map(|(least, ..)| least);
            let naive = self.oracle.tenants.get_mut(&tenant).unwrap();
            let (expected, tokens) = naive.waiting.pop_front().unwrap();
            assert_eq!(ticket, expected, "the call that goes is tenant {tenant}'s first");
            self.began(tenant, tokens, slot, least);
        }
        assert_eq!(self.oracle.next(), None, "nobody waits who may go");
    }

    fn enter(&mut self, tenant: u32, tokens: u64) {
        let waits = self.oracle.tenants.get(&tenant).map_or(0, |naive| naive.waiting.len());
        let has_room = self.oracle.running < self.oracle.places;
        if waits == 0 {
            self.oracle.lift(tenant);
        }
        match self.queue.enter(&Pair::ask(tenant, tokens), millis(self.now)) {
            Entered::Admitted(slot) => {
                assert!(has_room && waits == 0, "it goes because there is room");
                let least = self.oracle.least(band(tenant)).map(|(least, ..)| least);
                self.began(tenant, tokens, slot, least);
            }
            Entered::Waiting(ticket) => {
                assert!(!has_room && waits < REQUESTS_MAX as usize);
                self.oracle.tenants.get_mut(&tenant).unwrap().waiting.push_back((ticket, tokens));
            }
            Entered::Full { .. } => assert!(waits == REQUESTS_MAX as usize),
        }
    }

    fn end(&mut self, which: usize, used: u64) {
        if self.running.is_empty() {
            return;
        }
        let call = self.running.swap_remove(which % self.running.len());
        let naive = self.oracle.tenants.get_mut(&call.tenant).unwrap();
        naive.pending -= call.charged;
        // What was its own is not counted.
        naive.settled += if call.charged == 0 { 0 } else { units(used, call.tenant) };
        naive.running -= 1;
        self.oracle.running -= 1;
        if used > 0 {
            naive.ratio = learn(naive.ratio, used, call.tokens);
            self.oracle.ratio = learn(self.oracle.ratio, used, call.tokens);
        }
        self.queue.end(call.slot, Some(used), millis(self.now));
    }

    fn leave(&mut self, which: usize) {
        let waiting: Vec<(u32, Ticket)> = self
            .oracle
            .tenants
            .iter()
            .flat_map(|(&tenant, naive)| naive.waiting.iter().map(move |(ticket, _)| (tenant, *ticket)))
            .collect();
        if waiting.is_empty() {
            return;
        }
        let (tenant, ticket) = waiting[which % waiting.len()];
        self.oracle.tenants.get_mut(&tenant).unwrap().waiting.retain(|(other, _)| *other != ticket);
        assert!(self.queue.leave(ticket, millis(self.now)));
        assert!(!self.queue.leave(ticket, millis(self.now)), "it leaves once");
    }

    fn compare(&self) {
        let status = self.queue.status();
        assert_eq!(status.running, self.oracle.running);
        let waiting: usize = self.oracle.tenants.values().map(|naive| naive.waiting.len()).sum();
        assert_eq!(status.waiting as usize, waiting);
        self.queue.check();
    }
}

proptest! {
    /// Calls that end at the moment at which they began: once that is known of a tenant no place is kept from it, so the
    /// oracle is exact.
    #[test]
    fn every_decision_is_that_of_the_naive_queue(
        places in 1_u32..16,
        is_modest: bool,
        steps in proptest::collection::vec(step(), 1..300),
    ) {
        let policy = Policy { requests_max: REQUESTS_MAX, ..POLICY };
        let oracle = Oracle {
            tenants: BTreeMap::new(), reached: [0; 3], passed: [0; 3], places, running: 0, ratio: None, is_modest,
        };
        let mut pair = Pair { queue: Queue::new(policy, Limit::Fixed(places)), oracle, running: Vec::new(), now: 0 };
        for tenant in 0..TENANTS {
            let slot = super::slot(pair.queue.enter(&Pair::ask(tenant, 1), millis(0)));
            pair.queue.end(slot, Some(0), millis(0));
            pair.queue.assume_demand(AccountIndex(tenant), if is_modest { 0 } else { 1_000 });
        }
        for step in steps {
            match step {
                Step::Enter { tenant, tokens } => pair.enter(tenant, tokens),
                Step::End { which, used } => pair.end(which, used),
                Step::Leave { which } => pair.leave(which),
            }
            pair.drain();
            pair.compare();
        }
    }
}
