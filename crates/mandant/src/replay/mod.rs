//! What a changed set of limits would have refused of the calls that were made: their times, what they reserved and what
//! they used, through the same windows that a serving relay has.
//!
//! A refused call is taken as not made, and nobody is taken to have asked again. A block begins and ends as it would
//! have. What limits that are only watched would have refused is told apart: they refuse nothing here either. Budgets and
//! tokens per month begin with what was charged before (`money`). Wallets, which no file sets, are not replayed.

mod money;
#[cfg(test)]
mod tests;

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::RandomState;
use std::path::Path;
use std::sync::Arc;

use admit::{Admission, Ask, Breach, Pass};
use base::{AccountIndex, BudgetPeriod, Moment, Part, ScopeLevel, Timestamp, Window};
use ledger::{Amounts, Ending, Hold};
use store::{Account, ApplyError, ApplyOptions, Directory, Resources, Store, StoreError};

use self::money::{Beyond, Earlier, Money, Took};

/// The windows look back a day: calls from before the asked time fill them.
const BEFORE: Duration = Duration::from_secs(86_400);
/// What the replay's clock shows at its first call, so that a day lies before it.
const START: Duration = Duration::from_secs(2 * 86_400);

/// One limit that would have refused calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limit {
    /// Requests or tokens in a window, tokens per month, or calls at once.
    Window(Window, u64),
    /// Money.
    Budget(BudgetPeriod, base::Money),
}

/// What one limit of one account would have refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) calls: u64,
    /// Of these, so many because an earlier refusal had begun a block.
    pub(crate) in_block: u64,
    /// Of these, so many only because of what calls under way held: a relay lets them wait (`reserve_wait`) before it refuses.
    pub(crate) beside_holds: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// One tenant's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    pub(crate) by_limit: ByLimit,
    /// Calls that go on, and would be refused were nothing only watched.
    pub(crate) refused_by_shadow: u64,
    pub(crate) by_shadow: ByLimit,
}

/// By account, as `tenant acme` or `key search/ci`, and limit.
pub(crate) type ByLimit = BTreeMap<(String, Limit), Refusals>;

/// Why there is no replay.
#[derive(Debug)]
pub(crate) enum ReplayError {
    /// The store, or the folder for the copy of its resources.
    Store(StoreError),
    /// The file's resources have problems.
    Apply(ApplyError),
}

impl From<StoreError> for ReplayError {
    fn from(error: StoreError) -> ReplayError {
        ReplayError::Store(error)
    }
}

impl From<ApplyError> for ReplayError {
    fn from(error: ApplyError) -> ReplayError {
        ReplayError::Apply(error)
    }
}

/// Of resources only what limits: tenants, projects and keys.
fn limits_of(mut resources: Resources) -> Resources {
    resources.upstream.clear();
    resources.model.clear();
    let value = serde_json::to_value(&resources);
    let strip = |mut value: serde_json::Value| {
        strip(&mut value);
        serde_json::from_value(value)
    };
    value.and_then(strip).unwrap_or(resources)
}

