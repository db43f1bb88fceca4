//! The load generator: closed-loop for processor time and capacity, open-loop for latencies.
//!
//! At a fixed rate a call's latency counts from the moment it was due, not from when it could be sent: a proxy that stalls pays
//! for every call that it kept waiting (no coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli;
use crate::client::{Connection, request};
use crate::quantile::percentile;

/// What a generator measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<String>,
    pub(crate) seconds: f64,
    /// Processor time of the generator.
    pub(crate) cpu_seconds: f64,
    /// Server-sent events received.
    pub(crate) events: u64,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    /// The p99 of the calls that were due within each second.
    pub(crate) p99_us_of_seconds: Vec<u64>,
}

impl Figures {
    fn of(seen: Seen, seconds: f64, cpu_seconds: f64) -> Figures {
        let all = sorted_us(&seen.latencies);
        let at = |per_mille| percentile(&all, per_mille).unwrap_or_default();
        let of_second = |second| seen.latencies.iter().filter(move |latency| latency.second == second);
        let seconds_due = seen.latencies.iter().map(|latency| latency.second + 1).max().unwrap_or_default();
        Figures {
            calls: all.len() as u64,
            failures: seen.failures,
            first_failure: seen.first_failure,
            seconds,
            cpu_seconds,
            events: seen.events,
            p50_us: at(500),
            p99_us: at(990),
            p999_us: at(999),
            p99_us_of_seconds: (0..seconds_due)
                .map(|second| percentile(&sorted_us(of_second(second)), 990).unwrap_or_default())
                .collect(),
        }
    }

    pub(crate) fn calls_per_second(&self) -> f64 {
        self.calls as f64 / self.seconds
    }
}

pub(crate) fn run(options: &cli::Load) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(generate(options))?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Where a connection gets its next call from.
#[derive(Clone)]
enum Pace {
    /// As soon as the last is answered, while any are left.
    Closed(Arc<AtomicU64>),
    /// When the clock says so.
    Open(Arc<Mutex<UnboundedReceiver<Instant>>>),
}

impl Pace {
    /// When the next call is due; `None` when there is none left.
    async fn next(&self) -> Option<Instant> {
        match self {
            Pace::Closed(left) => {
                let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                taken.is_ok().then(Instant::now)
            }
            Pace::Open(due) => due.lock().await.recv().await,
        }
    }
}

/// What connections saw.
#[derive(Default)]
struct Seen {
    latencies: Vec<Latency>,
    events: u64,
    failures: u64,
    first_failure: Option<String>,
}

#[derive(Clone, Copy)]
struct Latency {
    /// In which second after the start the call was due.
    second: u64,
    us: u64,
}

fn sorted_us<'a>(latencies: impl IntoIterator<Item = &'a Latency>) -> Vec<u64> {
    let mut sorted: Vec<u64> = latencies.into_iter().map(|latency| latency.us).collect();
    sorted.sort_unstable();
    sorted
}

async fn generate(options: &cli::Load) -> Result<Figures> {
    let mut connections = Vec::with_capacity(options.connections);
    for _ in 0..options.connections {
        connections.push(Connection::open(options.port).await.context("the proxy cannot be reached")?);
    }
    let (start, cpu_before) = (Instant::now(), cpu_seconds());
    let pace = match options.rate {
        None => Pace::Closed(Arc::new(AtomicU64::new(options.calls))),
        Some(rate) => Pace::Open(Arc::new(Mutex::new(clock(start, rate, options.calls)))),
    };
    let mut tasks = JoinSet::new();
    for (index, connection) in connections.into_iter().enumerate() {
        let bytes = request(options.port, index, options.streams);
        tasks.spawn(work(connection, bytes, options.clone(), pace.clone(), start));
    }
    let mut all = Seen::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen??;
        all.latencies.extend(seen.latencies);
        all.events += seen.events;
        all.failures += seen.failures;
        all.first_failure = all.first_failure.or(seen.first_failure);
    }
    Ok(Figures::of(all, start.elapsed().as_secs_f64(), cpu_seconds() - cpu_before))
}

/// Processor time of this process, threads that have ended included.
fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

async fn work(
    mut connection: Connection,
    bytes: Vec<u8>,
    options: cli::Load,
    pace: Pace,
    start: Instant,
) -> Result<Seen> {
    let mut seen = Seen::default();
    while let Some(due) = pace.next().await {
        let problem = match connection.call(&bytes).await {
            Ok(answer) if answer.is_good(options.streams) => {
                if options.streams {
                    seen.events += answer.events();
                }
                None
            }
            Ok(answer) => Some(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body))),
            Err(problem) => {
                connection = Connection::open(options.port).await?;
                Some(problem.to_string())
            }
        };
        let second = due.saturating_duration_since(start).as_secs();
        seen.latencies.push(Latency { second, us: due.elapsed().as_micros() as u64 });
        if let Some(problem) = problem {
            seen.failures += 1;
            seen.first_failure.get_or_insert(problem.chars().take(400).collect());
        }
    }
    Ok(seen)
}

/// Says when calls are due. A thread of its own: the runtime's timer knows whole milliseconds only.
#[expect(clippy::disallowed_methods, reason = "sleeping a thread is the only wait with a precision of microseconds")]
fn clock(start: Instant, rate: u64, calls: u64) -> UnboundedReceiver<Instant> {
    let (tx, rx) = unbounded_channel();
    std::thread::spawn(move || {
        for index in 0..calls {
            let due = start + Duration::from_nanos(index * 1_000_000_000 / rate.max(1));
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            if tx.send(due).is_err() {
                return;
            }
        }
    });
    rx
}
