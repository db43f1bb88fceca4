//! Charges by class, tier and contradiction, and the form of prices in configuration.

use base::{Money, Price};
use proptest::prelude::*;
use wire::Usage;

use super::*;

fn usd(text: &str) -> Price {
    Price::parse_per_million(text).unwrap()
}

/// Each class has a price of its own: 1, 2, 3, ... pico-USD a token would hide nothing, dollars show where it went.
fn full() -> Rates {
    Rates {
        cached_input: Some(usd("0.10")),
        cache_write: Some(usd("1.25")),
        cache_write_1h: Some(usd("2.00")),
        reasoning: Some(usd("6.00")),
        audio_input: Some(usd("40.00")),
        cached_audio: Some(usd("5.00")),
        audio_output: Some(usd("80.00")),
        request: Some(Price::parse_per_unit("0.005").unwrap()),
        web_search: Some(Price::parse_per_unit("0.01").unwrap()),
        tiers: vec![
            ContextTier {
                above_input_tokens: 200_000,
                input: Some(usd("2.00")),
                output: Some(usd("8.00")),
                ..ContextTier::default()
            },
            ContextTier { above_input_tokens: 128_000, input: Some(usd("1.50")), ..ContextTier::default() },
        ],
        ..Rates::new(usd("1.00"), Some(usd("4.00")))
    }
}

fn charge(usage: Usage) -> String {
    full().charge(&usage).to_string()
}

#[test]
fn every_class_is_charged_at_its_own_price_and_once() {
    let none = Usage::default();
    // Per call $0.005, in every line.
    let cases = [
        (none, "0.005"),
        (Usage { input: 1_000_000, ..none }, "2.005"),
        (Usage { input: 100_000, ..none }, "0.105"),
        (Usage { input: 100_000, cached_input: 100_000, ..none }, "0.015"),
        (Usage { input: 100_000, cached_input: 40_000, cache_write: 50_000, ..none }, "0.0815"),
        (Usage { input: 100_000, cache_write: 50_000, cache_write_1h: 20_000, ..none }, "0.1325"),
        (Usage { input: 100_000, cache_write: 100_000, cache_write_1h: 100_000, ..none }, "0.205"),
        (Usage { input: 100_000, audio_input: 100_000, ..none }, "4.005"),
        (Usage { input: 100_000, audio_input: 100_000, cached_audio: 40_000, ..none }, "2.605"),
        (Usage { output: 100_000, ..none }, "0.405"),
        (Usage { output: 100_000, reasoning: 50_000, ..none }, "0.505"),
        (Usage { output: 100_000, audio_output: 50_000, ..none }, "4.205"),
        (Usage { output: 100_000, accepted_prediction: 10, rejected_prediction: 20, ..none }, "0.405"),
        (Usage { web_searches: 3, ..none }, "0.035"),
        (Usage { reported_cost: Some(Money::from_usd(9)), ..none }, "0.005"),
    ];
    for (usage, expected) in cases {
        assert_eq!(charge(usage), expected, "{usage:?}");
    }
}

#[test]
fn a_tier_applies_to_the_whole_call_once_its_border_is_exceeded() {
    let cases = [(128_000, "0.133"), (128_001, "0.1970015"), (200_000, "0.305"), (200_001, "0.405002")];
    for (input, expected) in cases {
        assert_eq!(charge(Usage { input, ..Usage::default() }), expected, "{input}");
    }
    let output = Usage { input: 200_001, output: 1_000_000, ..Usage::default() };
    assert_eq!(charge(output), "8.405002");
}

#[test]
fn the_four_models_of_the_product_cost_what_it_says() {
    for (price, tokens, expected) in
        [("8.00", 1_000, "0.008"), ("15.00", 1, "0.000015"), ("2.50", 3, "0.0000075"), ("0.42", 7, "0.00000294")]
    {
        let rates = Rates::new(usd(price), Some(usd(price)));
        assert_eq!(rates.charge(&Usage { input: tokens, ..Usage::default() }).to_string(), expected);
        assert_eq!(rates.charge(&Usage { output: tokens, ..Usage::default() }).to_string(), expected);
    }
}

