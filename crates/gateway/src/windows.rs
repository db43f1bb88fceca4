//! Gives the rate windows back what was used before this start, so that a restart gives nobody a fresh quota.
//!
//! What ended and is in the store comes from the usage; what was under way, or ended in the part of the journal that the
//! store does not have yet, from the intents and ends. What an attempt used takes the place of what was reserved for it.

use core::time::Duration;
use std::collections::HashMap;

use base::{AttemptId, KeyId, ModelId, TenantId, Timestamp};
use store::{Ending, IntentRecord, ProjectPath, RecentUse, Record};

use crate::ages::Ages;
use crate::books::{Books, Taken};
use crate::recover::Names;

/// How far back windows look: a day, and a sixtieth for the bucket that is leaving; and a quarter of an hour, since
/// attempts are dated when they asked and may have waited.
pub(crate) const MEMORY: Duration = Duration::from_secs(86_400 + 86_400 / 60 + 900);

/// One attempt that the usage of the store does not have.
struct Attempt {
    tenant: TenantId,
    project: ProjectPath,
    key: KeyId,
    model: ModelId,
    end_user: Option<String>,
    at: Timestamp,
    tokens: u64,
}

/// What is known of the time before this start.
#[derive(Default)]
pub(crate) struct Windows {
    attempts: HashMap<AttemptId, Attempt>,
    used: Vec<RecentUse>,
}

impl Windows {
    /// An attempt of which no end is known (yet).
    pub(crate) fn began(&mut self, intent: &IntentRecord) {
        let (tenant, project, key) = (intent.tenant.clone(), intent.project.clone(), intent.key.clone());
        let (model, end_user) = (intent.model.clone(), intent.end_user.clone());
        let tokens = if intent.endpoint.makes_batch() { 0 } else { intent.worst.tokens };
        let attempt = Attempt { tenant, project, key, model, end_user, at: intent.at, tokens };
        self.attempts.insert(intent.attempt, attempt);
    }

    /// A record that the store does not have yet.
    pub(crate) fn record(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => self.began(intent),
            Record::Settled(usage) => {
                let used = usage.usage.input.saturating_add(usage.usage.output).min(usage.held_tokens);
                let tokens = match usage.ending {
                    _ if usage.endpoint.makes_batch() => 0,
                    Ending::Unknown => usage.held_tokens,
                    _ => used,
                };
                let (tenant, project, key) = (usage.tenant.clone(), usage.project.clone(), usage.key.clone());
                let (model, end_user) = (usage.model.clone(), usage.end_user.clone());
                let attempt = Attempt { tenant, project, key, model, end_user, at: usage.at, tokens };
                self.attempts.insert(usage.attempt, attempt);
            }
            Record::Void(attempt) => drop(self.attempts.remove(attempt)),
            Record::Resolved(_) | Record::Leased(_) | Record::LossCounted(_) => {}
        }
    }

    /// What the store has.
    pub(crate) fn used(&mut self, used: Vec<RecentUse>) {
        self.used = used;
    }

    /// Counts everything in the windows of the accounts that exist.
    pub(crate) fn restore(&mut self, books: &Books, names: &mut Names<'_>, ages: &Ages) {
        for used in core::mem::take(&mut self.used) {
            let Some(path) = names.path(&used.tenant, Some(&used.project), Some(&used.key)) else { continue };
            let taken = used.moments.iter().map(|one| Taken {
                at: ages.moment_of(one.at),
                requests: one.requests,
                tokens: one.tokens,
                end_user: one.end_user.as_deref(),
            });
            books.restore_windows(&path, &used.model, ages.moment(), taken);
        }
        for one in core::mem::take(&mut self.attempts).into_values() {
            let Some(path) = names.path(&one.tenant, Some(&one.project), Some(&one.key)) else { continue };
            let end_user = one.end_user.as_deref();
            let taken = Taken { at: ages.moment_of(one.at), requests: 1, tokens: one.tokens, end_user };
            books.restore_windows(&path, &one.model, ages.moment(), [taken]);
        }
    }
}
