//! Nothing lost: whatever the process was doing when it ended, the next one knows it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Money, TenantId};
use mandant_gateway::{BootId, Decision, Durability, ResolveError, Running, Settings};
use serde_json::json;
use store::{Directory, HoldState, Store};
use testkit::Options;

use crate::app::{TestApp, chat_model, models, secret, tenant};
use crate::client::{Client, chat, post};

const THIS_BOOT: BootId = BootId([1; 16]);
const NEXT_BOOT: BootId = BootId([2; 16]);

fn settings(boot: BootId) -> Settings {
    let listen = "127.0.0.1:0".parse().expect("an address");
    Settings { listen, boot: Some(boot), journal_segment_bytes: 1 << 20, ..Settings::default() }
}

/// What a process finds that starts after this one was killed now: a copy of its folder.
pub(crate) fn copy_of_the_disk(app: &TestApp) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(app.store.data_dir(), &copy.path().join("data"));
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("the folder is read") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file is copied");
        }
    }
}

pub(crate) async fn start_on(folder: &Path, settings: Settings) -> (Running, Arc<Store>) {
    let store = Arc::new(Store::open(&folder.join("data")).expect("the store opens"));
    let directory = Directory::load(store.clone()).expect("the directory loads");
    let relay = mandant_gateway::start(settings, store.clone(), directory, [3, 5]).await.expect("the relay starts");
    (relay, store)
}

fn acme() -> TenantId {
    TenantId::new("acme").expect("a name")
}

