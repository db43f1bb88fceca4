//! Commands beside a serving process, and the process itself: listeners, signals, the claim on its folder.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::sandbox::{RESOURCES, Sandbox, pause};

#[test]
fn a_change_by_command_is_in_force_when_the_command_ends() {
    let sandbox = Sandbox::new();
    let serving = sandbox.serve();
    let made = sandbox.good("apply -f resources.toml --json").json();
    let secret = made["secrets"][0]["secret"].as_str().unwrap().to_owned();
    let models = |secret: &str| {
        let head = format!("GET /v1/models HTTP/1.1\r\nAuthorization: Bearer {secret}");
        serving.http("relay", &head, "").0
    };
    assert_eq!(models(&secret), 200);
    sandbox.good("tenant suspend acme");
    assert_eq!(models(&secret), 403);
    sandbox.good("tenant resume acme");
    let rotated = sandbox.good("key rotate acme/search/ci --json").json();
    assert_eq!(models(&secret), 401);
    let secret = rotated["secrets"][0]["secret"].as_str().unwrap().to_owned();
    assert_eq!(models(&secret), 200);
    sandbox.good("key revoke acme/search/ci");
    assert_eq!(models(&secret), 401);
}

#[test]
fn apply_export_dry_run_and_prune_work_through_the_process() {
    let sandbox = Sandbox::new();
    let _serving = sandbox.serve();
    sandbox.good("apply -f resources.toml --dry-run");
    assert_eq!(sandbox.good("export --json").json(), json!({}));
    sandbox.good("apply -f resources.toml");
    sandbox.good("tenant create globex");
    let export = sandbox.good("export").out;
    assert!(export.contains("id = \"globex\""), "{export}");
    sandbox.good("apply -f resources.toml --prune");
    assert_eq!(sandbox.run("tenant show globex").code, 1);
    let said = sandbox.run_with("apply -f -", &export.replace("requests_per_minute = 5", "requests_per_minut = 5"));
    assert_eq!(said.code, 65, "{said:?}");
    let status = sandbox.good("status --tenant acme --json").json();
    assert_eq!((&status["live"], &status["quota"]["rpm"]), (&json!(true), &json!(5)));
}

