//! Images and speech: their bytes pass, and each is held and charged for by what it is priced by.

use base::Money;
use http::HeaderValue;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use store::Ending;
use testkit::{Fault, Options, SimulatedProvider, UsageShape};

use crate::app::{TestApp, tenant, upstream};
use crate::client::{Client, Reply, post};

/// Models that are priced by the tokens of images, by the image, and by the character.
async fn app() -> TestApp {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let model = |id: &str, kind: &str, upstream_model: &str, price: Value| {
        json!({
            "id": id, "kind": kind, "context_window": 32_000, "max_output_tokens": 300,
            "route": [{ "upstream": "sim", "model": upstream_model }], "price": price,
        })
    };
    let tokens = json!({ "input": "5.00", "output": "10.00", "image_output": "40.00" });
    let models = [
        model("by-token", "image", "gpt-image-1", tokens),
        model("by-image", "image", "grok-imagine", json!({ "input": "0", "image": "0.07" })),
        model("voice", "speech", "tts-1", json!({ "input": "0", "character": "15.00" })),
    ];
    let upstreams = [upstream(&provider.base_url())];
    let resources = json!({ "upstream": upstreams, "model": models, "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, Default::default(), resources).await
}

async fn image(app: &TestApp, model: &str, more: Value) -> Reply {
    let mut body = json!({ "model": model, "prompt": "a plain red circle" });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    app.call(post("/v1/images/generations", "acme", body.to_string())).await
}

async fn speech(app: &TestApp, more: Value) -> Reply {
    let mut body = json!({ "model": "voice", "voice": "alloy", "input": "Gr\u{fc}\u{df}e \u{1f600}" });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let mut request = post("/v1/audio/speech", "acme", body.to_string());
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    app.call(request).await
}

fn amount(reply: &Reply, name: &str) -> Money {
    Money::parse_usd(reply.header(name)).unwrap_or_else(|_| panic!("{name}: {}", reply.text()))
}

#[tokio::test]
async fn images_are_charged_by_their_tokens() {
    let app = app().await;
    for (count, fields) in [(1, json!({})), (3, json!({ "n": 3, "quality": "low", "size": "1024x1024" }))] {
        let reply = image(&app, "by-token", fields).await;
        assert_eq!((reply.status.as_u16(), reply.json()["data"].as_array().map(Vec::len)), (200, Some(count)));
        let input = reply.json()["usage"]["input_tokens"].as_u64().expect("counted");
        let expected = Money::from_nanos((input * 5_000 + count as u64 * 272 * 40_000) as i64);
        assert_eq!(amount(&reply, "mandant-cost-usd"), expected);
        // 300 tokens an image at most, and the prompt.
        let images = Money::from_nanos(count as i64 * 300 * 40_000);
        assert!(amount(&reply, "mandant-hold-usd") > images.max(expected), "{}", reply.header("mandant-hold-usd"));
    }
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.usage.output), (Ending::Complete, record.usage.image_output));
    let sent = app.provider.take_requests().pop().expect("asked");
    let body = json!({ "model": "gpt-image-1", "prompt": "a plain red circle", "n": 3, "quality": "low", "size": "1024x1024" });
    assert_eq!(sent.body, body.to_string());
}

#[tokio::test]
async fn images_are_charged_each() {
    let app = app().await;
    for shape in [None, Some(UsageShape::Missing)] {
        app.provider.script(shape.map(Fault::Usage));
        let reply = image(&app, "by-image", json!({ "n": 2 })).await;
        assert_eq!(amount(&reply, "mandant-cost-usd"), Money::from_nanos(140_000_000), "{shape:?}");
        assert_eq!(amount(&reply, "mandant-hold-usd"), Money::from_nanos(140_000_000));
    }
    let records = app.records("acme").await;
    assert!(records.iter().all(|record| record.usage.images == 2 && record.ending == Ending::Complete));
}

#[tokio::test]
async fn images_whose_tokens_nobody_told_stay_held() {
    let app = app().await;
    app.provider.script([Fault::Usage(UsageShape::Missing)]);
    assert_eq!(image(&app, "by-token", json!({})).await.status, 200);
    let record = app.written("acme").remove(0);
    assert_eq!((record.ending, record.charged), (Ending::Unknown, Money::ZERO));
    assert_eq!(app.relay.open_holds(), 1);
}

