//! Plain answers: shapes, counts, keys, refusals of bad requests.

use mandant_testkit::{Options, TextSource, count_tokens};
use serde_json::{Value, json};

use crate::client::{KEY, chat, provider, send};

fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Say something nice"}]})
}

#[tokio::test]
async fn a_chat_answer_looks_like_openais() {
    let provider = provider(Options::default()).await;
    let reply = chat(&provider, hello("gpt-4.1")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert!(reply.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
    assert!(reply.headers.contains_key("x-ratelimit-remaining-tokens"));
    let body = reply.json();
    let id = body["id"].as_str().unwrap();
    assert!(id.starts_with("chatcmpl-") && id.len() == 38, "{id}");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["created"], 1_700_000_000);
    assert_eq!(body["model"], "gpt-4.1");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert!(body["choices"][0]["message"]["content"].as_str().unwrap().starts_with("This answer comes from"));
    // 3 for the start, 3 for the message, 18 bytes of text.
    assert_eq!(body["usage"]["prompt_tokens"], 11);
    assert_eq!(body["usage"]["completion_tokens"], 32);
    assert_eq!(body["usage"]["total_tokens"], 43);
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 0);
}

#[tokio::test]
async fn equal_requests_get_equal_answers_with_ids_of_their_own() {
    let provider = provider(Options::default()).await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(chat(&provider, hello("gpt-4.1")).await.json());
    }
    assert_ne!(bodies[0]["id"], bodies[1]["id"]);
    assert_ne!(bodies[1]["id"], bodies[2]["id"]);
    for body in &mut bodies {
        body["id"] = Value::Null;
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[1], bodies[2]);
}

#[tokio::test]
async fn the_limit_ends_an_answer_as_length() {
    let provider = provider(Options::default()).await;
    for member in ["max_tokens", "max_completion_tokens"] {
        let mut body = hello("gpt-4.1");
        body[member] = json!(5);
        let answer = chat(&provider, body).await.json();
        assert_eq!(answer["usage"]["completion_tokens"], 5);
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["choices"][0]["message"]["content"], "This answer comes from a");
    }
}

#[tokio::test]
async fn every_choice_is_counted() {
    let provider = provider(Options { output_tokens: 7, ..Options::default() }).await;
    let mut body = hello("gpt-4.1");
    body["n"] = json!(3);
    let answer = chat(&provider, body).await.json();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 3);
    assert_eq!(answer["usage"]["completion_tokens"], 21);
    assert_ne!(answer["choices"][0]["message"]["content"], answer["choices"][1]["message"]["content"]);
}

#[tokio::test]
async fn cached_and_reasoning_tokens_are_parts_of_the_counts() {
    let options = Options { cached_percent: 50, reasoning_percent: 25, output_tokens: 20, ..Options::default() };
    let answer = chat(&provider(options).await, hello("o4-mini")).await.json();
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
    assert_eq!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 5);
    assert_eq!(answer["usage"]["completion_tokens"], 20);
    let words = answer["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count();
    assert_eq!(words, 15);
}

#[tokio::test]
async fn a_tool_is_called_with_an_echo_until_it_has_answered() {
    let provider = provider(Options::default()).await;
    let mut body = hello("gpt-4.1");
    body["tools"] = json!([{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]);
    let answer = chat(&provider, body.clone()).await.json();
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "look_up");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"echo": "Say something nice"}));
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let arguments_tokens = count_tokens(call["function"]["arguments"].as_str().unwrap());
    assert_eq!(answer["usage"]["completion_tokens"], 1 + arguments_tokens);

    body["stream"] = json!(true);
    let streamed = chat(&provider, body.clone()).await.events();
    let pieces = streamed
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str());
    assert_eq!(pieces.collect::<String>(), call["function"]["arguments"].as_str().unwrap());

    body["stream"] = json!(false);
    body["messages"].as_array_mut().unwrap().push(json!({"role": "tool", "tool_call_id": "x", "content": "found"}));
    let answer = chat(&provider, body).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn texts_can_be_fixed_or_echoed() {
    let fixed = provider(Options { text: TextSource::Fixed("äöü \"quoted\"\n".into()), ..Options::default() }).await;
    let answer = chat(&fixed, hello("gpt-4.1")).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "äöü \"quoted\"\n");
    let plain = provider(Options::default()).await;
    let answer = chat(&plain, hello("sim-echo")).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Say something nice");
}

/// The promise that makes a byte-level worst case sound.
#[tokio::test]
async fn a_prompt_never_has_more_tokens_than_its_body_has_bytes() {
    let provider = provider(Options { output_tokens: 1, ..Options::default() }).await;
    let messages = vec![json!({"role": "user"}); 300];
    let parts = vec![json!({"type": "text", "text": "a"}); 50];
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"a": "b", "c": ["d", "e"]}}}]);
    let bodies = [
        json!({"model": "m", "messages": messages}),
        json!({"model": "m", "messages": [{"role": "user", "content": parts}], "tools": tools}),
        json!({"model": "m", "messages": [{"role": "assistant", "content": "", "name": "n",
            "tool_calls": [{"function": {"name": "n", "arguments": "{}"}}]}]}),
    ];
    for body in bodies {
        let tokens = chat(&provider, body.clone()).await.json()["usage"]["prompt_tokens"].as_u64().unwrap();
        assert!(tokens > 3 && tokens <= body.to_string().len() as u64, "{tokens}");
    }
}

