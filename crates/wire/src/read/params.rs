//! Which top-level parameters are known, and what each means for the price. What is not listed sets
//! `unknown_parameters`, so that the quote reserves the whole context window.

use crate::dialect::Endpoint;

/// What to do with a known parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Read by us: it changes the price or is spliced. The same at every endpoint.
    Field(Field),
    /// It cannot raise the price beyond what the other fields say. Valid at the endpoints of the mask.
    Harmless(u8),
    /// It chooses among models or providers behind the upstream.
    Routing,
    /// It may cost money that cannot be bounded, or leads around a guard of this relay; the text says why.
    Refused(&'static str),
}

/// A parameter that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Audio,
    BestOf,
    Echo,
    ExtraBody,
    Functions,
    Input,
    MaxCompletionTokens,
    MaxTokens,
    Messages,
    Modalities,
    Model,
    Choices,
    Prediction,
    Prompt,
    Provider,
    ResponseFormat,
    SearchOptions,
    SearchSwitch,
    ServiceTier,
    Stream,
    StreamOptions,
    Temperature,
    Tools,
    UsageOptions,
    User,
    VeniceParameters,
}

const TEXT: u8 = 1;
const EMBED: u8 = 2;
const ALL: u8 = TEXT | EMBED;

const ALIAS: &str = "is another name of 'n' at some providers; use 'n'";
const ENDPOINT: &str = "redirects the request at some providers; leave it out";

