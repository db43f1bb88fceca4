//! What every account takes: limits, budget and models; and how settings are taken away.

use core::fmt::Write as _;

use base::Money;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::config::{Findings, resources};

/// Which settings to take away.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct Unset {
    /// Take a setting away, such as limits.requests_per_minute; may be given several times.
    #[arg(long = "unset", value_name = "SETTING")]
    pub(crate) unset: Vec<String>,
}

impl Unset {
    /// Adds a `null` for each setting to take away.
    pub(crate) fn add_to(&self, patch: &mut Value) {
        for path in &self.unset {
            let mut place = &mut *patch;
            for name in members(path) {
                if !place.is_object() {
                    *place = Value::Object(Map::new());
                }
                place = &mut place[name];
            }
            *place = Value::Null;
        }
    }
}

/// Limits, budget and models: what every account takes.
#[derive(Debug, Default, Clone, Args)]
pub(super) struct AccountTerms {
    /// The only models allowed, separated by commas.
    #[arg(long, value_name = "MODELS", value_delimiter = ',')]
    models: Option<Vec<String>>,
    /// Requests in any trailing minute.
    #[arg(long, value_name = "COUNT")]
    rpm: Option<u64>,
    /// Requests in any trailing hour.
    #[arg(long, value_name = "COUNT")]
    rph: Option<u64>,
    /// Requests in any trailing 24 hours.
    #[arg(long, value_name = "COUNT")]
    rpd: Option<u64>,
    /// Tokens in any trailing minute.
    #[arg(long, value_name = "COUNT")]
    tpm: Option<u64>,
    /// Tokens in any trailing 24 hours.
    #[arg(long, value_name = "COUNT")]
    tpd: Option<u64>,
    /// Tokens in a calendar month.
    #[arg(long, value_name = "COUNT")]
    tokens_per_month: Option<u64>,
    /// Calls at once.
    #[arg(long, value_name = "COUNT")]
    concurrency: Option<u64>,
    /// After a window refused a call, everything is refused for this long, such as 30s or 10m.
    #[arg(long, value_name = "SPAN")]
    block_for: Option<String>,
    /// Limits for the account's calls of one model, as NAME=VALUE separated by commas: rpm, rph, rpd, tpm, tpd,
    /// concurrency, block-for, and each but the last as shadow.NAME, which is only watched. May be given several times.
    #[arg(long, num_args = 2, value_names = ["MODEL", "LIMITS"])]
    per_model: Vec<String>,
    /// What each of the account's end users gets; written as for --per-model.
    #[arg(long, value_name = "LIMITS")]
    per_end_user: Vec<String>,
    /// Limits that are counted and refuse nothing: rpm, rph, rpd, tpm, tpd, tokens-per-month, concurrency, usd-per-day,
    /// usd-per-week, usd-per-month, usd-per-year, usd-total.
    #[arg(long, value_name = "LIMITS")]
    shadow: Vec<String>,
    /// Budget per calendar day, in US dollars.
    #[arg(long, value_name = "USD", value_parser = Money::parse_usd)]
    usd_per_day: Option<Money>,
    /// Budget per calendar week.
    #[arg(long, value_name = "USD", value_parser = Money::parse_usd)]
    usd_per_week: Option<Money>,
    /// Budget per calendar month.
    #[arg(long, value_name = "USD", value_parser = Money::parse_usd)]
    usd_per_month: Option<Money>,
    /// Budget per calendar year.
    #[arg(long, value_name = "USD", value_parser = Money::parse_usd)]
    usd_per_year: Option<Money>,
    /// Budget for ever.
    #[arg(long, value_name = "USD", value_parser = Money::parse_usd)]
    usd_total: Option<Money>,
}

impl AccountTerms {
    /// The members that are set.
    ///
    /// # Errors
    /// Everything that is wrong with the limits.
    pub(super) fn patch(&self) -> Result<Value, Findings> {
        let mut patch = without_nulls(json!({
            "models": self.models,
            "limits": {
                "requests_per_minute": self.rpm,
                "requests_per_hour": self.rph,
                "requests_per_day": self.rpd,
                "tokens_per_minute": self.tpm,
                "tokens_per_day": self.tpd,
                "tokens_per_month": self.tokens_per_month,
                "concurrency": self.concurrency,
                "block_for": self.block_for,
            },
            "budget": {
                "usd_per_day": self.usd_per_day,
                "usd_per_week": self.usd_per_week,
                "usd_per_month": self.usd_per_month,
                "usd_per_year": self.usd_per_year,
                "usd_total": self.usd_total,
            },
        }));
        if let (Value::Object(members), Value::Object(parts)) = (&mut patch, self.parts()?)
            && !parts.is_empty()
        {
            let limits = members.entry("limits").or_insert_with(|| json!({}));
            limits.as_object_mut().expect("limits are a table").extend(parts);
        }
        Ok(patch)
    }

