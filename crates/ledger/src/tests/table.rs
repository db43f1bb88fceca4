//! A small language for the ledger's tests: one line is one operation and what it must answer.
//!
//! ```text
//! zone UTC                                    the zone of accounts named from here on
//! clock 2026-01-15T12:00:00Z                  the time; `advance 1 month`, `advance -2 hours` move it
//! limit T month 10.00                         or day, week, year, total; or `tokens 500`; `none` takes it away
//! rezone T America/New_York                   moves an account to another zone
//! restore T month 3.00+20                     what was posted in the period around the clock's time
//! reserve A1 T/P/K 2.00+100 ok                dollars, and tokens after the plus
//! reserve A2 T/P/K 9.00 short T usd month     ... `alone` at the end: only other holds are in the way
//! settle A1 complete 1.50+70 charged 1.50+70  or `cut`, `refused`, `unknown`; then `released`, `held`, `variance`
//! resolve A1 complete 1.00 none               evidence later; `none` when there is nothing to resolve
//! balance T month posted 1.50+70 held 0
//! earlier T month posted 0 held 2.00          a past period that has open attempts; `earlier T none`
//! available T/P/K 8.00                        of money, now
//! wallet T 5.00                               what was credited in all; `credit T 1.00 is 6.00` adds to it
//! refund A1 0.50                              takes back a part of a charge
//! alerts T 50 80                              thresholds; `crossed T usd month 50 80` or `crossed none` since last asked
//! leases 10                                   from here on; before any account is named
//! reserve A3 T 1.00 unleased
//! extend T/P 1.00                             every lease that is wanted; `extend T/P 1.00 none` when none is
//! refill T/P                                  every lease that is due; `refill T/P none`
//! power loss T month usd 1.50                 what is lost then; `power loss none`
//! release T month usd 1.50                    or `none`
//! ```
//!
//! A balance may also name what is `lost` and `leased` of money.

use std::collections::HashMap;

use base::{AccountIndex, AttemptId, BudgetPeriod, Money, Timestamp};
use jiff::Span;
use jiff::tz::TimeZone;

use crate::{
    AccountConfig, Alerts, Amounts, Crossed, Ending, Entry, Hold, Lease, LeasePolicy, Ledger, Lost, NoHold,
    PeriodBalance, PostedBalance, Resource, Shortage,
};

/// Runs a table; a line that does not answer as it says fails with its number and text.
pub(super) fn check(table: &str) {
    let mut world = World::new();
    for (number, line) in table.lines().enumerate() {
        let text = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        if !words.is_empty() {
            let said = format!("line {}: {}", number + 1, line.trim());
            world.run(&words, &said);
            world.ledger.assert_invariants();
        }
    }
    world.assert_replay();
}

/// The ledger and the names that a table gives to things.
struct World {
    ledger: Ledger,
    now: Timestamp,
    zone: TimeZone,
    accounts: HashMap<String, (AccountIndex, AccountConfig)>,
    attempts: HashMap<String, AttemptId>,
    holds: HashMap<AttemptId, Hold>,
    log: Vec<Entry>,
    /// Whether the log alone says everything: no balance was restored, no zone changed.
    log_is_whole: bool,
    policy: Option<LeasePolicy>,
}

impl World {
    fn new() -> World {
        World {
            ledger: Ledger::new(),
            now: time("2026-01-15T12:00:00Z"),
            zone: TimeZone::UTC,
            accounts: HashMap::new(),
            attempts: HashMap::new(),
            holds: HashMap::new(),
            log: Vec::new(),
            log_is_whole: true,
            policy: None,
        }
    }

    fn run(&mut self, words: &[&str], said: &str) {
        match words {
            ["zone", name] => self.zone = zone(name),
            ["clock", text] => self.now = time(text),
            ["advance", span @ ..] => self.advance(&span.join(" ")),
            ["limit", account, period, cap] => self.limit(account, period, cap),
            ["rezone", account, name] => {
                self.log_is_whole = false;
                self.config(account).zone = zone(name);
                self.configure(account);
            }
            ["restore", account, name, amount] => {
                self.log_is_whole = false;
                let index = self.account(account);
                let posted = PostedBalance { period: period(name), starts: self.now, amounts: amounts(amount) };
                self.ledger.restore(index, &[posted]);
            }
            ["reserve", attempt, path, amount, answer @ ..] => self.reserve(attempt, path, amount, answer, said),
            ["settle" | "resolve", ..] => self.end(words, said),
            ["balance" | "earlier", ..] => self.balance(words, said),
            ["available", path, amount] => {
                let path = self.path(path);
                assert_eq!(self.ledger.available(&path, self.now).now.usd, amounts(amount).usd, "{said}");
            }
            _ => self.run_more(words, said),
        }
    }