#[tokio::test]
async fn completions_count_all_prompts_and_candidates() {
    let provider = provider(Options { output_tokens: 4, ..Options::default() }).await;
    let body = json!({"model": "text", "prompt": ["one", "three"], "n": 2, "best_of": 3, "echo": true});
    let answer = send(&provider, "/v1/completions", &[KEY], &body.to_string()).await.json();
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["choices"].as_array().unwrap().len(), 4);
    assert!(answer["choices"][2]["text"].as_str().unwrap().starts_with("three"));
    assert_eq!(answer["usage"]["prompt_tokens"], 3);
    assert_eq!(answer["usage"]["completion_tokens"], 2 * 3 * 4);
}

#[tokio::test]
async fn embeddings_come_as_numbers_or_base64() {
    let provider = provider(Options { embedding_dimensions: 8, ..Options::default() }).await;
    let body = json!({"model": "embed", "input": ["hello", "hello", [1, 2, 3]]});
    let answer = send(&provider, "/v1/embeddings", &[KEY], &body.to_string()).await.json();
    let vectors: Vec<Vec<f64>> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| serde_json::from_value(one["embedding"].clone()).unwrap())
        .collect();
    assert_eq!(vectors[0], vectors[1]);
    assert_ne!(vectors[0], vectors[2]);
    assert_eq!(vectors[0].len(), 8);
    assert!((vectors[0].iter().map(|number| number * number).sum::<f64>() - 1.0).abs() < 1e-4);
    assert_eq!(answer["usage"], json!({"prompt_tokens": 7, "total_tokens": 7}));
    let body = json!({"model": "embed", "input": "hello", "encoding_format": "base64", "dimensions": 4});
    let answer = send(&provider, "/v1/embeddings", &[KEY], &body.to_string()).await.json();
    assert_eq!(answer["data"][0]["embedding"].as_str().unwrap().len(), 24);
}

#[tokio::test]
async fn models_are_listed_and_found() {
    let some = provider(Options { models: Some(vec!["a".into(), "org/b".into()]), ..Options::default() }).await;
    let list = send(&some, "/v1/models", &[KEY], "").await.json();
    assert_eq!(list["data"][1]["id"], "org/b");
    assert_eq!(send(&some, "/v1/models/org/b", &[KEY], "").await.json()["object"], "model");
    assert_eq!(send(&some, "/v1/models/c", &[KEY], "").await.status, 404);
    let refused = chat(&some, hello("c")).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"]["code"].clone()), (404, json!("model_not_found")));
    let any = provider(Options::default()).await;
    assert_eq!(send(&any, "/v1/models/whatever", &[KEY], "").await.status, 200);
}

#[tokio::test]
async fn requests_without_a_good_key_are_refused() {
    let strict = provider(Options { keys: Some(vec!["sk-good".into()]), ..Options::default() }).await;
    let body = hello("gpt-4.1").to_string();
    let path = "/v1/chat/completions";
    assert_eq!(send(&strict, path, &[], &body).await.status, 401);
    let wrong = send(&strict, path, &[("authorization", "Bearer sk-bad-key")], &body).await;
    assert_eq!((wrong.status.as_u16(), wrong.json()["error"]["code"].clone()), (401, json!("invalid_api_key")));
    assert_eq!(send(&strict, path, &[("authorization", "Bearer sk-good")], &body).await.status, 200);
    assert_eq!(send(&strict, path, &[("api-key", "sk-good")], &body).await.status, 200);
    assert_eq!(strict.truth().total.attempts, 2, "requests without a key are no attempts");
}

#[tokio::test]
async fn bad_requests_get_errors_in_openais_shape() {
    let provider = provider(Options { body_bytes_max: 4096, ..Options::default() }).await;
    let long = format!("{{\"model\":\"m\",\"x\":\"{}\"}}", "y".repeat(5000));
    let table = [
        ("/v1/chat/completions", "{", 400),
        ("/v1/chat/completions", "[]", 400),
        ("/v1/chat/completions", "{\"messages\":[]}", 400),
        ("/v1/chat/completions", "{\"model\":\"m\"}", 400),
        ("/v1/chat/completions", "{\"model\":\"m\",\"messages\":[{}],\"max_tokens\":0}", 400),
        ("/v1/chat/completions", "{\"model\":\"m\",\"messages\":[{}],\"n\":1.5}", 400),
        ("/v1/chat/completions", "{\"model\":\"sim-eror-500\",\"messages\":[{}]}", 400),
        ("/v1/chat/completions", &long, 413),
        ("/v1/nowhere", "{}", 404),
        ("/chat/completions", "{}", 404),
    ];
    for (path, body, status) in table {
        let reply = send(&provider, path, &[KEY], body).await;
        assert_eq!(reply.status, status, "{path} {body}");
        let error = &reply.json()["error"];
        assert!(error["message"].is_string() && error["type"] == "invalid_request_error", "{error}");
        assert!(error.get("param").is_some() && error.get("code").is_some());
    }
    assert_eq!(provider.truth().total.total_tokens(), 0);
}

#[tokio::test]
async fn received_requests_are_kept_byte_for_byte() {
    let provider = provider(Options { captures_max: 2, ..Options::default() }).await;
    for index in 0..3 {
        let body = format!("{{ \"model\":\"m\",\t\"messages\":[{{}}], \"seed\":{index} }}");
        send(&provider, "/v1/chat/completions?a=b", &[KEY, ("x-extra", "1")], &body).await;
    }
    let kept = provider.take_requests();
    assert_eq!(kept.len(), 2, "the oldest goes first");
    assert_eq!(kept[1].path, "/v1/chat/completions?a=b");
    assert_eq!(kept[1].headers["x-extra"], "1");
    assert_eq!(kept[1].body, "{ \"model\":\"m\",\t\"messages\":[{}], \"seed\":2 }");
    assert!(provider.requests().is_empty());
}
