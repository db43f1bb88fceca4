//! The relay: takes calls, proves who pays, forwards them, meters the answers and settles.
//!
//! Read [`pipeline`] first: it is the request path from top to bottom.
//!
//! **Architecture invariant:** `gateway` knows no SQL, no configuration file, no dashboard and no command line, and
//! `control` does not know it: both meet in the store's live directory. Only `upstream` opens connections, and only an
//! [`attempt`] sends on one, which cannot be made without a [`hold::Hold`].
//!
//! Invariants: no forward without a hold (I10); a hold has one owner at every moment and one of four endings; nothing on
//! the settle path can fail or wait, since its room was taken with the hold; a client that hangs up changes who reads the
//! answer, not whether it is settled.

mod admit;
mod ages;
mod alerts;
mod answer;
mod applier;
mod archive;
mod attempt;
mod authenticate;
mod batches;
mod bodies;
mod body;
mod books;
mod client_body;
mod clock;
mod cors;
mod counts;
mod estimate;
mod explain;
mod files;
mod forward;
mod headers;
mod heads;
mod hold;
mod holds;
mod http1;
mod idempotency;
mod inquiry;
mod intake;
mod leases;
mod meter;
mod metrics;
mod owned;
mod pipeline;
mod queue;
mod realtime;
mod recover;
mod refuse;
mod relay;
mod reply;
mod reserve;
mod running;
mod server;
mod settings;
mod shadows;
mod stalling;
mod status;
mod tasks;
mod thousandths;
mod trace;
mod upload;
mod upstream;
#[cfg(test)]
mod weight;
mod windows;

pub use ::admit::queue::Discipline;
pub use journal::{BootId, Durability};

pub use explain::{CandidateSummary, Explanation, LimitSummary, RefusalSummary, RouteSummary, WorstCase};
pub use holds::{Decision, ResolveError};
pub use running::{Running, StartError, start};
pub use settings::Settings;
pub use upstream::credential::read as read_credential;

/// What the compiler refuses: an upstream call without a reservation.
///
/// With a hold the relay can forward:
/// ```
/// use std::sync::Arc;
/// use mandant_gateway::proof::{Hold, RequestHead, forward};
/// async fn paid(plan: &catalog::Plan, hold: Hold, call: &Arc<wire::Call>, head: &RequestHead) {
///     let _ = forward(plan, hold, call, head, None).await;
/// }
/// ```
/// Without one it cannot:
/// ```compile_fail
/// use std::sync::Arc;
/// use mandant_gateway::proof::{RequestHead, forward};
/// async fn unpaid(plan: &catalog::Plan, call: &Arc<wire::Call>, head: &RequestHead) {
///     let _ = forward(plan, call, head, None).await;
/// }
/// ```
/// Nor twice with the same one:
/// ```compile_fail
/// use std::sync::Arc;
/// use mandant_gateway::proof::{Hold, RequestHead, forward};
/// async fn twice(plan: &catalog::Plan, hold: Hold, call: &Arc<wire::Call>, head: &RequestHead) {
///     let _ = forward(plan, hold, call, head, None).await;
///     let _ = forward(plan, hold, call, head, None).await;
/// }
/// ```
/// And nobody else can make one:
/// ```compile_fail
/// use mandant_gateway::proof::Hold;
/// fn forged(real: Hold) -> Hold {
///     Hold { ..real }
/// }
/// ```
#[doc(hidden)]
pub mod proof {
    pub use crate::forward::{Answer, forward};
    pub use crate::heads::RequestHead;
    pub use crate::hold::Hold;
}
