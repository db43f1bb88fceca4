//! A client that goes away at any byte: it pays what the provider produced, and its hold goes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::books::{bill, traces_of};
use super::caller::{Call, secret};
use super::is_long;
use super::stand::{Sightings, Stand, Tenant, traced};

/// Every so many bytes of an answer (or a request) the connection is cut.
fn stride() -> usize {
    if is_long() { 1 } else { 17 }
}

/// Cuts at once.
const PARALLEL: usize = 48;
const BUDGET: i64 = 1_000_000_000_000;
const IDLE: Duration = Duration::from_secs(5);

/// One kind of answer.
struct Kind {
    tenant: &'static str,
    model: &'static str,
    more: fn() -> Value,
    headers: &'static str,
}

/// Answers that end within the drain, so that their usage is known to the token whenever the client leaves.
const EXACT: [Kind; 6] = [
    Kind { tenant: "plain", model: "paced", more: || json!({ "stream": true }), headers: "" },
    Kind {
        tenant: "usage",
        model: "paced",
        more: || json!({ "stream": true, "stream_options": { "include_usage": true } }),
        headers: "",
    },
    Kind { tenant: "choices", model: "paced", more: || json!({ "stream": true, "n": 3 }), headers: "" },
    Kind {
        tenant: "receipt",
        model: "paced",
        more: || json!({ "stream": true }),
        headers: "te: trailers\r\nmandant-receipt: sse\r\n",
    },
    Kind { tenant: "bytewise", model: "bytewise", more: || json!({ "stream": true }), headers: "" },
    Kind { tenant: "whole", model: "late", more: || json!({}), headers: "" },
];

