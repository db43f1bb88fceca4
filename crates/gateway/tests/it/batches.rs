//! Batches: what they could cost is held for hours, what they did cost is charged to the nano, and nobody sees another's.

use std::time::Duration;

use base::{Money, TenantId};
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use mandant_gateway::Settings;
use serde_json::{Value, json};
use store::{Ending, HoldState, Store};
use testkit::Options;
use wire::Endpoint;

use crate::app::{TestApp, chat_model, models, tenant};
use crate::client::{Client, Reply, get, post};
use crate::nothing_lost::{copy_of_the_disk, start_on};

const BOUNDARY: &str = "a-boundary-of-batches";

/// Looks come fast.
fn settings() -> Settings {
    let listen = "127.0.0.1:0".parse().expect("an address");
    Settings { listen, batch_poll: Duration::from_millis(50), ..Settings::default() }
}

/// A model of the provider's own name, of which a batch costs half.
fn batch_model(id: &str) -> Value {
    let mut model = chat_model(id, id);
    model["price"]["batch_percent"] = json!(50);
    model
}

async fn app_with(settings: Settings, tenants: Vec<Value>) -> TestApp {
    let mut all = models();
    all.extend([batch_model("gpt-4.1"), batch_model("gpt-4.1-mini")]);
    all.push(json!({
        "id": "text-embedding-3-small", "kind": "embedding", "context_window": 8_192, "max_output_tokens": 0,
        "route": [{ "upstream": "sim", "model": "text-embedding-3-small" }], "price": { "input": "0.02" },
    }));
    let options = Options { cached_percent: 20, reasoning_percent: 10, ..Options::default() };
    TestApp::with(options, settings, all, tenants).await
}

async fn app() -> TestApp {
    app_with(settings(), vec![tenant("anna", json!({})), tenant("berta", json!({}))]).await
}

fn line(custom_id: &str, model: &str, more: Value) -> String {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": format!("Say {custom_id}.") }] });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    json!({ "custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body }).to_string() + "\n"
}

/// So many requests for 20 tokens each.
fn lines(count: usize) -> String {
    (0..count).map(|number| line(&format!("r{number}"), "gpt-4.1", json!({ "max_tokens": 20 }))).collect()
}

fn upload(tenant: &str, content: &str) -> Request<Full<Bytes>> {
    let body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n\
         {content}\r\n--{BOUNDARY}--\r\n"
    );
    let mut request = post("/v1/files", tenant, body);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    request.headers_mut().insert("content-type", HeaderValue::from_str(&kind).expect("a type"));
    request
}

