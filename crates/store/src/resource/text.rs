//! Times and spans as people write them in a resource file: `"2027-01-01T00:00:00Z"` and `"60s"`.

/// Points in time as RFC 3339 text.
pub(super) mod rfc3339 {
    use core::fmt;

    use base::Timestamp;
    use serde::{Deserializer, Serializer, de};

    /// Writes a time in UTC.
    pub(in crate::resource) fn serialize<S: Serializer>(
        time: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            None => serializer.serialize_none(),
            Some(time) => match jiff::Timestamp::from_microsecond(time.micros()) {
                Ok(time) => serializer.collect_str(&time),
                Err(_) => Err(serde::ser::Error::custom("the time is beyond the calendar")),
            },
        }
    }

    struct Reader;

    impl de::Visitor<'_> for Reader {
        type Value = Option<Timestamp>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a quoted RFC 3339 time such as \"2027-01-01T00:00:00Z\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<Timestamp>, E> {
            let time: jiff::Timestamp = text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
            Ok(Some(Timestamp::from_micros(time.as_microsecond())))
        }
    }

    /// Reads a time with any offset.
    pub(in crate::resource) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        deserializer.deserialize_str(Reader)
    }
}

/// Spans as a whole number and a unit: `250ms`, `60s`, `10m`, `1h`.
pub(super) mod span {
    use core::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Units in milliseconds, longest first.
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    /// The span as text in its longest whole unit; parts below a millisecond are left out.
    pub(crate) fn write(span: Duration) -> String {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, unit): &&(&str, u64)| millis > 0 && millis.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("s", 1_000));
        format!("{}{name}", millis / unit)
    }

    /// Reads the text form.
    pub(crate) fn read(text: &str) -> Option<Duration> {
        let digits = text.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
    }

    /// Writes a span, where there is one.
    pub(in crate::resource) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match span {
            None => serializer.serialize_none(),
            Some(span) => serializer.serialize_str(&write(*span)),
        }
    }

    /// Reads a span.
    pub(in crate::resource) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let hint = || de::Error::custom(format!("expected a span such as \"60s\" or \"10m\", not {text:?}"));
        read(&text).map(Some).ok_or_else(hint)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_span_reads_what_it_writes() {
            for text in ["250ms", "5s", "90s", "10m", "1h", "0s"] {
                assert_eq!(write(read(text).unwrap()), text);
            }
            for bad in ["", "s", "5", "5 s", "-5s", "1.5s", "5d"] {
                assert_eq!(read(bad), None, "{bad}");
            }
        }
    }
}
