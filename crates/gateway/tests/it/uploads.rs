//! Calls that come as forms: their files pass while they come, and what is heard and made of them is held and charged for.

use base::Money;
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use mandant_gateway::Settings;
use serde_json::{Value, json};
use store::Ending;
use testkit::{ChunkBorders, Fault, Options, SimulatedProvider, UsageShape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::app::{TestApp, secret, tenant, upstream};
use crate::client::{Reply, post};

const BOUNDARY: &str = "----a-boundary-0123456789";

/// A part of a form: its name, the name of its file if it is one, and its content.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn form(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: audio/wav")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn request(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = post(path, "acme", body);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    request.headers_mut().insert("content-type", HeaderValue::from_str(&kind).expect("a type"));
    request
}

/// Models that are priced by the tokens of audio, by its seconds, by the tokens of images, and by the character.
fn models() -> Vec<Value> {
    let model = |id: &str, kind: &str, upstream_model: &str, price: Value| {
        json!({
            "id": id, "kind": kind, "context_window": 16_000, "max_output_tokens": 2_000, "audio_seconds_max": 1_500,
            "route": [{ "upstream": "sim", "model": upstream_model }], "price": price,
        })
    };
    let tokens = json!({ "input": "2.50", "output": "10.00", "audio_input": "6.00" });
    let images = json!({ "input": "5.00", "output": "10.00", "image_input": "8.00", "image_output": "40.00" });
    vec![
        model("by-token", "transcription", "gpt-4o-transcribe", tokens),
        model("by-second", "transcription", "whisper-1", json!({ "input": "0", "second": "0.0001" })),
        model("images", "image", "gpt-image-1", images),
        model("voice", "speech", "tts-1", json!({ "input": "0", "character": "15.00" })),
    ]
}

async fn app_with(options: Options, settings: Settings) -> TestApp {
    let provider = SimulatedProvider::start(options).await.expect("the simulated provider starts");
    let upstreams = [upstream(&provider.base_url())];
    let resources = json!({ "upstream": upstreams, "model": models(), "tenant": [tenant("acme", json!({}))] });
    TestApp::over(provider, settings, resources).await
}

async fn app() -> TestApp {
    app_with(Options::default(), Settings::default()).await
}

fn nanos(amount: i64) -> Money {
    Money::from_nanos(amount)
}

fn amount(reply: &Reply, name: &str) -> Money {
    Money::parse_usd(reply.header(name)).unwrap_or_else(|_| panic!("{name}: {}", reply.text()))
}

const HEAR: &str = "/v1/audio/transcriptions";

