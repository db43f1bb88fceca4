//! `kill -9` under calls with an `Idempotency-Key`: whoever tries again gets the first answer, or is told that it is lost; no
//! call is made twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::books::billed;
use super::caller::secret;
use super::stand::{Stand, Tenant, traced};
use super::{is_long, number, tell};

/// How often the relay is killed.
fn kills() -> usize {
    number("MANDANT_KILLS").map_or(if is_long() { 200 } else { 6 }, |count| count as usize)
}

/// Keys of one round, all under way when the relay is killed or just ended.
const KEYS: usize = 24;

/// A whole answer.
#[derive(Debug, Clone)]
struct Answer {
    status: u16,
    code: String,
    is_replay: bool,
    body: Bytes,
}

/// The call of a key; `None` when the connection breaks.
async fn call(address: SocketAddr, key: String) -> Option<Answer> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let driver = tokio::spawn(connection);
    let place: usize = key.rsplit('.').next()?.parse().ok()?;
    let body = format!(
        r#"{{"model":"{}","max_tokens":20,"stream":{},"messages":[{{"role":"user","content":"Hello"}}]}}"#,
        ["quick", "dripping", "late"][place % 3],
        place.is_multiple_of(2)
    );
    let request = Request::post("/v1/chat/completions")
        .header("host", "relay")
        .header("authorization", format!("Bearer {}", secret("acme")))
        .header("content-type", "application/json")
        .header("user-agent", &key)
        .header("idempotency-key", &key)
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    driver.abort();
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    Some(Answer {
        status: head.status.as_u16(),
        code: error["error"]["code"].as_str().unwrap_or_default().to_owned(),
        is_replay: head.headers.contains_key("idempotent-replayed"),
        body,
    })
}

/// Tries again until the call is no longer under way.
async fn retried(address: SocketAddr, key: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = call(address, key.to_owned()).await.expect("the relay serves");
        if answer.code != "idempotency_in_flight" {
            return answer;
        }
        assert!(Instant::now() < deadline, "{key} is under way for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn no_key_is_charged_twice_whenever_the_relay_is_killed() {
    let models = [("quick", "gpt-4.1"), ("dripping", "sim-chunk-delay-15"), ("late", "sim-delay-150")];
    let tenants = [Tenant { id: "acme".into(), budget: 1_000_000_000_000 }];
    let mut stand = Stand::new(traced(), "", &models, &tenants);
    let mut random = fastrand::Rng::with_seed(11);
    let (mut replayed, mut lost, mut fresh) = (0, 0, 0);
    for round in 0..kills() {
        let keys: Vec<String> = (0..KEYS).map(|place| format!("acme.{round}.{place}")).collect();
        let address = stand.address();
        let calls: Vec<_> = keys.iter().map(|key| stand.runtime.spawn(call(address, key.clone()))).collect();
        let before_kill = Duration::from_millis(random.u64(0..400));
        stand.runtime.block_on(async { tokio::time::sleep(before_kill).await });
        stand.kill();
        let mut seen = BTreeMap::new();
        for (key, first) in keys.iter().zip(calls) {
            seen.insert(key, stand.runtime.block_on(first).unwrap());
        }
        stand.start();
        for (key, first) in &seen {
            let again = stand.runtime.block_on(retried(stand.address(), key));
            match (again.status, again.is_replay, again.code.as_str()) {
                (200, true, _) => {
                    replayed += 1;
                    let first_body = first.as_ref().map(|first| &first.body);
                    assert!(first_body.is_none_or(|body| *body == again.body), "{key}: {first:?} and {again:?}");
                }
                (409, _, "idempotency_lost") => lost += 1,
                // Nothing had left before the kill.
                (200, false, _) if first.is_none() => fresh += 1,
                _ => panic!("{key}: first {first:?}, then {again:?}"),
            }
        }
    }
    let truth = stand.runtime.block_on(stand.provider.settled_truth(Duration::from_secs(10)));
    let twice: Vec<_> = truth.by_trace.iter().filter(|(_, tally)| tally.attempts > 1).collect();
    assert!(twice.is_empty(), "made twice: {twice:?}");
    tell(&format!("{} kills: {replayed} answers came again, {lost} were lost, {fresh} had not left", kills()));
    assert!(lost > 0 && replayed > 0, "{lost} lost, {replayed} replayed: both were reached");
    let (balance, billed) = (stand.balance("acme"), billed(&truth, "acme"));
    assert!(balance.spent + balance.held >= billed, "{balance:?} does not cover the bill of {billed}");
}
