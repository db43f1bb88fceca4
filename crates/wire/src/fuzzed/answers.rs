//! Answers: whole ones, and streams of events, of frames and of an array's items.

use bytes::Bytes;

use super::fuzz;
use crate::{Endpoint, StreamMeter, StreamOptions, answer_facts, answer_text, rename_objects};

/// Streams: of whom, whether as an array, and what.
const STREAMS: [(Endpoint, bool, &str); 7] = [
    (
        Endpoint::ChatCompletions,
        false,
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gr\u{fc}\u{df}e\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\ndata: [DONE]\n\n",
    ),
    (
        Endpoint::Responses,
        false,
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"output\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":8,\"total_tokens\":17}}}\n\n",
    ),
    (
        Endpoint::Messages,
        false,
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":40}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
    (
        Endpoint::GenerateContent,
        false,
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":4,\"totalTokenCount\":13},\"responseId\":\"r\"}\n\n",
    ),
    (
        Endpoint::GenerateContent,
        true,
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"]}\\\"[\"}]}}]}\n,\n{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9}}\n]\n",
    ),
    (
        Endpoint::Interactions,
        false,
        "event: interaction.created\ndata: {\"event_type\":\"interaction.created\",\"interaction\":{\"id\":\"v1_1\",\"status\":\"in_progress\"}}\n\nevent: step.delta\ndata: {\"event_type\":\"step.delta\",\"index\":0,\"delta\":{\"type\":\"text\",\"text\":\"x\"}}\n\nevent: interaction.completed\ndata: {\"event_type\":\"interaction.completed\",\"interaction\":{\"id\":\"v1_1\",\"usage\":{\"total_input_tokens\":9,\"total_output_tokens\":5,\"total_thought_tokens\":3,\"total_tokens\":17}}}\n\nevent: done\ndata: [DONE]\n\n",
    ),
    (
        Endpoint::CohereChat,
        false,
        "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"x\"}}}}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":7.0,\"output_tokens\":9}}}}\n\n",
    ),
];

/// Everything that is seen of a stream that comes in pieces of this size, as a text.
fn meter(options: StreamOptions, stream: &[u8], piece_bytes: usize) -> (String, Vec<u8>) {
    let (mut meter, mut forwarded) = (StreamMeter::new(options), Vec::new());
    let mut is_sound = true;
    for piece in stream.chunks(piece_bytes) {
        is_sound = is_sound
            && meter.push(Bytes::copy_from_slice(piece), &mut |bytes| forwarded.extend_from_slice(&bytes)).is_ok();
    }
    let end = is_sound.then(|| meter.finish(&mut |bytes| forwarded.extend_from_slice(&bytes)));
    let (usage, fault, delivered) = (meter.usage(), meter.fault(), meter.delivered());
    let seen = format!("{end:?} {usage:?} {fault:?} {} {} {:?}", meter.is_final(), delivered.text, meter.response_id());
    // A stream that is given up is given up somewhere in a piece: what went out before depends on the pieces.
    if is_sound { (seen, forwarded) } else { (String::from("given up"), Vec::new()) }
}

fn check(options: StreamOptions, stream: &[u8]) -> u64 {
    let whole = meter(options, stream, stream.len().max(1));
    for piece_bytes in [1, 7, 61] {
        assert_eq!(meter(options, stream, piece_bytes), whole, "in pieces of {piece_bytes} bytes");
    }
    if whole.0 != "given up" {
        assert_eq!(whole.1, stream, "what is not stripped passes unchanged");
    }
    fuzz::sign(&whole.0)
}

/// A stream is read alike however it is cut, and passes as it came.
#[test]
fn streams() {
    fuzz("streams").corpus(STREAMS.map(|(.., stream)| stream)).run(31, |input| {
        let signs = STREAMS.map(|(endpoint, is_array, _)| {
            let small = StreamOptions {
                line_bytes_max: 32 << 10,
                event_bytes_max: 4 << 10,
                ..StreamOptions::new(endpoint, false)
            };
            check(StreamOptions { is_array, ..small }, input)
        });
        fuzz::sign(&signs)
    });
}

/// The usage chunk that is taken out is all that is taken out.
#[test]
fn stripped_streams() {
    fuzz("stripped-streams").corpus([STREAMS[0].2]).run(11, |input| {
        let options = StreamOptions { line_bytes_max: 32 << 10, ..StreamOptions::new(Endpoint::ChatCompletions, true) };
        let whole = meter(options, input, input.len().max(1));
        for piece_bytes in [1, 13] {
            assert_eq!(meter(options, input, piece_bytes), whole, "in pieces of {piece_bytes} bytes");
        }
        assert!(whole.1.len() <= input.len());
        fuzz::sign(&(whole.0, fuzz::about(input.len() - whole.1.len())))
    });
}

/// A frame of Amazon's.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let mut frame = ((16 + head.len() + payload.len()) as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&(head.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A frame with an event of an invoked model.
pub(crate) fn invoked_frame(event: &str) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut wrapped = String::new();
    for three in event.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, place| bits << 8 | u32::from(*three.get(place).unwrap_or(&0)));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            wrapped.push(if place <= three.len() { digit } else { '=' });
        }
    }
    let payload = format!(r#"{{"bytes":"{wrapped}","p":"abc"}}"#);
    frame(&[(":event-type", "chunk"), (":message-type", "event")], payload.as_bytes())
}

