//! The worst case of a call: what its provider could bill at most, so that a hold of it is enough whatever happens.

use base::{Cost, Money, Price, Refusal};
use wire::{Billable, CacheWrites, Call, ServiceTier};

use crate::{Model, ModelKind, Rates, count_tokens};

/// Tokens that the format of a conversation adds to one message (role, separators, name); documented ones are 3 or 4.
const MESSAGE_TOKENS: u64 = 16;
/// Tokens that the format adds to one declared tool, beside its text.
const TOOL_TOKENS: u64 = 32;
/// Tokens that the format adds to one prompt or embedding input (begin and end of text).
const PROMPT_TOKENS: u64 = 8;
/// Decoded bytes of the densest audio that make one token: 32 tokens a second of speech at 4 kbit/s are 15 bytes each.
const AUDIO_BYTES_PER_TOKEN: u64 = 8;
/// Tokens of framing around one audio clip that is sent along.
const AUDIO_CLIP_TOKENS: u64 = 256;
/// Tokens of an audio clip that is only named: an earlier answer, which had at most this many.
const AUDIO_ANSWER_TOKENS: u64 = 16_384;
/// Output tokens that a provider may make however low the limit: some raise it to the least that their model takes.
const OUTPUT_TOKENS_MIN: u64 = 16;
/// Tokens that an unfinished image is billed as; OpenAI says 100.
const PARTIAL_IMAGE_TOKENS: u64 = 128;
/// Input tokens that are held at least where a provider reads the conversation anew after each of its tools, and bills each
/// reading: 404,500 were recorded in a window of 200,000.
const REREAD_TOKENS_MIN: u64 = 1_000_000;
/// Web searches that a provider may make for one call.
const WEB_SEARCHES_MAX: u64 = 32;

/// What a call could cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quote {
    /// In money.
    pub usd: Money,
    /// In input tokens.
    pub input_tokens: u64,
    /// In output tokens, over all choices.
    pub output_tokens: u64,
}

impl Quote {
    /// Input and output tokens together.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Both together; `None` beyond what can be held.
    #[must_use]
    pub fn checked_add(&self, other: &Quote) -> Option<Quote> {
        Some(Quote {
            usd: self.usd.checked_add(other.usd)?,
            input_tokens: self.input_tokens.checked_add(other.input_tokens)?,
            output_tokens: self.output_tokens.checked_add(other.output_tokens)?,
        })
    }

    /// The larger of both in each respect: what covers either.
    #[must_use]
    pub fn max(&self, other: &Quote) -> Quote {
        Quote {
            usd: self.usd.max(other.usd),
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
        }
    }
}

/// The worst case by bytes: a token covers at least one byte. Costs nothing to compute.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for what has no price (a service tier, audio, web search), and
/// [`Refusal::ModelNotFound`] when the model has output but no price for it.
pub fn quote_loose(model: &Model, rates: &Rates, billable: &Billable) -> Result<Quote, Refusal> {
    quote_text(model, rates, billable, billable.text_bytes)
}

/// The worst case by the model's own vocabulary where it declares one, else [`quote_loose`]. Reads all texts of the call.
///
/// Never above [`quote_loose`].
///
/// # Errors
/// The same as [`quote_loose`].
pub fn quote_tight(model: &Model, rates: &Rates, call: &Call) -> Result<Quote, Refusal> {
    quote_text(model, rates, call.billable(), text_tokens(model, call))
}

/// The largest output limit per choice with which the call costs at most `usd` and `tokens`; `None` when none does.
///
/// `text_tokens` is the bound on the text of the call: its `text_bytes`, or fewer where they were counted.
#[must_use]
pub fn affordable_output(
    model: &Model,
    rates: &Rates,
    billable: &Billable,
    text_tokens: u64,
    usd: Money,
    tokens: u64,
) -> Option<u64> {
    let mut asking = billable.clone();
    let mut fits = |limit: u64| {
        asking.output_limit = Some(limit);
        let quote = quote_text(model, rates, &asking, text_tokens);
        quote.is_ok_and(|quote| quote.usd <= usd && quote.tokens() <= tokens)
    };
    // The quote never falls when the limit rises, so that halving finds the border.
    let (mut low, mut high) = (1, model.context_window.max(model.max_output_tokens).max(1));
    if !fits(low) {
        return None;
    }
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Some(low)
}

