//! Which models go into the default catalogue, and what is known of each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use base::Price;
use catalog::{ContextTier, Rates};

use super::sources::{self, Listed, Members, PriceOf, Provider, Sources};
use super::{Entry, Sourced};

/// The day on which the lists were read; what is retired by then is left out.
pub(super) const READ_ON: &str = "2026-11-24";

/// A provider whose models people reach by the OpenAI dialect.
struct Maker {
    /// In LiteLLM: its name, and what its keys begin with.
    litellm: (&'static str, &'static str),
    /// In genai-prices.
    genai: &'static str,
    owned_by: &'static str,
    /// Its price page, for entries that name none.
    source: &'static str,
}

const MAKERS: &[Maker] = &[
    Maker {
        litellm: ("openai", "openai/"),
        genai: "openai",
        owned_by: "openai",
        source: "https://developers.openai.com/api/docs/pricing",
    },
    Maker {
        litellm: ("anthropic", "anthropic/"),
        genai: "anthropic",
        owned_by: "anthropic",
        source: "https://www.anthropic.com/pricing#api",
    },
    Maker {
        litellm: ("gemini", "gemini/"),
        genai: "google",
        owned_by: "google",
        source: "https://ai.google.dev/gemini-api/docs/pricing",
    },
    Maker {
        litellm: ("deepseek", "deepseek/"),
        genai: "deepseek",
        owned_by: "deepseek",
        source: "https://api-docs.deepseek.com/quick_start/pricing",
    },
    Maker {
        litellm: ("mistral", "mistral/"),
        genai: "mistral",
        owned_by: "mistral",
        source: "https://mistral.ai/pricing#api-pricing",
    },
    Maker { litellm: ("xai", "xai/"), genai: "x-ai", owned_by: "xai", source: "https://docs.x.ai/docs/models" },
    Maker { litellm: ("groq", "groq/"), genai: "groq", owned_by: "groq", source: "https://groq.com/pricing/" },
    Maker {
        litellm: ("moonshot", "moonshot/"),
        genai: "moonshotai",
        owned_by: "moonshotai",
        source: "https://platform.moonshot.ai/docs/pricing/chat",
    },
    Maker {
        litellm: ("zai", "zai/"),
        genai: "zhipuai",
        owned_by: "zhipuai",
        source: "https://docs.z.ai/guides/overview/pricing",
    },
    Maker {
        litellm: ("cohere_chat", "cohere/"),
        genai: "cohere",
        owned_by: "cohere",
        source: "https://cohere.com/pricing",
    },
    Maker {
        litellm: ("voyage", "voyage/"),
        genai: "voyageai",
        owned_by: "voyageai",
        source: "https://docs.voyageai.com/docs/pricing",
    },
];

/// Parts of names of models that are billed by something else than the tokens and searches that Mandant meters, or that
/// search without being asked.
const UNMETERED: &[&str] = &[
    "search",
    "research",
    "realtime",
    "transcribe",
    "tts",
    "image",
    "live",
    "lyria",
    "omni",
    "robotics",
    "computer-use",
    "ft:",
    "moderation",
    "-beta",
    "-gv2",
    "exp-",
    "-exp",
    "learnlm",
    "streaming",
];

/// The four models of the product's definition: public name, list name, selling price of input and output.
const FIRST: [(&str, &str, &str, &str); 4] = [
    ("gpt-4.1", "gpt-4.1", "8.00", "8.00"),
    ("claude-sonnet-4.5", "claude-sonnet-4-5", "15.00", "15.00"),
    ("gemini-2.5-flash", "gemini-2.5-flash", "2.50", "2.50"),
    ("deepseek-v3.2", "deepseek-v3.2", "0.42", "0.42"),
];

/// Models that were left out, each with the reason.
type LeftOut = Vec<(String, String)>;

/// All entries in order, and what was left out with the reason.
pub(super) fn select(sources: &Sources) -> Result<(Vec<Entry>, LeftOut)> {
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    let mut known = BTreeMap::new();
    let mut taken: BTreeSet<String> = FIRST.iter().map(|first| first.0.to_owned()).collect();
    for maker in MAKERS {
        let provider = sources.genai.iter().find(|provider| provider.id == maker.genai);
        let provider = provider.with_context(|| format!("{} is missing", maker.genai))?;
        for (name, members) in models_of(sources, maker) {
            let first = FIRST.iter().find(|first| first.1 == name);
            let drafted = draft(maker, provider, name, members);
            if let Some(first) = first {
                known.insert(first.0, first_entry(first, maker, name, members, drafted.as_ref().ok())?);
            }
            match drafted {
                _ if taken.contains(name) => {}
                Ok(entry) => {
                    taken.insert(name.to_owned());
                    entries.push(entry);
                }
                Err(reason) => left_out.push((name.to_owned(), format!("{reason:#}"))),
            }
        }
    }
    let mut all = Vec::new();
    for first in FIRST {
        all.push(known.remove(first.0).with_context(|| format!("{} is in no list", first.1))?);
    }
    all.extend(entries);
    Ok((all, left_out))
}

