//! Compares, in one run on one machine: direct calls, nginx, a bare hyper proxy, and Mandant with everything on; and
//! measures what one tenant's flood does to another.
//!
//! The proxy under test has core 0 for itself; the simulated provider and the load generator share core 1. All three are
//! processes of their own (the latter two are subcommands of this binary), so that the processor time of the proxy is
//! the kernel's figure for one process and nothing else.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints its results")]

mod bare_proxy;
mod candidate;
mod cli;
mod client;
mod load;
mod mandant;
mod measure;
mod neighbours;
mod nginx;
mod process;
mod provider;
mod quantile;
mod report;

use std::process::ExitCode;

use clap::Parser;

/// The allocator that Mandant uses too, so that the bare proxy has no handicap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let done = match cli.role {
        None => measure::run(&cli.options),
        Some(cli::Role::Provider(options)) => provider::run(&options),
        Some(cli::Role::Bare(options)) => bare_proxy::run(&options),
        Some(cli::Role::Load(options)) => load::run(&options),
        Some(cli::Role::Neighbours(options)) => neighbours::run(&options),
        Some(cli::Role::Victim(options)) => neighbours::victim::run(&options),
        Some(cli::Role::Flood(options)) => neighbours::flood::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("mandant-bench: {problem:#}");
            ExitCode::FAILURE
        }
    }
}
