//! Recorded traffic of real providers: every request that a provider took is read, and every usage is metered as recorded.
//!
//! The folder is named by `MANDANT_TRAFFIC`; without it the tests say so and pass, and the tests beside each module cover
//! the same shapes with fixtures of our own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    Dialect, Edits, Endpoint, Form, Maker, Route, StreamMeter, StreamOptions, Usage, answer_usage, heard, read,
};

/// What a recorded request was sent to, in our terms.
pub(crate) struct Asked {
    pub(crate) endpoint: Endpoint,
    tail: Option<String>,
    stream: bool,
    query: String,
}

impl Asked {
    fn of(path: &str) -> Option<Asked> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let asked = |endpoint, tail, stream| Some(Asked { endpoint, tail, stream, query: query.to_owned() });
        if let Some((model, action)) = path.split_once("/models/").and_then(|(_, rest)| rest.rsplit_once(':')) {
            let stream = action == "streamGenerateContent";
            let action = if stream { ":generateContent".to_owned() } else { format!(":{action}") };
            let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == action)?;
            return asked(endpoint, Some(model.to_owned()), stream);
        }
        if let Some((model, action)) = path.strip_prefix("/model/").and_then(|rest| rest.rsplit_once('/')) {
            let (endpoint, stream) = match action {
                "converse" => (Endpoint::Converse, false),
                "converse-stream" => (Endpoint::Converse, true),
                "invoke" => (Endpoint::Invoke, false),
                "invoke-with-response-stream" => (Endpoint::Invoke, true),
                _ => return None,
            };
            return asked(endpoint, Some(model.to_owned()), stream);
        }
        // The longest that fits: "/chat/completions" ends like "/completions".
        let fixed = Endpoint::ALL.into_iter().filter(|one| one.is_billed() && one.path().starts_with('/'));
        let endpoint = fixed.filter(|one| path.ends_with(one.path())).max_by_key(|one| one.path().len())?;
        // Two recordings are of a conversation's messages, and of a service that echoes its request.
        let is_other = path.contains("/threads/") || path.starts_with("/bin/");
        // Cohere's first version has other members, and others' chats end alike.
        let is_first = !path.starts_with("/v2/");
        let endpoint = if endpoint.ranks() && is_first { Endpoint::Rerank } else { endpoint };
        let is_other = is_other || (endpoint.dialect() == Some(Dialect::Cohere) && is_first);
        if is_other { None } else { asked(endpoint, None, false) }
    }

    /// What an answer is read as.
    fn answered(&self) -> Endpoint {
        let tail = self.tail.as_deref().filter(|_| self.endpoint.is_invoked()).unwrap_or_default();
        Maker::of(tail).and_then(|maker| maker.endpoint().ok()).unwrap_or(self.endpoint)
    }

    pub(crate) fn route(&self) -> Route<'_> {
        Route { tail: self.tail.as_deref(), stream: self.stream, query: &self.query, ..Route::from(self.endpoint) }
    }
}

/// The recorded exchanges of these dialects; empty when there is no folder.
pub(crate) fn records() -> Vec<(Asked, Value)> {
    let Some(folder) = std::env::var_os("MANDANT_TRAFFIC") else {
        eprintln!("MANDANT_TRAFFIC is not set: recorded traffic is not tested");
        return Vec::new();
    };
    let file =
        std::fs::File::open(std::path::Path::new(&folder).join("open.jsonl.gz")).expect("the folder has traffic");
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines
        .filter_map(|line| {
            let record: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
            let asked = Asked::of(record["path"].as_str()?).filter(|_| record["method"] == "POST")?;
            Some((asked, record))
        })
        .collect()
}

/// What is refused here although a provider took it, by the beginning of the sentence, and how often it was recorded.
const REFUSED: [(&str, usize); 8] = [
    ("'agent' asks an agent", 1),
    // xAI's batches are filled by calls of their own.
    ("'name' is not known here", 1),
    // OpenRouter's transcriptions come as JSON, too.
    ("Send the body as 'Content-Type: multipart/form-data'", 1),
    ("'guardrailConfig' has fees", 4),
    ("'s3Location' names an object", 2),
    ("The advisor tool asks another model", 2),
    ("'container' names an object of the provider's account", 3),
    ("Answers that are made later are not relayed", 1),
];

