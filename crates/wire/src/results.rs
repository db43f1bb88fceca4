//! What a batch came to: how far its provider says that it is, and what each line of its results used.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::answer::answer_facts;
use crate::dialect::Endpoint;
use crate::read::batch_endpoint;
use crate::usage::{Usage, UsageFault};

/// What a provider says of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchState {
    /// Nothing more will be done for it.
    pub has_ended: bool,
    /// What its requests ask for.
    pub endpoint: Option<Endpoint>,
    /// Requests that were answered, where that is said.
    pub completed: Option<u64>,
    /// Where the answers are, where there are any.
    pub results: Option<Results>,
}

/// Where the results of a batch are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Results {
    /// In a file, by the provider's id.
    File(String),
    /// Behind the batch itself.
    OfBatch,
}

#[derive(Deserialize)]
struct Batch<'a> {
    status: &'a str,
    #[serde(default)]
    output_file_id: Option<String>,
    #[serde(default)]
    request_counts: Option<Counts>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default)]
    completed: Option<u64>,
}

#[derive(Deserialize)]
struct MessageBatch<'a> {
    processing_status: &'a str,
    request_counts: MessageCounts,
}

#[derive(Deserialize)]
struct MessageCounts {
    succeeded: u64,
}

/// Reads a batch; `None` for what is none.
#[must_use]
pub fn batch_state(document: &[u8]) -> Option<BatchState> {
    if let Ok(batch) = serde_json::from_slice::<MessageBatch<'_>>(document) {
        let has_ended = batch.processing_status == "ended";
        return Some(BatchState {
            has_ended,
            endpoint: Some(Endpoint::Messages),
            completed: Some(batch.request_counts.succeeded),
            results: has_ended.then_some(Results::OfBatch),
        });
    }
    let batch: Batch<'_> = serde_json::from_slice(document).ok()?;
    Some(BatchState {
        has_ended: matches!(batch.status, "completed" | "failed" | "expired" | "cancelled"),
        endpoint: batch_endpoint(document),
        completed: batch.request_counts.and_then(|counts| counts.completed),
        results: batch.output_file_id.filter(|id| !id.is_empty()).map(Results::File),
    })
}

/// One line of the results of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultLine {
    /// The request was answered, and used so much.
    Answered(Usage),
    /// It failed, which costs nothing.
    Failed,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(Deserialize)]
struct MessageLine<'a> {
    #[serde(borrow)]
    result: MessageResult<'a>,
}

#[derive(Deserialize)]
struct MessageResult<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status_code: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// Reads one line of the results of a batch whose requests were for `endpoint`.
///
/// # Errors
/// What is wrong with it: then nobody knows what it cost.
pub fn result_line(endpoint: Endpoint, line: &[u8]) -> Result<ResultLine, UsageFault> {
    if endpoint == Endpoint::Messages {
        return message_line(line);
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| UsageFault::Malformed)?;
    let Some(response) = line.response else { return Ok(ResultLine::Failed) };
    if !(200..300).contains(&response.status_code) {
        return Ok(ResultLine::Failed);
    }
    match answer_facts(endpoint, response.body.get().as_bytes()).usage? {
        Some(usage) => Ok(ResultLine::Answered(usage)),
        None => Err(UsageFault::Malformed),
    }
}

