//! Worst cases and charges against recorded exchanges with real providers, where `MANDANT_TRAFFIC` names their folder.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use base::{ModelId, Price};
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use wire::{Accent, Dialect, Endpoint, Usage};

use crate::{Model, ModelKind, Quote, Rates, default_entry, quote_loose, quote_tight};

/// What a recorder wrote of one exchange, as far as it matters here.
#[derive(Deserialize)]
struct Exchange {
    id: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    method: String,
    request_body: Option<Box<RawValue>>,
    response_body: Option<Box<RawValue>>,
    recorded_usage: Option<Recorded>,
}

/// Tokens as the provider counted them.
#[derive(Deserialize, Clone, Copy)]
struct Recorded {
    #[serde(default)]
    input: u64,
    #[serde(default)]
    output: u64,
    #[serde(default)]
    total: u64,
    #[serde(default)]
    cached_read: u64,
    #[serde(default)]
    cache_write: u64,
    #[serde(default)]
    reasoning: u64,
    #[serde(default)]
    input_audio: u64,
    #[serde(default)]
    output_audio: u64,
    /// Anthropic's input, which excludes the cache's.
    #[serde(default)]
    input_uncached: Option<u64>,
    #[serde(default)]
    cache_write_1h: u64,
    #[serde(default)]
    web_search: u64,
    /// Google's input of tools, beside the prompt.
    #[serde(default)]
    tool_use_prompt: u64,
    /// What Cohere bills, beside what it processed.
    #[serde(default)]
    billed_input: Option<u64>,
    #[serde(default)]
    billed_output: u64,
    #[serde(default)]
    billed_search: u64,
    #[serde(default)]
    style: Style,
}

/// Whose habits a recorded usage follows.
#[derive(Deserialize, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Style {
    Gemini,
    Cohere,
    Bedrock,
    #[default]
    #[serde(other)]
    Other,
}

impl Recorded {
    /// In our terms: some providers count reasoning beside the output, which only the total shows.
    fn usage(&self) -> Usage {
        if self.style == Style::Cohere {
            let (input, output) = (self.billed_input.unwrap_or(0), self.billed_output);
            return Usage { input, output, web_searches: self.billed_search, ..Usage::default() };
        }
        if self.style == Style::Bedrock {
            let input = self.input + self.cached_read + self.cache_write;
            let (cached_input, cache_write) = (self.cached_read, self.cache_write);
            return Usage { input, cached_input, cache_write, output: self.output, ..Usage::default() };
        }
        let is_google = self.style == Style::Gemini;
        let input = self
            .input_uncached
            .map_or(self.input + self.tool_use_prompt, |uncached| uncached + self.cached_read + self.cache_write);
        // Google counts thinking beside the answer; where its last total says less than both, the total is what it bills.
        let output = match (is_google, self.total) {
            (true, total) if total > 0 => total - input,
            (true, _) => self.output + self.reasoning,
            (false, _) => self.output,
        };
        Usage {
            input,
            cached_input: self.cached_read,
            cache_write: self.cache_write,
            cache_write_1h: self.cache_write_1h,
            audio_input: self.input_audio,
            output: output.max(self.total.saturating_sub(input)),
            reasoning: self.reasoning,
            audio_output: self.output_audio,
            web_searches: self.web_search,
            ..Usage::default()
        }
    }
}

/// What the library found in the answer beyond what the recorder did.
#[derive(Deserialize, Clone, Copy, Default)]
struct Detailed {
    #[serde(default)]
    cache_audio_read_tokens: u64,
}

/// One record of the independent cost library.
#[derive(Deserialize)]
struct Priced {
    id: String,
    endpoint: String,
    provider: String,
    model: Option<String>,
    recorded_usage: Recorded,
    #[serde(default)]
    genai_usage: Detailed,
    oracle_cost_usd: String,
}

