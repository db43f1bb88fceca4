//! Conversations that are kept, and the items in them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::Method;
use serde_json::{Value, json};

use crate::errors::ErrorAnswer;

/// Most conversations that are kept; then the shelf is emptied.
const KEPT_MAX: usize = 10_000;

#[derive(Debug)]
struct Conversation {
    created_seconds: u64,
    metadata: Value,
    items: Vec<Value>,
}

/// All that are kept.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    all: Mutex<HashMap<String, Conversation>>,
}

/// The conversation that a request names.
pub(crate) fn named(request: &Value) -> Option<&str> {
    let conversation = &request["conversation"];
    conversation.as_str().or_else(|| conversation["id"].as_str())
}

/// What the answer to an unknown conversation says.
pub(crate) fn missing(id: &str) -> ErrorAnswer {
    ErrorAnswer::not_kept(404, &format!("Conversation with id '{id}' not found."), "conversation_not_found")
}

impl Conversations {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Whether any of them has an item with this id.
    pub(crate) fn have_item(&self, id: &str) -> bool {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flat_map(|one| &one.items).any(|item| item["id"] == id)
    }

    /// Puts items at the end of one.
    pub(crate) fn append(&self, id: &str, items: impl IntoIterator<Item = Value>) {
        if let Some(one) = self.all.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id) {
            one.items.extend(items);
        }
    }

    /// Answers what is done with one, or begins one: `rest` is what follows the collection in the path, `fresh` is for new ids.
    pub(crate) fn answer(
        &self,
        method: &Method,
        (rest, query): (&str, &str),
        body: &[u8],
        (fresh, created_seconds): (&str, u64),
    ) -> Result<Value, ErrorAnswer> {
        let asked = || {
            let asked = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
            asked.ok_or_else(|| ErrorAnswer::invalid("The body must be a JSON object.", None))
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
        if (method, rest) == (&Method::POST, "") {
            let asked = asked()?;
            let id = format!("conv_{fresh}");
            let items = with_ids(&asked["items"], fresh);
            if all.len() >= KEPT_MAX {
                all.clear();
            }
            let one = Conversation { created_seconds, metadata: metadata(&asked), items };
            let said = document(&id, &one);
            all.insert(id, one);
            return Ok(said);
        }
        let Some(one) = all.get_mut(id) else { return Err(missing(id)) };
        let item = action.strip_prefix("items/").unwrap_or_default();
        let at = one.items.iter().position(|one| one["id"] == item);
        let no_item = || ErrorAnswer::not_kept(404, &format!("Item with id '{item}' not found."), "item_not_found");
        match (method, action) {
            (&Method::GET, "") => Ok(document(id, one)),
            (&Method::POST, "") => {
                one.metadata = metadata(&asked()?);
                Ok(document(id, one))
            }
            (&Method::DELETE, "") => {
                all.remove(id);
                Ok(json!({ "id": id, "object": "conversation.deleted", "deleted": true }))
            }
            (&Method::POST, "items") => {
                let added = with_ids(&asked()?["items"], fresh);
                one.items.extend(added.iter().cloned());
                list(&added, "order=asc")
            }
            (&Method::GET, "items") => list(&one.items, query),
            (&Method::GET, _) if action.starts_with("items/") => Ok(one.items[at.ok_or_else(no_item)?].clone()),
            (&Method::DELETE, _) if action.starts_with("items/") => {
                one.items.remove(at.ok_or_else(no_item)?);
                Ok(document(id, one))
            }
            _ => Err(ErrorAnswer::unknown_url(method.as_str(), rest)),
        }
    }
}

fn document(id: &str, one: &Conversation) -> Value {
    json!({ "id": id, "object": "conversation", "created_at": one.created_seconds, "metadata": one.metadata })
}

fn metadata(asked: &Value) -> Value {
    asked.get("metadata").filter(|metadata| metadata.is_object()).cloned().unwrap_or_else(|| json!({}))
}

/// Items as they are kept, each with an id.
pub(crate) fn with_ids(items: &Value, fresh: &str) -> Vec<Value> {
    let with_id = |(at, item): (usize, &Value)| {
        let mut item = item.clone();
        if item.get("type").is_none() {
            item["type"] = json!("message");
        }
        let kind = if item["type"] == "function_call_output" { "fco" } else { "msg" };
        item["id"] = json!(format!("{kind}_{fresh}i{at}"));
        item
    };
    items.as_array().into_iter().flatten().enumerate().map(with_id).collect()
}

/// A page of items, the last first unless asked otherwise.
pub(crate) fn list(items: &[Value], query: &str) -> Result<Value, ErrorAnswer> {
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let mut items: Vec<&Value> = items.iter().collect();
    if asked("order") != Some("asc") {
        items.reverse();
    }
    let start = match asked("after") {
        None => 0,
        Some(after) => match items.iter().position(|item| item["id"] == after) {
            Some(at) => at + 1,
            None => return Err(ErrorAnswer::invalid(&format!("Item with id '{after}' not found."), Some("after"))),
        },
    };
    let limit = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
    let page: Vec<&Value> = items[start..].iter().copied().take(limit).collect();
    let id = |item: Option<&&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let has_more = start + page.len() < items.len();
    Ok(json!({
        "object": "list", "first_id": id(page.first()), "last_id": id(page.last()), "has_more": has_more, "data": page,
    }))
}
