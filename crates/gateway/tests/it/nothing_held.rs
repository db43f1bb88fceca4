//! Accuracy of money over many mixed calls with hang-ups: to the nano-dollar, and no hold left behind.

use std::sync::Arc;
use std::time::Duration;

use base::Money;
use serde_json::json;
use testkit::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{TestApp, chat_model, models, secret, tenant};
use crate::client::{Client, chat, post};

const TENANTS: usize = 50;

/// Calls in all: a share in the ordinary run, the full figure in the long one.
fn calls() -> usize {
    if std::env::var_os("MANDANT_LONG").is_some() { 100_000 } else { 5_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charges_of_mixed_calls_add_up_to_the_nano_dollar_and_no_hold_is_left() {
    let tenants = (0..TENANTS).map(|number| tenant(&format!("t{number}"), json!({}))).collect();
    let mut all = models();
    all.push(chat_model("broken", "sim-close-mid-stream-2"));
    all.push(chat_model("failing", "sim-error-500"));
    let options = Options { captures_max: 0, chunk_latency: Duration::from_micros(200), ..Options::default() };
    let app = Arc::new(TestApp::with(options, Default::default(), all, tenants).await);
    let workers = 25;
    let each = calls() / workers;
    let tasks: Vec<_> = (0..workers)
        .map(|worker| {
            let app = app.clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(worker as u64);
                let mut client = Client::connect(app.relay.address()).await;
                for _ in 0..each {
                    let tenant = format!("t{}", random.usize(0..TENANTS));
                    one_call(&app, &mut client, &tenant, &mut random).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    app.settled().await;
    let mut all_charged = Money::ZERO;
    let mut all_records = 0;
    for number in 0..TENANTS {
        let id = format!("t{number}");
        let records = app.records(&id).await;
        let charged: Money = records.iter().map(|record| record.charged).sum();
        assert_eq!(app.spent(&id), charged, "{id}");
        for record in &records {
            let usage = record.usage;
            let (input, output) = if record.endpoint == wire::Endpoint::Embeddings { (20, 0) } else { (1_000, 2_000) };
            let expected =
                (usage.input - usage.cached_input) * input + usage.cached_input * 250 + usage.output * output;
            assert_eq!(record.charged, Money::from_nanos(expected as i64), "{record:?}");
        }
        all_charged += charged;
        all_records += records.len();
    }
    // A connection that is closed before its request was read makes no record, and no attempt at the provider.
    assert!(all_records >= calls() * 9 / 10, "{all_records} records");
    assert!(all_charged > Money::ZERO);
}

/// One call of a random kind; some hang up at a random moment.
async fn one_call(app: &TestApp, client: &mut Client, tenant: &str, random: &mut fastrand::Rng) {
    let max_tokens = random.u32(1..30);
    match random.u8(0..10) {
        0 => {
            let body = json!({ "model": "vector", "input": "some text" }).to_string();
            assert_eq!(client.call(post("/v1/embeddings", tenant, body)).await.status, 200);
        }
        1 => hang_up(app, tenant, &chat("chat", json!({ "max_tokens": max_tokens, "stream": true })), random).await,
        2 => hang_up(app, tenant, &chat("chat", json!({ "max_tokens": max_tokens })), random).await,
        3 => {
            let reply = client.call(post("/v1/chat/completions", tenant, chat("failing", json!({})))).await;
            assert_eq!(reply.status, 500);
        }
        4 => {
            let more = json!({ "max_tokens": max_tokens, "stream": true });
            let reply = client.call(post("/v1/chat/completions", tenant, chat("broken", more))).await;
            assert!(reply.text().contains("\"error\"") || reply.text().contains("[DONE]"), "{}", reply.text());
        }
        kind => {
            let more = json!({ "max_tokens": max_tokens, "stream": kind % 2 == 0 });
            let reply = client.call(post("/v1/chat/completions", tenant, chat("chat", more))).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }
}

/// Sends a request and closes the connection: at once, or after some bytes of the answer.
async fn hang_up(app: &TestApp, tenant: &str, body: &[u8], random: &mut fastrand::Rng) {
    let mut stream = TcpStream::connect(app.relay.address()).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        secret(tenant),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut wanted = random.usize(0..2_000);
    let mut buffer = [0; 512];
    while wanted > 0 {
        let Ok(Ok(read)) = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut buffer)).await else {
            break;
        };
        if read == 0 {
            break;
        }
        wanted = wanted.saturating_sub(read);
    }
}
