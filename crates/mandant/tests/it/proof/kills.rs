//! `kill -9` under load, again and again on one folder: nothing lost, nothing twice, nothing above a budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::books::{Audit, Nanos};
use super::caller::{Call, Client, Seen};
use super::stand::{Sightings, Stand, Tenant, traced};
use super::{is_long, number, tell};
use crate::sandbox::pause;

/// How often the relay is killed.
fn kills() -> usize {
    number("MANDANT_KILLS").map_or(if is_long() { 1_000 } else { 100 }, |count| count as usize)
}

/// Callers at once; with the pause of each they make about 200 calls a second.
const CALLERS: usize = 24;
const PAUSE_MILLIS_MAX: u64 = 160;
/// Rounds that share tenants, so that no tenant has more calls than one command lists.
const ROUNDS_PER_GROUP: usize = 40;
/// Tenants of one group: two with money, one at the edge of its budget.
const GROUP: [(&str, Nanos); 3] = [("rich", 1_000_000_000_000), ("well-off", 100_000_000_000), ("poor", 3_000_000)];
/// The tenant whose call is the first after each start.
const PROBE: &str = "probe";
/// Records and holds are complete so soon after a start.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

fn tenant(round: usize, member: usize) -> String {
    format!("{}-{:03}", GROUP[member].0, round / ROUNDS_PER_GROUP)
}

fn tenants() -> Vec<Tenant> {
    let groups = kills() / ROUNDS_PER_GROUP + 1;
    let mut all = vec![Tenant { id: PROBE.into(), budget: 1_000_000_000_000 }];
    for group in 0..groups {
        let members = GROUP.iter().enumerate();
        all.extend(
            members
                .map(|(member, (_, budget))| Tenant { id: tenant(group * ROUNDS_PER_GROUP, member), budget: *budget }),
        );
    }
    all
}

/// A random call: streams and whole answers, quick and slow ones, some whose client leaves.
fn call(round: usize, number: u64, random: &mut fastrand::Rng) -> Call {
    let tenant = tenant(round, random.usize(0..GROUP.len()));
    let model = ["quick", "dripping", "late"][random.usize(0..3)];
    let more = json!({ "max_tokens": random.u32(8..40), "n": random.u32(1..=2), "stream": random.u8(0..3) > 0 });
    let leaves = random.u8(0..8) == 0;
    Call {
        trace: format!("{tenant}.{number:08}"),
        tenant,
        model,
        more,
        leaves_after: leaves.then(|| Duration::from_millis(random.u64(0..150))),
    }
}

/// Callers that go on until the relay goes away or they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Caller>>,
}

/// A caller's own notes.
struct Caller {
    client: Client,
    whole: Vec<(String, Option<Nanos>)>,
    refused: usize,
    broken: usize,
}

impl Load {
    fn start(stand: &Stand, round: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let address = stand.address();
        let callers = (0..CALLERS)
            .map(|place| {
                let stop = stop.clone();
                let first = ((round * CALLERS + place) * 1_000) as u64;
                stand.runtime.spawn(drive(Client::new(address), round, first, stop))
            })
            .collect();
        Load { stop, callers }
    }

    /// Waits for all callers and adds what they saw.
    fn end(self, stand: &Stand, into: &mut Sightings, tally: &mut Tally) {
        self.stop.store(true, Ordering::Release);
        for caller in self.callers {
            let caller = stand.runtime.block_on(caller).unwrap();
            tally.whole += caller.whole.len();
            tally.refused += caller.refused;
            tally.broken += caller.broken;
            into.traces.extend(caller.client.told);
            into.whole.extend(caller.whole);
        }
    }
}

/// What all clients saw, in numbers.
#[derive(Debug, Default)]
struct Tally {
    whole: usize,
    refused: usize,
    broken: usize,
}

async fn drive(client: Client, round: usize, first: u64, stop: Arc<AtomicBool>) -> Caller {
    let mut random = fastrand::Rng::with_seed(first);
    let mut notes = Caller { client, whole: Vec::new(), refused: 0, broken: 0 };
    for number in first..first + 1_000 {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let call = call(round, number, &mut random);
        match notes.client.call(&call).await {
            Seen::Whole(answer) => match answer.status {
                200 => notes.whole.push((call.trace, answer.cost)),
                402 => notes.refused += 1,
                _ => panic!("{call:?} got {answer:?}"),
            },
            Seen::Left => {}
            Seen::Broken => {
                notes.broken += 1;
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..PAUSE_MILLIS_MAX))).await;
    }
    notes
}

/// Makes the first call after a start, and says how long after it was answered.
fn first_call(stand: &Stand, round: usize, started: Instant, seen: &mut Sightings) -> Duration {
    let more = json!({ "max_tokens": 1 });
    let trace = format!("{PROBE}.{round:08}");
    let call = Call { tenant: PROBE.into(), trace: trace.clone(), model: "quick", more, leaves_after: None };
    let answered = stand.runtime.block_on(Client::new(stand.address()).call(&call));
    match answered {
        Seen::Whole(answer) if answer.status == 200 => seen.whole.push((trace, answer.cost)),
        other => panic!("the first call after start {round} got {other:?}\n{}", stand.sandbox.log_tail()),
    }
    started.elapsed()
}

#[test]
fn kill_9_under_load_loses_nothing_doubles_nothing_and_overspends_nothing() {
    let models = [
        ("quick", "sim-tokens-20.delay-2"),
        ("dripping", "sim-tokens-30.chunk-delay-10"),
        ("late", "sim-tokens-10.delay-120"),
    ];
    let tenants = tenants();
    let mut stand = Stand::new(traced(), "stream_drain = \"1s\"", &models, &tenants);
    let mut random = fastrand::Rng::with_seed(number("MANDANT_SEED").unwrap_or(7));
    let (mut seen, mut tally, mut starts) = (Sightings::default(), Tally::default(), Vec::new());
    for round in 0..kills() {
        let load = Load::start(&stand, round);
        let span = Duration::from_millis(random.u64(50..700));
        pause(span);
        stand.kill();
        load.end(&stand, &mut seen, &mut tally);
        let started = Instant::now();
        stand.start();
        starts.push(first_call(&stand, round, started, &mut seen));
        for (member, (_, budget)) in GROUP.iter().enumerate() {
            let tenant = tenant(round, member);
            let balance = stand.balance(&tenant);
            assert!(balance.spent + balance.held <= *budget, "{tenant} after kill {round}: {balance:?} of {budget}");
        }
    }
    // The last load ends well: what is open after it is what the kills left.
    let load = Load::start(&stand, kills());
    pause(Duration::from_millis(500));
    load.end(&stand, &mut seen, &mut tally);

    starts.sort();
    let middle = starts[starts.len() / 2].as_millis();
    tell(&format!(
        "kills {}: {tally:?}; first answer after a start: {middle} ms, at most {} ms",
        kills(),
        starts[starts.len() - 1].as_millis()
    ));
    assert!(tally.broken > 0, "no kill hit a call under way");
    let mut sum = Audit::default();
    let mut faults = Vec::new();
    for tenant in &tenants {
        // Only the first has to wait for what is under way.
        match stand.audit(tenant, &seen, SETTLED_WITHIN / (1 + faults.len() as u32)) {
            Ok(audit) => sum.add(&audit),
            Err(told) => faults.push(told),
        }
    }
    tell(&format!("kills {}: {sum:?}", kills()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
