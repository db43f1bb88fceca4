//! Applying the journal: many records in one transaction, each of them once however often it is given.

use core::ops::Range;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use base::{AttemptId, NumberHashing};
use ledger::Amounts;
use rusqlite::{Transaction, TransactionBehavior};

use super::holds::HoldState;
use super::rows::{Fresh, row_number};
use super::{Entries, Names};
use crate::journaled::{IntentRecord, LeaseRecord, Record, ResolvedRecord, decode_usage, period_code, resource_code};
use crate::store::Writer;
use crate::usage::Ending;
use crate::{Store, StoreError, UsedKey};

/// Bytes of a record, about.
const RECORD_BYTES: usize = 256;

/// What a batch changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppliedRecords {
    /// Attempts whose end was not known before.
    pub settled: usize,
    /// Attempts that began in the batch and did not end in it.
    pub opened: usize,
    /// Unknown attempts that were ended.
    pub resolved: usize,
}

/// Records of the journal, gathered to be applied together. Most intents end in the batch in which they begin, and are
/// never read; what has ended is read where it lies.
#[derive(Default)]
pub struct Gathered {
    payloads: Vec<u8>,
    /// Where the records of settled attempts are.
    settled: Vec<(AttemptId, Range<usize>)>,
    /// Intents whose end has not come yet: where they are.
    open: HashMap<AttemptId, (u8, Range<usize>), NumberHashing>,
    others: Vec<Record>,
    unreadable: Option<StoreError>,
}

impl Gathered {
    /// With room for about so many bytes of records: to let them grow is to move them.
    #[must_use]
    pub fn with_room(bytes: usize) -> Gathered {
        Gathered {
            payloads: Vec::with_capacity(bytes),
            settled: Vec::with_capacity(bytes / RECORD_BYTES),
            ..Gathered::default()
        }
    }

    /// Takes the next record, as the journal has it. One that cannot be read fails the batch when it is applied.
    pub fn take(&mut self, kind: u8, payload: &[u8]) {
        let start = self.payloads.len();
        if let Some(attempt) = Record::attempt_of_intent(kind, payload) {
            self.payloads.extend_from_slice(payload);
            self.open.insert(attempt, (kind, start..self.payloads.len()));
        } else if let Some(attempt) = Record::attempt_settled(kind, payload) {
            self.payloads.extend_from_slice(payload);
            self.settled.push((attempt, start..self.payloads.len()));
            self.open.remove(&attempt);
        } else {
            match Record::decode(kind, payload) {
                Ok(record) => self.others.push(record),
                Err(error) => self.unreadable = Some(error),
            }
        }
    }
}

impl FromIterator<Record> for Gathered {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Gathered {
        let (mut gathered, mut payload) = (Gathered::default(), Vec::new());
        for record in records {
            payload.clear();
            let kind = record.encode(&mut payload);
            gathered.take(kind, &payload);
        }
        gathered
    }
}

/// The records of a batch by what is done with them.
#[derive(Default)]
struct Batch<'a> {
    intents: HashMap<AttemptId, Cow<'a, IntentRecord>, NumberHashing>,
    /// In the order of attempts, each once; read one by one, since a read one is large, and to sort them would move them.
    settled: Vec<(AttemptId, &'a [u8])>,
    voids: HashSet<AttemptId, NumberHashing>,
    resolved: Vec<&'a ResolvedRecord>,
    /// The last of each account, period and resource.
    leases: BTreeMap<(String, String, String, u8, u8), LeaseRecord>,
    losses_counted: Vec<u64>,
}

