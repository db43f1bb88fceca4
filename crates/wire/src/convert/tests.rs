//! Goldens of every pair and feature, streams cut at every place, and what is refused.

use std::fmt::Write;

use bytes::Bytes;

use super::form::{FORMS, Reader, whole};
use super::node::Node;
use super::request::Translation;
use super::said::{Event, Names, Piece, Said};
use super::stream::AnswerTranslator;
use crate::sse::Framer;
use crate::{Call, Endpoint, Route};

#[path = "traffic_tests.rs"]
mod traffic;

fn names() -> Names {
    Names { id: "req_test".into(), created: 1_796_083_200 }
}

fn call(form: Endpoint, body: &str) -> Call {
    let tail = (form == Endpoint::GenerateContent).then_some("m");
    crate::read(Route { tail, ..Route::from(form) }, None, Bytes::copy_from_slice(body.as_bytes()))
        .expect("a good request")
}

/// A request of each dialect with everything that all of them have.
fn requests() -> [(Endpoint, &'static str); 4] {
    let chat = r#"{"model":"m","max_tokens":100,"temperature":0.50,"top_p":0.9,"user":"u1","parallel_tool_calls":true,
        "reasoning_effort":"low","tool_choice":{"type":"function","function":{"name":"weather"}},
        "tools":[{"type":"function","function":{"name":"weather","description":"Says it.","parameters":{"type":"object",
            "properties":{"z":{"type":"string"},"a":{"type":"number","maximum":1.50e2}}},"strict":true}}],
        "response_format":{"type":"json_schema","json_schema":{"name":"w","schema":{"type":"object"},"strict":true}},
        "messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":"Be kind."},
            {"role":"user","content":[{"type":"text","text":"What is \"this\"?","cache_control":{"type":"ephemeral"}},
                {"type":"image_url","image_url":{"url":"https://host/a.png","detail":"low"}},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},
                {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}]},
            {"role":"assistant","content":"Wait.","reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"c2ln"}],
                "tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"z\": \"x\", \"a\": 1.50}"}},
                {"id":"c2","type":"function","function":{"name":"weather","arguments":""}}]},
            {"role":"tool","tool_call_id":"c1","content":"{\"t\": 20}"},{"role":"tool","tool_call_id":"c2","content":"warm"},
            {"role":"user","content":"Thanks."}]}"#;
    let messages = r#"{"model":"m","max_tokens":100,"temperature":0.50,"top_p":0.9,"metadata":{"user_id":"u1"},
        "thinking":{"type":"enabled","budget_tokens":2048},"tool_choice":{"type":"tool","name":"weather","disable_parallel_tool_use":false},
        "tools":[{"name":"weather","description":"Says it.","input_schema":{"type":"object","properties":{"z":{"type":"string"}}},
            "cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},
        "system":[{"type":"text","text":"Be brief."},{"type":"text","text":"Be kind."}],
        "messages":[{"role":"user","content":[{"type":"text","text":"What?","cache_control":{"type":"ephemeral"}},
                {"type":"image","source":{"type":"url","url":"https://host/a.png"}},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},
                {"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"}},
                {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"c2ln"},{"type":"redacted_thinking","data":"eHg"},
                {"type":"text","text":"Wait."},{"type":"thinking","thinking":"","signature":"Z2Vt"},
                {"type":"tool_use","id":"c1","name":"weather","input":{"z":"x","a":1.50}},
                {"type":"tool_use","id":"c2","name":"weather","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"{\"t\": 20}"}]},
                {"type":"tool_result","tool_use_id":"c2","content":"broken","is_error":true},{"type":"text","text":"Thanks."}]}]}"#;
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"Be kind."}]},
        "generation_config":{"maxOutputTokens":100,"temperature":0.50,"topP":0.9,"responseMimeType":"application/json",
            "response_schema":{"type":"OBJECT","properties":{"z":{"type":"STRING","nullable":true}}},
            "thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}},
        "safetySettings":[{"category":"HARM_CATEGORY_HATE_SPEECH","threshold":"BLOCK_NONE"}],
        "toolConfig":{"functionCallingConfig":{"mode":"ANY"}},
        "tools":[{"functionDeclarations":[{"name":"weather","description":"Says it.","parameters":{"type":"OBJECT","properties":{"z":{"type":"STRING"}}}}]}],
        "contents":[{"role":"user","parts":[{"text":"What?"},{"inline_data":{"mime_type":"image/png","data":"QUJD"}},
                {"fileData":{"fileUri":"https://host/a.png","mimeType":"image/png"}},
                {"inlineData":{"mimeType":"application/pdf","data":"QUJD","displayName":"a.pdf"}}]},
            {"role":"model","parts":[{"text":"Hm","thought":true},{"text":"","thought":true,"thoughtSignature":"c2ln"},{"text":"Wait."},
                {"functionCall":{"name":"weather","args":{"z":"x","a":1.50}},"thoughtSignature":"Z2Vt"},{"functionCall":{"name":"weather"}}]},
            {"role":"user","parts":[{"functionResponse":{"name":"weather","response":{"t":20}}},
                {"functionResponse":{"name":"weather","response":{"error":"broken"}}},{"text":"Thanks."}]}]}"#;
    let responses = r#"{"model":"m","max_output_tokens":100,"temperature":0.50,"top_p":0.9,"user":"u1","parallel_tool_calls":true,"store":false,
        "reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"],"tool_choice":{"type":"function","name":"weather"},
        "tools":[{"type":"function","name":"weather","description":"Says it.","parameters":{"type":"object","properties":{"z":{"type":"string"}}},"strict":true}],
        "text":{"format":{"type":"json_schema","name":"w","schema":{"type":"object"},"strict":true}},"instructions":"Be brief.",
        "input":[{"role":"developer","content":"Be kind."},{"role":"user","content":[{"type":"input_text","text":"What?"},
                {"type":"input_image","image_url":"https://host/a.png","detail":"auto"},{"type":"input_image","image_url":"data:image/png;base64,QUJD"},
                {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}]},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"c2ln"},
            {"type":"message","role":"assistant","id":"msg_1","status":"completed","content":[{"type":"output_text","text":"Wait.","annotations":[]}]},
            {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"Z2Vt"},
            {"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"z\": \"x\", \"a\": 1.50}"},
            {"type":"function_call","call_id":"c2","name":"weather","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":"{\"t\": 20}"},
            {"type":"function_call_output","call_id":"c2","output":"warm"},{"role":"user","content":"Thanks."}]}"#;
    [
        (Endpoint::ChatCompletions, chat),
        (Endpoint::Messages, messages),
        (Endpoint::GenerateContent, gemini),
        (Endpoint::Responses, responses),
    ]
}

