//! The providers that a relay knows before anybody configures one: address, dialect, credential and habits of each.
//!
//! The data is `data/upstreams.toml`, compiled in. A kind fills in what an operator leaves out of an upstream, once, when it
//! is written down; from then on the upstream says everything itself.

use std::sync::LazyLock;

use serde::Deserialize;
use wire::{Dialect, Hosting};

use crate::AuthStyle;

/// What is known of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamKind {
    /// The name of the row.
    pub id: String,
    /// See [`crate::Upstream::dialect`].
    pub dialect: Dialect,
    /// See [`crate::Upstream::base_url`]; with words in capitals where every customer has another one.
    pub base_url: String,
    /// See [`crate::Upstream::auth`], where it is not the usual one of the dialect.
    #[serde(default)]
    pub auth: Option<AuthStyle>,
    /// Where the credential is, unless the operator says otherwise; `None` for a server that wants none.
    #[serde(default)]
    pub api_key: Option<String>,
    /// See [`crate::Upstream::hosting`].
    #[serde(default)]
    pub hosting: Hosting,
    /// See [`crate::Upstream::headers`].
    #[serde(default)]
    pub headers: Vec<String>,
    /// See [`crate::Upstream::asks_stream_usage`].
    #[serde(default = "yes")]
    pub asks_stream_usage: bool,
    /// Where that is written.
    pub source: String,
}

const fn yes() -> bool {
    true
}

impl UpstreamKind {
    /// Whether the address is the same for every customer.
    #[must_use]
    pub fn has_address(&self) -> bool {
        let host = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        !host.bytes().any(|byte| byte.is_ascii_uppercase())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    kind: Vec<UpstreamKind>,
}

static KINDS: LazyLock<Vec<UpstreamKind>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../data/upstreams.toml")).expect("a test parses this very file");
    file.kind
});

/// Every known provider, by name.
#[must_use]
pub fn upstream_kinds() -> &'static [UpstreamKind] {
    &KINDS
}

/// What is known of the provider `id`.
#[must_use]
pub fn upstream_kind(id: &str) -> Option<&'static UpstreamKind> {
    KINDS.iter().find(|kind| kind.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The providers that have to be there.
    const ASKED_FOR: [&str; 22] = [
        "alibaba",
        "anthropic",
        "azure",
        "bedrock",
        "cerebras",
        "cohere",
        "deepseek",
        "fireworks",
        "gemini",
        "groq",
        "llama-cpp",
        "lm-studio",
        "mistral",
        "moonshot",
        "ollama",
        "openai",
        "openrouter",
        "perplexity",
        "together",
        "vertex",
        "vllm",
        "xai",
    ];

    #[test]
    fn every_provider_that_was_asked_for_is_there_once_and_in_order() {
        let ids: Vec<&str> = upstream_kinds().iter().map(|kind| kind.id.as_str()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        for id in ASKED_FOR {
            assert!(upstream_kind(id).is_some(), "{id}");
        }
    }

    #[test]
    fn every_row_can_be_used() {
        for kind in upstream_kinds() {
            let is_local = kind.base_url.starts_with("http://127.0.0.1:");
            assert!(is_local || kind.base_url.starts_with("https://"), "{}", kind.id);
            assert!(!kind.base_url.ends_with('/'), "{}", kind.id);
            assert!(kind.source.starts_with("https://"), "{}", kind.id);
            // Whoever has no credential runs on this machine.
            assert_eq!(kind.api_key.is_none(), is_local, "{}", kind.id);
            let place = kind.api_key.as_deref().map(|key| key.split_once(':').expect("a place").0);
            assert!(place.is_none_or(|place| ["env", "file"].contains(&place)), "{}", kind.id);
            assert!(kind.auth != Some(AuthStyle::of(kind.dialect)), "{}: that is the usual one", kind.id);
            assert!(kind.hosting == Hosting::Inventor || kind.dialect == Dialect::Anthropic, "{}", kind.id);
        }
    }
}
