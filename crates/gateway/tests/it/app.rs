//! A relay for one test: store in a temporary folder, simulated provider, tenants as the test wants them.

use std::sync::Arc;
use std::time::Duration;

use base::{Money, TenantId, Timestamp};
use mandant_gateway::{Running, Settings};
use serde_json::{Value, json};
use store::resource::Resources;
use store::{ApplyOptions, Directory, Store, UsageRecord};
use testkit::{Options, SimulatedProvider};

/// A running relay and what it stands between.
pub(crate) struct TestApp {
    pub(crate) provider: SimulatedProvider,
    pub(crate) relay: Running,
    pub(crate) store: Arc<Store>,
    pub(crate) directory: Arc<Directory>,
    /// Removed when the test ends.
    pub(crate) folder: tempfile::TempDir,
}

/// The secret of the key `name` in tests.
pub(crate) fn secret(name: &str) -> String {
    format!("test-secret-of-{name}-0123456789")
}

/// A tenant with one project "main" and one key "key", whose secret is `secret(id)`; `more` is merged in.
pub(crate) fn tenant(id: &str, more: Value) -> Value {
    let mut tenant = json!({
        "id": id, "plan": "unlimited",
        "project": [{ "id": "main", "key": [{ "name": "key", "secret": secret(id) }] }],
    });
    for (name, value) in more.as_object().expect("an object of settings") {
        tenant[name] = value.clone();
    }
    tenant
}

/// A relay with the tenants anna and berta.
pub(crate) async fn two_tenants() -> TestApp {
    TestApp::start(vec![tenant("anna", json!({})), tenant("berta", json!({}))]).await
}

/// What the provider calls an object of a tenant's.
pub(crate) fn opened(app: &TestApp, owner: &str, id: &str) -> String {
    let tenant = TenantId::new(owner).expect("a name");
    app.store.object_seal().open(&tenant, id).unwrap_or_else(|| panic!("{id} does not open for {owner}")).id
}

/// A chat model at $1.00 and $2.00 per 1M tokens, served under the name `upstream_model`.
pub(crate) fn chat_model(id: &str, upstream_model: &str) -> Value {
    json!({
        "id": id, "kind": "chat", "context_window": 100_000, "max_output_tokens": 1_000,
        "route": [{ "upstream": "sim", "model": upstream_model }],
        "price": { "input": "1.00", "output": "2.00", "cached_input": "0.25" },
    })
}

/// The upstream "sim" at `base_url`.
pub(crate) fn upstream(base_url: &str) -> Value {
    json!({ "id": "sim", "dialect": "openai", "base_url": base_url, "api_keys": ["env:PATH"] })
}

/// The models that most tests use: "chat" (plain), "vector" (embeddings), "text" (completions).
pub(crate) fn models() -> Vec<Value> {
    let vector = json!({
        "id": "vector", "kind": "embedding", "context_window": 8_192, "max_output_tokens": 0,
        "route": [{ "upstream": "sim", "model": "text-embedding-3-small" }], "price": { "input": "0.02" },
    });
    let text = json!({
        "id": "text", "kind": "completion", "context_window": 100_000, "max_output_tokens": 1_000,
        "route": [{ "upstream": "sim", "model": "gpt-3.5-turbo-instruct" }], "price": { "input": "1.00", "output": "2.00" },
    });
    vec![chat_model("chat", "gpt-4.1"), vector, text]
}

impl TestApp {
    /// The usual models and these tenants.
    pub(crate) async fn start(tenants: Vec<Value>) -> TestApp {
        TestApp::with(Options::default(), Settings::default(), models(), tenants).await
    }

    pub(crate) async fn with(options: Options, settings: Settings, models: Vec<Value>, tenants: Vec<Value>) -> TestApp {
        let provider = SimulatedProvider::start(options).await.expect("the simulated provider starts");
        let resources = json!({ "upstream": [upstream(&provider.base_url())], "model": models, "tenant": tenants });
        TestApp::over(provider, settings, resources).await
    }

    pub(crate) async fn over(provider: SimulatedProvider, settings: Settings, resources: Value) -> TestApp {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Arc::new(Store::open(&folder.path().join("data")).expect("the store opens"));
        apply(&store, resources);
        let directory = Directory::load(store.clone()).expect("the directory loads");
        let settings = Settings { listen: "127.0.0.1:0".parse().expect("an address"), ..settings };
        let relay = mandant_gateway::start(settings, store.clone(), directory.clone(), [7, 11])
            .await
            .expect("the relay starts");
        TestApp { provider, relay, store, directory, folder }
    }

    /// The same store under another process's relay, with the default settings.
    pub(crate) async fn restarted(self) -> TestApp {
        self.restarted_with(Settings::default(), |_| ()).await
    }

    /// The same with other settings, and something done to the store between the processes.
    pub(crate) async fn restarted_with(self, settings: Settings, between: impl FnOnce(&Store)) -> TestApp {
        let TestApp { provider, relay, store, directory, folder } = self;
        relay.stop().await;
        drop((store, directory));
        let store = Arc::new(Store::open(&folder.path().join("data")).expect("the store opens"));
        between(&store);
        let directory = Directory::load(store.clone()).expect("the directory loads");
        let settings = Settings { listen: "127.0.0.1:0".parse().expect("an address"), ..settings };
        // On a busy machine a connection of the one before may end a little after its process stopped.
        let mut tries = 0;
        let relay = loop {
            match mandant_gateway::start(settings.clone(), store.clone(), directory.clone(), [8, 12]).await {
                Ok(relay) => break relay,
                Err(error) if format!("{error:?}") == "Journal(Locked)" && tries < 100 => tries += 1,
                Err(error) => panic!("the relay does not start: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        TestApp { provider, relay, store, directory, folder }
    }

    /// Waits until nothing is held, at most five seconds: what the ledger promises of an idle relay.
    pub(crate) async fn settled(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while self.relay.open_holds() > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{} holds are left after 5 s", self.relay.open_holds());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All records of a tenant, once everything is settled and written.
    pub(crate) async fn records(&self, tenant: &str) -> Vec<UsageRecord> {
        self.settled().await;
        self.written(tenant)
    }

    /// All records of a tenant that are handed over now.
    pub(crate) fn written(&self, tenant: &str) -> Vec<UsageRecord> {
        self.relay.flush();
        let tenant = TenantId::new(tenant).expect("a tenant id");
        let mut records: Vec<UsageRecord> = Vec::new();
        loop {
            let last = records.last().map(|record| record.attempt);
            let page = self.store.calls(&tenant, Timestamp::EPOCH, 10_000, last).expect("calls are read");
            if page.is_empty() {
                return records;
            }
            records.extend(page);
        }
    }

    /// Charged to a tenant this month, as its status says it.
    pub(crate) fn spent(&self, tenant: &str) -> Money {
        let status = self.relay.status(&TenantId::new(tenant).expect("a tenant id")).expect("the tenant exists");
        status.figures.current_usage.total_cost_usd
    }
}

/// Applies resources; a problem in them is a mistake of the test.
pub(crate) fn apply(store: &Store, resources: Value) {
    let resources: Resources = serde_json::from_value(resources).expect("the shape of resources");
    if let Err(error) = store.apply(&resources, ApplyOptions::default()) {
        panic!("the resources cannot be applied: {error:?}");
    }
}
