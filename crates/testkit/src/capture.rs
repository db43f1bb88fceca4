//! The requests that the provider received, for tests that look at what was sent upstream.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};

/// One received request.
#[derive(Clone, Debug)]
pub struct Captured {
    /// From 0 in the order of arrival.
    pub sequence: u64,
    /// The method.
    pub method: Method,
    /// Path and query, as received.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
    /// The id of the recorded exchange that answered it, in replay.
    pub exchange: Option<String>,
}

/// The newest requests, at most a fixed number.
#[derive(Debug)]
pub(crate) struct Captures {
    kept: Mutex<VecDeque<Captured>>,
    kept_max: usize,
}

impl Captures {
    pub(crate) fn new(kept_max: usize) -> Captures {
        Captures { kept: Mutex::new(VecDeque::new()), kept_max }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.kept_max > 0
    }

    pub(crate) fn push(&self, captured: Captured) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.kept_max {
            kept.pop_front();
        }
        kept.push_back(captured);
    }

    pub(crate) fn all(&self) -> Vec<Captured> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn take(&self) -> Vec<Captured> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}
