//! Goldens of every pair and feature, streams cut at every place, and what is refused.

use std::fmt::Write;

use bytes::Bytes;

use super::form::{FORMS, Reader, whole};
use super::node::Node;
use super::request::Translation;
use super::said::{Event, Names, Piece, Said};
use super::stream::AnswerTranslator;
use crate::frames::FrameFramer;
use crate::sse::Framer;
use crate::{Call, Endpoint, Route};

#[path = "answer_tests.rs"]
mod answers;
#[path = "client_tests.rs"]
mod clients;
#[path = "demands_tests.rs"]
mod demands;
#[path = "golden_tests.rs"]
mod goldens;
#[path = "samples.rs"]
mod samples;
#[path = "seal_tests.rs"]
mod seals;
#[path = "traffic_tests.rs"]
mod traffic;

use self::samples::{readable, requests, sayable, stream_error, streams};

fn names() -> Names {
    Names { id: "req_test".into(), model: "asked".into(), created: 1_796_083_200 }
}

fn call(form: Endpoint, body: &str) -> Call {
    let tail = matches!(form, Endpoint::GenerateContent | Endpoint::Converse).then_some("m");
    crate::read(Route { tail, ..Route::from(form) }, None, Bytes::copy_from_slice(body.as_bytes()))
        .expect("a good request")
}

/// One line for each member or item near the top, so that a change shows where it is.
fn broken_up(json: &str) -> String {
    let (mut out, mut depth, mut in_string, mut is_escaped) = (String::new(), 0, false, false);
    for letter in json.chars() {
        out.push(letter);
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth <= 4 => out.push('\n'),
            _ => {}
        }
    }
    out
}

fn machine(from: Endpoint, client: Endpoint, is_array: bool) -> AnswerTranslator {
    AnswerTranslator::new(from, client, names(), true, is_array, 1 << 20)
}

fn translate(from: Endpoint, client: Endpoint, is_array: bool, chunks: &[&[u8]]) -> Vec<u8> {
    let mut machine = machine(from, client, is_array);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&machine.push(chunk).expect("a good stream"));
    }
    out.extend_from_slice(&machine.finish(true));
    out
}

/// The last event that a client gets of a stream.
fn stream_end(from: Endpoint, client: Endpoint, stream: &[u8]) -> String {
    let there = readable(client, &translate(from, client, false, &[stream]));
    there.trim_end().rsplit("\n\n").next().unwrap_or_default().to_owned()
}

/// The events of a stream, without a translator.
fn events(form: Endpoint, stream: &[u8]) -> Vec<Event> {
    let (mut reader, mut events) = (Reader::new(form, &names()), Vec::new());
    let (mut framer, mut frames) = (Framer::new(16 << 20, 16 << 20), FrameFramer::new(16 << 20, 16 << 20));
    let mut read = |data: &[u8]| {
        if !data.trim_ascii().is_empty() {
            reader.event(data, &mut events).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(data)));
        }
    };
    let mut at = 0;
    if form == Endpoint::Converse {
        while let Some(frame) = frames.next_frame(stream, &mut at).expect("good frames") {
            let data = frame.payload.expect("short frames");
            if frame.is_error {
                let problem = super::bedrock::exception(frame.error_kind, data);
                return [events, vec![Event::Problem(problem)]].concat();
            }
            read(data);
        }
        return events;
    }
    while let Some(event) = framer.next(stream, &mut at).expect("short lines") {
        event.data.into_iter().for_each(&mut read);
    }
    // What stands behind the last whole event may be cut off.
    if let Some(data) = framer.finish().and_then(|event| event.data) {
        let _ = reader.event(data, &mut events);
    }
    events
}

#[test]
fn a_stream_is_the_same_wherever_it_is_cut_and_says_what_the_whole_says() {
    for (from, stream) in streams() {
        let stream = stream.concat();
        let mut forms = vec![stream.clone()];
        if from != Endpoint::Converse {
            forms.push(String::from_utf8(stream).expect("text").replace('\n', "\r\n").into_bytes());
        }
        for bytes in forms {
            let clients = FORMS.into_iter().filter(|client| *client != from);
            for (number, client) in clients.enumerate() {
                let expected = translate(from, client, false, &[&bytes]);
                // Who reads knows nothing of who writes: each place is cut for one of the clients.
                for cut in (number..=bytes.len()).step_by(FORMS.len() - 1) {
                    let cut_there = translate(from, client, false, &[&bytes[..cut], &bytes[cut..]]);
                    assert!(cut_there == expected, "{from} for {client}, cut at {cut}");
                }
                let mut json = super::build::Build::new();
                whole(client, &Said::fold(events(from, &bytes)), &names(), &mut json);
                let (mut reader, mut read) = (Reader::new(client, &names()), Vec::new());
                let folded = json.take();
                reader.whole(Node::parse(&folded).expect("JSON"), &mut read).expect("our own answer");
                let (streamed, folded) = (Said::fold(events(client, &expected)), Said::fold(read));
                assert_eq!(on_one_line(streamed), on_one_line(folded), "{from} for {client}");
            }
        }
    }
}