/// Known parameters. A search looks only at those of its length, whatever the order here.
pub(super) const KNOWN: &[(&str, Rule)] = &[
    ("n", Rule::Field(Field::Choices)),
    ("echo", Rule::Field(Field::Echo)),
    ("mode", Rule::Harmless(EMBED)),
    ("seed", Rule::Harmless(TEXT)),
    ("stop", Rule::Harmless(TEXT)),
    ("task", Rule::Harmless(EMBED)),
    ("user", Rule::Field(Field::User)),
    ("audio", Rule::Field(Field::Audio)),
    ("input", Rule::Field(Field::Input)),
    ("min_p", Rule::Harmless(TEXT)),
    ("model", Rule::Field(Field::Model)),
    ("route", Rule::Routing),
    ("stops", Rule::Harmless(TEXT)),
    ("store", Rule::Harmless(TEXT)),
    ("think", Rule::Harmless(TEXT)),
    ("tools", Rule::Field(Field::Tools)),
    ("top_a", Rule::Harmless(TEXT)),
    ("top_k", Rule::Harmless(TEXT)),
    ("top_p", Rule::Harmless(TEXT)),
    ("usage", Rule::Field(Field::UsageOptions)),
    ("models", Rule::Routing),
    ("n_cmpl", Rule::Refused(ALIAS)),
    ("preset", Rule::Routing),
    ("prompt", Rule::Field(Field::Prompt)),
    ("stream", Rule::Field(Field::Stream)),
    ("suffix", Rule::Harmless(TEXT)),
    ("api_key", Rule::Refused(ENDPOINT)),
    ("best_of", Rule::Field(Field::BestOf)),
    ("grammar", Rule::Harmless(TEXT)),
    ("min_tokens", Rule::Harmless(TEXT)),
    ("options", Rule::Harmless(EMBED)),
    (
        "plugins",
        Rule::Refused("runs paid plugins (web search, file parsing) whose cost cannot be bounded; leave it out"),
    ),
    ("top_n_tokens", Rule::Harmless(TEXT)),
    ("api_base", Rule::Refused(ENDPOINT)),
    ("base_url", Rule::Refused(ENDPOINT)),
    ("logprobs", Rule::Harmless(TEXT)),
    ("messages", Rule::Field(Field::Messages)),
    ("metadata", Rule::Harmless(ALL)),
    ("provider", Rule::Field(Field::Provider)),
    ("thinking", Rule::Harmless(TEXT)),
    ("truncate", Rule::Harmless(EMBED)),
    ("fallbacks", Rule::Routing),
    ("functions", Rule::Field(Field::Functions)),
    ("mirostat", Rule::Harmless(TEXT)),
    ("reasoning", Rule::Harmless(TEXT)),
    ("typical_p", Rule::Harmless(TEXT)),
    ("verbosity", Rule::Harmless(TEXT)),
    ("dimensions", Rule::Harmless(EMBED)),
    ("extra_body", Rule::Field(Field::ExtraBody)),
    ("guided_json", Rule::Harmless(TEXT)),
    ("ignore_eos", Rule::Harmless(TEXT)),
    ("input_type", Rule::Harmless(EMBED)),
    ("keep_alive", Rule::Harmless(ALL)),
    ("logit_bias", Rule::Harmless(TEXT)),
    ("max_tokens", Rule::Field(Field::MaxTokens)),
    ("model_list", Rule::Routing),
    ("modalities", Rule::Field(Field::Modalities)),
    ("prediction", Rule::Field(Field::Prediction)),
    ("transforms", Rule::Harmless(TEXT)),
    ("truncation", Rule::Harmless(EMBED)),
    ("web_search", Rule::Field(Field::SearchSwitch)),
    ("random_seed", Rule::Harmless(TEXT)),
    ("return_images", Rule::Harmless(TEXT)),
    ("safe_prompt", Rule::Harmless(TEXT)),
    ("temperature", Rule::Field(Field::Temperature)),
    ("tool_choice", Rule::Harmless(TEXT)),
    ("tool_stream", Rule::Harmless(TEXT)),
    ("cache_control", Rule::Harmless(TEXT)),
    ("cache_prompt", Rule::Harmless(TEXT)),
    ("guided_regex", Rule::Harmless(TEXT)),
    ("guided_choice", Rule::Harmless(TEXT)),
    ("guided_grammar", Rule::Harmless(TEXT)),
    ("id_slot", Rule::Harmless(TEXT)),
    ("include_reasoning", Rule::Harmless(TEXT)),
    ("top_logprobs", Rule::Harmless(TEXT)),
    ("output_dtype", Rule::Harmless(EMBED)),
    ("service_tier", Rule::Field(Field::ServiceTier)),
    ("function_call", Rule::Harmless(TEXT)),
    ("prompt_mode", Rule::Harmless(TEXT)),
    ("enable_search", Rule::Field(Field::SearchSwitch)),
    ("clear_thinking", Rule::Harmless(TEXT)),
    ("embedding_type", Rule::Harmless(EMBED)),
    ("encoding_format", Rule::Harmless(EMBED)),
    ("enable_thinking", Rule::Harmless(TEXT)),
    ("thinking_budget", Rule::Harmless(TEXT)),
    ("late_chunking", Rule::Harmless(EMBED)),
    ("normalized", Rule::Harmless(EMBED)),
    ("output_dimension", Rule::Harmless(EMBED)),
    ("candidate_count", Rule::Refused(ALIAS)),
    ("num_completions", Rule::Refused(ALIAS)),
    ("num_return_sequences", Rule::Refused(ALIAS)),
    ("custom_llm_provider", Rule::Refused(ENDPOINT)),
    ("presence_penalty", Rule::Harmless(TEXT)),
    ("prompt_cache_key", Rule::Harmless(ALL)),
    ("reasoning_effort", Rule::Harmless(TEXT)),
    ("reasoning_format", Rule::Harmless(TEXT)),
    ("reasoning_split", Rule::Harmless(TEXT)),
    ("response_format", Rule::Field(Field::ResponseFormat)),
    ("safety_identifier", Rule::Harmless(ALL)),
    ("search_context_size", Rule::Field(Field::SearchOptions)),
    ("search_options", Rule::Field(Field::SearchOptions)),
    ("search_parameters", Rule::Field(Field::SearchOptions)),
    ("search_settings", Rule::Field(Field::SearchOptions)),
    ("stop_token_ids", Rule::Harmless(TEXT)),
    ("stream_options", Rule::Field(Field::StreamOptions)),
    ("frequency_penalty", Rule::Harmless(TEXT)),
    ("length_penalty", Rule::Harmless(TEXT)),
    ("venice_parameters", Rule::Field(Field::VeniceParameters)),
    ("parallel_tool_calls", Rule::Harmless(TEXT)),
    ("repetition_penalty", Rule::Harmless(TEXT)),
    ("repeat_penalty", Rule::Harmless(TEXT)),
    ("skip_special_tokens", Rule::Harmless(TEXT)),
    ("include_stop_str_in_output", Rule::Harmless(TEXT)),
    ("structured_outputs", Rule::Harmless(TEXT)),
    ("web_search_options", Rule::Field(Field::SearchOptions)),
    ("chat_template_kwargs", Rule::Harmless(TEXT)),
    ("prompt_cache_options", Rule::Harmless(TEXT)),
    ("prompt_cache_retention", Rule::Harmless(TEXT)),
    ("max_completion_tokens", Rule::Field(Field::MaxCompletionTokens)),
    ("return_related_questions", Rule::Harmless(TEXT)),
    ("timings_per_token", Rule::Harmless(TEXT)),
    ("return_progress", Rule::Harmless(TEXT)),
];

