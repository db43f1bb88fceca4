//! JSON that fits a schema: texts repeat the user.

use serde_json::{Map, Value, json};

/// Schemas inside schemas are followed as deep as this.
const DEPTH_MAX: usize = 32;

/// A value that fits a schema; an object that repeats the user where there is none.
pub(crate) fn fitting(schema: &Value, echo: &str) -> Value {
    match schema {
        Value::Object(_) => Fit { root: schema, echo }.value(schema, DEPTH_MAX),
        _ => json!({ "echo": echo }),
    }
}

struct Fit<'a> {
    root: &'a Value,
    echo: &'a str,
}

impl Fit<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        let inner = |schema: &Value| self.value(schema, depth - 1);
        if let Some(found) = schema["$ref"].as_str().and_then(|path| self.root.pointer(path.trim_start_matches('#'))) {
            return inner(found);
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
            return first.clone();
        }
        if let Some(first) = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| schema[*name].as_array()?.first()) {
            return inner(first);
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "array" => json!([inner(&schema["items"])]),
            "integer" | "number" => json!(7),
            "boolean" => json!(true),
            "null" => Value::Null,
            "string" => json!(self.echo),
            _ => {
                let members = schema["properties"].as_object().into_iter().flatten();
                Value::Object(members.map(|(name, schema)| (name.clone(), inner(schema))).collect::<Map<_, _>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_fits() {
        let schema = json!({
            "$defs": { "place": { "type": "object", "properties": { "city": { "type": "string" } } } },
            "type": "object",
            "properties": {
                "where": { "$ref": "#/$defs/place" }, "many": { "type": "ARRAY", "items": { "type": "INTEGER" } },
                "maybe": { "type": ["string", "null"] }, "one": { "enum": ["a", "b"] },
                "either": { "anyOf": [{ "type": "boolean" }, { "type": "null" }] }, "fixed": { "const": 3 },
            },
        });
        let fits = json!({
            "where": { "city": "Hi" }, "many": [7], "maybe": "Hi", "one": "a", "either": true, "fixed": 3,
        });
        assert_eq!(fitting(&schema, "Hi"), fits);
        assert_eq!(fitting(&Value::Null, "Hi"), json!({ "echo": "Hi" }));
    }
}
