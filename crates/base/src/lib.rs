//! The vocabulary every other crate speaks: ids, money, time, secrets, limits and refusals.
//!
//! **Architecture invariant:** `base` knows no crate of ours, no clock, no file, no network and no async runtime.
//! Whatever it needs of the world (the time, a random number) is an argument.
//!
//! Invariants: money and prices are integers; a [`Secret`] never prints; a [`Refusal`] is data, rendered elsewhere.

mod chunks;
mod decimal;
mod id;
mod limits;
mod map;
mod money;
mod refusal;
mod secret;
mod time;

pub use chunks::Chunks;
pub use decimal::DecimalError;
pub use id::{AccountIndex, AttemptId, EndUserId, IdError, KeyId, ModelId, ProjectId, RequestId, TenantId, UpstreamId};
pub use limits::{
    AccountLimits, BudgetPeriod, Budgets, Limits, MoreLimits, Part, PartLimits, Percents, Priority, Window,
};
pub use map::{AccountMap, NumberHasher, NumberHashing, PATH_LEVELS_MAX};
pub use money::{Cost, Money, Price};
pub use refusal::{BaseUrl, LimitedCalls, Refusal, Scope, ScopeLevel, Shortfall, UpstreamFault, whole_seconds_ceil};
pub use secret::Secret;
pub use time::{Moment, Timestamp};
