//! One tenant's flood changes neither another's latency nor its success. The figures of docs/fairness.md come from here:
//! `cargo test --release -p mandant-gateway --test it measured -- --ignored --nocapture --test-threads 1`.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use mandant_gateway::{Discipline, Settings};
use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::{TestApp, chat_model, tenant, upstream};
use crate::client::{Client, chat, post};

const PLACES: u32 = 64;

/// A relay whose one upstream takes so many calls at once, and a provider that refuses more.
async fn app(latency: Duration, places: u32, settings: Settings) -> TestApp {
    let options =
        Options { first_byte_latency: latency, concurrency_max: Some(places as usize), ..Options::for_load() };
    let provider = SimulatedProvider::start(options).await.expect("the simulated provider starts");
    let mut sim = upstream(&provider.base_url());
    sim["concurrency"] = json!(places);
    let long = |id: &str, name: &str| {
        let mut model = chat_model(id, name);
        model["max_output_tokens"] = json!(20_000);
        model
    };
    let models = [
        chat_model("chat", "gpt-4.1"),
        long("stream", "sim-tokens-100.chunk-delay-30"),
        long("flood", "sim-tokens-8000"),
    ];
    let tenants = [tenant("victim", json!({})), tenant("aggressor", json!({}))];
    let settings = Settings { connections_max: 20_000, connections_per_address_max: 20_000, ..settings };
    TestApp::over(provider, settings, json!({ "upstream": [sim], "model": models, "tenant": tenants })).await
}

/// What the neighbour does, on each of its connections, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flood {
    Calls,
    /// Three seconds each.
    LongStreams,
    /// A quarter of a megabyte each.
    BigBodies,
    /// Streams of more than a megabyte, read slowly.
    SlowReaders,
}

impl Flood {
    fn body(self) -> bytes::Bytes {
        match self {
            Flood::Calls => chat("chat", json!({})),
            Flood::LongStreams => chat("stream", json!({ "stream": true })),
            Flood::BigBodies => {
                let text = "word ".repeat(50_000);
                chat("chat", json!({ "messages": [{ "role": "user", "content": text }] }))
            }
            Flood::SlowReaders => chat("flood", json!({ "stream": true })),
        }
    }

