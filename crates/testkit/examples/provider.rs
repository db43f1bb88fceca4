//! A simulated provider as a process of its own: prints its base URL on one line and serves until it is stopped.

use std::net::SocketAddr;
use std::process::ExitCode;

use mandant_testkit::{Options, SimulatedProvider};

const USAGE: &str = "usage: provider [--listen ADDRESS:PORT] [--key KEY]... [--cached-percent PERCENT]";

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "whoever starts it reads the address and the errors")]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match SimulatedProvider::start(options).await {
        Ok(provider) => {
            println!("{}", provider.base_url());
            std::future::pending::<ExitCode>().await
        }
        Err(error) => {
            eprintln!("cannot listen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the arguments.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => {
                options.listen = value.parse::<SocketAddr>().map_err(|error| format!("--listen {value}: {error}"))?;
            }
            "--cached-percent" => {
                options.cached_percent = value.parse().map_err(|error| format!("--cached-percent {value}: {error}"))?;
            }
            "--key" => options.keys.get_or_insert_default().push(value),
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(options)
}
