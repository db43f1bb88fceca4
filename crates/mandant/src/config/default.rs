//! `config.default.toml`: every setting with its comment and its default, written from the defaults themselves.

use core::fmt::Write as _;
use core::time::Duration;

use gateway::{Discipline, Durability};

use super::checks::write_duration;
use super::settings::{LogFormat, Settings};

/// The text of `config.default.toml`.
pub(crate) fn document() -> String {
    let settings = Settings::default();
    let mut out = Page(String::new());
    out.comment(
        "All settings of the Mandant process, with their defaults. Copy what you change into mandant.toml; leave the rest out.",
    );
    out.comment("Mandant reads ./mandant.toml, or the file named by --config or by the variable MANDANT_CONFIG.");
    out.comment("Tenants, keys, models and upstreams do not stand here: they live in the store (mandant apply).");
    out.gap();
    out.key(
        "data_dir",
        text(&settings.data_dir.display().to_string()),
        "The folder with the database, the secrets and the control socket; made on first start, for its owner only.",
    );
    relay(&mut out, &settings.relay);
    realtime(&mut out, &settings.relay);
    idempotency(&mut out, &settings.relay);
    out.section("control", "The control listener.");
    out.key(
        "listen",
        text(&settings.control_listen.to_string()),
        "Serves /healthz, /readyz and /metrics only. Commands reach the process through control.sock in data_dir.",
    );
    out.section("storage", "Where tenants, keys and usage live.");
    out.key("url", text("sqlite"), "A file mandant.db in data_dir; nothing else may write to it.");
    storage(&mut out, &settings.relay);
    out.section("secrets", "What seals upstream credentials.");
    out.key(
        "master_key",
        text(&settings.master_key.to_string()),
        "A file in data_dir, made on first start; keep a copy elsewhere. Or \"env:NAME\" with 64 hexadecimal digits.",
    );
    out.section("log", "What is written to standard error. Bodies, prompts and keys never are.");
    out.key(
        "format",
        text(if settings.log_format == LogFormat::Json { "json" } else { "text" }),
        "text for people, json for machines: one object a line.",
    );
    out.key(
        "level",
        text(&settings.log_level),
        "error, warn, info, debug or trace; also per part, such as \"info,mandant_gateway=debug\".",
    );
    out.0
}

fn idempotency(out: &mut Page, relay: &gateway::Settings) {
    out.section(
        "idempotency",
        "Calls with an Idempotency-Key: what is remembered, so that a retry is not charged again.",
    );
    out.key("keep", span(relay.idempotency_keep), "How long a key is remembered, with its answer.");
    out.key(
        "keys_max",
        relay.idempotency_keys_max.to_string(),
        "Keys remembered at once, a quarter of them for one tenant; beyond it calls with a new key are refused with 503.",
    );
    out.key(
        "answer_bytes_max",
        bytes(relay.idempotency_answer_bytes_max as u64),
        "Largest answer that is kept; a retry of a larger one is told that it is lost.",
    );
    out.key(
        "memory_bytes_max",
        bytes(relay.idempotency_memory_bytes_max as u64),
        "Memory for answers until they are written, a quarter of it for one tenant; what exceeds it is not kept.",
    );
    out.key(
        "stored_bytes_max",
        bytes(relay.idempotency_stored_bytes_max),
        "Disk for kept answers, a quarter of it for one tenant; its oldest answers go first.",
    );
}

