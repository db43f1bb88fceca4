//! The tenant that is disturbed: calls at random times, each measured from when it was due.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Seen;
use crate::cli;
use crate::client::Connection;
use crate::quantile::percentile;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenant {
    Victim,
    Neighbour,
}

impl Tenant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Tenant::Victim => "victim",
            Tenant::Neighbour => "neighbour",
        }
    }

    /// A plain call as it goes over the wire.
    pub(super) fn call(self, port: u16) -> Vec<u8> {
        self.request(port, "calls", "", "What may a neighbour cost?")
    }

    /// A call of this model; `more` are further fields of its body.
    pub(super) fn request(self, port: u16, model: &str, more: &str, text: &str) -> Vec<u8> {
        let body =
            format!("{{\"model\":\"{model}\",{more}\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}");
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            key(self),
            body.len()
        )
        .into_bytes()
    }
}

/// The secret of a tenant's key.
pub(super) fn key(tenant: Tenant) -> String {
    format!("bench-{}-0123456789abcdef0123456789abcdef0123456789", tenant.name())
}

pub(crate) fn run(options: &cli::Victim) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(send(options))?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

async fn send(options: &cli::Victim) -> Result<Seen> {
    let request: Arc<[u8]> = Tenant::Victim.call(options.port).into();
    let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut due = Instant::now() + Duration::from_millis(50);
    let mut tasks = JoinSet::new();
    for _ in 0..options.calls {
        due += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / options.rate);
        let (request, idle, port) = (request.clone(), idle.clone(), options.port);
        tasks.spawn(async move {
            sleep_until(due).await;
            let kept = idle.lock().expect("no panic under this lock").pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => Connection::open(port).await.map_err(|error| error.to_string())?,
            };
            let answer = connection.call(&request).await.map_err(|error| error.to_string())?;
            let took = due.elapsed();
            idle.lock().expect("no panic under this lock").push(connection);
            if answer.is_good(false) { Ok(took) } else { Err(String::from_utf8_lossy(&answer.body).into_owned()) }
        });
    }
    let mut seen = Seen { calls: options.calls, ..Seen::default() };
    let mut took = Vec::new();
    while let Some(call) = tasks.join_next().await {
        match call? {
            Ok(span) => took.push(span),
            Err(failure) => seen.first_failure = seen.first_failure.or(Some(failure)),
        }
    }
    took.sort_unstable();
    seen.succeeded = took.len() as u64;
    // Where nothing succeeded there is no latency to tell; JSON has no such number.
    let at = |per_mille| percentile(&took, per_mille).map_or(60_000.0, |span| span.as_secs_f64() * 1_000.0);
    (seen.p50_ms, seen.p99_ms) = (at(500), at(990));
    Ok(seen)
}
