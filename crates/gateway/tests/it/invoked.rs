//! Models of other makers than Anthropic that Bedrock invokes: each in its maker's form, passed byte for byte, metered by its
//! body, else by the headers, else by counting.

use base::Money;
use bytes::Bytes;
use serde_json::{Value, json};
use store::Ending;
use testkit::Exchange;

use crate::app::{TestApp, tenant};
use crate::client::post;
use crate::native::{exchange, frame, replaying};

const FRAMES: &str = "application/vnd.amazon.eventstream";
const TITAN: &str = "us.amazon.titan-text-express-v1";
const JURASSIC: &str = "ai21.j2-mid-v1";
const LLAMA: &str = "meta.llama3-8b-instruct-v1:0";
const VECTORS: &str = "amazon.titan-embed-text-v2:0";

/// One answer of the model that its provider calls `model`.
fn invoked(model: &str, action: &str, body: Value, headers: &[(&'static str, &str)], answer: Bytes) -> Exchange {
    let path = format!("/v1/model/{}/{action}", model.replace(':', "%3A"));
    let mut exchange = exchange(&path, body, "application/json", answer);
    for (name, value) in headers {
        exchange.response_headers.insert(*name, value.parse().unwrap());
    }
    exchange
}

/// Models "titan", "jurassic", "llama", "vectors" and "pictures", which are Amazon's by other names.
async fn app(exchanges: Vec<Exchange>, tenants: Vec<Value>) -> TestApp {
    let provider = replaying(exchanges).await;
    let model = |id: &str, target: &str| {
        json!({
            "id": id, "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
            "route": [{ "upstream": "bedrock", "model": target }], "price": { "input": "1.00", "output": "2.00" },
        })
    };
    let vectors = json!({
        "id": "vectors", "kind": "embedding", "context_window": 8_000, "max_output_tokens": 0,
        "route": [{ "upstream": "bedrock", "model": VECTORS }], "price": { "input": "1.00" },
    });
    let resources = json!({
        "upstream": [{
            "id": "bedrock", "dialect": "bedrock", "base_url": provider.base_url(), "api_keys": ["sk-upstream-canary-0123"],
        }],
        "model": [
            model("titan", TITAN), model("jurassic", JURASSIC), model("llama", LLAMA), vectors,
            model("pictures", "stability.sd3-5-large-v1:0"),
        ],
        "tenant": tenants,
    });
    TestApp::over(provider, Default::default(), resources).await
}

fn acme() -> Vec<Value> {
    vec![tenant("acme", json!({}))]
}

fn titan(limit: u64) -> Value {
    json!({ "inputText": "Say something kind.", "textGenerationConfig": { "maxTokenCount": limit } })
}

fn chunk(event: &Value) -> Vec<u8> {
    use base64::Engine;
    let inner = base64::engine::general_purpose::STANDARD.encode(event.to_string());
    frame("chunk", &json!({ "bytes": inner, "p": "abcd" }).to_string())
}

/// What was metered of the only call: ending, input, output, charge in nano-USD.
async fn metered(app: &TestApp) -> (Ending, u64, u64, Money) {
    let mut records = app.records("acme").await;
    assert_eq!(records.len(), 1);
    let record = records.remove(0);
    (record.ending, record.usage.input, record.usage.output, record.charged)
}

#[tokio::test]
async fn an_invoked_model_of_another_maker_passes_byte_for_byte_and_is_metered_by_its_body() {
    let answer =
        r#"{"inputTextTokenCount":5,"results":[{"tokenCount":7,"outputText":"Hello","completionReason":"FINISH"}]}"#;
    let app = app(vec![invoked(TITAN, "invoke", titan(50), &[], Bytes::from(answer))], acme()).await;
    let body = titan(50).to_string();
    let reply = app.call(post("/model/titan/invoke", "acme", body.clone())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
    assert_eq!(app.provider.requests().pop().expect("the provider was asked").body, body);
    assert_eq!(metered(&app).await, (Ending::Complete, 5, 7, Money::from_nanos(5_000 + 14_000)));
}

#[tokio::test]
async fn what_a_body_does_not_tell_is_metered_by_the_headers_which_the_client_gets_too() {
    let body = json!({ "prompt": "Hi", "maxTokens": 20, "numResults": 2 });
    let answer = r#"{"id":1,"completions":[{"data":{"text":"Hello"}},{"data":{"text":"Hi"}}]}"#;
    let headers = [("x-amzn-bedrock-input-token-count", "26"), ("x-amzn-bedrock-output-token-count", "30")];
    let app = app(vec![invoked(JURASSIC, "invoke", body.clone(), &headers, Bytes::from(answer))], acme()).await;
    let reply = app.call(post("/model/jurassic/invoke", "acme", body.to_string())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
    assert_eq!(reply.headers["x-amzn-bedrock-output-token-count"], "30");
    assert_eq!(metered(&app).await, (Ending::Complete, 26, 30, Money::from_nanos(26_000 + 60_000)));
}

#[tokio::test]
async fn an_answer_that_tells_its_tokens_nowhere_is_counted_and_counts_that_are_none_keep_the_hold() {
    let body = json!({ "prompt": "Say something kind.", "maxTokens": 20 });
    let answer = r#"{"id":1,"completions":[{"data":{"text":"Hello to all of you"}}]}"#;
    let one = invoked(JURASSIC, "invoke", body.clone(), &[], Bytes::from(answer));
    let counted = app(vec![one], acme()).await;
    counted.call(post("/model/jurassic/invoke", "acme", body.to_string())).await;
    let (ending, input, output, _) = metered(&counted).await;
    assert!(ending == Ending::Cut && input >= 4 && output >= 5, "{ending:?} {input} {output}");

    let headers = [("x-amzn-bedrock-input-token-count", "-26"), ("x-amzn-bedrock-output-token-count", "30")];
    let one = invoked(JURASSIC, "invoke", body.clone(), &headers, Bytes::from(answer));
    let held = app(vec![one], acme()).await;
    held.call(post("/model/jurassic/invoke", "acme", body.to_string())).await;
    let record = held.written("acme").remove(0);
    assert_eq!((record.ending, record.charged), (Ending::Unknown, Money::ZERO));
}

#[tokio::test]
async fn an_invoked_stream_of_another_maker_is_metered_by_its_last_event() {
    let body = json!({ "prompt": "Hi", "max_gen_len": 60 });
    let events = [
        json!({ "generation": "He", "prompt_token_count": 10, "generation_token_count": 1, "stop_reason": null }),
        json!({ "generation": "llo", "prompt_token_count": null, "generation_token_count": 2, "stop_reason": "stop",
            "amazon-bedrock-invocationMetrics": { "inputTokenCount": 10, "outputTokenCount": 3 } }),
    ];
    let stream: Vec<u8> = events.iter().flat_map(chunk).collect();
    let headers = [("content-type", FRAMES), ("x-amzn-bedrock-content-type", "application/json")];
    let action = "invoke-with-response-stream";
    let whole = app(vec![invoked(LLAMA, action, body.clone(), &headers, stream.clone().into())], acme()).await;
    let reply = whole.call(post(&format!("/model/llama/{action}"), "acme", body.to_string())).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &stream[..]));
    assert_eq!(reply.headers["x-amzn-bedrock-content-type"], "application/json");
    assert_eq!(metered(&whole).await, (Ending::Complete, 10, 3, Money::from_nanos(10_000 + 6_000)));

    let begun = chunk(&events[0]);
    let cut = app(vec![invoked(LLAMA, action, body.clone(), &headers, begun.clone().into())], acme()).await;
    let reply = cut.call(post(&format!("/model/llama/{action}"), "acme", body.to_string())).await;
    assert!(reply.body.starts_with(&begun) && reply.text().contains("modelStreamErrorException"));
    assert_eq!(metered(&cut).await, (Ending::Cut, 10, 1, Money::from_nanos(10_000 + 2_000)));
}

#[tokio::test]
async fn vectors_of_an_invoked_model_cost_their_input() {
    let body = json!({ "inputText": "Hi", "dimensions": 256, "normalize": true });
    let answer = r#"{"embedding":[0.5,-0.25],"inputTextTokenCount":2}"#;
    let app = app(vec![invoked(VECTORS, "invoke", body.clone(), &[], Bytes::from(answer))], acme()).await;
    let reply = app.call(post("/model/vectors/invoke", "acme", body.to_string())).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
    assert_eq!(metered(&app).await, (Ending::Complete, 2, 0, Money::from_nanos(2_000)));
}

#[tokio::test]
async fn an_accounts_limit_goes_out_as_the_maker_calls_it() {
    let asked = json!({ "inputText": "Hi" });
    let sent = json!({ "textGenerationConfig": { "maxTokenCount": 9 }, "inputText": "Hi" });
    let answer = r#"{"inputTextTokenCount":1,"results":[{"tokenCount":2,"outputText":"Hello"}]}"#;
    let tenants = vec![tenant("acme", json!({ "defaults": { "max_tokens": 9 } }))];
    let app = app(vec![invoked(TITAN, "invoke", sent.clone(), &[], Bytes::from(answer))], tenants).await;
    let reply = app.call(post("/model/titan/invoke", "acme", asked.to_string())).await;
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!(serde_json::from_slice::<Value>(&seen.body).unwrap(), sent);
}

#[tokio::test]
async fn what_has_no_price_is_refused_by_name_before_anything_leaves() {
    let app = app(Vec::new(), acme()).await;
    for (path, body, word) in [
        ("pictures", json!({ "prompt": "A hat" }), "no price"),
        ("vectors", json!({ "inputImage": "QUJD" }), "inputImage"),
        ("titan", json!({ "inputText": "Hi", "amazon-bedrock-guardrailConfig": { "tagSuffix": "x" } }), "guardrail"),
        ("titan", json!({ "inputText": "Hi", "textGenerationConfig": { "max_token_count": 9 } }), "maxTokenCount"),
    ] {
        let reply = app.call(post(&format!("/model/{path}/invoke"), "acme", body.to_string())).await;
        let error = reply.json();
        assert_eq!(reply.status.as_u16(), 400, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    assert!(app.provider.requests().is_empty(), "nothing left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invoked_model_is_explained_in_its_makers_form_as_it_is_called() {
    let app = app(Vec::new(), vec![tenant("acme", json!({}))]).await;
    let body = json!({ "inputText": "Hello", "textGenerationConfig": { "maxTokenCount": 50 } });
    let asked = post("/v1/explain?endpoint=/model/titan/invoke", "acme", body.to_string());
    let said = app.call(asked).await.json();
    assert_eq!(
        (&said["would_be_forwarded"], &said["worst_case"]["output_tokens"]),
        (&json!(true), &json!(51)),
        "{said:#}"
    );
}
