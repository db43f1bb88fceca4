//! Requests, and the JSON that they are written in.

use bytes::Bytes;
use serde_json::Value;

use super::fuzz;
use crate::scan::{Kind, Strict};
use crate::{Edits, Endpoint, Route, read};

/// A body of each kind.
const BODIES: [(Endpoint, &str); 24] = [
    (
        Endpoint::Interactions,
        r#"{"model":"m","input":[{"type":"user_input","content":[{"type":"image","data":"QUJD"}]}],"generation_config":{"max_output_tokens":5},"tools":[{"type":"google_search"}],"previous_interaction_id":"v1_1"}"#,
    ),
    (
        Endpoint::ChatCompletions,
        r#"{"model":"m","stream":true,"max_tokens":10,"user":"u","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
    ),
    (Endpoint::Completions, r#"{"model":"m","prompt":["a","b"],"n":2,"best_of":3,"echo":true}"#),
    (Endpoint::Embeddings, r#"{"model":"m","input":["a","b"],"dimensions":8}"#),
    (
        Endpoint::Responses,
        r#"{"model":"m","input":[{"role":"user","content":"x"},{"type":"item_reference","id":"msg_1"}],"previous_response_id":"resp_1","store":false,"max_output_tokens":9}"#,
    ),
    (
        Endpoint::Messages,
        r#"{"model":"m","max_tokens":5,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","budget_tokens":1024}}"#,
    ),
    (
        Endpoint::GenerateContent,
        r#"{"contents":[{"role":"user","parts":[{"text":"x"},{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}],"generationConfig":{"maxOutputTokens":5,"candidateCount":2}}"#,
    ),
    (
        Endpoint::Predict,
        r#"{"instances":[{"content":"x","task_type":"RETRIEVAL_QUERY","title":"t"},{"text":"y","image":{"bytesBase64Encoded":"QUJD","mimeType":"image/png"}}],"parameters":{"outputDimensionality":8}}"#,
    ),
    (Endpoint::PredictImages, r#"{"instances":[{"prompt":"x"}],"parameters":{"sampleCount":2,"aspectRatio":"1:1"}}"#),
    (Endpoint::OllamaEmbed, r#"{"model":"m","input":["a","b"],"truncate":true,"options":{"num_ctx":9}}"#),
    (Endpoint::OllamaEmbeddings, r#"{"model":"m","prompt":"a","keep_alive":"5m"}"#),
    (Endpoint::CohereChat, r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}],"max_tokens":4}"#),
    (Endpoint::CohereRerank, r#"{"model":"m","query":"q","documents":["a","b"],"top_n":1}"#),
    (Endpoint::Rerank, r#"{"model":"m","query":{"text":"q"},"documents":["a",{"image":"x"}],"return_documents":true}"#),
    (
        Endpoint::ResponseCompact,
        r#"{"model":"m","input":[{"type":"compaction","id":"cmp_1","encrypted_content":"x"}]}"#,
    ),
    (
        Endpoint::ConversationCreate,
        r#"{"items":[{"type":"item_reference","id":"msg_1"},{"role":"user","content":[{"type":"input_file","file_id":"f"}]}],"metadata":{"a":"b"}}"#,
    ),
    (
        Endpoint::Converse,
        r#"{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"maxTokens":5}}"#,
    ),
    // Whose form it is says the name of the model: see `tail_of`.
    (Endpoint::Invoke, r#"{"inputText":"x","textGenerationConfig":{"maxTokenCount":5,"temperature":0}}"#),
    (
        Endpoint::Invoke,
        r#"{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"max_new_tokens":5}}"#,
    ),
    (Endpoint::Invoke, r#"{"prompt":"x","max_gen_len":5,"maxTokens":5,"numResults":2}"#),
    (Endpoint::Invoke, r#"{"message":"x","max_tokens":5,"num_generations":2,"texts":["x"]}"#),
    (Endpoint::ImageGenerations, r#"{"model":"m","prompt":"p","n":2,"size":"1024x1024"}"#),
    (Endpoint::Speech, r#"{"model":"m","input":"say","voice":"alloy"}"#),
    (Endpoint::Moderations, r#"{"model":"m","input":[{"type":"text","text":"x"}]}"#),
];

/// The model that the path names.
fn tail_of(endpoint: Endpoint, number: usize) -> Option<&'static str> {
    const MAKERS: [&str; 4] = ["amazon.titan-text-x", "amazon.nova-lite-x", "ai21.j2-x", "cohere.command-x"];
    match endpoint {
        Endpoint::GenerateContent | Endpoint::Converse | Endpoint::Predict | Endpoint::PredictImages => Some("m"),
        Endpoint::Invoke => Some(MAKERS[number % MAKERS.len()]),
        _ => None,
    }
}

/// A request that is taken is JSON to others too, is forwarded as it came, and has the model that it is given.
#[test]
fn requests() {
    fuzz("requests").corpus(BODIES.map(|(_, body)| body)).run(31, |input| {
        let mut seen = Vec::new();
        for (number, (endpoint, _)) in BODIES.into_iter().enumerate() {
            let tail = tail_of(endpoint, number);
            let route = Route { tail, ..Route::from(endpoint) };
            match read(route, Some(b"application/json"), Bytes::copy_from_slice(input)) {
                Err(refusal) => seen.push(fuzz::sign(&(refusal.code(), refusal.param()))),
                Ok(call) => {
                    seen.push(fuzz::sign(&format!("{:?}", call.billable()).len()));
                    let body: Value = serde_json::from_slice(input).expect("what is taken is JSON");
                    assert!(body.is_object());
                    assert_eq!(call.outgoing(&Edits::default()).to_bytes(), input, "unchanged without edits");
                    assert!(call.billable().text_bytes <= input.len() as u64 + 4_096, "text is part of the body");
                    let edits = Edits { model: Some("up"), include_usage: call.adds_usage(), ..Edits::default() };
                    let sent: Value = serde_json::from_slice(&call.outgoing(&edits).to_bytes()).expect("still JSON");
                    if endpoint.is_of_conversation() {
                        assert_eq!(sent, body, "it has no model");
                    } else if tail.is_none() {
                        assert_eq!(sent["model"], "up");
                    }
                    if call.adds_usage() {
                        assert_eq!(sent["stream_options"]["include_usage"], true);
                    }
                    let texts: usize = call.prompt_texts().map(|text| text.len()).sum();
                    seen.push(u64::from(fuzz::about(texts)));
                }
            }
        }
        fuzz::sign(&seen)
    });
}

/// What the strict scanner takes, another parser takes too, and reads the same texts in it.
#[test]
fn json() {
    let corpus = BODIES
        .map(|(_, body)| body)
        .into_iter()
        .chain([r#"["\u00fc\ud83d\ude00\n\"",1.50e-2,true,null,{"":{}}]"#, "\"x\""]);
    fuzz("json").corpus(corpus).run(6, |input| {
        if core::str::from_utf8(input).is_err() {
            return 0;
        }
        let mut scanner = Strict::new(input);
        let mut texts = Vec::new();
        let scanned = scanner.kind().and_then(|kind| match kind {
            Kind::Array => scanner.array(|scanner| match scanner.kind()? {
                Kind::String => {
                    texts.push(scanner.string()?.decode().into_owned());
                    Ok(())
                }
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        });
        if let Err(error) = scanned.and_then(|()| scanner.end()) {
            return fuzz::sign(&(format!("{:?}", error.fault), fuzz::about(error.at)));
        }
        let value: Value = serde_json::from_slice(input).expect("what is strict JSON is JSON");
        if let Value::Array(items) = &value {
            let read: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            assert_eq!(read, texts);
        }
        fuzz::sign(&(texts.len(), value.is_array()))
    });
}