/// Takes out what names a model: there are none in the copy.
fn strip(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            // The list of allowed models; limits for single models are a table, and stay.
            if fields.get("models").is_some_and(serde_json::Value::is_array) {
                fields.remove("models");
            }
            fields.remove("defaults");
            fields.values_mut().for_each(strip);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The accounts as they would be, with the file applied to a copy of the resources in `folder`.
pub(crate) fn directory(store: &Store, changed: Resources, folder: &Path) -> Result<Arc<Directory>, ReplayError> {
    let copy = Arc::new(Store::open(folder)?);
    copy.apply(&limits_of(store.export()?), ApplyOptions::default())?;
    copy.apply(&limits_of(changed), ApplyOptions::default())?;
    Ok(Directory::load(copy)?)
}

/// One past call.
struct Call {
    at: Timestamp,
    took: Duration,
    worst: Amounts,
    ending: Ending,
    path: u32,
    model: base::ModelId,
    end_user: Option<u64>,
}

impl Call {
    /// Tokens that its windows keep.
    fn tokens_used(&self) -> u64 {
        match self.ending {
            Ending::Complete(used) | Ending::Cut(used) => used.tokens,
            Ending::Refused => 0,
            Ending::Unknown => self.worst.tokens,
        }
    }
}

/// Paths of accounts, each once.
#[derive(Default)]
struct Paths {
    numbers: HashMap<(String, String, String), u32>,
    paths: Vec<(String, Vec<Arc<Account>>)>,
}

impl Paths {
    /// The path to a key, or to what is left of it in the directory; `None` without the tenant.
    fn find(&mut self, directory: &Directory, call: &store::UsageRecord) -> Option<u32> {
        let name = (call.tenant.to_string(), call.project.to_string(), call.key.to_string());
        if let Some(number) = self.numbers.get(&name) {
            return Some(*number);
        }
        let tenant = directory.tenant(call.tenant.as_str())?;
        let key = tenant.keys().into_iter().find(|key| *key.project() == call.project && *key.id() == call.key);
        let path = key.map_or_else(|| vec![tenant.account.clone()], |key| key.path().to_vec());
        let number = u32::try_from(self.paths.len()).ok()?;
        self.paths.push((name.0.clone(), path));
        self.numbers.insert(name, number);
        Some(number)
    }
}

/// Replays the calls since `since` against the limits of `directory`, tenant by tenant.
pub(crate) fn replay(
    store: &Store,
    directory: &Directory,
    since: Timestamp,
) -> Result<BTreeMap<String, Replayed>, ReplayError> {
    let before = i64::try_from(BEFORE.as_micros()).unwrap_or(0);
    let oldest = Timestamp::from_micros(since.micros().saturating_sub(before));
    let (mut calls, mut paths, numbers) = (Vec::new(), Paths::default(), RandomState::new());
    let mut earlier = Earlier::default();
    store.visit_calls(&mut |call| {
        let Some(path) = paths.find(directory, call) else { return };
        let worst = Amounts { usd: call.held, tokens: call.held_tokens };
        let tokens = call.usage.input.saturating_add(call.usage.output);
        let ending = match call.ending {
            store::Ending::Unknown => Ending::Unknown,
            _ => Ending::Complete(Amounts { usd: call.charged, tokens }.min(worst)),
        };
        if call.at < since {
            earlier.add(path, &paths.paths[path as usize].1, call.at, Took { worst, ending });
        }
        if call.at < oldest {
            return;
        }
        calls.push(Call {
            at: call.at,
            took: Duration::from_millis(call.total_ms.into()),
            worst,
            ending,
            path,
            model: call.model.clone(),
            end_user: call.end_user.as_ref().map(|name| numbers.hash_one(name)),
        });
    })?;
    calls.sort_by_key(|call| call.at);
    Ok(Replay::new(paths, earlier, since).run(&calls))
}

/// The windows, the money, and what they refused so far.
struct Replay {
    paths: Paths,
    since: Timestamp,
    admission: Admission,
    money: Money,
    /// Calls under way: when they end, and which they are.
    ends: BinaryHeap<Reverse<(Moment, usize)>>,
    under_way: HashMap<usize, (Pass, Option<Hold>)>,
    tenants: BTreeMap<String, Replayed>,
}

impl Replay {
    fn new(paths: Paths, earlier: Earlier, since: Timestamp) -> Replay {
        let (mut admission, mut money) = (Admission::default(), Money::default());
        for account in paths.paths.iter().flat_map(|(_, path)| path) {
            admission.configure(account.index, &account.settings().limits);
            money.configure(account);
        }
        money.begin(earlier, |number| indexes(&paths.paths[number as usize].1));
        let (ends, under_way, tenants) = (BinaryHeap::new(), HashMap::new(), BTreeMap::new());
        Replay { paths, since, admission, money, ends, under_way, tenants }
    }

    fn run(mut self, calls: &[Call]) -> BTreeMap<String, Replayed> {
        let first = calls.first().map_or(Timestamp::EPOCH, |call| call.at);
        for (number, call) in calls.iter().enumerate() {
            let moment = Moment::START.saturating_add(START + call.at.saturating_since(first));
            self.end_until(moment, calls);
            let is_asked_for = call.at >= self.since;
            let said = self.ask(number, call, moment);
            if is_asked_for {
                self.tell(call, &said);
            }
        }
        self.tenants
    }

    fn end_until(&mut self, now: Moment, calls: &[Call]) {
        while let Some(Reverse((at, number))) = self.ends.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.ends.pop();
            let Some((pass, hold)) = self.under_way.remove(&number) else { continue };
            self.admission.settle(pass, calls[number].tokens_used(), at);
            if let Some(hold) = hold {
                self.money.settle(hold, calls[number].ending);
            }
        }
    }

    /// Asks the windows, then the money, as the relay does. What a call from before the asked time cost is counted already.
    fn ask(&mut self, number: usize, call: &Call, moment: Moment) -> Said {
        let path = indexes(&self.paths.paths[call.path as usize].1);
        let model = Some(call.model.as_str());
        let ask = Ask { path: &path, model, end_user: call.end_user, tokens: call.worst.tokens };
        let pass = match self.admission.admit(&ask, moment) {
            Ok(pass) => pass,
            Err(breach) => return Said::Refused(Found::Breach(breach)),
        };
        let hold = match (call.at >= self.since).then(|| self.money.reserve(&path, call.worst, call.at)).transpose() {
            Ok(hold) => hold,
            Err(beyond) => {
                self.admission.cancel(pass, moment);
                return Said::Refused(Found::Beyond(beyond));
            }
        };
        let breach = pass.shadow_breach().copied().map(Found::Breach);
        let watched = breach.or_else(|| self.money.watched(&path, call.worst, call.at).map(Found::Beyond));
        self.under_way.insert(number, (pass, hold));
        self.ends.push(Reverse((moment.saturating_add(call.took), number)));
        watched.map_or(Said::Admitted, Said::Watched)
    }

    fn tell(&mut self, call: &Call, said: &Said) {
        let (tenant, path) = &self.paths.paths[call.path as usize];
        let told = self.tenants.entry(tenant.clone()).or_default();
        told.calls += 1;
        let (count, by_limit, found) = match said {
            Said::Admitted => return,
            Said::Watched(found) => (&mut told.refused_by_shadow, &mut told.by_shadow, found),
            Said::Refused(found) => (&mut told.refused, &mut told.by_limit, found),
        };
        *count += 1;
        note(by_limit, call, path, found);
    }
}

