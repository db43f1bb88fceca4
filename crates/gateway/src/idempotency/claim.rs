//! The owner of a key's end.

use std::sync::Arc;

use base::{AttemptId, RequestId, TenantId, Timestamp};
use store::{Idempotency, Record, UsedKey};

use super::known::AnswerState;
use super::recorder::Recorder;
use super::space::Space;
use super::stored::StoredAnswer;
use super::{Keys, Shared};

/// The first call with a key. Dropped, it says what becomes of the key: free when nothing was charged, lost when
/// something was and no answer was kept.
pub(crate) struct Claim {
    shared: Arc<Shared>,
    tenant: TenantId,
    idempotency: Idempotency,
    at: Timestamp,
    fate: Fate,
}

enum Fate {
    /// Nothing was charged, as far as is known.
    Free,
    /// The attempt was charged, or may yet be.
    Consumed(AttemptId),
    /// The answer is kept.
    Kept,
}

impl Claim {
    pub(super) fn new(shared: &Arc<Shared>, tenant: TenantId, idempotency: Idempotency, at: Timestamp) -> Claim {
        Claim { shared: shared.clone(), tenant, idempotency, at, fate: Fate::Free }
    }

    /// What the journal is told of the key.
    pub(crate) fn idempotency(&self) -> Idempotency {
        self.idempotency
    }

    /// The call was charged: its answer is to be kept.
    pub(crate) fn charged(mut self, attempt: AttemptId) -> Claim {
        self.fate = Fate::Consumed(attempt);
        self
    }

    /// Nobody knows whether the call was charged: the key stays consumed, without an answer, until somebody says that
    /// it cost nothing.
    pub(crate) fn unknown(self, attempt: AttemptId) {
        let (shared, tenant, name) = (self.shared.clone(), self.tenant.clone(), self.idempotency.name);
        drop(self.charged(attempt));
        shared.index.unknown(&tenant, name, attempt);
    }

    /// What writes the answer down as it passes.
    pub(crate) fn recorder(&self, request_id: RequestId, output_limit: Option<u64>) -> Recorder {
        let space = self.shared.index.space(&self.tenant);
        Recorder::new(request_id, output_limit, self.shared.answer_bytes_max, space)
    }

    /// Keeps the answer of a call that was charged, for the calls to come and in the store.
    pub(crate) fn keep(mut self, answer: StoredAnswer, space: Space) {
        let Fate::Consumed(attempt) = self.fate else { return };
        self.fate = Fate::Kept;
        let bytes = answer.encoded_bytes() as u64;
        let key = UsedKey {
            attempt,
            at: self.at,
            tenant: self.tenant.clone(),
            idempotency: self.idempotency,
            answer_bytes: Some(bytes),
        };
        self.shared.keep(key, answer, space);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (index, name) = (&self.shared.index, &self.idempotency.name);
        match self.fate {
            Fate::Free => index.release(&self.tenant, name),
            Fate::Consumed(attempt) => index.end(&self.tenant, name, attempt, AnswerState::Lost),
            Fate::Kept => {}
        }
    }
}

impl Keys {
    /// Puts back a key that is in the store.
    pub(crate) fn restore(&self, key: &UsedKey, now: Timestamp) {
        self.shared.index.restore(key, now);
    }

    /// Puts back what a record of the journal says of keys. A call that was under way is lost: it may have been charged.
    pub(crate) fn replay(&self, record: &Record, now: Timestamp) {
        match record {
            Record::Intent(intent) => {
                if let Some(idempotency) = intent.idempotency {
                    self.restore(&UsedKey::of(intent, idempotency), now);
                }
            }
            Record::Settled(usage) if usage.ending == store::Ending::Refused => self.free(usage.attempt),
            Record::Void(attempt) => self.free(*attempt),
            Record::Resolved(resolved) if resolved.charged == ledger::Amounts::ZERO => self.free(resolved.attempt),
            Record::Settled(_) | Record::Resolved(_) | Record::Leased(_) | Record::LossCounted(_) => {}
        }
    }

    /// An attempt cost nothing of which that was not known: its key is free.
    pub(crate) fn free(&self, attempt: AttemptId) {
        self.shared.index.free(attempt);
    }
}
