//! Files that people write: the settings of the process and the declarative form of resources.

pub(crate) mod checks;
mod default;
mod findings;
mod form;
pub(crate) mod kinds;
pub(crate) mod resources;
mod settings;
pub(crate) mod write;

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(crate) use default::document as default_document;
pub(crate) use findings::{Finding, Findings};
pub(crate) use settings::{LogFormat, MasterKey, Settings};

/// The file that is read when nobody names another.
const FILE_DEFAULT: &str = "mandant.toml";
/// The environment variable that names another.
const FILE_VARIABLE: &str = "MANDANT_CONFIG";

/// The settings in force, and the file that they came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// The file; `None` when there is none and the defaults are in force.
    pub(crate) file: Option<PathBuf>,
}

/// Reads the settings from `named`, from the file that MANDANT_CONFIG names, from `./mandant.toml` when that exists, or
/// takes the defaults.
///
/// # Errors
/// All problems of the file, or that it cannot be read.
pub(crate) fn load(named: Option<&Path>) -> Result<Loaded, Findings> {
    let default = Path::new(FILE_DEFAULT);
    let variable = std::env::var_os(FILE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(file) = named.or(variable.as_deref()).or_else(|| default.exists().then_some(default)) else {
        return Ok(Loaded { settings: Settings::default(), file: None });
    };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        let mut findings = Findings::new(&name, "");
        findings.add_at(None, "", format!("cannot be read: {error}"));
        findings
    })?;
    let settings = settings::read(&name, &text)?;
    Ok(Loaded { settings, file: Some(file.to_owned()) })
}
