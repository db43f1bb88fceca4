//! Limits for single models and for end users, blocks after a refusal, and limits that are only watched.

use mandant_gateway::Settings;
use serde_json::{Value, json};
use testkit::Options;

use crate::app::{TestApp, chat_model, models, tenant};
use crate::client::Reply;

/// A tenant with these limits, and two models.
async fn with_limits(limits: Value) -> TestApp {
    let mut all = models();
    all.push(chat_model("other", "gpt-4.1"));
    let tenants = vec![tenant("acme", json!({ "limits": limits }))];
    TestApp::with(Options::default(), Settings::default(), all, tenants).await
}

fn refused(reply: &Reply) -> (u16, String) {
    (reply.status.as_u16(), reply.code())
}

fn status(app: &TestApp) -> Value {
    let status = app.relay.status(&base::TenantId::new("acme").unwrap()).unwrap();
    serde_json::to_value(status).unwrap()
}

#[tokio::test]
async fn a_model_s_own_window_refuses_that_model_and_no_other_also_after_a_restart() {
    let app = with_limits(json!({ "rpm": 50, "models": { "chat": { "rpm": 2 } } })).await;
    for _ in 0..2 {
        let reply = app.chat("acme", "chat", json!({})).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "2", "the tightest window that the call has");
    }
    assert_eq!(app.chat("acme", "other", json!({})).await.header("x-ratelimit-limit-requests"), "50");
    app.settled().await;
    let mut app = app;
    for round in 0..2 {
        let reply = app.chat("acme", "chat", json!({})).await;
        assert_eq!(refused(&reply), (429, "rate_limited".into()), "round {round}");
        let error = &reply.json()["error"];
        assert_eq!((&error["scope"], &error["scope_name"]), (&json!("tenant"), &json!("acme")));
        assert_eq!((&error["limited_model"], &error["limit"]), (&json!("chat"), &json!(2)));
        assert!(reply.text().contains("tenant acme for the model chat"), "{}", reply.text());
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0");
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "2");
        assert_eq!(app.chat("acme", "other", json!({})).await.status, 200, "round {round}");
        let told = &status(&app)["models"][0];
        assert_eq!((&told["model"], &told["used"], &told["remaining"]), (&json!("chat"), &json!(2), &json!(0)));
        app.settled().await;
        app = app.restarted().await;
    }
}

#[tokio::test]
async fn each_end_user_has_its_own_windows_also_after_a_restart() {
    let app = with_limits(json!({ "per_end_user": { "rpm": 1 } })).await;
    let of = |user: &str| json!({ "user": user });
    for user in ["ann", "bob"] {
        assert_eq!(app.chat("acme", "chat", of(user)).await.status, 200);
    }
    for _ in 0..3 {
        assert_eq!(app.chat("acme", "chat", json!({})).await.status, 200, "a call without an end user has none");
    }
    app.settled().await;
    let mut app = app;
    for round in 0..2 {
        for user in ["ann", "bob"] {
            let reply = app.chat("acme", "other", of(user)).await;
            assert_eq!(refused(&reply), (429, "rate_limited".into()), "{user}, round {round}");
            assert_eq!(reply.json()["error"]["per_end_user"], true);
            assert!(!reply.text().contains(user), "who asks knows who it is; the answer names no end user");
        }
        assert_eq!(status(&app)["end_users_remembered"], 2);
        app.settled().await;
        app = app.restarted().await;
    }
    assert_eq!(app.chat("acme", "chat", of("cid")).await.status, 200);
}

#[tokio::test]
async fn after_a_refusal_the_account_is_blocked_and_a_restart_lifts_that() {
    let app = with_limits(json!({ "rpm": 1, "block_for": "10m" })).await;
    assert_eq!(app.chat("acme", "chat", json!({})).await.status, 200);
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, "600"));
    assert_eq!(reply.json()["error"]["blocked"], true);
    assert_eq!(reply.header("x-ratelimit-remaining"), "0");
    let told = status(&app);
    assert_eq!((&told["is_blocked"], &told["remaining"]["rpm"]), (&json!(true), &json!(0)));
    app.settled().await;
    let app = app.restarted().await;
    // The window is as full as before; only the block is gone.
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.header("retry-after")), (429, "600"), "refused again, it begins anew");
}

#[tokio::test]
async fn a_watched_limit_refuses_nothing_and_says_how_often_it_would_have() {
    let limits = json!({
        "rpm": 50,
        "shadow": { "rpm": 2 },
        "models": { "chat": { "shadow": { "rpm": 1 } } },
    });
    let app = with_limits(limits).await;
    for _ in 0..4 {
        let reply = app.chat("acme", "chat", json!({})).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "50", "headers tell what is enforced");
    }
    let told = &status(&app)["shadow"];
    let of = |place: usize| (told[place]["limit_name"].clone(), told[place]["would_have_refused"].clone());
    // The model's refuses three; of the whole account one call went through both.
    assert_eq!((of(0), of(1)), ((json!("requests_per_minute"), json!(0)), (json!("requests_per_minute"), json!(3))));
    assert_eq!(told[1]["model"], "chat");
    for _ in 0..2 {
        assert_eq!(app.chat("acme", "other", json!({})).await.status, 200);
    }
    assert_eq!(status(&app)["shadow"][0]["would_have_refused"], 1);
}

#[tokio::test]
async fn a_watched_budget_refuses_nothing_and_counts_the_calls_that_it_would_not_have_covered() {
    // One call is charged a few millionths; its worst case is about 0.002.
    let limits = json!({ "shadow": { "usd_per_day": "0.005", "usd_total": "1.00", "tokens_per_month": 1 } });
    let app = with_limits(limits).await;
    for _ in 0..30 {
        let reply = app.chat("acme", "chat", json!({ "max_tokens": 1_000 })).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    app.settled().await;
    let told = status(&app)["shadow"].clone();
    let find = |name: &str| told.as_array().unwrap().iter().find(|one| one["limit_name"] == name).unwrap().clone();
    let (day, total, tokens) = (find("usd_per_day"), find("usd_total"), find("tokens_per_month"));
    let refused = day["would_have_refused"].as_u64().unwrap();
    assert!((1..30).contains(&refused), "the first calls fit, the last do not: {told}");
    assert_eq!(day["limit"], "0.005");
    assert_eq!((&total["would_have_refused"], &tokens["would_have_refused"]), (&json!(0), &json!(30)));
    assert_eq!(day["used"], total["used"]);
    assert!(app.relay.metrics().contains("mandant_shadow_refusals_total 30\n"), "each call once");
}
