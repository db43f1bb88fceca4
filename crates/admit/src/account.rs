//! The windows of one account, of which only those exist that it has a limit for.

use core::time::Duration;

use base::{AccountIndex, Limits, Moment, Window};

use crate::status::{Breach, WindowStatus};
use crate::trailing::{Count, Trailing};

/// The windows that count requests, shortest first.
const REQUEST_WINDOWS: [Window; 3] = [Window::RequestsPerMinute, Window::RequestsPerHour, Window::RequestsPerDay];
/// The windows that count tokens, shortest first.
const TOKEN_WINDOWS: [Window; 2] = [Window::TokensPerMinute, Window::TokensPerDay];
/// When to try again where only calls under way are in the way: nobody knows when they end.
const CONCURRENCY_RETRY: Duration = Duration::from_secs(1);

/// An account's windows and calls under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    requests: [Option<Box<Trailing<u32>>>; 3],
    tokens: [Option<Box<Trailing<u64>>>; 2],
    concurrency: Option<u64>,
    /// Counted without a limit too, so that one set later knows them.
    under_way: u64,
}

/// The length of a trailing window.
fn length(window: Window) -> Duration {
    window.length().expect("request and token windows have a length")
}

/// Sets, keeps or drops one window; true when it is new.
fn place<C: Count>(window: &mut Option<Box<Trailing<C>>>, limit: Option<u64>, created: u32) -> bool {
    match (window.as_mut(), limit) {
        (Some(window), Some(limit)) => window.set_limit(limit),
        (None, Some(limit)) => {
            *window = Some(Box::new(Trailing::new(limit, created)));
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
        for (window, name) in self.requests.iter_mut().zip(REQUEST_WINDOWS) {
            if let Some(window) = window {
                window.advance(length(name), now);
                fits &= window.fits(1);
            }
        }
        for (window, name) in self.tokens.iter_mut().zip(TOKEN_WINDOWS) {
            if let Some(window) = window {
                window.advance(length(name), now);
                fits &= window.fits(tokens);
            }
        }
        fits
    }

    /// The gravest of the limits that stand in the way, if any.
    pub(crate) fn breach(&self, account: AccountIndex, tokens: u64, now: Moment) -> Option<Breach> {
        let requests = self.requests.iter().zip(REQUEST_WINDOWS).filter_map(|(window, name)| {
            window.as_ref().and_then(|window| breach(window, account, name, 1, now))
        });
        let tokens = self.tokens.iter().zip(TOKEN_WINDOWS).filter_map(|(window, name)| {
            window.as_ref().and_then(|window| breach(window, account, name, tokens, now))
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

    /// Frees the slot of a pass, and gives back what it does not need to the windows that it took from.
    pub(crate) fn give_back(&mut self, requests: u64, tokens: u64, taken: Moment, created: u32) {
        self.under_way = self.under_way.checked_sub(1).expect("a call under way is counted");
        for (window, name) in self.requests.iter_mut().zip(REQUEST_WINDOWS) {
            if let Some(window) = window.as_mut().filter(|window| window.created <= created) {
                window.give_back(length(name), taken, requests);
            }
        }
        for (window, name) in self.tokens.iter_mut().zip(TOKEN_WINDOWS) {
            if let Some(window) = window.as_mut().filter(|window| window.created <= created) {
                window.give_back(length(name), taken, tokens);
            }
        }
    }

    /// The request windows, shortest first.
    pub(crate) fn request_statuses(&self, now: Moment) -> impl Iterator<Item = WindowStatus> {
        let present = self.requests.iter().zip(REQUEST_WINDOWS);
        present.filter_map(move |(window, name)| window.as_ref().map(|window| status(window, name, now)))
    }

    /// The token windows, shortest first.
    pub(crate) fn token_statuses(&self, now: Moment) -> impl Iterator<Item = WindowStatus> {
        let present = self.tokens.iter().zip(TOKEN_WINDOWS);
        present.filter_map(move |(window, name)| window.as_ref().map(|window| status(window, name, now)))
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

/// Whether one window stands in the way of `amount`.
fn breach<C: Count>(
    window: &Trailing<C>,
    account: AccountIndex,
    name: Window,
    amount: u64,
    now: Moment,
) -> Option<Breach> {
    let wait = window.wait_for(length(name), now, amount);
    if wait == Some(Duration::ZERO) {
        return None;
    }
    let retry_after = wait.unwrap_or(length(name));
    Some(Breach { account, window: name, limit: window.limit(), retry_after, is_never: wait.is_none() })
}

fn status<C: Count>(window: &Trailing<C>, name: Window, now: Moment) -> WindowStatus {
    let used = window.used_at(length(name), now);
    WindowStatus {
        window: name,
        limit: window.limit(),
        used,
        remaining: window.limit().saturating_sub(used),
        resets_in: window.wait_for_empty(length(name), now),
    }
}
