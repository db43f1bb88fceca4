//! Times the hot path of the wire formats: `cargo bench -p mandant-wire --bench speed`.

#![expect(clippy::print_stdout, reason = "this program only reports to the terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use mandant_wire::convert::Translation;
use mandant_wire::{Dialect, Edits, Endpoint, StreamMeter, StreamOptions, answer_facts, read};

/// Runs `work` often, in many short rounds, and prints the best mean: a busy machine disturbs few of them.
fn time(name: &str, bytes: usize, mut work: impl FnMut()) {
    const RUNS: u32 = 200;
    let mut best = f64::MAX;
    for _ in 0..1_000 {
        let start = Instant::now();
        for _ in 0..RUNS {
            work();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(RUNS));
    }
    println!("{name:40} {bytes:8} B {:10.0} ns {:8.2} GB/s", best * 1e9, bytes as f64 / best / 1e9);
}

fn main() {
    let turns: Vec<String> = (0..8)
        .map(|i| {
            format!(r#"{{"role":"user","content":"Turn {i}: {}\n"}}"#, "how does a relay count tokens? ".repeat(6))
        })
        .collect();
    let request = format!(
        r#"{{"model":"gpt-4.1","messages":[{}],"temperature":0.7,"max_tokens":256,"stream":true,"user":"ann","top_p":1}}"#,
        turns.join(",")
    );
    let request = Bytes::from(request);
    time("read", request.len(), || {
        black_box(
            read(Endpoint::ChatCompletions, Some(b"application/json"), black_box(request.clone())).expect("good"),
        );
    });
    let call = read(Endpoint::ChatCompletions, None, request).expect("good");
    let edits = Edits { model: Some("gpt-4.1-2025"), include_usage: true, ..Edits::default() };
    time("outgoing with model and usage", call.body().len(), || {
        black_box(call.outgoing(black_box(&edits)));
    });
    let image = format!(
        r#"{{"model":"gpt-4.1","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{}"}}}}]}}]}}"#,
        "QUJD".repeat(25_000)
    );
    let image = Bytes::from(image);
    time("read with an image of 100 KB", image.len(), || {
        black_box(read(Endpoint::ChatCompletions, None, black_box(image.clone())).expect("good"));
    });
    let answer = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4.1","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":398,"completion_tokens":118,"total_tokens":516,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}},"system_fingerprint":"fp"}}"#,
        "A relay counts what the provider says.\\n".repeat(38)
    );
    time("answer_facts", answer.len(), || {
        black_box(answer_facts(Endpoint::ChatCompletions, black_box(answer.as_bytes())));
    });
    let event = Bytes::from_static(b"data: {\"id\":\"chatcmpl-BxyzABCDEFGH123456789\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"gpt-4.1-2025-04-14\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_b3f1157249\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" tokens\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n");
    for strip_usage in [false, true] {
        let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::ChatCompletions, strip_usage));
        time(if strip_usage { "push, stripping" } else { "push" }, event.len(), || {
            meter.push(black_box(event.clone()), &mut |bytes| drop(black_box(bytes))).expect("short");
        });
    }
    let answer =
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":""#
            .to_owned()
            + &"A relay counts what the provider says.\\n".repeat(38)
            + r#""}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":398,"output_tokens":118}}"#;
    translate(&call, &answer);
}

/// The same call and a like answer, for an upstream that speaks another dialect.
fn translate(call: &mandant_wire::Call, answer: &str) {
    for dialect in [Dialect::Gemini, Dialect::Cohere, Dialect::Bedrock] {
        time(&format!("translate the request for {dialect}"), call.body().len(), || {
            let made = Translation::of(black_box(call), dialect, None).expect("conversations are").expect("plain");
            black_box(made.body("theirs", Some(256), 4_096));
        });
    }
    let made =
        || Translation::of(black_box(call), Dialect::Anthropic, None).expect("conversations are").expect("plain");
    time("translate the request", call.body().len(), || {
        black_box(made().body("claude", Some(256), 4_096));
    });
    let translation = made();
    time("translate the answer", answer.len(), || {
        let machine = translation.answers("req_1", 1, 1 << 20);
        black_box(machine.whole(200, black_box(answer.as_bytes())).expect("good"));
    });
    let event = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" tokens\"}}\n\n";
    let mut machine = translation.answers("req_1", 1, 1 << 20);
    let start = br#"data: {"type":"message_start","message":{"id":"msg_1","model":"claude","content":[]}}"#;
    machine.push(&[&start[..], b"\n\n"].concat()).expect("good");
    time("push, translating", event.len(), || {
        black_box(machine.push(black_box(event)).expect("good"));
    });
}
