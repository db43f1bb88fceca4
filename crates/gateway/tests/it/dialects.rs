//! Every dialect end to end: bytes, credentials, usage and price, and a broken stream that is reported as broken.

use base::Money;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use store::Ending;
use testkit::{Exchange, Options, Replay, SimulatedProvider};

use crate::app::{TestApp, secret, tenant};
use crate::client::{Reply, get, post};

/// A model of each dialect, "claude", "gemini", "gpt" and so on, served as `upstream_model`.
async fn app(options: Options, upstream_model: &str) -> TestApp {
    let provider = SimulatedProvider::start(options).await.expect("the simulated provider starts");
    let base_url = provider.base_url();
    let upstream = |dialect: &str| json!({ "id": dialect, "dialect": dialect, "base_url": base_url, "api_keys": ["sk-upstream-canary-0123"] });
    let model = |id: &str, dialect: &str| {
        json!({
            "id": id, "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
            "route": [{ "upstream": dialect, "model": upstream_model }],
            "price": { "input": "1.00", "output": "2.00", "cached_input": "0.25" },
        })
    };
    let vector = json!({
        "id": "vector", "kind": "embedding", "context_window": 8_192, "max_output_tokens": 0,
        "route": [{ "upstream": "gemini", "model": "gemini-embedding-001" }], "price": { "input": "1.00" },
    });
    let judge = json!({
        "id": "judge", "kind": "moderation", "context_window": 8_192, "max_output_tokens": 0,
        "route": [{ "upstream": "openai", "model": "omni-moderation-latest" }], "price": { "input": "1.00" },
    });
    let models = [model("claude", "anthropic"), model("gemini", "gemini"), model("gpt", "openai"), vector, judge];
    let upstreams = [upstream("openai"), upstream("anthropic"), upstream("gemini")];
    let resources = json!({ "upstream": upstreams, "model": models, "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, Default::default(), resources).await
}

const HELLO: &str = "Say something kind.";

/// One call of each dialect that makes text: its name, its path, and its body.
fn chats(stream: bool) -> Vec<(&'static str, &'static str, Value)> {
    let generate = if stream { "streamGenerateContent" } else { "generateContent" };
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": HELLO }] }] });
    let path =
        |version: &str, query: &str| -> &'static str { format!("/{version}/models/gemini:{generate}{query}").leak() };
    let messages = json!([{ "role": "user", "content": HELLO }]);
    let mut all = vec![
        (
            "anthropic",
            "/v1/messages",
            json!({ "model": "claude", "max_tokens": 20, "messages": messages, "stream": stream }),
        ),
        ("responses", "/v1/responses", json!({ "model": "gpt", "input": HELLO, "stream": stream })),
        ("gemini", path("v1beta", if stream { "?alt=sse" } else { "" }), contents.clone()),
        ("gemini", path("v1", if stream { "?alt=sse" } else { "" }), contents.clone()),
    ];
    if stream {
        all.push(("array", path("v1beta", ""), contents));
    }
    all
}

/// The last document of an answer: the whole, or the last event or item of a stream.
fn last_document(reply: &Reply) -> Value {
    let text = reply.text();
    if let Ok(whole) = serde_json::from_str::<Value>(&text) {
        return whole.as_array().and_then(|items| items.last().cloned()).unwrap_or(whole);
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("an event");
    serde_json::from_str(data).unwrap_or_else(|_| panic!("{text}"))
}

#[tokio::test]
async fn every_dialect_is_forwarded_metered_and_priced() {
    for stream in [false, true] {
        for (dialect, path, body) in chats(stream) {
            let app = app(Options { cached_percent: 50, ..Options::default() }, "sim-text").await;
            let reply = app.call(post(path, "acme", body.to_string())).await;
            assert_eq!(reply.status, 200, "{dialect} {stream}: {}", reply.text());
            let record = app.records("acme").await.remove(0);
            assert_eq!((record.ending, record.stream), (Ending::Complete, stream), "{dialect}");
            let truth = app.provider.truth().total;
            let usage = record.usage;
            assert_eq!(
                (usage.input, usage.output),
                (truth.prompt_tokens, truth.completion_tokens),
                "{dialect} {stream}"
            );
            assert!(usage.cached_input > 0 && usage.output > 0, "{dialect} {usage:?}");
            let fresh = usage.input - usage.cached_input;
            let price = fresh * 1_000 + usage.cached_input * 250 + usage.output * 2_000;
            assert_eq!(record.charged, Money::from_nanos(price as i64), "{dialect} {stream}");
            assert!(record.upstream_response_id.is_some(), "{dialect} {stream}");
            let seen = app.provider.requests().pop().expect("the provider was asked");
            let sent = String::from_utf8_lossy(&seen.body).into_owned();
            assert_eq!(sent, body.to_string().replace("\"claude\"", "\"sim-text\"").replace("\"gpt\"", "\"sim-text\""));
            if dialect == "gemini" || dialect == "array" {
                assert!(seen.path.contains("/models/sim-text:"), "{}", seen.path);
            }
        }
    }
}

#[tokio::test]
async fn each_upstream_gets_its_own_credential_in_its_own_header_and_nothing_of_the_client() {
    let styles: [(&str, &str); 4] =
        [("authorization", "Bearer "), ("x-api-key", ""), ("api-key", ""), ("x-goog-api-key", "")];
    for (dialect, path, body) in chats(false) {
        let app = app(Options::default(), "sim-text").await;
        for (name, scheme) in styles {
            let mut request = bare(path, body.to_string());
            request.headers_mut().insert(name, format!("{scheme}{}", secret("acme")).parse().unwrap());
            assert_eq!(app.call(request).await.status, 200, "{dialect} {name}");
        }
        let by_query = format!("{path}?key={}", secret("acme"));
        assert_eq!(app.call(bare(&by_query, body.to_string())).await.status, 200, "{dialect} by query");
        let header = match dialect {
            "anthropic" => "x-api-key",
            "gemini" => "x-goog-api-key",
            _ => "authorization",
        };
        for seen in app.provider.requests() {
            let all = format!("{} {:?}", seen.path, seen.headers);
            assert!(!all.contains("test-secret") && !all.contains("key="), "{dialect}: {all}");
            let value = seen.headers.get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert!(value.ends_with("sk-upstream-canary-0123"), "{dialect}: {all}");
            let others = styles.iter().filter(|(name, _)| *name != header && seen.headers.contains_key(*name));
            assert_eq!(others.count(), 0, "{dialect}: {all}");
            assert_eq!(seen.headers.contains_key("anthropic-version"), dialect == "anthropic");
        }
    }
}

/// A request without a credential.
fn bare(path: &str, body: String) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("host", "relay").header("content-type", "application/json");
    request.body(Full::new(body.into())).expect("a request")
}

#[tokio::test]
async fn a_stream_without_its_end_is_reported_as_broken_and_charged_by_what_is_known() {
    for fault in ["sim-missing-done", "sim-missing-done-4", "sim-close-mid-stream-4"] {
        for (dialect, path, body) in chats(true) {
            let app = app(Options::default(), fault).await;
            let reply = app.call(post(path, "acme", body.to_string())).await;
            let name = format!("{dialect} {fault}: {}", reply.text());
            let record = app.records("acme").await.remove(0);
            // Some have said everything but their last mark: usage and reason are there, and nothing is missing.
            let is_whole = (dialect, fault) == ("anthropic", "sim-missing-done");
            let is_cut = record.ending == Ending::Cut;
            assert_eq!(is_cut, !(is_whole || (dialect == "array" && fault == "sim-missing-done")), "{name}");
            assert!(record.charged > Money::ZERO && record.usage.output > 0, "{name} {:?}", record.usage);
            if is_whole || !is_cut {
                continue;
            }
            let text = reply.text();
            match dialect {
                "anthropic" => {
                    let event = last_document(&reply);
                    assert!(text.contains("event: error\ndata: "), "{name}");
                    assert_eq!((&event["type"], &event["error"]["code"]), (&json!("error"), &json!("upstream_error")));
                }
                "responses" => {
                    let event = last_document(&reply);
                    assert_eq!((&event["type"], &event["code"]), (&json!("error"), &json!("upstream_error")), "{name}");
                    assert_eq!(event["error"]["code"], "upstream_error");
                }
                _ => {
                    let error = &last_document(&reply)["error"];
                    assert_eq!((&error["code"], &error["status"]), (&json!(502), &json!("UNAVAILABLE")), "{name}");
                }
            }
            let truth = app.provider.truth().total;
            assert!(record.usage.output >= truth.completion_tokens.saturating_sub(2), "{name} {:?}", record.usage);
        }
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_passes_and_nothing_is_added() {
    for (dialect, path, body) in chats(true) {
        if dialect == "array" {
            continue;
        }
        let app = app(Options::default(), "sim-stream-error-3").await;
        let reply = app.call(post(path, "acme", body.to_string())).await;
        assert_eq!(reply.text().matches("error while processing").count(), 1, "{dialect}: {}", reply.text());
        assert!(!reply.text().contains("upstream_error"), "{dialect}: {}", reply.text());
    }
}

#[tokio::test]
async fn refusals_are_in_the_words_of_the_route() {
    let app = app(Options::default(), "sim-text").await;
    for (dialect, path, body) in chats(false) {
        let unknown = body.to_string().replace("\"claude\"", "\"nothing\"").replace("\"gpt\"", "\"nothing\"");
        let unknown = app.call(post(&path.replace("/gemini:", "/nothing:"), "acme", unknown)).await;
        let stranger = app.call(bare(path, body.to_string())).await;
        assert_eq!((unknown.status.as_u16(), stranger.status.as_u16()), (404, 401), "{dialect}");
        let (unknown, stranger) = (unknown.json(), stranger.json());
        match dialect {
            "anthropic" => {
                assert_eq!((&unknown["type"], &unknown["error"]["type"]), (&json!("error"), &json!("not_found_error")));
                assert_eq!(unknown["error"]["code"], "model_not_found");
                assert_eq!(stranger["error"]["type"], "authentication_error");
            }
            "gemini" => {
                assert_eq!(
                    (&unknown["error"]["code"], &unknown["error"]["status"]),
                    (&json!(404), &json!("NOT_FOUND"))
                );
                assert_eq!(unknown["error"]["details"][0]["reason"], "model_not_found");
                assert_eq!(stranger["error"]["status"], "UNAUTHENTICATED");
            }
            _ => assert_eq!(unknown["error"]["code"], "model_not_found"),
        }
    }
    // Only conversations are translated.
    let foreign = json!({ "model": "gemini", "input": "x" });
    let reply = app.call(post("/v1/responses/input_tokens", "acme", foreign.to_string())).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("it speaks 'gemini'"), "{}", reply.text());
    assert_eq!(app.provider.requests().len(), 0, "nothing reached a provider");
}

#[tokio::test]
async fn counting_and_judging_cost_nothing_and_go_to_the_provider() {
    let app = app(Options::default(), "claude-haiku-4-5").await;
    let messages = json!([{ "role": "user", "content": HELLO }]);
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": HELLO }] }] });
    for (path, body, member) in [
        ("/v1/messages/count_tokens", json!({ "model": "claude", "messages": messages }), "input_tokens"),
        ("/v1beta/models/gemini:countTokens", contents, "totalTokens"),
        ("/v1/moderations", json!({ "model": "judge", "input": "x" }), "results"),
    ] {
        let reply = app.call(post(path, "acme", body.to_string())).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert!(!reply.json()[member].is_null(), "{path}: {}", reply.text());
        assert_eq!((reply.header("mandant-cost-usd"), reply.header("mandant-hold-usd")), ("0.00", "0.00"), "{path}");
    }
    assert_eq!(app.provider.requests().len(), 3);
    let records = app.records("acme").await;
    assert!(records.iter().all(|record| record.ending == Ending::Complete && record.charged == Money::ZERO));
}

#[tokio::test]
async fn vectors_of_google_are_metered() {
    let app = app(Options::default(), "sim-text").await;
    let content = json!({ "parts": [{ "text": "one two three" }] });
    let one = json!({ "content": content });
    let reply = app.call(post("/v1beta/models/vector:embedContent", "acme", one.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let many = json!({ "requests": [
        { "model": "models/vector", "content": content }, { "model": "models/vector", "content": content },
    ] });
    let reply = app.call(post("/v1beta/models/vector:batchEmbedContents", "acme", many.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = app.provider.requests().pop().expect("it was asked");
    assert_eq!(
        String::from_utf8_lossy(&seen.body),
        many.to_string().replace("models/vector", "models/gemini-embedding-001")
    );
    // The newest comes first.
    let mut records = app.records("acme").await;
    records.reverse();
    let input: Vec<u64> = records.iter().map(|record| record.usage.input).collect();
    assert_eq!((input.len(), input[0] * 2), (2, input[1]));
    assert_eq!(records[1].charged, Money::from_nanos(input[1] as i64 * 1_000));
    let texts = json!({ "instances": [{ "content": "one two three" }, { "content": "one two three" }] });
    let reply = app.call(post("/v1beta/models/vector:predict", "acme", texts.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let records = app.records("acme").await;
    assert_eq!((records[0].endpoint.name(), records[0].usage.characters), ("predict", 22));
    let billed = app.provider.truth().total.prompt_tokens;
    assert_eq!(records.iter().map(|record| record.usage.input).sum::<u64>(), billed);
    assert_eq!(app.spent("acme"), Money::from_nanos(billed as i64 * 1_000));
    let other = json!({ "requests": [{ "model": "models/other", "content": content }] });
    let reply = app.call(post("/v1beta/models/vector:batchEmbedContents", "acme", other.to_string())).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[tokio::test]
async fn models_are_listed_in_the_words_of_the_client() {
    let app = app(Options::default(), "sim-text").await;
    let get = |path: &str, header: (&'static str, String)| {
        let request = Request::get(path).header("host", "relay").header(header.0, header.1);
        request.header("anthropic-version", "2023-06-01").body(Full::default()).expect("a request")
    };
    let list = app.call(get("/v1/models", ("x-api-key", secret("acme")))).await.json();
    assert_eq!((&list["data"][0]["type"], &list["has_more"]), (&json!("model"), &json!(false)));
    let one = app.call(get("/v1/models/claude", ("x-api-key", secret("acme")))).await.json();
    assert_eq!((&one["id"], &one["created_at"].is_string()), (&json!("claude"), &true));
    let list = app.call(get("/v1beta/models", ("x-goog-api-key", secret("acme")))).await.json();
    assert_eq!(list["models"][0]["name"], "models/claude");
    let one = app.call(get("/v1beta/models/vector", ("x-goog-api-key", secret("acme")))).await.json();
    assert_eq!(one["supportedGenerationMethods"][0], "embedContent");
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_the_model_and_the_form_of_its_path() {
    let app = app(Options::default(), "sim-text").await;
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": HELLO }] }] }).to_string();
    let send = async |path: &str| {
        let mut request = post(path, "acme", contents.clone());
        request.headers_mut().insert("idempotency-key", "one".parse().unwrap());
        app.call(request).await
    };
    let first = send("/v1beta/models/gemini:streamGenerateContent").await;
    assert_eq!(first.status, 200, "{}", first.text());
    app.settled().await;
    let again = send("/v1/models/gemini:streamGenerateContent").await;
    assert_eq!((again.body == first.body, again.header("idempotent-replayed")), (true, "true"), "{}", again.text());
    for path in [
        "/v1beta/models/claude:streamGenerateContent",
        "/v1beta/models/gemini:generateContent",
        "/v1beta/models/gemini:streamGenerateContent?alt=sse",
        "/v1beta/models/gemini:countTokens",
    ] {
        assert_eq!(send(path).await.status, 422, "{path}");
    }
    assert_eq!(app.provider.requests().len(), 1);
}

#[tokio::test]
async fn an_array_that_never_begins_is_still_an_array() {
    let app = app(Options::default(), "sim-missing-done-0").await;
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": HELLO }] }] }).to_string();
    let reply = app.call(post("/v1beta/models/gemini:streamGenerateContent", "acme", contents)).await;
    assert_eq!(reply.json()[0]["error"]["status"], "UNAVAILABLE", "{}", reply.text());
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_answer_in_any_dialect() {
    for stream in [false, true] {
        for (dialect, path, body) in chats(stream) {
            let upstream_path = path.replace("/v1beta", "/v1").replace("/models/gemini:", "/models/sim-text:");
            let mut request_body = body.clone();
            if request_body["model"].is_string() {
                request_body["model"] = json!("sim-text");
            }
            let page = Exchange {
                id: "page".into(),
                provider: "proxy".into(),
                endpoint: String::new(),
                method: "POST".into(),
                path: upstream_path,
                request_body,
                status: 200,
                response_headers: [(http::header::CONTENT_TYPE, "text/html".parse().unwrap())].into_iter().collect(),
                response_body: "<html>Sign in</html>".into(),
                streaming: false,
                verbatim: true,
                recorded_usage: None,
            };
            let options = Options { replay: Some(Replay::new(vec![page])), ..Options::default() };
            let app = app(options, "sim-text").await;
            let reply = app.call(post(path, "acme", body.to_string())).await;
            assert_eq!(
                (reply.status.as_u16(), reply.text().as_str()),
                (200, "<html>Sign in</html>"),
                "{dialect} {stream}"
            );
            // Its hold stays, so that nothing here waits for holds to end.
            let record = app.written("acme").remove(0);
            assert_eq!(record.ending, Ending::Unknown, "{dialect} {stream}: nobody knows what it cost");
        }
    }
}

#[tokio::test]
async fn clients_find_models_and_the_id_of_a_call_where_their_sdks_look() {
    let app = app(Options::default(), "sim-text").await;
    let mut request = get("/v1/models", "acme");
    request.headers_mut().insert("x-fern-sdk-name", "cohere-ai".parse().expect("a value"));
    let reply = app.call(request).await;
    let first = &reply.json()["models"][0];
    assert!(first["name"].is_string() && first["endpoints"].is_array(), "{}", reply.text());
    for path in ["/model/claude/converse", "/model/none/invoke"] {
        let reply = app.call(post(path, "acme", r#"{"messages":[]}"#)).await;
        let id = reply.header("x-request-id");
        assert!(id.starts_with("req_") && id == reply.header("x-amzn-requestid"), "{path}: {:?}", reply.headers);
    }
}

#[tokio::test]
async fn tokens_that_no_provider_can_count_are_estimated() {
    let app = app(Options::default(), "sim-text").await;
    let words = "word ".repeat(1_000);
    let messages = json!([{ "role": "user", "content": words }]);
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": words }] }] });
    for (path, body, member) in [
        ("/v1/messages/count_tokens", json!({ "model": "gpt", "messages": messages }), "input_tokens"),
        ("/v1/messages/count_tokens", json!({ "model": "gemini", "messages": messages }), "input_tokens"),
        ("/v1beta/models/claude:countTokens", contents, "totalTokens"),
    ] {
        let reply = app.call(post(path, "acme", body.to_string())).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("mandant-estimate")),
            (200, "true"),
            "{path}: {}",
            reply.text()
        );
        let tokens = reply.json()[member].as_u64().expect("a count");
        assert!((1_000..1_020).contains(&tokens), "{path}: {tokens}");
    }
    let longer = json!({ "model": "gpt", "messages": [{ "role": "user", "content": words.repeat(10) }] }).to_string();
    let counted = app.call(post("/v1/messages/count_tokens", "acme", longer)).await.json();
    assert!(counted["input_tokens"].as_u64().is_some_and(|tokens| (9_900..10_100).contains(&tokens)), "{counted}");
    let long = json!([{ "role": "user", "content": "a".repeat(2 << 20) }]);
    let body = json!({ "model": "gpt", "messages": long }).to_string();
    let counted = app.call(post("/v1/messages/count_tokens", "acme", body)).await.json();
    assert!(counted["input_tokens"].as_u64().is_some_and(|tokens| tokens.abs_diff(1 << 19) < 100), "{counted}");
    assert!(app.provider.requests().is_empty() && app.records("acme").await.is_empty());
    let own = json!({ "model": "claude", "messages": messages });
    let reply = app.call(post("/v1/messages/count_tokens", "acme", own.to_string())).await;
    assert_eq!((reply.status.as_u16(), reply.header("mandant-estimate")), (200, ""), "its provider counts");
    for (model, status) in [("none", 404), ("vector", 400)] {
        let body = json!({ "model": model, "messages": messages });
        let reply = app.call(post("/v1/messages/count_tokens", "acme", body.to_string())).await;
        assert_eq!(reply.status.as_u16(), status, "{model}");
    }
}

#[tokio::test]
async fn an_estimate_takes_its_place_in_the_windows() {
    let limits = json!({ "limits": { "rpm": 2 } });
    let models = vec![crate::app::chat_model("chat", "gpt-4.1")];
    let tenants = vec![tenant("acme", limits)];
    let app = TestApp::with(Options::default(), Default::default(), models, tenants).await;
    let body = json!({ "model": "chat", "messages": [{ "role": "user", "content": "Hi" }] }).to_string();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(app.call(post("/v1/messages/count_tokens", "acme", body.clone())).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}
