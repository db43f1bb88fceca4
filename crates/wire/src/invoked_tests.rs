//! Each maker's form, as read, spliced and metered.

use base::Refusal;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    Call, Edits, Endpoint, Route, StreamMeter, StreamOptions, Usage, UsageFault, answer_text, answer_usage, read,
};

fn taken(model: &str, body: &str) -> Result<Call, Refusal> {
    let route = Route { tail: Some(model), ..Route::from(Endpoint::Invoke) };
    read(route, None, Bytes::copy_from_slice(body.as_bytes()))
}

/// A model of each maker, a body, its limit and its choices, and the body with a limit of 9 in its place.
const TEXTS: [(&str, &str, u64, u32, &str); 8] = [
    (
        "amazon.titan-text-lite-v1",
        r#"{"inputText":"Hi","textGenerationConfig":{"maxTokenCount":50,"topP":1}}"#,
        50,
        1,
        r#"{"inputText":"Hi","textGenerationConfig":{"maxTokenCount":9,"topP":1}}"#,
    ),
    (
        "us.amazon.nova-lite-v1%3A0",
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"max_new_tokens":50}}"#,
        50,
        1,
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"max_new_tokens":9}}"#,
    ),
    (
        "meta.llama3-8b-instruct-v1:0",
        r#"{"prompt":"Hi","max_gen_len":50}"#,
        50,
        1,
        r#"{"prompt":"Hi","max_gen_len":9}"#,
    ),
    ("mistral.mistral-7b", r#"{"prompt":"Hi","max_tokens":50}"#, 50, 1, r#"{"prompt":"Hi","max_tokens":9}"#),
    (
        "ai21.jamba-1-5-mini-v1:0",
        r#"{"messages":[{"role":"user","content":"Hi"}],"max_tokens":50,"n":3}"#,
        50,
        3,
        r#"{"messages":[{"role":"user","content":"Hi"}],"max_tokens":9,"n":3}"#,
    ),
    (
        "openai.gpt-oss-20b-1:0",
        r#"{"messages":[],"max_completion_tokens":50}"#,
        50,
        1,
        r#"{"messages":[],"max_completion_tokens":9}"#,
    ),
    (
        "cohere.command-text-v14",
        r#"{"prompt":"Hi","max_tokens":50,"num_generations":4,"stream":true}"#,
        50,
        4,
        r#"{"prompt":"Hi","max_tokens":9,"num_generations":4,"stream":true}"#,
    ),
    (
        "ai21.j2-ultra-v1",
        r#"{"prompt":"Hi","maxTokens":50,"numResults":2}"#,
        50,
        2,
        r#"{"prompt":"Hi","maxTokens":9,"numResults":2}"#,
    ),
];

#[test]
fn each_makers_limit_and_choices_are_read_and_its_limit_is_set_where_it_stands() {
    for (model, body, limit, choices, limited) in TEXTS {
        let call = taken(model, body).unwrap_or_else(|refusal| panic!("{model} {refusal:?}"));
        let billable = call.billable();
        assert_eq!(
            (call.endpoint(), billable.output_limit, billable.choices, billable.unknown_parameters),
            (Endpoint::InvokeText, Some(limit), choices, false),
            "{model}"
        );
        assert!(!call.stream(), "the path says whether it streams");
        assert_eq!(call.outgoing(&Edits { model: Some("up"), ..Edits::default() }).to_bytes(), body, "{model}");
        let edits = Edits { output_limit: Some(9), ..Edits::default() };
        assert_eq!(call.outgoing(&edits).to_bytes(), limited, "{model}");
        let path = call.path("x:0").expect("the model is in the path");
        assert_eq!(path, "/model/x%3A0/invoke");
    }
}