/// The bytes of a request, as they go over the wire.
fn request(kind: &Kind, trace: &str) -> Vec<u8> {
    let more = (kind.more)();
    let call = Call { tenant: kind.tenant.into(), trace: trace.into(), model: kind.model, more, leaves_after: None };
    let body = call.body();
    let mut bytes = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {}\r\nuser-agent: {trace}\r\n\
         content-type: application/json\r\nconnection: close\r\n{}content-length: {}\r\n\r\n",
        secret(kind.tenant),
        kind.headers,
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

/// Sends a request's first bytes, reads at most so many of the answer, and closes; gives how many came.
async fn cut(address: SocketAddr, request: &[u8], wanted: usize) -> usize {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The relay may refuse before it has read all.
    let _ = stream.write_all(request).await;
    let mut buffer = [0; 4096];
    let mut came = 0;
    while came < wanted {
        let room = buffer.len().min(wanted - came);
        match stream.read(&mut buffer[..room]).await {
            Ok(0) | Err(_) => break,
            Ok(read) => came += read,
        }
    }
    came
}

/// Cuts at all given places, many at once. A place is how much is sent and how much is read.
async fn cut_all(stand: &Stand, kind: &'static Kind, name: &str, places: Vec<(usize, usize)>) {
    let address = stand.address();
    let mut running = tokio::task::JoinSet::new();
    for (number, (sent, read)) in places.into_iter().enumerate() {
        if running.len() >= PARALLEL {
            running.join_next().await.unwrap().unwrap();
        }
        let trace = format!("{}.{name}{number:05}", kind.tenant);
        running.spawn(async move { cut(address, &request(kind, &trace)[..sent], read).await });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

fn stand(settings: &str, models: &[(&str, &str)], tenants: &[&str]) -> Stand {
    let tenants: Vec<Tenant> = tenants.iter().map(|id| Tenant { id: (*id).into(), budget: BUDGET }).collect();
    Stand::new(traced(), settings, models, &tenants)
}

#[test]
fn a_client_that_leaves_at_any_byte_pays_what_was_produced_to_the_nano() {
    let models = [
        ("paced", "sim-tokens-9.chunk-delay-1"),
        ("bytewise", "sim-tokens-5.slow-drip-0"),
        ("late", "sim-tokens-9.delay-10"),
    ];
    let stand = stand("", &models, &EXACT.map(|kind| kind.tenant));
    for kind in &EXACT {
        let started = Instant::now();
        let whole = request(kind, &format!("{}.a00000", kind.tenant));
        let length = stand.runtime.block_on(cut(stand.address(), &whole, usize::MAX));
        assert!(length > 500, "{}: the uncut answer has {length} bytes", kind.tenant);
        let answers: Vec<_> = (0..=length).step_by(stride()).map(|read| (whole.len(), read)).collect();
        let requests: Vec<_> = (0..whole.len()).step_by(stride()).map(|sent| (sent, 0)).collect();
        let (cut_answers, cut_requests) = (answers.len(), requests.len());
        stand.runtime.block_on(async {
            cut_all(&stand, kind, "b", answers).await;
            cut_all(&stand, kind, "c", requests).await;
        });
        stand.nothing_held(kind.tenant, IDLE);

        // To the nano, one entry for each; and the provider never saw a request that was not sent whole.
        let tenant = Tenant { id: kind.tenant.into(), budget: BUDGET };
        let audited = stand.audit(&tenant, &Sightings::default(), IDLE);
        let audit = audited.unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!((audit.charged, audit.unresolved, audit.rows), (audit.billed, 0, audit.arrived), "{audit:?}");
        // A client that leaves with its last byte may be gone before its request is read.
        assert!(audit.arrived > cut_answers * 9 / 10 && audit.arrived <= cut_answers + 1, "{audit:?} of {cut_answers}");
        println!(
            "disconnects {:9} {cut_answers:5} answers and {cut_requests:4} requests cut, {:5} arrived, {:?}",
            kind.tenant,
            audit.arrived,
            started.elapsed()
        );
    }
}

/// Answers that outlast the drain, or never tell their usage: what was delivered is counted.
const COUNTED: [Kind; 2] = [
    Kind { tenant: "long", model: "long", more: || json!({ "stream": true, "max_tokens": 2_000 }), headers: "" },
    Kind { tenant: "silent", model: "silent", more: || json!({ "stream": true, "max_tokens": 2_000 }), headers: "" },
];

#[test]
fn a_stream_that_outlasts_its_client_and_the_drain_is_charged_by_what_came() {
    let models = [("long", "sim-tokens-2000.chunk-delay-5"), ("silent", "sim-tokens-40.chunk-delay-1.usage-missing")];
    let stand = stand("stream_drain = \"300ms\"", &models, &COUNTED.map(|kind| kind.tenant));
    for kind in &COUNTED {
        let sent = request(kind, &format!("{}.b00000", kind.tenant)).len();
        let places =
            (0..12_000).step_by(12_000 / if is_long() { 1_000 } else { 96 }).map(|read| (sent, read)).collect();
        stand.runtime.block_on(cut_all(&stand, kind, "b", places));
        stand.nothing_held(kind.tenant, Duration::from_secs(2));
        let tenant = Tenant { id: kind.tenant.into(), budget: BUDGET };
        let truth = stand.runtime.block_on(stand.provider.settled_truth(IDLE));
        let bills = traces_of(&truth, kind.tenant);
        let deadline = Instant::now() + IDLE;
        let rows = loop {
            let rows = stand.rows(&tenant.id);
            if rows.len() >= bills.len() || Instant::now() > deadline {
                break rows;
            }
        };
        assert_eq!(rows.len(), bills.len(), "one row for each call of {}", kind.tenant);
        for row in &rows {
            let tally = bills.get(row.trace.as_str()).unwrap_or_else(|| panic!("invented: {row:?}"));
            let billed = bill(tally);
            assert!(row.cost > 0, "something was produced: {row:?}, {tally:?}");
            assert!(row.cost < row.hold / 2, "the worst case is not what was produced: {row:?}, {tally:?}");
            // The prompt's count differs by the vocabulary; of the answer, what was in flight when the relay hung up.
            let produced = tally.completion_tokens;
            assert!(row.output_tokens <= produced + 4, "more than was produced: {row:?}, {tally:?}");
            assert!(row.output_tokens + 40 >= produced, "less than was delivered: {row:?}, {tally:?}");
            assert!(row.cost * 2 > billed, "{row:?} is far below the bill of {billed}");
        }
        println!("disconnects {:9} {:5} counted", kind.tenant, rows.len());
    }
}
