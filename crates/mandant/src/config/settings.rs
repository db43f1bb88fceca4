//! The process settings of `mandant.toml`: every key once, with its comment, its default and where its value goes.

use core::fmt;
use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use base::Secret;
use gateway::{Discipline, Durability};
use serde_json::Value;
use store::MasterKeySource;

use super::checks;
use super::findings::Findings;
use super::form::{self, Field, Form, Kind};

/// What the process is told by its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The folder with the database, the secrets and the control socket.
    pub(crate) data_dir: PathBuf,
    /// The relay: its listener, limits and deadlines.
    pub(crate) relay: gateway::Settings,
    /// Where health is served over TCP.
    pub(crate) control_listen: SocketAddr,
    /// Where the key is that seals upstream credentials.
    pub(crate) master_key: MasterKey,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// Which log lines are written, as `tracing` filter directives.
    pub(crate) log_level: String,
}

/// Where the master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MasterKey {
    /// In this file; a relative path is within the data directory.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

/// As it is written in the file: `file:master.key` or `env:NAME`.
impl fmt::Display for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MasterKey::File(path) => write!(f, "file:{}", path.display()),
            MasterKey::Env(name) => write!(f, "env:{name}"),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            data_dir: PathBuf::from("./mandant-data"),
            relay: gateway::Settings::default(),
            control_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8788)),
            master_key: MasterKey::File(PathBuf::from("master.key")),
            log_format: LogFormat::Text,
            log_level: "info".into(),
        }
    }
}

const COUNT_MAX: u64 = 1_000_000;
const ADDRESS: Kind = Kind::Text("an address and port", checks::address);
static ORIGIN: Kind = Kind::Text("an origin", checks::origin);
const DURATION: Kind = Kind::Text("a span of time", checks::duration);
const COUNT: Kind = Kind::Integer(1, COUNT_MAX);

static RELAY: Form = Form {
    label: None,
    fields: &[
        Field::optional("listen", ADDRESS),
        Field::optional("cors_origins", Kind::List(&ORIGIN)),
        Field::optional("body_bytes_max", Kind::Bytes),
        Field::optional("upload_bytes_max", Kind::Bytes),
        Field::optional("upload_timeout", DURATION),
        Field::optional("answer_bytes_max", Kind::Bytes),
        Field::optional("stream_line_bytes_max", Kind::Bytes),
        Field::optional("head_bytes_max", Kind::Bytes),
        Field::optional("headers_max", Kind::Integer(10, 1_000)),
        Field::optional("connections_max", COUNT),
        Field::optional("connections_per_address_max", COUNT),
        Field::optional("http2_streams_max", Kind::Integer(1, 10_000)),
        Field::optional("stall_timeout", DURATION),
        Field::optional("tenant_body_bytes_max", Kind::Bytes),
        Field::optional("tenant_answer_bytes_max", Kind::Bytes),
        Field::optional("head_timeout", DURATION),
        Field::optional("body_timeout", DURATION),
        Field::optional("stream_drain", DURATION),
        Field::optional("answer_drain", DURATION),
        Field::optional("shutdown_grace", DURATION),
        Field::optional("reserve_wait", DURATION),
        Field::optional("reserve_waiting_max", COUNT),
        Field::optional("output_floor_tokens", COUNT),
        Field::optional("end_users_max", Kind::Integer(1, 10_000_000)),
        Field::optional("queue_wait", DURATION),
        Field::optional("queue_waiting_max", COUNT),
        Field::optional("queue_bytes_max", Kind::Bytes),
        Field::optional("queue_discipline", Kind::Word(&["fair", "fifo"])),
        Field::optional("realtime_sessions_max", COUNT),
        Field::optional("realtime_message_bytes_max", Kind::Bytes),
        Field::optional("realtime_idle_timeout", DURATION),
        Field::optional("realtime_age_max", DURATION),
        Field::optional("batch_poll", DURATION),
        Field::optional("upstream_idle_max", COUNT),
        Field::optional("upstream_idle_timeout", DURATION),
        Field::optional("upstream_http2_connections_max", Kind::Integer(1, 1_000)),
        Field::optional("extra_ca_file", Kind::Text("a path", checks::text)),
    ],
};
static IDEMPOTENCY: Form = Form {
    label: None,
    fields: &[
        Field::optional("keep", DURATION),
        Field::optional("keys_max", COUNT),
        Field::optional("answer_bytes_max", Kind::Bytes),
        Field::optional("memory_bytes_max", Kind::Bytes),
        Field::optional("stored_bytes_max", Kind::Bytes),
    ],
};
static CONTROL: Form = Form { label: None, fields: &[Field::optional("listen", ADDRESS)] };
static STORAGE: Form = Form {
    label: None,
    fields: &[
        Field::optional("url", Kind::Word(&["sqlite"])),
        Field::optional("durability", Kind::Word(&["process", "power", "strict"])),
        Field::optional("journal_segment_bytes", Kind::Bytes),
        Field::optional("journal_bytes_max", Kind::Bytes),
        Field::optional("hold_deadline", DURATION),
        Field::optional("batch_deadline", DURATION),
        Field::optional("calls_kept", Kind::Text("a span of time", checks::days)),
        Field::optional("hold_at_deadline", Kind::Word(&["charge", "release"])),
    ],
};
static SECRETS: Form = Form {
    label: None,
    fields: &[Field::optional("master_key", Kind::Text("the place of the master key", checks::master_key))],
};
static LOG: Form = Form {
    label: None,
    fields: &[
        Field::optional("format", Kind::Word(&["text", "json"])),
        Field::optional("level", Kind::Text("filter directives", log_level)),
    ],
};
pub(super) static FORM: Form = Form {
    label: None,
    fields: &[
        Field::optional("data_dir", Kind::Text("a path", checks::text)),
        Field::optional("relay", Kind::Table(&RELAY)),
        Field::optional("idempotency", Kind::Table(&IDEMPOTENCY)),
        Field::optional("control", Kind::Table(&CONTROL)),
        Field::optional("storage", Kind::Table(&STORAGE)),
        Field::optional("secrets", Kind::Table(&SECRETS)),
        Field::optional("log", Kind::Table(&LOG)),
    ],
};

