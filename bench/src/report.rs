//! The table for people and the JSON for machines.

use std::fs;

use anyhow::Result;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde_json::{Value, json};

use crate::cli::Candidate;
use crate::measure::{Amount, Measured};
use crate::quantile::{lower_quartile, median};

/// One line of the table.
struct Row {
    name: &'static str,
    digits: usize,
    figure: fn(&Measured, Option<&Measured>) -> Option<f64>,
    /// Whether the ratio to the bare proxy is printed.
    has_ratio: bool,
}

fn some(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| median(values))
}

fn mebibytes(kib: u64) -> Option<f64> {
    (kib > 0).then_some(kib as f64 / 1024.0)
}

const ROWS: [Row; 13] = [
    Row { name: "CPU per call, µs", digits: 1, figure: |one, _| some(&one.cpu_us_per_call), has_ratio: true },
    Row {
        name: "calls/s per core (1 / CPU)",
        digits: 0,
        figure: |one, _| some(&one.cpu_us_per_call).map(|us| 1e6 / us),
        has_ratio: true,
    },
    Row { name: "calls/s reached", digits: 0, figure: |one, _| some(&one.calls_per_second), has_ratio: false },
    Row { name: "CPU per stream event, µs", digits: 2, figure: |one, _| some(&one.cpu_us_per_event), has_ratio: true },
    Row {
        name: "CPU per call at the rate, µs",
        digits: 1,
        figure: |one, _| some(&one.cpu_us_per_call_at_rate),
        has_ratio: true,
    },
    Row {
        name: "load's core busy at the rate, %",
        digits: 0,
        figure: |one, _| some(&one.load_core_busy).map(|busy| busy * 100.0),
        has_ratio: false,
    },
    Row { name: "latency p50, µs", digits: 0, figure: |one, _| some(&one.p50_us), has_ratio: false },
    Row {
        name: "added p50, µs",
        digits: 0,
        figure: |one, direct| added(one, direct?, |one| some(&one.p50_us)),
        has_ratio: true,
    },
    Row {
        name: "added p99, µs",
        digits: 0,
        figure: |one, direct| added(one, direct?, |one| some(&one.p99_us)),
        has_ratio: true,
    },
    Row {
        name: "added p99 of a quiet second, µs",
        digits: 0,
        figure: |one, direct| added(one, direct?, quiet_p99),
        has_ratio: true,
    },
    Row { name: "RSS idle, MiB", digits: 1, figure: |one, _| mebibytes(one.idle_kib), has_ratio: true },
    Row { name: "RSS highest, MiB", digits: 1, figure: |one, _| mebibytes(one.loaded_kib), has_ratio: true },
    Row { name: "start to first answer, ms", digits: 1, figure: |one, _| one.start_ms, has_ratio: true },
];

/// Busier than this, the load generator keeps calls waiting itself.
const LOAD_CORE_BUSY_MAX: f64 = 0.75;

/// What a proxy adds to direct calls at the same rate.
fn added(one: &Measured, direct: &Measured, latency: fn(&Measured) -> Option<f64>) -> Option<f64> {
    if one.candidate == direct.candidate {
        return None;
    }
    Some(latency(one)? - latency(direct)?)
}

/// A machine's pauses only add: what the quieter seconds took is what the proxy itself takes.
fn quiet_p99(one: &Measured) -> Option<f64> {
    lower_quartile(&one.p99_us_of_seconds)
}

fn find(results: &[Measured], candidate: Candidate) -> Option<&Measured> {
    results.iter().find(|result| result.candidate == candidate.name())
}

pub(crate) fn print(results: &[Measured], rate: u64) {
    let bare = find(results, Candidate::Bare);
    let direct = find(results, Candidate::Direct);
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    let names = results.iter().map(|result| Cell::new(result.candidate));
    table.set_header([Cell::new("median of rounds")].into_iter().chain(names));
    for row in &ROWS {
        let mut cells = vec![Cell::new(row.name)];
        for result in results {
            let text = cell_text(row, result, bare, direct);
            cells.push(Cell::new(text).set_alignment(CellAlignment::Right));
        }
        table.add_row(cells);
    }
    println!("{table}");
    println!(
        "Latencies at {rate} calls a second from the moment each call was due. In brackets: ratio to the bare proxy."
    );
    if let Some(warning) = warning(results) {
        println!("{warning}");
    }
}

/// Said where the latencies are the bench's own.
fn warning(results: &[Measured]) -> Option<String> {
    let busiest = results.iter().filter_map(|one| some(&one.load_core_busy)).fold(0.0, f64::max);
    (busiest > LOAD_CORE_BUSY_MAX).then(|| {
        format!(
            "The core of the load generator and the provider was {:.0} % busy at that rate: latencies are partly its own \
             queue, and say little of any proxy. Give a lower --rate.",
            busiest * 100.0
        )
    })
}

fn cell_text(row: &Row, result: &Measured, bare: Option<&Measured>, direct: Option<&Measured>) -> String {
    let Some(figure) = (row.figure)(result, direct) else { return "–".to_owned() };
    let text = format!("{figure:.*}", row.digits);
    match bare.and_then(|bare| (row.figure)(bare, direct)) {
        Some(base) if row.has_ratio && base > 0.0 => format!("{text} ({:.2}×)", figure / base),
        _ => text,
    }
}

pub(crate) fn json(results: &[Measured], amount: Amount, rate: u64) -> Result<String> {
    let direct = find(results, Candidate::Direct);
    let medians: serde_json::Map<String, Value> = results
        .iter()
        .map(|result| {
            let figures: serde_json::Map<String, Value> =
                ROWS.iter().map(|row| (row.name.to_owned(), json!((row.figure)(result, direct)))).collect();
            (result.candidate.to_owned(), Value::Object(figures))
        })
        .collect();
    let document = json!({
        "machine": machine(),
        "amount": amount,
        "rate_per_second": rate,
        "medians": medians,
        "rounds": results,
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// What the figures hold for.
pub(crate) fn machine() -> Value {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    json!({ "processor": processor.map(|(_, name)| name), "cores": cores, "kernel": kernel.trim() })
}
