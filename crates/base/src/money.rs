//! Money in integers: [`Money`] (nano-USD), [`Price`] (pico-USD per unit) and [`Cost`], the exact sum between them.

use core::fmt;
use core::iter::Sum;
use core::ops::{Add, AddAssign, Sub, SubAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::DecimalError;
use crate::decimal::{parse_scaled, write_scaled};

/// Decimal places of a US dollar kept in [`Money`].
const NANO_PLACES: u32 = 9;
/// Pico-USD in one nano-USD.
const PICO_PER_NANO: u128 = 1_000;
/// Decimal places that a price per million units may have: $0.000001 per 1M is 1 pico-USD per unit.
const PER_MILLION_PLACES: u32 = 6;
/// Decimal places that a price per single unit (an image, a request) may have.
const PER_UNIT_PLACES: u32 = 12;

/// An amount in nano-USD, never negative, at most about 9.2 billion dollars.
///
/// Arithmetic panics on overflow and underflow: the ledger believes that neither happens, and a wrong sum is worse
/// than a crash. Where the world may cause either, use the `checked_` or `saturating_` forms.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// The largest amount.
    pub const MAX: Money = Money(i64::MAX);

    /// From nano-USD.
    ///
    /// # Panics
    /// When `nanos` is negative.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Money {
        assert!(nanos >= 0, "money is never negative");
        Money(nanos)
    }

    /// From whole dollars.
    ///
    /// # Panics
    /// When the amount does not fit.
    #[must_use]
    pub const fn from_usd(dollars: u32) -> Money {
        Money(dollars as i64 * 1_000_000_000)
    }

    /// This amount in nano-USD; never negative.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads dollars such as `"1000.00"`, exact to nine decimal places.
    ///
    /// # Errors
    /// [`DecimalError`] for signs, exponents, too many places, or too large a number.
    pub fn parse_usd(text: &str) -> Result<Money, DecimalError> {
        let nanos = parse_scaled(text, NANO_PLACES)?;
        i64::try_from(nanos).map(Money).map_err(|_| DecimalError::TooLarge)
    }

    /// The sum, or `None` when it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Money) -> Option<Money> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Money(nanos)),
            None => None,
        }
    }

    /// The difference, or `None` when `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Money) -> Option<Money> {
        if other.0 > self.0 { None } else { Some(Money(self.0 - other.0)) }
    }

    /// The difference, or zero when `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Money) -> Money {
        if other.0 > self.0 { Money(0) } else { Money(self.0 - other.0) }
    }
}

impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        self.checked_add(other).expect("a sum of money overflowed")
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = *self + other;
    }
}

impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        self.checked_sub(other).expect("money fell below zero")
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        *self = *self - other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(amounts: I) -> Money {
        amounts.fold(Money::ZERO, Add::add)
    }
}

/// Dollars with at least two decimal places and all significant ones: `0.30`, `0.000000001`.
impl Money {
    /// Writes it as it is displayed, without the formatting machinery.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn write_usd(self, out: &mut impl fmt::Write) -> fmt::Result {
        write_scaled(out, self.0.unsigned_abs(), NANO_PLACES)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_usd(f)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}")
    }
}

/// As a decimal string: JSON numbers are floats to most readers.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Money::parse_usd(&text).map_err(de::Error::custom)
    }
}

/// A price in pico-USD per unit (a token, an image, a second, a request). Zero means free, said explicitly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Price(u64);

impl Price {
    /// Explicitly free.
    pub const FREE: Price = Price(0);

    /// From pico-USD per unit.
    #[must_use]
    pub const fn from_picos(picos: u64) -> Price {
        Price(picos)
    }

    /// Pico-USD per unit.
    #[must_use]
    pub const fn picos(self) -> u64 {
        self.0
    }

    /// Reads USD per one million units, exact to six decimal places: `"0.0375"` is 37,500 pico-USD per unit.
    ///
    /// # Errors
    /// [`DecimalError`] for signs, exponents, too many places, or too large a number.
    pub fn parse_per_million(text: &str) -> Result<Price, DecimalError> {
        parse_scaled(text, PER_MILLION_PLACES).map(Price)
    }