/// The bound on the text tokens of a call, by the model's vocabulary where it has one.
///
/// What is not prompt text (keys, brackets, tool schemas) keeps one token a byte: how a provider writes it is not known.
pub(crate) fn text_tokens(model: &Model, call: &Call) -> u64 {
    let text_bytes = call.billable().text_bytes;
    let Some(tokenizer) = model.tokenizer else { return text_bytes };
    let (mut tokens, mut bytes) = (0_u64, 0_u64);
    for text in call.prompt_texts() {
        tokens += count_tokens(tokenizer, &text);
        bytes += text.len() as u64;
    }
    tokens.saturating_add(text_bytes.saturating_sub(bytes)).min(text_bytes)
}

/// The worst case of a call whose text has at most `text_tokens` tokens.
pub(crate) fn quote_text(
    model: &Model,
    rates: &Rates,
    billable: &Billable,
    text_tokens: u64,
) -> Result<Quote, Refusal> {
    check_priced(model, rates, billable)?;
    if billable.is_free {
        // Only what is asked for each call: no tokens are billed.
        let usd = Cost::ZERO.plus(1, rates.request.unwrap_or(Price::FREE)).charge_ceil();
        return Ok(Quote { usd, ..Quote::default() });
    }
    if model.kind == ModelKind::Speech {
        let spoken = Cost::ZERO.plus(billable.characters, rates.character.unwrap_or(Price::FREE));
        let usd = spoken.plus(1, rates.request.unwrap_or(Price::FREE)).charge_ceil();
        return Ok(Quote { usd, ..Quote::default() });
    }
    if model.kind == ModelKind::Transcription {
        return Ok(quote_audio(model, rates));
    }
    let input = input_bound(model, billable, text_tokens);
    let images = if model.kind == ModelKind::Image { images_bound(billable) } else { 0 };
    let output_tokens = match images {
        0 => output_bound(model, billable, input.total),
        images if rates.output.is_some() => {
            let shown = u64::from(billable.partial_images).saturating_mul(PARTIAL_IMAGE_TOKENS);
            images.saturating_mul(longest_output(model).saturating_add(shown))
        }
        _ => 0,
    };
    let mut dearest = rates.dearest(input.total, billable.cache_writes);
    if model.kind == ModelKind::Image {
        dearest.text_input = dearest.text_input.max(rates.image_input.unwrap_or(Price::FREE));
    }
    let output_price = if billable.audio_output { dearest.audio_output } else { dearest.text_output };
    let output_price =
        if images > 0 { output_price.max(rates.image_output.unwrap_or(Price::FREE)) } else { output_price };
    let (characters, pictures) =
        if predicts(model, billable) { (billable.characters, u64::from(billable.images)) } else { (0, 0) };
    let searches_max = billable.searches_max.map_or(WEB_SEARCHES_MAX, |asked| u64::from(asked).min(WEB_SEARCHES_MAX));
    let searches = if billable.web_search || billable.server_tools > 0 { searches_max } else { 0 };
    let searches = rates.charged_searches(searches);
    let usd = Cost::ZERO
        .plus(input.audio, dearest.audio_input)
        .plus(input.total - input.audio, dearest.text_input)
        .plus(output_tokens, output_price)
        .plus(images.saturating_add(pictures), rates.image.unwrap_or(Price::FREE))
        .plus(characters, rates.character.unwrap_or(Price::FREE))
        .plus(searches.saturating_add(billable.search_units), rates.web_search.unwrap_or(Price::FREE))
        .plus(1, rates.request.unwrap_or(Price::FREE))
        .charge_ceil();
    Ok(Quote { usd, input_tokens: input.total, output_tokens })
}

/// Whether texts and images become vectors at Vertex, which bills them by tokens, by characters or each, as the model has it.
const fn predicts(model: &Model, billable: &Billable) -> bool {
    matches!(model.kind, ModelKind::Embedding) && billable.characters > 0
}

/// The worst case of audio that is heard: as much as the model takes, since no length can be read off a file before it came.
fn quote_audio(model: &Model, rates: &Rates) -> Quote {
    let dearest = rates.dearest(model.context_window, CacheWrites::None);
    let output_tokens = longest_output(model);
    let usd = Cost::ZERO
        .plus(model.context_window, dearest.audio_input)
        .plus(output_tokens, dearest.text_output)
        .plus(model.audio_seconds_max, rates.second.unwrap_or(Price::FREE))
        .plus(1, rates.request.unwrap_or(Price::FREE))
        .charge_ceil();
    Quote { usd, input_tokens: model.context_window, output_tokens }
}

