//! Mandant with everything on: 50 tenants with keys, limits on every window, budgets, and a record of every call.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::client::{KEYS, PLAIN_MODEL, STREAM_MODEL, key};

/// Beside this binary, where cargo puts it.
pub(crate) fn find() -> Option<PathBuf> {
    let file = std::env::current_exe().ok()?.with_file_name("mandant");
    file.is_file().then_some(file)
}

/// Where one Mandant lives, and how it keeps its journal.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    /// Of its own folder in there.
    pub(crate) name: &'static str,
    pub(crate) durability: &'static str,
    /// What its upstream speaks.
    pub(crate) dialect: &'static str,
    pub(crate) port: u16,
    pub(crate) control: u16,
}

/// Writes the settings and resources and applies them; returns the settings' file.
pub(crate) async fn prepare(mandant: &Path, place: &Place<'_>, upstream_port: u16) -> Result<PathBuf> {
    let folder = place.folder.join(place.name);
    fs::create_dir_all(&folder).context("the folder of a relay cannot be made")?;
    let config = folder.join("mandant.toml");
    let resources = folder.join("resources.toml");
    fs::write(&config, settings(&folder, place)).context("mandant.toml cannot be written")?;
    fs::write(&resources, resource_text(upstream_port, place.dialect)).context("resources.toml cannot be written")?;
    let mut command = Command::new(mandant);
    command.arg("apply").arg("-f").arg(&resources).arg("--config").arg(&config).env("BENCH_KEY", "sk-bench");
    let output = command.stdin(Stdio::null()).output().await.context("mandant apply does not start")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("mandant apply failed: {}", String::from_utf8_lossy(&said));
    }
    Ok(config)
}

pub(crate) fn command(mandant: &Path, config: &Path) -> Command {
    let mut command = Command::new(mandant);
    command.arg("serve").arg("--config").arg(config).env("BENCH_KEY", "sk-bench").stderr(Stdio::null());
    command
}

fn settings(folder: &Path, place: &Place<'_>) -> String {
    let data_dir = folder.join("mandant-data").display().to_string();
    let Place { durability, port, control, .. } = place;
    format!(
        "data_dir = {data_dir:?}\n\n[relay]\nlisten = \"127.0.0.1:{port}\"\n\n\
         [control]\nlisten = \"127.0.0.1:{control}\"\n\n[storage]\ndurability = \"{durability}\"\n"
    )
}

/// Every limit is set and none is reached: what is measured is the counting, not the refusing.
fn resource_text(upstream_port: u16, dialect: &str) -> String {
    let limits = "{ requests_per_minute = 1000000000, requests_per_hour = 1000000000, requests_per_day = 1000000000, \
                  tokens_per_minute = 1000000000000, tokens_per_month = 1000000000000, concurrency = 100000 }";
    let budget = "{ usd_per_day = \"100000000\", usd_per_month = \"1000000000\" }";
    let mut text = format!(
        "[[upstream]]\nid = \"provider\"\ndialect = \"{dialect}\"\nbase_url = \"http://127.0.0.1:{upstream_port}/v1\"\n\
         api_keys = [\"env:BENCH_KEY\"]\n\n"
    );
    let mut push = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("writing into memory does not fail");
    for model in [PLAIN_MODEL, STREAM_MODEL] {
        push(format_args!(
            "[[model]]\nid = \"{model}\"\nroute = [{{ upstream = \"provider\", model = \"{model}\", weight = 1 }}]\n\
             context_window = 128000\nmax_output_tokens = 16384\n\
             price = {{ input = \"2.00\", output = \"8.00\", cached_input = \"0.50\" }}\n\n"
        ));
    }
    for index in 0..KEYS {
        push(format_args!(
            "[[tenant]]\nid = \"tenant-{index:03}\"\nmodels = [\"{PLAIN_MODEL}\", \"{STREAM_MODEL}\"]\n\
             limits = {limits}\nbudget = {budget}\n\
             [[tenant.project]]\nid = \"main\"\nlimits = {limits}\nbudget = {budget}\n\
             [[tenant.project.key]]\nname = \"load\"\nsecret = \"{}\"\nlimits = {limits}\nbudget = {budget}\n\n",
            key(index)
        ));
    }
    text
}
