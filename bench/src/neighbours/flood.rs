//! The tenant that disturbs: on each of its connections it asks again and again, whatever it is told.

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::victim::Tenant;
use crate::cli::{self, FloodKind};
use crate::client::Connection;

/// Models by name, and how the provider simulates them: plain calls, streams of three seconds, answers after one to two
/// seconds (so that big bodies come at a rate that one machine can carry, and not all at once), and streams of ten.
pub(super) const MODELS: [(&str, &str); 9] = [
    ("calls", "sim-tokens-64"),
    ("streams", "sim-tokens-100.chunk-delay-30"),
    ("readers", "sim-tokens-1000.chunk-delay-10"),
    ("bodies-0", "sim-tokens-64.delay-1000"),
    ("bodies-1", "sim-tokens-64.delay-1170"),
    ("bodies-2", "sim-tokens-64.delay-1310"),
    ("bodies-3", "sim-tokens-64.delay-1490"),
    ("bodies-4", "sim-tokens-64.delay-1730"),
    ("bodies-5", "sim-tokens-64.delay-1970"),
];

/// How long a refused client waits, whatever it is told.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// What a slow reader takes at once, and how often: less than half of what comes.
const SIP_BYTES: usize = 4 << 10;
const SIP_INTERVAL: Duration = Duration::from_millis(500);
/// What the kernel may take for a slow reader.
const RECEIVE_BUFFER_BYTES: u32 = 16 << 10;
/// Bytes of a big body.
const BODY_BYTES: usize = 250_000;

pub(crate) fn run(options: &cli::Flood) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for place in 0..options.connections {
            tasks.spawn(ask(options.port, options.kind, request(options.port, options.kind, place)));
            // A neighbour with thousands of clients has them come one after the other, too.
            sleep(Duration::from_micros(200)).await;
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    })
}

fn request(port: u16, kind: FloodKind, place: usize) -> Vec<u8> {
    let neighbour = Tenant::Neighbour;
    match kind {
        FloodKind::Calls => neighbour.call(port),
        FloodKind::Streams => neighbour.request(port, "streams", "\"stream\":true,", "Tell a long story."),
        FloodKind::Bodies => {
            let model = format!("bodies-{}", place % 6);
            neighbour.request(port, &model, "", &"word ".repeat(BODY_BYTES / 5))
        }
        FloodKind::Readers => neighbour.request(port, "readers", "\"stream\":true,", "Tell everything."),
    }
}

async fn ask(port: u16, kind: FloodKind, request: Vec<u8>) {
    loop {
        // A connection that a refusal closed: it asks on a new one.
        let _ended = match kind {
            FloodKind::Readers => sip(port, &request).await,
            _ => gulp(port, &request).await,
        };
        sleep(AFTER_REFUSAL).await;
    }
}

/// Reads answers as fast as they come, until the connection ends.
async fn gulp(port: u16, request: &[u8]) -> std::io::Result<()> {
    let mut connection = Connection::open(port).await?;
    loop {
        if connection.call(request).await?.status != 200 {
            sleep(AFTER_REFUSAL).await;
        }
    }
}

/// Reads one answer slowly.
async fn sip(port: u16, request: &[u8]) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
    stream.write_all(request).await?;
    let mut sip = vec![0; SIP_BYTES];
    let mut last = Vec::new();
    loop {
        let read = stream.read(&mut sip).await?;
        last.extend_from_slice(&sip[..read]);
        let is_over = read == 0 || last.ends_with(b"0\r\n\r\n") || last.starts_with(b"HTTP/1.1 503");
        if is_over {
            return Ok(());
        }
        last.drain(..last.len().saturating_sub(16));
        sleep(SIP_INTERVAL).await;
    }
}
