//! How tenants and keys are found: by what stands in them, so that nothing is kept twice.

use core::borrow::Borrow;
use core::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use super::{LiveKey, LiveTenant};
use crate::secret::SecretHash;

/// A key as its hash.
pub(super) struct ByHash(pub(super) Arc<LiveKey>);

impl Borrow<SecretHash> for ByHash {
    fn borrow(&self) -> &SecretHash {
        &self.0.hash
    }
}

impl PartialEq for ByHash {
    fn eq(&self, other: &ByHash) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for ByHash {}

impl Hash for ByHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}

/// A tenant as its name.
pub(super) struct ById(pub(super) Arc<LiveTenant>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.id().as_str()
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &ById) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().as_str().hash(state);
    }
}

/// See [`FirstEight`].
pub(super) type FirstBytes = BuildHasherDefault<FirstEight>;

/// Takes the first eight bytes of a keyed hash as they are: nobody without the pepper can choose them.
#[derive(Default)]
pub(super) struct FirstEight(u64);

impl Hasher for FirstEight {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length that precedes an array says nothing.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
