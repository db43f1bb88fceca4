//! Keys in memory: who finds what, and what the limits take away.

use core::time::Duration;

use super::*;

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn attempt(sequence: u64) -> AttemptId {
    AttemptId { epoch: 1, sequence }
}

fn digests(name: u8, body: u8) -> Idempotency {
    Idempotency { name: [name; 16], body: [body; 16] }
}

fn key(of: &str, name: u8, sequence: u64, answer_bytes: Option<u64>) -> UsedKey {
    let idempotency = digests(name, 0);
    UsedKey { attempt: attempt(sequence), at: at(0), tenant: tenant(of), idempotency, answer_bytes }
}

fn index() -> Index {
    Index::new(&Settings {
        idempotency_keep: Duration::from_secs(100),
        idempotency_keys_max: 8,
        idempotency_stored_bytes_max: 400,
        ..Settings::default()
    })
}

/// What a call finds, in short.
fn look(index: &Index, of: &str, name: u8, body: u8, now: i64) -> &'static str {
    match index.claim(&tenant(of), digests(name, body), at(now)) {
        Found::Nothing => "nothing",
        Found::UnderWay => "under way",
        Found::OtherBody => "other body",
        Found::Full => "full",
        Found::Ended(_, AnswerState::Lost) => "lost",
        Found::Ended(_, AnswerState::Written) => "written",
        Found::Ended(_, AnswerState::Waiting(_)) => "waiting",
    }
}

#[test]
fn a_key_is_claimed_once_and_free_again_only_when_it_cost_nothing() {
    let index = index();
    assert_eq!(look(&index, "a", 1, 0, 0), "nothing");
    assert_eq!(look(&index, "a", 1, 0, 0), "under way");
    assert_eq!(look(&index, "a", 1, 9, 0), "other body");
    assert_eq!(look(&index, "b", 1, 0, 0), "nothing", "tenants do not see each other");
    index.release(&tenant("a"), &[1; 16]);
    assert_eq!(look(&index, "a", 1, 9, 0), "nothing");
    index.end(&tenant("a"), &[1; 16], attempt(1), AnswerState::Lost);
    index.release(&tenant("a"), &[1; 16]);
    assert_eq!(look(&index, "a", 1, 9, 0), "lost", "what was charged is not released");
    assert_eq!(index.keys.load(Ordering::Relaxed), 2);
}

#[test]
fn a_key_expires_after_its_time_but_never_under_way() {
    let index = index();
    assert_eq!(look(&index, "a", 1, 0, 0), "nothing");
    assert_eq!(look(&index, "a", 1, 0, 1_000), "under way");
    index.end(&tenant("a"), &[1; 16], attempt(1), AnswerState::Lost);
    assert_eq!(look(&index, "a", 1, 0, 100), "lost");
    assert_eq!(look(&index, "a", 1, 7, 101), "nothing");
    index.end(&tenant("a"), &[1; 16], attempt(2), AnswerState::Lost);
    index.sweep(at(201));
    assert_eq!(index.keys.load(Ordering::Relaxed), 1, "it began at 101");
    index.sweep(at(202));
    assert_eq!(index.keys.load(Ordering::Relaxed), 0);
    assert!(index.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
}

#[test]
fn a_key_expires_also_behind_many_others() {
    let index = Index::new(&Settings { idempotency_keep: Duration::from_secs(100), ..Settings::default() });
    for name in 0..50 {
        assert_eq!(look(&index, "a", name, 0, 0), "nothing");
        index.end(&tenant("a"), &[name; 16], attempt(name.into()), AnswerState::Lost);
    }
    assert_eq!(look(&index, "a", 49, 7, 100), "other body");
    assert_eq!(look(&index, "a", 49, 7, 101), "nothing");
}

#[test]
fn a_tenant_has_a_share_of_the_keys_and_is_refused_beyond_it() {
    let index = index();
    assert_eq!([1, 2, 3].map(|name| look(&index, "a", name, 0, 0)), ["nothing", "nothing", "full"]);
    assert_eq!([1, 2].map(|name| look(&index, "b", name, 0, 0)), ["nothing"; 2]);
    assert_eq!(look(&index, "a", 1, 0, 0), "under way", "what is known is still found");
    index.release(&tenant("a"), &[1; 16]);
    assert_eq!(look(&index, "a", 3, 0, 0), "nothing");
}

#[test]
fn an_attempt_that_cost_nothing_after_all_frees_its_own_key_only() {
    let index = index();
    for sequence in [1, 2] {
        assert_eq!(look(&index, "a", 1, 0, 0), "nothing");
        index.end(&tenant("a"), &[1; 16], attempt(sequence), AnswerState::Lost);
        index.unknown(&tenant("a"), [1; 16], attempt(sequence));
        index.free(attempt(99));
        assert_eq!(look(&index, "a", 1, 0, 0), "lost");
        index.free(attempt(sequence));
    }
    assert_eq!(look(&index, "a", 1, 0, 0), "nothing");
    index.end(&tenant("a"), &[1; 16], attempt(3), AnswerState::Lost);
    index.free(attempt(1));
    assert_eq!(look(&index, "a", 1, 0, 0), "lost");
}

#[test]
fn what_a_process_before_knew_is_known() {
    let index = index();
    index.restore(&key("a", 1, 1, Some(50)), at(50));
    index.restore(&key("a", 1, 1, None), at(50));
    index.restore(&key("a", 2, 2, None), at(50));
    index.restore(&key("a", 3, 3, None), at(500));
    assert_eq!([1, 2].map(|name| look(&index, "a", name, 0, 50)), ["written", "lost"]);
    assert_eq!(index.stored_bytes.load(Ordering::Relaxed), 50);
    index.free(attempt(2));
    assert_eq!([2, 3].map(|name| look(&index, "a", name, 0, 50)), ["nothing", "full"], "3 has expired");
}

#[test]
fn the_oldest_answers_of_a_tenant_make_room_for_its_new_ones() {
    let index = index();
    index.restore(&key("a", 1, 1, Some(40)), at(0));
    index.restore(&key("b", 1, 9, Some(90)), at(0));
    let mut dropped = Vec::new();
    for (name, bytes, fits) in [(2, 60, true), (3, 70, true), (4, 101, false)] {
        let key = key("a", name, name.into(), Some(bytes));
        index.restore(&UsedKey { answer_bytes: None, ..key.clone() }, at(0));
        assert_eq!(index.room(&key, &mut dropped), fits, "{name}");
        index.written(&key);
    }
    assert_eq!(dropped, [attempt(1), attempt(2)]);
    assert_eq!([1, 2, 3].map(|name| look(&index, "a", name, 0, 0)), ["lost", "lost", "written"]);
    assert_eq!(look(&index, "b", 1, 0, 0), "written", "another tenant's stay");
    assert_eq!(index.stored_bytes.load(Ordering::Relaxed), 160);
}
