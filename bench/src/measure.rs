//! The run itself: start everything, take turns, collect.

use core::time::Duration;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::candidate::{self, Running, Setting, free_port, own, start_provider};
use crate::cli::{Candidate, Options};
use crate::load::Figures;
use crate::process::{OTHER_CORE, Process, pin};
use crate::quantile::median;
use crate::{mandant, report};

/// Streams at the same time.
const STREAMS: usize = 64;

/// Connections at the fixed rate beside those that wait for the provider: more than are ever busy, so that none is waited
/// for.
const RATE_CONNECTIONS: u64 = 64;

/// The rate when there is no bare proxy to take a fifth of.
const RATE_DEFAULT: u64 = 2_000;

/// How much of everything.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Amount {
    pub(crate) rounds: u32,
    pub(crate) calls: u64,
    pub(crate) streams_each: u64,
    pub(crate) seconds: u64,
    pub(crate) warm_up_calls: u64,
    /// Of plain calls without a rate.
    pub(crate) connections: u32,
    /// What the provider takes for its first byte.
    pub(crate) latency_ms: u64,
}

impl Amount {
    fn of(options: &Options) -> Amount {
        let Options { rounds, calls, seconds, connections, latency_ms, .. } = *options;
        if options.quick {
            let amount = Amount {
                rounds: 1,
                calls: 2_000,
                streams_each: 1,
                seconds: 1,
                warm_up_calls: 200,
                connections,
                latency_ms,
            };
            return amount;
        }
        Amount { rounds, calls, streams_each: 3, seconds, warm_up_calls: 10_000, connections, latency_ms }
    }
}

/// All rounds of one candidate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) candidate: &'static str,
    /// Processor time of the proxy per plain call, in microseconds.
    pub(crate) cpu_us_per_call: Vec<f64>,
    /// Calls a second with all connections busy.
    pub(crate) calls_per_second: Vec<f64>,
    pub(crate) cpu_us_per_event: Vec<f64>,
    /// Processor time of the proxy per plain call at the fixed rate, where every proxy idles as often as it works.
    pub(crate) cpu_us_per_call_at_rate: Vec<f64>,
    /// How busy the core of the load generator and the provider was at the fixed rate, of 1: near 1, what is measured is their
    /// own queue.
    pub(crate) load_core_busy: Vec<f64>,
    pub(crate) p50_us: Vec<f64>,
    pub(crate) p99_us: Vec<f64>,
    pub(crate) p999_us: Vec<f64>,
    /// The p99 of every second of every round.
    pub(crate) p99_us_of_seconds: Vec<f64>,
    pub(crate) idle_kib: u64,
    pub(crate) loaded_kib: u64,
    pub(crate) start_ms: Option<f64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    pin(OTHER_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(options))
}

async fn compare(options: &Options) -> Result<()> {
    let amount = Amount::of(options);
    let folder = Folder::create()?;
    let upstream_port = free_port()?;
    let latency = options.latency_ms.to_string();
    let provider = start_provider(upstream_port, &["--latency-ms", &latency]).await?;
    let mandant = options.mandant.clone().or_else(mandant::find);
    let starts = Setting::starts_of(options.quick);
    let setting = Setting { folder: &folder.0, upstream_port, mandant, starts };
    let mut running = Vec::new();
    for candidate in Candidate::ALL {
        if !options.only.is_empty() && !options.only.contains(&candidate) {
            continue;
        }
        eprintln!("starting {}", candidate.name());
        match candidate::start(candidate, &setting).await? {
            Some(started) => running.push((Measured::new(&started), started)),
            None if options.only.contains(&candidate) => bail!("{} is not installed or built", candidate.name()),
            None => eprintln!("{} is not installed or built: left out", candidate.name()),
        }
    }
    for (_, one) in &running {
        load(one, Kind::Plain(amount.warm_up_calls), amount).await?;
    }
    for round in 1..=amount.rounds {
        for (result, one) in &mut running {
            eprintln!("round {round} of {}: {}", amount.rounds, result.candidate);
            result.measure_work(one, amount).await?;
        }
    }
    let rate = options.rate.unwrap_or_else(|| fifth_of_bare(running.iter().map(|(result, _)| result)));
    for round in 1..=amount.rounds {
        for (result, one) in &mut running {
            eprintln!("round {round} of {}: {} at {rate} calls a second", amount.rounds, result.candidate);
            result.measure_latency(one, &provider, rate, amount).await?;
        }
    }
    let mut results = Vec::new();
    for (mut result, one) in running {
        if let Some(process) = one.process {
            result.loaded_kib = process.memory_kib().1;
            process.stop().await?;
        }
        results.push(result);
    }
    provider.stop().await?;
    report::print(&results, rate);
    write_results(options, &results, amount, rate)
}

fn write_results(options: &Options, results: &[Measured], amount: Amount, rate: u64) -> Result<()> {
    let default = (!options.quick).then(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("results.json"));
    let Some(file) = options.output.clone().or(default) else { return Ok(()) };
    let text = report::json(results, amount, rate)?;
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("wrote {}", file.display());
    Ok(())
}

