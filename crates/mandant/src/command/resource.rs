//! Single resources: create, list, show, update, suspend, resume, rotate, revoke, delete.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::backend::{Backend, Question, path_part};
use crate::cli::{
    Account, KeyCommand, ModelCommand, ProjectCommand, TenantCommand, Unset, UpstreamCommand, UpstreamTerms,
};
use crate::command::apply::{print_changes, read_text};
use crate::config::{Settings, kinds, write};
use crate::failure::Failure;
use crate::output::{Output, cell_text};

/// A kind of resource: its path in the control interface, its name in the declarative form, and the columns of its list.
struct Kind {
    collection: &'static str,
    name: &'static str,
    columns: &'static [&'static str],
}

const TENANT: Kind = Kind {
    collection: "tenants",
    name: "tenant",
    columns: &["place", "name", "status", "priority", "limits", "budget"],
};
const PROJECT: Kind =
    Kind { collection: "projects", name: "project", columns: &["place", "models", "limits", "budget"] };
const KEY: Kind =
    Kind { collection: "keys", name: "key", columns: &["place", "status", "expires", "models", "limits", "budget"] };
const UPSTREAM: Kind =
    Kind { collection: "upstreams", name: "upstream", columns: &["place", "dialect", "base_url", "api_keys"] };
const MODEL: Kind =
    Kind { collection: "models", name: "model", columns: &["place", "kind", "route", "price", "fallbacks"] };

/// Answers of a command about one kind of resource.
struct Desk<'a> {
    kind: &'a Kind,
    settings: &'a Settings,
    output: Output,
}

impl Desk<'_> {
    fn path(&self, place: &str) -> String {
        format!("/v1/{}/{}", self.kind.collection, path_part(place))
    }

    fn ask(&self, question: Question<'_>) -> Result<Value, Failure> {
        Backend::open(self.settings)?.ask(question)
    }

    fn create(&self, place: &str, settings: &Value) -> Result<(), Failure> {
        self.change(Question::new(Method::POST, &self.path(place)).json(settings))
    }

    fn update(&self, place: &str, mut patch: Value, unset: &Unset) -> Result<(), Failure> {
        unset.add_to(&mut patch);
        if patch.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err(Failure::other("nothing to change was named; see --help for the settings"));
        }
        self.change(Question::new(Method::PATCH, &self.path(place)).json(&patch))
    }

    fn act(&self, place: &str, action: &str) -> Result<(), Failure> {
        self.change(Question::new(Method::POST, &format!("{}/{action}", self.path(place))))
    }

    fn delete(&self, place: &str) -> Result<(), Failure> {
        self.change(Question::new(Method::DELETE, &self.path(place)))
    }

    fn change(&self, question: Question<'_>) -> Result<(), Failure> {
        print_changes(&self.ask(question)?, self.output);
        Ok(())
    }

    fn show(&self, place: &str) -> Result<(), Failure> {
        let item = self.ask(Question::new(Method::GET, &self.path(place)))?;
        if self.output.is_json() {
            self.output.json(&item);
        } else {
            self.output.text(write::document("", &json!({self.kind.name: [item]})).trim_start());
        }
        Ok(())
    }

    fn list(&self, tenant: Option<&str>) -> Result<(), Failure> {
        let mut path = format!("/v1/{}", self.kind.collection);
        if let Some(tenant) = tenant {
            path = format!("{path}?tenant={}", path_part(tenant));
        }
        let answer = self.ask(Question::new(Method::GET, &path))?;
        if self.output.is_json() {
            self.output.json(&answer);
            return Ok(());
        }
        let items = answer[self.kind.collection].as_array().map_or(&[][..], Vec::as_slice);
        let row = |item: &Value| self.kind.columns.iter().map(|column| column_text(item, column)).collect();
        let rows: Vec<Vec<String>> = items.iter().map(row).collect();
        let mut head = self.kind.columns.to_vec();
        head[0] = self.kind.name;
        self.output.table(&head, &rows);
        Ok(())
    }
}

/// One cell of a list: short words instead of JSON.
fn column_text(item: &Value, column: &str) -> String {
    match (&item[column], column) {
        (Value::Null, "status") => "active".into(),
        (Value::Object(members), "limits" | "budget" | "price") => {
            let plain = members.iter().filter(|(_, value)| !value.is_array() && !value.is_object());
            plain.map(|(name, value)| format!("{} {}", short(name), cell_text(value))).collect::<Vec<_>>().join(", ")
        }
        (Value::Array(targets), "route") => {
            targets.iter().map(|target| cell_text(&target["upstream"])).collect::<Vec<_>>().join(" ")
        }
        (value, _) => cell_text(value),
    }
}

