//! The live directory: what is found, and how soon changes are in force.

use core::time::Duration;
use std::time::Instant;

use base::{KeyId, ScopeLevel, TenantId, Timestamp};

use super::{Bench, SECRET, SMALL};
use crate::resource::TenantStatus;
use crate::{ApplyOptions, Directory, ProjectPath};

fn names() -> (TenantId, ProjectPath, KeyId) {
    (TenantId::new("acme").unwrap(), ProjectPath::parse("search").unwrap(), KeyId::new("ci").unwrap())
}

/// Waits until something holds; returns how long that took.
fn wait_until(what: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(5), "it never came into force");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    start.elapsed()
}

#[test]
fn a_key_is_found_by_its_secret_with_the_accounts_of_its_path() {
    let bench = Bench::new();
    bench.apply(&format!("{SMALL}\n[[tenant.project.project]]\nid = \"inner\"\nlimits = {{ rpm = 3 }}\n[[tenant.project.project.key]]\nname = \"deep\"\nsecret = \"deep-secret-0123456789\"\n"));
    let directory = Directory::load(bench.store.clone()).unwrap();
    let key = directory.find_key(b"deep-secret-0123456789").unwrap();
    let accounts = key.path();
    let path: Vec<_> = accounts.iter().map(|account| (account.level, &*account.name)).collect();
    let expected = [
        (ScopeLevel::Tenant, "acme"),
        (ScopeLevel::Project, "search"),
        (ScopeLevel::Project, "search/inner"),
        (ScopeLevel::Key, "deep"),
    ];
    assert_eq!(path, expected);
    assert_eq!(key.path()[0].settings().limits.own.rpm, Some(5));
    assert_eq!(key.path()[2].settings().limits.own.rpm, Some(3));
    assert_eq!(key.path()[3].settings().zone, jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
    assert_eq!((key.project().as_str(), key.tenant().id().as_str()), ("search/inner", "acme"));
    let ci = directory.find_key(SECRET.as_bytes()).unwrap();
    assert!(ci.allows_address("10.1.2.3".parse().unwrap()) && !ci.allows_address("192.0.2.1".parse().unwrap()));
    assert_eq!(directory.tenant("acme").unwrap().keys().len(), 2);
    assert_eq!(directory.catalog().model("small").unwrap().route[0].upstream.as_str(), "local");
}

#[test]
fn garbage_finds_nothing() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let long = vec![b'x'; 100_000];
    let near = &SECRET[..SECRET.len() - 1];
    for presented in [b"".as_slice(), b"mk-", near.as_bytes(), b"' OR 1=1 --", &[0, 255, 254], &long] {
        assert!(directory.find_key(presented).is_none());
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..10_000 {
        let presented: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
        assert!(directory.find_key(&presented).is_none());
    }
}

#[test]
fn a_revoked_key_is_known_as_revoked_without_a_restart() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let (tenant, project, key) = names();
    assert!(!directory.find_key(SECRET.as_bytes()).unwrap().revoked());
    bench.store.revoke_key(&tenant, &project, &key).unwrap();
    assert_eq!(directory.sync().unwrap(), 1, "one change, one row read");
    assert!(directory.find_key(SECRET.as_bytes()).unwrap().revoked());
    bench.store.delete_key(&tenant, &project, &key).unwrap();
    directory.sync().unwrap();
    assert!(directory.find_key(SECRET.as_bytes()).is_none());
    assert_eq!(directory.sync().unwrap(), 0);
}

#[test]
fn changes_of_another_process_are_in_force_within_a_second_and_own_ones_at_once() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let _watch = directory.watch().unwrap();
    let (tenant, project, key) = names();
    let account = directory.tenant("acme").unwrap().account.clone();

    bench.store.set_tenant_status(&tenant, TenantStatus::Suspended).unwrap();
    let own = wait_until(|| account.settings().suspended);
    assert!(own < Duration::from_millis(150), "{own:?}");

    let other = bench.reopen();
    other.revoke_key(&tenant, &project, &key).unwrap();
    let foreign = wait_until(|| directory.find_key(SECRET.as_bytes()).unwrap().revoked());
    assert!(foreign < Duration::from_secs(1), "{foreign:?}");
}

#[test]
fn a_rotated_key_has_a_new_secret_and_the_same_account() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let (tenant, project, key) = names();
    let index = directory.find_key(SECRET.as_bytes()).unwrap().account().index;
    let secret = bench.store.rotate_key(&tenant, &project, &key).unwrap();
    directory.sync().unwrap();
    assert!(directory.find_key(SECRET.as_bytes()).is_none());
    assert_eq!(directory.find_key(secret.expose().as_bytes()).unwrap().account().index, index);
}

#[test]
fn a_key_that_comes_back_does_not_take_what_another_has_its_old_secret() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let (tenant, project, key) = names();
    let index = directory.find_key(SECRET.as_bytes()).unwrap().account().index;
    bench.store.delete_key(&tenant, &project, &key).unwrap();
    directory.sync().unwrap();
    let other = SMALL.replace("name = \"ci\"", "name = \"other\"");
    assert_ne!(other, SMALL);
    bench.apply(&other);
    directory.sync().unwrap();
    assert_eq!(directory.find_key(SECRET.as_bytes()).unwrap().id().as_str(), "other");
    bench.apply(&SMALL.replace(SECRET, "quite-another-secret-0123456789"));
    directory.sync().unwrap();
    assert_eq!(directory.find_key(b"quite-another-secret-0123456789").unwrap().account().index, index);
    assert_eq!(directory.find_key(SECRET.as_bytes()).unwrap().id().as_str(), "other");
    assert_eq!(directory.tenant("acme").unwrap().keys().len(), 2);
}