fn storage(out: &mut Page, relay: &gateway::Settings) {
    out.key(
        "durability",
        text(match relay.durability {
            Durability::Process => "process",
            Durability::Power => "power",
            Durability::Strict => "strict",
        }),
        "What survives what: process (kill -9), power (also a loss of power), strict (the disk first, then the upstream).",
    );
    out.key(
        "journal_segment_bytes",
        bytes(relay.journal_segment_bytes),
        "Size of one file of the journal; two are always there.",
    );
    out.key(
        "journal_bytes_max",
        bytes(relay.journal_bytes_max),
        "How much of the journal may wait for the database; beyond it new calls are refused with 503.",
    );
    out.key(
        "hold_deadline",
        span(relay.hold_deadline),
        "How long the cost of an attempt may stay unknown before its hold is ended without a person.",
    );
    out.key(
        "batch_deadline",
        span(relay.batch_deadline),
        "The same for batches, which their providers may take a day for.",
    );
    out.key(
        "calls_kept",
        span(relay.calls_kept),
        "How long single calls stay in the database; then they move to a file a month in the folder archive. Sums stay.",
    );
    out.key(
        "hold_at_deadline",
        text(if relay.charges_at_deadline { "charge" } else { "release" }),
        "charge the whole hold then, for the provider may have billed it; or release it at the operator's risk.",
    );
}

fn relay(out: &mut Page, relay: &gateway::Settings) {
    out.section("relay", "The relay listener: what clients reach, and what they may cost the process.");
    out.key("listen", text(&relay.listen.to_string()), "Address and port. \"0.0.0.0:8787\" lets other machines in.");
    out.key(
        "cors_origins",
        format!("{:?}", relay.cors_origins),
        "Pages of these origins may call from browsers, such as \"https://app.example\"; [\"*\"] is every page.",
    );
    out.key("body_bytes_max", bytes(relay.body_bytes_max), "Largest request body; a larger one is refused with 413.");
    out.key(
        "upload_bytes_max",
        bytes(relay.upload_bytes_max),
        "Largest form whose files are passed on while they come; what has to be held of it is a body as above.",
    );
    out.key("upload_timeout", span(relay.upload_timeout), "A client must send such a form within this time.");
    out.key("answer_bytes_max", bytes(relay.answer_bytes_max as u64), "Largest answer that is not a stream.");
    out.key("stream_line_bytes_max", bytes(relay.stream_line_bytes_max as u64), "Longest line of an event stream.");
    out.key("head_bytes_max", bytes(relay.head_bytes_max as u64), "Largest head (request line and headers).");
    out.key("headers_max", relay.headers_max.to_string(), "Most headers in a request.");
    out.key("connections_max", relay.connections_max.to_string(), "Open client connections; more wait in the kernel.");
    out.key(
        "connections_per_address_max",
        relay.connections_per_address_max.to_string(),
        "Open connections from one client address; more are closed at once.",
    );
    out.key(
        "http2_streams_max",
        relay.http2_streams_max.to_string(),
        "Calls at once on one HTTP/2 connection of a client.",
    );
    out.key(
        "stall_timeout",
        span(relay.stall_timeout),
        "A client that takes nothing of its answer for this long is given up.",
    );
    out.key(
        "tenant_body_bytes_max",
        bytes(relay.tenant_body_bytes_max),
        "Request bodies that one tenant may have in memory; further ones are refused with 503 before they are read.",
    );
    out.key(
        "tenant_answer_bytes_max",
        bytes(relay.tenant_answer_bytes_max),
        "Whole answers of one tenant in memory until its clients have taken them; further ones are refused with 503.",
    );
    out.key(
        "head_timeout",
        span(relay.head_timeout),
        "A client must send the head of its next request within this time.",
    );
    out.key("body_timeout", span(relay.body_timeout), "A client must send the whole body within this time.");
    out.key(
        "stream_drain",
        span(relay.stream_drain),
        "How long a stream is read on for its usage after its client hung up.",
    );
    out.key(
        "answer_drain",
        span(relay.answer_drain),
        "How long an answer is waited for after its client hung up: the provider bills it in any case.",
    );
    out.key("shutdown_grace", span(relay.shutdown_grace), "How long calls under way may take to end at a stop.");
    out.key("reserve_wait", span(relay.reserve_wait), "How long a call waits for money that other calls hold.");
    out.key(
        "reserve_waiting_max",
        relay.reserve_waiting_max.to_string(),
        "Calls that may wait for the money of one account.",
    );
    out.key(
        "output_floor_tokens",
        relay.output_floor_tokens.to_string(),
        "A call without max_tokens that its budget does not cover in full is sent with what the money buys, but waits for this much.",
    );
    out.key(
        "end_users_max",
        relay.end_users_max.to_string(),
        "End users remembered of each account that has limits per end user; further ones share 64 of them.",
    );
    out.key("queue_wait", span(relay.queue_wait), "How long a call waits for its turn at a busy upstream.");
    out.key(
        "queue_waiting_max",
        relay.queue_waiting_max.to_string(),
        "Calls of one tenant that may wait at one upstream.",
    );
    out.key(
        "queue_bytes_max",
        bytes(relay.queue_bytes_max),
        "Bytes that one tenant's calls may keep in memory while they wait at one upstream.",
    );
    out.key(
        "queue_discipline",
        text(match relay.queue_discipline {
            Discipline::Fair => "fair",
            Discipline::Fifo => "fifo",
        }),
        "The order of waiting calls: fair between tenants, or fifo to see what that is worth.",
    );
    out.key("upstream_idle_max", relay.upstream_idle_max.to_string(), "Idle connections kept to one upstream.");
    out.key(
        "upstream_idle_timeout",
        span(relay.upstream_idle_timeout),
        "An idle upstream connection is closed after this.",
    );
    out.key(
        "upstream_http2_connections_max",
        relay.upstream_http2_connections_max.to_string(),
        "HTTP/2 connections kept to one upstream that speaks it.",
    );
    out.unset(
        "extra_ca_file",
        text("/etc/ssl/company-ca.pem"),
        "PEM file with authorities to trust beside the system's, for upstreams with a private one. Not set by default.",
    );
}

