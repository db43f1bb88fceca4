//! The edge of a budget under a crowd: never a nano above it, and nothing of it wasted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::books::{Nanos, OUTPUT_TOKEN, amount, billed};
use super::caller::{Answer, Call, Client, Seen};
use super::stand::{OUTPUT_MAX, Sightings, Stand, Tenant, traced};
use super::{is_long, number, tell};

/// Calls at once.
fn parallel() -> usize {
    number("MANDANT_PARALLEL").map_or(if is_long() { 2_000 } else { 400 }, |count| count as usize)
}

/// A refusal after this long had its time of waiting (10 s by default, less what measuring may miss).
const WAITED: Duration = Duration::from_millis(9_500);
/// Nothing is held this long after the last call.
const IDLE: Duration = Duration::from_secs(5);

/// What a round asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// `max_tokens` from 16 to 64, and up to eight choices.
    Small,
    /// `max_tokens` of the model's maximum.
    Most,
    /// No `max_tokens`.
    Missing,
}

/// One crowd at one budget.
#[derive(Debug, Clone, Copy)]
struct Round {
    tenant: &'static str,
    model: &'static str,
    ask: Ask,
    /// The budget's size: nano-USD for each call of the crowd, or all of it for a budget below one call.
    budget_each: Nanos,
    budget: Nanos,
    hang_ups: bool,
    is_http2: bool,
    /// How much of the budget may stay unused, in percent, beside what the smallest call cannot use.
    unused_percent: i64,
}

const ROUND: Round = Round {
    tenant: "",
    model: "short",
    ask: Ask::Missing,
    budget_each: 0,
    budget: 0,
    hang_ups: false,
    is_http2: false,
    unused_percent: 5,
};

/// A call that says all it may costs this: what a missing limit must be held with.
const MOST: Nanos = OUTPUT_MAX as Nanos * OUTPUT_TOKEN;

const ROUNDS: [Round; 7] = [
    Round { tenant: "small", ask: Ask::Small, budget_each: 100_000, unused_percent: 1, ..ROUND },
    Round {
        tenant: "small-leaving",
        ask: Ask::Small,
        budget_each: 100_000,
        unused_percent: 1,
        hang_ups: true,
        is_http2: true,
        ..ROUND
    },
    Round { tenant: "missing-short", budget_each: 200_000, ..ROUND },
    Round { tenant: "missing-leaving", budget_each: 200_000, hang_ups: true, ..ROUND },
    Round { tenant: "missing-full", model: "full", budget_each: 200_000, is_http2: true, ..ROUND },
    // A tenth of one call.
    Round { tenant: "tenth-missing", model: "full", budget: MOST / 10, ..ROUND },
    Round { tenant: "tenth-given", model: "full", ask: Ask::Most, budget: MOST / 10, unused_percent: 1, ..ROUND },
];

impl Round {
    fn budget(&self) -> Nanos {
        self.budget + self.budget_each * parallel() as Nanos
    }

    fn call(&self, number: usize) -> Call {
        let mut random = fastrand::Rng::with_seed(number as u64);
        let stream = random.bool();
        let more = match self.ask {
            Ask::Small => json!({ "max_tokens": random.u32(16..=64), "n": random.u32(1..=8), "stream": stream }),
            Ask::Most => json!({ "max_tokens": OUTPUT_MAX, "stream": stream }),
            Ask::Missing => json!({ "stream": stream }),
        };
        let leaves = self.hang_ups && random.u8(0..4) == 0;
        Call {
            tenant: self.tenant.into(),
            trace: format!("{}.{number:06}", self.tenant),
            model: self.model,
            more,
            leaves_after: leaves.then(|| Duration::from_micros(random.u64(0..200_000))),
        }
    }
}

/// What a refusal over money says.
#[derive(Debug, Clone, Copy)]
struct Refused {
    limit: Nanos,
    spent: Nanos,
    held: Nanos,
    needed: Nanos,
    affordable: Option<u64>,
    took: Duration,
}

