//! A client of one dialect and an upstream of another: text, tools, usage, price, errors and broken streams.

use base::Money;
use http_body_util::BodyExt as _;
use mandant_gateway::Settings;
use serde_json::{Value, json};
use store::Ending;
use testkit::{Options, SimulatedProvider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::app::{TestApp, tenant};
use crate::client::{Client, Reply, post};

const HELLO: &str = "Say something kind.";

/// The clients that are translated.
const CLIENTS: [&str; 7] = ["chat", "messages", "gemini", "array", "responses", "cohere", "bedrock"];
/// The dialects of upstreams; the last one serves conversations as responses only.
const UPSTREAMS: [&str; 4] = ["openai", "anthropic", "gemini", "responses"];

/// The pairs that differ.
fn pairs() -> Vec<(&'static str, &'static str)> {
    let own = |client: &str| match client {
        "messages" => &["anthropic"][..],
        "gemini" | "array" => &["gemini"],
        "responses" => &["openai", "responses"],
        "chat" => &["openai"],
        _ => &[],
    };
    let all = CLIENTS.into_iter().flat_map(|client| UPSTREAMS.map(|upstream| (client, upstream)));
    all.filter(|(client, upstream)| !own(client).contains(upstream)).collect()
}

/// A relay whose model "m" is served by one upstream of `dialect` as `upstream_model`.
async fn app(dialect: &str, upstream_model: &str) -> TestApp {
    app_with(dialect, upstream_model, Settings::default()).await
}

async fn app_with(dialect: &str, upstream_model: &str, settings: Settings) -> TestApp {
    let options = Options { cached_percent: 50, ..Options::default() };
    let provider = SimulatedProvider::start(options).await.expect("the simulated provider starts");
    let (dialect, endpoint) = match dialect {
        "responses" => ("openai", json!("responses")),
        dialect => (dialect, Value::Null),
    };
    let upstream = json!({
        "id": "up", "dialect": dialect, "base_url": provider.base_url(), "api_keys": ["sk-upstream-canary-0123"],
    });
    let model = json!({
        "id": "m", "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
        "route": [{ "upstream": "up", "model": upstream_model, "endpoint": endpoint }],
        "price": { "input": "1.00", "output": "2.00", "cached_input": "0.25", "cache_write": "1.25" },
    });
    let resources = json!({ "upstream": [upstream], "model": [model], "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, settings, resources).await
}

/// Path and body of one call.
fn ask(client: &str, stream: bool, tool: bool) -> (String, Value) {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let messages = json!([{ "role": "user", "content": HELLO }]);
    let (path, mut body) = match client {
        "chat" => {
            let options = json!({ "include_usage": true });
            let body = json!({ "model": "m", "messages": messages, "max_tokens": 200, "stream": stream });
            let mut body = body;
            if stream {
                body["stream_options"] = options;
            }
            ("/v1/chat/completions".to_owned(), body)
        }
        "messages" => {
            let body = json!({ "model": "m", "max_tokens": 200, "messages": messages, "stream": stream });
            ("/v1/messages".to_owned(), body)
        }
        "cohere" => {
            let body = json!({ "model": "m", "max_tokens": 200, "messages": messages, "stream": stream });
            ("/v2/chat".to_owned(), body)
        }
        "bedrock" => {
            let messages = json!([{ "role": "user", "content": [{ "text": HELLO }] }]);
            let path = if stream { "/model/m/converse-stream" } else { "/model/m/converse" };
            (path.to_owned(), json!({ "messages": messages, "inferenceConfig": { "maxTokens": 200 } }))
        }
        "responses" => (
            "/v1/responses".to_owned(),
            json!({ "model": "m", "input": HELLO, "max_output_tokens": 200, "stream": stream }),
        ),
        _ => {
            let action = match (stream, client) {
                (false, _) => "generateContent",
                (true, "array") => "streamGenerateContent",
                (true, _) => "streamGenerateContent?alt=sse",
            };
            let contents = json!([{ "role": "user", "parts": [{ "text": HELLO }] }]);
            let config = json!({ "maxOutputTokens": 200 });
            (format!("/v1beta/models/m:{action}"), json!({ "contents": contents, "generationConfig": config }))
        }
    };
    if tool && client == "bedrock" {
        let tool = json!({ "toolSpec": { "name": "weather", "inputSchema": { "json": schema } } });
        body["toolConfig"] = json!({ "tools": [tool] });
    } else if tool {
        body["tools"] = match client {
            "chat" | "cohere" => {
                json!([{ "type": "function", "function": { "name": "weather", "parameters": schema } }])
            }
            "messages" => json!([{ "name": "weather", "input_schema": schema }]),
            "responses" => json!([{ "type": "function", "name": "weather", "parameters": schema }]),
            _ => json!([{ "functionDeclarations": [{ "name": "weather", "parameters": schema }] }]),
        };
    }
    (path, body)
}

/// The documents of an answer: the whole, or the events or items of a stream.
fn documents(reply: &Reply) -> Vec<Value> {
    if reply.header("content-type") == FRAMES {
        return frames(&reply.body);
    }
    let text = reply.text();
    if let Ok(whole) = serde_json::from_str::<Value>(&text) {
        return whole.as_array().cloned().unwrap_or_else(|| vec![whole]);
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| panic!("{text}"))).collect()
}

const FRAMES: &str = "application/vnd.amazon.eventstream";

/// The payloads of frames, whose sums must be right.
fn frames(mut rest: &[u8]) -> Vec<Value> {
    let mut all = Vec::new();
    while !rest.is_empty() {
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap());
        let (total, headers) = (number(0) as usize, number(4) as usize);
        assert_eq!(number(8), crc32fast::hash(&rest[..8]));
        assert_eq!(number(total - 4), crc32fast::hash(&rest[..total - 4]));
        all.push(serde_json::from_slice(&rest[12 + headers..total - 4]).expect("JSON"));
        rest = &rest[total..];
    }
    all
}

/// What a reader of the client's dialect finds in an answer.
#[derive(Debug, Default, PartialEq)]
struct Found {
    text: String,
    call: Option<String>,
    arguments: String,
    finish: String,
    usage: (u64, u64, u64),
}

fn found(client: &str, reply: &Reply) -> Found {
    let mut found = Found::default();
    for document in documents(reply) {
        match client {
            "chat" => in_chat(&document, &mut found),
            "messages" => in_message(&document, &mut found),
            "responses" => in_response(&document, &mut found),
            "cohere" => in_cohere(&document, &mut found),
            "bedrock" => in_converse(&document, &mut found),
            _ => in_content(&document, &mut found),
        }
    }
    found
}

fn add(value: &Value, place: &mut String) {
    place.push_str(value.as_str().unwrap_or_default());
}

fn in_chat(document: &Value, found: &mut Found) {
    for choice in document["choices"].as_array().into_iter().flatten() {
        let said = choice.get("delta").unwrap_or(&choice["message"]);
        add(&said["content"], &mut found.text);
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            found.call = call["function"]["name"].as_str().map(str::to_owned).or(found.call.take());
            add(&call["function"]["arguments"], &mut found.arguments);
        }
        add(&choice["finish_reason"], &mut found.finish);
    }
    if let Some(usage) = document["usage"].as_object() {
        let of = |name: &str| usage[name].as_u64().unwrap();
        let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
        found.usage = (of("prompt_tokens"), cached, of("completion_tokens"));
    }
}

