//! What texts in files must look like: names, amounts, spans of time, addresses.

use core::time::Duration;
use std::net::SocketAddr;

use base::{KeyId, ModelId, Money, Price, ProjectId, TenantId, UpstreamId};
use serde_json::Value;

/// Any text that is not empty.
pub(super) fn text(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(Value::from(text)) }
}

/// The name of a tenant.
pub(super) fn tenant(text: &str) -> Result<Value, String> {
    TenantId::new(text).map(|_| Value::from(text)).map_err(|error| error.to_string())
}

/// The name of a project.
pub(super) fn project(text: &str) -> Result<Value, String> {
    ProjectId::new(text).map(|_| Value::from(text)).map_err(|error| error.to_string())
}

/// The name of a key.
pub(super) fn key(text: &str) -> Result<Value, String> {
    KeyId::new(text).map(|_| Value::from(text)).map_err(|error| error.to_string())
}

/// The name of an upstream.
pub(super) fn upstream(text: &str) -> Result<Value, String> {
    UpstreamId::new(text).map(|_| Value::from(text)).map_err(|error| error.to_string())
}

/// The name of a model.
pub(super) fn model(text: &str) -> Result<Value, String> {
    ModelId::new(text).map(|_| Value::from(text)).map_err(|error| error.to_string())
}

/// An amount of US dollars.
pub(super) fn money(text: &str) -> Result<Value, String> {
    let advice = |error| format!("{error}; write dollars such as \"1000.00\"");
    Money::parse_usd(text).map(|_| Value::from(text)).map_err(advice)
}

/// A price in US dollars per one million units.
pub(super) fn price_per_million(text: &str) -> Result<Value, String> {
    let advice = |error| format!("{error}; write US dollars per 1M tokens such as \"8.00\"");
    Price::parse_per_million(text).map(|_| Value::from(text)).map_err(advice)
}

/// A price in US dollars per single unit, such as a request.
pub(super) fn price_per_unit(text: &str) -> Result<Value, String> {
    let advice = |error| format!("{error}; write US dollars per piece such as \"0.01\"");
    Price::parse_per_unit(text).map(|_| Value::from(text)).map_err(advice)
}

/// A span of time.
pub(super) fn duration(text: &str) -> Result<Value, String> {
    parse_duration(text).map(|_| Value::from(text))
}

/// A span of time of at least two days: limits and holds of the last day are read from what it keeps.
pub(super) fn days(text: &str) -> Result<Value, String> {
    let is_enough = parse_duration(text)? >= Duration::from_secs(2 * 86_400);
    if is_enough { Ok(Value::from(text)) } else { Err("must be a span of time of at least \"2d\"".into()) }
}

/// A span of time in one unit of at most an hour, as timeouts of upstreams have.
pub(super) fn timeout(text: &str) -> Result<Value, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let good =
        digits.parse::<u32>().is_ok_and(|number| number > 0) && ["ms", "s", "m", "h"].contains(&&text[digits.len()..]);
    let advice = "must be a span of time such as \"250ms\", \"5s\", \"10m\" or \"1h\"";
    if good { Ok(Value::from(text)) } else { Err(advice.into()) }
}

/// A point in time.
pub(super) fn timestamp(text: &str) -> Result<Value, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let advice = "must be a time with its zone such as \"2027-01-01T00:00:00Z\"";
    parsed.map(|_| Value::from(text)).map_err(|_| advice.into())
}

/// A time zone of the IANA database.
pub(super) fn timezone(text: &str) -> Result<Value, String> {
    let known = jiff::tz::TimeZone::get(text);
    known
        .map(|_| Value::from(text))
        .map_err(|_| "is no time zone; write one such as \"Europe/Berlin\" or \"UTC\"".into())
}

/// A listening address.
pub(super) fn address(text: &str) -> Result<Value, String> {
    let advice = "must be an address and port such as \"127.0.0.1:8787\" or \"[::]:8787\"";
    text.parse::<SocketAddr>().map(|_| Value::from(text)).map_err(|_| advice.into())
}