/// Stricter than the filter itself, which takes a misspelt level for the name of a part and then logs nothing.
fn log_level(text: &str) -> Result<Value, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let good = |directive: &str| match directive.split_once('=') {
        Some((part, level)) => !part.is_empty() && LEVELS.contains(&level),
        None => LEVELS.contains(&directive),
    };
    match text.split(',').all(good) && text.parse::<tracing_subscriber::filter::Targets>().is_ok() {
        true => Ok(Value::from(text)),
        false => Err("must be a level (error, warn, info, debug, trace, off) or directives such as \
                      \"info,mandant_gateway=debug\""
            .into()),
    }
}

/// Reads the settings from the text of `file`; what it leaves out has its default.
///
/// # Errors
/// All problems of the file.
pub(crate) fn read(file: &str, text: &str) -> Result<Settings, Findings> {
    let document = form::read(file, text, &FORM)?;
    let mut settings = Settings::default();
    let good = Reader { document: &document.value };
    good.text("/data_dir", |value| settings.data_dir = PathBuf::from(value));
    good.address("/control/listen", &mut settings.control_listen);
    good.text("/secrets/master_key", |value| {
        settings.master_key = match value.split_once(':') {
            Some(("env", name)) => MasterKey::Env(name.to_owned()),
            _ => MasterKey::File(PathBuf::from(value.trim_start_matches("file:"))),
        };
    });
    good.text("/log/format", |value| {
        settings.log_format = if value == "json" { LogFormat::Json } else { LogFormat::Text };
    });
    good.text("/log/level", |value| value.clone_into(&mut settings.log_level));
    good.relay(&mut settings.relay);
    good.idempotency(&mut settings.relay);
    good.storage(&mut settings.relay);
    Ok(settings)
}

/// Takes values out of a document that was checked.
struct Reader<'a> {
    document: &'a Value,
}

