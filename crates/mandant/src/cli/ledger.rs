//! What can be said about the books: holds, wallets, and whether all of it is as it was written.

use std::path::PathBuf;

use base::Money;
use clap::{Args, Subcommand, ValueEnum};

/// What can be done with holds.
#[derive(Debug, Subcommand)]
pub(crate) enum HoldsCommand {
    /// List what is held: open while a call is under way, unknown when somebody must say what it cost.
    #[command(after_help = "Example:\n  mandant holds list --tenant acme --json")]
    List {
        /// Of this tenant only.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// End a hold of which nobody knows the cost, by what the provider's bill says. Durable when it returns.
    #[command(
        after_help = "Example:\n  mandant holds resolve 3-1200 --charge 0.0125 --reason invoice-of-May\n  mandant holds resolve 3-1201 --release"
    )]
    Resolve {
        /// The attempt, as holds list shows it.
        #[arg(value_parser = attempt)]
        attempt: String,
        #[command(flatten)]
        outcome: Outcome,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

/// What can be asked of limits.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Say which past calls a changed set of limits would have refused. Changes nothing.
    #[command(after_help = "Example:\n  mandant limits replay --since 7d -f new.toml")]
    Replay(Replay),
}

/// Which calls, against which limits.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A resource file, as for apply; what it leaves out stays as it is.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: std::path::PathBuf,
    /// How far back.
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    pub(crate) since: String,
}

/// What becomes of a hold.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Outcome {
    /// Charge so much, in US dollars, and release the rest; all tokens that are held are charged.
    #[arg(long, value_name = "USD", value_parser = Money::parse_usd)]
    pub(crate) charge: Option<Money>,
    /// Charge all that is held.
    #[arg(long)]
    pub(crate) charge_whole: bool,
    /// Charge nothing.
    #[arg(long)]
    pub(crate) release: bool,
}

/// Only the form; whether there is such an attempt is for the books to say.
fn attempt(text: &str) -> Result<String, String> {
    let is_number = |part: &str| part.parse::<u64>().is_ok();
    match text.split_once('-') {
        Some((epoch, sequence)) if is_number(epoch) && is_number(sequence) => Ok(text.to_owned()),
        _ => Err("an attempt is two numbers, such as 3-1200".into()),
    }
}

/// What can be done with wallets.
#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Show what was credited, spent, is held and is left.
    #[command(after_help = "Example:\n  mandant wallet show acme --json")]
    Show {
        /// The tenant.
        tenant: String,
    },
    /// Move the balance; in force when it returns. The same reference counts once.
    #[command(
        after_help = "Example:\n  mandant wallet credit acme --usd 50.00 --reference payment-1734\n  mandant wallet credit acme --usd 20 --kind refund --note as-agreed"
    )]
    Credit {
        /// The tenant; it has wallet = true.
        tenant: String,
        /// How much, in US dollars; an adjustment may be below zero.
        #[arg(long, value_name = "USD", allow_hyphen_values = true)]
        usd: String,
        /// Why: the tenant paid, is paid back, or the balance is put right.
        #[arg(long, value_enum, default_value_t = CreditKind::Topup)]
        kind: CreditKind,
        /// For people.
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        /// What it is called elsewhere, such as the number of a payment.
        #[arg(long, value_name = "TEXT")]
        reference: Option<String>,
    },
    /// List every movement, oldest first.
    #[command(after_help = "Example:\n  mandant wallet list acme")]
    List {
        /// The tenant.
        tenant: String,
    },
}

/// Why a balance moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CreditKind {
    /// The tenant paid.
    Topup,
    /// The tenant is paid back: it is taken from the wallet.
    Refund,
    /// The balance is put right, in either direction.
    Adjustment,
}

impl CreditKind {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            CreditKind::Topup => "topup",
            CreditKind::Refund => "refund",
            CreditKind::Adjustment => "adjustment",
        }
    }
}

/// What to compare the books with, beside themselves.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A provider's list of calls in CSV: columns response_id or request_id, and cost_usd, tokens or both.
    #[arg(long, value_name = "FILE")]
    pub(crate) provider_usage: Option<PathBuf>,
    /// Of our calls, only those of this upstream are compared with the provider's.
    #[arg(long, value_name = "UPSTREAM", requires = "provider_usage")]
    pub(crate) upstream: Option<String>,
    /// Of our calls, only those from this date in UTC (2027-05-01) or time are compared with the provider's.
    #[arg(long, value_name = "TIME", requires = "provider_usage")]
    pub(crate) from: Option<String>,
    /// Of our calls, only those before this date or time are compared with the provider's.
    #[arg(long, value_name = "TIME", requires = "provider_usage")]
    pub(crate) to: Option<String>,
}
