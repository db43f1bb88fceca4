//! What providers do wrong: bounded, reported in the dialect, charged by what is known.

use std::time::Duration;

use base::Money;
use serde_json::json;
use store::Ending;
use testkit::Options;

use crate::app::{TestApp, chat_model, tenant, upstream};
use crate::client::chat;
use crate::native::{exchange, replaying};

async fn app(upstream_model: &str, settings: mandant_gateway::Settings) -> TestApp {
    let models = vec![chat_model("chat", upstream_model)];
    TestApp::with(Options::default(), settings, models, vec![tenant("acme", json!({}))]).await
}

#[tokio::test]
async fn a_providers_error_passes_unchanged_and_costs_nothing() {
    for status in [400, 401, 403, 404, 422, 429, 500, 503] {
        let app = app(&format!("sim-error-{status}"), Default::default()).await;
        let reply = app.chat("acme", "chat", json!({})).await;
        assert_eq!(reply.status.as_u16(), status);
        assert!(reply.json()["error"]["message"].is_string(), "{}", reply.text());
        assert_eq!(app.records("acme").await[0].ending, Ending::Refused);
        assert_eq!(app.spent("acme"), Money::ZERO);
    }
}

#[tokio::test]
async fn a_broken_stream_is_reported_as_broken_and_charged_for_what_came() {
    for fault in ["sim-close-mid-stream-4", "sim-missing-done-4"] {
        let app = app(fault, Default::default()).await;
        let reply = app.chat("acme", "chat", json!({ "stream": true, "max_tokens": 50 })).await;
        let text = reply.text();
        let last = text.trim_end().rsplit("data: ").next().unwrap();
        let error: serde_json::Value = serde_json::from_str(last).expect("an error event ends it");
        assert_eq!(error["error"]["code"], "upstream_error", "{fault}: {text}");
        let record = app.records("acme").await.remove(0);
        assert_eq!(record.ending, Ending::Cut, "{fault}");
        assert!(record.usage.input > 0 && record.usage.output > 0 && record.charged < record.held, "{record:?}");
    }
}

/// Estimates for clients that ask are made of samples; what is charged is not.
#[tokio::test]
async fn a_long_prompt_of_a_broken_stream_is_counted_whole() {
    let app = app("sim-close-mid-stream-4", Default::default()).await;
    let prompt = "word ".repeat(6_000) + &"a1#".repeat(6_000);
    let messages = json!([{ "role": "user", "content": prompt }]);
    app.chat("acme", "chat", json!({ "stream": true, "max_tokens": 50, "messages": messages })).await;
    let record = app.records("acme").await.remove(0);
    // The word for who speaks is one token, and four are the form's.
    let expected = catalog::count_tokens(catalog::Tokenizer::O200k, &prompt) + 1 + 4;
    assert_eq!((record.ending, record.usage.input), (Ending::Cut, expected));
}

#[tokio::test]
async fn a_providers_error_inside_a_stream_passes_unchanged() {
    let app = app("sim-stream-error-2", Default::default()).await;
    let reply = app.chat("acme", "chat", json!({ "stream": true })).await;
    assert_eq!(reply.text().matches("\"error\"").count(), 1, "{}", reply.text());
    app.settled().await;
}

#[tokio::test]
async fn usage_that_cannot_be_true_keeps_the_hold() {
    for fault in ["sim-usage-negative", "sim-usage-fractional", "sim-usage-text"] {
        let app = app(fault, Default::default()).await;
        let reply = app.chat("acme", "chat", json!({ "max_tokens": 5 })).await;
        assert_eq!(reply.status, 200, "the client has its answer");
        assert_eq!(app.relay.open_holds(), 1, "{fault}");
        assert_eq!(app.spent("acme"), Money::ZERO, "{fault}");
    }
}

#[tokio::test]
async fn an_absurd_usage_is_never_the_tenants_cost() {
    let app = app("sim-usage-absurd", Default::default()).await;
    let reply = app.chat("acme", "chat", json!({ "max_tokens": 5 })).await;
    let held = Money::parse_usd(reply.header("mandant-hold-usd")).unwrap();
    assert!(app.spent("acme") <= held, "{} charged, {held} held", app.spent("acme"));
}