impl Refused {
    /// Every promised field is there, and they do not contradict each other.
    ///
    /// # Errors
    /// What is wrong with the refusal.
    fn read(answer: &Answer, round: &Round) -> Result<Refused, String> {
        let error = &answer.json()["error"];
        let wrong = |what: &str| Err(format!("{what} in {error}"));
        let known = [
            ("code", "budget_exhausted"),
            ("type", "insufficient_quota"),
            ("scope", "tenant"),
            ("scope_name", round.tenant),
            ("period", "month"),
        ];
        if let Some((name, _)) = known.iter().find(|(name, value)| error[name] != *value) {
            return wrong(name);
        }
        let said = ["message", "request_id", "resets_at", "limit_usd", "spent_usd", "held_usd", "needed_usd"];
        if let Some(name) = said.iter().find(|name| error[**name].as_str().is_none_or(str::is_empty)) {
            return wrong(name);
        }
        let refused = Refused {
            limit: amount(error, "limit_usd"),
            spent: amount(error, "spent_usd"),
            held: amount(error, "held_usd"),
            needed: amount(error, "needed_usd"),
            affordable: error.get("affordable_max_tokens").map(|tokens| tokens.as_u64().unwrap()),
            took: answer.took,
        };
        match refused.spent + refused.held {
            _ if refused.limit != round.budget() => wrong("another limit"),
            taken if taken > refused.limit => wrong("more taken than there is"),
            taken if taken + refused.needed <= refused.limit => wrong("a refusal of what would have fitted"),
            _ => Ok(refused),
        }
    }
}

#[test]
fn a_crowd_at_the_edge_of_a_budget_never_overspends_and_uses_what_there_is() {
    let tenants: Vec<Tenant> =
        ROUNDS.iter().map(|round| Tenant { id: round.tenant.into(), budget: round.budget() }).collect();
    let models =
        [("short", "sim-tokens-200.delay-5"), ("full", "sim-tokens-2000.delay-5"), ("long", "sim-tokens-100000")];
    // The crowd comes for its money: a busy provider's queue is not to turn it away before.
    let stand = Stand::new(traced(), "queue_waiting_max = 10000", &models, &tenants);
    let mut faults = Vec::new();
    for round in &ROUNDS {
        // Every round is judged, so that one run tells all that is wrong.
        let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&stand, round)));
        if let Err(panic) = judged {
            let told = panic.downcast_ref::<String>().cloned();
            faults.push(format!("{}: {}", round.tenant, told.unwrap_or_else(|| "see above".into())));
        }
    }
    assert!(faults.is_empty(), "{} of {} rounds failed:\n{}", faults.len(), ROUNDS.len(), faults.join("\n"));
}

fn play(stand: &Stand, round: &Round) {
    let seen = stand.runtime.block_on(crowd(stand, round));
    let after_burst = stand.nothing_held(round.tenant, IDLE);
    let refusals = seen.iter().filter(|answer| answer.status == 402);
    let refused: Result<Vec<Refused>, String> = refusals.map(|answer| Refused::read(answer, round)).collect();
    let refused = refused.unwrap_or_else(|wrong| panic!("{wrong}"));
    let served = seen.iter().filter(|answer| answer.status == 200).count();
    if let Some(other) = seen.iter().find(|answer| !matches!(answer.status, 200 | 402)) {
        panic!("neither an answer nor a refusal over money: {other:?}; the relay said\n{}", stand.log_tail());
    }
    let smallest = stand.runtime.block_on(use_up(stand, round));
    let end = stand.nothing_held(round.tenant, IDLE);
    let percent = |spent: Nanos| spent as f64 * 100.0 / round.budget() as f64;
    tell(&format!(
        "edge {:16} {served:5} served {:5} refused  used {:6.2} % by the crowd, {:6.2} % in the end",
        round.tenant,
        refused.len(),
        percent(after_burst.spent),
        percent(end.spent)
    ));

    // Not a nano too much, by the provider's own count.
    let truth = stand.runtime.block_on(stand.provider.settled_truth(IDLE));
    assert!(
        billed(&truth, round.tenant) <= round.budget(),
        "overspent by {}",
        billed(&truth, round.tenant) - round.budget()
    );
    assert_eq!(end.spent, billed(&truth, round.tenant), "the charges are the provider's bill");
    let tenant = Tenant { id: round.tenant.into(), budget: round.budget() };
    let audited = stand.audit(&tenant, &Sightings::default(), IDLE);
    let audit = audited.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((audit.unresolved, audit.charged), (0, audit.billed), "{audit:?}");

    // Nobody was refused while the money was there.
    for refusal in refused.iter().filter(|refusal| refusal.took < WAITED) {
        // A call without a limit is given the largest that the money buys, so it fits as long as the smallest does; their
        // bodies differ by a few bytes.
        let needed = if round.ask == Ask::Missing { smallest * 11 / 10 } else { refusal.needed };
        let free = refusal.limit - refusal.spent;
        assert!(needed > free, "refused at once although it would have fitted alone: {free} free, {refusal:?}");
    }
    let tolerance = round.budget() * round.unused_percent / 100;
    let needed = match round.ask {
        Ask::Missing => smallest,
        _ => refused.iter().map(|refusal| refusal.needed).max().unwrap_or(0),
    };
    if !refused.is_empty() {
        let unused = round.budget() - after_burst.spent;
        assert!(unused <= needed + tolerance, "the crowd was refused and left {unused} of {} unused", round.budget());
    }
    let unused = round.budget() - end.spent;
    assert!(unused <= smallest + tolerance, "{unused} of {} cannot be used", round.budget());
}

