//! Two accounts of the same calls: the provider's own count, and what the relay's commands say.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use testkit::{Tally, Truth};

/// Nano-USD.
pub(super) type Nanos = i64;

/// Input and output prices per token in pico-USD: $0.0375 and $1.9999 per 1M tokens, so that every attempt must be rounded.
const INPUT_PICO: u64 = 37_500;
const OUTPUT_PICO: u64 = 1_999_900;

/// The same prices as resources spell them.
pub(super) const PRICE: &str = r#"{ input = "0.0375", output = "1.9999" }"#;

/// What one token of output costs, rounded up.
pub(super) const OUTPUT_TOKEN: Nanos = 2_000;

/// What the provider bills for one attempt: rounded up once.
pub(super) fn bill(tally: &Tally) -> Nanos {
    (tally.prompt_tokens * INPUT_PICO + tally.completion_tokens * OUTPUT_PICO).div_ceil(1_000) as Nanos
}

/// Reads a decimal string of USD, to the nano; any other spelling is a mistake of the relay.
pub(super) fn nanos(text: &str) -> Nanos {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= 9 && !text.starts_with('-'), "{text:?} is no amount");
    let digits = format!("{whole}{fraction:0<9}");
    digits.parse().unwrap_or_else(|_| panic!("{text:?} is no amount"))
}

/// An amount as resources spell it.
pub(super) fn usd(nanos: Nanos) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// The amount in a member of an object.
pub(super) fn amount(object: &Value, name: &str) -> Nanos {
    nanos(object[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {object:#}")))
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

/// One usage row. Calls carry their trace as the end user, so that a row says which call it is for.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) attempt: String,
    pub(super) trace: String,
    pub(super) ending: String,
    pub(super) cost: Nanos,
    pub(super) hold: Nanos,
    pub(super) variance: Nanos,
    pub(super) output_tokens: u64,
}

impl Row {
    pub(super) fn read(row: &Value) -> Row {
        Row {
            attempt: text(row, "attempt"),
            trace: text(row, "end_user"),
            ending: text(row, "ending"),
            cost: amount(row, "cost_usd"),
            hold: amount(row, "hold_usd"),
            variance: amount(row, "variance_usd"),
            output_tokens: row["output_tokens"].as_u64().unwrap_or_default(),
        }
    }
}

/// One hold that is not settled.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) attempt: String,
    pub(super) request_id: String,
    pub(super) tenant: String,
    /// Empty where the relay does not say whose end user it is.
    pub(super) trace: String,
    pub(super) usd: Nanos,
}

impl Held {
    pub(super) fn read(hold: &Value) -> Held {
        Held {
            attempt: text(hold, "attempt"),
            request_id: text(hold, "request_id"),
            tenant: text(hold, "tenant"),
            trace: text(hold, "end_user"),
            usd: amount(hold, "held_usd"),
        }
    }
}

/// What the relay says of one tenant's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Balance {
    pub(super) spent: Nanos,
    pub(super) held: Nanos,
}

/// All that is known of one tenant, from every side.
pub(super) struct Books<'a> {
    pub(super) tenant: &'a str,
    pub(super) budget: Nanos,
    pub(super) balance: Balance,
    pub(super) rows: Vec<Row>,
    pub(super) holds: Vec<Held>,
    /// The traces of requests whose id a client was told.
    pub(super) traces: &'a HashMap<String, String>,
    /// What clients saw whole: the trace, and the cost where a header said it.
    pub(super) whole: &'a [(String, Option<Nanos>)],
}

/// What an audit found, in numbers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Audit {
    /// Attempts that reached the provider.
    pub(super) arrived: usize,
    /// Usage rows of these.
    pub(super) rows: usize,
    /// Attempts whose money stays held, because nobody knows.
    pub(super) unresolved: usize,
    /// Attempts whose intent was written and that never reached the provider.
    pub(super) never_arrived: usize,
    pub(super) billed: Nanos,
    pub(super) charged: Nanos,
    pub(super) held: Nanos,
}

