//! Cohere's, Bedrock's and Ollama's own APIs end to end: who is asked with which credential, what is held and charged, refusals in
//! their words, and streams that break.

use base::Money;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use store::Ending;
use testkit::{ChunkBorders, Exchange, Options, Replay, SimulatedProvider};

use crate::app::{TestApp, secret, tenant};
use crate::client::{Reply, post};

const KEY: &str = "sk-upstream-canary-0123";

/// One answer to a request for the upstream's model "theirs".
pub(crate) fn exchange(path: &str, body: Value, kind: &'static str, answer: impl Into<Bytes>) -> Exchange {
    Exchange {
        id: path.to_owned(),
        provider: "by hand".into(),
        endpoint: String::new(),
        method: "POST".into(),
        path: path.to_owned(),
        request_body: body,
        status: 200,
        response_headers: [(CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect(),
        response_body: answer.into(),
        streaming: false,
        verbatim: true,
        recorded_usage: None,
    }
}

/// A provider that gives these answers, in small pieces.
pub(crate) async fn replaying(exchanges: Vec<Exchange>) -> SimulatedProvider {
    let options = Options {
        replay: Some(Replay::new(exchanges)),
        chunk_borders: ChunkBorders::Random { chunk_bytes_max: 7 },
        ..Options::default()
    };
    SimulatedProvider::start(options).await.expect("the simulated provider starts")
}

/// Models "ours" of each dialect, served as "theirs"; "free" has no price for units of search.
async fn app(exchanges: Vec<Exchange>) -> TestApp {
    let provider = replaying(exchanges).await;
    let base_url = provider.base_url();
    let upstream =
        |dialect: &str| json!({ "id": dialect, "dialect": dialect, "base_url": base_url, "api_keys": [KEY] });
    let model = |id: &str, kind: &str, upstream: &str, price: Value| {
        json!({
            "id": id, "kind": kind, "context_window": 100_000, "max_output_tokens": if kind == "chat" { 1_000 } else { 0 },
            "route": [{ "upstream": upstream, "model": "theirs" }], "price": price,
        })
    };
    let tokens = json!({ "input": "1.00", "output": "2.00", "cached_input": "0.25", "cache_write": "1.25" });
    let resources = json!({
        "upstream": [upstream("cohere"), upstream("bedrock"), upstream("ollama")],
        "model": [
            model("command", "chat", "cohere", tokens.clone()),
            model("vector", "embedding", "cohere", json!({ "input": "1.00" })),
            model("rank", "rerank", "cohere", json!({ "input": "0", "web_search": "0.002" })),
            model("free", "rerank", "cohere", json!({ "input": "0" })),
            model("nova:0", "chat", "bedrock", tokens.clone()),
            model("llama", "chat", "ollama", tokens),
        ],
        "tenant": [tenant("acme", json!({})), tenant("other", json!({ "models": ["vector"] }))],
    });
    TestApp::over(provider, Default::default(), resources).await
}

/// A frame of Amazon's with one header.
pub(crate) fn frame(message_type: &str, payload: &str) -> Vec<u8> {
    let mut headers = b"\x0d:message-type\x07".to_vec();
    headers.extend_from_slice(&u16::try_from(message_type.len()).unwrap().to_be_bytes());
    headers.extend_from_slice(message_type.as_bytes());
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut frame = [length(16 + headers.len() + payload.len()), length(headers.len())].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

const FRAMES: &str = "application/vnd.amazon.eventstream";

fn hello() -> Value {
    json!({ "messages": [{ "role": "user", "content": [{ "text": "Say something kind." }] }] })
}

fn asked(model: &str, more: Value) -> Value {
    let mut body = json!({ "model": model });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn units_of_search_are_held_and_charged_and_have_no_price_unless_it_is_said() {
    let ask = json!({ "query": "q", "documents": vec!["d"; 150] });
    let answer = r#"{"id":"r-1","results":[],"meta":{"billed_units":{"search_units":2}}}"#;
    let app = app(vec![exchange("/v1/rerank", asked("theirs", ask.clone()), "application/json", answer)]).await;
    let reply = app.call(post("/v2/rerank", "acme", asked("rank", ask.clone()).to_string())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.usage.web_searches), (Ending::Complete, 2));
    assert_eq!(record.charged, Money::from_nanos(4_000_000));
    assert!(record.held >= record.charged && record.variance == Money::ZERO);
    assert_eq!(record.upstream_response_id.as_deref(), Some("r-1"));
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    let reply = app.call(post("/v2/rerank", "acme", asked("free", ask.clone()).to_string())).await;
    let error: Value = serde_json::from_str(&reply.text()).expect("JSON");
    assert_eq!((reply.status.as_u16(), &error["param"]), (400, &json!("documents")), "{error}");
    let reply = app.call(post("/v2/rerank", "acme", asked("command", ask).to_string())).await;
    assert_eq!(reply.status, 400, "a chat puts nothing in order: {}", reply.text());
}

#[tokio::test]
async fn refusals_are_in_the_words_of_the_dialect_and_tenants_have_their_own_models() {
    let app = app(Vec::new()).await;
    let chat = asked("command", json!({ "messages": [] })).to_string();
    let cases: [(&str, &str, String, u16, &str); 7] = [
        ("/v2/chat", "acme", asked("nobody", json!({ "messages": [] })).to_string(), 404, "model_not_found"),
        ("/v2/chat", "other", chat.clone(), 403, "model_not_allowed"),
        ("/v2/chat", "nobody", chat, 401, "invalid_api_key"),
        ("/model/nova%3A0/converse", "other", hello().to_string(), 403, "model_not_allowed"),
        ("/model/nova:0/converse-stream", "nobody", hello().to_string(), 401, "invalid_api_key"),
        ("/model/unknown/converse", "acme", hello().to_string(), 404, "model_not_found"),
        ("/model/rank/converse", "acme", hello().to_string(), 400, "invalid_request"),
    ];
    for (path, tenant, body, status, code) in cases {
        let reply = app.call(post(path, tenant, body)).await;
        let error: Value = serde_json::from_str(&reply.text()).expect("JSON");
        let named = if path.starts_with("/model/") { &error["reason"] } else { &error["code"] };
        assert_eq!((reply.status.as_u16(), named), (status, &json!(code)), "{path} {error}");
        assert!(error["message"].is_string() && error["error"].is_null(), "{error}");
        let kind = error["__type"].as_str().unwrap_or_default();
        assert_eq!(kind.ends_with("Exception"), path.starts_with("/model/"), "{error}");
    }
    assert!(app.provider.requests().is_empty(), "nothing left");
}

/// Sends a streamed Converse whose upstream answers `answer`.
async fn stream(answer: Vec<u8>) -> (TestApp, Reply) {
    let app = app(vec![exchange("/v1/model/theirs/converse-stream", hello(), FRAMES, answer)]).await;
    let mut request = post("/model/nova%3A0/converse-stream", "acme", hello().to_string());
    // A comment would be no frame.
    request.headers_mut().insert("mandant-receipt", "sse".parse().unwrap());
    let reply = app.call(request).await;
    (app, reply)
}

#[tokio::test]
async fn a_stream_of_frames_passes_and_is_charged_by_its_last_one() {
    let usage = r#"{"usage":{"inputTokens":3,"cacheReadInputTokens":4,"cacheWriteInputTokens":5,"outputTokens":6,"totalTokens":18}}"#;
    let answer = [frame("event", r#"{"delta":{"text":"Hello"}}"#), frame("event", usage)].concat();
    let (app, reply) = stream(answer.clone()).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &answer[..]));
    assert_eq!(reply.headers[CONTENT_TYPE], FRAMES);
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.stream), (Ending::Complete, true));
    assert_eq!(record.charged, Money::from_nanos(3 * 1_000 + 4 * 250 + 5 * 1_250 + 6 * 2_000));
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    assert!(!format!("{:?}", seen.headers).contains(&secret("acme")));
}

#[tokio::test]
async fn frames_that_break_off_or_are_damaged_end_with_an_exception_and_are_charged_by_what_came() {
    let piece = frame("event", r#"{"delta":{"text":"Hello to all of you"}}"#);
    let mut damaged = frame("event", r#"{"usage":{"inputTokens":1,"outputTokens":1}}"#);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (name, answer) in [("cut", piece.clone()), ("damaged", [piece.clone(), damaged].concat())] {
        let (app, reply) = stream(answer.clone()).await;
        assert!(reply.body.starts_with(&piece), "{name}");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(text.contains("modelStreamErrorException") && text.contains("upstream_error"), "{name}: {text}");
        // The exception is a frame by itself.
        let prelude = reply
            .body
            .windows(12)
            .rposition(|bytes| crc32fast::hash(&bytes[..8]).to_be_bytes() == bytes[8..] && bytes[0] == 0);
        let last = &reply.body[prelude.expect("a frame")..];
        assert_eq!(u32::from_be_bytes(last[..4].try_into().unwrap()) as usize, last.len(), "{name}");
        let (body, sum) = last.split_at(last.len() - 4);
        assert_eq!(crc32fast::hash(body).to_be_bytes(), sum, "{name}");
        let record = app.records("acme").await.remove(0);
        assert_eq!(record.ending, Ending::Cut, "{name}");
        assert!(record.usage.output >= 4 && record.charged > Money::ZERO, "{name} {:?}", record.usage);
    }
}

#[tokio::test]
async fn an_exception_of_the_provider_ends_its_stream() {
    let answer =
        [frame("event", r#"{"delta":{"text":"Hi"}}"#), frame("exception", r#"{"message":"Too many"}"#)].concat();
    let (app, reply) = stream(answer.clone()).await;
    assert_eq!(&reply.body[..], &answer[..], "nothing is added");
    assert_eq!(app.records("acme").await.remove(0).ending, Ending::Cut);
}

#[tokio::test]
async fn a_broken_stream_of_cohere_ends_in_its_words() {
    let ask = json!({ "messages": [{ "role": "user", "content": "Hi" }], "stream": true });
    let start = "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"Hello\"}}}}\n\n";
    let app = app(vec![exchange("/v1/chat", asked("theirs", ask.clone()), "text/event-stream", start)]).await;
    let reply = app.call(post("/v2/chat", "acme", asked("command", ask).to_string())).await;
    let text = reply.text();
    let end = text.strip_prefix(start).expect("what came passes");
    let end: Value =
        serde_json::from_str(end.trim().strip_prefix("event: message-end\ndata: ").expect("the end")).unwrap();
    assert_eq!((&end["type"], &end["delta"]["finish_reason"]), (&json!("message-end"), &json!("ERROR")));
    assert_eq!(app.records("acme").await.remove(0).ending, Ending::Cut);
}

#[tokio::test]
async fn ollamas_lines_pass_and_are_charged_by_the_last_one() {
    let ask = |more: Value| {
        let mut body = json!({ "messages": [{ "role": "user", "content": "Say something kind." }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let sent = asked("theirs", ask(json!({ "options": { "num_predict": 50 } })));
    let piece = r#"{"model":"theirs","message":{"role":"assistant","content":"Hello to all of you"},"done":false}"#;
    let last = r#"{"model":"theirs","message":{"content":""},"done":true,"prompt_eval_count":3,"eval_count":6}"#;
    let whole = format!("{piece}\n{last}\n");
    let lines = "application/x-ndjson";
    for (answer, ending) in [
        (whole.clone(), Ending::Complete),
        (format!("{piece}\n"), Ending::Cut),
        (format!("{piece}\n{{\"mod"), Ending::Cut),
    ] {
        let app = app(vec![exchange("/v1/api/chat", sent.clone(), lines, answer.clone())]).await;
        // Without a word about it, Ollama streams.
        let body = asked("llama", ask(json!({ "options": { "num_predict": 50 } })));
        let mut request = post("/api/chat", "acme", body.to_string());
        request.headers_mut().insert("mandant-receipt", "sse".parse().unwrap());
        let reply = app.call(request).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, lines), "{}", reply.text());
        let text = reply.text();
        let rest = text.strip_prefix(answer.as_str()).unwrap_or_else(|| panic!("{answer} passes: {text}"));
        let record = app.records("acme").await.remove(0);
        assert_eq!((record.ending, record.stream), (ending, true), "{answer}");
        if ending == Ending::Complete {
            assert_eq!(rest, "");
            assert_eq!((record.usage.input, record.usage.output), (3, 6));
        } else {
            let error: Value = serde_json::from_str(rest.lines().last().expect("a line of its own")).expect("JSON");
            assert_eq!((&error["code"], error["error"].is_string()), (&json!("upstream_error"), true), "{rest}");
            assert!(record.usage.output >= 4, "{:?}", record.usage);
        }
    }
}

#[tokio::test]
async fn ollamas_whole_answers_refusals_and_models_are_in_its_words() {
    let answer = r#"{"model":"theirs","response":"Hello","done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":6}"#;
    let ask = json!({ "prompt": "Say something kind.", "stream": false, "system": "Be brief.", "options": null });
    let app = app(vec![exchange("/v1/api/generate", asked("theirs", ask.clone()), "application/json", answer)]).await;
    let reply = app.call(post("/api/generate", "acme", asked("llama", ask.clone()).to_string())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.charged), (Ending::Complete, Money::from_nanos(3 * 1_000 + 6 * 2_000)));
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
    for (body, tenant, status, code) in [
        (asked("llama", ask.clone()), "other", 403, "model_not_allowed"),
        (asked("nobody", ask.clone()), "acme", 404, "model_not_found"),
        (asked("llama", json!({ "prompt": "x", "options": { "num_predict": 0 } })), "acme", 400, "invalid_request"),
        (asked("llama", json!({ "prompt": "x", "options": { "Num_Predict": 5 } })), "acme", 400, "ambiguous_request"),
        (asked("llama", json!({ "prompt": "x", "stream": 1 })), "acme", 400, "invalid_request"),
    ] {
        let error: Value = app.call(post("/api/generate", tenant, body.to_string())).await.json();
        assert_eq!((&error["code"], error["error"].is_string()), (&json!(code), true), "{status} {error}");
    }
    let models = app.call(crate::client::get("/api/tags", "other")).await.json();
    assert_eq!(models["models"].as_array().map(Vec::len), Some(1), "{models}");
    assert_eq!((&models["models"][0]["name"], &models["models"][0]["model"]), (&json!("vector"), &json!("vector")));
}

/// What a client of chat completions says to models of Cohere's and Bedrock's.
fn chat(model: &str, stream: bool) -> String {
    json!({
        "model": model, "stream": stream, "max_tokens": 50, "stream_options": if stream { json!({ "include_usage": true }) } else { Value::Null },
        "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Weather?" }],
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }],
    })
    .to_string()
}

/// The text, the arguments of the call, the reason and the usage of an answer of chat completions.
fn chat_answer(reply: &Reply) -> (String, String, String, (u64, u64)) {
    let text = reply.text();
    let documents: Vec<Value> = match serde_json::from_str(&text) {
        Ok(whole) => vec![whole],
        Err(_) => {
            assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
            let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
            data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
        }
    };
    let (mut said, mut arguments, mut finish, mut usage) = (String::new(), String::new(), String::new(), (0, 0));
    for document in documents {
        assert!(document["object"].as_str().unwrap().starts_with("chat.completion"), "{document}");
        let choice = &document["choices"][0];
        let part = choice.get("delta").unwrap_or(&choice["message"]);
        said.push_str(part["content"].as_str().unwrap_or_default());
        arguments.push_str(part["tool_calls"][0]["function"]["arguments"].as_str().unwrap_or_default());
        finish.push_str(choice["finish_reason"].as_str().unwrap_or_default());
        if let Some(prompt) = document["usage"]["prompt_tokens"].as_u64() {
            usage = (prompt, document["usage"]["completion_tokens"].as_u64().unwrap());
        }
    }
    (said, arguments, finish, usage)
}

#[tokio::test]
async fn a_chat_reaches_models_of_cohere_and_of_bedrock() {
    let schema = json!({ "type": "object" });
    let to_cohere = |stream: bool| {
        let mut body = json!({
            "model": "theirs", "max_tokens": 50,
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Weather?" }],
            "tools": [{ "type": "function", "function": { "name": "weather", "parameters": schema } }],
        });
        if stream {
            body["stream"] = json!(true);
        }
        body
    };
    let to_bedrock = json!({
        "inferenceConfig": { "maxTokens": 50 }, "system": [{ "text": "Be brief." }],
        "toolConfig": { "tools": [{ "toolSpec": { "name": "weather", "inputSchema": { "json": schema } } }] },
        "messages": [{ "role": "user", "content": [{ "text": "Weather?" }] }],
    });
    let of_cohere = r#"{"id":"c-1","finish_reason":"TOOL_CALL","message":{"role":"assistant","tool_plan":"I look.","tool_calls":[
        {"id":"t1","type":"function","function":{"name":"weather","arguments":"{\"a\":1}"}}]},
        "usage":{"billed_units":{"input_tokens":7,"output_tokens":5},"tokens":{"input_tokens":90,"output_tokens":9}}}"#;
    let cohere_stream = [
        r#"{"id":"c-1","type":"message-start","delta":{"message":{"role":"assistant"}}}"#,
        r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I look."}}}"#,
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t1","type":"function","function":{"name":"weather","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":1}"}}}}}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":7,"output_tokens":5}}}}"#,
    ]
    .map(|data| format!("data: {data}\n\n"))
    .concat();
    let usage = r#""usage":{"inputTokens":3,"cacheReadInputTokens":4,"outputTokens":5,"totalTokens":12}"#;
    let of_bedrock = format!(
        r#"{{"output":{{"message":{{"role":"assistant","content":[{{"text":"I look."}},{{"toolUse":{{"toolUseId":"t1","name":"weather","input":{{"a":1}}}}}}]}}}},"stopReason":"tool_use",{usage}}}"#
    );
    let bedrock_stream = [
        frame("event", r#"{"role":"assistant"}"#),
        frame("event", r#"{"contentBlockIndex":0,"delta":{"text":"I look."}}"#),
        frame("event", r#"{"contentBlockIndex":0}"#),
        frame("event", r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"weather"}}}"#),
        frame("event", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":1}"}}}"#),
        frame("event", r#"{"contentBlockIndex":1}"#),
        frame("event", r#"{"stopReason":"tool_use"}"#),
        frame("event", &format!("{{{usage}}}")),
    ]
    .concat();
    let cases = [
        ("command", false, exchange("/v1/chat", to_cohere(false), "application/json", of_cohere), 7 * 1_000),
        ("command", true, exchange("/v1/chat", to_cohere(true), "text/event-stream", cohere_stream), 7 * 1_000),
        (
            "nova:0",
            false,
            exchange("/v1/model/theirs/converse", to_bedrock.clone(), "application/json", of_bedrock),
            3 * 1_000 + 4 * 250,
        ),
        (
            "nova:0",
            true,
            exchange("/v1/model/theirs/converse-stream", to_bedrock, FRAMES, bedrock_stream),
            3 * 1_000 + 4 * 250,
        ),
    ];
    for (model, stream, exchange, input) in cases {
        let app = app(vec![exchange]).await;
        let reply = app.call(post("/v1/chat/completions", "acme", chat(model, stream))).await;
        let name = format!("{model}, stream {stream}: {}", reply.text());
        assert_eq!(reply.status, 200, "{name}");
        let expected = ("I look.".to_owned(), "{\"a\":1}".to_owned(), "tool_calls".to_owned(), (7, 5));
        assert_eq!(chat_answer(&reply), expected, "{name}");
        let record = app.records("acme").await.remove(0);
        assert_eq!((record.ending, record.stream), (Ending::Complete, stream), "{name}");
        assert_eq!(record.charged, Money::from_nanos(input + 5 * 2_000), "{name}");
        assert!(record.held >= record.charged && record.variance == Money::ZERO, "{name}");
    }
}