/// Refuses what has no price: blocked, never free.
fn check_priced(model: &Model, rates: &Rates, billable: &Billable) -> Result<(), Refusal> {
    let unpriced = |param: &str, what: &str| {
        let reason = format!("The model '{}' has no price for {what}. Leave it out, or ask the operator.", model.id);
        Err(Refusal::invalid(Some(param), reason))
    };
    if model.kind.has_output() && rates.output.is_none() {
        return Err(Refusal::ModelNotFound { model: model.id.to_string() });
    }
    let is_priced = match model.kind {
        ModelKind::Image => rates.image.is_some() || rates.output.is_some(),
        ModelKind::Speech => rates.character.is_some(),
        ModelKind::Transcription => rates.second.is_some() || (rates.output.is_some() && rates.audio_input.is_some()),
        ModelKind::Realtime => rates.audio_input.is_some() && rates.audio_output.is_some(),
        _ => true,
    };
    if !is_priced {
        return Err(Refusal::ModelNotFound { model: model.id.to_string() });
    }
    if model.kind == ModelKind::Image && billable.unknown_parameters {
        let reason = "A parameter is not known to this relay, and may ask for more images. Leave it out.";
        return Err(Refusal::invalid(None, reason));
    }
    if billable.is_free {
        return Ok(());
    }
    if model.kind == ModelKind::Embedding && rates.character.is_some() {
        if !predicts(model, billable) {
            return unpriced("model", "vectors whose characters are not told; Vertex tells them (':predict')");
        }
        if billable.unknown_parameters {
            let reason = "A parameter is not known to this relay, and may have more characters. Leave it out.";
            return Err(Refusal::invalid(None, reason));
        }
    }
    if predicts(model, billable) && billable.images > 0 && rates.image.is_none() {
        return unpriced("instances.image", "images that become vectors ('image', each)");
    }
    if billable.untold_format && model.kind == ModelKind::Transcription && rates.output.is_some() {
        return unpriced("response_format", "answers in plain text or subtitles, which tell no usage; use 'json'");
    }
    if billable.audios > 0 && rates.audio_input.is_none() {
        return unpriced("messages", "audio input");
    }
    if billable.audio_output && rates.audio_output.is_none() {
        return unpriced("modalities", "audio output");
    }
    if billable.web_search && rates.web_search.is_none() {
        return unpriced("web_search_options", "web search");
    }
    if billable.units_alone && rates.web_search.is_none() {
        return unpriced("documents", "units of search ('web_search')");
    }
    if billable.server_tools > 0 && rates.web_search.is_none() {
        return unpriced("tools", "tools that the provider runs");
    }
    if let (Some(param), false) = (billable.upstream_routing, model.upstream_routing) {
        let reason = format!(
            "'{param}' chooses among models or providers behind the upstream, whose prices differ. Leave it out, or ask the \
             operator to allow it for the model '{}'.",
            model.id
        );
        return Err(Refusal::invalid(Some(param), reason));
    }
    match billable.service_tier {
        // None of these costs more than the list price.
        None | Some(ServiceTier::Auto | ServiceTier::Default | ServiceTier::Flex | ServiceTier::Scale) => Ok(()),
        Some(ServiceTier::Priority | ServiceTier::Other) => unpriced("service_tier", "this service tier"),
    }
}

/// Input tokens at most, and how many of them may be audio.
struct InputBound {
    total: u64,
    audio: u64,
}

