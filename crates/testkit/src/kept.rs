//! Responses that are kept, and conversations: read again, listed, deleted, and gone on from. Whoever has a key of this provider has
//! all of them, as users of one account do; and ids of what is not there are refused as OpenAI refuses them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::conversations::{self, Conversations, list, with_ids};
use crate::errors::ErrorAnswer;

/// Most responses that are kept; then the shelf is emptied.
const KEPT_MAX: usize = 10_000;

#[derive(Debug)]
struct Record {
    response: Value,
    input_items: Vec<Value>,
}

/// Everything that is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    records: Mutex<HashMap<String, Record>>,
    pub(crate) conversations: Conversations,
}

impl Kept {
    /// Refuses a request that names what is not kept.
    pub(crate) fn check(&self, request: &[u8]) -> Result<(), ErrorAnswer> {
        let Ok(request) = serde_json::from_slice::<Value>(request) else { return Ok(()) };
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = request["previous_response_id"].as_str().filter(|id| !records.contains_key(*id)) {
            let message = format!("Previous response with id '{id}' not found.");
            return Err(ErrorAnswer::not_kept(400, &message, "previous_response_not_found"));
        }
        if let Some(id) = conversations::named(&request).filter(|id| !self.conversations.has(id)) {
            return Err(conversations::missing(id));
        }
        let is_kept = |id: &str| {
            let items = records.values().flat_map(|record| record.response["output"].as_array().into_iter().flatten());
            let inputs = records.values().flat_map(|record| &record.input_items);
            items.chain(inputs).any(|item| item["id"] == id) || self.conversations.have_item(id)
        };
        for item in request["input"].as_array().into_iter().flatten().filter(|item| item["type"] == "item_reference") {
            let id = item["id"].as_str().unwrap_or_default();
            if !is_kept(id) {
                return Err(ErrorAnswer::not_kept(404, &format!("Item with id '{id}' not found."), "item_not_found"));
            }
        }
        Ok(())
    }

    /// Keeps what was answered, unless the request says not to; gives the answer with what it goes on from.
    pub(crate) fn keep(&self, request: &[u8], answer: Bytes, is_stream: bool) -> Bytes {
        let Ok(request) = serde_json::from_slice::<Value>(request) else { return answer };
        let text = String::from_utf8_lossy(&answer);
        let conversation = conversations::named(&request);
        let goes_on_from = match (request["previous_response_id"].as_str(), conversation) {
            (Some(id), _) => Some(format!("\"previous_response_id\":\"{id}\"")),
            (None, Some(id)) => Some(format!("\"conversation\":{{\"id\":\"{id}\"}}")),
            (None, None) => None,
        };
        let answer = match goes_on_from.filter(|_| !is_stream) {
            Some(member) => text.replacen("\"error\":null", &format!("\"error\":null,{member}"), 1).into(),
            None => answer.clone(),
        };
        let response = if is_stream { last_response(&text) } else { serde_json::from_slice(&answer).ok() };
        let Some(response) = response else { return answer };
        let Some(id) = response["id"].as_str().map(str::to_owned) else { return answer };
        let input_items = input_items(&request["input"], &id);
        if let Some(conversation) = conversation {
            let output = response["output"].as_array().into_iter().flatten();
            self.conversations.append(conversation, input_items.iter().chain(output).cloned());
        }
        if request["store"] == false {
            return answer;
        }
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= KEPT_MAX {
            records.clear();
        }
        records.insert(id, Record { response, input_items });
        answer
    }

    /// Answers what is done with one response: its content type and its body.
    pub(crate) fn answer(
        &self,
        method: &Method,
        rest: &str,
        query: &str,
    ) -> Result<(&'static str, String), ErrorAnswer> {
        let (id, action) = rest.split_once('/').map_or((rest, ""), |(id, action)| (id, action));
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || {
            let message = format!("Response with id '{id}' not found.");
            Err(ErrorAnswer::not_kept(404, &message, "response_not_found"))
        };
        let Some(record) = records.get(id) else { return missing() };
        let document = match (method, action) {
            (&Method::GET, "") if query.contains("stream=true") => {
                let event = |number: u32, kind: &str| {
                    let data = json!({ "type": kind, "sequence_number": number, "response": record.response });
                    format!("event: {kind}\ndata: {data}\n\n")
                };
                let events = [event(0, "response.created"), event(1, "response.completed")].concat();
                return Ok(("text/event-stream; charset=utf-8", events));
            }
            (&Method::GET, "") => record.response.clone(),
            (&Method::GET, "input_items") => list(&record.input_items, query)?,
            (&Method::POST, "cancel") => {
                return Err(ErrorAnswer::invalid(&format!("Cannot cancel a synchronous response: {id}"), None));
            }
            (&Method::DELETE, "") => {
                records.remove(id);
                json!({ "id": id, "object": "response", "deleted": true })
            }
            _ => return Err(ErrorAnswer::unknown_url(method.as_str(), rest)),
        };
        Ok(("application/json", document.to_string()))
    }
}

/// The whole response at the end of a stream.
fn last_response(events: &str) -> Option<Value> {
    let data = events.lines().rev().find_map(|line| line.strip_prefix("data: "))?;
    let event: Value = serde_json::from_str(data).ok()?;
    event.get("response").cloned()
}

/// What was asked, as items with ids.
fn input_items(input: &Value, response_id: &str) -> Vec<Value> {
    let text = || json!([{ "role": "user", "content": [{ "type": "input_text", "text": input }] }]);
    let items = if input.is_array() { input.clone() } else { text() };
    with_ids(&items, response_id.trim_start_matches("resp_"))
}
