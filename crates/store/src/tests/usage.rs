//! Usage: counted once, summed exactly, given back after a restart.

use base::{AttemptId, BudgetPeriod, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use jiff::tz::TimeZone;
use wire::{Endpoint, Usage};

use super::{Bench, SMALL};
use crate::{Directory, Ending, ProjectPath, UsageBy, UsageQuery, UsageRecord, UsageReport, UsageSums};

/// 2027-01-15T08:00:00Z
pub(super) const START: i64 = 1_800_000_000;

/// A plain record.
pub(super) fn record(sequence: u64, seconds: i64) -> UsageRecord {
    UsageRecord {
        attempt: AttemptId { epoch: 1, sequence },
        request_id: RequestId::from_bits(u128::from(sequence) << 64 | 7),
        at: Timestamp::from_seconds(seconds),
        tenant: TenantId::new("acme").unwrap(),
        project: ProjectPath::parse("search").unwrap(),
        key: KeyId::new("ci").unwrap(),
        end_user: None,
        model: ModelId::new("small").unwrap(),
        upstream: UpstreamId::new("local").unwrap(),
        endpoint: Endpoint::ChatCompletions,
        stream: true,
        status: 200,
        ending: Ending::Complete,
        usage: Usage { input: 100, cached_input: 40, output: 10, ..Usage::default() },
        held: Money::from_nanos(5_000),
        held_tokens: 500,
        charged: Money::from_nanos(1_234),
        variance: Money::ZERO,
        price_version: 1,
        upstream_response_id: Some("chatcmpl-1".into()),
        first_byte_ms: 100,
        total_ms: 900,
    }
}

/// Records of three tenants over four days, of every ending.
pub(super) fn many(count: u64) -> Vec<UsageRecord> {
    let mut random = fastrand::Rng::with_seed(3);
    (1..=count)
        .map(|sequence| {
            let mut record = record(sequence, START + random.i64(0..345_600));
            record.tenant = TenantId::new(["acme", "beta", "gamma"][random.usize(..3)]).unwrap();
            record.project = ProjectPath::parse(["search", "search/inner", "mail"][random.usize(..3)]).unwrap();
            record.key = KeyId::new(["ci", "app"][random.usize(..2)]).unwrap();
            record.model = ModelId::new(["small", "large"][random.usize(..2)]).unwrap();
            record.end_user = random.bool().then(|| format!("user-{}", random.u8(..4)));
            record.ending = [Ending::Complete, Ending::Cut, Ending::Refused, Ending::Unknown][random.usize(..4)];
            record.charged = match record.ending {
                Ending::Complete | Ending::Cut => Money::from_nanos(random.i64(0..1_000_000)),
                Ending::Refused | Ending::Unknown | Ending::Resolved => Money::ZERO,
            };
            record.held = Money::from_nanos(random.i64(1_000_000..2_000_000));
            record.usage.input = random.u64(..10_000);
            record.usage.reported_cost = random.bool().then(|| Money::from_nanos(9));
            record
        })
        .collect()
}

fn report(bench: &Bench, tenant: &str, from: i64, to: i64, by: Option<UsageBy>) -> UsageReport {
    let (from, to) = (Timestamp::from_seconds(from), Timestamp::from_seconds(to));
    bench.store.usage(&UsageQuery { tenant: TenantId::new(tenant).unwrap(), from, to, by }).unwrap()
}

/// What the sums must be, straight from the records.
fn expected<'a>(records: impl Iterator<Item = &'a UsageRecord>) -> (u64, u64, u64, i64, i64) {
    records.fold((0, 0, 0, 0, 0), |(calls, input, output, charged, unresolved), record| {
        let held = if record.ending == Ending::Unknown { record.held.nanos() } else { 0 };
        (
            calls + 1,
            input + record.usage.input,
            output + record.usage.output,
            charged + record.charged.nanos(),
            unresolved + held,
        )
    })
}

