//! Secrets never reach the disk or a log in the clear.

use std::os::unix::fs::PermissionsExt;

use super::{Bench, SMALL, parse};
use crate::{Action, Directory, MasterKeySource, Store};

const CANARY_KEY: &str = "canary-of-a-tenant-0123456789";
const CANARY_CREDENTIAL: &str = "sk-canary-of-an-upstream-0123456789";

fn canary_file() -> String {
    SMALL.replace(super::SECRET, CANARY_KEY).replace("env:LOCAL_KEY", CANARY_CREDENTIAL)
}

#[test]
fn a_canary_secret_is_in_no_file_and_no_debug_output() {
    let bench = Bench::new();
    let resources = parse(&canary_file());
    let applied = bench.store.apply(&resources, crate::ApplyOptions::default()).unwrap();
    let directory = Directory::load(bench.store.clone()).unwrap();
    let key = directory.find_key(CANARY_KEY.as_bytes()).unwrap();
    let exported = bench.store.export().unwrap();
    let told = format!(
        "{resources:?} {applied:?} {directory:?} {key:?} {:?} {exported:?} {}",
        bench.store,
        toml::to_string(&exported).unwrap()
    );
    let mut places = vec![("debug output".to_owned(), told.into_bytes())];
    for entry in std::fs::read_dir(bench.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    assert!(places.len() >= 4, "database, log and master key at least");
    for (place, bytes) in places {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("canary"), "{place}");
    }
    let catalog = directory.catalog();
    let keys = &catalog.upstream("local").unwrap().api_keys;
    assert_eq!(*keys, [catalog::KeySource::Inline(base::Secret::new(CANARY_CREDENTIAL.into()))]);
}

#[test]
fn a_sealed_credential_is_unchanged_when_given_again_in_either_form() {
    let bench = Bench::new();
    bench.apply(&canary_file());
    let unchanged = |applied: &crate::Applied| applied.changes.iter().all(|change| change.action == Action::Unchanged);
    assert!(unchanged(&bench.apply(&canary_file())));
    let exported = bench.store.export().unwrap();
    assert!(unchanged(&bench.store.apply(&exported, crate::ApplyOptions::default()).unwrap()));
    let other = Bench::new();
    let refused = other.store.apply(&exported, crate::ApplyOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("another master key"), "{refused}");
}

#[test]
fn the_data_directory_belongs_to_its_owner_alone() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("data");
    drop(Store::open(&dir).unwrap());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_foreign_or_missing_master_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let path = dir.path().join("master.key");
    let good = std::fs::read_to_string(&path).unwrap();
    let given = MasterKeySource::Given(base::Secret::new(good.clone()));
    Store::open_with(dir.path(), &given).unwrap();
    let foreign = MasterKeySource::Given(base::Secret::new("0".repeat(64)));
    assert!(Store::open_with(dir.path(), &foreign).unwrap_err().to_string().contains("not the one"));
    std::fs::remove_file(&path).unwrap();
    assert!(Store::open(dir.path()).unwrap_err().to_string().contains("backup"));
    assert!(!path.exists(), "a new key would only hide the loss");
}

#[test]
fn two_first_starts_at_once_agree() {
    let dir = tempfile::tempdir().unwrap();
    let stores: Vec<Store> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Store::open(dir.path()).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    stores[0].apply(&parse(SMALL), crate::ApplyOptions::default()).unwrap();
    for store in stores {
        let directory = Directory::load(std::sync::Arc::new(store)).unwrap();
        assert!(directory.find_key(super::SECRET.as_bytes()).is_some(), "all have the same pepper");
    }
}
