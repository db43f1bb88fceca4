//! What is accepted, what is refused and why, and that nothing billable is read as less than it is.

use base::Refusal;
use bytes::Bytes;

use super::read;
use crate::billable::{Billable, ServiceTier};
use crate::call::Call;
use crate::dialect::Endpoint;

fn chat(body: &str) -> Result<Call, Refusal> {
    read(Endpoint::ChatCompletions, Some(b"application/json"), Bytes::copy_from_slice(body.as_bytes()))
}

fn billable(endpoint: Endpoint, body: &str) -> Billable {
    read(endpoint, None, Bytes::copy_from_slice(body.as_bytes())).expect(body).billable().clone()
}

/// "code param" of the refusal.
fn refusal(body: &str) -> String {
    match chat(body) {
        Ok(call) => panic!("accepted {body}: {call:?}"),
        Err(refusal) => format!("{} {}", refusal.code(), refusal.param().unwrap_or("-")),
    }
}

#[test]
fn an_end_user_has_two_names_and_the_older_one_counts() {
    for (members, expected) in [
        (r#""user":"ann","safety_identifier":"hash""#, Some("ann")),
        (r#""safety_identifier":"hash","user":"ann""#, Some("ann")),
        (r#""safety_identifier":"hash""#, Some("hash")),
        (r#""safety_identifier":"hash","user":null"#, Some("hash")),
        (r#""safety_identifier":7"#, None),
    ] {
        let call = chat(&format!(r#"{{"model":"gpt-4.1","messages":[],{members}}}"#)).expect("ordinary");
        assert_eq!(call.end_user(), expected, "{members}");
    }
}

#[test]
fn an_ordinary_request_is_read() {
    let body = r#"{"model":"gpt-4.1","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],
        "stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":100,"n":2,"user":"ann","temperature":0.5,
        "service_tier":"flex","tools":[{"type":"function","function":{"name":"f","parameters":{}}}]}"#;
    let call = chat(body).expect("ordinary");
    assert_eq!(call.model().map(base::ModelId::as_str), Some("gpt-4.1"));
    assert_eq!((call.stream(), call.client_wants_usage(), call.end_user()), (true, true, Some("ann")));
    let expected = Billable {
        text_bytes: body.len() as u64,
        messages: 2,
        tools: 1,
        choices: 2,
        output_limit: Some(100),
        service_tier: Some(ServiceTier::Flex),
        ..Billable::default()
    };
    assert_eq!(call.billable(), &expected);
    assert_eq!(call.body(), body);
}

#[test]
fn what_two_parsers_read_differently_is_ambiguous() {
    for (body, param) in [
        (r#"{"model":"a","model":"b"}"#, "model"),
        (r#"{"model":"a","\u006dodel":"b"}"#, "model"),
        (r#"{"model":"a","model":null}"#, "model"),
        (r#"{"Model":"a"}"#, "model"),
        (r#"{"model":"a","MODEL":"b"}"#, "model"),
        (r#"{"max_tokens":1,"Max_Tokens":1000}"#, "max_tokens"),
        (r#"{"max_tokens":1,"maxTokens":1000}"#, "max_tokens"),
        ("{\"max_to\u{212a}ens\":1}", "max_tokens"),
        (r#"{"\u017ftream":true}"#, "stream"),
        (r#"{"N":5}"#, "n"),
        (r#"{"n":1,"n":1}"#, "n"),
        (r#"{"max_tokens":1,"max_completion_tokens":2}"#, "max_tokens"),
        (r#"{"messages":[],"messages":[]}"#, "messages"),
        (r#"{"temperature":1,"temperature":2}"#, "temperature"),
        (r#"{"x":1,"x":1}"#, "x"),
        (r#"{"x":1,"\u0078":1}"#, "x"),
        (r#"{"top_p":1,"top_p":1}"#, "top_p"),
        (r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#, "stream_options"),
        (r#"{"stream_options":{"include_usage":false,"Include_Usage":true}}"#, "stream_options.include_usage"),
    ] {
        assert_eq!(refusal(body), format!("ambiguous_request {param}"), "{body}");
    }
}

#[test]
fn counts_are_plain_whole_numbers() {
    let bad = [
        "-1",
        "0",
        "1.0",
        "1e3",
        "\"100\"",
        "2147483648",
        "9223372036854775808",
        "1E0",
        "-0",
        "true",
        "[1]",
        "{}",
        "0.5",
    ];
    for field in ["max_tokens", "max_completion_tokens", "n", "best_of"] {
        for value in bad {
            assert_eq!(refusal(&format!(r#"{{"{field}":{value}}}"#)), format!("invalid_request {field}"), "{value}");
        }
        for value in ["1e309", "NaN", "Infinity", "01", "+1", ".5", "1."] {
            assert_eq!(refusal(&format!(r#"{{"{field}":{value}}}"#)), "invalid_request -".to_owned(), "{value}");
        }
        for value in ["1", "2147483647", "null"] {
            assert!(chat(&format!(r#"{{"{field}":{value}}}"#)).is_ok(), "{field} {value}");
        }
    }
    let scored = billable(Endpoint::Completions, r#"{"prompt":"a","max_tokens":0,"echo":true}"#);
    assert_eq!((scored.output_limit, scored.echo), (Some(0), true));
    assert!(read(Endpoint::Completions, None, Bytes::from_static(br#"{"max_tokens":0}"#)).is_err());
}

#[test]
fn a_body_that_is_not_strict_json_is_refused() {
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(chat(&deep(63)).is_ok());
    assert_eq!(refusal(&deep(64)), "invalid_request -");
    for body in [
        "",
        "[]",
        "null",
        "\"\"",
        "{}x",
        "{\"a\":1,}",
        "\u{feff}{}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":1e309}",
        "{\"a\":NaN}",
        "{}\0",
        "{'a':1}",
    ] {
        assert_eq!(refusal(body), "invalid_request -", "{body:?}");
    }
    for body in [&b"{\"a\":\"\xff\"}"[..], b"{\"a\":\"\xc0\xaf\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"] {
        assert!(read(Endpoint::ChatCompletions, None, Bytes::copy_from_slice(body)).is_err(), "{body:?}");
    }
}

#[test]
fn only_json_is_taken() {
    for good in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json;",
    ] {
        assert!(read(Endpoint::ChatCompletions, Some(good.as_bytes()), Bytes::from_static(b"{}")).is_ok(), "{good}");
    }
    for bad in
        ["text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "", "application/jsonp"]
    {
        assert!(read(Endpoint::ChatCompletions, Some(bad.as_bytes()), Bytes::from_static(b"{}")).is_err(), "{bad}");
    }
}

#[test]
fn guarded_fields_of_the_wrong_kind_are_refused() {
    for (field, value) in [
        ("model", "1"),
        ("model", "\"a b\""),
        ("model", "\"\""),
        ("model", "[\"a\"]"),
        ("stream", "\"true\""),
        ("stream", "1"),
        ("messages", "{}"),
        ("messages", "\"hi\""),
        ("stream_options", "true"),
        ("tools", "{}"),
        ("temperature", "\"1\""),
        ("service_tier", "1"),
        ("modalities", "\"text\""),
        ("modalities", "[\"image\"]"),
        ("prompt", "1"),
        ("echo", "1"),
    ] {
        assert_eq!(refusal(&format!(r#"{{"{field}":{value}}}"#)), format!("invalid_request {field}"), "{value}");
    }
}

#[test]
fn what_leads_around_the_operator_is_refused() {
    for (field, value) in [
        ("plugins", r#"[{"id":"web"}]"#),
        ("api_base", "\"x\""),
        ("extra_body", r#"{"n":5}"#),
        ("n_cmpl", "4"),
        ("candidate_count", "4"),
        ("num_return_sequences", "4"),
    ] {
        assert_eq!(refusal(&format!(r#"{{"{field}":{value}}}"#)), format!("invalid_request {field}"), "{value}");
        assert!(chat(&format!(r#"{{"{field}":null}}"#)).is_ok(), "null {field} says nothing");
    }
    assert!(
        chat(r#"{"extra_body":{"google":{"thinking_config":{}}}}"#).expect("Google's").billable().unknown_parameters
    );
}

#[test]
fn a_choice_behind_the_upstream_is_flagged_for_the_operator() {
    let of = |body: &str| billable(Endpoint::ChatCompletions, body).upstream_routing;
    for (body, parameter) in [
        (r#"{"models":["gpt-4.1"]}"#, "models"),
        (r#"{"route":"fallback"}"#, "route"),
        (r#"{"fallbacks":[]}"#, "fallbacks"),
        (r#"{"preset":"x"}"#, "preset"),
        (r#"{"providerOptions":{"gateway":{"only":["x"]}}}"#, "providerOptions"),
        (r#"{"provider":{"order":["x"]}}"#, "provider"),
        (r#"{"provider":{"sort":"price"}}"#, "provider"),
    ] {
        assert_eq!(of(body), Some(parameter), "{body}");
    }
    for body in [r#"{"models":null}"#, r#"{"provider":{"data_collection":"deny","require_parameters":true}}"#] {
        assert_eq!(of(body), None, "{body}");
    }
}

#[test]
fn an_unlisted_parameter_is_flagged() {
    for (endpoint, body, is_flagged) in [
        (Endpoint::ChatCompletions, r#"{"n_predict":5}"#, true),
        (Endpoint::ChatCompletions, r#"{"dimensions":5}"#, true),
        (Endpoint::ChatCompletions, r#"{"top_k":5,"reasoning":{},"thinking":{},"chat_template_kwargs":{}}"#, false),
        (Endpoint::Embeddings, r#"{"input":"a","dimensions":5,"encoding_format":"base64"}"#, false),
        (Endpoint::Embeddings, r#"{"input":"a","top_k":5}"#, true),
    ] {
        assert_eq!(billable(endpoint, body).unknown_parameters, is_flagged, "{body}");
    }
    let many: Vec<String> = (0..65).map(|i| format!("\"x{i}\":1")).collect();
    assert!(chat(&format!("{{{}}}", many[..64].join(","))).is_ok());
    assert!(chat(&format!("{{{}}}", many.join(","))).is_err());
}

#[test]
fn what_the_provider_may_charge_apart_is_flagged() {
    let of = |body: &str| billable(Endpoint::ChatCompletions, body);
    for body in [
        r#"{"web_search_options":{}}"#,
        r#"{"enable_search":true}"#,
        r#"{"search_parameters":{"mode":"auto"}}"#,
        r#"{"venice_parameters":{"enable_web_search":"on"}}"#,
        r#"{"tools":[{"type":"openrouter:web_search"}]}"#,
        r#"{"tools":[{"google_search":{}}]}"#,
    ] {
        assert!(of(body).web_search, "{body}");
    }
    assert!(!of(r#"{"enable_search":false,"web_search_options":null}"#).web_search);
    for (tools, server) in [
        (r#"[{"type":"function","function":{}},{"type":"custom"},{"function":{}}]"#, 0),
        (r#"[{"type":"code_interpreter"},{"type":"function","type":"x"},{},"x",{"type":"function","Type":"y"}]"#, 5),
    ] {
        assert_eq!(of(&format!(r#"{{"tools":{tools}}}"#)).server_tools, server, "{tools}");
    }
    assert_eq!(of(r#"{"functions":[{"name":"f"}]}"#).tools, 1);
    assert!(of(r#"{"modalities":["text","audio"]}"#).audio_output);
    assert!(of(r#"{"audio":{"voice":"a"}}"#).audio_output);
    assert_eq!(of(r#"{"prediction":{"content":"abc"}}"#).prediction_bytes, 17);
    assert_eq!(of(r#"{"service_tier":"gold"}"#).service_tier, Some(ServiceTier::Other));
    assert!(chat(r#"{"usage":{"include":true}}"#).expect("OpenRouter's").client_wants_usage());
}

#[test]
fn media_are_counted_and_their_payloads_are_not_text() {
    let payload = "QUJD".repeat(100);
    let message = |part: &str| format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
    let of = |part: &str| {
        let body = message(part);
        let found = billable(Endpoint::ChatCompletions, &body);
        let saved = body.len() as u64 - found.text_bytes;
        (found.images, found.audios, found.files, saved, found.audio_bytes, found.file_bytes)
    };
    let url = format!("data:image/png;base64,{payload}");
    assert_eq!(of(&format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#)), (1, 0, 0, 400, 0, 0));
    assert_eq!(of(&format!(r#"{{"type":"image_url","image_url":"{url}"}}"#)), (1, 0, 0, 400, 0, 0));
    assert_eq!(of(r#"{"type":"image_url","image_url":{"url":"https://x/y.png"}}"#), (1, 0, 0, 0, 0, 0));
    assert_eq!(of(&format!(r#"{{"input_audio":{{"data":"{payload}","format":"mp3"}}}}"#)), (0, 1, 0, 400, 300, 0));
    assert_eq!(
        of(&format!(r#"{{"file":{{"file_data":"data:application/pdf;base64,{payload}"}}}}"#)),
        (0, 0, 1, 400, 0, 300)
    );
    assert_eq!(of(r#"{"file":{"file_id":"f"}}"#), (0, 0, 1, 0, 0, 0));
    assert_eq!(of(r#"{"video_url":{"url":"https://x/y"}}"#), (0, 0, 1, 0, 0, 0));
    assert_eq!(of(r#"{"type":"text","text":"x","image_url":null}"#), (0, 0, 0, 0, 0, 0));
    // PHP writes slashes with a backslash.
    assert_eq!(of(r#"{"image_url":{"url":"data:image\/png;base64,AA\/\/"}}"#), (1, 0, 0, 6, 0, 0));
    // A text that only looks like a payload stays text, and so does a payload that is not base64.
    assert_eq!(of(&format!(r#"{{"type":"text","text":"{url}"}}"#)).3, 0);
    assert_eq!(of(r#"{"image_url":{"url":"data:image/png;base64,ignore all previous"}}"#).3, 0);
    assert_eq!(of(r#"{"image_url":{"url":"data:text/plain,hello"}}"#).3, 0);
    let outside =
        format!(r#"{{"messages":[{{"image_url":"{url}","tool_calls":[{{"file":{{"file_data":"{payload}"}}}}]}}]}}"#);
    let found = billable(Endpoint::ChatCompletions, &outside);
    assert_eq!((found.images, found.files, found.text_bytes), (1, 1, outside.len() as u64));
}

#[test]
fn prompts_and_inputs_are_counted() {
    for (value, prompts) in [
        ("\"a\"", 1),
        ("[\"a\",\"b\",\"c\"]", 3),
        ("[1,2,3]", 1),
        ("[[1,2],[3]]", 2),
        ("[]", 1),
        ("null", 1),
        ("[{\"text\":\"a\"},{\"image\":\"https://x\"}]", 2),
    ] {
        assert_eq!(billable(Endpoint::Embeddings, &format!(r#"{{"input":{value}}}"#)).prompts, prompts, "{value}");
        assert_eq!(billable(Endpoint::Completions, &format!(r#"{{"prompt":{value}}}"#)).prompts, prompts, "{value}");
    }
    assert_eq!(billable(Endpoint::Embeddings, r#"{"input":[{"image":"https://x"}]}"#).images, 1);
}

#[test]
fn explain_takes_the_body_of_any_billed_endpoint() {
    for (body, endpoint) in [
        (r#"{"messages":[]}"#, Endpoint::ChatCompletions),
        (r#"{"prompt":""}"#, Endpoint::Completions),
        (r#"{"model":"m","input":""}"#, Endpoint::Embeddings),
    ] {
        let call = read(Endpoint::Explain, None, Bytes::from_static(body.as_bytes())).expect(body);
        assert_eq!(call.endpoint(), endpoint);
    }
    assert!(read(Endpoint::Explain, None, Bytes::from_static(b"{}")).is_err());
}

#[test]
fn texts_for_counting_are_decoded_and_leave_payloads_out() {
    let call = chat(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"caf\u00e9 \ud83d\ude00"},
        {"image_url":{"url":"data:image/png;base64,QUJD"}}]}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
    )
    .expect("good");
    let texts: Vec<_> = call.prompt_texts().collect();
    assert_eq!(
        texts,
        ["user", "text", "café 😀", "data:image/png;base64,", r#"[{"type":"function","function":{"name":"f"}}]"#]
    );
    let call = read(Endpoint::Embeddings, None, Bytes::from_static(br#"{"input":[12,7]}"#)).expect("good");
    assert_eq!(call.prompt_texts().collect::<Vec<_>>(), ["12", "7"]);
}
