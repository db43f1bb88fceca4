//! How many tokens a prompt has, as nearly as can be told without its provider: for no hold, since it is not a bound.

use std::sync::Arc;

use wire::Call;

use crate::{Catalog, Model, Tokenizer, count_tokens};

/// Tokens that a chat message costs beyond its text: role and separators (OpenAI's counting guide says 3 to 4).
const TOKENS_PER_MESSAGE: u64 = 4;

/// Bytes of text that an estimate counts, in about a millisecond; of more, the beginning of each text stands for all of it.
const SAMPLE_BYTES: usize = 32 << 10;

/// Tokens of a prompt: its texts, by the vocabulary of its model, or by OpenAI's newest where that is not public; and what
/// the form of a conversation adds. What is no text has no tokens here.
#[must_use]
pub fn prompt_tokens(model: &Model, call: &Call) -> u64 {
    counted(model, call, usize::MAX)
}

/// The same at a bounded cost: not of long prompts as a whole, but of samples.
#[must_use]
pub fn estimate_tokens(model: &Model, call: &Call) -> u64 {
    counted(model, call, SAMPLE_BYTES)
}

fn counted(model: &Model, call: &Call, sample_bytes: usize) -> u64 {
    let tokenizer = model.tokenizer.unwrap_or(Tokenizer::O200k);
    let texts: Vec<_> = call.prompt_texts().collect();
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    let tokens: u64 = texts.iter().map(|text| sampled(tokenizer, text, bytes, sample_bytes)).sum();
    tokens + u64::from(call.billable().messages) * TOKENS_PER_MESSAGE
}

/// The tokens of a text that is one of several, which have `all_bytes` together: about as many, where these are more than are
/// to be counted.
fn sampled(tokenizer: Tokenizer, text: &str, all_bytes: usize, sample_bytes: usize) -> u64 {
    if all_bytes <= sample_bytes {
        return count_tokens(tokenizer, text);
    }
    let sample = &text[..text.ceil_char_boundary(text.len() * sample_bytes / all_bytes)];
    let tokens = count_tokens(tokenizer, sample) * text.len() as u64;
    tokens.checked_div(sample.len() as u64).unwrap_or(text.len() as u64 / 4)
}

/// The model of a call that asks for a count, where none of its upstreams in rotation speaks the dialect of the call:
/// nobody can be asked, and the count is estimated.
#[must_use]
pub fn estimated<'a>(catalog: &'a Catalog, call: &Call) -> Option<&'a Arc<Model>> {
    let endpoint = call.endpoint();
    let model = call.model().and_then(|id| catalog.model(id.as_str()))?;
    let upstreams = model.route.iter().filter(|target| target.weight > 0);
    let mut upstreams = upstreams.filter_map(|target| catalog.upstream(target.upstream.as_str())).peekable();
    let is_served = model.kind.serves(endpoint) && upstreams.peek().is_some();
    (is_served && upstreams.all(|upstream| endpoint.dialect() != Some(upstream.dialect))).then_some(model)
}
