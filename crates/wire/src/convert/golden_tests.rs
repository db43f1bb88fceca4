//! What every pair of dialects makes of every feature, one snapshot a pair: a change shows which pair and feature it meets, and what is
//! refused is there by its sentence.

use super::*;

/// A request of one dialect: its turns, as that dialect has them, and what stands beside those.
fn request(form: Endpoint, turns: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    match form {
        Endpoint::GenerateContent => format!(r#"{{"contents":[{turns}]{comma}{more}}}"#),
        Endpoint::Converse => format!(r#"{{"messages":[{turns}]{comma}{more}}}"#),
        Endpoint::Responses => format!(r#"{{"model":"m","input":[{turns}]{comma}{more}}}"#),
        Endpoint::Messages => format!(r#"{{"model":"m","max_tokens":9,"messages":[{turns}]{comma}{more}}}"#),
        _ => format!(r#"{{"model":"m","messages":[{turns}]{comma}{more}}}"#),
    }
}

/// What a user says in a dialect, in its parts.
fn user(form: Endpoint, parts: &str) -> String {
    let name = if form == Endpoint::GenerateContent { "parts" } else { "content" };
    format!(r#"{{"role":"user","{name}":[{parts}]}}"#)
}

/// The features, and for each dialect that has it the turns and the members that say it.
fn features(form: Endpoint) -> Vec<(&'static str, String)> {
    let hi = match form {
        Endpoint::GenerateContent | Endpoint::Converse => r#"{"text":"Hi"}"#,
        Endpoint::Responses => r#"{"type":"input_text","text":"Hi"}"#,
        _ => r#"{"type":"text","text":"Hi"}"#,
    };
    let asked = |more: &str| request(form, &user(form, hi), more);
    let parts = |parts: &str| request(form, &user(form, &format!("{hi},{parts}")), "");
    let all = [
        ("a system prompt, and turns", turns(form)),
        ("images", images(form).map(parts)),
        ("files", files(form).map(parts)),
        ("tools, one of which must be called", tools(form).map(asked)),
        ("parallel calls and their results", calls(form).map(|turns| request(form, turns, tools_alone(form)))),
        ("an answer by a schema", schema(form).map(asked)),
        ("thinking", thinking(form).map(asked)),
        ("thoughts of before, and their seals", thoughts(form).map(|turns| request(form, turns, ""))),
        ("limits, samples and words that end it", settings(form).map(asked)),
        ("marks for the cache", cache(form)),
        ("probabilities", probabilities(form).map(asked)),
        ("the user's name", name(form).map(asked)),
    ];
    all.into_iter().filter_map(|(feature, body)| Some((feature, body?))).collect()
}

fn turns(form: Endpoint) -> Option<String> {
    Some(match form {
        Endpoint::GenerateContent => request(
            form,
            r#"{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"text":"Yes?"}]},{"role":"user","parts":[{"text":"Go on."}]}"#,
            r#""systemInstruction":{"parts":[{"text":"Be kind."}]}"#,
        ),
        Endpoint::Converse => request(
            form,
            r#"{"role":"user","content":[{"text":"Hi"}]},{"role":"assistant","content":[{"text":"Yes?"}]},{"role":"user","content":[{"text":"Go on."}]}"#,
            r#""system":[{"text":"Be kind."}]"#,
        ),
        _ => {
            let turns = r#"{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go on."}"#;
            match form {
                Endpoint::Messages => request(form, turns, r#""system":"Be kind.""#),
                Endpoint::Responses => request(form, turns, r#""instructions":"Be kind.""#),
                _ => request(form, &format!(r#"{{"role":"system","content":"Be kind."}},{turns}"#), ""),
            }
        }
    })
}

fn images(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => {
            r#"{"type":"image","source":{"type":"url","url":"https://host/a.png"}},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}"#
        }
        Endpoint::GenerateContent => {
            r#"{"fileData":{"fileUri":"https://host/a.png","mimeType":"image/png"}},{"inlineData":{"mimeType":"image/png","data":"QUJD"}}"#
        }
        Endpoint::Responses => {
            r#"{"type":"input_image","image_url":"https://host/a.png"},{"type":"input_image","image_url":"data:image/png;base64,QUJD"}"#
        }
        Endpoint::Converse => r#"{"image":{"format":"png","source":{"bytes":"QUJD"}}}"#,
        _ => {
            r#"{"type":"image_url","image_url":{"url":"https://host/a.png"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}"#
        }
    })
}

fn files(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::ChatCompletions => {
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}"#
        }
        Endpoint::Messages => {
            r#"{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"}}"#
        }
        Endpoint::GenerateContent => {
            r#"{"inlineData":{"mimeType":"application/pdf","data":"QUJD","displayName":"a.pdf"}}"#
        }
        Endpoint::Responses => {
            r#"{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}"#
        }
        Endpoint::Converse => r#"{"document":{"format":"pdf","name":"a","source":{"bytes":"QUJD"}}}"#,
        _ => return None,
    })
}

fn tools(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => {
            r#""tools":[{"name":"weather","description":"Says it.","input_schema":{"type":"object","properties":{"z":{"type":"string"}},"required":["z"]}}],"tool_choice":{"type":"any"}"#
        }
        Endpoint::GenerateContent => {
            r#""tools":[{"functionDeclarations":[{"name":"weather","description":"Says it.","parameters":{"type":"OBJECT","properties":{"z":{"type":"STRING"}},"required":["z"]}}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}"#
        }
        Endpoint::Responses => {
            r#""tools":[{"type":"function","name":"weather","description":"Says it.","parameters":{"type":"object","properties":{"z":{"type":"string"}},"required":["z"]},"strict":false}],"tool_choice":"required""#
        }
        Endpoint::CohereChat => {
            r#""tools":[{"type":"function","function":{"name":"weather","description":"Says it.","parameters":{"type":"object","properties":{"z":{"type":"string"}},"required":["z"]}}}],"tool_choice":"REQUIRED""#
        }
        Endpoint::Converse => {
            r#""toolConfig":{"tools":[{"toolSpec":{"name":"weather","description":"Says it.","inputSchema":{"json":{"type":"object","properties":{"z":{"type":"string"}},"required":["z"]}}}}],"toolChoice":{"any":{}}}"#
        }
        _ => {
            r#""tools":[{"type":"function","function":{"name":"weather","description":"Says it.","parameters":{"type":"object","properties":{"z":{"type":"string"}},"required":["z"]}}}],"tool_choice":"required""#
        }
    })
}

/// A tool that may be called.
fn tools_alone(form: Endpoint) -> &'static str {
    match form {
        Endpoint::Messages => r#""tools":[{"name":"weather","input_schema":{"type":"object"}}]"#,
        Endpoint::GenerateContent => r#""tools":[{"functionDeclarations":[{"name":"weather"}]}]"#,
        Endpoint::Responses => {
            r#""tools":[{"type":"function","name":"weather","parameters":{"type":"object"},"strict":false}]"#
        }
        Endpoint::Converse => {
            r#""toolConfig":{"tools":[{"toolSpec":{"name":"weather","inputSchema":{"json":{"type":"object"}}}}]}"#
        }
        _ => r#""tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]"#,
    }
}

fn calls(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => {
            r#"{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"weather","input":{"z":1.50}},{"type":"tool_use","id":"c2","name":"weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"warm"},{"type":"tool_result","tool_use_id":"c2","content":"broken","is_error":true}]}"#
        }
        Endpoint::GenerateContent => {
            r#"{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"functionCall":{"name":"weather","args":{"z":1.50}}},{"functionCall":{"name":"weather","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"weather","response":{"result":"warm"}}},{"functionResponse":{"name":"weather","response":{"error":"broken"}}}]}"#
        }
        Endpoint::Responses => {
            r#"{"role":"user","content":"Hi"},{"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"z\":1.50}"},{"type":"function_call","call_id":"c2","name":"weather","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"warm"},{"type":"function_call_output","call_id":"c2","output":"broken"}"#
        }
        Endpoint::Converse => {
            r#"{"role":"user","content":[{"text":"Hi"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"weather","input":{"z":1.50}}},{"toolUse":{"toolUseId":"c2","name":"weather","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"c1","content":[{"text":"warm"}]}},{"toolResult":{"toolUseId":"c2","status":"error","content":[{"text":"broken"}]}}]}"#
        }
        _ => {
            r#"{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"z\":1.50}"}},{"id":"c2","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"warm"},{"role":"tool","tool_call_id":"c2","content":"broken"}"#
        }
    })
}