/// Line breaks between values may be spaces.
fn on_one_line(mut said: Said) -> Said {
    for piece in said.choices.iter_mut().flat_map(|choice| &mut choice.pieces) {
        if let Piece::Call { arguments, .. } = piece {
            *arguments = arguments.replace('\n', " ");
        }
    }
    said
}

#[test]
fn an_array_has_the_items_that_the_events_have() {
    for (from, stream) in streams().into_iter().filter(|(from, _)| *from != Endpoint::GenerateContent) {
        let stream = stream.concat();
        let items: serde_json::Value =
            serde_json::from_slice(&translate(from, Endpoint::GenerateContent, true, &[&stream])).expect("an array");
        let events = translate(from, Endpoint::GenerateContent, false, &[&stream]);
        let data: Vec<serde_json::Value> = readable(Endpoint::GenerateContent, &events)
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).expect("JSON"))
            .collect();
        assert_eq!(items.as_array().expect("an array"), &data);
        assert!(data.len() > 2);
    }
}

#[test]
fn a_stream_that_broke_off_has_no_end_and_an_error_is_the_last_event() {
    let ends = ["[DONE]", "message_stop", "finishReason", "response.completed", "COMPLETE", "messageStop", "latencyMs"];
    for (from, stream) in streams() {
        // Before any reason to finish.
        let begun = stream[..if from == Endpoint::GenerateContent { 2 } else { 8 }].concat();
        for client in FORMS.into_iter().filter(|client| *client != from) {
            let mut broken = machine(from, client, false);
            let mut out = broken.push(&begun).expect("a good stream").to_vec();
            out.extend_from_slice(&broken.finish(false));
            let text = readable(client, &out);
            assert!(!text.is_empty() && ends.iter().all(|end| !text.contains(end)), "{from} {client}: {text}");

            let out = translate(from, client, false, &[&begun, &stream_error(from), &stream.concat()]);
            let text = readable(client, &out);
            let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("an event");
            assert!(last.contains("No more."), "{from} {client}: {last}");
            let is_named = match client {
                Endpoint::Converse => text.contains("exception-type"),
                Endpoint::CohereChat => last.contains("\"ERROR\""),
                _ => last.contains("\"error\""),
            };
            assert!(is_named && ends.iter().all(|end| !text.contains(end)), "{from} {client}: {text}");

            let mut garbled = machine(from, client, false);
            let data: &[u8] = if from == Endpoint::Converse { b"\0\0\0\x20garbled!" } else { b"data: {\"type\": \n\n" };
            assert!(garbled.push(data).is_err(), "{from} {client}");
        }
    }
}

