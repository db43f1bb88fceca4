//! How the control interface says no: one JSON shape with a stable code, a sentence and every problem found.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// What went wrong, in the shape `{"error": {"code", "message", "problems": [..]}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error itself.
    pub error: ErrorDetail,
}

/// The inside of an [`ErrorBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// A stable word for machines, such as `not_found`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// All problems of what was sent; empty when the message says it all.
    #[serde(default)]
    pub problems: Vec<Problem>,
}

/// One problem of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The place, such as `tenant[acme].limits.requests_per_minute`.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// A request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    detail: ErrorDetail,
}

impl Failure {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Failure {
        Failure { status, detail: ErrorDetail { code: code.into(), message: message.into(), problems: Vec::new() } }
    }

    /// 400: the request itself is malformed.
    pub(crate) fn malformed(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "malformed_request", message)
    }

    /// 404: `what` does not exist.
    pub(crate) fn not_found(what: impl core::fmt::Display) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, "not_found", format!("There is no {what}."))
    }

    /// 409: `what` exists already.
    pub(crate) fn exists(what: impl core::fmt::Display) -> Failure {
        let message = format!("There is already a {what}. Change it with update, or choose another name.");
        Failure::new(StatusCode::CONFLICT, "already_exists", message)
    }

    /// 422: one thing that was sent cannot be used.
    pub(crate) fn problem(path: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure::problems(vec![Problem { path: path.into(), message: message.into() }])
    }

    /// 422: what was sent has problems.
    pub(crate) fn problems(problems: Vec<Problem>) -> Failure {
        let message = match problems.len() {
            1 => "One problem was found. Nothing was changed.".to_owned(),
            count => format!("{count} problems were found. Nothing was changed."),
        };
        let mut failure = Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_resources", message);
        failure.detail.problems = problems;
        failure
    }

    /// 500: the store failed; the cause is logged and told, since only the operator can ask.
    pub(crate) fn store(cause: impl core::fmt::Display) -> Failure {
        tracing::error!(%cause, "the store failed");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", format!("The store failed: {cause}."))
    }

    /// 503: only a serving process can answer this.
    pub(crate) fn not_serving() -> Failure {
        let message = "Only a running process can answer this. Start it with 'mandant serve'.";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "not_serving", message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error: self.detail })).into_response()
    }
}
