//! Anthropic's models at Google's Vertex and at Amazon's Bedrock: in whose form requests leave, what is metered, and what
//! clients of each form get.

use base::Money;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use store::Ending;
use testkit::Exchange;

use crate::app::{TestApp, secret, tenant};
use crate::client::post;
use crate::native::{exchange, frame, replaying};

const KEY: &str = "sk-upstream-canary-0123";
const FRAMES: &str = "application/vnd.amazon.eventstream";
const BELOW: &str = "/v1/projects/my-project/locations/us-east5/publishers/anthropic/models";
const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hello"}],"model":"theirs","stop_reason":"end_turn","usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":6}}"#;

/// Models "ours" at Vertex, "plain" at Anthropic itself, and "amazons" at Bedrock; all are "theirs" there.
async fn app(exchanges: Vec<Exchange>) -> TestApp {
    let provider = replaying(exchanges).await;
    let base_url = provider.base_url();
    let upstream = |id: &str, dialect: &str, more: Value| {
        let mut upstream = json!({ "id": id, "dialect": dialect, "base_url": base_url, "api_keys": [KEY] });
        upstream.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        upstream
    };
    let model = |id: &str, upstream: &str| {
        json!({
            "id": id, "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
            "route": [{ "upstream": upstream, "model": "theirs" }],
            "price": { "input": "1.00", "output": "2.00", "cached_input": "0.25", "cache_write": "1.25" },
        })
    };
    let resources = json!({
        "upstream": [
            upstream("vertex", "anthropic", json!({ "hosting": "vertex", "auth": "bearer" })),
            upstream("anthropic", "anthropic", json!({})),
            upstream("bedrock", "bedrock", json!({})),
        ],
        "model": [model("ours", "vertex"), model("plain", "anthropic"), model("amazons", "bedrock")],
        "tenant": [tenant("acme", json!({})), tenant("other", json!({ "models": ["plain"] }))],
    });
    TestApp::over(provider, Default::default(), resources).await
}

fn messages(more: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Say something kind." }], "max_tokens": 50 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn of_vertex(more: Value) -> Value {
    let mut body = messages(json!({ "anthropic_version": "vertex-2023-10-16" }));
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A stream of Anthropic's with 3 and 6 tokens.
fn events() -> [String; 3] {
    [
        json!({ "type": "message_start", "message": { "id": "msg_1", "usage": { "input_tokens": 3, "output_tokens": 1 } } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 6 } }),
        json!({ "type": "message_stop" }),
    ]
    .map(|event| event.to_string())
}

fn sse() -> String {
    events().map(|event| format!("event: x\ndata: {event}\n\n")).concat()
}

#[tokio::test]
async fn a_client_of_vertex_is_passed_on_byte_for_byte() {
    let app = app(vec![
        exchange("/v1/models/theirs:rawPredict", of_vertex(json!({})), "application/json", ANSWER),
        exchange(
            "/v1/models/theirs:streamRawPredict",
            of_vertex(json!({ "stream": true })),
            "text/event-stream",
            sse(),
        ),
    ])
    .await;
    let body = of_vertex(json!({})).to_string();
    let reply = app.call(post(&format!("{BELOW}/ours:rawPredict"), "acme", body.clone())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, ANSWER));
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!(seen.body, body);
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert!(
        !seen.headers.contains_key("anthropic-version") && !format!("{:?}", seen.headers).contains(&secret("acme"))
    );
    let reply = app
        .call(post(&format!("{BELOW}/ours:streamRawPredict"), "acme", of_vertex(json!({ "stream": true })).to_string()))
        .await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, sse()));
    let mut records = app.records("acme").await;
    records.sort_by_key(|record| record.stream);
    let cost = |record: &store::UsageRecord| (record.ending, record.stream, record.charged);
    assert_eq!(cost(&records[0]), (Ending::Complete, false, Money::from_nanos(3_000 + 4 * 250 + 6 * 2_000)));
    assert_eq!(cost(&records[1]), (Ending::Complete, true, Money::from_nanos(3_000 + 6 * 2_000)));
}

