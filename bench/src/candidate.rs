//! Starting each candidate, and asking it until it answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::Instant;

use crate::cli::Candidate;
use crate::client::{Connection, request};
use crate::process::{OTHER_CORE, PROXY_CORE, Process};
use crate::{mandant, nginx};

/// Starts whose median is printed.
const STARTS: usize = 5;

/// How long a start may take.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A running candidate.
pub(crate) struct Running {
    pub(crate) candidate: Candidate,
    pub(crate) plain_port: u16,
    pub(crate) stream_port: u16,
    /// None for direct calls.
    pub(crate) process: Option<Process>,
    /// From the start of the process to its first good answer, in milliseconds.
    pub(crate) start_ms: Option<f64>,
    pub(crate) idle_kib: u64,
}

/// What starting needs to know.
pub(crate) struct Setting<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) upstream_port: u16,
    pub(crate) mandant: Option<PathBuf>,
    pub(crate) starts: usize,
}

impl Setting<'_> {
    pub(crate) fn starts_of(quick: bool) -> usize {
        if quick { 1 } else { STARTS }
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}

/// This binary in one of its other roles.
pub(crate) fn own(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this binary cannot be found")?);
    command.arg(role);
    Ok(command)
}

pub(crate) async fn start_provider(port: u16, more: &[&str]) -> Result<Process> {
    let mut command = own("provider")?;
    command.arg("--port").arg(port.to_string()).args(more);
    let mut process = Process::start(command, OTHER_CORE)?;
    first_answer(port, &mut process, Instant::now()).await.context("the provider does not answer")?;
    Ok(process)
}

/// Starts a candidate several times for the time that takes, and leaves the last one running. `None`: it is not here.
pub(crate) async fn start(candidate: Candidate, setting: &Setting<'_>) -> Result<Option<Running>> {
    let plain_port = free_port()?;
    let mut stream_port = plain_port;
    let upstream = setting.upstream_port;
    let mut make: Box<dyn FnMut() -> Result<Command>> = match candidate {
        Candidate::Direct => {
            let port = upstream;
            return Ok(Some(Running {
                candidate,
                plain_port: port,
                stream_port: port,
                process: None,
                start_ms: None,
                idle_kib: 0,
            }));
        }
        Candidate::Nginx => {
            let Some(program) = nginx::find() else { return Ok(None) };
            stream_port = free_port()?;
            let folder = setting.folder.to_owned();
            Box::new(move || nginx::command(&program, &folder, plain_port, stream_port, upstream))
        }
        Candidate::Bare => Box::new(move || {
            let mut command = own("bare")?;
            command.arg("--port").arg(plain_port.to_string()).arg("--upstream-port").arg(upstream.to_string());
            Ok(command)
        }),
        Candidate::Mandant | Candidate::MandantProcess | Candidate::MandantTranslated => {
            let Some(program) = setting.mandant.clone() else { return Ok(None) };
            let durability = if candidate == Candidate::Mandant { "power" } else { "process" };
            let dialect = if candidate == Candidate::MandantTranslated { "anthropic" } else { "openai" };
            let control = free_port()?;
            let place = mandant::Place {
                folder: setting.folder,
                name: candidate.name(),
                durability,
                dialect,
                port: plain_port,
                control,
            };
            let config = mandant::prepare(&program, &place, upstream).await?;
            Box::new(move || Ok(mandant::command(&program, &config)))
        }
    };
    let mut starts_ms = Vec::new();
    loop {
        let command = make()?;
        let begin = Instant::now();
        let mut process = Process::start(command, PROXY_CORE)?;
        let started = first_answer(plain_port, &mut process, begin).await;
        starts_ms.push(started.with_context(|| format!("{} does not answer", candidate.name()))?);
        if starts_ms.len() < setting.starts {
            process.stop().await?;
            continue;
        }
        let (idle_kib, _) = process.memory_kib();
        let start_ms = Some(crate::quantile::median(&starts_ms));
        return Ok(Some(Running { candidate, plain_port, stream_port, process: Some(process), start_ms, idle_kib }));
    }
}

/// Milliseconds from `begin` to the first good answer.
async fn first_answer(port: u16, process: &mut Process, begin: Instant) -> Result<f64> {
    let bytes = request(port, 0, false);
    let mut last = "no connection".to_owned();
    while begin.elapsed() < START_PATIENCE {
        process.check_alive()?;
        if let Ok(mut connection) = Connection::open(port).await {
            match connection.call(&bytes).await {
                Ok(answer) if answer.is_good(false) => return Ok(begin.elapsed().as_secs_f64() * 1e3),
                Ok(answer) => last = format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(problem) => last = problem.to_string(),
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("no good answer within {} s; the last was: {last}", START_PATIENCE.as_secs())
}
