//! Writes an answer down as it passes, within its limits.

use base::RequestId;
use bytes::Bytes;
use http::StatusCode;

use super::space::Space;
use super::stored::StoredAnswer;
use crate::heads::ResponseHead;
use crate::hold::Receipt;
use crate::http1::Fields;
use crate::{answer, headers};

/// See the module's description.
pub(crate) struct Recorder {
    status: StatusCode,
    fields: Fields,
    body: Vec<u8>,
    /// What it may grow to.
    bytes_max: usize,
    /// `None` once the answer is too large, or memory has run out: it will not be kept.
    space: Option<Space>,
}

impl Recorder {
    pub(super) fn new(request_id: RequestId, output_limit: Option<u64>, bytes_max: usize, space: Space) -> Recorder {
        let mut fields = Fields::default();
        headers::original_request(&mut fields, request_id);
        headers::output_limit(&mut fields, output_limit);
        Recorder { status: StatusCode::OK, fields, body: Vec::new(), bytes_max, space: Some(space) }
    }

    /// The head came.
    pub(crate) fn begin(&mut self, head: &ResponseHead) {
        self.status = head.status;
        answer::pass_headers(head, &mut self.fields);
    }

    /// What the client gets of the body, piece by piece.
    pub(crate) fn push(&mut self, piece: &Bytes) {
        if self.take(self.body.len(), piece.len()) {
            self.body.extend_from_slice(piece);
        } else {
            self.body = Vec::new();
        }
    }

    /// What the call cost.
    pub(crate) fn settled(&mut self, receipt: &Receipt) {
        headers::receipt(&mut self.fields, receipt);
    }

    /// The answer and its memory, if it can be kept; `whole` is the body of an answer that was no stream.
    pub(crate) fn finish(mut self, whole: Option<Bytes>) -> Option<(StoredAnswer, Space)> {
        if let Some(whole) = &whole {
            self.take(0, whole.len());
        }
        // Anything else is an error of the provider's, or a status that no dialect has; and it may echo a credential.
        if self.status != StatusCode::OK {
            return None;
        }
        let body = whole.unwrap_or_else(|| self.body.into());
        self.fields.remove(&http::header::RETRY_AFTER);
        let answer = StoredAnswer { fields: self.fields, body };
        Some((answer, self.space?))
    }

    /// Takes memory for more; says whether there was any, and the answer may still be kept.
    fn take(&mut self, had: usize, more: usize) -> bool {
        let fits = had.saturating_add(more) <= self.bytes_max;
        let taken = fits && self.space.as_mut().is_some_and(|space| space.grow(more));
        if !taken {
            self.space = None;
        }
        taken
    }
}