#[test]
fn a_limit_that_no_one_named_goes_out_as_the_maker_calls_it() {
    for (model, body, sent) in [
        ("amazon.titan-text-lite-v1", "{}", r#"{"textGenerationConfig":{"maxTokenCount":9}}"#),
        (
            "amazon.titan-text-lite-v1",
            r#"{"textGenerationConfig":null}"#,
            r#"{"textGenerationConfig":{"maxTokenCount":9}}"#,
        ),
        (
            "amazon.nova-lite-v1:0",
            r#"{"inferenceConfig":{"topK":2}}"#,
            r#"{"inferenceConfig":{"maxTokens":9,"topK":2}}"#,
        ),
        ("meta.llama3-8b", r#"{"prompt":"x"}"#, r#"{"max_gen_len":9,"prompt":"x"}"#),
        ("mistral.mistral-7b", r#"{"prompt":"x"}"#, r#"{"max_tokens":9,"prompt":"x"}"#),
        ("openai.gpt-oss-20b", r#"{"messages":[]}"#, r#"{"max_completion_tokens":9,"messages":[]}"#),
        ("cohere.command-r-v1:0", r#"{"message":"x"}"#, r#"{"max_tokens":9,"message":"x"}"#),
        ("ai21.j2-mid", r#"{"prompt":"x"}"#, r#"{"maxTokens":9,"prompt":"x"}"#),
    ] {
        let call = taken(model, body).unwrap();
        let edits = Edits { output_limit: Some(9), ..Edits::default() };
        assert_eq!(call.outgoing(&edits).to_bytes(), sent, "{model}");
    }
}

#[test]
fn what_could_raise_a_price_is_held_for_or_refused_and_never_guessed() {
    let unknown = |model: &str, body: &str| taken(model, body).unwrap().billable().unknown_parameters;
    assert!(unknown("amazon.titan-text-lite-v1", r#"{"inputText":"x","maxTokens":5}"#));
    assert!(unknown("amazon.titan-text-lite-v1", r#"{"textGenerationConfig":{"more":5}}"#));
    assert!(unknown("amazon.nova-2-lite-v1:0", r#"{"reasoningConfig":{"type":"enabled"}}"#));
    assert!(unknown("meta.llama3-8b", r#"{"prompt":"x","max_tokens":5}"#), "another maker's name of it");
    assert!(taken("cohere.command-r-v1:0", r#"{"message":"x"}"#).unwrap().billable().stored_input);
    assert_eq!(taken("amazon.titan-text-lite-v1", "{}").unwrap().billable().beyond_limit, 1);
    for (model, body, word) in [
        ("stability.sd3-5-large-v1:0", r#"{"prompt":"x"}"#, "no price"),
        ("amazon.titan-embed-image-v1", r#"{"inputText":"x"}"#, "no price"),
        ("cohere.rerank-v3-5:0", r#"{"query":"x"}"#, "no price"),
        ("amazon.titan-embed-text-v2:0", r#"{"inputImage":"QUJD"}"#, "images are billed apart"),
        ("cohere.embed-v4:0", r#"{"inputs":[]}"#, "images are billed apart"),
        ("meta.llama3-8b", r#"{"prompt":"x","amazon-bedrock-guardrailConfig":{}}"#, "guardrail"),
        ("openai.gpt-oss-20b", r#"{"model":"other","messages":[]}"#, "stands in the path"),
        ("meta.llama3-8b", r#"{"prompt":"x","maxGenLen":5}"#, "max_gen_len"),
        ("amazon.nova-lite-v1:0", r#"{"inferenceConfig":{"maxNewTokens":5}}"#, "max_new_tokens"),
        ("amazon.nova-lite-v1:0", r#"{"inferenceConfig":{"maxTokens":5,"max_new_tokens":6}}"#, "differ"),
        ("amazon.titan-text-lite-v1", r#"{"textGenerationConfig":{"maxTokenCount":0}}"#, "maxTokenCount"),
        ("theirs", r#"{"inputText":"x"}"#, "anthropic_version"),
        ("anthropic.claude-v2", r#"{"inputText":"x"}"#, "anthropic_version"),
    ] {
        let refusal = taken(model, body).expect_err(model);
        assert!(refusal.message().contains(word), "{model} {body} {}", refusal.message());
    }
}

/// Whole answers: the model's, its usage (input, read from and written to a cache, output) and its text.
#[test]
fn each_makers_usage_and_text_are_read_from_its_answer() {
    const TEXT: Endpoint = Endpoint::InvokeText;
    for (body, usage, text) in [
        (
            r#"{"inputTextTokenCount":5,"results":[{"tokenCount":7,"outputText":"a"},{"tokenCount":3,"outputText":"b"}]}"#,
            Some((5, 0, 0, 10)),
            "ab",
        ),
        (
            r#"{"generation":"a","prompt_token_count":10,"generation_token_count":3,"stop_reason":"stop"}"#,
            Some((10, 0, 0, 3)),
            "a",
        ),
        (
            r#"{"output":{"message":{"content":[{"text":"a"}]}},"usage":{"inputTokens":4,"outputTokens":2,"cacheReadInputTokenCount":8,"cacheWriteInputTokenCount":1}}"#,
            Some((13, 8, 1, 2)),
            "a",
        ),
        (
            r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":6,"completion_tokens":2,"total_tokens":8}}"#,
            Some((6, 0, 0, 2)),
            "a",
        ),
        (r#"{"outputs":[{"text":"a","stop_reason":"stop"}]}"#, None, "a"),
        (r#"{"generations":[{"text":"a"},{"text":"b"}],"prompt":"x"}"#, None, "ab"),
        (r#"{"completions":[{"data":{"text":"a","tokens":[{"token":"x"}]}}],"prompt":{"text":"x"}}"#, None, "a"),
        // A part alone tells nothing.
        (r#"{"inputTextTokenCount":5,"results":[{"outputText":"a"}]}"#, None, "a"),
    ] {
        let expected = usage.map(|(input, cached_input, cache_write, output)| Usage {
            input,
            cached_input,
            cache_write,
            output,
            ..Usage::default()
        });
        assert_eq!(answer_usage(TEXT, body.as_bytes()), Ok(expected), "{body}");
        assert_eq!(answer_text(TEXT, body.as_bytes()), text, "{body}");
    }
    let vectors = answer_usage(Endpoint::InvokeVectors, br#"{"embedding":[0.5],"inputTextTokenCount":2}"#);
    assert_eq!(vectors, Ok(Some(Usage { input: 2, ..Usage::default() })));
    assert_eq!(answer_usage(Endpoint::InvokeVectors, br#"{"embeddings":[[0.5]],"id":"x"}"#), Ok(None));
    let negative = br#"{"inputTextTokenCount":-5,"results":[{"tokenCount":7}]}"#;
    assert_eq!(answer_usage(TEXT, negative), Err(UsageFault::Negative));
}

fn frames(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| crate::fuzzed::invoked_frame(&event.to_string())).collect()
}

#[test]
fn a_makers_stream_is_metered_by_its_last_event_at_every_cut() {
    let events = [
        json!({ "generation": "He", "prompt_token_count": 10, "generation_token_count": 1 }),
        json!({ "generation": "llo", "prompt_token_count": null, "generation_token_count": 2,
            "amazon-bedrock-invocationMetrics": { "inputTokenCount": 10, "outputTokenCount": 3, "cacheReadInputTokenCount": 4 } }),
    ];
    let (whole, begun) = (frames(&events), frames(&events[..1]));
    for at in 0..=whole.len() {
        let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::InvokeText, false));
        let mut passed = Vec::new();
        for piece in [&whole[..at], &whole[at..]] {
            if at == begun.len() && piece.len() == whole.len() - at {
                assert!(!meter.is_terminal() && !meter.is_final());
                assert_eq!(meter.usage(), Some(Usage { input: 10, output: 1, ..Usage::default() }));
            }
            meter.push(Bytes::copy_from_slice(piece), &mut |bytes| passed.extend_from_slice(&bytes)).unwrap();
        }
        assert_eq!(meter.usage(), Some(Usage { input: 14, cached_input: 4, output: 3, ..Usage::default() }), "{at}");
        assert!(meter.is_terminal() && meter.is_final() && passed == whole, "{at}");
        assert_eq!(meter.delivered().text, "Hello");
    }
}