/// All calls of a round, begun at the same moment. Gives what was answered to those who stayed.
async fn crowd(stand: &Stand, round: &Round) -> Vec<Answer> {
    let clients = Client::many(stand.address(), parallel(), round.is_http2).await;
    let start = Arc::new(Barrier::new(clients.len()));
    let round = *round;
    let calls: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(place, mut client)| {
            let start = start.clone();
            tokio::spawn(async move {
                start.wait().await;
                client.call(&round.call(place)).await
            })
        })
        .collect();
    let mut seen = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Seen::Whole(answer) => seen.push(answer),
            Seen::Left => {}
            Seen::Broken => panic!("the relay broke a connection off"),
        }
    }
    seen
}

/// Single calls, each as large as the last refusal advised, until the smallest is refused; gives what that one needed.
async fn use_up(stand: &Stand, round: &Round) -> Nanos {
    let mut client = Client::new(stand.address());
    let mut limit = OUTPUT_MAX;
    let mut is_advised = false;
    for number in 500_000..500_200 {
        let more = json!({ "max_tokens": limit });
        let trace = format!("{}.{number}", round.tenant);
        let call = Call { tenant: round.tenant.into(), trace, model: "long", more, leaves_after: None };
        let Seen::Whole(answer) = client.call(&call).await else { panic!("the relay broke a connection off") };
        if answer.status == 200 {
            is_advised = false;
            continue;
        }
        assert_eq!(answer.status, 402, "{answer:?}");
        let refused = Refused::read(&answer, round).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(refused.held, 0, "nothing else is under way: {refused:?}");
        assert!(!is_advised, "refused with the very limit that the last refusal advised: {refused:?}");
        match refused.affordable {
            Some(affordable) => {
                assert!((1..limit).contains(&affordable), "advised {affordable} instead of {limit}");
                (limit, is_advised) = (affordable, true);
            }
            None if limit == 1 => return refused.needed,
            None => limit = 1,
        }
    }
    panic!("200 single calls did not use up what the crowd left");
}

#[test]
fn a_refusal_names_every_field() {
    let body = json!({ "error": {
        "code": "budget_exhausted", "type": "insufficient_quota", "scope": "tenant", "scope_name": "tenth-given",
        "period": "month", "message": "m", "request_id": "r", "resets_at": "2027-01-01T00:00:00Z",
        "limit_usd": "0.0004", "spent_usd": "0.0001", "held_usd": "0.00", "needed_usd": "0.000300001",
    } });
    let round = ROUNDS.iter().find(|round| round.tenant == "tenth-given").unwrap();
    let answer = |body: &Value| Answer { status: 402, cost: None, body: body.to_string().into(), took: WAITED };
    assert_eq!(Refused::read(&answer(&body), round).map(|refused| refused.needed), Ok(300_001));
    let wrongs = [
        ("needed_usd", json!("0.0003")),
        ("limit_usd", json!("0.0005")),
        ("held_usd", json!("0.0004")),
        ("resets_at", Value::Null),
        ("scope", json!("key")),
    ];
    for (name, value) in wrongs {
        let mut wrong = body.clone();
        wrong["error"][name] = value;
        assert!(Refused::read(&answer(&wrong), round).is_err(), "{name} was not looked at");
    }
}
