//! Nobody sees anybody else: over every route and every style of credential.

use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use wire::ROUTES;

use crate::app::{TestApp, secret, tenant};

/// The ways in which a client can present its key.
const STYLES: [&str; 5] = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "query"];

#[tokio::test]
async fn no_answer_to_one_tenant_ever_shows_another() {
    // With more decimals than a duration in a header has.
    let canaries = |own: &str, models: &[&str]| {
        let budget = if own == "anna" { "32.1987" } else { "76.5432" };
        tenant(
            own,
            json!({ "models": models, "name": format!("Company {own}"), "limits": { "rpm": 1_000 }, "budget": { "usd_per_month": budget } }),
        )
    };
    let app = TestApp::start(vec![canaries("anna", &["chat", "vector"]), canaries("berta", &["text", "vector"])]).await;
    for spec in ROUTES {
        for style in STYLES {
            let for_anna = ask(&app, spec.method, spec.pattern, style, "anna").await;
            let for_berta = ask(&app, spec.method, spec.pattern, style, "berta").await;
            let place = format!("{} {} {style}", spec.method, spec.pattern);
            for secret_of_berta in ["berta", "\"text\"", "76.5432"] {
                assert!(!for_anna.contains(secret_of_berta), "{place} shows {secret_of_berta} to anna:\n{for_anna}");
            }
            for secret_of_anna in ["anna", "\"chat\"", "32.1987"] {
                assert!(!for_berta.contains(secret_of_anna), "{place} shows {secret_of_anna} to berta:\n{for_berta}");
            }
        }
    }
}

/// Sends the same prompt whoever asks; returns status, headers and body of the answer as one text.
async fn ask(app: &TestApp, method: &str, pattern: &str, style: &str, tenant: &str) -> String {
    let own_model = if tenant == "anna" { "chat" } else { "text" };
    let path = pattern.replace('*', "mine").replace("{model}", "vector").replace("{id}", "resp_0123");
    let uri = if style == "query" { format!("{path}?key={}", secret(tenant)) } else { path.clone() };
    let body = match path.as_str() {
        "/v1/embeddings" => json!({ "model": "vector", "input": "the same text" }),
        "/v1/completions" => {
            json!({ "model": own_model, "prompt": "the same text", "max_tokens": 5 })
        }
        _ => {
            json!({ "model": own_model, "messages": [{ "role": "user", "content": "the same text" }], "max_tokens": 5 })
        }
    };
    let body = if method == "POST" { body.to_string() } else { String::new() };
    let mut request: Request<Full<bytes::Bytes>> = Request::new(Full::new(body.into()));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    *request.uri_mut() = uri.parse().unwrap();
    let headers = request.headers_mut();
    headers.insert("host", HeaderValue::from_static("relay"));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    match style {
        "query" => {}
        "authorization" => {
            headers.insert("authorization", format!("Bearer {}", secret(tenant)).parse().unwrap());
        }
        name => {
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), secret(tenant).parse().unwrap());
        }
    }
    let reply = app.call(request).await;
    // Words of Anthropic's dialect, and the name of a model here.
    let text = reply.text().replace("{\"type\":\"text\",\"text\":", "");
    format!("{} {:?} {text}", reply.status, reply.headers)
}

#[tokio::test]
async fn headers_and_fields_never_change_who_pays() {
    let app = TestApp::start(vec![tenant("anna", json!({})), tenant("berta", json!({}))]).await;
    let mut random = fastrand::Rng::with_seed(5);
    let names = [
        "x-tenant",
        "x-mandant-tenant",
        "tenant-id",
        "x-forwarded-user",
        "x-user-id",
        "openai-project",
        "x-project-id",
        "x-original-tenant-id",
    ];
    for _ in 0..30 {
        let more: Value = json!({ "user": "berta", "metadata": { "tenant_id": "berta" }, "max_tokens": 3 });
        let mut request = crate::client::post("/v1/chat/completions", "anna", crate::client::chat("chat", more));
        for _ in 0..3 {
            let name = names[random.usize(0..names.len())];
            request.headers_mut().insert(name, HeaderValue::from_static("berta"));
        }
        assert_eq!(app.call(request).await.status, 200);
    }
    assert_eq!((app.records("anna").await.len(), app.records("berta").await.len()), (30, 0));
}

#[tokio::test]
async fn a_failing_tenant_does_not_close_the_model_for_another() {
    let app = TestApp::start(vec![tenant("anna", json!({})), tenant("berta", json!({}))]).await;
    app.provider.script([testkit::Fault::status(400), testkit::Fault::status(400), testkit::Fault::status(400)]);
    for _ in 0..3 {
        assert_eq!(app.chat("anna", "chat", json!({})).await.status, 400);
    }
    assert_eq!(app.chat("berta", "chat", json!({})).await.status, 200);
}
