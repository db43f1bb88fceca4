//! Which attempts are a tenant's: what finds its calls among those of all.
//!
//! An index of the table would have an entry a row, and look for the place of each. A list has a row for each tenant of a
//! block and span, whatever number of calls it is of.

use std::collections::{BTreeSet, HashMap};

use base::NumberHashing;
use rusqlite::{Connection, Transaction, params};

use crate::StoreError;

/// Attempts of one span differ in these bits only.
const SPAN_BITS: u32 = 14;

/// The span of an attempt.
pub(crate) const fn span_of(attempt: i64) -> i64 {
    attempt >> SPAN_BITS
}

/// The first attempt of a span.
pub(crate) const fn first_of(span: i64) -> i64 {
    span << SPAN_BITS
}

/// Where an attempt is in its span.
pub(super) const fn place_of(attempt: i64) -> u16 {
    (attempt & ((1 << SPAN_BITS) - 1)) as u16
}

/// The lists of one block, by span and tenant: the dictionary's number of it, which nobody chooses.
#[derive(Default)]
pub(super) struct Lists {
    lists: HashMap<(i64, i64), Vec<u16>, NumberHashing>,
}

impl Lists {
    /// Adds an attempt.
    pub(super) fn add(&mut self, attempt: i64, tenant: i64) {
        self.lists.entry((span_of(attempt), tenant)).or_default().push(place_of(attempt));
    }

    /// Writes all, in their order, so that neighbours share pages while they are at hand.
    pub(super) fn write(self, transaction: &Transaction<'_>, block: i64) -> Result<(), StoreError> {
        let mut lists: Vec<_> = self.lists.into_iter().collect();
        lists.sort_unstable_by_key(|(key, _)| *key);
        let sql = "INSERT INTO usage_list (span, tenant, block, attempts) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = transaction.prepare_cached(sql)?;
        for ((span, tenant), mut places) in lists {
            places.sort_unstable();
            insert.execute(params![span, tenant, block, bytes_of(&places)])?;
        }
        Ok(())
    }
}

/// A list as its row has it.
pub(super) fn bytes_of(places: &[u16]) -> Vec<u8> {
    places.iter().flat_map(|place| place.to_be_bytes()).collect()
}

/// The attempts of a tenant in a span that have rows here, those before `before`, newest first.
pub(crate) fn attempts(reader: &Connection, span: i64, tenant: i64, before: i64) -> Result<Vec<i64>, StoreError> {
    let mut lists = reader.prepare_cached("SELECT attempts FROM usage_list WHERE span = ?1 AND tenant = ?2")?;
    let mut rows = lists.query([span, tenant])?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        let list = row.get_ref(0)?.as_blob().map_err(|error| StoreError::corrupt("usage_list.attempts", error))?;
        let (places, _) = list.as_chunks();
        attempts.extend(places.iter().map(|place| first_of(span) | i64::from(u16::from_be_bytes(*place))));
    }
    attempts.retain(|attempt| *attempt < before);
    attempts.sort_unstable_by(|one, other| other.cmp(one));
    Ok(attempts)
}

/// Makes the lists of spans anew, from the rows that are left.
pub(crate) fn renew(transaction: &Transaction<'_>, spans: &BTreeSet<i64>) -> Result<(), StoreError> {
    let mut remove = transaction.prepare_cached("DELETE FROM usage_list WHERE span = ?1")?;
    let mut make = transaction.prepare_cached(
        "INSERT INTO usage_list (span, tenant, block, attempts)
        SELECT ?1, tenant, block, unhex(group_concat(printf('%04x', attempt & 16383), '' ORDER BY attempt))
        FROM usage WHERE attempt BETWEEN ?2 AND ?3 GROUP BY tenant, block",
    )?;
    for span in spans {
        remove.execute([span])?;
        make.execute([*span, first_of(*span), first_of(span + 1) - 1])?;
    }
    Ok(())
}
