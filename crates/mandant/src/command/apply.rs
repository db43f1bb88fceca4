//! `apply` and `export`.

use core::time::Duration;
use std::io::Read as _;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::backend::{Backend, Question};
use crate::cli::Apply;
use crate::config::resources::{self, ResourceFile};
use crate::config::{Findings, Settings, write};
use crate::failure::Failure;
use crate::output::{Output, cell_text};

/// Fewer resources than this are applied before a progress bar could be seen.
const PROGRESS_FROM: usize = 200;

/// Makes everything as the file describes it.
pub(crate) fn apply(request: &Apply, settings: &Settings, output: Output) -> Result<(), Failure> {
    let file = read_resources(&request.file)?;
    let backend = Backend::open(settings)?;
    let body = json!({"resources": file.value, "dry_run": request.dry_run, "prune": request.prune});
    let progress = progress(file.count(), output);
    let answer = backend.ask(Question::new(Method::POST, "/v1/apply").json(&body));
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    let answer = answer.map_err(|failure| located(failure, &file))?;
    print_changes(&answer, output);
    Ok(())
}

/// Reads a resource file; `-` is standard input.
pub(crate) fn read_resources(file: &Path) -> Result<ResourceFile, Failure> {
    let (name, text) = read_text(file)?;
    resources::read(&name, &text).map_err(Failure::Data)
}

/// Reads a text file with the name that messages give it; `-` is standard input.
pub(crate) fn read_text(file: &Path) -> Result<(String, String), Failure> {
    let mut text = String::new();
    let (name, read) = if file == Path::new("-") {
        ("standard input".to_owned(), std::io::stdin().read_to_string(&mut text))
    } else {
        let opened = std::fs::File::open(file);
        (file.display().to_string(), opened.and_then(|mut file| file.read_to_string(&mut text)))
    };
    match read {
        Ok(_) => Ok((name, text)),
        Err(error) => {
            let mut findings = Findings::new(&name, "");
            findings.add_at(None, "", format!("cannot be read: {error}"));
            Err(Failure::Data(findings))
        }
    }
}

/// Puts the problems that the store found beside the lines that they are about.
fn located(failure: Failure, file: &ResourceFile) -> Failure {
    match failure {
        Failure::Refused { problems, .. } if !problems.is_empty() => {
            Failure::Data(file.locate(problems.into_iter().map(|problem| (problem.path, problem.message))))
        }
        other => other,
    }
}

/// A moving bar on a terminal while a long apply is under way.
fn progress(count: usize, output: Output) -> Option<indicatif::ProgressBar> {
    if count < PROGRESS_FROM || output.is_json() {
        return None;
    }
    let progress = indicatif::ProgressBar::new_spinner();
    progress.set_message(format!("applying {count} resources"));
    progress.enable_steady_tick(Duration::from_millis(100));
    Some(progress)
}

/// Writes all resources in the form that apply reads.
pub(crate) fn export(settings: &Settings, output: Output) -> Result<(), Failure> {
    let value = Backend::open(settings)?.ask(Question::new(Method::GET, "/v1/export"))?;
    if output.is_json() {
        output.json(&value);
    } else {
        let comment = "Resources of Mandant; read again by: mandant apply -f FILE\n\
                       Secrets of keys are not stored and so not written: keys that exist keep theirs.";
        output.text(&write::document(comment, &value));
    }
    Ok(())
}

/// Prints what a change did; new secrets are shown here and nowhere else.
pub(crate) fn print_changes(answer: &Value, output: Output) {
    if output.is_json() {
        output.json(answer);
        return;
    }
    let changes = answer["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let changed: Vec<&Value> = changes.iter().filter(|change| change["action"] != "unchanged").collect();
    let rows: Vec<Vec<String>> = changed
        .iter()
        .map(|change| ["action", "kind", "id", "details"].map(|name| cell_text(&change[name])).to_vec())
        .collect();
    if !rows.is_empty() {
        output.table(&["action", "kind", "id", "details"], &rows);
    }
    let unchanged = changes.len() - changed.len();
    let verb = if answer["dry_run"] == true { "would change" } else { "changed" };
    output.note(format!("{} {verb}, {unchanged} unchanged.", changed.len()));
    print_secrets(answer, output);
}

/// Prints new secrets, each with its key.
fn print_secrets(answer: &Value, output: Output) {
    let secrets = answer["secrets"].as_array().map_or(&[][..], Vec::as_slice);
    if secrets.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> =
        secrets.iter().map(|secret| vec![cell_text(&secret["key"]), cell_text(&secret["secret"])]).collect();
    output.note("");
    output.table(&["key", "secret"], &rows);
    output.note("Keep these secrets now: they are not stored and cannot be shown again.");
}
