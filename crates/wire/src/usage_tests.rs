//! Usage as each provider writes it, and what no provider should write.

use proptest::prelude::*;

use super::*;
use crate::answer::answer_usage;

fn chat(usage: &str) -> Result<Option<Usage>, UsageFault> {
    answer_usage(Endpoint::ChatCompletions, format!("{{\"id\":\"x\",\"usage\":{usage}}}").as_bytes())
}

/// (input, cached, cache write, audio in, output, reasoning)
fn parts(usage: &str) -> (u64, u64, u64, u64, u64, u64) {
    let found = chat(usage).expect(usage).expect(usage);
    (found.input, found.cached_input, found.cache_write, found.audio_input, found.output, found.reasoning)
}

#[test]
fn the_habits_of_providers_are_normalised() {
    for (habit, usage, expected) in [
        (
            "OpenAI",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}"#,
            (10, 4, 0, 1, 5, 2),
        ),
        (
            "nulls",
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}"#,
            (10, 0, 0, 0, 5, 0),
        ),
        (
            "xAI: reasoning beside the completion",
            r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":303,"completion_tokens_details":{"reasoning_tokens":290}}"#,
            (12, 0, 0, 0, 291, 290),
        ),
        (
            "Gemini: thinking only in the total",
            r#"{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"#,
            (66, 0, 0, 0, 34, 0),
        ),
        (
            "Mistral: audio beside the prompt",
            r#"{"prompt_tokens":11,"completion_tokens":15,"total_tokens":401,"prompt_tokens_details":{"audio_tokens":375,"cached_tokens":9}}"#,
            (386, 9, 0, 375, 15, 0),
        ),
        (
            "DeepSeek",
            r#"{"prompt_tokens":14,"completion_tokens":34,"total_tokens":48,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":10}"#,
            (14, 4, 0, 0, 34, 0),
        ),
        (
            "Anthropic's members, inclusive",
            r#"{"prompt_tokens":5789,"completion_tokens":16,"total_tokens":5805,"cache_read_input_tokens":5280}"#,
            (5789, 5280, 0, 0, 16, 0),
        ),
        (
            "Anthropic's members, exclusive",
            r#"{"prompt_tokens":9,"completion_tokens":16,"total_tokens":5325,"cache_read_input_tokens":5000,"cache_creation_input_tokens":300}"#,
            (5309, 5000, 300, 0, 16, 0),
        ),
        (
            "OpenRouter",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cache_write_tokens":6}}"#,
            (10, 0, 6, 0, 5, 0),
        ),
        (
            "Copilot",
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"reasoning_tokens":3}"#,
            (10, 0, 0, 0, 5, 3),
        ),
        (
            "markers around the reasoning",
            r#"{"prompt_tokens":10,"completion_tokens":16,"total_tokens":26,"completion_tokens_details":{"reasoning_tokens":19}}"#,
            (10, 0, 0, 0, 16, 16),
        ),
        (
            "cached audio",
            r#"{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":6}}"#,
            (10, 4, 0, 6, 1, 0),
        ),
        (
            "Azure's Grok: more cached than there is",
            r#"{"prompt_tokens":371,"completion_tokens":40,"total_tokens":411,"prompt_tokens_details":{"cached_tokens":493}}"#,
            (371, 0, 0, 0, 40, 0),
        ),
        ("whole floats", r#"{"prompt_tokens":10.0,"completion_tokens":5.00}"#, (10, 0, 0, 0, 5, 0)),
        (
            "Responses' names",
            r#"{"input_tokens":10,"output_tokens":5,"input_tokens_details":{"cached_tokens":3}}"#,
            (10, 3, 0, 0, 5, 0),
        ),
        ("no completion", r#"{"prompt_tokens":10,"total_tokens":25}"#, (10, 0, 0, 0, 15, 0)),
        (
            "new-api: zeros under the names that it does not use",
            r#"{"prompt_tokens":3,"completion_tokens":0,"input_tokens":0,"output_tokens":7,"total_tokens":10}"#,
            (3, 0, 0, 0, 7, 0),
        ),
        (
            "Perplexity's research: citations and reasoning beside both",
            r#"{"prompt_tokens":108,"completion_tokens":3256,"total_tokens":3364,"citation_tokens":7299,"num_search_queries":74,"reasoning_tokens":73248}"#,
            (108 + 7299, 0, 0, 0, 3256 + 73_248, 73_248),
        ),
        (
            "the same without a total",
            r#"{"prompt_tokens":8,"completion_tokens":5,"citation_tokens":7,"reasoning_tokens":3}"#,
            (15, 0, 0, 0, 8, 3),
        ),
        (
            "the same in the total",
            r#"{"prompt_tokens":8,"completion_tokens":5,"total_tokens":23,"citation_tokens":7,"reasoning_tokens":3}"#,
            (8, 0, 0, 0, 15, 3),
        ),
    ] {
        assert_eq!(parts(usage), expected, "{habit}");
    }
    let embeddings = |usage: &str| answer_usage(Endpoint::Embeddings, format!("{{\"usage\":{usage}}}").as_bytes());
    let input =
        |found: Result<Option<Usage>, UsageFault>| found.map(|usage| usage.map(|usage| (usage.input, usage.output)));
    assert_eq!(input(embeddings(r#"{"total_tokens":4}"#)), Ok(Some((4, 0))), "Voyage");
    assert_eq!(input(embeddings(r#"{"prompt_tokens":2,"total_tokens":2}"#)), Ok(Some((2, 0))));
}

#[test]
fn reported_costs_are_read_exactly_and_rounded_up() {
    for (usage, nanos) in [
        (r#""cost":9.6e-06"#, Some(9_600)),
        (r#""cost":0.00501"#, Some(5_010_000)),
        (r#""cost":1e-12"#, Some(1)),
        (r#""cost":0"#, Some(0)),
        (r#""cost":{"total_cost":0.00501,"request_cost":0.005}"#, Some(5_010_000)),
        (r#""cost_in_usd_ticks":1399000"#, Some(139_900)),
        (r#""cost_in_usd_ticks":11"#, Some(2)),
        (r#""cost":-1"#, None),
        (r#""cost":"1""#, None),
        (r#""cost":NaN"#, None),
        (r#""cost":1e300"#, None),
        (r#""cost":1e-999999999999"#, None),
    ] {
        let found =
            chat(&format!(r#"{{"prompt_tokens":1,"completion_tokens":1,{usage}}}"#)).expect("the cost is no fault");
        assert_eq!(found.and_then(|usage| usage.reported_cost).map(Money::nanos), nanos, "{usage}");
    }
}

#[test]
fn usage_that_cannot_be_believed_is_a_fault() {
    use UsageFault::*;
    for (usage, fault) in [
        (r#"{"prompt_tokens":-1,"completion_tokens":5}"#, Negative),
        (r#"{"prompt_tokens":1,"completion_tokens":-0.5}"#, Negative),
        (r#"{"prompt_tokens":1.5,"completion_tokens":5}"#, Fractional),
        (r#"{"prompt_tokens":1e3,"completion_tokens":5}"#, Fractional),
        (r#"{"prompt_tokens":"1","completion_tokens":5}"#, NotANumber),
        (r#"{"prompt_tokens":NaN,"completion_tokens":5}"#, NotANumber),
        (r#"{"prompt_tokens":[1],"completion_tokens":5}"#, NotANumber),
        (r#"{"prompt_tokens":18446744073709551616,"completion_tokens":5}"#, TooLarge),
        (r#"{"prompt_tokens":1,"completion_tokens":99999999999}"#, TooLarge),
        (r#"{"prompt_tokens":1,"prompt_tokens":2,"completion_tokens":5}"#, Inconsistent),
        (r#"{"prompt_tokens":1,"completion_tokens":1,"prompt_tokens_details":{"cache_write_tokens":5}}"#, Inconsistent),
        (r#"{"prompt_tokens":1,"completion_tokens":1,"completion_tokens_details":{"audio_tokens":5}}"#, Inconsistent),
        (r#"{"prompt_tokens":1}"#, Incomplete),
        (r#"{"completion_tokens":1}"#, Incomplete),
        (r#"{"prompt_tokens":1,"completion_tokens":1"#, Malformed),
    ] {
        assert_eq!(chat(usage), Err(fault), "{usage}");
    }
    for none in ["null", "{}", "[]", "\"x\"", r#"{"total_tokens":0}"#] {
        assert_eq!(chat(none), Ok(None), "{none}");
    }
    let twice =
        r#"{"usage":{"prompt_tokens":1,"completion_tokens":9},"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;
    assert_eq!(answer_usage(Endpoint::ChatCompletions, twice.as_bytes()), Err(Inconsistent));
    for malformed in [&b"<html>"[..], b"", b"[]", b"{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}} x"] {
        assert_eq!(answer_usage(Endpoint::ChatCompletions, malformed), Err(Malformed));
    }
}

#[test]
fn usage_inside_a_text_is_not_usage() {
    let body =
        br#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}","usage":{"prompt_tokens":9}}}]}"#;
    assert_eq!(answer_usage(Endpoint::ChatCompletions, body), Ok(None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the counts: parts never exceed wholes, and nothing overflows.
    #[test]
    fn parts_never_exceed_wholes(counts in prop::collection::vec(prop::option::of(prop_oneof![0_u64..20, 0_u64..5_000_000_000]), 12)) {
        let names = ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_read_input_tokens",
            "cache_creation_input_tokens", "reasoning_tokens", "audio_prompt_tokens", "prompt_cache_hit_tokens"];
        let mut members: Vec<String> = names.iter().zip(&counts)
            .filter_map(|(name, count)| count.map(|count| format!("\"{name}\":{count}"))).collect();
        let optional = |count: Option<u64>| count.map_or("null".to_owned(), |count| count.to_string());
        members.push(format!("\"prompt_tokens_details\":{{\"cache_write_tokens\":{}}}", optional(counts[9])));
        members.push(format!(
            "\"completion_tokens_details\":{{\"audio_tokens\":{},\"rejected_prediction_tokens\":{}}}",
            optional(counts[10]), optional(counts[11]),
        ));
        if let Ok(Some(usage)) = chat(&format!("{{{}}}", members.join(","))) {
            prop_assert!(usage.cached_input + usage.cache_write + usage.audio_input <= usage.input);
            prop_assert!(usage.reasoning <= usage.output && usage.audio_output <= usage.output);
            prop_assert!(usage.rejected_prediction <= usage.output);
            prop_assert!(usage.input >= counts[0].unwrap_or(0) && usage.output >= counts[1].unwrap_or(0));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\":,usagecot_knpmld0123456789.-eE\\ ".to_vec()), 0..200)) {
        let _ = answer_usage(Endpoint::ChatCompletions, &bytes);
        let _ = chat(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn google_leaves_out_zeros_and_counts_thinking_and_tools_apart() {
    let of = |usage: &str| {
        let body = format!("{{\"candidates\":[],\"usageMetadata\":{usage}}}");
        answer_usage(Endpoint::GenerateContent, body.as_bytes())
    };
    for (usage, (input, cached_input, audio_input, cached_audio, output, reasoning)) in [
        (r#"{"promptTokenCount":8,"candidatesTokenCount":5,"thoughtsTokenCount":7}"#, (8, 0, 0, 0, 12, 7)),
        (r#"{"promptTokenCount":8,"thoughtsTokenCount":7,"totalTokenCount":15}"#, (8, 0, 0, 0, 7, 7)),
        (r#"{"promptTokenCount":8,"toolUsePromptTokenCount":4,"candidatesTokenCount":5}"#, (12, 0, 0, 0, 5, 0)),
        (r#"{"totalTokenCount":11}"#, (11, 0, 0, 0, 0, 0)),
        (
            r#"{"promptTokenCount":20,"cachedContentTokenCount":9,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":6},{"modality":"TEXT","tokenCount":14}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":4}]}"#,
            (20, 5, 6, 4, 0, 0),
        ),
    ] {
        let expected = Usage { input, cached_input, audio_input, cached_audio, output, reasoning, ..Usage::default() };
        assert_eq!(of(usage), Ok(Some(expected)), "{usage}");
    }
    for (usage, fault) in [
        (r#"{"promptTokenCount":-1}"#, UsageFault::Negative),
        (r#"{"promptTokenCount":1.5}"#, UsageFault::Fractional),
        (r#"{"promptTokenCount":"8"}"#, UsageFault::NotANumber),
        (r#"{"promptTokenCount":8,"cachedContentTokenCount":9}"#, UsageFault::Inconsistent),
    ] {
        assert_eq!(of(usage), Err(fault), "{usage}");
    }
    assert_eq!(of("{}"), Ok(None));
}

#[test]
fn searches_are_counted_as_they_are_billed() {
    let of = |usage: &str| chat(usage).expect("counts").expect("reported").web_searches;
    let xai = |details: &str| {
        of(&format!(r#"{{"prompt_tokens":1,"completion_tokens":1,"server_side_tool_usage_details":{{{details}}}}}"#))
    };
    assert_eq!(xai(r#""web_search_calls":2,"x_search_calls":0"#), 2);
    assert_eq!(xai(r#""web_search_calls":2,"x_search_calls":3,"code_interpreter_calls":4"#), 9);
    assert_eq!(xai(r#""document_search_calls":1,"file_search_calls":1,"mcp_calls":7"#), 2);
    let grounded = |queries: &str| {
        let body = format!(
            r#"{{"candidates":[{{"groundingMetadata":{{"webSearchQueries":[{queries}]}}}}],"usageMetadata":{{"promptTokenCount":8}}}}"#
        );
        answer_usage(Endpoint::GenerateContent, body.as_bytes()).expect("counts").expect("reported").web_searches
    };
    assert_eq!(grounded(""), 0);
    assert_eq!(grounded(r#""a","b","a","\u0061",""," ""#), 2);
}

#[test]
fn anthropics_parts_exclude_each_other() {
    let of = |usage: &str| answer_usage(Endpoint::Messages, format!("{{\"usage\":{usage}}}").as_bytes());
    let full = r#"{"input_tokens":1,"cache_read_input_tokens":2,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":5}"#;
    let expected =
        Usage { input: 10, cached_input: 2, cache_write: 7, cache_write_1h: 4, output: 5, ..Usage::default() };
    assert_eq!(of(full), Ok(Some(expected)));
    let only_details = full.replace("\"cache_creation_input_tokens\":7,", "");
    assert_eq!(of(&only_details), Ok(Some(expected)), "the details count where the sum is missing");
    assert_eq!(of(r#"{"input_tokens":1,"output_tokens":-5}"#), Err(UsageFault::Negative));
    assert_eq!(of(r#"{"input_tokens":1,"cache_read_input_tokens":"2"}"#), Err(UsageFault::NotANumber));
    assert_eq!(of(r#"{"service_tier":"standard"}"#), Ok(None));
}

#[test]
fn summing_up_a_conversation_is_billed_beside_the_answer() {
    let of = |usage: &str| answer_usage(Endpoint::Messages, format!("{{\"usage\":{usage}}}").as_bytes());
    let step = |kind: &str| {
        format!(
            r#"{{"type":"{kind}","input_tokens":10,"cache_read_input_tokens":20,"cache_creation_input_tokens":70,"cache_creation":{{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":40}},"output_tokens":50}}"#
        )
    };
    let with =
        |steps: &[String]| format!(r#"{{"input_tokens":1,"output_tokens":5,"iterations":[{}]}}"#, steps.join(","));
    let plain = Usage { input: 1, output: 5, ..Usage::default() };
    assert_eq!(of(&with(&[step("message"), step("advisor_message"), step("fallback_message")])), Ok(Some(plain)));
    assert_eq!(of(&with(&[]).replace("[]", "null")), Ok(Some(plain)));
    let once =
        Usage { input: 101, cached_input: 20, cache_write: 70, cache_write_1h: 40, output: 55, ..Usage::default() };
    assert_eq!(of(&with(&[step("compaction"), step("message")])), Ok(Some(once)));
    let details = r#","cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":40}"#;
    let untold = with(&[step("compaction").replace(details, "")]);
    assert_eq!(of(&untold), Ok(Some(Usage { cache_write_1h: 0, ..once })), "a sum alone is of short writes");
    let twice =
        Usage { input: 201, cached_input: 40, cache_write: 140, cache_write_1h: 80, output: 105, ..Usage::default() };
    assert_eq!(of(&with(&[step("compaction"), step("compaction")])), Ok(Some(twice)));
    let bad = with(&[step("compaction").replace("50}", "-50}")]);
    assert_eq!(of(&bad), Err(UsageFault::Negative));
}

#[test]
fn a_stream_of_messages_may_tell_its_input_anew() {
    let of = |usages: &[&str]| {
        let mut counts = MessageCounts::default();
        for usage in usages {
            counts.add(&mut Lenient::new(usage.as_bytes())).expect("JSON").expect("counts");
        }
        let usage = counts.usage().expect("counts").expect("reported");
        (usage.input, usage.cached_input, usage.cache_write, usage.output)
    };
    let begun = r#"{"input_tokens":8834,"output_tokens":0}"#;
    let ended = r#"{"input_tokens":18,"cache_read_input_tokens":8831,"output_tokens":426}"#;
    let zeros = r#"{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}"#;
    let written = r#"{"input_tokens":3,"cache_creation_input_tokens":2399,"output_tokens":1}"#;
    let compacted = r#"{"input_tokens":3,"output_tokens":4,"iterations":[{"type":"compaction","input_tokens":10,"output_tokens":2}]}"#;
    for (usages, expected) in [
        (&[begun, ended][..], (8849, 8831, 0, 426)),
        (&[begun, ended, ended], (8849, 8831, 0, 426)),
        (&[begun, ended, zeros], (8849, 8831, 0, 426)),
        (&[begun, zeros], (8834, 0, 0, 0)),
        (&[zeros, ended], (8849, 8831, 0, 426)),
        // All of it was read from the cache; or the zero says nothing, since it would lose some.
        (&[begun, r#"{"input_tokens":0,"cache_read_input_tokens":8834,"output_tokens":9}"#], (8834, 8834, 0, 9)),
        (&[begun, r#"{"input_tokens":0,"cache_read_input_tokens":34,"output_tokens":9}"#], (8868, 34, 0, 9)),
        // Anthropic's: tools of its own read more, and not every end repeats the cache.
        (&[begun, r#"{"input_tokens":9447,"output_tokens":7}"#], (9447, 0, 0, 7)),
        (
            &[
                written,
                r#"{"input_tokens":17,"cache_read_input_tokens":16242,"cache_creation_input_tokens":23258,"output_tokens":9}"#,
            ],
            (39517, 16242, 23258, 9),
        ),
        (&[written, r#"{"input_tokens":3,"output_tokens":9}"#], (2402, 0, 2399, 9)),
        (&[written, r#"{"output_tokens":9}"#], (2402, 0, 2399, 9)),
        (&[begun, r#"{"cache_read_input_tokens":5,"output_tokens":9}"#], (8839, 5, 0, 9)),
        // What an event repeats is the same.
        (&[compacted, compacted], (13, 0, 0, 6)),
    ] {
        assert_eq!(of(usages), expected, "{usages:?}");
    }
}

#[test]
fn cohere_is_believed_in_what_it_bills_and_else_in_what_it_processed() {
    let of = |endpoint, usage: &str| answer_usage(endpoint, usage.as_bytes());
    for (endpoint, answer, input, output, web_searches) in [
        (
            Endpoint::CohereChat,
            r#"{"usage":{"billed_units":{"input_tokens":7,"output_tokens":3},"tokens":{"input_tokens":502,"output_tokens":6}}}"#,
            7,
            3,
            0,
        ),
        (
            Endpoint::CohereChat,
            r#"{"usage":{"billed_units":null,"tokens":{"input_tokens":502,"output_tokens":6}}}"#,
            502,
            6,
            0,
        ),
        (
            Endpoint::CohereEmbed,
            r#"{"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":4,"image_tokens":2}}}"#,
            6,
            0,
            0,
        ),
        (Endpoint::CohereRerank, r#"{"meta":{"billed_units":{"search_units":2}}}"#, 0, 0, 2),
    ] {
        let expected = Usage { input, output, web_searches, ..Usage::default() };
        assert_eq!(of(endpoint, answer), Ok(Some(expected)), "{answer}");
    }
    let of = |usage: &str| of(Endpoint::CohereChat, &format!("{{\"usage\":{usage}}}"));
    assert_eq!(of(r#"{"billed_units":{"input_tokens":-1}}"#), Err(UsageFault::Negative));
    assert_eq!(of(r#"{"billed_units":{"input_tokens":1.5}}"#), Err(UsageFault::Fractional));
    assert_eq!(of(r#"{"billed_units":{"search_units":"1"}}"#), Err(UsageFault::NotANumber));
    assert_eq!(of(r#"{"cached_tokens":5}"#), Ok(None));
}

#[test]
fn documents_in_order_are_billed_by_tokens_or_by_units_of_search() {
    let of = |answer: &str| answer_usage(Endpoint::Rerank, answer.as_bytes());
    for (answer, input, web_searches) in [
        (r#"{"results":[],"usage":{"prompt_tokens":13,"total_tokens":13}}"#, 13, 0),
        (r#"{"data":[],"usage":{"total_tokens":43}}"#, 43, 0),
        (r#"{"usage":{"prompt_tokens":13,"completion_tokens":0,"total_tokens":13}}"#, 13, 0),
        (r#"{"usage":{"search_units":2}}"#, 0, 2),
        (r#"{"usage":{"total_tokens":17,"search_units":1}}"#, 17, 1),
        (r#"{"meta":{"api_version":{"version":"1"},"billed_units":{"search_units":3}}}"#, 0, 3),
        (r#"{"meta":{"tokens":{"input_tokens":29,"output_tokens":0}}}"#, 29, 0),
        // What stands in its own place is believed first.
        (r#"{"meta":{"billed_units":{"search_units":3}},"usage":{"total_tokens":17}}"#, 17, 0),
    ] {
        assert_eq!(of(answer), Ok(Some(Usage { input, web_searches, ..Usage::default() })), "{answer}");
    }
    assert_eq!(of(r#"{"results":[]}"#), Ok(None));
    assert_eq!(of(r#"{"usage":{},"meta":{}}"#), Ok(None));
    assert_eq!(of(r#"{"usage":{"total_tokens":-1}}"#), Err(UsageFault::Negative));
    assert_eq!(of(r#"{"meta":{"billed_units":{"search_units":"1"}}}"#), Err(UsageFault::NotANumber));
    let chat = answer_usage(Endpoint::ChatCompletions, br#"{"usage":{"search_units":2}}"#);
    assert_eq!(chat, Ok(None), "elsewhere it is no count");
}

#[test]
fn bedrocks_parts_exclude_each_other_and_its_total_has_all() {
    let of = |usage: &str| answer_usage(Endpoint::Converse, format!("{{\"usage\":{usage}}}").as_bytes());
    let full = r#"{"inputTokens":1,"cacheReadInputTokens":2,"cacheWriteInputTokens":7,"cacheDetails":[{"ttl":"5m","inputTokens":3},{"ttl":"1h","inputTokens":4}],"outputTokens":5,"totalTokens":15}"#;
    let expected =
        Usage { input: 10, cached_input: 2, cache_write: 7, cache_write_1h: 4, output: 5, ..Usage::default() };
    assert_eq!(of(full), Ok(Some(expected)));
    assert_eq!(of(&full.replace("\"cacheWriteInputTokens\":7,", "")), Ok(Some(expected)), "the details count");
    let more = Usage { output: 25, ..expected };
    assert_eq!(of(&full.replace("15}", "35}")), Ok(Some(more)), "what only the total knows is output");
    assert_eq!(of(r#"{"inputTokens":1,"outputTokens":-5}"#), Err(UsageFault::Negative));
    assert_eq!(of("{}"), Ok(None));
}

#[test]
fn an_interaction_counts_thinking_tools_and_searches_apart() {
    let of = |usage: &str| answer_usage(Endpoint::Interactions, format!("{{\"usage\":{usage}}}").as_bytes());
    let full = r#"{"total_tokens":100,"total_input_tokens":40,"input_tokens_by_modality":[{"modality":"text","tokens":30},{"modality":"audio","tokens":10}],"total_cached_tokens":12,"cached_tokens_by_modality":[{"modality":"audio","tokens":4},{"modality":"text","tokens":8}],"total_output_tokens":20,"output_tokens_by_modality":[{"modality":"audio","tokens":15}],"total_tool_use_tokens":7,"total_thought_tokens":33,"grounding_tool_count":[{"type":"google_search","count":2},{"type":"google_maps","count":1},{"type":"retrieval","count":9}]}"#;
    let expected = Usage {
        input: 47,
        cached_input: 8,
        audio_input: 10,
        cached_audio: 4,
        output: 53,
        reasoning: 33,
        audio_output: 15,
        web_searches: 3,
        ..Usage::default()
    };
    assert_eq!(of(full), Ok(Some(expected)));
    assert_eq!(of(&full.replace("100,", "105,")), Ok(Some(Usage { output: 58, ..expected })), "the total is billed");
    assert_eq!(of(r#"{"total_input_tokens":-1}"#), Err(UsageFault::Negative));
    assert_eq!(
        of(r#"{"grounding_tool_count":[{"type":"google_search","count":1.5}],"total_tokens":1}"#),
        Err(UsageFault::Fractional)
    );
    assert_eq!(of("{}"), Ok(None));
    let shown = br#"{"steps":[{"type":"google_search_call","arguments":{"queries":["a"," a","b",""]}},{"type":"function_call","arguments":{"queries":["c"]}}],"usage":{"total_input_tokens":1,"total_output_tokens":1,"total_tokens":2}}"#;
    let searched = answer_usage(Endpoint::Interactions, shown).expect("good").expect("there");
    assert_eq!(searched.web_searches, 2, "each query once, and no argument of a function");
}

#[test]
fn vectors_of_vertex_have_the_tokens_of_every_text_and_the_characters_of_all() {
    let of = |answer: &str| answer_usage(Endpoint::Predict, answer.as_bytes());
    let text = |tokens: &str| {
        format!(r#"{{"embeddings":{{"values":[0.1,-2],"statistics":{{"truncated":false,"token_count":{tokens}}}}}}}"#)
    };
    let answer = |predictions: &[String]| {
        format!(
            r#"{{"predictions":[{}],"metadata":{{"billableCharacterCount":29}},"modelVersionId":"1"}}"#,
            predictions.join(",")
        )
    };
    let usage = |input, characters| Ok(Some(Usage { input, characters, ..Usage::default() }));
    assert_eq!(of(&answer(&[text("10")])), usage(10, 29));
    assert_eq!(of(&answer(&[text("10"), text("7.0")])), usage(17, 29));
    assert_eq!(of(&answer(&[text("10")]).replace("billable", "other")), usage(10, 0));
    // One that is not told leaves open what all have.
    assert_eq!(of(&answer(&[text("10"), r#"{"embeddings":{"values":[1]}}"#.into()])), Ok(None));
    assert_eq!(of(r#"{"predictions":[{"textEmbedding":[0.1],"imageEmbedding":[0.2]}]}"#), Ok(None));
    assert_eq!(of(r#"{"predictions":[]}"#), Ok(None));
    assert_eq!(of(&answer(&[text("-1")])), Err(UsageFault::Negative));
    assert_eq!(of(&answer(&[text("10"), text("1.5")])), Err(UsageFault::Fractional));
    assert_eq!(of(&answer(&[text("10")]).replace("29", "\"29\"")), Err(UsageFault::NotANumber));
    assert_eq!(of(r#"{"predictions":["#), Err(UsageFault::Malformed));
}

#[test]
fn images_of_vertex_are_those_that_came() {
    let of = |predictions: &str| {
        answer_usage(Endpoint::PredictImages, format!("{{\"predictions\":[{predictions}]}}").as_bytes())
    };
    let images = |images| Ok(Some(Usage { images, ..Usage::default() }));
    let image = r#"{"mimeType":"image/png","bytesBase64Encoded":"QUJD"}"#;
    assert_eq!(of(&[image, image].join(",")), images(2));
    assert_eq!(
        of(&[image, r#"{"raiFilteredReason":"x"}"#, r#"{"safetyAttributes":{},"contentType":"Positive Prompt"}"#]
            .join(",")),
        images(1)
    );
    assert_eq!(of(""), images(0));
    assert_eq!(answer_usage(Endpoint::PredictImages, b"{}"), images(0));
    assert_eq!(of("{"), Err(UsageFault::Malformed));
}

#[test]
fn ollamas_vectors_have_the_tokens_of_their_texts() {
    let of = |endpoint, answer: &str| answer_usage(endpoint, answer.as_bytes());
    let told = r#"{"model":"e","embeddings":[[0.1,0.2]],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":8}"#;
    assert_eq!(of(Endpoint::OllamaEmbed, told), Ok(Some(Usage { input: 8, ..Usage::default() })));
    assert_eq!(of(Endpoint::OllamaEmbed, &told.replace(":8}", ":-8}")), Err(UsageFault::Negative));
    assert_eq!(of(Endpoint::OllamaEmbed, r#"{"model":"e","embeddings":[[0.1]]}"#), Ok(None));
    assert_eq!(of(Endpoint::OllamaEmbeddings, r#"{"embedding":[0.1,0.2]}"#), Ok(None));
}
