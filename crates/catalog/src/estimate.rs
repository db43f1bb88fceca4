//! How many tokens a prompt has, as nearly as can be told without its provider: for no hold, since it is not a bound.

use std::sync::Arc;

use wire::Call;

use crate::{Catalog, Model, Tokenizer, count_tokens};

/// Tokens that a chat message costs beyond its text: role and separators (OpenAI's counting guide says 3 to 4).
const TOKENS_PER_MESSAGE: u64 = 4;

/// The texts of a prompt, by the vocabulary of its model, or by OpenAI's newest where that is not public; and what the form
/// of a conversation adds. What is no text has no tokens here.
#[must_use]
pub fn estimate_tokens(model: &Model, call: &Call) -> u64 {
    let tokenizer = model.tokenizer.unwrap_or(Tokenizer::O200k);
    let texts: u64 = call.prompt_texts().map(|text| count_tokens(tokenizer, &text)).sum();
    texts + u64::from(call.billable().messages) * TOKENS_PER_MESSAGE
}

/// The model of a call that only asks for a count, where none of its upstreams in rotation speaks the dialect of the call:
/// nobody can be asked, and the count is estimated.
#[must_use]
pub fn estimated<'a>(catalog: &'a Catalog, call: &Call) -> Option<&'a Arc<Model>> {
    let endpoint = call.endpoint();
    let model = call.model().filter(|_| endpoint.counts_tokens()).and_then(|id| catalog.model(id.as_str()))?;
    let upstreams = model.route.iter().filter(|target| target.weight > 0);
    let mut upstreams = upstreams.filter_map(|target| catalog.upstream(target.upstream.as_str())).peekable();
    let is_served = model.kind.serves(endpoint) && upstreams.peek().is_some();
    (is_served && upstreams.all(|upstream| endpoint.dialect() != Some(upstream.dialect))).then_some(model)
}
