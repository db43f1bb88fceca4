//! Who may answer a call, in which order, and the worst case over all of them: fail-over never needs a second hold.

use std::borrow::Cow;
use std::sync::Arc;

use base::{ModelId, Money, Refusal, Timestamp};
use smallvec::SmallVec;
use wire::convert::{Translation, is_translated};
use wire::{Billable, CacheWrites, Call, Endpoint, Maker};

use crate::quote::{quote_text, text_tokens};
use crate::{Catalog, Model, PriceVersion, Quote, Target, Upstream, affordable_output};

/// Candidates of one plan at most: nobody waits for more attempts than this.
const CANDIDATES_MAX: usize = 16;

/// One place that may answer the call, and what it would cost there at most.
#[derive(Debug, Clone)]
pub struct Candidate {
    model: Arc<Model>,
    price_index: usize,
    target_index: usize,
    upstream: Arc<Upstream>,
    text_tokens: u64,
    quote: Quote,
    translation: Option<Arc<Translation>>,
}

impl Candidate {
    /// The model that would answer: the one asked for, or a fallback.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The prices that its answer is charged with, fixed when the plan was made.
    #[must_use]
    pub fn price(&self) -> &PriceVersion {
        &self.model.prices[self.price_index]
    }

    /// Where the model is served.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.model.route[self.target_index]
    }

    /// The upstream of the target.
    #[must_use]
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// The worst case of this candidate alone.
    #[must_use]
    pub fn quote(&self) -> Quote {
        self.quote
    }

    /// The call in the words of an upstream that speaks another dialect; `None` where the client's bytes pass.
    #[must_use]
    pub fn translation(&self) -> Option<&Arc<Translation>> {
        self.translation.as_ref()
    }

    /// What the call may be billed for here: what a provider of another dialect does with its cache is its own choice.
    fn billable<'b>(&self, asked: &'b Billable) -> Cow<'b, Billable> {
        billable_of(self.translation.is_some(), asked)
    }
}

/// The candidates of one call in the order to try them, never none, and the worst case over all. Made by [`plan`] only.
#[derive(Debug, Clone)]
pub struct Plan {
    candidates: SmallVec<[Candidate; 2]>,
    quote: Quote,
    /// The worst case is the sum of what others ask: nothing in the call changes it.
    is_fixed: bool,
}

impl Plan {
    /// Whom to ask, first to last; never empty.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The model asked for.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.candidates[0].model
    }

    /// What covers the call whoever answers.
    #[must_use]
    pub fn quote(&self) -> Quote {
        self.quote
    }

    /// Makes the plan of a batch hold for the sum of its requests. There is one candidate: a batch lies where its file is.
    pub fn fix(&mut self, quote: Quote) {
        self.candidates.truncate(1);
        self.candidates[0].quote = quote;
        (self.quote, self.is_fixed) = (quote, true);
    }

    /// Counts the call's tokens with the vocabularies that its candidates declare, and lowers the worst case to match.
    ///
    /// For calls that do not fit by bytes: it reads the whole prompt.
    ///
    /// # Errors
    /// None that [`plan`] did not return for the same call already.
    pub fn tighten(&mut self, call: &Call) -> Result<(), Refusal> {
        if self.is_fixed {
            return Ok(());
        }
        for candidate in &mut self.candidates {
            candidate.text_tokens = text_tokens(&candidate.model, call);
        }
        self.requote(call.billable())
    }

    /// Makes the plan hold for a changed request, such as one with a lower output limit.
    ///
    /// The text of the request must not have grown.
    ///
    /// # Errors
    /// The refusal of the first candidate that has no price for what the request asks.
    pub fn requote(&mut self, billable: &Billable) -> Result<(), Refusal> {
        if self.is_fixed {
            return Ok(());
        }
        for candidate in &mut self.candidates {
            let rates = &candidate.model.prices[candidate.price_index].rates;
            let billable = candidate.billable(billable);
            candidate.quote = quote_text(&candidate.model, rates, &billable, candidate.text_tokens)?;
        }
        self.quote = worst(&self.candidates);
        Ok(())
    }

    /// The largest output limit per choice with which the call costs at most `usd` and `tokens` whoever answers; `None`
    /// when no limit is low enough.
    #[must_use]
    pub fn affordable_output(&self, billable: &Billable, usd: Money, tokens: u64) -> Option<u64> {
        if self.is_fixed {
            return None;
        }
        let mut lowest = u64::MAX;
        for candidate in &self.candidates {
            let rates = &candidate.price().rates;
            let (text_tokens, billable) = (candidate.text_tokens, candidate.billable(billable));
            lowest = lowest.min(affordable_output(&candidate.model, rates, &billable, text_tokens, usd, tokens)?);
        }
        Some(lowest)
    }
}

