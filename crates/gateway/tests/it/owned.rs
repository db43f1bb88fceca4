//! Objects that a provider keeps: whoever made them has them, under ids of its own, and nobody else.

use std::collections::BTreeSet;

use base::Money;
use http::{HeaderMap, HeaderValue, Method};
use mandant_gateway::Settings;
use serde_json::{Value, json};
use store::{Ending, ObjectOrigin};
use testkit::{ChunkBorders, Exchange, Options, Replay, SimulatedProvider};
use wire::{Endpoint, ROUTES};

use crate::app::{TestApp, chat_model, models, opened, secret, tenant, two_tenants};
use crate::client::{Reply, get, post, with_method};

fn ask(more: Value) -> String {
    let mut body = json!({ "model": "chat", "input": "Say something kind." });
    for (name, value) in more.as_object().expect("an object of fields") {
        body[name] = value.clone();
    }
    body.to_string()
}

/// A stored response of `tenant`: its id and that of its message.
async fn stored(app: &TestApp, tenant: &str) -> (String, String) {
    let reply = app.call(post("/v1/responses", tenant, ask(json!({})))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    (text(&reply.json()["id"]), text(&reply.json()["output"][0]["id"]))
}

/// Every way to name an object that the registry has: method, path and body, with `id` and `item` in their places.
fn ways(id: &str, item: &str) -> Vec<(&'static str, String, String)> {
    let mut ways = Vec::new();
    for spec in ROUTES {
        if spec.pattern.contains("{id}") {
            let takes_body = !spec.endpoint.is_of_object() && spec.method == "POST";
            let body = if takes_body { r#"{"items":[],"metadata":{}}"# } else { "" };
            ways.push((spec.method, spec.pattern.replace("{id}", id), body.to_owned()));
        }
        if spec.endpoint == Endpoint::ConversationCreate {
            let body = json!({ "items": [{ "type": "item_reference", "id": item }] });
            ways.push((spec.method, spec.pattern.to_owned(), body.to_string()));
        }
        if spec.endpoint == Endpoint::BatchCreate {
            let body = json!({ "input_file_id": id, "endpoint": "/v1/responses", "completion_window": "24h" });
            ways.push((spec.method, spec.pattern.to_owned(), body.to_string()));
        }
        if spec.endpoint == Endpoint::Interactions {
            let body = json!({ "model": "chat", "input": "x", "previous_interaction_id": id });
            ways.push((spec.method, spec.pattern.to_owned(), body.to_string()));
        }
        if !spec.endpoint.asks_response() {
            continue;
        }
        let items = [
            json!({ "type": "item_reference", "id": item }),
            json!({ "type": "item_reference", "id": item, "content": "more" }),
            json!({ "id": item }),
            json!({ "type": "reasoning", "id": item, "summary": [{ "type": "summary_text", "text": "x" }] }),
            json!({ "type": "image_generation_call", "id": item }),
            json!({ "type": "mcp_approval_response", "approval_request_id": item, "approve": true }),
        ];
        let mut bodies = vec![
            ask(json!({ "previous_response_id": id })),
            ask(json!({ "conversation": id })),
            ask(json!({ "conversation": { "id": id } })),
        ];
        bodies
            .extend(items.into_iter().map(|item| ask(json!({ "input": [{ "role": "user", "content": "x" }, item] }))));
        bodies.push(ask(json!({})).replacen('{', &format!("{{\"previous\\u005fresponse_id\":\"{id}\","), 1));
        let hidden =
            format!("{{\"input\":[{{\"type\":\"item_reference\",\"\\u0069d\":\"{item}\"}}],\"model\":\"chat\"}}");
        bodies.push(hidden);
        ways.extend(bodies.into_iter().map(|body| (spec.method, spec.pattern.to_owned(), body)));
    }
    ways
}

async fn go(app: &TestApp, tenant: &str, (method, path, body): &(&'static str, String, String)) -> Reply {
    let mut request = if body.is_empty() { get(path, tenant) } else { post(path, tenant, body.clone()) };
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    app.call(request).await
}

#[tokio::test]
async fn nobody_reaches_an_object_of_another_tenant_over_any_route() {
    let app = two_tenants().await;
    let (id, item) = stored(&app, "anna").await;
    let (raw_id, raw_item) = (opened(&app, "anna", &id), opened(&app, "anna", &item));
    app.provider.take_requests();
    let mut forged = id.clone().into_bytes();
    let last = forged.len() - 1;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("text");
    let strangers = [
        ("berta", &id, &item),
        ("berta", &raw_id, &raw_item),
        ("anna", &raw_id, &raw_item),
        ("anna", &forged, &forged),
    ];
    let mut tried = BTreeSet::new();
    for (who, id, item) in strangers {
        for way in ways(id, item) {
            let reply = go(&app, who, &way).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "object_not_found"), "{who} {way:?}");
            assert!(reply.json()["error"]["message"].as_str().is_some_and(|text| text.len() > 20));
            tried.insert(format!("{} {}", way.0, way.1.replace(id.as_str(), "{id}")));
        }
        // An id in the query is one, too: the object is the caller's own, the place in it is not.
        let (own, _) = stored(&app, who).await;
        for name in ["after", "before"] {
            let path = format!("/v1/responses/{own}/input_items?limit=5&{name}={item}");
            assert_eq!(app.call(get(&path, who)).await.code(), "object_not_found", "{who} {path}");
        }
    }
    let asked: Vec<String> =
        app.provider.take_requests().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    assert_eq!(asked, vec!["POST /v1/responses"; strangers.len()], "nothing but their own was asked of the provider");
    let expected = ROUTES.iter().filter(|spec| {
        let names = [Endpoint::Interactions, Endpoint::BatchCreate, Endpoint::ConversationCreate];
        spec.pattern.contains("{id}") || spec.endpoint.asks_response() || names.contains(&spec.endpoint)
    });
    let expected: BTreeSet<String> = expected.map(|spec| format!("{} {}", spec.method, spec.pattern)).collect();
    assert!(expected.len() >= 46 && tried == expected, "{tried:?}");
}

#[tokio::test]
async fn other_methods_of_an_object_are_refused() {
    let app = two_tenants().await;
    let (id, _) = stored(&app, "anna").await;
    for spec in ROUTES.iter().filter(|spec| spec.pattern.contains("{id}")) {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if !ROUTES.iter().any(|one| one.pattern == spec.pattern && one.method == method) {
                let reply = app.call(with_method(method, &spec.pattern.replace("{id}", &id), "anna")).await;
                assert_eq!(reply.status, 405, "{method} {}", spec.pattern);
                assert!(reply.header("allow").contains(spec.method), "{}", reply.header("allow"));
            }
        }
    }
}

