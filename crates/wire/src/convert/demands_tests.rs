//! What one provider demands and the others do not.

use serde_json::{Value, json};

use super::super::form::FORMS;
use super::super::request::Translation;
use super::{call, machine, stream_end};
use crate::{Endpoint, frames};

/// The request as `target` gets it.
fn made(client: Endpoint, target: Endpoint, body: &Value) -> Value {
    super::clients::made(client, target, body).unwrap_or_else(|fault| panic!("{fault:?}"))
}

/// A chat of these messages.
fn chat(messages: Value) -> Value {
    json!({ "model": "m", "messages": messages })
}

fn calls(ids: &[&str]) -> Value {
    let calls: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } }))
        .collect();
    json!({ "role": "assistant", "tool_calls": calls })
}

fn result(id: &str, text: &str) -> Value {
    json!({ "role": "tool", "tool_call_id": id, "content": text })
}

#[test]
fn the_first_call_of_a_turn_says_to_gemini_that_it_has_no_seal() {
    let body = chat(json!([calls(&["a", "b"]), result("a", "x"), result("b", "y"), calls(&["c"]), result("c", "z")]));
    let there = made(Endpoint::ChatCompletions, Endpoint::GenerateContent, &body);
    let seal = |turn: usize, part: usize| there["contents"][turn]["parts"][part].get("thoughtSignature");
    let none = json!("skip_thought_signature_validator");
    assert_eq!([seal(0, 0), seal(0, 1), seal(2, 0)], [Some(&none), None, Some(&none)], "{there}");

    let sealed = json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "assistant", "content": [
        { "type": "thinking", "thinking": "", "signature": "GoogSealZ2Vt" },
        { "type": "tool_use", "id": "a", "name": "f", "input": {} },
        { "type": "tool_use", "id": "b", "name": "f", "input": {} }] }] });
    let there = made(Endpoint::Messages, Endpoint::GenerateContent, &sealed);
    let parts = &there["contents"][0]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], "Z2Vt", "{there}");
    assert_eq!(parts[1].get("thoughtSignature"), None, "{there}");
}

