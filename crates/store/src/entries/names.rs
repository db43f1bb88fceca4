//! What is remembered of the dictionary between transactions: numbers of names, and of whole places.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::Entries;
use super::rollups::Place;
use super::rows;
use crate::StoreError;
use crate::journaled::Settled;

/// Names remembered with the writing connection; beyond that they are looked up anew.
const NUMBERS_MAX: usize = 200_000;
/// Places remembered with it: the keys that are in use, each with its models.
const PLACES_MAX: usize = 16_384;

/// Numbers of names in the dictionary, as far as they were looked up.
#[derive(Default)]
pub(crate) struct Names {
    numbers: HashMap<String, i64>,
    /// By the bytes of [`Settled::names`]: one look where there would be four, and nothing read of them. Operators and
    /// tenants choose names, so that the hash is the keyed one.
    places: HashMap<Box<[u8]>, Place>,
}

impl Names {
    /// Keeps them within their limits.
    pub(super) fn trim(&mut self) {
        if self.numbers.len() > NUMBERS_MAX {
            self.numbers.clear();
        }
        if self.places.len() > PLACES_MAX {
            self.places.clear();
        }
    }

    /// Forgets all: what was made in a transaction that is not kept, among them.
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.places.clear();
    }
}

impl Entries<'_> {
    /// The number of a name in the dictionary, made when it is new.
    pub(crate) fn name(&mut self, text: &str) -> Result<i64, StoreError> {
        if let Some(number) = self.names.numbers.get(text) {
            return Ok(*number);
        }
        let mut find = self.transaction.prepare_cached("SELECT number FROM name WHERE text = ?1")?;
        let number = match find.query_row([text], |row| row.get(0)).optional()? {
            Some(number) => number,
            None => {
                self.block.names += 1;
                let sql = "INSERT INTO name (number, text) VALUES (?1, ?2)";
                self.transaction.prepare_cached(sql)?.execute(params![self.block.names, text])?;
                let number = self.block.names;
                rows::canonical_name(self.new_names.add(number), number, text.as_bytes());
                self.block.names
            }
        };
        self.names.numbers.insert(text.to_owned(), number);
        Ok(number)
    }

    /// The numbers of the names that a roll-up is kept by.
    pub(super) fn place(&mut self, tenant: &str, project: &str, key: &str, model: &str) -> Result<Place, StoreError> {
        Ok(Place {
            tenant: self.name(tenant)?,
            project: self.name(project)?,
            key: self.name(key)?,
            model: self.name(model)?,
        })
    }

    /// The same for a settled attempt.
    pub(super) fn place_of(&mut self, record: &Settled<'_>) -> Result<Place, StoreError> {
        if let Some(place) = self.names.places.get(record.names) {
            return Ok(*place);
        }
        let names = record.names()?;
        let place = self.place(names.tenant, names.project, names.key, names.model)?;
        self.names.places.insert(record.names.into(), place);
        Ok(place)
    }
}
