//! Records as bytes: read back as they were, never too long, and never a panic whatever the bytes are.

use base::{AttemptId, BudgetPeriod, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use ledger::{Amounts, Resource};
use proptest::prelude::*;
use wire::{Endpoint, Usage};

use crate::{
    Ending, Idempotency, IntentRecord, LeaseRecord, PAYLOAD_BYTES_MAX, ProjectPath, Record, ResolvedRecord, UsageRecord,
};

fn attempts() -> impl Strategy<Value = AttemptId> {
    (0..1_u64 << 23, 0..1_u64 << 40).prop_map(|(epoch, sequence)| AttemptId { epoch, sequence })
}

fn money() -> impl Strategy<Value = Money> {
    prop_oneof![Just(0), Just(i64::MAX), 0..1_000_000_000_i64].prop_map(Money::from_nanos)
}

fn amounts() -> impl Strategy<Value = Amounts> {
    (money(), any::<u64>()).prop_map(|(usd, tokens)| Amounts { usd, tokens })
}

fn names() -> impl Strategy<Value = (TenantId, ProjectPath, KeyId, ModelId, UpstreamId)> {
    ("[a-z]{1,64}", "[a-z]{1,9}(/[a-z]{1,9}){0,5}", "[A-Z]{1,64}", "[a-z/:@+]{1,128}", "[0-9]{1,64}").prop_map(
        |(tenant, project, key, model, upstream)| {
            (
                TenantId::new(&tenant).unwrap(),
                ProjectPath::parse(&project).unwrap(),
                KeyId::new(&key).unwrap(),
                ModelId::new(&model).unwrap(),
                UpstreamId::new(&upstream).unwrap(),
            )
        },
    )
}

fn usages() -> impl Strategy<Value = Usage> {
    (prop::array::uniform17(prop_oneof![0..1_000_u64, any::<u64>()]), prop::option::of(money())).prop_map(
        |(counts, reported_cost)| Usage {
            input: counts[0],
            cached_input: counts[1],
            cache_write: counts[2],
            audio_input: counts[3],
            output: counts[4],
            reasoning: counts[5],
            audio_output: counts[6],
            accepted_prediction: counts[7],
            rejected_prediction: counts[8],
            web_searches: counts[9],
            cache_write_1h: counts[10],
            cached_audio: counts[11],
            image_output: counts[12],
            images: counts[13],
            characters: counts[14],
            image_input: counts[15],
            seconds: counts[16],
            reported_cost,
        },
    )
}

fn settled() -> impl Strategy<Value = UsageRecord> {
    let endings = [Ending::Complete, Ending::Cut, Ending::Refused, Ending::Unknown];
    let facts = (attempts(), any::<u128>(), any::<i64>(), prop::option::of("\\PC{0,60}"), any::<bool>());
    let ended = (0..Endpoint::ALL.len(), 0..endings.len(), any::<u16>(), prop::option::of("\\PC{0,60}"));
    (facts, names(), ended, usages(), [money(), money(), money()], any::<[u32; 3]>(), any::<u64>()).prop_map(
        move |(facts, names, ended, usage, [held, charged, variance], numbers, held_tokens)| UsageRecord {
            attempt: facts.0,
            request_id: RequestId::from_bits(facts.1),
            at: Timestamp::from_micros(facts.2),
            tenant: names.0,
            project: names.1,
            key: names.2,
            end_user: facts.3,
            model: names.3,
            upstream: names.4,
            endpoint: Endpoint::ALL[ended.0],
            stream: facts.4,
            status: ended.2,
            ending: endings[ended.1],
            usage,
            held,
            held_tokens,
            charged,
            variance,
            price_version: numbers[0],
            upstream_response_id: ended.3,
            first_byte_ms: numbers[1],
            total_ms: numbers[2],
        },
    )
}

fn leases() -> impl Strategy<Value = LeaseRecord> {
    (names(), any::<[bool; 2]>(), 0..5_usize, any::<i64>(), 0..2_usize, any::<u64>()).prop_map(
        |(names, has, period, starts, resource, up_to)| LeaseRecord {
            tenant: names.0,
            project: has[0].then_some(names.1),
            key: has[1].then_some(names.2),
            period: BudgetPeriod::ALL[period],
            starts: Timestamp::from_micros(starts),
            resource: Resource::ALL[resource],
            up_to,
            lost: (up_to % 3 == 0).then_some(up_to / 2),
        },
    )
}

fn records() -> impl Strategy<Value = Record> {
    let resolved = (attempts(), any::<i64>(), amounts(), "\\PC{0,99}").prop_map(|(attempt, at, charged, reason)| {
        Record::Resolved(ResolvedRecord { attempt, at: Timestamp::from_micros(at), charged, reason })
    });
    prop_oneof![
        (settled(), prop::option::of(any::<[[u8; 16]; 2]>())).prop_map(|(usage, keyed)| {
            let idempotency = keyed.map(|[name, body]| Idempotency { name, body });
            Record::Intent(IntentRecord { idempotency, ..IntentRecord::of(&usage) })
        }),
        settled().prop_map(Record::Settled),
        attempts().prop_map(Record::Void),
        leases().prop_map(Record::Leased),
        resolved,
    ]
}

fn encoded(record: &Record) -> (u8, Vec<u8>) {
    let mut payload = Vec::new();
    let kind = record.encode(&mut payload);
    (kind, payload)
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was(record in records()) {
        let (kind, payload) = encoded(&record);
        prop_assert!(payload.len() <= PAYLOAD_BYTES_MAX);
        prop_assert_eq!(Record::decode(kind, &payload).unwrap(), record);
    }

    #[test]
    fn a_record_cut_short_or_longer_is_refused(record in records(), cut in any::<prop::sample::Index>()) {
        let (kind, mut payload) = encoded(&record);
        prop_assert!(Record::decode(kind, &payload[..cut.index(payload.len())]).is_err());
        payload.push(0);
        prop_assert!(Record::decode(kind, &payload).is_err());
    }

    #[test]
    fn any_bytes_are_a_record_of_one_form_or_none(kind in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(record) = Record::decode(kind, &bytes) {
            prop_assert_eq!(encoded(&record), (kind, bytes));
        }
    }

    #[test]
    fn a_damaged_record_is_another_record_or_none(record in records(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (kind, mut payload) = encoded(&record);
        let at = at.index(payload.len());
        payload[at] = byte;
        if let Ok(read) = Record::decode(kind, &payload) {
            prop_assert_eq!(encoded(&read), (kind, payload));
        }
    }
}

/// The longest that every name may be.
fn longest() -> UsageRecord {
    let max = u64::MAX;
    let project = vec!["p".repeat(64); 6].join("/");
    UsageRecord {
        attempt: AttemptId { epoch: (1 << 23) - 1, sequence: (1 << 40) - 1 },
        request_id: RequestId::from_bits(u128::MAX),
        at: Timestamp::from_micros(i64::MIN),
        tenant: TenantId::new(&"t".repeat(64)).unwrap(),
        project: ProjectPath::parse(&project).unwrap(),
        key: KeyId::new(&"k".repeat(64)).unwrap(),
        end_user: Some("ä".repeat(5_000)),
        model: ModelId::new(&"m".repeat(128)).unwrap(),
        upstream: UpstreamId::new(&"u".repeat(64)).unwrap(),
        endpoint: Endpoint::Explain,
        stream: true,
        status: u16::MAX,
        ending: Ending::Unknown,
        usage: Usage {
            input: max,
            cached_input: max,
            cache_write: max,
            cache_write_1h: max,
            cached_audio: max,
            audio_input: max,
            output: max,
            reasoning: max,
            audio_output: max,
            accepted_prediction: max,
            rejected_prediction: max,
            web_searches: max,
            image_output: max,
            images: max,
            characters: max,
            image_input: max,
            seconds: max,
            reported_cost: Some(Money::MAX),
        },
        held: Money::MAX,
        held_tokens: max,
        charged: Money::MAX,
        variance: Money::MAX,
        price_version: u32::MAX,
        upstream_response_id: Some("€".repeat(5_000)),
        first_byte_ms: u32::MAX,
        total_ms: u32::MAX,
    }
}

#[test]
fn the_longest_record_fits_and_its_texts_are_cut_between_characters() {
    let usage = longest();
    let records = [
        Record::Intent(IntentRecord::of(&usage)),
        Record::Settled(usage.clone()),
        Record::Resolved(ResolvedRecord {
            attempt: usage.attempt,
            at: usage.at,
            charged: Amounts { usd: Money::MAX, tokens: u64::MAX },
            reason: "ß".repeat(5_000),
        }),
        Record::Leased(LeaseRecord {
            tenant: usage.tenant.clone(),
            project: Some(usage.project.clone()),
            key: Some(usage.key.clone()),
            period: BudgetPeriod::Total,
            starts: usage.at,
            resource: Resource::Tokens,
            up_to: u64::MAX,
            lost: Some(u64::MAX),
        }),
    ];
    for record in &records {
        let (kind, payload) = encoded(record);
        assert!(payload.len() <= PAYLOAD_BYTES_MAX, "kind {kind}: {} bytes", payload.len());
        let read = Record::decode(kind, &payload).unwrap();
        if let Record::Settled(read) = read {
            assert_eq!(read.end_user.as_deref(), Some("ä".repeat(128).as_str()));
            assert_eq!(read.upstream_response_id.as_deref(), Some("€".repeat(85).as_str()), "255 of 256 bytes");
        }
    }
}

#[test]
fn what_no_row_can_have_is_not_a_record() {
    for attempt in [AttemptId { epoch: 1 << 23, sequence: 1 }, AttemptId { epoch: 1, sequence: 1 << 40 }] {
        let (kind, payload) = encoded(&Record::Void(attempt));
        assert!(Record::decode(kind, &payload).is_err(), "{attempt}");
    }
    assert!(Record::decode(0, &[]).is_err() && Record::decode(99, &[1, 1]).is_err());
}
