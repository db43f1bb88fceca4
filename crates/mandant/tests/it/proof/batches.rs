//! `kill -9` while batches are made, run and counted: each is charged once, by what its results used, or stays held.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use testkit::Tally;
use tokio::time::Instant;

use super::books::{Nanos, amount, bill, traces_of};
use super::caller::{Client, secret, text};
use super::stand::{CALLS_MAX, Stand, Tenant, traced};
use super::{is_long, number, tell};
use crate::sandbox::pause;

/// How often the relay is killed.
fn kills() -> u64 {
    number("MANDANT_BATCH_KILLS").unwrap_or(if is_long() { 300 } else { 30 })
}

/// Clients at once.
const CALLERS: u64 = 6;
/// One with money, and one whose budget covers some seventy lines.
const TENANTS: [(&str, Nanos); 2] = [("rich", 1_000_000_000_000), ("poor", 3_000_000)];
/// A batch's model has the name that its provider knows.
const MODEL: &str = "sim-tokens-20";
const BOUNDARY: &str = "a-boundary-of-batches";
/// Batches are counted so soon after a start.
const COUNTED_WITHIN: Duration = Duration::from_secs(60);

/// What all clients saw.
#[derive(Default)]
struct Seen {
    /// Batches that were made: the request that did, and its trace.
    made: HashMap<String, String>,
    /// Files, whose they are, and their number of lines: a batch may be made of one that was uploaded before a kill.
    files: Vec<(&'static str, String)>,
    refused: usize,
    broken: usize,
}

/// One client until the relay goes away or it is told to stop.
struct Caller {
    client: Client,
    seen: Arc<Mutex<Seen>>,
    random: fastrand::Rng,
}

/// A whole answer: its status, the request's id and the body.
type Answer = (u16, String, Bytes);

impl Caller {
    async fn drive(mut self, first: u64, stop: Arc<AtomicBool>) {
        for number in first..first + 1_000 {
            if stop.load(Ordering::Acquire) {
                return;
            }
            let tenant = TENANTS[self.random.usize(0..TENANTS.len())].0;
            if self.batch(tenant, &format!("{tenant}.{number:08}")).await.is_none() {
                self.seen.lock().unwrap().broken += 1;
                return;
            }
        }
    }

    /// Makes a batch and looks at it for a while; `None` when the relay went away.
    async fn batch(&mut self, tenant: &'static str, trace: &str) -> Option<()> {
        let file = self.file(tenant).await?;
        let mut metadata = json!({ "trace": trace, "looks": self.random.u8(0..4).to_string() });
        if self.random.u8(0..4) == 0 {
            metadata["sim"] = json!("expired");
        }
        let asked = json!({
            "input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": metadata,
        });
        let (status, request, body) = self.ask("POST", "/v1/batches", tenant, JSON, asked.to_string()).await?;
        let said: Value = serde_json::from_slice(&body).unwrap();
        match status {
            200 => drop(self.seen.lock().unwrap().made.insert(request, trace.to_owned())),
            402 => {
                self.seen.lock().unwrap().refused += 1;
                return Some(());
            }
            _ => panic!("{trace} got {status} {said:#}"),
        }
        let path = format!("/v1/batches/{}", said["id"].as_str().unwrap());
        for _ in 0..self.random.u8(0..4) {
            let (status, _, body) = self.ask("GET", &path, tenant, JSON, String::new()).await?;
            assert_eq!(status, 200, "{trace}: {body:?}");
            tokio::time::sleep(Duration::from_millis(self.random.u64(0..40))).await;
        }
        if self.random.u8(0..5) == 0 {
            let (status, _, body) = self.ask("POST", &format!("{path}/cancel"), tenant, JSON, String::new()).await?;
            assert!([200, 409].contains(&status), "{trace}: {status} {body:?}");
        }
        Some(())
    }