    /// Leases and corrections.
    fn run_more(&mut self, words: &[&str], said: &str) {
        match words {
            ["leases", parts] => {
                assert!(self.accounts.is_empty(), "leases come first");
                self.policy = Some(LeasePolicy { parts: parts.parse().unwrap() });
                self.ledger = Ledger::with_leases(self.policy.unwrap());
            }
            ["extend", path, amount, answer @ ..] => {
                let path = self.path(path);
                let leases = self.ledger.leases_wanted(&path, amounts(amount), self.now);
                self.extend(&leases, answer, said);
                assert!(self.ledger.leases_wanted(&path, amounts(amount), self.now).is_empty(), "{said}");
            }
            ["refill", path, answer @ ..] => {
                let path = self.path(path);
                let leases = self.ledger.refills_due(&path, self.now);
                self.extend(&leases, answer, said);
            }
            ["power", "loss", answer @ ..] => {
                let lost = self.ledger.lose_unused_leases();
                assert_eq!(self.ledger.lose_unused_leases(), [], "twice is as once: {said}");
                self.log.extend(lost.iter().copied().map(Entry::Lost));
                let told: Vec<String> = lost.iter().map(|lost| self.describe_lost(lost)).collect();
                assert_eq!(if told.is_empty() { "none".into() } else { told.join(" ") }, answer.join(" "), "{said}");
            }
            ["release", account, name, resource, answer] => {
                let index = self.account(account);
                let resource = if *resource == "usd" { Resource::Usd } else { Resource::Tokens };
                let released = self.ledger.release_lost(index, period(name), resource);
                self.log.extend(released.map(|lost| Entry::Lost(Lost { amount: 0, ..lost })));
                let told = released.map_or("none".into(), |lost| Shortage::as_usd(lost.amount).to_string());
                assert_eq!(&told, answer, "{said}");
            }
            ["wallet", account, cap] => {
                self.config(account).wallet = (*cap != "none").then(|| amounts(cap).usd);
                self.configure(account);
            }
            ["credit", account, amount, "is", in_all] => {
                let index = self.account(account);
                self.log.push(self.ledger.credit(index, amounts(amount).usd));
                let expected = amounts(in_all).usd;
                let Some(Entry::Credited { in_all, .. }) = self.log.last() else { panic!("{said}") };
                assert_eq!(*in_all, expected, "{said}");
                self.config(account).wallet = Some(expected);
            }
            ["refund", attempt, amount] => {
                let id = self.attempts[*attempt];
                let granted = self.log.iter().find_map(|entry| match *entry {
                    Entry::Held { attempt, path, granted_at, .. } if attempt == id => Some((path, granted_at)),
                    _ => None,
                });
                let (path, granted_at) = granted.expect("a refund is of a granted attempt");
                self.log.push(self.ledger.refund(path.accounts(), id, amounts(amount), granted_at));
            }
            ["alerts", account, percents @ ..] => {
                let percents: Vec<u8> = percents.iter().map(|percent| percent.parse().unwrap()).collect();
                self.config(account).alerts = Alerts::new(&percents).unwrap();
                self.configure(account);
            }
            ["crossed", answer @ ..] => {
                let crossed = self.ledger.take_crossed();
                let told: Vec<String> = crossed.iter().map(|one| self.describe_crossed(one)).collect();
                assert_eq!(if told.is_empty() { "none".into() } else { told.join(" ") }, answer.join(" "), "{said}");
            }
            _ => panic!("not understood: {said}"),
        }
    }

    fn extend(&mut self, leases: &[Lease], answer: &[&str], said: &str) {
        assert_eq!(leases.is_empty(), answer == ["none"], "{leases:?} of {said}");
        for lease in leases {
            self.ledger.extend(lease);
            self.ledger.extend(&Lease { up_to: lease.up_to / 2, ..*lease });
            self.log.push(Entry::Leased(*lease));
        }
    }

    fn advance(&mut self, span: &str) {
        let span: Span = span.parse().unwrap();
        let now = jiff::Timestamp::from_microsecond(self.now.micros()).unwrap();
        let then = self.zone.to_datetime(now).checked_add(span).unwrap();
        self.now = Timestamp::from_micros(self.zone.to_timestamp(then).unwrap().as_microsecond());
    }