impl Audit {
    pub(super) fn add(&mut self, other: &Audit) {
        self.arrived += other.arrived;
        self.rows += other.rows;
        self.unresolved += other.unresolved;
        self.never_arrived += other.never_arrived;
        self.billed += other.billed;
        self.charged += other.charged;
        self.held += other.held;
    }
}

impl Books<'_> {
    /// Compares the relay's books with the provider's truth.
    ///
    /// # Errors
    /// Every contradiction, as one text.
    pub(super) fn audit(&self, truth: &Truth) -> Result<Audit, String> {
        let mut faults = Vec::new();
        let bills: BTreeMap<&str, &Tally> = traces_of(truth, self.tenant);
        let open = self.attempts(&mut faults);
        let mut audit = Audit { arrived: bills.len(), ..Audit::default() };

        // One attempt for each trace, and one entry of the ledger for each attempt.
        let mut rows: HashMap<&str, &Row> = HashMap::new();
        for row in &self.rows {
            if let Some(first) = rows.insert(&row.trace, row) {
                faults.push(format!("double: {first:?} and {row:?}"));
            }
        }
        let mut held: HashMap<&str, &Held> = HashMap::new();
        let mut unnamed = Vec::new();
        for hold in &open {
            match self.trace_of(hold) {
                Some(trace) if held.contains_key(trace) => faults.push(format!("two holds for one call: {hold:?}")),
                Some(trace) => drop(held.insert(trace, hold)),
                None => unnamed.push(*hold),
            }
        }
        let mut orphans = Vec::new();
        for (trace, tally) in &bills {
            audit.billed += bill(tally);
            if tally.attempts != 1 {
                faults.push(format!("{trace} reached the provider {} times", tally.attempts));
            }
            match (rows.get(trace), held.get(trace)) {
                (Some(row), None) => self.compare(row, tally, &mut faults),
                (None, Some(hold)) if hold.usd < bill(tally) => {
                    faults.push(format!("{hold:?} does not cover the bill of {}", bill(tally)));
                }
                (None, Some(_)) => {}
                (None, None) => orphans.push(**tally),
                (Some(row), Some(hold)) if row.ending == "unknown" && row.attempt == hold.attempt => {}
                (Some(row), Some(hold)) => faults.push(format!("double: {row:?} and {hold:?}")),
            }
        }
        // Calls whose client was told no id before the kill can only be matched by number and by sum.
        let (orphans_bill, unnamed_held) =
            (orphans.iter().map(bill).sum::<Nanos>(), unnamed.iter().map(|hold| hold.usd).sum::<Nanos>());
        if orphans.len() > unnamed.len() || orphans_bill > unnamed_held {
            faults.push(format!(
                "lost: {} attempts billed at {orphans_bill} have no entry, beside {} unnamed holds of {unnamed_held}",
                orphans.len(),
                unnamed.len()
            ));
        }
        audit.never_arrived = unnamed.len().saturating_sub(orphans.len())
            + held.keys().filter(|trace| !bills.contains_key(**trace)).count();
        audit.unresolved = open.len();
        for row in self.rows.iter().filter(|row| !bills.contains_key(row.trace.as_str())) {
            // What never arrived may be on record as refused, at no cost.
            if row.cost > 0 || row.ending != "refused" {
                faults.push(format!("invented: {row:?}"));
            }
        }
        self.compare_seen(&rows, &bills, &mut faults);
        self.compare_sums(&mut audit, &mut faults);
        if faults.is_empty() { Ok(audit) } else { Err(told(self.tenant, &audit, &faults)) }
    }

    /// The open holds, each attempt once.
    fn attempts<'a>(&'a self, faults: &mut Vec<String>) -> Vec<&'a Held> {
        let mut attempts: HashMap<&str, usize> = HashMap::new();
        for attempt in self.rows.iter().map(|row| row.attempt.as_str()) {
            *attempts.entry(attempt).or_default() += 1;
        }
        let open: Vec<&Held> = self.holds.iter().filter(|hold| hold.tenant == self.tenant).collect();
        let mut once: HashMap<&str, usize> = HashMap::new();
        for hold in &open {
            *once.entry(&hold.attempt).or_default() += 1;
        }
        for (attempt, times) in attempts.iter().chain(&once) {
            if *times > 1 {
                faults.push(format!("attempt {attempt} is there {times} times"));
            }
        }
        open
    }

    fn trace_of<'a>(&'a self, hold: &'a Held) -> Option<&'a str> {
        if hold.trace.is_empty() { self.traces.get(&hold.request_id).map(String::as_str) } else { Some(&hold.trace) }
    }

    fn compare(&self, row: &Row, tally: &Tally, faults: &mut Vec<String>) {
        match row.ending.as_str() {
            "complete" if row.cost == bill(tally) && row.variance == 0 => {}
            // An estimate, where the provider never told the usage.
            "cut" if row.cost > 0 && row.cost < row.hold => {}
            "refused" if bill(tally) == 0 && row.cost == 0 => {}
            _ => faults.push(format!("{row:?} is not the bill of {}: {tally:?}", bill(tally))),
        }
    }

    /// What a client saw whole is charged, and as it was told.
    fn compare_seen(&self, rows: &HashMap<&str, &Row>, bills: &BTreeMap<&str, &Tally>, faults: &mut Vec<String>) {
        for (trace, told) in self.whole.iter().filter(|(trace, _)| is_of(trace, self.tenant)) {
            let Some(tally) = bills.get(trace.as_str()) else {
                faults.push(format!("{trace} was answered, but not by the provider"));
                continue;
            };
            match rows.get(trace.as_str()) {
                None => faults.push(format!("lost: a client saw {trace} whole, and it is not charged")),
                Some(row) if row.cost != bill(tally) => faults.push(format!("{row:?} is not the bill of {tally:?}")),
                Some(row) if told.is_some_and(|told| told != row.cost) => {
                    faults.push(format!("a client was told {told:?}, and {row:?} says otherwise"));
                }
                Some(_) => {}
            }
        }
    }

    fn compare_sums(&self, audit: &mut Audit, faults: &mut Vec<String>) {
        audit.rows = self.rows.len();
        audit.charged = self.rows.iter().map(|row| row.cost).sum();
        audit.held = self.holds.iter().filter(|hold| hold.tenant == self.tenant).map(|hold| hold.usd).sum();
        let Balance { spent, held } = self.balance;
        if (spent, held) != (audit.charged, audit.held) {
            faults.push(format!("the status says {spent} spent and {held} held, the entries say otherwise"));
        }
        if spent + held > self.budget {
            faults.push(format!("{spent} spent and {held} held exceed the budget of {}", self.budget));
        }
        if audit.charged + audit.held < audit.billed {
            faults.push("charges and holds are less than the provider's bill".to_owned());
        }
        if audit.billed > self.budget {
            faults.push(format!("overspent: the provider bills more than the budget of {}", self.budget));
        }
    }
}

