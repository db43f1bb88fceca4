//! `verify`: looks through the whole data folder and says what is not as it was written, one line each.

use base::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::{Store, StoreError};

use crate::cli::Verify;
use crate::command::apply::read_text;
use crate::config::Settings;
use crate::failure::Failure;
use crate::output::{Output, cell_text, grouped};
use crate::verify::provider::{self, Comparison, Difference, Span};
use crate::verify::{Report, Verification, unreadable};

/// Exit code: something is not as it was written.
const DOUBTS: u8 = 3;
/// Exit code: all is as it was written, but the provider's list is not ours.
const DIFFERENCES: u8 = 4;

/// `mandant verify`
pub(crate) fn run(request: &Verify, settings: &Settings, output: Output) -> Result<(), Failure> {
    if !settings.data_dir.join("mandant.db").exists() {
        return Err(Failure::other(format!("there is no store in {} to verify", settings.data_dir.display())));
    }
    let billed = match &request.provider_usage {
        None => None,
        Some(file) => {
            let (name, text) = read_text(file)?;
            let span = Span { from: time(&request.from)?, to: time(&request.to)?, upstream: request.upstream.clone() };
            Some((provider::read(&name, &text).map_err(Failure::Data)?, span))
        }
    };
    let store = match open(settings)? {
        Ok(store) => store,
        Err(error) => {
            let report = Report { doubts: vec![unreadable(&error)], ..Report::default() };
            return conclude(&report, None, output);
        }
    };
    let verification = Verification::begin(&store)?;
    let bar = Bar::new(output);
    let report = verification.run(&mut |what, done, total| bar.tell(what, done, total));
    bar.end();
    let compared = match billed {
        None => None,
        Some((billed, span)) => match provider::compare(&store, &billed, &span) {
            Ok(compared) => Some(compared),
            Err(error) => return Err(Failure::other(format!("the calls cannot be compared: {error}"))),
        },
    };
    conclude(&report, compared.as_ref(), output)
}

/// Opens the store. What is wrong with the database is a doubt; what is wrong with its keys or its folder is not.
fn open(settings: &Settings) -> Result<Result<Store, StoreError>, Failure> {
    match Store::open_with(&settings.data_dir, &settings.master_key_source()?) {
        Err(error @ (StoreError::File { .. } | StoreError::MasterKey(_) | StoreError::Random(_))) => {
            Err(Failure::other(format!("the store in {} cannot be opened: {error}", settings.data_dir.display())))
        }
        opened => Ok(opened),
    }
}

/// A time with its zone, or a date in UTC.
fn time(text: &Option<String>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let time = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let date: jiff::civil::Date = text.parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
    });
    let advice =
        || Failure::other(format!("{text:?} is neither a date (2027-05-01) nor a time (2027-05-01T09:00:00Z)"));
    Ok(Some(Timestamp::from_micros(time.ok_or_else(advice)?.as_microsecond())))
}

/// A bar on a terminal.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(output: Output) -> Bar {
        Bar((!output.is_json()).then(|| {
            let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {human_pos} / {human_len} {eta}");
            let bar = ProgressBar::new(0);
            style.map_or(bar.clone(), |style| bar.with_style(style))
        }))
    }

    fn tell(&self, what: &'static str, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Says what was found, and with which exit code.
fn conclude(report: &Report, compared: Option<&Comparison>, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        let mut value = serde_json::to_value(report).unwrap_or_default();
        if let Some(compared) = compared {
            value["provider_usage"] = serde_json::to_value(compared).unwrap_or_default();
        }
        output.json(&value);
    } else {
        print(report, output);
        if let Some(compared) = compared {
            print_comparison(compared, output);
        }
    }
    if !report.doubts.is_empty() {
        let count = report.doubts.len();
        let advice =
            "Stop the process, keep a copy of the whole data folder, and restore the last backup that is sound.";
        return Err(Failure::Told(DOUBTS, format!("{count} in doubt. {advice}")));
    }
    match compared.filter(|compared| !compared.agrees()) {
        None => Ok(()),
        Some(_) => Err(Failure::Told(DIFFERENCES, "the provider's list and the books differ".into())),
    }
}

fn print(report: &Report, output: Output) {
    for doubt in &report.doubts {
        output.line(format!("doubt: {}, {}: {}", doubt.place, doubt.at, doubt.what));
    }
    let [attempts, records, unapplied] = [report.attempts, report.records, report.unapplied].map(grouped);
    output.line(format!(
        "{attempts} attempts in the store; {records} records in {} segments of the journal, {unapplied} of them not yet applied",
        report.segments
    ));
    if !report.left_out.is_empty() {
        output.line(format!("A process serves, so these were left out: {}.", report.left_out.join(", ")));
    }
    if report.doubts.is_empty() {
        output.line("sound: everything is as it was written");
    }
}

fn print_comparison(compared: &Comparison, output: Output) {
    let lists = [
        ("billed by the provider, and not in the books", &compared.only_provider, compared.counts[0]),
        ("in the books, and not billed by the provider", &compared.only_ours, compared.counts[1]),
        ("in both, but different", &compared.different, compared.counts[2]),
    ];
    for (title, list, count) in lists.into_iter().filter(|(_, list, _)| !list.is_empty()) {
        output.line(format!("{} {title}:", grouped(count)));
        output.table(
            &["id", "tenant", "attempts", "ending", "provider USD", "our USD", "provider tokens", "our tokens"],
            &list.iter().map(row).collect::<Vec<_>>(),
        );
    }
    let value = serde_json::to_value(compared).unwrap_or_default();
    let total = |name: &str| {
        let sums = &value[name];
        let [calls, usd, tokens] = ["calls", "cost_usd", "tokens"].map(|field| cell_text(&sums[field]));
        vec![name.to_owned(), calls, usd, tokens]
    };
    output.table(&["total", "calls", "USD", "tokens"], &["provider", "ours", "nameless"].map(total));
    output.line(format!("{} calls are the same on both sides", grouped(compared.same)));
}

fn row(difference: &Difference) -> Vec<String> {
    let value = json!({"provider": difference.provider, "ours": difference.ours});
    let cell = |side: &str, field: &str| cell_text(&value[side][field]);
    vec![
        difference.id.clone(),
        difference.tenant.clone().unwrap_or_default(),
        difference.attempts.join(" "),
        difference.ending.unwrap_or_default().to_owned(),
        cell("provider", "cost_usd"),
        cell("ours", "cost_usd"),
        cell("provider", "tokens"),
        cell("ours", "tokens"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_begins_at_midnight_in_utc_or_at_a_time() {
        let read = |text: &str| time(&Some(text.to_owned())).map(|time| time.map(Timestamp::seconds));
        assert!(matches!(read("2027-05-01"), Ok(Some(1_809_129_600))));
        assert!(matches!(read("2027-05-01T02:00:00+02:00"), Ok(Some(1_809_129_600))));
        assert!(read("May").is_err());
        assert!(matches!(time(&None), Ok(None)));
    }
}
