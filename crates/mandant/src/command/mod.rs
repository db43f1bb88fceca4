//! What each command does.

mod apply;
mod config;
mod doctor;
mod holds;
mod limits;
mod report;
mod resource;
mod verify;
mod wallet;

pub(crate) use report::print_usage;

use crate::cli::{Cli, Command};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::output::Output;
use crate::{demo, serve};

/// Does what was said.
pub(crate) fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    let load = || load(&cli.common);
    match cli.command {
        Command::Serve => serve::run(&load()?.settings, output),
        Command::Demo(ref demo) => demo::run(demo, load()?.settings, cli.common.data_dir.clone(), output),
        Command::Apply(ref request) => apply::apply(request, &load()?.settings, output),
        Command::Export => apply::export(&load()?.settings, output),
        Command::Tenant(ref verb) => resource::tenant(verb, &load()?.settings, output),
        Command::Project(ref verb) => resource::project(verb, &load()?.settings, output),
        Command::Key(ref verb) => resource::key(verb, &load()?.settings, output),
        Command::Upstream(ref verb) => resource::upstream(verb, &load()?.settings, output),
        Command::Model(ref verb) => resource::model(verb, &load()?.settings, output),
        Command::Status(ref of) => report::status(&of.tenant, &load()?.settings, output),
        Command::Usage(ref request) => report::usage(request, &load()?.settings, output),
        Command::Calls(ref request) => report::calls(request, &load()?.settings, output),
        Command::Explain(ref request) => report::explain(request, &load()?.settings, output),
        Command::Holds(ref verb) => holds::run(verb, &load()?.settings, output),
        Command::Wallet(ref verb) => wallet::run(verb, &load()?.settings, output),
        Command::Limits(ref verb) => limits::run(verb, &load()?.settings, output),
        Command::Verify(ref request) => verify::run(request, &load()?.settings, output),
        Command::Config(ref verb) => config::run(verb, &cli.common, output),
        Command::Doctor => doctor::run(&cli.common, output),
    }
}

/// The settings in force for these options.
fn load(common: &crate::cli::Common) -> Result<Loaded, Failure> {
    let mut loaded = crate::config::load(common.config.as_deref()).map_err(Failure::Config)?;
    if let Some(data_dir) = &common.data_dir {
        loaded.settings.data_dir.clone_from(data_dir);
    }
    Ok(loaded)
}
