//! Wallets: what tenants pay in advance. A tenant with `wallet = true` may use, in total, what it was charged before it
//! had one (the opening entry) and everything that was credited since.

use base::{Money, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::chain::Canonical;
use super::{Entries, Names};
use crate::resource::TenantResource;
use crate::store::wall_clock;
use crate::{ApplyError, Kind, Store, StoreError, feed};

/// Longest note and reference, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Why a wallet's balance moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreditKind {
    /// The tenant paid.
    TopUp,
    /// The tenant was paid back: the amount is negative.
    Refund,
    /// The operator corrects the balance, in either direction.
    Adjustment,
    /// What the tenant was charged before it had a wallet. Only the store itself makes it.
    Opening,
}

impl CreditKind {
    const ALL: [CreditKind; 4] = [CreditKind::TopUp, CreditKind::Refund, CreditKind::Adjustment, CreditKind::Opening];

    /// The name in lists and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CreditKind::TopUp => "topup",
            CreditKind::Refund => "refund",
            CreditKind::Adjustment => "adjustment",
            CreditKind::Opening => "opening",
        }
    }

    const fn code(self) -> i64 {
        match self {
            CreditKind::TopUp => 1,
            CreditKind::Refund => 2,
            CreditKind::Adjustment => 3,
            CreditKind::Opening => 4,
        }
    }
}

/// One movement of a wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// In nano-USD; negative takes from the wallet.
    pub nanos: i64,
    /// Why.
    pub kind: CreditKind,
    /// For people; may be empty.
    pub note: String,
    /// What it is called elsewhere, such as the number of a payment. Within a tenant the same reference counts once.
    pub reference: Option<String>,
}

/// A movement as it is in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditEntry {
    /// Its number, over all tenants.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// What it is.
    pub credit: Credit,
}

/// A tenant's wallet as far as the journal is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wallet {
    /// What the tenant may use in total, ever; zero when more was taken than given.
    pub cap: Money,
    /// What it was charged, ever.
    pub charged: Money,
    /// What stays held for attempts of which nobody knows the cost.
    pub unresolved: Money,
}

impl Wallet {
    /// What is left; calls under way are not taken off.
    #[must_use]
    pub const fn balance(&self) -> Money {
        self.cap.saturating_sub(self.charged).saturating_sub(self.unresolved)
    }
}

/// number, tenant, at, nanos, kind
pub(super) fn canonical_credit(into: &mut Canonical, numbers: [i64; 5], note: &[u8], reference: Option<&[u8]>) {
    for number in numbers {
        into.number(number);
    }
    into.blob(note);
    into.optional(reference);
}

impl Entries<'_> {
    fn credit(&mut self, tenant: &TenantId, credit: &Credit, at: Timestamp) -> Result<(), StoreError> {
        let tenant = self.name(tenant.as_str())?;
        let sql = "SELECT coalesce(max(number), 0) + 1 FROM credit";
        let number: i64 = self.transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        let sql = "INSERT INTO credit (number, block, tenant, at, nanos, kind, note, reference)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (at, nanos, kind) = (at.micros(), credit.nanos, credit.kind.code());
        let params = params![number, self.block.number, tenant, at, nanos, kind, credit.note, credit.reference];
        self.transaction.prepare_cached(sql)?.execute(params)?;
        self.block.credits += 1;
        let numbers = [number, tenant, at, nanos, kind];
        let reference = credit.reference.as_deref().map(str::as_bytes);
        canonical_credit(self.credits.add(number), numbers, credit.note.as_bytes(), reference);
        Ok(())
    }
}

/// Everything credited to a tenant, signed.
fn credited(connection: &Connection, tenant: &TenantId) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(sum(nanos), 0) FROM credit WHERE tenant = (SELECT number FROM name WHERE text = ?1)";
    Ok(connection.prepare_cached(sql)?.query_row([tenant.as_str()], |row| row.get(0))?)
}

/// What a tenant with a wallet may use in total.
pub(crate) fn cap(connection: &Connection, tenant: &TenantId) -> Result<Money, StoreError> {
    Ok(Money::from_nanos(credited(connection, tenant)?.max(0)))
}

/// What a tenant was charged, and what is unresolved, ever.
fn used(connection: &Connection, tenant: &TenantId) -> Result<[Money; 2], StoreError> {
    let sql = "SELECT sum(charged), sum(unresolved) FROM rollup
        WHERE tenant = (SELECT number FROM name WHERE text = ?1)";
    let sums = connection
        .prepare_cached(sql)?
        .query_row([tenant.as_str()], |row| Ok([row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?]))?;
    Ok(sums.map(|sum| Money::from_nanos(sum.unwrap_or(0).max(0))))
}

/// Gives a tenant that gets a wallet for the first time its opening entry.
pub(crate) fn open(transaction: &Transaction<'_>, tenant: &TenantId, at: Timestamp) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM credit WHERE tenant = (SELECT number FROM name WHERE text = ?1) LIMIT 1";
    let found = transaction.prepare_cached(sql)?.query_row([tenant.as_str()], |_| Ok(())).optional()?;
    if found.is_some() {
        return Ok(());
    }
    let [charged, _] = used(transaction, tenant)?;
    let note = "charged before the tenant had a wallet".to_owned();
    let opening = Credit { nanos: charged.nanos(), kind: CreditKind::Opening, note, reference: None };
    let mut names = Names::default();
    let mut entries = Entries::begin(transaction, &mut names)?;
    entries.credit(tenant, &opening, at)?;
    let applied = entries.applied();
    entries.seal(applied)
}

