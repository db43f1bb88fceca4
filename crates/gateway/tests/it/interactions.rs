//! Google's interactions end to end: who may read them again, what is held and charged, and streams that break.

use base::Money;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use store::Ending;
use testkit::Exchange;

use crate::app::{TestApp, tenant};
use crate::client::{Reply, get, post};
use crate::native::{exchange, replaying};

const KEY: &str = "sk-upstream-canary-0123";
const RAW: &str = "v1_raw-1";
const EVENTS: &str = "text/event-stream";

/// The usage of every answer here: 33 tokens of input, 2 of output and 928 of thinking.
const USAGE: &str = r#"{"total_cached_tokens":8,"total_input_tokens":33,"total_output_tokens":2,"total_thought_tokens":928,"total_tokens":963,"total_tool_use_tokens":0}"#;
/// What that costs at the prices below.
const COST: Money = Money::from_nanos(25 * 1_000 + 8 * 250 + 930 * 2_000);

fn whole(more: &str) -> String {
    format!(
        r#"{{"id":"{RAW}","object":"interaction","status":"completed","steps":[{{"type":"function_call","id":"fc_1","name":"f","arguments":{{}}}},{{"type":"model_output","content":[{{"type":"text","text":"11"}}]}}],"usage":{USAGE}{more}}}"#
    )
}