/// The same of a batch of messages: what was not made, for whatever reason, costs nothing.
fn message_line(line: &[u8]) -> Result<ResultLine, UsageFault> {
    let line: MessageLine<'_> = serde_json::from_slice(line).map_err(|_| UsageFault::Malformed)?;
    match (line.result.kind, line.result.message) {
        ("errored" | "canceled" | "expired", _) => Ok(ResultLine::Failed),
        ("succeeded", Some(message)) => {
            let usage = answer_facts(Endpoint::Messages, message.get().as_bytes()).usage?;
            usage.map(ResultLine::Answered).ok_or(UsageFault::Malformed)
        }
        _ => Err(UsageFault::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_ended_when_its_provider_says_so() {
        for (status, has_ended) in [
            ("validating", false),
            ("in_progress", false),
            ("finalizing", false),
            ("cancelling", false),
            ("completed", true),
            ("failed", true),
            ("expired", true),
            ("cancelled", true),
            ("something new", false),
        ] {
            let document = format!(
                r#"{{"id":"batch_1","object":"batch","endpoint":"/v1/embeddings","status":"{status}","output_file_id":null,"request_counts":{{"total":3,"completed":2,"failed":1}}}}"#
            );
            let state = batch_state(document.as_bytes()).expect("a batch");
            assert_eq!((state.has_ended, state.completed, state.results), (has_ended, Some(2), None));
            assert_eq!(state.endpoint, Some(Endpoint::Embeddings));
        }
        let done = br#"{"status":"completed","endpoint":"/v1/responses","output_file_id":"file-o"}"#;
        assert_eq!(batch_state(done).and_then(|state| state.results), Some(Results::File("file-o".to_owned())));
        let counts = r#""request_counts":{"processing":0,"succeeded":2,"errored":1,"canceled":0,"expired":0}"#;
        for (status, has_ended) in [("in_progress", false), ("canceling", false), ("ended", true)] {
            let document = format!(r#"{{"id":"msgbatch_1","processing_status":"{status}",{counts}}}"#);
            let state = batch_state(document.as_bytes()).expect("a batch");
            assert_eq!(
                (state.has_ended, state.completed, state.endpoint),
                (has_ended, Some(2), Some(Endpoint::Messages))
            );
            assert_eq!(state.results, has_ended.then_some(Results::OfBatch));
        }
        assert_eq!(batch_state(b"{}"), None);
        assert_eq!(batch_state(br#"{"status":"completed","status":"failed"}"#), None, "which one is true?");
    }

    #[test]
    fn a_line_says_what_it_used_or_that_it_failed() {
        let read = |line: &str| result_line(Endpoint::ChatCompletions, line.as_bytes());
        let usage = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}"#;
        let answered = format!(
            r#"{{"id":"batch_req_1","custom_id":"a","response":{{"status_code":200,"request_id":"r","body":{{"id":"chatcmpl-1","object":"chat.completion","choices":[],"usage":{usage}}}}},"error":null}}"#
        );
        let expected = Usage { input: 10, cached_input: 4, output: 5, ..Usage::default() };
        assert_eq!(read(&answered), Ok(ResultLine::Answered(expected)));
        assert_eq!(read(&answered.replace("\"status_code\":200", "\"status_code\":400")), Ok(ResultLine::Failed));
        let expired = r#"{"id":"b","custom_id":"a","response":null,"error":{"code":"batch_expired","message":"x"}}"#;
        assert_eq!(read(expired), Ok(ResultLine::Failed));
        for unknown in [
            answered.replace("\"usage\"", "\"other\""),
            answered.replace("\"prompt_tokens\":10", "\"prompt_tokens\":-10"),
            answered.replace("\"error\":null", "\"response\":null"),
            answered[..answered.len() - 1].to_owned(),
            String::new(),
        ] {
            assert!(read(&unknown).is_err(), "{unknown}");
        }
        let message = |line: &str| result_line(Endpoint::Messages, line.as_bytes());
        let made = r#"{"custom_id":"a","result":{"type":"succeeded","message":{"id":"msg_1","content":[],"usage":{"input_tokens":10,"output_tokens":5}}}}"#;
        assert_eq!(message(made), Ok(ResultLine::Answered(Usage { input: 10, output: 5, ..Usage::default() })));
        for failed in ["errored", "canceled", "expired"] {
            assert_eq!(message(&made.replace("succeeded", failed)), Ok(ResultLine::Failed));
        }
        assert!(message(&made.replace("succeeded", "other")).is_err() && message(&made.replace("usage", "x")).is_err());
        let vectors = answered.replace("\"completion_tokens\":5,", "");
        assert!(matches!(result_line(Endpoint::Embeddings, vectors.as_bytes()), Ok(ResultLine::Answered(_))));
        assert_eq!(result_line(Endpoint::Moderations, answered.as_bytes()), Ok(ResultLine::Answered(Usage::default())));
    }
}
