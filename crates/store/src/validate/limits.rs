//! Checks of limits: what only some of them can have.

use core::time::Duration;

use base::{AccountLimits, Limits, PartLimits};

use super::Checker;
use crate::StoreError;

/// Longest time that everything is refused after a window refused.
const BLOCK_MAX: Duration = Duration::from_secs(86_400);
/// Models that one account may have limits for.
const MODELS_MAX: usize = 1_000;

impl Checker<'_> {
    pub(super) fn limits(&mut self, limits: Option<&AccountLimits>, path: &str) -> Result<(), StoreError> {
        let Some(limits) = limits else { return Ok(()) };
        let path = format!("{path}.limits");
        self.block_for(&limits.own, &path);
        let Some(more) = limits.more.as_deref() else { return Ok(()) };
        if let Some(shadow) = &more.shadow {
            self.watched(shadow, &format!("{path}.shadow"));
        }
        if let Some(per_end_user) = &more.per_end_user {
            self.part(per_end_user, &format!("{path}.per_end_user"));
        }
        if more.models.len() > MODELS_MAX {
            self.problem(format!("{path}.models"), format!("an account has limits for at most {MODELS_MAX} models"));
        }
        for (model, limits) in &more.models {
            let path = format!("{path}.models.{model}");
            self.part(limits, &path);
            if !self.model_exists(model)? {
                self.warning(&path, format!("there is no model {model}, so that this limits nothing"));
            }
        }
        Ok(())
    }

    /// Limits of a part of an account's calls, of which the ledger knows nothing.
    fn part(&mut self, limits: &PartLimits, path: &str) {
        self.block_for(&limits.own, path);
        self.no_month(&limits.own, path);
        if let Some(shadow) = &limits.shadow {
            let path = format!("{path}.shadow");
            self.watched(shadow, &path);
            self.no_month(shadow, &path);
        }
    }

    fn no_month(&mut self, limits: &Limits, path: &str) {
        if limits.tokens_per_month.is_some() {
            let message = "tokens per month are of a whole account; use tokens_per_day here";
            self.problem(format!("{path}.tokens_per_month"), message);
        }
    }

    /// Limits that refuse nothing.
    fn watched(&mut self, limits: &Limits, path: &str) {
        if limits.block_for.is_some() {
            self.problem(format!("{path}.block_for"), "what is only watched refuses nothing; leave it out");
        }
    }

    fn block_for(&mut self, limits: &Limits, path: &str) {
        if limits.block_for.is_some_and(|span| span < Duration::from_secs(1) || span > BLOCK_MAX) {
            self.problem(format!("{path}.block_for"), "it is from 1s to 24h");
        }
    }
}
