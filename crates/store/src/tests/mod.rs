//! One suite over a store in a temporary directory. It knows the store by its public face only, so that another backend
//! can be put under it.

#![expect(
    clippy::disallowed_methods,
    reason = "threads and real processes are watched here, which no paused clock moves"
)]

mod applying;
mod archiving;
mod directory;
mod entries;
mod fuzzed;
mod idempotency;
mod journaled;
mod lists;
mod measures;
mod posted;
mod problems;
mod recent;
mod round_trip;
mod secrets;
mod usage;
mod verifying;
mod wallets;

use std::sync::Arc;

use crate::{Applied, ApplyError, ApplyOptions, Record, Resources, Store, UsageRecord};

/// Writes ends of attempts without a journal.
pub(crate) fn record_usage(store: &Store, records: &[UsageRecord]) {
    let applied = store.applied().unwrap();
    store.apply_records(records.iter().cloned().map(Record::Settled), applied).unwrap();
}

/// A store that lives as long as the test.
pub(crate) struct Bench {
    pub(crate) store: Arc<Store>,
    pub(crate) dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        Bench { store: Arc::new(Store::open(dir.path()).unwrap()), dir }
    }

    /// The same data, as another process would open it.
    pub(crate) fn reopen(&self) -> Arc<Store> {
        Arc::new(Store::open(self.dir.path()).unwrap())
    }

    /// Writes ends of attempts without a journal.
    pub(crate) fn record_usage(&self, records: &[UsageRecord]) {
        record_usage(&self.store, records);
    }

    pub(crate) fn apply(&self, text: &str) -> Applied {
        self.store.apply(&parse(text), ApplyOptions::default()).unwrap()
    }

    pub(crate) fn prune(&self, text: &str) -> Applied {
        self.store.apply(&parse(text), ApplyOptions { prune: true, dry_run: false }).unwrap()
    }

    /// The problems of a file, as `path: message` lines.
    pub(crate) fn problems(&self, text: &str) -> Vec<String> {
        match self.store.apply(&parse(text), ApplyOptions::default()) {
            Err(ApplyError::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
            other => panic!("expected problems, got {other:?}"),
        }
    }
}

pub(crate) fn parse(text: &str) -> Resources {
    toml::from_str(text).unwrap()
}

/// What was done, as `action kind id` lines.
pub(crate) fn lines(applied: &Applied) -> Vec<String> {
    applied.changes.iter().map(|change| format!("{} {} {}", change.action, change.kind, change.id)).collect()
}

/// A secret for a key, of the imported kind.
pub(crate) const SECRET: &str = "imported-secret-0123456789";

/// An upstream, a model and a tenant with a key.
pub(crate) const SMALL: &str = r#"
[[upstream]]
id = "local"
dialect = "openai"
base_url = "http://127.0.0.1:9000/v1"
api_keys = ["env:LOCAL_KEY"]
timeouts = { connect = "5s", total = "10m" }

[[model]]
id = "small"
context_window = 1000
max_output_tokens = 100
route = [{ upstream = "local" }]
price = { input = "1.00", output = "2.00" }

[[tenant]]
id = "acme"
name = "Acme Ltd"
models = ["small"]
limits = { requests_per_minute = 5 }
budget = { usd_per_month = "10.00" }
timezone = "Europe/Berlin"
[[tenant.project]]
id = "search"
[[tenant.project.key]]
name = "ci"
secret = "imported-secret-0123456789"
ip_allow = ["10.0.0.0/8"]
"#;
