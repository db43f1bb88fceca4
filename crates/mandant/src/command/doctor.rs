//! `doctor`: everything that a healthy installation needs, each with a mark, and what to do about the rest.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use store::Store;

use crate::backend::{Backend, Question};
use crate::catch_up;
use crate::cli::Common;
use crate::clock;
use crate::config::{MasterKey, Settings};
use crate::failure::Failure;
use crate::output::{Output, grouped};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// As it should be.
    Ok,
    /// It works, but look at it.
    Warning,
    /// It does not work, or will not.
    Problem,
}

impl Mark {
    const fn word(self) -> &'static str {
        match self {
            Mark::Ok => "ok",
            Mark::Warning => "warning",
            Mark::Problem => "problem",
        }
    }
}

/// One finding: what was looked at, how it is, and what to do.
struct Finding {
    subject: &'static str,
    mark: Mark,
    told: String,
}

impl Finding {
    fn new(subject: &'static str, mark: Mark, told: impl Into<String>) -> Finding {
        Finding { subject, mark, told: told.into() }
    }
}

/// Looks at everything.
pub(crate) fn run(common: &Common, output: Output) -> Result<(), Failure> {
    let mut findings = Vec::new();
    match super::load(common) {
        Err(failure) => findings.push(Finding::new("settings", Mark::Problem, failure.to_string())),
        Ok(loaded) => {
            let told = match &loaded.file {
                Some(file) => file.display().to_string(),
                None => "no settings file; the defaults are in force".to_owned(),
            };
            findings.push(Finding::new("settings", Mark::Ok, told));
            installation(&loaded.settings, &mut findings);
        }
    }
    findings.push(authorities());
    print(&findings, output);
    match findings.iter().filter(|finding| finding.mark == Mark::Problem).count() {
        0 => Ok(()),
        1 => Err(Failure::other("one problem was found")),
        count => Err(Failure::other(format!("{count} problems were found"))),
    }
}

fn installation(settings: &Settings, findings: &mut Vec<Finding>) {
    let data_dir = &settings.data_dir;
    findings.push(folder(data_dir));
    if data_dir.exists() {
        findings.push(master_key(settings));
        findings.push(clock_against(data_dir));
        match Backend::open(settings).and_then(|backend| backend.ask(Question::new(Method::GET, "/v1/export"))) {
            Err(failure) => findings.push(Finding::new("store", Mark::Problem, failure.to_string())),
            Ok(tree) => {
                findings.push(contents(&tree));
                findings.push(integrity(settings));
                findings.extend(credentials(&tree));
            }
        }
    }
    findings.push(journal(settings));
    findings.extend(ports(settings));
    findings.push(open_files(settings));
}

/// The data folder: its owner's alone, and writable.
fn folder(data_dir: &Path) -> Finding {
    let finding = |mark, told: String| Finding::new("data folder", mark, told);
    let name = data_dir.display();
    match std::fs::metadata(data_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            finding(Mark::Ok, format!("{name} does not exist yet; the first start makes it"))
        }
        Err(error) => finding(Mark::Problem, format!("{name} cannot be looked at: {error}")),
        Ok(metadata) if !metadata.is_dir() => {
            finding(Mark::Problem, format!("{name} is not a folder; name another with data_dir"))
        }
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            finding(Mark::Problem, format!("{name} is open to others: chmod 700 {name}"))
        }
        Ok(_) => {
            let probe = data_dir.join(".doctor");
            let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
            match written {
                Ok(()) => finding(Mark::Ok, name.to_string()),
                Err(error) => finding(Mark::Problem, format!("{name} cannot be written to: {error}")),
            }
        }
    }
}