#[tokio::test]
async fn its_owner_does_with_an_object_what_its_provider_lets_it_do() {
    let app = two_tenants().await;
    let (id, item) = stored(&app, "anna").await;
    let raw = opened(&app, "anna", &id);
    for prefix in ["/v1", "/openai/v1", "/openai"] {
        let reply = app.call(get(&format!("{prefix}/responses/{id}"), "anna")).await;
        assert_eq!((reply.status.as_u16(), reply.json()["id"].as_str()), (200, Some(id.as_str())));
        assert_eq!(reply.json()["output"][0]["id"], item.as_str(), "the same object has the same id");
        assert_eq!(reply.header("mandant-cost-usd"), "0.00");
    }
    let next = app.call(post("/v1/responses", "anna", ask(json!({ "previous_response_id": id })))).await;
    assert_eq!((next.status.as_u16(), next.json()["previous_response_id"].as_str()), (200, Some(id.as_str())));
    let sent = app.provider.take_requests().pop().expect("asked");
    let expected = ask(json!({ "previous_response_id": raw, "model": "gpt-4.1" }));
    assert_eq!(sent.body, expected, "only the id and the model differ");
    let list =
        app.call(get(&format!("/v1/responses/{id}/input_items?limit=5&order=asc&key=x&unknown=1"), "anna")).await;
    let first = list.json()["first_id"].as_str().expect("an id").to_owned();
    assert_eq!(list.json()["data"][0]["id"], first.as_str());
    assert_eq!(
        app.provider.take_requests().pop().expect("asked").path,
        format!("/v1/responses/{raw}/input_items?limit=5&order=asc")
    );
    let page = app.call(get(&format!("/v1/responses/{id}/input_items?after={first}"), "anna")).await;
    assert_eq!((page.status.as_u16(), page.json()["data"].as_array().map(Vec::len)), (200, Some(0)), "{}", page.text());
    for item in [&item, &first] {
        let input = json!([{ "type": "item_reference", "id": item }, { "role": "user", "content": "x" }]);
        let reply = app.call(post("/v1/responses", "anna", ask(json!({ "input": input })))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let counted =
        app.call(post("/v1/responses/input_tokens", "anna", ask(json!({ "previous_response_id": id })))).await;
    assert!(counted.json()["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{}", counted.text());
    let shorter = app.call(post("/v1/responses/compact", "anna", ask(json!({ "previous_response_id": id })))).await;
    assert_eq!((shorter.status.as_u16(), &shorter.json()["object"]), (200, &json!("response.compaction")));
    let sent = app.provider.take_requests().pop().expect("asked");
    assert_eq!(sent.body, ask(json!({ "previous_response_id": raw, "model": "gpt-4.1" })));
    // What it was made into has ids of anna's, and is what the next turn begins with.
    let items = shorter.json()["output"].clone();
    let last = opened(&app, "anna", items[1]["id"].as_str().expect("an id"));
    let next = app.call(post("/v1/responses", "anna", ask(json!({ "input": items })))).await;
    assert_eq!(next.status, 200, "{}", next.text());
    let sent = app.provider.take_requests().pop().expect("asked").body;
    assert!(last.starts_with("cmp_") && String::from_utf8_lossy(&sent).contains(&last));
    let cancelled = app.call(with_method("POST", &format!("/v1/responses/{id}/cancel"), "anna")).await;
    assert_eq!(cancelled.status, 400, "the provider's own refusal");
    assert!(cancelled.text().contains(&id) && !cancelled.text().contains(&raw), "{}", cancelled.text());
    let no_response = app.call(get(&format!("/v1/responses/{item}"), "anna")).await;
    assert_eq!((no_response.status.as_u16(), no_response.code().as_str()), (404, "object_not_found"), "it is an item");
    let deleted = app.call(with_method("DELETE", &format!("/v1/responses/{id}"), "anna")).await;
    assert_eq!((&deleted.json()["id"], &deleted.json()["deleted"]), (&json!(id), &json!(true)));
    let gone = app.call(get(&format!("/v1/responses/{id}"), "anna")).await;
    assert_eq!((gone.status.as_u16(), gone.code().as_str()), (404, "response_not_found"), "{}", gone.text());
    assert!(gone.text().contains(&id) && !gone.text().contains(&raw), "{}", gone.text());

    let records = app.records("anna").await;
    for record in &records {
        let is_answered = record.status == 200;
        assert_eq!(record.ending, if is_answered { Ending::Complete } else { Ending::Refused }, "{}", record.endpoint);
        let costs = matches!(record.endpoint, Endpoint::Responses | Endpoint::ResponseCompact);
        assert_eq!(record.charged > Money::ZERO, costs, "{}", record.endpoint);
        assert_eq!(record.model.as_str(), "chat");
    }
    let endpoints: BTreeSet<&str> = records.iter().map(|record| record.endpoint.name()).collect();
    for name in ["get", "delete", "cancel", "input_items", "input_tokens", "compact"] {
        assert!(endpoints.contains(format!("responses/{name}").as_str()), "{endpoints:?}");
    }
}

/// `text` with every sealed id of anna's opened.
fn unsealed(app: &TestApp, text: &str) -> (String, usize) {
    let tenant = base::TenantId::new("anna").expect("a name");
    let seal = app.store.object_seal();
    let mut count = 0;
    let parts = text.split('"').map(|part| match seal.open(&tenant, part) {
        Some(object) => {
            count += 1;
            object.id
        }
        None => part.to_owned(),
    });
    (parts.collect::<Vec<_>>().join("\""), count)
}

async fn at_provider(app: &TestApp, path: &str) -> String {
    let mut client = crate::client::Client::connect(app.provider.address()).await;
    let mut request = get(path, "anna");
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer operator"));
    client.call(request).await.text()
}

#[tokio::test]
async fn nothing_but_ids_changes_in_an_answer() {
    let options =
        Options { chunk_borders: ChunkBorders::Random { chunk_bytes_max: 40 }, seed: 3, ..Options::default() };
    let tenants = vec![tenant("anna", json!({}))];
    let app = TestApp::with(options, Settings::default(), models(), tenants).await;
    let (id, _) = stored(&app, "anna").await;
    let raw = opened(&app, "anna", &id);
    for query in ["", "?stream=true"] {
        let relayed = app.call(get(&format!("/v1/responses/{id}{query}"), "anna")).await.text();
        let (unsealed, count) = unsealed(&app, &relayed);
        assert_eq!(unsealed, at_provider(&app, &format!("/v1/responses/{raw}{query}")).await);
        assert!(count >= 2 && !relayed.contains(raw.trim_start_matches("resp_")), "{relayed}");
    }
    let streamed = app.call(post("/v1/responses", "anna", ask(json!({ "stream": true })))).await.text();
    let (plain, count) = unsealed(&app, &streamed);
    let created = plain.split("\"id\":\"resp_").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
    assert!(!streamed.contains(created), "the provider's own id is in the stream:\n{streamed}");
    assert_eq!(count, plain.matches(created).count(), "each was sealed");
    assert!(count > 5 && plain.ends_with("}}\n\n") && plain.contains("response.completed"), "{plain}");
    let records = app.records("anna").await;
    let made = records.into_iter().find(|record| record.stream && record.endpoint == Endpoint::Responses);
    let record = made.expect("a record");
    assert_eq!((record.ending, record.upstream_response_id), (Ending::Complete, Some(format!("resp_{created}"))));
}

/// A provider that speaks: every turn is answered with the same audio.
fn speaking() -> Options {
    let answer = |stream: bool, part: &str| {
        let usage = r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"completion_tokens_details":{"audio_tokens":6}}"#;
        let document = format!(
            r#"{{"id":"chatcmpl-1","choices":[{{"index":0,"finish_reason":"stop","{part}":{{"audio":{{"id":"audio_raw","data":"QUJD","transcript":"Hi."}}}}}}],"usage":{usage}}}"#
        );
        let body = if stream { format!("data: {document}\n\ndata: [DONE]\n\n") } else { document };
        let content_type = if stream { "text/event-stream" } else { "application/json" };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        Exchange {
            id: "speaks".into(),
            provider: "openai".into(),
            endpoint: "chat/completions".into(),
            method: "POST".into(),
            path: "/v1/chat/completions".into(),
            request_body: json!({ "model": "gpt-audio", "modalities": ["text", "audio"], "stream": stream }),
            status: 200,
            response_headers: headers,
            response_body: body.into(),
            streaming: stream,
            verbatim: true,
            recorded_usage: None,
        }
    };
    let replay = Replay::new(vec![answer(false, "message"), answer(true, "delta")]);
    Options { replay: Some(replay.ignoring(&["messages", "stream_options"])), ..Options::default() }
}

#[tokio::test]
async fn an_answer_in_audio_is_gone_on_from_by_its_tenant_alone() {
    let mut model = chat_model("speaks", "gpt-audio");
    model["price"]["audio_input"] = json!("3.00");
    model["price"]["audio_output"] = json!("4.00");
    let tenants = vec![tenant("anna", json!({})), tenant("berta", json!({}))];
    let app = TestApp::with(speaking(), Settings::default(), vec![model], tenants).await;
    let turn = |stream: bool, id: Option<&str>| {
        let mut messages = vec![json!({ "role": "user", "content": "Hi." })];
        messages.extend(id.map(|id| json!({ "role": "assistant", "audio": { "id": id } })));
        json!({ "model": "speaks", "modalities": ["text", "audio"], "stream": stream, "messages": messages })
            .to_string()
    };
    for stream in [false, true] {
        let first = app.call(post("/v1/chat/completions", "anna", turn(stream, None))).await;
        let (text, count) = unsealed(&app, &first.text());
        assert_eq!((first.status.as_u16(), count), (200, 1), "{}", first.text());
        assert!(text.contains("\"id\":\"chatcmpl-1\"") && text.contains("\"id\":\"audio_raw\""), "{text}");
        let sealed = first.text().split("\"audio\":{\"id\":\"").nth(1).expect("an id").to_owned();
        let sealed = sealed.split('"').next().expect("an id");
        app.provider.take_requests();
        let second = app.call(post("/v1/chat/completions", "anna", turn(stream, Some(sealed)))).await;
        assert_eq!(second.status, 200, "{}", second.text());
        let sent = app.provider.take_requests().pop().expect("asked").body;
        assert!(String::from_utf8_lossy(&sent).contains("\"audio\":{\"id\":\"audio_raw\"}"));
        for (who, id) in [("berta", sealed), ("anna", "audio_raw"), ("berta", "audio_raw")] {
            let refused = app.call(post("/v1/chat/completions", who, turn(stream, Some(id)))).await;
            assert_eq!((refused.status.as_u16(), refused.code().as_str()), (404, "object_not_found"), "{who} {id}");
        }
        assert!(app.provider.take_requests().is_empty());
    }
}

#[tokio::test]
async fn what_is_not_stored_passes_as_it_is() {
    let app = two_tenants().await;
    for stream in [false, true] {
        let reply = app.call(post("/v1/responses", "anna", ask(json!({ "store": false, "stream": stream })))).await;
        let (_, count) = unsealed(&app, &reply.text());
        assert_eq!((reply.status.as_u16(), count), (200, 0));
    }
    let raw_items = json!([
        { "type": "message", "id": "msg_1", "role": "assistant", "content": [{ "type": "output_text", "text": "x" }] },
        { "type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}" },
        { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc" },
        { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": { "type": "search", "query": "q" } },
        { "role": "user", "content": "x" },
    ]);
    let body = ask(json!({ "store": false, "input": raw_items }));
    assert_eq!(app.call(post("/v1/responses", "anna", body.clone())).await.status, 200);
    let sent = app.provider.take_requests().pop().expect("asked");
    assert_eq!(sent.body, body.replace("\"chat\"", "\"gpt-4.1\""), "items that say everything themselves");
}

#[tokio::test]
async fn a_call_goes_where_its_objects_are() {
    let first = SimulatedProvider::start(Options::default()).await.expect("starts");
    let second = SimulatedProvider::start(Options::default()).await.expect("starts");
    let upstream = |id: &str, provider: &SimulatedProvider| json!({ "id": id, "dialect": "openai", "base_url": provider.base_url(), "api_keys": ["env:PATH"] });
    let mut model = chat_model("chat", "gpt-4.1");
    model["route"] = json!([{ "upstream": "one", "model": "gpt-4.1" }, { "upstream": "two", "model": "gpt-4.1" }]);
    let upstreams = [upstream("one", &first), upstream("two", &second), upstream("sim", &first)];
    let other = chat_model("other", "gpt-4.1");
    let resources = json!({ "upstream": upstreams, "model": [model, other], "tenant": [tenant("anna", json!({}))] });
    let app = TestApp::over(first, Settings::default(), resources).await;
    let anna = base::TenantId::new("anna").expect("a name");
    let mut made = BTreeSet::new();
    for _ in 0..24 {
        let (id, item) = stored(&app, "anna").await;
        made.insert(app.store.object_seal().open(&anna, &id).expect("ours").origin.upstream.to_string());
        assert_eq!(app.call(get(&format!("/v1/responses/{id}"), "anna")).await.status, 200);
        let next = app.call(post("/v1/responses", "anna", ask(json!({ "previous_response_id": id })))).await;
        assert_eq!(next.status, 200, "{}", next.text());
        let input = json!([{ "type": "item_reference", "id": item }]);
        assert_eq!(app.call(post("/v1/responses", "anna", ask(json!({ "input": input })))).await.status, 200);
        let elsewhere = ask(json!({ "previous_response_id": id, "model": "other" }));
        let reply = app.call(post("/v1/responses", "anna", elsewhere)).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "invalid_request"), "{}", reply.text());
    }
    assert_eq!(made.len(), 2, "both upstreams made some");
    drop(second);
}

#[tokio::test]
async fn objects_of_two_upstreams_do_not_go_into_one_call() {
    let app = two_tenants().await;
    let seal = app.store.object_seal();
    let of = |upstream: &str, id: &str| {
        let origin = ObjectOrigin {
            upstream: base::UpstreamId::new(upstream).expect("a name"),
            model: base::ModelId::new("chat").ok(),
        };
        seal.seal(&base::TenantId::new("anna").expect("a name"), &origin, id)
    };
    let input = json!([{ "type": "item_reference", "id": of("sim", "msg_1") }]);
    let body = ask(json!({ "previous_response_id": of("gone", "resp_1"), "input": input }));
    let reply = app.call(post("/v1/responses", "anna", body)).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "invalid_request"));
    let gone = app.call(get(&format!("/v1/responses/{}", of("gone", "resp_1")), "anna")).await;
    assert_eq!(gone.status, 400, "{}", gone.text());
}

