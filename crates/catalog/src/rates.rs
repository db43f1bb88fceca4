//! The prices of one model by token class, and the exact charge for a usage.

use base::{Cost, Money, Price};
use serde::{Deserialize, Serialize};
use wire::{CacheWrites, Usage};

use crate::per_call;

/// What a model costs, in USD per one million tokens unless said otherwise.
///
/// A text class without a price of its own costs what its base class costs: cached input and cache writes like input,
/// reasoning like output. Audio, web searches and output have no such default: a call that needs one of these while it
/// has no price is refused when it is quoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Input tokens of no special class.
    pub input: Price,
    /// Input tokens read from the provider's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Price>,
    /// Input tokens written to the provider's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
    /// Input tokens written to the cache for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Price>,
    /// Output tokens of no special class; `None` when the model has no output (embeddings).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Price>,
    /// Output tokens spent on reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Price>,
    /// Input tokens that are images, where images are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Price>,
    /// Audio input tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Price>,
    /// Audio input tokens read from the provider's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_audio: Option<Price>,
    /// Audio output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Price>,
    /// Image output tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output: Option<Price>,
    /// Characters that are spoken, or that become vectors at Vertex, in USD per one million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character: Option<Price>,
    /// Each image that is made, or that becomes a vector at Vertex, in USD per image.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "per_call")]
    pub image: Option<Price>,
    /// Each second of audio that is heard, in USD per second.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "per_call")]
    pub second: Option<Price>,
    /// Each call, in USD per call.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "per_call")]
    pub request: Option<Price>,
    /// Each web search that the provider makes, or each unit of search of a reranking, in USD per search.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "per_call")]
    pub web_search: Option<Price>,
    /// Searches that are charged at most for one call: 1 where a call with searches costs the same however many they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_searches_max: Option<u32>,
    /// What the tokens of a batch cost, in percent of what they cost here (1 to 100); all of it where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_percent: Option<u8>,
    /// Prices of calls with a long input, in any order; for a long call, all tiers that it exceeds apply, the highest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<ContextTier>,
}

/// Prices that replace the basic ones, for the whole call, when its input is long; `None` keeps what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextTier {
    /// The tier applies to calls with more input tokens than this.
    pub above_input_tokens: u64,
    /// See [`Rates::input`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Price>,
    /// See [`Rates::cached_input`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Price>,
    /// See [`Rates::cache_write`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
    /// See [`Rates::cache_write_1h`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Price>,
    /// See [`Rates::output`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Price>,
    /// See [`Rates::reasoning`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Price>,
    /// See [`Rates::audio_input`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Price>,
    /// See [`Rates::cached_audio`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_audio: Option<Price>,
    /// See [`Rates::audio_output`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Price>,
}

/// Every class with the price that it has at one length of input.
#[derive(Clone, Copy)]
struct Resolved {
    input: Price,
    cached_input: Price,
    cache_write: Price,
    cache_write_1h: Price,
    output: Price,
    reasoning: Price,
    audio_input: Price,
    cached_audio: Price,
    audio_output: Price,
}

impl Resolved {
    /// The dearest input class but audio, of those that the request can have.
    fn dearest_text_input(&self, writes: CacheWrites) -> Price {
        let plain = self.input.max(self.cached_input);
        match writes {
            CacheWrites::None => plain,
            CacheWrites::Short => plain.max(self.cache_write),
            CacheWrites::Any => plain.max(self.cache_write).max(self.cache_write_1h),
        }
    }
}

/// The highest price that a token of each kind can have in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dearest {
    /// Any input token that is not audio.
    pub(crate) text_input: Price,
    /// An audio input token; never below `text_input`.
    pub(crate) audio_input: Price,
    /// Any output token that is not audio.
    pub(crate) text_output: Price,
    /// An audio output token; never below `text_output`.
    pub(crate) audio_output: Price,
}

impl Rates {
    /// Prices for input and output alone; the other classes follow their base class.
    #[must_use]
    pub const fn new(input: Price, output: Option<Price>) -> Rates {
        Rates {
            input,
            cached_input: None,
            cache_write: None,
            cache_write_1h: None,
            output,
            reasoning: None,
            image_input: None,
            audio_input: None,
            cached_audio: None,
            audio_output: None,
            image_output: None,
            character: None,
            image: None,
            second: None,
            request: None,
            web_search: None,
            web_searches_max: None,
            batch_percent: None,
            tiers: Vec::new(),
        }
    }

