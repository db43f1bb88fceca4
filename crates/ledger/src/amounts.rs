//! What is counted: [`Amounts`] of money and tokens, and the [`Resource`] that names one of the two.

use base::Money;
use serde::{Deserialize, Serialize};

/// The largest amount of either resource. A resource without a limit of its own has this one, so that no sum of two
/// amounts can overflow a `u64`.
pub(crate) const AMOUNT_MAX: u64 = i64::MAX as u64;

/// Money and tokens of one attempt, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Money, in nano-USD.
    pub usd: Money,
    /// Tokens, input and output together.
    pub tokens: u64,
}

impl Amounts {
    /// Nothing of either.
    pub const ZERO: Amounts = Amounts { usd: Money::ZERO, tokens: 0 };

    /// Both amounts as plain numbers, in the order of [`Resource::ALL`].
    pub(crate) const fn numbers(self) -> [u64; 2] {
        [self.usd.nanos().unsigned_abs(), self.tokens]
    }

    /// One of the two as a plain number.
    pub(crate) const fn of(self, resource: Resource) -> u64 {
        match resource {
            Resource::Usd => self.usd.nanos().unsigned_abs(),
            Resource::Tokens => self.tokens,
        }
    }

    /// The reverse of [`Amounts::numbers`]; money beyond the largest amount stops there.
    pub(crate) fn from_numbers([usd, tokens]: [u64; 2]) -> Amounts {
        Amounts { usd: money(usd), tokens }
    }

    /// Each resource's smaller amount.
    #[must_use]
    pub fn min(self, other: Amounts) -> Amounts {
        Amounts { usd: self.usd.min(other.usd), tokens: self.tokens.min(other.tokens) }
    }

    /// Each resource's sum, as far as it can be counted.
    #[must_use]
    pub fn saturating_add(self, other: Amounts) -> Amounts {
        let usd = self.usd.checked_add(other.usd).unwrap_or(Money::MAX);
        Amounts { usd, tokens: self.tokens.saturating_add(other.tokens) }
    }

    /// Each resource's difference, zero where `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Amounts) -> Amounts {
        Amounts { usd: self.usd.saturating_sub(other.usd), tokens: self.tokens.saturating_sub(other.tokens) }
    }
}

/// What one attempt could take of an account path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Available {
    /// The most that a reservation gets at once.
    pub now: Amounts,
    /// The most that it could get if every open hold were released: waiting cannot buy more within these periods.
    pub alone: Amounts,
}

/// Which of the two resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Money; amounts are nano-USD.
    Usd,
    /// Tokens, input and output together.
    Tokens,
}

impl Resource {
    /// Both, money first.
    pub const ALL: [Resource; 2] = [Resource::Usd, Resource::Tokens];
}

/// Nano-USD as money; stops at the largest amount.
pub(crate) fn money(nanos: u64) -> Money {
    Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