#[tokio::test]
async fn missing_usage_is_counted_from_the_text() {
    for stream in [false, true] {
        let app = app("sim-usage-missing", Default::default()).await;
        let reply = app.chat("acme", "chat", json!({ "max_tokens": 12, "stream": stream })).await;
        assert_eq!(reply.status, 200);
        let record = app.records("acme").await.remove(0);
        assert!((8..=20).contains(&record.usage.output), "{stream}: {record:?}");
        assert!(record.usage.input > 0 && record.charged > Money::ZERO);
    }
}

#[tokio::test]
async fn a_silent_provider_is_504_within_its_deadline() {
    let models = vec![chat_model("chat", "sim-never-answer")];
    let provider = testkit::SimulatedProvider::start(Options::default()).await.unwrap();
    let mut upstream = upstream(&provider.base_url());
    upstream["timeouts"] = json!({ "connect": "1s", "first_byte": "200ms", "idle": "1s", "total": "2s" });
    let resources = json!({ "upstream": [upstream], "model": models, "tenant": [tenant("acme", json!({}))] });
    let app = TestApp::over(provider, Default::default(), resources).await;
    let started = tokio::time::Instant::now();
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (504, "upstream_timeout".into()));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn html_gzip_and_endless_answers_are_bounded() {
    let settings =
        mandant_gateway::Settings { answer_bytes_max: 1 << 20, stream_line_bytes_max: 1 << 20, ..Default::default() };
    for fault in ["sim-html-502", "sim-gzip", "sim-endless-line"] {
        let app = app(fault, settings.clone()).await;
        let reply = app.chat("acme", "chat", json!({})).await;
        assert_eq!(reply.status, 502, "{fault}");
    }
    let app = app("sim-endless-line", settings).await;
    let reply = app.chat("acme", "chat", json!({ "stream": true })).await;
    assert!(reply.body.len() < 4 << 20, "{} bytes", reply.body.len());
    assert!(reply.text().contains("upstream_error"));
}

/// A provider that answers the usual chat with this status, these headers and this body.
async fn answering(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> TestApp {
    let asked = serde_json::from_slice(&chat("theirs", json!({}))).expect("JSON");
    let mut exchange = exchange("/v1/chat/completions", asked, "application/json", body);
    exchange.status = status;
    for (name, value) in headers {
        exchange.response_headers.insert(*name, value.parse().expect("a value"));
    }
    let provider = replaying(vec![exchange]).await;
    let resources = json!({
        "upstream": [upstream(&provider.base_url())], "model": [chat_model("chat", "theirs")],
        "tenant": [tenant("acme", json!({}))],
    });
    TestApp::over(provider, Default::default(), resources).await
}

#[tokio::test]
async fn an_encoded_stream_is_refused_before_a_byte_of_it() {
    let app = app("sim-gzip", Default::default()).await;
    let reply = app.chat("acme", "chat", json!({ "stream": true })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (502, "upstream_error".into()), "{}", reply.text());
    assert!(reply.text().contains("encoded"), "{}", reply.text());
    assert_eq!((app.relay.open_holds(), app.spent("acme")), (1, Money::ZERO), "it may have been billed");
}

#[tokio::test]
async fn an_answer_in_the_plain_coding_passes() {
    let answer = r#"{"id":"c","object":"chat.completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
    let app = answering(200, &[("content-encoding", "Identity")], answer).await;
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
}

#[tokio::test]
async fn an_encoded_error_keeps_its_status_and_costs_nothing() {
    let headers = [("content-encoding", "gzip"), ("retry-after", "7"), ("content-type", "text/html")];
    let app = answering(429, &headers, "\u{1f}\u{8}").await;
    let reply = app.chat("acme", "chat", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (429, "upstream_error".into()), "{}", reply.text());
    assert_eq!((reply.header("retry-after"), reply.header("content-type")), ("7", "application/json"));
    assert_eq!(reply.header("content-encoding"), "");
    assert_eq!(app.records("acme").await[0].ending, Ending::Refused);
}