fn told(sums: &UsageSums) -> (u64, u64, u64, i64, i64) {
    (sums.calls, sums.input_tokens, sums.output_tokens, sums.charged.nanos(), sums.unresolved.nanos())
}

#[test]
fn a_record_counts_once_however_often_it_is_given() {
    let bench = Bench::new();
    let records = many(100);
    bench.record_usage(&records);
    let before = report(&bench, "acme", START, START + 345_600, Some(UsageBy::EndUser));
    bench.record_usage(&records);
    super::record_usage(&bench.reopen(), &records[20..70]);
    let twice: Vec<UsageRecord> = records[..10].iter().chain(&records[..10]).cloned().collect();
    bench.record_usage(&twice);
    assert_eq!(report(&bench, "acme", START, START + 345_600, Some(UsageBy::EndUser)), before);
}

#[test]
fn roll_ups_equal_the_sums_of_the_records_exactly() {
    let bench = Bench::new();
    let records = many(2_000);
    for batch in records.chunks(137) {
        bench.record_usage(batch);
    }
    for tenant in ["acme", "beta", "gamma"] {
        for (from, to) in [(START, START + 345_600), (START + 900, START + 90_000), (START + 86_400, START + 86_400)] {
            let of_span =
                |record: &&UsageRecord| record.tenant.as_str() == tenant && (from..to).contains(&record.at.seconds());
            let within: Vec<&UsageRecord> = records.iter().filter(of_span).collect();
            let whole = report(&bench, tenant, from, to, None);
            assert_eq!(told(&whole.totals), expected(within.iter().copied()));
            for by in [UsageBy::Model, UsageBy::Key, UsageBy::Project, UsageBy::EndUser, UsageBy::Day] {
                let name = |record: &UsageRecord| match by {
                    UsageBy::Model => record.model.to_string(),
                    UsageBy::Key => format!("{}/{}", record.project, record.key),
                    UsageBy::Project => record.project.to_string(),
                    UsageBy::EndUser => record.end_user.clone().unwrap_or_default(),
                    UsageBy::Day => {
                        jiff::Timestamp::from_second(record.at.seconds()).unwrap().strftime("%F").to_string()
                    }
                };
                let answer = report(&bench, tenant, from, to, Some(by));
                let mut names: Vec<String> = within.iter().map(|record| name(record)).collect();
                names.sort();
                names.dedup();
                assert_eq!(answer.groups.iter().map(|group| group.name.clone()).collect::<Vec<_>>(), names, "{by:?}");
                for group in &answer.groups {
                    let of_group = within.iter().copied().filter(|record| name(record) == group.name);
                    assert_eq!(told(&group.sums), expected(of_group), "{by:?} {}", group.name);
                }
            }
        }
    }
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let bench = Bench::new();
    let records = many(200);
    bench.record_usage(&records);
    for tenant in ["acme", "beta", "gamma"] {
        let tenant = TenantId::new(tenant).unwrap();
        let mut wanted: Vec<UsageRecord> = records.iter().filter(|record| record.tenant == tenant).cloned().collect();
        wanted.reverse();
        let mut pages = Vec::new();
        let mut before = None;
        loop {
            let page = bench.store.calls(&tenant, Timestamp::EPOCH, 7, before).unwrap();
            before = page.last().map(|record| record.attempt);
            let last = page.len() < 7;
            pages.extend(page);
            if last {
                break;
            }
        }
        assert_eq!(pages, wanted);
    }
    let since = Timestamp::from_seconds(START + 345_600);
    assert!(bench.store.calls(&TenantId::new("acme").unwrap(), since, 10, None).unwrap().is_empty());
    assert!(bench.store.calls(&TenantId::new("nobody").unwrap(), since, 10, None).unwrap().is_empty());
}