/// The maker's chat and embedding models by name, those with a prefix before those without.
fn models_of<'a>(sources: &'a Sources, maker: &Maker) -> BTreeMap<&'a str, &'a Members> {
    let mut models = BTreeMap::new();
    for (key, members) in &sources.litellm {
        let mode = sources::text(members, "mode").unwrap_or_default();
        let ours = sources::text(members, "litellm_provider").as_deref() == Some(maker.litellm.0);
        if ours && matches!(mode.as_str(), "chat" | "embedding") {
            let name = key.strip_prefix(maker.litellm.1);
            match name {
                Some(name) => _ = models.insert(name, members),
                None => _ = models.entry(key.as_str()).or_insert(members),
            }
        }
    }
    models
}

/// One of the four: bounds from the list, the product's selling price, the list price where it is certain.
fn first_entry(
    first: &(&str, &str, &str, &str),
    maker: &Maker,
    name: &str,
    members: &Members,
    listed: Option<&Entry>,
) -> Result<Entry> {
    let output = Price::parse_per_million(first.3)?;
    let rates = Rates::new(Price::parse_per_million(first.2)?, Some(output));
    let context = sources::whole(members, "max_input_tokens").context("no context window")?;
    Ok(Entry {
        id: first.0.to_owned(),
        owned_by: maker.owned_by,
        kind: "chat",
        context_window: listed.map_or(context, |entry| entry.context_window),
        max_output_tokens: Some(sources::whole(members, "max_output_tokens").context("no maximum of output")?),
        image_tokens_max: image_tokens(maker, name),
        hidden_prompt_tokens: hidden_prompt(maker),
        hidden_output_tokens: hidden_output(maker, name),
        tokenizer: tokenizer(maker, name),
        price: Sourced { source: "product definition (selling price)".to_owned(), rates },
        list_price: listed
            .map(|entry| Sourced { source: entry.price.source.clone(), rates: entry.price.rates.clone() }),
    })
}

/// The entry of one listed model; the error is the reason to leave it out.
fn draft(maker: &Maker, provider: &Provider, name: &str, members: &Members) -> Result<Entry> {
    let embedding = sources::text(members, "mode").as_deref() == Some("embedding");
    let unmetered = UNMETERED.iter().any(|part| name.contains(part));
    anyhow::ensure!(!unmetered, "billed by what is not metered");
    anyhow::ensure!(!name.ends_with("-latest"), "a name that changes its meaning");
    anyhow::ensure!(base::ModelId::new(name).is_ok(), "not a model name");
    let retired = sources::text(members, "deprecation_date").is_some_and(|day| day.as_str() <= READ_ON);
    anyhow::ensure!(!retired, "retired");
    let endpoints = members.get("supported_endpoints").map_or("", |raw| raw.get());
    anyhow::ensure!(endpoints.is_empty() || endpoints.contains("chat/completions") || embedding, "another endpoint");
    let max_output = sources::whole(members, "max_output_tokens");
    anyhow::ensure!(embedding || max_output.is_some(), "no maximum of output");
    let listed = provider.models.iter().find(|listed| listed.matcher.matches(name));
    let named_window = sources::whole(members, "max_input_tokens");
    let (mut rates, is_withdrawn) = rates(members, listed, embedding)?;
    let listed_window = listed.and_then(|listed| listed.context_window).filter(|_| !is_withdrawn);
    let window = named_window.max(listed_window);
    rates.web_search = rates.web_search.or(flat_search(maker, embedding)?);
    rates.web_searches_max = rates.web_search.and_then(|_| searches_max(maker, name));
    let own_source = sources::text(members, "source").filter(|source| source.starts_with("https://"));
    let stated = own_source.or_else(|| listed.map(|_| provider.pricing_urls.first().cloned().unwrap_or_default()));
    anyhow::ensure!(stated.is_some(), "one list only, which names no source");
    Ok(Entry {
        id: name.to_owned(),
        owned_by: maker.owned_by,
        kind: if embedding { "embedding" } else { "chat" },
        context_window: window.context("no context window")?,
        max_output_tokens: if embedding { None } else { max_output },
        image_tokens_max: image_tokens(maker, name),
        hidden_prompt_tokens: if embedding { Some(64) } else { hidden_prompt(maker) },
        hidden_output_tokens: hidden_output(maker, name),
        tokenizer: tokenizer(maker, name),
        price: Sourced { source: stated.filter(|s| !s.is_empty()).unwrap_or(maker.source.to_owned()), rates },
        list_price: None,
    })
}

