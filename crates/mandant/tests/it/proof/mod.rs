//! Proofs of money against the real binary. The simulated provider lives in the test's process, so that its own count of
//! what it did and billed survives whatever happens to the relay; that count is the truth that the ledger must match.
//!
//! An ordinary run takes a bounded share. `MANDANT_LONG=1` runs the full figures, `MANDANT_KILLS=N` sets the number of
//! kills alone, and `MANDANT_SOAK_MINUTES=N` turns on the endurance run (with `MANDANT_SOAK_RPS`, default 500).
//! `MANDANT_BINARY` names a program to test in place of this build, such as a release build.

mod batches;
mod books;
mod caller;
mod disconnects;
mod edge;
mod kills;
mod retries;
mod soak;
mod stand;
mod windows;

/// Whether the full figures are asked for.
fn is_long() -> bool {
    std::env::var_os("MANDANT_LONG").is_some()
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// Figures for whoever runs with `--nocapture`.
#[expect(clippy::print_stdout, reason = "the figures are what such a run is for")]
fn tell(figures: &str) {
    println!("{figures}");
}