impl<'a> Batch<'a> {
    fn of(gathered: &'a Gathered) -> Result<Batch<'a>, StoreError> {
        if let Some(error) = &gathered.unreadable {
            return Err(StoreError::corrupt("record", error));
        }
        let settled = gathered.settled.iter().map(|(attempt, place)| (*attempt, &gathered.payloads[place.clone()]));
        let mut batch = Batch { settled: settled.collect(), ..Batch::default() };
        // Stable, so that of two ends of one attempt the first counts.
        batch.settled.sort_by_key(|(attempt, _)| *attempt);
        batch.settled.dedup_by_key(|(attempt, _)| *attempt);
        for record in &gathered.others {
            batch.take(record);
        }
        for (attempt, (kind, place)) in &gathered.open {
            if !batch.ends(*attempt)
                && let Record::Intent(intent) = Record::decode(*kind, &gathered.payloads[place.clone()])?
            {
                batch.intents.insert(*attempt, Cow::Owned(intent));
            }
        }
        Ok(batch)
    }

    fn take(&mut self, record: &'a Record) {
        match record {
            Record::Intent(intent) => drop(self.intents.insert(intent.attempt, Cow::Borrowed(intent))),
            Record::Settled(_) => unreachable!("they are read where they lie"),
            Record::Void(attempt) => drop(self.voids.insert(*attempt)),
            Record::Resolved(resolved) => self.resolved.push(resolved),
            Record::LossCounted(epoch) => self.losses_counted.push(*epoch),
            Record::Leased(lease) => {
                let text = |name: Option<String>| name.unwrap_or_default();
                let key = (
                    lease.tenant.to_string(),
                    text(lease.project.as_ref().map(ToString::to_string)),
                    text(lease.key.as_ref().map(ToString::to_string)),
                    period_code(lease.period),
                    resource_code(lease.resource),
                );
                let merged = self.leases.get(&key).map_or_else(|| lease.clone(), |before| before.then(lease));
                self.leases.insert(key, merged);
            }
        }
    }

    fn ends(&self, attempt: AttemptId) -> bool {
        self.voids.contains(&attempt) || self.settled.binary_search_by_key(&attempt, |(settled, _)| *settled).is_ok()
    }

    /// Calls `turn` between rows.
    fn write(&self, entries: &mut Entries<'_>, turn: &mut dyn FnMut()) -> Result<AppliedRecords, StoreError> {
        let newest = entries.newest_hold()?;
        let mut done = AppliedRecords::default();
        self.use_keys(entries)?;
        for Fresh { attempt, ending, payload } in entries.usages(&self.settled, turn)? {
            done.settled += 1;
            let held = if attempt <= newest { entries.take_hold(attempt)? } else { None };
            if ending == Ending::Refused {
                entries.free_key(attempt)?;
            }
            if ending == Ending::Unknown {
                let intent = match held {
                    Some(hold) => hold.intent,
                    None => IntentRecord::of(&decode_usage(payload)?),
                };
                entries.put_hold(&intent, HoldState::Unknown)?;
            }
        }
        for attempt in &self.voids {
            let attempt = row_number(*attempt)?;
            entries.take_open_hold(attempt)?;
            if !entries.has_ended(attempt)? {
                entries.free_key(attempt)?;
            }
        }
        let mut open: Vec<&IntentRecord> =
            self.intents.values().map(Cow::as_ref).filter(|intent| !self.ends(intent.attempt)).collect();
        open.sort_unstable_by_key(|intent| intent.attempt);
        for intent in open {
            // Given again after it ended: a hold must not come back.
            if !entries.has_ended(row_number(intent.attempt)?)? {
                done.opened += usize::from(entries.put_hold(intent, HoldState::Open)?);
            }
        }
        for resolved in &self.resolved {
            done.resolved += usize::from(resolve(entries, resolved)?);
        }
        for lease in self.leases.values() {
            entries.lease(lease)?;
        }
        for epoch in &self.losses_counted {
            entries.loss_counted(*epoch)?;
        }
        Ok(done)
    }

    /// Notes the idempotency keys of attempts that begin in the batch; before their ends, which may free them again.
    fn use_keys(&self, entries: &Entries<'_>) -> Result<(), StoreError> {
        for intent in self.intents.values() {
            let Some(idempotency) = intent.idempotency else { continue };
            // Given again after it ended: what its end did with the key is done.
            if !entries.has_ended(row_number(intent.attempt)?)? {
                entries.use_key(&UsedKey::of(intent, idempotency))?;
            }
        }
        Ok(())
    }
}

/// Ends an attempt that is held; one that is not was ended before.
fn resolve(entries: &mut Entries<'_>, resolved: &ResolvedRecord) -> Result<bool, StoreError> {
    let Some(hold) = entries.take_hold(row_number(resolved.attempt)?)? else { return Ok(false) };
    if hold.state == HoldState::Open {
        let mut payload = Vec::new();
        Record::Settled(hold.intent.without_end()).encode(&mut payload);
        entries.usages(&[(resolved.attempt, &payload)], &mut || {})?;
    }
    if resolved.charged == Amounts::ZERO {
        entries.free_key(row_number(resolved.attempt)?)?;
    }
    entries.resolution(resolved, &hold.intent)
}

impl Store {
    /// Applies records of the journal in their order, all or none, and notes that it is applied up to `applied`; durable
    /// when it returns. What was applied before changes nothing: an attempt ends once, the first end counts, and a batch
    /// that lies before [`Store::applied`] is left out as a whole.
    ///
    /// An intent without an end is held from then on. `Settled` with an unknown ending stays held until `Resolved`;
    /// `Resolved` also ends an attempt that never reported an end, which then counts as unknown first.
    ///
    /// # Errors
    /// When the database refuses, or an attempt has a number that no row can have; nothing was written then.
    pub fn apply_records(
        &self,
        records: impl IntoIterator<Item = Record>,
        applied: u64,
    ) -> Result<AppliedRecords, StoreError> {
        self.apply_gathered(&records.into_iter().collect(), applied, &mut || {})
    }