    /// A file of one to six requests alike: a new one, or one from before.
    async fn file(&mut self, tenant: &'static str) -> Option<String> {
        if self.random.bool() {
            let seen = self.seen.lock().unwrap();
            let known: Vec<&(&str, String)> = seen.files.iter().filter(|(whose, _)| *whose == tenant).collect();
            if let Some((_, file)) = self.random.choice(known) {
                return Some(file.clone());
            }
        }
        let content = lines(self.random.usize(1..=6), self.random.u32(8..30));
        let (kind, body) = form(&content);
        let (status, _, body) = self.ask("POST", "/v1/files", tenant, &kind, body).await?;
        assert_eq!(status, 200, "{body:?}");
        let said: Value = serde_json::from_slice(&body).unwrap();
        let file = said["id"].as_str().unwrap().to_owned();
        self.seen.lock().unwrap().files.push((tenant, file.clone()));
        Some(file)
    }

    async fn ask(&mut self, method: &str, path: &str, tenant: &str, kind: &str, body: String) -> Option<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", secret(tenant)))
            .header("content-type", kind)
            .body(Full::new(body.into()))
            .unwrap();
        let (head, body) = self.client.send(request).await?.into_parts();
        let id = text(&head.headers, "x-request-id").expect("every answer has one");
        Some((head.status.as_u16(), id, body.collect().await.ok()?.to_bytes()))
    }
}

const JSON: &str = "application/json";

fn lines(count: usize, max_tokens: u32) -> String {
    let messages = json!([{ "role": "user", "content": "Say something kind." }]);
    let body = json!({ "model": MODEL, "messages": messages, "max_tokens": max_tokens });
    let line = |number: usize| json!({ "custom_id": format!("r{number}"), "method": "POST", "url": "/v1/chat/completions", "body": body });
    (0..count).map(|number| format!("{}\n", line(number))).collect()
}

/// A form with a file of requests, and its content type.
fn form(content: &str) -> (String, String) {
    let body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n\
         {content}\r\n--{BOUNDARY}--\r\n"
    );
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// Runs clients for a while; `end` comes while they are at it.
fn load(stand: &mut Stand, round: u64, seen: &Arc<Mutex<Seen>>, end: impl FnOnce(&mut Stand)) {
    let stop = Arc::new(AtomicBool::new(false));
    let address: SocketAddr = stand.address();
    let callers: Vec<_> = (0..CALLERS)
        .map(|place| {
            let first = (round * CALLERS + place) * 1_000;
            let random = fastrand::Rng::with_seed(first);
            let caller = Caller { client: Client::new(address), seen: seen.clone(), random };
            stand.runtime.spawn(caller.drive(first, stop.clone()))
        })
        .collect();
    end(stand);
    stop.store(true, Ordering::Release);
    for caller in callers {
        stand.runtime.block_on(caller).unwrap();
    }
}

/// What the results of a batch cost: its requests are alike, and each is rounded by itself.
fn bill_of(tally: &Tally) -> Nanos {
    let count = tally.attempts.max(1);
    assert!(
        tally.prompt_tokens.is_multiple_of(count) && tally.completion_tokens.is_multiple_of(count),
        "they are alike: {tally:?}"
    );
    let prompt_tokens = tally.prompt_tokens / count;
    let each = Tally { prompt_tokens, completion_tokens: tally.completion_tokens / count, ..Tally::default() };
    bill(&each) * count as Nanos
}

/// The rows of a tenant's batches: the request that made each, its ending, and its charge.
fn rows(stand: &Stand, tenant: &str) -> Vec<(String, String, Nanos)> {
    let answer = stand.sandbox.good(&format!("calls --tenant {tenant} --limit {CALLS_MAX} --json")).json();
    assert!(answer["next_before"].is_null(), "one page has all");
    let rows = answer["calls"].as_array().unwrap().iter();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let batches = rows.filter(|row| row["endpoint"] == "batches");
    batches.map(|row| (text(row, "request_id"), text(row, "ending"), amount(row, "cost_usd"))).collect()
}

