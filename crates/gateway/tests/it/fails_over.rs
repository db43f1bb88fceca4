//! Another candidate is tried when the last one provably billed nothing, inside the same hold, and only then.

use base::Money;
use serde_json::{Value, json};
use testkit::{Options, SimulatedProvider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::app::{TestApp, chat_model, tenant, upstream};

/// A model whose first tier answers with `fault` and whose second is healthy.
fn two_tiers(fault: &str) -> Value {
    let mut model = chat_model("chat", fault);
    model["route"] = json!([
        { "upstream": "sim", "model": fault, "tier": 1 },
        { "upstream": "sim", "model": "gpt-4.1", "tier": 2 },
    ]);
    model
}

#[tokio::test]
async fn an_error_status_leads_to_the_next_candidate_and_is_charged_once() {
    for fault in ["sim-error-500", "sim-error-429", "sim-error-401", "sim-html-502"] {
        let app = TestApp::with(
            Options::default(),
            Default::default(),
            vec![two_tiers(fault)],
            vec![tenant("acme", json!({}))],
        )
        .await;
        let reply = app.chat("acme", "chat", json!({ "max_tokens": 5 })).await;
        assert_eq!(reply.status, 200, "{fault}: {}", reply.text());
        assert_eq!(app.provider.requests().len(), 2, "{fault}");
        let records = app.records("acme").await;
        assert_eq!(records.len(), 1);
        assert_eq!(app.spent("acme"), records[0].charged);
    }
}

#[tokio::test]
async fn the_clients_own_mistake_is_not_tried_elsewhere() {
    let app = TestApp::with(
        Options::default(),
        Default::default(),
        vec![two_tiers("sim-error-400")],
        vec![tenant("acme", json!({}))],
    )
    .await;
    assert_eq!(app.chat("acme", "chat", json!({})).await.status, 400);
    assert_eq!(app.provider.requests().len(), 1);
    assert_eq!(app.spent("acme"), Money::ZERO);
}

#[tokio::test]
async fn what_may_have_been_billed_is_not_sent_twice_and_keeps_its_hold() {
    let app = TestApp::with(
        Options::default(),
        Default::default(),
        vec![two_tiers("sim-close-before-headers")],
        vec![tenant("acme", json!({}))],
    )
    .await;
    let reply = app.chat("acme", "chat", json!({ "max_tokens": 5 })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (502, "upstream_error".into()));
    assert_eq!(app.provider.requests().len(), 1);
    assert_eq!(app.relay.open_holds(), 1, "nobody knows whether it was billed");
}

#[tokio::test]
async fn an_unreachable_upstream_is_skipped_and_nothing_is_held_when_none_answers() {
    let provider = SimulatedProvider::start(Options::default()).await.unwrap();
    let mut dead = upstream("http://127.0.0.1:9/v1");
    dead["id"] = json!("dead");
    let mut model = chat_model("chat", "gpt-4.1");
    model["route"] = json!([{ "upstream": "dead", "model": "gpt-4.1", "tier": 1 }, { "upstream": "sim", "model": "gpt-4.1", "tier": 2 }]);
    let mut lost = chat_model("lost", "gpt-4.1");
    lost["route"] = json!([{ "upstream": "dead", "model": "gpt-4.1" }]);
    let resources = json!({ "upstream": [upstream(&provider.base_url()), dead], "model": [model, lost], "tenant": [tenant("acme", json!({}))] });
    let app = TestApp::over(provider, Default::default(), resources).await;
    assert_eq!(app.chat("acme", "chat", json!({})).await.status, 200);
    let reply = app.chat("acme", "lost", json!({})).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (502, "upstream_error".into()));
    assert_eq!(app.relay.open_holds(), 0);
    assert!(!reply.text().contains("127.0.0.1"), "{}", reply.text());
}

const GOAWAY: u8 = 7;
const RST_STREAM: u8 = 3;

/// A provider over HTTP/2 that answers every request with one frame, and then nothing.
async fn refusing(kind: u8, stream: u32, payload: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let frame = |kind: u8, stream: u32, payload: &[u8]| {
                    let length = u8::try_from(payload.len()).expect("a short one");
                    [&[0, 0, length, kind, 0], &stream.to_be_bytes()[..], payload].concat()
                };
                connection.write_all(&frame(4, 0, &[])).await?;
                let mut preface = [0; 24];
                connection.read_exact(&mut preface).await?;
                loop {
                    let mut head = [0; 9];
                    connection.read_exact(&mut head).await?;
                    let mut rest = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
                    connection.read_exact(&mut rest).await?;
                    // The end of a request, whether it has a body or not.
                    if matches!(head[3], 0 | 1) && head[4] & 1 == 1 {
                        connection.write_all(&frame(kind, stream, payload)).await?;
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                        return std::io::Result::Ok(());
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn what_an_upstream_says_it_did_not_process_is_sent_elsewhere() {
    for (kind, stream, payload, is_unprocessed) in [
        (RST_STREAM, 1, &[0, 0, 0, 7][..], true),
        (RST_STREAM, 1, &[0, 0, 0, 2], false),
        (GOAWAY, 0, &[0; 8], true),
        (GOAWAY, 0, &[0, 0, 0, 1, 0, 0, 0, 0], false),
    ] {
        let address = refusing(kind, stream, payload).await;
        let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
        let mut refusing = upstream(&format!("http://{address}/v1"));
        refusing["id"] = "refusing".into();
        refusing["http_version"] = "2".into();
        let mut model = chat_model("chat", "gpt-4.1");
        model["route"] = json!([
            { "upstream": "refusing", "model": "gpt-4.1", "tier": 1 },
            { "upstream": "sim", "model": "gpt-4.1", "tier": 2 },
        ]);
        let resources = json!({
            "upstream": [refusing, upstream(&provider.base_url())], "model": [model],
            "tenant": [tenant("acme", json!({}))],
        });
        let app = TestApp::over(provider, Default::default(), resources).await;
        let reply = app.chat("acme", "chat", json!({ "max_tokens": 5 })).await;
        let (status, held) = if is_unprocessed { (200, 0) } else { (502, 1) };
        assert_eq!((reply.status.as_u16(), app.relay.open_holds()), (status, held), "{kind} {payload:?}");
        assert_eq!(app.provider.requests().len(), usize::from(is_unprocessed), "{kind} {payload:?}");
    }
}