#[tokio::test]
async fn a_stream_of_frames_that_breaks_is_broken_for_a_client_of_another_dialect_too() {
    let piece = frame("event", r#"{"contentBlockIndex":0,"delta":{"text":"Hello to all"}}"#);
    let body = json!({ "inferenceConfig": {}, "messages": [{ "role": "user", "content": [{ "text": "Hi" }] }] });
    let exception = frame("exception", r#"{"message":"Too many"}"#);
    for (name, more, told) in [("cut", vec![], "upstream_error"), ("exception", exception, "Too many")] {
        let answer = [piece.clone(), more].concat();
        let app = app(vec![exchange("/v1/model/theirs/converse-stream", body.clone(), FRAMES, answer)]).await;
        let ask = json!({ "model": "nova:0", "stream": true, "messages": [{ "role": "user", "content": "Hi" }] });
        let reply = app.call(post("/v1/chat/completions", "acme", ask.to_string())).await;
        let text = reply.text();
        let last = text.lines().rev().find_map(|line| line.strip_prefix("data: ")).expect("an event");
        assert!(last.contains("\"error\"") && last.contains(told) && !text.contains("[DONE]"), "{name}: {text}");
        assert!(text.contains("Hello to all"), "{name}: {text}");
        assert_eq!(app.records("acme").await.remove(0).ending, Ending::Cut, "{name}");
    }
}
