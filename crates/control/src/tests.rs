//! The control interface as commands see it: requests in, answers out, over the real socket and in the process.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use base::{AttemptId, TenantId};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper::{Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use ledger::Amounts;
use serde_json::{Value, json};
use store::status::TenantStatus;
use store::{OpenHold, Store};

use crate::{Decision, Live, Resolution, Unresolved, router};

/// A relay that only counts how often it was refreshed.
#[derive(Default)]
struct FakeRelay {
    refreshed: Mutex<u32>,
}

impl Live for FakeRelay {
    fn status(&self, _: &TenantId) -> Option<TenantStatus> {
        None
    }

    fn explain(&self, key: &str, endpoint: &str, body: Bytes) -> Result<Value, String> {
        Ok(json!({"key": key, "endpoint": endpoint, "bytes": body.len()}))
    }

    fn flush(&self) {}

    fn holds(&self) -> Result<Vec<OpenHold>, String> {
        Ok(Vec::new())
    }

    fn resolve(&self, _: AttemptId, decision: Decision, _: &str) -> Result<Resolution, Unresolved> {
        match decision {
            Decision::Charge(usd) => Err(Unresolved::TooMuch { held: usd }),
            Decision::ChargeWhole => Ok(Resolution { charged: Amounts::ZERO, released: Amounts::ZERO }),
            Decision::Release => Err(Unresolved::NoSuchAttempt),
        }
    }

    fn refresh(&self) {
        *self.refreshed.lock().unwrap() += 1;
    }

    fn metrics(&self) -> Option<String> {
        Some("mandant_tenants 0\n".into())
    }

    fn ready(&self) -> bool {
        true
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    relay: Arc<FakeRelay>,
    router: TowerToHyperService<axum::Router>,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("data")).unwrap());
        let relay = Arc::new(FakeRelay::default());
        let router = TowerToHyperService::new(router(store, Some(relay.clone())));
        Bench { _folder: folder, relay, router }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        let answer = self.router.call(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{path}: {bytes:?} is not JSON")))
    }

    async fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {answer:#}");
        answer
    }
}

fn resources() -> Value {
    json!({
        "upstream": [{"id": "up", "dialect": "openai", "base_url": "http://127.0.0.1:9/v1", "api_keys": ["env:KEY"]}],
        "model": [{"id": "m", "route": [{"upstream": "up"}], "price": {"input": "1.00", "output": "2.00"},
                   "context_window": 1000, "max_output_tokens": 100}],
        "tenant": [{"id": "acme", "limits": {"requests_per_minute": 5}, "budget": {"usd_per_month": "10.00"},
                    "project": [{"id": "search", "key": [{"name": "ci"}]}]}]
    })
}

#[tokio::test]
async fn apply_tells_changes_and_new_secrets_once_and_is_idempotent() {
    let bench = Bench::new();
    let body = json!({"resources": resources()});
    let answer = bench.good("POST", "/v1/apply", body.clone()).await;
    assert_eq!(answer["secrets"][0]["key"], "acme/search/ci");
    assert!(answer["secrets"][0]["secret"].as_str().unwrap().starts_with("mk-"));
    let again = bench.good("POST", "/v1/apply", body).await;
    assert_eq!(again["secrets"], json!([]));
    assert!(again["changes"].as_array().unwrap().iter().all(|change| change["action"] == "unchanged"), "{again:#}");
}

#[tokio::test]
async fn a_change_is_in_force_before_it_is_confirmed_and_a_dry_run_changes_nothing() {
    let bench = Bench::new();
    bench.good("POST", "/v1/apply", json!({"resources": resources(), "dry_run": true})).await;
    assert_eq!(*bench.relay.refreshed.lock().unwrap(), 0);
    assert_eq!(bench.good("GET", "/v1/export", Value::Null).await, json!({}));
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    assert_eq!(*bench.relay.refreshed.lock().unwrap(), 1);
    bench.good("POST", "/v1/tenants/acme/suspend", Value::Null).await;
    assert_eq!(*bench.relay.refreshed.lock().unwrap(), 2);
    bench.good("PATCH", "/v1/tenants/acme", json!({"wallet": true})).await;
    // The fake relay has no figures of the wallet to show.
    bench.ask("POST", "/v1/tenants/acme/credits", json!({"usd": "5", "kind": "topup"})).await;
    assert_eq!(*bench.relay.refreshed.lock().unwrap(), 4);
}

