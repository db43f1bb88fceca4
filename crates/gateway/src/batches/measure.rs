//! What a batch could cost at most: the sum of the worst cases of its lines, read from the file that its provider has.

use std::sync::Arc;

use base::{Moment, Refusal, UpstreamFault};
use catalog::{Candidate, Plan, Quote, Rates, quote_loose, quote_tight};
use ledger::Available;
use tokio::task::yield_now;
use wire::{BatchLine, Call, Endpoint};

use super::lines::{Lines, LinesError};
use super::{BYTES_MAX, LINE_BYTES_MAX, LINES_MAX, check_room, kind_of};
use crate::admit::admit;
use crate::authenticate::Caller;
use crate::books::indexes;
use crate::hold::Label;
use crate::relay::Relay;
use crate::upstream::{LookError, Pool};
use crate::{intake, owned};

/// Lines between two breaks for others.
const LINES_AT_ONCE: u64 = 32;

/// The plan of a new batch, with the worst case over all lines of its file.
///
/// The file is read while the call is admitted, and counts as one under way; what was taken for that is given back.
///
/// # Errors
/// Those of [`intake::plan`] and [`admit`]; 400 naming the line for what cannot be bounded, or is for another model than the
/// first line; 502 and 504 when the file cannot be read.
pub(crate) async fn plan(
    relay: &Arc<Relay>,
    caller: &Caller,
    call: &mut Call,
    label: &Label,
    arrived: Moment,
) -> Result<Plan, Refusal> {
    check_room(relay, caller, kind_of(call.endpoint())).await?;
    if call.endpoint() == Endpoint::MessageBatchCreate {
        return of_messages(relay, caller, call, label).await;
    }
    let endpoint = wire::batch_endpoint(call.body()).ok_or(Refusal::Internal)?;
    // Any model is served where the file lies; the first line says which one is meant.
    let origin = owned::origin_of_first(&relay.object_seal, caller.tenant().id(), call).ok_or(Refusal::Internal)?;
    let no_file = || Refusal::invalid(Some("input_file_id"), "'input_file_id' is not the id of a file.");
    call.set_model(origin.model.ok_or_else(no_file)?);
    let reading = intake::plan(relay, caller, call, label.at)?;
    let reading_admitted = admit(relay, caller.clone(), &reading, call, call.body().len(), arrived).await?;
    let upstream = reading.candidates()[0].upstream();
    let pool = relay.upstreams.pool(upstream).map_err(|_| UNREACHABLE)?;
    let file = call.opened_objects().next().map(|(_, id)| id.to_owned()).ok_or(Refusal::Internal)?;
    let reader = Reader { relay, caller, pool, path: format!("/files/{file}/content"), endpoint };

    let first = reader.first_line().await?;
    call.set_model(first.call.model().cloned().ok_or(Refusal::Internal)?);
    let mut plan = intake::plan(relay, caller, call, label.at)?;
    check_served(&plan, endpoint)?;
    let candidate = &plan.candidates()[0];
    let mut quote = reader.sum(candidate, false).await?;
    if !fits(quote, available(relay, caller, label)) {
        quote = reader.sum(candidate, true).await?;
    }
    drop(reading_admitted);
    plan.fix(quote);
    Ok(plan)
}

/// The same for a batch of messages, whose requests are all here.
async fn of_messages(relay: &Relay, caller: &Caller, call: &Call, label: &Label) -> Result<Plan, Refusal> {
    let mut plan = intake::plan(relay, caller, call, label.at)?;
    check_served(&plan, Endpoint::Messages)?;
    let candidate = plan.candidates()[0].clone();
    if candidate.upstream().hosting != wire::Hosting::Inventor || candidate.translation().is_some() {
        let sentence =
            format!("The model '{}' is served where there are no batches of messages.", candidate.model().id);
        return Err(Refusal::invalid(Some("model"), sentence));
    }
    let mut quote = sum_messages(&candidate, call, false)?;
    if !fits(quote, available(relay, caller, label)) {
        // All texts are read: not where others wait.
        let call = call.clone();
        let counted = tokio::task::spawn_blocking(move || sum_messages(&candidate, &call, true));
        quote = counted.await.map_err(|_| Refusal::Internal)??;
    }
    plan.fix(quote);
    Ok(plan)
}

fn sum_messages(candidate: &Candidate, call: &Call, by_tokens: bool) -> Result<Quote, Refusal> {
    let (model, rates) = (candidate.model(), candidate.price().rates.for_batch());
    let mut sum = Quote::default();
    wire::batched_messages(call.body(), |number, line| {
        let refuse = |sentence: String| Err(Refusal::invalid(Some("requests"), sentence));
        if number > LINES_MAX {
            return refuse(format!("There are more than {LINES_MAX} requests."));
        }
        if line.call.model() != Some(&model.id) {
            return refuse(format!("Request {number} is for another model than '{}'. Make a batch of each.", model.id));
        }
        let quote = quote_line(candidate, &rates, &line.call, by_tokens).map_err(|refusal| {
            Refusal::invalid(Some("requests"), format!("Request {number}: {}", refusal.message()))
        })?;
        match sum.checked_add(&quote) {
            Some(more) => sum = more,
            None => return refuse("The requests ask for more than can be held.".to_owned()),
        }
        Ok(())
    })?;
    Ok(sum)
}

