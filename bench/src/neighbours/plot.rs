//! The victim's p99 beside each flood, in both orders, as bars on a logarithmic scale.

use std::fmt::Write;

use super::{Order, Row};

const WIDTH: f64 = 860.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 100.0;
const TOP: f64 = 56.0;
const BAR: f64 = 13.0;
const GROUP: f64 = 38.0;
/// Decades of the scale, in milliseconds.
const LEAST: f64 = 10.0;
const MOST: f64 = 100_000.0;

fn x(ms: f64) -> f64 {
    let part = (ms.clamp(LEAST, MOST) / LEAST).log10() / (MOST / LEAST).log10();
    LEFT + part * (WIDTH - LEFT - RIGHT)
}

pub(super) fn svg(rows: &[Row]) -> String {
    let floods: Vec<&Row> = rows.iter().filter(|row| row.flood.is_some() && row.order == Order::Fair).collect();
    let height = TOP + GROUP * (floods.len() as f64 + 1.0) + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">p99 of the victim's calls, in milliseconds, beside its neighbour</text>\n\
         <rect x=\"{LEFT}\" y=\"30\" width=\"12\" height=\"12\" fill=\"#2a7f62\"/><text x=\"{}\" y=\"40\">fair</text>\n\
         <rect x=\"{}\" y=\"30\" width=\"12\" height=\"12\" fill=\"#c44536\"/><text x=\"{}\" y=\"40\">first come, first served</text>\n",
        LEFT + 18.0,
        LEFT + 70.0,
        LEFT + 88.0
    );
    let mut push = |part: std::fmt::Arguments<'_>| svg.write_fmt(part).expect("writing into memory does not fail");
    for decade in [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0] {
        let (at, bottom) = (x(decade), height - 26.0);
        push(format_args!("<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\n"));
        push(format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{decade}</text>\n", height - 10.0));
    }
    let mut bar = |row: &Row, at: f64| {
        let colour = if row.order == Order::Fair { "#2a7f62" } else { "#c44536" };
        let (end, middle) = (x(row.p99_ms()), at + BAR - 3.0);
        let failed = if row.success() < 0.9995 {
            format!(", {:.1} % failed", 100.0 - row.success() * 100.0)
        } else {
            String::new()
        };
        push(format_args!(
            "<rect x=\"{LEFT}\" y=\"{at:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{middle:.1}\">{:.0}{failed}</text>\n",
            end - LEFT,
            end + 4.0,
            row.p99_ms()
        ));
        if row.order == Order::Fair {
            push(format_args!(
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT - 8.0,
                middle,
                label(row)
            ));
        }
    };
    for (place, row) in rows.iter().filter(|row| row.order == Order::Fair).enumerate() {
        let at = TOP + 6.0 + GROUP * place as f64;
        bar(row, at);
        let other =
            rows.iter().find(|other| (other.flood, other.times, other.order) == (row.flood, row.times, Order::Fifo));
        if let Some(other) = other {
            bar(other, at + BAR + 1.0);
        }
    }
    svg + "</svg>\n"
}

fn label(row: &Row) -> String {
    if row.flood.is_none() { "alone".to_owned() } else { row.name() }
}