fn in_message(document: &Value, found: &mut Found) {
    let blocks = document["content"].as_array().into_iter().flatten().chain(document.get("content_block"));
    for block in blocks {
        add(&block["text"], &mut found.text);
        if block["type"] == "tool_use" {
            found.call = block["name"].as_str().map(str::to_owned);
            if block["input"] != json!({}) || document["type"] == "message" {
                found.arguments.push_str(&block["input"].to_string());
            }
        }
    }
    let delta = &document["delta"];
    add(&delta["text"], &mut found.text);
    add(&delta["partial_json"], &mut found.arguments);
    add(&delta["stop_reason"], &mut found.finish);
    add(&document["stop_reason"], &mut found.finish);
    if let Some(usage) = document["usage"].as_object() {
        let of = |name: &str| usage[name].as_u64().unwrap_or(0);
        let cached = of("cache_read_input_tokens");
        found.usage = (of("input_tokens") + cached, cached, of("output_tokens"));
    }
}

fn in_cohere(document: &Value, found: &mut Found) {
    let told = document.get("delta").unwrap_or(document);
    let message = &told["message"];
    let items = message["content"].as_array().cloned().unwrap_or_else(|| vec![message["content"].clone()]);
    items.iter().for_each(|item| add(&item["text"], &mut found.text));
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_else(|| vec![message["tool_calls"].clone()]);
    for call in calls {
        found.call = call["function"]["name"].as_str().map(str::to_owned).or(found.call.take());
        add(&call["function"]["arguments"], &mut found.arguments);
    }
    add(&told["finish_reason"], &mut found.finish);
    if let Some(usage) = told["usage"].as_object() {
        let of = |name: &str| usage["billed_units"][name].as_u64().unwrap();
        found.usage = (of("input_tokens"), usage["cached_tokens"].as_u64().unwrap(), of("output_tokens"));
    }
}

