//! Rate windows and concurrency: whether a call may go ahead now, and if not, when.
//!
//! An [`Admission`] belongs to one shard of tenants and is driven from outside. [`Admission::admit`] looks at all
//! windows of all accounts of a path and then takes from all of them, or from none; the [`Pass`] goes back with
//! [`Admission::settle`], or with [`Admission::cancel`] when the call was refused later.
//!
//! An account may also have windows for single models and for each of its end users, and limits that are only watched.
//! Where it has none of that, nothing is looked up and nothing is allocated for it.
//!
//! **Architecture invariant:** `admit` knows no clock, no file, no network, no async runtime, no thread and no money.
//! The time is an argument.
//!
//! Invariants: in no trailing window of its length is more than the limit admitted (requests) or reserved (tokens);
//! capacity comes back at most 1/60 of the window late; time is constant per window and memory fixed.

mod account;
mod admission;
mod buckets;
mod counts;
mod end_users;
mod meters;
mod more;
mod pass;
pub mod queue;
mod report;
mod status;
#[cfg(test)]
mod tests;
mod trailing;
mod waits;

pub use admission::Admission;
pub use pass::{Ask, Pass};
pub use status::{AccountReport, AskedLimit, Breach, ModelStatus, ShadowStatus, Tightest, WindowStatus};
pub use waits::{WaitFigures, Waits};
