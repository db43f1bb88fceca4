//! What a provider says that it used, normalised over the habits of providers.

mod bedrock;
mod cohere;
mod counts;
mod gemini;
mod messages;
pub(crate) mod realtime;
mod told;

use base::Money;

pub(crate) use self::counts::count;
use self::counts::{Count, cost, details, largest};
pub use self::counts::{Usage, UsageFault};
pub(crate) use self::counts::{seconds, seconds_ceil};
pub(crate) use self::messages::MessageCounts;

pub(crate) use self::told::InvokedCounts;
pub use self::told::{COUNT_HEADERS, header_usage};

use crate::dialect::{Dialect, Endpoint};
use crate::scan::{Lenient, ScanError};

/// The counts as providers write them; `None` where absent or null.
#[derive(Debug, Default)]
struct Raw {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    /// Read from a cache, from whichever member says so.
    cached: u64,
    /// Read from a cache, in Anthropic's member, whose tokens some providers leave out of the prompt's.
    cached_apart: u64,
    cache_write: u64,
    cache_write_apart: u64,
    audio_input: u64,
    image_input: u64,
    reasoning: u64,
    audio_output: u64,
    image_output: u64,
    accepted_prediction: u64,
    rejected_prediction: u64,
    seconds: u64,
    web_searches: u64,
    /// Perplexity's: read of what it cites, and thought about it, beside prompt and completion.
    cited: Option<u64>,
    researched: u64,
    cost: Option<Money>,
}

/// Takes a usage object. The outer error is of the document, the inner of the counts.
pub(crate) fn read(
    endpoint: Endpoint,
    scanner: &mut Lenient<'_>,
) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    match endpoint.dialect() {
        Some(Dialect::Anthropic) => {
            let mut counts = MessageCounts::default();
            let read = counts.add(scanner)?;
            Ok(read.and_then(|()| counts.usage()))
        }
        Some(Dialect::Gemini) => gemini::read(scanner),
        Some(Dialect::Cohere) => cohere::read(scanner),
        // Makers have their own names for it, of which none is another's.
        Some(Dialect::Bedrock) if endpoint == Endpoint::InvokeText => {
            let (start, end) = scanner.span()?;
            let object = scanner.slice(start, end);
            match bedrock::read(&mut Lenient::new(object))? {
                Ok(None) => read_openai(endpoint, &mut Lenient::new(object)),
                read => Ok(read),
            }
        }
        Some(Dialect::Bedrock) => bedrock::read(scanner),
        // It has no object of its own: its counts stand among the other members of an answer.
        Some(Dialect::Ollama) => scanner.skip().map(|()| Ok(None)),
        _ => read_openai(endpoint, scanner),
    }
}