#[test]
fn every_request_that_a_provider_took_is_read_and_passes_unchanged() {
    let (mut taken, mut flagged, mut refused) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (asked, record) in records() {
        if record["status"] != 200 || !record["request_body"].is_object() {
            continue;
        }
        let request = &record["request_body"];
        let body = Bytes::from(serde_json::to_vec(request).expect("JSON"));
        let call = match read(asked.route(), Some(b"application/json"), body.clone()) {
            Ok(call) => call,
            Err(refusal) => {
                let known = REFUSED.iter().find(|(sentence, _)| refusal.message().contains(sentence));
                let (sentence, _) = known.unwrap_or_else(|| panic!("{} {refusal:?}", record["id"]));
                *refused.entry(*sentence).or_insert(0_usize) += 1;
                continue;
            }
        };
        assert_eq!(call.outgoing(&Edits::default()).to_bytes(), body);
        let renamed = call.outgoing(&Edits { model: Some("renamed"), ..Edits::default() }).to_bytes();
        let renamed: Value = serde_json::from_slice(&renamed).expect("JSON");
        assert_eq!(renamed, renamed_by_hand(asked.endpoint, request), "{}", record["id"]);
        let streams = asked.stream || request["stream"] == true;
        assert_eq!(call.stream(), streams || (asked.endpoint.streams_lines() && request["stream"] != false));
        if let Some(tail) = &asked.tail {
            let tail = tail.replace("%3A", ":");
            assert_eq!(call.model().map(base::ModelId::as_str), Some(tail.as_str()));
            let path = call.path(&tail).expect("the model is in the path").replace("%3A", ":");
            let sent = record["path"].as_str().expect("a path").replace("%3A", ":");
            assert!(sent.contains(path.split('?').next().unwrap()), "{sent} {path}");
        }
        let texts: usize = call.prompt_texts().map(|text| text.len()).sum();
        assert!(texts as u64 <= call.billable().text_bytes, "{}", record["id"]);
        if call.billable().unknown_parameters {
            *flagged.entry(record["provider"].to_string()).or_insert(0) += 1;
        }
        *taken.entry(call.endpoint().name()).or_insert(0) += 1;
    }
    eprintln!("taken {taken:?}, with unknown parameters {flagged:?}, refused {refused:?}");
    for (sentence, count) in REFUSED {
        assert!(refused.is_empty() || refused.get(sentence) == Some(&count), "{sentence}: {refused:?}");
    }
}

/// The request with another model, the slow way.
fn renamed_by_hand(endpoint: Endpoint, request: &Value) -> Value {
    let mut expected = request.clone();
    // The model stands in the path, or in the file that a batch names.
    if matches!(endpoint, Endpoint::Converse | Endpoint::Invoke | Endpoint::BatchCreate) {
        return expected;
    }
    if endpoint.dialect() != Some(Dialect::Gemini) || endpoint == Endpoint::Interactions {
        expected["model"] = "renamed".into();
        return expected;
    }
    let rename = |object: &mut Value| {
        if object.get("model").is_some() {
            object["model"] = "models/renamed".into();
        }
    };
    rename(&mut expected);
    expected.get_mut("generateContentRequest").into_iter().for_each(rename);
    expected.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten().for_each(rename);
    expected
}

