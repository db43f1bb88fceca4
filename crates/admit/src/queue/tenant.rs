//! One tenant in one queue: its counter, its calls under way, and its line of waiting calls.

use core::time::Duration;
use std::collections::VecDeque;

use base::{AccountIndex, Moment, Priority};

use crate::queue::ask::Ask;
use crate::queue::line::Stand;
use crate::queue::rate::Kept;

/// Virtual units of one token at weight 1. Divides finely enough that a weight of 1000 rounds by less than 2 % of one
/// token, and leaves room for 2.8 x 10^14 tokens.
pub(crate) const UNITS_PER_TOKEN: u64 = 1 << 16;

/// How long a tenant's use of places is remembered, once or twice; and when an idle tenant is forgotten.
pub(crate) const MEMORY: Duration = Duration::from_secs(10);

/// A call that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    pub(crate) sequence: u64,
    pub(crate) tokens: u64,
    pub(crate) bytes: u64,
    /// It left; its place in the line is cleared when it comes to the front, or when half of the line is like it.
    is_gone: bool,
}

/// The line of one tenant, first come, first served.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The first one, if any, is not gone.
    line: VecDeque<Waiter>,
    live: u32,
    bytes: u64,
}

impl Waiting {
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn front(&self) -> Option<&Waiter> {
        self.line.front()
    }

    pub(crate) fn push(&mut self, sequence: u64, ask: &Ask) {
        // Most tenants never have two that wait.
        if self.line.capacity() == 0 {
            self.line.reserve_exact(1);
        }
        self.line.push_back(Waiter { sequence, tokens: ask.tokens, bytes: ask.bytes, is_gone: false });
        self.live += 1;
        self.bytes += ask.bytes;
    }

    pub(crate) fn pop(&mut self) -> Option<Waiter> {
        let waiter = self.line.pop_front()?;
        self.live -= 1;
        self.bytes -= waiter.bytes;
        self.tidy();
        Some(waiter)
    }

    /// Takes one out of the line, wherever it stands; says whether it stood there.
    pub(crate) fn leave(&mut self, sequence: u64) -> bool {
        let Ok(at) = self.line.binary_search_by_key(&sequence, |waiter| waiter.sequence) else { return false };
        let waiter = &mut self.line[at];
        if waiter.is_gone {
            return false;
        }
        waiter.is_gone = true;
        self.live -= 1;
        self.bytes -= waiter.bytes;
        if (self.live as usize) < self.line.len() / 2 {
            self.line.retain(|waiter| !waiter.is_gone);
        }
        self.tidy();
        true
    }

    /// Keeps the front alive, and gives back the memory of a line that was long once.
    fn tidy(&mut self) {
        while self.line.front().is_some_and(|waiter| waiter.is_gone) {
            self.line.pop_front();
        }
        if self.line.capacity() > 32 && self.line.len() < self.line.capacity() / 8 {
            self.line.shrink_to(16);
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity_bytes(&self) -> usize {
        self.line.capacity() * size_of::<Waiter>()
    }
}

/// The largest number of places used in the current span of [`MEMORY`] and in the one before.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peak {
    span: u64,
    current: u32,
    before: u32,
}

impl Peak {
    pub(crate) fn note(&mut self, demand: u32, now: Moment) {
        let span = now.nanos() / MEMORY.as_nanos() as u64;
        if span != self.span {
            self.before = if span == self.span + 1 { self.current } else { 0 };
            (self.span, self.current) = (span, 0);
        }
        self.current = self.current.max(demand);
    }

    pub(crate) fn get(self) -> u32 {
        self.current.max(self.before)
    }
}

/// The places that a tenant wants, those that its calls wait for included: an average over about [`MEMORY`], so that
/// neither a burst nor a moment in which everything stands still says much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// In parts of 1024, as far as there is room for them: 4 million places.
    average: u32,
    last: u32,
    since: Moment,
}

