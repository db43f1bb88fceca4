//! What all calls share: the directory, the books, the upstreams, the journal, the clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base::{AttemptId, Refusal};
use journal::{Durability, Journal, Position};
use ledger::Lost;
use store::{Directory, ObjectSeal, Store};

use crate::applier::Applier;
use crate::authenticate::Path;
use crate::bodies::Bodies;
use crate::books::Books;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::idempotency::Keys;
use crate::settings::Settings;
use crate::tasks::Tasks;
use crate::upstream::Upstreams;

/// The state of a running relay. Everything in it is shared; nothing in it belongs to one call.
pub(crate) struct Relay {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<Store>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) books: Books,
    pub(crate) upstreams: Upstreams,
    pub(crate) journal: Journal,
    pub(crate) applier: Applier,
    /// Held by whoever extends leases, so that a crowd writes each once.
    pub(crate) leasing: tokio::sync::Mutex<()>,
    /// Held by whoever ends an unknown attempt, so that each is ended once.
    pub(crate) deciding: tokio::sync::Mutex<()>,
    /// What counts as lost since a loss of power, by the path to its account.
    pub(crate) lost: Mutex<Vec<(Path, Lost)>>,
    /// Who holds for the attempts that were open then.
    pub(crate) survivors: Mutex<HashMap<AttemptId, Path>>,
    /// The idempotency keys that were used.
    pub(crate) keys: Keys,
    /// Seals and opens the ids of stored objects.
    pub(crate) object_seal: Arc<ObjectSeal>,
    /// Request bodies in memory.
    pub(crate) bodies: Arc<Bodies>,
    /// Places for realtime sessions.
    pub(crate) sessions: Arc<tokio::sync::Semaphore>,
    /// Whole answers in memory.
    pub(crate) answers: Arc<Bodies>,
    /// Rung when a batch is known to have ended.
    pub(crate) batch_bell: Arc<tokio::sync::Notify>,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    pub(crate) counts: Counts,
}

impl Relay {
    /// Waits until an intent is on the disk, where nothing may leave before that.
    ///
    /// # Errors
    /// When the disk failed: the process is about to end.
    pub(crate) async fn before_forwarding(&self, intent: Position) -> Result<(), Refusal> {
        match self.settings.durability {
            Durability::Strict => self.durable(intent).await,
            Durability::Power | Durability::Process => Ok(()),
        }
    }

    /// Waits until an intent is as durable as was promised: no byte of the answer goes out before.
    ///
    /// # Errors
    /// As for [`Relay::before_forwarding`].
    pub(crate) async fn before_answering(&self, intent: Position) -> Result<(), Refusal> {
        match self.settings.durability {
            Durability::Strict | Durability::Power => self.durable(intent).await,
            Durability::Process => Ok(()),
        }
    }

    /// Waits until the journal is on the disk up to there.
    ///
    /// # Errors
    /// As for [`Relay::before_forwarding`].
    pub(crate) async fn durable(&self, position: Position) -> Result<(), Refusal> {
        self.journal.wait_durable(position).await.map_err(|_| Refusal::Internal)
    }
}
