//! What a changed set of limits would have refused of the calls that were made: their times, what they reserved and what
//! they used, through the same windows that a serving relay has.
//!
//! A refused call is taken as not made, and nobody is taken to have asked again. A block begins and ends as it would
//! have. What limits that are only watched would have refused is told apart: they refuse nothing here either. Tokens per
//! month and budgets are not replayed: they refuse by what calls cost, which changes with what is refused.

use core::hash::BuildHasher as _;
use core::time::Duration;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::RandomState;
use std::path::Path;
use std::sync::Arc;

use admit::{Admission, Ask, Breach, Pass};
use base::{AccountIndex, Moment, Part, ScopeLevel, Timestamp, Window};
use store::{Account, ApplyError, ApplyOptions, Directory, Resources, Store, StoreError};

/// The windows look back a day: calls from before the asked time fill them.
const BEFORE: Duration = Duration::from_secs(86_400);
/// What the replay's clock shows at its first call, so that a day lies before it.
const START: Duration = Duration::from_secs(2 * 86_400);

/// One limit that would have refused calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) window: Window,
    pub(crate) limit: u64,
}

/// What one limit of one account would have refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusals {
    pub(crate) calls: u64,
    /// Of these, so many because an earlier refusal had begun a block.
    pub(crate) in_block: u64,
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
pub(crate) type ByLimit = BTreeMap<(String, Place), Refusals>;

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
    reserved: u64,
    used: u64,
    path: u32,
    model: base::ModelId,
    end_user: Option<u64>,
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
    store.visit_calls(&mut |call| {
        if call.at < oldest {
            return;
        }
        let Some(path) = paths.find(directory, call) else { return };
        let used = call.usage.input.saturating_add(call.usage.output);
        let is_known = !matches!(call.ending, store::Ending::Unknown);
        calls.push(Call {
            at: call.at,
            took: Duration::from_millis(call.total_ms.into()),
            reserved: call.held_tokens,
            used: if is_known { used } else { call.held_tokens },
            path,
            model: call.model.clone(),
            end_user: call.end_user.as_ref().map(|name| numbers.hash_one(name)),
        });
    })?;
    calls.sort_by_key(|call| call.at);
    Ok(Replay::new(paths, since).run(&calls))
}

/// The windows and what they refused so far.
struct Replay {
    paths: Paths,
    since: Timestamp,
    admission: Admission,
    /// Calls under way: when they end, and which they are.
    ends: BinaryHeap<Reverse<(Moment, usize)>>,
    passes: HashMap<usize, (Pass, u64)>,
    tenants: BTreeMap<String, Replayed>,
}

impl Replay {
    fn new(paths: Paths, since: Timestamp) -> Replay {
        let mut admission = Admission::default();
        for account in paths.paths.iter().flat_map(|(_, path)| path) {
            admission.configure(account.index, &account.settings().limits);
        }
        Replay { paths, since, admission, ends: BinaryHeap::new(), passes: HashMap::new(), tenants: BTreeMap::new() }
    }

    fn run(mut self, calls: &[Call]) -> BTreeMap<String, Replayed> {
        let first = calls.first().map_or(Timestamp::EPOCH, |call| call.at);
        for (number, call) in calls.iter().enumerate() {
            let moment = Moment::START.saturating_add(START + call.at.saturating_since(first));
            self.end_until(moment);
            self.ask(number, call, moment);
        }
        self.tenants
    }

    fn end_until(&mut self, now: Moment) {
        while let Some(Reverse((at, number))) = self.ends.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.ends.pop();
            if let Some((pass, used)) = self.passes.remove(&number) {
                self.admission.settle(pass, used, at);
            }
        }
    }

    fn ask(&mut self, number: usize, call: &Call, moment: Moment) {
        let (tenant, path) = &self.paths.paths[call.path as usize];
        let indexes: Vec<AccountIndex> = path.iter().map(|account| account.index).collect();
        let model = Some(call.model.as_str());
        let ask = Ask { path: &indexes, model, end_user: call.end_user, tokens: call.reserved };
        let admitted = self.admission.admit(&ask, moment);
        let breach = match &admitted {
            Ok(pass) => pass.shadow_breach(),
            Err(breach) => Some(breach),
        };
        if call.at >= self.since {
            let told = self.tenants.entry(tenant.clone()).or_default();
            told.calls += 1;
            if let Some(breach) = breach {
                let (count, by_limit) = match admitted {
                    Ok(_) => (&mut told.refused_by_shadow, &mut told.by_shadow),
                    Err(_) => (&mut told.refused, &mut told.by_limit),
                };
                *count += 1;
                note(by_limit, call, path, breach);
            }
        }
        if let Ok(pass) = admitted {
            self.passes.insert(number, (pass, call.used));
            self.ends.push(Reverse((moment.saturating_add(call.took), number)));
        }
    }
}

