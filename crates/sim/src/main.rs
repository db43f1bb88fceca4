//! `mandant-sim`: runs the simulator for as long as one likes, and runs a failing seed again.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use std::process::ExitCode;

use clap::Parser;
use mandant_sim::{Mutant, Plan, hunt, quiet_panics, replay_command, run_many};

/// Simulates the money of one node and checks I1 to I10 after each step.
#[derive(Parser)]
#[command(name = "mandant-sim")]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    runs: u64,
    /// Steps of each.
    #[arg(long, default_value_t = 500)]
    steps: u64,
    /// Makes this mistake, and looks for the seed that finds it; `all` takes each in turn.
    #[arg(long)]
    mutant: Option<String>,
    /// Applies every batch to the real store, too.
    #[arg(long)]
    store: bool,
    /// Names the mutants.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    quiet_panics();
    if arguments.list {
        Mutant::ALL.iter().for_each(|mutant| println!("{}", mutant.name()));
        return ExitCode::SUCCESS;
    }
    match arguments.mutant.as_deref() {
        Some("all") => return hunt_all(&arguments),
        Some(name) if Mutant::named(name).is_none() => {
            println!("there is no mutant {name}; --list names them");
            return ExitCode::FAILURE;
        }
        _ => {}
    }
    let mutant = arguments.mutant.as_deref().and_then(Mutant::named);
    let plan = Plan { steps: arguments.steps, mutant, has_store: arguments.store };
    match run_many(arguments.seed, arguments.runs, plan) {
        Ok(stats) => {
            println!("{} runs, no violation: {stats:?}", arguments.runs);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("seed {}, step {}: {}", failure.seed, failure.step, failure.violation);
            println!("replay: {}", replay_command(failure.seed, plan));
            ExitCode::FAILURE
        }
    }
}

fn hunt_all(arguments: &Arguments) -> ExitCode {
    let mut missed = 0;
    for mutant in Mutant::ALL {
        match hunt(mutant, arguments.seed, arguments.runs, arguments.steps) {
            Some(found) => {
                println!("{:24} seed {:5} step {:4} {}", mutant.name(), found.seed, found.step, found.violation.check);
            }
            None => {
                missed += 1;
                println!("{:24} NOT CAUGHT in {} seeds", mutant.name(), arguments.runs);
            }
        }
    }
    println!("{} of {} mutants caught", Mutant::ALL.len() - missed, Mutant::ALL.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
