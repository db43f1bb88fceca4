//! The question whether a call may go ahead, and the permission.

use base::{AccountIndex, Moment, PATH_LEVELS_MAX, Part};

use crate::status::Breach;

/// One call, as windows see it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Its accounts, the tenant first.
    pub path: &'a [AccountIndex],
    /// The public name of the model that it asks for.
    pub model: Option<&'a str>,
    /// Its end user, by a keyed hash of the name. See [`crate::Admission::limits_end_users`].
    pub end_user: Option<u64>,
    /// The tokens that it reserves.
    pub tokens: u64,
}

impl<'a> Ask<'a> {
    /// A call of which only the accounts are known.
    #[must_use]
    pub const fn of(path: &'a [AccountIndex], tokens: u64) -> Ask<'a> {
        Ask { path, model: None, end_user: None, tokens }
    }
}

/// Windows of a part of an account's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartPlace {
    /// Where they are in the vector of accounts.
    pub(crate) place: u32,
    /// Whose part it is: the level in the path.
    pub(crate) level: u8,
    pub(crate) part: Part,
}

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
    /// 0 for a call of a session, which has a slot already.
    pub(crate) slots: u8,
    pub(crate) taken: Moment,
    /// Only where an account of its path has more than windows.
    pub(crate) more: Option<Box<PassMore>>,
}

/// What few passes have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PassMore {
    /// Windows of its model and its end user.
    pub(crate) parts: Vec<PartPlace>,
    /// Whether it took from the windows that are only watched as well.
    pub(crate) is_watched: bool,
    pub(crate) shadow: Option<Breach>,
}

impl Pass {
    /// The tokens that were reserved.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The limit that would have refused this call, were it not only watched.
    #[must_use]
    pub fn shadow_breach(&self) -> Option<&Breach> {
        self.more.as_ref().and_then(|more| more.shadow.as_ref())
    }

    /// Windows of its model and its end user.
    #[inline]
    pub(crate) fn parts(&self) -> &[PartPlace] {
        self.more.as_ref().map_or(&[], |more| &more.parts)
    }

    /// Its accounts as a whole.
    #[inline]
    pub(crate) fn accounts(&self) -> &[u32] {
        &self.places[..usize::from(self.length)]
    }

    /// All windows that it has to do with.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> + use<'_> {
        let accounts = self.places[..usize::from(self.length)].iter().map(|&place| place as usize);
        accounts.chain(self.parts().iter().map(|part| part.place as usize))
    }

    /// The same, with the level of the account and the part of its calls.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = (usize, usize, Part)> + use<'_> {
        let accounts = self.places[..usize::from(self.length)].iter().enumerate();
        let accounts = accounts.map(|(level, &place)| (place as usize, level, Part::Whole));
        accounts.chain(self.parts().iter().map(|part| (part.place as usize, usize::from(part.level), part.part)))
    }
}
