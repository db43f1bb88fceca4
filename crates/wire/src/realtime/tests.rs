//! Events of sessions, good and bad.

use base::Refusal;

use super::*;
use crate::usage::{Usage, UsageFault};

fn read(text: &str) -> ClientEvent {
    client_event(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

#[test]
fn what_asks_for_a_response_is_told_from_what_does_not() {
    for (text, asks) in [
        (r#"{"type":"response.create"}"#, Asks::Response),
        (r#"{"response":{"instructions":"x"},"type":"response.create"}"#, Asks::Response),
        (r#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#, Asks::Audio),
        (r#"{"type":"input_audio_buffer.commit"}"#, Asks::Audio),
        (r#"{"type":"input_audio_buffer.clear"}"#, Asks::Nothing),
        (r#"{"type":"session.update","session":{}}"#, Asks::Nothing),
        (r#"{"type":"conversation.item.create","item":{"type":"message"}}"#, Asks::Nothing),
        (r#"{"type":"conversation.item.truncate","item_id":"i"}"#, Asks::Nothing),
        (r#"{"type":"response.c\u0072eate"}"#, Asks::Response),
    ] {
        assert_eq!(read(text).asks, asks, "{text}");
    }
}

#[test]
fn payloads_are_no_text_and_everything_else_is() {
    let text = r#"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[
        {"type":"input_text","text":"hello"},{"type":"input_audio","audio":"AAAAAAAA"},
        {"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}}"#;
    let input = read(text).input;
    assert_eq!((input.audio_bytes, input.images, input.items), (6, 1, 1));
    assert_eq!(input.text_bytes as usize, text.len() - 8 - "data:image/png;base64,AAAA".len());
    assert!(!input.is_open);
    let tools = read(
        r#"{"type":"session.update","session":{"tools":[{"type":"function","name":"a"},{"name":"b","type":"function"}]}}"#,
    );
    assert_eq!(tools.input.tools, 2);
    let open = read(r#"{"type":"session.update","session":{"thinking":true}}"#);
    assert!(open.input.is_open, "nobody knows what it leads to");
}

#[test]
fn limits_are_those_of_the_response() {
    let limit = |text: &str| read(text).output_limit;
    assert_eq!(limit(r#"{"type":"response.create","response":{"max_output_tokens":50}}"#), Some(50));
    assert_eq!(limit(r#"{"type":"response.create","response":{"max_output_tokens":"inf"}}"#), None);
    let both = r#"{"type":"response.create","response":{"max_output_tokens":5,"max_response_output_tokens":9}}"#;
    assert_eq!(limit(both), Some(9), "the larger one is held");
    assert_eq!(limit(r#"{"type":"session.update","session":{"max_output_tokens":5}}"#), None);
}

#[test]
fn what_has_no_price_or_two_meanings_is_refused() {
    for (text, param) in [
        ("[]", None),
        ("{}", Some("type")),
        (r#"{"type":7}"#, Some("type")),
        (r#"{"type":"transcription_session.update"}"#, Some("type")),
        (r#"{"type":"response.create","type":"response.cancel"}"#, Some("type")),
        (r#"{"Type":"response.create"}"#, Some("type")),
        (
            r#"{"type":"session.update","session":{"input_audio_transcription":{"model":"whisper-1"}}}"#,
            Some("session.input_audio_transcription"),
        ),
        (
            r#"{"type":"session.update","session":{"audio":{"input":{"transcription":{}}}}}"#,
            Some("session.audio.input.transcription"),
        ),
        (r#"{"type":"session.update","session":{"audio":{"Input":{"transcription":{}}}}}"#, Some("input")),
        (
            r#"{"type":"session.update","session":{"turn_detection":{"type":"server_vad","idle_timeout_ms":5000}}}"#,
            Some("session.turn_detection.idle_timeout_ms"),
        ),
        (r#"{"type":"session.update","session":{"type":"transcription"}}"#, Some("session.type")),
        (r#"{"type":"session.update","session":{"prompt":{"id":"pmpt_1"}}}"#, Some("session.prompt")),
        (r#"{"type":"session.update","session":{"tools":[{"type":"mcp","server_url":"x"}]}}"#, Some("tools")),
        (r#"{"type":"response.create","response":{"tools":[{"type":"function","type":"mcp"}]}}"#, Some("type")),
        (r#"{"type":"response.create","response":{"tools":[{}]}}"#, Some("tools")),
        (r#"{"type":"response.create","response":{"input":[{"type":"mcp_approval_response"}]}}"#, Some("tools")),
        (r#"{"type":"response.create","response":{"max_output_tokens":-1}}"#, Some("response.max_output_tokens")),
        (r#"{"type":"response.create","response":{"max_output_tokens":1e9}}"#, Some("response.max_output_tokens")),
        (r#"{"type":"response.create","response":[]}"#, Some("response")),
        (r#"{"type":"input_audio_buffer.append","audio":[1]}"#, Some("audio")),
        (r#"{"type":"response.create"} x"#, None),
    ] {
        let refusal = client_event(text.as_bytes()).expect_err(text);
        assert!(
            matches!(refusal, Refusal::InvalidRequest { .. } | Refusal::AmbiguousRequest { .. }),
            "{text}: {refusal:?}"
        );
        assert_eq!(refusal.param(), param, "{text}: {refusal:?}");
    }
}

#[test]
fn settings_that_cost_nothing_pass() {
    read(
        r#"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":null,"turn_detection":{"type":"semantic_vad","idle_timeout_ms":null}},"output":{"voice":"alloy"}},"prompt":null}}"#,
    );
}

#[test]
fn ids_and_models_are_spliced_and_nothing_else() {
    assert_eq!(named(" {\"type\":\"response.create\"}", "m_1"), " {\"event_id\":\"m_1\",\"type\":\"response.create\"}");
    assert_eq!(read(&named("{\"type\":\"response.create\"}", "m_1")).event_id.as_deref(), Some("m_1"));
    let null = r#"{"type":"response.create", "event_id" : null ,"x":null}"#;
    assert_eq!(named(null, "m_1"), null.replacen("null", "\"m_1\"", 1));
    assert_eq!(read(&named(null, "m_1")).event_id.as_deref(), Some("m_1"));
    let text = r#"{"type":"session.update", "session": {"voice":"a", "model": "gpt-realtime" }}"#;
    let (model, place) = read(text).model.expect("it names one");
    assert_eq!(model, "gpt-realtime");
    assert_eq!(with_model(text, &place, "other"), text.replace("gpt-realtime", "other"));
    let text = r#"{"type":"error","error":{"code":"c","event_id":"m_1"},"event_id":"event_1"}"#;
    let ServerEvent::Error { event_id: Some((id, place)) } = server_event(text.as_bytes()) else { panic!("{text}") };
    assert_eq!((id.as_str(), unnamed(text, &place)), ("m_1", text.replace("\"m_1\"", "null")));
}

#[test]
fn events_of_providers_are_read() {
    let id = |id: &str| Some(id.to_owned());
    for (text, event) in [
        (
            r#"{"type":"response.created","response":{"id":"resp_1","usage":null}}"#,
            ServerEvent::Created { id: id("resp_1") },
        ),
        (r#"{"response":{"id":"resp_1"},"type":"response.created"}"#, ServerEvent::Created { id: id("resp_1") }),
        (r#"{"type":"response.created"}"#, ServerEvent::Created { id: None }),
        (r#"{"type":"response.output_audio.delta","delta":"#, ServerEvent::Delta),
        (r#"{"type":"session.created","session":{"id":"s"}}"#, ServerEvent::Other),
        (r#"{"type":"error","error":{"event_id":null}}"#, ServerEvent::Error { event_id: None }),
        (
            r#"{"type":"response.done","response":{"id":"r","status":"failed","usage":null}}"#,
            ServerEvent::Done { id: id("r"), usage: Ok(None), has_failed: true },
        ),
        ("{}", ServerEvent::Malformed),
        ("nothing", ServerEvent::Malformed),
        (r#"{"type":"response.done","response":{"#, ServerEvent::Malformed),
    ] {
        assert_eq!(server_event(text.as_bytes()), event, "{text}");
    }
}

fn usage(usage: &str) -> Result<Option<Usage>, UsageFault> {
    let text = format!(r#"{{"type":"response.done","response":{{"id":"r","usage":{usage}}}}}"#);
    match server_event(text.as_bytes()) {
        ServerEvent::Done { usage, .. } => usage,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn usage_has_every_class_once() {
    // As OpenAI documents it.
    let documented = usage(
        r#"{"total_tokens":253,"input_tokens":132,"output_tokens":121,
        "input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,"cached_tokens":70,
            "cached_tokens_details":{"text_tokens":64,"audio_tokens":6,"image_tokens":0}},
        "output_token_details":{"text_tokens":30,"audio_tokens":91}}"#,
    );
    let expected = Usage {
        input: 132,
        cached_input: 64,
        audio_input: 13,
        cached_audio: 6,
        output: 121,
        audio_output: 91,
        ..Usage::default()
    };
    assert_eq!(documented, Ok(Some(expected)));
    assert_eq!(
        usage(r#"{"input_tokens":3,"output_tokens":4}"#),
        Ok(Some(Usage { input: 3, output: 4, ..Usage::default() }))
    );
    assert_eq!(usage("{}"), Ok(None));
    assert_eq!(usage(r#"{"input_tokens":3}"#), Err(UsageFault::Incomplete));
    assert_eq!(usage(r#"{"input_tokens":3,"output_tokens":-4}"#), Err(UsageFault::Negative));
    assert_eq!(
        usage(r#"{"input_tokens":3,"output_tokens":4,"input_token_details":{"audio_tokens":9}}"#),
        Err(UsageFault::Inconsistent)
    );
    assert_eq!(
        usage(r#"{"input_tokens":3,"output_tokens":4},"usage":{"input_tokens":3,"output_tokens":5}"#),
        Err(UsageFault::Inconsistent)
    );
}

#[test]
fn a_session_only_grows_and_audio_opens_it() {
    let mut context = Context::default();
    context.add(&read(r#"{"type":"conversation.item.create","item":{"type":"message"}}"#).input);
    let before = context.billable(Some(5), 0);
    assert_eq!((before.messages, before.output_limit, before.audio_bytes, before.audio_output), (1, Some(5), 0, true));
    context.answered(40);
    let after = context.billable(None, 7);
    assert_eq!((after.messages, after.audio_bytes), (2, 47));
    assert!(!context.has_audio());
    context.add(&read(r#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#).input);
    assert!(context.has_audio() && context.billable(None, 0).audio_bytes > after.audio_bytes - 7);
    assert!(Context::anything().unknown_parameters);
}
