//! Endurance: hours of load, and nothing grows but the records.
//!
//! Returns at once unless `MANDANT_SOAK_MINUTES` is set. Best run with a release build: `cargo test --release`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use testkit::Options;
use tokio::time::{Instant, sleep_until};

use super::caller::{Call, Client, Seen};
use super::stand::{Stand, Tenant};
use super::{number, tell};
use crate::sandbox::pause;

/// Enough that the rate is kept by a call of 50 ms: they wait for each answer, and for syncs of the journal.
const CALLERS: u64 = 256;
const TENANTS: u64 = 20;
/// Samples of one run.
const SAMPLES: u32 = 60;

/// What may grow between the first and the last third of a run, beside what is allowed in percent.
const RSS_SLACK: u64 = 16 << 20;
const FILES_SLACK: u64 = 32;
const JOURNAL_SLACK: u64 = 64 << 20;
const WAL_MAX: u64 = 128 << 20;
/// What one record may take in the database, with all its indexes.
const RECORD_BYTES_MAX: u64 = 2_000;

/// One look at the process and its folder.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    seconds: u64,
    calls: u64,
    rss: u64,
    files: u64,
    database: u64,
    wal: u64,
    journal: u64,
}

impl Sample {
    fn take(process: u32, folder: &Path, started: Instant, calls: u64) -> Sample {
        let mut sample = Sample { seconds: started.elapsed().as_secs(), calls, ..Sample::default() };
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the relay lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("every process has a size");
        sample.rss = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10;
        sample.files = std::fs::read_dir(format!("/proc/{process}/fd")).expect("the relay lives").count() as u64;
        sample.measure(folder);
        sample
    }

    /// The journal is what lies in folders; the database and its log are files of the data folder itself.
    fn measure(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A file may go while it is looked at.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                let files = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
                self.journal += files.filter_map(|file| file.metadata().ok()).map(|about| about.len()).sum::<u64>();
            } else if name.ends_with("-wal") {
                self.wal += about.len();
            } else if about.is_file() {
                self.database += about.len();
            }
        }
    }

    fn line(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        format!(
            "{:7} {:10} {:9.1} {:6} {:11.1} {:9.1} {:12.1}",
            self.seconds,
            self.calls,
            mib(self.rss),
            self.files,
            mib(self.database),
            mib(self.wal),
            mib(self.journal)
        )
    }
}

const HEAD: &str = "seconds      calls   rss MiB  files  database MiB  wal MiB  journal MiB";

/// What grew that should be flat; the first tenth is for warming up.
fn growth(samples: &[Sample]) -> Vec<String> {
    let warm = &samples[samples.len() / 10..];
    let third = warm.len() / 3;
    let (first, last) = (&warm[..third], &warm[warm.len() - third..]);
    let most = |part: &[Sample], value: fn(&Sample) -> u64| part.iter().map(value).max().unwrap_or(0);
    let mut found = Vec::new();
    let mut flat = |name: &str, value: fn(&Sample) -> u64, slack: u64| {
        let (before, after) = (most(first, value), most(last, value));
        if after > before + before / 10 + slack {
            found.push(format!("{name} grew from {before} to {after}"));
        }
    };
    flat("resident memory", |sample| sample.rss, RSS_SLACK);
    flat("open files", |sample| sample.files, FILES_SLACK);
    flat("the journal", |sample| sample.journal, JOURNAL_SLACK);
    if most(warm, |sample| sample.wal) > WAL_MAX {
        found.push(format!("the database's log reached {}", most(warm, |sample| sample.wal)));
    }
    let (begin, end) = (warm[0], warm[warm.len() - 1]);
    let (grown, calls) = (end.database.saturating_sub(begin.database), end.calls - begin.calls);
    if grown > calls * RECORD_BYTES_MAX + RSS_SLACK {
        found.push(format!("the database grew by {grown} for {calls} calls"));
    }
    found
}