#[test]
fn requests_are_written_in_every_other_dialect() {
    let mut all = String::new();
    for (client, body) in requests() {
        let call = call(client, body);
        for target in FORMS.into_iter().filter(|target| *target != client) {
            let made = Translation::between(client, target, &call)
                .unwrap_or_else(|fault| panic!("{client} {target} {fault:?}"));
            let there = made.body("up", call.billable().output_limit, 4_096);
            let value: serde_json::Value = serde_json::from_slice(&there).expect("JSON");
            assert!(value.is_object());
            let text = String::from_utf8(there.to_vec()).expect("text");
            writeln!(all, "## {client} to {target}\n{}\n", broken_up(&text)).expect("memory");
        }
    }
    insta::assert_snapshot!(all);
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

/// A streamed answer of each dialect with thinking, a text, two calls and a usage.
fn streams() -> [(Endpoint, String); 4] {
    let lines = |events: &[&str]| events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
    let chat = lines(&[
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"reasoning_content":"Hm"}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"content":"Caf\u00e9 "}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"content":"\"now\"\n"}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"weather","arguments":""}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"z\":"}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\n 1.50}"}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"now","arguments":"{}"}}]}}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"id":"chatcmpl-1","model":"gpt","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}"#,
        "[DONE]",
    ]);
    let messages = lines(&[
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":6,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Caf\u00e9 "}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\"now\"\n"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"c1","name":"weather","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"z\":"}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"\n 1.50}"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"c2","name":"now","input":{}}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":9}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let gemini = lines(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true}],"role":"model"},"index":0}],"modelVersion":"gemini","responseId":"r1"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Caf\u00e9 "}],"role":"model"},"index":0}],"modelVersion":"gemini","responseId":"r1"}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"\"now\"\n"}],"role":"model"},"index":0}],"modelVersion":"gemini","responseId":"r1"}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"weather","args":{"z": 1.50}},"thoughtSignature":"Z2Vt"},{"functionCall":{"name":"now"}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":20,"cachedContentTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":3,"totalTokenCount":29},"modelVersion":"gemini","responseId":"r1"}"#,
    ]);
    let responses = lines(&[
        r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","model":"gpt","output":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}"#,
        r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"Hm"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"c2ln"}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Caf\u00e9 "}"#,
        r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"\"now\"\n"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Caf\u00e9 \"now\"\n"}]}}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"weather","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":"{\"z\": 1.50}"}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"weather","arguments":"{\"z\": 1.50}"}}"#,
        r#"{"type":"response.output_item.done","output_index":3,"item":{"type":"function_call","id":"fc_2","call_id":"c2","name":"now","arguments":"{}"}}"#,
        r#"{"type":"response.completed","response":{"id":"resp_1","object":"response","model":"gpt","status":"completed","output":[],"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":4},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":29}}}"#,
    ]);
    [
        (Endpoint::ChatCompletions, chat),
        (Endpoint::Messages, messages),
        (Endpoint::GenerateContent, gemini),
        (Endpoint::Responses, responses),
    ]
}

