//! The shape that a TOML file must have, as data, and the walk that checks a file against it and reports every problem.
//!
//! A checked document comes out as JSON, from which serde then builds the types: two readers of one shape, of which this
//! one finds all problems with their lines and the other only ever sees good documents.

use core::ops::Range;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::{Findings, nearest};

/// Turns a text into what serde shall see, or says what is wrong with it and what to do.
pub(crate) type Check = fn(&str) -> Result<Value, String>;

/// What a value must be.
pub(crate) enum Kind {
    /// A text that passes a check; the words say what is expected.
    Text(&'static str, Check),
    /// One of some words.
    Word(&'static [&'static str]),
    /// A whole number within bounds.
    Integer(u64, u64),
    /// A size in bytes: a whole number, or a text such as "32MiB".
    Bytes,
    /// A number with a fraction, within bounds.
    Number(f64, f64),
    /// `true` or `false`.
    Switch,
    /// A list of such values.
    List(&'static Kind),
    /// A table.
    Table(&'static Form),
    /// A list of tables.
    Tables(&'static Form),
    /// A table of tables, whose keys are names that pass a check.
    Named(Check, &'static Form),
}

/// A table: what its keys are.
pub(crate) struct Form {
    /// The key whose value names an element in messages, such as `id`.
    pub(crate) label: Option<&'static str>,
    /// All keys that the table may have.
    pub(crate) fields: &'static [Field],
}

/// One key of a table.
pub(crate) struct Field {
    /// The name under which serde knows it.
    pub(crate) name: &'static str,
    /// Another spelling that files may use.
    pub(crate) alias: Option<&'static str>,
    /// Whether the table is wrong without it.
    pub(crate) required: bool,
    /// What its value must be.
    pub(crate) kind: Kind,
}

impl Field {
    /// A key that must be there.
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Field {
        Field { name, alias: None, required: true, kind }
    }

    /// A key that may be absent.
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Field {
        Field { name, alias: None, required: false, kind }
    }

    /// The same key, which files may also spell in another way.
    pub(crate) const fn or(self, alias: &'static str) -> Field {
        Field { name: self.name, alias: Some(alias), required: self.required, kind: self.kind }
    }
}

/// Where each place of a document stands: path → line.
#[derive(Debug, Default)]
pub(crate) struct SourceMap(BTreeMap<String, usize>);

impl SourceMap {
    /// The line of `path`, or of the nearest thing around it.
    pub(crate) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// A document that has the right shape.
#[derive(Debug)]
pub(crate) struct Document {
    /// The values, ready for serde.
    pub(crate) value: Value,
    /// Where they stand.
    pub(crate) source: SourceMap,
}

/// Checks `text` against `form`.
///
/// # Errors
/// All problems of the file, in the order of their lines.
pub(crate) fn read(file: &str, text: &str, form: &Form) -> Result<Document, Findings> {
    let mut walk =
        Walk { findings: Findings::new(file, text), source: SourceMap::default(), whole: true, file_bytes: text.len() };
    let (table, errors) = DeTable::parse_recoverable(text.trim_start_matches('\u{feff}'));
    walk.whole = errors.is_empty();
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        walk.findings.add(&span, "", format!("not valid TOML: {}", error.message().trim().replace('\n', ", ")));
    }
    let span = table.span();
    let value = walk.table(table.get_ref(), &span, "", form);
    match walk.findings.is_empty() {
        true => Ok(Document { value, source: walk.source }),
        false => Err(walk.findings.sorted()),
    }
}

struct Walk {
    findings: Findings,
    source: SourceMap,
    /// Whether the text was valid TOML; if not, what seems missing may only be unreadable.
    whole: bool,
    file_bytes: usize,
}

impl Walk {
    fn table(&mut self, table: &DeTable<'_>, span: &Range<usize>, path: &str, form: &Form) -> Value {
        let mut out = Map::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let here = join(path, name);
            self.source.0.insert(here.clone(), self.findings.line(&key.span()));
            let Some(field) = form.fields.iter().find(|field| field.name == name || field.alias == Some(name)) else {
                self.unknown(&key.span(), &here, name, form);
                continue;
            };
            let line = self.findings.line(&key.span());
            self.source.0.insert(join(path, field.name), line);
            let read = self.value(value, &join(path, field.name), &field.kind);
            if out.insert(field.name.to_owned(), read).is_some() {
                self.findings.add(&key.span(), &here, format!("given twice, also as \"{}\"; keep one", field.name));
            }
        }
        for field in form.fields.iter().filter(|field| field.required && self.whole) {
            if !out.contains_key(field.name) {
                let at = self.source.line(path).unwrap_or_else(|| self.findings.line(span));
                let message = format!("missing; add {}", example(field));
                self.findings.add_at(Some(at), &join(path, field.name), message);
            }
        }
        Value::Object(out)
    }

    fn unknown(&mut self, span: &Range<usize>, path: &str, name: &str, form: &Form) {
        let spellings = form.fields.iter().flat_map(|field| [Some(field.name), field.alias]).flatten();
        let advice = match nearest(name, spellings) {
            Some(word) => format!("did you mean \"{word}\"?"),
            None => {
                let names: Vec<&str> = form.fields.iter().map(|field| field.alias.unwrap_or(field.name)).collect();
                format!("remove it; the keys here are {}", names.join(", "))
            }
        };
        self.findings.add(span, path, format!("unknown key; {advice}"));
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str, kind: &Kind) -> Value {
        let span = value.span();
        let result = match (kind, value.get_ref()) {
            (Kind::Table(form), DeValue::Table(table)) => return self.table(table, &span, path, form),
            (Kind::Named(check, form), DeValue::Table(table)) => return self.named(table, path, *check, form),
            (Kind::Tables(form), DeValue::Array(items)) => return self.tables(items.iter(), path, form),
            (Kind::List(kind), DeValue::Array(items)) => {
                let items = items.iter().enumerate();
                return items.map(|(at, item)| self.value(item, &format!("{path}[{at}]"), kind)).collect();
            }
            (kind, value) => scalar(kind, value),
        };
        result.unwrap_or_else(|message| {
            let span = if span.start > self.file_bytes { 0..0 } else { span };
            self.findings.add(&span, path, message);
            Value::Null
        })
    }

    fn named(&mut self, table: &DeTable<'_>, path: &str, check: Check, form: &Form) -> Value {
        let mut out = Map::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let here = join(path, name);
            self.source.0.insert(here.clone(), self.findings.line(&key.span()));
            if let Err(message) = check(name) {
                self.findings.add(&key.span(), &here, message);
            }
            let DeValue::Table(inner) = value.get_ref() else {
                self.findings.add(&value.span(), &here, "must be a table");
                continue;
            };
            out.insert(name.to_owned(), self.table(inner, &value.span(), &here, form));
        }
        Value::Object(out)
    }

    fn tables<'a, 'i: 'a>(
        &mut self,
        items: impl Iterator<Item = &'a Spanned<DeValue<'i>>>,
        path: &str,
        form: &Form,
    ) -> Value {
        let mut out = Vec::new();
        for (at, item) in items.enumerate() {
            let DeValue::Table(table) = item.get_ref() else {
                self.findings.add(&item.span(), &format!("{path}[{at}]"), "must be a table");
                continue;
            };
            let label = form.label.and_then(|key| table.get(key)).and_then(|value| value.get_ref().as_str());
            let here = format!("{path}[{}]", label.map_or_else(|| at.to_string(), str::to_owned));
            self.source.0.entry(here.clone()).or_insert(self.findings.line(&item.span()));
            self.source.0.entry(format!("{path}[{at}]")).or_insert(self.findings.line(&item.span()));
            out.push(self.table(table, &item.span(), &here, form));
        }
        Value::Array(out)
    }
}

/// Reads one plain value, or says what is wrong with it.
fn scalar(kind: &Kind, value: &DeValue<'_>) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Text(_, check), DeValue::String(text)) => check(text),
        (Kind::Text(what, check), DeValue::Datetime(time)) => {
            check(&time.to_string()).map_err(|_| format!("must be {what}"))
        }
        (Kind::Text(what, _), DeValue::Integer(_) | DeValue::Float(_)) => {
            Err(format!("must be {what} as a text: put it in quotes"))
        }
        (Kind::Word(words), DeValue::String(text)) => word(words, text),
        (Kind::Integer(..), DeValue::Float(_)) => Err("must be a whole number".into()),
        (Kind::Integer(min, max), DeValue::Integer(number)) => {
            let digits = number.as_str().replace('_', "");
            let number = u64::from_str_radix(&digits, number.radix()).ok().filter(|n| (min..=max).contains(&n));
            number.map(Value::from).ok_or_else(|| format!("must be a whole number from {min} to {max}"))
        }
        (Kind::Bytes, DeValue::Integer(number)) => bytes(number.as_str()),
        (Kind::Bytes, DeValue::String(text)) => bytes(text),
        (Kind::Number(min, max), DeValue::Integer(_) | DeValue::Float(_)) => {
            let text = match value {
                DeValue::Integer(number) => number.as_str().to_owned(),
                DeValue::Float(number) => number.as_str().to_owned(),
                _ => String::new(),
            };
            let number = text.replace('_', "").parse::<f64>().ok().filter(|n| (min..=max).contains(&n));
            number.map(Value::from).ok_or_else(|| format!("must be a number from {min} to {max}"))
        }
        (Kind::Switch, DeValue::Boolean(switch)) => Ok(Value::from(*switch)),
        (kind, value) => Err(format!("must be {}, not {}", expected(kind), found(value))),
    }
}

