//! All keys in memory, by tenant: a look is a hash under a short lock, and never waits for the store.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{AttemptId, TenantId, Timestamp};
use store::{Idempotency, UsedKey};

use super::known::{AnswerState, Found, Known};
use super::space::{Budget, Space};
use crate::settings::Settings;

/// Shards; a tenant is in one.
const SHARDS: usize = 64;
/// One tenant may have this part of each limit, so that it leaves something to the others.
const TENANT_PARTS: usize = 4;
/// Expired keys that one look takes away, so that it stays short.
const EXPIRED_PER_LOOK: usize = 4;

type Tenants = HashMap<TenantId, Tenant>;

/// See the module's description.
pub(super) struct Index {
    shards: Box<[Mutex<Tenants>]>,
    hasher: std::collections::hash_map::RandomState,
    keep_micros: i64,
    keys_max: usize,
    keys: AtomicUsize,
    stored_bytes_max: u64,
    stored_bytes: AtomicU64,
    memory_bytes_max: usize,
    memory: Arc<Budget>,
    /// Keys without an answer, by the attempt that consumed them: when it turns out to cost nothing, they are free.
    unanswered: Mutex<HashMap<AttemptId, (TenantId, [u8; 16])>>,
}

/// The keys of one tenant.
struct Tenant {
    known: HashMap<[u8; 16], Known>,
    /// Those that were consumed, about in the order in which they expire.
    expiring: VecDeque<(Timestamp, [u8; 16])>,
    /// Those whose answer is in the store, oldest first.
    written: VecDeque<(AttemptId, [u8; 16])>,
    stored_bytes: u64,
    memory: Arc<Budget>,
}

impl Index {
    pub(super) fn new(settings: &Settings) -> Index {
        Index {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: std::collections::hash_map::RandomState::new(),
            keep_micros: i64::try_from(settings.idempotency_keep.as_micros()).unwrap_or(i64::MAX),
            keys_max: settings.idempotency_keys_max,
            keys: AtomicUsize::new(0),
            stored_bytes_max: settings.idempotency_stored_bytes_max,
            stored_bytes: AtomicU64::new(0),
            memory_bytes_max: settings.idempotency_memory_bytes_max,
            memory: Budget::new(settings.idempotency_memory_bytes_max),
            unanswered: Mutex::default(),
        }
    }

