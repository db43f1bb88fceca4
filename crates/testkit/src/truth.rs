//! What the provider really did and billed, to compare a ledger with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Attempts and billed tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests to billed endpoints with a valid key, whatever became of them.
    pub attempts: u64,
    /// Attempts that billed nothing: error answers.
    pub unbilled: u64,
    /// Attempts whose answer did not reach its end: streams and answers cut by either side.
    pub cut: u64,
    /// Attempts still running; their tokens are not yet in the sums.
    pub open: u64,
    /// Prompt tokens billed.
    pub prompt_tokens: u64,
    /// Of these, reported as cached.
    pub cached_tokens: u64,
    /// Completion tokens billed, reasoning included.
    pub completion_tokens: u64,
}

impl Tally {
    /// Prompt and completion tokens billed.
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

/// All tallies at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Everything.
    pub total: Tally,
    /// By the key that was presented.
    pub by_key: BTreeMap<String, Tally>,
    /// By the value of the options' `trace_header`, for requests that carried it.
    pub by_trace: BTreeMap<String, Tally>,
    /// By model name.
    pub by_model: BTreeMap<String, Tally>,
}

/// The live count.
#[derive(Debug, Default)]
pub(crate) struct Books {
    truth: Mutex<Truth>,
    changed: Notify,
}

/// Whose attempt it is.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) key: String,
    pub(crate) trace: Option<String>,
    pub(crate) model: String,
}

impl Books {
    pub(crate) fn snapshot(&self) -> Truth {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was billed, as JSON: for tests that run in another process.
    pub(crate) fn total_json(&self) -> String {
        let total = self.truth.lock().unwrap_or_else(PoisonError::into_inner).total;
        let Tally { attempts, unbilled, cut, open, prompt_tokens, cached_tokens, completion_tokens } = total;
        serde_json::json!({
            "attempts": attempts, "unbilled": unbilled, "cut": cut, "open": open, "prompt_tokens": prompt_tokens,
            "cached_tokens": cached_tokens, "completion_tokens": completion_tokens,
        })
        .to_string()
    }

    fn update(&self, labels: &Labels, change: impl Fn(&mut Tally)) {
        let mut truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut truth.total);
        change(entry(&mut truth.by_key, &labels.key));
        change(entry(&mut truth.by_model, &labels.model));
        if let Some(trace) = &labels.trace {
            change(entry(&mut truth.by_trace, trace));
        }
    }

    /// Returns once no attempt is running.
    pub(crate) async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            // Not a snapshot: with a trace a call, that would copy every label at every change.
            if self.truth.lock().unwrap_or_else(PoisonError::into_inner).total.open == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Looks up before it inserts, so that a known label costs no allocation.
fn entry<'a>(map: &'a mut BTreeMap<String, Tally>, label: &str) -> &'a mut Tally {
    if !map.contains_key(label) {
        map.insert(label.to_owned(), Tally::default());
    }
    map.get_mut(label).expect("inserted just above when it was missing")
}

/// One running attempt; its end, however it comes, writes the bill.
#[derive(Debug)]
pub(crate) struct Bill {
    books: Arc<Books>,
    labels: Labels,
    prompt_tokens: u64,
    cached_tokens: u64,
    completion_tokens: u64,
    is_billed: bool,
    is_whole: bool,
}

impl Bill {
    pub(crate) fn open(books: &Arc<Books>, labels: Labels) -> Bill {
        books.update(&labels, |tally| {
            tally.attempts += 1;
            tally.open += 1;
        });
        let books = Arc::clone(books);
        Bill {
            books,
            labels,
            prompt_tokens: 0,
            cached_tokens: 0,
            completion_tokens: 0,
            is_billed: false,
            is_whole: false,
        }
    }

    /// The model starts to work: from here on the prompt is owed.
    pub(crate) fn charge_prompt(&mut self, prompt_tokens: u64, cached_tokens: u64) {
        self.is_billed = true;
        self.prompt_tokens = prompt_tokens;
        self.cached_tokens = cached_tokens;
    }

    pub(crate) fn charge_completion(&mut self, tokens: u64) {
        self.completion_tokens += tokens;
    }

    /// The last byte was handed over.
    pub(crate) fn complete(&mut self) {
        self.is_whole = true;
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.books.update(&self.labels, |tally| {
            tally.open -= 1;
            tally.unbilled += u64::from(!self.is_billed);
            tally.cut += u64::from(self.is_billed && !self.is_whole);
            tally.prompt_tokens += self.prompt_tokens;
            tally.cached_tokens += self.cached_tokens;
            tally.completion_tokens += self.completion_tokens;
        });
        self.books.changed.notify_waiters();
    }
}