fn fifth_of_bare<'a>(mut results: impl Iterator<Item = &'a Measured>) -> u64 {
    let bare = results.find(|result| result.candidate == Candidate::Bare.name());
    bare.map_or(RATE_DEFAULT, |bare| (median(&bare.calls_per_second) / 5.0) as u64)
}

/// What is asked of a candidate.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain(u64),
    Streams(u64),
    Rate { rate: u64, calls: u64 },
}

async fn load(one: &Running, kind: Kind, amount: Amount) -> Result<Figures> {
    let (port, connections, calls) = match kind {
        Kind::Plain(calls) => (one.plain_port, amount.connections as usize, calls),
        Kind::Streams(each) => (one.stream_port, STREAMS, each * STREAMS as u64),
        Kind::Rate { rate, calls } => {
            (one.plain_port, (RATE_CONNECTIONS + rate * amount.latency_ms / 500) as usize, calls)
        }
    };
    let mut command = own("load")?;
    command.arg("--port").arg(port.to_string()).arg("--connections").arg(connections.to_string());
    command.arg("--calls").arg(calls.to_string());
    match kind {
        Kind::Plain(_) => {}
        Kind::Streams(_) => {
            command.arg("--streams");
        }
        Kind::Rate { rate, .. } => {
            command.arg("--rate").arg(rate.to_string());
        }
    }
    let name = one.candidate.name();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        bail!("the load generator failed against {name}");
    }
    let figures: Figures = serde_json::from_slice(&output.stdout).context("the load generator's figures")?;
    if figures.failures > 0 {
        let first = figures.first_failure.unwrap_or_default();
        bail!("{name}: {} of {} calls failed; the first: {first}", figures.failures, figures.calls);
    }
    Ok(figures)
}

impl Measured {
    fn new(one: &Running) -> Measured {
        Measured {
            candidate: one.candidate.name(),
            cpu_us_per_call: Vec::new(),
            calls_per_second: Vec::new(),
            cpu_us_per_event: Vec::new(),
            cpu_us_per_call_at_rate: Vec::new(),
            load_core_busy: Vec::new(),
            p50_us: Vec::new(),
            p99_us: Vec::new(),
            p999_us: Vec::new(),
            p99_us_of_seconds: Vec::new(),
            idle_kib: one.idle_kib,
            loaded_kib: 0,
            start_ms: one.start_ms,
        }
    }

    /// Processor time and capacity.
    async fn measure_work(&mut self, one: &Running, amount: Amount) -> Result<()> {
        let before = settled_cpu(one).await;
        let plain = load(one, Kind::Plain(amount.calls), amount).await?;
        self.calls_per_second.push(plain.calls_per_second());
        let between = settled_cpu(one).await;
        if let (Some(before), Some(after)) = (before, between) {
            self.cpu_us_per_call.push((after - before) as f64 / 1e3 / plain.calls as f64);
        }
        let streams = load(one, Kind::Streams(amount.streams_each), amount).await?;
        if let (Some(before), Some(after)) = (between, settled_cpu(one).await) {
            self.cpu_us_per_event.push((after - before) as f64 / 1e3 / streams.events.max(1) as f64);
        }
        Ok(())
    }

    async fn measure_latency(&mut self, one: &Running, provider: &Process, rate: u64, amount: Amount) -> Result<()> {
        let before = settled_cpu(one).await;
        let provided = provider.cpu_nanos();
        let figures = load(one, Kind::Rate { rate, calls: rate * amount.seconds }, amount).await?;
        let provided = (provider.cpu_nanos() - provided) as f64 / 1e9;
        self.load_core_busy.push((provided + figures.cpu_seconds) / figures.seconds);
        if let (Some(before), Some(after)) = (before, settled_cpu(one).await) {
            self.cpu_us_per_call_at_rate.push((after - before) as f64 / 1e3 / figures.calls as f64);
        }
        self.p50_us.push(figures.p50_us as f64);
        self.p99_us.push(figures.p99_us as f64);
        self.p999_us.push(figures.p999_us as f64);
        self.p99_us_of_seconds.extend(figures.p99_us_of_seconds.iter().map(|us| *us as f64));
        Ok(())
    }
}

/// How long a candidate rests before its processor time is read: what it does later for the calls before (Mandant carries
/// its records into the database once a second) belongs to them, and not to what is measured next.
const REST: Duration = Duration::from_millis(1_500);

/// Processor time that the proxy has used, in nanoseconds, once it is done with what it was asked.
async fn settled_cpu(one: &Running) -> Option<u64> {
    tokio::time::sleep(REST).await;
    one.process.as_ref().map(Process::cpu_nanos)
}

/// A folder for the files of the run, removed at its end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn create() -> Result<Folder> {
        let folder = std::env::temp_dir().join(format!("mandant-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Folder(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A left-over folder of temporary files is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