fn schema(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => {
            r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"t":{"type":"number"}},"required":["t"],"additionalProperties":false}}}"#
        }
        Endpoint::GenerateContent => {
            r#""generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"t":{"type":"NUMBER"}},"required":["t"]}}"#
        }
        Endpoint::Responses => {
            r#""text":{"format":{"type":"json_schema","name":"w","schema":{"type":"object","properties":{"t":{"type":"number"}},"required":["t"],"additionalProperties":false},"strict":true}}"#
        }
        Endpoint::CohereChat => {
            r#""response_format":{"type":"json_object","json_schema":{"type":"object","properties":{"t":{"type":"number"}},"required":["t"]}}"#
        }
        Endpoint::Converse => {
            r#""outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"name":"w","schema":"{\"type\":\"object\",\"properties\":{\"t\":{\"type\":\"number\"}},\"required\":[\"t\"],\"additionalProperties\":false}"}}}}"#
        }
        _ => {
            r#""response_format":{"type":"json_schema","json_schema":{"name":"w","schema":{"type":"object","properties":{"t":{"type":"number"}},"required":["t"],"additionalProperties":false},"strict":true}}"#
        }
    })
}

fn thinking(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => r#""thinking":{"type":"adaptive"},"output_config":{"effort":"low"}"#,
        Endpoint::GenerateContent => {
            r#""generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}}"#
        }
        Endpoint::Responses => r#""reasoning":{"effort":"low","summary":"auto"},"store":false"#,
        Endpoint::CohereChat => r#""thinking":{"type":"enabled","token_budget":2048}"#,
        Endpoint::Converse => {
            r#""inferenceConfig":{"maxTokens":4096},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}}"#
        }
        _ => r#""reasoning_effort":"low""#,
    })
}

