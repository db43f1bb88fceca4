//! The counters of an account that something limits: a few of ten, and none at most accounts.

use crate::amounts::AMOUNT_MAX;
use crate::counter::Terms;

/// What is to be known of a counter beside its sums, where that is anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) terms: Terms,
    /// Its period, in the order of [`base::BudgetPeriod::ALL`].
    place: u8,
    /// Its resource, in the order of [`crate::Resource::ALL`].
    resource: u8,
}

impl Bound {
    pub(crate) const fn place(&self) -> usize {
        self.place as usize
    }

    pub(crate) const fn resource(&self) -> usize {
        self.resource as usize
    }
}

/// The limits of an account on money and tokens, and what was leased of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limited {
    /// The budget on all time alone; the counter has the smaller of it and the wallet.
    pub(crate) total_cap: u64,
    /// What was credited in all.
    pub(crate) wallet: u64,
    /// In order of period and resource.
    pub(crate) bounds: Box<[Bound]>,
}

impl Default for Limited {
    fn default() -> Limited {
        Limited { total_cap: AMOUNT_MAX, wallet: AMOUNT_MAX, bounds: Box::default() }
    }
}

impl Limited {
    pub(crate) fn is_empty(&self) -> bool {
        self.bounds.is_empty() && self.total_cap == AMOUNT_MAX && self.wallet == AMOUNT_MAX
    }

    pub(crate) fn terms(&self, place: usize, resource: usize) -> Option<&Terms> {
        let at = self.find(place, resource).ok()?;
        Some(&self.bounds[at].terms)
    }

    /// Takes what is to be known of a counter; `None` when that is nothing.
    pub(crate) fn set_terms(&mut self, place: usize, resource: usize, terms: Option<Terms>) {
        match (self.find(place, resource), terms) {
            (Ok(at), Some(terms)) => self.bounds[at].terms = terms,
            (Err(_), None) => {}
            (Ok(at), None) => self.change(|bounds| {
                bounds.remove(at);
            }),
            (Err(at), Some(terms)) => {
                let bound = Bound { terms, place: place as u8, resource: resource as u8 };
                self.change(|bounds| {
                    bounds.reserve_exact(1);
                    bounds.insert(at, bound);
                });
            }
        }
    }

    fn find(&self, place: usize, resource: usize) -> Result<usize, usize> {
        self.bounds.binary_search_by_key(&(place, resource), |bound| (bound.place(), bound.resource()))
    }

    fn change(&mut self, work: impl FnOnce(&mut Vec<Bound>)) {
        let mut bounds = core::mem::take(&mut self.bounds).into_vec();
        work(&mut bounds);
        self.bounds = bounds.into_boxed_slice();
    }
}
