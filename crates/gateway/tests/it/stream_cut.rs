//! A client that hangs up is charged what was produced: never nothing, never the worst case, and its hold goes.

use std::time::Duration;

use base::Money;
use http_body_util::BodyExt as _;
use mandant_gateway::Settings;
use serde_json::json;
use store::Ending;
use testkit::Options;

use crate::app::{TestApp, chat_model, tenant};
use crate::client::{Client, chat, post};

async fn slow_stream_app(settings: Settings) -> TestApp {
    let options = Options { chunk_latency: Duration::from_millis(20), output_tokens: 500, ..Options::default() };
    let models = vec![chat_model("chat", "gpt-4.1")];
    TestApp::with(options, settings, models, vec![tenant("acme", json!({}))]).await
}

/// Reads `frames` frames of a stream, then drops the connection.
async fn read_some(app: &TestApp, frames: usize) {
    let mut client = Client::connect(app.relay.address()).await;
    let request = post("/v1/chat/completions", "acme", chat("chat", json!({ "stream": true, "max_tokens": 500 })));
    let mut body = client.send(request).await.into_body();
    for _ in 0..frames {
        body.frame().await.expect("a frame").expect("no error");
    }
}

#[tokio::test]
async fn a_cut_stream_is_charged_what_was_produced_and_its_hold_goes() {
    let settings = Settings { stream_drain: Duration::from_millis(200), ..Settings::default() };
    let app = slow_stream_app(settings).await;
    read_some(&app, 20).await;
    let record = app.records("acme").await.remove(0);
    assert_eq!(record.ending, Ending::Cut);
    assert!((18..60).contains(&record.usage.output), "{} tokens", record.usage.output);
    assert!(record.usage.input > 0 && record.charged < record.held);
    let truth = app.provider.truth().total;
    assert!(truth.completion_tokens < 100, "the provider was told to stop: {} tokens", truth.completion_tokens);
}

#[tokio::test]
async fn a_stream_that_ends_while_it_is_drained_is_charged_its_real_usage() {
    let options = Options { chunk_latency: Duration::from_millis(5), output_tokens: 40, ..Options::default() };
    let models = vec![chat_model("chat", "gpt-4.1")];
    let app = TestApp::with(options, Settings::default(), models, vec![tenant("acme", json!({}))]).await;
    read_some(&app, 5).await;
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.usage.output), (Ending::Complete, 40));
}

#[tokio::test]
async fn a_whole_answer_whose_client_left_is_still_read_and_charged() {
    let models = vec![chat_model("chat", "sim-delay-200")];
    let app = TestApp::with(Options::default(), Settings::default(), models, vec![tenant("acme", json!({}))]).await;
    let mut client = Client::connect(app.relay.address()).await;
    let request = post("/v1/chat/completions", "acme", chat("chat", json!({ "max_tokens": 9 })));
    let left = tokio::time::timeout(Duration::from_millis(50), client.send(request)).await;
    assert!(left.is_err(), "the client gave up first");
    drop(client);
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.usage.output), (Ending::Complete, 9));
    assert!(record.charged > Money::ZERO);
}
