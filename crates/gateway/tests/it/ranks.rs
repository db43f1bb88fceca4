//! Documents in the order of a query, as OpenAI's copies have it: held by pairs, charged by tokens or by units of search.

use base::Money;
use serde_json::{Value, json};
use store::Ending;
use testkit::{Fault, Options, SimulatedProvider, UsageShape};

use crate::app::{TestApp, chat_model, tenant, upstream};
use crate::client::{Reply, post};

/// Models that are priced by tokens, by units of search, and by tokens although their provider bills units; and a chat.
async fn app() -> TestApp {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let model = |id: &str, upstream_model: &str, price: Value| {
        json!({
            "id": id, "kind": "rerank", "context_window": 8_192, "max_output_tokens": 0,
            "route": [{ "upstream": "sim", "model": upstream_model }], "price": price,
        })
    };
    let models = [
        model("by-token", "bge-reranker-v2-m3", json!({ "input": "0.05" })),
        model("by-unit", "rerank-v3.5", json!({ "input": "0", "web_search": "0.002" })),
        model("unpriced", "rerank-v3.5", json!({ "input": "0.05" })),
        chat_model("chat", "gpt-4.1"),
    ];
    let upstreams = [upstream(&provider.base_url())];
    let resources = json!({ "upstream": upstreams, "model": models, "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, Default::default(), resources).await
}

fn body(model: &str, documents: usize) -> Value {
    json!({ "model": model, "query": "What is a panda?", "documents": vec!["it is a bear"; documents], "top_n": 2 })
}

async fn rank(app: &TestApp, model: &str, documents: usize) -> Reply {
    app.call(post("/v1/rerank", "acme", body(model, documents).to_string())).await
}

#[tokio::test]
async fn documents_in_order_are_charged_by_the_tokens_of_each_pair() {
    let app = app().await;
    let reply = rank(&app, "by-token", 30).await;
    assert_eq!((reply.status.as_u16(), reply.json()["results"].as_array().map(Vec::len)), (200, Some(2)));
    let record = app.records("acme").await.remove(0);
    let told = reply.json()["usage"]["total_tokens"].as_u64().expect("told");
    assert_eq!((record.ending, record.usage.input, record.usage.output), (Ending::Complete, told, 0));
    assert_eq!(record.charged, Money::from_nanos(told as i64 * 50));
    // The query is billed with each of the thirty documents, and held so.
    assert!(record.held >= record.charged && record.variance == Money::ZERO);
    let bytes = body("by-token", 30).to_string().len() as i64 + 30 * "\"What is a panda?\"".len() as i64;
    assert!(record.held >= Money::from_nanos(bytes * 50), "{}", record.held);
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!((seen.path.as_str(), seen.body), ("/v1/rerank", body("bge-reranker-v2-m3", 30).to_string().into()));
}

#[tokio::test]
async fn units_of_search_are_charged_where_they_have_a_price() {
    let app = app().await;
    let reply = rank(&app, "by-unit", 150).await;
    assert_eq!((reply.status.as_u16(), reply.header("mandant-cost-usd")), (200, "0.004"));
    assert_eq!(reply.json()["meta"]["billed_units"]["search_units"], 2);
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.usage.web_searches, record.usage.input), (2, 0));
    assert!(record.held >= record.charged && record.variance == Money::ZERO);
    // Nobody knows before the answer that this provider bills what has no price: the texts are counted.
    assert_eq!(rank(&app, "unpriced", 150).await.status, 200);
    let records = app.records("acme").await;
    let record = records.iter().find(|record| record.model.as_str() == "unpriced").expect("a record");
    assert_eq!((record.ending, record.usage.web_searches), (Ending::Cut, 0));
    assert!(record.usage.input > 600 && record.charged == Money::from_nanos(record.usage.input as i64 * 50));
}

#[tokio::test]
async fn a_reranking_that_tells_no_usage_is_charged_by_its_texts() {
    let app = app().await;
    app.provider.script([Fault::Usage(UsageShape::Missing)]);
    assert_eq!(rank(&app, "by-token", 30).await.status, 200);
    let record = app.records("acme").await.remove(0);
    assert_eq!(record.ending, Ending::Cut);
    assert!(record.usage.input > 100 && record.charged > Money::ZERO && record.charged <= record.held);
}

#[tokio::test]
async fn only_a_reranker_puts_documents_in_order() {
    let app = app().await;
    let reply = rank(&app, "chat", 1).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "invalid_request"), "{}", reply.text());
    let chat = json!({ "model": "by-token", "messages": [] });
    assert_eq!(app.call(post("/v1/chat/completions", "acme", chat.to_string())).await.status, 400);
    let cohere = app.call(post("/v2/rerank", "acme", body("by-token", 1).to_string())).await;
    assert_eq!(cohere.status, 400, "it is another dialect: {}", cohere.text());
    let refused = rank(&app, "by-token", 0).await;
    assert_eq!(refused.status, 400, "the provider's own refusal: {}", refused.text());
    assert_eq!(app.spent("acme"), Money::ZERO);
}
