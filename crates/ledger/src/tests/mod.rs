//! The promises of the ledger, one file each.

mod calendar;
mod edge;
mod leases;
mod money;
mod power;
mod reference;
mod restart;
mod rules;
mod speed;
mod table;
mod waiting;
