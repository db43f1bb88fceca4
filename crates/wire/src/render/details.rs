//! What helps a client to act on a refusal, beside its sentence: the same members in every dialect.

use base::{LimitedCalls, Refusal, Shortfall, Timestamp, Window, whole_seconds_ceil};
use serde::Serialize;

/// Absent where it does not apply.
#[derive(Serialize, Default)]
#[serde(default)]
pub(super) struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_model: Option<&'a str>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    per_end_user: bool,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    blocked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spent_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affordable_max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_models: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_max: Option<u64>,
}

/// The field at fault, where there is one, and the details.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(flatten)]
    details: Details<'a>,
}

impl<'a> Told<'a> {
    pub(super) fn of(refusal: &'a Refusal) -> Told<'a> {
        Told { param: refusal.param(), details: details(refusal) }
    }
}

/// The details of a refusal.
pub(super) fn details(refusal: &Refusal) -> Details<'_> {
    let retry_after_seconds = refusal.retry_after().map(whole_seconds_ceil);
    match refusal {
        Refusal::RateLimited { scope, of, window, limit, is_block, .. } => Details {
            scope: Some(scope.level.to_string()),
            scope_name: Some(&scope.name),
            limited_model: match of {
                LimitedCalls::OfModel(model) => Some(model.as_str()),
                LimitedCalls::All | LimitedCalls::OfEndUser => None,
            },
            per_end_user: *of == LimitedCalls::OfEndUser,
            blocked: *is_block,
            window: Some(*window),
            limit: Some(*limit),
            retry_after_seconds,
            ..Details::default()
        },
        Refusal::BudgetExhausted(shortfall) | Refusal::WalletEmpty(shortfall) => shortfall_details(shortfall),
        Refusal::ModelNotAllowed { allowed, .. } => {
            Details { allowed_models: Some(allowed.iter().map(base::ModelId::as_str).collect()), ..Details::default() }
        }
        Refusal::RequestTooLarge { bytes_max } => Details { bytes_max: Some(*bytes_max), ..Details::default() },
        _ => Details { retry_after_seconds, ..Details::default() },
    }
}

fn shortfall_details(shortfall: &Shortfall) -> Details<'_> {
    Details {
        scope: Some(shortfall.scope.level.to_string()),
        scope_name: Some(&shortfall.scope.name),
        period: Some(shortfall.period).filter(|period| !period.is_empty()),
        limit_usd: Some(shortfall.limit.to_string()),
        spent_usd: Some(shortfall.spent.to_string()),
        held_usd: Some(shortfall.held.to_string()),
        needed_usd: Some(shortfall.needed.to_string()),
        affordable_max_tokens: shortfall.affordable_max_tokens,
        resets_at: shortfall.resets_at.map(rfc3339),
        ..Details::default()
    }
}

/// A time in UTC, to the second, such as "2026-12-01T00:00:00Z".
pub(super) fn rfc3339(time: Timestamp) -> String {
    let seconds = time.seconds();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 1 March of the year 0, so that leap days end their year; then by eras of 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_calendars_say() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_796_083_200, "2026-12-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::from_seconds(seconds)), text);
        }
    }
}