fn thoughts(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => {
            r#"{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"c2ln"},{"type":"text","text":"Yes?"}]},{"role":"user","content":"Go on."}"#
        }
        Endpoint::GenerateContent => {
            r#"{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"text":"Hm","thought":true},{"text":"Yes?","thoughtSignature":"Z2Vt"}]},{"role":"user","parts":[{"text":"Go on."}]}"#
        }
        Endpoint::Responses => {
            r#"{"role":"user","content":"Hi"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"gAAAAAc2ln"},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go on."}"#
        }
        Endpoint::CohereChat => {
            r#"{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm"},{"type":"text","text":"Yes?"}]},{"role":"user","content":"Go on."}"#
        }
        Endpoint::Converse => {
            r#"{"role":"user","content":[{"text":"Hi"}]},{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"Hm","signature":"c2ln"}}},{"text":"Yes?"}]},{"role":"user","content":[{"text":"Go on."}]}"#
        }
        _ => {
            r#"{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes?","reasoning_content":"Hm"},{"role":"user","content":"Go on."}"#
        }
    })
}

fn settings(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::Messages => r#""temperature":0.50,"top_p":0.9,"stop_sequences":["END"]"#,
        Endpoint::GenerateContent => {
            r#""generationConfig":{"maxOutputTokens":100,"temperature":0.50,"topP":0.9,"stopSequences":["END"]}"#
        }
        Endpoint::Responses => r#""max_output_tokens":100,"temperature":0.50,"top_p":0.9"#,
        Endpoint::CohereChat => r#""max_tokens":100,"temperature":0.50,"p":0.9,"stop_sequences":["END"]"#,
        Endpoint::Converse => {
            r#""inferenceConfig":{"maxTokens":100,"temperature":0.50,"topP":0.9,"stopSequences":["END"]}"#
        }
        _ => r#""max_completion_tokens":100,"temperature":0.50,"top_p":0.9,"stop":["END"]"#,
    })
}

