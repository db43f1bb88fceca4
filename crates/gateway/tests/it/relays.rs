//! What goes in comes out: bytes, usage, prices, headers.

use base::Money;
use serde_json::json;

use crate::app::{TestApp, tenant};
use crate::client::{chat, get, post};

#[tokio::test]
async fn a_chat_is_forwarded_metered_and_priced() {
    let app = TestApp::start(vec![tenant("acme", json!({ "budget": { "usd_per_month": "10.00" } }))]).await;
    let reply = app.chat("acme", "chat", json!({ "max_tokens": 20 })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let usage = &reply.json()["usage"];
    let (input, output) = (usage["prompt_tokens"].as_i64().unwrap(), usage["completion_tokens"].as_i64().unwrap());
    let expected = Money::from_nanos(input * 1_000 + output * 2_000);
    assert_eq!(reply.header("mandant-cost-usd"), expected.to_string());

    let records = app.records("acme").await;
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((record.charged, record.status, record.stream), (expected, 200, false));
    assert_eq!((record.usage.input as i64, record.usage.output as i64), (input, output));
    assert_eq!(record.upstream_response_id.as_deref(), reply.json()["id"].as_str());
    assert_eq!(app.spent("acme"), expected);
}

#[tokio::test]
async fn the_provider_sees_the_clients_bytes_with_its_own_model_name_and_nothing_of_the_tenant() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let body = "{ \"messages\" : [{\"role\":\"user\",\"content\":\"caf\\u00e9 \u{1f600}\"}],\n\t\"model\": \"chat\", \"max_tokens\":5,\"x_unknown\":[1e2, null] }";
    let mut request = post("/v1/chat/completions", "acme", body);
    for (name, value) in
        [("x-tenant-id", "acme"), ("cookie", "a=b"), ("openai-organization", "org"), ("x-forwarded-for", "1.2.3.4")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let reply = app.call(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = app.provider.requests().pop().expect("one request reached the provider");
    assert_eq!(String::from_utf8_lossy(&seen.body), body.replace("\"chat\"", "\"gpt-4.1\""));
    for name in ["x-tenant-id", "cookie", "openai-organization", "x-forwarded-for", "x-request-id"] {
        assert!(!seen.headers.contains_key(name), "{name} reached the provider");
    }
    let all = format!("{:?}", seen.headers);
    assert!(!all.contains("acme") && !all.contains("test-secret"), "{all}");
}

#[tokio::test]
async fn every_answer_says_who_which_call_what_is_left_and_what_it_cost() {
    let limits = json!({ "limits": { "rpm": 60, "tpm": 100_000 }, "budget": { "usd_per_month": "1.00" } });
    let app = TestApp::start(vec![tenant("acme", limits)]).await;
    let reply = app.chat("acme", "chat", json!({})).await;
    assert!(reply.header("x-request-id").starts_with("req_"));
    assert_eq!(reply.header("x-tenant-id"), "acme");
    assert_eq!((reply.header("x-ratelimit-limit"), reply.header("x-ratelimit-remaining")), ("60", "59"));
    assert_eq!(reply.header("x-ratelimit-limit-requests"), "60");
    assert_eq!(reply.header("x-ratelimit-limit-tokens"), "100000");
    assert!(reply.header("x-ratelimit-reset").parse::<i64>().unwrap() > 1_700_000_000);
    for name in ["mandant-cost-usd", "mandant-hold-usd", "mandant-budget-remaining-usd"] {
        assert!(Money::parse_usd(reply.header(name)).is_ok(), "{name}: {:?}", reply.header(name));
    }
    assert_eq!(reply.header("mandant-price-version"), "1");
    assert!(reply.header("server-timing").contains("overhead;dur="));
    let refused = app.chat("acme", "nothing", json!({})).await;
    assert_eq!(refused.status, 404);
    assert!(refused.header("x-request-id").starts_with("req_") && refused.header("x-tenant-id") == "acme");
    assert_eq!(refused.header("x-ratelimit-remaining"), "59", "a refused call does not count");
}

#[tokio::test]
async fn a_stream_without_a_wish_for_usage_shows_none_and_is_charged_exactly() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let reply = app.chat("acme", "chat", json!({ "stream": true, "max_tokens": 12 })).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type").starts_with("text/event-stream")), (200, true));
    let text = reply.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(!text.contains("prompt_tokens"), "{text}");
    let seen = app.provider.requests().pop().unwrap();
    assert!(String::from_utf8_lossy(&seen.body).contains("\"include_usage\":true"));
    let record = app.records("acme").await.remove(0);
    assert_eq!(record.usage.output, 12);
    assert_eq!(record.charged, Money::from_nanos((record.usage.input * 1_000 + 12 * 2_000) as i64));
}

#[tokio::test]
async fn a_stream_with_a_wish_for_usage_is_the_providers_byte_for_byte() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let more = json!({ "stream": true, "max_tokens": 12, "stream_options": { "include_usage": true } });
    let reply = app.chat("acme", "chat", more).await;
    assert!(reply.text().contains("prompt_tokens"), "{}", reply.text());
    assert_eq!(app.records("acme").await[0].usage.output, 12);
}

