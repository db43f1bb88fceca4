//! The one place that reads the wall clock, for the `created` member of answers.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, for answers whose options do not fix the time.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate; tests fix `created_seconds` instead")]
pub(crate) fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
