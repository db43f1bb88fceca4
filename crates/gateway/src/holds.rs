//! Attempts of which nobody knows the cost: who asks for them, and how they end, by a person or at their deadline.

use core::time::Duration;
use std::sync::Arc;

use base::{AccountIndex, AttemptId, Money, Timestamp};
use journal::NoRoom;
use ledger::{Amounts, Ending, Settlement};
use store::{HoldState, IntentRecord, OpenHold, Record, ResolvedRecord, StoreError, UsageRecord};
use thiserror::Error;
use tokio::time::Instant;
use wire::Usage;

use crate::books::SHARDS;
use crate::relay::Relay;

/// How often the deadline is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Why a hold was not ended.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// There is no such attempt among those of which nobody knows the cost.
    #[error("there is no attempt {0} of which the cost is unknown; `mandant holds list` shows those that are")]
    NoSuchAttempt(AttemptId),
    /// More than was held cannot be charged.
    #[error("the charge of {charged} USD is more than the {held} USD that are held")]
    TooMuch {
        /// What was to be charged.
        charged: Money,
        /// What is held.
        held: Money,
    },
    /// The decision cannot be written down.
    #[error("the decision cannot be written: {0}")]
    Journal(#[from] NoRoom),
}

/// What becomes of a hold of which nobody knows the cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// All of it is charged.
    ChargeWhole,
    /// So much money is charged, and all tokens that were held.
    Charge(Money),
    /// Nothing is charged.
    Release,
}

/// What an attempt used that went on at its provider, and what that cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Used {
    pub(crate) usage: Usage,
    pub(crate) usd: Money,
    /// What its provider calls it.
    pub(crate) id: String,
}

impl Relay {
    /// Ends an attempt that went on at its provider, by what that says that it used. The end is durable before it frees
    /// anything, as a decision is; in the journal it is the end of an attempt like any other.
    ///
    /// # Errors
    /// [`ResolveError`]; nothing is changed then.
    pub(crate) async fn end_kept(&self, intent: &IntentRecord, used: &Used) -> Result<Settlement, ResolveError> {
        let _turn = self.deciding.lock().await;
        let attempt = intent.attempt;
        let tokens = used.usage.input.saturating_add(used.usage.output);
        let ending = Ending::Complete(Amounts { usd: used.usd, tokens });
        let (shard, settlement) = self.resolution(attempt, ending)?;
        self.keep_what_may_be_spent(shard, attempt, ending).await?;
        let took = self.clock.now().saturating_since(intent.at);
        let record = UsageRecord {
            status: 200,
            ending: store::Ending::Complete,
            usage: used.usage,
            charged: settlement.charged.usd,
            variance: settlement.variance,
            upstream_response_id: Some(used.id.clone()).filter(|id| !id.is_empty()),
            total_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            ..intent.without_end()
        };
        self.write_durably(&Record::Settled(record)).await?;
        self.books.shard(shard).resolve(attempt, ending);
        if settlement.variance > Money::ZERO {
            tracing::error!(%attempt, variance_usd = %settlement.variance, "a provider billed more than the worst case; the operator pays");
        }
        Ok(settlement)
    }

    /// Ends a hold of which nobody knew the cost. The decision is durable before it frees anything: a loss of power must
    /// not bring back a hold whose money is spent already.
    pub(crate) async fn resolve(
        &self,
        attempt: AttemptId,
        decision: Decision,
        reason: &str,
    ) -> Result<Settlement, ResolveError> {
        let _turn = self.deciding.lock().await;
        let (shard, charged) = self.find_unresolved(attempt, decision)?;
        self.keep_what_may_be_spent(shard, attempt, Ending::Complete(charged)).await?;
        let record = ResolvedRecord { attempt, at: self.clock.now(), charged, reason: reason.to_owned() };
        self.write_durably(&Record::Resolved(record)).await?;
        let settlement = self.books.shard(shard).resolve(attempt, Ending::Complete(charged));
        if settlement.charged == Amounts::ZERO {
            self.keys.free(attempt);
        }
        Ok(settlement)
    }

