//! The models that a relay knows before anybody configures one: bounds and list prices, each with its source and date.
//!
//! The data is `data/models.toml`, written by `cargo run -p xtask -- catalogue`. It is compiled in and parsed at first use.

use std::sync::LazyLock;

use base::{ModelId, Timestamp};
use serde::Deserialize;

use crate::model::{HIDDEN_PROMPT_TOKENS_DEFAULT, IMAGE_TOKENS_DEFAULT};
use crate::{Model, ModelKind, PriceVersion, Rates, Target, Tokenizer};

/// What is known of one model; a configured model of the same id may leave all of it out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueEntry {
    /// The public name.
    pub id: ModelId,
    /// Who made it.
    pub owned_by: String,
    /// Which endpoints it serves.
    pub kind: ModelKind,
    /// See [`Model::context_window`].
    pub context_window: u64,
    /// See [`Model::max_output_tokens`]; 0 for embeddings.
    #[serde(default)]
    pub max_output_tokens: u64,
    /// See [`Model::image_tokens_max`].
    #[serde(default = "image_tokens_default")]
    pub image_tokens_max: u64,
    /// See [`Model::hidden_prompt_tokens`].
    #[serde(default = "hidden_prompt_tokens_default")]
    pub hidden_prompt_tokens: u64,
    /// See [`Model::tokenizer`].
    #[serde(default)]
    pub tokenizer: Option<Tokenizer>,
    /// What a tenant pays unless the operator sets a price.
    pub price: DefaultPrice,
    /// The provider's own price where `price` is another.
    #[serde(default)]
    pub list_price: Option<DefaultPrice>,
}

/// A price, where it was found, and when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultPrice {
    /// The page that states it.
    pub source: String,
    /// The day for which it is known, `YYYY-MM-DD`.
    pub date: String,
    /// The prices.
    pub rates: Rates,
}

impl CatalogueEntry {
    /// The provider's own price.
    #[must_use]
    pub fn list_rates(&self) -> &Rates {
        &self.list_price.as_ref().unwrap_or(&self.price).rates
    }

    /// A model with all that the entry says, served at `route`, its price in force from the beginning of time.
    #[must_use]
    pub fn to_model(&self, route: Vec<Target>) -> Model {
        let rates = self.price.rates.clone();
        Model {
            route,
            image_tokens_max: self.image_tokens_max,
            hidden_prompt_tokens: self.hidden_prompt_tokens,
            tokenizer: self.tokenizer,
            prices: vec![PriceVersion { id: 1, effective_from: Timestamp::EPOCH, rates }],
            list_price: Some(self.list_rates().clone()),
            owned_by: self.owned_by.clone(),
            ..Model::new(self.id.clone(), self.kind, self.context_window, self.max_output_tokens)
        }
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    model: Vec<CatalogueEntry>,
}

const fn image_tokens_default() -> u64 {
    IMAGE_TOKENS_DEFAULT
}

const fn hidden_prompt_tokens_default() -> u64 {
    HIDDEN_PROMPT_TOKENS_DEFAULT
}

static ENTRIES: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("../data/models.toml")).expect("a test parses this very file");
    file.model
});

/// The whole default catalogue: the four models that the product was asked for, then the others by maker and name.
///
/// The first use parses it (some milliseconds); a relay that names none of its models never does.
#[must_use]
pub fn default_models() -> &'static [CatalogueEntry] {
    &ENTRIES
}

/// What the default catalogue says of the model `id`.
#[must_use]
pub fn default_entry(id: &str) -> Option<&'static CatalogueEntry> {
    default_models().iter().find(|entry| entry.id.as_str() == id)
}

#[cfg(test)]
mod tests;
