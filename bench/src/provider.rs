//! The simulated provider as a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use testkit::{Options, Protocol, SimulatedProvider};

use crate::cli;

pub(crate) fn run(options: &cli::Provider) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let latency = Duration::from_millis(options.latency_ms);
        let options = Options { listen, protocol: Protocol::Http1, first_byte_latency: latency, ..Options::for_load() };
        let _provider = SimulatedProvider::start(options).await?;
        std::future::pending().await
    })
}