fn cache(form: Endpoint) -> Option<String> {
    Some(match form {
        Endpoint::Messages => request(
            form,
            r#"{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}"#,
            r#""system":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#,
        ),
        Endpoint::Converse => request(
            form,
            r#"{"role":"user","content":[{"text":"Hi"},{"cachePoint":{"type":"default"}}]}"#,
            r#""system":[{"text":"Be kind."},{"cachePoint":{"type":"default","ttl":"1h"}}]"#,
        ),
        Endpoint::ChatCompletions => request(
            form,
            r#"{"role":"system","content":[{"type":"text","text":"Be kind.","cache_control":{"type":"ephemeral","ttl":"1h"}}]},{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}"#,
            "",
        ),
        _ => return None,
    })
}

fn probabilities(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::ChatCompletions => r#""logprobs":true,"top_logprobs":2"#,
        Endpoint::GenerateContent => r#""generationConfig":{"responseLogprobs":true,"logprobs":2}"#,
        Endpoint::Responses => r#""include":["message.output_text.logprobs"],"top_logprobs":2"#,
        Endpoint::CohereChat => r#""logprobs":true"#,
        _ => return None,
    })
}

fn name(form: Endpoint) -> Option<&'static str> {
    Some(match form {
        Endpoint::ChatCompletions | Endpoint::Responses => r#""user":"u1""#,
        Endpoint::Messages => r#""metadata":{"user_id":"u1"}"#,
        _ => return None,
    })
}

/// What `target` is sent for a request, or why it is not.
fn written(client: Endpoint, target: Endpoint, body: &str) -> String {
    let call = call(client, body);
    match Translation::between(client, target, &call) {
        Ok(made) => {
            let there = made.body("up", call.billable().output_limit, 4_096);
            let _: serde_json::Value = serde_json::from_slice(&there).expect("JSON");
            broken_up(core::str::from_utf8(&there).expect("text"))
        }
        Err(fault) => format!("refused: {}", fault.refusal().message()),
    }
}

/// The name of a snapshot.
fn named(what: &str, one: Endpoint, other: Endpoint) -> String {
    format!("{what}_{one}_{other}").replace('/', "_")
}

#[test]
fn every_feature_of_a_request_is_carried_or_refused_by_every_pair() {
    for client in FORMS {
        for target in FORMS.into_iter().filter(|target| *target != client) {
            let mut all = String::new();
            let (_, whole) = requests().into_iter().find(|(form, _)| *form == client).expect("one of each");
            let features = features(client).into_iter().chain([("all at once", sayable(whole, target))]);
            for (feature, body) in features {
                writeln!(all, "## {feature}\n{}\n", written(client, target, &body)).expect("memory");
            }
            assert!(!all.is_empty());
            insta::assert_snapshot!(named("request", client, target), all);
        }
    }
}

#[test]
fn answers_are_written_in_every_other_dialect() {
    for client in FORMS {
        for target in FORMS.into_iter().filter(|target| *target != client) {
            let mut all = String::new();
            for (_, stream) in streams().into_iter().filter(|(from, _)| *from == target) {
                let stream = stream.concat();
                let mut json = super::super::build::Build::new();
                whole(client, &Said::fold(events(target, &stream)), &names(), &mut json);
                let whole = String::from_utf8(json.take()).expect("text");
                let _: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
                let streamed = readable(client, &translate(target, client, false, &[&stream]));
                writeln!(all, "## whole\n{}\n\n## streamed\n{streamed}", broken_up(&whole)).expect("memory");
            }
            insta::assert_snapshot!(named("answer", client, target), all);
        }
    }
}
