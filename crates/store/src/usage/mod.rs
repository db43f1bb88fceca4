//! Usage records, their roll-ups and the questions asked of them.

mod calls;
mod recent;
mod record;
mod report;
mod restored;
mod sums;

pub(crate) use record::{attempt_number, from_attempt_number, from_shape, has_second_byte, request_bits, shape};
pub(crate) use sums::{BUCKET_MICROS, COLUMNS, Delta, SUMS};

pub use recent::{RecentMoment, RecentUse};
pub use record::{Ending, UsageRecord};
pub use report::{UsageBy, UsageGroup, UsageQuery, UsageReport};
pub use restored::RestoredAccount;
pub use sums::UsageSums;