fn read_openai(endpoint: Endpoint, scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    let mut raw = Raw::default();
    // A fault does not end the scan: the rest of the document must still be walked.
    let mut fault = None;
    scanner.object::<ScanError>(|scanner, key| match key.raw {
        b"prompt_tokens" | b"input_tokens" => merge(&mut raw.prompt, count(scanner)?, &mut fault),
        b"completion_tokens" | b"output_tokens" => merge(&mut raw.completion, count(scanner)?, &mut fault),
        b"total_tokens" => merge(&mut raw.total, count(scanner)?, &mut fault),
        b"prompt_tokens_details" | b"input_tokens_details" | b"prompt_token_details" | b"input_token_details" => {
            details(scanner, &mut |scanner, name| match name {
                b"cached_tokens" => largest(&mut raw.cached, count(scanner)?, &mut fault),
                b"cache_write_tokens" => largest(&mut raw.cache_write, count(scanner)?, &mut fault),
                b"audio_tokens" => largest(&mut raw.audio_input, count(scanner)?, &mut fault),
                b"image_tokens" if endpoint.makes_images() => {
                    largest(&mut raw.image_input, count(scanner)?, &mut fault)
                }
                _ => Ok(scanner.skip()?),
            })
        }
        b"completion_tokens_details" | b"output_tokens_details" => details(scanner, &mut |scanner, name| match name {
            b"reasoning_tokens" => largest(&mut raw.reasoning, count(scanner)?, &mut fault),
            b"audio_tokens" => largest(&mut raw.audio_output, count(scanner)?, &mut fault),
            b"image_tokens" => largest(&mut raw.image_output, count(scanner)?, &mut fault),
            b"accepted_prediction_tokens" => largest(&mut raw.accepted_prediction, count(scanner)?, &mut fault),
            b"rejected_prediction_tokens" => largest(&mut raw.rejected_prediction, count(scanner)?, &mut fault),
            _ => Ok(scanner.skip()?),
        }),
        b"prompt_cache_hit_tokens" | b"cached_tokens" | b"num_cached_tokens" => {
            largest(&mut raw.cached, count(scanner)?, &mut fault)
        }
        b"cache_read_input_tokens" => largest(&mut raw.cached_apart, count(scanner)?, &mut fault),
        b"cache_creation_input_tokens" => largest(&mut raw.cache_write_apart, count(scanner)?, &mut fault),
        b"reasoning_tokens" => largest(&mut raw.researched, count(scanner)?, &mut fault),
        b"citation_tokens" => merge(&mut raw.cited, count(scanner)?, &mut fault),
        b"audio_prompt_tokens" => largest(&mut raw.audio_input, count(scanner)?, &mut fault),
        b"search_units" if endpoint == Endpoint::Rerank => largest(&mut raw.web_searches, count(scanner)?, &mut fault),
        b"num_sources_used" | b"num_search_queries" => largest(&mut raw.web_searches, count(scanner)?, &mut fault),
        b"server_tool_use_details" | b"server_tool_use" => details(scanner, &mut |scanner, name| match name {
            b"web_search_requests" => largest(&mut raw.web_searches, count(scanner)?, &mut fault),
            _ => Ok(scanner.skip()?),
        }),
        b"server_side_tool_usage_details" => {
            let calls = billed_calls(scanner, &mut fault)?;
            raw.web_searches = raw.web_searches.max(calls);
            Ok(())
        }
        b"seconds" | b"prompt_audio_seconds" if endpoint.hears() => {
            raw.seconds = raw.seconds.max(seconds(scanner)?.unwrap_or(0));
            Ok(())
        }
        b"cost" | b"cost_in_usd_ticks" => {
            let cost = cost(scanner, key.raw)?;
            raw.cost = raw.cost.or(cost);
            Ok(())
        }
        _ => scanner.skip(),
    })?;
    Ok(match fault {
        Some(fault) => Err(fault),
        None => normalise(endpoint, &raw),
    })
}

/// The calls of xAI's own tools that it bills each. What servers of others do, and looking at images, costs tokens only.
fn billed_calls(scanner: &mut Lenient<'_>, fault: &mut Option<UsageFault>) -> Result<u64, ScanError> {
    const BILLED: [&[u8]; 5] = [
        b"web_search_calls",
        b"x_search_calls",
        b"code_interpreter_calls",
        b"file_search_calls",
        b"document_search_calls",
    ];
    let mut counts = [0; BILLED.len()];
    details(scanner, &mut |scanner, name| match BILLED.iter().position(|billed| *billed == name) {
        Some(place) => largest(&mut counts[place], count(scanner)?, fault),
        None => scanner.skip(),
    })?;
    Ok(counts.iter().sum())
}

/// Sets a count that has several names; two of them must agree. A zero under one of them is how servers fill in a name that
/// they do not use.
fn merge(place: &mut Option<u64>, count: Count, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
    match count {
        Ok(Some(0)) if place.is_some() => {}
        Ok(Some(value)) if *place == Some(0) => *place = Some(value),
        Ok(Some(value)) if place.is_some_and(|earlier| earlier != value) => *fault = Some(UsageFault::Inconsistent),
        Ok(Some(value)) => *place = Some(value),
        Ok(None) => {}
        Err(found) => *fault = fault.or(Some(found)),
    }
    Ok(())
}

