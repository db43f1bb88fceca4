//! Price versions: only ever added, never changed. One that was announced but is no longer declared is withdrawn, as
//! long as it was not in force.

use base::Timestamp;
use catalog::{PriceVersion, Rates};
use rusqlite::params;

use super::{Work, to_json};
use crate::{StoreError, rows};

/// What must be done so that the versions say what was declared.
pub(super) struct PricePlan {
    withdraw: Vec<u32>,
    add_from: Option<Timestamp>,
}

impl PricePlan {
    pub(super) fn changes_anything(&self) -> bool {
        !self.withdraw.is_empty() || self.add_from.is_some()
    }
}

impl Work<'_> {
    /// Compares the declared price with the versions of a model; `None` for one that is new.
    pub(super) fn plan_price(
        &self,
        model: Option<i64>,
        declared_from: Option<Timestamp>,
        rates: &Rates,
    ) -> Result<PricePlan, StoreError> {
        let versions = match model {
            Some(number) => rows::prices(self.transaction, number)?,
            None => Vec::new(),
        };
        if versions.is_empty() {
            // A model's first price holds from the beginning, so that a clock that steps back does not block it.
            return Ok(PricePlan { withdraw: Vec::new(), add_from: Some(declared_from.unwrap_or(Timestamp::EPOCH)) });
        }
        let in_force = |version: &&PriceVersion| version.effective_from <= self.now;
        let current = versions.iter().rfind(in_force);
        let is_declared = |version: &&PriceVersion| match declared_from {
            Some(from) => version.effective_from == from && version.rates == *rates,
            None => in_force(version) && current.is_some_and(|c| c.id == version.id) && version.rates == *rates,
        };
        let declared = versions.iter().find(is_declared).map(|version| version.id);
        let withdraw = versions
            .iter()
            .filter(|version| !in_force(version) && Some(version.id) != declared)
            .map(|version| version.id)
            .collect();
        let add_from =
            match (declared, declared_from) {
                (Some(_), _) => None,
                (None, Some(from)) => Some(from),
                // Never at the same instant as the one before, so that the order of versions is that of time.
                (None, None) => Some(current.map_or(self.now, |current| {
                    self.now.max(Timestamp::from_micros(current.effective_from.micros() + 1))
                })),
            };
        Ok(PricePlan { withdraw, add_from })
    }

    pub(super) fn write_price(&self, model: i64, plan: PricePlan, rates: &Rates) -> Result<(), StoreError> {
        for version in plan.withdraw {
            let sql = "UPDATE price SET withdrawn = 1 WHERE model = ?1 AND version = ?2";
            self.transaction.prepare_cached(sql)?.execute(params![model, version])?;
        }
        if let Some(from) = plan.add_from {
            let sql = "INSERT INTO price (model, version, effective_from, rates)
                SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3 FROM price WHERE model = ?1";
            self.transaction.prepare_cached(sql)?.execute(params![model, from.micros(), to_json(rates)?])?;
        }
        Ok(())
    }
}