#[tokio::test]
async fn all_problems_come_at_once_and_nothing_is_changed() {
    let bench = Bench::new();
    let mut bad = resources();
    bad["model"][0]["route"][0]["upstream"] = json!("nowhere");
    bad["tenant"][0]["models"] = json!(["unknown"]);
    let (status, answer) = bench.ask("POST", "/v1/apply", json!({"resources": bad})).await;
    assert_eq!(
        (status, answer["error"]["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid_resources"))
    );
    assert!(answer["error"]["problems"].as_array().unwrap().len() >= 2, "{answer:#}");
    assert_eq!(bench.good("GET", "/v1/export", Value::Null).await, json!({}));
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let bench = Bench::new();
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    let patch = json!({"limits": {"concurrency": 3}, "budget": null, "name": "Acme Ltd"});
    bench.good("PATCH", "/v1/tenants/acme", patch).await;
    let shown = bench.good("GET", "/v1/tenants/acme", Value::Null).await;
    assert_eq!(shown["limits"], json!({"requests_per_minute": 5, "concurrency": 3}));
    assert_eq!((shown.get("budget"), &shown["name"]), (None, &json!("Acme Ltd")));
    assert_eq!(shown["project"][0]["key"][0]["name"], "ci");
}

#[tokio::test]
async fn resources_are_created_shown_listed_and_deleted_one_by_one() {
    let bench = Bench::new();
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    bench.good("POST", "/v1/tenants/globex", json!({"priority": "high"})).await;
    bench.good("POST", "/v1/projects/globex%2Fmail", json!({})).await;
    bench.good("POST", "/v1/projects/globex%2Fmail%2Fouter", json!({"limits": {"concurrency": 2}})).await;
    let made = bench.good("POST", "/v1/keys/globex%2Fmail%2Fouter%2Fci", json!({})).await;
    assert_eq!(made["secrets"][0]["key"], "globex/mail/outer/ci");
    let keys = bench.good("GET", "/v1/keys?tenant=globex", Value::Null).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    let rotated = bench.good("POST", "/v1/keys/globex%2Fmail%2Fouter%2Fci/rotate", Value::Null).await;
    assert_ne!(rotated["secrets"][0]["secret"], made["secrets"][0]["secret"]);
    bench.good("POST", "/v1/keys/globex%2Fmail%2Fouter%2Fci/revoke", Value::Null).await;
    let key = bench.good("GET", "/v1/keys/globex%2Fmail%2Fouter%2Fci", Value::Null).await;
    assert_eq!(key["status"], "revoked");
    bench.good("DELETE", "/v1/projects/globex%2Fmail", Value::Null).await;
    bench.good("DELETE", "/v1/tenants/globex", Value::Null).await;
    let (status, _) = bench.ask("GET", "/v1/tenants/globex", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, answer) = bench.ask("DELETE", "/v1/upstreams/up", Value::Null).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "a model uses it: {answer}");
}

#[tokio::test]
async fn what_is_unknown_or_malformed_is_refused_with_a_code() {
    let bench = Bench::new();
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    let cases = [
        ("POST", "/v1/apply", json!({"resources": {}, "force": true}), 400, "malformed_request"),
        ("POST", "/v1/apply", json!({"resources": {"tenant": [{"id": "a", "admin": true}]}}), 400, "malformed_request"),
        ("PATCH", "/v1/tenants/acme", json!({"admin": true}), 400, "malformed_request"),
        ("PATCH", "/v1/tenants/acme", json!({"id": "other"}), 400, "malformed_request"),
        ("PATCH", "/v1/tenants/acme", json!({"project": []}), 400, "malformed_request"),
        ("PATCH", "/v1/tenants/nobody", json!({}), 404, "not_found"),
        ("POST", "/v1/tenants/acme", json!({}), 409, "already_exists"),
        ("POST", "/v1/keys/acme%2Fnone%2Fci", json!({}), 404, "not_found"),
        ("POST", "/v1/keys/acme", json!({}), 400, "malformed_request"),
        ("GET", "/v1/tenants/acme/usage?by=colour", Value::Null, 400, "malformed_request"),
        ("GET", "/v1/tenants/acme/usage?from=yesterday", Value::Null, 400, "malformed_request"),
        ("GET", "/v1/tenants/acme/usage?since=1", Value::Null, 400, "malformed_request"),
        ("GET", "/v1/tenants/nobody/usage", Value::Null, 404, "not_found"),
        ("GET", "/v1/tenants/nobody/calls", Value::Null, 404, "not_found"),
        ("GET", "/v1/tenants?tenant=nobody", Value::Null, 404, "not_found"),
        ("GET", "/v1/holds?tenants=acme", Value::Null, 400, "malformed_request"),
        ("POST", "/v1/holds/x/resolve", json!({"release": true}), 400, "malformed_request"),
        ("POST", "/v1/holds/1-2/resolve", json!({}), 400, "malformed_request"),
        ("POST", "/v1/holds/1-2/resolve", json!({"release": true, "charge_whole": true}), 400, "malformed_request"),
        ("POST", "/v1/holds/1-2/resolve", json!({"release": true}), 404, "not_found"),
        ("POST", "/v1/holds/1-2/resolve", json!({"charge": "-1"}), 422, "invalid_resources"),
        ("POST", "/v1/holds/1-2/resolve", json!({"charge": "1.00"}), 422, "invalid_resources"),
        ("POST", "/v1/tenants/acme/credits", json!({"usd": "5", "kind": "gift"}), 400, "malformed_request"),
        ("POST", "/v1/tenants/acme/credits", json!({"usd": "5", "kind": "topup"}), 422, "invalid_resources"),
        ("GET", "/v2/tenants", Value::Null, 404, "not_found"),
        ("POST", "/v1/explain", json!({}), 400, "malformed_request"),
    ];
    for (method, path, body, status, code) in cases {
        let (found, answer) = bench.ask(method, path, body.clone()).await;
        let told = (found.as_u16(), answer["error"]["code"].as_str().unwrap_or_default());
        assert_eq!(told, (status, code), "{method} {path} {body}: {answer}");
    }
}