#[test]
fn pages_go_over_spans_epochs_and_other_tenants() {
    let bench = Bench::new();
    let mut records = Vec::new();
    for epoch in 1..=3 {
        for place in 0..12_u64 {
            let mut record = record(place * 5_000 + 1, START + i64::try_from(epoch * 1_000 + place).unwrap());
            record.attempt.epoch = epoch;
            record.tenant = TenantId::new(if place.is_multiple_of(5) { "rare" } else { "acme" }).unwrap();
            records.push(record);
        }
    }
    bench.record_usage(&records);
    for tenant in ["acme", "rare"] {
        let tenant = TenantId::new(tenant).unwrap();
        for size in [1, 4, 100] {
            let (mut pages, mut before) = (Vec::new(), None);
            loop {
                let page = bench.store.calls(&tenant, Timestamp::EPOCH, size, before).unwrap();
                before = page.last().map(|record| record.attempt);
                let is_last = page.len() < size;
                pages.extend(page);
                if is_last {
                    break;
                }
            }
            let own = records.iter().rev().filter(|record| record.tenant == tenant);
            assert_eq!(pages, own.cloned().collect::<Vec<_>>(), "{tenant} by {size}");
        }
    }
}

#[test]
fn absurd_amounts_neither_fail_nor_wrap() {
    let bench = Bench::new();
    for sequence in 1..=3 {
        let mut absurd = record(sequence, START);
        absurd.charged = Money::MAX;
        absurd.usage.input = u64::MAX;
        bench.record_usage(&[absurd]);
    }
    let sums = report(&bench, "acme", START, START + 900, None).totals;
    assert_eq!((sums.charged, sums.calls), (Money::MAX, 3));
    assert_eq!(sums.input_tokens, 3 << 40);
}

#[test]
fn a_restart_gives_every_account_back_what_it_was_charged_in_each_period() {
    let bench = Bench::new();
    bench.apply(&format!(
        "{SMALL}\n[[tenant.project.project]]\nid = \"inner\"\n[[tenant.project.project.key]]\nname = \"deep\"\n"
    ));
    // 2027-01-15 08:00 UTC is a Friday; Kathmandu is 5:45 ahead, so that its day began at 18:15 UTC.
    let zone = TimeZone::get("Asia/Kathmandu").unwrap();
    let day_begins = START - 13 * 3_600 - 45 * 60;
    let places = [
        (day_begins, "search", "ci", 1),
        (day_begins - 1, "search", "ci", 10),
        (START, "search/inner", "deep", 100),
        (START - 5 * 86_400, "search", "ci", 1_000),
        (START - 30 * 86_400, "search", "ci", 10_000),
    ];
    let records: Vec<UsageRecord> = (1..)
        .zip(places)
        .map(|(sequence, (at, project, key, nanos))| {
            let mut record = record(sequence, at);
            record.project = ProjectPath::parse(project).unwrap();
            record.key = KeyId::new(key).unwrap();
            record.charged = Money::from_nanos(nanos);
            record
        })
        .collect();
    bench.record_usage(&records);
    let store = bench.reopen();
    let sums = store.posted_sums(&TenantId::new("acme").unwrap(), &zone, Timestamp::from_seconds(START)).unwrap();
    let nanos = |project: Option<&str>, key: Option<&str>| -> Vec<i64> {
        let here = |sum: &&super::posted::PostedSum| {
            sum.project.as_ref().map(ProjectPath::as_str) == project && sum.key.as_ref().map(KeyId::as_str) == key
        };
        let of = |period: BudgetPeriod| {
            let sum = sums.iter().filter(here).find(|sum| sum.posted.period == period);
            sum.map_or(0, |sum| sum.posted.amounts.usd.nanos())
        };
        BudgetPeriod::ALL.map(of).to_vec()
    };
    assert_eq!(nanos(None, None), [101, 111, 1_111, 1_111, 11_111]);
    assert_eq!(nanos(Some("search"), None), [101, 111, 1_111, 1_111, 11_111], "with the project inside it");
    assert_eq!(nanos(Some("search/inner"), None), [100, 100, 100, 100, 100]);
    assert_eq!(nanos(Some("search"), Some("ci")), [1, 11, 1_011, 1_011, 11_011]);
    assert_eq!(nanos(Some("search/inner"), Some("deep")), [100; 5]);
}