fn machine(from: Endpoint, client: Endpoint, is_array: bool) -> AnswerTranslator {
    AnswerTranslator::new(from, client, names(), true, is_array, 1 << 20)
}

fn translate(from: Endpoint, client: Endpoint, is_array: bool, chunks: &[&[u8]]) -> String {
    let mut machine = machine(from, client, is_array);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&machine.push(chunk).expect("a good stream"));
    }
    out.extend_from_slice(&machine.finish(true));
    String::from_utf8(out).expect("text")
}

fn events(form: Endpoint, stream: &str) -> Vec<Event> {
    let (mut framer, mut reader, mut events) = (Framer::new(1 << 20, 1 << 20), Reader::new(form, &names()), Vec::new());
    let mut at = 0;
    while let Some(event) = framer.next(stream.as_bytes(), &mut at).expect("short lines") {
        if let Some(data) = event.data {
            reader.event(data, &mut events).expect("good events");
        }
    }
    events
}

#[test]
fn answers_are_written_in_every_other_dialect() {
    let mut all = String::new();
    for (from, stream) in streams() {
        let said = Said::fold(events(from, &stream));
        for client in FORMS.into_iter().filter(|client| *client != from) {
            let mut json = super::build::Build::new();
            whole(client, &said, &names(), &mut json);
            let whole = String::from_utf8(json.take()).expect("text");
            let _: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
            let streamed = translate(from, client, false, &[stream.as_bytes()]);
            writeln!(all, "## {from} for {client}\n{}\n\n{streamed}", broken_up(&whole)).expect("memory");
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_stream_is_the_same_wherever_it_is_cut_and_says_what_the_whole_says() {
    for (from, stream) in streams() {
        for line_end in ["\n", "\r\n"] {
            let stream = stream.replace('\n', line_end);
            let bytes = stream.as_bytes();
            for client in FORMS.into_iter().filter(|client| *client != from) {
                let expected = translate(from, client, false, &[bytes]);
                for cut in 0..=bytes.len() {
                    let cut_there = translate(from, client, false, &[&bytes[..cut], &bytes[cut..]]);
                    assert!(cut_there == expected, "{from} for {client}, cut at {cut}");
                }
                let mut json = super::build::Build::new();
                whole(client, &Said::fold(events(from, &stream)), &names(), &mut json);
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
        let items: serde_json::Value =
            serde_json::from_str(&translate(from, Endpoint::GenerateContent, true, &[stream.as_bytes()]))
                .expect("an array");
        let events = translate(from, Endpoint::GenerateContent, false, &[stream.as_bytes()]);
        let data: Vec<serde_json::Value> = events
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
    let ends = ["[DONE]", "message_stop", "finishReason", "response.completed"];
    let errors = [
        (Endpoint::ChatCompletions, r#"{"error":{"message":"No more.","type":"server_error","code":"overloaded"}}"#),
        (Endpoint::Messages, r#"{"type":"error","error":{"type":"overloaded_error","message":"No more."}}"#),
        (Endpoint::GenerateContent, r#"{"error":{"code":503,"message":"No more.","status":"UNAVAILABLE"}}"#),
        (Endpoint::Responses, r#"{"type":"error","code":"server_error","message":"No more.","param":null}"#),
    ];
    for ((from, stream), (_, error)) in streams().into_iter().zip(errors) {
        // Before any reason to finish.
        let events = if from == Endpoint::GenerateContent { 2 } else { 8 };
        let begun = stream.split_inclusive("\n\n").take(events).collect::<String>();
        for client in FORMS.into_iter().filter(|client| *client != from) {
            let mut broken = machine(from, client, false);
            let mut out = broken.push(begun.as_bytes()).expect("a good stream").to_vec();
            out.extend_from_slice(&broken.finish(false));
            let text = String::from_utf8(out).expect("text");
            assert!(!text.is_empty() && ends.iter().all(|end| !text.contains(end)), "{from} {client}: {text}");

            let text = translate(
                from,
                client,
                false,
                &[begun.as_bytes(), format!("data: {error}\n\n").as_bytes(), stream.as_bytes()],
            );
            let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("an event");
            assert!(last.contains("No more.") && last.contains("\"error\""), "{from} {client}: {last}");
            assert!(ends.iter().all(|end| !text.contains(end)), "{from} {client}: {text}");

            let mut garbled = machine(from, client, false);
            assert!(garbled.push(b"data: {\"type\": \n\n").is_err(), "{from} {client}");
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
            (r#"{"detail":"Too fast."}"#, "Too fast."),
            ("<html>Bad gateway</html>", "<html>Bad gateway</html>"),
            ("", "status 429"),
        ] {
            let told = machine.whole(429, body.as_bytes()).expect("an error");
            let value: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
            let error = &value["error"];
            assert!(error["message"].as_str().is_some_and(|text| text.contains(sentence)), "{client} {value}");
            let (member, word) = match client {
                Endpoint::GenerateContent => ("status", "RESOURCE_EXHAUSTED"),
                _ => ("type", "rate_limit_error"),
            };
            assert_eq!(error[member], word, "{client} {value}");
        }
        assert!(machine.whole(200, b"<html>").is_err());
        assert!(machine.whole(200, b"{\"a\":1}").is_err());
    }
}

#[test]
fn what_has_no_word_is_refused_by_its_name() {
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
        (long, Endpoint::GenerateContent, r#""parallel_tool_calls":false"#, "parallel_tool_calls"),
        (long, Endpoint::Responses, r#""stop":"x""#, "stop"),
        (Endpoint::Messages, long, r#""top_k":4"#, "top_k"),
        (Endpoint::Messages, long, r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#, "tools[0]"),
        (Endpoint::Messages, Endpoint::Responses, r#""stop_sequences":["x"]"#, "stop_sequences"),
    ] {
        let body = format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],{more}}}"#);
        let fault = Translation::between(client, target, &call(client, &body)).expect_err(&body);
        let refusal = fault.refusal();
        assert_eq!((refusal.status(), refusal.param()), (400, Some(param)), "{body}");
        assert_eq!(refusal.code(), "unsupported_field", "{body}");
        assert!(refusal.message().contains(param));
    }
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
    ];
    for (client, message, param) in parts {
        let body = format!(r#"{{"model":"m","max_tokens":9,"messages":[{message}]}}"#);
        let fault = Translation::between(client, Endpoint::GenerateContent, &call(client, &body)).expect_err(&body);
        assert_eq!(fault.refusal().param(), Some(param), "{body}");
    }
}

#[test]
fn damage_is_an_answer_or_a_fault_and_never_a_panic() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut damaged = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
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
            let bytes = damaged(&stream);
            for client in FORMS.into_iter().filter(|client| *client != from) {
                let mut broken = machine(from, client, client == Endpoint::GenerateContent);
                let pushed = bytes.chunks(97).try_for_each(|chunk| broken.push(chunk).map(drop));
                broken.finish(pushed.is_ok());
                let one = stream.lines().next().and_then(|line| line.strip_prefix("data: ")).expect("an event");
                let _ = broken.whole(200, &damaged(one));
                let _ = broken.whole(500, &bytes);
            }
        }
        for (client, body) in requests() {
            let route = Route { tail: (client == Endpoint::GenerateContent).then_some("m"), ..Route::from(client) };
            let Ok(call) = crate::read(route, None, damaged(body).into()) else { continue };
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
