//! Windows and calls under way, of which only those are counted in windows that there is a limit for.

use core::time::Duration;

use base::{Limits, Moment, Window};

use crate::pass::Pass;
use crate::status::{Obstacle, WindowStatus};
use crate::trailing::Trailing;

/// When to try again where only calls under way are in the way: nobody knows when they end.
const CONCURRENCY_RETRY: Duration = Duration::from_secs(1);

/// See the head of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    /// Those of requests first, and among them the shortest.
    windows: Box<[Trailing]>,
    concurrency: Option<u32>,
    /// Counted without a limit too, so that one set later knows them.
    under_way: u32,
}

/// What one limit says to a call: how full it is, what the call takes of it, and how long it has to wait for it; `None`
/// for ever.
pub(crate) type Said = (WindowStatus, u64, Option<Duration>);

impl Meters {
    /// Takes new limits. Windows that stay keep their counts, a new one counts from now on, one without a limit
    /// forgets. `created` marks the new ones; true when there are any.
    pub(crate) fn configure(&mut self, limits: &Limits, created: u32) -> bool {
        // Tokens per month follow the calendar and are the ledger's.
        let Limits { rpm, rph, rpd, tpm, tpd, tokens_per_month: _, concurrency, block_for: _ } = *limits;
        let mut is_any_new = false;
        let mut before = core::mem::take(&mut self.windows).into_vec();
        let limits = [rpm, rph, rpd, tpm, tpd];
        // As large as they are from the start: an allocator lets what shrinks keep its place, up to twice as large.
        let mut windows = Vec::with_capacity(limits.iter().flatten().count());
        for (kind, limit) in (0_u8..).zip(limits) {
            let known = before.iter().position(|window| window.place() == kind);
            let known = known.map(|place| before.swap_remove(place));
            let Some(limit) = limit else { continue };
            is_any_new |= known.is_none();
            let mut window = known.unwrap_or_else(|| Trailing::new(kind, limit, created));
            window.set_limit(limit);
            windows.push(window);
        }
        self.windows = windows.into_boxed_slice();
        self.concurrency = concurrency.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
        is_any_new
    }

    /// Whether a window is behind `now`, and whether one request of `tokens`, which needs so many slots, fits all of them if
    /// none is.
    ///
    /// Without a branch on what is read: so a processor asks memory for the windows of all accounts of a path at once,
    /// and not for one after the other.
    #[inline]
    pub(crate) fn peek(&self, tokens: u64, slots: u8, now: Moment) -> (bool, bool) {
        let mut is_behind = false;
        let mut fits = (slots == 0) | self.concurrency.is_none_or(|limit| self.under_way < limit);
        for window in &self.windows {
            is_behind |= window.is_behind(now);
            fits &= window.fits(window.amount(1, tokens));
        }
        (is_behind, fits)
    }

    /// Moves the windows to `now` and says whether one request of `tokens`, which needs so many slots, fits all of them.
    #[inline]
    pub(crate) fn fits(&mut self, tokens: u64, slots: u8, now: Moment) -> bool {
        let mut fits = slots == 0 || self.concurrency.is_none_or(|limit| self.under_way < limit);
        for window in &mut self.windows {
            window.advance(now);
            fits &= window.fits(window.amount(1, tokens));
        }
        fits
    }

    /// The gravest of the windows that stand in the way, if any.
    pub(crate) fn full_window(&self, tokens: u64, now: Moment) -> Option<Obstacle> {
        self.windows.iter().filter_map(|window| obstacle(window, tokens, now)).reduce(Obstacle::graver)
    }

    /// The limit of calls at once, when it stands in the way.
    pub(crate) fn full_slots(&self, slots: u8) -> Option<Obstacle> {
        self.concurrency.filter(|&limit| slots > 0 && self.under_way >= limit).map(|limit| Obstacle {
            window: Window::Concurrency,
            limit: limit.into(),
            retry_after: CONCURRENCY_RETRY,
            is_never: limit == 0,
            is_block: false,
            begins_block: false,
        })
    }

    /// Every limit that stands in the way.
    pub(crate) fn each_obstacle(&self, tokens: u64, slots: u8, now: Moment) -> impl Iterator<Item = Obstacle> {
        self.windows.iter().filter_map(move |window| obstacle(window, tokens, now)).chain(self.full_slots(slots))
    }