/// One caller, which keeps its pace whatever the relay does.
async fn drive(mut client: Client, place: u64, period: Duration, stop: Arc<AtomicBool>, calls: Arc<AtomicU64>) {
    let mut random = fastrand::Rng::with_seed(place);
    let mut due = Instant::now() + period.mul_f64(random.f64());
    while !stop.load(Ordering::Acquire) {
        sleep_until(due).await;
        due = (due + period).max(Instant::now());
        let leaves = random.u8(0..50) == 0;
        let call = Call {
            tenant: format!("t{}", random.u64(0..TENANTS)),
            trace: format!("user-{}", random.u32(0..1_000)),
            model: "m",
            more: json!({ "max_tokens": random.u32(4..24), "stream": random.bool() }),
            leaves_after: leaves.then(|| Duration::from_millis(random.u64(0..20))),
        };
        match client.call(&call).await {
            Seen::Whole(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
            Seen::Left => {}
            Seen::Broken => panic!("the relay broke a connection off"),
        }
        client.told.clear();
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn nothing_grows_under_endless_load_but_the_records() {
    let Some(minutes) = number("MANDANT_SOAK_MINUTES") else { return };
    let rate = number("MANDANT_SOAK_RPS").unwrap_or(500);
    let tenants: Vec<Tenant> =
        (0..TENANTS).map(|place| Tenant { id: format!("t{place}"), budget: 1_000_000_000_000_000 }).collect();
    let options = Options { chunk_latency: Duration::from_millis(1), ..Options::for_load() };
    let stand = Stand::new(options, "", &[("m", "sim-tokens-16")], &tenants);
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let period = Duration::from_secs(CALLERS).div_f64(rate as f64);
    let callers: Vec<_> = (0..CALLERS)
        .map(|place| {
            let (client, stop, calls) = (Client::new(stand.address()), stop.clone(), calls.clone());
            stand.runtime.spawn(drive(client, place, period, stop, calls))
        })
        .collect();
    let (process, folder) = (stand.serving().process(), stand.sandbox.path("data"));
    let started = Instant::now();
    let every = Duration::from_secs(minutes * 60) / SAMPLES;
    let mut samples = Vec::new();
    tell(HEAD);
    for number in 1..=SAMPLES {
        pause((started + every * number).saturating_duration_since(Instant::now()));
        let sample = Sample::take(process, &folder, started, calls.load(Ordering::Relaxed));
        tell(&sample.line());
        samples.push(sample);
    }
    stop.store(true, Ordering::Release);
    for caller in callers {
        stand.runtime.block_on(caller).unwrap();
    }
    for tenant in &tenants {
        stand.nothing_held(&tenant.id, Duration::from_secs(10));
    }
    let table: Vec<String> = samples.iter().map(Sample::line).collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak.txt");
    std::fs::write(&file, format!("{HEAD}\n{}\n", table.join("\n"))).unwrap();
    tell(&format!("the table is in {}", file.display()));
    let reached = calls.load(Ordering::Relaxed) / (minutes * 60).max(1);
    assert!(reached * 10 >= rate * 9, "only {reached} of {rate} calls a second were made");
    let found = growth(&samples);
    assert!(found.is_empty(), "{}", found.join("; "));
}

#[test]
fn growth_is_found() {
    let sample = |number: u64| Sample {
        seconds: number,
        calls: number * 1_000,
        rss: 100 << 20,
        files: 100,
        database: number * 500_000,
        wal: 4 << 20,
        journal: 96 << 20,
    };
    let flat: Vec<Sample> = (0..60).map(sample).collect();
    assert_eq!(growth(&flat), Vec::<String>::new());
    let grown = |change: fn(&mut Sample, u64)| {
        let mut samples = flat.clone();
        samples.iter_mut().zip(0..).for_each(|(sample, number)| change(sample, number));
        growth(&samples).len()
    };
    assert_eq!(grown(|sample, number| sample.rss += number << 20), 1);
    assert_eq!(grown(|sample, number| sample.files += number * 2), 1);
    assert_eq!(grown(|sample, number| sample.journal += number << 22), 1);
    assert_eq!(grown(|sample, number| sample.wal += number << 22), 1);
    assert_eq!(grown(|sample, number| sample.database += number * 3_000_000), 1);
}
