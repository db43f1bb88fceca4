//! The applied store as a few maps, with the contract of the real one: all of a batch or nothing, together with the
//! position; an attempt ends once, however often it is told.

use std::collections::{BTreeMap, BTreeSet};

use base::{AttemptId, BudgetPeriod, Timestamp};
use ledger::{Lease, PostedBalance, Resource, bounds};
use store::{Ending, HoldState, IntentRecord, Record, ResolvedRecord, UsageRecord};

use crate::line::{Line, LostLine, period_number};
use crate::oracle::{Numbers, add, sub};
use crate::scenario::{Scenario, account_named, amounts, numbers};

/// Sums are kept by quarters of an hour, as the real store's are.
const BUCKET_MICROS: i64 = 900_000_000;

/// An account, a period by number, and money or tokens.
type Place = (usize, usize, usize);

/// How the shelf departs from its contract.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flaws {
    pub(crate) counts_twice: bool,
    pub(crate) last_lease_wins: bool,
}

/// See the head of the file.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) flaws: Flaws,
    pub(crate) applied: u64,
    /// What was charged, by attempt.
    pub(crate) ended: BTreeMap<AttemptId, (UsageRecord, Numbers)>,
    pub(crate) holds: BTreeMap<AttemptId, (IntentRecord, HoldState)>,
    pub(crate) leases: BTreeMap<Place, (Timestamp, u64)>,
    pub(crate) lost: BTreeMap<Place, LostLine>,
    /// The start that counted the last loss of power.
    pub(crate) loss_epoch: u64,
    pub(crate) refunds: BTreeMap<(AttemptId, u64), Numbers>,
    /// Batches that are looked after; durable at once, unlike what the applier brings.
    pub(crate) batches: BTreeSet<AttemptId>,
}

impl Shelf {
    /// Applies a batch and notes that it reaches `reached`.
    pub(crate) fn apply(&mut self, lines: &[Line], reached: u64) {
        if reached >= self.applied {
            self.apply_rows(lines);
            self.applied = reached;
        }
    }

    /// The rows alone.
    pub(crate) fn apply_rows(&mut self, lines: &[Line]) {
        for line in lines {
            match line {
                Line::Real(Record::Intent(intent)) => {
                    if !self.ended.contains_key(&intent.attempt) {
                        let hold = (intent.clone(), HoldState::Open);
                        self.holds.entry(intent.attempt).or_insert(hold);
                    }
                }
                Line::Real(Record::Settled(usage)) => self.settled(usage),
                Line::Real(Record::Void(attempt)) => drop(self.holds.remove(attempt)),
                Line::Real(Record::Resolved(resolved)) => self.resolved(resolved),
                Line::Real(Record::Leased(lease)) => {
                    let account = account_named(lease).expect("leases name accounts of the scenario");
                    let place = (account, period_number(lease.period), lease.resource as usize);
                    let new = (lease.starts, lease.up_to);
                    let kept = self.leases.entry(place).or_insert(new);
                    *kept = if self.flaws.last_lease_wins { new } else { new.max(*kept) };
                }
                Line::Lost(lost) => {
                    let place = (lost.account, period_number(lost.period), lost.resource as usize);
                    // A loss of a period that is over says nothing of the one that the lease is for now.
                    if self.leases.get(&place).is_none_or(|(starts, _)| *starts <= lost.starts) {
                        self.lost.insert(place, *lost);
                    }
                }
                Line::Real(Record::LossCounted(epoch)) => self.loss_epoch = *epoch,
                Line::Refunded { attempt, number, amounts } => {
                    self.refunds.insert((*attempt, *number), *amounts);
                }
            }
        }
    }

    fn settled(&mut self, usage: &UsageRecord) {
        let charged = charged(usage);
        if let Some((_, before)) = self.ended.get_mut(&usage.attempt) {
            if self.flaws.counts_twice {
                *before = add(*before, charged);
            }
            return;
        }
        let held = self.holds.remove(&usage.attempt);
        self.ended.insert(usage.attempt, (usage.clone(), charged));
        if usage.ending == Ending::Unknown
            && let Some((intent, _)) = held
        {
            self.holds.insert(usage.attempt, (intent, HoldState::Unknown));
        }
    }