    /// Reads USD per single unit, exact to twelve decimal places: `"0.04"` for an image.
    ///
    /// # Errors
    /// [`DecimalError`] for signs, exponents, too many places, or too large a number.
    pub fn parse_per_unit(text: &str) -> Result<Price, DecimalError> {
        parse_scaled(text, PER_UNIT_PLACES).map(Price)
    }
}

/// USD per one million units.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, PER_MILLION_PLACES)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${self}/1M")
    }
}

/// As a decimal string of USD per one million units.
impl Serialize for Price {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Price::parse_per_million(&text).map_err(de::Error::custom)
    }
}

/// An exact sum of units times prices, in pico-USD, before its single rounding.
///
/// A `u128` holds 2^64 units at the highest price sixteen times over, so that adding up one attempt cannot overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cost {
    picos: u128,
}

impl Cost {
    /// Nothing yet.
    pub const ZERO: Cost = Cost { picos: 0 };

    /// Adds `units` at `price`; saturates instead of overflowing, which only ever makes a hold larger.
    #[must_use]
    pub const fn plus(self, units: u64, price: Price) -> Cost {
        Cost { picos: self.picos.saturating_add(units as u128 * price.0 as u128) }
    }

    /// The exact sum in pico-USD.
    #[must_use]
    pub const fn picos(self) -> u128 {
        self.picos
    }

    /// The charge for one attempt: rounded **up**, once, to nano-USD; [`Money::MAX`] when it does not fit.
    #[must_use]
    pub fn charge_ceil(self) -> Money {
        let nanos = self.picos.div_ceil(PICO_PER_NANO);
        i64::try_from(nanos).map_or(Money::MAX, Money)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_exact_pico_dollars() {
        let cases =
            [("8.00", 8_000_000), ("0.0375", 37_500), ("0.42", 420_000), ("0", 0), ("0.000001", 1), ("15", 15_000_000)];
        for (text, picos) in cases {
            assert_eq!(Price::parse_per_million(text), Ok(Price::from_picos(picos)), "{text}");
        }
        assert_eq!(Price::parse_per_unit("0.04"), Ok(Price::from_picos(40_000_000_000)));
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        use DecimalError::{Empty, Exponent, NotADigit, Sign, TooLarge, TooPrecise};
        let cases = [
            ("", Empty),
            (".5", Empty),
            ("5.", Empty),
            ("-1", Sign),
            ("+1", Sign),
            ("1e3", Exponent),
            ("1E-3", Exponent),
            ("1,5", NotADigit),
            ("1.2.3", NotADigit),
            ("NaN", NotADigit),
            ("inf", NotADigit),
            (" 1", NotADigit),
            ("0.0000001", TooPrecise(6)),
            ("99999999999999999999", TooLarge),
            ("18446744073709.551616", TooLarge),
            ("٣", NotADigit),
        ];
        for (text, error) in cases {
            assert_eq!(Price::parse_per_million(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_charge_is_rounded_up_once() {
        let price = Price::from_picos(1);
        assert_eq!(Cost::ZERO.plus(1, price).charge_ceil(), Money::from_nanos(1));
        assert_eq!(Cost::ZERO.plus(1000, price).charge_ceil(), Money::from_nanos(1));
        assert_eq!(Cost::ZERO.plus(1000, price).plus(1, price).charge_ceil(), Money::from_nanos(2));
        assert_eq!(Cost::ZERO.plus(u64::MAX, Price::from_picos(u64::MAX)).charge_ceil(), Money::MAX);
    }

    #[test]
    fn money_reads_what_it_writes() {
        for nanos in [0, 1, 999, 1_000_000_000, 1_234_567_890_123, i64::MAX] {
            let money = Money::from_nanos(nanos);
            assert_eq!(Money::parse_usd(&money.to_string()), Ok(money));
            assert_eq!(serde_json::from_str::<Money>(&serde_json::to_string(&money).unwrap()).unwrap(), money);
        }
        assert_eq!(Money::from_usd(100).to_string(), "100.00");
        assert_eq!(Money::from_nanos(8_000).to_string(), "0.000008");
    }

    #[test]
    #[should_panic(expected = "money fell below zero")]
    fn money_never_goes_below_zero() {
        let _ = Money::from_nanos(1) - Money::from_nanos(2);
    }
}
