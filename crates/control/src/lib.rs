//! The control interface: resources, status, usage and explanations for commands, over a Unix socket that only the
//! operator's account can open; and health over TCP.
//!
//! **Architecture invariant:** `control` does not know the relay: live figures come through the trait [`Live`]. It knows no
//! SQL and keeps no state of its own: everything it says comes from the store or from `Live`.
//!
//! Invariants: requests with unknown fields are refused; a change is in force before it is confirmed; a secret leaves only
//! in the answer to the request that made it; the TCP port serves health and nothing else.

mod error;
mod holds;
mod live;
mod merge;
mod offline;
mod place;
mod report;
mod request;
mod resources;
mod router;
mod serve;
mod wallet;

#[cfg(test)]
mod tests;

pub use axum::Router;
pub use error::{ErrorBody, ErrorDetail, Problem};
pub use live::{Decision, Live, Resolution, Unresolved};
pub use router::{health_router, router};
pub use serve::{ControlSocket, SOCKET_NAME, serve_tcp};
