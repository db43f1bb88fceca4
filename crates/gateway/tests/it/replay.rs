//! Recorded exchanges with real providers go through: their bytes unchanged, their usage metered as recorded, and priced
//! exactly.
//!
//! Reads the folder named by `MANDANT_TRAFFIC`; without it there is nothing to replay and the test says so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base::Money;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use testkit::{ChunkBorders, Exchange, Options, Replay, SimulatedProvider};
use wire::{Dialect, Endpoint};

use crate::app::{TestApp, secret, tenant};
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
    endpoint: Endpoint,
    /// What the client asks for, and what the provider is to be asked for.
    client_path: String,
    upstream_path: String,
    model: String,
    body: Value,
}

fn cases(folder: &std::path::Path) -> Vec<Case> {
    let wanted = |exchange: &Exchange| endpoint(exchange).is_some() && exchange.request_body.is_object();
    let replay = Replay::load(folder, wanted).expect("the recordings are readable");
    replay.exchanges().iter().enumerate().map(|(number, exchange)| case(number, exchange)).collect()
}

fn case(number: usize, exchange: &Exchange) -> Case {
    let endpoint = endpoint(exchange).expect("filtered");
    let named = exchange.path.strip_prefix("/model/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let maker = named.split(['%', ':']).next().unwrap_or_default();
    // Whose form a body has is known by the name of its model, which each case has to itself.
    let model = if endpoint.is_invoked() { format!("{maker}-{}", exchange.id) } else { format!("rec-{}", exchange.id) };
    let response_body = unwrapped(&exchange.response_body);
    let response_headers = with_content_type(exchange.response_headers.clone(), &response_body);
    let body = renamed(endpoint, &exchange.request_body, &model);
    let (path, query) = exchange.path.split_once('?').unwrap_or((&exchange.path, ""));
    let query: Vec<&str> = query.split('&').filter(|pair| pair.contains("alt=") || *pair == "beta=true").collect();
    let of_bedrock = path.rsplit_once('/').filter(|_| endpoint.dialect() == Some(Dialect::Bedrock));
    let below = of_bedrock.map(|(_, action)| format!("/model/{model}/{action}"));
    let below =
        below.unwrap_or_else(|| match path.rsplit_once(':').filter(|_| endpoint.dialect() == Some(Dialect::Gemini)) {
            Some((_, action)) => format!("/models/{model}:{action}"),
            None => endpoint.path().to_owned(),
        });
    let with_query = |path: String, query: &[&str]| match query {
        [] => path,
        pairs => format!("{path}?{}", pairs.join("&")),
    };
    // Both prefixes of Google's are served, and the key in the query must not get further than the relay.
    let is_cohere = endpoint.dialect() == Some(Dialect::Cohere);
    let version = if matches!(endpoint.dialect(), Some(Dialect::Bedrock | Dialect::Ollama)) {
        ""
    } else if exchange.provider == "vertex" {
        // Two versions, and a project that is nobody's here.
        let of_project = "projects/my-project-1/locations/us-central1/publishers/google";
        if number.is_multiple_of(2) { &format!("/v1/{of_project}") } else { &format!("/v1beta1/{of_project}") }
    } else if is_cohere {
        "/v2"
    } else if endpoint.dialect() == Some(Dialect::Gemini) && number.is_multiple_of(2) {
        "/v1beta"
    } else {
        "/v1"
    };
    let key = format!("key={}", secret("acme"));
    let client_query: Vec<&str> =
        query.iter().copied().chain(number.is_multiple_of(3).then_some(key.as_str())).collect();
    let client_path = with_query(format!("{version}{below}"), &client_query);
    let upstream_path = with_query(format!("/v1{below}"), &query);
    let exchange = Exchange { response_body, response_headers, ..exchange.clone() };
    Case { exchange, endpoint, client_path, upstream_path, model, body }
}

/// The recorded request for another model.
fn renamed(endpoint: Endpoint, request: &Value, model: &str) -> Value {
    let mut body = request.clone();
    if endpoint.dialect() == Some(Dialect::Bedrock) {
        return body;
    }
    if endpoint.dialect() != Some(Dialect::Gemini) || endpoint == Endpoint::Interactions {
        body["model"] = json!(model);
        return body;
    }
    let rename = |object: &mut Value| {
        if object.get("model").is_some() {
            object["model"] = json!(format!("models/{model}"));
        }
    };
    rename(&mut body);
    body.get_mut("generateContentRequest").into_iter().for_each(rename);
    body.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten().for_each(rename);
    body
}

/// Some recorders kept bodies in base64 and do not say so.
fn unwrapped(body: &Bytes) -> Bytes {
    let decoded = base64::engine::general_purpose::STANDARD.decode(body).ok();
    decoded.filter(|decoded| starts_like_an_answer(decoded) || is_frame(decoded)).map_or(body.clone(), Bytes::from)
}

/// OpenRouter keeps a connection alive with white space before its answer.
fn starts_like_an_answer(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'd' | b'e' | b':' | b'{' | b'['))
}

