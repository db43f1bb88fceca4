//! 401, 403, 404, 402, 429: each refusal at its place, in the dialect, and nothing forwarded.

use std::time::Duration;

use base::Money;
use serde_json::json;
use store::{Directory, WatchGuard};

use crate::app::{TestApp, apply, models, secret, tenant, upstream};
use crate::client::{chat, get, post};

#[tokio::test]
async fn a_missing_or_unknown_key_is_401_and_the_body_is_not_read() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    for credential in ["", "Bearer ", "Bearer nobody-knows-this-key-0123456789", "Basic YTpi"] {
        let mut request = post("/v1/chat/completions", "acme", "not json at all");
        request.headers_mut().insert("authorization", credential.parse().unwrap());
        let reply = app.call(request).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (401, "invalid_api_key".into()), "{credential:?}");
        assert_eq!(reply.header("x-tenant-id"), "");
    }
    assert!(app.provider.requests().is_empty());
}

#[tokio::test]
async fn every_style_of_credential_is_accepted() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let key = secret("acme");
    for (name, value) in [
        ("authorization", format!("bearer {key}")),
        ("x-api-key", key.clone()),
        ("api-key", key.clone()),
        ("x-goog-api-key", key.clone()),
    ] {
        let mut request = get("/v1/models", "acme");
        request.headers_mut().remove("authorization");
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(app.call(request).await.status, 200, "{name}");
    }
    let mut request = get(&format!("/v1/models?key={key}"), "acme");
    request.headers_mut().remove("authorization");
    assert_eq!(app.call(request).await.status, 200);
}

#[tokio::test]
async fn expired_revoked_foreign_address_and_suspended_are_told_apart() {
    let key = |name: &str, more: serde_json::Value| {
        let mut key = json!({ "name": name, "secret": secret(name) });
        for (field, value) in more.as_object().unwrap() {
            key[field] = value.clone();
        }
        key
    };
    let keys = json!([
        key("expired", json!({ "expires": "2020-01-01T00:00:00Z" })),
        key("revoked", json!({ "status": "revoked" })),
        key("elsewhere", json!({ "ip_allow": ["10.0.0.0/8"] })),
        key("here", json!({ "ip_allow": ["127.0.0.0/8"] })),
    ]);
    let acme = json!({ "id": "acme", "plan": "unlimited", "project": [{ "id": "main", "key": keys }] });
    let app = TestApp::start(vec![acme, tenant("late", json!({ "status": "suspended" }))]).await;
    let cases = [
        ("expired", 401, "key_expired"),
        ("revoked", 401, "key_revoked"),
        ("elsewhere", 403, "address_not_allowed"),
        ("late", 403, "tenant_suspended"),
    ];
    for (name, status, code) in cases {
        let reply = app.chat(name, "chat", json!({})).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (status, code.into()), "{name}");
    }
    assert_eq!(app.chat("here", "chat", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_tenant_id_must_be_the_keys_own_unless_it_is_a_service_key() {
    let service = json!({ "name": "service", "secret": secret("service"), "service": ["one", "two"] });
    let operator = json!({ "id": "operator", "plan": "unlimited", "project": [{ "id": "main", "key": [service] }] });
    let app =
        TestApp::start(vec![tenant("one", json!({})), tenant("two", json!({})), tenant("three", json!({})), operator])
            .await;
    let as_tenant = |key: &str, named: Option<&str>| {
        let mut request = post("/v1/chat/completions", key, chat("chat", json!({})));
        if let Some(named) = named {
            request.headers_mut().insert("x-tenant-id", named.parse().unwrap());
        }
        request
    };
    assert_eq!(app.call(as_tenant("one", Some("one"))).await.status, 200);
    assert_eq!(app.call(as_tenant("one", Some("two"))).await.code(), "tenant_not_found");
    assert_eq!(app.call(as_tenant("service", None)).await.code(), "tenant_required");
    for named in ["three", "nobody", ""] {
        assert_eq!(app.call(as_tenant("service", Some(named))).await.code(), "tenant_not_found", "{named:?}");
    }
    let reply = app.call(as_tenant("service", Some("two"))).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-tenant-id")), (200, "two"));
    assert_eq!((app.records("two").await.len(), app.records("one").await.len()), (1, 1));
}

#[tokio::test]
async fn a_model_that_is_not_allowed_is_403_and_names_those_that_are() {
    let app = TestApp::start(vec![tenant("acme", json!({ "models": ["vector", "text"] }))]).await;
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (403, "model_not_allowed".into()));
    assert!(reply.text().contains("text, vector"), "{}", reply.text());
    assert_eq!(app.chat("acme", "no-such-model", json!({})).await.code(), "model_not_found");
    assert!(app.provider.requests().is_empty());
}

#[tokio::test]
async fn a_full_window_is_429_with_a_retry_after_and_counts_nothing() {
    let app = TestApp::start(vec![tenant("acme", json!({ "limits": { "rpm": 2 } })), tenant("other", json!({}))]).await;
    for _ in 0..2 {
        assert_eq!(app.chat("acme", "chat", json!({})).await.status, 200);
    }
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (429, "rate_limited".into()));
    let wait: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(reply.header("x-ratelimit-remaining"), "0");
    assert!(reply.text().contains("tenant acme"), "{}", reply.text());
    assert_eq!(app.chat("other", "chat", json!({})).await.status, 200, "another tenant is not affected");
}

