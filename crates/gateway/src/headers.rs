//! The headers that Mandant adds to its answers: who, which call, what is left, what it cost, where the time went.

use core::fmt::Write as _;

use base::{Moment, Money, RequestId};
use http::{HeaderMap, HeaderName, HeaderValue};

use admit::{Tightest, WindowStatus};
use base::Timestamp;
use wire::Dialect;

use crate::hold::Receipt;
use crate::short::Short;
use crate::trace::Trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
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
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const ORIGINAL_REQUEST: HeaderName = HeaderName::from_static("original-request");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Room for all of them and for what the upstream and the server add: the map grows to this in one step.
pub(crate) const CAPACITY: usize = 24;

/// The call's id, also under the name where the SDK of its dialect looks for one.
pub(crate) fn request_id(headers: &mut HeaderMap, dialect: Dialect, id: RequestId) {
    let id = text(id.as_str().as_bytes());
    if dialect == Dialect::Anthropic {
        headers.insert(ANTHROPIC_REQUEST_ID, id.clone());
    }
    headers.insert(REQUEST_ID, id);
}

pub(crate) fn tenant(headers: &mut HeaderMap, id: &str) {
    headers.insert(TENANT_ID, text(id.as_bytes()));
}

/// The tightest request window under Mandant's names and OpenAI's, the tightest token window under OpenAI's.
pub(crate) fn limits(headers: &mut HeaderMap, tightest: &Tightest, now: Timestamp) {
    if let Some(window) = &tightest.request {
        let reset = now.saturating_add(window.resets_in);
        let (limit, remaining) = (HeaderValue::from(window.limit), HeaderValue::from(window.remaining));
        headers.insert(LIMIT, limit.clone());
        headers.insert(REMAINING, remaining.clone());
        headers.insert(RESET, HeaderValue::from(reset.seconds() + 1));
        headers.insert(LIMIT_REQUESTS, limit);
        headers.insert(REMAINING_REQUESTS, remaining);
        headers.insert(RESET_REQUESTS, duration(window));
    }
    if let Some(window) = &tightest.tokens {
        headers.insert(LIMIT_TOKENS, HeaderValue::from(window.limit));
        headers.insert(REMAINING_TOKENS, HeaderValue::from(window.remaining));
        headers.insert(RESET_TOKENS, duration(window));
    }
}

/// OpenAI writes resets as durations: `1.234s`.
fn duration(window: &WindowStatus) -> HeaderValue {
    let mut written = Short::default();
    written.push_thousandths(u64::try_from(window.resets_in.as_millis()).unwrap_or(u64::MAX));
    written.push("s");
    text(written.as_bytes())
}

/// What an unfinished call may cost at most.
pub(crate) fn hold(headers: &mut HeaderMap, worst: Money) {
    headers.insert(HOLD, money(worst));
}

/// The output limit in tokens that the relay set, because the money buys no more.
pub(crate) fn output_limit(headers: &mut HeaderMap, limit: Option<u64>) {
    if let Some(limit) = limit {
        headers.insert(OUTPUT_LIMIT, HeaderValue::from(limit));
    }
}

/// The answer of an earlier call, which was charged then.
pub(crate) fn replayed(headers: &mut HeaderMap) {
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

/// The call that a kept answer was given to first.
pub(crate) fn original_request(headers: &mut HeaderMap, id: RequestId) {
    headers.insert(ORIGINAL_REQUEST, text(id.as_str().as_bytes()));
}

/// What a finished call cost.
pub(crate) fn receipt(headers: &mut HeaderMap, receipt: &Receipt) {
    headers.insert(COST, money(receipt.charged));
    headers.insert(HOLD, money(receipt.held));
    headers.insert(PRICE_VERSION, HeaderValue::from(receipt.price_version));
    if let Some(remaining) = receipt.budget_remaining {
        headers.insert(BUDGET_REMAINING, money(remaining));
    }
}

pub(crate) fn money(amount: Money) -> HeaderValue {
    let mut written = Short::default();
    write!(written, "{amount}").expect("a short text takes any text");
    text(written.as_bytes())
}

/// Milliseconds spent in each stage.
pub(crate) fn timing(headers: &mut HeaderMap, trace: &Trace, now: Moment) {
    headers.insert(SERVER_TIMING, text(trace.server_timing(now).as_bytes()));
}

/// Our own texts are ASCII; what is not becomes empty rather than an error.
fn text(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}
