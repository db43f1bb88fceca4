//! A dry run says, for every dialect and path, what the call itself would meet: the same refusal, the same worst case.

use mandant_gateway::Settings;
use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};

use crate::app::{TestApp, chat_model, models, tenant, upstream};
use crate::client::{chat, post};

/// Explains a call at this path.
async fn explain(app: &TestApp, who: &str, endpoint: &str, body: Value) -> Value {
    let body = bytes::Bytes::from(body.to_string());
    let reply = app.call(post(&format!("/v1/explain?endpoint={endpoint}"), who, body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Upstreams of all dialects at one simulated provider.
async fn everything(limits: Value) -> TestApp {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let base = provider.base_url();
    let of = |id: &str, dialect: &str| {
        let mut one = upstream(&base);
        (one["id"], one["dialect"]) = (json!(id), json!(dialect));
        one
    };
    let on = |id: &str, upstream: &str| {
        let mut model = chat_model(id, "gpt-4.1");
        model["route"][0]["upstream"] = json!(upstream);
        model
    };
    let mut all = models();
    all.extend([on("claude", "anthropic"), on("gemini", "gemini")]);
    let mut vector = json!({
        "id": "gemini-vector", "kind": "embedding", "context_window": 8_192, "max_output_tokens": 0,
        "route": [{ "upstream": "gemini" }], "price": { "input": "0.02" },
    });
    all.push(vector.take());
    let upstreams = [of("sim", "openai"), of("anthropic", "anthropic"), of("gemini", "gemini")];
    let resources = json!({
        "upstream": upstreams, "model": all,
        "tenant": [tenant("acme", json!({ "limits": limits, "budget": { "usd_per_month": "1.00" } }))],
    });
    TestApp::over(provider, Settings::default(), resources).await
}

#[tokio::test]
async fn every_path_that_is_a_call_is_explained_in_its_dialect() {
    let app = everything(json!({ "rpm": 7 })).await;
    let said = json!([{ "role": "user", "content": "Hello" }]);
    let contents = json!([{ "role": "user", "parts": [{ "text": "Hello" }] }]);
    let cases = [
        ("/v1/chat/completions", "openai", "sim", json!({ "model": "chat", "messages": said, "max_tokens": 9 })),
        ("/v1/completions", "openai", "sim", json!({ "model": "text", "prompt": "Hello", "max_tokens": 9 })),
        ("/v1/embeddings", "openai", "sim", json!({ "model": "vector", "input": "Hello" })),
        ("/v1/responses", "openai", "sim", json!({ "model": "chat", "input": "Hello", "max_output_tokens": 9 })),
        ("/openai/v1/chat/completions", "openai", "sim", json!({ "model": "chat", "messages": said })),
        ("/openai/deployments/chat/chat/completions", "openai", "sim", json!({ "messages": said })),
        ("/v1/messages", "anthropic", "anthropic", json!({ "model": "claude", "messages": said, "max_tokens": 9 })),
        ("/v1/messages/count_tokens", "anthropic", "anthropic", json!({ "model": "claude", "messages": said })),
        ("/v1beta/models/gemini:generateContent", "gemini", "gemini", json!({ "contents": contents })),
        ("/v1beta/models/gemini:streamGenerateContent", "gemini", "gemini", json!({ "contents": contents })),
        ("/v1/models/gemini:countTokens", "gemini", "gemini", json!({ "contents": contents })),
        (
            "/v1beta/models/gemini-vector:embedContent",
            "gemini",
            "gemini",
            json!({ "content": { "parts": [{ "text": "Hello" }] } }),
        ),
    ];
    for (endpoint, dialect, upstream, body) in cases {
        let told = explain(&app, "acme", endpoint, body.clone()).await;
        assert_eq!(told["would_be_forwarded"], true, "{endpoint}: {told:#}");
        assert_eq!((&told["endpoint"], &told["dialect"]), (&json!(endpoint), &json!(dialect)));
        assert_eq!(told["path"], json!(["tenant acme", "project main", "key key"]));
        assert_eq!(told["route"]["upstream"], upstream, "{endpoint}: {told:#}");
        let requests = &told["limits"][0];
        assert_eq!((&requests["limit_name"], &requests["limit"]), (&json!("requests_per_minute"), &json!("7")));
        assert!(told["worst_case"]["usd"].is_string() && told["worst_case"]["input_tokens"].is_u64(), "{endpoint}");
        let escaped = endpoint.replace('/', "%2F").replace(':', "%3A");
        assert_eq!(explain(&app, "acme", &escaped, body).await["worst_case"], told["worst_case"]);
    }
    assert!(app.provider.requests().is_empty(), "a dry run reaches nobody");
    assert_eq!(app.relay.open_holds(), 0);
    // Nothing was taken.
    let told = explain(&app, "acme", "/v1/embeddings", json!({ "model": "vector", "input": "Hello" })).await;
    assert_eq!(told["limits"][0]["used"], "0");
    for wrong in ["/v1/models", "/v1/limits", "/v1/explain", "/v1/nothing"] {
        let body = bytes::Bytes::from_static(b"{}");
        let reply = app.call(post(&format!("/v1/explain?endpoint={wrong}"), "acme", body)).await;
        assert!(matches!(reply.status.as_u16(), 400 | 404 | 405), "{wrong}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_count_that_the_relay_gives_itself_is_no_refusal_and_no_call() {
    let app = everything(json!({ "rpm": 1 })).await;
    let body = json!({ "model": "chat", "messages": [{ "role": "user", "content": "Hello" }] });
    let told = explain(&app, "acme", "/v1/messages/count_tokens", body.clone()).await;
    let said = ["would_be_forwarded", "would_be_estimated", "refusal", "worst_case", "model"].map(|name| &told[name]);
    assert_eq!(said, [&json!(false), &json!(true), &Value::Null, &Value::Null, &json!("chat")], "{told:#}");
    let names = told["limits"].as_array().expect("limits").iter().map(|limit| limit["limit_name"].as_str());
    assert_eq!(names.collect::<Vec<_>>(), [Some("requests_per_minute")], "a budget is not touched");

    let count = || app.call(post("/v1/messages/count_tokens", "acme", body.to_string()));
    assert_eq!([count().await.status.as_u16(), count().await.status.as_u16()], [200, 429]);
    let told = explain(&app, "acme", "/v1/messages/count_tokens", body.clone()).await;
    let said = ["would_be_forwarded", "would_be_estimated"].map(|name| &told[name]);
    assert_eq!((said, &told["refusal"]["status"]), ([&json!(false), &Value::Null], &json!(429)), "{told:#}");
}

#[tokio::test]
async fn every_limit_is_told_with_what_the_call_takes_and_the_refusal_is_the_one_that_comes() {
    let limits = json!({
        "rpm": 50, "tpd": 900_000, "concurrency": 4,
        "models": { "chat": { "rpm": 1 } },
        "per_end_user": { "rph": 3 },
        "shadow": { "rpd": 1, "usd_per_day": "0.000001" },
    });
    let app = everything(limits).await;
    let body =
        json!({ "model": "chat", "user": "ann", "max_tokens": 10, "messages": [{ "role": "user", "content": "Hi" }] });
    let find = |told: &Value, name: &str, part: &str| -> Value {
        let limits = told["limits"].as_array().unwrap();
        let found = limits.iter().find(|one| one["limit_name"] == name && one["part"] == part);
        found.unwrap_or_else(|| panic!("{name} {part}: {told:#}")).clone()
    };
    let first = explain(&app, "acme", "/v1/chat/completions", body.clone()).await;
    assert_eq!(first["would_be_forwarded"], true, "{first:#}");
    assert_eq!((&first["model"], &first["end_user"]), (&json!("chat"), &json!("ann")));
    let expected = [
        ("requests_per_minute", "whole", "50", "0", "50", "1"),
        ("concurrency", "whole", "4", "0", "4", "1"),
        ("requests_per_minute", "model", "1", "0", "1", "1"),
        ("requests_per_hour", "end_user", "3", "0", "3", "1"),
        ("requests_per_day", "whole", "1", "0", "1", "1"),
    ];
    for (name, part, limit, used, remaining, needs) in expected {
        let told = find(&first, name, part);
        let figures = ["limit", "used", "remaining", "needs"].map(|name| told[name].clone());
        assert_eq!(figures, [limit, used, remaining, needs].map(Value::from), "{name} {part}");
        assert_eq!(told["would_refuse"], false);
    }
    let budget = find(&first, "usd_per_month", "whole");
    assert_eq!((&budget["limit"], &budget["needs"]), (&json!("1.00"), &first["worst_case"]["usd"]));
    let watched = find(&first, "usd_per_day", "whole");
    assert_eq!((&watched["shadow"], &watched["would_refuse"]), (&json!(true), &json!(true)), "and it is forwarded");

    let reply = app.call(post("/v1/chat/completions", "acme", bytes::Bytes::from(body.to_string()))).await;
    assert_eq!(reply.status, 200);
    let second = explain(&app, "acme", "/v1/chat/completions", body.clone()).await;
    let model = find(&second, "requests_per_minute", "model");
    assert_eq!((&model["would_refuse"], &model["remaining"]), (&json!(true), &json!("0")));
    assert!((50..=61).contains(&model["retry_after_seconds"].as_u64().unwrap()));
    assert_eq!(find(&second, "requests_per_hour", "end_user")["used"], "1");
    assert_eq!(find(&second, "requests_per_day", "whole")["would_refuse"], true);
    let reply = app.call(post("/v1/chat/completions", "acme", bytes::Bytes::from(body.to_string()))).await;
    assert_eq!(reply.json()["error"]["message"], second["refusal"]["message"], "the same refusal");
    let other = explain(&app, "acme", "/v1/chat/completions", json!({ "model": "claude", "messages": [] })).await;
    assert!(other["limits"].as_array().unwrap().iter().all(|one| one["part"] != "model"), "of another model");
}

#[tokio::test]
async fn a_busy_target_is_passed_over_and_the_explanation_says_so() {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let of = |id: &str| {
        let mut one = upstream(&provider.base_url());
        (one["id"], one["concurrency"]) = (json!(id), json!(1));
        one
    };
    let mut model = chat_model("slow", "sim-delay-300");
    model["route"] = json!([
        { "upstream": "a", "model": "sim-delay-300", "weight": 1_000 },
        { "upstream": "b", "model": "sim-delay-300", "weight": 1 },
        { "upstream": "c", "model": "sim-delay-300", "tier": 2 },
    ]);
    let resources = json!({
        "upstream": [of("a"), of("b"), of("c")], "model": [model], "tenant": [tenant("acme", json!({}))],
    });
    let app = TestApp::over(provider, Settings::default(), resources).await;
    let asked = || async {
        let body: Value = serde_json::from_slice(&chat("slow", json!({}))).unwrap();
        explain(&app, "acme", "/v1/chat/completions", body).await
    };
    let told = asked().await;
    assert_eq!(told["candidates"].as_array().unwrap().len(), 3);
    let last = &told["candidates"][2];
    assert_eq!((&last["upstream"], &last["tier"]), (&json!("c"), &json!(2)));
    assert_eq!(told["route"]["candidate"], 1);
    let (_, busy) = tokio::join!(
        async { tokio::join!(app.chat("acme", "slow", json!({})), app.chat("acme", "slow", json!({}))) },
        async {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            asked().await
        }
    );
    assert_eq!(busy["route"]["waits"], true, "{busy:#}");
    assert_eq!(busy["candidates"][0]["queue"]["taken"], 1);
}