    /// Sends until told to stop.
    async fn run(self, address: SocketAddr, body: bytes::Bytes, stop: watch::Receiver<bool>) {
        let mut client = Client::connect(address).await;
        while !*stop.borrow() {
            let (head, mut answer) =
                client.send(post("/v1/chat/completions", "aggressor", body.clone())).await.into_parts();
            while let Some(Ok(_)) = answer.frame().await {
                if *stop.borrow() {
                    return;
                }
                if self == Flood::SlowReaders {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            // A refused client asks again at once, or nearly: it is not a polite one.
            if head.status != 200 {
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// The victim's calls: how long each took, or nothing where it failed.
struct Seen {
    latencies: Vec<Duration>,
    calls: usize,
}

impl Seen {
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(Duration::MAX)
    }

    fn success(&self) -> f64 {
        self.latencies.len() as f64 / self.calls as f64
    }
}

/// Sends `calls` calls at random times with this mean distance, whatever becomes of the ones before.
async fn victim(address: SocketAddr, distance: Duration, calls: usize) -> Seen {
    let mut random = fastrand::Rng::with_seed(11);
    let mut at = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..calls {
        at += distance.mul_f64(-(1.0 - random.f64()).ln());
        tasks.spawn(async move {
            sleep_until(at).await;
            let mut client = Client::connect(address).await;
            let reply = client.call(post("/v1/chat/completions", "victim", chat("chat", json!({})))).await;
            (reply.status == 200).then(|| at.elapsed())
        });
    }
    let seen = tasks.join_all().await;
    Seen { calls, latencies: seen.into_iter().flatten().collect() }
}

/// The size of one measurement.
#[derive(Clone, Copy)]
struct Scale {
    latency: Duration,
    calls: usize,
    warm_up: Duration,
}

impl Scale {
    /// The victim's mean distance between calls: a fifth of what half of the places can do.
    fn distance(self) -> Duration {
        self.latency.mul_f64(2.0 * 5.0 / f64::from(PLACES))
    }
}

/// The victim beside `connections` of this neighbour.
async fn beside(scale: Scale, discipline: Discipline, flood: Option<(Flood, usize)>) -> Seen {
    let app = app(scale.latency, PLACES, Settings { queue_discipline: discipline, ..Settings::default() }).await;
    let address = app.relay.address();
    // The victim is there already when the neighbour comes: that is when it is disturbed.
    let before = scale.warm_up.as_secs_f64() / scale.distance().as_secs_f64();
    victim(address, scale.distance(), before as usize).await;
    let (stop, stopped) = watch::channel(false);
    let mut floods = tokio::task::JoinSet::new();
    if let Some((flood, connections)) = flood {
        let body = flood.body();
        for _ in 0..connections {
            floods.spawn(flood.run(address, body.clone(), stopped.clone()));
        }
    }
    let seen = victim(address, scale.distance(), scale.calls).await;
    let _ = stop.send(true);
    floods.abort_all();
    while floods.join_next().await.is_some() {}
    seen
}

/// One row of the table, and the ratio of the victim's p99 to what it is alone.
fn told(name: &str, seen: &Seen, solo: &Seen) -> f64 {
    let ratio = seen.percentile(99).as_secs_f64() / solo.percentile(99).as_secs_f64();
    println!(
        "| {name} | {:.2} % | {:.1} | {:.1} | {ratio:.2} |",
        seen.success() * 100.0,
        seen.percentile(50).as_secs_f64() * 1_000.0,
        seen.percentile(99).as_secs_f64() * 1_000.0,
    );
    ratio
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_the_neighbour_alone_and_without_the_queue_it_would_not() {
    // A slower provider than in the measurement: a debug build on a busy machine cannot do a thousand calls a second.
    let scale = Scale { latency: Duration::from_millis(400), calls: 150, warm_up: Duration::from_millis(1_500) };
    let solo = beside(scale, Discipline::Fair, None).await;
    let fair = beside(scale, Discipline::Fair, Some((Flood::Calls, 320))).await;
    let fifo = beside(scale, Discipline::Fifo, Some((Flood::Calls, 320))).await;
    told("alone", &solo, &solo);
    let fair_ratio = told("10x calls", &fair, &solo);
    let fifo_ratio = told("10x calls, first come first served", &fifo, &solo);
    assert!(fair.success() >= 0.999, "{}", fair.success());
    // A machine that does other things at the same time disturbs both.
    assert!(fair_ratio <= 3.0 && fair_ratio * 2.0 <= fifo_ratio, "{fair_ratio} {fifo_ratio}");
    assert!(fifo_ratio >= 3.0, "{fifo_ratio}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_streams_leave_the_neighbour_its_places() {
    let scale = Scale { latency: Duration::from_millis(400), calls: 120, warm_up: Duration::from_millis(2_000) };
    let solo = beside(scale, Discipline::Fair, None).await;
    let fair = beside(scale, Discipline::Fair, Some((Flood::LongStreams, 320))).await;
    told("alone", &solo, &solo);
    let ratio = told("10x long streams", &fair, &solo);
    assert!(fair.success() >= 0.999, "{}", fair.success());
    assert!(ratio <= 2.5, "{ratio}");
}

/// What docs/fairness.md shows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures for minutes; only a release build says something"]
async fn measured() {
    let scale = Scale { latency: Duration::from_millis(60), calls: 2_000, warm_up: Duration::from_secs(3) };
    println!("| the neighbour | victim's success | p50, ms | p99, ms | p99 to alone |");
    println!("|---|---|---|---|---|");
    let solo = beside(scale, Discipline::Fair, None).await;
    told("none", &solo, &solo);
    let mut misses = Vec::new();
    for (times, connections, most) in [(10, 320, 1.2), (100, 3_200, 1.5)] {
        for flood in [Flood::Calls, Flood::LongStreams, Flood::BigBodies, Flood::SlowReaders] {
            for discipline in [Discipline::Fair, Discipline::Fifo] {
                let seen = beside(scale, discipline, Some((flood, connections))).await;
                let ratio = told(&format!("{times}x {flood:?}, {discipline:?}"), &seen, &solo);
                if discipline == Discipline::Fair && (ratio > most || seen.success() < 0.999) {
                    misses.push(format!("{times}x {flood:?}: {ratio:.2}, {:.2} %", seen.success() * 100.0));
                }
            }
        }
    }
    println!("beyond the goal: {misses:?}");
}

#[tokio::test]
async fn a_wait_is_shown_and_a_full_line_is_503_with_a_retry_after() {
    let settings = Settings { queue_waiting_max: 1, ..Settings::default() };
    let app = app(Duration::from_millis(300), 1, settings).await;
    let later = |millis: u64| {
        let app = &app;
        async move {
            sleep(Duration::from_millis(millis)).await;
            app.chat("victim", "chat", json!({})).await
        }
    };
    let (first, second, third) = tokio::join!(later(0), later(100), later(200));
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    let queued = |timing: &str| -> f64 {
        let stage = timing.split(", ").find_map(|stage| stage.strip_prefix("queue;dur="));
        stage.expect("the stage is there").parse().expect("milliseconds")
    };
    assert!(queued(first.header("server-timing")) < 50.0, "{}", first.header("server-timing"));
    assert!(queued(second.header("server-timing")) > 50.0, "{}", second.header("server-timing"));
    assert_eq!((third.status.as_u16(), third.code()), (503, "overloaded".into()));
    assert!(third.header("retry-after").parse::<u64>().is_ok_and(|wait| (1..=10).contains(&wait)));
}

#[tokio::test]
async fn a_turn_that_does_not_come_in_time_is_503_and_nothing_was_taken() {
    let settings = Settings { queue_wait: Duration::from_millis(100), ..Settings::default() };
    let app = app(Duration::from_millis(500), 1, settings).await;
    let (first, second) = tokio::join!(app.chat("aggressor", "chat", json!({})), async {
        sleep(Duration::from_millis(100)).await;
        app.chat("victim", "chat", json!({})).await
    });
    assert_eq!(first.status, 200);
    assert_eq!((second.status.as_u16(), second.code()), (503, "overloaded".into()));
    assert!(app.records("victim").await.is_empty());
    assert_eq!(app.chat("victim", "chat", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_waiting_client_that_hangs_up_leaves_the_queue() {
    let app = app(Duration::from_millis(400), 1, Settings { queue_waiting_max: 1, ..Settings::default() }).await;
    let address = app.relay.address();
    let first = tokio::spawn(async move {
        Client::connect(address).await.call(post("/v1/chat/completions", "aggressor", chat("chat", json!({})))).await
    });
    sleep(Duration::from_millis(100)).await;
    let waiting = tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        client.call(post("/v1/chat/completions", "victim", chat("chat", json!({})))).await
    });
    sleep(Duration::from_millis(50)).await;
    waiting.abort();
    sleep(Duration::from_millis(50)).await;
    // The line of one has room again, and the place goes to whoever is there.
    assert_eq!(app.chat("victim", "chat", json!({})).await.status, 200);
    assert_eq!(first.await.expect("it was not aborted").status, 200);
    assert_eq!(app.records("victim").await.len(), 1);
}

#[tokio::test]
async fn fail_over_takes_a_place_at_the_other_upstream() {
    let (one, other) = tokio::join!(
        SimulatedProvider::start(Options::default()),
        SimulatedProvider::start(Options { first_byte_latency: Duration::from_millis(300), ..Options::default() })
    );
    let (one, other) = (one.expect("it starts"), other.expect("it starts"));
    let named = |id: &str, url: String| {
        let mut upstream: Value = upstream(&url);
        upstream["id"] = json!(id);
        upstream["concurrency"] = json!(1);
        upstream
    };
    let mut model = chat_model("chat", "sim-error-500");
    model["route"] = json!([
        { "upstream": "one", "model": "sim-error-500", "tier": 1 },
        { "upstream": "other", "model": "gpt-4.1", "tier": 2 },
    ]);
    let upstreams = [named("one", one.base_url()), named("other", other.base_url())];
    let tenants = [tenant("a", json!({})), tenant("b", json!({}))];
    let resources = json!({ "upstream": upstreams, "model": [model], "tenant": tenants });
    let app = TestApp::over(one, Settings::default(), resources).await;
    let begun = Instant::now();
    let (a, b) = tokio::join!(app.chat("a", "chat", json!({})), app.chat("b", "chat", json!({})));
    assert_eq!((a.status.as_u16(), b.status.as_u16()), (200, 200), "{} {}", a.text(), b.text());
    assert!(begun.elapsed() >= Duration::from_millis(600), "one after the other: {:?}", begun.elapsed());
    assert_eq!(other.requests().len(), 2);
}

#[tokio::test]
async fn a_tenant_sees_what_its_neighbours_cost_it_and_not_what_it_costs_itself() {
    let app = app(Duration::from_millis(300), 1, Settings::default()).await;
    let after = |millis: u64, who: &'static str| {
        let app = &app;
        async move {
            sleep(Duration::from_millis(millis)).await;
            app.chat(who, "chat", json!({})).await.status.as_u16()
        }
    };
    let statuses = tokio::join!(after(0, "aggressor"), after(50, "aggressor"), after(100, "victim"));
    assert_eq!(statuses, (200, 200, 200));
    app.settled().await;
    let report = async |who: &str| {
        let limits = app.call(crate::client::get("/v1/limits", who)).await.json();
        let figure = |name: &str| limits["neighbours"][name].as_u64().expect("a number");
        (figure("calls"), figure("calls_waited"), figure("wait_p50_ms"), figure("wait_p99_ms"))
    };
    let (calls, waited, p50, p99) = report("victim").await;
    assert_eq!((calls, waited), (1, 1));
    assert!(p50 == p99 && (50..2_000).contains(&p99), "{p99}");
    assert_eq!(report("aggressor").await, (2, 0, 0, 0), "it waited for itself");
}
