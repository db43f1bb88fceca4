//! The record of one attempt, as the gateway hands it over.

use base::{AttemptId, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use wire::{Endpoint, Usage};

use crate::resource::ProjectPath;
use crate::usage::Delta;

/// What one attempt was, used and cost.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRecord {
    /// Unique; a record given twice counts once.
    pub attempt: AttemptId,
    /// The call's name, as the client knows it.
    pub request_id: RequestId,
    /// When its hold was granted: the attempt belongs to the calendar periods of this time.
    pub at: Timestamp,
    /// Who pays.
    pub tenant: TenantId,
    /// The key's project.
    pub project: ProjectPath,
    /// The key.
    pub key: KeyId,
    /// The tenant's own user, where the call named one.
    pub end_user: Option<String>,
    /// The public model name that was served.
    pub model: ModelId,
    /// Where it went.
    pub upstream: UpstreamId,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// The upstream's HTTP status; 0 when there was none.
    pub status: u16,
    /// How it ended.
    pub ending: Ending,
    /// Tokens by class.
    pub usage: Usage,
    /// The worst case that was held.
    pub held: Money,
    /// The worst case in tokens that was held.
    pub held_tokens: u64,
    /// What the tenant was charged; zero for an unknown ending, whose hold stays.
    pub charged: Money,
    /// What the attempt cost beyond its hold: the operator's loss, never the tenant's.
    pub variance: Money,
    /// The price version that it was rated with.
    pub price_version: u32,
    /// The provider's name for the answer.
    pub upstream_response_id: Option<String>,
    /// Until the first byte of the answer, in milliseconds; 0 when none came.
    pub first_byte_ms: u32,
    /// Until the end, in milliseconds.
    pub total_ms: u32,
}

impl UsageRecord {
    /// What it adds to the sums.
    pub(crate) fn delta(&self) -> Delta {
        Delta::of(&self.usage, self.ending, (self.held, self.held_tokens), self.charged, self.variance)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The answer came whole, with its usage.
    Complete,
    /// The answer was cut short; charged is what was produced.
    Cut,
    /// Provably nothing was billed.
    Refused,
    /// Nobody knows; the hold stays.
    Unknown,
    /// Nobody knew, and later it was ended by evidence or by decision. Only answers have it; records are settled once.
    Resolved,
}

impl Ending {
    const ALL: [Ending; 5] = [Ending::Complete, Ending::Cut, Ending::Refused, Ending::Unknown, Ending::Resolved];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Ending::Complete => "complete",
            Ending::Cut => "cut",
            Ending::Refused => "refused",
            Ending::Unknown => "unknown",
            Ending::Resolved => "resolved",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Ending::Complete => 0,
            Ending::Cut => 1,
            Ending::Refused => 2,
            Ending::Unknown => 3,
            Ending::Resolved => 4,
        }
    }
}

const fn endpoint_code(endpoint: Endpoint) -> u8 {
    match endpoint {
        Endpoint::ChatCompletions => 0,
        Endpoint::Completions => 1,
        Endpoint::Embeddings => 2,
        Endpoint::ModelList => 3,
        Endpoint::ModelGet => 4,
        Endpoint::Usage => 5,
        Endpoint::Limits => 6,
        Endpoint::Explain => 7,
        Endpoint::Responses => 8,
        Endpoint::Moderations => 9,
        Endpoint::Messages => 10,
        Endpoint::CountMessageTokens => 11,
        Endpoint::GenerateContent => 12,
        Endpoint::CountTokens => 13,
        Endpoint::EmbedContent => 14,
        Endpoint::BatchEmbedContents => 15,
        Endpoint::ResponseGet => 16,
        Endpoint::ResponseDelete => 17,
        Endpoint::ResponseCancel => 18,
        Endpoint::ResponseInputItems => 19,
        Endpoint::ResponseInputTokens => 20,
        Endpoint::ImageGenerations => 21,
        Endpoint::Speech => 22,
        Endpoint::Transcriptions => 23,
        Endpoint::Translations => 24,
        Endpoint::ImageEdits => 25,
        Endpoint::ImageVariations => 26,
        Endpoint::FileUpload => 27,
        Endpoint::FileGet => 28,
        Endpoint::FileDelete => 29,
        Endpoint::FileContent => 30,
        Endpoint::FileList => 31,
        Endpoint::Realtime => 40,
        Endpoint::CohereChat => 48,
        Endpoint::CohereEmbed => 49,
        Endpoint::CohereRerank => 50,
        Endpoint::Converse => 51,
        Endpoint::Invoke => 52,
        Endpoint::OllamaChat => 53,
        Endpoint::OllamaGenerate => 54,
        Endpoint::OllamaEmbed => 55,
        Endpoint::BatchCreate => 56,
        Endpoint::BatchGet => 57,
        Endpoint::BatchCancel => 58,
        Endpoint::BatchList => 59,
        Endpoint::MessageBatchCreate => 60,
        Endpoint::MessageBatchGet => 61,
        Endpoint::MessageBatchCancel => 62,
        Endpoint::MessageBatchResults => 63,
        Endpoint::MessageBatchDelete => 64,
        Endpoint::MessageBatchList => 65,
        Endpoint::OllamaEmbeddings => 66,
        Endpoint::Predict => 67,
        Endpoint::PredictImages => 68,
        Endpoint::InvokeText => 69,
        Endpoint::InvokeVectors => 70,
        Endpoint::ResponseCompact => 71,
        Endpoint::Rerank => 72,
        Endpoint::Interactions => 73,
        Endpoint::InteractionGet => 74,
        Endpoint::InteractionDelete => 75,
        Endpoint::InteractionCancel => 76,
        Endpoint::ConversationCreate => 77,
        Endpoint::ConversationGet => 78,
        Endpoint::ConversationUpdate => 79,
        Endpoint::ConversationDelete => 80,
        Endpoint::ConversationItemsCreate => 81,
        Endpoint::ConversationItemList => 82,
        Endpoint::ConversationItemGet => 83,
        Endpoint::ConversationItemDelete => 84,
    }
}

