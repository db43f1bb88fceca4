//! The command line of the chores: `cargo run -p xtask -- <chore>`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Chores of the workspace.
#[derive(Parser)]
#[command(name = "xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Applies the house rules and prints every finding with file, line and advice.
    Tidy,
    /// Writes the default catalogue of models and prices from a folder with the public price lists.
    Catalogue {
        /// The folder with genai-prices.json and litellm-model-prices.json.gz.
        #[arg(long, value_name = "DIR")]
        prices: std::path::PathBuf,
    },
    /// Writes docs/refusals.md from the code.
    Refusals,
    /// Writes docs/translation.md from the code.
    Translation,
}

#[expect(clippy::print_stdout, reason = "a chore speaks to the person who started it")]
fn main() -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask is inside the workspace")?;
    match Arguments::parse().chore {
        Chore::Tidy => {
            let mut total = 0;
            for (name, findings) in xtask::tidy::run(root)? {
                println!("{} {name}", if findings.is_empty() { "ok  " } else { "FAIL" });
                total += findings.len();
                for finding in findings {
                    println!("     {finding}");
                }
            }
            println!("{total} findings");
            return Ok(if total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Chore::Catalogue { prices } => {
            let made = xtask::catalogue::generate(&prices)?;
            std::fs::write(root.join(xtask::catalogue::FILE), &made.text)?;
            for (model, reason) in &made.left_out {
                println!("left out {model}: {reason}");
            }
            println!("wrote {} models to {}", made.entries, xtask::catalogue::FILE);
        }
        Chore::Refusals => {
            std::fs::write(root.join(xtask::refusals::DOCUMENT), xtask::refusals::markdown())?;
            println!("wrote {}", xtask::refusals::DOCUMENT);
        }
        Chore::Translation => {
            std::fs::write(root.join(xtask::translation::DOCUMENT), xtask::translation::markdown())?;
            println!("wrote {}", xtask::translation::DOCUMENT);
        }
    }
    Ok(ExitCode::SUCCESS)
}
