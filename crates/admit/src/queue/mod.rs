//! The fair queue in front of one upstream: who goes next when not everybody can.
//!
//! An upstream takes so many calls at once (a fixed [`Limit`], or one that is learnt). While there is room, a call
//! passes without waiting. When there is none, calls wait in one line per tenant, and of the tenants of a priority the
//! one goes next that has had least: its *virtual token counter* is smallest (VTC: Sheng et al., "Fairness in Serving
//! Large Language Models", OSDI 2024). The counter is charged on admission with the tokens that the call is expected to
//! use, divided by the tenant's weight, and corrected at its end by what it used. A tenant that comes back from
//! idleness is lifted to the others: having asked for nothing earns no credit.
//!
//! What holds, and is tested:
//! - Two tenants of one priority that both have calls waiting all the time differ by at most `9/4 x K x L / w` in tokens
//!   by weight, however long that time is: `K` places, `L` tokens of the largest call, `w` the smallest weight.
//! - Of any [`LOW_PASSED_MAX`]` + 2` admissions while a low tenant waits for a place that it may have, one is low.
//! - A tenant below its share of the places never waits behind one that has borrowed, but for a place to come back; and
//!   of places that come back slowly, what it used lately, or an eighth of all, is not lent.
//! - A decision costs O(log n) of the tenants that wait; a tenant that is idle for a while is forgotten.

mod ask;
mod fair;
mod limit;
mod line;
mod rate;
mod seats;
mod tenant;

pub use ask::{Ask, Discipline, Entered, Policy, QueueStatus, Slot, Ticket};
pub use fair::Queue;
pub use limit::{Adaptive, Answered, Limit, Quota};
pub use line::{LOW_PASSED_MAX, NORMAL_PASSED_MAX};

#[cfg(test)]
mod tests;
