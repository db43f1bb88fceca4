//! Entries: what attempts used and cost, what stays held, what tenants paid. Everything that changes them goes through
//! [`Entries`], one block of the hash chain a transaction.

mod apply;
mod chain;
mod holds;
mod keys;
mod leases;
pub(crate) mod lists;
mod names;
mod rollups;
mod rows;
mod verify;
pub(crate) mod wallet;

use rusqlite::Transaction;

use crate::StoreError;
use chain::{Block, Head, Rows};
use lists::Lists;
use rollups::Rollups;

pub use apply::{AppliedRecords, Gathered};
pub use holds::{HoldState, OpenHold};
pub(crate) use names::Names;
pub(crate) use rows::unsealed;
pub use verify::Doubt;
pub use wallet::{Credit, CreditEntry, CreditKind, Wallet};

/// Changes of entries under way in one transaction. [`Entries::seal`] makes them a block; without it the transaction
/// must not be kept.
#[must_use = "entries that are not sealed are not part of the chain"]
pub(crate) struct Entries<'a> {
    transaction: &'a Transaction<'a>,
    names: &'a mut Names,
    head: Head,
    block: Block,
    /// The canonical bytes of the rows of this block, table by table.
    usages: Rows,
    resolutions: Rows,
    credits: Rows,
    new_names: Rows,
    rollups: Rollups,
    lists: Lists,
}

impl<'a> Entries<'a> {
    pub(crate) fn begin(transaction: &'a Transaction<'a>, names: &'a mut Names) -> Result<Entries<'a>, StoreError> {
        let head = Head::read(transaction)?;
        Ok(Entries {
            transaction,
            names,
            block: Block::after(&head),
            head,
            usages: Rows::default(),
            resolutions: Rows::default(),
            credits: Rows::default(),
            new_names: Rows::default(),
            rollups: Rollups::default(),
            lists: Lists::default(),
        })
    }

    /// How far the journal was applied before.
    pub(crate) const fn applied(&self) -> i64 {
        self.head.applied
    }

    /// Writes the roll-ups, the lists and the block, if anything changed; the journal is applied up to `applied` then.
    pub(crate) fn seal(mut self, applied: i64) -> Result<(), StoreError> {
        self.block.applied = applied;
        if !self.block.differs(&self.head) {
            return Ok(());
        }
        self.rollups.write(self.transaction)?;
        self.lists.write(self.transaction, self.block.number)?;
        self.block.content = chain::content(&[&self.usages, &self.resolutions, &self.credits, &self.new_names]);
        self.block.write(self.transaction, &self.head.hash)?;
        let sql = "INSERT INTO counter (name, value) VALUES ('applied', ?1)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.transaction.prepare_cached(sql)?.execute([applied])?;
        Ok(())
    }
}
