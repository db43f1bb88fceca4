//! `config check` and `config default`.

use serde_json::json;

use crate::cli::{Common, ConfigCommand};
use crate::command::apply::read_resources;
use crate::config;
use crate::failure::Failure;
use crate::output::Output;

/// Checks files, or writes the defaults.
pub(crate) fn run(verb: &ConfigCommand, common: &Common, output: Output) -> Result<(), Failure> {
    let ConfigCommand::Check { resources } = verb else {
        output.text(&config::default_document());
        return Ok(());
    };
    let loaded = super::load(common)?;
    for file in resources {
        read_resources(file)?;
    }
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    if output.is_json() {
        output.json(&json!({"ok": true, "config": file, "resources": resources.len()}));
        return Ok(());
    }
    match file {
        Some(file) => output.line(format!("{file}: ok")),
        None => output.line("There is no settings file; the defaults are in force."),
    }
    for file in resources {
        output.line(format!("{}: ok", file.display()));
    }
    Ok(())
}