/// What the usage of a record is, by its recorder, and normalised as [`Usage`] says.
fn expected(recorded: &Value) -> Option<Usage> {
    let of = |name: &str| recorded[name].as_u64().unwrap_or(0);
    let (mut input, mut output, total) = (recorded["input"].as_u64()?, of("output"), of("total"));
    let missing = total.saturating_sub(input + output);
    if missing > 0 && missing == of("input_audio") {
        // Mistral counts audio beside the prompt.
        input += missing;
    } else {
        // xAI counts reasoning, and Gemini thinking, beside the completion.
        output += missing;
    }
    // Azure's Grok has more cached tokens than input: that discount is not believed. OpenRouter's Gemini has tokens both
    // read from and written to the cache: each is counted once, at the dearer rate.
    let cached = Some(of("cached_read")).filter(|cached| *cached <= input).unwrap_or(0);
    let cached_input = cached.min(input - of("cache_write") - of("input_audio"));
    Some(Usage {
        input,
        cached_input,
        cache_write: of("cache_write"),
        audio_input: of("input_audio"),
        output,
        reasoning: of("reasoning").min(output),
        audio_output: of("output_audio"),
        accepted_prediction: of("accepted_prediction"),
        rejected_prediction: of("rejected_prediction"),
        ..Usage::default()
    })
}

/// Anthropic's recorded counts exclude each other.
fn expected_of_message(recorded: &Value) -> Usage {
    let of = |name: &str| recorded[name].as_u64().unwrap_or(0);
    let cache_write = of("cache_write");
    Usage {
        input: of("input_uncached") + of("input") + of("cached_read") + cache_write,
        cached_input: of("cached_read"),
        cache_write,
        cache_write_1h: of("cache_write_1h"),
        output: of("output"),
        reasoning: of("reasoning"),
        web_searches: of("web_search"),
        ..Usage::default()
    }
}

/// Google counts thinking beside the answer, and what its tools read beside the prompt. What of the cache was audio is
/// not in the recorder's counts.
fn expected_of_content(recorded: &Value, cached_input: u64) -> Usage {
    let of = |name: &str| recorded[name].as_u64().unwrap_or(0);
    assert!(cached_input <= of("cached_read") && cached_input + of("input_audio") >= of("cached_read"));
    let input = of("input") + of("tool_use_prompt");
    // One stream ends with fewer candidates' tokens than it had in its middle. Its last total says what is billed, and
    // the recorder kept the middle's.
    let billed = recorded["total"].as_u64().map_or(u64::MAX, |total| total - input);
    Usage {
        input,
        cached_input,
        audio_input: of("input_audio"),
        output: (of("output") + of("reasoning")).min(billed),
        reasoning: of("reasoning"),
        ..Usage::default()
    }
}

