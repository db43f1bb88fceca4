//! The declarative form of resources: its shape, its reader, and where each of its places stands in the file.

use serde_json::Value;
use store::Resources;

use super::findings::Findings;
use super::form::{self, Field, Form, Kind, SourceMap};
use super::{checks, kinds};

const ID_TENANT: Kind = Kind::Text("a name", checks::tenant);
const ID_PROJECT: Kind = Kind::Text("a name", checks::project);
const ID_KEY: Kind = Kind::Text("a name", checks::key);
const ID_UPSTREAM: Kind = Kind::Text("the name of an upstream", checks::upstream);
const ID_MODEL: Kind = Kind::Text("the name of a model", checks::model);
const TEXT: Kind = Kind::Text("a text", checks::text);
const MONEY: Kind = Kind::Text("an amount in US dollars", checks::money);
const PER_MILLION: Kind = Kind::Text("a price in US dollars per 1M tokens", checks::price_per_million);
const PER_UNIT: Kind = Kind::Text("a price in US dollars per piece", checks::price_per_unit);
const TIME: Kind = Kind::Text("a time", checks::timestamp);
const SPAN: Kind = Kind::Text("a span of time", checks::timeout);
const MODELS: Kind = Kind::List(&ID_MODEL);
/// Counts above this are surely a mistake, and JSON readers lose digits beyond it.
const COUNT: Kind = Kind::Integer(0, 1_000_000_000_000_000);
const TOKENS: Kind = Kind::Integer(1, 1_000_000_000);

