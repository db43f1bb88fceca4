//! The windows of one account, of which only those exist that it has a limit for.

use core::time::Duration;

use base::{AccountIndex, Limits, Moment, Window};

use crate::status::{Breach, WindowStatus};
use crate::trailing::{Count, Trailing, bucket_nanos};

/// One kind of trailing window.
#[derive(Clone, Copy)]
struct Kind {
    window: Window,
    length: Duration,
    /// The length of one bucket in nanoseconds.
    width: u64,
}

impl Kind {
    const fn of(window: Window) -> Kind {
        let length = window.length().expect("request and token windows have a length");
        Kind { window, length, width: bucket_nanos(length) }
    }
}

/// The windows that count requests, shortest first.
const REQUEST_WINDOWS: [Kind; 3] =
    [Kind::of(Window::RequestsPerMinute), Kind::of(Window::RequestsPerHour), Kind::of(Window::RequestsPerDay)];
/// The windows that count tokens, shortest first.
const TOKEN_WINDOWS: [Kind; 2] = [Kind::of(Window::TokensPerMinute), Kind::of(Window::TokensPerDay)];
/// When to try again where only calls under way are in the way: nobody knows when they end.
const CONCURRENCY_RETRY: Duration = Duration::from_secs(1);

/// An account's windows and calls under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    requests: [Option<Trailing<u32>>; 3],
    tokens: [Option<Trailing<u64>>; 2],
    concurrency: Option<u64>,
    /// Counted without a limit too, so that one set later knows them.
    under_way: u64,
}

/// Sets, keeps or drops one window; true when it is new.
fn place<C: Count>(window: &mut Option<Trailing<C>>, limit: Option<u64>, created: u32) -> bool {
    match (window.as_mut(), limit) {
        (Some(window), Some(limit)) => window.set_limit(limit),
        (None, Some(limit)) => {
            *window = Some(Trailing::new(limit, created));
            return true;
        }
        (_, None) => *window = None,
    }
    false
}

impl Account {
    /// Takes new limits. Windows that stay keep their counts, a new one counts from now on, one without a limit
    /// forgets. `created` marks the new ones; true when there are any.
    pub(crate) fn configure(&mut self, limits: &Limits, created: u32) -> bool {
        // Tokens per month follow the calendar and are the ledger's.
        let Limits { rpm, rph, rpd, tpm, tpd, tokens_per_month: _, concurrency } = *limits;
        let mut is_any_new = false;
        for (window, limit) in self.requests.iter_mut().zip([rpm, rph, rpd]) {
            is_any_new |= place(window, limit, created);
        }
        for (window, limit) in self.tokens.iter_mut().zip([tpm, tpd]) {
            is_any_new |= place(window, limit, created);
        }
        self.concurrency = concurrency;
        is_any_new
    }

    /// Moves the windows to `now` and says whether one request of `tokens` fits all of them.
    pub(crate) fn fits(&mut self, tokens: u64, now: Moment) -> bool {
        let mut fits = self.concurrency.is_none_or(|limit| self.under_way < limit);
        for (window, kind) in self.requests.iter_mut().zip(REQUEST_WINDOWS) {
            if let Some(window) = window {
                window.advance(kind.width, now);
                fits &= window.fits(1);
            }
        }
        for (window, kind) in self.tokens.iter_mut().zip(TOKEN_WINDOWS) {
            if let Some(window) = window {
                window.advance(kind.width, now);
                fits &= window.fits(tokens);
            }
        }
        fits
    }

    /// The gravest of the limits that stand in the way, if any.
    pub(crate) fn breach(&self, account: AccountIndex, tokens: u64, now: Moment) -> Option<Breach> {
        let requests = self
            .requests
            .iter()
            .zip(REQUEST_WINDOWS)
            .filter_map(|(window, kind)| window.as_ref().and_then(|window| breach(window, account, kind, 1, now)));
        let tokens =
            self.tokens.iter().zip(TOKEN_WINDOWS).filter_map(|(window, kind)| {
                window.as_ref().and_then(|window| breach(window, account, kind, tokens, now))
            });
        let full = self.concurrency.filter(|&limit| self.under_way >= limit).map(|limit| Breach {
            account,
            window: Window::Concurrency,
            limit,
            retry_after: CONCURRENCY_RETRY,
            is_never: limit == 0,
        });
        requests.chain(tokens).chain(full).reduce(Breach::graver)
    }

    /// Takes a slot, one request and `tokens` everywhere; the caller has checked that they fit.
    pub(crate) fn take(&mut self, tokens: u64) {
        for window in self.requests.iter_mut().flatten() {
            window.take(1);
        }
        for window in self.tokens.iter_mut().flatten() {
            window.take(tokens);
        }
        self.under_way += 1;
    }