#[test]
fn a_usage_that_contradicts_itself_is_charged_the_dear_way() {
    let none = Usage::default();
    // More cached and written than input: both are charged in full. Audio that was also cached: once, as audio.
    assert_eq!(charge(Usage { input: 10, cached_input: 50_000, cache_write: 50_000, ..none }), "0.0725");
    assert_eq!(charge(Usage { input: 1_000, cached_input: 1_000, audio_input: 1_000, ..none }), "0.045");
    assert_eq!(charge(Usage { output: 0, reasoning: 100_000, ..none }), "0.605");
}

#[test]
fn absurd_numbers_saturate_and_never_panic() {
    let most = Usage {
        input: u64::MAX,
        cached_input: u64::MAX,
        cache_write: u64::MAX,
        cache_write_1h: u64::MAX,
        cached_audio: u64::MAX,
        audio_input: u64::MAX,
        output: u64::MAX,
        reasoning: u64::MAX,
        audio_output: u64::MAX,
        accepted_prediction: u64::MAX,
        rejected_prediction: u64::MAX,
        web_searches: u64::MAX,
        image_output: u64::MAX,
        images: u64::MAX,
        characters: u64::MAX,
        image_input: u64::MAX,
        seconds: u64::MAX,
        reported_cost: None,
    };
    assert_eq!(full().charge(&most), Money::MAX);
}

#[test]
fn a_class_that_cannot_be_charged_is_named() {
    let none = Usage::default();
    let bare = Rates::new(usd("1"), None);
    assert_eq!(bare.unpriced(&Usage { input: 5, cached_input: 3, cache_write: 1, ..none }), None);
    assert_eq!(bare.unpriced(&Usage { output: 1, ..none }), Some("output"));
    assert_eq!(bare.unpriced(&Usage { audio_input: 1, ..none }), Some("audio_input"));
    assert_eq!(bare.unpriced(&Usage { audio_output: 1, ..none }), Some("audio_output"));
    assert_eq!(bare.unpriced(&Usage { web_searches: 1, ..none }), Some("web_search"));
    assert_eq!(full().unpriced(&Usage { output: 1, audio_input: 1, audio_output: 1, web_searches: 1, ..none }), None);
}

#[test]
fn prices_are_written_as_configuration_has_them() {
    let text = r#"{"input":"8.00","cached_input":"2.00","output":"8.00"}"#;
    let rates: Rates = serde_json::from_str(text).unwrap();
    assert_eq!(rates.cached_input, Some(usd("2")));
    assert_eq!(serde_json::to_string(&rates).unwrap(), text);
    let full = full();
    assert_eq!(serde_json::from_str::<Rates>(&serde_json::to_string(&full).unwrap()).unwrap(), full);
    assert_eq!(toml::from_str::<Rates>(&toml::to_string(&full).unwrap()).unwrap(), full);
    for bad in [
        r#"{"input":8.0}"#,
        r#"{"input":"-1"}"#,
        r#"{"input":"1","outptu":"1"}"#,
        r#"{"output":"1"}"#,
        r#"{"input":"1e-3"}"#,
    ] {
        assert!(serde_json::from_str::<Rates>(bad).is_err(), "{bad}");
    }
}

prop_compose! {
    fn any_usage()(
        input in 0_u64..400_000, cached_input in 0_u64..400_000, cache_write in 0_u64..400_000, audio_input in 0_u64..400_000,
        output in 0_u64..400_000, reasoning in 0_u64..400_000, audio_output in 0_u64..400_000, web_searches in 0_u64..9,
    ) -> Usage {
        Usage { input, cached_input, cache_write, audio_input, output, reasoning, audio_output, web_searches, ..Usage::default() }
    }
}

