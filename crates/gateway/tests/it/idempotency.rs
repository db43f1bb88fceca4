//! `Idempotency-Key`: a call that comes again is answered as the first time and charged once, whatever happens between.

use std::sync::Arc;
use std::time::Duration;

use base::Money;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use mandant_gateway::{Decision, Settings};
use serde_json::{Value, json};
use store::Ending;
use testkit::{Fault, Options};

use crate::app::{TestApp, chat_model, models, tenant};
use crate::client::{Client, Reply, chat, post};

const CHAT: &str = "/v1/chat/completions";

/// A chat call of `tenant` with a key.
fn keyed(tenant: &str, key: &str, model: &str, more: Value) -> Request<Full<Bytes>> {
    with_key(post(CHAT, tenant, chat(model, more)), key)
}

fn with_key(mut request: Request<Full<Bytes>>, key: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert("idempotency-key", key.parse().expect("a header"));
    request
}

/// `again` is the answer of `first`, told anew.
fn assert_same(first: &Reply, again: &Reply) {
    assert_eq!((first.status, again.status), (again.status, http::StatusCode::OK), "{}", again.text());
    assert_eq!(first.body, again.body);
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!(again.header("original-request"), first.header("x-request-id"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    for name in ["content-type", "mandant-hold-usd", "x-tenant-id", "x-ratelimit-limit"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert!(!again.header("mandant-cost-usd").is_empty() && !again.header("mandant-price-version").is_empty());
}

/// Waits until the first call with a key has ended, and gives what the retry gets.
async fn retried(app: &TestApp, request: impl Fn() -> Request<Full<Bytes>>) -> Reply {
    for _ in 0..500 {
        let reply = app.call(request()).await;
        if reply.status != 409 || reply.code() != "idempotency_in_flight" {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the first call never ends");
}

/// A model for each way in which the provider behaves.
fn faulty(name: &str, fault: &str) -> Vec<Value> {
    let mut all = models();
    all.push(chat_model(name, fault));
    all
}

async fn app_with(settings: Settings, models: Vec<Value>) -> TestApp {
    let tenants =
        vec![tenant("acme", json!({ "limits": { "requests_per_minute": 1_000 } })), tenant("globex", json!({}))];
    TestApp::with(Options::default(), settings, models, tenants).await
}

#[tokio::test]
async fn the_same_call_again_gets_the_same_answer_and_is_charged_once() {
    let app = app_with(Settings::default(), models()).await;
    let whole = || keyed("acme", "k-whole", "chat", json!({ "max_tokens": 9 }));
    let stream = || keyed("acme", "k-stream", "chat", json!({ "max_tokens": 9, "stream": true }));
    let vector = || with_key(post("/v1/embeddings", "acme", r#"{"model":"vector","input":"x"}"#), "k-vector");
    let calls: [&dyn Fn() -> Request<Full<Bytes>>; 3] = [&whole, &stream, &vector];
    for call in calls {
        let first = app.call(call()).await;
        // At once, from memory; and when it is written, from the store.
        for wait in [0, 200] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let again = retried(&app, call).await;
            assert_same(&first, &again);
            if !first.header("mandant-cost-usd").is_empty() {
                assert_eq!(first.header("mandant-cost-usd"), again.header("mandant-cost-usd"));
            }
        }
    }
    assert_eq!((app.records("acme").await.len(), app.provider.requests().len()), (3, 3));
}

#[tokio::test]
async fn a_stream_again_ends_with_its_receipt_where_that_was_asked_for() {
    let app = app_with(Settings::default(), models()).await;
    let call = || {
        let mut request = keyed("acme", "k", "chat", json!({ "max_tokens": 9, "stream": true }));
        request.headers_mut().insert("mandant-receipt", "sse".parse().unwrap());
        request
    };
    let first = app.call(call()).await;
    assert!(first.text().contains(": mandant-receipt"), "{}", first.text());
    assert_same(&first, &retried(&app, call).await);
    let plain = app.call(keyed("acme", "k", "chat", json!({ "max_tokens": 9, "stream": true }))).await;
    assert!(plain.text().ends_with("data: [DONE]\n\n"), "{}", plain.text());
}

#[tokio::test]
async fn a_call_without_a_key_is_made_each_time() {
    let app = app_with(Settings::default(), models()).await;
    for _ in 0..2 {
        let reply = app.chat("acme", "chat", json!({ "max_tokens": 9 })).await;
        assert_eq!((reply.header("idempotent-replayed"), reply.header("original-request")), ("", ""));
    }
    assert_eq!(app.records("acme").await.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_no_key_is_refused() {
    let app = app_with(Settings::default(), models()).await;
    for bad in ["", "a b", "ä", &"x".repeat(256)] {
        let mut request = post(CHAT, "acme", chat("chat", json!({})));
        request.headers_mut().insert("idempotency-key", http::HeaderValue::from_bytes(bad.as_bytes()).unwrap());
        let reply = app.call(request).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "invalid_request"), "{bad:?}");
    }
    let mut twice = keyed("acme", "one", "chat", json!({}));
    twice.headers_mut().append("idempotency-key", "two".parse().unwrap());
    assert_eq!(app.call(twice).await.code(), "ambiguous_request");
    assert!(app.provider.requests().is_empty());
    let longest = "!".repeat(254) + "~";
    assert_eq!(app.call(keyed("acme", &longest, "chat", json!({ "max_tokens": 1 }))).await.status, 200);
}

#[tokio::test]
async fn another_body_or_endpoint_under_the_same_key_is_refused() {
    let app = app_with(Settings::default(), models()).await;
    let body = json!({ "max_tokens": 9, "prompt": "x" });
    assert_eq!(app.call(keyed("acme", "k", "chat", body.clone())).await.status, 200);
    let other = retried(&app, || keyed("acme", "k", "chat", json!({ "max_tokens": 8, "prompt": "x" }))).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "idempotency_mismatch"));
    let elsewhere = app.call(with_key(post("/v1/completions", "acme", chat("chat", body)), "k")).await;
    assert_eq!(elsewhere.code(), "idempotency_mismatch");
    assert_eq!(app.provider.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_at_once_are_one_attempt_and_one_charge() {
    for stream in [false, true] {
        let app = Arc::new(app_with(Settings::default(), faulty("slow", "sim-delay-200")).await);
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move {
                    let more = json!({ "max_tokens": 9, "stream": stream });
                    let first = app.call(keyed("acme", "k", "slow", more.clone())).await;
                    if first.status == 409 {
                        assert_eq!(first.code(), "idempotency_in_flight");
                        assert_eq!(first.header("retry-after"), "1");
                    }
                    let last = retried(&app, || keyed("acme", "k", "slow", more.clone())).await;
                    (first.status.as_u16(), last.body)
                })
            })
            .collect();
        let mut replies = Vec::new();
        for task in tasks {
            replies.push(task.await.unwrap());
        }
        assert!(replies.iter().all(|(_, body)| *body == replies[0].1), "all have the same answer");
        assert!(replies.iter().any(|(status, _)| *status == 409), "some came while it was under way");
        let records = app.records("acme").await;
        assert_eq!((records.len(), app.provider.requests().len()), (1, 1));
        assert_eq!(app.spent("acme"), records[0].charged);
    }
}

#[tokio::test]
async fn tenants_and_keys_with_the_same_text_do_not_see_each_other() {
    let keys = json!([{ "name": "key", "secret": crate::app::secret("acme") },
                      { "name": "other", "secret": crate::app::secret("acme-other") }]);
    let acme = tenant("acme", json!({ "project": [{ "id": "main", "key": keys }] }));
    let app = TestApp::start(vec![acme, tenant("globex", json!({}))]).await;
    let mut replies = Vec::new();
    for caller in ["acme", "acme-other", "globex"] {
        let reply = app.call(keyed(caller, "same", "chat", json!({ "max_tokens": 9 }))).await;
        assert_eq!((reply.status.as_u16(), reply.header("idempotent-replayed")), (200, ""), "{caller}");
        replies.push(reply.json()["id"].clone());
    }
    assert!(replies[0] != replies[1] && replies[1] != replies[2]);
    // Not even another body betrays that the key is in use elsewhere.
    assert_eq!(app.call(keyed("globex", "k2", "chat", json!({ "max_tokens": 1 }))).await.status, 200);
    assert_eq!(app.call(keyed("acme", "k2", "chat", json!({ "max_tokens": 2 }))).await.status, 200);
}

#[tokio::test]
async fn refusals_and_free_failures_do_not_consume_the_key() {
    let app = app_with(Settings::default(), faulty("failing", "sim-error-500")).await;
    // Refusals of Mandant: before the plan, in the plan, for money.
    for (body, status) in [("{", 400), (r#"{"model":"none","messages":[]}"#, 404)] {
        assert_eq!(app.call(with_key(post(CHAT, "acme", body), "k")).await.status.as_u16(), status);
    }
    // The provider's own.
    for _ in 0..2 {
        assert_eq!(app.call(keyed("acme", "k", "failing", json!({}))).await.status, 500);
    }
    assert_eq!(app.provider.requests().len(), 2);
    app.provider.script([Fault::status(400), Fault::HtmlBadGateway]);
    for status in [400, 502, 200] {
        let reply = app.call(keyed("acme", "k", "chat", json!({ "max_tokens": 9 }))).await;
        assert_eq!((reply.status.as_u16(), reply.header("idempotent-replayed")), (status, ""));
    }
}

#[tokio::test]
async fn a_call_refused_for_money_runs_once_there_is_some() {
    let app = TestApp::start(vec![tenant("acme", json!({ "budget": { "usd_total": "0.00001" } }))]).await;
    let call = || keyed("acme", "k", "chat", json!({ "max_tokens": 900 }));
    assert_eq!(app.call(call()).await.status, 402);
    let richer = json!({ "tenant": [tenant("acme", json!({ "budget": { "usd_total": "1.00" } }))] });
    crate::app::apply(&app.store, richer);
    app.directory.sync().unwrap();
    let reply = app.call(call()).await;
    assert_eq!((reply.status.as_u16(), reply.header("idempotent-replayed")), (200, ""), "{}", reply.text());
}

#[tokio::test]
async fn an_answer_whose_client_left_is_there_for_the_retry() {
    let options = Options { chunk_latency: Duration::from_millis(5), output_tokens: 40, ..Options::default() };
    let app =
        TestApp::with(options, Settings::default(), faulty("slow", "sim-delay-200"), vec![tenant("acme", json!({}))])
            .await;
    let whole = || keyed("acme", "whole", "slow", json!({ "max_tokens": 9 }));
    let mut client = Client::connect(app.relay.address()).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), client.send(whole())).await.is_err());
    drop(client);
    let again = retried(&app, whole).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (200, "true"), "{}", again.text());
    assert_eq!(again.json()["usage"]["completion_tokens"], 9);

    let stream = || keyed("acme", "stream", "chat", json!({ "stream": true, "max_tokens": 40 }));
    let mut client = Client::connect(app.relay.address()).await;
    let mut body = client.send(stream()).await.into_body();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
    drop((client, body));
    let again = retried(&app, stream).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (200, "true"), "{}", again.text());
    assert!(again.body.starts_with(&seen) && again.text().ends_with("data: [DONE]\n\n"), "{}", again.text());
    assert!(!again.text().contains("\"completion_tokens\""), "usage that was not asked for is not in it");
    assert_eq!((app.records("acme").await.len(), app.provider.requests().len()), (2, 2));
}

