//! Edits change what they name and nothing else.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::read::read;

fn call(body: &str) -> Call {
    read(Endpoint::ChatCompletions, None, Bytes::copy_from_slice(body.as_bytes())).expect(body)
}

fn edited(body: &str, edits: &Edits<'_>) -> String {
    let outgoing = call(body).outgoing(edits);
    assert_eq!(outgoing.len(), outgoing.pieces().iter().map(Bytes::len).sum::<usize>());
    String::from_utf8(outgoing.to_bytes().to_vec()).expect("text")
}

const ALL: Edits<'_> =
    Edits { model: Some("up/m\"1"), include_usage: true, output_limit: Some(9), temperature: Some("0.7") };

#[test]
fn values_are_replaced_where_they_stand_and_inserted_at_the_front() {
    for (body, expected) in [
        ("{}", r#"{"model":"up/m\"1","max_tokens":9,"temperature":0.7,"stream_options":{"include_usage":true}}"#),
        (
            " { \"x\" : 1 } ",
            " {\"model\":\"up/m\\\"1\",\"max_tokens\":9,\"temperature\":0.7,\"stream_options\":{\"include_usage\":true}, \"x\" : 1 } ",
        ),
        (
            r#"{"model":"a", "max_tokens":5,"temperature":null,"stream_options":{},"messages":[]}"#,
            r#"{"model":"up/m\"1", "max_tokens":9,"temperature":0.7,"stream_options":{"include_usage":true},"messages":[]}"#,
        ),
        (
            r#"{"stream_options":{"x":1},"max_completion_tokens":5,"temperature":1e0,"model":null}"#,
            r#"{"stream_options":{"include_usage":true,"x":1},"max_completion_tokens":9,"temperature":0.7,"model":"up/m\"1"}"#,
        ),
        (
            r#"{"stream_options": null ,"max_tokens":5,"max_completion_tokens":5,"temperature":1,"model":"a"}"#,
            r#"{"stream_options": {"include_usage":true} ,"max_tokens":9,"max_completion_tokens":9,"temperature":0.7,"model":"up/m\"1"}"#,
        ),
        (
            r#"{"stream_options":{"include_usage": false },"max_tokens":null,"temperature":1,"model":"\u0061"}"#,
            r#"{"stream_options":{"include_usage": true },"max_tokens":9,"temperature":0.7,"model":"up/m\"1"}"#,
        ),
    ] {
        assert_eq!(edited(body, &ALL), expected);
    }
}

#[test]
fn without_edits_the_body_is_the_clients_own_memory() {
    let body = Bytes::from_static(b" {\"model\":\"a\",\"messages\":[]}\n");
    let call = read(Endpoint::ChatCompletions, None, body.clone()).expect("good");
    let outgoing = call.outgoing(&Edits::default());
    assert_eq!(outgoing.pieces().len(), 1);
    assert_eq!(outgoing.pieces()[0].as_ptr(), body.as_ptr(), "no copy");
}

#[test]
fn a_body_is_not_copied_for_an_edit() {
    for text in ["x".repeat(1_000), "x".repeat(100_000)] {
        let body = Bytes::from(format!(r#"{{"messages":[{{"content":"{text}"}}],"model":"a","n":1}}"#));
        let call = read(Endpoint::ChatCompletions, None, body.clone()).expect("good");
        let outgoing = call.outgoing(&ALL);
        let range = body.as_ptr_range();
        let added = outgoing.pieces().iter().filter(|piece| !range.contains(&piece.as_ptr())).map(Bytes::len);
        assert!(added.sum::<usize>() < 200);
        serde_json::from_slice::<Value>(&outgoing.to_bytes()).expect("JSON");
    }
}

#[test]
fn openais_reasoning_models_get_the_limit_that_they_take() {
    let edits = |model| Edits { model: Some(model), output_limit: Some(9), ..Edits::default() };
    for (model, name) in [
        ("gpt-4.1", "max_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("openai/gpt-5.1", "max_completion_tokens"),
        ("o1", "max_completion_tokens"),
        ("o1x", "max_tokens"),
        ("gpt-50", "max_tokens"),
        ("mistral/o2", "max_tokens"),
    ] {
        assert!(edited("{}", &edits(model)).contains(&format!("\"{name}\":9")), "{model}");
    }
}

#[test]
fn an_invoked_body_gets_its_limit_and_no_model() {
    let body = r#"{"anthropic_version":"bedrock-2023-05-31","messages":[],"temperature":1}"#;
    let route = crate::Route { tail: Some("anthropic.claude%3A0"), ..crate::Route::from(Endpoint::Invoke) };
    let call = read(route, None, Bytes::copy_from_slice(body.as_bytes())).expect("good");
    assert_eq!(call.model().map(base::ModelId::as_str), Some("anthropic.claude:0"));
    let text = call.outgoing(&ALL).to_bytes();
    assert_eq!(
        text,
        r#"{"max_tokens":9,"stream_options":{"include_usage":true},"anthropic_version":"bedrock-2023-05-31","messages":[],"temperature":0.7}"#
    );
    assert_eq!(call.path("us.x:0").as_deref(), Some("/model/us.x%3A0/invoke"));
}

#[test]
fn ollamas_settings_are_nested_and_its_model_is_not() {
    let edits = Edits { include_usage: false, ..ALL };
    for (body, expected) in [
        (
            r#"{"model":"a","messages":[]}"#,
            r#"{"options":{"num_predict":9,"temperature":0.7},"model":"up/m\"1","messages":[]}"#,
        ),
        (r#"{"model":"a","options":null}"#, r#"{"model":"up/m\"1","options":{"num_predict":9,"temperature":0.7}}"#),
        (
            r#"{"options":{"top_k":1},"messages":[]}"#,
            r#"{"model":"up/m\"1","options":{"num_predict":9,"temperature":0.7,"top_k":1},"messages":[]}"#,
        ),
        // Minus one is Ollama's word for no limit.
        (
            r#"{"model":"a","options":{"num_predict":-1,"temperature":0}}"#,
            r#"{"model":"up/m\"1","options":{"num_predict":9,"temperature":0.7}}"#,
        ),
    ] {
        let call = read(Endpoint::OllamaChat, None, Bytes::copy_from_slice(body.as_bytes())).expect(body);
        assert_eq!(call.outgoing(&edits).to_bytes(), expected);
        assert_eq!((call.billable().output_limit, call.stream()), (None, true));
    }
}

#[test]
fn what_becomes_vectors_gets_its_model_where_its_dialect_has_it() {
    for (endpoint, tail, body, expected) in [
        (
            Endpoint::OllamaEmbed,
            None,
            r#"{"model":"a","input":["x"],"options":{"num_ctx":9}}"#,
            r#"{"model":"up/m\"1","input":["x"],"options":{"num_ctx":9}}"#,
        ),
        (Endpoint::OllamaEmbeddings, None, r#"{"prompt":"x"}"#, r#"{"model":"up/m\"1","prompt":"x"}"#),
        (
            Endpoint::Predict,
            Some("m"),
            r#"{ "instances" : [{"content":"x"}],"parameters":{}}"#,
            r#"{ "instances" : [{"content":"x"}],"parameters":{}}"#,
        ),
    ] {
        let route = crate::Route { tail, ..crate::Route::from(endpoint) };
        let call = read(route, None, Bytes::copy_from_slice(body.as_bytes())).expect(body);
        let edits = Edits { model: ALL.model, ..Edits::default() };
        assert_eq!(call.outgoing(&edits).to_bytes(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against editing the parsed document: same JSON, whatever the order and spacing of members.
    #[test]
    fn an_edit_equals_editing_the_parsed_document(
        picks in prop::collection::vec(prop::sample::select(vec![
            r#""model":"a\/b""#, r#""max_tokens" : 5"#, r#""max_completion_tokens":5"#, r#""temperature": 1.5e0"#,
            r#""stream_options" : { }"#, r#""stream_options":{"include_usage":null}"#, r#""messages":[{"content":"{\"model\":\"x\"}"}]"#,
            r#""stream":true"#, r#""x":{"model":1}"#,
        ]), 0..8),
        space in prop::sample::select(vec!["", " ", "\n\t"]),
        flags in 0_u8..16,
    ) {
        let mut names = std::collections::HashSet::new();
        let members: Vec<&str> = picks.into_iter().filter(|member| names.insert(member.split('"').nth(1))).collect();
        let body = format!("{space}{{{space}{}{space}}}{space}", members.join(&format!("{space},{space}")));
        let edits = Edits {
            model: (flags & 1 > 0).then_some("m"),
            include_usage: flags & 2 > 0,
            output_limit: (flags & 4 > 0).then_some(7),
            temperature: (flags & 8 > 0).then_some("0.25"),
        };
        let mut expected: Value = serde_json::from_str(&body).expect("JSON");
        if let Some(model) = edits.model { expected["model"] = json!(model); }
        if edits.include_usage {
            expected["stream_options"]["include_usage"] = json!(true);
        }
        if edits.output_limit.is_some() {
            let present: Vec<&str> = ["max_tokens", "max_completion_tokens"].into_iter().filter(|name| expected.get(name).is_some()).collect();
            for name in if present.is_empty() { vec!["max_tokens"] } else { present } { expected[name] = json!(7); }
        }
        if edits.temperature.is_some() { expected["temperature"] = json!(0.25); }
        let text = edited(&body, &edits);
        prop_assert_eq!(serde_json::from_str::<Value>(&text).expect(&text), expected);
        if edits == Edits::default() { prop_assert_eq!(text, body); }
    }
}
