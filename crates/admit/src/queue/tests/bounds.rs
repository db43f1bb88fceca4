//! VTC's bound on the difference in service, over random schedules, and that no priority is starved.

use base::{AccountIndex, Priority};

use super::{POLICY, millis, queue};
use crate::queue::{Ask, Entered, LOW_PASSED_MAX, Limit, Queue, Slot};

/// Of one random schedule.
struct World {
    random: fastrand::Rng,
    places: u32,
    weights: Vec<u32>,
    tokens_max: u64,
    /// Tokens over weight, in units of a millionth, of calls admitted so far.
    served: Vec<f64>,
    waiting: Vec<u32>,
    /// Who wants less than its share, now or a moment ago: what such a tenant has is its own.
    modest: [Vec<bool>; 2],
    running: Vec<(u32, Slot, u64)>,
}

impl World {
    fn went(&mut self, tenant: u32, slot: Slot) {
        let used = self.random.u64(1..=self.tokens_max);
        self.served[tenant as usize] += used as f64 / f64::from(self.weights[tenant as usize]);
        self.running.push((tenant, slot, used));
    }

    fn look(&mut self, queue: &Queue) {
        let now = (0..self.weights.len() as u32).map(|tenant| queue.wants_little(AccountIndex(tenant))).collect();
        self.modest = [core::mem::take(&mut self.modest[1]), now];
    }

    /// The most that two tenants with calls waiting may differ by.
    fn bound(&self) -> f64 {
        let least = *self.weights.iter().min().unwrap();
        // An eighth more for what a tenant may be ahead and still have a place that was kept for it.
        2.0 * f64::from(self.places + self.places / 8) * (self.tokens_max as f64 + 1.0) / f64::from(least)
    }
}

/// For each pair, the difference at the least and at the most since both have had calls waiting.
type Spans = Vec<Vec<Option<(f64, f64)>>>;

fn note(world: &World, spans: &mut Spans) -> f64 {
    let mut widest = 0.0_f64;
    for (one, row) in spans.iter_mut().enumerate() {
        for (other, span) in row.iter_mut().enumerate().take(one) {
            let competes =
                |tenant: usize| world.waiting[tenant] > 0 && !world.modest.iter().any(|modest| modest[tenant]);
            if !competes(one) || !competes(other) {
                *span = None;
                continue;
            }
            let difference = world.served[one] - world.served[other];
            let (low, high) = span.get_or_insert((difference, difference));
            (*low, *high) = (low.min(difference), high.max(difference));
            widest = widest.max(*high - *low);
        }
    }
    widest
}

/// Runs one schedule; the widest difference as a part of the bound.
fn run(seed: u64) -> f64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let tenants = random.u32(2..7);
    let places = random.u32(1..20);
    let weights = (0..tenants).map(|_| if random.bool() { 1 } else { random.u32(1..6) }).collect();
    let (tokens_max, arrivals) = (random.u64(1..2_000), random.f64());
    let mut world = World {
        random,
        places,
        weights,
        tokens_max,
        served: vec![0.0; tenants as usize],
        waiting: vec![0; tenants as usize],
        modest: [vec![false; tenants as usize], vec![false; tenants as usize]],
        running: Vec::new(),
    };
    let mut queue = Queue::new(POLICY, Limit::Fixed(places));
    let mut spans: Spans = vec![vec![None; tenants as usize]; tenants as usize];
    let (mut widest, mut owners) = (0.0_f64, std::collections::HashMap::new());
    let mut now = 0;
    for step in 0..3_000 {
        now += world.random.u64(0..20);
        // Some tenants come and go, so that lifting is part of it.
        let tenant = world.random.u32(0..tenants);
        let is_away = (step / 500 + tenant).is_multiple_of(3) && tenant > 1;
        if !is_away && world.random.f64() < arrivals + 0.3 && world.waiting[tenant as usize] < 50 {
            let worst = world.random.u64(1..=tokens_max);
            let ask = Ask {
                tenant: AccountIndex(tenant),
                weight: world.weights[tenant as usize],
                priority: Priority::Normal,
                tokens: worst,
                bytes: 1,
            };
            match queue.enter(&ask, millis(now)) {
                Entered::Admitted(slot) => world.went(tenant, slot),
                Entered::Waiting(ticket) => {
                    owners.insert(ticket, tenant);
                    world.waiting[tenant as usize] += 1;
                }
                Entered::Full { .. } => unreachable!("the line is longer than that"),
            }
        } else if !world.running.is_empty() {
            let which = world.random.usize(..world.running.len());
            let (_, slot, used) = world.running.swap_remove(which);
            queue.end(slot, Some(used), millis(now));
        }
        while let Some((ticket, slot)) = queue.next(millis(now)) {
            let tenant = owners.remove(&ticket).unwrap();
            world.waiting[tenant as usize] -= 1;
            world.went(tenant, slot);
            // The interval of a tenant ends with its last waiting call.
            world.look(&queue);
            widest = widest.max(note(&world, &mut spans));
        }
        world.look(&queue);
        widest = widest.max(note(&world, &mut spans));
        queue.check();
    }
    widest / world.bound()
}

#[test]
fn vtc_s_bound_on_the_difference_in_service_is_never_broken() {
    let runs = if std::env::var_os("MANDANT_LONG").is_some() { 5_000 } else { 60 };
    let widest = (0..runs).map(run).fold(0.0, f64::max);
    println!("the widest difference in {runs} schedules is {widest:.3} of the bound");
    assert!(widest <= 1.0, "{widest}");
}

#[test]
fn no_priority_is_starved_and_each_bound_is_kept() {
    for places in [1, 3, 16] {
        let mut queue = queue(places);
        let priorities = [Priority::High, Priority::High, Priority::Normal, Priority::Low];
        let mut running = std::collections::VecDeque::new();
        let mut counts = [0_u32; 4];
        let mut since_low = 0;
        let mut owners = std::collections::HashMap::new();
        let enter = |queue: &mut Queue, tenant: u32, owners: &mut std::collections::HashMap<_, u32>| {
            let priority = priorities[tenant as usize];
            let ask = Ask { tenant: AccountIndex(tenant), weight: 1, priority, tokens: 100, bytes: 1 };
            match queue.enter(&ask, millis(0)) {
                Entered::Admitted(slot) => return Some(slot),
                Entered::Waiting(ticket) => assert_eq!(owners.insert(ticket, tenant), None),
                Entered::Full { .. } => panic!("there is room"),
            }
            None
        };
        for _ in 0..40 {
            for tenant in 0..4 {
                running.extend(enter(&mut queue, tenant, &mut owners));
            }
        }
        for _ in 0..4_000 {
            queue.end(running.pop_front().unwrap(), Some(60), millis(0));
            while let Some((ticket, slot)) = queue.next(millis(0)) {
                let tenant = owners.remove(&ticket).unwrap();
                running.push_back(slot);
                counts[tenant as usize] += 1;
                since_low = if tenant == 3 { 0 } else { since_low + 1 };
                assert!(since_low <= LOW_PASSED_MAX, "low was passed over {since_low} times");
                running.extend(enter(&mut queue, tenant, &mut owners));
            }
        }
        assert!(counts[0].abs_diff(counts[1]) <= 1, "{counts:?}");
        assert!(counts[3] >= 4_000 / 16 && counts[2] >= 3 * 4_000 / 16 - 1, "{counts:?}");
    }
}
