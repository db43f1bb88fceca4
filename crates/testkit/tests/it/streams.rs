//! Streams: shape, usage, borders, pace.

use std::time::Duration;

use mandant_testkit::{ChunkBorders, Options, TextSource};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{KEY, chat, provider, send};

fn stream(extra: Value) -> Value {
    let mut body = json!({"model": "gpt-4.1", "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_stream_says_what_the_plain_answer_says() {
    let provider = provider(Options::default()).await;
    let plain = chat(&provider, stream(json!({"stream": false}))).await.json();
    let streamed = chat(&provider, stream(json!({}))).await;
    assert_eq!(streamed.headers["content-type"], "text/event-stream; charset=utf-8");
    assert!(streamed.is_whole && streamed.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(streamed.streamed_text(), plain["choices"][0]["message"]["content"].as_str().unwrap());
    let events = streamed.events();
    assert!(events.iter().all(|event| event["id"] == events[0]["id"] && event["object"] == "chat.completion.chunk"));
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert!(events.iter().all(|event| event.get("usage").is_none()), "nobody asked for usage");
}

#[tokio::test]
async fn usage_comes_last_when_asked_for() {
    let provider = provider(Options::default()).await;
    let events = chat(&provider, stream(json!({"stream_options": {"include_usage": true}}))).await.events();
    let (last, others) = events.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 32);
    assert_eq!(last["usage"]["prompt_tokens"], 7);
    assert!(others.iter().all(|event| event["usage"].is_null() && event.get("usage").is_some()));
}

#[tokio::test]
async fn completions_stream_too() {
    let provider = provider(Options { output_tokens: 5, ..Options::default() }).await;
    let body = json!({"model": "t", "prompt": "Hi", "stream": true, "n": 2, "stream_options": {"include_usage": true}});
    let reply = send(&provider, "/v1/completions", &[KEY], &body.to_string()).await;
    let events = reply.events();
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
    let second: String = events
        .iter()
        .map(|event| &event["choices"][0])
        .filter(|choice| choice["index"] == 1)
        .filter_map(|choice| choice["text"].as_str())
        .collect();
    assert_eq!(second, "answer comes from a simulated");
    assert_eq!(events.last().unwrap()["usage"]["completion_tokens"], 10);
}

#[tokio::test]
async fn random_borders_cut_anywhere_and_lose_nothing() {
    let text = "日本語 äöü 😀 \n\n data: [DONE] \"x\" ".repeat(20);
    let options = |seed, chunk_bytes_max| Options {
        text: TextSource::Fixed(text.clone()),
        chunk_borders: ChunkBorders::Random { chunk_bytes_max },
        chunk_latency: Duration::from_micros(200),
        seed,
        ..Options::default()
    };
    let mut frames = Vec::new();
    for seed in [1, 1, 2] {
        let reply = chat(&provider(options(seed, 400)).await, stream(json!({}))).await;
        assert_eq!(reply.streamed_text(), text);
        assert!(reply.frames.iter().any(|frame| std::str::from_utf8(frame).is_err() || !frame.ends_with(b"\n\n")));
        frames.push(reply.frames.iter().map(|frame| frame.len()).collect::<Vec<_>>());
    }
    assert_eq!(frames[0], frames[1], "the same seed, the same borders");
    assert_ne!(frames[0], frames[2]);
    // And byte by byte.
    let reply =
        chat(&provider(Options { chunk_latency: Duration::ZERO, ..options(1, 1) }).await, stream(json!({}))).await;
    assert_eq!(reply.streamed_text(), text);
}

#[tokio::test(start_paused = true)]
async fn latencies_are_kept_in_the_runtimes_time() {
    let options = Options {
        first_byte_latency: Duration::from_secs(5),
        chunk_latency: Duration::from_secs(1),
        ..Options::default()
    };
    let provider = provider(options).await;
    let start = Instant::now();
    let reply = chat(&provider, stream(json!({"max_tokens": 10}))).await;
    assert!(reply.is_whole);
    // Role, ten words, finish and [DONE] are 13 events with 12 pauses.
    assert_eq!(start.elapsed().as_secs(), 5 + 12);
}
