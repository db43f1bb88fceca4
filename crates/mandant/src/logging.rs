//! Log lines on standard error, for people or for machines.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Settings};
use crate::failure::Failure;

/// Begins to log as the settings say.
///
/// # Errors
/// When the process logs already, or the level cannot be used.
pub(crate) fn start(settings: &Settings) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&settings.log_level)
        .map_err(|error| Failure::other(format!("log.level cannot be used: {error}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => {
            let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
            lines.with_ansi(colour).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::other(format!("logging cannot start: {error}")))
}