static LIMITS: Form = Form {
    label: None,
    fields: &[
        Field::optional("requests_per_minute", COUNT).or("rpm"),
        Field::optional("requests_per_hour", COUNT).or("rph"),
        Field::optional("requests_per_day", COUNT).or("rpd"),
        Field::optional("tokens_per_minute", COUNT).or("tpm"),
        Field::optional("tokens_per_day", COUNT).or("tpd"),
        Field::optional("tokens_per_month", COUNT),
        Field::optional("concurrency", COUNT),
        Field::optional("block_for", SPAN),
        Field::optional("shadow", Kind::Table(&WATCHED)),
        Field::optional("models", Kind::Named(checks::model, &PART_LIMITS)),
        Field::optional("per_end_user", Kind::Table(&PART_LIMITS)),
    ],
};
/// What is only watched, for a whole account.
static WATCHED: Form = Form {
    label: None,
    fields: &[
        Field::optional("requests_per_minute", COUNT).or("rpm"),
        Field::optional("requests_per_hour", COUNT).or("rph"),
        Field::optional("requests_per_day", COUNT).or("rpd"),
        Field::optional("tokens_per_minute", COUNT).or("tpm"),
        Field::optional("tokens_per_day", COUNT).or("tpd"),
        Field::optional("tokens_per_month", COUNT),
        Field::optional("concurrency", COUNT),
        Field::optional("usd_per_day", MONEY),
        Field::optional("usd_per_week", MONEY),
        Field::optional("usd_per_month", MONEY),
        Field::optional("usd_per_year", MONEY),
        Field::optional("usd_total", MONEY),
    ],
};
/// Limits of a part of an account's calls.
static PART_LIMITS: Form = Form {
    label: None,
    fields: &[
        Field::optional("requests_per_minute", COUNT).or("rpm"),
        Field::optional("requests_per_hour", COUNT).or("rph"),
        Field::optional("requests_per_day", COUNT).or("rpd"),
        Field::optional("tokens_per_minute", COUNT).or("tpm"),
        Field::optional("tokens_per_day", COUNT).or("tpd"),
        Field::optional("concurrency", COUNT),
        Field::optional("block_for", SPAN),
        Field::optional("shadow", Kind::Table(&WATCHED_PART)),
    ],
};
static WATCHED_PART: Form = Form {
    label: None,
    fields: &[
        Field::optional("requests_per_minute", COUNT).or("rpm"),
        Field::optional("requests_per_hour", COUNT).or("rph"),
        Field::optional("requests_per_day", COUNT).or("rpd"),
        Field::optional("tokens_per_minute", COUNT).or("tpm"),
        Field::optional("tokens_per_day", COUNT).or("tpd"),
        Field::optional("concurrency", COUNT),
    ],
};
static BUDGET: Form = Form {
    label: None,
    fields: &[
        Field::optional("usd_per_day", MONEY),
        Field::optional("usd_per_week", MONEY),
        Field::optional("usd_per_month", MONEY),
        Field::optional("usd_per_year", MONEY),
        Field::optional("usd_total", MONEY),
        Field::optional("alert_at", Kind::List(&Kind::Integer(1, 100))),
    ],
};
static DEFAULTS: Form = Form {
    label: None,
    fields: &[
        Field::optional("model", ID_MODEL),
        Field::optional("temperature", Kind::Number(0.0, 2.0)),
        Field::optional("max_tokens", TOKENS),
        Field::optional("clamp_max_tokens", Kind::Switch),
    ],
};
static KEY: Form = Form {
    label: Some("name"),
    fields: &[
        Field::required("name", ID_KEY),
        Field::optional("secret", TEXT),
        Field::optional("status", Kind::Word(&["active", "revoked"])),
        Field::optional("expires", TIME),
        Field::optional("ip_allow", Kind::List(&Kind::Text("a network", checks::network))),
        Field::optional("models", MODELS),
        Field::optional("service", Kind::List(&ID_TENANT)),
        Field::optional("limits", Kind::Table(&LIMITS)),
        Field::optional("budget", Kind::Table(&BUDGET)),
    ],
};
static PROJECT: Form = Form {
    label: Some("id"),
    fields: &[
        Field::required("id", ID_PROJECT),
        Field::optional("models", MODELS),
        Field::optional("limits", Kind::Table(&LIMITS)),
        Field::optional("budget", Kind::Table(&BUDGET)),
        Field::optional("defaults", Kind::Table(&DEFAULTS)),
        Field::optional("key", Kind::Tables(&KEY)),
        Field::optional("project", Kind::Tables(&PROJECT)),
    ],
};
static TENANT: Form = Form {
    label: Some("id"),
    fields: &[
        Field::required("id", ID_TENANT),
        Field::optional("name", TEXT),
        Field::optional("plan", Kind::Word(&["standard", "unlimited"])),
        Field::optional("status", Kind::Word(&["active", "suspended"])),
        Field::optional("priority", Kind::Word(&["high", "normal", "low"])),
        Field::optional("weight", Kind::Integer(1, 1_000)),
        Field::optional("timezone", Kind::Text("a time zone", checks::timezone)),
        Field::optional("wallet", Kind::Switch),
        Field::optional("models", MODELS),
        Field::optional("limits", Kind::Table(&LIMITS)),
        Field::optional("budget", Kind::Table(&BUDGET)),
        Field::optional("defaults", Kind::Table(&DEFAULTS)),
        Field::optional("project", Kind::Tables(&PROJECT)),
    ],
};
static TIMEOUTS: Form = Form {
    label: None,
    fields: &[
        Field::optional("connect", SPAN),
        Field::optional("first_byte", SPAN),
        Field::optional("idle", SPAN),
        Field::optional("total", SPAN),
    ],
};
static TOKEN: Form = Form {
    label: None,
    fields: &[
        Field::optional("url", Kind::Text("an address", checks::base_url)),
        Field::optional("client_id", TEXT),
        Field::optional("scope", TEXT),
    ],
};
static UPSTREAM: Form = Form {
    label: Some("id"),
    fields: &[
        Field::required("id", ID_UPSTREAM),
        Field::optional("kind", Kind::Text("a known provider", checks::upstream_kind)),
        Field::optional("dialect", Kind::Word(&["openai", "anthropic", "gemini", "cohere", "bedrock", "ollama"])),
        Field::optional("base_url", Kind::Text("an address", checks::base_url)),
        Field::optional("api_keys", Kind::List(&Kind::Text("a credential", checks::credential))),
        Field::optional(
            "auth",
            Kind::Word(&[
                "bearer",
                "x-api-key",
                "api-key",
                "x-goog-api-key",
                "query-key",
                "sigv4",
                "google-service-account",
                "azure-entra",
            ]),
        ),
        Field::optional("region", TEXT),
        Field::optional("token", Kind::Table(&TOKEN)),
        Field::optional("hosting", Kind::Word(&["inventor", "vertex"])),
        Field::optional("headers", Kind::List(&TEXT)),
        Field::optional("asks_stream_usage", Kind::Switch),
        Field::optional("no_auth", Kind::Switch),
        Field::optional("allow_plain_http", Kind::Switch),
        Field::optional("concurrency", Kind::Integer(1, 1_000_000)),
        Field::optional("connections", Kind::Integer(1, 1_000)),
        Field::optional("http_version", Kind::Word(&["auto", "1", "2"])),
        Field::optional("timeouts", Kind::Table(&TIMEOUTS)),
    ],
};
static TIER: Form = Form {
    label: None,
    fields: &[
        Field::required("above_input_tokens", COUNT),
        Field::optional("input", PER_MILLION),
        Field::optional("cached_input", PER_MILLION),
        Field::optional("cache_write", PER_MILLION),
        Field::optional("cache_write_1h", PER_MILLION),
        Field::optional("output", PER_MILLION),
        Field::optional("reasoning", PER_MILLION),
        Field::optional("audio_input", PER_MILLION),
        Field::optional("cached_audio", PER_MILLION),
        Field::optional("audio_output", PER_MILLION),
    ],
};
static PRICE: Form = Form {
    label: None,
    fields: &[
        Field::required("input", PER_MILLION),
        Field::optional("cached_input", PER_MILLION),
        Field::optional("cache_write", PER_MILLION),
        Field::optional("cache_write_1h", PER_MILLION),
        Field::optional("output", PER_MILLION),
        Field::optional("reasoning", PER_MILLION),
        Field::optional("audio_input", PER_MILLION),
        Field::optional("cached_audio", PER_MILLION),
        Field::optional("audio_output", PER_MILLION),
        Field::optional("image_output", PER_MILLION),
        Field::optional("character", PER_MILLION),
        Field::optional("image", PER_UNIT),
        Field::optional("image_input", PER_MILLION),
        Field::optional("second", PER_UNIT),
        Field::optional("request", PER_UNIT),
        Field::optional("web_search", PER_UNIT),
        Field::optional("web_searches_max", Kind::Integer(1, 1_000_000)),
        Field::optional("batch_percent", Kind::Integer(1, 100)),
        Field::optional("tiers", Kind::Tables(&TIER)),
    ],
};
static ROUTE: Form = Form {
    label: None,
    fields: &[
        Field::required("upstream", ID_UPSTREAM),
        Field::optional("model", ID_MODEL),
        Field::optional("weight", Kind::Integer(0, 1_000_000)),
        Field::optional("tier", Kind::Integer(1, 1_000)),
        Field::optional("endpoint", Kind::Word(&["chat_completions", "responses"])),
    ],
};
static MODEL: Form = Form {
    label: Some("id"),
    fields: &[
        Field::required("id", ID_MODEL),
        Field::optional(
            "kind",
            Kind::Word(&[
                "chat",
                "completion",
                "text",
                "embedding",
                "moderation",
                "image",
                "speech",
                "transcription",
                "rerank",
                "realtime",
            ]),
        ),
        Field::optional("context_window", TOKENS),
        Field::optional("max_output_tokens", Kind::Integer(0, 1_000_000_000)),
        Field::optional("image_tokens_max", Kind::Integer(0, 1_000_000_000)),
        Field::optional("hidden_prompt_tokens", Kind::Integer(0, 1_000_000_000)),
        Field::optional("hidden_output_tokens", Kind::Integer(0, 1_000_000_000)),
        Field::optional("audio_seconds_max", Kind::Integer(1, 1_000_000)),
        Field::optional("upstream_routing", Kind::Switch),
        Field::optional("tokenizer", Kind::Word(&["cl100k", "o200k"])),
        Field::optional("effective_from", TIME),
        Field::optional("fallbacks", MODELS),
        Field::optional("created", TIME),
        Field::optional("owned_by", TEXT),
        Field::required("route", Kind::Tables(&ROUTE)),
        Field::optional("price", Kind::Table(&PRICE)),
        Field::optional("list_price", Kind::Table(&PRICE)),
    ],
};
static FORM: Form = Form {
    label: None,
    fields: &[
        Field::optional("upstream", Kind::Tables(&UPSTREAM)),
        Field::optional("model", Kind::Tables(&MODEL)),
        Field::optional("tenant", Kind::Tables(&TENANT)),
    ],
};