/// A stream of an invoked model, whose events are wrapped, is read alike however it is cut, whatever is in them.
#[test]
fn invoked_frames() {
    let events = [
        r#"{"generation":"x","prompt_token_count":3,"generation_token_count":1}"#,
        r#"{"outputText":"x","index":0,"totalOutputTextTokenCount":2,"inputTextTokenCount":5.0}"#,
        r#"{"contentBlockDelta":{"delta":{"text":"x"},"contentBlockIndex":0}}"#,
        r#"{"metadata":{"usage":{"inputTokens":1,"outputTokens":2}},"amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":2}}"#,
    ];
    let corpus = events.map(|event| event.as_bytes().to_vec());
    let corpus = corpus.into_iter().chain([events.map(invoked_frame).concat()]);
    let options = StreamOptions { line_bytes_max: 32 << 10, ..StreamOptions::new(Endpoint::InvokeText, false) };
    fuzz("invoked_frames").corpus(corpus).run(11, |input| {
        let framed = String::from_utf8_lossy(input);
        let framed = [invoked_frame(&framed), invoked_frame(events[3])].concat();
        fuzz::sign(&(check(options, input), check(options, &framed)))
    });
}

/// A stream of frames is read alike however it is cut; and with its sums put right, what is in a frame may be anything.
#[test]
fn frames() {
    let kinds = ["contentBlockDelta", "messageStop", "metadata", "throttlingException"];
    let payloads = [
        r#"{"contentBlockIndex":0,"delta":{"text":"x"}}"#,
        r#"{"stopReason":"end_turn"}"#,
        r#"{"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":12},"metrics":{"latencyMs":1}}"#,
        r#"{"message":"slow down"}"#,
    ];
    let event = |kind: &str, payload: &[u8]| frame(&[(":event-type", kind), (":message-type", "event")], payload);
    let corpus: Vec<Vec<u8>> =
        kinds.iter().zip(payloads).map(|(kind, payload)| event(kind, payload.as_bytes())).collect();
    let all = corpus.concat();
    let corpus = corpus.into_iter().chain([all]).chain(payloads.map(|payload| payload.as_bytes().to_vec()));
    let options = StreamOptions { line_bytes_max: 32 << 10, ..StreamOptions::new(Endpoint::Converse, false) };
    fuzz("frames").corpus(corpus).run(11, |input| {
        let kind = kinds[input.len() % kinds.len()];
        let framed = [event(kind, input), event("messageStop", payloads[1].as_bytes())].concat();
        fuzz::sign(&(check(options, input), check(options, &framed)))
    });
}

/// Whole answers are facts or a fault; and renaming the ids in one leaves JSON what it was.
#[test]
fn answers() {
    let corpus = [
        r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":1}}}"#,
        r#"{"id":"resp_1","output":[{"type":"message","id":"msg_1","content":[{"type":"output_text","text":"x"}]}],"usage":{"input_tokens":9,"output_tokens":8,"total_tokens":17}}"#,
        r#"{"id":"msg_1","content":[{"type":"text","text":"x"}],"usage":{"input_tokens":10,"cache_read_input_tokens":3,"output_tokens":2}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}"#,
        r#"{"data":[{"b64_json":"QUJD"}],"usage":{"input_tokens":9,"output_tokens":272,"total_tokens":281}}"#,
        r#"{"output":{"message":{"content":[{"text":"x"}]}},"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":12}}"#,
        r#"{"id":"c","message":{"content":[{"type":"text","text":"x"}]},"usage":{"billed_units":{"input_tokens":7,"output_tokens":9}}}"#,
        r#"{"predictions":[{"embeddings":{"values":[0.1],"statistics":{"truncated":false,"token_count":7}}}],"metadata":{"billableCharacterCount":29}}"#,
        r#"{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"QUJD"},{"raiFilteredReason":"x"}]}"#,
        r#"{"model":"m","embeddings":[[0.1]],"total_duration":14143917,"prompt_eval_count":8}"#,
    ];
    fuzz("answers").corpus(corpus).run(21, |input| {
        let mut seen = Vec::new();
        for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| endpoint.is_billed()) {
            let facts = answer_facts(endpoint, input);
            if let Ok(Some(usage)) = facts.usage {
                assert!(
                    usage.cached_input + usage.cache_write <= usage.input.max(usage.cached_input + usage.cache_write)
                );
                assert!(usage.cached_audio <= usage.audio_input && usage.cache_write_1h <= usage.cache_write);
                assert!(usage.reasoning <= usage.output && usage.audio_output <= usage.output, "{usage:?}");
            }
            seen.push((
                facts.usage.map(|usage| usage.is_some()).map_err(|fault| fault.to_string()),
                facts.id.is_some(),
            ));
            let _ = answer_text(endpoint, input);
        }
        let kinds = [Endpoint::Responses, Endpoint::ChatCompletions, Endpoint::ConversationItemGet];
        let renamed = kinds.map(|endpoint| {
            let renamed = rename_objects(endpoint, input, &mut |id, _| Some(format!("own_{id}")));
            if let (Some(renamed), Ok(value)) = (&renamed, serde_json::from_slice::<serde_json::Value>(input)) {
                let renamed: serde_json::Value = serde_json::from_slice(renamed).expect("still JSON");
                assert_eq!(renamed.as_object().map(serde_json::Map::len), value.as_object().map(serde_json::Map::len));
            }
            renamed.is_some()
        });
        fuzz::sign(&(seen, renamed))
    });
}
