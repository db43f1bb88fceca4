//! Lines of batches, and of their results.

use bytes::Bytes;
use serde_json::Value;

use super::fuzz;
use crate::{Endpoint, ResultLine, batch_line, batch_state, result_line};

const LINES: [&str; 3] = [
    r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"x"}]}}"#,
    r#"{"url":"/v1/embeddings","custom_id":"b","method":"POST","body":{"model":"m","input":["a","b"]}}"#,
    r#"{"custom_id":"c","method":"POST","url":"/v1/responses","body":{"model":"m","input":"x","store":false}}"#,
];
const RESULTS: [&str; 3] = [
    r#"{"id":"b","custom_id":"a","response":{"status_code":200,"body":{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}},"error":null}"#,
    r#"{"id":"b","custom_id":"a","response":null,"error":{"code":"batch_expired"}}"#,
    r#"{"id":"batch_1","endpoint":"/v1/embeddings","status":"completed","output_file_id":"file-1","request_counts":{"completed":2}}"#,
];
const ENDPOINTS: [Endpoint; 3] = [Endpoint::ChatCompletions, Endpoint::Embeddings, Endpoint::Responses];

/// A line that is taken is one line and one object to another parser, for the same model and path.
#[test]
fn batch_lines() {
    fuzz("batch_lines").corpus(LINES).words(["\r", "\"custom_id\":", "\"body\":{", "\"url\":"]).run(16, |input| {
        let mut seen = Vec::new();
        for endpoint in ENDPOINTS {
            match batch_line(endpoint, &Bytes::copy_from_slice(input)) {
                Err(refusal) => seen.push(fuzz::sign(&(refusal.code(), refusal.param()))),
                Ok(line) => {
                    assert!(!input.contains(&b'\r') && !input.contains(&b'\n'), "one line to everybody");
                    let read: Value = serde_json::from_slice(input).expect("what is taken is JSON");
                    assert_eq!(read["custom_id"], line.custom_id);
                    assert_eq!(read["body"]["model"].as_str(), line.call.model().map(base::ModelId::as_str));
                    assert_eq!(read["url"], format!("/v1{}", endpoint.path()));
                    seen.push(fuzz::sign(&format!("{:?}", line.call.billable()).len()));
                }
            }
        }
        fuzz::sign(&seen)
    });
}

/// No result costs less than nothing, and a class never more than its whole.
#[test]
fn batch_results() {
    fuzz("batch_results").corpus(RESULTS).run(6, |input| {
        let state = batch_state(input);
        let mut seen = vec![fuzz::sign(&format!("{:?}", state.as_ref().map(|state| state.has_ended)))];
        for endpoint in ENDPOINTS {
            let line = result_line(endpoint, input);
            if let Ok(ResultLine::Answered(usage)) = &line {
                assert!(usage.cached_input <= usage.input && usage.reasoning <= usage.output, "{usage:?}");
            }
            seen.push(fuzz::sign(
                &line.map(|line| matches!(line, ResultLine::Failed)).map_err(|fault| fault.to_string()),
            ));
        }
        fuzz::sign(&seen)
    });
}