#[tokio::test]
async fn clients_of_each_form_reach_upstreams_of_the_other() {
    let app = app(vec![
        exchange("/v1/models/theirs:rawPredict", of_vertex(json!({})), "application/json", ANSWER),
        exchange(
            "/v1/models/theirs:streamRawPredict",
            of_vertex(json!({ "stream": true })),
            "text/event-stream",
            sse(),
        ),
        exchange("/v1/messages", messages(json!({ "model": "theirs" })), "application/json", ANSWER),
        exchange("/v1/messages", messages(json!({ "model": "theirs", "stream": true })), "text/event-stream", sse()),
        exchange(
            "/v1/models/count-tokens:rawPredict",
            of_vertex(json!({ "model": "theirs" })),
            "application/json",
            r#"{"input_tokens":7}"#,
        ),
        exchange(
            "/v1/messages/count_tokens",
            messages(json!({ "model": "theirs" })),
            "application/json",
            r#"{"input_tokens":7}"#,
        ),
    ])
    .await;
    let counted = r#"{"input_tokens":7}"#;
    let stream = sse();
    for (path, body, answer) in [
        ("/v1/messages".to_owned(), messages(json!({ "model": "ours" })), ANSWER),
        ("/v1/messages".to_owned(), messages(json!({ "model": "ours", "stream": true })), stream.as_str()),
        (format!("{BELOW}/plain:rawPredict"), of_vertex(json!({})), ANSWER),
        // The path alone asks for a stream; Anthropic wants it said in the body.
        (format!("{BELOW}/plain:streamRawPredict"), of_vertex(json!({})), stream.as_str()),
        ("/v1/messages/count_tokens".to_owned(), messages(json!({ "model": "ours" })), counted),
        (format!("{BELOW}/count-tokens:rawPredict"), of_vertex(json!({ "model": "ours" })), counted),
        (format!("{BELOW}/count-tokens:rawPredict"), of_vertex(json!({ "model": "plain" })), counted),
    ] {
        let reply = app.call(post(&path, "acme", body.to_string())).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer), "{path} {body}");
        let seen = app.provider.requests().pop().expect("the provider was asked");
        let is_native = seen.path.starts_with("/v1/messages");
        assert_eq!(seen.headers.contains_key("anthropic-version"), is_native, "{}", seen.path);
    }
    for record in app.records("acme").await {
        assert_eq!((record.ending, record.variance), (Ending::Complete, Money::ZERO));
    }
}

#[tokio::test]
async fn a_chat_of_another_dialect_is_translated_for_vertex() {
    let sent = json!({
        "anthropic_version": "vertex-2023-10-16", "max_tokens": 50,
        "messages": [{ "role": "user", "content": "Hi" }],
    });
    let app = app(vec![exchange("/v1/models/theirs:rawPredict", sent, "application/json", ANSWER)]).await;
    let chat = json!({ "model": "ours", "max_tokens": 50, "messages": [{ "role": "user", "content": "Hi" }] });
    let reply = app.call(post("/v1/chat/completions", "acme", chat.to_string())).await;
    assert_eq!(reply.status, 200, "{} {:?}", reply.text(), app.provider.requests().pop().map(|seen| seen.body));
    assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hello");
}

#[tokio::test]
async fn tenants_have_their_own_models_at_every_path_of_a_publisher() {
    let app = app(Vec::new()).await;
    let google = "/v1/projects/p/locations/l/publishers/google/models";
    for (path, body) in [
        (format!("{BELOW}/ours:rawPredict"), of_vertex(json!({}))),
        (format!("{BELOW}/ours:streamRawPredict"), of_vertex(json!({}))),
        (format!("{BELOW}/count-tokens:rawPredict"), of_vertex(json!({ "model": "ours" }))),
        (format!("{google}/ours:generateContent"), json!({ "contents": [] })),
        ("/model/amazons/invoke".to_owned(), messages(json!({ "anthropic_version": "bedrock-2023-05-31" }))),
    ] {
        for (tenant, status) in [("other", 403), ("nobody", 401)] {
            let reply = app.call(post(&path, tenant, body.to_string())).await;
            assert_eq!(reply.status.as_u16(), status, "{tenant} {path} {}", reply.text());
            let error = reply.json();
            let is_in_its_words = match path.as_str() {
                path if path.starts_with("/model/") => error["__type"].is_string(),
                path if path.contains("/google/") => error["error"]["status"].is_string(),
                _ => error["type"] == "error",
            };
            assert!(is_in_its_words, "{path} {error}");
        }
    }
    assert!(app.provider.requests().is_empty(), "nothing left");
}

