//! The model list and single models.

use serde_json::{Value, json};

use crate::errors::ErrorAnswer;

/// Shown when the options name none.
const MODELS_DEFAULT: [&str; 4] = ["gpt-4.1", "gpt-4.1-mini", "o4-mini", "text-embedding-3-small"];

pub(crate) fn list(known: Option<&[String]>, created_seconds: u64) -> String {
    let data: Vec<Value> = match known {
        Some(names) => names.iter().map(|name| model(name, created_seconds)).collect(),
        None => MODELS_DEFAULT.iter().map(|name| model(name, created_seconds)).collect(),
    };
    json!({ "object": "list", "data": data }).to_string()
}

pub(crate) fn get(name: &str, known: Option<&[String]>, created_seconds: u64) -> Result<String, ErrorAnswer> {
    match known {
        Some(names) if !names.iter().any(|known| known == name) => Err(ErrorAnswer::unknown_model(name)),
        _ => Ok(model(name, created_seconds).to_string()),
    }
}

fn model(name: &str, created_seconds: u64) -> Value {
    json!({ "id": name, "object": "model", "created": created_seconds, "owned_by": "simulated" })
}
