//! Schemas of answers as Anthropic's models take them, there and at Bedrock: what their grammar has no word for stands in
//! the description, where the model may read it. Anthropic's own SDKs shape them the same way.

use core::fmt::Write;
use std::borrow::Cow;

use super::build::Build;
use super::fault::Fault;
use super::node::{Members, Node};

/// The longest schema that is looked into.
const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// Formats of texts that the grammar knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema itself where it needs nothing, else the shaped one. `name` is what the client calls it.
///
/// # Errors
/// [`Fault`] for what the grammar cannot give at all: objects whose members only the model would name.
pub(super) fn fitted<'a>(schema: &'a str, name: &'static str) -> Result<Cow<'a, str>, Fault> {
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(Fault::unsupported(name, format!("a schema of more than {SCHEMA_BYTES_MAX} bytes")));
    }
    let mut shaping = Shaping { json: Build::new(), is_changed: false, has_map: false };
    let node = Node::parse(schema.as_bytes()).ok_or_else(|| Fault::invalid(name, "a JSON schema"))?;
    shaping.schema(node);
    if shaping.has_map {
        return Err(Fault::unsupported(name, "an object whose members have no names yet ('additionalProperties')"));
    }
    let made = String::from_utf8(shaping.json.take()).ok().filter(|_| shaping.is_changed);
    Ok(made.map_or(Cow::Borrowed(schema), Cow::Owned))
}

/// A schema in the making.
struct Shaping {
    json: Build,
    /// Whether anything is said otherwise than it was.
    is_changed: bool,
    /// Whether an object maps any names to values.
    has_map: bool,
}

impl Shaping {
    fn schema(&mut self, schema: Node<'_>) {
        let Some(members) = schema.all_members() else { return self.json.raw(schema.raw()).done() };
        let get = |wanted: &str| members.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let (is_reference, has_any_of) = (get("$ref").is_some(), get("anyOf").is_some());
        let mut moved = String::new();
        self.json.begin_object();
        for (name, value) in &members {
            match &**name {
                // What stands beside a reference is nothing to the grammar.
                _ if is_reference && !matches!(&**name, "$ref" | "$defs" | "definitions") => self.is_changed = true,
                "description" => {}
                "properties" | "$defs" | "definitions" => self.named(name, *value),
                "items" => {
                    self.json.key("items");
                    self.schema(*value);
                }
                "anyOf" | "allOf" => self.several(name, *value),
                "oneOf" if !has_any_of => {
                    self.is_changed = true;
                    self.several("anyOf", *value);
                }
                "additionalProperties" if value.boolean() != Some(false) => {
                    self.is_changed = true;
                    self.has_map |= is_filled(*value);
                }
                "patternProperties" if is_filled(*value) => self.has_map = true,
                name if !is_known(name, *value) => note(name, *value, &mut moved),
                name => self.json.name(name).raw(value.raw()).done(),
            }
        }
        if !is_reference {
            self.close(&members, get("additionalProperties"));
            let description = get("description").filter(|text| !text.is_null());
            self.describe(description.map(|text| text.text().unwrap_or(Cow::Borrowed(text.raw()))), &moved);
        }
        self.json.end_object();
    }

    /// No object may have more members than its schema names.
    fn close(&mut self, members: &Members<'_>, more: Option<Node<'_>>) {
        let is_object = members.iter().any(|(name, value)| match &**name {
            "type" => value.text().as_deref() == Some("object") || includes_object(*value),
            name => name == "properties",
        });
        if (is_object || more.is_some()) && more.and_then(Node::boolean) != Some(false) {
            self.is_changed = true;
            // Closed, it would have no member at all.
            self.has_map |= !members.iter().any(|(name, value)| match &**name {
                "properties" => is_filled(*value),
                name => matches!(name, "anyOf" | "oneOf" | "allOf"),
            });
            self.json.key("additionalProperties").boolean(false);
        }
    }