/// All prices of a model: both lists must agree where both speak; the second adds what the first does not know. Says whether
/// the first list has a long context that is withdrawn: all its tiers lie beyond the window that the second names. So it is of
/// Claude Sonnet 4.5, whose page says 200,000 tokens (https://platform.claude.com/docs/en/models/sonnet-4-5/overview).
fn rates(members: &Members, listed: Option<&Listed>, embedding: bool) -> Result<(Rates, bool)> {
    let each = |name: &str| sources::each(members, name);
    let set = |name: &str| Ok::<_, anyhow::Error>(each(name)?.filter(|price| *price > Price::FREE));
    let input = each("input_cost_per_token")?.filter(|price| *price > Price::FREE).context("no input price")?;
    let output = if embedding { None } else { Some(set("output_cost_per_token")?.context("no output price")?) };
    let longest =
        set("cache_creation_input_token_cost_above_1hr")?.max(set("cache_creation_input_token_cost_above_12hr")?);
    let mut rates = Rates {
        cached_input: set("cache_read_input_token_cost")?,
        cache_write: set("cache_creation_input_token_cost")?,
        cache_write_1h: longest,
        reasoning: set("output_cost_per_reasoning_token")?.filter(|price| Some(*price) != output),
        audio_input: set("input_cost_per_audio_token")?,
        cached_audio: set("cache_read_input_audio_token_cost")?,
        audio_output: set("output_cost_per_audio_token")?,
        request: set("input_cost_per_request")?,
        web_search: dearest_search(members)?,
        tiers: tiers(members)?,
        ..Rates::new(input, output)
    };
    if let Some(listed) = listed {
        let first = listed.prices_on(READ_ON)?.context("a price that depends on the hour")?;
        agree(&mut rates, &first)?;
    }
    let named_window = sources::whole(members, "max_input_tokens").unwrap_or(u64::MAX);
    let is_withdrawn =
        !rates.tiers.is_empty() && rates.tiers.iter().all(|tier| tier.above_input_tokens >= named_window);
    if is_withdrawn {
        rates.tiers.clear();
    }
    rates.batch_percent = batch_percent(members, &rates)?;
    Ok((rates, is_withdrawn))
}

/// The share of its prices that a batch costs, where the list has a price of a batch for every class, and all are the same
/// share. Of models with tiers that is not known.
fn batch_percent(members: &Members, rates: &Rates) -> Result<Option<u8>> {
    let classes = [
        ("input_cost_per_token_batches", Some(rates.input)),
        ("output_cost_per_token_batches", rates.output),
        ("cache_read_input_token_cost_batches", rates.cached_input),
        ("cache_creation_input_token_cost_batches", rates.cache_write),
    ];
    let mut shares = BTreeSet::new();
    for (name, price) in classes {
        let Some(price) = price.filter(|price| *price > Price::FREE) else { continue };
        let Some(batch) = sources::each(members, name)? else { return Ok(None) };
        let is_whole = batch.picos() * 100 % price.picos() == 0;
        shares.insert(if is_whole { batch.picos() * 100 / price.picos() } else { 0 });
    }
    let share =
        shares.pop_first().filter(|share| shares.is_empty() && (1..100).contains(share) && rates.tiers.is_empty());
    Ok(share.and_then(|share| u8::try_from(share).ok()))
}

/// Compares with the first list, and takes from it what the second does not say.
fn agree(rates: &mut Rates, first: &Members) -> Result<()> {
    let of = |name: &str| sources::per_million(first, name);
    let same = |what: &str, ours: Option<Price>, theirs: &Option<PriceOf>| {
        let differ = matches!((ours, theirs), (Some(ours), Some(theirs)) if ours != theirs.base);
        anyhow::ensure!(!differ, "the lists disagree on {what}");
        Ok(())
    };
    let (input, output) = (of("input_mtok")?, of("output_mtok")?);
    let (cached, write) = (of("cache_read_mtok")?, of("cache_write_mtok")?);
    anyhow::ensure!(input.is_some(), "the lists disagree on whether it is free");
    same("input", Some(rates.input), &input)?;
    same("output", rates.output, &output)?;
    same("cached input", rates.cached_input, &cached)?;
    rates.cached_input = rates.cached_input.or(cached.as_ref().map(|price| price.base));
    rates.cache_write = rates.cache_write.or(write.as_ref().map(|price| price.base));
    rates.audio_input = rates.audio_input.or(of("input_audio_mtok")?.map(|price| price.base));
    rates.cached_audio = rates.cached_audio.or(of("cache_audio_read_mtok")?.map(|price| price.base));
    rates.audio_output = rates.audio_output.or(of("output_audio_mtok")?.map(|price| price.base));
    if rates.tiers.is_empty() {
        rates.tiers = first_tiers([&input, &cached, &write, &output]);
    }
    Ok(())
}

