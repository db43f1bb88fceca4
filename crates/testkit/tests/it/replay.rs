//! Recorded exchanges come back byte for byte.

use std::path::PathBuf;
use std::time::Duration;

use mandant_testkit::{ChunkBorders, Options, Replay};
use serde_json::{Value, json};

use crate::client::{KEY, provider, send};

fn line(id: &str, body: Value, status: u16, streaming: bool, encoding: &str, answer: &str) -> String {
    json!({"id": id, "provider": "openai", "endpoint": "chat/completions", "method": "POST", "path": "/v1/chat/completions",
        "request_body": body, "status": status, "response_encoding": encoding, "response_body": answer, "streaming": streaming,
        "response_headers": {"Content-Type": "text/x-made-up", "Content-Length": "9999", "x-ratelimit-a": "b"},
        "verbatim": true, "recorded_usage": {"input": 5, "output": 6}})
    .to_string()
}

fn fixture() -> Replay {
    let lines = [
        line("one", json!({"model": "m", "a": 1}), 200, false, "utf-8", "{ \"spaced\":  true }"),
        line("two", json!({"model": "m", "a": 1}), 429, false, "base64", "AAEC/w=="),
        line(
            "three",
            json!({"model": "m", "stream": true}),
            200,
            true,
            "utf-8",
            "data: ä😀\r\n\r\ndata: [DONE]\r\n\r\n",
        ),
    ];
    Replay::read(lines.join("\n").as_bytes(), |_| true).unwrap()
}

#[tokio::test]
async fn recorded_answers_are_found_by_path_and_body_in_turn() {
    let provider = provider(Options { replay: Some(fixture()), ..Options::default() }).await;
    let path = "/v1/chat/completions";
    let first = send(&provider, path, &[KEY], "{\"a\": 1, \"model\":\"m\"}").await;
    assert_eq!((first.status.as_u16(), first.body.as_ref()), (200, &b"{ \"spaced\":  true }"[..]));
    assert_eq!(first.headers["content-type"], "text/x-made-up");
    assert_eq!(first.headers["x-ratelimit-a"], "b");
    assert!(!first.headers.contains_key("x-request-id"), "nothing is added");
    let second = send(&provider, path, &[KEY], "{\"a\": 1, \"model\":\"m\"}").await;
    assert_eq!((second.status.as_u16(), second.body.as_ref()), (429, &[0, 1, 2, 255][..]));
    assert_eq!(send(&provider, path, &[KEY], "{\"a\": 2, \"model\":\"m\"}").await.status, 404);
    assert_eq!(send(&provider, "/elsewhere", &[KEY], "{\"a\": 1, \"model\":\"m\"}").await.status, 404);
    let exchanges: Vec<_> = provider.requests().into_iter().map(|captured| captured.exchange).collect();
    assert_eq!(exchanges, [Some("one".into()), Some("two".into()), None, None]);
    let truth = provider.settled_truth(Duration::from_secs(5)).await;
    assert_eq!((truth.total.attempts, truth.by_model["m"].total_tokens()), (2, 22));
}

#[tokio::test]
async fn recorded_streams_come_at_random_borders() {
    let borders = ChunkBorders::Random { chunk_bytes_max: 3 };
    let options =
        Options { replay: Some(fixture().ignoring(&["stream_options"])), chunk_borders: borders, ..Options::default() };
    let provider = provider(options).await;
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}}).to_string();
    let reply = send(&provider, "/v1/chat/completions", &[KEY], &body).await;
    assert_eq!(reply.text(), "data: ä😀\r\n\r\ndata: [DONE]\r\n\r\n");
    assert!(reply.frames.len() > 5);
}

#[test]
fn a_broken_line_is_named() {
    let problem = Replay::read(&b"\n{\"id\":1}"[..], |_| true).unwrap_err();
    assert!(problem.to_string().starts_with("line 2 "), "{problem}");
}

/// Over all recordings that the environment offers.
#[tokio::test]
async fn real_recordings_come_back_unchanged() {
    let Some(folder) = std::env::var_os("MANDANT_TRAFFIC").map(PathBuf::from) else {
        println!("MANDANT_TRAFFIC is not set: the recordings are not replayed");
        return;
    };
    let replay = Replay::load(&folder.join("open.jsonl.gz"), |exchange| {
        exchange.endpoint == "chat/completions" && exchange.request_body.is_object() && exchange.method == "POST"
    })
    .unwrap();
    assert!(replay.exchanges().len() > 500);
    let borders = ChunkBorders::Random { chunk_bytes_max: 700 };
    let options = Options { replay: Some(replay.clone()), chunk_borders: borders, ..Options::default() };
    let provider = provider(options).await;
    for exchange in replay.exchanges() {
        let reply = send(&provider, &exchange.path, &[KEY], &exchange.request_body.to_string()).await;
        let sent = provider.take_requests().remove(0).exchange.expect("an exchange answers");
        let exchange = replay.exchanges().iter().find(|exchange| exchange.id == sent).unwrap();
        assert_eq!(reply.status.as_u16(), exchange.status, "{sent}");
        assert!(reply.is_whole && reply.body == exchange.response_body, "{sent}");
    }
}
