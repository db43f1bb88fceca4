//! Our calls against a provider's list of them: what it billed and we do not have, what we have and it does not, and
//! where the two differ.

use std::collections::{BTreeMap, HashMap};

use base::{Money, Timestamp};
use serde::Serialize;
use store::{Ending, Store, StoreError, UsageRecord};

use super::csv;
use crate::config::Findings;

/// Lines of each list that are told; the totals count them all.
const LIST_MAX: usize = 1_000;

/// By what calls are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum By {
    ResponseId,
    RequestId,
}

/// Calls, and what they cost and used where that is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    calls: u64,
    cost_usd: Option<Money>,
    tokens: Option<u64>,
}

impl Sums {
    fn add(&mut self, cost: Option<Money>, tokens: Option<u64>) {
        self.calls += 1;
        if let Some(cost) = cost {
            self.cost_usd = Some(self.cost_usd.unwrap_or_default().checked_add(cost).unwrap_or(Money::MAX));
        }
        if let Some(tokens) = tokens {
            self.tokens = Some(self.tokens.unwrap_or_default().saturating_add(tokens));
        }
    }

    fn add_all(&mut self, other: &Sums) {
        let calls = self.calls;
        self.add(other.cost_usd, other.tokens);
        self.calls = calls + other.calls;
    }
}

/// The provider's list.
#[derive(Debug)]
pub(crate) struct Billed {
    by: By,
    calls: BTreeMap<String, Sums>,
}

/// Which of our calls are compared.
#[derive(Debug, Default)]
pub(crate) struct Span {
    /// From here.
    pub(crate) from: Option<Timestamp>,
    /// Until before here.
    pub(crate) to: Option<Timestamp>,
    /// Of this upstream only.
    pub(crate) upstream: Option<String>,
}

impl Span {
    fn has(&self, record: &UsageRecord) -> bool {
        self.from.is_none_or(|from| record.at >= from)
            && self.to.is_none_or(|to| record.at < to)
            && self.upstream.as_ref().is_none_or(|upstream| record.upstream.as_str() == upstream)
    }
}

/// One call on which the two do not agree.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    /// The response id or request id.
    pub(crate) id: String,
    /// Our attempts of it.
    pub(crate) attempts: Vec<String>,
    /// Whose they are.
    pub(crate) tenant: Option<String>,
    /// How they ended.
    pub(crate) ending: Option<&'static str>,
    /// What the provider says.
    pub(crate) provider: Option<Sums>,
    /// What our books say.
    pub(crate) ours: Option<Sums>,
}

/// What the comparison found.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    by: By,
    /// Billed, and not in our books.
    pub(crate) only_provider: Vec<Difference>,
    /// In our books, and not billed.
    pub(crate) only_ours: Vec<Difference>,
    /// In both, but not the same.
    pub(crate) different: Vec<Difference>,
    /// Calls that both have, with the same figures.
    pub(crate) same: u64,
    /// Ours that cannot be matched, because no answer ever named them.
    pub(crate) nameless: Sums,
    /// How many are in each list, also where it is cut.
    pub(crate) counts: [u64; 3],
    /// The provider's whole list.
    pub(crate) provider: Sums,
    /// All of ours that were compared.
    pub(crate) ours: Sums,
}

impl Comparison {
    /// Whether the two agree on every call.
    pub(crate) fn agrees(&self) -> bool {
        self.counts == [0; 3]
    }
}

/// Reads the list.
///
/// # Errors
/// Every line that cannot be used.
pub(crate) fn read(name: &str, text: &str) -> Result<Billed, Findings> {
    let mut findings = Findings::new(name, text);
    let lines = csv::lines(text);
    let head: Vec<String> = lines.first().map(|line| line.cells.clone()).unwrap_or_default();
    let column = |wanted: &str| head.iter().position(|cell| cell.eq_ignore_ascii_case(wanted));
    let by_response = column("response_id").map(|at| (By::ResponseId, at));
    let key = by_response.or_else(|| column("request_id").map(|at| (By::RequestId, at)));
    let (cost, tokens) = (column("cost_usd"), column("tokens"));
    let Some((by, id)) = key.filter(|_| cost.is_some() || tokens.is_some()) else {
        let advice = "the first line must name response_id or request_id, and cost_usd, tokens or both";
        findings.add_at(Some(1), "", advice);
        return Err(findings);
    };
    let mut calls: BTreeMap<String, Sums> = BTreeMap::new();
    for line in &lines[1..] {
        let cell = |at: usize| line.cells.get(at).map(String::as_str).filter(|cell| !cell.is_empty());
        let Some(id) = cell(id) else {
            findings.add_at(Some(line.number), "", "it does not name its call");
            continue;
        };
        let cost = cost.and_then(cell).map(parse_usd_ceil).transpose();
        let tokens =
            tokens.and_then(cell).map(|text| text.parse::<u64>().map_err(|error| error.to_string())).transpose();
        match (cost, tokens) {
            (Ok(cost), Ok(tokens)) => calls.entry(id.to_owned()).or_default().add(cost, tokens),
            (Err(told), _) => findings.add_at(Some(line.number), "cost_usd", told),
            (_, Err(told)) => findings.add_at(Some(line.number), "tokens", told),
        }
    }
    if findings.is_empty() { Ok(Billed { by, calls }) } else { Err(findings) }
}