#[tokio::test]
async fn speech_is_charged_by_its_characters() {
    let app = app().await;
    let reply = speech(&app, json!({ "response_format": "mp3", "speed": 1.0 })).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "audio/mpeg"));
    assert!(reply.body.starts_with(b"ID3") && reply.body.len() > 30);
    // Seven characters in twelve bytes, at $15 per 1M.
    assert_eq!(amount(&reply, "mandant-hold-usd"), Money::from_nanos(7 * 15_000));
    // Its bytes pass while they come, so that what it cost stands behind them.
    let trailers = reply.trailers.expect("asked for");
    assert_eq!(trailers["mandant-cost-usd"], "0.000105");
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.usage.characters, record.ending), (7, Ending::Complete));
    app.provider.script([Fault::status(400)]);
    let refused = speech(&app, json!({})).await;
    assert_eq!(refused.status, 400);
    assert_eq!(app.spent("acme"), Money::from_nanos(7 * 15_000), "what is refused costs nothing");
}

#[tokio::test]
async fn a_spoken_text_that_broke_off_is_charged_whole() {
    let app = app().await;
    app.provider.script([Fault::CloseMidBody]);
    let body = json!({ "model": "voice", "voice": "alloy", "input": "Gr\u{fc}\u{df}e \u{1f600}" }).to_string();
    let mut client = Client::connect(app.relay.address()).await;
    let answer = client.send(post("/v1/audio/speech", "acme", body)).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err(), "its client sees that it is not whole");
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.charged), (Ending::Cut, Money::from_nanos(7 * 15_000)));
}

#[tokio::test]
async fn images_stream_and_are_charged_by_their_last_event() {
    let app = app().await;
    for (model, fault, ending, cost) in [
        ("by-token", None, Ending::Complete, Some(272 * 40_000)),
        ("by-image", None, Ending::Complete, Some(70_000_000)),
        ("by-token", Some(Fault::CloseMidStream { after_events: 1 }), Ending::Unknown, None),
    ] {
        app.provider.script(fault.clone());
        let reply = image(&app, model, json!({ "stream": true, "partial_images": 2 })).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/event-stream; charset=utf-8"));
        assert_eq!(reply.text().contains("image_generation.completed"), fault.is_none(), "{}", reply.text());
        assert_eq!(reply.text().contains("upstream_error"), fault.is_some(), "{}", reply.text());
        app.relay.flush();
        let record = app.written("acme").remove(0);
        assert_eq!(record.ending, ending, "{model} {fault:?}");
        let prompt = if model == "by-token" { record.usage.input as i64 * 5_000 } else { 0 };
        assert_eq!(record.charged, Money::from_nanos(cost.map_or(0, |cost| cost + prompt)), "{model}");
        assert!(record.held >= Money::from_nanos(if model == "by-token" { (300 + 2 * 128) * 40_000 } else { 1 }));
    }
    assert_eq!(app.relay.open_holds(), 1, "nobody told what the broken one cost");
}

#[tokio::test]
async fn what_cannot_be_metered_is_refused() {
    let app = app().await;
    for (fields, param) in [
        (json!({ "stream": true, "n": 2 }), "n"),
        (json!({ "partial_images": -1 }), "partial_images"),
        (json!({ "n": 0 }), "n"),
        (json!({ "N": 5 }), "n"),
        (json!({ "num_images": 9 }), ""),
        (json!({ "model": "voice" }), "model"),
    ] {
        let reply = image(&app, "by-image", fields.clone()).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status.as_u16(), error["param"].as_str().unwrap_or_default()), (400, param), "{fields}");
    }
    for (fields, param) in [
        (json!({ "stream_format": "other" }), "stream_format"),
        (json!({ "stream": true }), "stream"),
        (json!({ "input": ["a", "b"] }), "input"),
        (json!({ "model": "by-image" }), "model"),
    ] {
        let reply = speech(&app, fields.clone()).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status.as_u16(), error["param"].as_str().unwrap_or_default()), (400, param), "{fields}");
    }
    assert!(app.provider.requests().is_empty() && app.spent("acme") == Money::ZERO);
}

#[tokio::test]
async fn encoded_sound_is_refused_before_a_byte_of_it() {
    let app = app().await;
    app.provider.script([Fault::Gzip]);
    let reply = speech(&app, json!({ "response_format": "mp3" })).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (502, "upstream_error".into()), "{}", reply.text());
    assert_eq!(app.relay.open_holds(), 1, "it may have been billed");
}
