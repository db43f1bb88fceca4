//! Upstreams that repeat what they were shown: of no kind of credential does a client see anything.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{TestApp, chat_model, tenant};
use crate::client::{Client, chat, post};
use crate::token_endpoint::{Given, TokenEndpoint};
use crate::upstream_auth::service_account;

const SECRET: &str = "canary~secret-0123456789";

/// Refuses every request, and repeats its whole head. One whose body says "slowly" is refused late, and with another status.
async fn start_echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    address
}

async fn echo(mut stream: TcpStream) {
    let mut request = Vec::new();
    let text = loop {
        let mut piece = [0; 4_096];
        let read = stream.read(&mut piece).await.unwrap_or(0);
        request.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        // The bodies here end with a brace.
        if read == 0 || text.ends_with('}') {
            break text;
        }
    };
    let is_slow = text.contains("slowly");
    if is_slow {
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let status = if is_slow { "400 Bad Request" } else { "401 Unauthorized" };
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let body =
        json!({ "error": { "message": format!("What is this? {head}"), "type": "invalid_request_error" } }).to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    // Whoever does not read it does not want it.
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn app(members: &Value) -> TestApp {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let mut upstream =
        json!({ "id": "sim", "dialect": "openai", "base_url": format!("http://{}/v1", start_echo().await) });
    for (name, value) in members.as_object().expect("members") {
        upstream[name] = value.clone();
    }
    let resources = json!({
        "upstream": [upstream], "model": [chat_model("chat", "gpt-4.1")], "tenant": [tenant("acme", json!({}))],
    });
    TestApp::over(provider, Default::default(), resources).await
}

fn ask(how: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    post("/v1/chat/completions", "acme", chat("chat", json!({ "user": how })))
}

#[tokio::test]
async fn of_no_kind_of_credential_does_a_client_see_an_echo() {
    let endpoint = TokenEndpoint::start(vec![Given::token("token-canary-1", 3_600)]).await;
    for (members, shown) in [
        (json!({ "api_keys": [SECRET] }), "authorization: Bearer [redacted]"),
        (json!({ "auth": "api-key", "api_keys": [SECRET] }), "api-key: [redacted]"),
        (json!({ "auth": "query-key", "api_keys": ["canary&secret/0123456789"] }), "?key=[redacted]"),
        (
            json!({ "auth": "sigv4", "api_keys": ["AKIDEXAMPLE:canary/secret:session-canary"], "region": "eu-central-1" }),
            "x-amz-security-token: [redacted]",
        ),
        (
            json!({
                "auth": "google-service-account", "api_keys": [service_account()], "token": { "url": endpoint.url() },
            }),
            "authorization: Bearer [redacted]",
        ),
    ] {
        let app = app(&members).await;
        let reply = app.call(ask("slowly")).await;
        let text = reply.text();
        assert_eq!(reply.status, 400, "{text}");
        assert!(text.contains(shown), "{text}");
        assert!(!text.contains("canary") && !text.contains("secret"), "{text}");
        app.settled().await;
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_meanwhile_is_hidden_too() {
    let tokens = vec![Given::token("token-canary-1", 3_600), Given::token("token-of-later-2", 3_600)];
    let endpoint = TokenEndpoint::start(tokens).await;
    let members = json!({
        "auth": "google-service-account", "api_keys": [service_account()], "token": { "url": endpoint.url() },
    });
    let app = app(&members).await;
    let address = app.relay.address();
    let slow = tokio::spawn(async move { Client::connect(address).await.call(ask("slowly")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Another call is told at once that the token is not taken: there is a new one when the first answer comes.
    assert_eq!(app.call(ask("now")).await.status, 401);
    let reply = slow.await.expect("it ends");
    assert_eq!(endpoint.asked().len(), 2);
    assert!(reply.text().contains("authorization: Bearer [redacted]"), "{}", reply.text());
    assert!(!reply.text().contains("canary"), "{}", reply.text());
}
