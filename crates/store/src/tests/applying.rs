//! Apply: idempotent, all or nothing, pruning, prices.

use base::{TenantId, Timestamp};

use super::{Bench, SECRET, SMALL, lines, parse};
use crate::resource::{KeyStatus, TenantStatus};
use crate::{Action, ApplyOptions, Directory, ProjectPath, Resources};

#[test]
fn applying_the_same_file_twice_changes_nothing() {
    let bench = Bench::new();
    let first = bench.apply(SMALL);
    assert_eq!(
        lines(&first),
        [
            "created upstream local",
            "created model small",
            "created tenant acme",
            "created project acme/search",
            "created key acme/search/ci"
        ]
    );
    let head = bench.store.head().unwrap();
    for applied in [bench.apply(SMALL), bench.prune(SMALL)] {
        assert!(applied.changes.iter().all(|change| change.action == Action::Unchanged), "{:?}", lines(&applied));
        assert!(applied.new_secrets.is_empty());
    }
    assert_eq!(bench.store.head().unwrap(), head, "nothing came into the feed");
}

#[test]
fn a_change_is_reported_by_its_settings() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let applied =
        bench.apply(&SMALL.replace("requests_per_minute = 5", "requests_per_minute = 6").replace("Acme Ltd", "Acme"));
    let changed: Vec<_> = applied.changes.iter().filter(|change| change.action == Action::Updated).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].id.as_str(), changed[0].details.clone()),
        ("acme", vec!["limits".to_owned(), "name".to_owned()])
    );
}

#[test]
fn nothing_is_half_applied_when_there_is_a_problem() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let before = bench.store.export().unwrap();
    let mut resources = parse(&SMALL.replace("Acme Ltd", "Changed").replace("small", "other"));
    resources.tenant[0].timezone = Some("Mars/Base".into());
    assert!(bench.store.apply(&resources, ApplyOptions::default()).is_err());
    assert_eq!(bench.store.export().unwrap(), before);
    assert_eq!(bench.store.head().unwrap(), 5);
}

#[test]
fn a_dry_run_reports_everything_and_changes_nothing() {
    let bench = Bench::new();
    let text = SMALL.replace(&format!("secret = \"{SECRET}\"\n"), "");
    let dry = bench.store.apply(&parse(&text), ApplyOptions { dry_run: true, prune: false }).unwrap();
    assert_eq!(dry.changes.len(), 5);
    assert!(dry.new_secrets.is_empty(), "a secret that will not be stored must not be shown");
    assert_eq!(bench.store.export().unwrap(), Resources::default());
    assert_eq!(bench.store.head().unwrap(), 0);
}

#[test]
fn pruning_deletes_what_is_absent_and_only_that() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let second = SMALL.replace("\"acme\"", "\"beta\"").replace(SECRET, "another-secret-0123456789");
    bench.apply(&second);
    assert_eq!(bench.store.export().unwrap().tenant.len(), 2);
    let applied = bench.prune(SMALL);
    let deleted: Vec<String> = lines(&applied).into_iter().filter(|line| line.starts_with("deleted")).collect();
    assert_eq!(deleted, ["deleted key beta/search/ci", "deleted project beta/search", "deleted tenant beta"]);
    let directory = Directory::load(bench.store.clone()).unwrap();
    assert!(
        directory.find_key(b"another-secret-0123456789").is_none() && directory.find_key(SECRET.as_bytes()).is_some()
    );
    bench.prune("");
    assert_eq!(bench.store.export().unwrap(), Resources::default());
    bench.apply(SMALL);
    assert_eq!(lines(&bench.prune(SMALL)).iter().filter(|line| line.starts_with("unchanged")).count(), 5);
}

#[test]
fn a_pruned_key_frees_its_secret_for_another_name_in_the_same_file() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let renamed = SMALL.replace("name = \"ci\"", "name = \"build\"");
    assert_eq!(bench.problems(&renamed).len(), 1, "without prune both keys would have it");
    bench.prune(&renamed);
    let directory = Directory::load(bench.store.clone()).unwrap();
    assert_eq!(directory.find_key(SECRET.as_bytes()).unwrap().id().as_str(), "build");
}

#[test]
fn a_key_without_a_secret_keeps_the_stored_one_or_gets_a_new_one_once() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let without = SMALL.replace(&format!("secret = \"{SECRET}\"\n"), "");
    assert!(bench.apply(&without).changes.iter().all(|change| change.action == Action::Unchanged));
    let beta = without.replace("\"acme\"", "\"beta\"");
    let made = bench.apply(&beta).new_secrets;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].key, "beta/search/ci");
    assert!(bench.apply(&beta).new_secrets.is_empty());
    let directory = Directory::load(bench.store.clone()).unwrap();
    assert_eq!(directory.find_key(made[0].secret.expose().as_bytes()).unwrap().tenant().id().as_str(), "beta");
}

