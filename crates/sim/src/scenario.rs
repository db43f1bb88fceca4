//! What a run begins with, drawn from its seed: tenants, limits, a calendar, a durability, and how bad the weather is.

use base::{AccountIndex, BudgetPeriod, KeyId, Money, TenantId, Timestamp};
use fastrand::Rng;
use jiff::tz::TimeZone;
use journal::Durability;
use ledger::{AccountConfig, Amounts};
use store::ProjectPath;

/// Tenant, project, key.
pub(crate) const LEVELS: usize = 3;

/// The accounts of each path; an account's index is its place in [`Scenario::accounts`].
const PATHS: [[usize; LEVELS]; 4] = [[0, 1, 3], [0, 1, 4], [0, 2, 5], [6, 7, 8]];
const ACCOUNTS: usize = 9;
/// What accounts are called, by their index.
pub(crate) const NAMES: [&str; ACCOUNTS] = ["acme", "p1", "p2", "k3", "k4", "k5", "zen", "p7", "k8"];

/// Just before a change of the clocks, of a month, of a year, and in the middle of nothing.
const STARTS: [(&str, i64); 6] = [
    ("Europe/Berlin", 1_774_735_000),
    ("Europe/Berlin", 1_792_880_000),
    ("America/New_York", 1_772_945_000),
    ("Pacific/Apia", 1_767_175_000),
    ("Asia/Kathmandu", 1_767_200_000),
    ("UTC", 1_780_000_000),
];

/// A key and everything around it.
pub(crate) struct Path {
    pub(crate) accounts: [usize; LEVELS],
    pub(crate) tenant: TenantId,
    pub(crate) project: ProjectPath,
    pub(crate) key: KeyId,
}

impl Path {
    pub(crate) fn indexes(&self) -> [AccountIndex; LEVELS] {
        self.accounts.map(|account| AccountIndex(account as u32))
    }
}

/// An account as the operator set it.
pub(crate) struct Account {
    pub(crate) config: AccountConfig,
    /// Goes up with each change.
    pub(crate) version: u64,
}

/// See the head of the file.
pub(crate) struct Scenario {
    pub(crate) paths: Vec<Path>,
    pub(crate) accounts: Vec<Account>,
    pub(crate) zone: TimeZone,
    pub(crate) start: Timestamp,
    pub(crate) durability: Durability,
    /// The largest worst case of a call.
    pub(crate) call_max: u64,
    /// Of 1,000 steps so many begin a fault.
    pub(crate) faults: u32,
    /// Of 1,000 steps so many move the clock far.
    pub(crate) jumps: u32,
    /// Power is lost often, little is synced, and people correct much.
    pub(crate) is_stormy: bool,
    /// The disk has room for little, and records are long.
    pub(crate) is_disk_small: bool,
    pub(crate) charges_at_deadline: bool,
    /// Some calls make batches. By the seed's number, so that the other runs stay what they are.
    pub(crate) has_batches: bool,
    /// A call that waits for money leaves after so many seconds.
    pub(crate) wait_seconds: u64,
}

impl Scenario {
    pub(crate) fn draw(seed: u64, chance: &mut Rng) -> Scenario {
        let (zone, start) = STARTS[chance.usize(0..STARTS.len())];
        let zone = TimeZone::get(zone).expect("the bundled calendar has this zone");
        let is_stormy = chance.u8(0..4) == 0;
        let is_disk_small = !is_stormy && chance.u8(0..6) == 0;
        let paths = if is_stormy { &PATHS[..1] } else { &PATHS[..3 + chance.usize(0..=1)] };
        let is_tight = is_stormy || (!is_disk_small && chance.u8(0..3) > 0);
        let scale = if is_tight { 4 } else { 120 };
        let accounts = (0..ACCOUNTS).map(|_| Account { config: config(chance, &zone, scale), version: 1 }).collect();
        let durabilities = [Durability::Power, Durability::Power, Durability::Strict, Durability::Process];
        Scenario {
            paths: paths.iter().map(path).collect(),
            accounts,
            zone,
            start: Timestamp::from_seconds(start),
            durability: if is_stormy { Durability::Process } else { durabilities[chance.usize(0..4)] },
            call_max: 40,
            faults: match chance.usize(0..4) {
                drawn if is_disk_small => [0, 0, 0, 5][drawn],
                _ if is_stormy => 8,
                drawn => [0, 5, 15, 40][drawn],
            },
            jumps: [0, 2, 10, 40][chance.usize(0..4)],
            is_stormy,
            is_disk_small,
            charges_at_deadline: chance.bool(),
            has_batches: seed.is_multiple_of(4),
            wait_seconds: 10,
        }
    }