/// A resource file whose shape is good; whether it can stand, the store says.
#[derive(Debug)]
pub(crate) struct ResourceFile {
    /// The resources as JSON, with the secrets that `Resources` never writes again.
    pub(crate) value: Value,
    name: String,
    text: String,
    source: SourceMap,
}

impl ResourceFile {
    /// Puts the store's problems beside the lines that they are about.
    pub(crate) fn locate(&self, problems: impl IntoIterator<Item = (String, String)>) -> Findings {
        let mut findings = Findings::new(&self.name, &self.text);
        for (path, message) in problems {
            findings.add_at(self.source.line(&path), &path, message);
        }
        findings.sorted()
    }

    /// How many upstreams, models and tenants the file has.
    pub(crate) fn count(&self) -> usize {
        self.value.as_object().map_or(0, |kinds| kinds.values().filter_map(Value::as_array).map(Vec::len).sum())
    }
}

/// Reads a resource file.
///
/// # Errors
/// All problems of its shape, in the order of their lines.
pub(crate) fn read(name: &str, text: &str) -> Result<ResourceFile, Findings> {
    let mut document = form::read(name, text, &FORM)?;
    let misfits = fill_kinds(&mut document.value);
    if !misfits.is_empty() {
        let mut findings = Findings::new(name, text);
        for (path, message) in misfits {
            findings.add_at(document.source.line(&path), &path, message);
        }
        return Err(findings.sorted());
    }
    if let Err(error) = serde_json::from_value::<Resources>(document.value.clone()) {
        let mut findings = Findings::new(name, text);
        findings.add_at(None, "", error.to_string());
        return Err(findings);
    }
    let (name, text) = (name.to_owned(), text.to_owned());
    Ok(ResourceFile { value: document.value, name, text, source: document.source })
}