const UNREACHABLE: Refusal = Refusal::UpstreamError { reason: UpstreamFault::Unreachable };

/// The file's bytes go to the provider as they are: the model is called the same there as here.
fn check_served(plan: &Plan, endpoint: Endpoint) -> Result<(), Refusal> {
    let candidate = &plan.candidates()[0];
    let model = candidate.model();
    if !model.kind.serves(endpoint) {
        let sentence = format!("The model '{}' does not serve {endpoint}.", model.id);
        return Err(Refusal::invalid(Some("endpoint"), sentence));
    }
    if candidate.target().model.as_str() != model.id.as_str() {
        let sentence = format!(
            "The model '{}' has another name at its provider, and the lines of a batch go there as they are. Ask the \
             operator for a model of the provider's own name.",
            model.id
        );
        return Err(Refusal::invalid(Some("model"), sentence));
    }
    Ok(())
}

/// What could be had if nothing else were held.
fn available(relay: &Relay, caller: &Caller, label: &Label) -> Available {
    let indexes = indexes(caller.path());
    let mut shard = relay.books.shard(indexes[0]);
    shard.refresh(caller.path());
    shard.ledger.available(&indexes, label.at)
}

fn fits(quote: Quote, available: Available) -> bool {
    quote.usd <= available.alone.usd && quote.tokens() <= available.alone.tokens
}

/// The file of one batch.
struct Reader<'a> {
    relay: &'a Arc<Relay>,
    caller: &'a Caller,
    pool: Arc<Pool>,
    path: String,
    endpoint: Endpoint,
}

impl Reader<'_> {
    async fn lines(&self) -> Result<Lines, Refusal> {
        let look = self.pool.look(&self.path).await.map_err(|error| unread(LinesError::Look(error)))?;
        let share = self.relay.bodies.share(self.caller.path()[0].index);
        Ok(Lines::new(look, LINE_BYTES_MAX, BYTES_MAX, Some(share)))
    }

    /// The next line, as the call that it is.
    async fn next(&self, lines: &mut Lines) -> Result<Option<BatchLine>, Refusal> {
        let Some(line) = lines.next().await.map_err(unread)? else { return Ok(None) };
        if lines.number() > LINES_MAX {
            return Err(of_file(format!("The file has more than {LINES_MAX} lines.")));
        }
        wire::batch_line(self.endpoint, &line).map(Some).map_err(|refusal| in_line(lines.number(), &refusal))
    }

    async fn first_line(&self) -> Result<BatchLine, Refusal> {
        let first = self.next(&mut self.lines().await?).await?;
        first.ok_or_else(|| of_file("The file has no requests."))
    }

    /// The worst case of all lines together, by their bytes or by their tokens.
    async fn sum(&self, candidate: &Candidate, by_tokens: bool) -> Result<Quote, Refusal> {
        let (model, rates) = (candidate.model(), candidate.price().rates.for_batch());
        let mut lines = self.lines().await?;
        let mut sum = Quote::default();
        while let Some(line) = self.next(&mut lines).await? {
            let number = lines.number();
            if line.call.model() != Some(&model.id) {
                let sentence = format!("Line {number} is for another model than '{}'. Make a batch of each.", model.id);
                return Err(of_file(sentence));
            }
            let quote = quote_line(candidate, &rates, &line.call, by_tokens);
            let quote = quote.map_err(|refusal| in_line(number, &refusal))?;
            sum = sum.checked_add(&quote).ok_or_else(|| of_file("The file asks for more than can be held."))?;
            if by_tokens || number.is_multiple_of(LINES_AT_ONCE) {
                yield_now().await;
            }
        }
        Ok(sum)
    }
}

fn quote_line(candidate: &Candidate, rates: &Rates, call: &Call, by_tokens: bool) -> Result<Quote, Refusal> {
    let model = candidate.model();
    if by_tokens { quote_tight(model, rates, call) } else { quote_loose(model, rates, call.billable()) }
}

fn of_file(sentence: impl Into<String>) -> Refusal {
    Refusal::invalid(Some("input_file_id"), sentence)
}

/// What is wrong with one line.
fn in_line(number: u64, refusal: &Refusal) -> Refusal {
    let sentence = format!("Line {number}: {}", refusal.message());
    match refusal {
        Refusal::AmbiguousRequest { .. } => Refusal::ambiguous("input_file_id", sentence),
        _ => of_file(sentence),
    }
}

/// Why the file could not be read.
fn unread(error: LinesError) -> Refusal {
    match error {
        LinesError::LineTooLong(..) | LinesError::TooLarge(_) => of_file(format!("It is too large: {error}.")),
        LinesError::NoRoom(refusal) => refusal,
        LinesError::Look(LookError::Status(status)) if status == http::StatusCode::NOT_FOUND => {
            of_file("The provider has no such file any more.")
        }
        LinesError::Look(LookError::Timeout) => Refusal::UpstreamTimeout,
        LinesError::Look(error) => {
            tracing::warn!(%error, "the file of a batch cannot be read");
            UNREACHABLE
        }
    }
}
