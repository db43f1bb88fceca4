//! How upstreams are shown who pays: signatures, tokens of service accounts and applications, keys in the query.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::{Fault, Options, SimulatedProvider};

use crate::app::{TestApp, chat_model, tenant};
use crate::client::{Client, chat, post};
use crate::token_endpoint::{Given, TokenEndpoint};

const SECRET: &str = "canary~secret-0123456789";

/// A relay whose upstream "sim" has these members beside its address.
async fn app(members: Value) -> TestApp {
    app_with(members, Vec::new()).await
}

async fn app_with(members: Value, others: Vec<Value>) -> TestApp {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let mut upstream = json!({ "id": "sim", "dialect": "openai", "base_url": provider.base_url() });
    for (name, value) in members.as_object().expect("members") {
        upstream[name] = value.clone();
    }
    let mut model = chat_model("chat", "gpt-4.1");
    for other in &others {
        model["route"].as_array_mut().expect("a route").push(json!({
            "upstream": other["id"], "model": "gpt-4.1", "tier": 2,
        }));
    }
    let mut upstreams = vec![upstream];
    upstreams.extend(others.into_iter().map(|mut other| {
        other["base_url"] = json!(provider.base_url());
        other
    }));
    let resources = json!({ "upstream": upstreams, "model": [model], "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, Default::default(), resources).await
}

fn ask() -> http::Request<http_body_util::Full<bytes::Bytes>> {
    post("/v1/chat/completions", "acme", chat("chat", json!({})))
}

/// What Google gives out for a service account.
pub(crate) fn service_account() -> String {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = key.as_der().expect("its form");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    json!({
        "type": "service_account", "client_email": "relay@example.iam.gserviceaccount.com", "private_key": pem,
        "private_key_id": "k1", "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

async fn app_of_service_account(endpoint: &TokenEndpoint) -> TestApp {
    app(json!({
        "auth": "google-service-account", "api_keys": [service_account()], "token": { "url": endpoint.url() },
    }))
    .await
}

fn shown(app: &TestApp) -> Vec<String> {
    let seen = app.provider.requests();
    seen.iter().map(|request| request.headers["authorization"].to_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn a_crowd_waits_for_one_token_of_a_service_account() {
    let slow = Given { after: Duration::from_millis(300), ..Given::token("token-canary-1", 3_600) };
    let endpoint = TokenEndpoint::start(vec![slow]).await;
    let app = app_of_service_account(&endpoint).await;
    let address = app.relay.address();
    let crowd: Vec<_> = (0..20)
        .map(|_| tokio::spawn(async move { Client::connect(address).await.call(ask()).await.status.as_u16() }))
        .collect();
    for one in crowd {
        assert_eq!(one.await.expect("it ends"), 200);
    }
    assert_eq!(shown(&app), vec!["Bearer token-canary-1"; 20]);
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 1, "one renewal at a time");
    let claim = asked[0].strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=");
    let claims = claim.expect("a claim").split('.').nth(1).expect("its middle");
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
    assert_eq!(claims["iss"], "relay@example.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_nobody_calls() {
    let endpoint =
        TokenEndpoint::start(vec![Given::token("token-canary-1", 4), Given::token("token-canary-2", 3_600)]).await;
    let app = app_of_service_account(&endpoint).await;
    assert_eq!(app.call(ask()).await.status, 200);
    let began = tokio::time::Instant::now();
    while endpoint.asked().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "it was never renewed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Before its end, which is 4 s after it was got; not at once either.
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(app.call(ask()).await.status, 200);
    assert_eq!(shown(&app), ["Bearer token-canary-1", "Bearer token-canary-2"]);
    assert_eq!(endpoint.asked().len(), 2);
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_renewed_early_and_once() {
    let slow = Given { after: Duration::from_millis(200), ..Given::token("token-canary-2", 3_600) };
    let endpoint = TokenEndpoint::start(vec![Given::token("token-canary-1", 3_600), slow]).await;
    let app = app_of_service_account(&endpoint).await;
    app.provider.script([Fault::Nothing, Fault::status(401)]);
    assert_eq!(app.call(ask()).await.status, 200);
    let refused = app.call(ask()).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    // It waits for the token that comes.
    assert_eq!(app.call(ask()).await.status, 200);
    assert_eq!(shown(&app), ["Bearer token-canary-1", "Bearer token-canary-1", "Bearer token-canary-2"]);
    assert_eq!(endpoint.asked().len(), 2);
    // One that is new is not the reason: nobody asks for a third.
    app.provider.script([Fault::status(401), Fault::status(401)]);
    for _ in 0..2 {
        app.call(ask()).await;
    }
    assert_eq!(app.call(ask()).await.status, 200);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((endpoint.asked().len(), shown(&app).pop().as_deref()), (2, Some("Bearer token-canary-2")));
    app.settled().await;
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_shown_again_where_no_other_comes() {
    let endpoint = TokenEndpoint::start(vec![Given::token("token-canary-1", 3_600), Given::error(500, "{}")]).await;
    let app = app_of_service_account(&endpoint).await;
    app.provider.script([Fault::status(401)]);
    app.call(ask()).await;
    assert_eq!(app.call(ask()).await.status, 200);
    assert_eq!(shown(&app), vec!["Bearer token-canary-1"; 2]);
    assert_eq!(endpoint.asked().len(), 2);
    app.settled().await;
}

#[tokio::test]
async fn without_a_token_nothing_leaves_or_is_charged_and_the_endpoint_is_not_stormed() {
    let denied = Given::error(400, r#"{"error":"invalid_grant","error_description":"canary"}"#);
    let endpoint = TokenEndpoint::start(vec![denied, Given::token("token-canary-3", 3_600)]).await;
    let app = app_of_service_account(&endpoint).await;
    for _ in 0..5 {
        let reply = app.call(ask()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (502, "upstream_error"), "{}", reply.text());
        assert!(!reply.text().contains("canary"), "{}", reply.text());
    }
    assert_eq!(endpoint.asked().len(), 1, "after a failure there is a pause");
    assert!(app.provider.requests().is_empty(), "nothing left");
    assert_eq!(app.spent("acme"), base::Money::ZERO);
    let began = tokio::time::Instant::now();
    while app.call(ask()).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(20), "it never recovered");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((endpoint.asked().len(), shown(&app).pop().as_deref()), (2, Some("Bearer token-canary-3")));
    app.settled().await;
}

#[tokio::test]
async fn tokens_that_are_none_count_as_failures_and_another_target_answers() {
    for bad in [
        r#"{"access_token":"token-canary","expires_in":0}"#,
        r#"{"access_token":"token\u000acanary","expires_in":60}"#,
        r#"{"access_token":"token-canary"}"#,
        "<html>canary</html>",
    ] {
        let endpoint =
            TokenEndpoint::start(vec![Given { status: 200, body: bad.to_owned(), after: Duration::ZERO }]).await;
        let other = json!({ "id": "other", "dialect": "openai", "api_keys": [SECRET] });
        let members = json!({
            "auth": "google-service-account", "api_keys": [service_account()], "token": { "url": endpoint.url() },
        });
        let app = app_with(members, vec![other]).await;
        assert_eq!(app.call(ask()).await.status, 200, "{bad}");
        assert_eq!(shown(&app), [format!("Bearer {SECRET}")], "{bad}");
    }
}

#[tokio::test]
async fn an_application_of_azure_gets_its_token_with_its_secret() {
    let text = Given { body: r#"{"access_token":"token-canary-4","expires_in":"3599"}"#.into(), ..Given::token("", 1) };
    let endpoint = TokenEndpoint::start(vec![text]).await;
    let token = json!({ "url": endpoint.url(), "client_id": "app-1" });
    let app = app(json!({ "auth": "azure-entra", "api_keys": [SECRET], "token": token })).await;
    assert_eq!(app.call(ask()).await.status, 200);
    assert_eq!(shown(&app), ["Bearer token-canary-4"]);
    assert_eq!(
        endpoint.asked(),
        [format!(
            "grant_type=client_credentials&client_id=app-1&client_secret={SECRET}\
             &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
        )]
    );
    let exported = serde_json::to_string(&app.store.export().expect("exported")).expect("JSON");
    assert!(!exported.contains("canary") && exported.contains("sealed:"), "{exported}");
}

#[tokio::test]
async fn keys_in_the_query_and_fixed_headers_are_sent() {
    let headers = json!(["x-title: Our relay", "user-agent: mandant"]);
    let app = app(json!({ "auth": "query-key", "api_keys": [SECRET], "headers": headers })).await;
    // The simulated provider looks for a key in headers alone, and refuses: what it got is what counts.
    let mut request = ask();
    request.headers_mut().insert("user-agent", "the client's".parse().expect("text"));
    app.call(request).await;
    let seen = app.provider.requests().pop().expect("the provider was asked");
    assert_eq!(seen.path, format!("/v1/chat/completions?key={SECRET}"));
    assert!(!seen.headers.contains_key("authorization"));
    assert_eq!(seen.headers["x-title"], "Our relay");
    // What the operator says stands once, whatever the client says.
    assert_eq!(seen.headers.get_all("user-agent").iter().collect::<Vec<_>>(), ["mandant"]);
    assert_eq!(seen.headers.get_all("host").iter().count(), 1);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_request_is_signed_as_it_is_sent() {
    let region = json!("eu-central-1");
    let key = format!("AKIDEXAMPLE:{SECRET}:session-canary");
    let app = app(json!({ "auth": "sigv4", "api_keys": [key], "region": region })).await;
    // The simulated provider looks for a key in headers alone, and refuses: what it got is what counts.
    app.call(ask()).await;
    let seen = app.provider.requests().pop().expect("the provider was asked");
    let header = |name: &str| seen.headers[name].to_str().expect("text").to_owned();
    // Worked out here once more, from what arrived.
    let time = header("x-amz-date");
    let names = "content-type;host;x-amz-date;x-amz-security-token";
    let canonical = format!(
        "POST\n/v1/chat/completions\n\ncontent-type:{}\nhost:{}\nx-amz-date:{time}\nx-amz-security-token:session-canary\n\n{names}\n{}",
        header("content-type"),
        header("host"),
        hex(digest(&SHA256, &seen.body).as_ref()),
    );
    let scope = format!("{}/eu-central-1/bedrock/aws4_request", &time[..8]);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
    let keyed =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = keyed(&key, part);
    }
    let signature = hex(&keyed(&key, &text));
    assert_eq!(
        header("authorization"),
        format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}")
    );
    assert!(!format!("{:?}", seen.headers).contains(SECRET));
}
