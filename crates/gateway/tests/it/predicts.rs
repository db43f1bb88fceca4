//! What Vertex predicts, and Ollama's vectors, end to end: who is asked, what is held and charged, and what is refused.

use base::Money;
use serde_json::{Value, json};
use store::Ending;
use testkit::Exchange;

use crate::app::{TestApp, secret, tenant};
use crate::client::{Reply, post};
use crate::native::{exchange, replaying};

const KEY: &str = "sk-upstream-canary-0123";
const BELOW: &str = "/v1/projects/my-project/locations/us-east5/publishers/google/models";

fn prediction(body: &Value, answer: &str) -> Exchange {
    exchange("/v1/models/theirs:predict", body.clone(), "application/json", answer.to_owned())
}

/// Vectors by the token, by the character, and by the character and the image; images each; and Ollama's vectors.
async fn app(exchanges: Vec<Exchange>) -> TestApp {
    let provider = replaying(exchanges).await;
    let base_url = provider.base_url();
    let upstream = |dialect: &str| json!({ "id": dialect, "dialect": dialect, "base_url": base_url, "api_keys": [KEY], "auth": "bearer" });
    let model = |id: &str, kind: &str, upstream: &str, price: Value| {
        json!({
            "id": id, "kind": kind, "context_window": 2_048, "max_output_tokens": 0,
            "route": [{ "upstream": upstream, "model": "theirs" }], "price": price,
        })
    };
    let resources = json!({
        "upstream": [upstream("gemini"), upstream("ollama")],
        "model": [
            model("by-token", "embedding", "gemini", json!({ "input": "1.00" })),
            model("by-character", "embedding", "gemini", json!({ "input": "0", "character": "0.20" })),
            model("of-images", "embedding", "gemini", json!({ "input": "0", "character": "0.20", "image": "0.0001" })),
            model("imagen", "image", "gemini", json!({ "input": "0", "image": "0.04" })),
            model("local", "embedding", "ollama", json!({ "input": "1.00" })),
        ],
        "tenant": [tenant("acme", json!({})), tenant("other", json!({ "models": ["imagen"] }))],
    });
    TestApp::over(provider, Default::default(), resources).await
}

async fn predict(app: &TestApp, model: &str, body: &Value) -> Reply {
    app.call(post(&format!("{BELOW}/{model}:predict"), "acme", body.to_string())).await
}

const VECTORS: &str = r#"{
  "predictions": [
    { "embeddings": { "statistics": { "truncated": false, "token_count": 10 }, "values": [0.025, -0.028] } },
    { "embeddings": { "values": [1e-3], "statistics": { "token_count": 5, "truncated": false } } }
  ],
  "metadata": { "billableCharacterCount": 29 }
}"#;

fn texts() -> Value {
    json!({
        "instances": [
            { "content": "Ruby is a programmer's best friend", "task_type": "RETRIEVAL_DOCUMENT" },
            { "content": "Gr\u{fc}\u{df}e", "title": "t" },
        ],
        "parameters": { "outputDimensionality": 2 },
    })
}

#[tokio::test]
async fn vectors_of_vertex_pass_byte_for_byte_and_are_charged_by_their_tokens_or_characters() {
    for (model, nanos) in [("by-token", 15 * 1_000), ("by-character", 29 * 200)] {
        let app = app(vec![prediction(&texts(), VECTORS)]).await;
        let reply = predict(&app, model, &texts()).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, VECTORS), "{model}");
        let record = app.records("acme").await.remove(0);
        assert_eq!((record.ending, record.usage.input, record.usage.characters), (Ending::Complete, 15, 29), "{model}");
        assert_eq!(record.charged, Money::from_nanos(nanos), "{model}");
        assert!(record.held >= record.charged && record.variance == Money::ZERO, "{model}");
        let seen = app.provider.requests().pop().expect("the provider was asked");
        assert_eq!(seen.body, texts().to_string());
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
        assert!(!format!("{:?}", seen.headers).contains(&secret("acme")));
    }
}

