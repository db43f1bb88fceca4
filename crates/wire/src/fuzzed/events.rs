//! Events of realtime sessions.

use super::fuzz;
use crate::realtime::{ServerEvent, client_event, named, server_event, unnamed, with_model};

const CLIENT: [&str; 5] = [
    r#"{"type":"response.create","response":{"instructions":"x","max_output_tokens":50,"tools":[{"type":"function","name":"f"}],"input":[{"type":"message","content":[{"type":"input_text","text":"x"}]}]}}"#,
    r#"{"event_id":"e1","type":"session.update","session":{"type":"realtime","model":"m","audio":{"input":{"turn_detection":{"type":"server_vad"},"transcription":null}}}}"#,
    r#"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_audio","audio":"AAAA"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}}"#,
    r#"{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#,
    r#"{"type":"response.cancel","response_id":"r"}"#,
];

const SERVER: [&str; 4] = [
    r#"{"type":"response.created","event_id":"e","response":{"id":"r","usage":null}}"#,
    r#"{"type":"response.done","response":{"id":"r","status":"completed","usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,"audio_tokens":13,"cached_tokens":64,"cached_tokens_details":{"audio_tokens":0}},"output_token_details":{"audio_tokens":91}}}}"#,
    r#"{"type":"error","error":{"code":"c","event_id":"mandant_1"}}"#,
    r#"{"type":"response.output_audio.delta","delta":"AAAA"}"#,
];

/// An event that is taken is JSON to others too, with the type that it was taken for; what is spliced into it is where it
/// belongs, and nothing else changes.
#[test]
fn client_events() {
    fuzz("client-events").corpus(CLIENT).run(11, |input| {
        let Ok(text) = core::str::from_utf8(input) else { return 0 };
        let event = match client_event(input) {
            Ok(event) => event,
            Err(refusal) => return fuzz::sign(&(refusal.code(), refusal.param())),
        };
        let value: serde_json::Value = serde_json::from_str(text).expect("what is taken is JSON");
        assert!(event.input.text_bytes <= input.len() as u64 && event.input.audio_bytes <= input.len() as u64);
        if event.event_id.is_none() {
            let again = client_event(named(text, "own").as_bytes()).expect("an id changes nothing");
            assert_eq!((again.event_id.as_deref(), again.asks), (Some("own"), event.asks));
        }
        if let Some((model, place)) = &event.model {
            let of = if value["type"] == "session.update" { "session" } else { "response" };
            assert_eq!(value[of]["model"].as_str(), Some(model.as_str()));
            let renamed: serde_json::Value = serde_json::from_str(&with_model(text, place, "up")).expect("still JSON");
            assert_eq!(renamed[of]["model"], "up");
        }
        fuzz::sign(&format!("{:?} {} {}", event.asks, event.input.is_open, event.output_limit.is_some()))
    });
}

/// An event of a provider is never a panic; and what is taken for the end of a response says so to others, too.
#[test]
fn server_events() {
    fuzz("server-events").corpus(SERVER).run(5, |input| {
        let event = server_event(input);
        let value = serde_json::from_slice::<serde_json::Value>(input);
        match &event {
            ServerEvent::Done { usage: Ok(Some(usage)), .. } => {
                assert!(usage.audio_input + usage.cached_input <= usage.input, "{usage:?}");
                assert!(usage.cached_audio <= usage.audio_input && usage.audio_output <= usage.output);
            }
            ServerEvent::Error { event_id: Some((_, place)) } => {
                if let (Ok(text), Ok(_)) = (core::str::from_utf8(input), value) {
                    serde_json::from_str::<serde_json::Value>(&unnamed(text, place)).expect("still JSON");
                }
            }
            _ => {}
        }
        fuzz::sign(&format!("{:?}", core::mem::discriminant(&event)))
    });
}