#[tokio::test]
async fn usage_has_the_names_that_clients_rely_on() {
    let bench = Bench::new();
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    let usage = bench.good("GET", "/v1/tenants/acme/usage?by=model&from=2026-01-01", Value::Null).await;
    for name in [
        "tenant_id",
        "total_requests",
        "total_tokens",
        "total_cost_usd",
        "monthly_budget",
        "budget_remaining",
        "budget_utilization_pct",
    ] {
        assert!(usage.get(name).is_some(), "{name} in {usage:#}");
    }
    let calls = bench.good("GET", "/v1/tenants/acme/calls?limit=5&since=2026-01-01T00:00:00Z", Value::Null).await;
    assert_eq!(calls, json!({"tenant_id": "acme", "calls": [], "next_before": null}));
}

#[tokio::test]
async fn a_wallet_is_credited_once_by_reference_and_shown_with_every_movement() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("data")).unwrap());
    let router = TowerToHyperService::new(router(store, None));
    let bench = Bench { _folder: folder, relay: Arc::default(), router };
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    assert_eq!(bench.ask("GET", "/v1/tenants/acme/wallet", Value::Null).await.0, StatusCode::NOT_FOUND);
    bench.good("PATCH", "/v1/tenants/acme", json!({"wallet": true})).await;
    let topup = json!({"usd": "50.00", "kind": "topup", "reference": "payment 1"});
    for is_new in [true, false] {
        let report = bench.good("POST", "/v1/tenants/acme/credits", topup.clone()).await;
        assert_eq!((&report["is_new"], &report["wallet"]["balance_usd"]), (&json!(is_new), &json!("50.00")));
    }
    bench.good("POST", "/v1/tenants/acme/credits", json!({"usd": "20", "kind": "refund", "note": "back"})).await;
    bench.good("POST", "/v1/tenants/acme/credits", json!({"usd": "-0.000000001", "kind": "adjustment"})).await;
    let wallet = bench.good("GET", "/v1/tenants/acme/wallet", Value::Null).await;
    assert_eq!((&wallet["credited_usd"], &wallet["held_usd"]), (&json!("29.999999999"), &json!("0.00")));
    let list = bench.good("GET", "/v1/tenants/acme/credits", Value::Null).await;
    let amounts: Vec<&Value> = list["credits"].as_array().unwrap().iter().map(|credit| &credit["usd"]).collect();
    assert_eq!(amounts, ["0.00", "50.00", "-20.00", "-0.000000001"], "{list:#}");
}

#[tokio::test]
async fn without_a_serving_process_status_comes_from_the_records_and_explain_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(&folder.path().join("data")).unwrap());
    let router = TowerToHyperService::new(router(store, None));
    let bench = Bench { _folder: folder, relay: Arc::default(), router };
    bench.good("POST", "/v1/apply", json!({"resources": resources()})).await;
    let status = bench.good("GET", "/v1/tenants/acme/status", Value::Null).await;
    assert_eq!((&status["live"], &status["quota"]["rpm"]), (&json!(false), &json!(5)));
    assert_eq!((&status["remaining"]["budget_usd"], &status["is_blocked"]), (&json!("10.00"), &json!(false)));
    let names: Vec<&str> = status["accounts"].as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["search", "search/ci"]);
    let request = Request::post("/v1/explain").header("mandant-key", "k").header("mandant-endpoint", "/v1/x");
    let answer = bench.router.call(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn only_one_process_can_have_the_socket_and_a_leftover_is_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let leftover = std::os::unix::net::UnixListener::bind(folder.path().join(crate::SOCKET_NAME)).unwrap();
    drop(leftover);
    let socket = crate::ControlSocket::bind(folder.path()).await.unwrap();
    let mode = std::fs::metadata(socket.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = crate::ControlSocket::bind(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let path = socket.path().to_owned();
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_tcp_port_serves_health_and_nothing_else() {
    let router = TowerToHyperService::new(crate::health_router(Arc::new(FakeRelay::default())));
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/export", 404), ("/", 404), ("/v1/tenants", 404)]
    {
        let answer = router.call(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}