fn in_converse(document: &Value, found: &mut Found) {
    for block in document["output"]["message"]["content"].as_array().into_iter().flatten() {
        add(&block["text"], &mut found.text);
        if let Some(call) = block.get("toolUse") {
            found.call = call["name"].as_str().map(str::to_owned);
            found.arguments = call["input"].to_string();
        }
    }
    let (start, delta) = (&document["start"]["toolUse"], &document["delta"]);
    found.call = start["name"].as_str().map(str::to_owned).or(found.call.take());
    add(&delta["text"], &mut found.text);
    add(&delta["toolUse"]["input"], &mut found.arguments);
    add(&document["stopReason"], &mut found.finish);
    if let Some(usage) = document["usage"].as_object() {
        let of = |name: &str| usage[name].as_u64().unwrap();
        let cached = of("cacheReadInputTokens");
        found.usage = (of("inputTokens") + cached, cached, of("outputTokens"));
    }
}

fn in_content(document: &Value, found: &mut Found) {
    for part in document["candidates"][0]["content"]["parts"].as_array().into_iter().flatten() {
        add(&part["text"], &mut found.text);
        if let Some(call) = part.get("functionCall") {
            found.call = call["name"].as_str().map(str::to_owned);
            found.arguments = call["args"].to_string();
        }
    }
    add(&document["candidates"][0]["finishReason"], &mut found.finish);
    if let Some(usage) = document["usageMetadata"].as_object() {
        let of = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        found.usage = (of("promptTokenCount"), of("cachedContentTokenCount"), of("candidatesTokenCount"));
    }
}

fn in_response(document: &Value, found: &mut Found) {
    let whole = document.get("response").unwrap_or(document);
    if document["type"] == "response.output_text.delta" {
        add(&document["delta"], &mut found.text);
    }
    if !matches!(whole["status"].as_str(), Some("completed" | "incomplete")) {
        return;
    }
    let mut text = String::new();
    for item in whole["output"].as_array().into_iter().flatten() {
        add(&item["content"][0]["text"], &mut text);
        if item["type"] == "function_call" {
            found.call = item["name"].as_str().map(str::to_owned);
            add(&item["arguments"], &mut found.arguments);
        }
    }
    assert!(found.text.is_empty() || found.text == text, "the pieces are the whole");
    found.text = text;
    add(&whole["status"], &mut found.finish);
    if let Some(usage) = whole["usage"].as_object() {
        let of = |name: &str| usage[name].as_u64().unwrap();
        let cached = usage["input_tokens_details"]["cached_tokens"].as_u64().unwrap();
        found.usage = (of("input_tokens"), cached, of("output_tokens"));
    }
}

#[tokio::test]
async fn text_usage_and_price_are_those_of_the_provider() {
    for (client, upstream) in pairs() {
        let mut texts = Vec::new();
        for stream in [false, true] {
            let app = app(upstream, "sim-text").await;
            let (path, body) = ask(client, stream, false);
            let reply = app.call(post(&path, "acme", body.to_string())).await;
            let name = format!("{client} to {upstream}, stream {stream}: {}", reply.text());
            assert_eq!(reply.status, 200, "{name}");
            let found = found(client, &reply);
            assert!(found.text.starts_with("This answer comes from a simulated provider"), "{name}");
            let finish = match client {
                "messages" | "bedrock" => "end_turn",
                "cohere" => "COMPLETE",
                "gemini" | "array" => "STOP",
                "responses" => "completed",
                _ => "stop",
            };
            assert_eq!(found.finish, finish, "{name}");
            let record = app.records("acme").await.remove(0);
            assert_eq!((record.ending, record.stream), (Ending::Complete, stream), "{name}");
            let (truth, usage) = (app.provider.truth().total, record.usage);
            assert_eq!((usage.input, usage.output), (truth.prompt_tokens, truth.completion_tokens), "{name}");
            assert_eq!(found.usage, (usage.input, usage.cached_input, usage.output), "{name}");
            let price = (usage.input - usage.cached_input) * 1_000 + usage.cached_input * 250 + usage.output * 2_000;
            assert_eq!(record.charged, Money::from_nanos(price as i64), "{name}");
            let kind = match client {
                "bedrock" if stream => FRAMES,
                _ if stream && client != "array" => "text/event-stream",
                _ => "application/json",
            };
            assert!(reply.header("content-type").starts_with(kind), "{name}");
            texts.push(found.text);
        }
        assert_eq!(texts[0], texts[1], "{client} to {upstream}");
    }
}