    /// As [`Store::apply_records`], for a thread that shares its core with others: calls `turn` after every row, so that
    /// it can let them go first now and then.
    ///
    /// # Errors
    /// See [`Store::apply_records`].
    pub fn apply_gathered(
        &self,
        gathered: &Gathered,
        applied: u64,
        turn: &mut dyn FnMut(),
    ) -> Result<AppliedRecords, StoreError> {
        let applied = i64::try_from(applied).map_err(|error| StoreError::corrupt("applied", error))?;
        let batch = Batch::of(gathered)?;
        self.write_entries(|entries| {
            if applied < entries.applied() {
                return Ok((AppliedRecords::default(), entries.applied()));
            }
            Ok((batch.write(entries, turn)?, applied))
        })
    }

    /// Ends an unknown attempt where no process serves whose ledger would have to know. Returns whether it was held.
    ///
    /// # Errors
    /// See [`Store::apply_records`].
    pub fn resolve(&self, resolved: ResolvedRecord) -> Result<bool, StoreError> {
        let gathered = Gathered::from_iter([Record::Resolved(resolved)]);
        let batch = Batch::of(&gathered)?;
        self.write_entries(|entries| Ok((batch.write(entries, &mut || {})?.resolved > 0, entries.applied())))
    }

    /// How far the journal is applied.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn applied(&self) -> Result<u64, StoreError> {
        Ok(super::chain::Head::read(&self.reader())?.applied.unsigned_abs())
    }

    /// Runs `work` in a transaction and seals what it wrote; it returns how far the journal is applied then.
    fn write_entries<T>(
        &self,
        work: impl FnOnce(&mut Entries<'_>) -> Result<(T, i64), StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = self.lock_writer();
        let Writer { connection, names } = &mut *writer;
        names.trim();
        let written = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)
            .and_then(|transaction| write(transaction, names, work));
        if written.is_err() {
            // Numbers made in the transaction went with it.
            names.clear();
        }
        written
    }
}

fn write<T>(
    transaction: Transaction<'_>,
    names: &mut Names,
    work: impl FnOnce(&mut Entries<'_>) -> Result<(T, i64), StoreError>,
) -> Result<T, StoreError> {
    let mut entries = Entries::begin(&transaction, names)?;
    let (result, applied) = work(&mut entries)?;
    entries.seal(applied)?;
    transaction.commit()?;
    Ok(result)
}
