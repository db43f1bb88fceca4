//! How a command fails: what is told, and the exit code that says which kind of failure it was.

use core::fmt;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{Finding, Findings};

/// Why a command did not do what it was asked. The exit codes are part of the interface.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The settings file has problems: 64.
    Config(Findings),
    /// What was given (a resource file, a body) has problems: 65.
    Data(Findings),
    /// The control interface refused: 1, or 65 when it found problems in what was given.
    Refused {
        /// The stable code.
        code: String,
        /// The sentence.
        message: String,
        /// All problems found.
        problems: Vec<Finding>,
    },
    /// The answer itself tells what is wrong; this is the sentence under it, and the exit code.
    Told(u8, String),
    /// No process answers where one should: 69.
    Unreachable(String),
    /// Everything else: 1.
    Other(anyhow::Error),
}

impl Failure {
    /// A failure told by one sentence.
    pub(crate) fn other(message: impl Into<String>) -> Failure {
        Failure::Other(anyhow::Error::msg(message.into()))
    }

    /// The exit code. Wrong usage of the command line exits with 2 before anything here exists.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Config(_) => 64,
            Failure::Data(_) => 65,
            Failure::Refused { problems, .. } if !problems.is_empty() => 65,
            Failure::Told(code, _) => *code,
            Failure::Unreachable(_) => 69,
            Failure::Refused { code, .. } if code == "not_serving" => 69,
            Failure::Refused { .. } | Failure::Other(_) => 1,
        })
    }

    /// The JSON form, in the shape of the control interface.
    pub(crate) fn json(&self) -> serde_json::Value {
        let (code, message, problems): (&str, String, &[Finding]) = match self {
            Failure::Config(findings) => ("invalid_config", "The settings file has problems.".into(), findings.list()),
            Failure::Data(findings) => {
                ("invalid_resources", "What was given has problems. Nothing was changed.".into(), findings.list())
            }
            Failure::Refused { code, message, problems } => (code, message.clone(), problems),
            Failure::Told(_, message) => ("failed", message.clone(), &[]),
            Failure::Unreachable(message) => ("unreachable", message.clone(), &[]),
            Failure::Other(error) => ("failed", format!("{error:#}"), &[]),
        };
        json!({"error": {"code": code, "message": message, "problems": problems}})
    }
}

/// Sentences for people, one problem a line.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(findings) | Failure::Data(findings) => findings.fmt(f),
            Failure::Refused { message, problems, .. } => {
                f.write_str(message)?;
                for problem in problems {
                    write!(f, "\n  {}: {}", problem.path, problem.message)?;
                }
                Ok(())
            }
            Failure::Told(_, message) | Failure::Unreachable(message) => f.write_str(message),
            Failure::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Other(error)
    }
}