/// A file of so many thousand bytes, which the simulated provider hears as that many seconds.
fn file(seconds: usize) -> Vec<u8> {
    (0..seconds * 1_000).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn audio_is_charged_by_its_tokens_or_its_seconds() {
    let app = app().await;
    let audio = file(12);
    let wav: Part<'_> = ("file", Some("a.wav"), &audio);
    // Seconds cost a hundred thousand nano-dollars each. Twelve seconds are 120 tokens, and nine are written.
    let by_token = nanos(120 * 6_000 + 9 * 10_000);
    for (model, format, cost) in [
        ("by-second", "json", nanos(12 * 100_000)),
        ("by-second", "verbose_json", nanos(12 * 100_000)),
        ("by-second", "srt", nanos(12 * 100_000)),
        ("by-token", "json", by_token),
    ] {
        let fields: [Part<'_>; 2] = [("model", None, model.as_bytes()), ("response_format", None, format.as_bytes())];
        for parts in [[fields[0], fields[1], wav], [wav, fields[0], fields[1]], [fields[0], wav, fields[1]]] {
            for path in [HEAR, "/v1/audio/translations", "/openai/v1/audio/transcriptions"] {
                let body = form(&parts);
                let reply = app.call(request(path, body.clone())).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                assert_eq!(amount(&reply, "mandant-cost-usd"), cost, "{model} {format}: {}", reply.text());
                let sent = app.provider.take_requests().pop().expect("asked");
                let (theirs, ours) = (if model == "by-token" { "gpt-4o-transcribe" } else { "whisper-1" }, model);
                let expected = replaced(&body, format!("\r\n\r\n{ours}\r\n"), format!("\r\n\r\n{theirs}\r\n"));
                assert!(sent.body == expected, "the bytes of the form pass, but for the model");
                let kind = sent.headers["content-type"].to_str().expect("text");
                assert_eq!(kind, format!("multipart/form-data; boundary={BOUNDARY}"));
            }
        }
    }
    let records = app.records("acme").await;
    assert!(records.iter().all(|record| record.ending == Ending::Complete && record.held >= record.charged));
    // All that the model takes: 1,500 seconds, or its window of audio and its longest answer.
    let held: Vec<Money> = records.iter().map(|record| record.held).collect();
    assert!(held.contains(&nanos(150_000_000)) && held.contains(&nanos(16_000 * 6_000 + 2_000 * 10_000)), "{held:?}");
    assert_eq!(app.relay.open_holds(), 0);
}

fn replaced(body: &[u8], old: String, new: String) -> Bytes {
    let at = body.windows(old.len()).position(|window| window == old.as_bytes()).expect("it is there");
    [&body[..at], new.as_bytes(), &body[at + old.len()..]].concat().into()
}

#[tokio::test]
async fn a_model_in_the_path_goes_into_the_form() {
    let app = app().await;
    let audio = file(3);
    let body = form(&[("file", Some("a.wav"), &audio)]);
    let reply = app.call(request("/openai/deployments/by-second/audio/transcriptions", body.clone())).await;
    assert_eq!((reply.status.as_u16(), amount(&reply, "mandant-cost-usd")), (200, nanos(300_000)), "{}", reply.text());
    let sent = app.provider.take_requests().pop().expect("asked");
    assert!(sent.body == form(&[("model", None, b"whisper-1"), ("file", Some("a.wav"), &audio)]));
    // Without one, anywhere, there is nothing to plan with.
    let reply = app.call(request(HEAR, body)).await;
    assert_eq!((reply.status.as_u16(), reply.json()["error"]["param"].as_str()), (400, Some("model")));
}

#[tokio::test]
async fn what_nobody_told_is_estimated() {
    let app = app().await;
    let audio = file(12);
    let wav: Part<'_> = ("file", Some("a.wav"), &audio);
    // Without a length, the body is taken for speech at 16 kbit/s.
    let body = form(&[("model", None, b"by-second"), wav]);
    let seconds = body.len().div_ceil(2_000) as i64;
    app.provider.script([Fault::Usage(UsageShape::Missing)]);
    let reply = app.call(request(HEAR, body)).await;
    assert_eq!((reply.status.as_u16(), amount(&reply, "mandant-cost-usd")), (200, nanos(seconds * 100_000)));
    let body = form(&[("model", None, b"by-second"), ("response_format", None, b"text"), wav]);
    let seconds = body.len().div_ceil(2_000) as i64;
    let reply = app.call(request(HEAR, body)).await;
    assert_eq!(
        (reply.header("content-type"), amount(&reply, "mandant-cost-usd")),
        ("text/plain; charset=utf-8", nanos(seconds * 100_000))
    );
    app.provider.script([Fault::Usage(UsageShape::Missing)]);
    let body = form(&[("model", None, b"by-token"), wav]);
    let tokens = body.len().div_ceil(2_000) as i64 * 13;
    let reply = app.call(request(HEAR, body)).await;
    let usage = app.records("acme").await.remove(0).usage;
    assert_eq!((usage.audio_input as i64, usage.input), (tokens, usage.audio_input));
    assert_eq!(amount(&reply, "mandant-cost-usd"), nanos(tokens * 6_000 + usage.output as i64 * 10_000));
    assert!(app.records("acme").await.iter().all(|record| record.ending == Ending::Cut));
    // What is priced by tokens, and asked for without them, is refused.
    let body = form(&[("model", None, b"by-token"), ("response_format", None, b"text"), wav]);
    let reply = app.call(request(HEAR, body)).await;
    assert_eq!((reply.status.as_u16(), reply.json()["error"]["param"].as_str()), (400, Some("response_format")));
}

#[tokio::test]
async fn what_is_heard_streams() {
    let options = Options { chunk_borders: ChunkBorders::Random { chunk_bytes_max: 9 }, ..Options::default() };
    let app = app_with(options, Settings::default()).await;
    let audio = file(5);
    let stream: Part<'_> = ("stream", None, b"true");
    let parts: [Part<'_>; 3] = [("model", None, b"by-token"), ("file", Some("a.wav"), &audio), stream];
    for (fault, ending, is_whole) in [
        (None, Ending::Complete, true),
        (Some(Fault::CloseMidStream { after_events: 2 }), Ending::Cut, false),
        (Some(Fault::Usage(UsageShape::Missing)), Ending::Cut, true),
    ] {
        app.provider.script(fault.clone());
        let reply = app.call(request(HEAR, form(&parts))).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "text/event-stream; charset=utf-8"));
        let is_broken = reply.text().contains("\"upstream_error\"");
        assert_eq!(reply.text().contains("transcript.text.done"), is_whole, "{fault:?} {}", reply.text());
        assert_eq!(is_broken, !is_whole, "{}", reply.text());
        let record = app.records("acme").await.remove(0);
        assert_eq!(record.ending, ending, "{fault:?}");
        assert!(record.charged > Money::ZERO && record.charged <= record.held);
    }
    let records = app.records("acme").await;
    assert_eq!(records[2].charged, nanos(50 * 6_000 + 9 * 10_000), "five seconds, and what was written of them");
}

#[tokio::test]
async fn edits_of_images_are_charged_by_their_tokens() {
    let app = app().await;
    for (path, prompt) in [("/v1/images/edits", Some("a red circle")), ("/v1/images/variations", None)] {
        let mut parts: Vec<Part<'_>> = vec![("model", None, b"images"), ("n", None, b"2")];
        parts.extend(prompt.map(|prompt| ("prompt", None, prompt.as_bytes())));
        parts.extend([("image[]", Some("a.png"), &b"\x89PNG"[..]), ("image[]", Some("b.png"), b"\x89PNG")]);
        let reply = app.call(request(path, form(&parts))).await;
        assert_eq!((reply.status.as_u16(), reply.json()["data"].as_array().map(Vec::len)), (200, Some(2)));
        let text = reply.json()["usage"]["input_tokens_details"]["text_tokens"].as_i64().expect("counted");
        assert_eq!(amount(&reply, "mandant-cost-usd"), nanos(text * 5_000 + 272 * 8_000 + 2 * 272 * 40_000));
        assert!(amount(&reply, "mandant-hold-usd") >= nanos(16_000 * 8_000 + 2 * 2_000 * 40_000));
    }
    let usage = app.records("acme").await.remove(0).usage;
    assert_eq!((usage.images, usage.image_input, usage.image_output), (2, 272, 544));
    let late = form(&[("model", None, b"images"), ("image", Some("a.png"), b"x"), ("num_images", None, b"9")]);
    assert_eq!(app.call(request("/v1/images/edits", late)).await.status, 400, "what may ask for more");
}

/// An upstream that says what of a request has come, and answers when it has all of it.
struct Watched {
    listener: TcpListener,
}

impl Watched {
    async fn start() -> Watched {
        Watched { listener: TcpListener::bind("127.0.0.1:0").await.expect("a port") }
    }

    fn base_url(&self) -> String {
        format!("http://{}/v1", self.listener.local_addr().expect("an address"))
    }

    async fn app(&self, settings: Settings, more: &[Value]) -> TestApp {
        let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
        let mut model = models().remove(1);
        let mut upstreams = vec![json!({
            "id": "watched", "dialect": "openai", "base_url": self.base_url(), "api_keys": ["env:PATH"],
        })];
        upstreams.push(upstream(&provider.base_url()));
        upstreams.extend_from_slice(more);
        model["route"] = json!([{ "upstream": "watched" }, { "upstream": "sim", "tier": 2 }]);
        let resources = json!({ "upstream": upstreams, "model": [model], "tenant": [tenant("acme", json!({}))] });
        TestApp::over(provider, settings, resources).await
    }
}

/// Reads until `wanted` bytes have come in all, or the other side has closed.
async fn read_up_to(stream: &mut TcpStream, seen: &mut Vec<u8>, wanted: usize) {
    let mut buffer = vec![0; 64 << 10];
    while seen.len() < wanted {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => seen.extend_from_slice(&buffer[..length]),
        }
    }
}

