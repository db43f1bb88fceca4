//! Fills in what an upstream's `kind` says and its operator does not: the file stays short, and the store gets the whole.

use catalog::{UpstreamKind, upstream_kind};
use serde_json::{Map, Value, json};

/// A member that cannot stand, and why.
pub(crate) type Misfit = (&'static str, String);

/// Fills in and takes away the `kind` of an upstream, if it has one. What is said stays as it is said.
///
/// # Errors
/// What the kind leaves open, or contradicts.
pub(crate) fn fill(upstream: &mut Map<String, Value>) -> Result<(), Misfit> {
    let Some(kind) = upstream.remove("kind") else { return Ok(()) };
    let name = kind.as_str().unwrap_or_default();
    let kind = upstream_kind(name).ok_or_else(|| ("kind", unknown()))?;
    if let Some(dialect) = upstream.get("dialect").filter(|dialect| **dialect != kind.dialect.name()) {
        let sentence =
            format!("{name} speaks \"{}\" here, not {dialect}; remove one of dialect and kind", kind.dialect.name());
        return Err(("dialect", sentence));
    }
    if !kind.has_address() && !upstream.contains_key("base_url") {
        return Err(("base_url", format!("every customer of {name} has another; write {}", kind.base_url)));
    }
    for (name, value) in members(kind) {
        let is_answered = name == "api_keys" && upstream.contains_key("no_auth")
            || name == "no_auth" && upstream.contains_key("api_keys");
        if !is_answered {
            upstream.entry(name).or_insert(value);
        }
    }
    Ok(())
}

/// What a kind says.
fn members(kind: &UpstreamKind) -> Vec<(&'static str, Value)> {
    let mut members = vec![("dialect", json!(kind.dialect)), ("base_url", json!(kind.base_url))];
    members.extend(kind.auth.map(|auth| ("auth", json!(auth))));
    members.push(match &kind.api_key {
        Some(place) => ("api_keys", json!([place])),
        None => ("no_auth", json!(true)),
    });
    if kind.hosting != wire::Hosting::default() {
        members.push(("hosting", json!(kind.hosting)));
    }
    if !kind.headers.is_empty() {
        members.push(("headers", json!(kind.headers)));
    }
    if !kind.asks_stream_usage {
        members.push(("asks_stream_usage", json!(false)));
    }
    members
}

/// Names the kinds that there are.
pub(crate) fn unknown() -> String {
    let known: Vec<&str> = catalog::upstream_kinds().iter().map(|kind| kind.id.as_str()).collect();
    format!("is no known provider; leave it out and give dialect and base_url, or use one of {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(upstream: Value) -> Result<Value, Misfit> {
        let Value::Object(mut upstream) = upstream else { panic!("an object") };
        fill(&mut upstream).map(|()| Value::Object(upstream))
    }

    #[test]
    fn every_known_provider_makes_an_upstream_that_the_store_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store::Store::open(&folder.path().join("data")).expect("a store");
        for kind in catalog::upstream_kinds() {
            let mut given = json!({ "id": kind.id, "kind": kind.id });
            if !kind.has_address() {
                assert_eq!(filled(given.clone()).expect_err("no address").0, "base_url", "{}", kind.id);
                let whole = kind.base_url.replace("RESOURCE", "r").replace("REGION", "us-east-1");
                given["base_url"] = json!(whole.replace("LOCATION", "us-central1").replace("PROJECT", "p"));
            }
            if kind.auth == Some(catalog::AuthStyle::AzureEntra) {
                given["token"] =
                    json!({ "url": "https://login.microsoftonline.com/t/oauth2/v2.0/token", "client_id": "c" });
            }
            let upstream = filled(given).expect("it says all that it must");
            let resources = serde_json::from_value(json!({ "upstream": [upstream] })).expect("the shape of resources");
            let applied = store.apply(&resources, store::ApplyOptions::default());
            assert!(applied.is_ok(), "{}: {applied:?}", kind.id);
        }
        assert_eq!(store.export().expect("exported").upstream.len(), catalog::upstream_kinds().len());
    }

    #[test]
    fn every_known_provider_stands_in_the_operators_guide() {
        let guide = include_str!("../../../../docs/operating.md");
        for kind in catalog::upstream_kinds() {
            let auth = kind.auth.unwrap_or(catalog::AuthStyle::of(kind.dialect)).name();
            let credential = kind.api_key.as_ref().map_or("none".to_owned(), |key| format!("`{auth}`, `{key}`"));
            let row = format!("| `{}` | `{}` | {credential} | `{}` |\n", kind.id, kind.dialect, kind.base_url);
            assert!(guide.contains(&row), "docs/operating.md has no row\n{row}");
        }
    }

    #[test]
    fn what_is_said_stays_and_what_contradicts_is_refused() {
        let said = json!({ "id": "a", "kind": "groq", "base_url": "https://mine/v1", "no_auth": true });
        let expected = json!({ "id": "a", "dialect": "openai", "base_url": "https://mine/v1", "no_auth": true });
        assert_eq!(filled(said), Ok(expected));
        let own = filled(json!({ "id": "a", "kind": "vllm", "api_keys": ["env:KEY"] })).expect("a key of its own");
        assert_eq!(own.get("no_auth"), None);
        assert_eq!(filled(json!({ "kind": "mistral" })).expect("filled")["asks_stream_usage"], false);
        assert_eq!(filled(json!({ "kind": "groq", "dialect": "gemini" })).expect_err("no").0, "dialect");
        assert!(filled(json!({ "kind": "grok" })).expect_err("no").1.contains("groq, "));
        let without = json!({ "id": "a", "dialect": "openai" });
        assert_eq!(filled(without.clone()), Ok(without));
    }
}
