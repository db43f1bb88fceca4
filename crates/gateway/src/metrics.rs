//! The relay's figures as Prometheus reads them (text format 0.0.4). Labels are from closed sets and from the upstreams,
//! which the operator names: how many tenants, keys and models there are does not matter.

use core::fmt::{Display, Write as _};

use base::Refusal;

use crate::counts::{ENDINGS, WAIT_EDGES_MS, WINDOWS, WaitCounts};
use crate::relay::Relay;

/// A page of metrics under construction.
struct Page(String);

impl Page {
    /// The head of one metric.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// One metric without labels.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// Everything, in a bounded number of lines.
pub(crate) fn page(relay: &Relay) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    calls(&mut page, relay);
    queues(&mut page, relay);
    money(&mut page, relay);
    process(&mut page, relay);
    page.0
}

fn calls(page: &mut Page, relay: &Relay) {
    page.head("mandant_answers_total", "counter", "Answers to authenticated requests that were not refused here.");
    let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
    for (class, count) in classes.iter().zip(relay.counts.answers()) {
        page.sample("mandant_answers_total", &[("status", class)], count);
    }
    page.head("mandant_refusals_total", "counter", "Refusals by this relay.");
    for (code, count) in Refusal::CODES.iter().zip(relay.counts.refusals()) {
        page.sample("mandant_refusals_total", &[("code", code)], count);
    }
    let (counts, shadows) = relay.books.counts();
    page.head("mandant_window_refusals_total", "counter", "Calls that a window or the limit of calls at once refused.");
    for ((_, name), count) in WINDOWS.iter().zip(counts.windows) {
        page.sample("mandant_window_refusals_total", &[("window", name)], count);
    }
    let help = "Calls that a limit which is only watched would have refused.";
    page.one("mandant_shadow_refusals_total", "counter", help, shadows);
    page.head("mandant_attempts_total", "counter", "Attempts by how they ended.");
    for (name, count) in ENDINGS.iter().zip(counts.endings) {
        page.sample("mandant_attempts_total", &[("ending", name)], count);
    }
    page.one("mandant_calls_under_way", "gauge", "Requests and the tasks that outlive them.", relay.tasks.running());
}

fn queues(page: &mut Page, relay: &Relay) {
    let queues = relay.upstreams.queues();
    let gauges = ["places", "places_taken", "waiting", "tenants"];
    let helps = [
        "Calls that the upstream may work on at once: fixed, or learnt.",
        "Calls that it works on.",
        "Calls that wait for their turn at it.",
        "Tenants that its queue remembers.",
    ];
    for (place, (gauge, help)) in gauges.iter().zip(helps).enumerate() {
        let name = format!("mandant_upstream_{gauge}");
        page.head(&name, "gauge", help);
        for (upstream, queue) in &queues {
            let status = queue.status();
            let figures = [status.limit, status.running, status.waiting, status.tenants];
            page.sample(&name, &[("upstream", upstream)], figures[place]);
        }
    }
    let name = "mandant_queue_wait_seconds";
    page.head(name, "histogram", "How long calls waited for their turn, of those that had to wait.");
    let read: Vec<(&String, WaitCounts)> = queues.iter().map(|(upstream, queue)| (upstream, queue.waits())).collect();
    for (upstream, waits) in &read {
        let mut sum = 0;
        for (edge, count) in WAIT_EDGES_MS.iter().zip(waits.counts) {
            sum += count;
            let edge = format!("{}.{:03}", edge / 1_000, edge % 1_000);
            page.sample(&format!("{name}_bucket"), &[("upstream", upstream), ("le", &edge)], sum);
        }
        sum += waits.counts[WAIT_EDGES_MS.len()];
        page.sample(&format!("{name}_bucket"), &[("upstream", upstream), ("le", "+Inf")], sum);
        let seconds = format!("{}.{:06}", waits.micros / 1_000_000, waits.micros % 1_000_000);
        page.sample(&format!("{name}_sum"), &[("upstream", upstream)], seconds);
        page.sample(&format!("{name}_count"), &[("upstream", upstream)], sum);
    }
    let name = "mandant_queue_given_up_total";
    page.head(name, "counter", "Calls whose turn did not come in time, or whose client went away while it waited.");
    for (upstream, waits) in &read {
        page.sample(name, &[("upstream", upstream)], waits.given_up);
    }
}

fn money(page: &mut Page, relay: &Relay) {
    page.one("mandant_holds_open", "gauge", "Attempts whose worst case is held.", relay.books.open_holds());
    let unknown = relay.books.unresolved().len();
    page.one("mandant_holds_unknown", "gauge", "Those of them of which nobody knows the cost.", unknown);
    let end = relay.journal.end().get();
    let waiting = end.saturating_sub(relay.applier.applied().get());
    page.one("mandant_journal_bytes_total", "counter", "Bytes that were ever written to the journal.", end);
    page.one("mandant_journal_unapplied_bytes", "gauge", "Bytes of the journal that the store does not have.", waiting);
}

fn process(page: &mut Page, relay: &Relay) {
    let tenants = relay.directory.tenants_count();
    page.one("mandant_tenants", "gauge", "Tenants that exist.", tenants);
    page.one("mandant_keys", "gauge", "Keys that exist, revoked ones included.", relay.directory.keys_count());
    page.one("mandant_bodies_bytes", "gauge", "Bytes of larger request bodies in memory.", relay.bodies.bytes());
    page.one("mandant_answers_bytes", "gauge", "Bytes of larger whole answers in memory.", relay.answers.bytes());
    if let Some(bytes) = resident_bytes() {
        page.one("process_resident_memory_bytes", "gauge", "Memory of the process.", bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        // Without the one that reads the folder.
        let open = files.count().saturating_sub(1);
        page.one("process_open_fds", "gauge", "Open file descriptors.", open);
    }
}

fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_its_line() {
        let mut page = Page(String::new());
        page.sample("m", &[("a", "x\"y\\z\nw"), ("b", "")], 7);
        page.sample("n", &[], "1.5");
        assert_eq!(page.0, "m{a=\"x\\\"y\\\\z\\nw\",b=\"\"} 7\nn 1.5\n");
    }
}
