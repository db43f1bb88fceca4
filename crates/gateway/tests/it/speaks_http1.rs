//! HTTP/1.1 to the letter: what clients may do on a connection besides sending one request and reading one answer.

use std::time::Duration;

use mandant_gateway::Settings;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{TestApp, chat_model, models, secret, tenant};

async fn app() -> TestApp {
    let mut all = models();
    all.push(chat_model("slow", "sim-text.delay-600"));
    TestApp::with(Default::default(), Settings::default(), all, vec![tenant("acme", json!({}))]).await
}

/// A request with a body in whatever framing.
fn request(version: &str, framing: &str, body: &str) -> String {
    let secret = secret("acme");
    format!(
        "POST /v1/chat/completions HTTP/{version}\r\nhost: a\r\nauthorization: Bearer {secret}\r\ncontent-type: application/json\r\n{framing}\r\n\r\n{body}"
    )
}

fn plain(version: &str, body: &str) -> String {
    request(version, &format!("content-length: {}", body.len()), body)
}

const CHAT: &str = "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
const STREAM: &str = "{\"model\":\"chat\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";

/// What comes until `is_enough`, or the end.
async fn read_until(stream: &mut TcpStream, is_enough: impl Fn(&str) -> bool) -> String {
    let mut text = Vec::new();
    let read = async {
        while !is_enough(&String::from_utf8_lossy(&text)) && stream.read_buf(&mut text).await.unwrap_or(0) > 0 {}
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("it comes in time");
    String::from_utf8(text).unwrap()
}

async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.relay.address()).await.unwrap()
}

/// Where an answer with a length ends.
fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse::<usize>().unwrap())
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let app = app().await;
    let mut stream = connect(&app).await;
    let models = format!("GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", secret("acme"));
    stream.write_all(format!("{}{models}{}", plain("1.1", CHAT), plain("1.1", STREAM)).as_bytes()).await.unwrap();
    let text = read_until(&mut stream, |text| text.ends_with("\r\n0\r\n\r\n")).await;
    let places = ["chat.completion\"", "\"object\":\"list\"", "chat.completion.chunk"].map(|part| text.find(part));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {text}");
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 3);
}

#[tokio::test]
async fn a_body_in_chunks_is_one_body_however_it_comes() {
    let app = app().await;
    let mut stream = connect(&app).await;
    let (first, rest) = CHAT.split_at(11);
    let body = format!("{:X};ext=1\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\ntrailer: a\r\n\r\n", first.len(), rest.len());
    for byte in request("1.1", "transfer-encoding: chunked", &body).as_bytes() {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The connection is whole after it.
    let text = read_until(&mut stream, is_whole).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert_eq!(app.provider.take_requests()[0].body, CHAT.replace("\"chat\"", "\"gpt-4.1\""));
    stream.write_all(plain("1.1", CHAT).as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, is_whole).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn bad_chunks_are_refused_and_nothing_after_them_is_a_request() {
    let app = app().await;
    for body in ["zz\r\n{}\r\n0\r\n\r\n", "-1\r\n", "2\r\n{}}}0\r\n\r\n", "ffffffffffffffffff\r\n"] {
        let mut stream = connect(&app).await;
        let sent = request("1.1", "transfer-encoding: chunked", &format!("{body}{}", plain("1.1", CHAT)));
        stream.write_all(sent.as_bytes()).await.unwrap();
        let text = read_until(&mut stream, |_| false).await;
        assert!(text.starts_with("HTTP/1.1 400 "), "{body:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{body:?}: {text}");
    }
    assert!(app.provider.take_requests().is_empty());
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_and_only_when_its_body_is_wanted() {
    let app = app().await;
    let framing = format!("content-length: {}\r\nexpect: 100-continue", CHAT.len());
    let mut stream = connect(&app).await;
    stream.write_all(request("1.1", &framing, "").as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut stream, |text| !text.is_empty()).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(CHAT.as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, is_whole).await.starts_with("HTTP/1.1 200 OK\r\n"));

    let unknown = request("1.1", &framing, "").replace(&secret("acme"), "nobody");
    let mut stream = connect(&app).await;
    stream.write_all(unknown.as_bytes()).await.unwrap();
    let text = read_until(&mut stream, |_| false).await;
    assert!(text.starts_with("HTTP/1.1 401 ") && text.contains("connection: close\r\n"), "{text}");
}

#[tokio::test]
async fn a_refused_body_does_not_take_its_answer_with_it() {
    let settings = Settings { body_bytes_max: 10_000, ..Settings::default() };
    let app = TestApp::with(Default::default(), settings, models(), vec![tenant("acme", json!({}))]).await;
    let mut stream = connect(&app).await;
    let sent = request("1.1", "content-length: 900000", &"a".repeat(100_000));
    stream.write_all(sent.as_bytes()).await.unwrap();
    // The answer is there by now; a client that still sends must find it nevertheless.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(&[b'a'; 100_000]).await.unwrap();
    }
    let text = read_until(&mut stream, |_| false).await;
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("connection: close\r\n"), "{text}");
}

#[tokio::test]
async fn http_1_0_gets_its_answer_without_chunks_and_the_end_of_the_connection() {
    let app = app().await;
    for (body, part) in [(CHAT, "chat.completion\""), (STREAM, "data: [DONE]\n\n")] {
        let mut stream = connect(&app).await;
        stream.write_all(plain("1.0", body).as_bytes()).await.unwrap();
        let text = read_until(&mut stream, |_| false).await;
        assert!(text.contains(part) && text.contains("connection: close\r\n"), "{text}");
        assert!(!text.contains("transfer-encoding"), "{text}");
    }
}

#[tokio::test]
async fn head_has_the_head_alone() {
    let app = app().await;
    let mut stream = connect(&app).await;
    let head = format!("HEAD /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", secret("acme"));
    stream.write_all(format!("{head}{}", plain("1.1", CHAT)).as_bytes()).await.unwrap();
    let text = read_until(&mut stream, |text| text.contains("chat.completion\"")).await;
    let (first, rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(first.contains("content-length: ") && rest.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_is_noticed() {
    let app = app().await;
    let mut stream = connect(&app).await;
    stream.write_all(plain("1.1", &CHAT.replace("\"chat\"", "\"slow\"")).as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(app.relay.open_holds(), 1);
    drop(stream);
    // The rest of the answer is drained, and its hold ends with it.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(app.relay.open_holds(), 0);
}

#[tokio::test]
async fn every_answer_says_when_it_was_made() {
    let app = app().await;
    let mut stream = connect(&app).await;
    stream.write_all(plain("1.1", CHAT).as_bytes()).await.unwrap();
    let text = read_until(&mut stream, is_whole).await;
    let date = text.lines().find_map(|line| line.strip_prefix("date: ")).expect("a date");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}
