//! Realtime sessions: each response is paid for before it is asked for, and charged by its own usage.

use core::time::Duration;

use base::Money;
use futures_util::{SinkExt as _, StreamExt as _};
use mandant_gateway::Settings;
use serde_json::{Value, json};
use store::Ending;
use testkit::{Fault, Options, SimulatedProvider, UsageShape};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::app::{TestApp, chat_model, secret, tenant, upstream};
use crate::client::get;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn voice(id: &str, upstream_model: &str) -> Value {
    json!({
        "id": id, "kind": "realtime", "context_window": 32_000, "max_output_tokens": 4_000,
        "route": [{ "upstream": "sim", "model": upstream_model }],
        "price": {
            "input": "4.00", "cached_input": "0.40", "output": "16.00",
            "audio_input": "32.00", "cached_audio": "0.50", "audio_output": "64.00",
        },
    })
}

async fn app_with(options: Options, settings: Settings, tenants: Vec<Value>) -> TestApp {
    let provider = SimulatedProvider::start(options).await.expect("the simulated provider starts");
    let models =
        [voice("voice", "gpt-realtime"), voice("slow", "sim-tokens-200.chunk-delay-20"), chat_model("chat", "gpt-4.1")];
    let resources = json!({ "upstream": [upstream(&provider.base_url())], "model": models, "tenant": tenants });
    TestApp::over(provider, settings, resources).await
}

async fn app(tenants: Vec<Value>) -> TestApp {
    app_with(Options { cached_percent: 25, ..Options::default() }, Settings::default(), tenants).await
}

/// A client's side of a session.
struct Talk {
    socket: WebSocketStream<TcpStream>,
}

impl Talk {
    async fn try_open(app: &TestApp, path: &str, headers: &[(&'static str, String)]) -> Result<Talk, (u16, Value)> {
        let mut request = format!("ws://relay{path}").into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let stream = TcpStream::connect(app.relay.address()).await.expect("the relay listens");
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Talk { socket }),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("no answer: {error}"),
        }
    }

    async fn of(app: &TestApp, tenant: &str, model: &str) -> Talk {
        let headers = [("authorization", format!("Bearer {}", secret(tenant)))];
        Talk::try_open(app, &format!("/v1/realtime?model={model}"), &headers).await.expect("a session")
    }

    async fn say(&mut self, event: Value) {
        self.socket.send(Message::Text(event.to_string().into())).await.expect("the session is open");
    }

    /// The next event; what the session was closed with instead.
    async fn hear(&mut self) -> Result<Value, Option<(u16, String)>> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something is said in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("events are JSON")),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| (frame.code.into(), frame.reason.to_string())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Events up to one of this type.
    async fn hear_until(&mut self, kind: &str) -> Value {
        loop {
            let event = self.hear().await.unwrap_or_else(|closed| panic!("closed with {closed:?} before {kind}"));
            if event["type"] == kind {
                return event;
            }
            assert_ne!(event["type"], "error", "{event}");
        }
    }

    /// The code of the next error event.
    async fn hear_error(&mut self) -> Value {
        loop {
            let event = self.hear().await.unwrap_or_else(|closed| panic!("closed with {closed:?} before an error"));
            if event["type"] == "error" {
                return event["error"].clone();
            }
        }
    }

    async fn hear_close(&mut self) -> (u16, String) {
        loop {
            match self.hear().await {
                Ok(_) => {}
                Err(closed) => return closed.expect("it is closed with a code"),
            }
        }
    }

    async fn text_only(&mut self) {
        self.say(json!({ "type": "session.update", "session": { "type": "realtime", "output_modalities": ["text"], "audio": { "input": { "turn_detection": null } } } })).await;
        self.hear_until("session.updated").await;
    }

    async fn ask(&mut self, text: &str) -> Value {
        let content = json!([{ "type": "input_text", "text": text }]);
        self.say(json!({ "type": "conversation.item.create", "item": { "type": "message", "role": "user", "content": content } })).await;
        self.say(json!({ "type": "response.create" })).await;
        self.hear_until("response.done").await
    }

    async fn leave(mut self) {
        self.socket.close(None).await.expect("the session is open");
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// A second of audio, and silence where it ends a turn.
fn audio(ends_turn: bool) -> Value {
    if ends_turn { turns(1) } else { audio_of(&[7; 48_000]) }
}

/// Turns of a second each, in one piece.
fn turns(count: usize) -> Value {
    let mut turn = vec![7_u8; 48_000];
    turn.extend([0; 300]);
    audio_of(&turn.repeat(count))
}

fn audio_of(bytes: &[u8]) -> Value {
    use base64::Engine as _;
    json!({ "type": "input_audio_buffer.append", "audio": base64::engine::general_purpose::STANDARD.encode(bytes) })
}

fn price_of(usage: &Value) -> Money {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_i64).unwrap_or_default();
    let (audio_in, cached) = (count("/input_token_details/audio_tokens"), count("/input_token_details/cached_tokens"));
    let cached_audio = count("/input_token_details/cached_tokens_details/audio_tokens");
    let audio_out = count("/output_token_details/audio_tokens");
    let plain = count("/input_tokens") - audio_in - (cached - cached_audio);
    let nanos = plain * 4_000
        + (cached - cached_audio) * 400
        + (audio_in - cached_audio) * 32_000
        + cached_audio * 500
        + (count("/output_tokens") - audio_out) * 16_000
        + audio_out * 64_000;
    Money::from_nanos(nanos)
}

