//! The two price lists as they are published. Numbers stay text (`RawValue`) until they are exact integers.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, Result};
use base::Price;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Members of a JSON object, unread.
pub(super) type Members = BTreeMap<String, Box<RawValue>>;

/// Both lists.
pub(super) struct Sources {
    /// Providers of genai-prices: dated prices per million tokens.
    pub(super) genai: Vec<Provider>,
    /// Models of LiteLLM: prices per token, and bounds.
    pub(super) litellm: BTreeMap<String, Members>,
}

/// One provider of genai-prices.
#[derive(Deserialize)]
pub(super) struct Provider {
    pub(super) id: String,
    pub(super) pricing_urls: Vec<String>,
    pub(super) models: Vec<Listed>,
}

/// One model of genai-prices.
#[derive(Deserialize)]
pub(super) struct Listed {
    #[serde(rename = "match")]
    pub(super) matcher: Matcher,
    pub(super) context_window: Option<u64>,
    prices: Box<RawValue>,
}

/// Which names a price of genai-prices is for.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Matcher {
    Equals(String),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    /// Not evaluated: it matches nothing here, so that such a model has this list's price for no name.
    Regex(serde::de::IgnoredAny),
    Or(Vec<Matcher>),
    And(Vec<Matcher>),
}

impl Matcher {
    /// Whether the price is for `name`.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Matcher::Equals(text) => name == text,
            Matcher::StartsWith(text) => name.starts_with(text.as_str()),
            Matcher::EndsWith(text) => name.ends_with(text.as_str()),
            Matcher::Contains(text) => name.contains(text.as_str()),
            Matcher::Regex(_) => false,
            Matcher::Or(any) => any.iter().any(|one| one.matches(name)),
            Matcher::And(all) => all.iter().all(|one| one.matches(name)),
        }
    }
}

/// Prices that hold from a day on, or only at some hours.
#[derive(Deserialize)]
struct Dated {
    #[serde(default)]
    constraint: Option<BTreeMap<String, String>>,
    prices: Members,
}

/// A price that may depend on the length of the input.
#[derive(Deserialize)]
struct Tiered {
    base: Box<RawValue>,
    tiers: Vec<Tier>,
}

#[derive(Deserialize)]
struct Tier {
    start: u64,
    price: Box<RawValue>,
}

/// A basic price, and the ones above so many input tokens.
pub(super) struct PriceOf {
    pub(super) base: Price,
    pub(super) tiers: Vec<(u64, Price)>,
}

impl Listed {
    /// The prices in force on `day`; `None` when they depend on the hour.
    pub(super) fn prices_on(&self, day: &str) -> Result<Option<Members>> {
        if !self.prices.get().starts_with('[') {
            return Ok(Some(serde_json::from_str(self.prices.get())?));
        }
        let versions: Vec<Dated> = serde_json::from_str(self.prices.get())?;
        let mut in_force = None;
        for version in versions {
            match version.constraint {
                None => in_force = Some(version.prices),
                Some(constraint) => match constraint.get("start_date") {
                    Some(start) if start.as_str() <= day => in_force = Some(version.prices),
                    Some(_) => {}
                    None => return Ok(None),
                },
            }
        }
        Ok(in_force)
    }
}

/// The member `name` of genai-prices, in USD per million.
pub(super) fn per_million(members: &Members, name: &str) -> Result<Option<PriceOf>> {
    let Some(raw) = members.get(name) else { return Ok(None) };
    let price = |text: &str| exact(text, 6).map(Price::from_picos).with_context(|| format!("{name}: {text}"));
    if !raw.get().starts_with('{') {
        return Ok(Some(PriceOf { base: price(raw.get())?, tiers: Vec::new() }));
    }
    let tiered: Tiered = serde_json::from_str(raw.get())?;
    let tiers = tiered.tiers.iter().map(|tier| Ok((tier.start, price(tier.price.get())?)));
    Ok(Some(PriceOf { base: price(tiered.base.get())?, tiers: tiers.collect::<Result<_>>()? }))
}

/// The member `name` of LiteLLM, in USD per unit.
pub(super) fn each(members: &Members, name: &str) -> Result<Option<Price>> {
    let Some(raw) = members.get(name) else { return Ok(None) };
    exact(raw.get(), 12).map(|picos| Some(Price::from_picos(picos))).with_context(|| format!("{name}: {}", raw.get()))
}

/// The member `name` as a text.
pub(super) fn text(members: &Members, name: &str) -> Option<String> {
    members.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The member `name` as a whole number.
pub(super) fn whole(members: &Members, name: &str) -> Option<u64> {
    members.get(name).and_then(|raw| exact(raw.get(), 0).ok())
}

/// Reads both lists from the folder `prices`.
pub(super) fn read(prices: &Path) -> Result<Sources> {
    let genai = prices.join("genai-prices.json");
    let genai = std::fs::read_to_string(&genai).with_context(|| format!("reading {}", genai.display()))?;
    let path = prices.join("litellm-model-prices.json.gz");
    let packed = std::fs::File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut litellm = String::new();
    GzDecoder::new(packed).read_to_string(&mut litellm).context("unpacking the second list")?;
    Ok(Sources {
        genai: serde_json::from_str(&genai).context("parsing genai-prices.json")?,
        litellm: serde_json::from_str(&litellm).context("parsing the second list")?,
    })
}

/// A JSON number times 10^`places`, exactly: `1.25e-07` with 12 places is 125,000. Never through a float.
fn exact(text: &str, places: i32) -> Result<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let mut value: u128 = digits.parse().context("not a plain number")?;
    let mut shift = exponent.parse::<i32>().context("not a plain exponent")? + places;
    shift -= i32::try_from(fraction.len()).context("too many digits")?;
    while shift < 0 && value != 0 {
        anyhow::ensure!(value.is_multiple_of(10), "more precise than a price can be");
        value /= 10;
        shift += 1;
    }
    for _ in 0..shift {
        value = value.checked_mul(10).context("too large")?;
    }
    u64::try_from(value).context("too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly() {
        let cases =
            [("1.25e-07", 12, 125_000), ("8", 6, 8_000_000), ("0.0375", 6, 37_500), ("0.0", 12, 0), ("1E3", 0, 1_000)];
        for (text, places, value) in cases {
            assert_eq!(exact(text, places).expect(text), value, "{text}");
        }
        for bad in ["-1", "1e-13", "3.6250000000000004e-07", "NaN", "\"1\"", "1e99"] {
            assert!(exact(bad, 12).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_matched_as_the_list_says() {
        let matcher: Matcher =
            serde_json::from_str(r#"{"or":[{"equals":"a"},{"and":[{"starts_with":"b"},{"ends_with":"c"}]}]}"#)
                .expect("valid");
        assert!(matcher.matches("a") && matcher.matches("bxc") && !matcher.matches("b") && !matcher.matches("ac"));
    }
}