#[test]
fn a_file_that_does_not_speak_of_the_status_ends_neither_suspension_nor_revocation() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let tenant = TenantId::new("acme").unwrap();
    let (project, key) = (ProjectPath::parse("search").unwrap(), base::KeyId::new("ci").unwrap());
    assert!(bench.store.set_tenant_status(&tenant, TenantStatus::Suspended).unwrap());
    assert!(bench.store.revoke_key(&tenant, &project, &key).unwrap());
    assert!(!bench.store.revoke_key(&tenant, &project, &key).unwrap(), "it was revoked already");
    bench.apply(SMALL);
    let exported = bench.store.export().unwrap();
    assert_eq!(exported.tenant[0].status, Some(TenantStatus::Suspended));
    assert_eq!(exported.tenant[0].project[0].key[0].status, Some(KeyStatus::Revoked));
    assert!(bench.store.rotate_key(&tenant, &project, &key).is_err());
    let revive = SMALL.replace("name = \"ci\"", "name = \"ci\"\nstatus = \"active\"");
    assert_eq!(bench.problems(&revive).len(), 1, "the same secret does not come back");
    bench.apply(&revive.replace(SECRET, "a-new-secret-0123456789"));
    let directory = Directory::load(bench.store.clone()).unwrap();
    assert!(!directory.find_key(b"a-new-secret-0123456789").unwrap().revoked());
    assert!(directory.find_key(SECRET.as_bytes()).is_none());
}

/// Versions of the model's price as `id@seconds=input`.
fn versions(bench: &Bench) -> Vec<String> {
    let directory = Directory::load(bench.store.clone()).unwrap();
    let catalog = directory.catalog();
    let model = catalog.model("small").unwrap();
    let line = |version: &catalog::PriceVersion| {
        format!("{}@{}={}", version.id, version.effective_from.seconds(), version.rates.input)
    };
    model.prices.iter().map(line).collect()
}

#[test]
fn a_changed_price_adds_a_version_and_leaves_the_old_one() {
    let bench = Bench::new();
    let at = |text: &str, seconds: i64| {
        bench.store.apply_at(&parse(text), ApplyOptions::default(), Timestamp::from_seconds(seconds)).unwrap()
    };
    at(SMALL, 1_000);
    assert_eq!(versions(&bench), ["1@0=1.00"]);
    let dearer = SMALL.replace("input = \"1.00\"", "input = \"3.00\"");
    let applied = at(&dearer, 2_000);
    assert_eq!(applied.changes[1].details, ["price"]);
    assert_eq!(versions(&bench), ["1@0=1.00", "2@2000=3.00"]);
    at(&dearer, 3_000);
    at(SMALL, 4_000);
    assert_eq!(versions(&bench), ["1@0=1.00", "2@2000=3.00", "3@4000=1.00"]);
}

#[test]
fn an_announced_price_comes_into_force_by_itself_and_can_be_withdrawn_before() {
    let bench = Bench::new();
    let at = |text: &str, seconds: i64| {
        bench.store.apply_at(&parse(text), ApplyOptions::default(), Timestamp::from_seconds(seconds))
    };
    at(SMALL, 1_000).unwrap();
    let announced = SMALL
        .replace("input = \"1.00\"", "input = \"3.00\"")
        .replace("context_window", "effective_from = \"1970-01-01T02:00:00Z\"\ncontext_window");
    at(&announced, 2_000).unwrap();
    assert_eq!(versions(&bench), ["1@0=1.00", "2@7200=3.00"]);
    assert!(at(&announced, 3_000).unwrap().changes.iter().all(|change| change.action == Action::Unchanged));
    at(SMALL, 4_000).unwrap();
    assert_eq!(versions(&bench), ["1@0=1.00"], "withdrawn before it was in force");
    at(&announced, 5_000).unwrap();
    assert_eq!(versions(&bench), ["1@0=1.00", "3@7200=3.00"], "numbers are not used again");
    assert!(at(&announced, 8_000).unwrap().changes.iter().all(|change| change.action == Action::Unchanged));
    let earlier = announced.replace("02:00:00", "01:00:00");
    let refused = at(&earlier, 8_000).unwrap_err().to_string();
    assert!(refused.contains("model[small].effective_from"), "{refused}");
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let model = base::ModelId::new("small").unwrap();
    let upstream = base::UpstreamId::new("local").unwrap();
    assert!(bench.store.delete_model(&model).unwrap_err().to_string().contains("tenant[acme]"));
    assert!(bench.store.delete_upstream(&upstream).unwrap_err().to_string().contains("model[small]"));
    let applied = bench.store.delete_tenant(&TenantId::new("acme").unwrap()).unwrap();
    assert_eq!(lines(&applied), ["deleted key acme/search/ci", "deleted project acme/search", "deleted tenant acme"]);
    bench.store.delete_model(&model).unwrap();
    bench.store.delete_upstream(&upstream).unwrap();
    assert_eq!(bench.store.export().unwrap(), Resources::default());
}
