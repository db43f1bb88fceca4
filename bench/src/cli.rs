//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Compare Mandant with direct calls, nginx and a bare hyper proxy on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "mandant-bench",
    version,
    after_help = "Examples:
  mandant-bench                          everything, about five minutes
  mandant-bench --quick                  a smoke run: does it work?
  mandant-bench --only bare,mandant --rounds 5
  mandant-bench --latency-ms 150 --rate 1000   a provider as slow as a model
  mandant-bench --mandant target/release/mandant
  mandant-bench neighbours               what one tenant's flood does to another, about fifteen minutes"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What to compare, and how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Few calls, one round: shows that everything works, measures nothing.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these, separated by commas; ratios need `bare`.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) only: Vec<Candidate>,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Plain calls per round.
    #[arg(long, default_value_t = 60_000, value_name = "COUNT")]
    pub(crate) calls: u64,
    /// Seconds at the fixed rate, per round.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub(crate) seconds: u64,
    /// Calls a second for the latencies; a fifth of the bare proxy's capacity when left out.
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<u64>,
    /// Connections of plain calls without a rate: enough to keep a candidate busy that waits for its disk meanwhile.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) connections: u32,
    /// Milliseconds that the provider takes for its first byte.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    pub(crate) latency_ms: u64,
    /// The Mandant binary; the one beside this binary when left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) mandant: Option<PathBuf>,
    /// Where the figures go as JSON; `bench/results.json`, not written by a quick run, when left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Candidate {
    /// No proxy: what the generator and the provider cost themselves.
    Direct,
    /// nginx, one worker.
    Nginx,
    /// A bare hyper proxy.
    Bare,
    /// Mandant with 50 tenants, limits, budgets and usage records, at its default durability (`power`).
    Mandant,
    /// The same at durability `process`: no answer waits for a sync.
    MandantProcess,
    /// The same, with an upstream that speaks Anthropic's dialect: every call and every answer is translated.
    MandantTranslated,
}

impl Candidate {
    pub(crate) const ALL: [Candidate; 6] = [
        Candidate::Direct,
        Candidate::Nginx,
        Candidate::Bare,
        Candidate::Mandant,
        Candidate::MandantProcess,
        Candidate::MandantTranslated,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Candidate::Direct => "direct",
            Candidate::Nginx => "nginx",
            Candidate::Bare => "bare",
            Candidate::Mandant => "mandant",
            Candidate::MandantProcess => "mandant-process",
            Candidate::MandantTranslated => "mandant-translated",
        }
    }
}

/// The processes that a run starts.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// The simulated provider (started by a run).
    #[command(hide = true)]
    Provider(Provider),
    /// The bare proxy (started by a run).
    #[command(hide = true)]
    Bare(Bare),
    /// The load generator (started by a run); prints its figures as JSON.
    #[command(hide = true)]
    Load(Load),
    /// Measure what one tenant's flood does to another, in fair order and first come, first served.
    Neighbours(Neighbours),
    /// The tenant that is disturbed (started by a run); prints its figures as JSON.
    #[command(hide = true)]
    Victim(Victim),
    /// The tenant that disturbs (started by a run), until it is ended.
    #[command(hide = true)]
    Flood(Flood),
}

#[derive(Debug, Args)]
pub(crate) struct Neighbours {
    /// One short round with plain calls only, which fails when the fair queue makes no difference.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Calls of the victim per measurement; it makes about 107 a second.
    #[arg(long, default_value_t = 1_000, value_name = "COUNT")]
    pub(crate) calls: u64,
    /// Only these floods, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) only: Vec<FloodKind>,
    /// The Mandant binary; the one beside this binary when left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) mandant: Option<PathBuf>,
    /// Where the figures go as JSON; not written when left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Where the plot goes as SVG; not written when left out.
    #[arg(long, value_name = "PATH")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Victim {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) calls: u64,
    /// Calls a second, at random times.
    #[arg(long)]
    pub(crate) rate: f64,
    #[arg(long)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Flood {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) kind: FloodKind,
    #[arg(long)]
    pub(crate) connections: usize,
}

/// What a neighbour does, on each of its connections, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FloodKind {
    /// Plain calls like those of the victim.
    Calls,
    /// Streams of three seconds.
    Streams,
    /// Bodies of a quarter of a megabyte.
    Bodies,
    /// Streams of ten seconds, read more slowly than they come.
    Readers,
}

impl FloodKind {
    pub(crate) const ALL: [FloodKind; 4] =
        [FloodKind::Calls, FloodKind::Streams, FloodKind::Bodies, FloodKind::Readers];

    pub(crate) fn name(self) -> &'static str {
        match self {
            FloodKind::Calls => "calls",
            FloodKind::Streams => "long streams",
            FloodKind::Bodies => "big bodies",
            FloodKind::Readers => "slow readers",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Provider {
    #[arg(long)]
    pub(crate) port: u16,
    /// Until an answer begins.
    #[arg(long, default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// Calls at once; more are refused.
    #[arg(long)]
    pub(crate) places: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Bare {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) upstream_port: u16,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    #[arg(long)]
    pub(crate) port: u16,
    #[arg(long)]
    pub(crate) streams: bool,
    #[arg(long)]
    pub(crate) connections: usize,
    /// Calls in all; at a fixed rate `rate` times the seconds.
    #[arg(long)]
    pub(crate) calls: u64,
    /// Calls a second, whether answers come or not; as fast as they come when left out.
    #[arg(long)]
    pub(crate) rate: Option<u64>,
}
