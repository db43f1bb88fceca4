//! Requests and answers in the words of another dialect.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::fuzz;
use crate::convert::Translation;
use crate::{Call, Dialect, Endpoint, Route, read};

const CLIENTS: [(Endpoint, &str); 4] = [
    (
        Endpoint::ChatCompletions,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":100,"temperature":0.50,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://host/a.png"}}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]},{"role":"tool","tool_call_id":"c","content":"{}"}]}"#,
    ),
    (
        Endpoint::Messages,
        r#"{"model":"m","max_tokens":100,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"x"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":"c2ln"},{"type":"tool_use","id":"c","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r"}]}]}"#,
    ),
    (
        Endpoint::GenerateContent,
        r#"{"systemInstruction":{"parts":[{"text":"s"}]},"generationConfig":{"maxOutputTokens":100},"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"t":20}}}]}]}"#,
    ),
    (
        Endpoint::Responses,
        r#"{"model":"m","store":false,"max_output_tokens":100,"instructions":"s","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}]}"#,
    ),
];

const TARGETS: [Dialect; 5] = [Dialect::Openai, Dialect::Anthropic, Dialect::Gemini, Dialect::Cohere, Dialect::Bedrock];

fn call(endpoint: Endpoint, body: &[u8]) -> Option<Call> {
    let tail = (endpoint == Endpoint::GenerateContent).then_some("m");
    read(Route { tail, ..Route::from(endpoint) }, None, Bytes::copy_from_slice(body)).ok()
}

/// A request that is translated is JSON, or the refusal names what cannot be said.
#[test]
fn translated_requests() {
    fuzz("translated-requests").corpus(CLIENTS.map(|(_, body)| body)).run(21, |input| {
        let mut seen = Vec::new();
        for (endpoint, _) in CLIENTS {
            let Some(call) = call(endpoint, input) else { continue };
            for dialect in TARGETS {
                match Translation::of(&call, dialect, None) {
                    None => seen.push(0),
                    Some(Err(refusal)) => seen.push(fuzz::sign(&(refusal.code(), refusal.param()))),
                    Some(Ok(translation)) => {
                        let body = translation.body("up", call.billable().output_limit, 4_096);
                        // By its grammar: a number in a tool's arguments may be beyond what is counted with.
                        let _: IgnoredAny = serde_json::from_slice(&body).expect("what is sent is JSON");
                        seen.push(u64::from(fuzz::about(body.len())));
                    }
                }
            }
        }
        fuzz::sign(&seen)
    });
}

/// Whatever an upstream answers, a client gets JSON in its own dialect, or nothing; a stream is the same however it is cut.
#[test]
fn translated_answers() {
    let corpus = [
        r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
        r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"output_tokens":2}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}"#,
        r#"{"error":{"message":"no","type":"x","code":"y"}}"#,
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    let translations: Vec<Translation> = CLIENTS
        .into_iter()
        .filter_map(|(endpoint, body)| call(endpoint, body.as_bytes()))
        .flat_map(|call| TARGETS.map(|dialect| Translation::of(&call, dialect, None)))
        .flatten()
        .flatten()
        .collect();
    assert!(translations.len() >= 6, "{}", translations.len());
    fuzz("translated-answers").corpus(corpus).run(4, |input| {
        let mut seen = Vec::new();
        for translation in &translations {
            for status in [200, 400] {
                let whole = translation.answers("req_1", 1, 32 << 10).whole(status, input);
                assert!(status == 200 || whole.is_ok(), "an error is told in the client's words");
                if let Ok(whole) = &whole {
                    serde_json::from_slice::<Value>(whole).expect("what a client gets is JSON");
                }
                seen.push(whole.is_ok());
            }
            let streamed = |piece_bytes: usize| {
                let mut answers = translation.answers("req_1", 1, 32 << 10);
                let mut all = Vec::new();
                for piece in input.chunks(piece_bytes) {
                    all.extend_from_slice(&answers.push(piece).ok()?);
                }
                all.extend_from_slice(&answers.finish(true));
                Some(all)
            };
            let whole = streamed(input.len().max(1));
            assert_eq!(streamed(3), whole, "in pieces of 3 bytes");
            seen.push(whole.is_some_and(|whole| !whole.is_empty()));
        }
        fuzz::sign(&seen)
    });
}
