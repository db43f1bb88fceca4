//! The simulated provider as a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use testkit::{Options, Protocol, SimulatedProvider};

use crate::cli;
use crate::process::asked_to_end;

pub(crate) fn run(options: &cli::Provider) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let first_byte_latency = Duration::from_millis(options.latency_ms);
        let concurrency_max = options.places;
        let protocol = Protocol::Http1;
        let options = Options { listen, protocol, first_byte_latency, concurrency_max, ..Options::for_load() };
        let _provider = SimulatedProvider::start(options).await?;
        asked_to_end().await
    })
}