/// What became of one call.
enum Said {
    Admitted,
    /// It goes on, and a limit that is only watched would have refused it.
    Watched(Found),
    Refused(Found),
}

/// Which limit was found.
enum Found {
    Breach(Breach),
    Beyond(Beyond),
}

fn indexes(path: &[Arc<Account>]) -> Vec<AccountIndex> {
    path.iter().map(|account| account.index).collect()
}

fn note(by_limit: &mut ByLimit, call: &Call, path: &[Arc<Account>], found: &Found) {
    let (account, part, limit) = match found {
        Found::Breach(breach) => (breach.account, breach.part, Limit::Window(breach.window, breach.limit)),
        Found::Beyond(beyond) => (beyond.account, Part::Whole, beyond.limit),
    };
    let account = path.iter().find(|one| one.index == account).unwrap_or(&path[0]);
    let name = match part {
        Part::Whole => name(account),
        Part::Model => format!("{} model {}", name(account), call.model),
        Part::EndUser => format!("{} end user", name(account)),
    };
    let none = Refusals { calls: 0, in_block: 0, beside_holds: 0, first: call.at, last: call.at };
    let refusals = by_limit.entry((name, limit)).or_insert(none);
    refusals.calls += 1;
    match found {
        Found::Breach(breach) => refusals.in_block += u64::from(breach.is_block && !breach.begins_block),
        Found::Beyond(beyond) => refusals.beside_holds += u64::from(beyond.beside_holds),
    }
    refusals.last = call.at;
}

/// An account as refusals name it.
fn name(account: &Account) -> String {
    match (account.level, &account.parent) {
        (ScopeLevel::Key, Some(project)) => format!("key {}/{}", project.name, account.name),
        (level, _) => format!("{level} {}", account.name),
    }
}
