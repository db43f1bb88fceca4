//! Idempotency keys: consumed by an intent, free again when it cost nothing, and kept with their answers until they expire.

use base::{AttemptId, Timestamp};
use rusqlite::Connection;
use wire::Endpoint;

use super::Bench;
use super::entries::{resolved, sound, unknown};
use super::usage::{START, record};
use crate::{Ending, Idempotency, IntentRecord, KeptAnswer, Record, ResolvedRecord, Store, UsageRecord, UsedKey};

fn attempt(sequence: u64) -> AttemptId {
    AttemptId { epoch: 1, sequence }
}

fn digests(sequence: u64) -> Idempotency {
    Idempotency { name: [sequence as u8; 16], body: [7; 16] }
}

fn keyed(sequence: u64) -> IntentRecord {
    let seconds = START + sequence as i64;
    IntentRecord { idempotency: Some(digests(sequence)), ..IntentRecord::of(&record(sequence, seconds)) }
}

fn released(sequence: u64) -> Record {
    let Record::Resolved(resolved) = resolved(sequence, 0) else { unreachable!() };
    Record::Resolved(ResolvedRecord { charged: ledger::Amounts::ZERO, ..resolved })
}

fn refused(sequence: u64) -> Record {
    let charged = base::Money::ZERO;
    Record::Settled(UsageRecord { ending: Ending::Refused, charged, ..record(sequence, START) })
}

fn used(store: &Store) -> Vec<(u64, Option<u64>)> {
    let mut keys = Vec::new();
    store.used_keys(&mut |key| keys.push((key.attempt.sequence, key.answer_bytes))).unwrap();
    keys
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    bench
}

#[test]
fn a_key_stays_consumed_unless_its_attempt_cost_nothing() {
    let mut records: Vec<Record> = (1..=7).map(|sequence| Record::Intent(keyed(sequence))).collect();
    records.push(Record::Intent(IntentRecord { idempotency: None, ..keyed(8) }));
    records.extend([Record::Settled(record(1, START)), refused(2), Record::Void(attempt(3))]);
    records.extend([Record::Settled(unknown(4)), Record::Settled(unknown(5)), Record::Settled(unknown(6))]);
    // What may have cost something is not freed by a void that comes late.
    records.extend([resolved(5, 4_000), released(6), Record::Void(attempt(4))]);
    // However the records come: each alone, in batches of any size, and each batch twice.
    for size in 1..=records.len() {
        let bench = bench();
        for (place, chunk) in (1..).zip(records.chunks(size)) {
            for _ in 0..2 {
                bench.store.apply_records(chunk.to_vec(), place).unwrap();
            }
        }
        assert_eq!(used(&bench.store), [1, 4, 5, 7].map(|sequence| (sequence, None)), "in batches of {size}");
        sound(&bench);
    }
}

#[test]
fn an_intent_given_again_after_its_end_does_not_consume_the_key_again() {
    let bench = bench();
    bench.store.apply_records([Record::Intent(keyed(1)), refused(1)], 1).unwrap();
    bench.store.apply_records([Record::Intent(keyed(1))], 1).unwrap();
    assert_eq!(used(&bench.store), []);
}

fn answer(sequence: u64, text: &str) -> KeptAnswer {
    let answer_bytes = Some(text.len() as u64);
    KeptAnswer {
        key: UsedKey { answer_bytes, ..UsedKey::of(&keyed(sequence), digests(sequence)) },
        answer: text.into(),
    }
}

#[test]
fn an_answer_is_kept_whether_its_intent_is_applied_before_or_after_it() {
    let bench = bench();
    bench.store.apply_records([Record::Intent(keyed(1))], 1).unwrap();
    bench.store.keep_answers(&[answer(1, "one"), answer(2, "second")], &[]).unwrap();
    bench.store.apply_records([Record::Intent(keyed(2))], 2).unwrap();
    let store = bench.reopen();
    assert_eq!(used(&store), [(1, Some(3)), (2, Some(6))]);
    assert_eq!(store.kept_answer(attempt(1)).unwrap().as_deref(), Some(b"one".as_slice()));
    bench.store.keep_answers(&[], &[attempt(1)]).unwrap();
    assert_eq!(used(&store), [(1, None), (2, Some(6))]);
    assert_eq!(store.kept_answer(attempt(1)).unwrap(), None);
}

#[test]
fn answers_are_sealed_and_cannot_be_given_for_another_attempt() {
    let bench = bench();
    bench.store.keep_answers(&[answer(1, "canary-of-one"), answer(2, "canary-of-two")], &[]).unwrap();
    for file in std::fs::read_dir(bench.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
    let foreign = Connection::open(crate::database::path(bench.dir.path())).unwrap();
    let sql = "UPDATE kept_answer SET sealed = (SELECT sealed FROM kept_answer ORDER BY attempt DESC LIMIT 1)";
    foreign.execute(sql, []).unwrap();
    assert!(bench.store.kept_answer(attempt(1)).is_err());
    assert!(bench.store.kept_answer(attempt(2)).unwrap().is_some());
}

#[test]
fn old_keys_are_forgotten_with_their_answers_in_steps() {
    let bench = bench();
    let answers: Vec<KeptAnswer> = (1..=5).map(|sequence| answer(sequence, "text")).collect();
    bench.store.keep_answers(&answers, &[]).unwrap();
    let before = Timestamp::from_seconds(START + 4);
    assert_eq!([2, 2, 2].map(|rows_max| bench.store.forget_keys(before, rows_max).unwrap()), [2, 1, 0]);
    assert_eq!(used(&bench.store), [(4, Some(4)), (5, Some(4))]);
    assert!(bench.store.kept_answer(attempt(3)).unwrap().is_none());
    assert!(bench.store.kept_answer(attempt(4)).unwrap().is_some());
}

#[test]
fn digests_tell_accounts_keys_endpoints_and_bodies_apart_and_stores_too() {
    let bench = bench();
    let of = |account: &[&str], key: &str, endpoint: Endpoint, body: &str| {
        bench.store.idempotency(account, key.as_bytes(), endpoint.name(), body.as_bytes())
    };
    let chat = Endpoint::ChatCompletions;
    let first = of(&["a", "b"], "key", chat, "body");
    assert_eq!(first, of(&["a", "b"], "key", chat, "body"));
    assert_eq!(first, bench.reopen().idempotency(&["a", "b"], b"key", chat.name(), b"body"), "also after a restart");
    for (account, key) in [(["ab", ""], "key"), (["a", "bk"], "ey"), (["b", "a"], "key"), (["a", "b"], "other")] {
        let other = of(&account, key, chat, "body");
        assert!(other.name != first.name && other.body == first.body);
    }
    for (endpoint, body) in [(Endpoint::Completions, "body"), (chat, "bodyy")] {
        let other = of(&["a", "b"], "key", endpoint, body);
        assert!(other.name == first.name && other.body != first.body);
    }
    assert_ne!(Bench::new().store.idempotency(&["a", "b"], b"key", chat.name(), b"body").name, first.name);
}