    /// Nothing that is done under this lock can be half done by a panic: maps stay maps.
    fn shard(&self, tenant: &TenantId) -> MutexGuard<'_, Tenants> {
        let place = self.hasher.hash_one(tenant) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unanswered(&self) -> MutexGuard<'_, HashMap<AttemptId, (TenantId, [u8; 16])>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time before which keys have expired.
    pub(super) fn expired_before(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros().saturating_sub(self.keep_micros))
    }

    /// What is known of a key. A free one is claimed.
    pub(super) fn claim(&self, tenant: &TenantId, idempotency: Idempotency, now: Timestamp) -> Found {
        let expired_before = self.expired_before(now);
        let mut shard = self.shard(tenant);
        if !shard.contains_key(tenant) {
            shard.insert(tenant.clone(), Tenant::new(self.memory_bytes_max / TENANT_PARTS));
        }
        let tenant = shard.get_mut(tenant).expect("it was put there");
        self.expire(tenant, expired_before, EXPIRED_PER_LOOK);
        let Idempotency { name, body } = idempotency;
        match tenant.known.get(&name) {
            Some(known) if known.ended.is_some() && known.at < expired_before => self.remove(tenant, &name),
            Some(known) if known.body != body => return Found::OtherBody,
            Some(Known { ended: None, .. }) => return Found::UnderWay,
            Some(Known { ended: Some((attempt, answer)), .. }) => return Found::Ended(*attempt, answer.clone()),
            None => {}
        }
        let is_full = tenant.known.len() >= self.keys_max.div_ceil(TENANT_PARTS)
            || self.keys.load(Ordering::Relaxed) >= self.keys_max;
        if is_full {
            return Found::Full;
        }
        self.insert(tenant, name, Known { body, at: now, bytes: 0, ended: None });
        Found::Nothing
    }

    /// A claimed key's call cost nothing.
    pub(super) fn release(&self, tenant: &TenantId, name: &[u8; 16]) {
        if let Some(tenant) = self.shard(tenant).get_mut(tenant)
            && tenant.known.get(name).is_some_and(|known| known.ended.is_none())
        {
            self.remove(tenant, name);
        }
    }

    /// A claimed key's call was charged, or may yet be.
    pub(super) fn end(&self, tenant: &TenantId, name: &[u8; 16], attempt: AttemptId, answer: AnswerState) {
        let mut shard = self.shard(tenant);
        let Some(tenant) = shard.get_mut(tenant) else { return };
        let Some(known) = tenant.known.get_mut(name) else { return };
        known.ended = Some((attempt, answer));
        tenant.expiring.push_back((known.at, *name));
    }

    /// Notes that nobody knows yet what an attempt cost.
    pub(super) fn unknown(&self, tenant: &TenantId, name: [u8; 16], attempt: AttemptId) {
        self.unanswered().insert(attempt, (tenant.clone(), name));
    }

    /// An attempt of which that was not known cost nothing after all: its key is free.
    pub(super) fn free(&self, attempt: AttemptId) {
        let Some((tenant, name)) = self.unanswered().remove(&attempt) else { return };
        if let Some(tenant) = self.shard(&tenant).get_mut(&tenant)
            && tenant.known.get(&name).is_some_and(|known| known.is_of(attempt))
        {
            self.remove(tenant, &name);
        }
    }

    /// Puts back what a process before this one knew.
    pub(super) fn restore(&self, key: &UsedKey, now: Timestamp) {
        let Idempotency { name, body } = key.idempotency;
        if key.at < self.expired_before(now) {
            return;
        }
        let mut shard = self.shard(&key.tenant);
        let share = self.memory_bytes_max / TENANT_PARTS;
        let tenant = shard.entry(key.tenant.clone()).or_insert_with(|| Tenant::new(share));
        // The store and the journal may both tell of an attempt: the store, which comes first, knows of its answer.
        if tenant.known.get(&name).is_some_and(|known| known.is_of(key.attempt)) {
            return;
        }
        self.remove(tenant, &name);
        let answer = match key.answer_bytes {
            Some(_) => AnswerState::Written,
            None => AnswerState::Lost,
        };
        self.insert(tenant, name, Known { body, at: key.at, bytes: 0, ended: Some((key.attempt, answer)) });
        tenant.expiring.push_back((key.at, name));
        match key.answer_bytes {
            Some(bytes) => {
                self.count(tenant, &name, bytes);
                tenant.written.push_back((key.attempt, name));
            }
            None => {
                drop(shard);
                self.unknown(&key.tenant, name, key.attempt);
            }
        }
    }

    /// Memory for an answer of a tenant.
    pub(super) fn space(&self, tenant: &TenantId) -> Space {
        let shard = self.shard(tenant);
        let own = shard.get(tenant).map_or_else(|| Budget::new(0), |tenant| tenant.memory.clone());
        Space::new([self.memory.clone(), own])
    }

    /// Makes room in the store for the answer of a waiting key, at the cost of the tenant's oldest ones: those are lost
    /// then, and added to `dropped`. Says no when there is no room, or nobody would look for the answer any more.
    pub(super) fn room(&self, key: &UsedKey, dropped: &mut Vec<AttemptId>) -> bool {
        let bytes = key.answer_bytes.unwrap_or_default();
        let mut shard = self.shard(&key.tenant);
        let Some(tenant) = shard.get_mut(&key.tenant) else { return false };
        let name = key.idempotency.name;
        if !tenant.known.get(&name).is_some_and(|known| known.is_of(key.attempt)) {
            return false;
        }
        let share = self.stored_bytes_max / TENANT_PARTS as u64;
        let fits = |tenant: &Tenant| {
            let all = self.stored_bytes.load(Ordering::Relaxed);
            tenant.stored_bytes + bytes <= share && all + bytes <= self.stored_bytes_max
        };
        while bytes <= share && !fits(tenant) {
            let Some((attempt, oldest)) = tenant.written.pop_front() else { break };
            if tenant.known.get(&oldest).is_some_and(|known| known.is_of(attempt)) {
                self.count(tenant, &oldest, 0);
                tenant.set(&oldest, attempt, AnswerState::Lost);
                dropped.push(attempt);
            }
        }
        if !fits(tenant) {
            tenant.set(&name, key.attempt, AnswerState::Lost);
            return false;
        }
        self.count(tenant, &name, bytes);
        true
    }

    /// The answer of a key is in the store.
    pub(super) fn written(&self, key: &UsedKey) {
        let mut shard = self.shard(&key.tenant);
        let Some(tenant) = shard.get_mut(&key.tenant) else { return };
        if tenant.set(&key.idempotency.name, key.attempt, AnswerState::Written) {
            tenant.written.push_back((key.attempt, key.idempotency.name));
        }
    }

    /// Takes expired keys away, a bounded number under each lock.
    pub(super) fn sweep(&self, now: Timestamp) {
        let before = self.expired_before(now);
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for tenant in shard.values_mut() {
                self.expire(tenant, before, 10_000);
            }
            shard.retain(|_, tenant| !tenant.known.is_empty() || Arc::strong_count(&tenant.memory) > 1);
        }
        self.unanswered().retain(|attempt, (tenant, name)| {
            let shard = self.shard(tenant);
            shard.get(tenant).and_then(|tenant| tenant.known.get(name)).is_some_and(|known| known.is_of(*attempt))
        });
    }

    fn expire(&self, tenant: &mut Tenant, before: Timestamp, keys_max: usize) {
        for _ in 0..keys_max {
            let Some((at, name)) = tenant.expiring.front().copied().filter(|(at, _)| *at < before) else { break };
            tenant.expiring.pop_front();
            if tenant.known.get(&name).is_some_and(|known| known.ended.is_some() && known.at == at) {
                self.remove(tenant, &name);
            }
        }
        let is_stale = |tenant: &Tenant, (attempt, name): (AttemptId, [u8; 16])| {
            !tenant.known.get(&name).is_some_and(|known| known.is_of(attempt))
        };
        while tenant.written.front().is_some_and(|oldest| is_stale(tenant, *oldest)) {
            tenant.written.pop_front();
        }
    }

    fn insert(&self, tenant: &mut Tenant, name: [u8; 16], known: Known) {
        if tenant.known.insert(name, known).is_none() {
            self.keys.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn remove(&self, tenant: &mut Tenant, name: &[u8; 16]) {
        self.count(tenant, name, 0);
        if tenant.known.remove(name).is_some() {
            self.keys.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts an answer with this many bytes in the store.
    fn count(&self, tenant: &mut Tenant, name: &[u8; 16], bytes: u64) {
        let Some(known) = tenant.known.get_mut(name) else { return };
        let before = core::mem::replace(&mut known.bytes, bytes);
        tenant.stored_bytes = tenant.stored_bytes - before + bytes;
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.stored_bytes.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Tenant {
    fn new(memory_bytes_max: usize) -> Tenant {
        Tenant {
            known: HashMap::new(),
            expiring: VecDeque::new(),
            written: VecDeque::new(),
            stored_bytes: 0,
            memory: Budget::new(memory_bytes_max),
        }
    }

    /// Where the answer of a key's attempt is now. Says no when the key is not that attempt's any more.
    fn set(&mut self, name: &[u8; 16], attempt: AttemptId, answer: AnswerState) -> bool {
        match self.known.get_mut(name).filter(|known| known.is_of(attempt)) {
            Some(known) => {
                known.ended = Some((attempt, answer));
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