#[test]
fn what_may_be_called_may_stand_before_what_there_is() {
    let config = json!({ "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["a", "b"] } });
    let tools = json!([{ "functionDeclarations": [{ "name": "a" }, { "name": "b" }] }]);
    // A map of the crate would sort them.
    for body in [
        format!(r#"{{"contents":[],"toolConfig":{config},"tools":{tools}}}"#),
        format!(r#"{{"contents":[],"tools":{tools},"toolConfig":{config}}}"#),
    ] {
        let call = call(Endpoint::GenerateContent, &body);
        let there = Translation::between(Endpoint::GenerateContent, Endpoint::ChatCompletions, &call).expect(&body);
        let there: Value = serde_json::from_slice(&there.body("up", None, 9)).expect("JSON");
        assert_eq!(there["tool_choice"], "required", "{body}");
    }
}

#[test]
fn converse_is_told_the_tools_that_were_called() {
    let body = chat(json!([calls(&["a", "b"]), result("a", "x"), result("b", "y")]));
    let there = made(Endpoint::ChatCompletions, Endpoint::Converse, &body);
    let spec =
        json!({ "toolSpec": { "name": "f", "inputSchema": { "json": { "type": "object", "properties": {} } } } });
    assert_eq!(there["toolConfig"], json!({ "tools": [spec] }));
    let plain = made(Endpoint::ChatCompletions, Endpoint::Converse, &chat(json!([{ "role": "user", "content": "x" }])));
    assert_eq!(plain.get("toolConfig"), None);
}

#[test]
fn converse_hears_of_strict_only_where_it_is() {
    for (strict, expected) in [(true, Some(json!(true))), (false, None)] {
        let mut body = chat(json!([{ "role": "user", "content": "x" }]));
        body["tools"] = json!([{ "type": "function", "function": { "name": "f", "strict": strict } }]);
        let there = made(Endpoint::ChatCompletions, Endpoint::Converse, &body);
        assert_eq!(there["toolConfig"]["tools"][0]["toolSpec"].get("strict"), expected.as_ref());
    }
}

#[test]
fn names_of_documents_are_unique_and_short() {
    let names = ["a.pdf", "a.pdf", "a-pdf 2", "a?pdf", &"x".repeat(300), &"x".repeat(301), " ", "document 8", "  b  "];
    let files: Vec<Value> = names
        .iter()
        .map(|name| json!({ "type": "file", "file": { "filename": name, "file_data": "data:application/pdf;base64,QUJD" } }))
        .collect();
    let body = chat(json!([{ "role": "user", "content": files }]));
    let there = made(Endpoint::ChatCompletions, Endpoint::Converse, &body);
    let content = there["messages"][0]["content"].as_array().expect("blocks");
    let given: Vec<&str> = content.iter().filter_map(|block| block["document"]["name"].as_str()).collect();
    let (long, cut) = ("x".repeat(200), format!("{} 2", "x".repeat(180)));
    let expected = ["a-pdf", "a-pdf 2", "a-pdf 2 2", "a-pdf 3", &long, &cut, "document 7", "document 8", "b"];
    assert_eq!(given, expected);
}

#[test]
fn texts_of_blanks_are_not_said_to_converse() {
    let body = chat(json!([
        { "role": "system", "content": " " },
        { "role": "user", "content": "a" },
        { "role": "assistant", "content": "\n\t" },
        { "role": "user", "content": [{ "type": "text", "text": " " }, { "type": "text", "text": "b " }] },
        calls(&["c"]),
        result("c", ""),
    ]));
    let there = made(Endpoint::ChatCompletions, Endpoint::Converse, &body);
    assert_eq!(there.get("system"), None, "{there}");
    let expected = json!([
        { "role": "user", "content": [{ "text": "a" }, { "text": "b " }] },
        { "role": "assistant", "content": [{ "toolUse": { "toolUseId": "c", "name": "f", "input": {} } }] },
        { "role": "user", "content": [{ "toolResult": { "toolUseId": "c", "content": [{ "text": "" }] } }] },
    ]);
    assert_eq!(there["messages"], expected);
}

#[test]
fn ids_of_calls_fit_converse_and_still_meet() {
    let body = chat(json!([calls(&["functions.f:0", "functions.f:1"]), result("functions.f:1", "x")]));
    let there = made(Endpoint::ChatCompletions, Endpoint::Converse, &body);
    let called = |index: usize| &there["messages"][0]["content"][index]["toolUse"]["toolUseId"];
    let answered = &there["messages"][1]["content"][0]["toolResult"]["toolUseId"];
    assert!(called(1) == answered && called(0) != answered, "{there}");
    assert!(answered.as_str().is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')));
}

/// A whole answer of `from` that ends by this word, and the events or frames of a streamed one.
fn ended(from: Endpoint, word: &str) -> (String, Vec<u8>) {
    if from == Endpoint::GenerateContent {
        let whole = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}},"finishReason":"{word}"}}],"usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":4}}}}"#
        );
        let stream = format!("data: {whole}\n\n").into_bytes();
        return (whole, stream);
    }
    let usage = r#""usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}"#;
    let whole = format!(r#"{{"output":{{"message":{{"content":[{{"text":"a"}}]}}}},"stopReason":"{word}",{usage}}}"#);
    let stream = [
        frames::event("contentBlockDelta", br#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#),
        frames::event("messageStop", format!(r#"{{"stopReason":"{word}"}}"#).as_bytes()),
        frames::event("metadata", format!("{{{usage}}}").as_bytes()),
    ];
    (whole, stream.concat())
}

#[test]
fn an_end_that_went_wrong_is_no_answer() {
    let words = ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"];
    let google = words.map(|word| (Endpoint::GenerateContent, word));
    let amazon = ["malformed_tool_use", "malformed_model_output"].map(|word| (Endpoint::Converse, word));
    for (from, word) in google.into_iter().chain(amazon) {
        let (whole, stream) = ended(from, word);
        for client in FORMS.into_iter().filter(|client| *client != from) {
            machine(from, client, false).whole(200, whole.as_bytes()).expect_err(word);
            let told = stream_end(from, client, &stream);
            assert!(told.contains(&format!("The provider broke its answer off: {word}.")), "{client} {told}");
        }
    }
}

#[test]
fn what_a_filter_stops_is_told_as_such() {
    for word in ["MODEL_ARMOR", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "SAFETY"] {
        let (whole, _) = ended(Endpoint::GenerateContent, word);
        let there = machine(Endpoint::GenerateContent, Endpoint::ChatCompletions, false).whole(200, whole.as_bytes());
        let there: Value = serde_json::from_slice(&there.expect("an answer")).expect("JSON");
        assert_eq!(there["choices"][0]["finish_reason"], "content_filter", "{word}");
    }
}

#[test]
fn an_answer_of_nothing_is_one_nevertheless() {
    let nothing = br#"{"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3},"modelVersion":"g"}"#;
    let there = machine(Endpoint::GenerateContent, Endpoint::ChatCompletions, false).whole(200, nothing);
    let there: Value = serde_json::from_slice(&there.expect("an answer")).expect("JSON");
    assert_eq!(there["choices"].as_array().map(Vec::len), Some(1), "{there}");
    assert_eq!(there["choices"][0]["finish_reason"], "stop");
    assert_eq!(there["usage"]["prompt_tokens"], 3);
}