/// The origin of a page as browsers write it, or a star for all.
pub(super) fn origin(text: &str) -> Result<Value, String> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/*,?#@".contains(&byte);
    let is_good = text.split_once("://").is_some_and(|(scheme, host)| {
        let is_short =
            !matches!((scheme, host.rsplit_once(':')), ("https", Some((_, "443"))) | ("http", Some((_, "80"))));
        is_short && !scheme.is_empty() && !host.is_empty() && scheme.bytes().chain(host.bytes()).all(is_plain)
    });
    let advice = "must be an origin as browsers write it (in small letters, without a path or the scheme's own port), such as \
                  \"https://app.example\", or \"*\"";
    if is_good || text == "*" { Ok(Value::from(text)) } else { Err(advice.into()) }
}

/// An address or a network in CIDR notation.
pub(super) fn network(text: &str) -> Result<Value, String> {
    text.parse::<store::Network>().map(|_| Value::from(text)).map_err(|error| error.to_string())
}

/// Where an upstream's credential comes from.
pub(super) fn credential(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        Some(("env" | "file" | "sealed", "")) => {
            Err("names nothing; write \"env:OPENAI_API_KEY\" or \"file:/path\"".into())
        }
        _ => self::text(text),
    }
}

/// A provider that is known.
pub(super) fn upstream_kind(text: &str) -> Result<Value, String> {
    catalog::upstream_kind(text).map(|_| Value::from(text)).ok_or_else(super::kinds::unknown)
}

/// Where the master key is.
pub(super) fn master_key(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        Some(("env" | "file", place)) if !place.is_empty() => Ok(Value::from(text)),
        _ => Err("must name a place such as \"file:master.key\" (in data_dir) or \"env:MANDANT_MASTER_KEY\"".into()),
    }
}

/// The base address of an upstream.
pub(super) fn base_url(text: &str) -> Result<Value, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(Value::from(text)),
        _ => Err("must be an address such as \"https://api.openai.com/v1\"".into()),
    }
}

/// A span of time in words: "250ms", "5s", "10m", "1h", "7d", also joined as in "1h30m".
///
/// # Errors
/// A sentence that says what to write.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let advice = || "must be a span of time such as \"250ms\", \"5s\", \"10m\", \"1h\" or \"7d\"".to_owned();
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| advice())?;
        let unit =
            rest[digits..].len() - rest[digits..].trim_start_matches(|letter: char| letter.is_ascii_alphabetic()).len();
        let millis_each = match &rest[digits..digits + unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(advice()),
        };
        total += number.checked_mul(millis_each).map(Duration::from_millis).ok_or_else(advice)?;
        rest = rest[digits + unit..].trim_start();
    }
    let longest = Duration::from_secs(3_660 * 86_400);
    if total.is_zero() || total > longest { Err(advice()) } else { Ok(total) }
}

/// Writes a span in the form that [`parse_duration`] reads.
pub(crate) fn write_duration(span: Duration) -> String {
    let millis = span.as_millis();
    match millis {
        _ if !millis.is_multiple_of(1_000) => format!("{millis}ms"),
        _ if millis.is_multiple_of(86_400_000) => format!("{}d", millis / 86_400_000),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ => format!("{}s", millis / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for good in [
            "http://app.example:443",
            "https://app.example",
            "http://localhost:3000",
            "app://obsidian.md",
            "http://[::1]:8000",
            "*",
        ] {
            assert_eq!(origin(good), Ok(Value::from(good)));
        }
        for bad in [
            "https://app.example:443",
            "http://app.example:80",
            "",
            "app.example",
            "https://",
            "https://App.example",
            "https://app.example/",
            "https://*.a",
            "null",
        ] {
            assert!(origin(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn spans_of_time_are_read_and_written() {
        for (text, millis) in
            [("250ms", 250), ("5s", 5_000), ("10m", 600_000), ("1h30m", 5_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(
                parse_duration(&write_duration(Duration::from_millis(millis))),
                Ok(Duration::from_millis(millis))
            );
        }
        for bad in ["", "5", "s", "-1s", "1.5s", "0s", "5 years", "99999999999999999999s", "9999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
