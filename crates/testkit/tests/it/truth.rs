//! The provider's own count, which tests compare ledgers with.

use std::time::Duration;

use http_body_util::BodyExt;
use mandant_testkit::{CutBilling, Options};
use serde_json::{Value, json};

use crate::client::{KEY, chat, open, provider, request, send};

fn ask(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]})
}

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn attempts_are_counted_by_key_trace_and_model() {
    let provider = provider(Options::default()).await;
    for (key, trace, model) in [("a", "r1", "m1"), ("a", "r1", "m2"), ("b", "r2", "sim-error-500")] {
        let headers = [("authorization", &*format!("Bearer {key}")), ("x-request-id", trace)];
        send(&provider, "/v1/chat/completions", &headers, &ask(model, key == "a").to_string()).await;
    }
    let truth = provider.settled_truth(PATIENCE).await;
    assert_eq!((truth.total.attempts, truth.total.unbilled, truth.total.cut, truth.total.open), (3, 1, 0, 0));
    assert_eq!(truth.by_trace["r1"].attempts, 2);
    assert_eq!(truth.by_trace["r1"].prompt_tokens, 14);
    assert_eq!(truth.by_key["a"].completion_tokens, 64);
    assert_eq!(truth.by_model["m2"].completion_tokens, 32);
    assert_eq!(truth.by_key["b"].total_tokens(), 0);
    assert_eq!(truth.by_key["b"].unbilled, 1);
}

#[tokio::test]
async fn settling_waits_for_what_runs_and_for_nothing_else() {
    let slow = Options { first_byte_latency: Duration::from_millis(100), ..Options::default() };
    let provider = provider(slow).await;
    let headers = [KEY, ("x-request-id", "r1")];
    let body = ask("gpt-4.1", false).to_string();
    let call = send(&provider, "/v1/chat/completions", &headers, &body);
    let settle = async {
        while provider.truth().total.open == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(provider.settled_truth(Duration::from_millis(1)).await.total.open, 1);
        provider.settled_truth(PATIENCE).await
    };
    let (_, truth) = tokio::join!(call, settle);
    assert_eq!((truth.total.open, truth.by_trace["r1"].completion_tokens), (0, 32));
}

async fn cut_after_five_events(options: Options) -> mandant_testkit::Truth {
    let provider = provider(Options { chunk_latency: Duration::from_millis(5), output_tokens: 1000, ..options }).await;
    let req = request("/v1/chat/completions", &[KEY], &ask("gpt-4.1", true).to_string());
    let mut body = open(provider.address(), req).await.unwrap().into_body();
    for _ in 0..6 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(provider.truth().total.open, 1);
    drop(body);
    provider.settled_truth(PATIENCE).await
}

#[tokio::test]
async fn a_stream_that_the_client_left_is_billed_for_what_was_produced() {
    let truth = cut_after_five_events(Options::default()).await.total;
    assert_eq!((truth.cut, truth.open, truth.prompt_tokens), (1, 0, 7));
    // The role event and five words were read; a few more may have been produced before the provider noticed.
    assert!((5..100).contains(&truth.completion_tokens), "{}", truth.completion_tokens);
}

#[tokio::test]
async fn a_provider_may_bill_a_left_stream_in_full() {
    let truth = cut_after_five_events(Options { cut_billing: CutBilling::Full, ..Options::default() }).await.total;
    assert_eq!((truth.cut, truth.completion_tokens), (1, 1000));
}

#[tokio::test]
async fn faults_bill_what_was_produced() {
    let table = [
        ("sim-error-500", true, 0, 0),
        ("sim-html-502", false, 0, 0),
        ("sim-close-before-headers", true, 1, 32),
        ("sim-close-mid-body", false, 1, 32),
        // The role event is no token.
        ("sim-close-mid-stream-5", true, 1, 4),
        ("sim-stream-error-5", true, 1, 4),
        ("sim-missing-done-5", true, 1, 4),
        ("sim-missing-done", true, 1, 32),
        ("sim-gzip", true, 0, 32),
        ("sim-usage-missing", true, 0, 32),
    ];
    for (model, stream, cut, completion_tokens) in table {
        let provider = provider(Options::default()).await;
        let req = request("/v1/chat/completions", &[KEY], &ask(model, stream).to_string());
        if let Ok(answer) = open(provider.address(), req).await {
            crate::client::read(answer).await;
        }
        let truth = provider.settled_truth(PATIENCE).await.total;
        assert_eq!((truth.attempts, truth.open), (1, 0), "{model}");
        assert_eq!((truth.cut, truth.completion_tokens), (cut, completion_tokens), "{model}");
        assert_eq!(truth.prompt_tokens > 0, completion_tokens > 0, "{model}");
    }
}

#[tokio::test]
async fn a_plain_call_is_billed_although_its_client_left() {
    let provider = provider(Options { first_byte_latency: Duration::from_secs(60), ..Options::default() }).await;
    let req = request("/v1/chat/completions", &[KEY], &ask("gpt-4.1", false).to_string());
    assert!(tokio::time::timeout(Duration::from_millis(100), open(provider.address(), req)).await.is_err());
    let truth = provider.settled_truth(PATIENCE).await.total;
    assert_eq!((truth.cut, truth.prompt_tokens, truth.completion_tokens), (1, 7, 32));
}

#[tokio::test]
async fn reported_usage_is_what_is_billed() {
    let provider = provider(Options { cached_percent: 40, reasoning_percent: 20, ..Options::default() }).await;
    let (mut prompt, mut completion, mut cached) = (0, 0, 0);
    for n in 1..5 {
        for stream in [false, true] {
            let mut body = ask("gpt-4.1", stream);
            body["n"] = json!(n);
            body["max_tokens"] = json!(n * 10);
            body["stream_options"] = json!({"include_usage": true});
            let reply = chat(&provider, body).await;
            let usage =
                if stream { reply.events().last().unwrap()["usage"].clone() } else { reply.json()["usage"].clone() };
            prompt += usage["prompt_tokens"].as_u64().unwrap();
            completion += usage["completion_tokens"].as_u64().unwrap();
            cached += usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        }
    }
    let truth = provider.settled_truth(PATIENCE).await.total;
    assert_eq!((truth.prompt_tokens, truth.completion_tokens, truth.cached_tokens), (prompt, completion, cached));
}
