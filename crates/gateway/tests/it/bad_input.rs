//! What is malformed or could be read in two ways is refused in the dialect; nothing is forwarded, nothing charged.

use base::Money;
use serde_json::json;

use crate::app::{TestApp, tenant};
use crate::client::post;

fn with(field: &str) -> String {
    format!("{{\"model\":\"chat\",\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],{field}}}")
}

#[tokio::test]
async fn ambiguous_and_malformed_bodies_are_refused_and_cost_nothing() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let deep = format!("{{\"model\":\"chat\",\"messages\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    let cases: Vec<(String, &str)> = vec![
        (with("\"model\":\"text\""), "ambiguous_request"),
        (with("\"Model\":\"text\""), "ambiguous_request"),
        (with("\"m\\u006fdel\":\"text\""), "ambiguous_request"),
        (with("\"max_tokens\":1,\"max_tokens\":100000"), "ambiguous_request"),
        (with("\"max_tokens\":1,\"MAX_TOKENS\":100000"), "ambiguous_request"),
        (with("\"stream\":false,\"Stream\":true"), "ambiguous_request"),
        (with("\"n\":1,\"n\":8"), "ambiguous_request"),
        (with("\"max_tokens\":-1"), "invalid_request"),
        (with("\"max_tokens\":1.5"), "invalid_request"),
        (with("\"max_tokens\":\"100\""), "invalid_request"),
        (with("\"max_tokens\":1e309"), "invalid_request"),
        (with("\"max_tokens\":9223372036854775808"), "invalid_request"),
        (with("\"n\":0"), "invalid_request"),
        (with("\"n\":true"), "invalid_request"),
        (with("\"stream\":\"yes\""), "invalid_request"),
        (with("\"x\":NaN"), "invalid_request"),
        (with("\"x\":\"\\ud800\""), "invalid_request"),
        (deep, "invalid_request"),
        (String::new(), "invalid_request"),
        ("[]".into(), "invalid_request"),
        ("{\"model\":\"chat\",\"messages\":[]".into(), "invalid_request"),
        ("{\"messages\":[]}".into(), "invalid_request"),
        ("{\"model\":7,\"messages\":[]}".into(), "invalid_request"),
    ];
    for (body, code) in cases {
        let reply = app.call(post("/v1/chat/completions", "acme", body.clone())).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, code.to_owned()), "{body}: {}", reply.text());
        assert!(reply.json()["error"]["message"].as_str().is_some_and(|text| text.len() > 10), "{body}");
    }
    let invalid_utf8 = b"{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}".to_vec();
    assert_eq!(app.call(post("/v1/chat/completions", "acme", invalid_utf8)).await.code(), "invalid_request");
    assert!(app.provider.requests().is_empty(), "nothing was forwarded");
    assert_eq!(app.spent("acme"), Money::ZERO);
    assert_eq!(app.relay.open_holds(), 0);
}

#[tokio::test]
async fn too_large_is_413_whether_announced_or_not() {
    let settings = mandant_gateway::Settings { body_bytes_max: 1_000, ..Default::default() };
    let app = TestApp::with(Default::default(), settings, crate::app::models(), vec![tenant("acme", json!({}))]).await;
    let body = with(&format!("\"user\":\"{}\"", "x".repeat(1_000)));
    let reply = app.call(post("/v1/chat/completions", "acme", body)).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (413, "request_too_large".into()));
    assert!(app.provider.requests().is_empty());
}

#[tokio::test]
async fn a_wrong_content_type_or_encoding_is_refused() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
    ] {
        let mut request = post("/v1/chat/completions", "acme", with("\"max_tokens\":1"));
        request.headers_mut().insert(http::HeaderName::from_static(name), value.parse().unwrap());
        let reply = app.call(request).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "invalid_request".into()), "{name}: {value}");
    }
    assert!(app.provider.requests().is_empty());
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    for path in [
        "/",
        "/v1",
        "/v1/chat",
        "/v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/./models",
        "/v1/%2e%2e/models",
        "/v1/containers",
    ] {
        let reply = app.call(post(path, "acme", with("\"max_tokens\":1"))).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (404, "route_not_found".into()), "{path}");
    }
    let reply = app.call(crate::client::get("/v1/chat/completions", "acme")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code(), reply.header("allow")),
        (405, "method_not_allowed".into(), "POST")
    );
    assert!(app.provider.requests().is_empty());
}

#[tokio::test]
async fn a_websocket_where_there_is_none_is_refused_so_that_its_client_falls_back() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let opening = |path: &str, upgrade: &'static str| {
        let mut request = crate::client::get(path, "acme");
        request.headers_mut().insert("connection", "keep-alive, Upgrade".parse().expect("a value"));
        request.headers_mut().insert("upgrade", upgrade.parse().expect("a value"));
        request
    };
    let reply = app.call(opening("/v1/responses", "websocket")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code(), reply.header("upgrade")),
        (426, "no_websocket".into(), "HTTP/1.1")
    );
    for (path, upgrade, status) in
        [("/v1/responses", "h2c", 405), ("/v1/nothing", "websocket", 404), ("/v1/models", "websocket", 200)]
    {
        assert_eq!(app.call(opening(path, upgrade)).await.status.as_u16(), status, "{path} {upgrade}");
    }
}

#[tokio::test]
async fn files_of_anthropics_clients_reach_no_upstream() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let mut request = post("/v1/files", "acme", "--x\r\n");
    request.headers_mut().insert("anthropic-version", "2023-06-01".parse().expect("a value"));
    let reply = app.call(request).await;
    assert_eq!((reply.status.as_u16(), reply.json()["type"].as_str()), (404, Some("error")), "{}", reply.text());
    assert_eq!(reply.json()["error"]["type"], "not_found_error");
    assert!(app.provider.requests().is_empty());
}
