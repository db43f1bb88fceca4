//! Writes the default catalogue of models and prices from two public price lists, and leaves out what is not certain.
//!
//! Prices stay decimal text from the lists to the file. A model on which the two lists disagree, that has no price, no context
//! window or no maximum of output, that is retired, or that is billed by something that Mandant does not meter, is left out.

mod rules;
mod sources;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use base::Price;
use catalog::{ContextTier, Rates};

/// The generated file, below the root of the workspace.
pub const FILE: &str = "crates/catalog/data/models.toml";

/// What the generator made.
pub struct Catalogue {
    /// The text of the file.
    pub text: String,
    /// How many models are in it.
    pub entries: usize,
    /// The models that were left out, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// One model as it will be written.
struct Entry {
    id: String,
    owned_by: &'static str,
    kind: &'static str,
    context_window: u64,
    max_output_tokens: Option<u64>,
    image_tokens_max: Option<u64>,
    hidden_prompt_tokens: Option<u64>,
    hidden_output_tokens: Option<u64>,
    tokenizer: Option<&'static str>,
    price: Sourced,
    list_price: Option<Sourced>,
}

/// Prices and the page that states them.
struct Sourced {
    source: String,
    rates: Rates,
}

/// Reads the price lists in `prices` and writes the default catalogue to `out`.
///
/// # Errors
/// When a list cannot be read or parsed, or the file cannot be written.
pub fn run(prices: &Path, out: &Path) -> Result<()> {
    std::fs::write(out, generate(prices)?.text).with_context(|| format!("writing {}", out.display()))
}

/// Makes the default catalogue from the price lists in `prices`.
///
/// # Errors
/// When a list cannot be read or parsed, or misses one of the four models that must be there.
pub fn generate(prices: &Path) -> Result<Catalogue> {
    let sources = sources::read(prices)?;
    let (entries, left_out) = rules::select(&sources)?;
    let mut text = String::from(
        "# The default catalogue: models, bounds and prices in USD per 1M tokens (request, web_search: USD each).\n\
         # Written by `cargo run -p xtask -- catalogue --prices DIR`; do not edit by hand.\n\
         # The first four carry the operator's selling price of the product's definition; all others list prices.\n",
    );
    for entry in &entries {
        write_entry(&mut text, entry).context("writing to a string")?;
    }
    Ok(Catalogue { text, entries: entries.len(), left_out })
}

/// One `[[model]]` table.
fn write_entry(out: &mut String, entry: &Entry) -> std::fmt::Result {
    writeln!(out, "\n[[model]]\nid = \"{}\"\nowned_by = \"{}\"\nkind = \"{}\"", entry.id, entry.owned_by, entry.kind)?;
    writeln!(out, "context_window = {}", entry.context_window)?;
    let numbers = [
        ("max_output_tokens", entry.max_output_tokens),
        ("image_tokens_max", entry.image_tokens_max),
        ("hidden_prompt_tokens", entry.hidden_prompt_tokens),
        ("hidden_output_tokens", entry.hidden_output_tokens),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            writeln!(out, "{name} = {number}")?;
        }
    }
    if let Some(tokenizer) = entry.tokenizer {
        writeln!(out, "tokenizer = \"{tokenizer}\"")?;
    }
    write_price(out, "price", &entry.price)?;
    entry.list_price.as_ref().map_or(Ok(()), |price| write_price(out, "list_price", price))
}

/// `name = { source, date, rates }`.
fn write_price(out: &mut String, name: &str, price: &Sourced) -> std::fmt::Result {
    let (source, date) = (&price.source, rules::READ_ON);
    writeln!(out, "{name} = {{ source = \"{source}\", date = \"{date}\", rates = {} }}", rates_text(&price.rates))
}

/// The inline table of all prices that are set.
fn rates_text(rates: &Rates) -> String {
    let mut members = vec![
        member("input", Some(rates.input)),
        member("cached_input", rates.cached_input),
        member("cache_write", rates.cache_write),
        member("cache_write_1h", rates.cache_write_1h),
        member("output", rates.output),
        member("reasoning", rates.reasoning),
        member("audio_input", rates.audio_input),
        member("cached_audio", rates.cached_audio),
        member("audio_output", rates.audio_output),
        member("image_output", rates.image_output),
        member("character", rates.character),
        rates.image.map(|price| format!("image = \"{}\"", per_unit(price))),
        rates.request.map(|price| format!("request = \"{}\"", per_unit(price))),
        rates.web_search.map(|price| format!("web_search = \"{}\"", per_unit(price))),
        rates.web_searches_max.map(|searches| format!("web_searches_max = {searches}")),
        rates.batch_percent.map(|percent| format!("batch_percent = {percent}")),
    ];
    if !rates.tiers.is_empty() {
        let tiers: Vec<String> = rates.tiers.iter().map(tier_text).collect();
        members.push(Some(format!("tiers = [{}]", tiers.join(", "))));
    }
    braces(members)
}

/// The inline table of one tier.
fn tier_text(tier: &ContextTier) -> String {
    braces(vec![
        Some(format!("above_input_tokens = {}", tier.above_input_tokens)),
        member("input", tier.input),
        member("cached_input", tier.cached_input),
        member("cache_write", tier.cache_write),
        member("cache_write_1h", tier.cache_write_1h),
        member("output", tier.output),
        member("reasoning", tier.reasoning),
        member("audio_input", tier.audio_input),
        member("cached_audio", tier.cached_audio),
        member("audio_output", tier.audio_output),
    ])
}

fn braces(members: Vec<Option<String>>) -> String {
    let members: Vec<String> = members.into_iter().flatten().collect();
    format!("{{ {} }}", members.join(", "))
}

fn member(name: &str, price: Option<Price>) -> Option<String> {
    price.map(|price| format!("{name} = \"{price}\""))
}

/// USD per single unit, exact.
fn per_unit(price: Price) -> String {
    let fraction = format!("{:012}", price.picos() % 1_000_000_000_000);
    let kept = fraction.trim_end_matches('0').len().max(2);
    format!("{}.{}", price.picos() / 1_000_000_000_000, &fraction[..kept])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The folder of price lists beside the recorded traffic that `MANDANT_TRAFFIC` names.
    fn prices() -> Option<PathBuf> {
        let traffic = std::env::var_os("MANDANT_TRAFFIC")?;
        let prices = Path::new(&traffic).parent()?.join("prices");
        prices.is_dir().then_some(prices)
    }

    #[test]
    fn the_file_is_what_the_generator_writes() {
        let Some(prices) = prices() else {
            println!("skipped: MANDANT_TRAFFIC is not set, or no price lists are beside it");
            return;
        };
        let made = generate(&prices).expect("the price lists are readable");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
        let file = std::fs::read_to_string(path).expect("the file is there");
        assert!(file == made.text, "the default catalogue is stale: run the generator");
        let reasons: std::collections::BTreeSet<&str> =
            made.left_out.iter().map(|(_, reason)| reason.as_str()).collect();
        assert!(made.entries >= 80 && !reasons.is_empty(), "{} entries", made.entries);
    }

    #[test]
    fn prices_per_unit_are_written_exactly() {
        assert_eq!(per_unit(Price::from_picos(10_000_000_000)), "0.01");
        assert_eq!(per_unit(Price::from_picos(1)), "0.000000000001");
    }
}