    /// The prices of a request in a batch: those of tokens at the batch's share, rounded up to whole pico-USD. What is
    /// priced by the call, the search, the image, the second or the character has no such share.
    #[must_use]
    pub fn for_batch(&self) -> Rates {
        let Some(percent) = self.batch_percent else { return self.clone() };
        let share = |price: Price| Price::from_picos(price.picos().saturating_mul(u64::from(percent)).div_ceil(100));
        let some = |price: Option<Price>| price.map(share);
        let tier = |tier: &ContextTier| ContextTier {
            above_input_tokens: tier.above_input_tokens,
            input: some(tier.input),
            cached_input: some(tier.cached_input),
            cache_write: some(tier.cache_write),
            cache_write_1h: some(tier.cache_write_1h),
            output: some(tier.output),
            reasoning: some(tier.reasoning),
            audio_input: some(tier.audio_input),
            cached_audio: some(tier.cached_audio),
            audio_output: some(tier.audio_output),
        };
        Rates {
            input: share(self.input),
            cached_input: some(self.cached_input),
            cache_write: some(self.cache_write),
            cache_write_1h: some(self.cache_write_1h),
            output: some(self.output),
            reasoning: some(self.reasoning),
            image_input: some(self.image_input),
            audio_input: some(self.audio_input),
            cached_audio: some(self.cached_audio),
            audio_output: some(self.audio_output),
            image_output: some(self.image_output),
            character: self.character,
            image: self.image,
            second: self.second,
            request: self.request,
            web_search: self.web_search,
            web_searches_max: self.web_searches_max,
            batch_percent: None,
            tiers: self.tiers.iter().map(tier).collect(),
        }
    }

    /// The exact charge for `usage`, rounded up once, to nano-USD.
    ///
    /// `usage.input` and `usage.output` are totals that contain their classes. A usage that contradicts itself is read the
    /// dear way: a total is at least the sum of its disjoint classes, and classes that overlap (audio that was also cached)
    /// are counted dearest first until the total is used up. It never panics and never charges fewer tokens than the total.
    /// A class without any price costs like its base class; a web search without a price costs nothing, see
    /// [`Rates::unpriced`].
    #[must_use]
    pub fn charge(&self, usage: &Usage) -> Money {
        // Exhaustive, so that a new class cannot be forgotten. Predicted tokens are part of the output total already,
        // and the provider's own bill is for cross-checks only.
        let Usage {
            input,
            cached_input,
            cache_write,
            cache_write_1h,
            image_input,
            audio_input,
            cached_audio,
            output,
            reasoning,
            audio_output,
            accepted_prediction: _,
            rejected_prediction: _,
            image_output,
            images,
            characters,
            seconds,
            web_searches,
            reported_cost: _,
        } = *usage;
        let input = input.max(cached_input.saturating_add(cache_write)).max(audio_input).max(image_input);
        let output = output.max(reasoning.saturating_add(audio_output).saturating_add(image_output));
        let price = self.at(input);
        let (cache_write_1h, cached_audio) = (cache_write_1h.min(cache_write), cached_audio.min(audio_input));
        let input_classes = [
            (cached_input, price.cached_input),
            (cache_write - cache_write_1h, price.cache_write),
            (cache_write_1h, price.cache_write_1h),
            (image_input, self.image_input.unwrap_or(price.input)),
            (audio_input - cached_audio, price.audio_input),
            (cached_audio, price.cached_audio),
        ];
        let image_price = self.image_output.unwrap_or(price.output);
        let output_classes =
            [(reasoning, price.reasoning), (audio_output, price.audio_output), (image_output, image_price)];
        let mut cost = Cost::ZERO;
        cost = add_classes(cost, input, price.input, input_classes);
        cost = add_classes(cost, output, price.output, output_classes);
        cost = cost.plus(images, self.image.unwrap_or(Price::FREE));
        cost = cost.plus(characters, self.character.unwrap_or(Price::FREE));
        cost = cost.plus(seconds, self.second.unwrap_or(Price::FREE));
        cost = cost.plus(self.charged_searches(web_searches), self.web_search.unwrap_or(Price::FREE));
        cost.plus(1, self.request.unwrap_or(Price::FREE)).charge_ceil()
    }

    /// How many of so many searches of one call are charged.
    pub(crate) fn charged_searches(&self, searches: u64) -> u64 {
        searches.min(self.web_searches_max.map_or(u64::MAX, u64::from))
    }

