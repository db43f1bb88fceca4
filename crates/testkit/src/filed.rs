//! Files that are kept: whoever has a key of this provider has all of them, as users of one account do.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::errors::ErrorAnswer;
use crate::form;

/// Every file, by its id.
#[derive(Debug, Default)]
pub(crate) struct Filed {
    files: Mutex<BTreeMap<String, (Value, Bytes)>>,
}

impl Filed {
    /// Takes a new file.
    pub(crate) fn keep(
        &self,
        id: &str,
        created_seconds: u64,
        content_type: &str,
        body: &[u8],
    ) -> Result<String, ErrorAnswer> {
        let parts = form::parts(body, content_type)?;
        let field = |name: &str| parts.iter().find(|part| part.name == name);
        let missing = |name: &str| ErrorAnswer::invalid(&format!("'{name}' is a required property"), Some(name));
        let file = field("file").ok_or_else(|| missing("file"))?;
        let purpose = String::from_utf8_lossy(&field("purpose").ok_or_else(|| missing("purpose"))?.content);
        let id = format!("file-{id}");
        let said = json!({
            "object": "file", "id": id, "purpose": purpose, "filename": file.file, "bytes": file.content.len(),
            "created_at": created_seconds, "expires_at": null, "status": "processed", "status_details": null,
        });
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(id, (said.clone(), file.content.clone().into()));
        Ok(said.to_string())
    }

    /// What is done with one file, or all: its content type and its body.
    pub(crate) fn answer(&self, method: &Method, rest: &str) -> Result<(&'static str, Bytes), ErrorAnswer> {
        let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if (method, rest) == (&Method::GET, "") {
            let all: Vec<&Value> = files.values().map(|(said, _)| said).collect();
            return Ok((
                "application/json",
                json!({ "object": "list", "data": all, "has_more": false }).to_string().into(),
            ));
        }
        let Some((said, content)) = files.get(id).cloned() else {
            return Err(ErrorAnswer::not_kept(404, &format!("No such File object: {id}"), "file_not_found"));
        };
        match (method, action) {
            (&Method::GET, "") => Ok(("application/json", said.to_string().into())),
            (&Method::GET, "content") => Ok(("application/octet-stream", content)),
            (&Method::DELETE, "") => {
                files.remove(id);
                Ok(("application/json", json!({ "object": "file", "deleted": true, "id": id }).to_string().into()))
            }
            _ => Err(ErrorAnswer::unknown_url(method.as_str(), rest)),
        }
    }

    /// The bytes of a file.
    pub(crate) fn content(&self, id: &str) -> Result<Bytes, ErrorAnswer> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = || ErrorAnswer::not_kept(404, &format!("No such File object: {id}"), "file_not_found");
        files.get(id).map(|(_, content)| content.clone()).ok_or_else(missing)
    }

    /// Keeps a file that nobody uploaded.
    pub(crate) fn put(&self, id: &str, created_seconds: u64, purpose: &str, content: Bytes) {
        let said = json!({
            "object": "file", "id": id, "purpose": purpose, "filename": format!("{id}.jsonl"), "bytes": content.len(),
            "created_at": created_seconds, "expires_at": null, "status": "processed", "status_details": null,
        });
        self.files.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), (said, content));
    }

    /// Refuses a request that names a file that is not kept.
    pub(crate) fn check(&self, request: &[u8]) -> Result<(), ErrorAnswer> {
        let text = String::from_utf8_lossy(request);
        let Some(id) = text.split("\"file_id\":\"").nth(1).and_then(|rest| rest.split('"').next()) else {
            return Ok(());
        };
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.contains_key(id) {
            return Ok(());
        }
        Err(ErrorAnswer::not_kept(404, &format!("No such File object: {id}"), "file_not_found"))
    }
}
