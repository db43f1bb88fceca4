//! Google's own form of schemas, as JSON schemas: types in lower case, and null as a type of its own.

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
    json.begin_object();
    for (name, value) in members {
        match &*name {
            // The order of properties is that in which they stand.
            "nullable" | "propertyOrdering" | "property_ordering" => {}
            "type" => {
                json.key("type");
                match (value.text(), is_nullable) {
                    (Some(kind), false) => json.text(&kind.to_ascii_lowercase()).done(),
                    (Some(kind), true) => {
                        json.begin_array().text(&kind.to_ascii_lowercase()).text("null").end_array();
                    }
                    (None, _) => json.raw(value.raw()).done(),
                }
            }
            "items" => {
                json.key("items");
                write(value, json);
            }
            "anyOf" | "any_of" | "prefixItems" => {
                json.key(if name == "prefixItems" { "prefixItems" } else { "anyOf" }).begin_array();
                value.items().unwrap_or_default().into_iter().for_each(|item| write(item, json));
                json.end_array();
            }
            "properties" => {
                json.key("properties").begin_object();
                for (property, value) in value.members().unwrap_or_default() {
                    named(&property, json);
                    write(value, json);
                }
                json.end_object();
            }
            // Counts of 64 bits come as texts.
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties"
                if value.kind() == Kind::String =>
            {
                json.key(&name).raw(value.text().filter(|text| is_digits(text)).as_deref().unwrap_or("0"));
            }
            _ => {
                named(&name, json);
                json.raw(value.raw());
            }
        }
    }
    json.end_object();
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name of a member that the client chose.
fn named(name: &str, json: &mut Build) {
    json.text(name);
    json.out.push(b':');
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
}
