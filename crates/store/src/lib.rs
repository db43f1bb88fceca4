//! Durable resources and usage in SQLite, and the live directory of tenants, keys, models and prices that serves from
//! memory.
//!
//! **Architecture invariant:** only `store` contains SQL and opens the database file. It knows no HTTP, no request
//! pipeline, no ledger state in memory and no async runtime: every call blocks, and callers decide where.
//!
//! Invariants: nothing is half applied; secrets of keys exist only as keyed hashes and credentials of upstreams only
//! sealed; price versions never change once they were in force; a usage record counts once however often it is given;
//! roll-ups equal the sums of the records, to the nano-dollar.

mod anchor;
mod apply;
mod archive;
mod batches;
mod data_dir;
mod database;
mod directory;
mod entries;
mod error;
mod export;
mod feed;
mod idempotency;
mod journaled;
mod kept;
pub mod resource;
mod rows;
mod secret;
pub mod status;
mod store;
mod supply;
mod usage;
mod validate;
mod verbs;

pub use anchor::ClockAnchor;
pub use apply::{Action, Applied, ApplyOptions, Change};
pub use batches::OpenBatch;
pub use data_dir::{AlreadyServing, ServingGuard};
pub use directory::{Account, AccountName, AccountSettings, Directory, LiveKey, LiveTenant, WatchGuard};
pub use entries::{AppliedRecords, Credit, CreditEntry, CreditKind, Doubt, Gathered, HoldState, OpenHold, Wallet};
pub use error::{ApplyError, Problem, StoreError};
pub use feed::{ChangeNote, Kind};
pub use idempotency::{KeptAnswer, UsedKey};
pub use journaled::{
    END_USER_BYTES_MAX, Idempotency, IntentRecord, LeaseRecord, PAYLOAD_BYTES_MAX, Record, ResolvedRecord,
};
pub use kept::{KeptObject, ListedObject, ObjectKind, ObjectPage};
pub use resource::{Defaults, Network, ProjectPath, Resources, Temperature};
pub use secret::{MasterKeySource, NewSecret, ObjectOrigin, ObjectSeal, OwnedObject};
pub use store::Store;
pub use usage::{
    Ending, RecentMoment, RecentUse, RestoredAccount, UsageBy, UsageGroup, UsageQuery, UsageRecord, UsageReport,
    UsageSums,
};

#[cfg(test)]
mod tests;
