//! Wallets: paid once, in force at once, and never lost to a file that does not speak of them.

use base::{Money, TenantId};

use super::entries::sound;
use super::usage::{START, record};
use super::{Bench, SMALL};
use crate::{Credit, CreditKind, Directory};

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn credit(nanos: i64, kind: CreditKind, reference: Option<&str>) -> Credit {
    Credit { nanos, kind, note: "by hand".into(), reference: reference.map(str::to_owned) }
}

fn with_wallet() -> String {
    SMALL.replace("name = \"Acme Ltd\"", "name = \"Acme Ltd\"\nwallet = true")
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    bench
}

#[test]
fn what_was_charged_before_is_not_taken_from_the_wallet() {
    let bench = bench();
    bench.apply(SMALL);
    bench.record_usage(&[record(1, START), record(2, START)]);
    assert_eq!(bench.store.wallet(&acme()).unwrap(), None);
    bench.apply(&with_wallet());
    let wallet = bench.store.wallet(&acme()).unwrap().unwrap();
    assert_eq!((wallet.cap.nanos(), wallet.charged.nanos(), wallet.balance()), (2_468, 2_468, Money::ZERO));
    assert!(bench.store.credit(&acme(), &credit(10_000, CreditKind::TopUp, None)).unwrap());
    bench.record_usage(&[record(3, START)]);
    let wallet = bench.store.wallet(&acme()).unwrap().unwrap();
    assert_eq!((wallet.cap.nanos(), wallet.balance().nanos()), (12_468, 10_000 - 1_234));
    bench.apply(&with_wallet());
    let kinds: Vec<CreditKind> = bench.store.credits(&acme()).unwrap().iter().map(|entry| entry.credit.kind).collect();
    assert_eq!(kinds, [CreditKind::Opening, CreditKind::TopUp], "opened once");
    sound(&bench);
}

#[test]
fn a_payment_counts_once_by_its_reference() {
    let bench = bench();
    bench.apply(&with_wallet());
    let payment = credit(5_000, CreditKind::TopUp, Some("invoice-7"));
    assert!(bench.store.credit(&acme(), &payment).unwrap());
    assert!(!bench.reopen().credit(&acme(), &payment).unwrap());
    let other = credit(6_000, CreditKind::TopUp, Some("invoice-7"));
    assert!(bench.store.credit(&acme(), &other).unwrap_err().to_string().contains("with another amount"));
    assert!(bench.store.credit(&acme(), &credit(-2_000, CreditKind::Refund, None)).unwrap());
    assert_eq!(bench.store.wallet(&acme()).unwrap().unwrap().cap.nanos(), 3_000);
    sound(&bench);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = bench();
    bench.apply(SMALL);
    assert!(bench.store.credit(&acme(), &credit(1, CreditKind::TopUp, None)).is_err(), "no wallet");
    bench.apply(&with_wallet());
    let long = Credit { note: "x".repeat(513), ..credit(1, CreditKind::TopUp, None) };
    let bad = [
        credit(0, CreditKind::TopUp, None),
        credit(-1, CreditKind::TopUp, None),
        credit(1, CreditKind::Refund, None),
        credit(0, CreditKind::Adjustment, None),
        credit(1, CreditKind::Opening, None),
        credit(1, CreditKind::TopUp, Some("")),
        long,
    ];
    for bad in bad {
        assert!(bench.store.credit(&acme(), &bad).is_err(), "{bad:?}");
    }
    assert!(bench.store.credit(&TenantId::new("nobody").unwrap(), &credit(1, CreditKind::TopUp, None)).is_err());
    assert!(bench.store.credit(&acme(), &credit(i64::MAX, CreditKind::TopUp, None)).unwrap());
    assert!(bench.store.credit(&acme(), &credit(1, CreditKind::TopUp, None)).is_err(), "too large a sum");
    assert_eq!(bench.store.credits(&acme()).unwrap().len(), 2);
}

#[test]
fn a_credit_is_in_force_in_the_live_directory() {
    let bench = bench();
    bench.apply(&with_wallet());
    let directory = Directory::load(bench.store.clone()).unwrap();
    let account = directory.tenant("acme").unwrap().account.clone();
    assert_eq!(account.settings().wallet, Some(Money::ZERO), "nothing before the first credit");
    let version = account.settings().version;
    bench.reopen().credit(&acme(), &credit(7, CreditKind::TopUp, None)).unwrap();
    directory.sync().unwrap();
    assert_eq!(account.settings().wallet, Some(Money::from_nanos(7)));
    assert!(account.settings().version > version);
    let key = directory.tenant("acme").unwrap().keys()[0].account().clone();
    assert_eq!(key.settings().wallet, None, "the tenant pays");
    bench.store.credit(&acme(), &credit(-9, CreditKind::Adjustment, None)).unwrap();
    directory.sync().unwrap();
    assert_eq!(account.settings().wallet, Some(Money::ZERO), "never below nothing");
}

#[test]
fn a_file_that_does_not_speak_of_the_wallet_does_not_take_it_away() {
    let bench = bench();
    bench.apply(&with_wallet());
    bench.apply(SMALL);
    assert!(bench.store.wallet(&acme()).unwrap().is_some());
    bench.apply(&with_wallet().replace("wallet = true", "wallet = false"));
    assert_eq!(bench.store.wallet(&acme()).unwrap(), None);
    let exported = bench.store.export().unwrap();
    assert_eq!(exported.tenant[0].wallet, Some(false));
}

#[test]
fn a_dry_run_opens_no_wallet() {
    let bench = bench();
    let options = crate::ApplyOptions { prune: false, dry_run: true };
    bench.store.apply(&super::parse(&with_wallet()), options).unwrap();
    bench.apply(SMALL);
    assert!(bench.store.credits(&acme()).unwrap().is_empty());
    sound(&bench);
}
