//! The idempotency keys that attempts consume. They are no money: the chain does not cover them.

use super::Entries;
use crate::{StoreError, UsedKey};

impl Entries<'_> {
    /// Notes a key as consumed.
    pub(super) fn use_key(&self, key: &UsedKey) -> Result<(), StoreError> {
        key.write(self.transaction)
    }

    /// The attempt cost nothing: its key may be used again.
    pub(super) fn free_key(&self, attempt: i64) -> Result<(), StoreError> {
        self.transaction.prepare_cached("DELETE FROM used_key WHERE attempt = ?1")?.execute([attempt])?;
        Ok(())
    }
}
