//! How answers end, and calls that servers tell apart in ways of their own.

use super::super::said::{Event, Finish, Piece};
use super::{FORMS, Node, Reader, Said, events, machine, names, whole};
use crate::Endpoint;

fn read(from: Endpoint, body: &str) -> Said {
    let (mut reader, mut events) = (Reader::new(from, &names()), Vec::new());
    reader.whole(Node::parse(body.as_bytes()).expect("JSON"), &mut events).expect("an answer");
    Said::fold(events)
}

fn stream(lines: &[&str]) -> Vec<u8> {
    lines.iter().map(|line| format!("data: {line}\n\n")).collect::<String>().into_bytes()
}

#[test]
fn chats_end_for_more_reasons_than_openai_has() {
    for (reason, finish) in [
        ("stop", Finish::Stop),
        ("eos", Finish::Stop),
        ("length", Finish::Length),
        ("model_length", Finish::Window),
        ("content_filter", Finish::Filter),
        ("tool_calls", Finish::Calls),
    ] {
        let choice = format!(r#"{{"index":0,"message":{{"content":"x"}},"finish_reason":"{reason}"}}"#);
        let said = read(Endpoint::ChatCompletions, &format!(r#"{{"id":"c","choices":[{choice}]}}"#));
        assert_eq!(said.choices[0].finish, Some(finish), "{reason}");
    }
    let call = r#"{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}"#;
    let said = read(
        Endpoint::ChatCompletions,
        &format!(r#"{{"choices":[{{"message":{{"tool_calls":[{call}]}},"finish_reason":"stop"}}]}}"#),
    );
    assert_eq!(said.choices[0].finish, Some(Finish::Calls));
    let streamed = stream(&[
        &format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{"tool_calls":[{call}]}}}}]}}"#),
        r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    ]);
    assert_eq!(Said::fold(events(Endpoint::ChatCompletions, &streamed)).choices[0].finish, Some(Finish::Calls));
}