/// Three calls that the provider has and does not answer, after one that was answered.
async fn three_calls_under_way(durability: Durability) -> TestApp {
    let mut all = models();
    all.push(chat_model("stuck", "sim-tokens-5.delay-60000"));
    let budget = json!({ "budget": { "usd_per_month": "1.00", "usd_total": "2.00" } });
    let settings = Settings { durability, ..settings(THIS_BOOT) };
    let app = TestApp::with(Options::default(), settings, all, vec![tenant("acme", budget)]).await;
    assert_eq!(app.chat("acme", "chat", json!({ "max_tokens": 50 })).await.status, 200);
    for _ in 0..3 {
        let mut client = Client::connect(app.relay.address()).await;
        tokio::spawn(async move {
            let _ =
                client.send(post("/v1/chat/completions", "acme", chat("stuck", json!({ "max_tokens": 100 })))).await;
        });
    }
    while app.provider.truth().total.attempts < 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_what_was_under_way_is_held_until_somebody_says_what_it_cost() {
    held_after_a_kill(three_calls_under_way(Durability::Power).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_is_held_when_the_store_knows_of_it_already() {
    let app = three_calls_under_way(Durability::Power).await;
    app.relay.flush();
    held_after_a_kill(app).await;
}

async fn held_after_a_kill(app: TestApp) {
    let before = app.relay.status(&acme()).expect("the tenant exists").figures;
    let copy = copy_of_the_disk(&app);
    let (relay, store) = start_on(copy.path(), settings(THIS_BOOT)).await;

    let after = relay.status(&acme()).expect("the tenant exists").figures;
    assert_eq!(after.current_usage.total_cost_usd, before.current_usage.total_cost_usd, "what was charged");
    assert_eq!(after.held_usd, before.held_usd, "what is held");
    assert!(after.held_usd > Money::ZERO);
    let holds = relay.holds().expect("the store is read");
    assert_eq!(holds.len(), 3);
    assert!(holds.iter().all(|hold| hold.state == HoldState::Unknown && hold.intent.tenant == acme()), "{holds:?}");

    // One was billed, one was not, one is charged by its worst case.
    let [first, second, third] = [0, 1, 2].map(|place: usize| holds[place].intent.clone());
    let too_much = Decision::Charge(Money::from_usd(1));
    assert!(matches!(relay.resolve(first.attempt, too_much, "").await, Err(ResolveError::TooMuch { .. })));
    let charge = Money::from_nanos(40_000);
    relay.resolve(first.attempt, Decision::Charge(charge), "the provider's bill").await.expect("resolved");
    relay.resolve(second.attempt, Decision::Release, "never arrived").await.expect("resolved");
    relay.resolve(third.attempt, Decision::ChargeWhole, "nobody knows").await.expect("resolved");
    let again = relay.resolve(first.attempt, Decision::Release, "").await;
    assert!(matches!(again, Err(ResolveError::NoSuchAttempt(_))), "an attempt ends once");
    let spent = before.current_usage.total_cost_usd + charge + third.worst.usd;
    let figures = relay.status(&acme()).expect("the tenant exists").figures;
    assert_eq!((figures.current_usage.total_cost_usd, figures.held_usd), (spent, Money::ZERO));
    assert!(store.verify(&mut |_, _| {}).expect("the store is read").is_empty());

    // And it stays so at the next start.
    relay.stop().await;
    drop(store);
    let (relay, _store) = start_on(copy.path(), settings(THIS_BOOT)).await;
    let figures = relay.status(&acme()).expect("the tenant exists").figures;
    assert_eq!((figures.current_usage.total_cost_usd, figures.held_usd), (spent, Money::ZERO));
    assert!(relay.holds().expect("the store is read").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_deadline_an_unknown_hold_is_charged_or_released_as_the_operator_chose() {
    for charges_at_deadline in [true, false] {
        let app = three_calls_under_way(Durability::Process).await;
        let before = app.relay.status(&acme()).expect("the tenant exists").figures;
        let copy = copy_of_the_disk(&app);
        let deadline = Duration::from_millis(200);
        let settings = Settings { hold_deadline: deadline, charges_at_deadline, ..settings(THIS_BOOT) };
        let (relay, _store) = start_on(copy.path(), settings).await;
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        while relay.open_holds() > 0 {
            assert!(tokio::time::Instant::now() < until, "{} holds stay", relay.open_holds());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let figures = relay.status(&acme()).expect("the tenant exists").figures;
        let more = if charges_at_deadline { before.held_usd } else { Money::ZERO };
        assert_eq!(figures.current_usage.total_cost_usd, before.current_usage.total_cost_usd + more);
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_loss_of_power_what_may_have_been_spent_stays_counted() {
    let app = three_calls_under_way(Durability::Process).await;
    let copy = copy_of_the_disk(&app);
    // The machine lost its memory: another boot, and no clean stop.
    let (relay, store) = start_on(copy.path(), settings(NEXT_BOOT)).await;
    let lost = relay.status(&acme()).expect("the tenant exists").figures;
    let known: Money = relay.holds().expect("the store is read").iter().map(|hold| hold.intent.worst.usd).sum();
    assert!(lost.held_usd > known, "{} held, of which {known} for known attempts", lost.held_usd);
    assert!(lost.held_usd < Money::parse_usd("0.20").expect("an amount"), "a lease is a small part of the limit");

    // A later start in peace knows it too.
    relay.stop().await;
    drop(store);
    let (relay, store) = start_on(copy.path(), settings(NEXT_BOOT)).await;
    assert_eq!(relay.status(&acme()).expect("the tenant exists").figures.held_usd, lost.held_usd);
    assert_eq!(relay.release_lost().await.expect("it is written"), 2, "of the month and of the total");
    assert_eq!(relay.status(&acme()).expect("the tenant exists").figures.held_usd, known);
    relay.stop().await;
    drop(store);
    let (relay, _store) = start_on(copy.path(), settings(NEXT_BOOT)).await;
    assert_eq!(relay.status(&acme()).expect("the tenant exists").figures.held_usd, known, "released for good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_was_killed_before_it_had_counted_a_loss_leaves_that_to_the_next() {
    let app = three_calls_under_way(Durability::Process).await;
    let copy = copy_of_the_disk(&app);
    {
        // The start after the loss of power gets as far as a first line in the journal.
        let store = Store::open(&copy.path().join("data")).expect("the store opens");
        let epoch = store.next_epoch().expect("an epoch");
        let applied = journal::Position::new(store.applied().expect("the store is read"));
        let options = journal::Options::new(epoch, NEXT_BOOT);
        let folder = copy.path().join("data/journal");
        let (journal, met) = journal::Journal::open_folder(&folder, options, applied).expect("the journal opens");
        assert!(met.power_lost());
        // Its first line makes the opening known to the next one, which then follows a kill and no loss of power.
        let mut payload = Vec::new();
        let kind = store::Record::Void(base::AttemptId { epoch, sequence: 1 }).encode(&mut payload);
        journal.append(kind, &payload).expect("there is room");
        journal.sync().expect("it is durable");
    }
    for start in ["first", "second"] {
        let (relay, _store) = start_on(copy.path(), settings(NEXT_BOOT)).await;
        let known: Money = relay.holds().expect("the store is read").iter().map(|hold| hold.intent.worst.usd).sum();
        let held = relay.status(&acme()).expect("the tenant exists").figures.held_usd;
        assert!(held > known, "{start}: {held} held, of which {known} for known attempts");
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_one_journal_is_refused() {
    let app = TestApp::start(vec![tenant("acme", json!({}))]).await;
    let store = Arc::new(Store::open(app.store.data_dir()).expect("the store may be opened twice"));
    let directory = Directory::load(store.clone()).expect("the directory loads");
    let second = mandant_gateway::start(settings(THIS_BOOT), store, directory, [3, 5]).await;
    let error = second.err().expect("the journal has one owner").to_string();
    assert!(error.contains("already open in another process"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_level_of_durability_calls_are_served_and_recorded() {
    for durability in [Durability::Process, Durability::Power, Durability::Strict] {
        let settings = Settings { durability, ..settings(THIS_BOOT) };
        let app = TestApp::with(Options::default(), settings, models(), vec![tenant("acme", json!({}))]).await;
        for stream in [false, true] {
            let reply = app.chat("acme", "chat", json!({ "stream": stream })).await;
            assert_eq!(reply.status, 200, "{durability:?} of {}", secret("acme").len());
        }
        assert_eq!(app.records("acme").await.len(), 2, "{durability:?}");
    }
}