/// Checks one metered usage; what only providers' bills have is left out.
fn check(endpoint: Endpoint, record: &Value, found: Option<Usage>) {
    let recorded = &record["recorded_usage"];
    let found = found.unwrap_or_else(|| panic!("{} has usage {recorded}", record["id"]));
    assert!(found.cached_audio <= found.audio_input);
    let found = Usage { reported_cost: None, cached_audio: 0, ..found };
    match (endpoint, recorded["style"].as_str()) {
        (Endpoint::Messages | Endpoint::Invoke, _) => {
            assert_eq!(found, expected_of_message(recorded), "{} {recorded}", record["id"])
        }
        (_, Some("gemini")) => {
            let found = Usage { web_searches: 0, ..found };
            let expected = expected_of_content(recorded, found.cached_input);
            assert_eq!(found, expected, "{} {recorded}", record["id"]);
        }
        (_, Some("openai-chat" | "openai-responses")) => {
            let mut found = Usage { web_searches: 0, ..found };
            let body = record["response_body"].as_str().expect("text").replace(' ', "");
            let has = |name: &str, count: u64| body.contains(&format!("{name}\":{count}"));
            if recorded["cached_read"].is_null() && found.cached_input > 0 {
                // The recorder did not look at `cached_tokens` outside the details, where Together and Venice put it.
                assert!(has("cached_tokens", found.cached_input), "{}", record["id"]);
                found.cached_input = 0;
            }
            if recorded["cache_write"].is_null() && found.cache_write > 0 {
                // Nor at OpenAI's own `cache_write_tokens`, which are younger than it.
                assert!(has("cache_write_tokens", found.cache_write), "{}", record["id"]);
                found.cache_write = 0;
            }
            if endpoint == Endpoint::ImageGenerations {
                // Images are counted by themselves; the recorder counts their tokens with all others.
                assert!(found.images > 0 && has("image_tokens", found.image_output), "{}", record["id"]);
                (found.images, found.image_output) = (0, 0);
            }
            assert_eq!(Some(found), expected(recorded), "{} {recorded}", record["id"]);
        }
        // The recorder took the style from Anthropic's members beside OpenAI's, and kept only the cache's counts.
        (_, Some("anthropic")) => {
            assert_eq!(Some(found.cached_input), recorded["cached_read"].as_u64(), "{}", record["id"]);
        }
        (_, Some("bedrock")) => {
            let of = |name: &str| recorded[name].as_u64().unwrap_or(0);
            let (cached_input, cache_write) = (of("cached_read"), of("cache_write"));
            let input = of("input") + cached_input + cache_write;
            let output = of("output");
            // The recorder did not look at how long the cache keeps it.
            let found = Usage { cache_write_1h: 0, ..found };
            let expected = Usage { input, cached_input, cache_write, output, ..Usage::default() };
            assert_eq!(found, expected, "{} {recorded}", record["id"]);
        }
        (_, Some("cohere")) => {
            let of = |name: &str| recorded[name].as_u64().unwrap_or(0);
            let billed = Usage {
                input: of("billed_input"),
                output: of("billed_output"),
                web_searches: of("billed_search"),
                ..Usage::default()
            };
            // The recorder did not look at the reasoning.
            assert_eq!(Usage { reasoning: 0, ..found }, billed, "{} {recorded}", record["id"]);
        }
        // xAI tells what images cost, and no count.
        (Endpoint::ImageGenerations | Endpoint::ImageEdits, _) => {
            assert!(found.images > 0, "{} {found:?}", record["id"])
        }
        (_, Some("ollama")) => {
            let of = |name: &str| recorded[name].as_u64().unwrap_or(0);
            let expected = Usage { input: of("input"), output: of("output"), ..Usage::default() };
            assert_eq!(found, expected, "{} {recorded}", record["id"]);
        }
        // The recorder kept only the names of their counts.
        (Endpoint::Interactions, _) => {
            let expected = interacted(record["response_body"].as_str().expect("text"));
            assert_eq!(found, expected, "{}", record["id"]);
        }
        // Voyage gives only the total, and the recorder no count.
        _ => assert!(found.input > 0 && found.output == 0, "{} {found:?}", record["id"]),
    }
}