/// The first record of the tenant, once there is one: also that of a hold which stays.
async fn first_record(app: &TestApp) -> store::UsageRecord {
    for _ in 0..250 {
        if let Some(record) = app.written("acme").into_iter().next() {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was recorded in 5 s");
}

#[tokio::test]
async fn each_response_is_charged_by_its_usage() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    let mut expected = Money::ZERO;
    for text in ["Say something kind.", "And now something longer, please."] {
        let done = talk.ask(text).await;
        assert_eq!(done["response"]["usage"]["output_tokens"], 32);
        expected += price_of(&done["response"]["usage"]);
        // Settled before the client sees the end.
        assert_eq!(app.spent("acme"), expected);
    }
    talk.leave().await;
    let records = app.records("acme").await;
    assert_eq!(records.len(), 2);
    let (input, output) = records.iter().fold((0, 0), |sum, one| (sum.0 + one.usage.input, sum.1 + one.usage.output));
    let truth = app.provider.settled_truth(PATIENCE).await.total;
    assert_eq!((truth.attempts, truth.prompt_tokens, truth.completion_tokens), (2, input, output));
    for record in &records {
        assert_eq!((record.ending, record.endpoint, record.stream), (Ending::Complete, wire::Endpoint::Realtime, true));
        assert!(record.held > record.charged && record.upstream_response_id.is_some());
    }
}

#[tokio::test]
async fn events_pass_as_they_are() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    let created = talk.hear_until("session.created").await;
    assert_eq!(created["session"]["model"], "gpt-realtime");
    let odd = "{\"type\" : \"session.update\",\t\"session\":{\"model\":\"voice\", \"type\":\"realtime\",\"output_modalities\":[\"text\"]}}";
    talk.socket.send(Message::Text(odd.into())).await.expect("open");
    talk.hear_until("session.updated").await;
    talk.say(json!({ "type": "response.create", "event_id": "mine" })).await;
    talk.hear_until("response.done").await;
    talk.say(json!({ "type": "response.create" })).await;
    talk.hear_until("response.done").await;
    let sent: Vec<String> = app
        .provider
        .take_requests()
        .iter()
        .skip(1)
        .map(|one| String::from_utf8_lossy(&one.body).into_owned())
        .collect();
    assert_eq!(sent[0], odd.replace("\"voice\"", "\"gpt-realtime\""));
    assert_eq!(sent[1], r#"{"event_id":"mine","type":"response.create"}"#);
    assert_eq!(sent[2], r#"{"event_id":"mandant_1","type":"response.create"}"#);
}

#[tokio::test]
async fn what_the_provider_begins_by_itself_is_paid_for_first() {
    let app = app(vec![tenant("acme", json!({ "budget": { "usd_per_month": "100.00" } }))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.hear_until("session.created").await;
    assert_eq!(app.relay.open_holds(), 0);
    talk.say(audio(false)).await;
    talk.say(audio(true)).await;
    let done = talk.hear_until("response.done").await;
    let usage = &done["response"]["usage"];
    assert!(usage["input_token_details"]["audio_tokens"].as_u64() > Some(20), "{usage}");
    assert_eq!(usage["output_token_details"]["audio_tokens"], 64);
    assert_eq!(app.spent("acme"), price_of(usage));
    // More audio is held for again, and free when the session ends without another response.
    talk.say(audio(false)).await;
    talk.say(json!({ "type": "input_audio_buffer.clear" })).await;
    talk.hear_until("input_audio_buffer.cleared").await;
    assert_eq!(app.relay.open_holds(), 1);
    talk.leave().await;
    let records = app.records("acme").await;
    assert_eq!(records.len(), 1, "{records:?}");
    // A whole window, at the prices of audio.
    assert_eq!(records[0].held, Money::from_nanos(32_000 * 32_000 + 4_000 * 64_000));
}

/// The worst case of a response to audio: a whole window, at the prices of audio.
const WORST_NANOS: i64 = 32_000 * 32_000 + 4_000 * 64_000;

#[tokio::test]
async fn a_response_that_nobody_paid_for_is_paid_on_arrival() {
    let app = app(vec![tenant("acme", json!({ "budget": { "usd_total": "100.00" } }))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.hear_until("session.created").await;
    // One hold is kept ahead, and the provider begins two responses: the second interrupts the first.
    talk.say(turns(2)).await;
    let first = talk.hear_until("response.done").await;
    assert_eq!(first["response"]["status"], "cancelled");
    let second = talk.hear_until("response.created").await;
    // Its hold is there before the client sees it.
    assert_eq!(app.relay.open_holds(), 1);
    let done = talk.hear_until("response.done").await;
    assert_eq!(
        (&done["response"]["id"], &done["response"]["status"]),
        (&second["response"]["id"], &json!("completed"))
    );
    assert_eq!(app.spent("acme"), price_of(&first["response"]["usage"]) + price_of(&done["response"]["usage"]));
    talk.leave().await;
    let records = app.records("acme").await;
    let truth = app.provider.settled_truth(PATIENCE).await.total;
    assert_eq!((records.len(), truth.attempts), (2, 2));
    assert!(records.iter().all(|record| record.held == Money::from_nanos(WORST_NANOS)), "{records:?}");
    assert_eq!(records.iter().map(|record| record.usage.output).sum::<u64>(), truth.completion_tokens);
}

#[tokio::test]
async fn a_response_that_nobody_can_pay_for_is_cancelled_and_not_seen() {
    // Exactly one worst case: the first response is paid for, and after its cost no second is.
    let budget = Money::from_nanos(WORST_NANOS).to_string();
    let app = app(vec![tenant("acme", json!({ "budget": { "usd_total": budget } }))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.hear_until("session.created").await;
    talk.say(turns(2)).await;
    let first = talk.hear_until("response.done").await;
    let error = loop {
        let event = talk.hear().await.expect("an error comes first");
        assert!(
            !["response.created", "response.output_audio.delta"].contains(&event["type"].as_str().unwrap()),
            "{event}"
        );
        if event["type"] == "error" {
            break event["error"].clone();
        }
    };
    assert_eq!(error["code"], "budget_exhausted");
    assert_eq!(talk.hear_close().await, (1008, "budget_exhausted".to_owned()));
    let cost = price_of(&first["response"]["usage"]);
    assert!(cost > Money::ZERO);
    let records = app.records("acme").await;
    assert_eq!((records.len(), app.spent("acme")), (1, cost), "the second is the operator's");
    let truth = app.provider.settled_truth(PATIENCE).await.total;
    assert_eq!(truth.attempts, 2);
    // Given up at once: of its 96 tokens hardly any were made.
    let made = truth.completion_tokens - records[0].usage.output;
    assert!(made < 48, "{made}");
    let cancels =
        app.provider.requests().iter().filter(|one| one.body.starts_with(br#"{"type":"response.cancel""#)).count();
    assert_eq!(cancels, 1);
}

#[tokio::test]
async fn a_relay_that_stops_lets_a_response_come_to_its_end() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "slow").await;
    talk.text_only().await;
    talk.say(json!({ "type": "response.create", "response": { "max_output_tokens": 40 } })).await;
    talk.hear_until("response.output_text.delta").await;
    let TestApp { provider, relay, store, directory: _directory, folder: _folder } = app;
    let stopping = tokio::spawn(relay.stop());
    let done = talk.hear_until("response.done").await;
    assert_eq!(
        (&done["response"]["status"], &done["response"]["usage"]["output_tokens"]),
        (&json!("completed"), &json!(40))
    );
    assert_eq!(talk.hear_close().await, (1012, "the relay stops".to_owned()));
    stopping.await.expect("it stops in time");
    let tenant = base::TenantId::new("acme").expect("a tenant id");
    let records = store.calls(&tenant, base::Timestamp::EPOCH, 10, None).expect("calls are read");
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].ending, records[0].charged), (Ending::Complete, price_of(&done["response"]["usage"])));
    assert_eq!(provider.truth().total.completion_tokens, 40);
}

#[tokio::test]
async fn a_session_at_a_provider_over_tls_is_the_same() {
    let provider = SimulatedProvider::start(Options { tls: true, ..Options::default() }).await.expect("it starts");
    let authority = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), provider.certificate_pem().expect("it has one")).expect("written");
    let settings = Settings { extra_ca_file: Some(authority.path().to_owned()), ..Settings::default() };
    let resources = json!({
        "upstream": [upstream(&provider.base_url())], "model": [voice("voice", "gpt-realtime")],
        "tenant": [tenant("acme", json!({}))],
    });
    assert!(provider.base_url().starts_with("https://"), "{}", provider.base_url());
    let app = TestApp::over(provider, settings, resources).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    let done = talk.ask("Is this private?").await;
    assert_eq!(app.spent("acme"), price_of(&done["response"]["usage"]));
    talk.leave().await;
    assert_eq!(app.records("acme").await[0].ending, Ending::Complete);
}

#[tokio::test]
async fn a_session_ends_with_its_budget() {
    // The first response fits, with 32 tokens of answer; with those behind it the second does not.
    let budget = json!({ "budget": { "usd_total": "0.08" } });
    let app = app(vec![tenant("acme", budget)]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    let ask = json!({ "type": "response.create", "event_id": "e", "response": { "max_output_tokens": 1_000 } });
    talk.say(ask.clone()).await;
    talk.hear_until("response.done").await;
    let before = app.provider.requests().len();
    let mut asked = 1;
    let error = loop {
        talk.say(ask.clone()).await;
        asked += 1;
        let event = loop {
            let event = talk.hear().await.expect("an event");
            if ["error", "response.done"].contains(&event["type"].as_str().unwrap_or_default()) {
                break event;
            }
        };
        if event["type"] == "error" {
            break event["error"].clone();
        }
        assert!(asked < 20, "a budget of eight cents ends");
    };
    assert_eq!((&error["code"], &error["type"]), (&json!("budget_exhausted"), &json!("insufficient_quota")), "{error}");
    assert!(error["limit_usd"] == "0.08" && error["message"].as_str().is_some_and(|text| text.len() > 20), "{error}");
    assert_eq!(talk.hear_close().await, (1008, "budget_exhausted".to_owned()));
    // What was refused never left.
    let sent = app.provider.requests().len() - before;
    assert_eq!(sent, asked - 2, "{asked} were asked for, the first counted before");
    app.settled().await;
    assert!(app.spent("acme") <= Money::parse_usd("0.08").expect("an amount"));
}

#[tokio::test]
async fn audio_that_nobody_can_pay_for_does_not_leave() {
    let app = app(vec![tenant("acme", json!({ "budget": { "usd_total": "0.50" } }))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.hear_until("session.created").await;
    talk.say(audio(true)).await;
    assert_eq!(talk.hear_error().await["code"], "budget_exhausted");
    assert_eq!(talk.hear_close().await.0, 1008);
    assert_eq!(app.provider.requests().len(), 1, "only the opening");
    app.settled().await;
    assert_eq!(app.provider.truth().total.attempts, 0);
}

#[tokio::test]
async fn sessions_are_refused_before_they_begin() {
    let app = app(vec![tenant("acme", json!({ "models": ["voice", "chat"] }))]).await;
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    for (path, key, status, code) in [
        ("/v1/realtime?model=voice", "wrong", 401, "invalid_api_key"),
        ("/v1/realtime?model=slow", &secret("acme"), 403, "model_not_allowed"),
        ("/v1/realtime?model=none", &secret("acme"), 404, "model_not_found"),
        ("/v1/realtime?model=chat", &secret("acme"), 400, "invalid_request"),
        ("/v1/realtime", &secret("acme"), 400, "invalid_request"),
        ("/v1/realtime?model=voice&intent=transcription", &secret("acme"), 400, "invalid_request"),
    ] {
        let refused = Talk::try_open(&app, path, &[bearer(key)]).await.err().expect("a refusal");
        assert_eq!((refused.0, &refused.1["error"]["code"]), (status, &json!(code)), "{path}");
    }
    let plain = app.call(get("/v1/realtime?model=voice", "acme")).await;
    assert_eq!((plain.status.as_u16(), plain.code()), (400, "invalid_request".to_owned()));
    assert!(app.provider.requests().is_empty(), "nothing left");
    let chat = app.chat("acme", "voice", json!({})).await;
    assert_eq!(chat.status, 400, "a model of sessions serves nothing else");
}

#[tokio::test]
async fn a_key_among_the_protocols_opens_a_session_and_stays_here() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let offer = format!("realtime, openai-insecure-api-key.{}, openai-beta.realtime-v1", secret("acme"));
    let mut talk = Talk::try_open(&app, "/v1/realtime?model=voice", &[("sec-websocket-protocol", offer)])
        .await
        .expect("a session");
    talk.hear_until("session.created").await;
    let opening = app.provider.requests().remove(0);
    assert!(!format!("{:?}", opening.headers).contains(&secret("acme")), "{:?}", opening.headers);
    assert_eq!(opening.headers["sec-websocket-protocol"], "realtime, openai-beta.realtime-v1");
    assert_eq!(opening.path, "/v1/realtime?model=gpt-realtime");
}

#[tokio::test]
async fn what_the_provider_does_not_take_costs_nothing() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "slow").await;
    talk.text_only().await;
    talk.say(json!({ "type": "response.create" })).await;
    talk.hear_until("response.created").await;
    talk.say(json!({ "type": "response.create" })).await;
    let error = talk.hear_error().await;
    assert_eq!(error["code"], "conversation_already_has_active_response");
    assert_eq!(error["event_id"], Value::Null, "the client sent none");
    assert_eq!(app.relay.open_holds(), 1, "only that of the response under way");
    talk.say(json!({ "type": "response.create", "event_id": "second" })).await;
    assert_eq!(talk.hear_error().await["event_id"], "second");
    talk.say(json!({ "type": "response.cancel" })).await;
    let done = talk.hear_until("response.done").await;
    assert_eq!(done["response"]["status"], "cancelled");
    talk.leave().await;
    let endings: Vec<Ending> = app.records("acme").await.iter().map(|record| record.ending).collect();
    let count = |wanted: Ending| endings.iter().filter(|one| **one == wanted).count();
    assert_eq!((count(Ending::Complete), count(Ending::Refused)), (1, 2), "{endings:?}");
    assert_eq!(app.spent("acme"), price_of(&done["response"]["usage"]));
}

#[tokio::test]
async fn what_has_no_price_is_told_and_the_session_goes_on() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    for (event, param) in [
        (
            json!({ "type": "session.update", "session": { "audio": { "input": { "transcription": { "model": "whisper-1" } } } } }),
            "session.audio.input.transcription",
        ),
        (json!({ "type": "session.update", "session": { "model": "slow" } }), "session.model"),
        (json!({ "type": "response.create", "response": { "tools": [{ "type": "mcp" }] } }), "tools"),
        (json!({ "type": "made.up" }), "type"),
    ] {
        talk.say(event).await;
        let error = talk.hear_error().await;
        assert_eq!((&error["code"], &error["param"]), (&json!("invalid_request"), &json!(param)), "{error}");
    }
    talk.ask("Still there?").await;
    assert!(app.provider.requests().iter().all(|one| !String::from_utf8_lossy(&one.body).contains("whisper")));
}

#[tokio::test]
async fn a_client_that_leaves_pays_what_was_said() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "slow").await;
    talk.text_only().await;
    talk.say(json!({ "type": "response.create" })).await;
    for _ in 0..3 {
        talk.hear_until("response.output_text.delta").await;
    }
    // Without a goodbye.
    drop(talk);
    let records = app.records("acme").await;
    let truth = app.provider.settled_truth(PATIENCE).await.total;
    assert_eq!((records.len(), records[0].ending), (1, Ending::Complete));
    assert_eq!((records[0].usage.input, records[0].usage.output), (truth.prompt_tokens, truth.completion_tokens));
    assert!((3..150).contains(&truth.completion_tokens), "{truth:?}");
}