fn realtime(out: &mut Page, relay: &gateway::Settings) {
    out.key(
        "realtime_sessions_max",
        relay.realtime_sessions_max.to_string(),
        "Realtime sessions (WebSockets) at once; further ones are refused with 503.",
    );
    out.key(
        "realtime_message_bytes_max",
        bytes(relay.realtime_message_bytes_max as u64),
        "Largest message of a realtime session, in either direction.",
    );
    out.key(
        "realtime_idle_timeout",
        span(relay.realtime_idle_timeout),
        "A realtime session in which nothing is said for this long is closed.",
    );
    out.key("realtime_age_max", span(relay.realtime_age_max), "A realtime session is closed after this.");
    out.key("batch_poll", span(relay.batch_poll), "How often providers are asked how far batches are.");
}

/// The document as it grows.
struct Page(String);

impl Page {
    fn comment(&mut self, sentence: &str) {
        writeln!(self.0, "# {sentence}").expect("writing to a String cannot fail");
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    fn section(&mut self, name: &str, sentence: &str) {
        self.gap();
        self.comment(sentence);
        writeln!(self.0, "[{name}]").expect("writing to a String cannot fail");
    }

    fn key(&mut self, name: &str, value: String, sentence: &str) {
        self.comment(sentence);
        writeln!(self.0, "{name} = {value}").expect("writing to a String cannot fail");
    }

    fn unset(&mut self, name: &str, example: String, sentence: &str) {
        self.comment(sentence);
        writeln!(self.0, "#{name} = {example}").expect("writing to a String cannot fail");
    }
}

fn text(value: &str) -> String {
    format!("{value:?}")
}

fn span(value: Duration) -> String {
    text(&write_duration(value))
}

fn bytes(value: u64) -> String {
    match value {
        _ if value.is_multiple_of(1 << 20) => text(&format!("{}MiB", value >> 20)),
        _ if value.is_multiple_of(1 << 10) => text(&format!("{}KiB", value >> 10)),
        _ => value.to_string(),
    }
}
