//! What tenants weigh: measured as memory of the process, the allocator's own part included.
//! `cargo test --release -p mandant-gateway weight -- --ignored --nocapture --test-threads 1`.

use core::time::Duration;
use std::sync::Arc;

use base::{ModelId, Moment, Timestamp};
use ledger::{Amounts, Ending};
use serde_json::json;
use store::{ApplyOptions, Directory, Resources, Store};

use crate::authenticate::Path;
use crate::books::{Asked, Books};

const TENANTS: usize = 100_000;
const ACTIVE: usize = 10_000;

/// Memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// A store with so many tenants, with a project and a key each or with none.
fn store(tenants: usize, has_key: bool) -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let limits = json!({ "rpm": 60, "rph": 1_000, "rpd": 10_000, "tpm": 200_000, "tokens_per_month": 1_000_000 });
    for block in 0..tenants / 10_000 {
        let of = |number: usize| {
            let name = format!("tenant_{:06}", block * 10_000 + number);
            let mut tenant = json!({ "id": name, "limits": limits, "budget": { "usd_per_month": "100.00" } });
            if has_key {
                let key = json!({ "name": "key", "secret": format!("a-secret-of-{name}-0123456789") });
                tenant["project"] = json!([{ "id": "main", "key": [key] }]);
            }
            tenant
        };
        let resources = json!({ "tenant": (0..10_000).map(of).collect::<Vec<_>>() });
        let resources: Resources = serde_json::from_value(resources).unwrap();
        store.apply(&resources, ApplyOptions::default()).unwrap();
    }
    (folder, store)
}

/// Bytes a tenant takes in a directory that is loaded beside another one, so that what a first one needs is not counted.
/// Both are kept, so that what is measured next finds no memory that was freed.
fn idle(store: &Arc<Store>, tenants: usize) -> (usize, [Arc<Directory>; 2]) {
    let first = Directory::load(store.clone()).unwrap();
    let before = resident();
    let second = Directory::load(store.clone()).unwrap();
    let bytes = (resident() - before) / tenants;
    (bytes, [first, second])
}

#[test]
#[ignore = "measures the memory of the process, which must do nothing else"]
fn what_a_tenant_weighs_idle_and_active() {
    let (_folder, bare) = store(TENANTS, false);
    let (bytes, _) = idle(&bare, TENANTS);
    println!("an idle tenant without project and key: {bytes} bytes");
    let (_folder, full) = store(TENANTS, true);
    let (bytes, [directory, _kept]) = idle(&full, TENANTS);
    println!("an idle tenant with a project and a key: {bytes} bytes");

    let books = Books::new(1, 100, 100);
    let model = ModelId::new("m").unwrap();
    let (now, at) = (Moment::from_nanos(200_000_000_000_000), Timestamp::from_seconds(1_800_000_000));
    let paths: Vec<Path> = (0..ACTIVE)
        .map(|number| {
            let key = directory.find_key(format!("a-secret-of-tenant_{number:06}-0123456789").as_bytes());
            key.unwrap().path()
        })
        .collect();
    let before = resident();
    for path in &paths {
        let (pass, _) = books.admit(&Asked { path, model: &model, end_user: None, tokens: 100 }, now).unwrap();
        books.shard(path[0].index).admission.settle(pass, 50, now);
    }
    let windows = (resident() - before) / ACTIVE;
    let before = resident();
    for path in &paths {
        books.note_wait(path[0].index, Duration::from_millis(5), now);
    }
    let waits = (resident() - before) / ACTIVE;
    for path in &paths {
        let indexes = crate::books::indexes(path);
        let mut shard = books.shard(indexes[0]);
        let worst = Amounts { usd: base::Money::from_nanos(1_000), tokens: 100 };
        let attempt = books.next_attempt();
        match shard.ledger.reserve(&indexes, attempt, worst, at) {
            Ok(hold) => drop(shard.ledger.settle(hold, Ending::Refused)),
            Err(ledger::NoHold::Unleased) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    println!("an active tenant's windows and ledger, its project's and key's included: {windows} bytes");
    println!("what its neighbours cost it: {waits} bytes; in a queue: see the tests of mandant-admit");
}
