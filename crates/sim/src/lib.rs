//! The deterministic simulator of money: one node with its disk, its store, its provider and every fault, from a seed.
//!
//! A [`run`] draws a small world (tenants, limits, a calendar, a durability) and lets a scheduler take one step after
//! the other: a step of a call, a sync, a batch of the applier, a decision, a jump of the clock, a kill, a loss of power
//! with torn writes, an error of the disk. The ledger and the journal are the real ones; what the gateway does between
//! them is in `protocol.rs` and `recover.rs`, step by step, each beside the function that it stands for. After each step
//! the checks I1 to I10 compare what the process has with what is true: a naive ledger of all attempts that knows what
//! the provider bills.
//!
//! A [`Mutant`] is a mistake in the protocol. Each must be caught; otherwise the checks prove nothing.
//!
//! **Architecture invariant:** nothing depends on `sim`, and it knows no clock, no thread and no chance but its seed.

mod batches;
mod checks;
mod line;
mod mistakes;
mod mutant;
mod node;
mod oracle;
mod people;
mod protocol;
mod recover;
mod run;
mod scenario;
mod shelf;
#[cfg(test)]
mod tests;
mod twin;
mod world;

pub use checks::Violation;
pub use mutant::Mutant;
pub use run::{Failure, Plan, hunt, quiet_panics, replay_command, run, run_many};
pub use world::Stats;
