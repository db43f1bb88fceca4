//! Batches: the requests of a file, made when somebody looks. Whoever has a key of this provider sees all of them.
//!
//! What becomes of one is said in its metadata: `sim` is `expired`, `failed`, `stuck`, `untold` (a result without a usage),
//! `uncounted` (the same, and nobody says how many there are) or `short` (fewer results than are counted), `looks` how
//! often it is looked at before it ends, and `trace` under which name its requests are in the truth.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::errors::ErrorAnswer;
use crate::filed::Filed;
use crate::options::Options;
use crate::prepare::{Endpoint, Overrides, prepare};
use crate::truth::{Bill, Books, Labels};

/// Characters of an id.
pub(crate) const ID: &[u8; crate::render::ID_CHARACTERS] = &[b'b'; crate::render::ID_CHARACTERS];

/// One batch.
#[derive(Debug)]
struct Batch {
    said: Value,
    looks_left: u64,
    key: String,
}

/// Every batch, by its id.
#[derive(Debug, Default)]
pub(crate) struct Batched {
    batches: Mutex<BTreeMap<String, Batch>>,
}

/// What a request to make or look at a batch has to do with.
pub(crate) struct Around<'a> {
    pub(crate) filed: &'a Filed,
    pub(crate) options: &'a Options,
    pub(crate) books: &'a Arc<Books>,
    pub(crate) created_seconds: u64,
    pub(crate) key: &'a str,
    pub(crate) id: &'a str,
}

impl Batched {
    /// Answers what is done with one batch, or all.
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
            let batch = made(body, around)?;
            let said = batch.said.to_string();
            batches.insert(format!("batch_{}", around.id), batch);
            return Ok(said);
        }
        if (method, rest) == (&Method::GET, "") {
            let all: Vec<&Value> = batches.values().map(|batch| &batch.said).collect();
            return Ok(json!({ "object": "list", "data": all, "has_more": false }).to_string());
        }
        let Some(batch) = batches.get_mut(id) else {
            return Err(ErrorAnswer::not_kept(404, &format!("No batch found with id '{id}'."), "batch_not_found"));
        };
        let is_open = matches!(batch.said["status"].as_str(), Some("validating" | "in_progress"));
        match (method, action) {
            (&Method::GET, "") => {
                if is_open && batch.said["metadata"]["sim"] != "stuck" {
                    batch.said["status"] = json!("in_progress");
                    if batch.looks_left == 0 {
                        finish(batch, around, None)?;
                    }
                    batch.looks_left = batch.looks_left.saturating_sub(1);
                }
                Ok(batch.said.to_string())
            }
            (&Method::POST, "cancel") if is_open => {
                finish(batch, around, Some("cancelled"))?;
                Ok(batch.said.to_string())
            }
            (&Method::POST, "cancel") => {
                let message = format!("Cannot cancel a batch with status '{}'.", batch.said["status"]);
                Err(ErrorAnswer::not_kept(409, &message, "batch_ended"))
            }
            _ => Err(ErrorAnswer::unknown_url(method.as_str(), rest)),
        }
    }
}

fn made(body: &[u8], around: &Around<'_>) -> Result<Batch, ErrorAnswer> {
    let asked: Value = serde_json::from_slice(body).map_err(|_| ErrorAnswer::not_json())?;
    let text = |name: &str| {
        let missing = || ErrorAnswer::invalid(&format!("'{name}' is a required property"), Some(name));
        asked[name].as_str().ok_or_else(missing)
    };
    let (file, endpoint, window) = (text("input_file_id")?, text("endpoint")?, text("completion_window")?);
    around.filed.content(file)?;
    let said = json!({
        "id": format!("batch_{}", around.id), "object": "batch", "endpoint": endpoint, "errors": null,
        "input_file_id": file, "completion_window": window, "status": "validating", "output_file_id": null,
        "error_file_id": null, "created_at": around.created_seconds, "expires_at": around.created_seconds + 86_400,
        "request_counts": { "total": 0, "completed": 0, "failed": 0 },
        "metadata": asked.get("metadata").cloned().unwrap_or(Value::Null),
    });
    let looks = asked["metadata"]["looks"].as_str().and_then(|looks| looks.parse().ok()).unwrap_or(0);
    Ok(Batch { said, looks_left: looks, key: around.key.to_owned() })
}

