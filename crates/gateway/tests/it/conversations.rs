//! Conversations that a provider keeps: begun, gone on with by responses, read and deleted, by their tenant alone.

use base::Money;
use mandant_gateway::Settings;
use serde_json::{Value, json};
use store::Ending;
use testkit::{Options, SimulatedProvider};

use crate::app::{TestApp, chat_model, opened, tenant, two_tenants};
use crate::client::{Reply, get, post, with_method};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}

async fn begun(app: &TestApp, who: &str, body: Value) -> String {
    let reply = app.call(post("/v1/conversations", who, body.to_string())).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["object"]), (200, &json!("conversation")), "{}", reply.text());
    text(&reply.json()["id"])
}

async fn respond(app: &TestApp, who: &str, model: &str, conversation: Value) -> Reply {
    let body = json!({ "model": model, "input": "Say something kind.", "conversation": conversation });
    app.call(post("/v1/responses", who, body.to_string())).await
}

#[tokio::test]
async fn a_conversation_is_begun_gone_on_with_read_and_deleted() {
    let app = two_tenants().await;
    let said = json!({ "role": "user", "content": "conv" });
    let id = begun(&app, "anna", json!({ "metadata": { "topic": "kindness" }, "items": [said.clone()] })).await;
    let raw = opened(&app, "anna", &id);
    assert!(id.starts_with("conv_") && raw.starts_with("conv_") && id != raw);
    let sent = app.provider.take_requests().pop().expect("asked");
    assert_eq!(
        (sent.path.as_str(), sent.body),
        ("/v1/conversations", json!({ "metadata": { "topic": "kindness" }, "items": [said] }).to_string().into())
    );

    let mut made = Vec::new();
    for (model, named) in [("chat", json!(id)), ("chat", json!({ "id": id }))] {
        let reply = respond(&app, "anna", model, named.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.json()["conversation"]["id"]), (200, &json!(id)), "{}", reply.text());
        let sent = app.provider.take_requests().pop().expect("asked").body;
        let named = named.to_string().replace(&id, &raw);
        let expected = format!("{{\"conversation\":{named},\"input\":\"Say something kind.\",\"model\":\"gpt-4.1\"}}");
        assert_eq!(
            serde_json::from_slice::<Value>(&sent).expect("JSON"),
            serde_json::from_str::<Value>(&expected).expect("JSON")
        );
        let again = app.call(get(&format!("/v1/responses/{}", text(&reply.json()["id"])), "anna")).await;
        assert_eq!(again.json()["conversation"]["id"], id.as_str(), "by the same name, though nobody named it");
        made.push(text(&reply.json()["output"][0]["id"]));
    }
    let unkept = json!({ "model": "chat", "input": "And this.", "conversation": id, "store": false });
    let unkept = app.call(post("/v1/responses", "anna", unkept.to_string())).await.json();
    let unkept = text(&unkept["output"][0]["id"]);
    let path = format!("/v1/conversations/{id}/items");
    let list = app.call(get(&format!("{path}?order=asc&limit=4&include[]=x.y"), "anna")).await.json();
    let ids: Vec<String> = list["data"].as_array().expect("items").iter().map(|item| text(&item["id"])).collect();
    assert_eq!((ids.len(), &list["has_more"]), (4, &json!(true)), "what was said first, asked and answered, and asked");
    assert_eq!(
        (&list["first_id"], &list["last_id"], &ids[2]),
        (&json!(ids[0]), &json!(ids[3]), &made[0]),
        "an item has one name"
    );
    let rest = app.call(get(&format!("{path}?order=asc&after={}", ids[3]), "anna")).await.json();
    let rest: Vec<String> = rest["data"].as_array().expect("items").iter().map(|item| text(&item["id"])).collect();
    assert_eq!((rest.len(), &rest[0], &rest[2]), (3, &made[1], &unkept), "its items are kept, too");

    let item = app.call(get(&format!("{path}/{}", made[0]), "anna")).await;
    assert_eq!((item.status.as_u16(), &item.json()["id"]), (200, &json!(made[0])), "{}", item.text());
    let more = json!({ "items": [{ "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "x" }] }] });
    let added = app.call(post(&path, "anna", more.to_string())).await;
    assert_eq!(
        (added.status.as_u16(), added.json()["data"].as_array().map(Vec::len)),
        (200, Some(1)),
        "{}",
        added.text()
    );
    let added = text(&added.json()["data"][0]["id"]);
    let left = app.call(with_method("DELETE", &format!("{path}/{added}"), "anna")).await;
    assert_eq!((left.status.as_u16(), &left.json()["id"]), (200, &json!(id)), "the conversation: {}", left.text());
    let gone = app.call(get(&format!("{path}/{added}"), "anna")).await;
    assert_eq!((gone.status.as_u16(), gone.code().as_str()), (404, "item_not_found"), "{}", gone.text());
    assert!(gone.text().contains(&added) && !gone.text().contains(&opened(&app, "anna", &added)), "{}", gone.text());

    let noted =
        app.call(post(&format!("/openai/v1/conversations/{id}"), "anna", r#"{"metadata":{"topic":"x"}}"#)).await;
    assert_eq!(
        (&noted.json()["id"], &noted.json()["metadata"]["topic"]),
        (&json!(id), &json!("x")),
        "{}",
        noted.text()
    );
    assert_eq!(app.provider.take_requests().pop().expect("asked").body, r#"{"metadata":{"topic":"x"}}"#);
    let known = app.call(get(&format!("/v1/conversations/{id}"), "anna")).await;
    assert_eq!((&known.json()["id"], &known.json()["metadata"]["topic"]), (&json!(id), &json!("x")));
    let deleted = app.call(with_method("DELETE", &format!("/v1/conversations/{id}"), "anna")).await;
    assert_eq!((&deleted.json()["id"], &deleted.json()["deleted"]), (&json!(id), &json!(true)), "{}", deleted.text());
    assert_eq!(app.call(get(&format!("/v1/conversations/{id}"), "anna")).await.code(), "conversation_not_found");

    for record in app.records("anna").await {
        let is_answered = record.status == 200;
        assert_eq!(record.ending, if is_answered { Ending::Complete } else { Ending::Refused }, "{}", record.endpoint);
        assert_eq!(record.charged > Money::ZERO, record.endpoint.has_usage(), "{}", record.endpoint);
        assert_eq!(record.usage.input + record.usage.output > 0, record.endpoint.has_usage(), "{}", record.endpoint);
    }
}

#[tokio::test]
async fn nobody_reaches_a_conversation_of_another_tenant() {
    let app = two_tenants().await;
    let said = json!({ "items": [{ "role": "user", "content": "mine" }] });
    let [hers, own] = [begun(&app, "anna", said.clone()).await, begun(&app, "berta", said).await];
    let items = app.call(get(&format!("/v1/conversations/{hers}/items"), "anna")).await;
    let item = text(&items.json()["first_id"]);
    app.provider.take_requests();
    let raw = |id: &str| opened(&app, "anna", id);
    for (id, item) in
        [(hers.clone(), item.clone()), (raw(&hers), raw(&item)), (own.clone(), item.clone()), (own.clone(), raw(&item))]
    {
        let path = format!("/v1/conversations/{id}");
        let of_item = format!("{path}/items/{item}");
        let refers = json!({ "items": [{ "type": "item_reference", "id": item }] }).to_string();
        let input = json!({ "model": "chat", "input": [{ "type": "item_reference", "id": item }] }).to_string();
        let mut asked = vec![
            get(&of_item, "berta"),
            with_method("DELETE", &of_item, "berta"),
            get(&format!("{path}/items?after={item}"), "berta"),
            post(&format!("{path}/items"), "berta", refers.clone()),
            post("/v1/conversations", "berta", refers),
            post("/v1/responses", "berta", input),
        ];
        if id != own {
            let respond = |named: Value| json!({ "model": "chat", "input": "x", "conversation": named }).to_string();
            asked.extend([
                get(&path, "berta"),
                with_method("DELETE", &path, "berta"),
                post(&path, "berta", r#"{"metadata":{}}"#),
                get(&format!("{path}/items"), "berta"),
                post(&format!("{path}/items"), "berta", r#"{"items":[]}"#),
                post("/v1/responses", "berta", respond(json!(id))),
                post("/v1/responses", "berta", respond(json!({ "id": id }))),
                post("/v1/responses/input_tokens", "berta", respond(json!(id))),
            ]);
        }
        for request in asked {
            let what = format!("{} {}", request.method(), request.uri());
            let reply = app.call(request).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "object_not_found"), "{what}");
        }
    }
    assert!(app.provider.take_requests().is_empty(), "nothing was asked of the provider");
    for ambiguous in [r#"{"id":"a","id":"b"}"#, r#"{"ID":"a"}"#, "1"] {
        let body = format!("{{\"model\":\"chat\",\"input\":\"x\",\"conversation\":{ambiguous}}}");
        assert_eq!(app.call(post("/v1/responses", "anna", body)).await.status, 400, "{ambiguous}");
    }
}

#[tokio::test]
async fn what_a_conversation_has_is_held_for() {
    let app = two_tenants().await;
    let id = begun(&app, "anna", json!({})).await;
    let reply = respond(&app, "anna", "chat", json!(id)).await;
    let held = Money::parse_usd(reply.header("mandant-hold-usd")).expect("an amount");
    // The window of 100,000 tokens at $1 per 1M.
    assert!(held >= Money::from_nanos(100_000_000), "{held}");
}

/// Two upstreams of OpenAI's, each with a model of its own, and a third that serves nothing but chats.
async fn two_places() -> (TestApp, SimulatedProvider) {
    let [first, second] = [(); 2].map(|()| SimulatedProvider::start(Options::default()));
    let (first, second) = (first.await.expect("starts"), second.await.expect("starts"));
    let upstream = |id: &str, provider: &SimulatedProvider| json!({ "id": id, "dialect": "openai", "base_url": provider.base_url(), "api_keys": ["env:PATH"] });
    let on = |id: &str, upstream: &str| {
        let mut model = chat_model(id, "gpt-4.1");
        model["route"][0]["upstream"] = json!(upstream);
        model
    };
    let mut chats = on("chats", "three");
    chats["route"][0]["endpoint"] = json!("chat_completions");
    let upstreams = [upstream("one", &first), upstream("two", &second), upstream("three", &second)];
    let models = [on("a", "one"), on("b", "two"), on("c", "one"), chats];
    let tenants = [
        tenant("anna", json!({})),
        tenant("berta", json!({ "models": ["b", "chats"] })),
        tenant("carla", json!({ "models": ["chats"] })),
    ];
    let resources = json!({ "upstream": upstreams, "model": models, "tenant": tenants });
    (TestApp::over(first, Settings::default(), resources).await, second)
}

#[tokio::test]
async fn a_conversation_lies_where_its_tenants_models_are_and_any_of_them_goes_on_with_it() {
    let (app, second) = two_places().await;
    let asked = app.call(post("/v1/conversations", "anna", "{}")).await;
    assert_eq!((asked.status.as_u16(), asked.code().as_str()), (400, "invalid_request"), "{}", asked.text());
    assert!(asked.text().contains("Mandant-Model"), "{}", asked.text());
    let mut named = post("/v1/conversations", "anna", "{}");
    named.headers_mut().insert("mandant-model", "c".parse().expect("a value"));
    let id = text(&app.call(named).await.json()["id"]);
    for model in ["a", "c"] {
        let made = respond(&app, "anna", model, json!(id)).await.json();
        let again = app.call(get(&format!("/v1/responses/{}", text(&made["id"])), "anna")).await.json();
        let last = app.call(get(&format!("/v1/conversations/{id}/items?limit=1"), "anna")).await.json();
        let names = [&again["conversation"]["id"], &last["data"][0]["id"]];
        assert_eq!(names, [&json!(id), &made["output"][0]["id"]], "whichever model names it: {model}");
    }
    let elsewhere = respond(&app, "anna", "b", json!(id)).await;
    assert_eq!(
        (elsewhere.status.as_u16(), elsewhere.code().as_str()),
        (400, "invalid_request"),
        "{}",
        elsewhere.text()
    );
    // A tenant whose models are served in one place need not say where, and where only chats are served there are none.
    let hers = begun(&app, "berta", json!({})).await;
    assert_eq!(second.requests().last().map(|seen| seen.path.clone()), Some("/v1/conversations".to_owned()));
    assert_eq!(app.call(get(&format!("/v1/conversations/{hers}"), "berta")).await.status, 200);
    let none = app.call(post("/v1/conversations", "carla", "{}")).await;
    assert_eq!((none.status.as_u16(), none.code().as_str()), (400, "invalid_request"), "{}", none.text());
    // Items may be of objects, and lie where those do.
    let made = respond(&app, "anna", "a", Value::Null).await.json();
    let refers = json!({ "items": [{ "type": "item_reference", "id": made["output"][0]["id"] }] });
    let goes_on = begun(&app, "anna", refers).await;
    assert_eq!(respond(&app, "anna", "a", json!(goes_on)).await.status, 200);
}