impl Demand {
    fn new(now: Moment) -> Demand {
        Demand { average: 0, last: 0, since: now }
    }

    /// From `now` on it is this.
    pub(crate) fn note(&mut self, demand: u32, now: Moment) {
        let span = now.saturating_since(self.since).as_nanos();
        let was = u128::from(self.last) << 10;
        let mixed = (u128::from(self.average) * MEMORY.as_nanos() + was * span) / (MEMORY.as_nanos() + span);
        *self = Demand { average: u32::try_from(mixed).unwrap_or(u32::MAX), last: demand, since: now };
    }

    /// Whether it is less than so many places.
    pub(crate) fn is_below(self, places: u32) -> bool {
        u64::from(self.average) < u64::from(places) << 10
    }

    #[cfg(test)]
    pub(crate) fn assume(&mut self, places: u32) {
        self.average = places << 10;
    }
}

/// See the module's description.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) account: AccountIndex,
    pub(crate) weight: u32,
    pub(crate) priority: Priority,
    /// Virtual units that it has had, in calls that have ended. Never goes down.
    pub(crate) settled: u64,
    /// Virtual units that its calls under way are expected to use.
    pub(crate) pending: u64,
    pub(crate) running: u32,
    /// Places that are kept for it, while none of its calls waits.
    pub(crate) claim: u32,
    pub(crate) peak: Peak,
    pub(crate) wants: Demand,
    pub(crate) ratio: Ratio,
    pub(crate) kept: Kept,
    pub(crate) waiting: Waiting,
    /// Where it stands among the tenants that wait.
    pub(crate) stand: Option<Stand>,
    pub(crate) touched: Moment,
}

impl Tenant {
    pub(crate) fn new(ask: &Ask, now: Moment) -> Tenant {
        Tenant {
            account: ask.tenant,
            weight: ask.weight.max(1),
            priority: ask.priority,
            settled: 0,
            pending: 0,
            running: 0,
            claim: 0,
            peak: Peak::default(),
            wants: Demand::new(now),
            ratio: Ratio::UNKNOWN,
            kept: Kept::default(),
            waiting: Waiting::default(),
            stand: None,
            touched: now,
        }
    }

    /// Its virtual token counter.
    pub(crate) fn counter(&self) -> u64 {
        self.settled.saturating_add(self.pending)
    }

    pub(crate) fn demand(&self) -> u32 {
        self.running + self.waiting.len()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.demand() == 0
    }
}

/// Tokens as virtual units of a weight, rounded up.
pub(crate) fn units(tokens: u64, weight: u32) -> u64 {
    tokens.saturating_mul(UNITS_PER_TOKEN).div_ceil(u64::from(weight.max(1)))
}

/// The part of their worst case that calls use, as learnt: a moving average over about eight calls.
///
/// A worst case is often fifty times what a call uses. Charged in full, the correction at the end would be larger than
/// the charge, and the order would follow the guesses rather than the use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio(u32);

impl Ratio {
    /// Before anything was learnt: the worst case itself.
    pub(crate) const UNKNOWN: Ratio = Ratio(u32::MAX);

    /// This one, or `other` while nothing is known.
    pub(crate) fn or(self, other: Ratio) -> Ratio {
        if self.0 == u32::MAX { other } else { self }
    }

    pub(crate) fn expect(self, worst: u64) -> u64 {
        let expected = (u128::from(worst) * (u128::from(self.0) + 1)) >> 32;
        u64::try_from(expected).unwrap_or(u64::MAX).max(1)
    }

    pub(crate) fn learn(&mut self, used: u64, worst: u64) {
        let seen = (u128::from(used.min(worst)) << 32) / u128::from(worst.max(1));
        let seen = u32::try_from(seen).unwrap_or(u32::MAX).min(u32::MAX - 1);
        // The first call says more than the assumption before it.
        self.0 = if self.0 == u32::MAX { seen } else { self.0 - self.0 / 8 + seen / 8 };
    }
}