/// What an interaction, or its last event, says that it took, the slow way.
fn interacted(body: &str) -> Usage {
    let of = |name: &str| {
        let digits = body.rsplit_once(&format!("\"{name}\":")).map_or("", |(_, rest)| rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse::<u64>().unwrap_or(0)
    };
    let output = of("total_output_tokens") + of("total_thought_tokens");
    assert_eq!(of("total_tokens"), of("total_input_tokens") + of("total_tool_use_tokens") + output);
    Usage {
        input: of("total_input_tokens") + of("total_tool_use_tokens"),
        cached_input: of("total_cached_tokens"),
        output,
        reasoning: of("total_thought_tokens"),
        web_searches: u64::from(body.contains("{\"count\":1,\"type\":\"google_search\"}")),
        ..Usage::default()
    }
}

/// What an answer of Vertex's says that its vectors took, the slow way.
fn predicted(body: &str) -> Usage {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let predictions = body["predictions"].as_array().expect("predictions").iter();
    let tokens = predictions.map(|one| one["embeddings"]["statistics"]["token_count"].as_u64().expect("counted"));
    let characters = body["metadata"]["billableCharacterCount"].as_u64().expect("counted");
    Usage { input: tokens.sum(), characters, ..Usage::default() }
}

#[test]
fn every_recorded_usage_is_metered_as_recorded() {
    let (mut whole, mut streamed) = (BTreeMap::new(), BTreeMap::new());
    let mut random = fastrand::Rng::with_seed(7);
    for (asked, record) in records() {
        let endpoint = asked.answered();
        if endpoint == Endpoint::Predict && record["status"] == 200 {
            // The recorder did not look at these counts; they are in the body.
            let body = record["response_body"].as_str().expect("text");
            assert_eq!(answer_usage(endpoint, body.as_bytes()), Ok(Some(predicted(body))), "{}", record["id"]);
            *whole.entry(endpoint.name()).or_insert(0) += 1;
        }
        // What was heard is told in seconds, too: see `recorded_forms_...`.
        let is_known = record["recorded_usage"].is_object() && !endpoint.hears();
        let Some(body) = record["response_body"].as_str().filter(|_| is_known) else {
            continue;
        };
        if record["streaming"] != true {
            let found = answer_usage(endpoint, body.as_bytes());
            check(endpoint, &record, found.unwrap_or_else(|fault| panic!("{} {fault}", record["id"])));
            *whole.entry(endpoint.name()).or_insert(0) += 1;
            continue;
        }
        if endpoint.streams_frames() {
            let frames = frames_of(body);
            let (forwarded, meter) = metered(endpoint, &frames, false, &mut random);
            check(endpoint, &record, meter.usage());
            assert!(meter.is_terminal() && !meter.error_event() && forwarded == frames, "{}", record["id"]);
            *streamed.entry(endpoint.name()).or_insert(0) += 1;
            continue;
        }
        let adds_usage = matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions);
        for line_end in ["\n", "\r\n", "\r"] {
            if endpoint.streams_lines() && line_end == "\r" {
                continue;
            }
            let body = body.replace('\n', line_end);
            for strip_usage in [false, adds_usage] {
                let seen = meter(endpoint, &body, strip_usage, &mut random);
                check(endpoint, &record, seen.usage);
                // Only OpenAI's older endpoints end with a mark that the recorder looked for.
                if adds_usage {
                    assert_eq!(seen.is_terminal, record["sse_done"] == true, "{}", record["id"]);
                } else {
                    // One has a chat's chunks under the path of responses.
                    let is_chat = body.contains("chat.completion.chunk");
                    assert!(seen.is_terminal || is_chat, "{} ends", record["id"]);
                }
                let kept = if strip_usage { without_usage(&body, line_end) } else { body.clone() };
                assert!(seen.forwarded == kept, "{} {line_end:?} strip {strip_usage}", record["id"]);
            }
        }
        *streamed.entry(endpoint.name()).or_insert(0) += 1;
    }
    eprintln!("metered whole {whole:?} and streamed {streamed:?} answers");
}