    /// Counts what an earlier process admitted at `taken` in the windows that still cover it. Its slots ended with it.
    pub(crate) fn restore(&mut self, requests: u64, tokens: u64, taken: Moment, now: Moment) {
        for (window, kind) in self.requests.iter_mut().zip(REQUEST_WINDOWS) {
            if let Some(window) = window {
                window.advance(kind.width, now);
                window.restore(kind.width, taken, requests);
            }
        }
        for (window, kind) in self.tokens.iter_mut().zip(TOKEN_WINDOWS) {
            if let Some(window) = window {
                window.advance(kind.width, now);
                window.restore(kind.width, taken, tokens);
            }
        }
    }

    /// Frees the slot of a pass, and gives back what it does not need to the windows that it took from.
    pub(crate) fn give_back(&mut self, requests: u64, tokens: u64, taken: Moment, created: u32) {
        self.under_way = self.under_way.checked_sub(1).expect("a call under way is counted");
        for (window, kind) in self.requests.iter_mut().zip(REQUEST_WINDOWS) {
            if let Some(window) = window.as_mut().filter(|window| window.created <= created) {
                window.give_back(kind.width, taken, requests);
            }
        }
        for (window, kind) in self.tokens.iter_mut().zip(TOKEN_WINDOWS) {
            if let Some(window) = window.as_mut().filter(|window| window.created <= created) {
                window.give_back(kind.width, taken, tokens);
            }
        }
    }

    /// The request windows, shortest first.
    pub(crate) fn request_statuses(&self, now: Moment) -> impl Iterator<Item = WindowStatus> {
        let present = self.requests.iter().zip(REQUEST_WINDOWS);
        present.filter_map(move |(window, kind)| window.as_ref().map(|window| status(window, kind, now)))
    }

    /// The token windows, shortest first.
    pub(crate) fn token_statuses(&self, now: Moment) -> impl Iterator<Item = WindowStatus> {
        let present = self.tokens.iter().zip(TOKEN_WINDOWS);
        present.filter_map(move |(window, kind)| window.as_ref().map(|window| status(window, kind, now)))
    }

    /// What is left in the request window (its place among them) that has least left.
    pub(crate) fn tightest_request(&self, now: Moment) -> Option<(u64, usize)> {
        tightest(&self.requests, &REQUEST_WINDOWS, now)
    }

    /// As for requests.
    pub(crate) fn tightest_tokens(&self, now: Moment) -> Option<(u64, usize)> {
        tightest(&self.tokens, &TOKEN_WINDOWS, now)
    }

    /// The request window of this place.
    pub(crate) fn request_status(&self, place: usize, now: Moment) -> Option<WindowStatus> {
        self.requests[place].as_ref().map(|window| status(window, REQUEST_WINDOWS[place], now))
    }

    /// The token window of this place.
    pub(crate) fn token_status(&self, place: usize, now: Moment) -> Option<WindowStatus> {
        self.tokens[place].as_ref().map(|window| status(window, TOKEN_WINDOWS[place], now))
    }

    /// The calls under way, where they are limited.
    pub(crate) fn concurrency_status(&self) -> Option<WindowStatus> {
        self.concurrency.map(|limit| WindowStatus {
            window: Window::Concurrency,
            limit,
            used: self.under_way,
            remaining: limit.saturating_sub(self.under_way),
            resets_in: Duration::ZERO,
        })
    }
}

/// The least that is left in one of these windows, and its place.
fn tightest<C: Count>(windows: &[Option<Trailing<C>>], kinds: &[Kind], now: Moment) -> Option<(u64, usize)> {
    let present = windows.iter().zip(kinds).enumerate();
    let left = present.filter_map(|(place, (window, kind))| {
        window.as_ref().map(|window| (window.limit().saturating_sub(window.used_at(kind.width, now)), place))
    });
    left.min()
}

/// Whether one window stands in the way of `amount`.
fn breach<C: Count>(
    window: &Trailing<C>,
    account: AccountIndex,
    kind: Kind,
    amount: u64,
    now: Moment,
) -> Option<Breach> {
    let wait = window.wait_for(kind.width, now, amount);
    if wait == Some(Duration::ZERO) {
        return None;
    }
    let retry_after = wait.unwrap_or(kind.length);
    Some(Breach { account, window: kind.window, limit: window.limit(), retry_after, is_never: wait.is_none() })
}

fn status<C: Count>(window: &Trailing<C>, kind: Kind, now: Moment) -> WindowStatus {
    let used = window.used_at(kind.width, now);
    WindowStatus {
        window: kind.window,
        limit: window.limit(),
        used,
        remaining: window.limit().saturating_sub(used),
        resets_in: window.wait_for_empty(kind.width, now),
    }
}
