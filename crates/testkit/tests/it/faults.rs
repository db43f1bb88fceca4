//! Every fault shows on the wire as it is described.

use std::io::Read;
use std::time::Duration;

use http_body_util::BodyExt;
use mandant_testkit::{Fault, Options, UsageShape};
use serde_json::{Value, json};

use crate::client::{KEY, chat, open, provider, request};

fn ask(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Hi"}]})
}

#[tokio::test]
async fn error_statuses_have_the_providers_shape() {
    let provider = provider(Options::default()).await;
    for status in [400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 529] {
        let reply = chat(&provider, ask(&format!("sim-error-{status}"), true)).await;
        assert_eq!(reply.status, status);
        assert!(reply.json()["error"]["message"].is_string());
    }
    let reply = chat(&provider, ask("sim-error-429.retry-after-7", false)).await;
    assert_eq!(reply.headers["retry-after"], "7");
    assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
    let html = chat(&provider, ask("sim-html-502", false)).await;
    assert_eq!((html.status.as_u16(), html.headers["content-type"].to_str().unwrap()), (502, "text/html"));
}

#[tokio::test]
async fn a_script_is_taken_one_fault_a_request_and_goes_first() {
    let provider = provider(Options::default()).await;
    provider.script([Fault::status(500), Fault::Nothing, Fault::status(503)]);
    let mut statuses = Vec::new();
    for model in ["gpt-4.1", "sim-error-429", "gpt-4.1", "sim-error-429", "gpt-4.1"] {
        statuses.push(chat(&provider, ask(model, false)).await.status.as_u16());
    }
    assert_eq!(statuses, [500, 200, 503, 429, 200]);
    assert_eq!(provider.script_len(), 0);
}

#[tokio::test]
async fn faults_can_follow_the_prefix_of_the_model_or_a_header() {
    let provider = provider(Options { faults: vec![("bad-".into(), Fault::status(418))], ..Options::default() }).await;
    assert_eq!(chat(&provider, ask("bad-model", false)).await.status, 418);
    assert_eq!(chat(&provider, ask("good-model", false)).await.status, 200);
    let headers = [KEY, ("x-sim", "error-500")];
    let req = request("/v1/chat/completions", &headers, &ask("good-model", false).to_string());
    assert_eq!(open(provider.address(), req).await.unwrap().status(), 500);
}

#[tokio::test]
async fn the_connection_closes_before_headers() {
    let provider = provider(Options::default()).await;
    let req = request("/v1/chat/completions", &[KEY], &ask("sim-close-before-headers", false).to_string());
    assert!(open(provider.address(), req).await.is_err());
    assert_eq!(provider.requests().len(), 1, "the request was read");
}

#[tokio::test]
async fn the_connection_closes_mid_body() {
    let provider = provider(Options::default()).await;
    for stream in [false, true] {
        let reply = chat(&provider, ask("sim-close-mid-body", stream)).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.is_whole && !reply.body.is_empty(), "stream {stream}");
        assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    }
}

#[tokio::test]
async fn a_stream_ends_early_in_three_ways() {
    let provider = provider(Options::default()).await;
    let cut = chat(&provider, ask("sim-close-mid-stream-5", true)).await;
    assert_eq!((cut.is_whole, cut.events().len()), (false, 5));
    let quiet = chat(&provider, ask("sim-missing-done-5", true)).await;
    assert_eq!((quiet.is_whole, quiet.events().len(), quiet.text().contains("[DONE]")), (true, 5, false));
    let almost = chat(&provider, ask("sim-missing-done", true)).await;
    assert!(almost.is_whole && !almost.text().contains("[DONE]"));
    assert_eq!(almost.events().last().unwrap()["usage"]["completion_tokens"], 32);
    let error = chat(&provider, ask("sim-stream-error-5", true)).await;
    assert_eq!(error.status, 200);
    assert_eq!(error.events().len(), 6);
    assert_eq!(error.events()[5]["error"]["type"], "server_error");
    assert!(!error.text().contains("[DONE]"));
}

