//! Batches of messages, made when somebody looks. What becomes of one is said by the name of its first request: `stuck` never
//! ends, `untold` has a result without a usage; a request whose name begins with `fail` fails.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use http::Method;
use serde_json::{Value, json};

use crate::batched::Around;
use crate::errors::ErrorAnswer;
use crate::prepare::{Endpoint, Overrides, prepare};
use crate::truth::{Bill, Labels};

#[derive(Debug)]
struct Batch {
    said: Value,
    requests: Vec<Value>,
    results: String,
    key: String,
}

/// Every batch, by its id.
#[derive(Debug, Default)]
pub(crate) struct MessagesBatched {
    batches: Mutex<BTreeMap<String, Batch>>,
}

fn counts(processing: usize, succeeded: usize, errored: usize, canceled: usize) -> Value {
    json!({ "processing": processing, "succeeded": succeeded, "errored": errored, "canceled": canceled, "expired": 0 })
}

impl MessagesBatched {
    /// Answers what is done with one batch, or a new one.
    pub(crate) fn answer(
        &self,
        method: &Method,
        rest: &str,
        body: &[u8],
        around: &Around<'_>,
    ) -> Result<String, ErrorAnswer> {
        let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if (method, rest) == (&Method::POST, "") {
            let asked: Value = serde_json::from_slice(body).map_err(|_| ErrorAnswer::not_json())?;
            let requests = asked["requests"].as_array().cloned().unwrap_or_default();
            let id = format!("msgbatch_{}", around.id);
            let said = json!({
                "id": id, "type": "message_batch", "processing_status": "in_progress", "ended_at": null,
                "request_counts": counts(requests.len(), 0, 0, 0), "created_at": "2026-01-01T00:00:00Z",
                "expires_at": "2026-01-02T00:00:00Z", "archived_at": null, "cancel_initiated_at": null, "results_url": null,
            });
            let text = said.to_string();
            batches.insert(id, Batch { said, requests, results: String::new(), key: around.key.to_owned() });
            return Ok(text);
        }
        let missing = || ErrorAnswer::not_kept(404, &format!("Could not find batch '{id}'."), "not_found_error");
        let batch = batches.get_mut(id).ok_or_else(missing)?;
        let is_open = batch.said["processing_status"] == "in_progress";
        let first =
            batch.requests.first().and_then(|request| request["custom_id"].as_str()).unwrap_or_default().to_owned();
        match (method, action) {
            (&Method::GET, "") => {
                if is_open && first != "stuck" {
                    finish(batch, id, around, batch.requests.len());
                }
                Ok(batch.said.to_string())
            }
            (&Method::POST, "cancel") => {
                if is_open {
                    finish(batch, id, around, batch.requests.len() / 2);
                }
                Ok(batch.said.to_string())
            }
            (&Method::GET, "results") if !is_open => Ok(batch.results.clone()),
            (&Method::DELETE, "") if !is_open => {
                batches.remove(id);
                Ok(json!({ "id": id, "type": "message_batch_deleted" }).to_string())
            }
            _ => Err(ErrorAnswer::invalid(&format!("Batch '{id}' has not ended."), None)),
        }
    }
}

/// Makes the first `made` messages of a batch.
fn finish(batch: &mut Batch, id: &str, around: &Around<'_>, made: usize) {
    let (mut succeeded, mut errored) = (0, 0);
    for (place, request) in batch.requests.iter().enumerate() {
        let name = request["custom_id"].as_str().unwrap_or_default();
        let model = request["params"]["model"].as_str().unwrap_or_default().to_owned();
        let body = request["params"].to_string();
        let result = if place >= made {
            json!({ "type": "canceled" })
        } else {
            let mut bill = Bill::open(around.books, Labels { key: batch.key.clone(), trace: None, model });
            match prepare(Endpoint::Messages, body.as_bytes(), around.options, Overrides::default()) {
                Ok(prepared) if !name.starts_with("fail") => {
                    bill.charge_prompt(prepared.usage.prompt, prepared.usage.cached);
                    bill.charge_completion(prepared.usage.completion);
                    bill.complete();
                    succeeded += 1;
                    let page = prepared.page.fill(crate::batched::ID, around.created_seconds);
                    let mut message: Value = serde_json::from_slice(&page).unwrap_or_default();
                    if name == "untold" {
                        message["usage"] = Value::Null;
                    }
                    json!({ "type": "succeeded", "message": message })
                }
                _ => {
                    errored += 1;
                    let error = json!({ "type": "invalid_request_error", "message": "It was to fail." });
                    json!({ "type": "errored", "error": { "type": "error", "error": error } })
                }
            }
        };
        batch.results.push_str(&format!("{}\n", json!({ "custom_id": name, "result": result })));
    }
    let canceled = batch.requests.len() - succeeded - errored;
    batch.said["request_counts"] = counts(0, succeeded, errored, canceled);
    batch.said["processing_status"] = json!("ended");
    batch.said["ended_at"] = json!("2026-01-01T00:10:00Z");
    batch.said["results_url"] = json!(format!("https://provider.example/v1/messages/batches/{id}/results"));
}