#[tokio::test]
async fn vectors_that_nobody_counted_are_charged_by_their_texts_and_images() {
    let answer = r#"{"predictions":[{"textEmbedding":[0.1],"imageEmbedding":[0.2]}]}"#;
    let ask = json!({ "instances": [{ "text": "Gr\u{fc}\u{df}e", "image": { "bytesBase64Encoded": "QUJD" } }] });
    let app_of_images = app(vec![prediction(&ask, answer)]).await;
    let reply = predict(&app_of_images, "of-images", &ask).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer));
    let record = app_of_images.records("acme").await.remove(0);
    assert_eq!((record.ending, record.usage.characters, record.usage.images), (Ending::Cut, 5, 1));
    assert_eq!(record.charged, Money::from_nanos(5 * 200 + 100_000));
    assert!(record.held >= record.charged && record.variance == Money::ZERO);
    // Tokens are counted where they have the price, and characters where nobody tells them.
    for (model, answer) in [("by-token", answer), ("by-character", &VECTORS.replace("billable", "other"))] {
        let app = app(vec![prediction(&texts(), answer)]).await;
        assert_eq!(predict(&app, model, &texts()).await.status, 200);
        let record = app.records("acme").await.remove(0);
        assert_eq!((record.ending, record.usage.characters), (Ending::Cut, 34 + 5 + 1), "{model}");
        assert!(record.usage.input > 5 && record.charged > Money::ZERO, "{model}");
        assert!(record.held >= record.charged, "{model}");
    }
}

#[tokio::test]
async fn a_count_of_vertex_that_cannot_be_true_leaves_the_hold() {
    let app = app(vec![prediction(&texts(), &VECTORS.replace("\"token_count\": 5", "\"token_count\": -5"))]).await;
    assert_eq!(predict(&app, "by-token", &texts()).await.status, 200);
    let record = app.written("acme").remove(0);
    assert_eq!((record.ending, record.charged, app.relay.open_holds()), (Ending::Unknown, Money::ZERO, 1));
}

#[tokio::test]
async fn images_of_vertex_are_held_as_asked_and_charged_as_they_came() {
    let image = r#"{"mimeType":"image/png","bytesBase64Encoded":"QUJD"}"#;
    let filtered = r#"{"raiFilteredReason":"blocked"}"#;
    for (parameters, held, answer, made) in [
        (json!({}), 4, [image, image, image, image].join(","), 4),
        (json!({ "sampleCount": 2, "aspectRatio": "1:1" }), 2, [image, image].join(","), 2),
        (json!({ "sampleCount": 2, "includeRaiReason": true }), 2, [image, filtered].join(","), 1),
    ] {
        let ask = json!({ "instances": [{ "prompt": "a plain red circle" }], "parameters": parameters });
        let answer = format!("{{\"predictions\":[{answer}]}}");
        let app = app(vec![prediction(&ask, &answer)]).await;
        // Both clients of Google's find it.
        let path = if held == 4 { "/v1beta/models/imagen:predict" } else { &format!("{BELOW}/imagen:predict") };
        let reply = app.call(post(path, "other", ask.to_string())).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, answer), "{parameters}");
        let record = app.records("other").await.remove(0);
        let each = |images: i64| Money::from_nanos(images * 40_000_000);
        assert_eq!((record.ending, record.usage.images), (Ending::Complete, made), "{parameters}");
        assert_eq!((record.held, record.charged), (each(held), each(made as i64)), "{parameters}");
        assert_eq!(record.endpoint.name(), "predict/images");
    }
}