#[tokio::test]
async fn usage_is_wrong_in_every_way() {
    let provider = provider(Options::default()).await;
    let usage = |reply: &crate::client::Reply, stream: bool| {
        if stream { reply.events().last().unwrap()["usage"].clone() } else { reply.json()["usage"].clone() }
    };
    for stream in [false, true] {
        let of = async |model: &str| usage(&chat(&provider, ask(model, stream)).await, stream);
        assert_eq!(of("sim-usage-missing").await, Value::Null);
        assert_eq!(of("sim-usage-negative").await["completion_tokens"], -32);
        assert_eq!(of("sim-usage-absurd").await["prompt_tokens"], 9_000_000_000_000_000_u64);
        assert_eq!(of("sim-usage-fractional").await["completion_tokens"], 32.5);
        assert_eq!(of("sim-usage-text").await["completion_tokens"], "32");
        let twice = chat(&provider, ask("sim-usage-twice", stream)).await;
        assert_eq!(twice.text().matches("\"usage\":{").count(), 2);
        assert_eq!(usage(&twice, stream)["completion_tokens"], 32);
    }
    provider.script([Fault::Usage(UsageShape::Missing)]);
    assert_eq!(chat(&provider, ask("gpt-4.1", false)).await.json().get("usage"), None);
    assert_eq!(provider.truth().total.completion_tokens, 13 * 32, "the bill is right all the same");
}

#[tokio::test]
async fn an_endless_line_does_not_end() {
    let provider = provider(Options::default()).await;
    for stream in [false, true] {
        let req = request("/v1/chat/completions", &[KEY], &ask("sim-endless-line", stream).to_string());
        let mut body = open(provider.address(), req).await.unwrap().into_body();
        let mut received = 0;
        while received < 4 << 20 {
            let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(!frame.contains(&b'\n'));
            received += frame.len();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_drip_sends_byte_by_byte() {
    let provider = provider(Options { output_tokens: 2, ..Options::default() }).await;
    let start = tokio::time::Instant::now();
    let reply = chat(&provider, ask("sim-slow-drip-1000", false)).await;
    assert!(reply.is_whole && reply.json()["usage"]["completion_tokens"] == 2);
    assert_eq!(start.elapsed().as_secs() as usize, reply.body.len() - 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_can_wait_for_ever() {
    let provider = provider(Options::default()).await;
    let req = request("/v1/chat/completions", &[KEY], &ask("sim-never-answer", false).to_string());
    let waited = tokio::time::timeout(Duration::from_secs(3600), open(provider.address(), req)).await;
    assert!(waited.is_err());
}

#[tokio::test]
async fn gzip_comes_unasked() {
    let provider = provider(Options::default()).await;
    for stream in [false, true] {
        let reply = chat(&provider, ask("sim-gzip", stream)).await;
        assert_eq!(reply.headers["content-encoding"], "gzip");
        let mut text = String::new();
        flate2::read::GzDecoder::new(reply.body.as_ref()).read_to_string(&mut text).unwrap();
        assert!(if stream { text.ends_with("data: [DONE]\n\n") } else { text.contains("\"chat.completion\"") });
    }
}

#[tokio::test]
async fn calls_beyond_the_concurrency_get_429() {
    let options = Options { concurrency_max: Some(2), chunk_latency: Duration::from_secs(3600), ..Options::default() };
    let provider = provider(options).await;
    let call = || open(provider.address(), request("/v1/chat/completions", &[KEY], &ask("gpt-4.1", true).to_string()));
    let (first, second) = (call().await.unwrap(), call().await.unwrap());
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let third = call().await.unwrap();
    assert_eq!(third.status(), 429);
    assert!(third.headers().contains_key("retry-after"));
    drop(first);
    // The provider notices a closed connection when it runs next.
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if provider.truth().total.open < 2 {
            break;
        }
    }
    assert_eq!(call().await.unwrap().status(), 200);
}