/// Finds out who may answer `call`, and what it costs at most.
///
/// `allowed` says which models the caller may use; `allowed_list` names them when it must be told. `draw` is a random
/// number: it decides between the targets of a tier, by weight.
///
/// A fallback counts only where the caller may use it, it serves the endpoint, and it has a price for all that the call
/// asks. The fallbacks of a fallback are not followed.
///
/// Of a model's targets those that speak the dialect of the call, and serve its endpoint, come first; the others are asked
/// in their own, as far as that has words for the call.
///
/// # Errors
/// [`Refusal::ModelNotFound`] when there is no such model, or it has no price in force or no upstream;
/// [`Refusal::ModelNotAllowed`]; [`Refusal::InvalidRequest`] when no model is named, it does not serve the endpoint, or
/// something in the call has no price; [`Refusal::UnsupportedField`] when only upstreams of other dialects serve it, and
/// none has a word for a field of the call.
pub fn plan(
    catalog: &Catalog,
    allowed: impl Fn(&ModelId) -> bool,
    allowed_list: impl Fn() -> Vec<ModelId>,
    call: &Call,
    now: Timestamp,
    draw: u64,
) -> Result<Plan, Refusal> {
    let Some(id) = call.model() else {
        return Err(Refusal::invalid(Some("model"), "Name a model in the field 'model'. GET /v1/models lists yours."));
    };
    let Some(model) = catalog.model(id.as_str()) else {
        return Err(Refusal::ModelNotFound { model: id.to_string() });
    };
    if !allowed(id) {
        return Err(Refusal::ModelNotAllowed { model: id.clone(), allowed: allowed_list() });
    }
    if !model.kind.serves(call.endpoint()) {
        return Err(wrong_endpoint(model, call.endpoint()));
    }
    let mut candidates = SmallVec::new();
    add_candidates(&mut candidates, catalog, model, call, now, draw)?;
    if candidates.is_empty() {
        return Err(match call.kept_at() {
            None => unserved(catalog, model, call.endpoint()),
            Some(_) => kept_elsewhere(model),
        });
    }
    // A session stays with the model that it began with.
    let is_in_session = call.endpoint() == Endpoint::Realtime && call.kept_at().is_some();
    let fallbacks = if is_in_session || call.endpoint().makes_batch() { &[][..] } else { &model.fallbacks[..] };
    for (index, id) in fallbacks.iter().enumerate() {
        let Some(fallback) = catalog.model(id.as_str()) else { continue };
        let repeated = *id == model.id || model.fallbacks[..index].contains(id);
        if repeated || !allowed(id) || !fallback.kind.serves(call.endpoint()) {
            continue;
        }
        // A fallback that has no price for this call is left out: the call can still be answered without it.
        let _ = add_candidates(&mut candidates, catalog, fallback, call, now, draw);
    }
    candidates.truncate(CANDIDATES_MAX);
    let quote = worst(&candidates);
    Ok(Plan { candidates, quote, is_fixed: false })
}

/// Adds the targets of `model` in the order to try them. Adds nothing when it returns an error.
fn add_candidates(
    candidates: &mut SmallVec<[Candidate; 2]>,
    catalog: &Catalog,
    model: &Arc<Model>,
    call: &Call,
    now: Timestamp,
    draw: u64,
) -> Result<(), Refusal> {
    let Some(price_index) = model.price_index_at(now) else {
        return Err(Refusal::ModelNotFound { model: model.id.to_string() });
    };
    let rates = &model.prices[price_index].rates;
    let text_tokens = call.billable().text_bytes;
    let quote = quote_text(model, rates, call.billable(), text_tokens)?;
    let mut foreign: SmallVec<[(usize, &Arc<Upstream>); 2]> = SmallVec::new();
    let targets = match call.kept_at() {
        None => order(&model.route, draw),
        // Its objects are there, whether new calls go there or not.
        Some(kept) => (0..model.route.len()).filter(|&index| model.route[index].upstream == *kept).take(1).collect(),
    };
    for target_index in targets {
        // A route to an upstream that is gone is the operator's to mend; the other targets still answer.
        let Some(upstream) = catalog.upstream(model.route[target_index].upstream.as_str()) else { continue };
        if !passes(call, upstream, &model.route[target_index]) {
            foreign.push((target_index, upstream));
            continue;
        }
        let (model, upstream) = (Arc::clone(model), Arc::clone(upstream));
        candidates.push(Candidate {
            model,
            price_index,
            target_index,
            upstream,
            text_tokens,
            quote,
            translation: None,
        });
    }
    let spoken = candidates.len();
    let mut refusal = None;
    for (target_index, upstream) in foreign {
        let form = model.route[target_index].endpoint;
        let wanted = Translation::form(upstream.dialect, form);
        let mut known = candidates[spoken..].iter().filter_map(|one| one.translation.as_ref());
        let translation = match known.find(|known| Some(known.endpoint()) == wanted).cloned() {
            Some(translation) => translation,
            None => match Translation::of(call, upstream.dialect, form) {
                Some(Ok(translation)) => Arc::new(translation),
                Some(Err(fault)) => {
                    refusal = refusal.or(Some(fault));
                    continue;
                }
                None => continue,
            },
        };
        let quote = quote_text(model, rates, &billable_of(true, call.billable()), text_tokens)?;
        let (model, upstream, translation) = (Arc::clone(model), Arc::clone(upstream), Some(translation));
        candidates.push(Candidate { model, price_index, target_index, upstream, text_tokens, quote, translation });
    }
    match refusal {
        Some(refusal) if candidates.is_empty() => Err(refusal),
        _ => Ok(()),
    }
}