/// Reads an account's limits alone, written as in a file.
///
/// # Errors
/// All problems of their shape.
pub(crate) fn read_limits(name: &str, text: &str) -> Result<Value, Findings> {
    form::read(name, text, &LIMITS).map(|document| document.value)
}

/// The long name of what stands in an account's limits, given in either spelling.
pub(crate) fn limit_name(given: &str) -> Option<&'static str> {
    let field = LIMITS.fields.iter().find(|field| field.name == given || field.alias == Some(given))?;
    Some(field.name)
}

/// Makes whole upstreams of those that are of a known kind; the places that cannot be filled, with why.
fn fill_kinds(resources: &mut Value) -> Vec<(String, String)> {
    let mut misfits = Vec::new();
    let upstreams = resources.get_mut("upstream").and_then(Value::as_array_mut);
    for upstream in upstreams.into_iter().flatten().filter_map(Value::as_object_mut) {
        let path = format!("upstream[{}]", upstream.get("id").and_then(Value::as_str).unwrap_or_default());
        if let Err((member, message)) = kinds::fill(upstream) {
            misfits.push((format!("{path}.{member}"), message));
            continue;
        }
        for member in ["dialect", "base_url"].into_iter().filter(|member| !upstream.contains_key(*member)) {
            misfits
                .push((format!("{path}.{member}"), format!("missing; add {member}, or the kind of a known provider")));
        }
    }
    misfits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of every form, with a good value.
    fn example(form: &Form, depth: usize) -> Value {
        let members = form.fields.iter().filter_map(|field| {
            let value = match &field.kind {
                Kind::Tables(_) if depth > 3 => return None,
                kind => good(field.name, kind, depth),
            };
            Some((field.name.to_owned(), value))
        });
        Value::Object(members.collect())
    }

    fn good(name: &str, kind: &Kind, depth: usize) -> Value {
        match kind {
            Kind::Text(what, check) => {
                let samples = [
                    "8.00",
                    "UTC",
                    "2027-01-01T00:00:00Z",
                    "10s",
                    "10.0.0.0/8",
                    "https://host/v1",
                    "env:NAME",
                    "name",
                    "groq",
                ];
                let fits = samples.iter().find_map(|text| check(text).ok());
                fits.unwrap_or_else(|| panic!("{name} ({what}) has no sample"))
            }
            Kind::Word(words) => Value::from(words[0]),
            Kind::Integer(min, max) => Value::from(5_u64.clamp(*min, *max)),
            Kind::Number(..) => Value::from(0.5),
            Kind::Bytes => Value::from(1),
            Kind::Switch => Value::from(true),
            Kind::List(kind) => Value::Array(vec![good(name, kind, depth)]),
            Kind::Table(form) => example(form, depth + 1),
            Kind::Tables(form) => Value::Array(vec![example(form, depth + 1)]),
            Kind::Named(check, form) => {
                check("gpt-4.1").expect("it is a name");
                serde_json::json!({ "gpt-4.1": example(form, depth + 1) })
            }
        }
    }

    #[test]
    fn every_key_of_the_form_is_known_to_the_store() {
        let mut value = example(&FORM, 0);
        assert_eq!(fill_kinds(&mut value), Vec::new());
        serde_json::from_value::<Resources>(value).expect("the store knows every key");
    }

    #[test]
    fn a_kind_fills_in_and_what_is_missing_then_is_told_with_its_line() {
        let good = "[[upstream]]\nid = \"g\"\nkind = \"groq\"\n";
        let upstream = read("resources.toml", good).expect("it is good").value["upstream"][0].clone();
        assert_eq!(upstream["base_url"], "https://api.groq.com/openai/v1");
        assert_eq!((&upstream["api_keys"][0], upstream.get("kind")), (&Value::from("env:GROQ_API_KEY"), None));
        let bad = "[[upstream]]\nid = \"a\"\nkind = \"azure\"\n[[upstream]]\nid = \"b\"\n";
        let told = read("resources.toml", bad).expect_err("it is bad").to_string();
        let starts = [
            "resources.toml:1: upstream[a].base_url: every customer of azure has another; write https://RESOURCE.",
            "resources.toml:4: upstream[b].dialect: missing; add dialect, or the kind",
            "resources.toml:4: upstream[b].base_url: missing; add base_url, or the kind",
        ];
        assert!(
            told.lines().count() == 3 && told.lines().zip(starts).all(|(line, start)| line.starts_with(start)),
            "{told}"
        );
        let unknown = read("r", "[[upstream]]\nid = \"g\"\nkind = \"grok\"\n").expect_err("unknown").to_string();
        assert!(unknown.starts_with("r:3: upstream[g].kind: is no known provider"), "{unknown}");
    }

    #[test]
    fn a_good_file_keeps_its_lines() {
        let text = "[[tenant]]\nid = \"acme\"\nlimits = { rpm = 5 }\n[[tenant.project]]\nid = \"search\"\n\
                    [[tenant.project.key]]\nname = \"ci\"\nbudget = { usd_total = \"1.00\" }\n";
        let file = read("resources.toml", text).expect("it is good");
        let problems = [
            ("tenant[acme].project[search].key[ci].budget.usd_total", 8),
            ("tenant[acme].limits.requests_per_minute", 3),
            ("tenant[acme].project[search].models", 4),
            ("tenant[0].id", 1),
        ];
        for (path, line) in problems {
            let located = file.locate([(path.to_owned(), "no".to_owned())]).to_string();
            assert_eq!(located, format!("resources.toml:{line}: {path}: no"));
        }
    }

    #[test]
    fn seventeen_mistakes_are_seventeen_lines() {
        let text = r#"
[[upstream]]
id = "open ai"
dialect = "opena"
base_url = "api.openai.com"
timeouts = { connect = 5 }
[[model]]
id = "gpt-4.1"
price = { input = 8.00, output = "8,00" }
contxt_window = 5
max_output_tokens = -1
[[tenant]]
id = "acme"
priority = "urgent"
timezone = "Europe/Berlyn"
limits = { requests_per_minut = 5, rpm = "many" }
budget = { usd_per_month = "-5" }
[[tenant.project]]
id = "search"
[[tenant.project.key]]
expires = "tomorrow"
ip_allow = ["10.0.0.0/40"]
"#;
        let findings = read("resources.toml", text).expect_err("it is bad").to_string();
        let lines: Vec<&str> = findings.lines().collect();
        let starts = [
            "resources.toml:3: upstream[open ai].id: a name has only letters, digits and ._-",
            "resources.toml:4: upstream[open ai].dialect: must be \"openai\" or \"anthropic\" or \"gemini\" or \"cohere\" or \"bedrock\" or \"ollama\"; did you mean \"openai\"?",
            "resources.toml:5: upstream[open ai].base_url: must be an address such as",
            "resources.toml:6: upstream[open ai].timeouts.connect: must be a span of time as a text",
            "resources.toml:7: model[gpt-4.1].route: missing",
            "resources.toml:9: model[gpt-4.1].price.input: must be a price in US dollars per 1M tokens as a text: put it in",
            "resources.toml:9: model[gpt-4.1].price.output: only digits and one decimal point are allowed; write US dollars",
            "resources.toml:10: model[gpt-4.1].contxt_window: unknown key; did you mean \"context_window\"?",
            "resources.toml:11: model[gpt-4.1].max_output_tokens: must be a whole number from 0",
            "resources.toml:14: tenant[acme].priority: must be \"high\" or \"normal\" or \"low\"",
            "resources.toml:15: tenant[acme].timezone: is no time zone",
            "resources.toml:16: tenant[acme].limits.requests_per_minut: unknown key; did you mean \"requests_per_minute\"?",
            "resources.toml:16: tenant[acme].limits.requests_per_minute: must be a whole number from 0",
            "resources.toml:17: tenant[acme].budget.usd_per_month: signs are not allowed",
            "resources.toml:20: tenant[acme].project[search].key[0].name: missing; add name",
            "resources.toml:21: tenant[acme].project[search].key[0].expires: must be a time with its zone",
            "resources.toml:22: tenant[acme].project[search].key[0].ip_allow[0]: expected a network such as",
        ];
        assert_eq!(lines.len(), starts.len(), "{lines:#?}");
        let mut unmatched = lines.clone();
        for start in starts {
            let found = unmatched.iter().position(|line| line.starts_with(start));
            unmatched.remove(found.unwrap_or_else(|| panic!("no line starts with\n{start}\nin\n{unmatched:#?}")));
        }
        assert!(lines.is_sorted_by_key(|line| line.split(':').nth(1).and_then(|line| line.parse::<usize>().ok())));
    }
}
