//! Wallets: what a tenant paid in advance, what is left of it, and every movement.

use base::{BudgetPeriod, Money, TenantId};
use serde::{Deserialize, Serialize};
use store::{Credit, CreditEntry, CreditKind};

use crate::error::Failure;
use crate::report::{rfc3339, tenant_id};
use crate::resources::Control;

/// What is left of a wallet: credited, less spent, less held.
#[derive(Debug, Serialize)]
pub(crate) struct WalletReport {
    tenant_id: String,
    credited_usd: Money,
    spent_usd: Money,
    held_usd: Money,
    /// Below zero where more was taken out than was left.
    balance_usd: String,
}

/// All movements of a wallet, oldest first.
#[derive(Debug, Serialize)]
pub(crate) struct CreditList {
    tenant_id: String,
    credits: Vec<CreditLine>,
}

/// One movement.
#[derive(Debug, Serialize)]
struct CreditLine {
    number: u64,
    at: String,
    usd: String,
    kind: &'static str,
    note: String,
    reference: Option<String>,
}

impl CreditLine {
    fn new(entry: &CreditEntry) -> CreditLine {
        CreditLine {
            number: entry.number,
            at: rfc3339(entry.at),
            usd: signed(entry.credit.nanos.into()),
            kind: entry.credit.kind.name(),
            note: entry.credit.note.clone(),
            reference: entry.credit.reference.clone(),
        }
    }
}

/// The body of `POST /v1/tenants/{tenant}/credits`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreditRequest {
    /// US dollars; an adjustment may be below zero, and a refund is what the tenant is paid back.
    usd: String,
    kind: KindName,
    #[serde(default)]
    note: String,
    reference: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindName {
    Topup,
    Refund,
    Adjustment,
}

impl CreditRequest {
    fn credit(self) -> Result<Credit, Failure> {
        let (is_below, digits) = match self.usd.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.usd.as_str()),
        };
        let amount = Money::parse_usd(digits).map_err(|error| Failure::problem("usd", error.to_string()))?.nanos();
        let nanos = match self.kind {
            KindName::Refund if is_below => {
                return Err(Failure::problem("usd", "a refund names what is paid back, above zero"));
            }
            KindName::Refund => -amount,
            _ if is_below => -amount,
            _ => amount,
        };
        let kind = match self.kind {
            KindName::Topup => CreditKind::TopUp,
            KindName::Refund => CreditKind::Refund,
            KindName::Adjustment => CreditKind::Adjustment,
        };
        Ok(Credit { nanos, kind, note: self.note, reference: self.reference })
    }
}

/// What a movement did.
#[derive(Debug, Serialize)]
pub(crate) struct CreditReport {
    /// False when the same reference was credited before: nothing was changed then.
    is_new: bool,
    wallet: WalletReport,
}

impl Control {
    /// What is left of a tenant's wallet, calls under way taken off.
    pub(crate) fn wallet(&self, tenant: &str) -> Result<WalletReport, Failure> {
        let id = tenant_id(tenant)?;
        let none = || {
            let advice = format!("tenant {tenant} with a wallet; set `wallet = true` for it first");
            Failure::not_found(advice)
        };
        let (credited, spent, held) = match &self.live {
            Some(_) => {
                let status = self.status(tenant)?;
                let wallet = status.figures.budgets.iter().find(|budget| budget.period == BudgetPeriod::Wallet);
                let wallet = wallet.ok_or_else(none)?;
                (wallet.limit_usd.unwrap_or_default(), wallet.spent_usd, wallet.held_usd)
            }
            None => {
                let wallet = self.store.wallet(&id).map_err(Failure::store)?.ok_or_else(none)?;
                (wallet.cap, wallet.charged, self.held(&id)?)
            }
        };
        let balance = i128::from(credited.nanos()) - i128::from(spent.nanos()) - i128::from(held.nanos());
        let (credited_usd, spent_usd, held_usd) = (credited, spent, held);
        Ok(WalletReport { tenant_id: id.to_string(), credited_usd, spent_usd, held_usd, balance_usd: signed(balance) })
    }

    fn held(&self, tenant: &TenantId) -> Result<Money, Failure> {
        let holds = self.store.holds(tenant).map_err(Failure::store)?;
        let sum = holds.iter().try_fold(Money::ZERO, |sum, hold| sum.checked_add(hold.intent.worst.usd));
        Ok(sum.unwrap_or(Money::MAX))
    }

    /// Every movement of a tenant's wallet.
    pub(crate) fn credits(&self, tenant: &str) -> Result<CreditList, Failure> {
        let wallet = self.wallet(tenant)?;
        let entries = self.store.credits(&tenant_id(tenant)?).map_err(Failure::store)?;
        Ok(CreditList { tenant_id: wallet.tenant_id, credits: entries.iter().map(CreditLine::new).collect() })
    }

    /// Moves a wallet's balance; in force before it is confirmed.
    pub(crate) fn credit(&self, tenant: &str, request: CreditRequest) -> Result<CreditReport, Failure> {
        let is_new = self.store.credit(&tenant_id(tenant)?, &request.credit()?)?;
        if let Some(live) = &self.live {
            live.refresh();
        }
        Ok(CreditReport { is_new, wallet: self.wallet(tenant)? })
    }
}

/// Nano-USD with a sign, which money itself never has.
fn signed(nanos: i128) -> String {
    let amount = Money::from_nanos(i64::try_from(nanos.unsigned_abs()).unwrap_or(i64::MAX));
    if nanos < 0 { format!("-{amount}") } else { amount.to_string() }
}
