//! Whether prices make sense.

use base::Price;
use catalog::Rates;

use super::Checker;

/// More than a dollar for one token is a mistaken unit.
const TOKEN_PRICE_MAX: Price = Price::from_picos(1_000_000_000_000);
/// More than a thousand dollars for one call or search is a mistaken unit.
const UNIT_PRICE_MAX: Price = Price::from_picos(1_000_000_000_000_000);

impl Checker<'_> {
    /// Reports prices that are missing, absurd or contradict each other.
    pub(super) fn rates(&mut self, rates: &Rates, has_output: bool, path: &str) {
        if has_output && rates.output.is_none() {
            self.problem(
                format!("{path}.output"),
                "there is no price for output; give one in USD per 1M tokens, \"0\" if it is free",
            );
        }
        let per_token = [
            ("input", Some(rates.input)),
            ("cached_input", rates.cached_input),
            ("cache_write", rates.cache_write),
            ("cache_write_1h", rates.cache_write_1h),
            ("output", rates.output),
            ("reasoning", rates.reasoning),
            ("audio_input", rates.audio_input),
            ("cached_audio", rates.cached_audio),
            ("audio_output", rates.audio_output),
            ("image_input", rates.image_input),
            ("image_output", rates.image_output),
            ("character", rates.character),
        ];
        self.bounded(&per_token, TOKEN_PRICE_MAX, path);
        let per_unit = [
            ("request", rates.request),
            ("web_search", rates.web_search),
            ("image", rates.image),
            ("second", rates.second),
        ];
        self.bounded(&per_unit, UNIT_PRICE_MAX, path);
        if rates.web_searches_max == Some(0) {
            self.problem(format!("{path}.web_searches_max"), "give 1 or more searches, or leave it out");
        }
        if rates.batch_percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
            self.problem(
                format!("{path}.batch_percent"),
                "give the percent of the price that a batch costs, from 1 to 100",
            );
        }
        let mut starts = std::collections::HashSet::new();
        for (place, tier) in rates.tiers.iter().enumerate() {
            let path = format!("{path}.tiers[{place}]");
            if !starts.insert(tier.above_input_tokens) {
                self.problem(&path, "two tiers begin at the same number of input tokens; merge them");
            }
            let per_token = [
                ("input", tier.input),
                ("cached_input", tier.cached_input),
                ("cache_write", tier.cache_write),
                ("cache_write_1h", tier.cache_write_1h),
                ("output", tier.output),
                ("reasoning", tier.reasoning),
                ("audio_input", tier.audio_input),
                ("cached_audio", tier.cached_audio),
                ("audio_output", tier.audio_output),
            ];
            self.bounded(&per_token, TOKEN_PRICE_MAX, &path);
        }
    }

    fn bounded(&mut self, prices: &[(&str, Option<Price>)], most: Price, path: &str) {
        for (name, price) in prices {
            if price.is_some_and(|price| price > most) {
                self.problem(
                    format!("{path}.{name}"),
                    "the price is absurdly high; prices of tokens are in USD per 1M tokens, others in USD per unit",
                );
            }
        }
    }
}
