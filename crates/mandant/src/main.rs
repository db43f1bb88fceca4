//! The `mandant` binary: reads what it is told, and does it.

mod backend;
mod catch_up;
mod cli;
mod clock;
mod command;
mod config;
mod demo;
mod failure;
mod live;
mod logging;
mod output;
mod replay;
mod serve;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let output = output::Output::new(cli.common.json);
    match command::run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}
