//! Pages in browsers: which may call, and what they may read of answers.

use http::Request;
use http_body_util::Full;
use serde_json::json;
use testkit::Options;

use crate::app::{TestApp, models, tenant};
use crate::client::{Reply, chat, get, post};

const PAGE: &str = "https://app.example";

async fn app(origins: &[&str]) -> TestApp {
    let cors_origins = origins.iter().map(|&origin| origin.to_owned()).collect();
    let settings = mandant_gateway::Settings { cors_origins, ..Default::default() };
    TestApp::with(Options::default(), settings, models(), vec![tenant("acme", json!({}))]).await
}

async fn from_page(app: &TestApp, origin: &str, mut request: Request<Full<bytes::Bytes>>) -> Reply {
    request.headers_mut().insert("origin", origin.parse().expect("a value"));
    app.call(request).await
}

fn preflight() -> Request<Full<bytes::Bytes>> {
    Request::options("/v1/chat/completions")
        .header("host", "relay")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-stainless-lang")
        .body(Full::default())
        .expect("a request")
}

#[tokio::test]
async fn a_page_of_a_named_origin_is_let_in_without_a_key_and_reads_every_answer() {
    let app = app(&[PAGE, "app://obsidian.md"]).await;
    let reply = from_page(&app, PAGE, preflight()).await;
    assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (204, PAGE));
    assert_eq!(reply.header("access-control-allow-methods"), "GET, POST, DELETE");
    assert_eq!(reply.header("access-control-allow-headers"), "authorization,content-type,x-stainless-lang");
    assert_eq!((reply.header("access-control-max-age"), reply.header("vary")), ("7200", "origin"));
    let mut unknown = post("/v1/chat/completions", "acme", chat("chat", json!({})));
    unknown.headers_mut().remove("authorization");
    for (request, status) in [
        (post("/v1/chat/completions", "acme", chat("chat", json!({}))), 200),
        (post("/v1/chat/completions", "acme", chat("chat", json!({ "stream": true }))), 200),
        (post("/v1/chat/completions", "acme", chat("none", json!({}))), 404),
        (get("/v1/models", "acme"), 200),
        (get("/v1/nothing", "acme"), 404),
        (unknown, 401),
    ] {
        let reply = from_page(&app, PAGE, request).await;
        assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (status, PAGE));
        assert_eq!((reply.header("access-control-expose-headers"), reply.header("vary")), ("*", "origin"));
        assert_eq!(reply.header("access-control-allow-credentials"), "");
    }
    assert_eq!(app.provider.requests().len(), 2, "a question of a browser goes nowhere");
}

#[tokio::test]
async fn other_pages_learn_nothing_and_by_default_every_page_is_another() {
    for (origins, vary) in [(&[PAGE][..], "origin"), (&[], "")] {
        let app = app(origins).await;
        for origin in ["https://evil.example", "https://app.example.evil.example", "https://app.exampl", "null"] {
            let reply = from_page(&app, origin, preflight()).await;
            assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (405, ""), "{origin}");
            let reply = from_page(&app, origin, get("/v1/models", "acme")).await;
            assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (200, ""), "{origin}");
            assert_eq!(reply.header("vary"), vary);
        }
    }
}

#[tokio::test]
async fn a_star_lets_every_page_in() {
    let app = app(&["*"]).await;
    let reply = from_page(&app, "https://any.example", preflight()).await;
    assert_eq!((reply.status.as_u16(), reply.header("access-control-allow-origin")), (204, "*"));
    let reply = from_page(&app, "null", get("/v1/models", "acme")).await;
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary")), ("*", ""));
}
