//! What tenants weigh: measured as memory of the process, the allocator's own part included.
//! `cargo test --workspace --lib weight -- --ignored --nocapture --test-threads 1`.

use core::time::Duration;
use std::sync::Arc;

use admit::queue::{Ask, Discipline, Limit, Policy, Queue};
use base::{ModelId, Moment, Timestamp};
use ledger::{Amounts, Ending};
use serde_json::json;
use store::{ApplyOptions, Directory, Resources, Store};

use crate::authenticate::Path;
use crate::books::{Asked, Books};

/// The binary's, whose part is in the figures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TENANTS: usize = 100_000;
const ACTIVE: usize = 10_000;

/// What an idle tenant with a project and a key may take, when no name has more than 15 bytes.
const IDLE_BYTES_MAX: usize = 512;
/// What an active one may take beside it, with windows of a minute alone.
const ACTIVE_BYTES_MAX: usize = 2_048;

/// Memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// Takes whatever memory was freed and is still the process's, in blocks of every size, so that what is measured next has
/// to get its own. Keep it meanwhile.
fn soak() -> Vec<Vec<u8>> {
    const GROWTH: usize = 1 << 21;
    let mut blocks = Vec::with_capacity(1 << 24);
    for bytes in (8..=128).step_by(8).chain((144..=1_024).step_by(16)).chain((11..=20).map(|log| 1 << log)) {
        let start = resident();
        while resident() < start + GROWTH {
            blocks.extend((0..(1 << 17) / bytes + 1).map(|_| vec![1; bytes]));
        }
    }
    blocks
}

/// Limits of a tenant: as in the plan of those that set none, with a token window; or as most of those that set some.
fn limits(are_many: bool) -> serde_json::Value {
    if are_many {
        json!({ "rpm": 60, "rph": 1_000, "rpd": 10_000, "tpm": 200_000, "tokens_per_month": 1_000_000 })
    } else {
        json!({ "rpm": 120, "tpm": 200_000, "concurrency": 20 })
    }
}

/// A store with so many tenants, with a project and a key each or with none. No two have a name in common.
fn store(tenants: usize, has_key: bool, limits: &serde_json::Value) -> (tempfile::TempDir, Arc<Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    for block in 0..tenants / 10_000 {
        let of = |number: usize| {
            let name = format!("tenant_{:06}", block * 10_000 + number);
            let mut tenant = json!({ "id": name, "limits": limits, "budget": { "usd_per_month": "100.00" } });
            if has_key {
                let key =
                    json!({ "name": format!("key_{number}"), "secret": format!("a-secret-of-{name}-0123456789") });
                tenant["project"] = json!([{ "id": format!("project_{number}"), "key": [key] }]);
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
    let _soaked = soak();
    let before = resident();
    let second = Directory::load(store.clone()).unwrap();
    let bytes = (resident() - before) / tenants;
    (bytes, [first, second])
}

#[test]
#[ignore = "measures the memory of the process, which must do nothing else"]
fn what_a_tenant_weighs_idle_and_active() {
    let (_folder, bare) = store(TENANTS, false, &limits(true));
    let (bytes, _) = idle(&bare, TENANTS);
    println!("an idle tenant without project and key: {bytes} bytes");
    let (_folder, full) = store(TENANTS, true, &limits(true));
    let (bytes, _kept) = idle(&full, TENANTS);
    println!("an idle tenant with a project and a key: {bytes} bytes");
    assert!(bytes <= IDLE_BYTES_MAX, "{bytes} bytes");
    for are_many in [false, true] {
        let (_folder, store) = store(ACTIVE, true, &limits(are_many));
        let directory = Directory::load(store).unwrap();
        println!("an active tenant with a project and a key, a budget per month, and {}:", limits(are_many));
        let bytes = active(&directory);
        assert!(are_many || bytes <= ACTIVE_BYTES_MAX, "{bytes} bytes");
    }
}

/// Bytes of a tenant that `work` adds for each of them.
fn each(what: &str, paths: &[Path], mut work: impl FnMut(&Path)) -> usize {
    let before = resident();
    paths.iter().for_each(&mut work);
    let bytes = (resident() - before) / paths.len();
    println!("  {what}: {bytes} bytes");
    bytes
}

fn active(directory: &Directory) -> usize {
    let books = Books::new(1, 100, 100);
    let model = ModelId::new("m").unwrap();
    let (now, at) = (Moment::from_nanos(200_000_000_000_000), Timestamp::from_seconds(1_800_000_000));
    let key = |number| directory.find_key(format!("a-secret-of-tenant_{number:06}-0123456789").as_bytes());
    let paths: Vec<Path> = (0..ACTIVE).map(|number| key(number).unwrap().path()).collect();
    let _soaked = soak();
    let mut passes = Vec::with_capacity(ACTIVE);
    passes.resize_with(ACTIVE, || None);
    let mut next = passes.iter_mut();
    let books_bytes = each("windows and ledger, the project's and the key's included", &paths, |path| {
        let (pass, _) = books
            .admit(&Asked { path, model: &model, end_user: None, tokens: 100, is_in_session: false }, now)
            .unwrap();
        *next.next().unwrap() = Some(pass);
        let indexes = crate::books::indexes(path);
        let mut shard = books.shard(indexes[0]);
        let worst = Amounts { usd: base::Money::from_nanos(1_000), tokens: 100 };
        let attempt = books.next_attempt();
        let mut hold = shard.ledger.reserve(&indexes, attempt, worst, at);
        if hold == Err(ledger::NoHold::Unleased) {
            for lease in shard.ledger.leases_wanted(&indexes, worst, at) {
                shard.ledger.extend(&lease);
            }
            hold = shard.ledger.reserve(&indexes, attempt, worst, at);
        }
        let _ = shard.ledger.settle(hold.unwrap(), Ending::Complete(worst));
    });
    let waits = each("what its neighbours cost it", &paths, |path| {
        books.note_wait(path[0].index, Duration::from_millis(5), now);
    });
    let policy = Policy {
        requests_max: 10,
        bytes_max: 1 << 20,
        patience: Duration::from_secs(10),
        discipline: Discipline::Fair,
    };
    let mut queue = Queue::new(policy, Limit::new(Some(1)));
    let queued = each("a place in a queue, with a call that waits", &paths, |path| {
        let ask = Ask { tenant: path[0].index, weight: 1, priority: base::Priority::Normal, tokens: 100, bytes: 100 };
        let _ = queue.enter(&ask, now);
    });
    println!("  in all: {} bytes", books_bytes + waits + queued);
    books_bytes + waits + queued
}
