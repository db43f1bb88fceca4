//! Seals in conversations that go from maker to maker: each sees only its own.

use serde_json::{Value, json};

use super::super::form::FORMS;
use super::super::node::Node;
use super::{Reader, Said, Translation, call, names, whole};
use crate::Endpoint;

/// An answer of each maker with a thought and a call, in the dialect of its own, and the seals in it.
fn answers() -> [(Endpoint, Value, &'static [&'static str]); 4] {
    [
        (
            Endpoint::Messages,
            json!({"id": "m", "model": "claude", "stop_reason": "tool_use", "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "EqA+"},
                {"type": "redacted_thinking", "data": "EqB/"},
                {"type": "text", "text": "Wait."},
                {"type": "thinking", "thinking": "", "signature": "EqC="},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {}}]}),
            &["EqA+", "EqB/", "EqC="],
        ),
        (
            Endpoint::Converse,
            json!({"stopReason": "tool_use", "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "EqD+"}}},
                {"reasoningContent": {"redactedContent": "EqE/"}},
                {"toolUse": {"toolUseId": "c1", "name": "f", "input": {}}}]}}}),
            &["EqD+", "EqE/"],
        ),
        (
            Endpoint::GenerateContent,
            json!({"responseId": "r", "modelVersion": "gemini", "candidates": [{"finishReason": "STOP", "content":
                {"parts": [{"text": "Hm", "thought": true},
                    {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "Ci+/"}]}}]}),
            &["Ci+/"],
        ),
        (
            Endpoint::Responses,
            json!({"id": "r", "model": "gpt", "status": "completed", "output": [
                {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm"}],
                    "encrypted_content": "gAAAAAB-_x=="},
                {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{}"}]}),
            &["gAAAAAB-_x=="],
        ),
    ]
}

/// The answer as the client gets it, which is as it came where the dialect is the client's.
fn told(from: Endpoint, client: Endpoint, answer: &Value) -> Value {
    if from == client {
        return answer.clone();
    }
    let bytes = serde_json::to_vec(answer).expect("JSON");
    let (mut reader, mut events) = (Reader::new(from, &names()), Vec::new());
    reader.whole(Node::parse(&bytes).expect("JSON"), &mut events).expect("an answer");
    let mut json = super::super::build::Build::new();
    whole(client, &Said::fold(events), &names(), &mut json);
    serde_json::from_slice(&json.take()).expect("JSON")
}

/// What the client asks next: all answers so far, and a result for each call.
fn next(client: Endpoint, answers: &[Value]) -> String {
    let mut turns = Vec::new();
    for answer in answers {
        match client {
            Endpoint::Messages => {
                turns.push(json!({"role": "assistant", "content": answer["content"]}));
                turns.push(
                    json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x"}]}),
                );
            }
            Endpoint::Converse => {
                turns.push(answer["output"]["message"].clone());
                turns.push(json!({"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "x"}]}}]}));
            }
            Endpoint::GenerateContent => {
                turns.push(answer["candidates"][0]["content"].clone());
                turns.last_mut().expect("a turn")["role"] = "model".into();
                turns.push(
                    json!({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"x": 1}}}]}),
                );
            }
            Endpoint::Responses => {
                turns.extend(answer["output"].as_array().expect("items").iter().cloned());
                turns.push(json!({"type": "function_call_output", "call_id": "c1", "output": "x"}));
            }
            _ => {
                turns.push(answer["choices"][0]["message"].clone());
                turns.push(json!({"role": "tool", "tool_call_id": "c1", "content": "x"}));
            }
        }
    }
    let name = match client {
        Endpoint::GenerateContent => "contents",
        Endpoint::Responses => "input",
        _ => "messages",
    };
    let mut body = json!({ name: turns });
    if !matches!(client, Endpoint::GenerateContent | Endpoint::Converse) {
        body["model"] = "m".into();
    }
    body.to_string()
}

#[test]
fn each_maker_sees_its_own_seals_and_no_others() {
    let seals: Vec<&str> = answers().iter().flat_map(|(.., seals)| seals.iter().copied()).collect();
    for client in FORMS.into_iter().filter(|client| *client != Endpoint::CohereChat) {
        let told = answers().map(|(from, answer, _)| told(from, client, &answer));
        let body = next(client, &told);
        for target in FORMS.into_iter().filter(|target| *target != client) {
            let made = Translation::between(client, target, &call(client, &body))
                .unwrap_or_else(|fault| panic!("{client} {target} {fault:?} {body}"));
            let there = String::from_utf8(made.body("m", Some(99), 99).to_vec()).expect("text");
            let kept: Vec<&str> = match target {
                // Redacted thinking has no place in contents.
                Endpoint::Messages | Endpoint::Converse if client == Endpoint::GenerateContent => {
                    vec!["EqA+", "EqC=", "EqD+"]
                }
                Endpoint::Messages | Endpoint::Converse => vec!["EqA+", "EqB/", "EqC=", "EqD+", "EqE/"],
                Endpoint::GenerateContent => vec!["Ci+/"],
                Endpoint::Responses => vec!["gAAAAAB-_x=="],
                _ => vec![],
            };
            for seal in &seals {
                assert_eq!(there.contains(seal), kept.contains(seal), "{seal} from {client} to {target}: {there}");
            }
            assert!(["AnthSeal", "AnthHide", "GoogSeal"].iter().all(|mark| !there.contains(mark)), "{there}");
            let hidden = [r#""data":"EqB/""#, r#""redactedContent":"EqB/""#];
            let is_hidden = hidden.iter().any(|member| there.contains(member));
            assert_eq!(is_hidden, kept.contains(&"EqB/"), "hidden thinking stays hidden: {there}");
        }
    }
}

/// A piece of OpenRouter's thinking says by its form who sealed it.
#[test]
fn what_nobody_knows_the_maker_of_is_left_out() {
    for (format, kept) in [
        (r#","format":"anthropic-claude-v1""#, Some(Endpoint::Messages)),
        (r#","format":"google-gemini-v1""#, Some(Endpoint::GenerateContent)),
        (r#","format":"xai-responses-v1""#, None),
        (r#","format":"unknown""#, None),
        ("", None),
    ] {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","content":"x","reasoning_details":[
            {{"type":"reasoning.text","text":"Hm","signature":"EqA="{format}}}]}},{{"role":"user","content":"x"}}]}}"#
        );
        for target in [Endpoint::Messages, Endpoint::Converse, Endpoint::GenerateContent, Endpoint::Responses] {
            let made = Translation::between(Endpoint::ChatCompletions, target, &call(Endpoint::ChatCompletions, &body));
            let there = made.expect("sayable").body("m", Some(99), 99);
            let is_kept =
                kept.is_some_and(|kept| kept == target || (kept, target) == (Endpoint::Messages, Endpoint::Converse));
            assert_eq!(String::from_utf8_lossy(&there).contains("EqA="), is_kept, "{format} {target}");
        }
    }
}