/// What Amazon sends of one event.
fn chunk(event: &str) -> Vec<u8> {
    use base64::Engine as _;
    let wrapped = base64::engine::general_purpose::STANDARD.encode(event);
    frame("event", &json!({ "bytes": wrapped, "p": "abc" }).to_string())
}

fn of_bedrock() -> Value {
    messages(json!({ "anthropic_version": "bedrock-2023-05-31" }))
}

#[tokio::test]
async fn an_invoked_model_is_metered_whole_and_in_frames() {
    let stream: Vec<u8> = events().iter().flat_map(|event| chunk(event)).collect();
    let app = app(vec![
        exchange("/v1/model/theirs/invoke", of_bedrock(), "application/json", ANSWER),
        exchange("/v1/model/theirs/invoke-with-response-stream", of_bedrock(), FRAMES, stream.clone()),
    ])
    .await;
    let body = of_bedrock().to_string();
    let reply = app.call(post("/model/amazons/invoke", "acme", body.clone())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, ANSWER));
    assert_eq!(app.provider.requests().pop().expect("the provider was asked").body, body);
    // So Amazon's SDKs call it, unless their caller says more.
    let mut request = post("/model/amazons/invoke-with-response-stream", "acme", body);
    request.headers_mut().insert(CONTENT_TYPE, "application/octet-stream".parse().unwrap());
    let reply = app.call(request).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &stream[..]));
    let mut records = app.records("acme").await;
    records.sort_by_key(|record| record.stream);
    assert_eq!(records[0].charged, Money::from_nanos(3_000 + 4 * 250 + 6 * 2_000));
    assert_eq!((records[1].ending, records[1].charged), (Ending::Complete, Money::from_nanos(3_000 + 6 * 2_000)));
    assert_eq!(records[1].upstream_response_id.as_deref(), Some("msg_1"));
}

#[tokio::test]
async fn an_invoked_stream_that_breaks_off_ends_with_an_exception_and_is_charged_as_cut() {
    let start = chunk(&events()[0]);
    let text =
        json!({ "type": "content_block_delta", "delta": { "type": "text_delta", "text": "Hello to all of you" } });
    let garbled = frame("event", r#"{"bytes":"!!!!"}"#);
    for more in [chunk(&text.to_string()), [chunk(&text.to_string()), garbled].concat()] {
        let answer = [start.clone(), more].concat();
        let app =
            app(vec![exchange("/v1/model/theirs/invoke-with-response-stream", of_bedrock(), FRAMES, answer.clone())])
                .await;
        let reply =
            app.call(post("/model/amazons/invoke-with-response-stream", "acme", of_bedrock().to_string())).await;
        assert!(reply.body.starts_with(&answer));
        assert!(reply.text().contains("modelStreamErrorException"), "{}", reply.text());
        let record = app.records("acme").await.remove(0);
        assert_eq!((record.ending, record.usage.input), (Ending::Cut, 3));
        assert!(record.usage.output >= 4, "{:?}", record.usage);
    }
}

#[tokio::test]
async fn bodies_of_other_makers_are_refused_by_name() {
    let app = app(Vec::new()).await;
    for body in [
        json!({ "inputText": "Hi", "textGenerationConfig": { "maxTokenCount": 8_000 } }),
        json!({ "prompt": "Hi", "max_gen_len": 60 }),
        json!({ "prompt": "Hi", "maxTokens": 200 }),
        json!({ "schemaVersion": "messages-v1", "messages": [{ "role": "user", "content": [{ "text": "Hi" }] }] }),
        messages(json!({})),
        messages(json!({ "anthropic_version": null })),
    ] {
        let reply = app.call(post("/model/amazons/invoke", "acme", body.to_string())).await;
        let error = reply.json();
        assert_eq!((reply.status.as_u16(), &error["param"]), (400, &json!("anthropic_version")), "{error}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("Converse")), "{error}");
    }
    assert!(app.provider.requests().is_empty(), "nothing left");
}
