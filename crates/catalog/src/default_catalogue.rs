//! The models that a relay knows before anybody configures one: bounds and list prices, each with its source and date.
//!
//! The data is `data/models.toml`, written by `cargo run -p xtask -- catalogue`. It is compiled in; an entry is parsed at its first use.

use std::sync::{LazyLock, OnceLock};

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
    /// See [`Model::hidden_output_tokens`].
    #[serde(default)]
    pub hidden_output_tokens: u64,
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
            hidden_output_tokens: self.hidden_output_tokens,
            tokenizer: self.tokenizer,
            prices: vec![PriceVersion { id: 1, effective_from: Timestamp::EPOCH, rates }],
            list_price: Some(self.list_rates().clone()),
            owned_by: self.owned_by.clone(),
            ..Model::new(self.id.clone(), self.kind, self.context_window, self.max_output_tokens)
        }
    }
}

const fn image_tokens_default() -> u64 {
    IMAGE_TOKENS_DEFAULT
}

const fn hidden_prompt_tokens_default() -> u64 {
    HIDDEN_PROMPT_TOKENS_DEFAULT
}

/// One entry as it stands in the file, parsed when somebody asks for it: most processes need a few of them.
struct Unread {
    id: &'static str,
    text: &'static str,
    entry: OnceLock<CatalogueEntry>,
}

impl Unread {
    /// `text` is what follows the head of an entry; its first line is the id.
    fn new(text: &'static str) -> Unread {
        let id = text.trim_start().strip_prefix("id = \"").and_then(|rest| rest.split_once('"'));
        let (id, _) = id.expect("every entry begins with its id, says a test");
        Unread { id, text, entry: OnceLock::new() }
    }

    fn entry(&self) -> &CatalogueEntry {
        self.entry.get_or_init(|| toml::from_str(self.text).expect("a test parses this very file"))
    }
}

static ENTRIES: LazyLock<Vec<Unread>> =
    LazyLock::new(|| include_str!("../data/models.toml").split("[[model]]\n").skip(1).map(Unread::new).collect());

/// The whole default catalogue: the four models that the product was asked for, then the others by maker and name.
pub fn default_models() -> impl Iterator<Item = &'static CatalogueEntry> {
    ENTRIES.iter().map(Unread::entry)
}

/// What the default catalogue says of the model `id`.
#[must_use]
pub fn default_entry(id: &str) -> Option<&'static CatalogueEntry> {
    ENTRIES.iter().find(|unread| unread.id == id).map(Unread::entry)
}

#[cfg(test)]
mod tests;
