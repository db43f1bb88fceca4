//! A provider with few places and a relay in front of it, and the two tenants' processes.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use tokio::time::sleep;

use super::victim::{Tenant, key};
use super::{LATENCY_MS, Order, PLACES, Seen, rate};
use crate::candidate::{free_port, own, start_provider};
use crate::cli::FloodKind;
use crate::client::Connection;
use crate::mandant;
use crate::process::{OTHER_CORE, PROXY_CORE, Process};

/// How long a relay may take to answer.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// The victim is there before the neighbour comes, and the flood has risen before it is measured.
const WARM_UP: Duration = Duration::from_secs(3);

pub(super) struct Stand {
    port: u16,
    provider: Process,
    relay: Process,
}

impl Stand {
    pub(super) async fn start(program: &Path, folder: &Path, order: Order) -> Result<Stand> {
        let upstream_port = free_port()?;
        let (latency, places) = (LATENCY_MS.to_string(), PLACES.to_string());
        let more = ["--latency-ms", &latency, "--places", &places];
        let provider = start_provider(upstream_port, &more).await?;
        let (port, control_port) = (free_port()?, free_port()?);
        let config = folder.join("mandant.toml");
        fs::write(&config, settings(folder, port, control_port, order)).context("mandant.toml cannot be written")?;
        fs::write(folder.join("resources.toml"), resources(upstream_port))
            .context("resources.toml cannot be written")?;
        apply(program, &config, &folder.join("resources.toml")).await?;
        let relay = Process::start(mandant::command(program, &config), PROXY_CORE)?;
        let mut stand = Stand { port, provider, relay };
        stand.wait().await?;
        Ok(stand)
    }

    /// Until the relay answers.
    async fn wait(&mut self) -> Result<()> {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < START_PATIENCE {
            self.relay.check_alive()?;
            if let Ok(mut connection) = Connection::open(self.port).await {
                let answer = connection.call(&Tenant::Victim.call(self.port)).await;
                if answer.is_ok_and(|answer| answer.status == 200) {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
        bail!("the relay does not answer")
    }

    /// What the victim sees beside this flood with so many connections. Ends everything.
    pub(super) async fn victim(mut self, flood: Option<(FloodKind, usize)>, calls: u64, round: u32) -> Result<Seen> {
        let warm_up = (WARM_UP.as_secs_f64() * rate()) as u64;
        self.send(warm_up, round).await?;
        let flood = match flood {
            None => None,
            Some((kind, connections)) => {
                // It shares a core with those whose time is measured, and must not be what is measured.
                let mut command = Command::new("nice");
                command
                    .args(["-n", "15"])
                    .arg(std::env::current_exe().context("this binary cannot be found")?)
                    .arg("flood");
                let value = clap::ValueEnum::to_possible_value(&kind).context("a flood has a name")?;
                command.args(["--kind", value.get_name(), "--port", &self.port.to_string()]);
                command.args(["--connections", &connections.to_string()]);
                Some(Process::start(command, OTHER_CORE)?)
            }
        };
        if flood.is_some() {
            self.send(warm_up, round + 1_000).await?;
        }
        let seen = self.send(calls, round + 2_000).await;
        if let Some(mut flood) = flood {
            flood.check_alive()?;
            flood.stop().await?;
        }
        self.relay.check_alive()?;
        self.relay.stop().await?;
        self.provider.stop().await?;
        seen
    }

    async fn send(&self, calls: u64, seed: u32) -> Result<Seen> {
        let mut command = own("victim")?;
        command.args(["--port", &self.port.to_string(), "--calls", &calls.to_string()]);
        command.args(["--rate", &rate().to_string(), "--seed", &seed.to_string()]);
        let output =
            command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("the victim does not start")?;
        ensure!(output.status.success(), "the victim failed: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("the victim said nothing")
    }
}

async fn apply(program: &Path, config: &Path, resources: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("apply").arg("-f").arg(resources).arg("--config").arg(config).env("BENCH_KEY", "sk-bench");
    let output = command.stdin(Stdio::null()).output().await.context("mandant apply does not start")?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "mandant apply failed: {}", String::from_utf8_lossy(&said));
    Ok(())
}

fn settings(folder: &Path, port: u16, control_port: u16, order: Order) -> String {
    let data_dir = folder.join("mandant-data").display().to_string();
    format!(
        "data_dir = {data_dir:?}\n\n[relay]\nlisten = \"127.0.0.1:{port}\"\nconnections_max = 15000\n\
         connections_per_address_max = 15000\nqueue_discipline = \"{}\"\n\n[control]\nlisten = \"127.0.0.1:{control_port}\"\n",
        order.name()
    )
}

/// Every limit is set and none is reached but the places of the upstream.
fn resources(upstream_port: u16) -> String {
    let mut text = format!(
        "[[upstream]]\nid = \"provider\"\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:{upstream_port}/v1\"\n\
         api_keys = [\"env:BENCH_KEY\"]\nconcurrency = {PLACES}\n\n"
    );
    for (model, simulated) in super::flood::MODELS {
        text += &format!(
            "[[model]]\nid = \"{model}\"\nroute = [{{ upstream = \"provider\", model = \"{simulated}\" }}]\n\
             context_window = 200000\nmax_output_tokens = 10000\nprice = {{ input = \"2.00\", output = \"8.00\" }}\n\n"
        );
    }
    for tenant in [Tenant::Victim, Tenant::Neighbour] {
        text += &format!(
            "[[tenant]]\nid = \"{}\"\n\
             limits = {{ requests_per_minute = 1000000000, tokens_per_minute = 1000000000000, \
             tokens_per_month = 1000000000000, concurrency = 100000 }}\nbudget = {{ usd_per_month = \"1000000000\" }}\n\
             [[tenant.project]]\nid = \"main\"\n[[tenant.project.key]]\nname = \"load\"\nsecret = \"{}\"\n\n",
            tenant.name(),
            key(tenant)
        );
    }
    text
}
