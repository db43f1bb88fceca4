//! Runs: one seed from beginning to rest.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::checks::{self, Violation};
use crate::mutant::Mutant;
use crate::twin::Twin;
use crate::world::{Stats, World};

/// A run that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The step after which it was seen.
    pub step: u64,
    /// What was found.
    pub violation: Violation,
}

/// What a run is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Steps of the scheduler.
    pub steps: u64,
    /// The mistake that the protocol makes.
    pub mutant: Option<Mutant>,
    /// Whether the real store is applied beside its model.
    pub has_store: bool,
}

/// Runs one seed.
///
/// # Errors
/// The first violation.
pub fn run(seed: u64, plan: Plan) -> Result<Stats, Box<Failure>> {
    let mut world = World::new(seed, plan.mutant);
    if plan.has_store {
        world.twin = Some(Twin::new(&world.scenario));
    }
    let ended = catch_unwind(AssertUnwindSafe(|| go(&mut world, plan.steps)));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.fail("assertion", text.unwrap_or_default());
    }
    let stats = Stats { losses: world.oracle.losses as u64, ..world.stats };
    match world.violation.take() {
        None => Ok(stats),
        Some(violation) => Err(Box::new(Failure { seed, step: stats.steps, violation })),
    }
}

fn go(world: &mut World, steps: u64) {
    for _ in 0..steps {
        if world.violation.is_some() {
            return;
        }
        world.step();
    }
    if world.violation.is_none() {
        world.quiesce();
    }
    if world.violation.is_none() {
        world.violation = checks::all(world).err().or_else(|| checks::i9_at_rest(world).err());
    }
}

/// Runs seeds from `first` on until one fails.
///
/// # Errors
/// The first failure.
pub fn run_many(first: u64, runs: u64, plan: Plan) -> Result<Stats, Box<Failure>> {
    let mut sum = Stats::default();
    for seed in first..first.saturating_add(runs) {
        let stats = run(seed, plan)?;
        sum.steps += stats.steps;
        sum.restarts += stats.restarts;
        sum.losses += stats.losses;
        sum.attempts += stats.attempts;
    }
    Ok(sum)
}

/// The first seed from `first` on that catches a mutant, of so many.
#[must_use]
pub fn hunt(mutant: Mutant, first: u64, seeds: u64, steps: u64) -> Option<Failure> {
    let plan = Plan { steps, mutant: Some(mutant), has_store: false };
    run_many(first, seeds, plan).err().map(|failure| *failure)
}

/// The command that runs one seed again.
#[must_use]
pub fn replay_command(seed: u64, plan: Plan) -> String {
    let mutant = plan.mutant.map_or_else(String::new, |mutant| format!(" --mutant {}", mutant.name()));
    let store = if plan.has_store { " --store" } else { "" };
    format!("cargo run -p mandant-sim -- --seed {seed} --runs 1 --steps {}{mutant}{store}", plan.steps)
}

/// Lets failed assertions of the ledger be found without printing each.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}