impl Reader<'_> {
    fn text(&self, pointer: &str, take: impl FnOnce(&str)) {
        if let Some(text) = self.document.pointer(pointer).and_then(Value::as_str) {
            take(text);
        }
    }

    fn texts(&self, pointer: &str, into: &mut Vec<String>) {
        if let Some(items) = self.document.pointer(pointer).and_then(Value::as_array) {
            *into = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
    }

    fn address(&self, pointer: &str, into: &mut SocketAddr) {
        self.text(pointer, |text| *into = text.parse().expect("the form checked the address"));
    }

    fn number<N: TryFrom<u64>>(&self, pointer: &str, into: &mut N) {
        if let Some(number) = self.document.pointer(pointer).and_then(Value::as_u64) {
            *into = N::try_from(number).ok().expect("the form bounds every number below 2^32 or it is 64 bits wide");
        }
    }

    fn duration(&self, pointer: &str, into: &mut Duration) {
        self.text(pointer, |text| *into = checks::parse_duration(text).expect("the form checked the span"));
    }

    fn storage(&self, relay: &mut gateway::Settings) {
        self.text("/storage/durability", |value| {
            relay.durability = match value {
                "process" => Durability::Process,
                "strict" => Durability::Strict,
                _ => Durability::Power,
            };
        });
        self.number("/storage/journal_segment_bytes", &mut relay.journal_segment_bytes);
        self.number("/storage/journal_bytes_max", &mut relay.journal_bytes_max);
        self.duration("/storage/hold_deadline", &mut relay.hold_deadline);
        self.duration("/storage/batch_deadline", &mut relay.batch_deadline);
        self.duration("/storage/calls_kept", &mut relay.calls_kept);
        self.text("/storage/hold_at_deadline", |value| relay.charges_at_deadline = value == "charge");
    }

    fn idempotency(&self, relay: &mut gateway::Settings) {
        self.duration("/idempotency/keep", &mut relay.idempotency_keep);
        self.number("/idempotency/keys_max", &mut relay.idempotency_keys_max);
        self.number("/idempotency/answer_bytes_max", &mut relay.idempotency_answer_bytes_max);
        self.number("/idempotency/memory_bytes_max", &mut relay.idempotency_memory_bytes_max);
        self.number("/idempotency/stored_bytes_max", &mut relay.idempotency_stored_bytes_max);
    }

    fn relay(&self, relay: &mut gateway::Settings) {
        self.address("/relay/listen", &mut relay.listen);
        self.texts("/relay/cors_origins", &mut relay.cors_origins);
        self.number("/relay/body_bytes_max", &mut relay.body_bytes_max);
        self.number("/relay/upload_bytes_max", &mut relay.upload_bytes_max);
        self.duration("/relay/upload_timeout", &mut relay.upload_timeout);
        self.number("/relay/answer_bytes_max", &mut relay.answer_bytes_max);
        self.number("/relay/stream_line_bytes_max", &mut relay.stream_line_bytes_max);
        self.number("/relay/head_bytes_max", &mut relay.head_bytes_max);
        self.number("/relay/headers_max", &mut relay.headers_max);
        self.number("/relay/connections_max", &mut relay.connections_max);
        self.number("/relay/connections_per_address_max", &mut relay.connections_per_address_max);
        self.number("/relay/http2_streams_max", &mut relay.http2_streams_max);
        self.duration("/relay/stall_timeout", &mut relay.stall_timeout);
        self.number("/relay/tenant_body_bytes_max", &mut relay.tenant_body_bytes_max);
        self.number("/relay/tenant_answer_bytes_max", &mut relay.tenant_answer_bytes_max);
        self.duration("/relay/head_timeout", &mut relay.head_timeout);
        self.duration("/relay/body_timeout", &mut relay.body_timeout);
        self.duration("/relay/stream_drain", &mut relay.stream_drain);
        self.duration("/relay/answer_drain", &mut relay.answer_drain);
        self.duration("/relay/shutdown_grace", &mut relay.shutdown_grace);
        self.duration("/relay/reserve_wait", &mut relay.reserve_wait);
        self.number("/relay/reserve_waiting_max", &mut relay.reserve_waiting_max);
        self.number("/relay/output_floor_tokens", &mut relay.output_floor_tokens);
        self.number("/relay/end_users_max", &mut relay.end_users_max);
        self.duration("/relay/queue_wait", &mut relay.queue_wait);
        self.number("/relay/queue_waiting_max", &mut relay.queue_waiting_max);
        self.number("/relay/queue_bytes_max", &mut relay.queue_bytes_max);
        self.text("/relay/queue_discipline", |value| {
            relay.queue_discipline = if value == "fifo" { Discipline::Fifo } else { Discipline::Fair };
        });
        self.number("/relay/realtime_sessions_max", &mut relay.realtime_sessions_max);
        self.number("/relay/realtime_message_bytes_max", &mut relay.realtime_message_bytes_max);
        self.duration("/relay/realtime_idle_timeout", &mut relay.realtime_idle_timeout);
        self.duration("/relay/realtime_age_max", &mut relay.realtime_age_max);
        self.duration("/relay/batch_poll", &mut relay.batch_poll);
        self.number("/relay/upstream_idle_max", &mut relay.upstream_idle_max);
        self.duration("/relay/upstream_idle_timeout", &mut relay.upstream_idle_timeout);
        self.number("/relay/upstream_http2_connections_max", &mut relay.upstream_http2_connections_max);
        self.text("/relay/extra_ca_file", |text| relay.extra_ca_file = Some(PathBuf::from(text)));
    }
}

impl Settings {
    /// The place of the master key, as the store takes it.
    ///
    /// # Errors
    /// When it is to come from an environment variable that is not set.
    pub(crate) fn master_key_source(&self) -> Result<MasterKeySource, crate::failure::Failure> {
        match &self.master_key {
            MasterKey::File(path) => Ok(MasterKeySource::File(path.clone())),
            MasterKey::Env(name) => match std::env::var(name) {
                Ok(value) => Ok(MasterKeySource::Given(Secret::new(value))),
                Err(_) => Err(crate::failure::Failure::other(format!(
                    "secrets.master_key names the variable {name}, which is not set; set it to 64 hexadecimal digits"
                ))),
            },
        }
    }
}