    /// The path of a key.
    pub(crate) fn path_of(&self, key: &KeyId) -> usize {
        let found = self.paths.iter().position(|path| path.key == *key);
        found.expect("records name keys of the scenario")
    }

    /// The limit of one resource of an account in a period, as the ledger must see it.
    pub(crate) fn limit(&self, account: usize, period: usize, resource: usize) -> Option<u64> {
        let config = &self.accounts[account].config;
        let nanos = |money: Money| money.nanos().unsigned_abs();
        let period = BudgetPeriod::ALL[period];
        match resource {
            0 if period == BudgetPeriod::Total => {
                let both = [config.budgets.total.map(nanos), config.wallet.map(nanos)];
                both.into_iter().flatten().min()
            }
            0 => config.budgets.cap(period).map(nanos),
            _ => config.tokens_per_month.filter(|_| period == BudgetPeriod::Month),
        }
    }
}

fn path(accounts: &[usize; LEVELS]) -> Path {
    let name = |level: usize| NAMES[accounts[level]];
    Path {
        accounts: *accounts,
        tenant: TenantId::new(name(0)).expect("a good name"),
        project: ProjectPath::parse(name(1)).expect("a good name"),
        key: KeyId::new(name(2)).expect("a good name"),
    }
}

/// How records name an account.
pub(crate) fn names_of(account: usize) -> (TenantId, Option<ProjectPath>, Option<KeyId>) {
    let accounts = PATHS.iter().find(|path| path.contains(&account)).expect("an account is on some path");
    let level = accounts.iter().position(|&one| one == account).unwrap_or_default();
    let path = path(accounts);
    (path.tenant, (level > 0).then_some(path.project), (level > 1).then_some(path.key))
}

/// Whose lease it is: the last name that it has is nobody else's.
pub(crate) fn account_named(lease: &store::LeaseRecord) -> Option<usize> {
    let project = lease.project.as_ref().map(ProjectPath::as_str);
    let key = lease.key.as_ref().map(KeyId::as_str);
    let name = key.or(project).unwrap_or(lease.tenant.as_str());
    NAMES.iter().position(|one| *one == name)
}

/// Limits of some calls, on some periods.
fn config(chance: &mut Rng, zone: &TimeZone, scale: u64) -> AccountConfig {
    let mut config = AccountConfig::unlimited(zone.clone());
    let mut some = |share: u8, calls: u64| {
        let amount = chance.u64(20..=40) * chance.u64(1..=calls);
        (chance.u8(0..10) < share).then_some(amount)
    };
    let money = |amount: Option<u64>| amount.map(|amount| Money::from_nanos(amount as i64));
    config.budgets.per_day = money(some(4, scale));
    config.budgets.per_week = money(some(1, scale * 2));
    config.budgets.per_month = money(some(3, scale * 4));
    config.budgets.per_year = money(some(1, scale * 8));
    config.budgets.total = money(some(2, scale * 8));
    config.wallet = money(some(2, scale * 8));
    config.tokens_per_month = some(2, scale * 2);
    config
}

/// Two plain numbers as amounts.
pub(crate) fn amounts([usd, tokens]: [u64; 2]) -> Amounts {
    Amounts { usd: Money::from_nanos(i64::try_from(usd).unwrap_or(i64::MAX)), tokens }
}

/// The reverse.
pub(crate) fn numbers(amounts: Amounts) -> [u64; 2] {
    [amounts.usd.nanos().unsigned_abs(), amounts.tokens]
}