#[tokio::test]
async fn concurrency_is_freed_when_a_call_ends() {
    let slow = crate::app::chat_model("slow", "sim-delay-300");
    let app = TestApp::with(
        Default::default(),
        Default::default(),
        vec![slow],
        vec![tenant("acme", json!({ "limits": { "concurrency": 1 } }))],
    )
    .await;
    let (first, second) = tokio::join!(app.chat("acme", "slow", json!({})), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        app.chat("acme", "slow", json!({})).await
    });
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 429));
    app.settled().await;
    assert_eq!(app.chat("acme", "slow", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_budget_that_does_not_cover_the_worst_case_is_402_and_says_what_would_fit() {
    let app = TestApp::start(vec![tenant("acme", json!({ "budget": { "usd_total": "0.003" } }))]).await;
    let reply = app.chat("acme", "chat", json!({ "max_tokens": 999 })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (402, "budget_exhausted".into()), "{}", reply.text());
    let affordable = reply.json()["error"]["affordable_max_tokens"].as_u64().expect("it says what fits");
    let too_much = app.chat("acme", "chat", json!({ "max_tokens": affordable + 1 })).await;
    assert_eq!(too_much.status, 402);
    let fitting = app.chat("acme", "chat", json!({ "max_tokens": affordable })).await;
    assert_eq!(fitting.status, 200, "{}", fitting.text());
    assert!(app.spent("acme") <= Money::parse_usd("0.003").unwrap());
    assert_eq!(app.provider.requests().len(), 1, "refused calls are not forwarded");
}

#[tokio::test]
async fn every_level_of_the_path_is_checked() {
    let keyed = json!({ "name": "tight", "secret": secret("tight"), "budget": { "usd_per_day": "0.000001" } });
    let inner = json!({ "id": "inner", "limits": { "rpm": 1 }, "key": [{ "name": "a", "secret": secret("inner-a") }, { "name": "b", "secret": secret("inner-b") }] });
    let acme =
        json!({ "id": "acme", "plan": "unlimited", "project": [{ "id": "main", "key": [keyed], "project": [inner] }] });
    let app = TestApp::start(vec![acme]).await;
    let reply = app.chat("tight", "chat", json!({})).await;
    assert_eq!(reply.code(), "budget_exhausted");
    assert!(reply.text().contains("key tight"), "{}", reply.text());
    assert_eq!(app.chat("inner-a", "chat", json!({})).await.status, 200);
    let reply = app.chat("inner-b", "chat", json!({})).await;
    assert_eq!(
        (reply.code(), reply.text().contains("project main/inner")),
        ("rate_limited".into(), true),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_change_is_in_force_within_a_second_without_a_restart() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let _watch: WatchGuard = Directory::watch(&app.directory).expect("the watch starts");
    assert_eq!(app.chat("acme", "chat", json!({})).await.status, 200);
    let base_url = app.provider.base_url();
    apply(
        &app.store,
        json!({ "upstream": [upstream(&base_url)], "model": models(), "tenant": [tenant("acme", json!({ "status": "suspended" }))] }),
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(app.chat("acme", "chat", json!({})).await.code(), "tenant_suspended");
}
