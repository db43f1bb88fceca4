//! `wallet show`, `wallet credit` and `wallet list`.

use http::Method;
use serde_json::{Value, json};

use crate::backend::{Backend, Question, path_part};
use crate::cli::WalletCommand;
use crate::config::Settings;
use crate::failure::Failure;
use crate::output::{Output, cell_text};

const COLUMNS: [&str; 6] = ["number", "at", "kind", "usd", "reference", "note"];

/// `mandant wallet ...`
pub(crate) fn run(verb: &WalletCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    let (WalletCommand::Show { tenant } | WalletCommand::Credit { tenant, .. } | WalletCommand::List { tenant }) = verb;
    let wallet = format!("/v1/tenants/{}/wallet", path_part(tenant));
    let credits = format!("/v1/tenants/{}/credits", path_part(tenant));
    let question = match verb {
        WalletCommand::Show { .. } => Question::new(Method::GET, &wallet),
        WalletCommand::List { .. } => Question::new(Method::GET, &credits),
        WalletCommand::Credit { usd, kind, note, reference, .. } => {
            let body = json!({"usd": usd, "kind": kind.name(), "note": note, "reference": reference});
            Question::new(Method::POST, &credits).json(&body)
        }
    };
    let answer = Backend::open(settings)?.ask(question)?;
    if output.is_json() {
        output.json(&answer);
        return Ok(());
    }
    match verb {
        WalletCommand::Show { .. } => print_wallet(&answer, output),
        WalletCommand::List { .. } => print_credits(&answer, output),
        WalletCommand::Credit { .. } => {
            if answer["is_new"] != true {
                output.note("This reference was credited before; nothing was changed.");
            }
            print_wallet(&answer["wallet"], output);
        }
    }
    Ok(())
}

fn print_wallet(wallet: &Value, output: Output) {
    let row = |name: &str| vec![name.to_owned(), cell_text(&wallet[format!("{name}_usd")])];
    output.table(&[&cell_text(&wallet["tenant_id"]), "USD"], &["credited", "spent", "held", "balance"].map(row));
}

fn print_credits(answer: &Value, output: Output) {
    let credits = answer["credits"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |credit: &Value| COLUMNS.map(|column| cell_text(&credit[column])).to_vec();
    output.table(&COLUMNS, &credits.iter().map(row).collect::<Vec<_>>());
}
