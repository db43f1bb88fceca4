//! The limits and deadlines of the relay process: every number that bounds what a client or an upstream may cost it.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};

use admit::queue::Discipline;
use journal::{BootId, Durability};

/// What the process allows. Everything has a limit; the defaults suit one machine with a few thousand clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the relay listens.
    pub listen: SocketAddr,
    /// Origins whose pages may call from browsers and read answers; `*` for all, none by default.
    pub cors_origins: Vec<String>,
    /// Largest request body, in bytes; larger ones are refused with 413 before they are read.
    pub body_bytes_max: u64,
    /// Largest body of a form whose files are passed on while they come, in bytes.
    pub upload_bytes_max: u64,
    /// A client must deliver such a body within this time.
    pub upload_timeout: Duration,
    /// Largest non-streaming answer that is buffered to be metered, in bytes.
    pub answer_bytes_max: usize,
    /// Longest line of an event stream, in bytes.
    pub stream_line_bytes_max: usize,
    /// Largest head (request line and headers) of a request, in bytes.
    pub head_bytes_max: usize,
    /// Most headers in a request.
    pub headers_max: usize,
    /// Open client connections in total; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Open client connections from one address; further ones are closed at once.
    pub connections_per_address_max: usize,
    /// Streams at once on one HTTP/2 client connection.
    pub http2_streams_max: u32,
    /// A client that takes nothing of its answer for this time is given up, since its call keeps a place at an upstream.
    pub stall_timeout: Duration,
    /// Bytes of request bodies (of more than 16 KiB) that one tenant may have in memory, whatever becomes of them; further
    /// ones are refused with 503 before they are read.
    pub tenant_body_bytes_max: u64,
    /// Bytes of whole answers (of more than 16 KiB) that one tenant may have in memory until its clients have taken them;
    /// further ones are refused with 503. Streams are not gathered.
    pub tenant_answer_bytes_max: u64,
    /// A client must deliver the head of its next request within this time, also on an idle connection.
    pub head_timeout: Duration,
    /// A client must deliver the whole body within this time.
    pub body_timeout: Duration,
    /// How long to go on reading a stream whose client hung up, in the hope of its usage, before it is cancelled.
    pub stream_drain: Duration,
    /// How long to go on waiting for a non-streaming answer whose client hung up: the provider bills it in any case.
    pub answer_drain: Duration,
    /// How long calls under way may take to end when the process stops.
    pub shutdown_grace: Duration,
    /// When records are on the disk: what survives a loss of power.
    pub durability: Durability,
    /// The run of the machine; read from the system when it is not given.
    pub boot: Option<BootId>,
    /// Size of a file of the journal, in bytes.
    pub journal_segment_bytes: u64,
    /// Bytes of the journal that may wait to be applied to the store; beyond it new calls are refused with 503.
    pub journal_bytes_max: u64,
    /// How long the cost of an attempt may stay unknown before its hold is ended without a person.
    pub hold_deadline: Duration,
    /// How often providers are asked how far batches are.
    pub batch_poll: Duration,
    /// How long a batch may be under way before its hold is ended as one of unknown cost.
    pub batch_deadline: Duration,
    /// How long a call stays in the database before it moves to the archive.
    pub calls_kept: Duration,
    /// The whole hold is charged then; else it is released.
    pub charges_at_deadline: bool,
    /// How long a call waits for money that other calls hold.
    pub reserve_wait: Duration,
    /// Calls that may wait for the money of one account.
    pub reserve_waiting_max: usize,
    /// Where the money does not buy the model's largest output, a call that named no limit waits for at least this many
    /// tokens, as long as waiting can buy them.
    pub output_floor_tokens: u64,
    /// How long a key of `Idempotency-Key` is remembered, with its answer.
    pub idempotency_keep: Duration,
    /// Keys that are remembered at once, a quarter of them for one tenant; beyond it calls with a new one are refused.
    pub idempotency_keys_max: usize,
    /// Largest answer that is kept for a key, in bytes.
    pub idempotency_answer_bytes_max: usize,
    /// Answers that are under way or not written yet may take so many bytes of memory, a quarter of them for one tenant;
    /// what exceeds that is not kept.
    pub idempotency_memory_bytes_max: usize,
    /// Kept answers may take so many bytes of the store, a quarter of them for one tenant, whose oldest go first.
    pub idempotency_stored_bytes_max: u64,
    /// End users remembered of each account that has limits for its end users; further ones share windows.
    pub end_users_max: usize,
    /// How long a call waits for its turn at an upstream.
    pub queue_wait: Duration,
    /// Calls of one tenant that may wait at one upstream.
    pub queue_waiting_max: u32,
    /// Bytes that the calls of one tenant that wait at one upstream may keep in memory.
    pub queue_bytes_max: u64,
    /// In which order waiting calls go: fair, unless somebody wants to see how bad it would be otherwise.
    pub queue_discipline: Discipline,
    /// Realtime sessions at once; further ones are refused with 503.
    pub realtime_sessions_max: usize,
    /// Largest message of a realtime session, in bytes, in either direction.
    pub realtime_message_bytes_max: usize,
    /// A realtime session in which nothing is said for this time is closed.
    pub realtime_idle_timeout: Duration,
    /// A realtime session is closed after this time.
    pub realtime_age_max: Duration,
    /// Idle connections kept to one upstream.
    pub upstream_idle_max: usize,
    /// An idle upstream connection is closed after this time.
    pub upstream_idle_timeout: Duration,
    /// HTTP/2 connections kept to one upstream that speaks it.
    pub upstream_http2_connections_max: usize,
    /// PEM file with certificate authorities to trust beside the system's, for upstreams with a private one.
    pub extra_ca_file: Option<std::path::PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            cors_origins: Vec::new(),
            body_bytes_max: 32 << 20,
            upload_bytes_max: 512 << 20,
            upload_timeout: Duration::from_secs(600),
            answer_bytes_max: 128 << 20,
            stream_line_bytes_max: 16 << 20,
            head_bytes_max: 64 << 10,
            headers_max: 100,
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            http2_streams_max: 128,
            stall_timeout: Duration::from_secs(60),
            tenant_body_bytes_max: 64 << 20,
            tenant_answer_bytes_max: 256 << 20,
            head_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            stream_drain: Duration::from_secs(2),
            answer_drain: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            durability: Durability::Power,
            boot: None,
            journal_segment_bytes: journal::SEGMENT_BYTES,
            journal_bytes_max: 1 << 30,
            hold_deadline: Duration::from_secs(24 * 3_600),
            batch_poll: Duration::from_secs(60),
            batch_deadline: Duration::from_secs(48 * 3_600),
            calls_kept: Duration::from_secs(400 * 24 * 3_600),
            charges_at_deadline: true,
            reserve_wait: Duration::from_secs(10),
            reserve_waiting_max: 10_000,
            output_floor_tokens: 1_024,
            idempotency_keep: Duration::from_secs(24 * 3_600),
            idempotency_keys_max: 1_000_000,
            idempotency_answer_bytes_max: 1 << 20,
            idempotency_memory_bytes_max: 64 << 20,
            idempotency_stored_bytes_max: 1 << 30,
            end_users_max: 10_000,
            queue_wait: Duration::from_secs(10),
            queue_waiting_max: 1_000,
            queue_bytes_max: 64 << 20,
            queue_discipline: Discipline::Fair,
            realtime_sessions_max: 1_000,
            realtime_message_bytes_max: 16 << 20,
            realtime_idle_timeout: Duration::from_secs(15 * 60),
            realtime_age_max: Duration::from_secs(60 * 60),
            upstream_idle_max: 256,
            upstream_idle_timeout: Duration::from_secs(55),
            upstream_http2_connections_max: 4,
            extra_ca_file: None,
        }
    }
}
