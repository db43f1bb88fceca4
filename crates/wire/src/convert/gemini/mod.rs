//! The dialect of Google's contents.

mod answer_read;
mod answer_write;
mod request_read;
mod request_write;
mod schema;

pub(super) use self::answer_read::Reader;
pub(super) use self::answer_write::{Writer, whole};
pub(super) use self::request_read::read;
pub(super) use self::request_write::write;

/// What Google's documents have for the seal of a call that its models did not make.
const NO_SEAL: &str = "skip_thought_signature_validator";

/// Whether a seal says that there is none. Google's clients write the words in base64, as they do all seals.
fn is_no_seal(seal: &str) -> bool {
    const OTHERS: [&str; 3] = [
        "context_engineering_is_the_way_to_go",
        "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
        "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
    ];
    seal.is_empty() || seal == NO_SEAL || OTHERS.contains(&seal)
}