/// `requests_per_minute` as people shorten it.
fn short(name: &str) -> String {
    match name {
        "requests_per_minute" => "rpm".into(),
        "requests_per_hour" => "rph".into(),
        "requests_per_day" => "rpd".into(),
        "tokens_per_minute" => "tpm".into(),
        "tokens_per_day" => "tpd".into(),
        name => name.replace("usd_per_", "$/").replace("usd_total", "$ total").replace('_', " "),
    }
}

fn place(account: &Account) -> String {
    format!("{}/{}", account.tenant, account.rest)
}

/// The first line of a file or of standard input, as a secret comes in.
pub(crate) fn read_secret(file: &Path) -> Result<String, Failure> {
    let (name, text) = read_text(file)?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(Failure::other(format!("{name} has no secret in its first line"))),
    }
}

/// `mandant tenant ...`
pub(crate) fn tenant(verb: &TenantCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    let desk = Desk { kind: &TENANT, settings, output };
    match verb {
        TenantCommand::Create { tenant, terms } => desk.create(tenant, &terms.patch().map_err(Failure::Data)?),
        TenantCommand::List => desk.list(None),
        TenantCommand::Show { tenant } => desk.show(tenant),
        TenantCommand::Update { tenant, terms, unset } => {
            desk.update(tenant, terms.patch().map_err(Failure::Data)?, unset)
        }
        TenantCommand::Suspend { tenant } => desk.act(tenant, "suspend"),
        TenantCommand::Resume { tenant } => desk.act(tenant, "resume"),
        TenantCommand::Delete { tenant } => desk.delete(tenant),
    }
}

/// `mandant project ...`
pub(crate) fn project(verb: &ProjectCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    let desk = Desk { kind: &PROJECT, settings, output };
    match verb {
        ProjectCommand::Create { project, terms } => {
            desk.create(&place(project), &terms.patch().map_err(Failure::Data)?)
        }
        ProjectCommand::List { tenant } => desk.list(tenant.as_deref()),
        ProjectCommand::Show { project } => desk.show(&place(project)),
        ProjectCommand::Update { project, terms, unset } => {
            desk.update(&place(project), terms.patch().map_err(Failure::Data)?, unset)
        }
        ProjectCommand::Delete { project } => desk.delete(&place(project)),
    }
}

/// `mandant key ...`
pub(crate) fn key(verb: &KeyCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    let desk = Desk { kind: &KEY, settings, output };
    match verb {
        KeyCommand::Create { key, secret_file, terms } => {
            let mut patch = terms.patch().map_err(Failure::Data)?;
            if let Some(file) = secret_file {
                patch["secret"] = Value::from(read_secret(file)?);
            }
            desk.create(&place(key), &patch)
        }
        KeyCommand::List { tenant } => desk.list(tenant.as_deref()),
        KeyCommand::Show { key } => desk.show(&place(key)),
        KeyCommand::Update { key, terms, unset } => {
            desk.update(&place(key), terms.patch().map_err(Failure::Data)?, unset)
        }
        KeyCommand::Rotate { key } => desk.act(&place(key), "rotate"),
        KeyCommand::Revoke { key } => desk.act(&place(key), "revoke"),
        KeyCommand::Delete { key } => desk.delete(&place(key)),
    }
}

/// `mandant upstream ...`
pub(crate) fn upstream(verb: &UpstreamCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    let desk = Desk { kind: &UPSTREAM, settings, output };
    let patch = |terms: &UpstreamTerms| -> Result<Value, Failure> {
        let mut patch = terms.patch();
        if let Some(file) = &terms.secret_file {
            patch["api_keys"] = json!([read_secret(file)?]);
        }
        Ok(patch)
    };
    match verb {
        UpstreamCommand::Create { upstream, kind, dialect, terms } => {
            let mut settings = patch(terms)?;
            let dialect = dialect.as_deref().or(kind.is_none().then_some("openai"));
            if let Value::Object(members) = &mut settings {
                members.extend(dialect.map(|dialect| ("dialect".to_owned(), dialect.into())));
                members.extend(kind.as_deref().map(|kind| ("kind".to_owned(), kind.into())));
                kinds::fill(members).map_err(|(member, why)| Failure::other(format!("{member}: {why}")))?;
            }
            desk.create(upstream, &settings)
        }
        UpstreamCommand::List => desk.list(None),
        UpstreamCommand::Show { upstream } => desk.show(upstream),
        UpstreamCommand::Update { upstream, terms, unset } => desk.update(upstream, patch(terms)?, unset),
        UpstreamCommand::Delete { upstream } => desk.delete(upstream),
    }
}

/// `mandant model ...`
pub(crate) fn model(verb: &ModelCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    let desk = Desk { kind: &MODEL, settings, output };
    match verb {
        ModelCommand::Create { model, terms } => desk.create(model, &terms.patch()),
        ModelCommand::List => desk.list(None),
        ModelCommand::Show { model } => desk.show(model),
        ModelCommand::Update { model, terms, unset } => desk.update(model, terms.patch(), unset),
        ModelCommand::Delete { model } => desk.delete(model),
    }
}
