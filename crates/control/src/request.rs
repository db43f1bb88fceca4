//! Reading requests strictly, and doing their blocking work off the event loop.

use axum::Json;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use base::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;

/// Runs `work`, which may wait for the disk, and answers with its result as JSON.
pub(crate) async fn answer<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(failure)) => failure.into_response(),
        Err(panic) => Failure::store(format!("a defect: {panic}")).into_response(),
    }
}

/// Reads a JSON body; unknown fields are refused by the types themselves.
pub(crate) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| Failure::malformed(format!("The body cannot be used: {error}.")))
}

/// Reads a query string; unknown parameters are refused by the types themselves.
pub(crate) fn query<T: DeserializeOwned>(uri: &axum::http::Uri) -> Result<T, Failure> {
    let read = axum::extract::Query::<T>::try_from_uri(uri);
    read.map(|query| query.0).map_err(|error| Failure::malformed(format!("{}.", error.body_text())))
}

/// The wall clock of this crate.
#[expect(clippy::disallowed_methods, reason = "the one clock of the control interface")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
}