async fn filed(app: &TestApp, tenant: &str, content: &str) -> String {
    let reply = app.call(upload(tenant, content)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

fn ask(file: &str, metadata: Value) -> String {
    let endpoint = "/v1/chat/completions";
    json!({ "input_file_id": file, "endpoint": endpoint, "completion_window": "24h", "metadata": metadata }).to_string()
}

/// A batch of `content`: the answer to its making.
async fn make(app: &TestApp, tenant: &str, content: &str, metadata: Value) -> Reply {
    let file = filed(app, tenant, content).await;
    app.call(post("/v1/batches", tenant, ask(&file, metadata))).await
}

fn id_of(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().expect("an id").to_owned()
}

async fn looked_at(app: &TestApp, tenant: &str, id: &str) -> Reply {
    app.call(get(&format!("/v1/batches/{id}"), tenant)).await
}

async fn with_method(app: &TestApp, method: Method, path: &str, tenant: &str) -> Reply {
    let mut request = get(path, tenant);
    *request.method_mut() = method;
    app.call(request).await
}

/// Waits until a batch has ended and is settled; what its provider says of it then.
async fn ended(app: &TestApp, tenant: &str, id: &str) -> Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        assert!(tokio::time::Instant::now() < deadline, "a batch is not settled after 20 s");
        if app.store.open_batches().expect("read").is_empty() {
            return looked_at(app, tenant, id).await.json();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What the lines of a file of results cost at half of $1.00, $0.25 (cached) and $2.00 per 1M, each rounded up by itself.
fn cost_of(results: &str) -> Money {
    let mut nanos = 0;
    for line in results.lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        let usage = &line["response"]["body"]["usage"];
        let count = |value: &Value| value.as_u64().expect("a count");
        let (input, output) = (count(&usage["prompt_tokens"]), count(&usage["completion_tokens"]));
        let cached = count(&usage["prompt_tokens_details"]["cached_tokens"]);
        nanos += ((input - cached) * 500_000 + cached * 125_000 + output * 1_000_000).div_ceil(1_000);
    }
    Money::from_nanos(i64::try_from(nanos).expect("small"))
}

fn held(app: &TestApp, tenant: &str) -> Money {
    app.relay.status(&TenantId::new(tenant).expect("a name")).expect("exists").figures.held_usd
}

async fn content(app: &TestApp, tenant: &str, file: &Value) -> Reply {
    app.call(get(&format!("/v1/files/{}/content", file.as_str().expect("an id")), tenant)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_held_for_while_it_runs_and_charged_by_what_its_results_used() {
    let app = app().await;
    let file = filed(&app, "anna", &(lines(9) + &line("fail", "gpt-4.1", json!({ "max_tokens": 20 })))).await;
    let made = app.call(post("/v1/batches", "anna", ask(&file, json!({ "looks": "2" })))).await;
    let id = id_of(&made);
    assert!(id.starts_with("batch_") && id.len() > 40, "{id} is sealed");
    assert_eq!(made.json()["input_file_id"], json!(file), "the file keeps its name");
    assert_eq!(made.header("mandant-cost-usd"), "0.00");
    let worst = held(&app, "anna");
    assert!(worst > Money::ZERO && made.header("mandant-hold-usd") == worst.to_string(), "{:?}", made.headers);
    let holds = app.relay.holds().expect("read");
    assert_eq!((holds.len(), holds[0].state, holds[0].intent.endpoint), (1, HoldState::Unknown, Endpoint::BatchCreate));
    assert_eq!(holds[0].intent.model.as_str(), "gpt-4.1");

    let done = ended(&app, "anna", &id).await;
    assert_eq!((&done["status"], &done["input_file_id"]), (&json!("completed"), &json!(file)));
    assert_eq!(done["request_counts"], json!({ "total": 10, "completed": 9, "failed": 1 }));
    let results = content(&app, "anna", &done["output_file_id"]).await;
    assert_eq!((results.status.as_u16(), results.text().lines().count()), (200, 9));
    assert_eq!(content(&app, "anna", &done["error_file_id"]).await.text().lines().count(), 1);
    let records = app.records("anna").await;
    let record = records.iter().find(|record| record.endpoint == Endpoint::BatchCreate).expect("a record");
    let cost = cost_of(&results.text());
    assert!(cost > Money::ZERO && cost < worst);
    assert_eq!(
        (record.charged, record.held, record.ending, record.variance),
        (cost, worst, Ending::Complete, Money::ZERO)
    );
    assert_eq!((held(&app, "anna"), app.spent("anna")), (Money::ZERO, cost));
    let truth = app.provider.truth().total;
    assert_eq!((record.usage.input, record.usage.output), (truth.prompt_tokens, truth.completion_tokens));
    assert_eq!(record.usage.cached_input, truth.cached_tokens);
    assert!(record.upstream_response_id.as_deref().is_some_and(|id| id.starts_with("batch_")));
    assert!(app.store.verify(&mut |_, _| {}).expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_and_their_results_are_their_tenants_alone() {
    let app = app().await;
    let file = filed(&app, "anna", &lines(2)).await;
    let foreign = app.call(post("/v1/batches", "berta", ask(&file, json!({})))).await;
    assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (404, "object_not_found"), "another's file");
    let id = id_of(&app.call(post("/v1/batches", "anna", ask(&file, json!({})))).await);
    let done = ended(&app, "anna", &id).await;
    let raw = |id: &str| app.store.object_seal().open(&TenantId::new("anna").expect("a name"), id).expect("opens").id;
    let output = done["output_file_id"].as_str().expect("results").to_owned();
    for (path, method) in [
        (format!("/v1/batches/{id}"), Method::GET),
        (format!("/v1/batches/{id}/cancel"), Method::POST),
        (format!("/v1/batches/{}", raw(&id)), Method::GET),
        (format!("/v1/files/{output}"), Method::GET),
        (format!("/v1/files/{output}/content"), Method::GET),
        (format!("/v1/files/{output}"), Method::DELETE),
        (format!("/v1/files/{}/content", raw(&output)), Method::GET),
    ] {
        let reply = with_method(&app, method.clone(), &path, "berta").await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "object_not_found"), "{method} {path}");
    }
    let list = |tenant: &'static str| app.call(get("/v1/batches", tenant));
    let ids = |reply: Reply| -> Vec<String> {
        let list = reply.json();
        let all = list["data"].as_array().expect("a list").iter();
        all.map(|batch| batch["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!((ids(list("anna").await), ids(list("berta").await)), (vec![id.clone()], vec![]));
    let listed = list("anna").await.json();
    assert_eq!(
        (&listed["data"][0]["status"], &listed["data"][0]["output_file_id"]),
        (&json!("completed"), &json!(output))
    );
    for number in 0..3 {
        let next = id_of(&make(&app, "anna", &lines(1), json!({ "n": number.to_string() })).await);
        ended(&app, "anna", &next).await;
    }
    let page = app.call(get("/v1/batches?limit=3", "anna")).await.json();
    assert_eq!((page["data"].as_array().map(Vec::len), &page["has_more"]), (Some(3), &json!(true)));
    let rest = app.call(get(&format!("/v1/batches?after={}", page["last_id"].as_str().expect("an id")), "anna")).await;
    assert_eq!(ids(rest), [id]);
    let text = app.call(get("/openai/v1/batches", "anna")).await.text();
    assert!(!text.contains(&raw(&output)), "a provider's id is in a list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_a_batch_only_answers_are_charged() {
    for (wish, status) in [("expired", "expired"), ("failed", "failed"), ("", "cancelled")] {
        let app = app().await;
        let metadata = if wish.is_empty() { json!({ "sim": "stuck" }) } else { json!({ "sim": wish }) };
        let id = id_of(&make(&app, "anna", &lines(8), metadata).await);
        if wish.is_empty() {
            let cancelled = app.call(post(&format!("/v1/batches/{id}/cancel"), "anna", "")).await;
            assert_eq!((cancelled.status.as_u16(), &cancelled.json()["id"]), (200, &json!(id)), "{}", cancelled.text());
        }
        let done = ended(&app, "anna", &id).await;
        assert_eq!(done["status"], json!(status));
        let results = match &done["output_file_id"] {
            Value::Null => String::new(),
            file => content(&app, "anna", file).await.text(),
        };
        assert_eq!(results.lines().count(), if status == "failed" { 0 } else { 4 }, "{status}");
        assert_eq!((app.spent("anna"), held(&app, "anna")), (cost_of(&results), Money::ZERO), "{status}");
        app.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_say_stays_held_and_is_charged_whole_at_its_deadline() {
    for wish in ["stuck", "untold", "uncounted", "short"] {
        let app = app().await;
        let id = id_of(&make(&app, "anna", &lines(4), json!({ "sim": wish })).await);
        let worst = held(&app, "anna");
        for _ in 0..5 {
            assert_eq!(looked_at(&app, "anna", &id).await.status, 200);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        assert_eq!((held(&app, "anna"), app.spent("anna")), (worst, Money::ZERO), "{wish}");
        // An ordinary hold would have ended by now; a batch has longer.
        let short = Settings { hold_deadline: Duration::from_millis(100), ..settings() };
        let app = app.restarted_with(short.clone(), |_| ()).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!((held(&app, "anna"), app.spent("anna")), (worst, Money::ZERO), "{wish}");
        let app = app.restarted_with(Settings { batch_deadline: Duration::from_millis(200), ..short }, |_| ()).await;
        app.settled().await;
        assert_eq!((held(&app, "anna"), app.spent("anna")), (Money::ZERO, worst), "{wish}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_time_neither_loses_a_batch_nor_charges_it_twice() {
    let slow = Settings { batch_poll: Duration::from_secs(3_600), ..settings() };
    let app = app_with(slow, vec![tenant("anna", json!({ "budget": { "usd_per_month": "5.00" } }))]).await;
    let file = filed(&app, "anna", &lines(6)).await;
    let before = copy_of_the_disk(&app);
    let id = id_of(&app.call(post("/v1/batches", "anna", ask(&file, json!({})))).await);
    let worst = held(&app, "anna");
    // Killed when the batch is under way: known from the journal, then from the store.
    let under_way = copy_of_the_disk(&app);
    app.relay.flush();
    let flushed = copy_of_the_disk(&app);
    // It ends here: killed when its end is in the journal, and when its row is gone.
    assert_eq!(looked_at(&app, "anna", &id).await.json()["status"], "completed");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while held(&app, "anna") > Money::ZERO {
        assert!(tokio::time::Instant::now() < deadline, "it is settled when its client sees that it has ended");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let settled = copy_of_the_disk(&app);
    let done = ended(&app, "anna", &id).await;
    let gone = copy_of_the_disk(&app);
    let cost = cost_of(&content(&app, "anna", &done["output_file_id"]).await.text());
    assert!(cost > Money::ZERO && cost < worst);

    let nothing = start_on(before.path(), settings()).await;
    assert_eq!(nothing.0.open_holds(), 0, "no batch was made");
    for (name, disk) in [("under way", under_way), ("in the store", flushed), ("settled", settled), ("gone", gone)] {
        let (relay, store) = start_on(disk.path(), settings()).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let anna = TenantId::new("anna").expect("a name");
        while relay.open_holds() > 0 || !store.open_batches().expect("read").is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "{name}: not settled");
            let figures = relay.status(&anna).expect("exists").figures;
            let sum = figures.held_usd + figures.current_usage.total_cost_usd;
            assert!(sum == worst || sum == cost, "{name}: {sum} is held or charged at every moment");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let figures = relay.status(&anna).expect("exists").figures;
        assert_eq!((figures.held_usd, figures.current_usage.total_cost_usd), (Money::ZERO, cost), "{name}");
        relay.flush();
        assert_eq!(charges(&store), [cost], "{name}: once");
        assert!(store.verify(&mut |_, _| {}).expect("read").is_empty(), "{name}");
        relay.stop().await;
    }
}

/// What the batches of anna were charged.
fn charges(store: &Store) -> Vec<Money> {
    let anna = TenantId::new("anna").expect("a name");
    let records = store.calls(&anna, base::Timestamp::EPOCH, 1_000, None).expect("read");
    records.iter().filter(|record| record.endpoint == Endpoint::BatchCreate).map(|record| record.charged).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_and_gives_nobody_its_windows_back_twice() {
    let limits = json!({ "limits": { "tokens_per_minute": 5_000 } });
    let app = app_with(settings(), vec![tenant("anna", limits)]).await;
    let id = id_of(&make(&app, "anna", &lines(60), json!({ "sim": "stuck" })).await);
    assert!(app.relay.holds().expect("read")[0].intent.worst.tokens > 5_000, "more than a minute takes");
    let app = app.restarted_with(settings(), |_| ()).await;
    assert_eq!(app.chat("anna", "chat", json!({ "max_tokens": 20 })).await.status, 200, "of no minute");
    let cancelled = app.call(post(&format!("/v1/batches/{id}/cancel"), "anna", "")).await;
    assert_eq!(cancelled.status, 200);
    ended(&app, "anna", &id).await;
    let app = app.restarted_with(settings(), |_| ()).await;
    assert_eq!(app.chat("anna", "chat", json!({ "max_tokens": 20 })).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_covers_the_worst_case_of_a_batch_or_it_is_not_made() {
    let budget = json!({ "budget": { "usd_per_month": "0.006" } });
    let app = app_with(settings(), vec![tenant("anna", budget)]).await;
    let first = make(&app, "anna", &lines(2), json!({ "sim": "stuck" })).await;
    let id = id_of(&first);
    app.provider.take_requests();
    let second = make(&app, "anna", &lines(200), json!({})).await;
    assert_eq!((second.status.as_u16(), second.code().as_str()), (402, "budget_exhausted"), "{}", second.text());
    assert!(app.provider.take_requests().iter().all(|asked| !asked.path.ends_with("/batches")), "nothing was made");
    assert_eq!(app.relay.open_holds(), 1);
    app.call(post(&format!("/v1/batches/{id}/cancel"), "anna", "")).await;
    ended(&app, "anna", &id).await;
    assert_eq!(held(&app, "anna"), Money::ZERO);
    assert_eq!(make(&app, "anna", &lines(2), json!({})).await.status, 200, "what was free is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_bounded_is_refused_by_name_and_never_sent() {
    let may = json!({ "models": ["chat", "gpt-4.1", "text-embedding-3-small"] });
    let app = app_with(settings(), vec![tenant("anna", may)]).await;
    let (good, small) = (lines(1), json!({ "max_tokens": 5 }));
    for (content, status, said) in [
        (line("a", "no-such-model", small.clone()), 404, "no-such-model"),
        (line("a", "gpt-4.1-mini", small.clone()), 403, "gpt-4.1-mini"),
        (line("a", "chat", small.clone()), 400, "another name"),
        (line("a", "text-embedding-3-small", small.clone()), 400, "does not serve"),
        (good.clone() + &line("b", "gpt-4.1-mini", small.clone()), 400, "Line 2"),
        (good.clone() + &line("b", "gpt-4.1", json!({ "max_tokens": -1 })), 400, "Line 2"),
        (
            good.clone()
                + &line("b", "gpt-4.1", small.clone())
                    .replace("\"max_tokens\":5", "\"max_tokens\":5,\"max_tokens\":9000"),
            400,
            "Line 2",
        ),
        (good.clone() + &good.replace("POST", "GET"), 400, "Line 2"),
        (good.clone() + &good.replace("/v1/chat/completions", "/v1/images/generations"), 400, "Line 2"),
        (good.clone() + "no JSON\n", 400, "Line 2"),
        (good.clone() + &line("b", "gpt-4.1", json!({ "service_tier": "priority" })), 400, "Line 2"),
        ("\n\n".to_owned(), 400, "no requests"),
        (good.repeat(50_001), 400, "50000"),
    ] {
        app.provider.take_requests();
        let refused = make(&app, "anna", &content, json!({})).await;
        let shown: String = content.chars().take(300).collect();
        assert_eq!(refused.status.as_u16(), status, "{shown}: {}", refused.text());
        assert!(refused.text().contains(said), "{shown}: {}", refused.text());
        assert!(app.provider.take_requests().iter().all(|asked| !asked.path.ends_with("/batches")), "{shown}");
    }
    let gone = app.call(post("/v1/batches", "anna", ask("file-unknown", json!({})))).await;
    assert_eq!((gone.status.as_u16(), gone.code().as_str()), (404, "object_not_found"));
    assert_eq!((app.relay.open_holds(), app.spent("anna")), (0, Money::ZERO));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_client_left_is_looked_after_all_the_same() {
    let app = app().await;
    let file = filed(&app, "anna", &lines(3)).await;
    let mut client = Client::connect(app.relay.address()).await;
    let request = post("/v1/batches", "anna", ask(&file, json!({})));
    let leaving = tokio::spawn(async move { client.send(request).await });
    // As soon as its provider has it.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !app.provider.requests().iter().any(|asked| asked.path.ends_with("/batches")) {
        assert!(tokio::time::Instant::now() < deadline, "never asked");
        tokio::task::yield_now().await;
    }
    leaving.abort();
    let listed = async {
        loop {
            let list = app.call(get("/v1/batches", "anna")).await.json();
            if let Some(id) = list["data"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let id = tokio::time::timeout(Duration::from_secs(10), listed).await.expect("it is in the list");
    let done = ended(&app, "anna", &id).await;
    assert_eq!(app.spent("anna"), cost_of(&content(&app, "anna", &done["output_file_id"]).await.text()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_stay_until_they_are_counted() {
    let slow = Settings { batch_poll: Duration::from_secs(3_600), ..settings() };
    let app = app_with(slow, vec![tenant("anna", json!({}))]).await;
    // One result does not say what it cost, so that it is never counted.
    let id = id_of(&make(&app, "anna", &lines(3), json!({ "sim": "untold" })).await);
    let done = looked_at(&app, "anna", &id).await.json();
    let output = format!("/v1/files/{}", done["output_file_id"].as_str().expect("results"));
    let refused = with_method(&app, Method::DELETE, &output, "anna").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "overloaded"));
    let attempt = app.relay.holds().expect("read")[0].intent.attempt;
    app.relay.resolve(attempt, mandant_gateway::Decision::Release, "a person knows").await.expect("resolved");
    looked_at(&app, "anna", &id).await;
    ended(&app, "anna", &id).await;
    assert_eq!(with_method(&app, Method::DELETE, &output, "anna").await.status, 200);
    assert_eq!(app.spent("anna"), Money::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_makes_one_batch() {
    let app = app().await;
    let file = filed(&app, "anna", &lines(2)).await;
    let keyed = || {
        let mut request = post("/v1/batches", "anna", ask(&file, json!({})));
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("one"));
        request
    };
    let first = app.call(keyed()).await;
    let again = app.call(keyed()).await;
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (200, "true"));
    assert!(first.body == again.body);
    ended(&app, "anna", &id_of(&first)).await;
    assert_eq!(app.written("anna").iter().filter(|record| record.endpoint == Endpoint::BatchCreate).count(), 1);
}

/// A tenant's batch of messages: so many requests, named by `first` and numbers.
fn messages_of(first: &str, count: usize, model: &str) -> String {
    let params = json!({ "model": model, "max_tokens": 20, "messages": [{ "role": "user", "content": "Say it." }] });
    let name = |number: usize| if number == 0 { first.to_owned() } else { format!("r{number}") };
    let requests: Vec<Value> =
        (0..count).map(|number| json!({ "custom_id": name(number), "params": params })).collect();
    json!({ "requests": requests }).to_string()
}

async fn app_of_messages(settings: Settings) -> TestApp {
    let provider = testkit::SimulatedProvider::start(Options::default()).await.expect("starts");
    let upstream =
        json!({ "id": "sim", "dialect": "anthropic", "base_url": provider.base_url(), "api_keys": ["env:PATH"] });
    let all =
        vec![batch_model("claude-haiku-4-5"), batch_model("claude-opus-4-5"), chat_model("mine", "claude-haiku-4-5")];
    let tenants = vec![tenant("anna", json!({})), tenant("berta", json!({}))];
    TestApp::over(provider, settings, json!({ "upstream": [upstream], "model": all, "tenant": tenants })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_messages_is_held_for_and_charged_by_its_results() {
    let app = app_of_messages(settings()).await;
    let path = "/v1/messages/batches";
    let made = app.call(post(path, "anna", messages_of("fail", 5, "claude-haiku-4-5"))).await;
    let id = id_of(&made);
    assert!(id.starts_with("msgbatch_") && id.len() > 40, "{id} is sealed");
    let worst = made.header("mandant-hold-usd").to_owned();
    assert!(worst.parse::<f64>().is_ok_and(|worst| worst > 0.0), "{worst}");
    wait_for_batches(&app).await;
    let done = app.call(get(&format!("{path}/{id}"), "anna")).await.json();
    assert_eq!((&done["processing_status"], &done["id"]), (&json!("ended"), &json!(id)));
    assert_eq!(done["results_url"], json!(format!("{path}/{id}/results")), "where its results are, here");
    let results = app.call(get(done["results_url"].as_str().expect("a path"), "anna")).await;
    assert_eq!((results.status.as_u16(), results.text().lines().count()), (200, 5));
    let truth = app.provider.truth().total;
    let records = app.records("anna").await;
    let record = records.iter().find(|record| record.endpoint == Endpoint::MessageBatchCreate).expect("a record");
    assert_eq!((record.usage.input, record.usage.output), (truth.prompt_tokens, truth.completion_tokens));
    let mut nanos = 0;
    for line in results.text().lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        let count = |name: &str| line["result"]["message"]["usage"][name].as_u64().unwrap_or(0);
        let cached = count("cache_read_input_tokens");
        nanos +=
            (count("input_tokens") * 500_000 + cached * 125_000 + count("output_tokens") * 1_000_000).div_ceil(1_000);
    }
    assert_eq!(record.charged, Money::from_nanos(i64::try_from(nanos).expect("small")));
    assert_eq!((app.spent("anna"), held(&app, "anna")), (record.charged, Money::ZERO));
    let list = app.call(get(path, "anna")).await.json();
    assert_eq!((&list["data"][0]["id"], &list["has_more"]), (&json!(id), &json!(false)));
    assert_eq!(app.call(get(path, "berta")).await.json()["data"], json!([]));
    for (method, path) in [
        (Method::GET, format!("{path}/{id}")),
        (Method::GET, format!("{path}/{id}/results")),
        (Method::POST, format!("{path}/{id}/cancel")),
        (Method::DELETE, format!("{path}/{id}")),
    ] {
        assert_eq!(with_method(&app, method.clone(), &path, "berta").await.status, 404, "{method} {path}");
    }
    let deleted = with_method(&app, Method::DELETE, &format!("{path}/{id}"), "anna").await;
    assert_eq!((&deleted.json()["id"], deleted.status.as_u16()), (&json!(id), 200));
    assert_eq!(app.call(get(path, "anna")).await.json()["data"], json!([]));
}

async fn wait_for_batches(app: &TestApp) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !app.store.open_batches().expect("read").is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "a batch is not settled after 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_messages_is_cancelled_kept_and_refused_like_others() {
    let app = app_of_messages(settings()).await;
    let path = "/v1/messages/batches";
    let id = id_of(&app.call(post(path, "anna", messages_of("stuck", 4, "claude-haiku-4-5"))).await);
    let worst = held(&app, "anna");
    let early = with_method(&app, Method::DELETE, &format!("{path}/{id}"), "anna").await;
    assert_eq!(early.status, 503, "what it cost is not counted");
    let app = app.restarted_with(settings(), |_| ()).await;
    assert_eq!((held(&app, "anna"), app.spent("anna")), (worst, Money::ZERO), "over a restart");
    let cancelled = app.call(post(&format!("{path}/{id}/cancel"), "anna", "")).await;
    assert_eq!(cancelled.json()["request_counts"]["canceled"], json!(2), "{}", cancelled.text());
    wait_for_batches(&app).await;
    let spent = app.spent("anna");
    assert!(spent > Money::ZERO && spent < worst && held(&app, "anna") == Money::ZERO);
    let untold = id_of(&app.call(post(path, "anna", messages_of("untold", 2, "claude-haiku-4-5"))).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.call(get(&format!("{path}/{untold}"), "anna")).await.json()["processing_status"], "ended");
    assert!(held(&app, "anna") > Money::ZERO && app.spent("anna") == spent, "nobody knows");
    let mixed = messages_of("a", 2, "claude-haiku-4-5").replacen("claude-haiku-4-5", "claude-opus-4-5", 1);
    for (body, said) in [
        (mixed, "Request 2"),
        (messages_of("a", 1, "mine"), "another name"),
        (messages_of("a", 1, "claude-haiku-4-5").replace("\"max_tokens\":20", "\"max_tokens\":-1"), "Request 1"),
        ("{\"requests\":[]}".to_owned(), "no requests"),
    ] {
        let refused = app.call(post(path, "anna", body)).await;
        assert!(refused.status == 400 && refused.text().contains(said), "{said}: {}", refused.text());
    }
    assert_eq!(app.relay.open_holds(), 1);
}