#[tokio::test]
async fn the_cost_of_a_stream_comes_as_trailer_and_as_comment_when_wanted() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let mut request = post("/v1/chat/completions", "acme", chat("chat", json!({ "stream": true })));
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    request.headers_mut().insert("mandant-receipt", "sse".parse().unwrap());
    let reply = app.call(request).await;
    let charged = app.records("acme").await[0].charged.to_string();
    let trailers = reply.trailers.as_ref().expect("trailers came");
    assert_eq!(trailers.get("mandant-cost-usd").unwrap().to_str().unwrap(), charged);
    assert!(reply.text().contains(&format!(": mandant-receipt {{\"cost_usd\":\"{charged}\"")), "{}", reply.text());
}

#[tokio::test]
async fn embeddings_and_completions_are_forwarded_and_priced() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let body = json!({ "model": "vector", "input": ["one", "two three"] }).to_string();
    let reply = app.call(post("/v1/embeddings", "acme", body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let input = reply.json()["usage"]["prompt_tokens"].as_i64().unwrap();
    assert_eq!(reply.header("mandant-cost-usd"), Money::from_nanos(input * 20).to_string());

    let body = json!({ "model": "text", "prompt": "Once upon", "max_tokens": 7 }).to_string();
    let reply = app.call(post("/v1/completions", "acme", body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(app.records("acme").await.len(), 2);
}

#[tokio::test]
async fn models_lists_only_what_the_key_may_use() {
    let app = TestApp::start(vec![tenant("all", json!({})), tenant("one", json!({ "models": ["vector"] }))]).await;
    let names = |reply: crate::client::Reply| -> Vec<String> {
        let list = reply.json()["data"].as_array().unwrap().clone();
        list.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(app.call(get("/v1/models", "all")).await), ["chat", "text", "vector"]);
    assert_eq!(names(app.call(get("/v1/models", "one")).await), ["vector"]);
    assert_eq!(app.call(get("/v1/models/vector", "one")).await.json()["id"], "vector");
    let foreign = app.call(get("/v1/models/chat", "one")).await;
    let unknown = app.call(get("/v1/models/none", "one")).await;
    assert_eq!((foreign.status.as_u16(), foreign.code()), (404, unknown.code()));
}

#[tokio::test]
async fn a_key_can_ask_for_its_limits_its_usage_and_what_a_call_would_meet() {
    let more = json!({ "limits": { "rpm": 10 }, "budget": { "usd_per_month": "5.00" } });
    let app = TestApp::start(vec![tenant("acme", more)]).await;
    app.chat("acme", "chat", json!({})).await;
    let limits = app.call(get("/v1/limits", "acme")).await.json();
    assert_eq!(limits["tenant_id"], "acme");
    assert_eq!((&limits["quota"]["rpm"], &limits["remaining"]["rpm"]), (&json!(10), &json!(9)));
    app.settled().await;
    app.relay.flush();
    let usage = app.call(get("/v1/usage", "acme")).await.json();
    assert_eq!(usage["tenant_id"], "acme");
    assert_eq!(usage["total_requests"], 1);
    let before = app.provider.requests().len();
    let explained = app.call(post("/v1/explain", "acme", chat("chat", json!({ "max_tokens": 10 })))).await.json();
    assert_eq!(explained["would_be_forwarded"], true, "{explained}");
    assert_eq!(explained["candidates"][0]["upstream"], "sim");
    assert_eq!(app.provider.requests().len(), before, "a dry run reaches nobody");
    let refused = app.call(post("/v1/explain", "acme", chat("nothing", json!({})))).await.json();
    assert_eq!(refused["refusal"]["code"], "model_not_found");
}