#[tokio::test]
async fn a_provider_that_breaks_keeps_the_hold() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    app.provider.script([Fault::CloseMidStream { after_events: 3 }]);
    talk.say(json!({ "type": "response.create" })).await;
    assert_eq!(talk.hear_error().await["code"], "upstream_error");
    assert_eq!(talk.hear_close().await, (1011, "upstream_error".to_owned()));
    let record = first_record(&app).await;
    assert_eq!((record.ending, record.charged), (Ending::Unknown, Money::ZERO));
    assert_eq!(app.relay.open_holds(), 1);
}

#[tokio::test]
async fn a_usage_that_is_not_told_or_not_true_keeps_the_hold() {
    for (fault, ending) in [
        (Fault::Usage(UsageShape::Missing), Ending::Unknown),
        (Fault::Usage(UsageShape::Negative), Ending::Unknown),
        (Fault::Usage(UsageShape::Absurd), Ending::Unknown),
        (Fault::Usage(UsageShape::Fractional), Ending::Unknown),
        (Fault::Usage(UsageShape::Text), Ending::Unknown),
        (Fault::status(500), Ending::Refused),
    ] {
        let app = app(vec![tenant("acme", json!({}))]).await;
        let mut talk = Talk::of(&app, "acme", "voice").await;
        talk.text_only().await;
        app.provider.script([fault.clone()]);
        talk.ask("Hello?").await;
        talk.leave().await;
        let record = first_record(&app).await;
        assert_eq!((record.ending, record.charged), (ending, Money::ZERO), "{fault:?}");
        assert_eq!(app.relay.open_holds(), usize::from(ending == Ending::Unknown), "{fault:?}");
    }
}