proptest! {
    /// The oracle counts every token by its class in the plainest way.
    #[test]
    fn consistent_usage_is_charged_like_the_naive_sum(a in 0_u64..90_000, b in 0_u64..90_000, c in 0_u64..90_000, d in 0_u64..90_000, e in 0_u64..90_000, f in 0_u64..90_000, g in 0_u64..90_000) {
        let rates = Rates { tiers: Vec::new(), ..full() };
        let usage = Usage { input: a + b + c + d + g, cached_input: b, cache_write: c + g, cache_write_1h: g, audio_input: d, output: e + f, reasoning: f, ..Usage::default() };
        let picos = [(a, 1_000_000), (b, 100_000), (c, 1_250_000), (d, 40_000_000), (e, 4_000_000), (f, 6_000_000), (g, 2_000_000)];
        let sum: u64 = picos.iter().map(|(tokens, price)| tokens * price).sum();
        let nanos = (sum + 5_000_000_000).div_ceil(1_000);
        prop_assert_eq!(rates.charge(&usage).nanos(), nanos as i64);
    }

    /// Whatever the usage says, its totals are paid for at no less than the cheapest class.
    #[test]
    fn no_usage_is_charged_less_than_its_totals_at_the_cheapest_price(usage in any_usage()) {
        let rates = full();
        let least = (usage.input * 100_000 + usage.output * 4_000_000).div_ceil(1_000);
        prop_assert!(rates.charge(&usage).nanos() >= least as i64);
    }

    /// `dearest` is what a quote is made of, so no charge within its length may exceed it.
    #[test]
    fn no_charge_exceeds_the_dearest_prices(usage in any_usage()) {
        let rates = full();
        let input = usage.input.max(usage.cached_input + usage.cache_write).max(usage.audio_input);
        let output = usage.output.max(usage.reasoning + usage.audio_output);
        let dearest = rates.dearest(input, wire::CacheWrites::Any);
        let most = Cost::ZERO
            .plus(usage.audio_input, dearest.audio_input)
            .plus(input - usage.audio_input, dearest.text_input)
            .plus(output, dearest.audio_output)
            .plus(usage.web_searches, rates.web_search.unwrap())
            .plus(1, rates.request.unwrap());
        prop_assert!(rates.charge(&usage) <= most.charge_ceil());
    }
}

#[test]
fn a_batch_costs_its_share_of_what_tokens_cost_and_all_of_the_rest() {
    let tokens = Usage { input: 100_000, cached_input: 40_000, output: 10_000, reasoning: 5_000, ..Usage::default() };
    let tiered = Usage { input: 300_000, ..tokens };
    let searching = Usage { web_searches: 2, ..tokens };
    let list = full();
    assert_eq!(list.for_batch(), list, "without a share a batch costs what calls cost");
    let half = Rates { batch_percent: Some(50), ..full() }.for_batch();
    let per_call = Money::parse_usd("0.005").unwrap();
    for usage in [tokens, tiered, Usage { audio_input: 10, audio_output: 10, ..tokens }] {
        let twice = half.charge(&usage).saturating_sub(per_call).nanos() * 2;
        assert_eq!(twice, list.charge(&usage).saturating_sub(per_call).nanos(), "{usage:?}");
    }
    let searches = half.charge(&searching).saturating_sub(half.charge(&tokens));
    assert_eq!(searches.to_string(), "0.02", "searches have no share");
    let odd = Rates { batch_percent: Some(33), ..Rates::new(Price::from_picos(10), None) };
    assert_eq!(odd.for_batch().input, Price::from_picos(4), "rounded up");
}

#[test]
fn searches_are_charged_each_or_once_a_call() {
    let each = Rates { web_search: Some(Price::parse_per_unit("0.01").unwrap()), ..Rates::new(Price::FREE, None) };
    let by_call = Rates { web_searches_max: Some(1), ..each.clone() };
    let charged = |rates: &Rates, web_searches| rates.charge(&Usage { web_searches, ..Usage::default() }).nanos();
    assert_eq!((charged(&each, 0), charged(&each, 3)), (0, 30_000_000));
    assert_eq!((charged(&by_call, 0), charged(&by_call, 1), charged(&by_call, 3)), (0, 10_000_000, 10_000_000));
    assert_eq!(by_call.for_batch().web_searches_max, Some(1));
}