#[test]
fn explain_says_what_a_call_would_cost_and_what_would_refuse_it() {
    let sandbox = Sandbox::new();
    let _serving = sandbox.serve();
    let made = sandbox.good("apply -f resources.toml --json").json();
    sandbox
        .write("body.json", r#"{"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}"#);
    let told = sandbox.good("explain --key acme/search/ci --file body.json --json").json();
    assert_eq!((&told["would_be_forwarded"], &told["worst_case"]["output_tokens"]), (&json!(true), &json!(50)));
    let table = sandbox.good("explain --key acme/search/ci --file body.json").out;
    for part in
        ["/v1/chat/completions (openai)", "tenant acme > project search > key ci", "only target of the first tier"]
    {
        assert!(table.contains(part), "{part}: {table}");
    }
    let secret = made["secrets"][0]["secret"].as_str().unwrap();
    let by_secret = sandbox.run_with("explain --key - --file body.json --json", secret);
    assert_eq!((by_secret.code, &by_secret.json()["model"]), (0, &json!("m")));
    let count = sandbox.good("explain --key acme/search/ci --endpoint /v1/messages/count_tokens --file body.json").out;
    assert!(count.contains("Mandant would answer this call itself, with an estimate"), "{count}");
    sandbox.write("body.json", r#"{"model": "other", "messages": []}"#);
    let refused = sandbox.good("explain --key acme/search/ci --file body.json");
    assert!(refused.out.contains("would be refused with 404 model_not_found"), "{refused:?}");
    assert_eq!(sandbox.run("explain --key acme/search/none --file body.json").code, 1);
}

#[test]
fn the_control_port_serves_health_only_and_the_socket_is_its_owners() {
    let sandbox = Sandbox::new();
    let serving = sandbox.serve();
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/export", 404), ("/v1/tenants", 404)]
    {
        let head = format!("GET {path} HTTP/1.1");
        assert_eq!(serving.http("control", &head, "").0, status, "{path}");
    }
    let mode = std::fs::metadata(sandbox.path("data/control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn both_signals_end_the_process_with_success_and_leave_nothing_behind() {
    for signal in [Signal::TERM, Signal::INT] {
        let sandbox = Sandbox::new();
        let mut serving = sandbox.serve();
        serving.signal(signal);
        assert!(serving.wait().success(), "{signal:?}");
        assert!(!sandbox.path("data/control.sock").exists());
        sandbox.good("tenant list");
    }
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_a_killed_one_is_replaced() {
    let sandbox = Sandbox::new();
    let mut first = sandbox.serve();
    let said = sandbox.run("serve");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("already served by process"), "{said:?}");
    first.signal(Signal::KILL);
    first.wait();
    assert!(sandbox.path("data/control.sock").exists(), "a killed process leaves its socket");
    sandbox.good("tenant list");
    let second = sandbox.serve();
    assert_eq!(second.http("control", "GET /readyz HTTP/1.1", "").0, 200);
}

#[test]
fn a_process_that_does_not_answer_is_not_worked_around() {
    let sandbox = Sandbox::new();
    let serving = sandbox.serve();
    std::fs::remove_file(sandbox.path("data/control.sock")).unwrap();
    let said = sandbox.run("tenant create acme");
    assert_eq!(said.code, 69, "{said:?}");
    assert!(said.err.contains("does not answer"), "{said:?}");
    drop(serving);
    pause(Duration::from_millis(100));
    sandbox.good("tenant create acme");
}

#[test]
fn a_port_in_use_is_told_with_its_name() {
    let sandbox = Sandbox::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (section, name) in [("relay", "listen on"), ("control", "control.listen")] {
        let other = if section == "relay" { "control" } else { "relay" };
        sandbox.write(
            "mandant.toml",
            &format!("data_dir = \"data\"\n[{section}]\nlisten = \"{address}\"\n[{other}]\nlisten = \"127.0.0.1:0\"\n"),
        );
        let said = sandbox.run("serve");
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains(name) && said.err.contains(&address.to_string()), "{said:?}");
    }
}

#[test]
fn a_stream_under_way_ends_whole_and_is_recorded_when_the_process_is_told_to_stop() {
    let event_loop = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options =
        testkit::Options { chunk_latency: Duration::from_millis(40), output_tokens: 25, ..testkit::Options::default() };
    let provider = event_loop.block_on(testkit::SimulatedProvider::start(options)).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("resources.toml", &RESOURCES.replace("http://127.0.0.1:9/v1", &provider.base_url()));
    let made = sandbox.good("apply -f resources.toml --json").json();
    let secret = made["secrets"][0]["secret"].as_str().unwrap().to_owned();
    let mut serving = sandbox.serve();

    let body =
        r#"{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 25}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json"
    );
    let (status, answer) = std::thread::scope(|scope| {
        let call = scope.spawn(|| serving.http("relay", &head, body));
        pause(Duration::from_millis(400));
        serving.signal(Signal::TERM);
        call.join().unwrap()
    });
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("[DONE]"), "{answer}");
    assert!(serving.wait().success());

    let calls = sandbox.good("calls --tenant acme --json").json();
    assert_eq!(calls["calls"].as_array().unwrap().len(), 1, "{calls:#}");
    assert_eq!((&calls["calls"][0]["ending"], &calls["calls"][0]["output_tokens"]), (&json!("complete"), &json!(25)));
    let status = sandbox.good("status --tenant acme --json").json();
    assert_eq!(status["current_usage"]["total_cost_usd"], calls["calls"][0]["cost_usd"]);
}

#[test]
fn a_call_that_was_answered_is_in_the_list_of_calls_at_once() {
    let event_loop = tokio::runtime::Runtime::new().unwrap();
    let provider = event_loop.block_on(testkit::SimulatedProvider::start(testkit::Options::default())).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("resources.toml", &RESOURCES.replace("http://127.0.0.1:9/v1", &provider.base_url()));
    let made = sandbox.good("apply -f resources.toml --json").json();
    let secret = made["secrets"][0]["secret"].as_str().unwrap().to_owned();
    let mut serving = sandbox.serve();
    let body = r#"{"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}"#;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json"
    );
    for count in 1..=5 {
        assert_eq!(serving.http("relay", &head, body).0, 200);
        let calls = sandbox.good("calls --tenant acme --json").json();
        assert_eq!(calls["calls"].as_array().unwrap().len(), count, "{calls:#}");
    }
    serving.signal(Signal::TERM);
    assert!(serving.wait().success());
}

#[test]
fn what_a_provider_counts_without_a_price_is_said_in_the_log() {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hello" }], "max_tokens": 5 });
    let answer = |audio: u32| {
        json!({
            "id": "chat", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hi" }, "finish_reason": "stop" }],
            "usage": {
                "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
                "completion_tokens_details": { "audio_tokens": audio },
            },
        })
    };
    let lines = [0, 2].map(|audio| {
        json!({
            "id": "recorded", "method": "POST", "path": "/v1/chat/completions", "request_body": body, "status": 200,
            "response_headers": { "content-type": "application/json" }, "response_body": answer(audio).to_string(),
        })
        .to_string()
    });
    let replay = testkit::Replay::read(lines.join("\n").as_bytes(), |_| true).unwrap();
    let event_loop = tokio::runtime::Runtime::new().unwrap();
    let options = testkit::Options { replay: Some(replay), ..testkit::Options::default() };
    let provider = event_loop.block_on(testkit::SimulatedProvider::start(options)).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("resources.toml", &RESOURCES.replace("http://127.0.0.1:9/v1", &provider.base_url()));
    let made = sandbox.good("apply -f resources.toml --json").json();
    let secret = made["secrets"][0]["secret"].as_str().unwrap().to_owned();
    let serving = sandbox.serve();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json"
    );
    for said in [false, true] {
        assert_eq!(serving.http("relay", &head, &body.to_string()).0, 200);
        let calls = sandbox.good("calls --tenant acme --json").json();
        assert_eq!(calls["calls"][0]["output_tokens"], 4, "{calls:#}");
        let log = sandbox.log_tail();
        let alarms =
            log.lines().filter(|line| line.contains("a provider counted what has no price; the operator pays"));
        let alarms: Vec<&str> = alarms.collect();
        let is_told = |line: &&str| line.contains("ERROR") && line.contains("audio_output") && line.contains("model=m");
        assert!(alarms.len() == usize::from(said) && alarms.iter().all(is_told), "{said}: {log}");
    }
}