    fn describe(&mut self, description: Option<Cow<'_, str>>, moved: &str) {
        self.is_changed |= !moved.is_empty();
        match description {
            Some(text) if moved.is_empty() => self.json.texted("description", &text).done(),
            Some(text) => self.json.texted("description", &format!("{text}\n\n{{{moved}}}")).done(),
            None if !moved.is_empty() => self.json.texted("description", &format!("{{{moved}}}")).done(),
            None => {}
        }
    }

    /// Schemas by names that the client chose.
    fn named(&mut self, name: &str, schemas: Node<'_>) {
        self.json.key(name);
        let Some(schemas) = schemas.all_members() else { return self.json.raw(schemas.raw()).done() };
        self.json.begin_object();
        for (name, schema) in schemas {
            self.json.name(&name);
            self.schema(schema);
        }
        self.json.end_object();
    }

    fn several(&mut self, name: &str, schemas: Node<'_>) {
        self.json.key(name);
        let Some(schemas) = schemas.items() else { return self.json.raw(schemas.raw()).done() };
        self.json.begin_array();
        schemas.into_iter().for_each(|schema| self.schema(schema));
        self.json.end_array();
    }
}

fn is_filled(object: Node<'_>) -> bool {
    object.all_members().is_some_and(|members| !members.is_empty())
}

fn includes_object(kinds: Node<'_>) -> bool {
    kinds.items().is_some_and(|kinds| kinds.iter().any(|kind| kind.text().as_deref() == Some("object")))
}

/// Whether the grammar has a word for it, or passes it over.
fn is_known(name: &str, value: Node<'_>) -> bool {
    match name {
        "minItems" => matches!(value.raw(), "0" | "1"),
        "format" => value.text().is_some_and(|format| FORMATS.contains(&&*format)),
        "pattern" => value.text().is_some_and(|pattern| is_plain(&pattern)),
        "minimum"
        | "maximum"
        | "exclusiveMinimum"
        | "exclusiveMaximum"
        | "multipleOf"
        | "minLength"
        | "maxLength"
        | "maxItems"
        | "uniqueItems"
        | "minProperties"
        | "maxProperties"
        | "contains"
        | "minContains"
        | "maxContains"
        | "prefixItems"
        | "patternProperties"
        | "propertyNames"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "dependentRequired"
        | "dependentSchemas"
        | "if"
        | "then"
        | "else"
        | "not"
        | "oneOf" => false,
        _ => true,
    }
}

/// A pattern that looks neither around itself nor back.
fn is_plain(pattern: &str) -> bool {
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek();
        match letter {
            '(' if next == Some(&'?') => return false,
            '\\' if next.is_some_and(|next| matches!(next, 'b' | 'B' | 'k' | '1'..='9')) => return false,
            '\\' => drop(letters.next()),
            _ => {}
        }
    }
    true
}

