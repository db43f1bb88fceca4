//! A client that goes away at any byte: it pays what the provider produced, and its hold goes.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::books::traces_of;
use super::caller::{Call, secret};
use super::stand::{Sightings, Stand, Tenant, traced};
use super::{is_long, tell};

/// Every so many bytes of an answer (or a request) the connection is cut.
fn stride() -> usize {
    if is_long() { 1 } else { 17 }
}

const BUDGET: i64 = 1_000_000_000_000;
const IDLE: Duration = Duration::from_secs(5);

/// One kind of answer.
struct Kind {
    tenant: &'static str,
    model: &'static str,
    more: fn() -> Value,
    headers: &'static str,
    /// Cuts at once.
    parallel: usize,
}

const KIND: Kind = Kind { tenant: "", model: "paced", more: || json!({ "stream": true }), headers: "", parallel: 48 };

/// Answers that end within the drain, so that their usage is known to the token whenever the client leaves.
const EXACT: [Kind; 6] = [
    Kind { tenant: "plain", ..KIND },
    Kind { tenant: "usage", more: || json!({ "stream": true, "stream_options": { "include_usage": true } }), ..KIND },
    Kind { tenant: "choices", more: || json!({ "stream": true, "n": 3 }), ..KIND },
    Kind { tenant: "receipt", headers: "te: trailers\r\nmandant-receipt: sse\r\n", ..KIND },
    // Every byte is a chunk of its own, which is hard work for both sides.
    Kind { tenant: "bytewise", model: "bytewise", parallel: 8, ..KIND },
    Kind { tenant: "whole", model: "late", more: || json!({}), ..KIND },
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
        if running.len() >= kind.parallel {
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
        ("bytewise", "sim-tokens-2.slow-drip-0"),
        ("late", "sim-tokens-9.delay-10"),
    ];
    let stand = stand("stream_drain = \"20s\"", &models, &EXACT.map(|kind| kind.tenant));
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
        tell(&format!(
            "disconnects {:9} {cut_answers:5} answers and {cut_requests:4} requests cut, {:5} arrived, {:?}",
            kind.tenant,
            audit.arrived,
            started.elapsed()
        ));
    }
}

/// Cuts answers whose usage never comes, at places spread over these bytes of the answer: each is charged by what was
/// delivered, and no hold is left.
fn cut_and_count(stand: &Stand, kind: &'static Kind, places: Range<usize>) {
    // The first count loads a vocabulary, which a debug build takes its time for.
    let first = request(kind, &format!("{}.a00000", kind.tenant));
    assert!(stand.runtime.block_on(cut(stand.address(), &first, 600)) > 500);
    stand.nothing_held(kind.tenant, IDLE);
    let step = places.len() / if is_long() { 1_000 } else { 64 };
    let places = places.step_by(step).map(|read| (first.len(), read)).collect();
    stand.runtime.block_on(cut_all(stand, kind, "b", places));
    stand.nothing_held(kind.tenant, Duration::from_secs(2));
    let truth = stand.runtime.block_on(stand.provider.settled_truth(IDLE));
    let bills = traces_of(&truth, kind.tenant);
    let deadline = Instant::now() + IDLE;
    let mut rows = stand.rows(kind.tenant);
    while rows.len() < bills.len() && Instant::now() < deadline {
        rows = stand.rows(kind.tenant);
    }
    assert_eq!(rows.len(), bills.len(), "one row for each call of {}", kind.tenant);
    for row in &rows {
        let tally = bills.get(row.trace.as_str()).unwrap_or_else(|| panic!("invented: {row:?}"));
        assert!(row.cost > 0, "something was produced: {row:?}, {tally:?}");
        assert!(row.cost < row.hold / 2, "the worst case is not what was produced: {row:?}, {tally:?}");
        // Counting by another vocabulary may differ a little, and what was on its way is not delivered.
        let produced = tally.completion_tokens;
        assert!(row.output_tokens <= produced + 4, "more than was produced: {row:?}, {tally:?}");
        assert!(row.output_tokens + 12 >= produced, "less than was delivered: {row:?}, {tally:?}");
    }
    tell(&format!("disconnects {:9} {:5} counted", kind.tenant, rows.len()));
}

#[test]
fn a_stream_that_outlasts_its_client_and_the_drain_is_charged_by_what_came() {
    const KINDS: [Kind; 2] =
        [Kind { tenant: "long", model: "long", ..KIND }, Kind { tenant: "silent", model: "silent", ..KIND }];
    let models = [("long", "sim-tokens-2000.chunk-delay-60"), ("silent", "sim-tokens-40.chunk-delay-2.usage-missing")];
    let stand = stand("stream_drain = \"300ms\"", &models, &KINDS.map(|kind| kind.tenant));
    for kind in &KINDS {
        cut_and_count(&stand, kind, 0..6_000);
    }
}

#[test]
fn a_stream_that_is_cut_within_an_event_leaves_no_hold() {
    // Byte by byte, and asked for usage by the client, so that every byte passes at once, as a chunk of its own (six bytes
    // on the wire): many drains end within the very last event, which is the usage.
    const DRIPPING: Kind = Kind {
        tenant: "dripping",
        model: "dripping",
        more: || json!({ "stream": true, "stream_options": { "include_usage": true } }),
        parallel: 24,
        ..KIND
    };
    let models = [("dripping", "sim-tokens-1.slow-drip-1")];
    let stand = stand("stream_drain = \"100ms\"", &models, &[DRIPPING.tenant]);
    cut_and_count(&stand, &DRIPPING, 6_400..9_000);
}
