//! Limits under the names that people write: `requests_per_minute`, with the short `rpm` accepted as well.

use base::Limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// [`Limits`] with the long names.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Form {
    #[serde(alias = "rpm", skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<u64>,
    #[serde(alias = "rph", skip_serializing_if = "Option::is_none")]
    requests_per_hour: Option<u64>,
    #[serde(alias = "rpd", skip_serializing_if = "Option::is_none")]
    requests_per_day: Option<u64>,
    #[serde(alias = "tpm", skip_serializing_if = "Option::is_none")]
    tokens_per_minute: Option<u64>,
    #[serde(alias = "tpd", skip_serializing_if = "Option::is_none")]
    tokens_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_per_month: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u64>,
}

/// Writes limits, where there are any.
pub(super) fn serialize<S: Serializer>(limits: &Option<Limits>, serializer: S) -> Result<S::Ok, S::Error> {
    let form = limits.map(|limits| Form {
        requests_per_minute: limits.rpm,
        requests_per_hour: limits.rph,
        requests_per_day: limits.rpd,
        tokens_per_minute: limits.tpm,
        tokens_per_day: limits.tpd,
        tokens_per_month: limits.tokens_per_month,
        concurrency: limits.concurrency,
    });
    form.serialize(serializer)
}

/// Reads limits, where there are any.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Limits>, D::Error> {
    let form = Option::<Form>::deserialize(deserializer)?;
    Ok(form.map(|form| Limits {
        rpm: form.requests_per_minute,
        rph: form.requests_per_hour,
        rpd: form.requests_per_day,
        tpm: form.tokens_per_minute,
        tpd: form.tokens_per_day,
        tokens_per_month: form.tokens_per_month,
        concurrency: form.concurrency,
    }))
}
