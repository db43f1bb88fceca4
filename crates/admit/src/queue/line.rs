//! The tenants that wait, by priority and by what they have had.

use std::collections::BTreeSet;

use base::Priority;

/// Admissions that may pass over a low tenant that waits, before one of low goes.
pub const LOW_PASSED_MAX: u32 = 15;
/// The same for normal.
pub const NORMAL_PASSED_MAX: u32 = 3;

/// Where a tenant stands among those of its priority: by its counter, then by who has waited longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) counter: u64,
    /// Of its first waiting call.
    pub(crate) sequence: u64,
    pub(crate) seat: u32,
}

/// The waiting tenants of one priority.
#[derive(Debug, Default)]
struct Line {
    keys: BTreeSet<Key>,
    /// Those of them that want less than their share and have less: they go first.
    modest: BTreeSet<Key>,
    /// How many of them are below their share of the places.
    entitled: u32,
    /// The most that one whose turn came had had without its calls under way: what a tenant that comes back is lifted to.
    /// What calls under way are expected to use may be far off, and is given back to their tenant only.
    reached: u64,
    /// Admissions that went to others since one went here.
    passed: u32,
}

/// All waiting tenants.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: [Line; 3],
    weight: u64,
}

/// Where a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) key: Key,
    /// It is below its share of the places.
    pub(crate) is_entitled: bool,
    /// And it does not want more than that.
    pub(crate) is_modest: bool,
}

const HIGH: usize = 0;
const NORMAL: usize = 1;
const LOW: usize = 2;

const fn band(priority: Priority) -> usize {
    match priority {
        Priority::High => HIGH,
        Priority::Normal => NORMAL,
        Priority::Low => LOW,
    }
}

impl Lines {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.keys.is_empty())
    }

    /// The weights of all tenants that wait.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    pub(crate) fn insert(&mut self, priority: Priority, weight: u32, stand: Stand) {
        let line = &mut self.lines[band(priority)];
        assert!(line.keys.insert(stand.key), "a tenant stands in one line, once");
        if stand.is_modest {
            line.modest.insert(stand.key);
        }
        line.entitled += u32::from(stand.is_entitled);
        self.weight += u64::from(weight);
    }

    pub(crate) fn remove(&mut self, priority: Priority, weight: u32, stand: &Stand) {
        let line = &mut self.lines[band(priority)];
        assert!(line.keys.remove(&stand.key), "a tenant stands where it says");
        line.modest.remove(&stand.key);
        line.entitled -= u32::from(stand.is_entitled);
        self.weight -= u64::from(weight);
    }

    /// The counter of who is next of a priority.
    pub(crate) fn least(&self, priority: Priority) -> Option<u64> {
        self.lines[band(priority)].keys.first().map(|key| key.counter)
    }

    /// What a tenant that comes back from idleness counts at least as having had.
    pub(crate) fn level(&self, priority: Priority) -> u64 {
        let reached = self.lines[band(priority)].reached;
        self.least(priority).map_or(reached, |least| least.min(reached))
    }

    /// Whether a tenant of this priority waits that is below its share.
    pub(crate) fn has_entitled(&self, priority: Priority) -> bool {
        self.lines[band(priority)].entitled > 0
    }

    /// Whether somebody of a higher priority waits.
    pub(crate) fn is_behind(&self, priority: Priority) -> bool {
        self.lines[..band(priority)].iter().any(|line| !line.keys.is_empty())
    }

    /// Who goes next, of those who may: first a line that was passed over too often, then the higher ones; in each, only
    /// the one that has had least, of those that want less than their share if there are any.
    pub(crate) fn pick(&self, may_go: impl Fn(u32) -> bool) -> Option<u32> {
        let due = |band: usize, most: u32| (self.lines[band].passed >= most).then_some(band);
        let aged = [due(LOW, LOW_PASSED_MAX), due(NORMAL, NORMAL_PASSED_MAX)];
        let bands = aged.into_iter().flatten().chain([HIGH, NORMAL, LOW]);
        let least = |band: usize| self.lines[band].modest.first().or_else(|| self.lines[band].keys.first());
        let mut first = bands.filter_map(least);
        first.find(|key| may_go(key.seat)).map(|key| key.seat)
    }

    /// Notes that one of this priority goes, which has had this without its calls under way.
    pub(crate) fn went(&mut self, priority: Priority, settled: u64) {
        let went = band(priority);
        // One that went before its turn says nothing of how far the others are.
        let settled = self.least(priority).map_or(settled, |least| least.min(settled));
        self.lines[went].reached = self.lines[went].reached.max(settled);
        for (band, line) in self.lines.iter_mut().enumerate() {
            line.passed = if band == went || line.keys.is_empty() { 0 } else { line.passed + 1 };
        }
    }
}