/// The tiers of the first list: input, cached input, cache write, output.
fn first_tiers(prices: [&Option<PriceOf>; 4]) -> Vec<ContextTier> {
    let mut tiers: BTreeMap<u64, ContextTier> = BTreeMap::new();
    for (class, price) in prices.into_iter().enumerate() {
        for (above, price) in price.iter().flat_map(|price| &price.tiers) {
            let tier = tiers.entry(*above).or_default();
            tier.above_input_tokens = *above;
            match class {
                0 => tier.input = Some(*price),
                1 => tier.cached_input = Some(*price),
                2 => tier.cache_write = Some(*price),
                _ => tier.output = Some(*price),
            }
        }
    }
    tiers.into_values().collect()
}

/// The tiers of the second list, whose names end with `_above_200k_tokens`.
fn tiers(members: &Members) -> Result<Vec<ContextTier>> {
    let mut tiers = Vec::new();
    for thousands in [32, 100, 128, 200, 256, 272, 512] {
        let at = |name: &str| sources::each(members, &format!("{name}_above_{thousands}k_tokens"));
        let tier = ContextTier {
            above_input_tokens: thousands * 1_000,
            input: at("input_cost_per_token")?,
            cached_input: at("cache_read_input_token_cost")?,
            cache_write: at("cache_creation_input_token_cost")?,
            cache_write_1h: at("cache_creation_input_token_cost_above_1hr")?
                .max(at("cache_creation_input_token_cost_above_12hr")?),
            output: at("output_cost_per_token")?,
            ..ContextTier::default()
        };
        if tier.input.is_some() || tier.output.is_some() {
            tiers.push(tier);
        }
    }
    Ok(tiers)
}

/// The price of a web search with the largest context.
fn dearest_search(members: &Members) -> Result<Option<Price>> {
    let Some(raw) = members.get("search_context_cost_per_query") else { return Ok(None) };
    let sizes: Members = serde_json::from_str(raw.get())?;
    let mut dearest = None;
    for size in sizes.keys() {
        dearest = dearest.max(sources::each(&sizes, size)?);
    }
    Ok(dearest)
}

/// Anthropic asks $10 for 1,000 searches whichever model makes them; the lists say so of some models only.
fn flat_search(maker: &Maker, embedding: bool) -> Result<Option<Price>> {
    let flat = (maker.owned_by == "anthropic" && !embedding).then(|| Price::parse_per_unit("0.01"));
    Ok(flat.transpose()?)
}

/// Google asks for each call that searches, of models up to Gemini 2.5, and for each query of younger ones
/// (https://ai.google.dev/gemini-api/docs/pricing).
fn searches_max(maker: &Maker, name: &str) -> Option<u32> {
    let is_by_call = maker.owned_by == "google" && ["gemini-1", "gemini-2"].iter().any(|old| name.starts_with(old));
    is_by_call.then_some(1)
}

/// xAI's limit is one of the answer; its reasoning comes on top. 177 tokens were recorded at a limit of 16, and the bound
/// is what a long reasoning takes.
fn hidden_output(maker: &Maker, name: &str) -> Option<u64> {
    (maker.owned_by == "xai" && !name.contains("non-reasoning")).then_some(131_072)
}

/// The public vocabulary, where it is known.
fn tokenizer(maker: &Maker, name: &str) -> Option<&'static str> {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if maker.owned_by != "openai" {
        None
    } else if begins(&["gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-audio", "o1", "o3", "o4", "chatgpt-4o"]) {
        Some("o200k")
    } else if begins(&["gpt-4", "gpt-3.5", "text-embedding"]) {
        Some("cl100k")
    } else {
        None
    }
}

/// Tokens of one image at most, from the documented formulas (tiles of 512 pixels after scaling: at most eight, at 85 + 170
/// each; patches of 32 pixels: at most 1,536, times up to 2.46). GPT-4o mini bills 2,833 + 5,667 a tile.
fn image_tokens(maker: &Maker, name: &str) -> Option<u64> {
    if maker.owned_by != "openai" {
        return None;
    }
    let base = name.split("-20").next().unwrap_or(name);
    match base {
        "gpt-4o-mini" => Some(48_169),
        "gpt-4o" | "gpt-4.1" | "o1" | "o3" => Some(1_445),
        "gpt-4.1-mini" | "gpt-4.1-nano" | "o4-mini" | "gpt-5" | "gpt-5-mini" | "gpt-5-nano" => Some(3_779),
        _ => None,
    }
}

/// OpenAI adds next to nothing to a request; of others more was seen, which the default covers.
fn hidden_prompt(maker: &Maker) -> Option<u64> {
    (maker.owned_by == "openai").then_some(256)
}