fn note(by_limit: &mut ByLimit, call: &Call, path: &[Arc<Account>], breach: &Breach) {
    let account = path.iter().find(|account| account.index == breach.account).unwrap_or(&path[0]);
    let name = match breach.part {
        Part::Whole => name(account),
        Part::Model => format!("{} model {}", name(account), call.model),
        Part::EndUser => format!("{} end user", name(account)),
    };
    let place = Place { window: breach.window, limit: breach.limit };
    let none = Refusals { calls: 0, in_block: 0, first: call.at, last: call.at };
    let refusals = by_limit.entry((name, place)).or_insert(none);
    refusals.calls += 1;
    refusals.in_block += u64::from(breach.is_block && !breach.begins_block);
    refusals.last = call.at;
}

/// An account as refusals name it.
fn name(account: &Account) -> String {
    match (account.level, &account.parent) {
        (ScopeLevel::Key, Some(project)) => format!("key {}/{}", project.name, account.name),
        (level, _) => format!("{level} {}", account.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    /// Replays calls of one key, each of 10 tokens and a second, at these seconds after an hour.
    fn replay_at(limits: &str, seconds: &[i64]) -> Replayed {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let text = format!(
            "[[tenant]]\nid = \"acme\"\nplan = \"unlimited\"\nlimits = {limits}\n[[tenant.project]]\nid = \"search\"\n\
             [[tenant.project.key]]\nname = \"ci\"\nsecret = \"a-secret-of-acme-0123456789\"\n"
        );
        let file = crate::config::resources::read("limits.toml", &text).unwrap();
        store.apply(&serde_json::from_value(file.value).unwrap(), ApplyOptions::default()).unwrap();
        let directory = Directory::load(store).unwrap();
        let key = directory.tenant("acme").unwrap().keys()[0].clone();
        let paths = Paths { numbers: HashMap::new(), paths: vec![("acme".into(), key.path().to_vec())] };
        let call = |second: &i64| Call {
            at: Timestamp::from_seconds(HOUR + second),
            took: Duration::from_secs(1),
            reserved: 10,
            used: 10,
            path: 0,
            model: base::ModelId::new("m").unwrap(),
            end_user: Some(1),
        };
        let calls: Vec<Call> = seconds.iter().map(call).collect();
        Replay::new(paths, Timestamp::from_seconds(HOUR)).run(&calls).remove("acme").unwrap()
    }

    /// Account, limit, calls refused, those of them in blocks, and the seconds of the first and the last.
    fn told(by_limit: &ByLimit) -> Vec<(&str, u64, u64, u64, i64, i64)> {
        let second = |at: Timestamp| at.micros() / 1_000_000 - HOUR;
        let each = by_limit.iter().map(|((account, place), one)| {
            (account.as_str(), place.limit, one.calls, one.in_block, second(one.first), second(one.last))
        });
        each.collect()
    }

    #[test]
    fn a_block_refuses_what_its_window_would_have_admitted_again() {
        let seconds = [0, 2, 4, 70, 150, 203, 215];
        let windows = replay_at("{ rpm = 2 }", &seconds);
        assert_eq!((windows.calls, windows.refused), (7, 1));
        assert_eq!(told(&windows.by_limit), [("tenant acme", 2, 1, 0, 4, 4)]);
        // Begun at 4 and over at 204: at 203 it still refuses, and at 215 nothing is left of it.
        let blocked = replay_at("{ rpm = 2, block_for = \"200s\" }", &seconds);
        assert_eq!((blocked.calls, blocked.refused), (7, 4));
        assert_eq!(told(&blocked.by_limit), [("tenant acme", 2, 4, 3, 4, 203)]);
        // Of an end user's calls in the same way.
        let user = replay_at("{ per_end_user = { rpm = 2, block_for = \"200s\" } }", &seconds);
        assert_eq!(told(&user.by_limit), [("tenant acme end user", 2, 4, 3, 4, 203)]);
    }

    #[test]
    fn limits_that_are_only_watched_are_told_apart_and_refuse_nothing() {
        let seconds = [0, 2, 4, 6];
        let watched = replay_at("{ shadow = { rpm = 1 }, models.m = { shadow = { rph = 3 } } }", &seconds);
        assert_eq!((watched.calls, watched.refused, watched.refused_by_shadow), (4, 0, 3));
        assert_eq!((told(&watched.by_limit), told(&watched.by_shadow)), (vec![], vec![("tenant acme", 1, 3, 0, 2, 6)]));
        // What is refused is not watched: of four calls two go on, and one of these is too many.
        let both = replay_at("{ rpm = 2, shadow = { rpm = 1 } }", &seconds);
        assert_eq!((both.refused, both.refused_by_shadow), (2, 1));
        assert_eq!(told(&both.by_limit), [("tenant acme", 2, 2, 0, 4, 6)]);
        assert_eq!(told(&both.by_shadow), [("tenant acme", 1, 1, 0, 2, 2)]);
    }
}
