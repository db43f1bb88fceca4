//! What there is to buy: models, prices, worst-case quotes, and the plan of who may answer a call.
//!
//! **Architecture invariant:** `catalog` knows no tenant, budget, connection, file or clock. The time and the random draw
//! of a plan are arguments, and the default catalogue is compiled in.
//!
//! Invariants: prices are exact integers and no float exists here; a model without a price in force cannot be planned; a
//! quote is never below the charge of any usage within its bounds.
#![deny(clippy::float_arithmetic)]

mod default_catalogue;
mod estimate;
mod live;
mod model;
mod per_call;
mod plan;
mod quote;
mod rates;
mod tokenizer;
#[cfg(test)]
mod traffic_tests;
mod upstream;
mod upstream_kind;

pub use default_catalogue::{CatalogueEntry, DefaultPrice, default_entry, default_models};
pub use estimate::{estimate_tokens, estimated, prompt_tokens};
pub use live::Catalog;
pub use model::{
    AUDIO_SECONDS_DEFAULT, HIDDEN_PROMPT_TOKENS_DEFAULT, IMAGE_TOKENS_DEFAULT, Model, ModelKind, PriceVersion, Target,
    UnknownModelKind,
};
pub use plan::{Candidate, Plan, plan};
pub use quote::{Quote, affordable_output, quote_loose, quote_tight};
pub use rates::{ContextTier, Rates};
pub use tokenizer::{Tokenizer, count_tokens, count_tokens_within};
pub use upstream::{AuthStyle, Http2Mode, KeySource, Timeouts, TokenTerms, Upstream};
pub use upstream_kind::{UpstreamKind, upstream_kind, upstream_kinds};