/// The beginning of a frame of Amazon's: a length below 64 KiB, and a sum of both lengths.
fn is_frame(bytes: &[u8]) -> bool {
    let sum = bytes.get(8..12).and_then(|sum| <[u8; 4]>::try_from(sum).ok()).map(u32::from_be_bytes);
    bytes.starts_with(&[0, 0]) && sum == Some(crc32fast::hash(&bytes[..8]))
}

/// Some recorders lost the content type of streams.
fn with_content_type(mut headers: HeaderMap, body: &[u8]) -> HeaderMap {
    if [&b"data:"[..], b"event:", b": "].iter().any(|start| body.starts_with(start)) {
        headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    }
    if is_frame(body) {
        headers.insert("content-type", HeaderValue::from_static("application/vnd.amazon.eventstream"));
    }
    headers
}

/// What a recorded path asks for, where this relay has it.
fn endpoint(exchange: &Exchange) -> Option<Endpoint> {
    let path = exchange.path.split('?').next().unwrap_or_default();
    let path = path.replace(":streamGenerateContent", ":generateContent").replace("/converse-stream", "/converse");
    let path = path.replace("/invoke-with-response-stream", "/invoke");
    // Writer's completions stream `{"value":...}`; Snowflake's Cortex and Voyage are close enough to be in. One recording
    // is of a service that echoes its request as text, two are of the messages of a thread.
    let is_other = exchange.provider == "writer" || path.starts_with("/bin/") || path.contains("/threads/");
    // Cohere's first version has other members, and others' chats end alike.
    let is_second = path.starts_with("/v2/");
    let is_of_version = |one: &Endpoint| match one {
        Endpoint::Rerank => !is_second,
        one => one.dialect() != Some(Dialect::Cohere) || is_second,
    };
    let known = Endpoint::ALL.into_iter().filter(|endpoint| endpoint.is_billed() && path.ends_with(endpoint.path()));
    // What is heard comes as forms, which `wire` reads. What batches cost comes with their results, in no recording.
    let begins_batch = |one: &Endpoint| matches!(one, Endpoint::BatchCreate | Endpoint::MessageBatchCreate);
    let known = known.filter(is_of_version).filter(|one| !one.hears() && !begins_batch(one));
    // Of what is predicted, vectors alone were recorded.
    let known = known.filter(|one| *one != Endpoint::PredictImages);
    // Of two forms only their lengths are recorded.
    let is_other = is_other || exchange.request_body.get("_binary_base64_len").is_some();
    let found =
        known.max_by_key(|endpoint| endpoint.path().len()).map(|one| match path.contains("amazon.titan-embed") {
            _ if !one.is_invoked() => one,
            true => Endpoint::InvokeVectors,
            false if path.contains("anthropic.") => Endpoint::Invoke,
            false => Endpoint::InvokeText,
        });
    found.filter(|_| exchange.method == "POST" && !is_other)
}

/// What is refused here, by its sentence, and how many recordings ask for it; the list only shrinks.
const REFUSED: [(&str, usize); 7] = [
    ("'agent' asks an agent", 1),
    ("'guardrailConfig' has fees", 4),
    ("'s3Location' names an object", 7),
    ("has no price for this service tier", 2),
    ("The advisor tool asks another model", 2),
    ("'container' names an object of the provider's account", 3),
    ("Answers that are made later are not relayed", 1),
];

