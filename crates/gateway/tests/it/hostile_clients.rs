//! Slow, greedy and lying clients: each bounded, none at another's cost.

use std::time::Duration;

use mandant_gateway::Settings;
use serde_json::json;
use testkit::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{TestApp, chat_model, models, secret, tenant};
use crate::client::chat;

async fn app(settings: Settings) -> TestApp {
    TestApp::with(Default::default(), settings, models(), vec![tenant("acme", json!({}))]).await
}

/// Sends raw bytes and returns what comes back until the relay closes, or `patience` is over.
async fn raw(app: &TestApp, bytes: &[u8], patience: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(app.relay.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(patience, stream.read_to_end(&mut answer)).await.is_ok();
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_cut() {
    let app = app(Settings { head_timeout: Duration::from_millis(300), ..Settings::default() }).await;
    let (_, closed) = raw(&app, b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n", Duration::from_secs(3)).await;
    assert!(closed, "the connection stays open for ever");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_body_is_refused_and_nothing_is_held() {
    let app = app(Settings { body_timeout: Duration::from_millis(300), ..Settings::default() }).await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{{\"model\":",
        secret("acme")
    );
    let (answer, _) = raw(&app, head.as_bytes(), Duration::from_secs(2)).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(app.relay.open_holds(), 0);
}

/// A length and chunks (RFC 9112, section 6.1): two readers might take two different requests out of it, so that nobody
/// gets any.
#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_the_connection_is_closed() {
    let app = app(Settings::default()).await;
    let body = "{\"model\":\"chat\",\"messages\":[]}";
    for (first, second) in
        [("content-length: 60", "transfer-encoding: chunked"), ("transfer-encoding: chunked", "content-length: 60")]
    {
        let smuggled = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {0}\r\ncontent-type: application/json\r\n{first}\r\n{second}\r\n\r\n{1:x}\r\n{body}\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {0}\r\n\r\n",
            secret("acme"),
            body.len()
        );
        let (answer, closed) = raw(&app, smuggled.as_bytes(), Duration::from_secs(4)).await;
        assert!(closed && answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the smuggled request was answered: {answer}");
        assert!(app.provider.take_requests().is_empty());
    }
}

#[tokio::test]
async fn giant_heads_and_too_many_headers_are_refused() {
    let app = app(Settings { head_bytes_max: 16 << 10, headers_max: 50, ..Settings::default() }).await;
    let giant = format!("GET /v1/models HTTP/1.1\r\nhost: a\r\nx-giant: {}\r\n\r\n", "a".repeat(64 << 10));
    let (answer, _) = raw(&app, giant.as_bytes(), Duration::from_secs(2)).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{answer}");
    let many: String = (0..200).map(|number| format!("x-{number}: a\r\n")).collect();
    let (answer, _) =
        raw(&app, format!("GET /v1/models HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes(), Duration::from_secs(2)).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn connections_of_one_address_are_capped() {
    let app = app(Settings { connections_per_address_max: 3, ..Settings::default() }).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(TcpStream::connect(app.relay.address()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (_, closed) = raw(&app, b"", Duration::from_secs(2)).await;
    assert!(closed, "the fourth is closed at once");
    kept.clear();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(app.chat("acme", "chat", json!({})).await.status, 200, "a closed connection gives its place back");
}

#[tokio::test]
async fn random_credentials_are_refused_in_bounded_memory() {
    let app = app(Settings::default()).await;
    let mut client = crate::client::Client::connect(app.relay.address()).await;
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..2_000 {
        let key: String = (0..random.usize(1..200)).map(|_| random.alphanumeric()).collect();
        let mut request = crate::client::get("/v1/models", "acme");
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        assert_eq!(client.call(request).await.status, 401);
    }
}

/// A body of so many KiB.
fn big(model: &str, kib: usize) -> bytes::Bytes {
    crate::client::chat(model, json!({ "messages": [{ "role": "user", "content": "a".repeat(kib << 10) }] }))
}

#[tokio::test]
async fn one_tenant_s_bodies_leave_room_for_another_s() {
    let settings = Settings { tenant_body_bytes_max: 100 << 10, ..Settings::default() };
    let mut all = models();
    all.push(crate::app::chat_model("slow", "sim-text.delay-600"));
    let tenants = vec![tenant("acme", json!({})), tenant("beta", json!({}))];
    let app = TestApp::with(Default::default(), settings, all, tenants).await;
    let post = |who: &str, body| app.call(crate::client::post("/v1/chat/completions", who, body));
    let later = |who: &'static str, kib: usize| {
        let post = &post;
        async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            post(who, big("chat", kib)).await
        }
    };
    let (first, second, small, other) =
        tokio::join!(post("acme", big("slow", 80)), later("acme", 80), later("acme", 1), later("beta", 80));
    assert_eq!((first.status.as_u16(), small.status.as_u16(), other.status.as_u16()), (200, 200, 200));
    assert_eq!((second.status.as_u16(), second.code()), (503, "overloaded".into()));
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(post("acme", big("chat", 80)).await.status, 200, "its room is free again");
    // A head that says how much comes is enough: nothing of the body is waited for.
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 80000\r\n\r\n",
        secret("acme")
    );
    let (first, (answer, _)) = tokio::join!(post("acme", big("slow", 80)), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        raw(&app, head.as_bytes(), Duration::from_millis(300)).await
    });
    assert_eq!(first.status, 200);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
    let settings = Settings {
        stall_timeout: Duration::from_millis(400),
        stream_drain: Duration::from_millis(100),
        ..Settings::default()
    };
    let mut flood = crate::app::chat_model("flood", "sim-tokens-60000");
    flood["max_output_tokens"] = json!(60_000);
    let mut all = models();
    all.push(flood);
    let app = TestApp::with(Default::default(), settings, all, vec![tenant("acme", json!({}))]).await;
    let body = crate::client::chat("flood", json!({ "stream": true }));
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        secret("acme"),
        body.len()
    );
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(app.relay.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.read_exact(&mut [0; 100]).await.unwrap();
    assert_eq!(app.relay.open_holds(), 1);
    // The client stays connected and reads no more.
    app.settled().await;
    assert_eq!(app.records("acme").await.len(), 1);
    drop(stream);
}

#[tokio::test]
async fn answers_that_nobody_takes_do_not_fill_memory_and_are_their_own_tenant_s_loss() {
    let mut big = chat_model("big", "sim-tokens-5000000");
    big["max_output_tokens"] = json!(5_000_000);
    let mut middle = chat_model("middle", "sim-tokens-20000");
    middle["max_output_tokens"] = json!(20_000);
    let settings = Settings { tenant_answer_bytes_max: 1 << 20, ..Settings::default() };
    let tenants = vec![tenant("slow", json!({})), tenant("other", json!({}))];
    let app = TestApp::with(Options::default(), settings, vec![big, middle], tenants).await;
    // The only one of its tenant is let in whatever its size; more than sockets take, so that it stays in memory.
    let mut client = TcpStream::connect(app.relay.address()).await.unwrap();
    let body = chat("big", json!({ "n": 3 }));
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        secret("slow"),
        body.len()
    );
    client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let held = |app: &TestApp| {
        let page = app.relay.metrics();
        let line = page.lines().find_map(|line| line.strip_prefix("mandant_answers_bytes ").map(str::to_owned));
        line.unwrap().parse::<u64>().unwrap()
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(held(&app) > 10 << 20, "{}", held(&app));
    let refused = app.chat("slow", "middle", json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "overloaded".into()));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.chat("other", "middle", json!({})).await.status, 200, "another tenant has its own room");
    drop(client);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while held(&app) > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{} bytes are left", held(&app));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(app.chat("slow", "middle", json!({})).await.status, 200);
    // What was refused had left: nobody knows what it cost, and its hold stays.
    assert_eq!(app.relay.open_holds(), 1);
}

/// An HTTP/2 frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Begins calls over HTTP/2 and takes all of them back at once; true when the connection is still good then.
async fn takes_back(app: &TestApp, calls: u32) -> bool {
    const GET_ROOT: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
    let mut bytes = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    for stream in (0..calls).map(|call| 2 * call + 1) {
        bytes.extend([frame(1, 5, stream, &GET_ROOT), frame(3, 0, stream, &CANCEL)].concat());
    }
    bytes.extend(frame(6, 0, 0, b"are you?"));
    let mut stream = TcpStream::connect(app.relay.address()).await.unwrap();
    // One that is broken off early may not take all.
    let _ = stream.write_all(&bytes).await;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return false;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).await.is_err() || head[3] == 7 {
            return false;
        }
        if head[3] == 6 && head[4] == 1 {
            assert_eq!(payload, b"are you?");
            return true;
        }
    }
}

#[tokio::test]
async fn a_client_may_take_back_as_many_calls_as_it_may_begin_but_not_for_ever() {
    let app = app(Settings::default()).await;
    assert!(
        takes_back(&app, Settings::default().http2_streams_max).await,
        "a client that left its calls was broken off"
    );
    assert!(!takes_back(&app, 20_000).await, "calls that are taken back at once go on for ever");
}