fn events() -> Vec<String> {
    let event = |kind: &str, more: &str| format!("event: {kind}\ndata: {{\"event_type\":\"{kind}\",{more}}}\n\n");
    vec![
        event("interaction.created", &format!(r#""interaction":{{"id":"{RAW}","status":"in_progress"}}"#)),
        event("interaction.status_update", &format!(r#""interaction_id":"{RAW}","status":"in_progress""#)),
        event("step.start", r#""index":0,"step":{"type":"model_output"}"#),
        event("step.delta", r#""index":0,"delta":{"type":"text","text":"Eleven integers, that is."}"#),
        event("step.stop", r#""index":0"#),
        event(
            "interaction.completed",
            &format!(r#""interaction":{{"id":"{RAW}","status":"completed","usage":{USAGE}}}"#),
        ),
        "event: done\ndata: [DONE]\n\n".to_owned(),
    ]
}

fn asked(model: &str, more: Value) -> Value {
    let mut body = json!({ "model": model, "input": "How many?" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// One answer to an interaction that is asked for with these members more.
fn answered(more: Value, kind: &'static str, answer: String) -> Exchange {
    exchange("/v1/interactions", asked("theirs", more), kind, answer)
}

fn about(method: &str, rest: &str, kind: &'static str, answer: &str) -> Exchange {
    let path = format!("/v1/interactions/{RAW}{rest}");
    Exchange { method: method.into(), ..exchange(&path, Value::Null, kind, answer.to_owned()) }
}

async fn app(exchanges: Vec<Exchange>) -> TestApp {
    let provider = replaying(exchanges).await;
    let upstream = json!({ "id": "gemini", "dialect": "gemini", "base_url": provider.base_url(), "api_keys": [KEY] });
    let model = json!({
        "id": "gemini", "kind": "chat", "context_window": 100_000, "max_output_tokens": 2_000,
        "route": [{ "upstream": "gemini", "model": "theirs" }],
        "price": { "input": "1.00", "output": "2.00", "cached_input": "0.25", "web_search": "0.01" },
    });
    let tenants = [tenant("anna", json!({})), tenant("berta", json!({}))];
    let resources = json!({ "upstream": [upstream], "model": [model], "tenant": tenants });
    TestApp::over(provider, Default::default(), resources).await
}

async fn interact(app: &TestApp, who: &str, more: Value) -> Reply {
    app.call(post("/v1beta/interactions", who, asked("gemini", more).to_string())).await
}

async fn of(app: &TestApp, who: &str, method: &str, path: &str) -> Reply {
    let mut request: Request<Full<bytes::Bytes>> = get(path, who);
    *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a method");
    app.call(request).await
}

#[tokio::test]
async fn an_interaction_is_its_tenants_own_to_read_go_on_from_and_delete() {
    let app = app(vec![
        answered(json!({}), "application/json", whole("")),
        answered(
            json!({ "previous_interaction_id": RAW }),
            "application/json",
            whole(&format!(r#","previous_interaction_id":"{RAW}""#)),
        ),
        about("GET", "", "application/json", &whole("")),
        about("GET", "?stream=true&last_event_id=5", EVENTS, &events().concat()),
        about("POST", "/cancel", "application/json", &whole("")),
        about("DELETE", "", "application/json", "{}"),
    ])
    .await;
    let made = interact(&app, "anna", json!({})).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    assert_ne!(id, RAW);
    assert_eq!(made.text().replace(&id, RAW), whole(""), "nothing but its id changes, and no id of a call");
    assert_eq!(made.header("mandant-cost-usd"), "0.001887");

    let next = interact(&app, "anna", json!({ "previous_interaction_id": id })).await;
    assert_eq!((next.status.as_u16(), &next.json()["previous_interaction_id"]), (200, &json!(id)));
    for (method, rest, answer) in [
        ("GET", "", whole("")),
        ("GET", "?stream=true&last_event_id=5&key=secret", events().concat()),
        ("POST", "/cancel", whole("")),
        ("DELETE", "", "{}".to_owned()),
    ] {
        for version in ["v1", "v1beta"] {
            let path = format!("/{version}/interactions/{id}{rest}");
            let reply = of(&app, "anna", method, &path).await;
            assert_eq!(
                (reply.status.as_u16(), reply.text().replace(&id, RAW)),
                (200, answer.clone()),
                "{method} {path}"
            );
            let foreign = of(&app, "berta", method, &path).await;
            assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (404, "object_not_found"), "{method}");
            let raw = of(&app, "anna", method, &path.replace(&id, RAW)).await;
            assert_eq!((raw.status.as_u16(), raw.code().as_str()), (404, "object_not_found"), "{method}");
        }
    }
    for foreign in [&id, RAW] {
        let reply = interact(&app, "berta", json!({ "previous_interaction_id": foreign })).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "object_not_found"));
    }
    let records = app.records("anna").await;
    assert!(records.iter().all(|record| record.ending == Ending::Complete && record.variance == Money::ZERO));
    assert_eq!(records.iter().map(|record| record.charged).filter(|charged| *charged > Money::ZERO).count(), 2);
    let held = |place: usize| records.iter().filter(|record| record.charged == COST).nth(place).map(|one| one.held);
    // What went before is input again, of any length: the window of 100,000 tokens at $1 per 1M.
    assert!(held(0).max(held(1)) >= Some(Money::from_nanos(100_000_000)), "{:?} {:?}", held(0), held(1));
}

#[tokio::test]
async fn a_stream_of_steps_passes_and_is_charged_by_its_last_event() {
    let more = json!({ "stream": true, "store": false });
    let app = app(vec![answered(more.clone(), EVENTS, events().concat())]).await;
    let reply = interact(&app, "anna", more).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, events().concat()), "what is not kept has no name");
    let record = app.records("anna").await.remove(0);
    assert_eq!((record.ending, record.charged, record.stream), (Ending::Complete, COST, true));
    assert_eq!(record.upstream_response_id.as_deref(), Some(RAW));
    let seen = app.provider.requests().pop().expect("asked");
    assert_eq!((seen.path.as_str(), &seen.headers["x-goog-api-key"]), ("/v1/interactions", &KEY.parse().unwrap()));
}

#[tokio::test]
async fn a_search_of_an_interaction_is_held_and_charged() {
    let more = json!({ "tools": [{ "type": "google_search" }, { "type": "function", "name": "f" }] });
    let counted = USAGE.replacen(
        '{',
        r#"{"grounding_tool_count":[{"count":2,"type":"google_search"},{"count":5,"type":"retrieval"}],"#,
        1,
    );
    let shown = r#""steps":[{"type":"google_search_call","arguments":{"queries":["a","b ","b"]}},"#;
    let answers = [whole("").replace(USAGE, &counted), whole("").replace("\"steps\":[", shown)];
    for answer in answers {
        let app = app(vec![answered(more.clone(), "application/json", answer)]).await;
        assert_eq!(interact(&app, "anna", more.clone()).await.status, 200);
        let record = app.records("anna").await.remove(0);
        assert_eq!((record.usage.web_searches, record.charged), (2, COST + Money::from_nanos(20_000_000)));
        assert!(record.held >= record.charged && record.variance == Money::ZERO);
    }
}

#[tokio::test]
async fn a_stream_of_steps_that_breaks_says_so_and_is_charged_for_what_came() {
    let broken = events()[..4].concat();
    let more = json!({ "stream": true });
    let app = app(vec![answered(more.clone(), EVENTS, broken)]).await;
    let text = interact(&app, "anna", more).await.text();
    let last = text.rsplit_once("event: error\ndata: ").expect("an error event").1;
    let error: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&error["event_type"], &error["error"]["code"]), (&json!("error"), &json!("upstream_error")));
    let record = app.records("anna").await.remove(0);
    assert_eq!(record.ending, Ending::Cut);
    assert!(record.usage.output > 3 && record.charged > Money::ZERO && record.charged <= record.held);
}

#[tokio::test]
async fn the_edge_of_a_budget_limits_an_interaction_where_its_dialect_has_the_limit() {
    let provider = replaying(Vec::new()).await;
    let upstream = json!({ "id": "gemini", "dialect": "gemini", "base_url": provider.base_url(), "api_keys": [KEY] });
    let model = json!({
        "id": "gemini", "kind": "chat", "context_window": 100_000, "max_output_tokens": 2_000,
        "route": [{ "upstream": "gemini", "model": "theirs" }], "price": { "input": "0", "output": "2.00" },
    });
    // Half of what the longest answer costs.
    let poor = tenant("anna", json!({ "budget": { "usd_per_month": "0.002" } }));
    let resources = json!({ "upstream": [upstream], "model": [model], "tenant": [poor] });
    let app = TestApp::over(provider, Default::default(), resources).await;
    interact(&app, "anna", json!({ "generation_config": { "thinking_level": "low" } })).await;
    interact(&app, "anna", json!({})).await;
    let sent: Vec<Value> =
        app.provider.take_requests().iter().map(|seen| serde_json::from_slice(&seen.body).expect("JSON")).collect();
    for body in &sent {
        assert_eq!(body["generation_config"]["max_output_tokens"], 1_000, "{body}");
        assert_eq!(body["model"], "theirs");
    }
    assert_eq!((sent.len(), &sent[0]["generation_config"]["thinking_level"]), (2, &json!("low")));
}

#[tokio::test]
async fn what_an_interaction_may_not_ask_is_refused_in_googles_words() {
    let app = app(Vec::new()).await;
    for (more, param) in [
        (json!({ "agent": "deep-research-pro" }), "agent"),
        (json!({ "background": true }), "background"),
        (json!({ "environment": "env_1" }), "environment"),
        (json!({ "webhook_config": { "uris": ["https://x"] } }), "webhook_config"),
        (json!({ "response_format": [{ "type": "text" }, { "type": "image" }] }), "response_format"),
        (json!({ "response_modalities": ["image"] }), "response_modalities"),
        (json!({ "previousInteractionId": RAW }), "previous_interaction_id"),
    ] {
        let reply = interact(&app, "anna", more).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
        assert_eq!(reply.json()["error"]["details"][0]["metadata"]["param"], param, "{}", reply.text());
    }
    assert!(app.provider.requests().is_empty());
}
