//! What stands in the journal: the records of the store, and one that only the simulator has so far.

use base::{AttemptId, BudgetPeriod, Timestamp};
use ledger::{Lost, Resource};
use store::{LeaseRecord, Record};

use crate::scenario;

const REFUNDED: u8 = 203;

/// One record.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most lines are real ones")]
pub(crate) enum Line {
    /// As the relay writes it.
    Real(Record),
    /// So much of a lease is lost; nothing any more when the amount is zero.
    Lost(LostLine),
    /// A part of a charge was taken back.
    Refunded { attempt: AttemptId, number: u64, amounts: [u64; 2] },
}

/// What is lost of one resource in one period of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LostLine {
    pub(crate) account: usize,
    pub(crate) period: BudgetPeriod,
    pub(crate) starts: Timestamp,
    pub(crate) resource: Resource,
    pub(crate) amount: u64,
}

impl LostLine {
    pub(crate) fn of(lost: &Lost) -> LostLine {
        let Lost { account, period, starts, resource, amount } = *lost;
        LostLine { account: account.0 as usize, period, starts, resource, amount }
    }
}

impl Line {
    pub(crate) fn encode(&self) -> (u8, Vec<u8>) {
        let mut bytes = Vec::with_capacity(512);
        let put = |bytes: &mut Vec<u8>, numbers: &[u64]| {
            numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        };
        let kind = match self {
            Line::Real(record) => record.encode(&mut bytes),
            Line::Lost(lost) => lost.record().encode(&mut bytes),
            Line::Refunded { attempt, number, amounts } => {
                put(&mut bytes, &[attempt.epoch, attempt.sequence, *number, amounts[0], amounts[1]]);
                REFUNDED
            }
        };
        (kind, bytes)
    }

    /// `None` for bytes that nobody wrote.
    pub(crate) fn decode(kind: u8, payload: &[u8]) -> Option<Line> {
        let numbers = || -> Option<[u64; 5]> {
            let mut numbers = payload.chunks_exact(8).map(|bytes| bytes.try_into().map(u64::from_le_bytes));
            let mut next = || numbers.next()?.ok();
            Some([next()?, next()?, next()?, next()?, next()?])
        };
        match kind {
            REFUNDED => {
                let [epoch, sequence, number, usd, tokens] = numbers()?;
                let attempt = AttemptId { epoch, sequence };
                Some(Line::Refunded { attempt, number, amounts: [usd, tokens] })
            }
            _ => match Record::decode(kind, payload).ok()? {
                Record::Leased(lease) if lease.lost.is_some() => LostLine::read(&lease).map(Line::Lost),
                record => Some(Line::Real(record)),
            },
        }
    }
}

impl LostLine {
    pub(crate) fn record(&self) -> Record {
        let (tenant, project, key) = scenario::names_of(self.account);
        let LostLine { period, starts, resource, amount, .. } = *self;
        Record::Leased(LeaseRecord { tenant, project, key, period, starts, resource, up_to: 0, lost: Some(amount) })
    }

    fn read(lease: &LeaseRecord) -> Option<LostLine> {
        let account = scenario::account_named(lease)?;
        let LeaseRecord { period, starts, resource, lost, .. } = *lease;
        Some(LostLine { account, period, starts, resource, amount: lost? })
    }
}

/// Where a period stands in [`BudgetPeriod::ALL`]; a wallet is counted where all time is.
pub(crate) fn period_number(period: BudgetPeriod) -> usize {
    BudgetPeriod::ALL.iter().position(|&one| one == period).unwrap_or(BudgetPeriod::ALL.len() - 1)
}
