//! Writing resources as TOML in the order and layout that people write: plain keys first, short tables in one line.

use core::fmt::Write as _;

use serde_json::{Map, Value};

/// Keys whose lists of tables get `[[...]]` headers of their own; all other tables stay in one line.
const HEADED: [&str; 5] = ["upstream", "model", "tenant", "project", "key"];

/// The TOML text of resources given as JSON, with a comment on top.
pub(crate) fn document(comment: &str, resources: &Value) -> String {
    let mut out = String::new();
    for line in comment.lines() {
        writeln!(out, "# {line}").expect("writing to a String cannot fail");
    }
    if let Value::Object(kinds) = resources {
        headed(&mut out, "", kinds);
    }
    out
}

/// Writes the lists of tables of `members` under their headers, in the order of [`HEADED`].
fn headed(out: &mut String, path: &str, members: &Map<String, Value>) {
    for name in HEADED {
        let Some(Value::Array(items)) = members.get(name) else { continue };
        if !is_headed(name, &members[name]) {
            continue;
        }
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for item in items.iter().filter_map(Value::as_object) {
            writeln!(out, "\n[[{path}]]").expect("writing to a String cannot fail");
            let mut plain: Vec<_> = item.iter().filter(|(name, value)| !is_headed(name, value)).collect();
            plain.sort_by_key(|(name, _)| !["id", "name"].contains(&name.as_str()));
            for (name, value) in plain {
                writeln!(out, "{name} = {}", inline(value)).expect("writing to a String cannot fail");
            }
            headed(out, &path, item);
        }
    }
}

/// Whether a member is a list of tables with headers of its own.
fn is_headed(name: &str, value: &Value) -> bool {
    HEADED.contains(&name) && value.as_array().is_some_and(|items| items.iter().all(Value::is_object))
}

/// A value in one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

/// A key, in quotes where it is more than a word: names of models have dots and slashes.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({
            "upstream": [{"id": "a", "dialect": "openai", "base_url": "https://h/v1", "timeouts": {"connect": "5s"}}],
            "model": [{"id": "m", "route": [{"upstream": "a", "weight": 1}], "price": {"input": "1.00"}}],
            "tenant": [
                {"id": "t", "name": "quo\"te\n# no", "project": [
                    {"id": "p", "key": [{"name": "k", "ip_allow": ["10.0.0.0/8"]}],
                     "project": [{"id": "inner", "key": [{"name": "k"}]}]}
                ]},
                {"id": "u", "models": [], "limits": {"models": {
                    "gpt-4.1": {"requests_per_minute": 1}, "org/m:free@x+y": {"concurrency": 2}
                }}}
            ]
        });
        let text = document("Exported.", &value);
        assert!(text.starts_with("# Exported.\n\n[[upstream]]\n"), "{text}");
        let file = super::super::resources::read("export.toml", &text).unwrap_or_else(|findings| panic!("{findings}"));
        assert_eq!(file.value, value, "{text}");
    }
}