    /// The shard in which an attempt is unresolved, and what `ending` would make of it.
    fn resolution(&self, attempt: AttemptId, ending: Ending) -> Result<(AccountIndex, Settlement), ResolveError> {
        let mut shards = (0..SHARDS).map(|shard| AccountIndex(shard as u32));
        let found = shards.find_map(|shard| Some((shard, self.books.shard(shard).ledger.resolution(attempt, ending)?)));
        found.ok_or(ResolveError::NoSuchAttempt(attempt))
    }

    /// Writes what ends a hold; durable when it returns.
    async fn write_durably(&self, record: &Record) -> Result<(), ResolveError> {
        let mut payload = Vec::new();
        let kind = record.encode(&mut payload);
        let position = self.journal.append(kind, &payload)?;
        self.journal.wait_durable(position).await.map_err(NoRoom::from)?;
        Ok(())
    }

    /// The shard in which an attempt is unresolved, and what the decision charges for it.
    fn find_unresolved(&self, attempt: AttemptId, decision: Decision) -> Result<(AccountIndex, Amounts), ResolveError> {
        let (shard, settlement) = self.resolution(attempt, Ending::Unknown)?;
        let held = settlement.still_held;
        let charged = match decision {
            Decision::ChargeWhole => held,
            Decision::Charge(usd) => Amounts { usd, tokens: held.tokens },
            Decision::Release => Amounts::ZERO,
        };
        if charged.usd > held.usd {
            return Err(ResolveError::TooMuch { charged: charged.usd, held: held.usd });
        }
        Ok((shard, charged))
    }

    /// What is held now, oldest first: [`HoldState::Open`] is under way, [`HoldState::Unknown`] is for somebody to
    /// resolve. Blocks for the store.
    pub(crate) fn open_holds(&self) -> Result<Vec<OpenHold>, StoreError> {
        self.applier.flush();
        let mut holds = self.store.open_holds()?;
        let unresolved = self.books.unresolved();
        for hold in &mut holds {
            let is_unknown = unresolved.contains(&hold.intent.attempt);
            hold.state = if is_unknown { HoldState::Unknown } else { HoldState::Open };
        }
        Ok(holds)
    }
}

/// Ends holds whose deadline has passed, as the settings say, until the relay is gone; and frees what was lost to a
/// power failure when this process has waited as long for somebody to say that it was spent.
pub(crate) async fn watch_deadlines(relay: std::sync::Weak<Relay>) {
    let started = Instant::now();
    loop {
        let Some(relay) = relay.upgrade() else { return };
        let deadline = relay.settings.hold_deadline;
        let interval = LOOK_INTERVAL.min(deadline);
        end_due(&relay).await;
        if started.elapsed() >= deadline {
            match relay.release_lost().await {
                Ok(0) => {}
                Ok(leases) => tracing::warn!(leases, "what was lost to a power failure is free again"),
                Err(error) => tracing::error!(%error, "what was lost to a power failure stays so"),
            }
        }
        drop(relay);
        tokio::time::sleep(interval).await;
    }
}

async fn end_due(relay: &Arc<Relay>) {
    let deadline = i64::try_from(relay.settings.hold_deadline.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(relay.clock.now().micros().saturating_sub(deadline));
    let for_store = relay.clone();
    let due = tokio::task::spawn_blocking(move || for_store.store.due_holds(before)).await;
    let Ok(Ok(due)) = due else {
        tracing::error!("the holds that are due cannot be read; they stay until the next look");
        return;
    };
    // A batch has longer: its provider may take a day for it.
    let longer = i64::try_from(relay.settings.batch_deadline.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(relay.clock.now().micros().saturating_sub(longer.max(deadline)));
    let due = due.into_iter().filter(|hold| !hold.intent.endpoint.makes_batch() || hold.intent.at < before);
    let decision = if relay.settings.charges_at_deadline { Decision::ChargeWhole } else { Decision::Release };
    for hold in due {
        let attempt = hold.intent.attempt;
        match relay.resolve(attempt, decision, "deadline").await {
            Ok(settlement) => {
                tracing::warn!(%attempt, tenant = %hold.intent.tenant, charged_usd = %settlement.charged.usd, "nobody said what an attempt cost until its deadline");
            }
            // Still under way, or resolved meanwhile.
            Err(ResolveError::NoSuchAttempt(_)) => {}
            Err(error) => tracing::error!(%attempt, %error, "a hold stays beyond its deadline"),
        }
    }
}