fn told(tenant: &str, audit: &Audit, faults: &[String]) -> String {
    let shown: Vec<&str> = faults.iter().take(12).map(String::as_str).collect();
    format!("{tenant}: {} faults in {audit:?}:\n  {}", faults.len(), shown.join("\n  "))
}

/// Whether a trace, which is `TENANT.NUMBER`, is one of this tenant's.
pub(super) fn is_of(trace: &str, tenant: &str) -> bool {
    trace.split_once('.').is_some_and(|(owner, _)| owner == tenant)
}

/// The provider's tallies of one tenant's calls.
pub(super) fn traces_of<'a>(truth: &'a Truth, tenant: &str) -> BTreeMap<&'a str, &'a Tally> {
    let own = truth.by_trace.iter().filter(|(trace, _)| is_of(trace, tenant));
    own.map(|(trace, tally)| (trace.as_str(), tally)).collect()
}

/// The provider's bill of one tenant's calls.
pub(super) fn billed(truth: &Truth, tenant: &str) -> Nanos {
    traces_of(truth, tenant).values().map(|tally| bill(tally)).sum()
}

/// An audit that cannot fail would prove nothing: each fault, planted in good books, is found.
mod tests {
    use super::*;

    fn tally(completion_tokens: u64) -> Tally {
        Tally { attempts: 1, prompt_tokens: 8, completion_tokens, ..Tally::default() }
    }

