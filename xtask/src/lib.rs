//! Chores of the workspace: the tidy checks, and the generators of files that must equal the code.
//!
//! **Architecture invariant:** nothing of this crate is in the relay, and no check needs the network.

pub mod catalogue;
pub mod refusals;
pub mod tidy;
pub mod translation;
