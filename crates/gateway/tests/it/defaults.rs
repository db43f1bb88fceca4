//! What an account's defaults fill in, and that nothing else is filled.

use serde_json::{Value, json};

use crate::app::{TestApp, tenant};
use crate::client::post;

#[tokio::test]
async fn defaults_fill_only_what_the_call_leaves_out() {
    let defaults = json!({ "defaults": { "model": "chat", "temperature": 0.7, "max_tokens": 9 } });
    let app = TestApp::start(vec![tenant("acme", defaults)]).await;
    let messages = json!([{ "role": "user", "content": "x" }]);
    let sent = async |body: Value| -> Value {
        let reply = app.call(post("/v1/chat/completions", "acme", body.to_string())).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = app.provider.requests().pop().expect("it was forwarded");
        serde_json::from_slice(&seen.body).expect("it is JSON")
    };
    let filled = sent(json!({ "messages": messages })).await;
    assert_eq!(filled, json!({ "model": "gpt-4.1", "temperature": 0.7, "max_tokens": 9, "messages": messages }));
    let own = json!({ "model": "chat", "temperature": 0, "max_completion_tokens": 3, "messages": messages });
    let mut expected = own.clone();
    expected["model"] = json!("gpt-4.1");
    assert_eq!(sent(own).await, expected);
    let record = app.records("acme").await.into_iter().max_by_key(|record| record.held).unwrap();
    assert!(record.usage.output <= 9);
}
