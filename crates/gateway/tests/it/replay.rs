//! Recorded exchanges with real providers go through: their bytes unchanged, their usage metered as recorded, and priced
//! exactly.
//!
//! Reads the folder named by `MANDANT_TRAFFIC`; without it there is nothing to replay and the test says so.

use std::path::PathBuf;

use base::Money;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use testkit::{ChunkBorders, Exchange, Options, Replay, SimulatedProvider};

use crate::app::{TestApp, tenant, upstream};
use crate::client::{Client, post};

fn traffic() -> Option<PathBuf> {
    let folder = std::env::var_os("MANDANT_TRAFFIC");
    if folder.is_none() {
        eprintln!("MANDANT_TRAFFIC is not set: no recorded traffic to replay");
    }
    folder.map(|folder| PathBuf::from(folder).join("open.jsonl.gz"))
}

/// One recorded exchange, made addressable: its model is named after the record, on both sides of the relay.
struct Case {
    exchange: Exchange,
    route: &'static str,
    model: String,
    body: Value,
}

fn cases(folder: &std::path::Path) -> Vec<Case> {
    let wanted = |exchange: &Exchange| route(exchange).is_some() && exchange.request_body.is_object();
    let replay = Replay::load(folder, wanted).expect("the recordings are readable");
    let with_route = |exchange: &Exchange| {
        let mut body = exchange.request_body.clone();
        let model = format!("rec-{}", exchange.id);
        body["model"] = json!(model);
        let response_body = unwrapped(&exchange.response_body);
        let response_headers = with_content_type(exchange.response_headers.clone(), &response_body);
        let exchange = Exchange { response_body, response_headers, ..exchange.clone() };
        Case { route: route(&exchange).expect("filtered"), exchange, model, body }
    };
    replay.exchanges().iter().map(with_route).collect()
}

/// Some recorders kept bodies in base64 and do not say so.
fn unwrapped(body: &Bytes) -> Bytes {
    let decoded = base64::engine::general_purpose::STANDARD.decode(body).ok();
    decoded.filter(|decoded| starts_like_an_answer(decoded)).map_or(body.clone(), Bytes::from)
}

/// OpenRouter keeps a connection alive with white space before its answer.
fn starts_like_an_answer(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'd' | b':' | b'{'))
}

/// Some recorders lost the content type of streams.
fn with_content_type(mut headers: HeaderMap, body: &[u8]) -> HeaderMap {
    if body.starts_with(b"data:") || body.starts_with(b": ") {
        headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    }
    headers
}

/// Our route for a recorded path, where it is one that this relay has.
fn route(exchange: &Exchange) -> Option<&'static str> {
    let path = exchange.path.split('?').next().unwrap_or_default();
    let routes = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"];
    let known = routes
        .into_iter()
        .find(|route| path.ends_with(&route[3..]) && !(route.len() == 15 && path.ends_with("chat/completions")))?;
    (exchange.method == "POST" && is_openai_dialect(exchange)).then_some(known)
}

/// Recordings that are refused here, and why; the list only shrinks.
const REFUSED: [(&str, &str); 1] = [("05f8fff040c0f7bb3200", "the priority tier has no price of its own yet")];

/// Paths that end alike but speak something else.
fn is_openai_dialect(exchange: &Exchange) -> bool {
    // Writer's completions stream `{"value":...}`; Snowflake's Cortex and Voyage are close enough to be in.
    // One recording is of a service that echoes its request as text.
    exchange.provider != "writer" && !exchange.path.starts_with("/bin/")
}

fn model_of(case: &Case) -> Value {
    let kind = match case.route {
        "/v1/embeddings" => "embedding",
        "/v1/completions" => "completion",
        _ => "chat",
    };
    let mut price = json!({
        "input": "1.00", "output": "2.00", "cached_input": "0.25", "cache_write": "1.25",
        "audio_input": "1.00", "audio_output": "2.00", "web_search": "0.01",
    });
    if kind == "embedding" {
        price = json!({ "input": "1.00" });
    }
    json!({
        "id": case.model, "kind": kind, "context_window": 2_000_000, "max_output_tokens": if kind == "embedding" { 0 } else { 200_000 },
        "route": [{ "upstream": "sim", "model": case.model }], "price": price,
        "upstream_routing": true,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_exchanges_pass_byte_for_byte_and_are_metered_as_recorded() {
    let Some(folder) = traffic() else { return };
    let cases = cases(&folder);
    assert!(cases.len() > 600, "only {} recordings found", cases.len());
    let served: Vec<Exchange> = cases
        .iter()
        .map(|case| Exchange { path: case.route.into(), request_body: case.body.clone(), ..case.exchange.clone() })
        .collect();
    let options = Options {
        replay: Some(Replay::new(served).ignoring(&["stream_options"])),
        chunk_borders: ChunkBorders::Random { chunk_bytes_max: 300 },
        captures_max: 0,
        ..Options::default()
    };
    let provider = SimulatedProvider::start(options).await.expect("the provider starts");
    let models: Vec<Value> = cases.iter().map(model_of).collect();
    let resources =
        json!({ "upstream": [upstream(&provider.base_url())], "model": models, "tenant": [tenant("acme", json!({}))] });
    let app = TestApp::over(provider, Default::default(), resources).await;

    let mut problems = Vec::new();
    for case in &cases {
        if let Err(problem) = replay(&app, case).await {
            problems.push(format!("{} {} {}: {problem}", case.exchange.provider, case.route, case.exchange.id));
        }
    }
    assert!(problems.is_empty(), "{} problems of {}:\n{}", problems.len(), cases.len(), problems.join("\n"));
    problems.extend(metered_wrong(&app, &cases));
    assert!(problems.is_empty(), "{} problems of {}:\n{}", problems.len(), cases.len(), problems.join("\n"));
    println!("replayed {} exchanges", cases.len());
}

/// Sends one recorded request and compares what the client gets with what the provider sent.
async fn replay(app: &TestApp, case: &Case) -> Result<(), String> {
    let mut client = Client::connect(app.relay.address()).await;
    let response = client.send(post(case.route, "acme", case.body.to_string())).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    if let Some((_, reason)) = REFUSED.iter().find(|(id, _)| *id == case.exchange.id) {
        return if status == 400 { Ok(()) } else { Err(format!("passes although {reason}")) };
    }
    if status != case.exchange.status {
        return Err(format!(
            "status {status} for {}: {}",
            case.exchange.status,
            String::from_utf8_lossy(&body[..body.len().min(300)])
        ));
    }
    let expected = expected_body(case);
    if body != expected {
        let at = body
            .iter()
            .zip(expected.iter())
            .position(|(one, other)| one != other)
            .unwrap_or(body.len().min(expected.len()));
        let around = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(60).min(bytes.len())..(at + 120).min(bytes.len())])
                .into_owned()
        };
        return Err(format!("differs at {at}: got {:?}, expected {:?}", around(&body), around(&expected)));
    }
    Ok(())
}

