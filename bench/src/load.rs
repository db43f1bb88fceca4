//! The load generator: closed-loop for processor time and capacity, open-loop for latencies.
//!
//! At a fixed rate a call's latency counts from the moment it was due, not from when it could be sent: a proxy that stalls pays
//! for every call that it kept waiting (no coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli;
use crate::client::{Connection, request};

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
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) p999_us: u64,
    pub(crate) max_us: u64,
}

impl Figures {
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

/// What one connection saw.
struct Seen {
    latencies_us: Histogram<u64>,
    events: u64,
    failures: u64,
    first_failure: Option<String>,
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
        tasks.spawn(work(connection, bytes, options.clone(), pace.clone()));
    }
    let mut figures = Figures::default();
    let mut latencies_us = new_histogram();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen??;
        latencies_us.add(&seen.latencies_us)?;
        figures.events += seen.events;
        figures.failures += seen.failures;
        figures.first_failure = figures.first_failure.or(seen.first_failure);
    }
    figures.calls = latencies_us.len();
    figures.seconds = start.elapsed().as_secs_f64();
    figures.cpu_seconds = cpu_seconds() - cpu_before;
    figures.p50_us = latencies_us.value_at_quantile(0.5);
    figures.p90_us = latencies_us.value_at_quantile(0.9);
    figures.p99_us = latencies_us.value_at_quantile(0.99);
    figures.p999_us = latencies_us.value_at_quantile(0.999);
    figures.max_us = latencies_us.max();
    Ok(figures)
}

/// Processor time of this process, threads that have ended included.
fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are valid")
}

async fn work(mut connection: Connection, bytes: Vec<u8>, options: cli::Load, pace: Pace) -> Result<Seen> {
    let mut seen = Seen { latencies_us: new_histogram(), events: 0, failures: 0, first_failure: None };
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
        seen.latencies_us.saturating_record(due.elapsed().as_micros() as u64);
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