/// Begins a call by hand: its head, and nothing of its body.
async fn begin(app: &TestApp, length: usize) -> TcpStream {
    let mut client = TcpStream::connect(app.relay.address()).await.expect("the relay listens");
    let head = format!(
        "POST {HEAR} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\nconnection: close\r\n\r\n",
        secret("acme")
    );
    client.write_all(head.as_bytes()).await.expect("the relay reads");
    client
}

async fn answer_of(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A relay that holds little, and a form of four megabytes.
fn frugal() -> Settings {
    Settings { body_bytes_max: 100 << 10, tenant_body_bytes_max: 100 << 10, ..Settings::default() }
}

fn large() -> (Vec<u8>, Vec<u8>) {
    let audio = file(4_000);
    let body = form(&[("model", None, b"by-second"), ("file", Some("a.wav"), &audio)]);
    (audio, body)
}

const HEARD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 58\r\n\r\n\
                     {\"text\":\"Hi.\",\"usage\":{\"type\":\"duration\",\"seconds\":1234}}\n";

#[tokio::test]
async fn a_file_passes_while_it_comes() {
    let watched = Watched::start().await;
    let app = watched.app(frugal(), &[]).await;
    let (_, body) = large();
    let mut client = begin(&app, body.len()).await;
    client.write_all(&body[..1 << 20]).await.expect("the relay reads");
    let (mut there, _) = watched.listener.accept().await.expect("the relay asks");
    let mut seen = Vec::new();
    // A megabyte is there before the rest was sent, and the relay may hold a tenth of that.
    read_up_to(&mut there, &mut seen, 1 << 20).await;
    assert!(seen.len() >= 1 << 20);
    client.write_all(&body[1 << 20..]).await.expect("the relay reads");
    let head = seen.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    read_up_to(&mut there, &mut seen, head + body.len()).await;
    assert!(seen[head..] == body, "the bytes are those of the client");
    let said = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
    assert!(said.contains(&format!("content-length: {}\r\n", body.len())), "{said}");
    there.write_all(HEARD.as_bytes()).await.expect("the relay reads");
    let answer = answer_of(client).await;
    assert!(answer.contains("\"Hi.\"") && answer.to_ascii_lowercase().contains("mandant-cost-usd: 0.1234"), "{answer}");
    let record = app.records("acme").await.remove(0);
    assert_eq!((record.ending, record.usage.seconds, record.charged), (Ending::Complete, 1_234, nanos(123_400_000)));
}

#[tokio::test]
async fn an_upload_that_breaks_off_costs_nothing() {
    let watched = Watched::start().await;
    let app = watched.app(frugal(), &[]).await;
    let (audio, body) = large();
    let unclosed = body[..body.len() - 6].to_vec();
    let two_models =
        form(&[("model", None, b"by-second"), ("file", Some("a.wav"), &audio), ("model", None, b"by-second")]);
    for (what, body, sent, said) in [
        ("its client leaves", body.clone(), 2 << 20, ""),
        ("it is not closed", unclosed.clone(), unclosed.len(), "invalid_request"),
        ("it names two models", two_models.clone(), two_models.len(), "ambiguous_request"),
    ] {
        let mut client = begin(&app, body.len()).await;
        let accepting = async {
            let (mut there, _) = watched.listener.accept().await.expect("the relay asks");
            let mut seen = Vec::new();
            read_up_to(&mut there, &mut seen, usize::MAX).await;
            seen
        };
        let sending = async {
            let _ = client.write_all(&body[..sent]).await;
            if said.is_empty() {
                drop(client);
                return String::new();
            }
            answer_of(client).await
        };
        let (seen, answer) = tokio::join!(accepting, sending);
        let head = seen.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        assert!(seen.len() - head < body.len(), "{what}: the request was never whole");
        assert!(answer.contains(said), "{what}: {answer}");
        assert!(said.is_empty() || answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
        app.settled().await;
    }
    assert_eq!(app.spent("acme"), Money::ZERO);
    assert!(app.written("acme").iter().all(|record| record.ending == Ending::Refused && record.charged == Money::ZERO));
    assert!(app.provider.requests().is_empty(), "what was sent in part is not sent elsewhere");
}

#[tokio::test]
async fn an_upload_goes_where_it_can_as_long_as_nothing_of_it_left() {
    let watched = Watched::start().await;
    let app = watched.app(frugal(), &[]).await;
    drop(watched);
    let (_, body) = large();
    let reply = app.call(request(HEAR, body.clone())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    // The second of the route knows the model by its own name, "by-second", which bills tokens.
    let sent = app.provider.take_requests().pop().expect("asked");
    assert!(sent.body == body);
    // What answers with an error had it, and its answer is the answer.
    app.provider.script([Fault::status(503)]);
    assert_eq!(app.call(request(HEAR, body)).await.status, 503);
}

#[tokio::test]
async fn what_has_to_be_held_is_bounded() {
    let app = app_with(Options::default(), frugal()).await;
    let (audio, body) = large();
    let file_first = form(&[("file", Some("a.wav"), &audio), ("model", None, b"by-second")]);
    let reply = app.call(request(HEAR, file_first)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["error"]["param"].as_str()),
        (400, Some("model")),
        "{}",
        reply.text()
    );
    let mut keyed = request(HEAR, body.clone());
    keyed.headers_mut().insert("idempotency-key", HeaderValue::from_static("k-1"));
    assert_eq!(app.call(keyed).await.status, 413);
    let app = app_with(Options::default(), Settings { upload_bytes_max: 1 << 20, ..frugal() }).await;
    let reply = app.call(request(HEAR, body)).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (413, "request_too_large"));
    assert!(app.provider.requests().is_empty());
}

#[tokio::test]
async fn a_form_that_comes_again_is_answered_as_before() {
    let app = app().await;
    let audio = file(2);
    let body = form(&[("model", None, b"by-second"), ("file", Some("a.wav"), &audio)]);
    let keyed = |body: Vec<u8>, boundary: &str| {
        let mut request = request(HEAR, body);
        let kind = format!("multipart/form-data; boundary={boundary}");
        request.headers_mut().insert("content-type", HeaderValue::from_str(&kind).expect("a type"));
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k-2"));
        request
    };
    let first = app.call(keyed(body.clone(), BOUNDARY)).await;
    app.records("acme").await;
    let other = "another-boundary";
    let text = |old: &[u8]| old.windows(BOUNDARY.len()).position(|window| window == BOUNDARY.as_bytes());
    let mut renamed = body.clone();
    while let Some(at) = text(&renamed) {
        renamed.splice(at..at + BOUNDARY.len(), other.bytes());
    }
    let again = app.call(keyed(renamed, other)).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let changed = form(&[("model", None, b"by-second"), ("file", Some("a.wav"), &audio[1..])]);
    assert_eq!(app.call(keyed(changed, BOUNDARY)).await.status, 422);
    assert_eq!(app.provider.requests().len(), 1);
}