fn model_of(case: &Case) -> Value {
    let kind = match case.endpoint {
        one if one.is_embedding() => "embedding",
        one if one.ranks() => "rerank",
        Endpoint::Completions => "completion",
        Endpoint::Moderations => "moderation",
        Endpoint::ImageGenerations | Endpoint::ImageEdits => "image",
        Endpoint::Speech => "speech",
        _ => "chat",
    };
    let has_output = matches!(kind, "chat" | "completion");
    let mut price = json!({
        "input": "1.00", "output": "2.00", "cached_input": "0.25", "cache_write": "1.25", "cache_write_1h": "2.00",
        "audio_input": "3.00", "cached_audio": "0.30", "audio_output": "4.00", "web_search": "0.01",
    });
    if !has_output {
        price = json!({ "input": "1.00", "web_search": "0.01" });
    }
    match kind {
        "image" => price["image"] = json!("0.01"),
        "speech" => price["character"] = json!("15.00"),
        _ => {}
    }
    let dialect = case.endpoint.dialect().expect("it goes to an upstream").name();
    json!({
        "id": case.model, "kind": kind, "context_window": 2_000_000, "max_output_tokens": if has_output { 200_000 } else { 0 },
        "route": [{ "upstream": dialect, "model": case.model }], "price": price,
        "upstream_routing": true,
    })
}

fn upstreams(base_url: &str) -> Vec<Value> {
    let of = |dialect: Dialect| json!({ "id": dialect.name(), "dialect": dialect.name(), "base_url": base_url, "api_keys": ["env:PATH"] });
    Dialect::ALL.into_iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_exchanges_pass_byte_for_byte_and_are_metered_as_recorded() {
    let Some(folder) = traffic() else { return };
    let cases = cases(&folder);
    assert!(cases.len() >= 1_849, "only {} recordings found", cases.len());
    let served: Vec<Exchange> = cases
        .iter()
        .map(|case| Exchange {
            path: case.upstream_path.clone(),
            request_body: case.body.clone(),
            ..case.exchange.clone()
        })
        .collect();
    let options = Options {
        replay: Some(Replay::new(served).ignoring(&["stream_options"])),
        chunk_borders: ChunkBorders::Random { chunk_bytes_max: 300 },
        captures_max: 0,
        ..Options::default()
    };
    let provider = SimulatedProvider::start(options).await.expect("the provider starts");
    let models: Vec<Value> = cases.iter().map(model_of).collect();
    let upstreams = upstreams(&provider.base_url());
    let resources = json!({ "upstream": upstreams, "model": models, "tenant": [tenant("acme", json!({}))] });
    let app = TestApp::over(provider, Default::default(), resources).await;

    let (mut problems, mut refused) = (Vec::new(), BTreeMap::new());
    for case in &cases {
        match replay(&app, case).await {
            Ok(Some(sentence)) => *refused.entry(sentence).or_insert(0) += 1,
            Ok(None) => {}
            Err(problem) => problems.push(format!(
                "{} {} {}: {problem}",
                case.exchange.provider,
                case.endpoint.name(),
                case.exchange.id
            )),
        }
    }
    assert_eq!(refused, BTreeMap::from(REFUSED));
    assert!(problems.is_empty(), "{} problems of {}:\n{}", problems.len(), cases.len(), problems.join("\n"));
    problems.extend(metered_wrong(&app, &cases));
    assert!(problems.is_empty(), "{} problems of {}:\n{}", problems.len(), cases.len(), problems.join("\n"));
    let mut replayed = BTreeMap::new();
    for case in &cases {
        *replayed.entry(case.endpoint.name()).or_insert(0) += 1;
    }
    println!("replayed {} exchanges: {replayed:?}; refused {refused:?}", cases.len());
}

/// Sends one recorded request and compares what the client gets with what the provider sent; the sentence with which
/// the relay refused it, where that is known.
async fn replay(app: &TestApp, case: &Case) -> Result<Option<&'static str>, String> {
    let mut client = Client::connect(app.relay.address()).await;
    let (request, ids) = with_sealed_ids(app, case);
    let response = client.send(post(&case.client_path, "acme", request.to_string())).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let body =
        if case.endpoint.asks_response() || case.endpoint.is_interaction() { opened(app, &body, &ids) } else { body };
    let text = String::from_utf8_lossy(&body);
    let refused = REFUSED.iter().find(|(sentence, _)| status == 400 && text.contains(sentence));
    if let Some((sentence, _)) = refused {
        return Ok(Some(sentence));
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
    Ok(None)
}

/// The request as a client of the relay sends it, who knows stored objects by sealed ids; and those ids with the provider's.
fn with_sealed_ids(app: &TestApp, case: &Case) -> (Value, Vec<(String, String)>) {
    let (mut body, mut ids) = (case.body.clone(), Vec::new());
    if case.endpoint.dialect() != Some(Dialect::Openai) && !case.endpoint.is_interaction() {
        return (body, ids);
    }
    let (seal, acme) = (app.store.object_seal(), base::TenantId::new("acme").expect("a name"));
    let origin = store::ObjectOrigin {
        upstream: base::UpstreamId::new(case.endpoint.dialect().expect("it goes to one").name()).expect("a name"),
        model: base::ModelId::new(&case.model).ok(),
    };
    let mut replace = |object: &mut Value, name: &str| {
        if let Some(id) = object.get(name).and_then(Value::as_str).map(str::to_owned) {
            let sealed = seal.seal(&acme, &origin, &id);
            object[name] = json!(sealed);
            ids.push((sealed, id));
        }
    };
    replace_files(&mut body, &mut replace);
    replace(&mut body, "previous_interaction_id");
    if !case.endpoint.asks_response() {
        return (body, ids);
    }
    for name in ["previous_response_id", "conversation"] {
        replace(&mut body, name);
    }
    for item in body.get_mut("input").and_then(Value::as_array_mut).into_iter().flatten() {
        replace(item, "id");
        replace(item, "approval_request_id");
    }
    (body, ids)
}

/// Every file that a request names, wherever that is.
fn replace_files(value: &mut Value, replace: &mut impl FnMut(&mut Value, &str)) {
    if value.is_object() {
        replace(value, "file_id");
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|value| replace_files(value, replace)),
        Value::Array(items) => items.iter_mut().for_each(|value| replace_files(value, replace)),
        _ => {}
    }
}

