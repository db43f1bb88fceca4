//! The headers that Mandant adds to its answers: who, which call, what is left, what it cost, where the time went.

use base::{Moment, Money, RequestId};
use http::HeaderName;

use admit::{Tightest, WindowStatus};
use base::Timestamp;
use wire::Dialect;

use crate::hold::Receipt;
use crate::http1::Fields;
use crate::thousandths;
use crate::trace::Trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const AMAZON_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
pub(crate) const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
pub(crate) const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
pub(crate) const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
pub(crate) const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
pub(crate) const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
pub(crate) const COST: HeaderName = HeaderName::from_static("mandant-cost-usd");
pub(crate) const HOLD: HeaderName = HeaderName::from_static("mandant-hold-usd");
pub(crate) const BUDGET_REMAINING: HeaderName = HeaderName::from_static("mandant-budget-remaining-usd");
pub(crate) const PRICE_VERSION: HeaderName = HeaderName::from_static("mandant-price-version");
const OUTPUT_LIMIT: HeaderName = HeaderName::from_static("mandant-output-limit");
const ESTIMATE: HeaderName = HeaderName::from_static("mandant-estimate");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The call's id, also under the name where the SDK of its dialect looks for one.
pub(crate) fn request_id(fields: &mut Fields, dialect: Dialect, id: RequestId) {
    let id = id.as_str();
    if dialect == Dialect::Anthropic {
        fields.put_text(&ANTHROPIC_REQUEST_ID, id.as_bytes());
    } else if dialect == Dialect::Bedrock {
        fields.put_text(&AMAZON_REQUEST_ID, id.as_bytes());
    }
    fields.put_text(&REQUEST_ID, id.as_bytes());
}

pub(crate) fn tenant(fields: &mut Fields, id: &str) {
    fields.put_text(&TENANT_ID, id.as_bytes());
}

/// The tightest request window under Mandant's names and OpenAI's, the tightest token window under OpenAI's.
pub(crate) fn limits(fields: &mut Fields, tightest: &Tightest, now: Timestamp) {
    if let Some(window) = &tightest.request {
        let reset = now.saturating_add(window.resets_in);
        fields.put_number(&LIMIT, window.limit);
        fields.put_number(&REMAINING, window.remaining);
        fields.put_number(&RESET, reset.seconds() + 1);
        fields.put_number(&LIMIT_REQUESTS, window.limit);
        fields.put_number(&REMAINING_REQUESTS, window.remaining);
        duration(fields, &RESET_REQUESTS, window);
    }
    if let Some(window) = &tightest.tokens {
        fields.put_number(&LIMIT_TOKENS, window.limit);
        fields.put_number(&REMAINING_TOKENS, window.remaining);
        duration(fields, &RESET_TOKENS, window);
    }
}

/// OpenAI writes resets as durations: `1.234s`.
fn duration(fields: &mut Fields, name: &HeaderName, window: &WindowStatus) {
    fields.put_with(name, |line| {
        thousandths::push(line, u64::try_from(window.resets_in.as_millis()).unwrap_or(u64::MAX));
        line.push(b's');
    });
}

/// What an unfinished call may cost at most.
pub(crate) fn hold(fields: &mut Fields, worst: Money) {
    fields.put_money(&HOLD, worst);
}

/// The output limit in tokens that the relay set, because the money buys no more.
pub(crate) fn output_limit(fields: &mut Fields, limit: Option<u64>) {
    if let Some(limit) = limit {
        fields.put_number(&OUTPUT_LIMIT, limit);
    }
}

/// The answer is the relay's own guess, and no provider's.
pub(crate) fn estimate(fields: &mut Fields) {
    fields.put_text(&ESTIMATE, b"true");
}

/// The answer of an earlier call, which was charged then.
pub(crate) fn replayed(fields: &mut Fields) {
    fields.put_text(&REPLAYED, b"true");
}

/// The call that a kept answer was given to first.
pub(crate) fn original_request(fields: &mut Fields, id: RequestId) {
    fields.put_text(&ORIGINAL_REQUEST, id.as_str().as_bytes());
}

/// What a finished call cost.
pub(crate) fn receipt(fields: &mut Fields, receipt: &Receipt) {
    fields.put_money(&COST, receipt.charged);
    fields.put_money(&HOLD, receipt.held);
    fields.put_number(&PRICE_VERSION, receipt.price_version);
    if let Some(remaining) = receipt.budget_remaining {
        fields.put_money(&BUDGET_REMAINING, remaining);
    }
}

/// Milliseconds spent in each stage.
pub(crate) fn timing(fields: &mut Fields, trace: &Trace, now: Moment) {
    fields.put_with(&SERVER_TIMING, |line| trace.write_server_timing(now, line));
}
