//! The real store beside its model: every batch goes to both, and what they say afterwards must be the same.

use base::Timestamp;

use crate::line::Line;
use crate::scenario::Scenario;
use crate::shelf::Shelf;

pub(crate) struct Twin;

impl Twin {
    pub(crate) fn new(_scenario: &Scenario) -> Twin {
        Twin
    }

    /// What differs.
    pub(crate) fn apply(&self, _: &Scenario, _: &Shelf, _: &[Line], _: u64, _: Timestamp) -> Option<String> {
        None
    }
}
