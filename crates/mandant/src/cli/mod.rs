//! The command line: what can be said to Mandant. What it does about it stands in `command`.

mod ledger;
mod resource;
mod terms;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use ledger::{HoldsCommand, LimitsCommand, Outcome, Replay, Verify, WalletCommand};
pub(crate) use resource::{
    Account, KeyCommand, ModelCommand, ProjectCommand, TenantCommand, UpstreamCommand, UpstreamTerms,
};
pub(crate) use terms::Unset;

/// A multi-tenant relay for LLM APIs: keys, limits, budgets and usage for every tenant, in front of your providers.
#[derive(Debug, Parser)]
#[command(name = "mandant", version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(
    after_help = "Example:\n  mandant demo\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 verify has doubts, \
                        4 verify and the provider differ,\n64 configuration has problems, \
                        65 what was given has problems, 69 the process cannot be reached"
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The settings file; else the one that MANDANT_CONFIG names, else ./mandant.toml when that exists.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder, instead of the one that the settings name.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Answer in JSON, for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Everything that Mandant can be told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the relay until it is told to stop.
    #[command(after_help = "Example:\n  mandant serve --config mandant.toml")]
    Serve,
    /// Try everything without a key: serve with a simulated provider, two tenants and sample traffic.
    #[command(after_help = "Example:\n  mandant demo\n  mandant demo --once --listen 127.0.0.1:0")]
    Demo(Demo),
    /// Create or change what a resource file describes; tells what changed.
    #[command(
        after_help = "Example:\n  mandant apply -f resources.toml --dry-run\n  mandant export | mandant apply -f -"
    )]
    Apply(Apply),
    /// Write all resources in the form that apply reads. Secrets of keys are not stored and not written.
    #[command(after_help = "Example:\n  mandant export > resources.toml")]
    Export,
    /// Tenants: customers or departments.
    #[command(subcommand, after_help = "Example:\n  mandant tenant list")]
    Tenant(TenantCommand),
    /// Projects: subdivisions of a tenant.
    #[command(subcommand, after_help = "Example:\n  mandant project list --tenant acme")]
    Project(ProjectCommand),
    /// Keys: the credentials of a project.
    #[command(subcommand, after_help = "Example:\n  mandant key create acme/search/ci")]
    Key(KeyCommand),
    /// Upstreams: addresses with credentials.
    #[command(subcommand, after_help = "Example:\n  mandant upstream list")]
    Upstream(UpstreamCommand),
    /// Models: public names with a price and a route.
    #[command(subcommand, after_help = "Example:\n  mandant model list")]
    Model(ModelCommand),
    /// Limits, current usage, what is left, and what blocks until when.
    #[command(after_help = "Example:\n  mandant status --tenant acme --json")]
    Status(OfTenant),
    /// What a tenant used and what it cost.
    #[command(after_help = "Example:\n  mandant usage --tenant acme --by model --from 2027-01-01")]
    Usage(Usage),
    /// Single calls with their receipts, newest first.
    #[command(after_help = "Example:\n  mandant calls --tenant acme --since 1h --csv")]
    Calls(Calls),
    /// What would happen to a call: limits, worst-case cost, route. Nothing is sent and nothing is charged.
    #[command(after_help = "Example:\n  mandant explain --key acme/search/ci --file body.json")]
    Explain(Explain),
    /// Holds: money that calls under way may cost, and of which nobody knows whether it was spent.
    #[command(subcommand, after_help = "Example:\n  mandant holds list --tenant acme")]
    Holds(HoldsCommand),
    /// Wallets: what tenants pay in advance.
    #[command(subcommand, after_help = "Example:\n  mandant wallet show acme")]
    Wallet(WalletCommand),
    /// Limits, before they are set.
    #[command(subcommand, after_help = "Example:\n  mandant limits replay --since 7d -f new.toml")]
    Limits(LimitsCommand),
    /// Compare everything that is stored with what was written: the hash chain, the sums, and the journal. Changes
    /// nothing. Beside a serving process, what has not come to rest is left out.
    #[command(
        after_help = "Example:\n  mandant verify --json\n  mandant verify --provider-usage may.csv --from 2027-05-01 --to 2027-06-01\n\n\
                      Exit codes: 0 sound, 3 with doubts, 4 sound, but the provider's list differs"
    )]
    Verify(Verify),
    /// The settings of the process.
    #[command(subcommand, after_help = "Example:\n  mandant config check")]
    Config(ConfigCommand),
    /// Look at everything that a healthy installation needs, and say what to do about the rest.
    #[command(after_help = "Example:\n  mandant doctor")]
    Doctor,
}

/// How to demonstrate.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the relay listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub(crate) listen: std::net::SocketAddr,
    /// Stop after the sample traffic instead of serving on.
    #[arg(long)]
    pub(crate) once: bool,
}

/// What to apply, and how.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The resource file; - for standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only tell what would change.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove what the file does not have.
    #[arg(long)]
    pub(crate) prune: bool,
}

/// Whose.
#[derive(Debug, Args)]
pub(crate) struct OfTenant {
    /// The tenant.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: String,
}

/// Which usage.
#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// The tenant.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: String,
    /// From this date (2027-01-31) or time; the start of this month when left out.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Until before this date or time; now when left out.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Broken down by what.
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// Answer in CSV.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// What usage is broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum By {
    /// The public model name.
    Model,
    /// The key.
    Key,
    /// The project.
    Project,
    /// The tenant's own users.
    EndUser,
    /// The calendar day in UTC.
    Day,
}

impl By {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            By::Model => "model",
            By::Key => "key",
            By::Project => "project",
            By::EndUser => "end_user",
            By::Day => "day",
        }
    }
}

/// Which calls.
#[derive(Debug, Args)]
pub(crate) struct Calls {
    /// The tenant.
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: String,
    /// How far back.
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    pub(crate) since: String,
    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Only calls before this one: `next_before` of the page before.
    #[arg(long, value_name = "ATTEMPT")]
    pub(crate) before: Option<String>,
    /// Answer in CSV.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// Which call to explain.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The key's place: TENANT/PROJECT/NAME. With - its secret is read from the first line of standard input.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: String,
    /// The body of the call.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The path that would be called.
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    pub(crate) endpoint: String,
}

/// What to do about settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the settings file, and resource files if any are given.
    #[command(after_help = "Example:\n  mandant config check --config mandant.toml resources.toml")]
    Check {
        /// Resource files to check as well.
        #[arg(value_name = "FILE")]
        resources: Vec<PathBuf>,
    },
    /// Write every setting with its comment and its default.
    #[command(after_help = "Example:\n  mandant config default > mandant.toml")]
    Default,
}
