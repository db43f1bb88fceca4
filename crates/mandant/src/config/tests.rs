//! The files that people write, good and bad.

use super::form::Kind;
use super::settings::{self, FORM};
use super::*;

fn problems(text: &str) -> Vec<String> {
    let findings = settings::read("mandant.toml", text).expect_err("the file is bad");
    findings.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn config_default_toml_is_equal_to_the_defaults() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.default.toml");
    let written = std::fs::read_to_string(file).expect("config.default.toml stands at the root");
    assert_eq!(written, default_document(), "write it anew: mandant config default > config.default.toml");
    assert_eq!(settings::read("config.default.toml", &written).expect("it is good"), Settings::default());
}

#[test]
fn config_default_toml_names_every_key() {
    let document = default_document();
    for section in FORM.fields {
        let Kind::Table(form) = &section.kind else {
            assert!(document.contains(&format!("\n{} = ", section.name)), "{}", section.name);
            continue;
        };
        let start = document.find(&format!("[{}]\n", section.name)).expect("each section has its head");
        let end = document[start + 1..].find("\n[").map_or(document.len(), |end| start + 1 + end);
        for field in form.fields {
            let key = format!("\n{} = ", field.name);
            let unset = format!("\n#{} = ", field.name);
            let body = &document[start..end];
            assert!(body.contains(&key) || body.contains(&unset), "{}.{}", section.name, field.name);
        }
    }
}

#[test]
fn every_key_of_the_settings_reaches_its_field() {
    let text = r#"
data_dir = "/var/lib/mandant"
[relay]
listen = "[::]:1"
cors_origins = ["https://app.example", "app://obsidian.md"]
body_bytes_max = 1
answer_bytes_max = "2KiB"
stream_line_bytes_max = 3
head_bytes_max = "4 KiB"
headers_max = 15
connections_max = 6
connections_per_address_max = 7
http2_streams_max = 8
head_timeout = "9s"
stall_timeout = "25s"
tenant_body_bytes_max = "25MiB"
upload_bytes_max = "30MiB"
upload_timeout = "31s"
tenant_answer_bytes_max = "29MiB"
body_timeout = "10s"
stream_drain = "11s"
answer_drain = "12s"
shutdown_grace = "13s"
reserve_wait = "19s"
reserve_waiting_max = 20
output_floor_tokens = 21
end_users_max = 28
queue_wait = "22s"
queue_waiting_max = 23
queue_bytes_max = "24MiB"
queue_discipline = "fifo"
realtime_sessions_max = 26
realtime_message_bytes_max = "27MiB"
realtime_idle_timeout = "28s"
realtime_age_max = "29s"
batch_poll = "32s"
upstream_idle_max = 15
upstream_idle_timeout = "16s"
upstream_http2_connections_max = 17
extra_ca_file = "ca.pem"
[idempotency]
keep = "22s"
keys_max = 23
answer_bytes_max = "24KiB"
memory_bytes_max = "25KiB"
stored_bytes_max = "26KiB"
[control]
listen = "127.0.0.2:2"
[storage]
url = "sqlite"
durability = "strict"
journal_segment_bytes = "4MiB"
journal_bytes_max = "5MiB"
hold_deadline = "18s"
batch_deadline = "33s"
calls_kept = "27d"
hold_at_deadline = "release"
[secrets]
master_key = "env:KEY"
[log]
format = "json"
level = "debug,mandant_gateway=trace"
"#;
    let read = settings::read("mandant.toml", text).expect("the file is good");
    let seconds = core::time::Duration::from_secs;
    let relay = gateway::Settings {
        listen: "[::]:1".parse().expect("an address"),
        cors_origins: vec!["https://app.example".into(), "app://obsidian.md".into()],
        body_bytes_max: 1,
        answer_bytes_max: 2048,
        stream_line_bytes_max: 3,
        head_bytes_max: 4096,
        headers_max: 15,
        connections_max: 6,
        connections_per_address_max: 7,
        http2_streams_max: 8,
        head_timeout: seconds(9),
        stall_timeout: seconds(25),
        tenant_body_bytes_max: 25 << 20,
        upload_bytes_max: 30 << 20,
        upload_timeout: seconds(31),
        tenant_answer_bytes_max: 29 << 20,
        body_timeout: seconds(10),
        stream_drain: seconds(11),
        answer_drain: seconds(12),
        shutdown_grace: seconds(13),
        durability: gateway::Durability::Strict,
        boot: None,
        journal_segment_bytes: 4 << 20,
        journal_bytes_max: 5 << 20,
        hold_deadline: seconds(18),
        batch_deadline: seconds(33),
        calls_kept: seconds(27 * 86_400),
        charges_at_deadline: false,
        reserve_wait: seconds(19),
        reserve_waiting_max: 20,
        output_floor_tokens: 21,
        idempotency_keep: seconds(22),
        idempotency_keys_max: 23,
        idempotency_answer_bytes_max: 24 << 10,
        idempotency_memory_bytes_max: 25 << 10,
        idempotency_stored_bytes_max: 26 << 10,
        end_users_max: 28,
        queue_wait: seconds(22),
        queue_waiting_max: 23,
        queue_bytes_max: 24 << 20,
        queue_discipline: gateway::Discipline::Fifo,
        realtime_sessions_max: 26,
        realtime_message_bytes_max: 27 << 20,
        realtime_idle_timeout: seconds(28),
        realtime_age_max: seconds(29),
        batch_poll: seconds(32),
        upstream_idle_max: 15,
        upstream_idle_timeout: seconds(16),
        upstream_http2_connections_max: 17,
        extra_ca_file: Some("ca.pem".into()),
    };
    let expected = Settings {
        data_dir: "/var/lib/mandant".into(),
        relay,
        control_listen: "127.0.0.2:2".parse().expect("an address"),
        master_key: MasterKey::Env("KEY".into()),
        log_format: LogFormat::Json,
        log_level: "debug,mandant_gateway=trace".into(),
    };
    assert_eq!(read, expected);
}

