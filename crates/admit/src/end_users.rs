//! The windows that each end user of an account gets, in bounded memory.
//!
//! Only so many end users are remembered. One is forgotten only when nothing of it counts any more, so that being
//! forgotten gives nobody anything. While there is no room, further end users share windows by their number: they get
//! less than their due together, and never more. Whoever shares goes on sharing until those windows are empty, so that
//! nobody gets fresh windows by filling the memory with others.

use std::collections::HashMap;

use base::{NumberHashing, PartLimits};

use crate::counts::Counts;

/// How many windows are shared by those for whom there is no room.
const SHARED: usize = 64;
/// How many are looked at for one that can be forgotten, so that a flood of names costs little.
const LOOKS: usize = 8;

/// The end users of one account. Their windows are among the accounts, at stable places.
#[derive(Debug, Clone, Default)]
pub(crate) struct EndUsers {
    /// What each gets; `None` when nothing does any more.
    pub(crate) limits: Option<PartLimits>,
    /// An end user's place in `ring`. The numbers are of a keyed hash, so that nobody can choose them.
    known: HashMap<u64, u32, NumberHashing>,
    /// End users and the places of their windows.
    ring: Vec<(u64, u32)>,
    /// Who is looked at next.
    hand: usize,
    /// Places of the shared windows; none before they are needed.
    shared: Vec<u32>,
    /// How often windows that are only watched would have refused one of them.
    pub(crate) refused: Counts,
}

/// Where an end user's windows are.
pub(crate) enum Found {
    At(u32),
    /// Nowhere: they are to be made, and then to be told with [`EndUsers::remember`].
    New,
    /// The shared ones are to be made, so many, and then to be told with [`EndUsers::share`].
    NoneShared(usize),
}

impl EndUsers {
    /// How many are remembered.
    pub(crate) fn count(&self) -> usize {
        self.ring.len()
    }

    /// The places of all windows, shared ones included.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> {
        self.ring.iter().map(|(_, place)| *place).chain(self.shared.iter().copied())
    }

    /// The place of one that is known, or shares.
    pub(crate) fn get(&self, user: u64) -> Option<u32> {
        let known = self.known.get(&user).map(|&place| self.ring[place as usize].1);
        known.or_else(|| self.shared.get(slot(user)).copied())
    }

    /// Finds the windows of `user`, and forgets another for it where that is the way and its windows are idle.
    pub(crate) fn find(&mut self, user: u64, most: usize, is_idle: impl Fn(u32) -> bool) -> Found {
        if let Some(&place) = self.known.get(&user) {
            return Found::At(self.ring[place as usize].1);
        }
        let shared = self.shared.get(slot(user)).copied();
        if let Some(place) = shared.filter(|&place| !is_idle(place)) {
            return Found::At(place);
        }
        if self.ring.len() < most {
            return Found::New;
        }
        for _ in 0..LOOKS.min(self.ring.len()) {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.ring.len();
            let (before, windows) = self.ring[place];
            if is_idle(windows) {
                self.known.remove(&before);
                self.ring[place].0 = user;
                self.known.insert(user, place as u32);
                return Found::At(windows);
            }
        }
        shared.map_or(Found::NoneShared(SHARED), Found::At)
    }

    pub(crate) fn remember(&mut self, user: u64, windows: u32) {
        self.known.insert(user, self.ring.len() as u32);
        self.ring.push((user, windows));
    }

    pub(crate) fn share(&mut self, user: u64, places: Vec<u32>) -> u32 {
        self.shared = places;
        self.shared[slot(user)]
    }
}

/// Which of the shared windows is an end user's.
const fn slot(user: u64) -> usize {
    (user % SHARED as u64) as usize
}
