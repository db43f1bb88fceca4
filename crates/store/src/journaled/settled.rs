//! A settled attempt as its bytes tell it: read in place, for whoever goes through many.

use base::{AttemptId, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use wire::{Endpoint, Usage};

use super::bytes::{Reader, unreadable};
use super::codec::{NAME_BYTES_MAX, attempt, money, shape_of, usage};
use super::{END_USER_BYTES_MAX, RESPONSE_ID_BYTES_MAX};
use crate::StoreError;
use crate::resource::ProjectPath;
use crate::usage::{Delta, Ending, UsageRecord};

/// How many names are in [`Settled::names`].
const NAMES: usize = 5;

/// The names of a settled attempt, not known to be any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledNames<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) project: &'a str,
    pub(crate) key: &'a str,
    pub(crate) model: &'a str,
    upstream: &'a str,
}

/// A [`UsageRecord`] whose texts are still where they were read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled<'a> {
    pub(crate) attempt: AttemptId,
    request_id: RequestId,
    pub(crate) at: Timestamp,
    /// Whose it is and of what, as it was written: [`Settled::names`] reads it. The same bytes are the same names.
    pub(crate) names: &'a [u8],
    pub(crate) end_user: Option<&'a str>,
    endpoint: Endpoint,
    pub(crate) ending: Ending,
    stream: bool,
    status: u16,
    usage: Usage,
    held: Money,
    charged: Money,
    variance: Money,
    held_tokens: u64,
    price_version: u32,
    first_byte_ms: u32,
    total_ms: u32,
    upstream_response_id: Option<&'a str>,
}

impl<'a> Settled<'a> {
    /// Reads the payload of a settled attempt.
    pub(crate) fn read(payload: &'a [u8]) -> Result<Settled<'a>, StoreError> {
        let mut reader = Reader::new(payload);
        let attempt = attempt(&mut reader)?;
        let request_id = RequestId::from_bits(u128::from_le_bytes(reader.array()?));
        let at = Timestamp::from_micros(reader.signed()?);
        let names = reader.raw_texts(NAMES, NAME_BYTES_MAX)?;
        let end_user = reader.optional_text(END_USER_BYTES_MAX)?;
        let (endpoint, ending, stream) = shape_of(&mut reader)?;
        let status = reader.small()?;
        let usage = usage(&mut reader)?;
        let (held, charged, variance) = (money(&mut reader)?, money(&mut reader)?, money(&mut reader)?);
        let held_tokens = reader.number()?;
        let (price_version, first_byte_ms, total_ms) = (reader.small()?, reader.small()?, reader.small()?);
        let upstream_response_id = reader.optional_text(RESPONSE_ID_BYTES_MAX)?;
        reader.end()?;
        #[rustfmt::skip]
        let settled = Settled {
            attempt, request_id, at, names, end_user, endpoint, ending, stream, status, usage, held, charged, variance,
            held_tokens, price_version, first_byte_ms, total_ms, upstream_response_id,
        };
        Ok(settled)
    }

    /// Reads whose it is and of what.
    pub(crate) fn names(&self) -> Result<SettledNames<'a>, StoreError> {
        let mut reader = Reader::new(self.names);
        let mut name = || reader.text(NAME_BYTES_MAX);
        Ok(SettledNames { tenant: name()?, project: name()?, key: name()?, model: name()?, upstream: name()? })
    }

    /// With texts of its own, of which it is known what they are.
    pub(crate) fn record(&self) -> Result<UsageRecord, StoreError> {
        let names = self.names()?;
        Ok(UsageRecord {
            attempt: self.attempt,
            request_id: self.request_id,
            at: self.at,
            tenant: TenantId::new(names.tenant).map_err(|_| unreadable("its tenant is no name"))?,
            project: ProjectPath::parse(names.project).ok_or_else(|| unreadable("its project is no path"))?,
            key: KeyId::new(names.key).map_err(|_| unreadable("its key is no name"))?,
            end_user: self.end_user.map(str::to_owned),
            model: ModelId::new(names.model).map_err(|_| unreadable("its model is no name"))?,
            upstream: UpstreamId::new(names.upstream).map_err(|_| unreadable("its upstream is no name"))?,
            endpoint: self.endpoint,
            stream: self.stream,
            status: self.status,
            ending: self.ending,
            usage: self.usage,
            held: self.held,
            held_tokens: self.held_tokens,
            charged: self.charged,
            variance: self.variance,
            price_version: self.price_version,
            upstream_response_id: self.upstream_response_id.map(str::to_owned),
            first_byte_ms: self.first_byte_ms,
            total_ms: self.total_ms,
        })
    }

    /// What it adds to the sums.
    pub(crate) fn delta(&self) -> Delta {
        Delta::of(&self.usage, self.ending, (self.held, self.held_tokens), self.charged, self.variance)
    }

    /// Tokens that count against windows: what was used, at most what was reserved; all of that, where nobody knows. None
    /// of a batch, which its provider goes through in its own time.
    pub(crate) fn counted_tokens(&self) -> u64 {
        if self.endpoint.makes_batch() {
            return 0;
        }
        let used = self.usage.input.saturating_add(self.usage.output);
        if self.ending == Ending::Unknown { self.held_tokens } else { used.min(self.held_tokens) }
    }
}