/// Dollars with any number of places, rounded up to nano-dollars once, as charges are.
fn parse_usd_ceil(text: &str) -> Result<Money, String> {
    let text = text.trim_start_matches('$');
    let (kept, cut) = match text.find('.').map(|dot| dot + 10) {
        Some(end) if text.is_char_boundary(end.min(text.len())) && end < text.len() => text.split_at(end),
        _ => (text, ""),
    };
    if !cut.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} is no amount"));
    }
    let money = Money::parse_usd(kept).map_err(|error| error.to_string())?;
    let up = i64::from(cut.bytes().any(|byte| byte != b'0'));
    Ok(money.checked_add(Money::from_nanos(up)).unwrap_or(Money::MAX))
}

/// Our side of one call.
#[derive(Default)]
struct Ours {
    sums: Sums,
    attempts: Vec<String>,
    tenant: Option<String>,
    ending: Option<&'static str>,
}

impl Ours {
    fn add(&mut self, record: &UsageRecord) {
        let (cost, tokens) = figures(record);
        self.sums.add(Some(cost), Some(tokens));
        self.attempts.push(record.attempt.to_string());
        self.tenant = Some(record.tenant.to_string());
        self.ending = Some(record.ending.name());
    }

    fn told(self, id: &str, provider: Option<Sums>) -> Difference {
        let Ours { sums, attempts, tenant, ending } = self;
        Difference { id: id.to_owned(), attempts, tenant, ending, provider, ours: Some(sums) }
    }
}

/// What a call cost by our prices, the operator's part included, and its tokens.
fn figures(record: &UsageRecord) -> (Money, u64) {
    let cost = record.charged.checked_add(record.variance).unwrap_or(Money::MAX);
    (cost, record.usage.input.saturating_add(record.usage.output))
}

/// Compares the provider's list with our calls of the span.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn compare(store: &Store, billed: &Billed, span: &Span) -> Result<Comparison, StoreError> {
    let mut found = Comparison {
        by: billed.by,
        only_provider: Vec::new(),
        only_ours: Vec::new(),
        different: Vec::new(),
        same: 0,
        nameless: Sums::default(),
        counts: [0; 3],
        provider: Sums::default(),
        ours: Sums::default(),
    };
    let mut ours: HashMap<String, Ours> = HashMap::new();
    store.visit_calls(&mut |record| {
        let id = match billed.by {
            By::ResponseId => record.upstream_response_id.clone(),
            By::RequestId => Some(record.request_id.to_string()),
        };
        let is_billed = id.as_ref().is_some_and(|id| billed.calls.contains_key(id));
        // What the provider names is compared whenever it was: its day may begin at another time than ours. What was
        // refused there costs nothing, and no list has it.
        let is_free = record.ending == Ending::Refused && record.charged == Money::ZERO;
        if !is_billed && (!span.has(record) || is_free) {
            return;
        }
        let (cost, tokens) = figures(record);
        found.ours.add(Some(cost), Some(tokens));
        match id {
            Some(id) => ours.entry(id).or_default().add(record),
            None => found.nameless.add(Some(cost), Some(tokens)),
        }
    })?;
    for (id, provider) in &billed.calls {
        found.provider.add_all(provider);
        match ours.remove(id) {
            None => {
                let provider = Some(*provider);
                let difference = Difference {
                    id: id.clone(),
                    attempts: Vec::new(),
                    tenant: None,
                    ending: None,
                    provider,
                    ours: None,
                };
                list(&mut found.only_provider, &mut found.counts[0], difference);
            }
            Some(own) if agrees(provider, &own.sums) => found.same += 1,
            Some(own) => list(&mut found.different, &mut found.counts[2], own.told(id, Some(*provider))),
        }
    }
    let mut rest: Vec<(String, Ours)> = ours.into_iter().collect();
    rest.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    for (id, own) in rest {
        list(&mut found.only_ours, &mut found.counts[1], own.told(&id, None));
    }
    Ok(found)
}

fn list(into: &mut Vec<Difference>, count: &mut u64, difference: Difference) {
    *count += 1;
    if into.len() < LIST_MAX {
        into.push(difference);
    }
}

/// Whether all that the provider tells is what we have.
fn agrees(provider: &Sums, ours: &Sums) -> bool {
    let is_same_cost = provider.cost_usd.is_none() || provider.cost_usd == ours.cost_usd;
    is_same_cost && (provider.tokens.is_none() || provider.tokens == ours.tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_places_than_nano_dollars_are_rounded_up_once() {
        let cases = [
            ("0.0125", 12_500_000),
            ("$1", 1_000_000_000),
            ("0.0000000011", 2),
            ("0.0000000010", 1),
            ("0.123456789", 123_456_789),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse_usd_ceil(text).map(Money::nanos), Ok(nanos), "{text}");
        }
        for bad in ["", "1,5", "-1", "0.0000000001x", "1e3", "0.000000000\u{fc}"] {
            assert!(parse_usd_ceil(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_is_read_with_every_mistake_at_its_line() {
        let billed = read("x.csv", "Response_ID,cost_usd,tokens\na,0.5,3\na,0.25,\nb,,7\n").unwrap();
        assert_eq!(billed.by, By::ResponseId);
        let sums = |calls, cost: Option<i64>, tokens| Sums { calls, cost_usd: cost.map(Money::from_nanos), tokens };
        assert_eq!(billed.calls["a"], sums(2, Some(750_000_000), Some(3)));
        assert_eq!(billed.calls["b"], sums(1, None, Some(7)));
        let findings = read("x.csv", "request_id,cost_usd\na,much\n,1\nb,1\n").unwrap_err();
        assert_eq!(findings.list().iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(2), Some(3)]);
        assert!(read("x.csv", "id,cost\n").is_err() && read("x.csv", "").is_err());
    }
}