#[tokio::test]
async fn tools_are_called_with_their_arguments() {
    for (client, upstream) in pairs() {
        let mut arguments = Vec::new();
        for stream in [false, true] {
            let app = app(upstream, "sim-text").await;
            let (path, body) = ask(client, stream, true);
            let reply = app.call(post(&path, "acme", body.to_string())).await;
            let name = format!("{client} to {upstream}, stream {stream}: {}", reply.text());
            assert_eq!(reply.status, 200, "{name}");
            let found = found(client, &reply);
            assert_eq!(found.call.as_deref(), Some("weather"), "{name}");
            let value: Value = serde_json::from_str(&found.arguments).unwrap_or_else(|_| panic!("{name}"));
            assert!(value.as_object().is_some_and(|members| !members.is_empty()), "{name}");
            let finish = match client {
                "messages" | "bedrock" => "tool_use",
                "cohere" => "TOOL_CALL",
                "gemini" | "array" => "STOP",
                "responses" => "completed",
                _ => "tool_calls",
            };
            assert_eq!(found.finish, finish, "{name}");
            arguments.push(value);
        }
        assert_eq!(arguments[0], arguments[1], "{client} to {upstream}");
    }
}

#[tokio::test]
async fn an_output_limit_is_named_where_it_must_be_and_is_the_one_that_is_held() {
    let app = app("anthropic", "sim-text").await;
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": HELLO }] });
    let reply = app.call(post("/v1/chat/completions", "acme", body.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = app.provider.requests().pop().expect("the provider was asked");
    let sent: Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!(sent["max_tokens"], 1_000, "the model's own, for which money is held");
    assert_eq!(seen.path, "/v1/messages");
    assert_eq!(seen.headers["anthropic-version"], "2023-06-01");
    assert_eq!(seen.headers["x-api-key"], "sk-upstream-canary-0123");
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test]
async fn errors_keep_their_status_and_change_their_words() {
    for (client, upstream) in pairs() {
        let app = app(upstream, "sim-error-429").await;
        let (path, body) = ask(client, false, false);
        let reply = app.call(post(&path, "acme", body.to_string())).await;
        assert_eq!(reply.status, 429, "{client} to {upstream}: {}", reply.text());
        let body = reply.json();
        let error = body.get("error").unwrap_or(&body);
        let kind = match client {
            "cohere" => ("error", ""),
            "bedrock" => ("__type", "ThrottlingException"),
            "messages" => ("type", "rate_limit_error"),
            "gemini" | "array" => ("status", "RESOURCE_EXHAUSTED"),
            _ => ("type", "rate_limit_error"),
        };
        assert_eq!(error[kind.0].as_str().unwrap_or_default(), kind.1, "{client} to {upstream}: {}", reply.text());
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(app.records("acme").await[0].charged, Money::ZERO);
    }
}

/// Whether a document of a stream is an error in the client's dialect.
fn is_error(client: &str, document: &Value) -> bool {
    match client {
        "cohere" => document["delta"]["finish_reason"] == "ERROR" && document["delta"]["error"].is_string(),
        "bedrock" => document["__type"].is_string() && document["message"].is_string(),
        _ => document.get("error").is_some(),
    }
}

#[tokio::test]
async fn a_stream_that_breaks_is_reported_as_broken_in_the_dialect_of_its_client() {
    for (client, upstream) in pairs() {
        for (model, is_theirs) in [("sim-close-mid-stream-5", false), ("sim-stream-error-5", true)] {
            let app = app(upstream, model).await;
            let (path, body) = ask(client, true, false);
            let reply = app.call(post(&path, "acme", body.to_string())).await;
            let name = format!("{client} to {upstream} {model}: {}", reply.text());
            let last = documents(&reply).pop().expect("an event");
            assert!(is_error(client, &last), "{name}");
            assert!(!reply.text().contains("[DONE]") && !reply.text().contains("message_stop"), "{name}");
            assert!(!reply.text().contains("messageStop") && !reply.text().contains("COMPLETE"), "{name}");
            let found = found(client, &reply);
            assert!(!found.text.is_empty(), "{name}");
            let record = app.records("acme").await.remove(0);
            assert_eq!(record.ending, Ending::Cut, "{name}");
            assert!(record.charged > Money::ZERO, "{name}");
            let ours = last.to_string().contains("upstream_error") || last.to_string().contains("connection broke");
            assert_eq!(ours, !is_theirs, "{name}");
        }
    }
}

#[tokio::test]
async fn what_has_no_word_in_the_other_dialect_is_refused_by_name() {
    for (client, upstream, field, value, param) in [
        ("chat", "anthropic", "seed", json!(7), "seed"),
        ("chat", "anthropic", "n", json!(2), "n"),
        ("chat", "anthropic", "logit_bias", json!({ "1": 5 }), "logit_bias"),
        ("messages", "openai", "top_k", json!(7), "top_k"),
        ("cohere", "openai", "documents", json!([{ "data": { "text": "x" } }]), "documents"),
        ("chat", "responses", "seed", json!(7), "seed"),
    ] {
        let app = app(upstream, "sim-text").await;
        let (path, mut body) = ask(client, false, false);
        body[field] = value;
        let reply = app.call(post(&path, "acme", body.to_string())).await;
        let error = reply.json();
        let error = error.get("error").unwrap_or(&error);
        let told = (reply.status.as_u16(), &error["code"]);
        assert_eq!(told, (400, &json!("unsupported_field")), "{}", reply.text());
        assert!(reply.text().contains(&format!("'{param}'")), "{}", reply.text());
        assert!(app.provider.requests().is_empty());
        assert!(app.records("acme").await.is_empty());
    }
}

/// A relay whose model "m" is served in two dialects: first as `first`, then as `second`.
async fn app_of_two(first: (&str, &str), second: (&str, &str)) -> TestApp {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let base_url = provider.base_url();
    let upstream =
        |dialect: &str| json!({ "id": dialect, "dialect": dialect, "base_url": base_url, "api_keys": ["sk-0"] });
    let model = json!({
        "id": "m", "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
        "route": [
            { "upstream": first.0, "model": first.1, "tier": 1 },
            { "upstream": second.0, "model": second.1, "tier": 2 },
        ],
        "price": { "input": "1.00", "output": "2.00" },
    });
    let upstreams = [upstream(first.0), upstream(second.0)];
    let resources = json!({ "upstream": upstreams, "model": [model], "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, Default::default(), resources).await
}

#[tokio::test]
async fn whoever_speaks_the_dialect_is_asked_first_and_the_others_stand_in_for_it() {
    // The tier of the one that speaks it is the second, and it is asked first all the same.
    let app = app_of_two(("anthropic", "sim-text"), ("openai", "sim-text")).await;
    let (path, body) = ask("chat", false, false);
    assert_eq!(app.call(post(&path, "acme", body.to_string())).await.status, 200);
    let seen = app.provider.requests();
    assert_eq!(seen.iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>(), ["/v1/chat/completions"]);
    assert_eq!(seen[0].body, body.to_string().replace("\"m\"", "\"sim-text\"").as_bytes(), "its bytes pass");

    for stream in [false, true] {
        let app = app_of_two(("anthropic", "sim-text"), ("openai", "sim-error-500")).await;
        let (path, body) = ask("chat", stream, false);
        let reply = app.call(post(&path, "acme", body.to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(found("chat", &reply).text.starts_with("This answer"), "{}", reply.text());
        let paths: Vec<String> = app.provider.requests().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, ["/v1/chat/completions", "/v1/messages"]);
        let records = app.records("acme").await;
        assert_eq!(records.len(), 1, "one hold for both");
        assert_eq!(app.spent("acme"), records[0].charged);
        assert!(records[0].charged > Money::ZERO);
    }
}

#[tokio::test]
async fn a_translated_answer_comes_again_for_its_idempotency_key() {
    for (client, upstream) in pairs() {
        for stream in [false, true] {
            let app = app(upstream, "sim-text").await;
            let (path, body) = ask(client, stream, false);
            let call = || {
                let mut request = post(&path, "acme", body.to_string());
                request.headers_mut().insert("idempotency-key", "once".parse().expect("a header"));
                request
            };
            let first = app.call(call()).await;
            assert_eq!(first.status, 200, "{}", first.text());
            let mut again = app.call(call()).await;
            for _ in 0..500 {
                if again.status != 409 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                again = app.call(call()).await;
            }
            assert_eq!((again.status, again.text()), (first.status, first.text()), "{client} to {upstream}");
            assert_eq!(again.header("content-type"), first.header("content-type"));
            assert_eq!(again.header("idempotent-replayed"), "true");
            assert_eq!(app.provider.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_charged_what_was_produced() {
    for (client, upstream) in pairs() {
        let app = app(upstream, "sim-tokens-200.chunk-delay-20").await;
        let (path, body) = ask(client, true, false);
        let mut connection = Client::connect(app.relay.address()).await;
        let mut stream = connection.send(post(&path, "acme", body.to_string())).await.into_body();
        for _ in 0..5 {
            stream.frame().await.expect("a frame").expect("no error");
        }
        drop((stream, connection));
        let record = app.records("acme").await.remove(0);
        assert_eq!(record.ending, Ending::Cut, "{client} to {upstream}");
        assert!(record.charged > Money::ZERO && record.charged < record.held, "{client} to {upstream}");
    }
}

#[tokio::test]
async fn an_endless_line_ends_in_an_error_and_is_not_kept() {
    for (client, upstream) in pairs() {
        let settings = Settings { stream_line_bytes_max: 1 << 20, ..Settings::default() };
        let app = app_with(upstream, "sim-endless-line", settings).await;
        let (path, body) = ask(client, true, false);
        let reply = app.call(post(&path, "acme", body.to_string())).await;
        let last = documents(&reply).pop().expect("an event");
        assert!(is_error(client, &last), "{client} to {upstream}: {last}");
        assert!(reply.body.len() < 1 << 20, "{client} to {upstream}: {} bytes", reply.body.len());
    }
}

/// An upstream of Gemini's whose model calls a tool that nobody can read.
async fn start_malformed() -> String {
    let answer = r#"{"candidates":[{"content":{"parts":[{"text":"Well"}]},"finishReason":"MALFORMED_FUNCTION_CALL"}],"usageMetadata":{"promptTokenCount":30,"candidatesTokenCount":70,"totalTokenCount":100}}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            // The bodies here end with a brace.
            while !request.ends_with(b"}") && connection.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            let is_stream = String::from_utf8_lossy(&request).contains(":streamGenerateContent");
            let (kind, body) = match is_stream {
                true => ("text/event-stream", format!("data: {answer}\n\n")),
                false => ("application/json", answer.to_owned()),
            };
            let head = format!("content-type: {kind}\r\ncontent-length: {}\r\nconnection: close", body.len());
            let _ = connection.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}").as_bytes()).await;
        }
    });
    base
}

#[tokio::test]
async fn an_answer_that_its_provider_broke_off_is_an_error_and_charged() {
    for (client, stream) in [("chat", false), ("messages", false), ("chat", true), ("bedrock", true)] {
        let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
        let upstream = json!({
            "id": "up", "dialect": "gemini", "base_url": start_malformed().await, "api_keys": ["sk-upstream-canary-0123"],
        });
        let model = json!({
            "id": "m", "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
            "route": [{ "upstream": "up", "model": "gemini" }], "price": { "input": "1.00", "output": "2.00" },
        });
        let resources = json!({ "upstream": [upstream], "model": [model], "tenant": [tenant("acme", json!({}))] });
        let app = TestApp::over(provider, Settings::default(), resources).await;
        let (path, body) = ask(client, stream, false);
        let reply = app.call(post(&path, "acme", body.to_string())).await;
        assert_eq!(reply.status, if stream { 200 } else { 502 }, "{client}: {}", reply.text());
        let last = documents(&reply).pop().expect("an event");
        assert!(is_error(client, &last), "{client}: {last}");
        assert_eq!(stream, last.to_string().contains("MALFORMED_FUNCTION_CALL"), "{client}: {last}");
        let record = app.records("acme").await.remove(0);
        assert_eq!(record.charged, Money::from_nanos(30 * 1_000 + 70 * 2_000), "{client}: what the provider reported");
    }
}