    fn resolved(&mut self, resolved: &ResolvedRecord) {
        let Some((intent, _)) = self.holds.remove(&resolved.attempt) else { return };
        let charged = numbers(resolved.charged.min(intent.worst));
        let usage = usage_of(&intent);
        self.ended.entry(resolved.attempt).or_insert((usage, [0, 0])).1 = charged;
    }

    /// What every account was charged in the periods around `now`.
    pub(crate) fn restored(&self, scenario: &Scenario, now: Timestamp) -> BTreeMap<usize, Vec<PostedBalance>> {
        let mut sums: BTreeMap<(usize, usize), Numbers> = BTreeMap::new();
        for (attempt, (usage, charged)) in &self.ended {
            let refunds = self.refunds.range((*attempt, 0)..=(*attempt, u64::MAX));
            let refunded = refunds.fold([0, 0], |sum, (_, amounts)| add(sum, *amounts));
            let path = &scenario.paths[scenario.path_of(&usage.key)];
            for (number, period) in BudgetPeriod::ALL.into_iter().enumerate() {
                let starts = bounds(period, &scenario.zone, now).starts;
                let bucket = |at: Timestamp| at.micros().div_euclid(BUCKET_MICROS);
                if period == BudgetPeriod::Total || bucket(usage.at) >= bucket(starts) {
                    for account in path.accounts {
                        let sum = sums.entry((account, number)).or_default();
                        *sum = add(*sum, sub(*charged, refunded));
                    }
                }
            }
        }
        let mut restored: BTreeMap<usize, Vec<PostedBalance>> = BTreeMap::new();
        for ((account, number), sum) in sums.into_iter().filter(|(_, sum)| *sum != [0, 0]) {
            let period = BudgetPeriod::ALL[number];
            let starts = bounds(period, &scenario.zone, now).starts;
            restored.entry(account).or_default().push(PostedBalance { period, starts, amounts: amounts(sum) });
        }
        restored
    }

    /// The leases as the ledger takes them.
    pub(crate) fn leases(&self) -> impl Iterator<Item = Lease> {
        self.leases.iter().map(|((account, period, resource), (starts, up_to))| Lease {
            account: base::AccountIndex(*account as u32),
            period: BudgetPeriod::ALL[*period],
            starts: *starts,
            resource: Resource::ALL[*resource],
            up_to: *up_to,
        })
    }

    /// The holds of attempts that began before a time, and of batches that began before another one.
    pub(crate) fn due(&self, calls: Timestamp, batches: Timestamp) -> Vec<AttemptId> {
        let before = |intent: &IntentRecord| if intent.endpoint.makes_batch() { batches } else { calls };
        let due = self.holds.iter().filter(|(_, (intent, _))| intent.at < before(intent));
        due.map(|(attempt, _)| *attempt).collect()
    }
}

/// What every account of the path was charged by a record.
pub(crate) fn charged(usage: &UsageRecord) -> Numbers {
    let tokens = usage.usage.input.saturating_add(usage.usage.output);
    [usage.charged.nanos().unsigned_abs(), tokens.min(usage.held_tokens)]
}

/// A record of an attempt of which nothing is known but its intent.
pub(crate) fn usage_of(intent: &IntentRecord) -> UsageRecord {
    UsageRecord {
        attempt: intent.attempt,
        request_id: intent.request_id,
        at: intent.at,
        tenant: intent.tenant.clone(),
        project: intent.project.clone(),
        key: intent.key.clone(),
        end_user: None,
        model: intent.model.clone(),
        upstream: intent.upstream.clone(),
        endpoint: intent.endpoint,
        stream: intent.stream,
        status: 0,
        ending: Ending::Unknown,
        usage: wire::Usage::default(),
        held: intent.worst.usd,
        held_tokens: intent.worst.tokens,
        charged: base::Money::ZERO,
        variance: base::Money::ZERO,
        price_version: intent.price_version,
        upstream_response_id: None,
        first_byte_ms: 0,
        total_ms: 0,
    }
}