/// Longest known name, in bytes.
const NAME_BYTES_MAX: usize = 32;

/// [`KNOWN`] places by length: names of length `l` are at `order[starts[l]..starts[l + 1]]`.
struct ByLength {
    order: [u8; KNOWN.len()],
    starts: [u8; NAME_BYTES_MAX + 2],
}

const BY_LENGTH: ByLength = by_length();

/// Sorts the places by length, once, while compiling.
const fn by_length() -> ByLength {
    let mut order = [0; KNOWN.len()];
    let mut starts = [0; NAME_BYTES_MAX + 2];
    let (mut length, mut next) = (0, 0);
    while length <= NAME_BYTES_MAX {
        starts[length] = next;
        let mut place = 0;
        while place < KNOWN.len() {
            if KNOWN[place].0.len() == length {
                order[next as usize] = place as u8;
                next += 1;
            }
            place += 1;
        }
        length += 1;
    }
    starts[NAME_BYTES_MAX + 1] = next;
    ByLength { order, starts }
}

/// The place of a name in [`KNOWN`].
#[inline]
pub(super) fn find(name: &[u8]) -> Option<usize> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let same_length = usize::from(BY_LENGTH.starts[name.len()])..usize::from(BY_LENGTH.starts[name.len() + 1]);
    BY_LENGTH.order[same_length]
        .iter()
        .map(|&place| usize::from(place))
        .find(|&place| KNOWN[place].0.as_bytes() == name)
}

/// Whether a harmless parameter belongs to this endpoint.
pub(super) const fn is_valid_at(mask: u8, endpoint: Endpoint) -> bool {
    let bit = if matches!(endpoint, Endpoint::Embeddings) { EMBED } else { TEXT };
    mask & bit != 0
}

/// The guarded name that `name` could be taken for by a parser that ignores case or underscores, though it is not it.
///
/// Case folding is that of Go's standard library, which also takes the long s for an s and the Kelvin sign for a k.
pub(super) fn variant_of(name: &str) -> Option<&'static str> {
    let folded = fold(name);
    let guarded = KNOWN.iter().filter(|(_, rule)| !matches!(rule, Rule::Harmless(_)));
    guarded.map(|(known, _)| *known).find(|known| *known != name && fold(known) == folded)
}

/// Lower case without underscores and hyphens.
pub(super) fn fold(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_once() {
        for (place, (name, _)) in KNOWN.iter().enumerate() {
            assert_eq!(find(name.as_bytes()), Some(place), "{name} stands twice");
            assert!(name.len() <= NAME_BYTES_MAX, "{name}");
        }
        assert!(KNOWN.len() <= 128, "the set of seen names has 128 places");
        for absent in ["", "modell", "max_output_tokens", &"x".repeat(40)] {
            assert_eq!(find(absent.as_bytes()), None);
        }
    }

    #[test]
    fn variants_of_guarded_names_are_known() {
        for (variant, name) in [
            ("Model", "model"),
            ("MAX_TOKENS", "max_tokens"),
            ("maxTokens", "max_tokens"),
            ("max-tokens", "max_tokens"),
            ("\u{17f}tream", "stream"),
            ("max_to\u{212a}ens", "max_tokens"),
            ("N", "n"),
            ("bestOf", "best_of"),
        ] {
            assert_eq!(variant_of(variant), Some(name));
        }
        assert_eq!(variant_of("modell"), None);
        assert_eq!(variant_of("topK"), None, "harmless names are not guarded");
    }
}
