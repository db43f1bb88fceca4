//! Usage records, their roll-ups and the questions asked of them.

mod calls;
mod posted;
mod record;
mod report;
mod sums;
mod write;

pub use posted::PostedSum;
pub use record::{Ending, UsageRecord};
pub use report::{UsageBy, UsageGroup, UsageQuery, UsageReport};
pub use sums::UsageSums;
