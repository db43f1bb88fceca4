//! Request bodies in memory, and whole answers, counted by tenant: one tenant's cannot take the room of another's.
//!
//! A body is refused before it is read where its tenant has as many bytes in memory as it may. Its share ends when the
//! last part of it is gone, whoever has it: a call that waits, an attempt that may be repeated, a count of its tokens.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use base::{AccountIndex, AccountMap, Refusal};
use bytes::Bytes;

/// Smaller bodies are not counted: the caps on connections bound them, and most calls have no other.
pub(crate) const SMALL_BYTES: u64 = 16 << 10;
/// When to come back: bodies go as fast as calls end.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bytes of each tenant that has any.
pub(crate) struct Bodies {
    tenants: Mutex<AccountMap<u64>>,
    tenant_bytes_max: u64,
}

/// Bytes that are counted for a tenant until this is dropped.
pub(crate) struct Share {
    bodies: Arc<Bodies>,
    tenant: AccountIndex,
    bytes: u64,
}

impl Bodies {
    pub(crate) fn new(tenant_bytes_max: u64) -> Arc<Bodies> {
        Arc::new(Bodies { tenants: Mutex::default(), tenant_bytes_max })
    }

    /// The room for a body of at least so many bytes of a tenant.
    ///
    /// # Errors
    /// 503 when its tenant has too much in memory already.
    pub(crate) fn enter(self: &Arc<Bodies>, tenant: AccountIndex, bytes: u64) -> Result<Share, Refusal> {
        let mut share = self.share(tenant);
        share.grow(bytes).map(|()| share)
    }

    /// A share of nothing yet.
    pub(crate) fn share(self: &Arc<Bodies>, tenant: AccountIndex) -> Share {
        Share { bodies: self.clone(), tenant, bytes: 0 }
    }

    /// Bytes of all tenants.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().values().sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, AccountMap<u64>> {
        self.tenants.lock().expect("no panic while bytes are counted")
    }
}

impl Share {
    /// Makes it a share of `bytes`, if there is room; small ones need none.
    ///
    /// # Errors
    /// As for [`Bodies::enter`].
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<(), Refusal> {
        if bytes <= self.bytes.max(SMALL_BYTES) {
            return Ok(());
        }
        let mut tenants = self.bodies.lock();
        let sum = tenants.entry(self.tenant).or_insert(0);
        let others = *sum - self.bytes;
        let grown = others + bytes;
        // The only one of its tenant is let in whatever its size, which has a limit of its own.
        if others > 0 && grown > self.bodies.tenant_bytes_max {
            return Err(Refusal::Overloaded { retry_after: RETRY_AFTER });
        }
        (*sum, self.bytes) = (grown, bytes);
        Ok(())
    }

    /// The body that has this share: it ends with the last reference to it.
    pub(crate) fn hold(self, body: Bytes) -> Bytes {
        if self.bytes == 0 { body } else { Bytes::from_owner(Held { body, _share: self }) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut tenants = self.bodies.lock();
        if let Some(sum) = tenants.get_mut(&self.tenant) {
            *sum -= self.bytes;
            if *sum == 0 {
                tenants.remove(&self.tenant);
            }
        }
    }
}

struct Held {
    body: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;

    #[test]
    fn a_share_ends_with_the_last_part_of_its_body() {
        let bodies = Bodies::new(100 * KIB);
        let (one, other) = (AccountIndex(1), AccountIndex(2));
        let share = bodies.enter(one, 60 * KIB).unwrap();
        assert!(bodies.enter(one, 60 * KIB).is_err());
        assert!(bodies.enter(other, 60 * KIB).is_ok(), "another tenant has its own room");
        assert!(bodies.enter(one, 10 * KIB).is_ok(), "small bodies are always let in");
        let body = share.hold(Bytes::from(vec![7; 60 << 10]));
        let part = body.slice(10..20);
        drop(body);
        assert!(bodies.enter(one, 60 * KIB).is_err(), "a part is still there");
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert!(bodies.enter(one, 60 * KIB).is_ok());
        assert!(bodies.lock().is_empty(), "who has nothing is forgotten");
    }

    #[test]
    fn a_body_that_does_not_say_its_length_is_counted_as_it_comes() {
        let bodies = Bodies::new(100 * KIB);
        let other = bodies.enter(AccountIndex(1), 20 * KIB).unwrap();
        let mut share = bodies.enter(AccountIndex(1), 0).unwrap();
        for kib in [1, 17, 50, 80] {
            share.grow(kib * KIB).unwrap();
        }
        assert!(share.grow(81 * KIB).is_err());
        assert_eq!(bodies.lock()[&AccountIndex(1)], 100 * KIB);
        drop(other);
        assert!(share.grow(200 * KIB).is_ok(), "the only body of a tenant");
        drop(share);
        assert!(bodies.lock().is_empty());
    }
}