#[test]
fn all_problems_of_the_settings_are_told_at_once() {
    let lines = problems(
        "data_dir = 5\n[relay]\nlistn = \"127.0.0.1:1\"\nlisten = \"nowhere\"\nbody_bytes_max = -1\nhead_timeout = 5\n\
         headers_max = 5000\nconnections_max = 1.5\n[storage]\nurl = \"sqlit\"\ndurabilty = \"power\"\n[logs]\nlevel = \"x\"\n",
    );
    let starts = [
        "mandant.toml:1: data_dir: must be a path as a text: put it in quotes",
        "mandant.toml:3: relay.listn: unknown key; did you mean \"listen\"?",
        "mandant.toml:4: relay.listen: must be an address and port",
        "mandant.toml:5: relay.body_bytes_max: must be a size above zero",
        "mandant.toml:6: relay.head_timeout: must be a span of time",
        "mandant.toml:7: relay.headers_max: must be a whole number from 10 to 1000",
        "mandant.toml:8: relay.connections_max: must be a whole number",
        "mandant.toml:10: storage.url: must be \"sqlite\"; did you mean \"sqlite\"?",
        "mandant.toml:11: storage.durabilty: unknown key; did you mean \"durability\"?",
        "mandant.toml:12: logs: unknown key; did you mean \"log\"?",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\nshould start with\n{start}");
    }
}

#[test]
fn broken_toml_is_told_with_its_line_beside_the_other_problems() {
    let lines = problems(
        "data_dir = \"x\n[relay]\nlistn = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:1\"\n",
    );
    assert!(lines[0].starts_with("mandant.toml:1: not valid TOML: "), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("mandant.toml:3: relay.listn: unknown key")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("mandant.toml:5: not valid TOML: duplicate key")), "{lines:#?}");
}

#[test]
fn a_named_file_that_is_missing_is_a_problem() {
    let findings = load(Some(Path::new("/nonexistent/mandant.toml"))).expect_err("there is no such file");
    assert!(findings.to_string().contains("cannot be read"), "{findings}");
}