    fn limit(&mut self, account: &str, period: &str, cap: &str) {
        let config = self.config(account);
        let usd = (cap != "none").then(|| amounts(cap).usd);
        match period {
            "day" => config.budgets.per_day = usd,
            "week" => config.budgets.per_week = usd,
            "month" => config.budgets.per_month = usd,
            "year" => config.budgets.per_year = usd,
            "total" => config.budgets.total = usd,
            "tokens" => config.tokens_per_month = (cap != "none").then(|| cap.parse().unwrap()),
            other => panic!("no such limit: {other}"),
        }
        self.configure(account);
    }

    fn reserve(&mut self, attempt: &str, path: &str, amount: &str, answer: &[&str], said: &str) {
        let path = self.path(path);
        let sequence = self.attempts.len() as u64 + 1;
        let id = *self.attempts.entry(attempt.to_owned()).or_insert(AttemptId { epoch: 1, sequence });
        let checked = self.ledger.check(&path, amounts(amount), self.now);
        let reserved = self.ledger.reserve(&path, id, amounts(amount), self.now);
        let shortage = reserved.as_ref().err().and_then(|no_hold| no_hold.shortage());
        assert_eq!(checked.err(), shortage, "check and reserve agree: {said}");
        match reserved {
            Ok(hold) => {
                assert_eq!(answer, ["ok"], "granted: {said}");
                self.log.push(self.ledger.entry(&hold));
                self.holds.insert(id, hold);
            }
            Err(NoHold::Short(shortage)) => assert_eq!(answer.join(" "), self.describe(&shortage), "refused: {said}"),
            Err(NoHold::Unleased) => assert_eq!(answer, ["unleased"], "refused: {said}"),
        }
    }

    fn describe(&self, shortage: &Shortage) -> String {
        let name = self.name(shortage.account);
        let resource = if shortage.resource == Resource::Usd { "usd" } else { "tokens" };
        let period = format!("{:?}", shortage.period).to_lowercase();
        let alone = if shortage.fits_alone { " alone" } else { "" };
        format!("short {name} {resource} {period}{alone}")
    }

    fn describe_lost(&self, lost: &Lost) -> String {
        let (name, period) = (self.name(lost.account), format!("{:?}", lost.period).to_lowercase());
        match lost.resource {
            Resource::Usd => format!("{name} {period} usd {}", Shortage::as_usd(lost.amount)),
            Resource::Tokens => format!("{name} {period} tokens {}", lost.amount),
        }
    }

    fn describe_crossed(&self, crossed: &Crossed) -> String {
        let (name, period) = (self.name(crossed.account), format!("{:?}", crossed.period).to_lowercase());
        let resource = if crossed.resource == Resource::Usd { "usd" } else { "tokens" };
        format!("{name} {resource} {period} {}", crossed.percent)
    }

    fn name(&self, account: AccountIndex) -> &str {
        let mut named = self.accounts.iter().filter(|(_, (index, _))| *index == account);
        named.next().map(|(name, _)| name.as_str()).unwrap_or_default()
    }

    fn end(&mut self, words: &[&str], said: &str) {
        let id = self.attempts[words[1]];
        let (ending, rest) = match words[2] {
            "complete" => (Ending::Complete(amounts(words[3])), &words[4..]),
            "cut" => (Ending::Cut(amounts(words[3])), &words[4..]),
            "refused" => (Ending::Refused, &words[3..]),
            "unknown" => (Ending::Unknown, &words[3..]),
            other => panic!("no such ending: {other}"),
        };
        let settlement = if words[0] == "settle" {
            let hold = self.holds.remove(&id).expect("the table settles an open hold");
            let worst = hold.worst();
            let expected = self.ledger.settlement(&hold, ending);
            let settlement = self.ledger.settle(hold, ending);
            assert_eq!(settlement, expected, "as it was said before: {said}");
            assert_eq!(sum([settlement.charged, settlement.released, settlement.still_held]), worst, "{said}");
            settlement
        } else {
            let expected = self.ledger.resolution(id, ending);
            let resolved = self.ledger.resolve(id, ending);
            assert_eq!(resolved, expected, "as it was said before: {said}");
            assert_eq!(resolved.is_none(), rest == ["none"], "{said}");
            let Some(settlement) = resolved else { return };
            settlement
        };
        self.log.extend(settlement.entry());
        for pair in rest.chunks_exact(2) {
            let expected = amounts(pair[1]);
            let found = match pair[0] {
                "charged" => settlement.charged,
                "released" => settlement.released,
                "held" => settlement.still_held,
                "variance" => Amounts { usd: settlement.variance, tokens: settlement.variance_tokens },
                other => panic!("no such part of a settlement: {other}"),
            };
            assert_eq!(found, expected, "{} of {said}", pair[0]);
        }
    }

