//! The page for Prometheus: what happened is in it, in a form that can be read, and without a line per tenant.

use std::collections::HashMap;
use std::time::Duration;

use mandant_gateway::Settings;
use serde_json::json;
use testkit::{Options, SimulatedProvider};

use crate::app::{TestApp, chat_model, tenant, upstream};

/// Every sample by its name and labels; a line that is neither a sample nor a comment is a mistake.
fn samples(page: &str) -> HashMap<String, f64> {
    let mut described = std::collections::HashSet::new();
    let mut samples = HashMap::new();
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            assert!(described.insert(comment.split(' ').next().unwrap().to_owned()), "described twice: {line}");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        let bare = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
        assert!(described.contains(family) || described.contains(bare), "{line} has no type");
        assert!(samples.insert(name.to_owned(), value.parse().expect("a number")).is_none(), "twice: {line}");
    }
    samples
}

#[tokio::test]
async fn what_happened_is_in_the_metrics() {
    let provider = SimulatedProvider::start(Options::default()).await.expect("the simulated provider starts");
    let mut sim = upstream(&provider.base_url());
    sim["concurrency"] = json!(1);
    let models = [chat_model("chat", "gpt-4.1"), chat_model("slow", "sim-delay-300")];
    let tenants = [
        tenant("acme", json!({ "limits": { "shadow": { "rpm": 1 } } })),
        tenant("tight", json!({ "limits": { "rpm": 1 } })),
    ];
    let resources = json!({ "upstream": [sim], "model": models, "tenant": tenants });
    let app = TestApp::over(provider, Settings::default(), resources).await;
    let before = samples(&app.relay.metrics());
    assert_eq!(before["mandant_answers_total{status=\"2xx\"}"], 0.0);
    assert_eq!((before["mandant_tenants"], before["mandant_keys"]), (2.0, 2.0));

    // Two at once at an upstream with one place: the second waits.
    let (first, second) = tokio::join!(app.chat("acme", "slow", json!({})), async {
        tokio::time::sleep(Duration::from_millis(80)).await;
        let during = samples(&app.relay.metrics());
        let second = app.chat("acme", "slow", json!({}));
        assert_eq!(during["mandant_upstream_places_taken{upstream=\"sim\"}"], 1.0);
        assert_eq!(during["mandant_holds_open"], 1.0);
        second.await
    });
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_eq!(app.chat("tight", "chat", json!({})).await.status, 200);
    assert_eq!(app.chat("tight", "chat", json!({})).await.status, 429);
    assert_eq!(app.chat("acme", "nothing", json!({})).await.code(), "model_not_found");
    app.settled().await;
    app.relay.flush();

    let page = app.relay.metrics();
    let after = samples(&page);
    let expected = [
        ("mandant_answers_total{status=\"2xx\"}", 3.0),
        ("mandant_refusals_total{code=\"rate_limited\"}", 1.0),
        ("mandant_refusals_total{code=\"model_not_found\"}", 1.0),
        ("mandant_window_refusals_total{window=\"requests_per_minute\"}", 1.0),
        ("mandant_shadow_refusals_total", 1.0),
        ("mandant_attempts_total{ending=\"complete\"}", 3.0),
        ("mandant_upstream_places{upstream=\"sim\"}", 1.0),
        ("mandant_upstream_places_taken{upstream=\"sim\"}", 0.0),
        ("mandant_upstream_waiting{upstream=\"sim\"}", 0.0),
        ("mandant_queue_wait_seconds_count{upstream=\"sim\"}", 1.0),
        ("mandant_queue_wait_seconds_bucket{upstream=\"sim\",le=\"0.050\"}", 0.0),
        ("mandant_queue_wait_seconds_bucket{upstream=\"sim\",le=\"1.000\"}", 1.0),
        ("mandant_queue_given_up_total{upstream=\"sim\"}", 0.0),
        ("mandant_holds_open", 0.0),
        ("mandant_holds_unknown", 0.0),
        ("mandant_journal_unapplied_bytes", 0.0),
    ];
    for (name, value) in expected {
        assert_eq!(after.get(name), Some(&value), "{name}\n{page}");
    }
    let waited = after["mandant_queue_wait_seconds_sum{upstream=\"sim\"}"];
    assert!((0.05..1.0).contains(&waited), "{waited}");
    assert!(after["process_resident_memory_bytes"] > 1e6 && after["process_open_fds"] > 3.0);
    assert!(!page.contains("acme") && !page.contains("tight"), "no tenant is named");
    // What is not known before: nothing is added by more calls or more tenants.
    assert!(after.len() < before.len() + 25, "{} lines, then {}", before.len(), after.len());
}
