//! What one tenant's flood does to another: the victim's latency and success alone, beside each flood in fair order, and
//! beside the same first come, first served.
//!
//! The provider takes 64 calls at once, answers after 60 ms and refuses more. The victim makes a fifth of the calls that
//! half of the places can do, at random times. The neighbour has 10 or 100 times as many connections as its half has
//! places, and asks on each again and again, a second after a refusal. Relay, provider, victim and flood are processes
//! of their own; the relay has a core for itself.

pub(crate) mod flood;
mod plot;
mod stand;
pub(crate) mod victim;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cli::{FloodKind, Neighbours};
use crate::measure::Folder;
use crate::process::{OTHER_CORE, pin};
use crate::quantile::median;
use crate::{mandant, report};
use stand::Stand;

/// Calls that the provider takes at once.
const PLACES: usize = 64;
/// Until its answers begin.
const LATENCY_MS: u64 = 60;
/// The neighbour's connections, in multiples of its half of the places; and the most that the victim's p99 may be then,
/// in multiples of what it is alone.
const LOADS: [(usize, f64); 2] = [(10, 1.2), (100, 1.5)];
/// The least part of the victim's calls that must succeed.
const SUCCESS_LEAST: f64 = 0.999;

/// The victim's calls a second.
fn rate() -> f64 {
    PLACES as f64 / 2.0 / 5.0 / (LATENCY_MS as f64 / 1_000.0)
}

/// In which order calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Fair,
    Fifo,
}

impl Order {
    const fn name(self) -> &'static str {
        match self {
            Order::Fair => "fair",
            Order::Fifo => "fifo",
        }
    }
}

/// What the victim saw in one measurement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    pub(crate) succeeded: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) first_failure: Option<String>,
}

/// All rounds of the victim beside one flood, or beside none.
#[derive(Debug, Clone, Serialize)]
struct Row {
    flood: Option<&'static str>,
    times: usize,
    order: Order,
    rounds: Vec<Seen>,
    /// The victim's p99 in multiples of what it was alone, round by round.
    ratios: Vec<f64>,
}

impl Row {
    fn figure(&self, of: fn(&Seen) -> f64) -> f64 {
        median(&self.rounds.iter().map(of).collect::<Vec<_>>())
    }

    fn p50_ms(&self) -> f64 {
        self.figure(|seen| seen.p50_ms)
    }

    fn p99_ms(&self) -> f64 {
        self.figure(|seen| seen.p99_ms)
    }

    /// Over all rounds.
    fn success(&self) -> f64 {
        let sum = |of: fn(&Seen) -> u64| self.rounds.iter().map(of).sum::<u64>() as f64;
        sum(|seen| seen.succeeded) / sum(|seen| seen.calls).max(1.0)
    }

    fn ratio(&self) -> f64 {
        median(&self.ratios)
    }

    fn name(&self) -> String {
        self.flood.map_or_else(|| "none".to_owned(), |flood| format!("{}× {flood}", self.times))
    }
}

pub(crate) fn run(options: &Neighbours) -> Result<()> {
    pin(OTHER_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(options))?;
    print(&rows);
    if let Some(path) = &options.output {
        let document = serde_json::json!({ "machine": report::machine(), "rows": rows });
        std::fs::write(path, serde_json::to_string_pretty(&document)? + "\n")
            .context("the figures cannot be written")?;
    }
    if let Some(path) = &options.plot {
        std::fs::write(path, plot::svg(&rows)).context("the plot cannot be written")?;
    }
    if options.quick { check(&rows) } else { Ok(()) }
}

/// The floods to measure, with their sizes.
fn floods(options: &Neighbours) -> Vec<(FloodKind, usize)> {
    if options.quick {
        return vec![(FloodKind::Calls, LOADS[0].0)];
    }
    let wanted = |kind: &FloodKind| options.only.is_empty() || options.only.contains(kind);
    let kinds: Vec<FloodKind> = FloodKind::ALL.into_iter().filter(wanted).collect();
    LOADS.iter().flat_map(|(times, _)| kinds.iter().map(|kind| (*kind, *times))).collect()
}

async fn measure(options: &Neighbours) -> Result<Vec<Row>> {
    let program =
        options.mandant.clone().or_else(mandant::find).context("there is no Mandant binary; --mandant says where")?;
    let (rounds, calls) = if options.quick { (1, 300) } else { (options.rounds, options.calls) };
    let floods = floods(options);
    let row = |flood, times, order| Row { flood, times, order, rounds: Vec::new(), ratios: Vec::new() };
    let mut rows = vec![row(None, 0, Order::Fair)];
    for (kind, times) in &floods {
        rows.extend([Order::Fair, Order::Fifo].map(|order| row(Some(kind.name()), *times, order)));
    }
    let root = Folder::create()?;
    let mut stands = 0;
    let mut folder = || {
        stands += 1;
        let folder = root.0.join(stands.to_string());
        std::fs::create_dir(&folder).context("no folder for a relay").map(|()| folder)
    };
    for round in 0..rounds {
        let alone = Stand::start(&program, &folder()?, Order::Fair).await?.victim(None, calls, round).await?;
        note(&rows[0], &alone);
        let solo = alone.p99_ms;
        rows[0].rounds.push(alone);
        rows[0].ratios.push(1.0);
        let mut place = 1;
        for (kind, times) in &floods {
            for order in [Order::Fair, Order::Fifo] {
                let stand = Stand::start(&program, &folder()?, order).await?;
                let connections = PLACES / 2 * times;
                let seen = stand.victim(Some((*kind, connections)), calls, round).await?;
                note(&rows[place], &seen);
                rows[place].ratios.push(seen.p99_ms / solo);
                rows[place].rounds.push(seen);
                place += 1;
            }
        }
    }
    Ok(rows)
}

/// Progress, for a run of many minutes.
fn note(row: &Row, seen: &Seen) {
    let failure = seen.first_failure.as_deref().unwrap_or("");
    eprintln!(
        "{} {}: {} of {}, p50 {:.1} ms, p99 {:.1} ms {failure}",
        row.name(),
        row.order.name(),
        seen.succeeded,
        seen.calls,
        seen.p50_ms,
        seen.p99_ms
    );
}

/// As Markdown, for docs/fairness.md.
fn print(rows: &[Row]) {
    println!("| the neighbour | order | victim's success | p50, ms | p99, ms | p99 to alone | goal |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        let goal = LOADS.iter().find(|(times, _)| *times == row.times && row.order == Order::Fair);
        println!(
            "| {} | {} | {:.2} % | {:.1} | {:.1} | {:.2} | {} |",
            row.name(),
            row.order.name(),
            row.success() * 100.0,
            row.p50_ms(),
            row.p99_ms(),
            row.ratio(),
            goal.map_or_else(String::new, |(_, most)| {
                let holds = row.ratio() <= *most && row.success() >= SUCCESS_LEAST;
                format!("{most} {}", if holds { "holds" } else { "missed" })
            }),
        );
    }
}

/// What a smoke run can say on a busy machine: without the fair queue it would be much worse.
fn check(rows: &[Row]) -> Result<()> {
    let [_, fair, fifo] = rows else { bail!("a quick run has three rows") };
    ensure!(fair.success() >= SUCCESS_LEAST, "only {} of the victim's calls succeeded", fair.success());
    ensure!(fair.ratio() * 2.0 < fifo.ratio(), "fair {:.2}, first come first served {:.2}", fair.ratio(), fifo.ratio());
    Ok(())
}