#[tokio::test]
async fn an_object_needs_the_right_to_the_model_that_made_it() {
    let app = two_tenants().await;
    let (id, _) = stored(&app, "anna").await;
    crate::app::apply(&app.store, json!({ "tenant": [tenant("anna", json!({ "models": ["text"] }))] }));
    app.directory.sync().expect("the directory is read");
    let reply = app.call(get(&format!("/v1/responses/{id}"), "anna")).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (403, "model_not_allowed"), "{}", reply.text());
}

#[tokio::test]
async fn a_restart_opens_what_was_sealed_before() {
    let app = two_tenants().await;
    let (id, _) = stored(&app, "anna").await;
    let app = app.restarted().await;
    assert_eq!(app.call(get(&format!("/v1/responses/{id}"), "anna")).await.status, 200);
    assert_eq!(app.call(get(&format!("/v1/responses/{id}"), "berta")).await.status, 404);
    assert!(secret("anna") != secret("berta"));
}

#[tokio::test]
async fn the_conversation_before_is_held_for() {
    let app = two_tenants().await;
    let (id, _) = stored(&app, "anna").await;
    let held = |reply: Reply| Money::parse_usd(reply.header("mandant-hold-usd")).expect("an amount");
    let shorter = app.call(post("/v1/responses/compact", "anna", ask(json!({ "previous_response_id": id })))).await;
    // The window, and the longest answer of 1,000 tokens at $2 per 1M.
    assert!(held(shorter) >= Money::from_nanos(102_000_000));
    let alone = held(app.call(post("/v1/responses", "anna", ask(json!({ "max_output_tokens": 16 })))).await);
    let body = ask(json!({ "max_output_tokens": 16, "previous_response_id": id }));
    let after = held(app.call(post("/v1/responses", "anna", body)).await);
    // The window of 100,000 tokens at $1 per 1M, and the output.
    assert!(alone < Money::from_nanos(5_000_000) && after >= Money::from_nanos(100_000_000), "{alone} {after}");
}