    /// The first class in `usage` that has neither a price nor a base class to take one from: worth an alarm, because
    /// [`Rates::charge`] cannot charge it properly.
    #[must_use]
    pub const fn unpriced(&self, usage: &Usage) -> Option<&'static str> {
        // Whoever prices images each, or audio by its length, does not price their tokens.
        if usage.output > 0 && self.output.is_none() && self.image.is_none() && self.second.is_none() {
            return Some("output");
        }
        if usage.audio_input > 0 && self.audio_input.is_none() && self.second.is_none() {
            return Some("audio_input");
        }
        if usage.audio_output > 0 && self.audio_output.is_none() {
            return Some("audio_output");
        }
        if usage.web_searches > 0 && self.web_search.is_none() {
            return Some("web_search");
        }
        None
    }

    /// The highest price of each kind of token, over every input length up to `input_tokens_max`.
    pub(crate) fn dearest(&self, input_tokens_max: u64, writes: CacheWrites) -> Dearest {
        let first = self.at(0);
        let mut dearest = Dearest {
            text_input: first.dearest_text_input(writes),
            audio_input: first.audio_input.max(first.cached_audio),
            text_output: first.output.max(first.reasoning),
            audio_output: first.audio_output,
        };
        for tier in self.tiers.iter().filter(|tier| tier.above_input_tokens < input_tokens_max) {
            let price = self.at(tier.above_input_tokens.saturating_add(1));
            dearest.text_input = dearest.text_input.max(price.dearest_text_input(writes));
            dearest.audio_input = dearest.audio_input.max(price.audio_input).max(price.cached_audio);
            dearest.text_output = dearest.text_output.max(price.output).max(price.reasoning);
            dearest.audio_output = dearest.audio_output.max(price.audio_output);
        }
        dearest.audio_input = dearest.audio_input.max(dearest.text_input);
        dearest.audio_output = dearest.audio_output.max(dearest.text_output);
        dearest
    }

    /// All classes at one input length, tiers and defaults applied.
    fn at(&self, input_tokens: u64) -> Resolved {
        let mut base = ContextTier {
            above_input_tokens: 0,
            input: Some(self.input),
            cached_input: self.cached_input,
            cache_write: self.cache_write,
            cache_write_1h: self.cache_write_1h,
            output: self.output,
            reasoning: self.reasoning,
            audio_input: self.audio_input,
            cached_audio: self.cached_audio,
            audio_output: self.audio_output,
        };
        let mut reached = None;
        // There are at most a handful of tiers, so that finding the next higher one each time beats a sorted copy.
        while let Some(tier) = self.next_tier(reached, input_tokens) {
            base.overlay(tier);
            reached = Some(tier.above_input_tokens);
        }
        let input = base.input.unwrap_or(self.input);
        let output = base.output.unwrap_or(Price::FREE);
        let cache_write = base.cache_write.unwrap_or(input);
        Resolved {
            input,
            cached_input: base.cached_input.unwrap_or(input),
            cache_write,
            cache_write_1h: base.cache_write_1h.unwrap_or(cache_write),
            output,
            reasoning: base.reasoning.unwrap_or(output),
            audio_input: base.audio_input.unwrap_or(input),
            cached_audio: base.cached_audio.or(base.audio_input).unwrap_or(input),
            audio_output: base.audio_output.unwrap_or(output),
        }
    }

    /// The lowest tier above `reached` that a call of `input_tokens` exceeds.
    fn next_tier(&self, reached: Option<u64>, input_tokens: u64) -> Option<&ContextTier> {
        let applies = |tier: &&ContextTier| {
            reached.is_none_or(|reached| tier.above_input_tokens > reached) && tier.above_input_tokens < input_tokens
        };
        self.tiers.iter().filter(applies).min_by_key(|tier| tier.above_input_tokens)
    }
}

impl ContextTier {
    /// Takes over the prices that `higher` sets.
    fn overlay(&mut self, higher: &ContextTier) {
        self.input = higher.input.or(self.input);
        self.cached_input = higher.cached_input.or(self.cached_input);
        self.cache_write = higher.cache_write.or(self.cache_write);
        self.cache_write_1h = higher.cache_write_1h.or(self.cache_write_1h);
        self.output = higher.output.or(self.output);
        self.reasoning = higher.reasoning.or(self.reasoning);
        self.audio_input = higher.audio_input.or(self.audio_input);
        self.cached_audio = higher.cached_audio.or(self.cached_audio);
        self.audio_output = higher.audio_output.or(self.audio_output);
    }
}

/// Adds `total` tokens: the classes at their prices, dearest first and capped by what is left, the rest at `base`.
fn add_classes<const N: usize>(cost: Cost, total: u64, base: Price, mut classes: [(u64, Price); N]) -> Cost {
    classes.sort_unstable_by_key(|(_, price)| core::cmp::Reverse(*price));
    let mut left = total;
    let mut cost = cost;
    for (tokens, price) in classes {
        let counted = tokens.min(left);
        cost = cost.plus(counted, price);
        left -= counted;
    }
    cost.plus(left, base)
}

#[cfg(test)]
mod tests;
