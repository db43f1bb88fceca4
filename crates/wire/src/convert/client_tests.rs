//! Requests as clients of one dialect send them, and what providers of another refuse.

use serde_json::{Value, json};

use super::super::fault::Fault;
use super::{FORMS, Translation, call};
use crate::Endpoint;

pub(super) fn made(client: Endpoint, target: Endpoint, body: &Value) -> Result<Value, Fault> {
    let call = call(client, &body.to_string());
    let there = Translation::between(client, target, &call)?.body("up", call.billable().output_limit, 99);
    Ok(serde_json::from_slice(&there).expect("JSON"))
}

fn refused(client: Endpoint, target: Endpoint, body: &Value) -> String {
    let refusal = made(client, target, body).expect_err("refused").refusal();
    assert_eq!(refusal.code(), "unsupported_field");
    refusal.param().unwrap_or_default().to_owned()
}

/// A request of messages with more in it.
fn messages(more: &Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let members = body.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    body
}

fn chat(more: &Value) -> Value {
    messages(more)
}

#[test]
fn end_users_are_named_as_each_provider_takes_it() {
    let long = format!("user_{}_account__session_{}", "a".repeat(64), "b".repeat(36));
    for target in [Endpoint::ChatCompletions, Endpoint::Responses] {
        let user = |id: &str| {
            let body = messages(&json!({"metadata": {"user_id": id}}));
            made(Endpoint::Messages, target, &body).expect("sayable")["user"].as_str().expect("a text").to_owned()
        };
        assert_eq!(user("a@b c"), "a@b c");
        assert_eq!(user(&"é".repeat(64)), "é".repeat(64));
        let (one, other) = (user(&long), user(&format!("{long}c")));
        assert!(one.len() == 64 && other.len() == 64 && one != other && long.starts_with(&one[..55]), "{one} {other}");
        assert_eq!(one, user(&long));
    }
    for (id, is_kept) in [
        ("u1", true),
        ("1234567-a", true),
        ("123456", true),
        ("me@host.example", false),
        ("+49 (30) 1234-567", false),
        ("12345678", false),
    ] {
        let body = chat(&json!({"user": id}));
        let there = made(Endpoint::ChatCompletions, Endpoint::Messages, &body).expect("sayable");
        assert_eq!(there["metadata"]["user_id"] == id, is_kept, "{there}");
        assert_eq!(there.get("metadata").is_some(), is_kept);
    }
}

#[test]
fn a_choice_stands_only_beside_tools() {
    for target in [Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Converse] {
        for choice in ["auto", "none"] {
            let body = messages(&json!({"tool_choice": {"type": choice}}));
            let there = made(Endpoint::Messages, target, &body).expect("sayable");
            assert!(there.get("tool_choice").is_none() && there.get("parallel_tool_calls").is_none(), "{there}");
        }
        assert_eq!(
            refused(Endpoint::Messages, target, &messages(&json!({"tool_choice": {"type": "any"}}))),
            "tool_choice"
        );
    }
    let body = chat(&json!({"tool_choice": "none", "parallel_tool_calls": false}));
    for target in FORMS.into_iter().filter(|target| *target != Endpoint::ChatCompletions) {
        let there = made(Endpoint::ChatCompletions, target, &body).expect("sayable");
        let said = ["tool_choice", "toolConfig", "parallel_tool_calls"].map(|name| there.get(name).is_some());
        assert_eq!(said, [false; 3], "{there}");
    }
    let body = chat(&json!({"tool_choice": "required"}));
    assert_eq!(refused(Endpoint::ChatCompletions, Endpoint::Messages, &body), "tool_choice");
}

