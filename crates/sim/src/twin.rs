//! The real store beside its model: every batch goes to both, and what they say afterwards must be the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use base::{BudgetPeriod, Timestamp};
use ledger::bounds;
use store::{ApplyOptions, Directory, Record, Resources, Store};

use crate::line::{Line, period_number};
use crate::scenario::{LEVELS, NAMES, Scenario, account_named, numbers};
use crate::shelf::Shelf;

/// A store in a folder of its own.
pub(crate) struct Twin {
    store: Arc<Store>,
    directory: Arc<Directory>,
    _folder: tempfile::TempDir,
}

/// Money and tokens per account and period.
type Sums = BTreeMap<(usize, usize), [u64; 2]>;

impl Twin {
    pub(crate) fn new(scenario: &Scenario) -> Twin {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = Arc::new(Store::open(folder.path()).expect("a new store opens"));
        store.apply(&resources(scenario), ApplyOptions::default()).expect("the tree of accounts is good");
        let directory = Directory::load(store.clone()).expect("what was just written can be read");
        Twin { store, directory, _folder: folder }
    }

    /// Applies the batch; says what differs from the model then.
    pub(crate) fn apply(
        &self,
        scenario: &Scenario,
        shelf: &Shelf,
        lines: &[Line],
        reached: u64,
        now: Timestamp,
    ) -> Option<String> {
        let applied = self.store.apply_records(lines.iter().filter_map(real), reached);
        if let Err(error) = applied {
            return Some(error.to_string());
        }
        let holds: Vec<_> = self.store.open_holds().ok()?.into_iter().map(|hold| (hold.intent, hold.state)).collect();
        if !holds.iter().eq(shelf.holds.values()) {
            return Some(format!("holds {holds:?}, and not {:?}", shelf.holds));
        }
        let leases = self.leases();
        let model = model_leases(shelf);
        if leases != model {
            return Some(format!("leases {leases:?}, and not {model:?}"));
        }
        let sums = self.sums(now);
        let model = model_sums(scenario, shelf, now);
        (sums != model).then(|| format!("charges {sums:?}, and not {model:?}"))
    }

    /// Start, reach and loss of each lease.
    fn leases(&self) -> BTreeMap<(usize, usize, usize), (Timestamp, u64, u64)> {
        let leases = self.store.leases().expect("the store can be read");
        let place = |lease: &store::LeaseRecord| {
            let account = account_named(lease).expect("leases name accounts of the scenario");
            (account, period_number(lease.period), lease.resource as usize)
        };
        leases.iter().map(|lease| (place(lease), (lease.starts, lease.up_to, lease.lost.unwrap_or(0)))).collect()
    }

    fn sums(&self, now: Timestamp) -> Sums {
        let mut by_index = BTreeMap::new();
        for tenant in self.directory.tenants() {
            let accounts =
                tenant.projects().into_iter().map(|(path, account)| (path.as_str().to_owned(), account.index));
            let keys = tenant.keys().into_iter().map(|key| (key.id().as_str().to_owned(), key.account().index));
            by_index.extend(accounts.chain(keys).map(|(name, index)| (index, name)));
            by_index.insert(tenant.account.index, tenant.id().as_str().to_owned());
        }
        let restored = self.store.restored_accounts(&self.directory, now).expect("the store can be read");
        let mut sums = Sums::new();
        for one in restored {
            let name = &by_index[&one.account];
            let account = NAMES.iter().position(|known| known == name).expect("accounts are of the scenario");
            for posted in one.posted {
                sums.insert((account, period_number(posted.period)), numbers(posted.amounts));
            }
        }
        sums
    }
}

/// What the real store knows.
fn real(line: &Line) -> Option<Record> {
    match line {
        Line::Real(record) => Some(record.clone()),
        Line::Lost(lost) => Some(lost.record()),
        Line::Refunded { .. } => None,
    }
}

fn model_leases(shelf: &Shelf) -> BTreeMap<(usize, usize, usize), (Timestamp, u64, u64)> {
    let lost = |place, starts| {
        let lost = shelf.lost.get(place).filter(|lost| lost.starts == starts);
        lost.map_or(0, |lost| lost.amount)
    };
    shelf.leases.iter().map(|(place, (starts, up_to))| (*place, (*starts, *up_to, lost(place, *starts)))).collect()
}

/// What was charged, computed from the ends alone.
fn model_sums(scenario: &Scenario, shelf: &Shelf, now: Timestamp) -> Sums {
    let mut sums = Sums::new();
    for (usage, charged) in shelf.ended.values() {
        for (number, period) in BudgetPeriod::ALL.into_iter().enumerate() {
            let starts = bounds(period, &scenario.zone, now).starts;
            if period != BudgetPeriod::Total
                && usage.at.micros().div_euclid(900_000_000) < starts.micros().div_euclid(900_000_000)
            {
                continue;
            }
            for account in scenario.paths[scenario.path_of(&usage.key)].accounts {
                let sum = sums.entry((account, number)).or_default();
                *sum = [sum[0] + charged[0], sum[1] + charged[1]];
            }
        }
    }
    sums.retain(|_, sum| *sum != [0, 0]);
    sums
}

/// The tree of accounts, without limits: those are the ledger's.
fn resources(scenario: &Scenario) -> Resources {
    let zone = scenario.zone.iana_name().unwrap_or("UTC");
    let mut text = String::from(
        "[[upstream]]\nid = \"local\"\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:9000/v1\"\napi_keys = [\"env:KEY\"]\n\
         [[model]]\nid = \"small\"\ncontext_window = 1000\nmax_output_tokens = 100\nroute = [{ upstream = \"local\" }]\n\
         price = { input = \"1.00\", output = \"2.00\" }\n",
    );
    let mut before: [&str; LEVELS] = [""; LEVELS];
    for path in &scenario.paths {
        let [tenant, project, key] = path.accounts.map(|account| NAMES[account]);
        if before[0] != tenant {
            let _ = write!(
                text,
                "[[tenant]]\nid = \"{tenant}\"\nname = \"{tenant}\"\nmodels = [\"small\"]\ntimezone = \"{zone}\"\n"
            );
        }
        if before[1] != project {
            let _ = write!(text, "[[tenant.project]]\nid = \"{project}\"\n");
        }
        let _ = write!(text, "[[tenant.project.key]]\nname = \"{key}\"\nsecret = \"imported-secret-of-{key}-0123\"\n");
        before = [tenant, project, key];
    }
    toml::from_str(&text).expect("the tree of accounts is good")
}