/// The lines of one recorded file, or `None` with a word when there is no folder.
fn lines(file: &str) -> Option<impl Iterator<Item = String>> {
    let Some(folder) = std::env::var_os("MANDANT_TRAFFIC") else {
        println!("skipped: MANDANT_TRAFFIC is not set");
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    let packed = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(BufReader::new(GzDecoder::new(packed)).lines().map(|line| line.expect("a readable line")))
}

/// The model of the default catalogue, or one with generous bounds where it is not in there.
fn model_for(name: &str) -> Model {
    let known = default_entry(name).or_else(|| default_entry(name.rsplit('/').next().unwrap_or(name)));
    let mut model = match known {
        Some(entry) => entry.to_model(vec![]),
        None => Model::new(ModelId::new("unknown").unwrap(), ModelKind::Text, 1_000_000, 131_072),
    };
    // These search and run tools without being asked: their operator must say so, see `Model::hidden_prompt_tokens`.
    if name.contains("compound") {
        model.hidden_prompt_tokens = model.context_window;
    }
    // Reasoning beside the limit, see `Model::hidden_output_tokens`; the catalogue has the models that are still sold.
    if name.contains("grok") && known.is_none() {
        model.hidden_output_tokens = 131_072;
    }
    model
}

/// Every class has a price, so that nothing is refused and every excess shows in money.
fn rates() -> Rates {
    let price = Price::parse_per_million("1.00").unwrap();
    Rates {
        audio_input: Some(price),
        audio_output: Some(price),
        web_search: Some(price),
        // Dearer than plain input, so that a write that was not foreseen shows.
        cache_write: Some(Price::parse_per_million("1.25").unwrap()),
        cache_write_1h: Some(Price::parse_per_million("2.00").unwrap()),
        ..Rates::new(price, Some(price))
    }
}

fn covers(quote: &Quote, usage: &Usage) -> bool {
    usage.input <= quote.input_tokens && usage.output <= quote.output_tokens && rates().charge(usage) <= quote.usd
}

/// The path on our side of a recorded one; `None` where this relay has none.
fn our_path(path: &str) -> Option<String> {
    let path = path.split('?').next()?;
    if path.contains("/threads/") || path.starts_with("/bin/") {
        return None;
    }
    if path.starts_with("/model/") {
        return Some(path.to_owned());
    }
    if let Some((_, rest)) = path.split_once("/models/").filter(|(_, rest)| rest.contains(':')) {
        return Some(format!("/v1beta/models/{rest}"));
    }
    let fixed = Endpoint::ALL.into_iter().filter(|one| one.is_billed() && !one.hears() && one.path().starts_with('/'));
    let found = fixed.filter(|one| path.ends_with(one.path())).max_by_key(|one| one.path().len())?;
    let is_first = !path.starts_with("/v2/");
    let is_cohere = found.dialect() == Some(Dialect::Cohere) && !(found.ranks() && is_first);
    if is_cohere && is_first {
        return None;
    }
    Some(format!("/v{}{}", if is_cohere { 2 } else { 1 }, found.path()))
}

/// The tokens of vectors of Vertex, which the recorder did not look at.
fn predicted(path: &str, answer: Option<&RawValue>) -> Option<Recorded> {
    let text: String = serde_json::from_str(answer.filter(|_| path.ends_with(":predict"))?.get()).ok()?;
    let answer: serde_json::Value = serde_json::from_str(&text).ok()?;
    let predictions = answer["predictions"].as_array()?.iter();
    let tokens = predictions.filter_map(|one| one["embeddings"]["statistics"]["token_count"].as_u64());
    serde_json::from_value(serde_json::json!({ "input": tokens.sum::<u64>() })).ok()
}

/// The tokens of an interaction, of whose counts the recorder kept only the names.
fn interacted(path: &str, answer: Option<&RawValue>) -> Option<Recorded> {
    let text: String = serde_json::from_str(answer.filter(|_| path.ends_with("/interactions"))?.get()).ok()?;
    let of = |name: &str| {
        let digits = text.rsplit_once(&format!("\"{name}\":"))?.1;
        digits[..digits.find(|c: char| !c.is_ascii_digit())?].parse::<u64>().ok()
    };
    let input = of("total_input_tokens")? + of("total_tool_use_tokens")?;
    let reasoning = of("total_thought_tokens")?;
    let output = of("total_output_tokens")? + reasoning;
    serde_json::from_value(serde_json::json!({ "input": input, "output": output, "reasoning": reasoning })).ok()
}

#[test]
fn the_worst_case_covers_every_recorded_usage() {
    let Some(lines) = lines("open.jsonl.gz") else { return };
    let mut by_endpoint = BTreeMap::<&str, u32>::new();
    let (mut loose, mut tight, mut windows, mut refused, mut excesses) =
        (0, 0, 0, BTreeMap::<String, u32>::new(), Vec::new());
    for line in lines {
        let exchange: Exchange = serde_json::from_str(&line).expect("a record");
        let Some(path) = our_path(&exchange.path).filter(|_| exchange.method == "POST") else { continue };
        let answer = exchange.response_body.as_deref();
        let told = interacted(&path, answer).or_else(|| predicted(&path, answer));
        let recorded = told.or(exchange.recorded_usage);
        let (Some(body), Some(recorded)) = (exchange.request_body, recorded) else { continue };
        let Ok(route) = wire::route("POST", &path, "", Accent::default()) else { continue };
        let call = match wire::read(route, Some(b"application/json"), Bytes::from(body.get().to_owned())) {
            Ok(call) => call,
            Err(refusal) => {
                *refused.entry(refusal.message()).or_default() += 1;
                continue;
            }
        };
        let endpoint = call.endpoint();
        let mut model = model_for(call.model().map_or("", ModelId::as_str));
        model.upstream_routing = true;
        if endpoint.is_embedding() {
            model.kind = ModelKind::Embedding;
        } else if endpoint.ranks() {
            model.kind = ModelKind::Rerank;
        }
        *by_endpoint.entry(endpoint.name()).or_insert(0) += 1;
        let (usage, mut billable) = (recorded.usage(), call.billable().clone());
        billable.service_tier = None;
        let quote = quote_loose(&model, &rates(), &billable).expect("everything has a price");
        loose += 1;
        windows += u32::from(quote.input_tokens >= model.context_window);
        if !covers(&quote, &usage) {
            excesses.push(format!("loose {} {} {usage:?} {quote:?} {billable:?}", exchange.id, model.id));
        }
        if model.tokenizer.is_some() && call.billable().service_tier.is_none() {
            tight += 1;
            let quote = quote_tight(&model, &rates(), &call).expect("everything has a price");
            if !covers(&quote, &usage) {
                excesses.push(format!("tight {} {} {usage:?} {quote:?} {billable:?}", exchange.id, model.id));
            }
        }
    }
    println!("{by_endpoint:?}");
    println!("{loose} calls by bytes ({windows} of them the whole window), {tight} by tokens, refused: {refused:?}");
    assert!(excesses.is_empty(), "{} not covered:\n{}", excesses.len(), excesses.join("\n"));
    assert!(loose >= 1_200 && tight >= 50, "{loose} calls by bytes, {tight} by tokens");
}

/// Records whose charge differs from the library's, and why.
const EXPLAINED: [(&str, &str); 5] = [
    (
        "a254f5db0eaa8c0c2d1e",
        "many readings of less than 200,000 tokens; the library takes their sum for a long context",
    ),
    ("6ef7878bfc8c5c0ded59", "bought at a reseller; the catalogue has the price of the maker of that name's service"),
    ("944230aa0fd749d1c045", "the same"),
    (
        "aa1df5f5f80dc71eff2c",
        "contradicts itself (4 output, of these 3 reasoning and 4 audio): we read it the dear way",
    ),
    ("14319f3219b28d5632ed", "a discount for cached input that only one of the two price lists knows"),
];

/// Nano-USD of a decimal text, exponents included, places beyond the ninth cut off.
fn nanos(text: &str) -> i64 {
    let (mantissa, exponent) = text.split_once(['E', 'e']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i64 = format!("{whole}{fraction}").parse().expect("digits");
    let shift = exponent.parse::<i32>().expect("an exponent") + 9 - i32::try_from(fraction.len()).expect("short");
    let power = 10_i64.pow(shift.unsigned_abs());
    if shift < 0 { digits / power } else { digits * power }
}

#[test]
fn charges_agree_with_an_independent_price_library() {
    let Some(lines) = lines("open_cost.jsonl.gz") else { return };
    let (mut same, mut unknown, mut differences) = (0, 0, Vec::new());
    for line in lines {
        let priced: Priced = serde_json::from_str(&line).expect("a record");
        // The recorder writes Google's names in lower case, and a stream under a name of its own.
        let name = priced.endpoint.trim_start_matches("stream");
        let billed = Endpoint::ALL.into_iter().any(|one| one.is_billed() && one.name().eq_ignore_ascii_case(name));
        let model = priced.model.filter(|_| billed).unwrap_or_default();
        let Some(entry) = default_entry(&model) else {
            unknown += u32::from(billed);
            continue;
        };
        let mut usage = priced.recorded_usage.usage();
        usage.cached_audio = priced.genai_usage.cache_audio_read_tokens;
        usage.cached_input -= usage.cached_audio;
        let ours = entry.list_rates().charge(&usage);
        // The library keeps more places than a charge, which is rounded up.
        if ours.nanos().abs_diff(nanos(&priced.oracle_cost_usd)) <= 1 {
            same += 1;
        } else if EXPLAINED.iter().all(|(id, _)| *id != priced.id) {
            let theirs = &priced.oracle_cost_usd;
            differences.push(format!("{} {} {model}: ours {ours}, theirs {theirs}", priced.id, priced.provider));
        }
    }
    println!("{same} the same, {unknown} of models outside the catalogue");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(same >= 600, "{same}");
}