fn master_key(settings: &Settings) -> Finding {
    let finding = |mark, told: String| Finding::new("master key", mark, told);
    let path = match &settings.master_key {
        MasterKey::Env(name) if std::env::var_os(name).is_some() => {
            return finding(Mark::Ok, format!("from the variable {name}"));
        }
        MasterKey::Env(name) => {
            return finding(Mark::Problem, format!("the variable {name} is not set; set it to 64 hexadecimal digits"));
        }
        MasterKey::File(path) => settings.data_dir.join(path),
    };
    let name = path.display();
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => finding(
            Mark::Warning,
            format!("{name} does not exist; if the store was used before, restore it from your backup"),
        ),
        Err(error) => finding(Mark::Problem, format!("{name} cannot be looked at: {error}")),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            finding(Mark::Problem, format!("{name} is open to others: chmod 600 {name}"))
        }
        Ok(_) => finding(Mark::Ok, format!("{name}; keep a copy elsewhere")),
    }
}

/// The clock decides calendar periods and expiry: it must not be before what is recorded.
fn clock_against(data_dir: &Path) -> Finding {
    let now = clock::now();
    let written = std::fs::metadata(data_dir.join("mandant.db")).and_then(|metadata| metadata.modified());
    let written = written.ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    let hour = jiff::SignedDuration::from_hours(1);
    match written {
        Some(written) if written.duration_since(now) > hour => {
            let told =
                format!("it is {now:.0} by this clock, but the store was written at {written:.0}; set the clock");
            Finding::new("clock", Mark::Problem, told)
        }
        _ if now.as_second() < 1_767_225_600 => {
            Finding::new("clock", Mark::Problem, format!("it is {now:.0} by this clock; set the clock"))
        }
        _ => Finding::new("clock", Mark::Ok, format!("{now:.0}")),
    }
}

/// The journal: readable, how large, and whether its disk has room for what may wait in it.
fn journal(settings: &Settings) -> Finding {
    let finding = |mark, told: String| Finding::new("journal", mark, told);
    let folder = catch_up::folder(&settings.data_dir);
    let name = folder.display();
    let (files, bytes) = match journal_size(&folder) {
        Ok(size) => size,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return finding(Mark::Ok, format!("{name} does not exist yet; the first start makes it"));
        }
        Err(error) => return finding(Mark::Problem, format!("{name} cannot be read: {error}")),
    };
    let is_open = std::fs::metadata(&folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
    if is_open {
        return finding(Mark::Problem, format!("{name} is open to others: chmod 700 {name}"));
    }
    let free = match rustix::fs::statvfs(&folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return finding(Mark::Problem, format!("the disk of {name} cannot be looked at: {error}")),
    };
    let (wanted, least) = (settings.relay.journal_bytes_max, settings.relay.journal_segment_bytes.saturating_mul(2));
    let told = format!("{name}: {} in {files} files, {} free on its disk", mebibytes(bytes), mebibytes(free));
    if free < least {
        let advice = format!("calls are refused when it cannot grow; free at least {}", mebibytes(least));
        return finding(Mark::Problem, format!("{told}; {advice}"));
    }
    if free < wanted.saturating_sub(bytes) {
        let advice = format!("up to {} may wait in it (storage.journal_bytes_max)", mebibytes(wanted));
        return finding(Mark::Warning, format!("{told}; {advice}"));
    }
    finding(Mark::Ok, told)
}

/// Files of the journal, each of which can be read, and their bytes.
fn journal_size(folder: &Path) -> std::io::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let named =
                |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            bytes += std::fs::File::open(&path).and_then(|file| file.metadata()).map_err(named)?.len();
            files += 1;
        }
    }
    Ok((files, bytes))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", grouped(bytes >> 20))
}

fn contents(tree: &Value) -> Finding {
    let count = |kind: &str| tree[kind].as_array().map_or(0, Vec::len);
    let [upstreams, models, tenants] = ["upstream", "model", "tenant"].map(count);
    let told = format!("{upstreams} upstreams, {models} models, {tenants} tenants");
    match (upstreams, models, tenants) {
        (0, ..) | (_, 0, _) | (.., 0) => Finding::new(
            "resources",
            Mark::Warning,
            format!("{told}; nobody can call yet: mandant apply -f resources.toml"),
        ),
        _ => Finding::new("resources", Mark::Ok, told),
    }
}

