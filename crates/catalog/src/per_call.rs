//! Prices per single call or search, written as plain USD ("0.005"): per million, as tokens are priced, nobody could read them.

use base::Price;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Decimal places of a US dollar in a [`Price`].
const PLACES: usize = 12;

/// Writes USD per unit with at least two decimal places.
pub(crate) fn text(price: Price) -> String {
    let unit = 10_u64.pow(PLACES as u32);
    let fraction = format!("{:0width$}", price.picos() % unit, width = PLACES);
    let kept = fraction.trim_end_matches('0').len().max(2);
    format!("{}.{}", price.picos() / unit, &fraction[..kept])
}

/// For `#[serde(with)]`: an optional price as a decimal string of USD per unit.
pub(crate) fn serialize<S: Serializer>(price: &Option<Price>, serializer: S) -> Result<S::Ok, S::Error> {
    match price {
        Some(price) => serializer.serialize_some(&text(*price)),
        None => serializer.serialize_none(),
    }
}

/// The inverse of [`serialize`].
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Price>, D::Error> {
    let text = <Option<std::borrow::Cow<'de, str>>>::deserialize(deserializer)?;
    text.map(|text| Price::parse_per_unit(&text).map_err(de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_per_call_is_read_back_exactly() {
        for (written, picos) in
            [("0.01", 10_000_000_000), ("0.00", 0), ("0.000000000001", 1), ("12.50", 12_500_000_000_000)]
        {
            let price = Price::parse_per_unit(written).unwrap();
            assert_eq!((price.picos(), text(price).as_str()), (picos, written));
        }
    }
}
