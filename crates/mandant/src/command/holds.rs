//! `holds list` and `holds resolve`.

use http::Method;
use serde_json::{Value, json};

use crate::backend::{Backend, Question, path_part};
use crate::cli::{HoldsCommand, Outcome};
use crate::config::Settings;
use crate::failure::Failure;
use crate::output::{Output, cell_text};

const COLUMNS: [&str; 8] = ["attempt", "state", "since", "tenant", "key", "model", "held_usd", "held_tokens"];

/// `mandant holds ...`
pub(crate) fn run(verb: &HoldsCommand, settings: &Settings, output: Output) -> Result<(), Failure> {
    match verb {
        HoldsCommand::List { tenant } => list(tenant.as_deref(), settings, output),
        HoldsCommand::Resolve { attempt, outcome, reason } => resolve(attempt, outcome, reason, settings, output),
    }
}

fn list(tenant: Option<&str>, settings: &Settings, output: Output) -> Result<(), Failure> {
    let path = match tenant {
        Some(tenant) => format!("/v1/holds?tenant={}", path_part(tenant)),
        None => "/v1/holds".to_owned(),
    };
    let mut answer = Backend::open(settings)?.ask(Question::new(Method::GET, &path))?;
    let holds = answer["holds"].take();
    if output.is_json() {
        output.json(&holds);
        return Ok(());
    }
    let holds = holds.as_array().map_or(&[][..], Vec::as_slice);
    let row = |hold: &Value| {
        let place = format!("{}/{}", cell_text(&hold["project"]), cell_text(&hold["key"]));
        let cell = |name: &str| if name == "key" { place.clone() } else { cell_text(&hold[name]) };
        COLUMNS.map(cell).to_vec()
    };
    output.table(&COLUMNS, &holds.iter().map(row).collect::<Vec<_>>());
    let unknown = holds.iter().filter(|hold| hold["state"] == "unknown").count();
    if unknown > 0 {
        output.note(format!("Nobody knows what {unknown} of them cost: mandant holds resolve ATTEMPT --help"));
    }
    Ok(())
}

fn resolve(attempt: &str, outcome: &Outcome, reason: &str, settings: &Settings, output: Output) -> Result<(), Failure> {
    let body = json!({
        "charge": outcome.charge,
        "charge_whole": outcome.charge_whole,
        "release": outcome.release,
        "reason": reason,
    });
    let path = format!("/v1/holds/{}/resolve", path_part(attempt));
    // A process that begins to serve meanwhile would hold the money still.
    let answer = Backend::open_alone(settings)?.ask(Question::new(Method::POST, &path).json(&body))?;
    if output.is_json() {
        output.json(&answer);
    } else {
        let [charged, released] = ["charged_usd", "released_usd"].map(|name| cell_text(&answer[name]));
        output.line(format!("{attempt}: ${charged} charged, ${released} released"));
    }
    Ok(())
}
