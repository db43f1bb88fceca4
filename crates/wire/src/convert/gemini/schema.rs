//! Google's own form of schemas, as JSON schemas: types in lower case, and null as a type of its own.

use std::borrow::Cow;

use super::super::build::Build;
use super::super::node::Node;
use crate::scan::Kind;

/// The schema as a JSON schema.
pub(super) fn to_json_schema(schema: Node<'_>) -> String {
    let mut json = Build::new();
    write(schema, &mut json);
    String::from_utf8(json.take()).unwrap_or_default()
}

fn write(schema: Node<'_>, json: &mut Build) {
    let Some(members) = schema.members() else { return json.raw(schema.raw()).done() };
    let is_nullable = members.iter().any(|(name, value)| name == "nullable" && value.boolean() == Some(true));
    let has_type = members.iter().any(|(name, _)| name == "type");
    json.begin_object();
    for (name, value) in members {
        let name = camel(name);
        match &*name {
            // The order of properties is that in which they stand.
            "nullable" | "propertyOrdering" => {}
            "type" => kinds(value, is_nullable, json),
            "items" | "additionalProperties" | "not" => {
                json.key(&name);
                write(value, json);
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                json.key(&name).begin_array();
                value.items().unwrap_or_default().into_iter().for_each(|item| write(item, json));
                if name == "anyOf" && is_nullable && !has_type {
                    json.begin_object().texted("type", "null").end_object();
                }
                json.end_array();
            }
            "properties" | "patternProperties" | "$defs" | "defs" => {
                json.key(if name == "defs" { "$defs" } else { &name }).begin_object();
                for (property, value) in value.members().unwrap_or_default() {
                    json.name(&property);
                    write(value, json);
                }
                json.end_object();
            }
            "ref" | "$ref" => reference(value, json),
            // Counts of 64 bits come as texts.
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties"
                if value.kind() == Kind::String =>
            {
                json.key(&name).raw(value.text().filter(|text| is_digits(text)).as_deref().unwrap_or("0"));
            }
            _ => json.name(&name).raw(value.raw()).done(),
        }
    }
    json.end_object();
}

/// A type, or several.
fn kinds(value: Node<'_>, is_nullable: bool, json: &mut Build) {
    json.key("type");
    match value.text() {
        Some(kind) if !is_nullable => json.text(&kind.to_ascii_lowercase()).done(),
        Some(kind) => json.begin_array().text(&kind.to_ascii_lowercase()).text("null").end_array().done(),
        None => {
            json.begin_array();
            let kinds = value.items().unwrap_or_default();
            kinds.iter().filter_map(|kind| kind.text()).for_each(|kind| json.text(&kind.to_ascii_lowercase()).done());
            json.end_array();
        }
    }
}

/// The place of another schema in this document.
fn reference(value: Node<'_>, json: &mut Build) {
    let place = value.text().unwrap_or_default();
    json.key("$ref").text(&place.replacen("#/defs/", "#/$defs/", 1));
}

/// A name as JSON has it, of one that may be as protocol buffers have it.
pub(super) fn camel(name: Cow<'_, str>) -> Cow<'_, str> {
    if !name.contains('_') {
        return name;
    }
    let mut words = name.trim_start_matches('_').split('_');
    let mut whole = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        whole.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        whole.push_str(letters.as_str());
    }
    whole.into()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_written_as_json_schemas_have_them() {
        let schema = br#"{"type":"OBJECT","properties":{"b\"":{"type":"STRING","nullable":true,"enum":["X"]},
            "type":{"type":"ARRAY","items":{"anyOf":[{"type":"INTEGER"},{"type":"NUMBER"}]},"minItems":"2"}},
            "propertyOrdering":["a"],"required":["b\""]}"#;
        let made = to_json_schema(Node::parse(schema).expect("JSON"));
        let expected = r#"{"type":"object","properties":{"b\"":{"type":["string","null"],"enum":["X"]},"type":{"type":"array","items":{"anyOf":[{"type":"integer"},{"type":"number"}]},"minItems":2}},"required":["b\""]}"#;
        assert_eq!(made, expected);
    }

    #[test]
    fn no_schema_within_a_schema_is_left_out() {
        for (google, expected) in [
            (
                r#"{"type":"OBJECT","additionalProperties":{"type":"STRING"}}"#,
                r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
            ),
            (r#"{"type":"OBJECT","additional_properties":false}"#, r#"{"type":"object","additionalProperties":false}"#),
            (
                r##"{"ref":"#/defs/A","defs":{"A":{"type":"STRING"}}}"##,
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"string"}}}"##,
            ),
            (
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"STRING"}}}"##,
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"string"}}}"##,
            ),
            (
                r#"{"oneOf":[{"type":"STRING"}],"allOf":[{"not":{"type":"NULL"}}]}"#,
                r#"{"oneOf":[{"type":"string"}],"allOf":[{"not":{"type":"null"}}]}"#,
            ),
            (
                r#"{"any_of":[{"type":"STRING"}],"nullable":true,"min_items":"1"}"#,
                r#"{"anyOf":[{"type":"string"},{"type":"null"}],"minItems":1}"#,
            ),
            (r#"{"type":["STRING","NULL"]}"#, r#"{"type":["string","null"]}"#),
        ] {
            assert_eq!(to_json_schema(Node::parse(google.as_bytes()).expect("JSON")), expected, "{google}");
        }
    }
}
