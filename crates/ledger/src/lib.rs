//! Accounts, calendar periods, holds and their settlement: the part of Mandant that says whether money is there.
//!
//! A [`Ledger`] belongs to one shard of tenants and is driven from outside: [`Ledger::reserve`] takes the worst case
//! of an attempt from every account of its path or from none, [`Ledger::settle`] turns the [`Hold`] into a charge.
//!
//! **Architecture invariant:** `ledger` knows no clock, no file, no network, no async runtime, no thread, no model
//! and no price. The time is an argument, and amounts come in already rated.
//!
//! With leases ([`Ledger::with_leases`]) nothing that has a limit is granted beyond what was durably permitted ahead, so
//! that a loss of power loses no money. [`waiting`] keeps the order of calls for which only other calls' holds are in
//! the way.
//!
//! Invariants, asserted in release builds: posted + held + lost never exceeds the limit and the lease by a grant (I1); a
//! charge never exceeds its hold (I2); a hold ends once (I4, by type: [`Hold`] is neither `Clone` nor `Copy`); what is
//! unknown stays held (I5); the held sum of an account is the sum of its open holds (I7); periods never go back (I8).

mod account;
mod adjust;
mod alerts;
mod amounts;
mod balances;
mod calendar;
mod counter;
mod entry;
mod held;
mod hold;
mod invariants;
mod lease;
mod leasing;
mod ledger;
mod limited;
mod periods;
mod shortage;
mod slot;
#[cfg(test)]
mod tests;
pub mod waiting;

pub use account::AccountConfig;
pub use alerts::{ALERTS_MAX, Alerts, Crossed};
pub use amounts::{Amounts, Available, Resource};
pub use balances::{AccountBalances, PeriodBalance, PostedBalance};
pub use calendar::{Bounds, bounds};
pub use entry::{AccountPath, Entry};
pub use hold::{Ending, Hold, Settlement, Unresolved};
pub use lease::{Lease, LeasePolicy, Leases, Lost};
pub use ledger::Ledger;
pub use shortage::{NoHold, Shortage};
