//! The records of the journal against the rows of the store: what was applied must be there as it was written, and what
//! was not must be something that can be applied.

use std::collections::HashMap;

use base::{AttemptId, BudgetPeriod, KeyId, TenantId};
use journal::Position;
use ledger::{Amounts, Resource};
use store::{IntentRecord, LeaseRecord, ProjectPath, Record, ResolvedRecord, Store, StoreError, UsageRecord};

use super::Doubt;

/// What a lease is for; the last one counts.
type LeaseKey = (TenantId, Option<ProjectPath>, Option<KeyId>, BudgetPeriod, bool);

/// Goes through the records in order.
pub(super) struct Check<'a> {
    store: &'a Store,
    /// Records up to here are in the store.
    applied: u64,
    /// A process serves: only what never changes again is compared.
    is_live: bool,
    doubts: Vec<Doubt>,
    /// What is held as far as the store knows, less what ended in records after that.
    held: HashMap<AttemptId, IntentRecord>,
    /// Applied intents whose end was not seen yet, and where they stand.
    begun: HashMap<AttemptId, (Position, IntentRecord)>,
    leases: HashMap<LeaseKey, (Position, LeaseRecord)>,
    unapplied: u64,
}

impl<'a> Check<'a> {
    pub(super) fn new(store: &'a Store, applied: u64, is_live: bool) -> Result<Check<'a>, StoreError> {
        let holds = store.open_holds()?;
        Ok(Check {
            store,
            applied,
            is_live,
            doubts: Vec::new(),
            held: holds.into_iter().map(|hold| (hold.intent.attempt, hold.intent)).collect(),
            begun: HashMap::new(),
            leases: HashMap::new(),
            unapplied: 0,
        })
    }

    /// Records that the store does not have yet.
    pub(super) const fn unapplied(&self) -> u64 {
        self.unapplied
    }

    pub(super) fn record(&mut self, position: Position, kind: u8, payload: &[u8]) {
        let is_applied = position.get() <= self.applied;
        self.unapplied += u64::from(!is_applied);
        match Record::decode(kind, payload) {
            Err(error) => self.doubt(position, error.to_string()),
            Ok(record) if is_applied => self.applied(position, record),
            Ok(_) if self.is_live => {}
            Ok(record) => self.pending(position, record),
        }
    }

    fn doubt(&mut self, position: Position, what: impl Into<String>) {
        self.doubts.push(Doubt::new("journal", format!("position {position}"), what));
    }

    /// What the store has of an attempt's end; what cannot be read is told.
    fn ended(&mut self, position: Position, attempt: AttemptId) -> Option<UsageRecord> {
        self.store.ended(attempt).unwrap_or_else(|error| {
            self.doubt(position, format!("the store's record of attempt {attempt}: {error}"));
            None
        })
    }

    /// A record that is in the store.
    fn applied(&mut self, position: Position, record: Record) {
        match record {
            Record::Intent(intent) => drop(self.begun.insert(intent.attempt, (position, intent))),
            Record::Settled(usage) => {
                self.begun.remove(&usage.attempt);
                let attempt = usage.attempt;
                match self.ended(position, attempt) {
                    Some(row) if row == usage => {}
                    Some(_) => self.doubt(position, format!("the store has another end of attempt {attempt}")),
                    None => self.doubt(position, format!("the store does not have the end of attempt {attempt}")),
                }
            }
            Record::Void(attempt) => {
                self.begun.remove(&attempt);
                if self.ended(position, attempt).is_some() {
                    self.doubt(position, format!("attempt {attempt} never was, and the store has an end of it"));
                }
            }
            Record::Resolved(resolved) => {
                self.begun.remove(&resolved.attempt);
                self.resolved(position, &resolved);
            }
            Record::Leased(lease) => {
                let is_usd = lease.resource == Resource::Usd;
                let (tenant, project, key) = (lease.tenant.clone(), lease.project.clone(), lease.key.clone());
                let key = (tenant, project, key, lease.period, is_usd);
                let lease = match self.leases.remove(&key) {
                    // Within a period a lease only grows, and a loss stays until another is noted.
                    Some((_, before)) if before.starts == lease.starts => {
                        LeaseRecord { up_to: before.up_to.max(lease.up_to), lost: lease.lost.or(before.lost), ..lease }
                    }
                    _ => lease,
                };
                self.leases.insert(key, (position, lease));
            }
            Record::LossCounted(epoch) => match self.store.loss_counted() {
                Ok(counted) if counted >= epoch => {}
                Ok(_) => self
                    .doubt(position, format!("the store does not have that losses before epoch {epoch} were counted")),
                Err(error) => self.doubt(position, format!("the store's losses: {error}")),
            },
        }
    }

    fn resolved(&mut self, position: Position, resolved: &ResolvedRecord) {
        let attempt = resolved.attempt;
        let Some(row) = self.ended(position, attempt) else {
            return self.doubt(position, format!("the store does not have the end of attempt {attempt}"));
        };
        let held = Amounts { usd: row.held, tokens: row.held_tokens };
        match self.store.resolution(attempt) {
            Ok(Some(charged)) if charged == resolved.charged.min(held) => {}
            Ok(Some(charged)) => {
                let told = format!("attempt {attempt} was charged {} USD, not {}", charged.usd, resolved.charged.usd);
                self.doubt(position, told);
            }
            Ok(None) => self.doubt(position, format!("the store does not have the decision on attempt {attempt}")),
            Err(error) => self.doubt(position, format!("the store's decision on attempt {attempt}: {error}")),
        }
    }

    /// A record that the next start applies.
    fn pending(&mut self, position: Position, record: Record) {
        match record {
            Record::Intent(intent) => {
                let attempt = intent.attempt;
                let is_known = self.held.insert(attempt, intent).is_some() || self.ended(position, attempt).is_some();
                if is_known {
                    self.doubt(position, format!("attempt {attempt} began before"));
                }
            }
            Record::Settled(usage) => {
                let attempt = usage.attempt;
                let Some(intent) = self.take(position, attempt) else { return };
                let held = Amounts { usd: usage.held, tokens: usage.held_tokens };
                if held != intent.worst || usage.tenant != intent.tenant || usage.charged > usage.held {
                    self.doubt(position, format!("the end of attempt {attempt} does not go with what is held for it"));
                }
                if usage.ending == store::Ending::Unknown {
                    self.held.insert(attempt, intent);
                }
            }
            Record::Void(attempt) => drop(self.take(position, attempt)),
            Record::Resolved(resolved) => {
                let attempt = resolved.attempt;
                let Some(intent) = self.take(position, attempt) else { return };
                if resolved.charged.usd > intent.worst.usd {
                    self.doubt(position, format!("more is charged for attempt {attempt} than is held"));
                }
            }
            Record::Leased(_) | Record::LossCounted(_) => {}
        }
    }

    fn take(&mut self, position: Position, attempt: AttemptId) -> Option<IntentRecord> {
        let taken = self.held.remove(&attempt);
        if taken.is_none() {
            self.doubt(position, format!("an attempt ends that is not held: {attempt}"));
        }
        taken
    }

    /// What can be said only when all records were seen.
    pub(super) fn finish(mut self) -> Vec<Doubt> {
        if !self.is_live {
            self.unended();
            self.leased();
        }
        self.doubts
    }

    /// What began and has no end in what was applied is held, or was ended by a command.
    fn unended(&mut self) {
        let holds = match self.store.open_holds() {
            Ok(holds) => holds,
            Err(error) => return self.doubts.push(super::unreadable(&error)),
        };
        let holds: HashMap<AttemptId, IntentRecord> =
            holds.into_iter().map(|hold| (hold.intent.attempt, hold.intent)).collect();
        let mut begun: Vec<_> = core::mem::take(&mut self.begun).into_iter().collect();
        begun.sort_unstable_by_key(|(_, (position, _))| *position);
        for (attempt, (position, intent)) in begun {
            match holds.get(&attempt) {
                Some(held) if *held == intent => {}
                Some(_) => self.doubt(position, format!("what is held for attempt {attempt} is not what was written")),
                None if self.ended(position, attempt).is_some() => {}
                None => self.doubt(position, format!("attempt {attempt} began, and is neither held nor ended")),
            }
        }
    }

    /// The last applied lease of each account is the store's.
    fn leased(&mut self) {
        if self.leases.is_empty() {
            return;
        }
        let stored = match self.store.leases() {
            Ok(leases) => leases,
            Err(error) => return self.doubts.push(super::unreadable(&error)),
        };
        for (position, lease) in core::mem::take(&mut self.leases).into_values() {
            // Earlier records of the same lease may be in segments that are gone.
            let is_same = |row: &LeaseRecord| {
                let names = (&row.tenant, &row.project, &row.key, row.period, row.resource, row.starts);
                names == (&lease.tenant, &lease.project, &lease.key, lease.period, lease.resource, lease.starts)
                    && row.up_to >= lease.up_to
                    && (lease.lost.is_none() || row.lost == lease.lost)
            };
            if !stored.iter().any(is_same) {
                self.doubt(position, format!("the store does not have this lease of tenant {}", lease.tenant));
            }
        }
    }
}