    /// The limits that are not of the whole account, or only watched.
    fn parts(&self) -> Result<Value, Findings> {
        let mut given = Given::default();
        for pair in self.per_model.chunks_exact(2) {
            given.add(&["models", &pair[0]], &pair[1]);
        }
        self.per_end_user.iter().for_each(|limits| given.add(&["per_end_user"], limits));
        self.shadow.iter().for_each(|limits| given.add(&["shadow"], limits));
        given.read()
    }
}

/// Limits as they were given, NAME=VALUE, on their way to the reader of files: names and bounds are the same.
#[derive(Default)]
struct Given {
    /// A line for each.
    text: String,
    seen: Vec<String>,
    /// What cannot be written as a line.
    problems: Vec<(String, String)>,
}

impl Given {
    /// Takes a list of limits, which are under `place` in the account's.
    fn add(&mut self, place: &[&str], limits: &str) {
        for part in limits.split(',') {
            let around = place.join(".");
            let Some((name, value)) = part.split_once('=') else {
                let message = format!("{part:?} is no limit; write NAME=VALUE,NAME=VALUE, such as rpm=10,tpd=500000");
                self.problems.push((around, message));
                continue;
            };
            let (name, value) = (name.trim().replace('-', "_"), value.trim());
            let path = format!("{around}.{name}");
            if self.seen.contains(&path) {
                self.problems.push((path, "given twice; keep one".into()));
                continue;
            }
            let is_count = value.bytes().all(|byte| byte.is_ascii_digit()) && !name.contains("usd_");
            let value = if is_count && !value.is_empty() { value.to_owned() } else { quoted(value) };
            let keys: Vec<String> = place.iter().copied().chain(name.split('.')).map(quoted).collect();
            // A text takes all that is written to it.
            let _ = writeln!(self.text, "{} = {value}", keys.join("."));
            self.seen.push(path);
        }
    }

    fn read(self) -> Result<Value, Findings> {
        const NAME: &str = "limits";
        let read = resources::read_limits(NAME, &self.text);
        if self.problems.is_empty() && read.is_ok() {
            return read;
        }
        // The lines are of a text that nobody has seen.
        let mut all = Findings::new(NAME, "");
        self.problems.iter().for_each(|(path, message)| all.add_at(None, path, message.as_str()));
        let found = read.as_ref().err().map_or(&[][..], Findings::list);
        found.iter().for_each(|finding| all.add_at(None, &finding.path, finding.message.as_str()));
        Err(all)
    }
}

/// A text as TOML writes it, which reads the same escapes as JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The members that a dotted path names, outermost first. Names of models may have dots: what follows `limits.models` up
/// to a limit's name is one, and so is whatever stands in quotes. Short names of limits become the long ones.
fn members(path: &str) -> Vec<String> {
    let mut members: Vec<String> = Vec::new();
    for (at, piece) in path.split('"').enumerate() {
        if at % 2 == 1 {
            members.push(piece.to_owned());
        } else {
            members.extend(piece.split('.').filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    if members.first().is_none_or(|name| name != "limits") {
        return members;
    }
    let first = if members.get(1).is_some_and(|name| name == "models") { 3 } else { 1 };
    for name in members.iter_mut().skip(first) {
        if let Some(long) = resources::limit_name(name) {
            *name = long.to_owned();
        }
    }
    if first == 3 && !path.contains('"') {
        let is_limit = |name: &String| resources::limit_name(name).is_some();
        let end = members.iter().skip(first).position(is_limit).map_or(members.len(), |at| first + at);
        if end > first {
            let model = members[2..end].join(".");
            members.splice(2..end, [model]);
        }
    }
    members
}

/// Leaves out members that are `null`, and tables that are then empty.
pub(super) fn without_nulls(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let kept = members.into_iter().map(|(name, value)| (name, without_nulls(value)));
    Value::Object(
        kept.filter(|(_, value)| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty())).collect(),
    )
}