/// Whether the database is whole, by its own account.
fn integrity(settings: &Settings) -> Finding {
    let checked = crate::backend::open_store(settings)
        .and_then(|store| store.integrity_problems().map_err(|error| Failure::other(error.to_string())));
    match checked {
        Ok(problems) if problems.is_empty() => Finding::new("store", Mark::Ok, "the database is whole"),
        Ok(problems) => Finding::new(
            "store",
            Mark::Problem,
            format!("the database is damaged, restore it from your backup: {}", problems.join("; ")),
        ),
        Err(failure) => Finding::new("store", Mark::Problem, failure.to_string()),
    }
}

/// Whether every upstream's credential can be read from here.
fn credentials(tree: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for upstream in tree["upstream"].as_array().into_iter().flatten() {
        let id = upstream["id"].as_str().unwrap_or_default();
        let keys: Vec<&str> = upstream["api_keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if keys.is_empty() {
            findings.push(Finding::new("credential", Mark::Ok, format!("{id} takes calls without one")));
        }
        for key in keys {
            findings.push(credential(id, key));
        }
    }
    findings
}

fn credential(upstream: &str, place: &str) -> Finding {
    let finding = |mark, told: String| Finding::new("credential", mark, told);
    match place.split_once(':') {
        Some(("env", name)) => match std::env::var_os(name).filter(|value| !value.is_empty()) {
            Some(_) => finding(Mark::Ok, format!("{upstream}: variable {name}")),
            None => {
                let told = format!("{upstream}: the variable {name} is not set here; the serving process needs it");
                finding(Mark::Warning, told)
            }
        },
        Some(("file", path)) => match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => finding(Mark::Ok, format!("{upstream}: {path}")),
            Ok(_) => finding(Mark::Problem, format!("{upstream}: {path} is empty; write the credential into it")),
            Err(error) => finding(Mark::Problem, format!("{upstream}: {path} cannot be read: {error}")),
        },
        _ => finding(Mark::Ok, format!("{upstream}: sealed in the store")),
    }
}

/// Whether the listeners can listen, or do.
fn ports(settings: &Settings) -> Vec<Finding> {
    let serving =
        settings.data_dir.exists().then(|| Store::serving_process(&settings.data_dir).ok().flatten()).flatten();
    if let Some(process) = serving {
        return vec![Finding::new("listeners", Mark::Ok, format!("process {process} serves"))];
    }
    [("relay.listen", settings.relay.listen), ("control.listen", settings.control_listen)]
        .map(|(name, address)| port(name, address))
        .into()
}

fn port(name: &str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::new("listeners", Mark::Ok, format!("{name} {address} is free")),
        Err(error) => Finding::new(
            "listeners",
            Mark::Problem,
            format!("{name} {address} cannot be used: {error}; free it or choose another"),
        ),
    }
}

/// Each call needs two connections, and each connection an open file.
fn open_files(settings: &Settings) -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let needed = settings.relay.connections_max as u64 * 2 + 256;
    match limit {
        Some(limit) if limit < needed => Finding::new(
            "open files",
            Mark::Warning,
            format!(
                "at most {limit}, but relay.connections_max may need {needed}: raise the limit (ulimit -Hn) or lower it"
            ),
        ),
        Some(limit) => Finding::new("open files", Mark::Ok, format!("at most {limit}")),
        None => Finding::new("open files", Mark::Ok, "no limit"),
    }
}

/// The authorities that vouch for providers.
fn authorities() -> Finding {
    let found = rustls_native_certs::load_native_certs();
    match found.certs.len() {
        0 => Finding::new(
            "authorities",
            Mark::Warning,
            "this system has no certificate authorities, so that those built in are used; install ca-certificates",
        ),
        count => Finding::new("authorities", Mark::Ok, format!("{count} of the system")),
    }
}

fn print(findings: &[Finding], output: Output) {
    if output.is_json() {
        let list: Vec<Value> = findings
            .iter()
            .map(|finding| json!({"check": finding.subject, "mark": finding.mark.word(), "told": finding.told}))
            .collect();
        output.json(&json!({"checks": list}));
        return;
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| vec![finding.mark.word().to_owned(), finding.subject.to_owned(), finding.told.clone()])
        .collect();
    output.table(&["mark", "check", ""], &rows);
}