/// The retry is told that the answer is lost, and nothing is sent or charged again.
async fn assert_lost(app: &TestApp, call: impl Fn() -> Request<Full<Bytes>>) {
    let reply = retried(app, call).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (409, "idempotency_lost"), "{}", reply.text());
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(app.provider.requests().len(), 1);
}

#[tokio::test]
async fn a_stream_that_broke_is_lost_and_never_charged_twice() {
    // Cut off, and ended in peace too early: the second looks whole to HTTP.
    for fault in ["sim-close-mid-stream-2", "sim-missing-done-2"] {
        let app = app_with(Settings::default(), faulty("broken", fault)).await;
        let call = || keyed("acme", "k", "broken", json!({ "max_tokens": 20, "stream": true }));
        assert!(app.call(call()).await.text().contains("\"error\""), "{fault}");
        let charged = app.records("acme").await.remove(0).charged;
        assert!(charged > Money::ZERO);
        assert_lost(&app, call).await;
        assert_eq!(app.spent("acme"), charged);
    }
}

#[tokio::test]
async fn an_answer_beyond_a_limit_is_lost() {
    for settings in [
        Settings { idempotency_answer_bytes_max: 300, ..Settings::default() },
        Settings { idempotency_memory_bytes_max: 1_200, ..Settings::default() },
        Settings { idempotency_stored_bytes_max: 1_200, ..Settings::default() },
    ] {
        for stream in [false, true] {
            let app = app_with(settings.clone(), models()).await;
            let call = || keyed("acme", "k", "chat", json!({ "max_tokens": 90, "stream": stream }));
            let first = app.call(call()).await;
            assert_eq!(first.status, 200);
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_lost(&app, call).await;
        }
    }
}

