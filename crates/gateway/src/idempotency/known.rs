//! What is known of a key, and what a call that comes with it finds.

use std::sync::Arc;

use base::{AttemptId, Timestamp};

use super::stored::StoredAnswer;

/// What is known of one key.
pub(super) struct Known {
    /// Stands for what was asked with it.
    pub(super) body: [u8; 16],
    /// When the first call came.
    pub(super) at: Timestamp,
    /// Bytes of its answer that count against the limits of the store.
    pub(super) bytes: u64,
    /// `None` while the first call is under way.
    pub(super) ended: Option<(AttemptId, AnswerState)>,
}

impl Known {
    /// Whether it consumed its key in this attempt.
    pub(super) fn is_of(&self, attempt: AttemptId) -> bool {
        self.ended.as_ref().is_some_and(|(of, _)| *of == attempt)
    }
}

/// Where the answer of a charged call is.
#[derive(Clone)]
pub(crate) enum AnswerState {
    /// In memory, on its way to the store.
    Waiting(Arc<StoredAnswer>),
    /// In the store.
    Written,
    /// Nowhere.
    Lost,
}

/// What a call finds under its key.
pub(super) enum Found {
    /// Nobody came before: the key is this call's now.
    Nothing,
    /// The same call came before and was charged.
    Ended(AttemptId, AnswerState),
    /// It came before and has not ended.
    UnderWay,
    /// Another call came before.
    OtherBody,
    /// Nobody came before, and there is no place to remember it.
    Full,
}
