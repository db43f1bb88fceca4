//! What open attempts hold of an account. A hold is in five periods at once, so while all open ones began in the current
//! periods, one sum says it for all of them.

use crate::slot::Slot;

/// The sums of the open holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Held {
    /// No hold is in a past period: every current one has all of them.
    Alike([u64; 2]),
    /// Some hold is in a past period.
    Apart(Box<Past>),
}

/// What is to be known while holds of past periods are open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// What is held in each current period.
    pub(crate) held: [[u64; 2]; 5],
    /// The account's generation when each current period began, as far as some open hold is older.
    pub(crate) first_generations: [u32; 5],
    /// Past periods with open holds, oldest first.
    pub(crate) earlier: Vec<Slot>,
}

impl Held {
    /// What is held in a current period.
    pub(crate) const fn at(&self, place: usize) -> [u64; 2] {
        match self {
            Held::Alike(held) => *held,
            Held::Apart(past) => past.held[place],
        }
    }

    /// From which generation on a hold is in the current period rather than in a past one.
    pub(crate) const fn first_generation(&self, place: usize) -> u32 {
        match self {
            Held::Alike(_) => 0,
            Held::Apart(past) => past.first_generations[place],
        }
    }

    /// Past periods with open holds, oldest first.
    pub(crate) fn earlier(&self) -> &[Slot] {
        match self {
            Held::Alike(_) => &[],
            Held::Apart(past) => &past.earlier,
        }
    }

    /// Keeps the sums apart from now on, until [`Held::gather`].
    pub(crate) fn apart(&mut self) -> &mut Past {
        if let Held::Alike(held) = *self {
            let past = Past { held: [held; 5], first_generations: [0; 5], earlier: Vec::new() };
            *self = Held::Apart(Box::new(past));
        }
        match self {
            Held::Apart(past) => past,
            Held::Alike(_) => unreachable!("they were set apart above"),
        }
    }

    /// Forgets past periods without holds, and that the sums were ever apart when none is left.
    pub(crate) fn gather(&mut self) {
        let Held::Apart(past) = self else { return };
        past.earlier.retain(Slot::has_holds);
        if past.earlier.is_empty() {
            let held = past.held[0];
            assert_eq!(past.held, [held; 5], "a hold is in all periods at once (I7)");
            *self = Held::Alike(held);
        }
    }

    /// Takes what is held in a current period, and since which generation.
    pub(crate) fn set(&mut self, place: usize, held: [u64; 2], first_generation: u32) {
        match self {
            Held::Alike(before) => assert_eq!(*before, held, "what is held in one period alone is kept apart (I7)"),
            Held::Apart(past) => (past.held[place], past.first_generations[place]) = (held, first_generation),
        }
    }
}