/// Compares a tenant's books with what its provider did; says how many batches were charged, for how much, and how many
/// stay held.
fn audit(stand: &Stand, tenant: &str, seen: &Seen) -> Result<(usize, Nanos, usize), String> {
    let truth = stand.runtime.block_on(stand.provider.settled_truth(COUNTED_WITHIN));
    let bills: HashMap<&str, Nanos> =
        traces_of(&truth, tenant).into_iter().map(|(trace, tally)| (trace, bill_of(tally))).collect();
    let rows = rows(stand, tenant);
    let mut by_request = HashMap::new();
    for (request, ending, cost) in &rows {
        if by_request.insert(request.as_str(), (ending.as_str(), *cost)).is_some() {
            return Err(format!("{tenant}: {request} was charged twice"));
        }
    }
    for (request, trace) in seen.made.iter().filter(|(_, trace)| super::books::is_of(trace, tenant)) {
        // One of which nothing came before it was cancelled or expired is billed nothing.
        let bill = bills.get(trace.as_str()).copied().unwrap_or_default();
        match by_request.get(request.as_str()) {
            Some(("complete", cost)) if *cost == bill => {}
            row => return Err(format!("{trace} was billed {bill}, and its row is {row:?}")),
        }
    }
    let charged = rows.iter().map(|(_, _, cost)| cost).sum::<Nanos>();
    let (billed, balance) = (bills.values().sum::<Nanos>(), stand.balance(tenant));
    if (charged, balance.spent) != (billed, billed) {
        return Err(format!("{tenant}: {charged} was charged, {balance:?} is said, and {billed} was billed"));
    }
    // What stays held is of requests whose client was not told that there is a batch.
    let holds: Vec<_> = stand.holds().into_iter().filter(|hold| hold.tenant == tenant).collect();
    if let Some(hold) = holds.iter().find(|hold| seen.made.contains_key(&hold.request_id)) {
        return Err(format!("{tenant}: {hold:?} is of a batch that its client was told of"));
    }
    match holds.iter().map(|hold| hold.usd).sum::<Nanos>() {
        held if held == balance.held => Ok((rows.len(), charged, holds.len())),
        held => Err(format!("{tenant}: holds of {held}, and {balance:?} is said")),
    }
}

#[test]
fn kill_9_while_batches_run_charges_each_once_or_leaves_it_held() {
    let tenants = TENANTS.map(|(id, budget)| Tenant { id: id.into(), budget });
    let mut stand = Stand::new(traced(), "batch_poll = \"100ms\"", &[(MODEL, MODEL)], &tenants);
    let mut random = fastrand::Rng::with_seed(number("MANDANT_SEED").unwrap_or(7));
    let seen: Arc<Mutex<Seen>> = Arc::default();
    for round in 0..kills() {
        load(&mut stand, round, &seen, |stand| {
            pause(Duration::from_millis(random.u64(50..600)));
            stand.kill();
        });
        stand.start();
        for (tenant, budget) in TENANTS {
            let balance = stand.balance(tenant);
            assert!(balance.spent + balance.held <= budget, "{tenant} after kill {round}: {balance:?} of {budget}");
        }
    }
    load(&mut stand, kills(), &seen, |_| pause(Duration::from_millis(500)));

    let seen = seen.lock().unwrap();
    tell(&format!(
        "kills {}: {} batches made, {} refused, {} times the relay went away",
        kills(),
        seen.made.len(),
        seen.refused,
        seen.broken
    ));
    assert!(seen.broken > 0 && seen.refused > 0 && seen.made.len() as u64 > kills(), "the kills hit something");
    let deadline = Instant::now() + COUNTED_WITHIN;
    for (tenant, _) in TENANTS {
        let (rows, charged, held) = loop {
            match audit(&stand, tenant, &seen) {
                Ok(found) => break found,
                Err(_) if Instant::now() < deadline => pause(Duration::from_millis(200)),
                Err(fault) => panic!("{fault}\n{}", stand.log_tail()),
            }
        };
        tell(&format!("{tenant}: {rows} batches charged {charged} nano-USD in all, {held} held"));
    }
    drop(seen);
    stand.kill();
    stand.sandbox.good("verify");
}