#[test]
fn errors_of_proxies_and_of_providers_are_told_in_the_clients_words() {
    for client in FORMS {
        let from = if client == Endpoint::Messages { Endpoint::ChatCompletions } else { Endpoint::Messages };
        let machine = machine(from, client, false);
        for (body, sentence) in [
            (
                r#"{"type":"error","error":{"type":"rate_limit_error","message":"Too fast."},"request_id":"r"}"#,
                "Too fast.",
            ),
            (r#"{"error":{"message":"Too fast.","type":"requests","code":"rate_limit_exceeded"}}"#, "Too fast."),
            (r#"[{"error":{"code":429,"message":"Too fast.","status":"RESOURCE_EXHAUSTED"}}]"#, "Too fast."),
            (r#"{"id":"r","message":"Too fast."}"#, "Too fast."),
            (r#"{"__type":"ThrottlingException","message":"Too fast."}"#, "Too fast."),
            (r#"{"detail":"Too fast."}"#, "Too fast."),
            ("<html>Bad gateway</html>", "<html>Bad gateway</html>"),
            ("", "status 429"),
        ] {
            let told = machine.whole(429, body.as_bytes()).expect("an error");
            let value: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
            let error = value.get("error").unwrap_or(&value);
            assert!(error["message"].as_str().is_some_and(|text| text.contains(sentence)), "{client} {value}");
            let (member, word) = match client {
                Endpoint::GenerateContent => ("status", "RESOURCE_EXHAUSTED"),
                Endpoint::CohereChat => ("id", "req_test"),
                Endpoint::Converse => ("__type", "ThrottlingException"),
                _ => ("type", "rate_limit_error"),
            };
            assert_eq!(error[member], word, "{client} {value}");
        }
        assert!(machine.whole(200, b"<html>").is_err());
        assert!(machine.whole(200, b"{\"a\":1}").is_err());
    }
}

/// Vercel's `ai` asks for it in each stream with tools.
#[test]
fn how_finely_calls_are_streamed_is_left_out() {
    let tool = r#"{"name":"x","input_schema":{"type":"object"},"eager_input_streaming":true}"#;
    let body =
        format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"tools":[{tool}]}}"#);
    for target in FORMS.into_iter().filter(|target| *target != Endpoint::Messages) {
        let call = call(Endpoint::Messages, &body);
        let Ok(translation) = Translation::between(Endpoint::Messages, target, &call) else { panic!("{target:?}") };
        let written = translation.body("m", Some(9), 9);
        assert!(!String::from_utf8_lossy(&written).contains("eager"), "{target:?}");
    }
    let odd = body.replace("true", "1");
    assert!(Translation::between(Endpoint::Messages, Endpoint::Converse, &call(Endpoint::Messages, &odd)).is_err());
}

#[test]
fn what_has_no_word_is_refused_by_its_name() {
    const SINGLE: &str = r#""parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"x"}}]"#;
    let long = Endpoint::ChatCompletions;
    for (client, target, more, param) in [
        (long, Endpoint::Messages, r#""seed":1"#, "seed"),
        (long, Endpoint::Messages, r#""n":2"#, "n"),
        (long, Endpoint::Messages, r#""logprobs":true"#, "logprobs"),
        (long, Endpoint::Messages, r#""presence_penalty":0.1"#, "presence_penalty"),
        (long, Endpoint::Messages, r#""response_format":{"type":"json_object"}"#, "response_format"),
        (long, Endpoint::Messages, r#""nobody_knows":1"#, "nobody_knows"),
        (long, Endpoint::Messages, r#""logit_bias":{"1":2}"#, "logit_bias"),
        (long, Endpoint::Messages, r#""tools":[{"type":"custom","custom":{"name":"x"}}]"#, "tools[0].type"),
        (long, Endpoint::GenerateContent, SINGLE, "parallel_tool_calls"),
        (long, Endpoint::Responses, r#""stop":"x""#, "stop"),
        (Endpoint::Messages, long, r#""top_k":4"#, "top_k"),
        (Endpoint::Messages, long, r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, "tools[0]"),
        (Endpoint::Messages, Endpoint::Responses, r#""stop_sequences":["x"]"#, "stop_sequences"),
        (long, Endpoint::CohereChat, r#""logprobs":true"#, "logprobs"),
        (long, Endpoint::CohereChat, r#""n":2"#, "n"),
        (long, Endpoint::Converse, SINGLE, "parallel_tool_calls"),
        (long, Endpoint::CohereChat, SINGLE, "parallel_tool_calls"),
        (long, Endpoint::CohereChat, r#""tool_choice":{"type":"function","function":{"name":"x"}}"#, "tool_choice"),
        (long, Endpoint::Converse, r#""seed":1"#, "seed"),
        (long, Endpoint::Converse, r#""response_format":{"type":"json_object"}"#, "response_format"),
        (long, Endpoint::Converse, r#""tool_choice":"required""#, "tool_choice"),
        (Endpoint::CohereChat, long, r#""logprobs":true"#, "logprobs"),
        (Endpoint::CohereChat, long, r#""documents":[{"data":{"text":"x"}}]"#, "documents"),
        (Endpoint::CohereChat, long, r#""k":4"#, "k"),
    ] {
        let body = format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{more}}}"#);
        let fault = Translation::between(client, target, &call(client, &body)).expect_err(&body);
        let refusal = fault.refusal();
        assert_eq!((refusal.status(), refusal.param()), (400, Some(param)), "{body}");
        assert_eq!(refusal.code(), "unsupported_field", "{body}");
        assert!(refusal.message().contains(param));
    }
    let fills = call(Endpoint::Messages, r#"{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"x"}]}"#);
    let fault = Translation::between(Endpoint::Messages, long, &fills).expect_err("nothing to answer").refusal();
    assert_eq!((fault.code(), fault.param()), ("unsupported_field", Some("max_tokens")));
    for target in [Endpoint::Messages, Endpoint::Responses] {
        let body = r#"{"model":"m","presence_penalty":0,"frequency_penalty":0.0,"n":1,"logprobs":false,"stop":null,"messages":[]}"#;
        assert!(Translation::between(long, target, &call(long, body)).is_ok(), "what is the default needs no word");
    }
    let parts = [
        (
            long,
            r#"{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x"}}]}"#,
            "messages[0].content[0].video_url",
        ),
        (long, r#"{"role":"function","name":"x","content":"y"}"#, "messages[0].role"),
        (
            Endpoint::Messages,
            r#"{"role":"user","content":[{"type":"container_upload","file_id":"f"}]}"#,
            "messages[0].content[0]",
        ),
        (
            Endpoint::Messages,
            r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]}"#,
            "messages[0]",
        ),
        (
            Endpoint::CohereChat,
            r#"{"role":"user","content":[{"type":"document","document":{"data":"x"}}]}"#,
            "messages[0].content[0].document",
        ),
        (
            Endpoint::Converse,
            r#"{"role":"user","content":[{"document":{"name":"a","source":{"text":"x"},"citations":{"enabled":true}}}]}"#,
            "messages[0].content[0].document.citations",
        ),
        (
            Endpoint::Converse,
            r#"{"role":"user","content":[{"guardContent":{"text":{"text":"x"}}}]}"#,
            "messages[0].content[0].guardContent",
        ),
    ];
    for (client, message, param) in parts {
        let body = match client {
            Endpoint::Converse => format!(r#"{{"messages":[{message}]}}"#),
            _ => format!(r#"{{"model":"m","max_tokens":9,"messages":[{message}]}}"#),
        };
        let fault = Translation::between(client, Endpoint::GenerateContent, &call(client, &body)).expect_err(&body);
        assert_eq!(fault.refusal().param(), Some(param), "{body}");
    }
}

#[test]
fn damage_is_an_answer_or_a_fault_and_never_a_panic() {
    let mut random = fastrand::Rng::with_seed(3);
    let damaged = |text: &[u8], random: &mut fastrand::Rng| {
        let mut bytes = text.to_vec();
        for _ in 0..random.usize(1..4) {
            let (place, other) = (random.usize(0..bytes.len()), random.usize(0..bytes.len()));
            match random.u8(0..5) {
                0 => bytes[place] = random.u8(..),
                1 => bytes.truncate(place.max(1)),
                2 => bytes[place] = b"{}[],:\"0n\n"[random.usize(0..10)],
                3 => bytes.extend_from_within(place.min(other)..place.max(other)),
                _ => drop(bytes.drain(place.min(other)..(place.min(other) + 9).min(place.max(other)))),
            }
            if bytes.is_empty() {
                bytes.push(b'{');
            }
        }
        bytes
    };
    let (mut read, mut carried) = (0, 0);
    for _ in 0..600 {
        for (from, stream) in streams() {
            let data = |event: &Vec<u8>| {
                let text = readable(from, event);
                text.split_once("data: ").map(|(_, data)| data.trim_end().to_owned()).expect("an event")
            };
            let first = data(&stream[0]);
            // Whatever is wrong in a frame its sums would tell, so that some are damaged before they are summed.
            let bytes = if from == Endpoint::Converse && random.bool() {
                let (place, payload) = (random.usize(0..stream.len()), data(&stream[random.usize(0..stream.len())]));
                let mut stream = stream;
                stream[place] = crate::frames::event("any", &damaged(payload.as_bytes(), &mut random));
                stream.concat()
            } else {
                damaged(&stream.concat(), &mut random)
            };
            for client in FORMS.into_iter().filter(|client| *client != from) {
                let mut broken = machine(from, client, client == Endpoint::GenerateContent);
                let pushed = bytes.chunks(97).try_for_each(|chunk| broken.push(chunk).map(drop));
                broken.finish(pushed.is_ok());
                let _ = broken.whole(200, &damaged(first.as_bytes(), &mut random));
                let _ = broken.whole(500, &bytes);
            }
        }
        for (client, body) in requests() {
            let tail = matches!(client, Endpoint::GenerateContent | Endpoint::Converse).then_some("m");
            let route = Route { tail, ..Route::from(client) };
            let Ok(call) = crate::read(route, None, damaged(body.as_bytes(), &mut random).into()) else { continue };
            read += 1;
            for target in FORMS.into_iter().filter(|target| *target != client) {
                if let Ok(made) = Translation::between(client, target, &call) {
                    carried += 1;
                    let there = made.body("m", None, 9);
                    assert!(
                        serde_json::from_slice::<serde_json::Value>(&there).is_ok(),
                        "{}",
                        String::from_utf8_lossy(&there)
                    );
                }
            }
        }
    }
    assert!(read > 50 && carried > 50, "{read} {carried}");
}