#[tokio::test]
async fn a_key_of_unknown_cost_is_lost_until_it_is_released() {
    for decision in [Decision::Release, Decision::ChargeWhole] {
        let app = app_with(Settings::default(), faulty("closing", "sim-close-before-headers")).await;
        let call = || keyed("acme", "k", "closing", json!({ "max_tokens": 9 }));
        assert_eq!(app.call(call()).await.status, 502);
        assert_lost(&app, call).await;
        let hold = app.relay.holds().unwrap().remove(0);
        app.relay.resolve(hold.intent.attempt, decision, "a test").await.unwrap();
        if decision == Decision::Release {
            assert_eq!(app.call(call()).await.status, 502, "it runs again");
            assert_eq!(app.provider.requests().len(), 2);
        } else {
            assert_lost(&app, call).await;
        }
    }
}

#[tokio::test]
async fn a_key_expires_and_its_rows_go() {
    let settings = Settings { idempotency_keep: Duration::from_millis(800), ..Settings::default() };
    let app = app_with(settings, models()).await;
    let call = || keyed("acme", "k", "chat", json!({ "max_tokens": 9 }));
    let first = app.call(call()).await;
    assert_same(&first, &retried(&app, call).await);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let anew = app.call(call()).await;
    assert_eq!((anew.status.as_u16(), anew.header("idempotent-replayed")), (200, ""));
    for _ in 0..100 {
        app.relay.flush();
        let mut left = 0;
        app.store.used_keys(&mut |_| left += 1).unwrap();
        if left == 0 {
            return assert_eq!(app.records("acme").await.len(), 2);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("expired rows stay");
}

#[tokio::test]
async fn a_restart_forgets_no_key_and_no_answer() {
    let app = app_with(Settings::default(), faulty("broken", "sim-close-mid-stream-2")).await;
    let kept = || keyed("acme", "kept", "chat", json!({ "max_tokens": 9 }));
    let stream = || keyed("acme", "stream", "chat", json!({ "max_tokens": 9, "stream": true }));
    let lost = || keyed("acme", "lost", "broken", json!({ "max_tokens": 20, "stream": true }));
    let free = || keyed("acme", "free", "chat", json!({ "max_tokens": 9 }));
    let firsts = [app.call(kept()).await, app.call(stream()).await];
    app.call(lost()).await;
    app.provider.script([Fault::status(500)]);
    assert_eq!(app.call(free()).await.status, 500);
    let app = app.restarted().await;
    assert_same(&firsts[0], &app.call(kept()).await);
    assert_same(&firsts[1], &app.call(stream()).await);
    assert_eq!(app.call(lost()).await.code(), "idempotency_lost");
    assert_eq!(app.call(keyed("acme", "kept", "chat", json!({}))).await.code(), "idempotency_mismatch");
    assert_eq!(app.provider.requests().len(), 4);
    let reply = app.call(free()).await;
    assert_eq!((reply.status.as_u16(), reply.header("idempotent-replayed")), (200, ""), "it had cost nothing");
    let endings: Vec<Ending> = app.records("acme").await.iter().map(|record| record.ending).collect();
    assert_eq!(endings.iter().filter(|ending| **ending == Ending::Refused).count(), 1, "{endings:?}");
    assert_eq!(endings.len(), 5);
}