#[test]
fn balances_go_to_the_accounts_of_the_live_directory() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let mut records = vec![record(1, START), record(2, START)];
    records[1].key = KeyId::new("deleted").unwrap();
    bench.record_usage(&records);
    let directory = Directory::load(bench.reopen()).unwrap();
    let tenant = directory.tenant("acme").unwrap();
    let balances = bench.store.restored_accounts(&directory, Timestamp::from_seconds(START)).unwrap();
    let total = |index: base::AccountIndex| {
        let restored = balances.iter().find(|restored| restored.account == index).unwrap();
        restored.posted.iter().find(|posted| posted.period == BudgetPeriod::Total).unwrap().amounts.usd.nanos()
    };
    let key = tenant.keys()[0].clone();
    let totals: Vec<i64> = key.path().iter().map(|account| total(account.index)).collect();
    assert_eq!(totals, [2_468, 2_468, 1_234], "a deleted key still counts above it");
}

#[test]
fn an_unknown_ending_stays_held_after_a_restart() {
    let bench = Bench::new();
    let mut unknown = record(1, START);
    unknown.ending = Ending::Unknown;
    unknown.charged = Money::ZERO;
    unknown.usage = Usage::default();
    bench.record_usage(&[unknown]);
    let now = Timestamp::from_seconds(START);
    let sums = bench.store.posted_sums(&TenantId::new("acme").unwrap(), &TimeZone::UTC, now).unwrap();
    let amounts = sums.iter().find(|sum| sum.key.is_some()).unwrap().posted.amounts;
    assert_eq!((amounts.usd.nanos(), amounts.tokens), (5_000, 500));
}

#[test]
fn usage_survives_pruning() {
    let bench = Bench::new();
    bench.apply(SMALL);
    bench.record_usage(&[record(1, START)]);
    bench.prune("");
    assert_eq!(report(&bench, "acme", START, START + 900, None).totals.calls, 1);
    assert_eq!(bench.store.calls(&TenantId::new("acme").unwrap(), Timestamp::EPOCH, 10, None).unwrap().len(), 1);
}

#[test]
fn days_follow_the_calendar_of_the_tenant() {
    let bench = Bench::new();
    bench.apply(SMALL);
    // 22:30 and 23:30 UTC are on two days in Berlin.
    bench.record_usage(&[record(1, START + 14 * 3_600 + 1_800), record(2, START + 15 * 3_600 + 1_800)]);
    let days = report(&bench, "acme", START, START + 86_400, Some(UsageBy::Day));
    let names: Vec<&str> = days.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["2027-01-15", "2027-01-16"]);
    assert_eq!(days.monthly_budget, Some(Money::from_usd(10)));
}

#[test]
fn a_report_has_the_names_that_people_rely_on() {
    let bench = Bench::new();
    bench.apply(SMALL);
    bench.record_usage(&[record(1, START)]);
    let json = serde_json::to_value(report(&bench, "acme", START, START + 900, Some(UsageBy::Model))).unwrap();
    for name in [
        "tenant_id",
        "total_requests",
        "total_tokens",
        "total_cost_usd",
        "monthly_budget",
        "budget_remaining",
        "budget_utilization_pct",
    ] {
        assert!(json.get(name).is_some(), "{name}");
    }
    assert_eq!((json["total_tokens"].as_u64(), json["total_cost_usd"].as_str()), (Some(110), Some("0.000001234")));
    assert_eq!(json["groups"][0]["name"], "small");
    assert_eq!(json["from"], "2027-01-15T08:00:00Z");
}