    fn balance(&mut self, words: &[&str], said: &str) {
        let index = self.account(words[1]);
        let balances = self.ledger.balances(index, self.now);
        let found: &PeriodBalance = match words {
            ["balance", _, name, ..] => balances.of(period(name)),
            ["earlier", _, "none"] => return assert_eq!(balances.earlier, [], "{said}"),
            [_, _, name, ..] => {
                let mut earlier = balances.earlier.iter().filter(|one| one.period == period(name));
                earlier.next().expect("there is an earlier period")
            }
            _ => panic!("not understood: {said}"),
        };
        for pair in words[3..].chunks_exact(2) {
            match pair {
                ["posted", amount] => assert_eq!(found.posted, amounts(amount), "{said}"),
                ["held", amount] => assert_eq!(found.held, amounts(amount), "{said}"),
                ["lost", amount] => assert_eq!(found.lost, amounts(amount), "{said}"),
                ["leased", amount] => assert_eq!(found.usd_leased, Some(amounts(amount).usd), "{said}"),
                ["starts", text] => assert_eq!(found.starts, time(text), "{said}"),
                ["resets", text] => assert_eq!(found.resets_at, Some(time(text)), "{said}"),
                _ => panic!("not understood: {said}"),
            }
        }
    }

    /// I7: the log, replayed from zero, gives every balance.
    fn assert_replay(&self) {
        if !self.log_is_whole {
            return;
        }
        let mut again = self.policy.map_or_else(Ledger::new, Ledger::with_leases);
        for (index, config) in self.accounts.values() {
            again.configure(*index, config);
        }
        for entry in &self.log {
            again.apply(entry);
        }
        assert!(!again.has_crossed(), "nobody is told of what is only replayed");
        // What was configured since the last credit is no entry.
        for (index, config) in self.accounts.values() {
            again.configure(*index, config);
        }
        again.assert_invariants();
        for (index, _) in self.accounts.values() {
            assert_eq!(again.balances(*index, self.now), self.ledger.balances(*index, self.now), "replayed (I7)");
        }
    }

    fn path(&mut self, names: &str) -> Vec<AccountIndex> {
        names.split('/').map(|name| self.account(name)).collect()
    }

    /// The account of a name; new ones are configured without limits.
    fn account(&mut self, name: &str) -> AccountIndex {
        self.config(name);
        let (index, config) = &self.accounts[name];
        if !self.ledger.knows(*index) {
            self.ledger.configure(*index, config);
        }
        *index
    }

    fn config(&mut self, name: &str) -> &mut AccountConfig {
        let index = AccountIndex(self.accounts.len() as u32 * 1000 + 7);
        let config = AccountConfig::unlimited(self.zone.clone());
        &mut self.accounts.entry(name.to_owned()).or_insert((index, config)).1
    }

    fn configure(&mut self, name: &str) {
        let (index, config) = &self.accounts[name];
        self.ledger.configure(*index, config);
        self.ledger.configure(*index, config);
    }
}

/// Dollars and tokens: `2.00`, `2.00+100`, `0+100`.
pub(super) fn amounts(text: &str) -> Amounts {
    let (usd, tokens) = text.split_once('+').unwrap_or((text, "0"));
    Amounts { usd: Money::parse_usd(usd).unwrap(), tokens: tokens.parse().unwrap() }
}

pub(super) fn sum(amounts: impl IntoIterator<Item = Amounts>) -> Amounts {
    amounts
        .into_iter()
        .fold(Amounts::ZERO, |sum, one| Amounts { usd: sum.usd + one.usd, tokens: sum.tokens + one.tokens })
}

pub(super) fn time(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(time.as_microsecond())
}

pub(super) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn period(name: &str) -> BudgetPeriod {
    let found = BudgetPeriod::ALL
        .into_iter()
        .chain([BudgetPeriod::Wallet])
        .find(|one| format!("{one:?}").to_lowercase() == name);
    found.expect("a period's name")
}