#[test]
fn anthropic_is_sent_what_it_takes() {
    let body = json!({"model": "m", "tools": [
            {"type": "function", "function": {"name": "a", "parameters": {"properties": {"x\"y": {"type": "string"}}}}},
            {"type": "function", "function": {"name": "b", "parameters": {}}},
            {"type": "function", "function": {"name": "c", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "d"}}],
        "messages": [{"role": "system", "content": " \n"},
            {"role": "user", "content": [{"type": "text", "text": " "},
                {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,QUJD"}}]},
            {"role": "assistant", "content": "\n\n", "tool_calls": [
                {"id": "functions.a:0", "type": "function", "function": {"name": "a", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "functions.a:0", "content": " "},
            {"role": "assistant", "content": " "}]});
    let there = made(Endpoint::ChatCompletions, Endpoint::Messages, &body).expect("sayable");
    let schemas: Vec<&Value> =
        there["tools"].as_array().expect("tools").iter().map(|tool| &tool["input_schema"]).collect();
    assert_eq!(schemas[0], &json!({"type": "object", "properties": {"x\"y": {"type": "string"}}}));
    assert_eq!(
        schemas[1..],
        [&json!({"type": "object"}), &json!({"type": "object"}), &json!({"type": "object", "properties": {}})]
    );
    let converse = made(Endpoint::ChatCompletions, Endpoint::Converse, &body).expect("sayable");
    for (index, schema) in schemas.iter().enumerate() {
        assert_eq!(&&converse["toolConfig"]["tools"][index]["toolSpec"]["inputSchema"]["json"], schema);
    }
    assert!(there.get("system").is_none(), "{there}");
    let turns = there["messages"].as_array().expect("turns");
    assert_eq!(turns.len(), 3, "{there}");
    assert_eq!(
        turns[0]["content"],
        json!([{"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "QUJD"}}])
    );
    let id = turns[1]["content"][0]["id"].as_str().expect("an id");
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{id}");
    assert_eq!(turns[2]["content"], json!([{"type": "tool_result", "tool_use_id": id}]));
}

#[test]
fn what_only_saves_tokens_is_left_out() {
    let tool = json!({"name": "f", "input_schema": {"type": "object"}, "defer_loading": true});
    let body = messages(&json!({"tools": [tool], "diagnostics": {"previous_message_id": null},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919", "keep": {"type": "tool_uses", "value": 3}},
            {"type": "clear_thinking_20251015", "keep": "all"}]},
        "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c",
                "content": [{"type": "tool_reference", "tool_name": "g"}]}]}]}));
    for target in FORMS.into_iter().filter(|target| *target != Endpoint::Messages) {
        let there = made(Endpoint::Messages, target, &body).expect("sayable").to_string();
        let left = ["context_management", "diagnostics", "defer_loading", "tool_reference"];
        assert!(left.iter().all(|name| !there.contains(name)) && there.contains("\"g\""), "{there}");
    }
    for (more, param) in [
        (json!({"context_management": {"edits": [{"type": "compact_20260112"}]}}), "context_management.edits[0].type"),
        (json!({"context_management": {"other": 1}}), "context_management.other"),
        (json!({"diagnostics": {"other": 1}}), "diagnostics.other"),
    ] {
        assert_eq!(refused(Endpoint::Messages, Endpoint::ChatCompletions, &messages(&more)), param);
    }
}

#[test]
fn results_stand_right_behind_their_calls() {
    let body = json!({"model": "m", "input": [
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"role": "user", "content": "Go on."},
        {"type": "function_call_output", "call_id": "b", "output": "2"},
        {"role": "user", "content": "Well?"}]});
    let there = made(Endpoint::Responses, Endpoint::ChatCompletions, &body).expect("sayable");
    let roles: Vec<&str> =
        there["messages"].as_array().expect("turns").iter().filter_map(|turn| turn["role"].as_str()).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user"], "{there}");
    assert_eq!(there["messages"][3]["content"].as_array().map(Vec::len), Some(2));
    for (target, result) in [(Endpoint::Messages, "tool_use_id"), (Endpoint::Converse, "toolResult")] {
        let there = made(Endpoint::Responses, target, &body).expect("sayable");
        let blocks = there["messages"][1]["content"].as_array().expect("blocks");
        let are_results: Vec<bool> = blocks.iter().map(|block| block.get(result).is_some()).collect();
        assert_eq!(are_results, [true, true, false, false], "{there}");
    }
}