    /// Takes slots, one request and `tokens` everywhere; the caller has checked that they fit.
    #[inline]
    pub(crate) fn take(&mut self, tokens: u64, slots: u8) {
        for window in &mut self.windows {
            window.take(window.amount(1, tokens));
        }
        self.under_way += u32::from(slots);
    }

    /// Counts what an earlier process admitted at `taken` in the windows that still cover it. Its slots ended with it.
    pub(crate) fn restore(&mut self, requests: u64, tokens: u64, taken: Moment, now: Moment) {
        for window in &mut self.windows {
            window.advance(now);
            window.restore(taken, window.amount(requests, tokens));
        }
    }

    /// Frees the slots of a pass, and gives back what it does not need to the windows that it took from.
    #[inline]
    pub(crate) fn give_back(&mut self, requests: u64, tokens: u64, pass: &Pass) {
        self.under_way = self.under_way.checked_sub(pass.slots.into()).expect("a call under way is counted");
        for window in &mut self.windows {
            if window.created <= pass.created {
                window.give_back(pass.taken, window.amount(requests, tokens));
            }
        }
    }

    /// Whether it counts nothing, so that nobody would know if it began anew.
    pub(crate) fn is_idle(&self, now: Moment) -> bool {
        self.under_way == 0 && self.windows.iter().all(|window| window.used_at(now) == 0)
    }

    /// All windows, and the calls under way where they are limited. While everything is refused, for as long as
    /// `blocked` says, nothing is left in the windows.
    pub(crate) fn statuses(&self, blocked: Duration, now: Moment) -> impl Iterator<Item = WindowStatus> {
        let windows = self.windows.iter().map(move |window| status(window, blocked, now));
        windows.chain(self.concurrency.map(|limit| WindowStatus {
            window: Window::Concurrency,
            limit: limit.into(),
            used: self.under_way.into(),
            remaining: limit.saturating_sub(self.under_way).into(),
            resets_in: Duration::ZERO,
        }))
    }

    /// What each limit says to a call.
    pub(crate) fn said(&self, tokens: u64, blocked: Duration, now: Moment) -> Vec<Said> {
        let windows = self.windows.iter().map(|window| {
            let needs = window.amount(1, tokens);
            let wait = window.wait_for(now, needs).map(|wait| wait.max(blocked));
            (status(window, blocked, now), needs, wait)
        });
        let slots = self.statuses(blocked, now).filter(|status| status.window == Window::Concurrency).map(|status| {
            let full = (status.limit > 0).then_some(CONCURRENCY_RETRY);
            (status, 1, if status.remaining > 0 { Some(Duration::ZERO) } else { full })
        });
        windows.chain(slots).collect()
    }

    /// What is left in the request window, and in the token window, that has least left, with its place.
    pub(crate) fn tightest(&self, is_blocked: bool, now: Moment) -> [Option<(u64, usize)>; 2] {
        let mut tightest = [None; 2];
        for (place, window) in self.windows.iter().enumerate() {
            let left = if is_blocked { 0 } else { window.limit().saturating_sub(window.used_at(now)) };
            let best: &mut Option<(u64, usize)> = &mut tightest[usize::from(window.counts_tokens())];
            if best.is_none_or(|(least, _)| left < least) {
                *best = Some((left, place));
            }
        }
        tightest
    }

    /// The window of this place.
    pub(crate) fn status_at(&self, place: usize, blocked: Duration, now: Moment) -> WindowStatus {
        status(&self.windows[place], blocked, now)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.windows.iter().map(Trailing::bytes).sum()
    }
}

/// Whether one window stands in the way of a call.
fn obstacle(window: &Trailing, tokens: u64, now: Moment) -> Option<Obstacle> {
    let wait = window.wait_for(now, window.amount(1, tokens));
    if wait == Some(Duration::ZERO) {
        return None;
    }
    Some(Obstacle {
        window: window.kind().window,
        limit: window.limit(),
        retry_after: wait.unwrap_or(window.kind().length),
        is_never: wait.is_none(),
        is_block: false,
        begins_block: false,
    })
}

fn status(window: &Trailing, blocked: Duration, now: Moment) -> WindowStatus {
    let used = window.used_at(now);
    let left = window.limit().saturating_sub(used);
    WindowStatus {
        window: window.kind().window,
        limit: window.limit(),
        used,
        remaining: if blocked.is_zero() { left } else { 0 },
        resets_in: window.wait_for_empty(now).max(blocked),
    }
}