/// Turns what a provider wrote into wholes that include their parts.
fn normalise(endpoint: Endpoint, raw: &Raw) -> Result<Option<Usage>, UsageFault> {
    let total = raw.total.filter(|total| *total > 0);
    let (prompt, completion) = match (endpoint, raw.prompt, raw.completion) {
        // Audio that is billed by its length has no tokens, nor have documents that are billed by units of search.
        (_, None, None) if total.is_none() && raw.seconds > 0 => (0, 0),
        (Endpoint::Rerank, None, None) if total.is_none() && raw.web_searches > 0 => (0, 0),
        (_, None, None) if total.is_none() => return Ok(None),
        // Voyage gives only the total.
        (Endpoint::Embeddings | Endpoint::Rerank, prompt, completion) => {
            (prompt.or(total).unwrap_or(0), completion.unwrap_or(0))
        }
        (_, Some(prompt), Some(completion)) => (prompt, completion),
        (_, Some(prompt), None) => (prompt, total.ok_or(UsageFault::Incomplete)?.saturating_sub(prompt)),
        (_, None, _) => return Err(UsageFault::Incomplete),
    };
    let cache_write = raw.cache_write.max(raw.cache_write_apart);
    let cached = raw.cached.max(raw.cached_apart);
    let apart = cached + cache_write;
    let has_apart = raw.cached_apart + raw.cache_write_apart > 0;
    let mut input = prompt;
    let mut output = completion;
    let reasoning = raw.reasoning.max(raw.researched);
    if let Some(cited) = raw.cited {
        // Unless the total has them already.
        let is_beside = total.is_none_or(|total| total <= prompt + completion);
        (input, output) = if is_beside { (input + cited, output + raw.researched) } else { (input, output) };
    }
    let audio_input = raw.audio_input;
    match total.map(|total| total.saturating_sub(prompt + completion)) {
        // Mistral leaves audio, and Anthropic's style cached tokens, out of the prompt's but in the total.
        Some(missing) if missing > 0 && missing == audio_input => input += missing,
        Some(missing) if missing > 0 && has_apart && missing == apart => input += missing,
        // xAI's reasoning and Gemini's thinking are billed as output, and missing in it.
        Some(missing) if !matches!(endpoint, Endpoint::Embeddings | Endpoint::Rerank) => output += missing,
        None if raw.cited.is_none() && reasoning > completion => output += reasoning,
        _ => {}
    }
    if has_apart && apart > input && total.is_none() {
        input += apart;
    }
    // More cached than there is (Azure's Grok): the discount is not believed, the rest is.
    let cached = if cached > input { 0 } else { cached };
    if cache_write > input || audio_input > input || cache_write + audio_input > input {
        return Err(UsageFault::Inconsistent);
    }
    if raw.audio_output > output || raw.accepted_prediction > output || raw.rejected_prediction > output {
        return Err(UsageFault::Inconsistent);
    }
    Ok(Some(Usage {
        input,
        // A token that is audio and cached counts as audio, so that the parts are disjoint.
        cached_input: cached.min(input - cache_write - audio_input),
        cache_write,
        cache_write_1h: 0,
        image_input: raw.image_input.min(input),
        audio_input,
        cached_audio: 0,
        output,
        // Some servers count the markers around the reasoning, too.
        reasoning: reasoning.min(output),
        audio_output: raw.audio_output,
        accepted_prediction: raw.accepted_prediction,
        rejected_prediction: raw.rejected_prediction,
        image_output: raw.image_output.min(output),
        images: 0,
        characters: 0,
        seconds: raw.seconds,
        web_searches: raw.web_searches,
        reported_cost: raw.cost,
    }))
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
