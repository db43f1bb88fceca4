//! Names of things. A name given by people is a checked text of its own type, so that two kinds cannot be confused.

use core::fmt;

use ecow::EcoString;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Longest name of a tenant, project, key or upstream, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest name of a model, in bytes.
const MODEL_BYTES_MAX: usize = 128;
/// Longest name of an end user, in bytes.
const END_USER_BYTES_MAX: usize = 256;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than the limit in bytes.
    #[error("a name has at most {0} bytes")]
    TooLong(usize),
    /// The text has a character outside the allowed ones.
    #[error("a name has only letters, digits and {0}")]
    BadCharacter(&'static str),
}

/// Checks that `text` is non-empty, at most `bytes_max` long and only of ASCII letters, digits and `marks`.
fn check(text: &str, bytes_max: usize, marks: &'static str, allowed: &[bool; 256]) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > bytes_max {
        return Err(IdError::TooLong(bytes_max));
    }
    let good = text.bytes().all(|byte| allowed[usize::from(byte)]);
    if good { Ok(()) } else { Err(IdError::BadCharacter(marks)) }
}

/// The bytes that names with these `marks` may have: names are checked with every call and every record.
const fn allowed(marks: &str) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut place = 0;
    while place < marks.len() {
        table[marks.as_bytes()[place] as usize] = true;
        place += 1;
    }
    table
}

// Of up to 15 bytes the text is in the value itself: most names are that short, and there are three for each tenant.
// A longer one is shared by its clones.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $bytes_max:expr, $marks:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(EcoString);

        impl $name {
            /// Takes a text as a name.
            ///
            /// # Errors
            /// [`IdError`] when it is empty, too long, or has a character that names must not have.
            pub fn new(text: &str) -> Result<$name, IdError> {
                static ALLOWED: [bool; 256] = allowed($marks);
                check(text, $bytes_max, $marks, &ALLOWED)?;
                Ok($name(EcoString::from(text)))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        /// Lets a map keyed by this id be asked with a plain `&str`.
        impl core::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                $name::new(&text).map_err(de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A customer or department.
    TenantId, NAME_BYTES_MAX, "._-"
);
text_id!(
    /// A subdivision of a tenant; unique within it.
    ProjectId, NAME_BYTES_MAX, "._-"
);
text_id!(
    /// The name of a key (not its secret); unique within its project.
    KeyId, NAME_BYTES_MAX, "._-"
);
text_id!(
    /// An address with credentials and quirks.
    UpstreamId, NAME_BYTES_MAX, "._-"
);
text_id!(
    /// A public model name, or the name that an upstream knows it by.
    ModelId, MODEL_BYTES_MAX, "._-/:@+"
);
text_id!(
    /// The tenant's own user.
    EndUserId, END_USER_BYTES_MAX, "._-/:@+|="
);

/// The place of an account (tenant, project or key) in the live directory of this process.
///
/// Dense and never reused while the process lives; records carry the names instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountIndex(pub u32);

/// One upstream request of a call: the epoch of the process that made it, and a sequence number within it.
///
/// Made before the first write, so that every record of the attempt can be applied more than once safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AttemptId {
    /// Unique per start of a process on one data directory, increasing.
    pub epoch: u64,
    /// From one, increasing, within the epoch.
    pub sequence: u64,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

/// The name of one call, given back to the client as `X-Request-Id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; RequestId::LENGTH]);

impl RequestId {
    /// Bytes of the printed form: `req_` and 26 characters.
    pub const LENGTH: usize = 30;

    /// Prints 128 bits in lower-case base 32 (Crockford's alphabet).
    #[must_use]
    pub fn from_bits(bits: u128) -> RequestId {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut text = *b"req_00000000000000000000000000";
        let mut rest = bits;
        for byte in text[4..].iter_mut().rev() {
            *byte = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        RequestId(text)
    }

    /// The printed form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert!(TenantId::new("tenant_premium_001").is_ok());
        assert!(ModelId::new("accounts/fireworks/models/llama-v3:free@latest").is_ok());
        assert_eq!(TenantId::new(""), Err(IdError::Empty));
        assert_eq!(TenantId::new(&"x".repeat(65)), Err(IdError::TooLong(64)));
        for bad in ["a/b", "a b", "a\n", "ä", "<script>", "a\0"] {
            assert!(TenantId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_takes_two_words() {
        assert_eq!(size_of::<TenantId>(), 16);
        for text in ["a", "fifteen.bytes-1", "sixteen.bytes-16", "a-name-of-any-length-that-is-allowed"] {
            let name = TenantId::new(text).unwrap();
            assert_eq!((name.as_str(), name.clone().as_str()), (text, text));
            let copy = name.clone();
            // Only what is not in the value itself is in the same place.
            assert_eq!(core::ptr::eq(copy.as_str(), name.as_str()), text.len() > 15, "{text}");
        }
    }

    #[test]
    fn a_request_id_is_thirty_plain_characters() {
        assert_eq!(RequestId::from_bits(0).as_str(), "req_00000000000000000000000000");
        assert_eq!(RequestId::from_bits(u128::MAX).as_str(), "req_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_ne!(RequestId::from_bits(1), RequestId::from_bits(1 << 64));
    }
}