impl Store {
    /// Moves a wallet's balance; in force within a second in whichever process serves. Returns whether it was new: the
    /// same reference given again changes nothing.
    ///
    /// # Errors
    /// A problem when there is no such tenant, it has no wallet, the amount does not go with its kind, or the reference
    /// stands for something else.
    pub fn credit(&self, tenant: &TenantId, credit: &Credit) -> Result<bool, ApplyError> {
        check(tenant, credit)?;
        self.write(|transaction| {
            let Some(number) = wallet_number(transaction, tenant)? else {
                let message = "there is no such tenant with a wallet; set `wallet = true` for it first";
                return Err(ApplyError::problem(format!("tenant[{tenant}]"), message));
            };
            if let Some(reference) = &credit.reference
                && let Some(before) = by_reference(transaction, tenant, reference)?
            {
                if before == (credit.nanos, credit.kind.code()) {
                    return Ok(false);
                }
                let message = "this reference was credited before, with another amount or kind; nothing was changed";
                return Err(ApplyError::problem(format!("tenant[{tenant}].credit[{reference}]"), message));
            }
            if credited(transaction, tenant)?.checked_add(credit.nanos).is_none() {
                let message = "the balance would be larger than any that can be counted";
                return Err(ApplyError::problem(format!("tenant[{tenant}].credit"), message));
            }
            let mut names = Names::default();
            let mut entries = Entries::begin(transaction, &mut names)?;
            entries.credit(tenant, credit, wall_clock())?;
            let applied = entries.applied();
            entries.seal(applied)?;
            feed::note(transaction, Kind::Tenant, number)?;
            Ok(true)
        })
    }

    /// A tenant's wallet; `None` when there is no such tenant, or it has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn wallet(&self, tenant: &TenantId) -> Result<Option<Wallet>, StoreError> {
        let mut reader = self.reader();
        let view = reader.transaction()?;
        if wallet_number(&view, tenant)?.is_none() {
            return Ok(None);
        }
        let [charged, unresolved] = used(&view, tenant)?;
        Ok(Some(Wallet { cap: cap(&view, tenant)?, charged, unresolved }))
    }

    /// All movements of a tenant's wallet, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn credits(&self, tenant: &TenantId) -> Result<Vec<CreditEntry>, StoreError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT number, at, nanos, kind, note, reference FROM credit
             WHERE tenant = (SELECT number FROM name WHERE text = ?1) ORDER BY number",
        )?;
        let mut rows = statement.query([tenant.as_str()])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let code: i64 = row.get(3)?;
            let kind = CreditKind::ALL.into_iter().find(|kind| kind.code() == code);
            let kind = kind.ok_or_else(|| StoreError::corrupt("credit.kind", code))?;
            let credit = Credit { nanos: row.get(2)?, kind, note: row.get(4)?, reference: row.get(5)? };
            let number = row.get::<_, i64>(0)?.unsigned_abs();
            entries.push(CreditEntry { number, at: Timestamp::from_micros(row.get(1)?), credit });
        }
        Ok(entries)
    }
}

/// What can be said without looking.
fn check(tenant: &TenantId, credit: &Credit) -> Result<(), ApplyError> {
    let message = match credit.kind {
        CreditKind::TopUp if credit.nanos <= 0 => "a top-up is above zero",
        CreditKind::Refund if credit.nanos >= 0 => "a refund to the tenant takes from the wallet: it is below zero",
        CreditKind::Adjustment if credit.nanos == 0 => "an adjustment of nothing changes nothing",
        CreditKind::Opening => "an opening entry is made by the store itself; use an adjustment",
        _ if credit.note.len() > TEXT_BYTES_MAX => "a note has at most 512 bytes",
        _ if credit.reference.as_ref().is_some_and(|text| text.is_empty() || text.len() > TEXT_BYTES_MAX) => {
            "a reference has from 1 to 512 bytes"
        }
        _ => return Ok(()),
    };
    Err(ApplyError::problem(format!("tenant[{tenant}].credit"), message))
}

/// The row of a tenant that has a wallet.
fn wallet_number(connection: &Connection, tenant: &TenantId) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT number, form FROM tenant WHERE id = ?1 AND deleted = 0";
    let found = connection.prepare_cached(sql)?.query_row([tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?)));
    let Some((number, form)): Option<(i64, String)> = found.optional()? else { return Ok(None) };
    let form: TenantResource = serde_json::from_str(&form).map_err(|error| StoreError::corrupt("tenant", error))?;
    Ok((form.wallet == Some(true)).then_some(number))
}

/// Amount and kind of what a reference stands for.
fn by_reference(connection: &Connection, tenant: &TenantId, reference: &str) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT nanos, kind FROM credit
        WHERE tenant = (SELECT number FROM name WHERE text = ?1) AND reference = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([tenant.as_str(), reference], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}