    fn row(number: u64, ending: &str, cost: Nanos) -> Row {
        Row {
            attempt: format!("1-{number}"),
            trace: format!("t.{number}"),
            ending: ending.into(),
            cost,
            hold: 90_000,
            variance: 0,
            output_tokens: 0,
        }
    }

    fn held(number: u64, trace: &str) -> Held {
        let (attempt, request_id) = (format!("1-{number}"), format!("req-{number}"));
        Held { attempt, request_id, tenant: "t".into(), trace: trace.into(), usd: 90_000 }
    }

    /// Calls 1 and 2 are charged, 3 and 4 held: 3 by a known id, 4 by number only; 5 never arrived.
    fn check(change: fn(&mut Books<'_>, &mut Truth)) -> Result<Audit, String> {
        let mut truth = Truth::default();
        for number in 1..=4_u64 {
            truth.by_trace.insert(format!("t.{number}"), tally(number * 10));
        }
        truth.by_trace.insert("other.1".into(), tally(1));
        let traces = HashMap::from([("req-3".to_owned(), "t.3".to_owned())]);
        let (one, two) = (bill(&tally(10)), bill(&tally(20)));
        let mut books = Books {
            tenant: "t",
            budget: 1_000_000,
            balance: Balance { spent: one + two, held: 270_000 },
            rows: vec![row(1, "complete", one), row(2, "complete", two)],
            holds: vec![held(3, ""), held(4, ""), held(5, "")],
            traces: &traces,
            whole: &[("t.1".into(), Some(20_299)), ("t.2".into(), None)],
        };
        assert_eq!(one, 20_299, "rounded up once");
        change(&mut books, &mut truth);
        books.audit(&truth)
    }

    #[test]
    fn good_books_are_found_good() {
        let audit = check(|_, _| {}).unwrap();
        assert_eq!((audit.arrived, audit.rows, audit.unresolved, audit.never_arrived), (4, 2, 3, 1));
        assert!(audit.charged + audit.held >= audit.billed);
    }

    #[test]
    fn every_planted_fault_is_found() {
        type Change = fn(&mut Books<'_>, &mut Truth);
        let faults: [(&str, Change); 14] = [
            ("a client saw t.1 whole", |books, _| drop(books.rows.remove(0))),
            ("lost: 1 attempts", |books, _| books.holds.truncate(1)),
            ("double", |books, _| books.rows.push(row(1, "complete", 20_299))),
            ("is there 2 times", |books, _| books.holds.push(held(5, ""))),
            ("double", |books, _| books.holds.push(held(1, "t.1"))),
            ("two holds", |books, _| books.holds.push(held(6, "t.3"))),
            ("invented", |books, _| books.rows.push(row(9, "complete", 1))),
            ("is not the bill", |books, _| books.rows[1].cost -= 1),
            ("is not the bill", |books, _| books.rows[1].variance = 1),
            ("does not cover", |books, _| books.holds[0].usd = 10),
            ("the entries say otherwise", |books, _| books.balance.spent += 1),
            ("exceed the budget", |books, _| books.budget = 300_000),
            ("2 times", |_, truth| truth.by_trace.get_mut("t.1").unwrap().attempts = 2),
            ("overspent", |_, truth| *truth.by_trace.get_mut("t.4").unwrap() = tally(600_000)),
        ];
        for (told, change) in faults {
            let found = check(change).expect_err(told);
            assert!(found.contains(told), "{told} in {found}");
        }
    }
}