/// Whether the bytes of a call pass as they are.
fn passes(call: &Call, upstream: &Upstream, target: &Target) -> bool {
    let endpoint = call.endpoint();
    // A model of another maker would not understand a word of it.
    let asked = call.maker().unwrap_or(Maker::Anthropic);
    if endpoint.is_invoked() && Maker::of(target.model.as_str()).is_some_and(|made| made != asked) {
        return false;
    }
    let is_served = target.endpoint.is_none_or(|served| served == endpoint) || !is_translated(endpoint);
    endpoint.dialect() == Some(upstream.dialect) && is_served
}

/// See [`Candidate::billable`].
fn billable_of(is_translated: bool, asked: &Billable) -> Cow<'_, Billable> {
    if is_translated && asked.cache_writes != CacheWrites::Any {
        return Cow::Owned(Billable { cache_writes: CacheWrites::Any, ..asked.clone() });
    }
    Cow::Borrowed(asked)
}

/// The targets in the order to try them: by tier, and within a tier drawn by weight without putting back.
fn order(route: &[Target], draw: u64) -> SmallVec<[usize; 4]> {
    let mut order: SmallVec<[usize; 4]> = (0..route.len()).filter(|&index| route[index].weight > 0).collect();
    if order.len() < 2 {
        return order;
    }
    order.sort_by_key(|&index| route[index].tier);
    let mut state = draw;
    for place in 0..order.len() {
        let tier = route[order[place]].tier;
        let peers = order[place..].iter().take_while(|&&index| route[index].tier == tier).count();
        let drawn = place + draw_weighted(route, &order[place..place + peers], next_random(&mut state));
        // Rotating keeps the order of those not drawn.
        order[place..=drawn].rotate_right(1);
    }
    order
}

/// The place in `indexes` that `random` falls on, each as wide as its weight.
fn draw_weighted(route: &[Target], indexes: &[usize], random: u64) -> usize {
    let total: u64 = indexes.iter().map(|&index| u64::from(route[index].weight)).sum();
    // Multiply and shift maps the random number on 0..total without a noticeable bias.
    let mut point = ((u128::from(random) * u128::from(total)) >> 64) as u64;
    for (place, &index) in indexes.iter().enumerate() {
        let weight = u64::from(route[index].weight);
        if point < weight {
            return place;
        }
        point -= weight;
    }
    indexes.len() - 1
}

/// The next number of the SplitMix64 sequence: several independent choices from one draw.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What covers every candidate.
fn worst(candidates: &[Candidate]) -> Quote {
    candidates.iter().fold(Quote::default(), |worst, candidate| worst.max(&candidate.quote))
}

/// Nobody can answer: the model has no upstream, or none that speaks the call's dialect.
fn unserved(catalog: &Catalog, model: &Model, endpoint: Endpoint) -> Refusal {
    let in_rotation = model.route.iter().filter(|target| target.weight > 0);
    let mut spoken = in_rotation.filter_map(|target| catalog.upstream(target.upstream.as_str()));
    let (Some(upstream), Some(dialect)) = (spoken.next(), endpoint.dialect()) else {
        return Refusal::ModelNotFound { model: model.id.to_string() };
    };
    let reason = format!(
        "The model '{}' is not served in the dialect '{dialect}'; it speaks '{}'. Call it with an SDK of that dialect.",
        model.id, upstream.dialect
    );
    Refusal::invalid(Some("model"), reason)
}

/// The objects that the call names are at an upstream that does not serve the model.
fn kept_elsewhere(model: &Model) -> Refusal {
    let reason = format!(
        "The objects that this call names are not kept where the model '{}' is served. Use the model that made them.",
        model.id
    );
    Refusal::invalid(Some("model"), reason)
}

/// Says which endpoint the model has instead.
fn wrong_endpoint(model: &Model, endpoint: Endpoint) -> Refusal {
    let all = Endpoint::ALL
        .into_iter()
        .filter(|one| one.dialect() == endpoint.dialect() && !one.is_of_file() && !one.answers_batch());
    let served: Vec<&str> = all.filter(|&one| model.kind.serves(one)).map(Endpoint::name).collect();
    let reason = format!("The model '{}' does not serve {endpoint}; use {}.", model.id, served.join(" or "));
    Refusal::invalid(Some("model"), reason)
}

#[cfg(test)]
mod tests;
