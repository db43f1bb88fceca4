//! `status`, `usage`, `calls` and `explain`.

use http::Method;
use serde_json::Value;

use crate::backend::{Backend, Question, path_part};
use crate::cli::{Calls, Explain, Usage};
use crate::command::resource::read_secret;
use crate::config::{Settings, checks};
use crate::failure::Failure;
use crate::output::{Output, cell_text, csv_line, grouped};

/// The limits of a status, as the JSON names them and as people read them.
const LIMITS: [(&str, &str); 7] = [
    ("rpm", "requests / minute"),
    ("rph", "requests / hour"),
    ("rpd", "requests / day"),
    ("tpm", "tokens / minute"),
    ("tpd", "tokens / day"),
    ("concurrency", "calls at once"),
    ("monthly_tokens", "tokens / month"),
];
/// The sums of usage that a table shows.
const SUMS: [&str; 6] =
    ["calls", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_usd"];
/// The columns of single calls that a table shows; CSV has them all.
const CALL_COLUMNS: [&str; 9] =
    ["at", "request_id", "key", "model", "status", "ending", "input_tokens", "output_tokens", "cost_usd"];

/// Limits, current usage, what is left, and what blocks until when.
pub(crate) fn status(tenant: &str, settings: &Settings, output: Output) -> Result<(), Failure> {
    let path = format!("/v1/tenants/{}/status", path_part(tenant));
    let status = Backend::open(settings)?.ask(Question::new(Method::GET, &path))?;
    if output.is_json() {
        output.json(&status);
        return Ok(());
    }
    let mut rows = Vec::new();
    figure_rows(&mut rows, &format!("tenant {tenant}"), &status);
    for account in status["accounts"].as_array().into_iter().flatten() {
        let name = format!("{} {}", cell_text(&account["level"]), cell_text(&account["name"]));
        figure_rows(&mut rows, &name, account);
    }
    output.table(&["account", "limit", "quota", "used", "held", "remaining", "resets"], &rows);
    watched_lines(&format!("tenant {tenant}"), &status, output);
    for account in status["accounts"].as_array().into_iter().flatten() {
        watched_lines(&format!("{} {}", cell_text(&account["level"]), cell_text(&account["name"])), account, output);
    }
    if status["is_blocked"] == true {
        let reasons = cell_text(&Value::from(
            status["blocked_by"].as_array().into_iter().flatten().map(cell_text).collect::<Vec<_>>().join(", "),
        ));
        let until = match status["blocked_until"].as_str() {
            Some(time) => format!("until {time}"),
            None => "until it is changed or calls end".to_owned(),
        };
        output.line(format!("blocked by {reasons}, {until}"));
    }
    let neighbours = &status["neighbours"];
    if neighbours["calls_waited"].as_u64().is_some_and(|waited| waited > 0) {
        let figure = |name: &str| neighbours[name].as_u64().map_or_else(String::new, grouped);
        let (waited, calls) = (figure("calls_waited"), figure("calls"));
        let [p50, p95, p99] = ["wait_p50_ms", "wait_p95_ms", "wait_p99_ms"].map(figure);
        output.line(format!(
            "neighbours made {waited} of {calls} calls wait: p50 {p50} ms, p95 {p95} ms, p99 {p99} ms in the last hour"
        ));
    }
    if status["live"] == false {
        output.note("No process serves: windows and calls under way are not counted.");
    }
    Ok(())
}

/// The rows of one account: one a limit that it sets, and its budgets.
fn figure_rows(rows: &mut Vec<Vec<String>>, account: &str, figures: &Value) {
    let mut name = account.to_owned();
    let before = rows.len();
    for (field, label) in LIMITS {
        if figures["quota"][field].is_null() {
            continue;
        }
        let count = |part: &str| figures[part][field].as_u64().map_or_else(String::new, grouped);
        let cells = [count("quota"), count("current_usage"), String::new(), count("remaining"), String::new()];
        let [quota, used, held, remaining, resets] = cells;
        rows.push(vec![core::mem::take(&mut name), label.into(), quota, used, held, remaining, resets]);
    }
    for limit in figures["models"].as_array().into_iter().flatten() {
        let label = format!("{} ({})", cell_text(&limit["window"]).replace('_', " "), cell_text(&limit["model"]));
        let count = |field: &str| limit[field].as_u64().map_or_else(String::new, grouped);
        let [quota, used, remaining] = ["limit", "used", "remaining"].map(count);
        rows.push(vec![core::mem::take(&mut name), label, quota, used, String::new(), remaining, String::new()]);
    }
    for budget in figures["budgets"].as_array().into_iter().flatten() {
        let money = |field: &str| budget[field].as_str().map_or_else(String::new, |usd| format!("${usd}"));
        let label = format!("budget / {}", cell_text(&budget["period"]));
        let (quota, used, held) = (money("limit_usd"), money("spent_usd"), money("held_usd"));
        let (remaining, resets) = (money("remaining_usd"), cell_text(&budget["resets_at"]));
        rows.push(vec![core::mem::take(&mut name), label, quota, used, held, remaining, resets]);
    }
    if rows.len() == before {
        rows.push(vec![name, "none".into(), String::new(), String::new(), String::new(), String::new(), String::new()]);
    }
}

/// What limits that are only watched would have done.
fn watched_lines(account: &str, figures: &Value, output: Output) {
    for limit in figures["shadow"].as_array().into_iter().flatten() {
        let [name, size, refused] = ["limit_name", "limit", "would_have_refused"].map(|name| cell_text(&limit[name]));
        let of = match (limit["model"].as_str(), limit["per_end_user"] == true) {
            (Some(model), _) => format!(" for {model}"),
            (None, true) => " for each end user".to_owned(),
            (None, false) => String::new(),
        };
        output.line(format!("watched only: {name} {size}{of} of {account} would have refused {refused} calls"));
    }
}

/// What a tenant used and what it cost.
pub(crate) fn usage(request: &Usage, settings: &Settings, output: Output) -> Result<(), Failure> {
    let mut parameters = Vec::new();
    if let Some(from) = &request.from {
        parameters.push(format!("from={}", path_part(from)));
    }
    if let Some(to) = &request.to {
        parameters.push(format!("to={}", path_part(to)));
    }
    if let Some(by) = request.by {
        parameters.push(format!("by={}", by.name()));
    }
    let path = format!("/v1/tenants/{}/usage?{}", path_part(&request.tenant), parameters.join("&"));
    let report = Backend::open(settings)?.ask(Question::new(Method::GET, &path))?;
    if output.is_json() {
        output.json(&report);
    } else if request.csv {
        output.text(&usage_csv(&report));
    } else {
        print_usage(&report, output);
    }
    Ok(())
}

/// Prints usage for people.
pub(crate) fn print_usage(report: &Value, output: Output) {
    let by = report["by"].as_str();
    let cells = |sums: &Value| SUMS.map(|name| sum_text(name, &sums[name]));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for group in report["groups"].as_array().into_iter().flatten() {
        let name = Some(cell_text(&group["name"])).filter(|name| !name.is_empty()).unwrap_or_else(|| "(none)".into());
        rows.push([name].into_iter().chain(cells(group)).collect());
    }
    rows.push(["total".to_owned()].into_iter().chain(cells(&report["totals"])).collect());
    let head: Vec<String> =
        [by.unwrap_or("").replace('_', " ")].into_iter().chain(SUMS.map(|name| name.replace('_', " "))).collect();
    output.line(format!(
        "{} from {} to {}",
        cell_text(&report["tenant_id"]),
        cell_text(&report["from"]),
        cell_text(&report["to"])
    ));
    output.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    if let Some(budget) = report["monthly_budget"].as_str() {
        let remaining = cell_text(&report["budget_remaining"]);
        let percent = cell_text(&report["budget_utilization_pct"]);
        output.line(format!("budget of this month ${budget}, remaining ${remaining}, used {percent}%"));
    }
}

fn sum_text(name: &str, value: &Value) -> String {
    match (name, value.as_u64()) {
        ("cost_usd", _) => format!("${}", cell_text(value)),
        (_, Some(count)) => grouped(count),
        _ => cell_text(value),
    }
}

fn usage_csv(report: &Value) -> String {
    let totals = report["totals"].as_object();
    let columns: Vec<&str> = totals.into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    let by = report["by"].as_str().unwrap_or("name");
    let mut out = csv_line([by].into_iter().chain(columns.iter().copied()));
    let line = |name: &str, sums: &Value| {
        let cells: Vec<String> = columns.iter().map(|column| cell_text(&sums[*column])).collect();
        csv_line([name].into_iter().chain(cells.iter().map(String::as_str)))
    };
    for group in report["groups"].as_array().into_iter().flatten() {
        out.push_str(&line(&cell_text(&group["name"]), group));
    }
    if report["by"].is_null() {
        out.push_str(&line("total", &report["totals"]));
    }
    out
}

/// Single calls with their receipts, newest first.
pub(crate) fn calls(request: &Calls, settings: &Settings, output: Output) -> Result<(), Failure> {
    let span = checks::parse_duration(&request.since).map_err(|advice| Failure::other(format!("--since {advice}")))?;
    let since = crate::clock::now().checked_sub(jiff::SignedDuration::try_from(span).unwrap_or_default());
    let since = since.map_err(|_| Failure::other("--since reaches back too far"))?;
    let (tenant, since) = (path_part(&request.tenant), path_part(&since.to_string()));
    let before = request.before.as_ref().map_or_else(String::new, |before| format!("&before={}", path_part(before)));
    let path = format!("/v1/tenants/{tenant}/calls?since={since}&limit={}{before}", request.limit);
    let answer = Backend::open(settings)?.ask(Question::new(Method::GET, &path))?;
    if output.is_json() {
        output.json(&answer);
        return Ok(());
    }
    let calls = answer["calls"].as_array().map_or(&[][..], Vec::as_slice);
    if request.csv {
        output.text(&calls_csv(calls));
        return Ok(());
    }
    let row = |call: &Value| CALL_COLUMNS.map(|column| cell_text(&call[column])).to_vec();
    output.table(&CALL_COLUMNS.map(|column| column), &calls.iter().map(row).collect::<Vec<_>>());
    if let Some(next) = answer["next_before"].as_str() {
        output.note(format_args!("There are more: --before {next}"));
    }
    Ok(())
}

fn calls_csv(calls: &[Value]) -> String {
    let first = calls.first().and_then(Value::as_object);
    let columns: Vec<&str> = first.into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
    let mut out = if columns.is_empty() { csv_line(CALL_COLUMNS) } else { csv_line(columns.iter().copied()) };
    for call in calls {
        let cells: Vec<String> = columns.iter().map(|column| cell_text(&call[*column])).collect();
        out.push_str(&csv_line(cells.iter().map(String::as_str)));
    }
    out
}

/// What would happen to a call.
pub(crate) fn explain(request: &Explain, settings: &Settings, output: Output) -> Result<(), Failure> {
    let body = std::fs::read(&request.file)
        .map_err(|error| Failure::other(format!("{} cannot be read: {error}", request.file.display())))?;
    let key = match request.key.as_str() {
        "-" => read_secret(std::path::Path::new("-"))?,
        place if place.contains('/') => place.to_owned(),
        _ => {
            let advice = "--key takes the key's place, TENANT/PROJECT/NAME; a secret would show in the list of processes, \
                          so give it on standard input with --key -";
            return Err(Failure::other(advice));
        }
    };
    let question = Question::new(Method::POST, "/v1/explain")
        .header("mandant-key", key)
        .header("mandant-endpoint", request.endpoint.clone())
        .raw(body);
    let answer = Backend::open(settings)?.ask(question)?;
    if output.is_json() {
        output.json(&answer);
    } else {
        print_explanation(&answer, output);
    }
    Ok(())
}

fn print_explanation(answer: &Value, output: Output) {
    match (answer["would_be_forwarded"] == true, answer["would_be_estimated"] == true) {
        (true, _) => output.line("This call would be forwarded."),
        (false, true) => output.line(
            "Mandant would answer this call itself, with an estimate: no provider of its model can count for it. It costs nothing.",
        ),
        (false, false) => output.line(format!(
            "This call would be refused with {} {}: {}",
            cell_text(&answer["refusal"]["status"]),
            cell_text(&answer["refusal"]["code"]),
            cell_text(&answer["refusal"]["message"])
        )),
    }
    let mut rows = vec![vec![
        "call".to_owned(),
        format!("{} ({})", cell_text(&answer["endpoint"]), cell_text(&answer["dialect"])),
    ]];
    rows.push(vec!["model".to_owned(), cell_text(&answer["model"])]);
    let path: Vec<String> = answer["path"].as_array().into_iter().flatten().map(cell_text).collect();
    rows.push(vec!["accounts".to_owned(), path.join(" > ")]);
    if answer["route"].is_object() {
        let [upstream, why] = ["upstream", "why"].map(|name| cell_text(&answer["route"][name]));
        rows.push(vec!["goes to".to_owned(), format!("{upstream}: {why}")]);
    }
    for (at, candidate) in answer["candidates"].as_array().into_iter().flatten().enumerate() {
        let [model, upstream, upstream_model, price] =
            ["model", "upstream", "upstream_model", "price_version"].map(|name| cell_text(&candidate[name]));
        rows.push(vec![
            format!("candidate {}", at + 1),
            format!("{model} on {upstream} as {upstream_model}, price version {price}"),
        ]);
    }
    if let Some(worst) = answer["worst_case"].as_object() {
        let count = |name: &str| worst.get(name).and_then(Value::as_u64).map_or_else(String::new, grouped);
        rows.push(vec!["worst case".into(), format!("${}", worst.get("usd").map(cell_text).unwrap_or_default())]);
        rows.push(vec!["input tokens at most".into(), count("input_tokens")]);
        rows.push(vec!["output tokens at most".into(), count("output_tokens")]);
    }
    output.table(&["", ""], &rows);
    let limits = answer["limits"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = limits.map(limit_row).collect();
    output.table(&["account", "limit", "size", "used", "remaining", "needs", ""], &rows);
}

/// One limit of an explanation.
fn limit_row(limit: &Value) -> Vec<String> {
    let text = |name: &str| cell_text(&limit[name]);
    let account = match limit["part"].as_str() {
        Some("model") => format!("{} (this model)", text("account")),
        Some("end_user") => format!("{} (this end user)", text("account")),
        _ => text("account"),
    };
    let says = match (limit["would_refuse"] == true, limit["shadow"] == true) {
        (true, true) => "would refuse, only watched",
        (false, true) => "only watched",
        (true, false) => "REFUSES",
        (false, false) => "",
    };
    let [name, size, used, remaining, needs] = ["limit_name", "limit", "used", "remaining", "needs"].map(text);
    vec![account, name, size, used, remaining, needs, says.to_owned()]
}
