//! The secrets of keys: `mk-`, 43 characters of 256 random bits, and 6 of a checksum that tells a key from a typing error
//! and lets scanners find leaked ones.

use core::fmt;

use base::Secret;

use super::{SECRET_BYTES_MAX, random};
use crate::StoreError;

const PREFIX: &str = "mk-";
const RANDOM_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Shortest imported secret in bytes.
pub(crate) const SECRET_BYTES_MIN: usize = 20;

/// A secret that was just made. It is shown once; the store keeps only its keyed hash.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Whose: `acme/search/ci`.
    pub key: String,
    /// The secret itself.
    pub secret: Secret<String>,
}

/// Makes a new secret.
pub(crate) fn generate() -> Result<Secret<String>, StoreError> {
    let mut number: [u8; 32] = random()?;
    let mut text = String::with_capacity(PREFIX.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS);
    text.push_str(PREFIX);
    for _ in 0..RANDOM_CHARACTERS {
        text.push(char::from(ALPHABET[usize::from(divide(&mut number))]));
    }
    let checksum = Checksum(crc32fast::hash(text.as_bytes())).to_string();
    text.push_str(&checksum);
    Ok(Secret::new(text))
}

/// Divides the number by 62 in place and returns the remainder.
fn divide(number: &mut [u8; 32]) -> u8 {
    let mut rest = 0_u16;
    for byte in number {
        let value = rest << 8 | u16::from(*byte);
        *byte = u8::try_from(value / 62).expect("the rest is below 62, so that the quotient is below 256");
        rest = value % 62;
    }
    u8::try_from(rest).expect("a rest of 62 is below 62")
}

/// 32 bits in six characters.
struct Checksum(u32);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for _ in 0..CHECKSUM_CHARACTERS {
            write!(f, "{}", char::from(ALPHABET[(rest % 62) as usize]))?;
            rest /= 62;
        }
        Ok(())
    }
}

/// Whether a text may be imported as a secret: of any form, but long enough not to be guessed, and fit for a header.
pub(crate) fn is_acceptable(text: &str) -> bool {
    (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_has_256_bits_and_a_checksum() {
        let secret = generate().unwrap();
        let text = secret.expose();
        assert_eq!(text.len(), 52);
        let (body, checksum) = text.split_at(46);
        assert!(body.starts_with("mk-") && body[3..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(Checksum(crc32fast::hash(body.as_bytes())).to_string(), checksum);
        assert!(is_acceptable(text));
        assert_ne!(generate().unwrap().expose(), text);
    }

    #[test]
    fn all_256_bits_reach_the_text() {
        let mut number = [255; 32];
        let digits: Vec<u8> = (0..RANDOM_CHARACTERS).map(|_| divide(&mut number)).collect();
        assert_eq!(number, [0; 32], "43 characters hold 256 bits");
        assert_ne!(digits.last(), Some(&0), "and 42 would not");
    }

    #[test]
    fn imported_secrets_are_long_and_printable() {
        assert!(is_acceptable("sk-proj-0123456789abcdef"));
        for bad in ["", "short", "has a space in the middle", "ünïcödé-ünïcödé-ünïcödé", "tab\tin-the-middle-of-it"]
        {
            assert!(!is_acceptable(bad), "{bad}");
        }
        assert!(!is_acceptable(&"x".repeat(SECRET_BYTES_MAX + 1)));
    }
}
