//! Processes: pinned to a core, watched by the kernel's own figures, ended properly.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The core of the proxy under test.
pub(crate) const PROXY_CORE: usize = 0;

/// The core of the provider, the load generator and the measuring itself.
pub(crate) const OTHER_CORE: usize = 1;

/// How long a process may take to end by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Pins the calling thread; processes and threads that it starts inherit that.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("no core {core} to pin to; two are needed"))
}

/// A process of the run and its children.
pub(crate) struct Process {
    child: Child,
    id: u32,
}

impl Process {
    /// Starts a process on a core. Must be called from the main thread, whose pin it borrows.
    pub(crate) fn start(mut command: Command, core: usize) -> Result<Process> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        pin(core)?;
        let started = command.spawn();
        pin(OTHER_CORE)?;
        let child = started.with_context(|| format!("{:?} does not start", command.as_std().get_program()))?;
        let id = child.id().context("the process has ended already")?;
        Ok(Process { child, id })
    }

    /// The process and its descendants.
    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.id];
        let mut index = 0;
        while let Some(id) = family.get(index).copied() {
            let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                family.extend(children.split_ascii_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
            index += 1;
        }
        family
    }

    /// Processor time until now in nanoseconds, of all threads that live; what the kernel spends on their behalf included.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        let tasks = self.family().into_iter().filter_map(|id| fs::read_dir(format!("/proc/{id}/task")).ok());
        let schedules = tasks.flatten().flatten().map(|task| fs::read_to_string(task.path().join("schedstat")));
        schedules.filter_map(|text| text.ok()?.split(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Resident memory now and at its highest, in KiB, over the whole family.
    pub(crate) fn memory_kib(&self) -> (u64, u64) {
        let field = |status: &str, name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let statuses = self.family().into_iter().filter_map(|id| fs::read_to_string(format!("/proc/{id}/status")).ok());
        statuses
            .fold((0, 0), |(now, highest), status| (now + field(&status, "VmRSS:"), highest + field(&status, "VmHWM:")))
    }

    /// Whether it has ended by itself, which it must not.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the process ended by itself: {status}"),
            None => Ok(()),
        }
    }

    /// Asks it to end, and waits for that.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw).context("an impossible process id")?;
        // It may have ended in this moment, which is what is wanted.
        let _ = kill_process(id, Signal::TERM);
        if tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// Waits until this process is asked to end. One that then returns from `main` writes what a profiling build has counted,
/// which one that is killed does not.
pub(crate) async fn asked_to_end() -> Result<()> {
    signal(SignalKind::terminate())?.recv().await.context("the signals ended")
}