/// In the place of an ending: the endpoint is younger than the form, and a second byte follows.
const YOUNGER: u8 = 7;
/// The first code that does not fit in four bits.
const YOUNGER_CODE_MIN: u8 = 16;

/// Bits of a row's number that hold the sequence; the epoch is above them.
const SEQUENCE_BITS: u32 = 40;

/// The number of an attempt's row, in the order of attempts; `None` beyond 2^23 starts or 2^40 attempts of one start.
pub(crate) fn attempt_number(attempt: AttemptId) -> Option<i64> {
    let fits = attempt.epoch < 1 << (63 - SEQUENCE_BITS) && attempt.sequence < 1 << SEQUENCE_BITS;
    let number = (attempt.epoch << SEQUENCE_BITS) | attempt.sequence;
    if fits { i64::try_from(number).ok() } else { None }
}

/// The attempt of a row's number.
pub(crate) fn from_attempt_number(number: i64) -> AttemptId {
    let number = number.unsigned_abs();
    AttemptId { epoch: number >> SEQUENCE_BITS, sequence: number & ((1 << SEQUENCE_BITS) - 1) }
}

/// Endpoint, ending and stream as a record has them: in one byte, or in two where the endpoint is younger than the form.
pub(crate) const fn shape(endpoint: Endpoint, ending: Ending, stream: bool) -> (u8, Option<u8>) {
    let code = endpoint_code(endpoint);
    if code < YOUNGER_CODE_MIN {
        return (code << 4 | ending.code() << 1 | stream as u8, None);
    }
    (code << 4 | YOUNGER << 1 | stream as u8, Some(code >> 4 << 3 | ending.code()))
}

/// Whether a second byte follows this first one.
pub(crate) const fn has_second_byte(first: u8) -> bool {
    first >> 1 & 7 == YOUNGER
}

/// The parts of [`shape`]; `None` when no version of this program wrote it.
pub(crate) fn from_shape(first: u8, second: Option<u8>) -> Option<(Endpoint, Ending, bool)> {
    let (code, ending) = match second {
        None => (first >> 4, first >> 1 & 7),
        // One shape has one form.
        Some(second) if second >> 3 == 0 || second >> 7 == 1 => return None,
        Some(second) => (second >> 3 << 4 | first >> 4, second & 7),
    };
    let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint_code(*endpoint) == code)?;
    let ending = Ending::ALL.into_iter().find(|one| one.code() == ending)?;
    Some((endpoint, ending, first & 1 == 1))
}

/// Where each character of a printed request id stands in its alphabet.
const DIGITS: [u8; 256] = {
    let alphabet = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut digits = [0; 256];
    let mut place = 0;
    while place < alphabet.len() {
        digits[alphabet[place] as usize] = place as u8;
        place += 1;
    }
    digits
};

/// The 128 bits that a request id prints.
pub(crate) fn request_bits(id: RequestId) -> u128 {
    let digits = id.as_str().as_bytes().iter().skip("req_".len());
    digits.fold(0, |bits, digit| bits << 5 | u128::from(DIGITS[usize::from(*digit)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_read_back_and_stay_in_order() {
        let attempts = [(0, 1), (1, 1), (1, (1 << 40) - 1), (2, 0), ((1 << 23) - 1, (1 << 40) - 1)];
        let attempts = attempts.map(|(epoch, sequence)| AttemptId { epoch, sequence });
        let numbers = attempts.map(|attempt| attempt_number(attempt).unwrap());
        assert!(numbers.is_sorted());
        assert_eq!(numbers.map(from_attempt_number), attempts);
        assert_eq!(attempt_number(AttemptId { epoch: 1 << 23, sequence: 1 }), None);
        assert_eq!(attempt_number(AttemptId { epoch: 1, sequence: 1 << 40 }), None);
    }

    #[test]
    fn a_request_id_is_read_back() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            assert_eq!(request_bits(RequestId::from_bits(bits)), bits);
        }
    }

    #[test]
    fn a_shape_is_read_back() {
        for endpoint in Endpoint::ALL {
            for ending in Ending::ALL {
                for stream in [false, true] {
                    let (first, second) = shape(endpoint, ending, stream);
                    assert_eq!(from_shape(first, second), Some((endpoint, ending, stream)));
                    assert_eq!(has_second_byte(first), second.is_some());
                }
            }
        }
        for (first, second) in
            [(5 << 1, None), (7 << 1, None), (7 << 1, Some(0)), (7 << 1, Some(5 | 1 << 3)), (14, Some(0xff))]
        {
            assert_eq!(from_shape(first, second), None, "{first} {second:?}");
        }
        assert_eq!(
            shape(Endpoint::Responses, Ending::Cut, true),
            (8 << 4 | 1 << 1 | 1, None),
            "as older versions wrote it"
        );
    }
}
