//! The tenants that a queue remembers: those with calls, and those that had some lately.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use base::{AccountIndex, AccountMap, Moment};

use crate::queue::tenant::{MEMORY, Tenant};

/// Tenants by number and by account, and when to look at each again.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    places: AccountMap<u32>,
    tenants: Vec<Option<Box<Tenant>>>,
    free: Vec<u32>,
    /// One entry a tenant, so that a call touches the heap only when its tenant is new.
    looks: BinaryHeap<Reverse<(Moment, u32)>>,
    /// The weights of all that are remembered.
    weight: u64,
}

impl Seats {
    pub(crate) fn len(&self) -> u32 {
        self.places.len() as u32
    }

    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    pub(crate) fn find(&self, account: AccountIndex) -> Option<u32> {
        self.places.get(&account).copied()
    }

    pub(crate) fn get(&self, seat: u32) -> &Tenant {
        self.tenants[seat as usize].as_ref().expect("a tenant with calls is remembered")
    }

    pub(crate) fn get_mut(&mut self, seat: u32) -> &mut Tenant {
        self.tenants[seat as usize].as_mut().expect("a tenant with calls is remembered")
    }

    pub(crate) fn add(&mut self, tenant: Tenant) -> u32 {
        let seat = self.free.pop().unwrap_or_else(|| {
            self.tenants.push(None);
            u32::try_from(self.tenants.len() - 1).expect("tenants are fewer than 2^32")
        });
        self.places.insert(tenant.account, seat);
        self.weight += u64::from(tenant.weight);
        self.looks.push(Reverse((tenant.touched.saturating_add(MEMORY), seat)));
        self.tenants[seat as usize] = Some(Box::new(tenant));
        seat
    }

    pub(crate) fn set_weight(&mut self, seat: u32, weight: u32) {
        let before = core::mem::replace(&mut self.get_mut(seat).weight, weight);
        self.weight = self.weight + u64::from(weight) - u64::from(before);
    }

    /// The next tenant to look at, if its time has come.
    pub(crate) fn due(&mut self, now: Moment) -> Option<u32> {
        if self.looks.peek()?.0.0 > now {
            return None;
        }
        self.looks.pop().map(|Reverse((_, seat))| seat)
    }

    pub(crate) fn look_again(&mut self, seat: u32, now: Moment) {
        self.looks.push(Reverse((now.saturating_add(MEMORY), seat)));
    }

    /// Forgets an idle tenant; its look has been taken.
    pub(crate) fn forget(&mut self, seat: u32) {
        let tenant = self.tenants[seat as usize].take().expect("a tenant is forgotten once");
        self.places.remove(&tenant.account);
        self.weight -= u64::from(tenant.weight);
        self.free.push(seat);
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter().flatten().map(|tenant| &**tenant)
    }
}