/// Forms that providers took, at every kind of border; and what they answered, metered.
#[test]
fn recorded_forms_are_read_and_what_was_heard_is_metered() {
    let (mut taken, mut told, mut random) = (0, BTreeMap::new(), fastrand::Rng::with_seed(9));
    let records = records();
    let there_are_some = !records.is_empty();
    for (asked, record) in records.into_iter().filter(|(asked, _)| asked.endpoint.is_form()) {
        // Cohere's own tells nothing, and is not served.
        let is_served = record["provider"] != "cohere";
        if asked.endpoint.hears() && record["status"] == 200 && is_served {
            let heard = heard(record["response_body"].as_str().expect("text").as_bytes());
            let usage = heard.usage.unwrap_or_else(|fault| panic!("{} {fault}", record["id"])).unwrap_or_default();
            assert!(!heard.text.is_empty() && (usage.seconds > 0 || usage.output > 0), "{}", record["id"]);
            let recorded = &record["recorded_usage"];
            if let Some(total) = recorded["total"].as_u64() {
                assert_eq!(usage.input + usage.output, total, "{} {usage:?}", record["id"]);
                assert_eq!(usage.audio_input, recorded["input_audio"].as_u64().unwrap_or(0), "{}", record["id"]);
            }
            *told.entry(record["provider"].to_string()).or_insert(0) += 1;
        }
        let kind = record["request_headers"].as_object().into_iter().flatten();
        let kind =
            kind.filter(|(name, _)| name.eq_ignore_ascii_case("content-type")).find_map(|(_, kind)| kind.as_str());
        let (Some(kind), Some(body)) =
            (kind.filter(|kind| kind.contains("multipart")), record["request_body"].as_str())
        else {
            continue;
        };
        let body = if body.starts_with("--") { body.as_bytes().to_vec() } else { frames_of(body) };
        for longest in [1, 80, 70_000] {
            let mut form = Form::new(&asked.route(), Some(kind.as_bytes())).expect("a plain boundary");
            let mut rest = &body[..];
            while !rest.is_empty() {
                let (piece, left) = rest.split_at(random.usize(1..=longest).min(rest.len()));
                form.push(piece).unwrap_or_else(|refusal| panic!("{} {refusal:?}", record["id"]));
                rest = left;
            }
            form.finish().expect("it is whole");
            let call = form.call(&asked.route(), body.clone().into(), body.len() as u64).expect("it has a file");
            assert!(call.outgoing(&Edits::default()).to_bytes() == body, "{}", record["id"]);
            // llama.cpp needs no model.
            assert!(call.model().is_some() || record["provider"] == "llamacpp" || asked.endpoint.is_of_file());
        }
        taken += 1;
    }
    eprintln!("read {taken} forms; what was heard was told {told:?}");
    assert!(!there_are_some || (taken >= 6 && told.values().sum::<u32>() >= 6), "{taken} {told:?}");
}

struct Seen {
    forwarded: String,
    usage: Option<Usage>,
    is_terminal: bool,
}

/// The bytes of a recorded body that is in base64, such as a stream of frames.
pub(crate) fn frames_of(body: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let text: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').map(digit).collect();
    let quads = text.chunks(4).flat_map(|quad| {
        let bits = (0..4).fold(0_u32, |bits, place| bits << 6 | u32::from(*quad.get(place).unwrap_or(&0)));
        bits.to_be_bytes()[1..quad.len()].to_vec()
    });
    quads.collect()
}

/// Meters a body cut at random places.
fn meter(endpoint: Endpoint, body: &str, strip_usage: bool, random: &mut fastrand::Rng) -> Seen {
    let (forwarded, meter) = metered(endpoint, body.as_bytes(), strip_usage, random);
    let forwarded = String::from_utf8(forwarded).expect("the recorded bodies are text");
    Seen { forwarded, usage: meter.usage(), is_terminal: meter.is_terminal() }
}

/// What went through a meter, and the meter.
fn metered(endpoint: Endpoint, body: &[u8], strip_usage: bool, random: &mut fastrand::Rng) -> (Vec<u8>, StreamMeter) {
    let mut meter = StreamMeter::new(StreamOptions::new(endpoint, strip_usage));
    let mut forwarded = Vec::new();
    let mut rest = Bytes::copy_from_slice(body);
    let longest = random.usize(1..600);
    while !rest.is_empty() {
        let chunk = rest.split_to(random.usize(1..=longest).min(rest.len()));
        meter.push(chunk, &mut |bytes| forwarded.extend_from_slice(&bytes)).expect("no long lines");
    }
    meter.finish(&mut |bytes| forwarded.extend_from_slice(&bytes));
    assert_eq!(meter.fault(), None);
    (forwarded, meter)
}

/// The naive way to take out usage chunks: by splitting the whole text and parsing each event.
fn without_usage(body: &str, line_end: &str) -> String {
    let blank = line_end.repeat(2);
    let is_usage = |event: &str| {
        let data: Vec<&str> = event.split(line_end).filter_map(|line| line.strip_prefix("data:")).collect();
        let data: Value = serde_json::from_str(&data.join("\n")).unwrap_or_default();
        data["choices"].as_array().is_some_and(Vec::is_empty)
            && data["usage"].as_object().is_some_and(|usage| !usage.is_empty())
    };
    body.split_inclusive(&blank).filter(|event| !is_usage(event)).collect()
}
