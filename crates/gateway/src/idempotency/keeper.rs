//! Carries answers into the store, off the request path: those that gather while one batch is written are the next.

use core::time::Duration;
use std::sync::{Arc, PoisonError};

use store::{KeptAnswer, UsedKey};

use super::Shared;
use super::known::AnswerState;
use super::space::Space;
use super::stored::StoredAnswer;

/// How long answers gather before they are written together.
const GATHERING: Duration = Duration::from_millis(20);
/// Most answers in one batch.
const BATCH_MAX: usize = 64;
/// Wait before a refused batch is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Answers that wait to be written.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Vec<Waiting>,
    /// A task writes them.
    is_writing: bool,
}

struct Waiting {
    key: UsedKey,
    answer: Arc<StoredAnswer>,
    /// Given back once the answer is written.
    _space: Space,
}

impl Shared {
    /// Keeps an answer: from now on in memory, soon in the store.
    pub(super) fn keep(self: &Arc<Shared>, key: UsedKey, answer: StoredAnswer, space: Space) {
        let answer = Arc::new(answer);
        let state = AnswerState::Waiting(answer.clone());
        self.index.end(&key.tenant, &key.idempotency.name, key.attempt, state);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.push(Waiting { key, answer, _space: space });
        if !core::mem::replace(&mut queue.is_writing, true) {
            self.tasks.spawn(write_all(self.clone()));
        }
    }

    fn next_batch(&self) -> Vec<Waiting> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let count = queue.waiting.len().min(BATCH_MAX);
        queue.is_writing = count > 0;
        queue.waiting.drain(..count).collect()
    }
}

/// Writes until nothing waits.
async fn write_all(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(GATHERING).await;
        let batch = shared.next_batch();
        if batch.is_empty() {
            return;
        }
        write(&shared, batch).await;
    }
}

/// Writes one batch, however often it takes.
async fn write(shared: &Arc<Shared>, mut batch: Vec<Waiting>) {
    let mut dropped = Vec::new();
    batch.retain(|waiting| shared.index.room(&waiting.key, &mut dropped));
    let (batch, dropped) = (Arc::new(batch), Arc::new(dropped));
    loop {
        let (store, batch, dropped) = (shared.store.clone(), batch.clone(), dropped.clone());
        let written = tokio::task::spawn_blocking(move || {
            let kept = batch.iter().map(|one| KeptAnswer { key: one.key.clone(), answer: one.answer.encode() });
            store.keep_answers(&kept.collect::<Vec<_>>(), &dropped)
        });
        match written.await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => tracing::error!(%error, "answers cannot be kept; trying again"),
            Err(error) => tracing::error!(%error, "answers cannot be kept; trying again"),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
    for waiting in batch.iter() {
        shared.index.written(&waiting.key);
    }
}
