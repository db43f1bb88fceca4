//! A tenant that wants a tenth of the places beside a neighbour that wants all of them many times over.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use base::{AccountIndex, Priority};

use super::{POLICY, millis};
use crate::queue::{Ask, Discipline, Entered, Limit, Policy, Queue, Slot};

const VICTIM: u32 = 1;
const NEIGHBOUR: u32 = 2;

/// What the neighbour's calls are like.
struct Flood {
    tokens: u64,
    takes: u64,
    /// Calls that it has under way or waiting, always.
    depth: u32,
}

struct World {
    queue: Queue,
    now: u64,
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    running: HashMap<u64, (u32, Slot)>,
    waiting: HashMap<crate::queue::Ticket, (u32, u64)>,
    number: u64,
    /// How long each of the victim's calls waited, in milliseconds.
    waits: Vec<u64>,
    flood: Flood,
}

impl World {
    fn began(&mut self, tenant: u32, slot: Slot, since: u64) {
        self.number += 1;
        let takes = if tenant == VICTIM { 60 } else { self.flood.takes };
        if tenant == VICTIM {
            self.waits.push(self.now - since);
        }
        self.ends.push(Reverse((self.now + takes, self.number)));
        self.running.insert(self.number, (tenant, slot));
    }

    fn ask(&mut self, tenant: u32) {
        // A worst case is fifty times what a call uses.
        let tokens = 50 * if tenant == VICTIM { 80 } else { self.flood.tokens };
        let ask = Ask { tenant: AccountIndex(tenant), weight: 1, priority: Priority::Normal, tokens, bytes: 1 };
        match self.queue.enter(&ask, millis(self.now)) {
            Entered::Admitted(slot) => self.began(tenant, slot, self.now),
            Entered::Waiting(ticket) => drop(self.waiting.insert(ticket, (tenant, self.now))),
            // Refused: as bad as waiting for ever.
            Entered::Full { .. } => self.waits.push(u64::MAX),
        }
    }

    /// Ends what is over now; the neighbour asks anew for each.
    fn end_due(&mut self) {
        while self.ends.peek().is_some_and(|Reverse((at, _))| *at <= self.now) {
            let Reverse((_, number)) = self.ends.pop().unwrap();
            let (tenant, slot) = self.running.remove(&number).unwrap();
            let used = if tenant == VICTIM { 80 } else { self.flood.tokens };
            self.queue.end(slot, Some(used), millis(self.now));
            self.call_next();
            if tenant == NEIGHBOUR {
                self.ask(NEIGHBOUR);
            }
        }
    }

    fn call_next(&mut self) {
        while let Some((ticket, slot)) = self.queue.next(millis(self.now)) {
            let (tenant, since) = self.waiting.remove(&ticket).unwrap();
            self.began(tenant, slot, since);
        }
    }
}

/// The victim's waits in milliseconds, in order, over half a minute beside this flood.
fn waits(discipline: Discipline, flood: Flood) -> Vec<u64> {
    let queue = Queue::new(Policy { discipline, ..POLICY }, Limit::Fixed(64));
    let mut world = World {
        queue,
        now: 0,
        ends: BinaryHeap::new(),
        running: HashMap::new(),
        waiting: HashMap::new(),
        number: 0,
        waits: Vec::new(),
        flood,
    };
    let mut random = fastrand::Rng::with_seed(5);
    for now in 0..33_000 {
        world.now = now;
        world.end_due();
        // 107 calls a second keep 6.4 of the 64 places.
        if random.f64() < 0.107 {
            world.ask(VICTIM);
        }
        if now == 3_000 {
            world.waits.clear();
            for _ in 0..world.flood.depth {
                world.ask(NEIGHBOUR);
            }
        }
    }
    world.waits.sort_unstable();
    world.waits
}

#[test]
fn a_modest_tenant_hardly_waits_beside_any_flood() {
    for (name, tokens, takes) in [("calls", 80, 60), ("long streams", 100, 3_000), ("longer ones", 1_500, 10_000)] {
        for depth in [320, 1_000] {
            let fair = waits(Discipline::Fair, Flood { tokens, takes, depth });
            let fifo = waits(Discipline::Fifo, Flood { tokens, takes, depth });
            let percentile = |waits: &[u64], percent: usize| waits[waits.len() * percent / 100];
            let figures = (percentile(&fair, 50), percentile(&fair, 99), percentile(&fifo, 50));
            println!(
                "{depth} {name}: waits p50 {} p99 {} ms, first come first served p50 {} ms",
                figures.0, figures.1, figures.2
            );
            assert!(fair.len() > 3_000, "{depth} {name}: {} calls went", fair.len());
            assert!(figures.1 <= 12, "{depth} {name}: {figures:?}");
            assert!(figures.2 >= 200, "{depth} {name}: {figures:?}");
        }
    }
}
