//! A restart gives nobody a fresh quota: what was used before counts in the windows, for as long as it would have.

use base::Timestamp;
use mandant_gateway::{BootId, Settings};
use serde_json::json;
use store::{ClockAnchor, Record, Store, UsageRecord};
use testkit::Options;

use crate::app::{TestApp, chat_model, models, secret, tenant};

/// A tenant with a limit of three requests a minute at this level of its one path.
fn limited(level: &str) -> serde_json::Value {
    let limits = json!({ "rpm": 3, "rph": 100 });
    let mut key = json!({ "name": "key", "secret": secret(level) });
    let mut project = json!({ "id": "main" });
    let mut whole = json!({ "id": level, "plan": "unlimited" });
    match level {
        "tenant" => whole["limits"] = limits,
        "project" => project["limits"] = limits,
        _ => key["limits"] = limits,
    }
    project["key"] = json!([key]);
    whole["project"] = json!([project]);
    whole
}

#[tokio::test]
async fn what_was_used_counts_after_a_restart_at_every_level() {
    let app = TestApp::start(vec![limited("tenant"), limited("project"), limited("key")]).await;
    for who in ["tenant", "project", "key"] {
        for _ in 0..3 {
            assert_eq!(app.chat(who, "chat", json!({})).await.status, 200);
        }
    }
    app.settled().await;
    let app = app.restarted().await;
    for who in ["tenant", "project", "key"] {
        let reply = app.chat(who, "chat", json!({})).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (429, "rate_limited".into()), "{who}");
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((50..=61).contains(&wait), "{who}: {wait}");
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0", "{who}");
    }
}

#[tokio::test]
async fn tokens_count_as_they_were_used_and_as_they_were_reserved_where_nobody_knows() {
    let limits = json!({ "limits": { "tpm": 30_000 } });
    let mut all = models();
    all.push(chat_model("vanishing", "sim-close-before-headers"));
    let tenants = vec![tenant("known", limits.clone()), tenant("unknown", limits)];
    let app = TestApp::with(Options::default(), Settings::default(), all, tenants).await;
    let more = json!({ "max_tokens": 900 });
    assert_eq!(app.chat("known", "chat", more.clone()).await.status, 200);
    assert_eq!(app.chat("unknown", "vanishing", more).await.status, 502);
    let used = |app: &TestApp, who: &str| {
        let status = app.relay.status(&base::TenantId::new(who).unwrap()).unwrap();
        serde_json::to_value(status).unwrap()["current_usage"]["tpm"].as_u64().unwrap()
    };
    let before = used(&app, "known");
    let reserved = used(&app, "unknown");
    assert!((1..500).contains(&before), "{before}");
    assert!(reserved > 900, "{reserved}");
    let app = app.restarted().await;
    assert_eq!((used(&app, "known"), used(&app, "unknown")), (before, reserved));
}

/// A record of `tenant` that is dated so many seconds before now.
fn dated(template: &UsageRecord, sequence: u64, seconds: i64) -> UsageRecord {
    let mut record = template.clone();
    record.attempt.sequence = sequence;
    record.at = Timestamp::from_micros(wall().micros() - seconds * 1_000_000);
    record
}

#[expect(clippy::disallowed_methods, reason = "records are dated by the wall clock")]
fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(since.as_micros().try_into().unwrap())
}

/// How long the machine has run, in microseconds.
fn since_boot() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = text.split(' ').next().unwrap().parse().unwrap();
    (seconds * 1e6) as u64
}

const BOOT: BootId = BootId([5; 16]);

/// A relay on a store whose tenant made three calls that are dated `ago` seconds before now, and whose wall clock was
/// moved by `step` seconds half a minute ago.
async fn after_a_step(ago: i64, step: i64) -> TestApp {
    let settings = |boot| Settings { boot: Some(boot), ..Settings::default() };
    let tenants = vec![limited("tenant")];
    let app = TestApp::with(Options::default(), settings(BootId([6; 16])), models(), tenants).await;
    assert_eq!(app.chat("tenant", "chat", json!({})).await.status, 200);
    let template = app.records("tenant").await.remove(0);
    let between = |store: &Store| {
        let records: Vec<_> = (1..4).map(|one| dated(&template, 1_000_000 + one, ago)).collect();
        let applied = store.applied().unwrap();
        store.apply_records(records.into_iter().map(Record::Settled), applied).unwrap();
        let anchor = |ago: i64, step: i64| ClockAnchor {
            boot: BOOT.0,
            since_boot_micros: since_boot().saturating_sub(ago.unsigned_abs() * 1_000_000),
            wall: Timestamp::from_micros(wall().micros() - (ago + step) * 1_000_000),
        };
        store.note_clock(&anchor(60, step)).unwrap();
        store.note_clock(&anchor(30, 0)).unwrap();
    };
    app.restarted_with(settings(BOOT), between).await
}

#[tokio::test]
async fn a_wall_clock_that_was_set_gives_nobody_a_fresh_quota() {
    // Ten minutes old by the wall clock, which was set forward by nine and a half: half a minute old.
    let app = after_a_step(600, 570).await;
    let reply = app.chat("tenant", "chat", json!({})).await;
    assert_eq!(reply.status, 429, "{}", reply.text());
    // Dated in the future, by a clock that was set back: they count as made now.
    let app = after_a_step(-3_600, -3_700).await;
    let reply = app.chat("tenant", "chat", json!({})).await;
    assert_eq!(reply.status, 429, "{}", reply.text());
    assert!(reply.header("retry-after").parse::<u64>().unwrap() <= 61);
    // Old calls with a clock that nobody set are old.
    let app = after_a_step(600, 0).await;
    assert_eq!(app.chat("tenant", "chat", json!({})).await.status, 200);
}
