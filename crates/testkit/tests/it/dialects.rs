//! The dialects that are not OpenAI's older one: Cohere's and Bedrock's shapes, and JSON by a schema in all of them.

use mandant_testkit::{Options, SimulatedProvider};
use serde_json::{Value, json};

use crate::client::{KEY, Reply, provider, send};

async fn ask(provider: &SimulatedProvider, path: &str, body: Value) -> Reply {
    send(provider, path, &[KEY], &body.to_string()).await
}

fn hello() -> Value {
    json!([{ "role": "user", "content": [{ "text": "Say hello" }] }])
}

/// The payloads of the frames of Amazon's event streams; panics where a length does not fit.
fn frames(mut bytes: &[u8]) -> Vec<Value> {
    let mut payloads = Vec::new();
    while !bytes.is_empty() {
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (total, headers) = (number(0), number(4));
        payloads.push(serde_json::from_slice(&bytes[12 + headers..total - 4]).unwrap());
        bytes = &bytes[total..];
    }
    payloads
}

#[tokio::test]
async fn cohere_bills_less_than_it_processes_and_streams_the_same() {
    let provider = provider(Options::default()).await;
    let messages = json!([{ "role": "user", "content": "Say hello" }]);
    let body = |stream: bool| json!({ "model": "command-a", "messages": messages, "max_tokens": 5, "stream": stream });
    let plain = ask(&provider, "/v2/chat", body(false)).await.json();
    assert_eq!(plain["finish_reason"], "MAX_TOKENS");
    assert_eq!(plain["usage"]["billed_units"]["output_tokens"], 5);
    assert_eq!(plain["usage"]["tokens"]["output_tokens"], 8);
    let streamed = ask(&provider, "/v2/chat", body(true)).await;
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    let said: String =
        streamed.text().lines().filter_map(|line| line.strip_prefix("data: {")).fold(String::new(), |said, line| {
            let event: Value = serde_json::from_str(&format!("{{{line}")).unwrap();
            said + event["delta"]["message"]["content"]["text"].as_str().unwrap_or_default()
        });
    assert_eq!(plain["message"]["content"][0]["text"], said.as_str());
    let tools = json!([{ "type": "function", "function": { "name": "look_up" } }]);
    let called = json!({ "model": "command-a", "messages": messages, "tools": tools });
    let called = ask(&provider, "/v2/chat", called).await.json();
    assert_eq!(called["message"]["tool_calls"][0]["function"]["arguments"], r#"{"echo":"Say hello"}"#);
    let refused = ask(&provider, "/v2/chat", json!({ "model": "sim-error-400", "messages": messages })).await;
    assert_eq!((refused.status.as_u16(), refused.json()["message"].is_string()), (400, true));
}

#[tokio::test]
async fn bedrock_streams_frames_and_names_its_errors_in_a_header() {
    let provider = provider(Options { cached_percent: 50, ..Options::default() }).await;
    let body = json!({ "messages": hello(), "inferenceConfig": { "maxTokens": 5 } });
    let plain = ask(&provider, "/model/amazon.nova%3A0/converse", body.clone()).await.json();
    assert_eq!(plain["stopReason"], "max_tokens");
    let usage = &plain["usage"];
    let parts = ["inputTokens", "cacheReadInputTokens", "outputTokens"].map(|name| usage[name].as_u64().unwrap());
    assert_eq!(usage["totalTokens"], parts.iter().sum::<u64>());
    let streamed = ask(&provider, "/model/amazon.nova%3A0/converse-stream", body).await;
    assert_eq!(streamed.headers["content-type"], "application/vnd.amazon.eventstream");
    let events = frames(&streamed.body);
    let said: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(plain["output"]["message"]["content"][0]["text"], said.as_str());
    assert_eq!(&events.last().unwrap()["usage"], usage);
    assert_eq!(provider.truth().by_model["amazon.nova:0"].completion_tokens, 10);
    let refused = ask(&provider, "/model/sim-error-429/converse", json!({ "messages": hello() })).await;
    assert!(refused.headers["x-amzn-errortype"].to_str().unwrap().starts_with("ThrottlingException"));
}

#[tokio::test]
async fn an_answer_fits_the_schema_that_was_asked_for() {
    let provider = provider(Options::default()).await;
    let schema =
        json!({ "type": "object", "properties": { "echo": { "type": "string" }, "count": { "type": "integer" } } });
    let text = json!({ "role": "user", "content": "Say hello" });
    let asked = [
        (
            "/v1/chat/completions",
            json!({ "model": "m", "messages": [text],
            "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": schema } } }),
        ),
        (
            "/v1/responses",
            json!({ "model": "m", "input": [text],
            "text": { "format": { "type": "json_schema", "name": "a", "schema": schema } } }),
        ),
        (
            "/v1/messages",
            json!({ "model": "m", "max_tokens": 99, "messages": [text],
            "output_config": { "format": { "type": "json_schema", "schema": schema } } }),
        ),
        (
            "/v1beta/models/m:generateContent",
            json!({
            "contents": [{ "role": "user", "parts": [{ "text": "Say hello" }] }],
            "generationConfig": { "responseMimeType": "application/json", "responseJsonSchema": schema } }),
        ),
        (
            "/v2/chat",
            json!({ "model": "m", "messages": [text],
            "response_format": { "type": "json_object", "json_schema": schema } }),
        ),
        (
            "/model/m/converse",
            json!({ "messages": hello(), "outputConfig": { "textFormat": { "type": "json_schema",
            "structure": { "jsonSchema": { "name": "a", "schema": schema.to_string() } } } } }),
        ),
    ];
    for (path, body) in asked {
        let answer = ask(&provider, path, body).await;
        let fits = r#"{\"count\":7,\"echo\":\"Say hello\"}"#;
        assert!(answer.text().contains(fits), "{path}: {}", answer.text());
    }
}