fn word(words: &[&'static str], text: &str) -> Result<Value, String> {
    if words.contains(&text) {
        return Ok(Value::from(text));
    }
    let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let advice = nearest(text, words.iter().copied()).map(|word| format!("; did you mean \"{word}\"?"));
    Err(format!("must be {}{}", list.join(" or "), advice.unwrap_or_default()))
}

/// Reads a size in bytes: "1024", "64KiB", "32 MiB", "1GiB".
fn bytes(text: &str) -> Result<Value, String> {
    let compact = text.replace([' ', '_'], "");
    let digits = compact.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let shift = match &compact[digits.len()..] {
        "" | "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let size = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
    size.filter(|size| *size <= 1 << 40)
        .map(Value::from)
        .ok_or_else(|| "must be a size above zero, such as \"64KiB\", \"32MiB\", \"1GiB\" or a number of bytes".into())
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Text(what, _) => format!("{what} as a text in quotes"),
        Kind::Word(words) => format!("one of {}", words.join(", ")),
        Kind::Integer(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Bytes => "a size in bytes".into(),
        Kind::Number(min, max) => format!("a number from {min} to {max}"),
        Kind::Switch => "true or false".into(),
        Kind::List(_) => "a list: [...]".into(),
        Kind::Table(_) | Kind::Named(..) => "a table: { ... }".into(),
        Kind::Tables(_) => "a list of tables: [[...]]".into(),
    }
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn example(field: &Field) -> String {
    match &field.kind {
        Kind::Word(words) => format!("{} = \"{}\"", field.name, words.first().copied().unwrap_or_default()),
        Kind::Integer(..) | Kind::Number(..) | Kind::Bytes => format!("{} = <number>", field.name),
        Kind::Switch => format!("{} = true", field.name),
        Kind::List(_) => format!("{} = [...]", field.name),
        Kind::Table(_) | Kind::Named(..) => format!("{} = {{ ... }}", field.name),
        Kind::Text(what, _) => format!("{} = \"...\" ({what})", field.name),
        Kind::Tables(_) => format!("{} = [{{ ... }}]", field.name),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
