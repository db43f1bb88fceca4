//! The edge of a budget: a call that lacks only what other calls hold waits for it, and one that named no output limit
//! gets the largest that the money buys.

use std::time::Duration;

use mandant_gateway::Settings;
use serde_json::json;
use testkit::Options;
use tokio::time::Instant;

use crate::app::{TestApp, chat_model, models, tenant};
use crate::client::{Client, chat, post};

/// Models that take their time: a call of "slow" ends after 300 ms, one of "stuck" after a minute.
fn slow_models() -> Vec<serde_json::Value> {
    let mut all = models();
    all.push(chat_model("slow", "sim-tokens-5.delay-300"));
    all.push(chat_model("stuck", "sim-tokens-5.delay-60000"));
    all
}

/// A tenant whose budget is worth one worst case of 500 tokens (0.003166) at a time, or that and one of 10.
async fn narrow(settings: Settings) -> TestApp {
    worth("0.0056", settings).await
}

async fn worth(usd: &str, settings: Settings) -> TestApp {
    let budget = json!({ "budget": { "usd_total": usd } });
    TestApp::with(Options::default(), settings, slow_models(), vec![tenant("acme", budget)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_the_money_that_another_holds() {
    let app = narrow(Settings::default()).await;
    let asks = json!({ "max_tokens": 500 });
    let started = Instant::now();
    let (first, second) = tokio::join!(app.chat("acme", "slow", asks.clone()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        app.chat("acme", "slow", asks.clone()).await
    });
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200), "{}", second.text());
    assert!(started.elapsed() >= Duration::from_millis(600), "the second went after the first");
    let waited = |timing: &str| {
        let reserve = timing.split(", ").find_map(|stage| stage.strip_prefix("reserve;dur="));
        reserve.expect("the stage is named").parse::<f64>().expect("milliseconds")
    };
    assert!(waited(first.header("server-timing")) < 100.0, "{}", first.header("server-timing"));
    assert!(waited(second.header("server-timing")) > 100.0, "{}", second.header("server-timing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_too_long_is_refused_and_told_what_is_held() {
    let app = narrow(Settings { reserve_wait: Duration::from_millis(300), ..Settings::default() }).await;
    let mut first = Client::connect(app.relay.address()).await;
    let stuck = tokio::spawn(async move {
        let _ = first.send(post("/v1/chat/completions", "acme", chat("stuck", json!({ "max_tokens": 500 })))).await;
    });
    while app.provider.truth().total.attempts == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    let refused = app.chat("acme", "slow", json!({ "max_tokens": 500 })).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (402, "budget_exhausted"));
    // A small one fits beside it, in no time.
    let started = Instant::now();
    assert_eq!(app.chat("acme", "chat", json!({ "max_tokens": 10 })).await.status, 200);
    assert!(started.elapsed() < Duration::from_millis(290), "it did not wait");
    stuck.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_wait_in_order_and_all_are_served() {
    let app =
        std::sync::Arc::new(narrow(Settings { reserve_wait: Duration::from_secs(60), ..Settings::default() }).await);
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.chat("acme", "chat", json!({ "max_tokens": 500 })).await.status.as_u16() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    app.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_it_waits_holds_nobody_up() {
    let app = narrow(Settings::default()).await;
    let slow = app.chat("acme", "slow", json!({ "max_tokens": 500 }));
    let others = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut leaving = Client::connect(app.relay.address()).await;
        let call = leaving.send(post("/v1/chat/completions", "acme", chat("slow", json!({ "max_tokens": 500 }))));
        assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err(), "it waits");
        drop(leaving);
        let started = Instant::now();
        let behind = app.chat("acme", "chat", json!({ "max_tokens": 500 })).await;
        (behind.status.as_u16(), started.elapsed())
    };
    let (first, (behind, waited)) = tokio::join!(slow, others);
    assert_eq!((first.status.as_u16(), behind), (200, 200));
    assert!(waited < Duration::from_millis(500), "it waited {waited:?} for one call, not for two");
    app.settled().await;
    assert_eq!(app.provider.truth().total.attempts, 2, "who left while waiting cost nothing");
}

#[tokio::test]
async fn without_a_limit_a_call_gets_the_output_that_the_money_buys() {
    let budget = json!({ "budget": { "usd_total": "0.0030" } });
    let settings = Settings { output_floor_tokens: 100, ..Settings::default() };
    let app = TestApp::with(Options::default(), settings, slow_models(), vec![tenant("acme", budget)]).await;
    let served = app.chat("acme", "chat", json!({})).await;
    assert_eq!(served.status, 200, "{}", served.text());
    let limit: u64 = served.header("mandant-output-limit").parse().expect("the relay set a limit");
    assert!((100..1_000).contains(&limit), "{limit} of the model's 1,000");
    let sent = &app.provider.requests()[0];
    let body: serde_json::Value = serde_json::from_slice(&sent.body).expect("JSON");
    assert_eq!(body["max_tokens"], limit, "the provider keeps to it");
    assert!(served.header("mandant-hold-usd") <= "0.003");
    // Where the money covers all, nothing is limited.
    let rich = TestApp::start(vec![tenant("acme", json!({ "budget": { "usd_total": "10" } }))]).await;
    let served = rich.chat("acme", "chat", json!({})).await;
    assert!(served.headers.get("mandant-output-limit").is_none());
    let body: serde_json::Value = serde_json::from_slice(&rich.provider.requests()[0].body).expect("JSON");
    assert!(body.get("max_tokens").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_a_call_waits_for_the_floor_rather_than_to_be_cut_short() {
    // What one call of 500 tokens leaves buys nothing; all of it buys some 900 of the model's 1,000.
    let app = worth("0.0040", Settings { output_floor_tokens: 400, ..Settings::default() }).await;
    let (first, second) = tokio::join!(app.chat("acme", "slow", json!({ "max_tokens": 500 })), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        app.chat("acme", "chat", json!({})).await
    });
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    let limit: u64 = second.header("mandant-output-limit").parse().expect("the relay set a limit");
    assert!(limit >= 400, "{limit}: it did not take the rest, but waited");
}

#[tokio::test]
async fn a_limit_that_is_too_high_is_lowered_only_where_the_account_wants_that() {
    let budget = json!({ "budget": { "usd_total": "0.0030" } });
    let mut clamping = budget.clone();
    clamping["defaults"] = json!({ "clamp_max_tokens": true });
    let app = TestApp::start(vec![tenant("strict", budget), tenant("clamping", clamping)]).await;
    let asks = json!({ "max_tokens": 900 });
    let refused = app.chat("strict", "chat", asks.clone()).await;
    assert_eq!(refused.status, 402);
    let affordable = refused.json()["error"]["affordable_max_tokens"].as_u64().expect("it says what would fit");
    let served = app.chat("clamping", "chat", asks).await;
    assert_eq!((served.status.as_u16(), served.header("mandant-output-limit")), (200, &*affordable.to_string()));
    let body: serde_json::Value = serde_json::from_slice(&app.provider.requests()[0].body).expect("JSON");
    assert_eq!(body["max_tokens"], affordable);
}