#[test]
fn an_answer_that_its_provider_could_not_finish_is_a_problem() {
    let chat = |reason: &str, more: &str| {
        format!(
            r#"{{"id":"c","choices":[{{"index":0,"message":{{"content":"x"}},"finish_reason":"{reason}"{more}}}]}}"#
        )
    };
    let response =
        |more: &str| format!(r#"{{"id":"r","object":"response","output":[],"usage":{{"input_tokens":1}},{more}}}"#);
    for (from, body, code) in [
        (Endpoint::ChatCompletions, chat("error", r#","error":{"code":"overloaded","message":"No."}"#), "overloaded"),
        (Endpoint::ChatCompletions, chat("error", ""), "error"),
        (Endpoint::ChatCompletions, chat("insufficient_system_resource", ""), "insufficient_system_resource"),
        (
            Endpoint::Responses,
            response(r#""status":"failed","error":{"code":"server_error","message":"x"}"#),
            "server_error",
        ),
        (Endpoint::Responses, response(r#""status":"failed","error":null"#), "failed"),
        (Endpoint::Responses, response(r#""status":"cancelled""#), "cancelled"),
        (Endpoint::Responses, response(r#""error":{"code":"invalid_prompt","message":"x"}"#), "invalid_prompt"),
    ] {
        let (mut reader, mut events) = (Reader::new(from, &names()), Vec::new());
        reader.whole(Node::parse(body.as_bytes()).expect("JSON"), &mut events).expect("understood");
        let told = events.iter().find_map(|event| match event {
            Event::Problem(problem) => problem.code.as_deref(),
            _ => None,
        });
        assert_eq!(told, Some(code), "{body}");
        for client in FORMS.into_iter().filter(|client| *client != from) {
            assert!(machine(from, client, false).whole(200, body.as_bytes()).is_err(), "{body}");
        }
    }
    let failed =
        stream(&[r#"{"type":"response.failed","response":{"id":"r","status":"failed","error":null,"output":[]}}"#]);
    let told = events(Endpoint::Responses, &failed);
    assert!(matches!(&told[..], [Event::Problem(problem)] if problem.message.contains("failed")), "{told:?}");
}

#[test]
fn a_refusal_ends_a_stream_as_it_ends_a_whole_answer() {
    let item = r#"{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}"#;
    let response = format!(r#"{{"id":"r","model":"gpt","status":"completed","output":[{item}]}}"#);
    let said = read(Endpoint::Responses, &response);
    assert_eq!(said.choices[0].finish, Some(Finish::Refusal));
    let completed = format!(r#"{{"type":"response.completed","response":{response}}}"#);
    let item_done = format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#);
    let delta = r#"{"type":"response.refusal.delta","output_index":0,"delta":"No."}"#;
    for lines in [vec![delta, &item_done, &completed], vec![&item_done, &completed]] {
        let created = r#"{"type":"response.created","response":{"id":"r","model":"gpt"}}"#;
        let streamed = Said::fold(events(Endpoint::Responses, &stream(&[&[created], &lines[..]].concat())));
        assert_eq!(streamed, said);
    }
    let mut json = super::super::build::Build::new();
    whole(Endpoint::ChatCompletions, &said, &names(), &mut json);
    assert!(String::from_utf8_lossy(&json.take()).contains(r#""finish_reason":"content_filter""#));
}

/// Each call is its id, its name and what came of its arguments.
fn calls(said: &Said) -> Vec<[&str; 3]> {
    let pieces = said.choices.iter().flat_map(|choice| &choice.pieces);
    let calls = pieces.filter_map(|piece| match piece {
        Piece::Call { id, name, arguments, .. } => Some([&**id, &**name, &**arguments]),
        _ => None,
    });
    calls.collect()
}

#[test]
fn calls_are_told_apart_by_number_or_by_their_beginnings() {
    let chunk = |call: &str| format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{"tool_calls":[{call}]}}}}]}}"#);
    let cases: [(&[&str], &[[&str; 3]]); 4] = [
        // All with one number.
        (
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#,
                r#"{"index":0,"function":{"arguments":"}"}}"#,
                r#"{"index":0,"id":"b","function":{"name":"g","arguments":""}}"#,
                r#"{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}"#,
            ],
            &[["a", "f", "{}"], ["b", "g", "{}"]],
        ),
        // Another id with each piece, which is no beginning without a name.
        (
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#,
                r#"{"index":0,"id":"x","function":{"name":"","arguments":"}"}}"#,
            ],
            &[["a", "f", "{}"]],
        ),
        // Without numbers.
        (
            &[
                r#"{"id":"a","function":{"name":"f","arguments":"{"}}"#,
                r#"{"function":{"arguments":"}"}}"#,
                r#"{"id":"b","function":{"name":"f","arguments":"{}"}},{"id":"c","function":{"name":"f","arguments":"{}"}}"#,
            ],
            &[["a", "f", "{}"], ["b", "f", "{}"], ["c", "f", "{}"]],
        ),
        // With no ids either.
        (
            &[r#"{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}"#],
            &[["call_0_0", "f", "{}"], ["call_0_1", "f", "{}"]],
        ),
    ];
    for (pieces, expected) in cases {
        let lines: Vec<String> = pieces.iter().map(|piece| chunk(piece)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let said = Said::fold(events(Endpoint::ChatCompletions, &stream(&lines)));
        assert_eq!(calls(&said), expected, "{pieces:?}");
    }
}

/// The accumulator of OpenAI's Python SDK wants a number in each piece, and puts pieces of one number together.
#[test]
fn streamed_thoughts_are_numbered_as_whole_ones_are() {
    let lines = [
        r#"{"type":"message_start","message":{"id":"m","model":"claude"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"Hm","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqA="}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"EqB="}}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"x"}}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"thinking","thinking":"So"}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"thinking_delta","thinking":"."}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let stream = stream(&lines);
    let mut whole_one = super::super::build::Build::new();
    whole(Endpoint::ChatCompletions, &Said::fold(events(Endpoint::Messages, &stream)), &names(), &mut whole_one);
    let whole_one: serde_json::Value = serde_json::from_slice(&whole_one.take()).expect("JSON");
    let mut machine = machine(Endpoint::Messages, Endpoint::ChatCompletions, false);
    let out = [machine.push(&stream).expect("a stream"), machine.finish(true)].concat();
    let mut details: Vec<serde_json::Map<String, serde_json::Value>> = Vec::new();
    for line in String::from_utf8(out).expect("text").lines().filter_map(|line| line.strip_prefix("data: {")) {
        let chunk: serde_json::Value = serde_json::from_str(&format!("{{{line}")).expect("JSON");
        for detail in chunk["choices"][0]["delta"]["reasoning_details"].as_array().into_iter().flatten() {
            let index = detail["index"].as_u64().expect("a number") as usize;
            details.resize_with(details.len().max(index + 1), Default::default);
            for (name, value) in detail.as_object().expect("an object") {
                let before = details[index].entry(name).or_insert(value.clone());
                if name == "text" && before != value {
                    *before = format!("{}{}", before.as_str().expect("text"), value.as_str().expect("text")).into();
                }
            }
        }
    }
    let details = serde_json::to_value(details).expect("JSON");
    assert_eq!(details, whole_one["choices"][0]["message"]["reasoning_details"]);
    assert_eq!(details.as_array().map(Vec::len), Some(3));
}
