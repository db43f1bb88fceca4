//! Records as bytes and back. Writing never fails and never exceeds the payload's limit; reading takes any bytes and
//! answers with a record that could have been written, or an error.

use base::{AttemptId, BudgetPeriod, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use ledger::{Amounts, Resource};
use wire::{Endpoint, Usage};

use super::bytes::{Reader, Writer, cut, unreadable};
use super::{
    END_USER_BYTES_MAX, Idempotency, IntentRecord, LeaseRecord, REASON_BYTES_MAX, RESPONSE_ID_BYTES_MAX, Record,
    ResolvedRecord, Settled,
};
use crate::StoreError;
use crate::resource::ProjectPath;
use crate::usage::{Ending, UsageRecord, attempt_number, from_shape, has_second_byte, request_bits, shape};

const INTENT: u8 = 1;
const SETTLED: u8 = 2;
const VOID: u8 = 3;
const LEASED: u8 = 4;
const RESOLVED: u8 = 5;
const KEYED_INTENT: u8 = 6;
const LOSS_COUNTED: u8 = 7;

/// Bit of the byte before a usage's optional parts: classes of tokens that are younger than the form follow. The lowest
/// bit says that a cost does.
const YOUNGER_CLASSES: u8 = 2;

/// The same for images and characters.
const MADE_UNITS: u8 = 4;

/// The same for images that are input, and seconds.
const HEARD_UNITS: u8 = 8;

/// Longest text of a name, so that a length that lies cannot make us allocate.
pub(super) const NAME_BYTES_MAX: usize = 512;

impl Record {
    /// The attempt that an intent of this kind and payload is for, without reading the rest; `None` for other kinds.
    pub(crate) fn attempt_of_intent(kind: u8, payload: &[u8]) -> Option<AttemptId> {
        if kind == INTENT { attempt(&mut Reader::new(payload)).ok() } else { None }
    }

    /// The attempt that a record of this kind and payload settles, without reading the rest; `None` for other kinds.
    pub(crate) fn attempt_settled(kind: u8, payload: &[u8]) -> Option<AttemptId> {
        if kind == SETTLED { attempt(&mut Reader::new(payload)).ok() } else { None }
    }

    /// Appends the payload to `into` and returns its kind.
    pub fn encode(&self, into: &mut Vec<u8>) -> u8 {
        let mut writer = Writer::new(into);
        match self {
            Record::Intent(intent) => {
                let kind = match &intent.idempotency {
                    None => INTENT,
                    Some(Idempotency { name, body }) => {
                        writer.bytes(name);
                        writer.bytes(body);
                        KEYED_INTENT
                    }
                };
                encode_intent(intent, into);
                kind
            }
            Record::Settled(usage) => {
                encode_usage(usage, into);
                SETTLED
            }
            Record::Void(attempt) => {
                put_attempt(&mut writer, *attempt);
                VOID
            }
            Record::Leased(lease) => {
                put_lease(&mut writer, lease);
                LEASED
            }
            Record::Resolved(resolved) => {
                put_attempt(&mut writer, resolved.attempt);
                writer.signed(resolved.at.micros());
                put_amounts(&mut writer, resolved.charged);
                writer.text(cut(&resolved.reason, REASON_BYTES_MAX));
                RESOLVED
            }
            Record::LossCounted(epoch) => {
                writer.number(*epoch);
                LOSS_COUNTED
            }
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// When no version of this program wrote it.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Record, StoreError> {
        let mut reader = Reader::new(payload);
        let record = match kind {
            INTENT => return decode_intent(payload).map(Record::Intent),
            KEYED_INTENT => {
                let idempotency = Some(Idempotency { name: reader.array()?, body: reader.array()? });
                return Ok(Record::Intent(IntentRecord { idempotency, ..decode_intent(reader.rest())? }));
            }
            SETTLED => return decode_usage(payload).map(Record::Settled),
            VOID => Record::Void(attempt(&mut reader)?),
            LEASED => Record::Leased(lease(&mut reader)?),
            RESOLVED => Record::Resolved(ResolvedRecord {
                attempt: attempt(&mut reader)?,
                at: Timestamp::from_micros(reader.signed()?),
                charged: amounts(&mut reader)?,
                reason: reader.text(REASON_BYTES_MAX)?.to_owned(),
            }),
            LOSS_COUNTED => Record::LossCounted(reader.number()?),
            _ => return Err(unreadable("its kind is of a newer version")),
        };
        reader.end()?;
        Ok(record)
    }
}

/// Appends the payload of an intent, without its idempotency key.
pub(crate) fn encode_intent(intent: &IntentRecord, into: &mut Vec<u8>) {
    let mut writer = Writer::new(into);
    put_attempt(&mut writer, intent.attempt);
    writer.bytes(&request_bits(intent.request_id).to_le_bytes());
    writer.signed(intent.at.micros());
    for name in [intent.tenant.as_str(), intent.project.as_str(), intent.key.as_str()] {
        writer.text(name);
    }
    writer.text(intent.model.as_str());
    writer.text(intent.upstream.as_str());
    writer.optional_text(intent.end_user.as_deref().map(|name| cut(name, END_USER_BYTES_MAX)));
    put_shape(&mut writer, intent.endpoint, Ending::Complete, intent.stream);
    put_amounts(&mut writer, intent.worst);
    writer.number(u64::from(intent.price_version));
}

/// Reads the payload of an intent.
pub(crate) fn decode_intent(payload: &[u8]) -> Result<IntentRecord, StoreError> {
    let mut reader = Reader::new(payload);
    let attempt = attempt(&mut reader)?;
    let request_id = RequestId::from_bits(u128::from_le_bytes(reader.array()?));
    let at = Timestamp::from_micros(reader.signed()?);
    let (tenant, project, key) = (tenant(&mut reader)?, project(&mut reader)?, key(&mut reader)?);
    let (model, upstream) = (model(&mut reader)?, upstream(&mut reader)?);
    let end_user = reader.optional_text(END_USER_BYTES_MAX)?.map(str::to_owned);
    let (endpoint, ending, stream) = shape_of(&mut reader)?;
    if ending != Ending::Complete {
        return Err(unreadable("an intent has no ending"));
    }
    let worst = amounts(&mut reader)?;
    let price_version = reader.small()?;
    reader.end()?;
    #[rustfmt::skip]
    let intent = IntentRecord {
        attempt, request_id, at, tenant, project, key, end_user, model, upstream, endpoint, stream, worst, price_version,
        idempotency: None,
    };
    Ok(intent)
}

/// Appends the payload of a settled attempt.
pub(crate) fn encode_usage(record: &UsageRecord, into: &mut Vec<u8>) {
    let mut writer = Writer::new(into);
    put_attempt(&mut writer, record.attempt);
    writer.bytes(&request_bits(record.request_id).to_le_bytes());
    writer.signed(record.at.micros());
    for name in [record.tenant.as_str(), record.project.as_str(), record.key.as_str()] {
        writer.text(name);
    }
    writer.text(record.model.as_str());
    writer.text(record.upstream.as_str());
    writer.optional_text(record.end_user.as_deref().map(|name| cut(name, END_USER_BYTES_MAX)));
    put_shape(&mut writer, record.endpoint, record.ending, record.stream);
    writer.number(u64::from(record.status));
    put_usage(&mut writer, &record.usage);
    for money in [record.held, record.charged, record.variance] {
        writer.number(money.nanos().unsigned_abs());
    }
    writer.number(record.held_tokens);
    for number in [record.price_version, record.first_byte_ms, record.total_ms] {
        writer.number(u64::from(number));
    }
    writer.optional_text(record.upstream_response_id.as_deref().map(|id| cut(id, RESPONSE_ID_BYTES_MAX)));
}

/// Reads the payload of a settled attempt.
pub(crate) fn decode_usage(payload: &[u8]) -> Result<UsageRecord, StoreError> {
    Settled::read(payload)?.record()
}

fn put_attempt(writer: &mut Writer<'_>, attempt: AttemptId) {
    writer.number(attempt.epoch);
    writer.number(attempt.sequence);
}

/// Only attempts that a row can be numbered by: whatever was read can be applied.
pub(super) fn attempt(reader: &mut Reader<'_>) -> Result<AttemptId, StoreError> {
    let attempt = AttemptId { epoch: reader.number()?, sequence: reader.number()? };
    attempt_number(attempt).ok_or_else(|| unreadable("its attempt is too large"))?;
    Ok(attempt)
}

fn put_amounts(writer: &mut Writer<'_>, amounts: Amounts) {
    writer.number(amounts.usd.nanos().unsigned_abs());
    writer.number(amounts.tokens);
}

fn amounts(reader: &mut Reader<'_>) -> Result<Amounts, StoreError> {
    Ok(Amounts { usd: money(reader)?, tokens: reader.number()? })
}

pub(super) fn money(reader: &mut Reader<'_>) -> Result<Money, StoreError> {
    let nanos = i64::try_from(reader.number()?).map_err(|_| unreadable("an amount is too large"))?;
    Ok(Money::from_nanos(nanos))
}

fn put_usage(writer: &mut Writer<'_>, usage: &Usage) {
    let Usage {
        input,
        cached_input,
        cache_write,
        cache_write_1h,
        image_input,
        audio_input,
        cached_audio,
        output,
        reasoning,
        audio_output,
        accepted_prediction,
        rejected_prediction,
        image_output,
        images,
        characters,
        seconds,
        web_searches,
        reported_cost,
    } = *usage;
    #[rustfmt::skip]
    let counts = [
        input, cached_input, cache_write, audio_input, output, reasoning, audio_output, accepted_prediction,
        rejected_prediction, web_searches,
    ];
    for count in counts {
        writer.number(count);
    }
    let younger = [cache_write_1h, cached_audio];
    let has_younger = younger.iter().any(|count| *count > 0);
    let made = [image_output, images, characters];
    let has_made = made.iter().any(|count| *count > 0);
    let heard = [image_input, seconds];
    let has_heard = heard.iter().any(|count| *count > 0);
    let cost = (reported_cost.is_some(), 1);
    let parts = [cost, (has_younger, YOUNGER_CLASSES), (has_made, MADE_UNITS), (has_heard, HEARD_UNITS)];
    writer.byte(parts.iter().filter(|(is_there, _)| *is_there).map(|(_, bit)| bit).sum());
    if let Some(cost) = reported_cost {
        writer.number(cost.nanos().unsigned_abs());
    }
    if has_younger {
        younger.into_iter().for_each(|count| writer.number(count));
    }
    if has_made {
        made.into_iter().for_each(|count| writer.number(count));
    }
    if has_heard {
        heard.into_iter().for_each(|count| writer.number(count));
    }
}

pub(super) fn usage(reader: &mut Reader<'_>) -> Result<Usage, StoreError> {
    let mut count = || reader.number();
    let mut usage = Usage {
        input: count()?,
        cached_input: count()?,
        cache_write: count()?,
        cache_write_1h: 0,
        image_input: 0,
        audio_input: count()?,
        cached_audio: 0,
        output: count()?,
        reasoning: count()?,
        audio_output: count()?,
        accepted_prediction: count()?,
        rejected_prediction: count()?,
        image_output: 0,
        images: 0,
        characters: 0,
        seconds: 0,
        web_searches: count()?,
        reported_cost: None,
    };
    let parts = reader.byte()?;
    if parts & !(1 | YOUNGER_CLASSES | MADE_UNITS | HEARD_UNITS) != 0 {
        return Err(unreadable("a usage has parts of a newer version"));
    }
    if parts & 1 != 0 {
        usage.reported_cost = Some(money(reader)?);
    }
    if parts & YOUNGER_CLASSES != 0 {
        (usage.cache_write_1h, usage.cached_audio) = (reader.number()?, reader.number()?);
        if (usage.cache_write_1h, usage.cached_audio) == (0, 0) {
            return Err(unreadable("a usage has classes without tokens"));
        }
    }
    if parts & MADE_UNITS != 0 {
        (usage.image_output, usage.images, usage.characters) = (reader.number()?, reader.number()?, reader.number()?);
        if (usage.image_output, usage.images, usage.characters) == (0, 0, 0) {
            return Err(unreadable("a usage has units without a count"));
        }
    }
    if parts & HEARD_UNITS != 0 {
        (usage.image_input, usage.seconds) = (reader.number()?, reader.number()?);
        if (usage.image_input, usage.seconds) == (0, 0) {
            return Err(unreadable("a usage has units without a count"));
        }
    }
    Ok(usage)
}

fn put_lease(writer: &mut Writer<'_>, lease: &LeaseRecord) {
    writer.text(lease.tenant.as_str());
    writer.optional_text(lease.project.as_ref().map(ProjectPath::as_str));
    writer.optional_text(lease.key.as_ref().map(KeyId::as_str));
    writer.byte(period_code(lease.period));
    writer.signed(lease.starts.micros());
    writer.byte(resource_code(lease.resource));
    writer.number(lease.up_to);
    writer.optional_number(lease.lost);
}

fn lease(reader: &mut Reader<'_>) -> Result<LeaseRecord, StoreError> {
    Ok(LeaseRecord {
        tenant: tenant(reader)?,
        project: if reader.flag()? { Some(project(reader)?) } else { None },
        key: if reader.flag()? { Some(key(reader)?) } else { None },
        period: from_period_code(reader.byte()?).ok_or_else(|| unreadable("its period is unknown"))?,
        starts: Timestamp::from_micros(reader.signed()?),
        resource: from_resource_code(reader.byte()?).ok_or_else(|| unreadable("its resource is unknown"))?,
        up_to: reader.number()?,
        lost: reader.optional_number()?,
    })
}

fn tenant(reader: &mut Reader<'_>) -> Result<TenantId, StoreError> {
    TenantId::new(reader.text(NAME_BYTES_MAX)?).map_err(|_| unreadable("its tenant is no name"))
}

fn project(reader: &mut Reader<'_>) -> Result<ProjectPath, StoreError> {
    ProjectPath::parse(reader.text(NAME_BYTES_MAX)?).ok_or_else(|| unreadable("its project is no path"))
}

fn key(reader: &mut Reader<'_>) -> Result<KeyId, StoreError> {
    KeyId::new(reader.text(NAME_BYTES_MAX)?).map_err(|_| unreadable("its key is no name"))
}

fn model(reader: &mut Reader<'_>) -> Result<ModelId, StoreError> {
    ModelId::new(reader.text(NAME_BYTES_MAX)?).map_err(|_| unreadable("its model is no name"))
}

fn upstream(reader: &mut Reader<'_>) -> Result<UpstreamId, StoreError> {
    UpstreamId::new(reader.text(NAME_BYTES_MAX)?).map_err(|_| unreadable("its upstream is no name"))
}

fn put_shape(writer: &mut Writer<'_>, endpoint: Endpoint, ending: Ending, stream: bool) {
    let (first, second) = shape(endpoint, ending, stream);
    writer.byte(first);
    second.into_iter().for_each(|second| writer.byte(second));
}

pub(super) fn shape_of(reader: &mut Reader<'_>) -> Result<(Endpoint, Ending, bool), StoreError> {
    let first = reader.byte()?;
    let second = if has_second_byte(first) { Some(reader.byte()?) } else { None };
    from_shape(first, second).ok_or_else(|| unreadable("its shape is unknown"))
}

/// The number of a period in records and rows.
pub(crate) const fn period_code(period: BudgetPeriod) -> u8 {
    match period {
        BudgetPeriod::Day => 0,
        BudgetPeriod::Week => 1,
        BudgetPeriod::Month => 2,
        BudgetPeriod::Year => 3,
        BudgetPeriod::Total => 4,
        BudgetPeriod::Wallet => 5,
    }
}

/// The reverse of [`period_code`].
pub(crate) fn from_period_code(code: u8) -> Option<BudgetPeriod> {
    BudgetPeriod::ALL.into_iter().chain([BudgetPeriod::Wallet]).find(|period| period_code(*period) == code)
}

/// The number of a resource in records and rows.
pub(crate) const fn resource_code(resource: Resource) -> u8 {
    match resource {
        Resource::Usd => 0,
        Resource::Tokens => 1,
    }
}

/// The reverse of [`resource_code`].
pub(crate) fn from_resource_code(code: u8) -> Option<Resource> {
    Resource::ALL.into_iter().find(|resource| resource_code(*resource) == code)
}