/// Makes the requests of a batch, or half of them where it ends early, and files what came of them.
fn finish(batch: &mut Batch, around: &Around<'_>, early: Option<&str>) -> Result<(), ErrorAnswer> {
    let file = batch.said["input_file_id"].as_str().unwrap_or_default().to_owned();
    let content = around.filed.content(&file)?;
    let text = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let wish = batch.said["metadata"]["sim"].as_str().map(str::to_owned);
    let status = early.or(wish.as_deref().filter(|wish| matches!(*wish, "expired" | "failed"))).unwrap_or("completed");
    let done = match status {
        "failed" => 0,
        "completed" => lines.len(),
        _ => lines.len() / 2,
    };
    let (mut answers, mut failures) = (Vec::new(), Vec::new());
    for line in &lines[..done] {
        let trace = batch.said["metadata"]["trace"].as_str().map(str::to_owned);
        let (answered, result) = request(line, (&batch.key, trace), around);
        (if answered { &mut answers } else { &mut failures }).push(result);
    }
    for line in lines[done..].iter().filter(|_| status == "expired") {
        let asked: Value = serde_json::from_str(line).unwrap_or_default();
        let error = json!({ "code": "batch_expired", "message": "This request could not be executed in time." });
        failures
            .push(json!({ "id": "batch_req_x", "custom_id": asked["custom_id"], "response": null, "error": error }));
    }
    batch.said["request_counts"] =
        json!({ "total": lines.len(), "completed": answers.len(), "failed": failures.len() });
    if wish.as_deref() == Some("uncounted") {
        batch.said["request_counts"] = Value::Null;
    }
    if matches!(wish.as_deref(), Some("untold" | "uncounted")) && !answers.is_empty() {
        answers[0]["response"]["body"]["usage"] = Value::Null;
    }
    if wish.as_deref() == Some("short") {
        answers.pop();
    }
    for (member, of, results) in [("output_file_id", "output", answers), ("error_file_id", "error", failures)] {
        if !results.is_empty() {
            let content: String = results.iter().map(|result| format!("{result}\n")).collect();
            let id = format!("file-{of}{}", around.id);
            around.filed.put(&id, around.created_seconds, "batch_output", content.into());
            batch.said[member] = json!(id);
        }
    }
    batch.said["status"] = json!(status);
    Ok(())
}

/// Whether one request was answered, and the line that says so.
fn request(line: &str, (key, trace): (&str, Option<String>), around: &Around<'_>) -> (bool, Value) {
    let asked: Value = serde_json::from_str(line).unwrap_or_default();
    let endpoint = match asked["url"].as_str() {
        Some("/v1/embeddings") => Endpoint::Embeddings,
        Some("/v1/completions") => Endpoint::Completions,
        Some("/v1/responses") => Endpoint::Responses,
        Some("/v1/moderations") => Endpoint::Moderations,
        _ => Endpoint::Chat,
    };
    let body = asked["body"].to_string();
    let model = asked["body"]["model"].as_str().unwrap_or_default().to_owned();
    let mut bill = Bill::open(around.books, Labels { key: key.to_owned(), trace, model });
    let result = |status: u16, body: Value| {
        let response = json!({ "status_code": status, "request_id": "req_batch", "body": body });
        json!({ "id": "batch_req_x", "custom_id": asked["custom_id"], "response": response, "error": null })
    };
    match prepare(endpoint, body.as_bytes(), around.options, Overrides::default()) {
        Ok(prepared) if !asked["custom_id"].as_str().is_some_and(|id| id.starts_with("fail")) => {
            bill.charge_prompt(prepared.usage.prompt, prepared.usage.cached);
            bill.charge_completion(prepared.usage.completion);
            bill.complete();
            let page: Bytes = prepared.page.fill(ID, around.created_seconds);
            (true, result(200, serde_json::from_slice(&page).unwrap_or_default()))
        }
        Ok(_) => {
            (false, result(400, json!({ "error": { "message": "It was to fail.", "type": "invalid_request_error" } })))
        }
        Err(refused) => (false, result(refused.status, serde_json::from_str(&refused.body).unwrap_or_default())),
    }
}