#[test]
fn an_account_deleted_and_created_again_is_the_same_account() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let indexes = || -> Vec<_> {
        let key = directory.find_key(SECRET.as_bytes()).unwrap();
        key.path().iter().map(|account| account.index).collect()
    };
    let before = indexes();
    bench.prune("");
    directory.sync().unwrap();
    assert!(directory.find_key(SECRET.as_bytes()).is_none() && directory.tenant("acme").is_none());
    assert!(directory.catalog().model("small").is_none());
    bench.apply(SMALL);
    directory.sync().unwrap();
    assert_eq!(indexes(), before, "nobody gets a fresh budget that way");
}

#[test]
fn settings_change_in_place_and_their_version_grows() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let key = directory.find_key(SECRET.as_bytes()).unwrap();
    let version = key.path()[0].settings().version;
    let key_version = key.account().settings().version;
    bench.apply(
        &SMALL.replace("requests_per_minute = 5", "requests_per_minute = 9").replace("Europe/Berlin", "Asia/Kathmandu"),
    );
    directory.sync().unwrap();
    let settings = key.path()[0].settings();
    assert_eq!(settings.limits.own.rpm, Some(9));
    assert!(settings.version > version);
    assert_eq!(key.account().settings().zone, settings.zone, "the zone reaches every account below");
    assert!(key.account().settings().version > key_version);
}

#[test]
fn changes_one_by_one_and_a_fresh_load_agree() {
    let bench = Bench::new();
    let live = Directory::load(bench.store.clone()).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..60 {
        let mut text = SMALL[..SMALL.find("[[tenant]]").unwrap()].to_owned();
        for tenant in 0..3 {
            if random.bool() {
                text += &format!("[[tenant]]\nid = \"t{tenant}\"\nlimits = {{ rpm = {} }}\n", random.u32(1..5));
                for key in 0..3 {
                    if random.bool() {
                        text += &format!(
                            "[[tenant.project]]\nid = \"p{key}\"\n[[tenant.project.key]]\nname = \"k\"\nsecret = \"secret-{tenant}-{key}-{}-0123456789\"\n",
                            random.u32(..2)
                        );
                    }
                }
            }
        }
        let prune = random.bool();
        bench.store.apply(&super::parse(&text), ApplyOptions { prune, dry_run: false }).unwrap();
        live.sync().unwrap();
        let fresh = Directory::load(bench.store.clone()).unwrap();
        assert_eq!(live.keys_count(), fresh.keys_count());
        let told = |directory: &Directory| -> Vec<String> {
            let tenants = directory.tenants();
            let keys = tenants.iter().flat_map(|tenant| tenant.keys());
            let keys = keys.map(|key| {
                format!("{}/{}/{} {:?}", key.tenant().id(), key.project(), key.id(), key.path()[0].settings().limits)
            });
            tenants.iter().map(|tenant| format!("{} {}", tenant.id(), tenant.projects().len())).chain(keys).collect()
        };
        assert_eq!(told(&live), told(&fresh));
        for (tenant, key, version) in (0..3).flat_map(|t| (0..3).flat_map(move |k| (0..2).map(move |v| (t, k, v)))) {
            let secret = format!("secret-{tenant}-{key}-{version}-0123456789");
            let find = |directory: &Directory| directory.find_key(secret.as_bytes()).map(|key| key.project().clone());
            assert_eq!(find(&live), find(&fresh), "{secret}");
        }
    }
}

#[test]
fn only_one_process_serves() {
    let bench = Bench::new();
    assert!(crate::Store::serving_process(bench.dir.path()).unwrap().is_none());
    let guard = bench.store.claim_serving().unwrap();
    let other = bench.reopen();
    let refusal = other.claim_serving().unwrap_err().to_string();
    assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
    assert!(crate::Store::serving_process(bench.dir.path()).unwrap().is_some());
    other.apply(&super::parse(SMALL), ApplyOptions::default()).unwrap();
    drop(guard);
    other.claim_serving().unwrap();
}

#[test]
fn epochs_grow_over_restarts() {
    let bench = Bench::new();
    let first = bench.store.next_epoch().unwrap();
    let second = bench.reopen().next_epoch().unwrap();
    assert!(first >= 1 && second > first);
}

#[test]
fn expiry_is_told_as_it_was_written() {
    let bench = Bench::new();
    bench.apply(&SMALL.replace("name = \"ci\"", "name = \"ci\"\nexpires = \"2100-01-01T01:00:00+01:00\""));
    let directory = Directory::load(bench.store.clone()).unwrap();
    assert_eq!(directory.find_key(SECRET.as_bytes()).unwrap().expires(), Some(Timestamp::from_seconds(4_102_444_800)));
}
