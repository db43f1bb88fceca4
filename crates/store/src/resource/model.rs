//! Models as an operator writes them.

use base::{ModelId, Timestamp, UpstreamId};
use catalog::{ModelKind, Rates, Tokenizer};
use serde::{Deserialize, Serialize};
use wire::Endpoint;

/// A public model name with its route, bounds and price. What is left out and known to the default catalogue under the
/// same id is taken from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelResource {
    /// The name that clients use; never changes.
    pub id: ModelId,
    /// Which endpoints it serves; from the default catalogue, else `chat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ModelKind>,
    /// Tokens of input and output together that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Output tokens per choice when a call sets no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Tokens that one image may be billed as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tokens_max: Option<u64>,
    /// Input tokens that a call may be billed for beyond what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_prompt_tokens: Option<u64>,
    /// Output tokens that a choice may be billed for beyond the limit of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_output_tokens: Option<u64>,
    /// Seconds of audio that one call may be billed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_seconds_max: Option<u64>,
    /// Whether a call may choose among models or providers behind the upstream; no when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_routing: Option<bool>,
    /// The public vocabulary that it counts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<Tokenizer>,
    /// When the price comes into force; at once when left out.
    #[serde(default, with = "super::text::rfc3339", skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
    /// Models that may answer instead, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<ModelId>,
    /// When it was made, as `/v1/models` shows it.
    #[serde(default, with = "super::text::rfc3339", skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Who made it, as `/v1/models` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<String>,
    /// Where it is served.
    pub route: Vec<RouteResource>,
    /// What a tenant pays, in USD per 1M tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Rates>,
    /// What the provider asks, for reports of savings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_price: Option<Rates>,
}

/// One place where a model is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteResource {
    /// The upstream.
    pub upstream: UpstreamId,
    /// The name that the upstream knows the model by; the model's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The share of calls within the tier, relative to the others; 1 when left out, 0 takes it out of rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Lower tiers are tried first; 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u32>,
    /// The one endpoint that serves conversations there, `chat_completions` or `responses`, where the other one does not: calls
    /// of other endpoints are translated. Both serve them when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
}

impl ModelResource {
    /// A model of which only the name is given.
    #[must_use]
    pub fn new(id: ModelId) -> ModelResource {
        ModelResource {
            id,
            kind: None,
            context_window: None,
            max_output_tokens: None,
            image_tokens_max: None,
            hidden_prompt_tokens: None,
            hidden_output_tokens: None,
            audio_seconds_max: None,
            upstream_routing: None,
            tokenizer: None,
            effective_from: None,
            fallbacks: Vec::new(),
            created: None,
            owned_by: None,
            route: Vec::new(),
            price: None,
            list_price: None,
        }
    }
}
