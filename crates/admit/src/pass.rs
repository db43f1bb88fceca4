//! The permission of one call.

use base::{Moment, PATH_LEVELS_MAX};

/// Proof that a call was admitted: it has a slot and its place in every window of its path.
///
/// One that is dropped keeps its slots until the process ends, so its owner settles it in its own destructor.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a pass that is not settled keeps its slot"]
pub struct Pass {
    /// Where its accounts are in the vector of accounts.
    pub(crate) places: [u32; PATH_LEVELS_MAX],
    pub(crate) length: u8,
    /// The newest window that existed at the time: a younger one knows nothing of this pass.
    pub(crate) created: u32,
    pub(crate) tokens: u64,
    pub(crate) taken: Moment,
}

impl Pass {
    /// The tokens that were reserved.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + use<> {
        self.places.into_iter().take(usize::from(self.length)).map(|place| place as usize)
    }
}