#[tokio::test]
async fn what_vertex_has_no_price_for_here_is_refused_by_name_and_nothing_leaves() {
    let app = app(Vec::new()).await;
    let image = json!({ "image": { "bytesBase64Encoded": "QUJD" } });
    let of = |instance: Value, parameters: Value| json!({ "instances": [instance], "parameters": parameters });
    let text = || json!({ "content": "a" });
    for (model, body, status, param) in [
        ("by-token", of(json!({ "video": { "gcsUri": "gs://b/o" } }), json!({})), 400, "instances.video"),
        ("of-images", of(json!({ "image": { "gcsUri": "gs://b/o" } }), json!({})), 400, "instances.image.gcsUri"),
        ("by-token", of(image, json!({})), 400, "instances.image"),
        ("by-token", of(text(), json!({ "sampleCount": 8 })), 400, "parameters.sampleCount"),
        ("imagen", of(json!({ "prompt": "a" }), json!({ "mode": "upscale" })), 400, "parameters.mode"),
        ("imagen", of(json!({ "prompt": "a" }), json!({ "storageUri": "gs://b" })), 400, "parameters.storageUri"),
        // A model that makes vectors makes no images, and the other way round.
        ("by-token", of(json!({ "prompt": "a" }), json!({})), 400, "model"),
        ("imagen", of(text(), json!({})), 400, "model"),
        ("nobody", of(text(), json!({})), 404, "model"),
    ] {
        let reply = predict(&app, model, &body).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status.as_u16(), &error["code"]), (status, &json!(status)), "{body} {error}");
        assert_eq!(error["details"][0]["metadata"]["param"], param, "{body} {error}");
    }
    // What is not known beside them may be another way to ask for more.
    for (model, instance) in [("imagen", json!({ "prompt": "a" })), ("by-character", text())] {
        let reply = predict(&app, model, &json!({ "instances": [instance], "more": 1 })).await;
        assert_eq!(
            (reply.status.as_u16(), reply.json()["error"]["message"].to_string().contains("not known")),
            (400, true)
        );
    }
    let embed = json!({ "content": { "parts": [{ "text": "a" }] } });
    let reply = app.call(post("/v1beta/models/by-character:embedContent", "acme", embed.to_string())).await;
    assert_eq!(reply.status, 400, "nobody tells its characters: {}", reply.text());
    let reply = app.call(post(&format!("{BELOW}/by-token:predict"), "other", texts().to_string())).await;
    assert_eq!(reply.status, 403);
    assert!(app.provider.requests().is_empty(), "nothing left");
    assert_eq!(app.relay.open_holds(), 0);
}

#[tokio::test]
async fn ollamas_vectors_pass_and_are_charged_by_the_tokens_that_it_tells_or_by_counting() {
    let told = r#"{"model":"theirs","embeddings":[[0.01,-0.002],[0.5,1]],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":8}"#;
    let asked = |model: &str, more: Value| {
        let mut body = json!({ "model": model });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let many = json!({ "input": ["Why is the sky blue?", "Why is the grass green?"], "truncate": true, "options": { "num_ctx": 99 } });
    let one = json!({ "prompt": "Why is the sky blue?", "options": {}, "keep_alive": null });
    for (path, ask, answer, ending, input) in [
        ("/api/embed", &many, told, Ending::Complete, 8),
        ("/api/embeddings", &one, r#"{"embedding":[0.01,-0.002]}"#, Ending::Cut, 6),
    ] {
        let app =
            app(vec![exchange(&format!("/v1{path}"), asked("theirs", ask.clone()), "application/json", answer)]).await;
        let reply = app.call(post(path, "acme", asked("local", ask.clone()).to_string())).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, answer), "{path}");
        let record = app.records("acme").await.remove(0);
        assert_eq!((record.ending, record.usage.input, record.usage.output), (ending, input, 0), "{path}");
        assert_eq!(record.charged, Money::from_nanos(input as i64 * 1_000), "{path}");
        assert!(record.held >= record.charged && record.variance == Money::ZERO && !record.stream, "{path}");
        let seen = app.provider.requests().pop().expect("the provider was asked");
        assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
        for (tenant, body, code) in [
            ("other", asked("local", ask.clone()), "model_not_allowed"),
            ("acme", asked("nobody", ask.clone()), "model_not_found"),
            ("acme", asked("imagen", ask.clone()), "invalid_request"),
        ] {
            let error = app.call(post(path, tenant, body.to_string())).await.json();
            assert_eq!((&error["code"], error["error"].is_string()), (&json!(code), true), "{path} {error}");
        }
    }
}
