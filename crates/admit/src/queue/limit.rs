//! How many calls an upstream may work on at once: fixed, or learnt from what it answers.

use core::time::Duration;

use base::Moment;

/// Where a learnt limit begins: more than most providers refuse at, for what is refused teaches it.
const FIRST: u64 = 1_024;
const LIMIT_MAX: u64 = 16_384;
/// Slowness alone never lowers a limit below this: how long a model thinks before it begins says more of the prompt than of
/// the load, and an upstream that is slow and takes every call must not be cut down to a few.
const SLOW_MIN: u64 = 256;
/// Calls are slow when they take this many times what the same kind took at its best.
const SLOW_TIMES: u64 = 8;
/// Kinds of calls whose latency is known.
const KINDS: usize = 16;
/// A provider's quota is believed for this long at most, so that a wrong header cannot stop an upstream.
const QUOTA_MAX: Duration = Duration::from_secs(60);

/// The concurrency limit of an upstream.
#[derive(Debug)]
pub enum Limit {
    /// The operator's.
    Fixed(u32),
    /// Learnt.
    Adaptive(Box<Adaptive>),
}

/// What the head of an answer says about the upstream's load.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answered {
    /// It refused because it has too much to do: 429, 503, 529.
    pub refused: bool,
    /// How long the head took, and for which kind of call (any number): only kinds whose head does not wait for the
    /// whole answer say something.
    pub latency: Option<(u64, Duration)>,
    /// Requests that it still takes, and when that changes.
    pub requests: Option<Quota>,
    /// Tokens that it still takes.
    pub tokens: Option<Quota>,
}

/// What a provider says is left of one of its own limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What is left.
    pub remaining: u64,
    /// How long until it is full again.
    pub resets_in: Duration,
}

/// What is left of a quota, as far as is known.
#[derive(Debug, Clone, Copy)]
struct Left {
    remaining: u64,
    resets: Moment,
}

/// A limit that goes up by one for each round of answers that needed it, down by a tenth when the upstream refuses, down
/// by a twentieth when its answers begin much later than at its best; and that stops at the provider's own quotas, so
/// that what is left of them is shared fairly rather than by who is refused.
#[derive(Debug)]
pub struct Adaptive {
    /// In thousandths.
    limit: u64,
    /// Calls from before the last change downwards say nothing new.
    lowered: Moment,
    kinds: [Kind; KINDS],
    requests: Option<Left>,
    tokens: Option<Left>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    id: u64,
    /// Nanoseconds of the fastest, which is believed a little less with every call.
    best: u64,
    /// A moving average over about sixteen calls.
    now: u64,
}

impl Kind {
    /// Takes one call in; says whether this kind is slow.
    fn note(&mut self, id: u64, latency: u64) -> bool {
        if self.id != id || self.best == 0 {
            *self = Kind { id, best: latency, now: latency };
            return false;
        }
        self.best = (self.best + self.best / 4_096 + 1).min(latency);
        self.now = self.now - self.now / 16 + latency / 16;
        self.now > self.best.saturating_mul(SLOW_TIMES)
    }
}

impl Default for Adaptive {
    fn default() -> Adaptive {
        let kinds = [Kind::default(); KINDS];
        Adaptive { limit: FIRST * 1_000, lowered: Moment::START, kinds, requests: None, tokens: None }
    }
}

impl Limit {
    /// A fixed limit, or one that is learnt.
    #[must_use]
    pub fn new(fixed: Option<u32>) -> Limit {
        fixed.map_or_else(|| Limit::Adaptive(Box::default()), |most| Limit::Fixed(most.max(1)))
    }

    /// Calls at once.
    #[must_use]
    pub fn most(&self) -> u32 {
        match self {
            Limit::Fixed(most) => *most,
            Limit::Adaptive(adaptive) => adaptive.most(),
        }
    }

    /// Takes in what an answer's head says, of a call that was admitted at `started`, with `running` calls under way.
    pub fn answered(&mut self, started: Moment, answered: &Answered, running: u32, now: Moment) {
        if let Limit::Adaptive(adaptive) = self {
            adaptive.answered(started, answered, running, now);
        }
    }

    /// Counts a call of `tokens` against the provider's quotas.
    pub(crate) fn spend(&mut self, tokens: u64) {
        if let Limit::Adaptive(adaptive) = self {
            for (left, amount) in [(&mut adaptive.requests, 1), (&mut adaptive.tokens, tokens)] {
                if let Some(left) = left {
                    left.remaining = left.remaining.saturating_sub(amount);
                }
            }
        }
    }

    /// When the next call may go, if the provider's quotas say that none may now.
    #[must_use]
    pub fn opens_at(&self, now: Moment) -> Option<Moment> {
        match self {
            Limit::Fixed(_) => None,
            Limit::Adaptive(adaptive) => {
                let spent = |left: &Option<Left>| left.filter(|left| left.remaining == 0).map(|left| left.resets);
                let opens = spent(&adaptive.requests).max(spent(&adaptive.tokens));
                opens.filter(|&opens| opens > now)
            }
        }
    }
}

impl Adaptive {
    fn most(&self) -> u32 {
        u32::try_from(self.limit / 1_000).unwrap_or(u32::MAX).max(1)
    }

    fn answered(&mut self, started: Moment, answered: &Answered, running: u32, now: Moment) {
        if let Some(told) = answered.requests {
            self.requests = Some(left(told, u64::from(running).saturating_sub(1), now));
        }
        if let Some(told) = answered.tokens {
            self.tokens = Some(left(told, 0, now));
        }
        let slow = answered.latency.is_some_and(|(id, latency)| {
            let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX / 16);
            self.kinds[id as usize % KINDS].note(id, nanos)
        });
        let needed = self.limit.min(u64::from(running).max(1) * 1_000);
        let is_news = started >= self.lowered;
        if answered.refused {
            if is_news {
                self.limit = (needed * 9 / 10).max(1_000);
                self.lowered = now;
            }
        } else if slow && is_news && needed > SLOW_MIN * 1_000 {
            self.limit = (needed * 19 / 20).max(SLOW_MIN * 1_000);
            self.lowered = now;
        } else if !slow && u64::from(running) * 1_250 >= self.limit {
            self.limit = (self.limit + 1_000_000 / self.limit.max(1_000)).min(LIMIT_MAX * 1_000);
        }
    }
}

/// What a provider says is left, less what is on its way to it: it may not have counted that yet.
fn left(told: Quota, under_way: u64, now: Moment) -> Left {
    Left {
        remaining: told.remaining.saturating_sub(under_way),
        resets: now.saturating_add(told.resets_in.min(QUOTA_MAX)),
    }
}
