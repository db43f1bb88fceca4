//! The simulated provider: a server on loopback that speaks as OpenAI, Anthropic, Google, Cohere and Bedrock do, with faults, replay and a count of what it billed.
//!
//! Used by the gateway's tests, the SDK tests, the bench and `mandant demo`. Start one with
//! [`SimulatedProvider::start`], steer it with [`Options`], a queue of [`Fault`]s or model names such as
//! `sim-error-500` (see [`Directives`]), and compare its [`Truth`] with a ledger afterwards.
//!
//! **Architecture invariant:** `testkit` knows no crate of ours: it is the outside world. It shares neither parser
//! nor counter with what it tests, so that a mistake cannot hide on both sides.
//!
//! Invariants: the same request gets the same answer (ids and times aside); every token that is reported or billed
//! stands for at least one byte of the body that carried it (images aside), so a byte-level bound always covers it.

mod batched;
mod body;
mod call;
mod capture;
mod chat;
mod clock;
mod completions;
mod conversations;
mod dialect;
mod embeddings;
mod errors;
mod fault;
mod filed;
mod fitting;
mod form;
mod kept;
mod made;
mod messages_batched;
mod models;
mod options;
mod pieces;
mod prepare;
mod provider;
mod realtime;
mod render;
mod replay;
mod service;
mod tls;
mod tokens;
mod truth;

pub use capture::Captured;
pub use fault::{DirectiveError, Directives, Fault, UsageShape};
pub use options::{ChunkBorders, CutBilling, Options, Protocol, TextSource};
pub use provider::SimulatedProvider;
pub use replay::{Exchange, Replay, ReplayError};
pub use tokens::{IMAGE_TOKENS, count_tokens};
pub use truth::{Tally, Truth};
