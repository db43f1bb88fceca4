//! Wire formats, sans I/O: routes, strict reading of requests, splicing, streams, usage and the rendering of refusals.
//!
//! **Architecture invariant:** `wire` knows no socket, no HTTP library, no clock, no price, no tenant and no store. Bytes
//! come in, facts and slices of the same bytes go out.
//!
//! Invariants: a request that another parser could read differently is refused; a body is never re-serialised, only
//! spliced; a stream is forwarded byte for byte, less at most the one usage chunk that its client did not ask for;
//! nothing that a provider answers can panic, or be read as negative or fractional tokens.

mod answer;
mod array;
mod base64;
mod batches;
mod billable;
mod call;
pub mod convert;
mod dialect;
mod event;
mod fill;
mod form;
mod frames;
mod heard;
mod hosting;
mod lines;
mod maker;
mod named;
mod objects;
mod read;
pub mod realtime;
pub mod render;
mod results;
mod route;
mod scan;
mod splice;
mod sse;
mod stream;
mod texts;
mod usage;

pub use answer::{AnswerFacts, answer_facts, answer_usage};
pub use batches::{BatchLine, batch_line, batched_messages};
pub use billable::{Billable, CacheWrites, ServiceTier};
pub use call::Call;
pub use dialect::{Dialect, Endpoint, UnknownDialect, UnknownEndpoint};
pub use event::{Delivered, answer_text};
pub use form::Form;
pub use heard::{Heard, heard};
pub use hosting::Hosting;
pub use maker::Maker;
pub use objects::{ObjectStream, Rename, Tie, rename_objects};
pub use read::{batch_endpoint, read};
pub use results::{BatchState, ResultLine, Results, batch_state, result_line};
pub use route::{Accent, ROUTES, Route, RouteSpec, dialect_of, route};
pub use splice::{Edits, Outgoing};
pub use sse::StreamFault;
pub use stream::{ArrayState, StreamEnd, StreamMeter, StreamOptions};
pub use usage::{COUNT_HEADERS, Usage, UsageFault, header_usage};

#[cfg(test)]
mod dialect_stream_tests;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod invoked_tests;
#[cfg(test)]
mod traffic_tests;
