//! Corrections from outside: credits to a wallet, refunds of a charge, and thresholds to tell of.

use base::{AccountIndex, AttemptId, Money, Timestamp};

use crate::alerts::Crossed;
use crate::amounts::Amounts;
use crate::entry::{AccountPath, Entry};
use crate::ledger::Ledger;

/// Thresholds kept until somebody takes them.
const CROSSED_MAX: usize = 4_096;

impl Ledger {
    /// Adds to a wallet, and opens it where there is none: what was charged before is not taken from it.
    ///
    /// The entry says what was credited in all, so that it may be applied twice, and that is what
    /// [`crate::AccountConfig::wallet`] has to say from then on.
    pub fn credit(&mut self, account: AccountIndex, amount: Money) -> Entry {
        let place = self.place(account);
        let in_all = self.accounts[place].credited_with(amount);
        self.accounts[place].set_credited(in_all);
        Entry::Credited { account, amount, in_all }
    }

    /// Takes back a part of what an ended attempt was charged, from every account of its path and in the periods of
    /// its grant; a period that is no longer kept is left to the books. Nothing falls below zero.
    ///
    /// That all refunds of an attempt together do not exceed its charge, and that none is counted twice, is the
    /// caller's to see to: ended attempts are not remembered here.
    pub fn refund(
        &mut self,
        path: &[AccountIndex],
        attempt: AttemptId,
        amounts: Amounts,
        granted_at: Timestamp,
    ) -> Entry {
        let path = AccountPath::new(path);
        let entry = Entry::Refunded { attempt, path, amounts, granted_at };
        self.take_back(&path, amounts, granted_at);
        entry
    }

    pub(crate) fn take_back(&mut self, path: &AccountPath, amounts: Amounts, granted_at: Timestamp) {
        for &account in path.accounts() {
            let place = self.place(account);
            self.accounts[place].refund(amounts.numbers(), granted_at);
        }
    }

    /// The thresholds that charges have crossed since the last time this was asked.
    #[must_use]
    pub fn take_crossed(&mut self) -> Vec<Crossed> {
        core::mem::take(&mut self.crossed)
    }

    /// Whether there is anything for [`Ledger::take_crossed`].
    #[must_use]
    pub fn has_crossed(&self) -> bool {
        !self.crossed.is_empty()
    }

    /// Notes the thresholds that an account's charges have reached just now.
    pub(crate) fn note_crossed(&mut self, place: usize) {
        let room = CROSSED_MAX.saturating_sub(self.crossed.len());
        self.crossed.extend(self.accounts[place].cross().into_iter().take(room));
    }
}