/// Sums what each part of the request may become, up to the context window of each prompt.
fn input_bound(model: &Model, billable: &Billable, text_tokens: u64) -> InputBound {
    // Exhaustive, so that a new field must be given a meaning here.
    let Billable {
        text_bytes: _, // `text_tokens` stands for it
        messages,
        tools,
        server_tools,
        images,
        audios,
        audio_bytes,
        files,
        file_bytes,
        videos,
        prompts,
        choices: _,
        best_of: _,
        output_limit: _,
        beyond_limit: _,     // output
        prediction_bytes: _, // output; its text is in `text_bytes` too
        audio_output: _,
        web_search,
        search_units: _, // in the price
        units_alone: _,
        searches_max,
        service_tier: _,
        echo: _,
        upstream_routing,
        unknown_parameters,
        cache_writes: _, // in the price
        rereads,
        compacts,
        stored_input,
        characters: _,     // quoted apart, or in the price
        partial_images: _, // output
        untold_format: _,  // refused, or no matter
        is_free: _,        // quoted apart
    } = *billable;
    let prompts = u64::from(prompts).max(1);
    let window = model.context_window.saturating_mul(prompts);
    let audio = match (u64::from(audios), audio_bytes) {
        // A video has sound, of any length.
        _ if videos > 0 => window,
        (0, bytes) => bytes.min(window),
        // Only named, by URL perhaps: it may be of any length.
        (_, 0) => window,
        (1, bytes) => bytes.div_ceil(AUDIO_BYTES_PER_TOKEN).saturating_add(AUDIO_CLIP_TOKENS).min(window),
        (clips, bytes) => {
            bytes.div_ceil(AUDIO_BYTES_PER_TOKEN).saturating_add(clips.saturating_mul(AUDIO_ANSWER_TOKENS)).min(window)
        }
    };
    // A conversation that is summed up before the answer is read once more, and that is billed by itself.
    let summed_up = if compacts { window } else { 0 };
    // A page of a file may be billed as text and as an image; search results and tools of the provider come back as input.
    let prompt = text_tokens
        .saturating_add(u64::from(messages) * MESSAGE_TOKENS)
        .saturating_add(u64::from(tools) * TOOL_TOKENS)
        .saturating_add(prompts.saturating_mul(PROMPT_TOKENS))
        .saturating_add(u64::from(images).saturating_mul(model.image_tokens_max))
        .saturating_add(model.hidden_prompt_tokens)
        .saturating_add(audio)
        .min(window);
    let is_open = files > 0 || file_bytes > 0 || server_tools > 0 || web_search || stored_input;
    let read = match is_open || upstream_routing.is_some() || unknown_parameters {
        true if rereads => reread_bound(window, prompt, searches_max),
        true => window,
        false => prompt,
    };
    InputBound { total: read.saturating_add(summed_up), audio }
}

/// Input tokens of all readings of a conversation. Where searches are bounded, there is one reading before each, one after the
/// last, and one after a search that is refused because it is one too many; the prompt is in all of them.
fn reread_bound(window: u64, prompt: u64, searches_max: Option<u32>) -> u64 {
    let Some(searches) = searches_max else { return window.max(REREAD_TOKENS_MIN) };
    let readings = u64::from(searches) + 2;
    let least = window.max(REREAD_TOKENS_MIN).max(prompt.saturating_mul(readings));
    window.saturating_mul(readings).min(least)
}

/// Images at most.
fn images_bound(billable: &Billable) -> u64 {
    u64::from(billable.choices).max(1).saturating_mul(u64::from(billable.prompts).max(1))
}

/// The longest output of a model, in tokens.
fn longest_output(model: &Model) -> u64 {
    if model.max_output_tokens == 0 { model.context_window } else { model.max_output_tokens }
}

/// Output tokens at most, over all choices.
fn output_bound(model: &Model, billable: &Billable, input_tokens: u64) -> u64 {
    if !model.kind.has_output() {
        return 0;
    }
    let longest = model.context_window.max(model.max_output_tokens);
    let asked = match billable.output_limit {
        // Some servers read 0 as "no limit".
        None | Some(0) => model.max_output_tokens,
        // A limit above the model's own is refused or clamped by most providers; by those that obey, the window ends it.
        Some(limit) => limit.clamp(OUTPUT_TOKENS_MIN, longest.max(OUTPUT_TOKENS_MIN)),
    };
    // A parameter that nobody knows may be another spelling of the limit.
    let asked = if billable.unknown_parameters { asked.max(model.max_output_tokens) } else { asked };
    let echoed = if billable.echo { input_tokens } else { 0 };
    let candidates = u64::from(billable.choices).max(billable.best_of.map_or(1, u64::from)).max(1);
    let choices = candidates.saturating_mul(u64::from(billable.prompts).max(1));
    let one = asked
        .saturating_add(billable.beyond_limit)
        .saturating_add(billable.prediction_bytes)
        .saturating_add(model.hidden_output_tokens);
    let summary = if billable.compacts { longest_output(model) } else { 0 };
    let made = one.saturating_mul(choices).saturating_add(summary);
    // `input_tokens` is the sum over all prompts already.
    made.saturating_add(echoed.saturating_mul(candidates))
}

#[cfg(test)]
mod tests;
