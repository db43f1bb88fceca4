//! Recorded traffic of real providers: every request that a provider took is read, and every usage is metered as recorded.
//!
//! The folder is named by `MANDANT_TRAFFIC`; without it the tests say so and pass, and the tests beside each module cover
//! the same shapes with fixtures of our own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use bytes::Bytes;
use serde_json::Value;

use crate::{Edits, Endpoint, StreamMeter, StreamOptions, Usage, answer_usage, read};

/// The recorded exchanges of this dialect; empty when there is no folder.
fn records() -> Vec<(Endpoint, Value)> {
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
            let path = record["path"].as_str()?.split('?').next()?.to_owned();
            let endpoints = [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Embeddings];
            let endpoint = endpoints.into_iter().find(|endpoint| path.ends_with(endpoint.path()))?;
            Some((endpoint, record))
        })
        .collect()
}

#[test]
fn every_request_that_a_provider_took_is_read_and_passes_unchanged() {
    let (mut taken, mut flagged) = (0, BTreeMap::new());
    for (endpoint, record) in records() {
        if record["status"] != 200 || !record["request_body"].is_object() {
            continue;
        }
        let request = &record["request_body"];
        let body = Bytes::from(serde_json::to_vec(request).expect("JSON"));
        let call = read(endpoint, Some(b"application/json"), body.clone());
        let call = call.unwrap_or_else(|refusal| panic!("{} {refusal:?}", record["id"]));
        assert_eq!(call.outgoing(&Edits::default()).to_bytes(), body);
        let renamed = call.outgoing(&Edits { model: Some("renamed"), ..Edits::default() }).to_bytes();
        let mut expected = request.clone();
        expected["model"] = "renamed".into();
        assert_eq!(serde_json::from_slice::<Value>(&renamed).expect("JSON"), expected);
        assert_eq!(call.stream(), request["stream"] == true);
        let texts: usize = call.prompt_texts().map(|text| text.len()).sum();
        assert!(texts as u64 <= call.billable().text_bytes, "{}", record["id"]);
        if call.billable().unknown_parameters {
            *flagged.entry(record["provider"].to_string()).or_insert(0) += 1;
        }
        taken += 1;
    }
    eprintln!("taken {taken}, with unknown parameters {flagged:?}");
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

/// Checks one metered usage; what only providers' bills have is left out.
fn check(record: &Value, found: Option<Usage>) {
    let recorded = &record["recorded_usage"];
    let found = found.unwrap_or_else(|| panic!("{} has usage {recorded}", record["id"]));
    match recorded["style"].as_str() {
        Some("openai-chat") => {
            let mut found = Usage { web_searches: 0, reported_cost: None, ..found };
            if recorded["cached_read"].is_null() && found.cached_input > 0 {
                // The recorder did not look at `cached_tokens` outside the details, where Together and Venice put it.
                let member = format!("cached_tokens\":{}", found.cached_input);
                let body = record["response_body"].as_str().expect("text").replace(' ', "");
                assert!(body.contains(&member), "{}", record["id"]);
                found.cached_input = 0;
            }
            assert_eq!(Some(found), expected(recorded), "{} {recorded}", record["id"]);
        }
        // The recorder took the style from Anthropic's members beside OpenAI's, and kept only the cache's counts.
        Some("anthropic") => assert_eq!(Some(found.cached_input), recorded["cached_read"].as_u64(), "{}", record["id"]),
        // Voyage gives only the total, and the recorder no count.
        _ => assert!(found.input > 0 && found.output == 0),
    }
}

#[test]
fn every_recorded_usage_is_metered_as_recorded() {
    let (mut whole, mut streamed) = (0, 0);
    let mut random = fastrand::Rng::with_seed(7);
    for (endpoint, record) in records() {
        let Some(body) = record["response_body"].as_str().filter(|_| record["recorded_usage"].is_object()) else {
            continue;
        };
        if record["streaming"] != true {
            let found = answer_usage(endpoint, body.as_bytes());
            check(&record, found.unwrap_or_else(|fault| panic!("{} {fault}", record["id"])));
            whole += 1;
            continue;
        }
        for line_end in ["\n", "\r\n", "\r"] {
            let body = body.replace('\n', line_end);
            for strip_usage in [false, true] {
                let seen = meter(endpoint, &body, strip_usage, &mut random);
                check(&record, seen.usage);
                assert_eq!(seen.is_terminal, record["sse_done"] == true, "{}", record["id"]);
                let kept = if strip_usage { without_usage(&body, line_end) } else { body.clone() };
                assert!(seen.forwarded == kept, "{} {line_end:?} strip {strip_usage}", record["id"]);
            }
        }
        streamed += 1;
    }
    eprintln!("metered {whole} whole and {streamed} streamed answers");
}

struct Seen {
    forwarded: String,
    usage: Option<Usage>,
    is_terminal: bool,
}

/// Meters a body cut at random places.
fn meter(endpoint: Endpoint, body: &str, strip_usage: bool, random: &mut fastrand::Rng) -> Seen {
    let mut meter = StreamMeter::new(StreamOptions::new(endpoint, strip_usage));
    let mut forwarded = Vec::new();
    let mut rest = Bytes::copy_from_slice(body.as_bytes());
    let longest = random.usize(1..600);
    while !rest.is_empty() {
        let chunk = rest.split_to(random.usize(1..=longest).min(rest.len()));
        meter.push(chunk, &mut |bytes| forwarded.extend_from_slice(&bytes)).expect("no long lines");
    }
    meter.finish(&mut |bytes| forwarded.extend_from_slice(&bytes));
    assert_eq!(meter.fault(), None);
    let forwarded = String::from_utf8(forwarded).expect("the recorded bodies are text");
    Seen { forwarded, usage: meter.usage(), is_terminal: meter.is_terminal() }
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