/// An answer with the provider's own ids in it again.
fn opened(app: &TestApp, body: &Bytes, ids: &[(String, String)]) -> Bytes {
    let (seal, acme) = (app.store.object_seal(), base::TenantId::new("acme").expect("a name"));
    let Ok(text) = std::str::from_utf8(body) else { return body.clone() };
    let open = |part: &str| seal.open(&acme, part).map_or(part.to_owned(), |object| object.id);
    let text = text.split('"').map(open).collect::<Vec<_>>().join("\"");
    // Errors have ids inside their sentences.
    ids.iter().fold(text, |text, (sealed, id)| text.replace(sealed, id)).into()
}

/// The provider's bytes; without a usage chunk that this client did not ask for.
fn expected_body(case: &Case) -> Vec<u8> {
    let wants_usage = case.body["stream_options"]["include_usage"] == true;
    let asks = matches!(case.endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
    if !asks || !case.exchange.streaming || wants_usage || case.body["stream"] != true {
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
        let Some(record) = records.iter().find(|record| record.model.as_str() == case.model) else {
            let is_refused = REFUSED_BY_SIGHT.iter().any(|mark| case.body.to_string().contains(mark));
            if case.exchange.status == 200 && !is_refused {
                problems.push(format!("{name}: no record"));
            }
            continue;
        };
        let usage = record.usage;
        if record.charged + record.variance != price_of(&usage, case.endpoint) {
            problems.push(format!("{name}: charged {} for {usage:?}", record.charged));
        }
        if case.endpoint == Endpoint::Rerank
            && case.exchange.status == 200
            && ranked(case) != (usage.input, usage.web_searches)
        {
            problems.push(format!("{name}: metered {usage:?}, recorded {:?}", ranked(case)));
        }
        if case.endpoint == Endpoint::Interactions && interacted(case) != (usage.input, usage.output) {
            problems.push(format!("{name}: metered {usage:?}, recorded {:?}", interacted(case)));
        }
        if case.endpoint == Endpoint::Predict
            && case.exchange.status == 200
            && predicted(case) != Some((usage.input, usage.characters))
        {
            problems.push(format!("{name}: metered {usage:?}, recorded {:?}", predicted(case)));
        }
        let header = |name: &str| case.exchange.response_headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
        if let Some(input) = header("x-amzn-bedrock-input-token-count") {
            let output = header("x-amzn-bedrock-output-token-count").unwrap_or(0);
            if (input, output) != (usage.input, usage.output) && usage.cached_input + usage.cache_write == 0 {
                problems.push(format!("{name}: metered {usage:?}, told {input} and {output} in the headers"));
            }
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

/// The tokens and characters of vectors of Vertex, which the recorder did not look at.
fn predicted(case: &Case) -> Option<(u64, u64)> {
    let answer: Value = serde_json::from_slice(&case.exchange.response_body).ok()?;
    let predictions = answer["predictions"].as_array()?.iter();
    let tokens = predictions.map(|one| one["embeddings"]["statistics"]["token_count"].as_u64());
    Some((tokens.sum::<Option<u64>>()?, answer["metadata"]["billableCharacterCount"].as_u64()?))
}

/// The tokens that an interaction tells at its end, those of tools and of thinking among them.
fn interacted(case: &Case) -> (u64, u64) {
    let text = String::from_utf8_lossy(&case.exchange.response_body);
    let of = |name: &str| {
        let digits = text.rsplit_once(&format!("\"{name}\":")).map_or("", |(_, rest)| rest);
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(0)].parse::<u64>().unwrap_or(0)
    };
    let input = of("total_input_tokens") + of("total_tool_use_tokens");
    (input, of("total_output_tokens") + of("total_thought_tokens"))
}

/// The tokens and units of search that an answer with documents in order tells.
fn ranked(case: &Case) -> (u64, u64) {
    let answer: Value = serde_json::from_slice(&case.exchange.response_body).expect("JSON");
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    (number(&answer["usage"]["total_tokens"]), number(&answer["meta"]["billed_units"]["search_units"]))
}

/// What stands in the requests that are refused.
const REFUSED_BY_SIGHT: [&str; 7] = [
    "\"agent\":",
    "\"guardrailConfig\":",
    "\"s3Location\":",
    "\"service_tier\":\"priority\"",
    "advisor_2",
    "\"container\":",
    "\"background\":true",
];

/// What the models of this test ask for a usage, worked out apart from the relay's own calculation.
fn price_of(usage: &wire::Usage, endpoint: Endpoint) -> Money {
    if endpoint.makes_images() {
        return Money::from_nanos((usage.input * 1_000 + usage.images * 10_000_000) as i64);
    }
    if endpoint == Endpoint::Speech {
        return Money::from_nanos(usage.characters as i64 * 15_000);
    }
    if endpoint.is_embedding() {
        assert_eq!(usage.web_searches, 0);
        return Money::from_nanos(usage.input as i64 * 1_000);
    }
    let short = usage.cache_write - usage.cache_write_1h;
    let fresh = usage.input - usage.cached_input - usage.cache_write - usage.audio_input;
    let input = fresh * 1_000
        + usage.cached_input * 250
        + short * 1_250
        + usage.cache_write_1h * 2_000
        + (usage.audio_input - usage.cached_audio) * 3_000
        + usage.cached_audio * 300;
    // One recording has more reasoning and audio than output: the dearer reading counts.
    let output = usage.output.max(usage.reasoning + usage.audio_output);
    let tokens = input + (output - usage.audio_output) * 2_000 + usage.audio_output * 4_000;
    Money::from_nanos((tokens + usage.web_searches * 10_000_000) as i64)
}

/// The recorded tokens of input and output. Some providers count a part only in the total: Mistral its audio input, others
/// reasoning. Anthropic's parts of the input exclude each other; Google's thinking is beside its answer, and the prompts
/// of its tools beside the prompt.
fn input_and_output(recorded: &Value) -> Option<(u64, u64)> {
    let number = |field: &str| recorded[field].as_u64();
    let of = |field: &str| number(field).unwrap_or(0);
    if let Some(uncached) = number("input_uncached") {
        return Some((uncached + of("cached_read") + of("cache_write"), of("output")));
    }
    if recorded["style"] == "bedrock" {
        return Some((of("input") + of("cached_read") + of("cache_write"), of("output")));
    }
    if recorded["style"] == "cohere" {
        return Some((of("billed_input"), of("billed_output")));
    }
    if recorded["style"] == "gemini" {
        let input = of("input") + of("tool_use_prompt");
        let output = of("output") + of("reasoning");
        // One stream's last total is less than the recorder's sum, which keeps a count from its middle.
        return Some((input, number("total").map_or(output, |total| output.min(total - input))));
    }
    let (input, output) = (number("input")?, of("output"));
    let apart = number("total").map_or(0, |total| total.saturating_sub(input + output));
    let is_audio = apart > 0 && number("input_audio") == Some(apart);
    Some(if is_audio { (input + apart, output) } else { (input, output + apart) })
}