#[tokio::test]
async fn a_session_has_one_place_whatever_is_said_in_it() {
    let app = app(vec![tenant("acme", json!({ "limits": { "concurrency": 1, "rpm": 4 } }))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    talk.ask("Is there a place for this?").await;
    let bearer = [("authorization", format!("Bearer {}", secret("acme")))];
    let refused = Talk::try_open(&app, "/v1/realtime?model=voice", &bearer).await.err().expect("a refusal");
    assert_eq!((refused.0, &refused.1["error"]["window"]), (429, &json!("concurrency")));
    assert_eq!(app.chat("acme", "chat", json!({})).await.code(), "rate_limited");
    // Each response is a request: the opening and three of them are four.
    talk.ask("Second.").await;
    talk.ask("Third.").await;
    talk.say(json!({ "type": "response.create", "event_id": "fourth" })).await;
    let error = talk.hear_error().await;
    assert_eq!((&error["code"], &error["event_id"]), (&json!("rate_limited"), &json!("fourth")), "{error}");
    talk.leave().await;
    for _ in 0..100 {
        if app.chat("acme", "chat", json!({})).await.json()["error"]["window"] != "concurrency" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a session is free when it ends");
}

#[tokio::test]
async fn what_is_no_session_is_closed_with_a_reason() {
    let settings = Settings { realtime_message_bytes_max: 10_000, ..Settings::default() };
    let app = app_with(Options::default(), settings, vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.say(json!({ "type": "session.update", "session": { "instructions": "x".repeat(20_000) } })).await;
    assert_eq!(talk.hear_error().await["code"], "request_too_large");
    assert_eq!(talk.hear_close().await.0, 1009);
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.socket.send(Message::Binary(vec![1, 2].into())).await.expect("open");
    assert_eq!(talk.hear_close().await.0, 1003);
    app.settled().await;
}

#[tokio::test]
async fn sessions_end_when_nothing_is_said_or_they_are_old() {
    for (settings, reason) in [
        (Settings { realtime_idle_timeout: Duration::from_millis(300), ..Settings::default() }, "nothing was said"),
        (Settings { realtime_age_max: Duration::from_millis(300), ..Settings::default() }, "as old as"),
    ] {
        let app = app_with(Options::default(), settings, vec![tenant("acme", json!({}))]).await;
        let mut talk = Talk::of(&app, "acme", "voice").await;
        let (code, told) = talk.hear_close().await;
        assert!(code == 1001 && told.contains(reason), "{code} {told}");
    }
}

#[tokio::test]
async fn too_many_sessions_are_refused() {
    let settings = Settings { realtime_sessions_max: 1, ..Settings::default() };
    let app = app_with(Options::default(), settings, vec![tenant("anna", json!({})), tenant("berta", json!({}))]).await;
    let first = Talk::of(&app, "anna", "voice").await;
    let bearer = [("authorization", format!("Bearer {}", secret("berta")))];
    let refused = Talk::try_open(&app, "/v1/realtime?model=voice", &bearer).await.err().expect("a refusal");
    assert_eq!((refused.0, &refused.1["error"]["code"]), (503, &json!("overloaded")));
    first.leave().await;
}

#[tokio::test]
async fn tenants_talk_apart() {
    let app = app(vec![tenant("anna", json!({})), tenant("berta", json!({}))]).await;
    let (mut anna, mut berta) = (Talk::of(&app, "anna", "voice").await, Talk::of(&app, "berta", "voice").await);
    anna.text_only().await;
    berta.text_only().await;
    let of_anna = anna.ask("I am Anna, and my secret is long and winding.").await;
    let of_berta = berta.ask("Hi.").await;
    assert_ne!(of_anna["response"]["id"], of_berta["response"]["id"]);
    // What one says costs the other nothing: her conversation is shorter.
    assert_eq!(app.spent("anna"), price_of(&of_anna["response"]["usage"]));
    assert_eq!(app.spent("berta"), price_of(&of_berta["response"]["usage"]));
    assert!(app.spent("anna") > app.spent("berta"));
}

#[tokio::test]
async fn a_provider_that_opens_no_session_is_heard() {
    let app = app_with(Options::default(), Settings::default(), vec![tenant("acme", json!({}))]).await;
    let model = voice("closed", "sim-error-404");
    crate::app::apply(&app.store, json!({ "model": [model] }));
    app.directory.sync().expect("the directory follows");
    let bearer = [("authorization", format!("Bearer {}", secret("acme")))];
    let refused = Talk::try_open(&app, "/v1/realtime?model=closed", &bearer).await.err().expect("a refusal");
    assert_eq!(refused.0, 404);
    assert_eq!(refused.1["error"]["message"], "The requested resource was not found.");
}

#[tokio::test]
async fn who_is_suspended_is_heard_no_more() {
    let app = app(vec![tenant("acme", json!({}))]).await;
    let mut talk = Talk::of(&app, "acme", "voice").await;
    talk.text_only().await;
    talk.ask("Hello?").await;
    crate::app::apply(&app.store, json!({ "tenant": [tenant("acme", json!({ "status": "suspended" }))] }));
    app.directory.sync().expect("the directory follows");
    talk.say(json!({ "type": "response.create" })).await;
    assert_eq!(talk.hear_error().await["code"], "tenant_suspended");
    assert_eq!(talk.hear_close().await, (1008, "tenant_suspended".to_owned()));
}