/// The provider's bytes; without a usage chunk that this client did not ask for.
fn expected_body(case: &Case) -> Vec<u8> {
    let wants_usage = case.body["stream_options"]["include_usage"] == true;
    if !case.exchange.streaming || wants_usage || case.body["stream"] != true {
        return case.exchange.response_body.to_vec();
    }
    let text = case.exchange.response_body.to_vec();
    let mut kept = Vec::new();
    let mut rest = &text[..];
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\n\n").map_or(rest.len(), |at| at + 2);
        let (event, after) = rest.split_at(end);
        if !is_usage_chunk(event) {
            kept.extend_from_slice(event);
        }
        rest = after;
    }
    kept
}

fn is_usage_chunk(event: &[u8]) -> bool {
    let Some(data) = event.strip_prefix(b"data:") else {
        return false;
    };
    let Ok(chunk) = serde_json::from_slice::<Value>(data) else {
        return false;
    };
    chunk["choices"].as_array().is_some_and(Vec::is_empty) && chunk["usage"].is_object()
}

/// Compares every record with what the recording says, and its charge with a calculation of our own.
fn metered_wrong(app: &TestApp, cases: &[Case]) -> Vec<String> {
    let records = app.written("acme");
    let mut problems = Vec::new();
    for record in records.iter().filter(|record| record.ending == store::Ending::Unknown) {
        problems.push(format!("{} {} unknown: {:?}", record.model, record.endpoint, record.usage));
    }
    for case in cases {
        let name = format!("{} {}", case.exchange.provider, case.exchange.id);
        if REFUSED.iter().any(|(id, _)| *id == case.exchange.id) {
            continue;
        }
        let Some(record) = records.iter().find(|record| record.model.as_str() == case.model) else {
            if case.exchange.status == 200 {
                problems.push(format!("{name}: no record"));
            }
            continue;
        };
        let usage = record.usage;
        if record.charged + record.variance != price_of(&usage, case.route) {
            problems.push(format!("{name}: charged {} for {usage:?}", record.charged));
        }
        let Some(recorded) = &case.exchange.recorded_usage else { continue };
        if let Some(expected) = input_and_output(recorded)
            && expected != (usage.input, usage.output)
        {
            problems.push(format!("{name}: metered {usage:?}, recorded {recorded}"));
        }
    }
    problems
}

/// What the models of this test ask for a usage, worked out apart from the relay's own calculation.
fn price_of(usage: &wire::Usage, route: &str) -> Money {
    let is_embedding = route == "/v1/embeddings";
    let (cached, written) = if is_embedding { (1_000, 1_000) } else { (250, 1_250) };
    let fresh = usage.input - usage.cached_input - usage.cache_write;
    // One recording has more reasoning and audio than output: the dearer reading counts.
    let output = if is_embedding { 0 } else { usage.output.max(usage.reasoning + usage.audio_output) };
    let tokens = fresh * 1_000 + usage.cached_input * cached + usage.cache_write * written + output * 2_000;
    Money::from_nanos((tokens + usage.web_searches * 10_000_000) as i64)
}

/// The recorded tokens, with those that a provider counts only in the total: Mistral its audio input, others reasoning.
fn input_and_output(recorded: &Value) -> Option<(u64, u64)> {
    let number = |field: &str| recorded[field].as_u64();
    let (input, output) = (number("input")?, number("output").unwrap_or(0));
    let apart = number("total").map_or(0, |total| total.saturating_sub(input + output));
    let is_audio = apart > 0 && number("input_audio") == Some(apart);
    Some(if is_audio { (input + apart, output) } else { (input, output + apart) })
}
