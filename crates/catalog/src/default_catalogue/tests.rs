//! The data file is parsed whole, and every entry must make a model that can be quoted.

use wire::Billable;

use super::*;
use crate::quote_loose;

#[test]
fn the_four_models_of_the_product_come_first() {
    let first: Vec<(&str, String, String)> = default_models()
        .take(4)
        .map(|entry| {
            let rates = &entry.price.rates;
            (entry.id.as_str(), rates.input.to_string(), rates.output.unwrap().to_string())
        })
        .collect();
    let expected =
        [("gpt-4.1", "8.00"), ("claude-sonnet-4.5", "15.00"), ("gemini-2.5-flash", "2.50"), ("deepseek-v3.2", "0.42")];
    let expected: Vec<_> = expected.iter().map(|(id, price)| (*id, price.to_string(), price.to_string())).collect();
    assert_eq!(first, expected);
    assert_eq!(default_entry("gpt-4.1").unwrap().list_rates().input.to_string(), "2.00");
}

#[test]
fn every_entry_is_whole_and_can_be_quoted() {
    let entries: Vec<_> = default_models().collect();
    assert!(entries.len() >= 80, "{} entries", entries.len());
    for entry in entries {
        let id = &entry.id;
        assert!(entry.context_window >= 512, "{id}");
        assert_eq!(entry.kind.has_output(), entry.max_output_tokens > 0, "{id}");
        assert_eq!(entry.kind.has_output(), entry.price.rates.output.is_some(), "{id}");
        assert!(entry.price.rates.input > base::Price::FREE, "{id} is free without saying so");
        for price in std::iter::once(&entry.price).chain(&entry.list_price) {
            assert!(!price.source.is_empty(), "{id}");
            assert!(price.date.len() == 10 && price.date.starts_with("20"), "{id} {}", price.date);
            assert!(price.rates.tiers.is_sorted_by_key(|tier| tier.above_input_tokens), "{id}");
        }
        let model = entry.to_model(vec![]);
        let rates = &model.price_at(Timestamp::EPOCH).expect("a price").rates;
        let quote = quote_loose(&model, rates, &Billable { text_bytes: 100, ..Billable::default() }).expect("quoted");
        assert!(quote.usd > base::Money::ZERO, "{id}");
    }
}

#[test]
fn ids_are_unique_and_an_unknown_one_has_no_entry() {
    let mut ids: Vec<_> = default_models().map(|entry| entry.id.as_str()).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all);
    let parsed_whole: toml::Table = toml::from_str(include_str!("../../data/models.toml")).expect("TOML");
    assert_eq!(parsed_whole["model"].as_array().map(Vec::len), Some(all), "taken apart, the file loses nothing");
    assert_eq!(default_entry("no-such-model"), None);
    for known in [
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-5",
        "gpt-4.1-mini",
        "text-embedding-3-small",
        "claude-sonnet-4-5",
        "gemini-2.5-pro",
    ] {
        assert!(default_entry(known).is_some(), "{known}");
    }
}