/// `name: value`, behind what stands there.
fn note(name: &str, value: Node<'_>, moved: &mut String) {
    let comma = if moved.is_empty() { "" } else { ", " };
    let _ = write!(moved, "{comma}{name}: {}", value.text().unwrap_or(Cow::Borrowed(value.raw())));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(schema: &str) -> String {
        fitted(schema, "response_format").expect("a schema").into_owned()
    }

    #[test]
    fn what_the_grammar_knows_stays_as_it_is_written() {
        for schema in [
            r#"{ "type":"object", "properties":{"minimum":{"type":"string","format":"date"}}, "additionalProperties" : false }"#,
            r#"{"$schema":"x","anyOf":[{"type":"string","const":null},{"type":"null"}],"default":null,"description":"D"}"#,
            r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"array","items":{"type":"string"},"minItems":1}}}"##,
            r#"{"type":"string","pattern":"^[a-z]{2}\\.\\\\b$"}"#,
            r#"{"enum":["a",1,null,true]}"#,
            "true",
        ] {
            assert!(matches!(fitted(schema, "x"), Ok(Cow::Borrowed(same)) if same == schema), "{schema}");
        }
    }

    #[test]
    fn what_it_does_not_know_stands_in_the_description() {
        for (schema, expected) in [
            (
                r#"{"type":"integer","minimum":1,"maximum":10,"description":"A number"}"#,
                r#"{"type":"integer","description":"A number\n\n{minimum: 1, maximum: 10}"}"#,
            ),
            (
                r#"{"type":"object","properties":{"a":{"type":"string","format":"phone"}}}"#,
                r#"{"type":"object","properties":{"a":{"type":"string","description":"{format: phone}"}},"additionalProperties":false}"#,
            ),
            (
                r#"{"type":["object","null"],"properties":{"a":{}}}"#,
                r#"{"type":["object","null"],"properties":{"a":{}},"additionalProperties":false}"#,
            ),
            (
                r#"{"type":"object","properties":{"a":{}},"additionalProperties":true}"#,
                r#"{"type":"object","properties":{"a":{}},"additionalProperties":false}"#,
            ),
            (
                r#"{"type":"array","minItems":2,"uniqueItems":true,"items":{"properties":{"a":{}}}}"#,
                r#"{"type":"array","items":{"properties":{"a":{}},"additionalProperties":false},"description":"{minItems: 2, uniqueItems: true}"}"#,
            ),
            (
                r#"{"oneOf":[{"properties":{"a":{}}},{"type":"null"}]}"#,
                r#"{"anyOf":[{"properties":{"a":{}},"additionalProperties":false},{"type":"null"}]}"#,
            ),
            (
                r##"{"$ref":"#/definitions/A","title":"T","definitions":{"A":{"type":"string","maxLength":3}}}"##,
                r##"{"$ref":"#/definitions/A","definitions":{"A":{"type":"string","description":"{maxLength: 3}"}}}"##,
            ),
            (r##"{"items":{"$ref":"#/$defs/A","description":"D"}}"##, r##"{"items":{"$ref":"#/$defs/A"}}"##),
            (r#"{"description":5,"minimum":1}"#, r#"{"description":"5\n\n{minimum: 1}"}"#),
            (r#"{"type":"string","pattern":"^(?!x)"}"#, r#"{"type":"string","description":"{pattern: ^(?!x)}"}"#),
        ] {
            let made = shaped(schema);
            assert_eq!(made, expected);
            assert_eq!(shaped(&made), made, "nothing is left to do");
        }
    }

    #[test]
    fn a_map_is_refused_by_name() {
        for map in [
            r#"{"type":"object","additionalProperties":{"type":"string"}}"#,
            r#"{"type":"object","properties":{"a":{}},"additionalProperties":{"type":"string"}}"#,
            r#"{"type":"object","additionalProperties":true}"#,
            r#"{"type":["object","null"],"properties":{}}"#,
            r#"{"type":"object","properties":{"a":{}},"patternProperties":{"^b":{}}}"#,
        ] {
            let within = format!(r#"{{"type":"array","items":{map}}}"#);
            let fault = fitted(&within, "text.format").expect_err(map);
            assert_eq!(fault.refusal().param(), Some("text.format"), "{map}");
        }
    }

    #[test]
    fn schemas_are_bounded() {
        let deep = format!("{}{{}}{}", r#"{"items":"#.repeat(200), "}".repeat(200));
        assert_eq!(shaped(&deep), deep);
        // The members of one are looked through once.
        let wide: String = (0..60_000).map(|number| format!(r#""a{number}":0,"#)).collect();
        let wide = format!(r#"{{{wide}"type":"string"}}"#);
        assert_eq!(shaped(&wide), wide);
        let large = format!(r#"{{"title":"{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX));
        assert_eq!(fitted(&large, "text.format").expect_err("too large").refusal().param(), Some("text.format"));
        assert!(fitted("{", "text.format").is_err());
    }
}
