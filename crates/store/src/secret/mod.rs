//! Secrets: the master key and what it seals, the keyed hash of key secrets, and the making of new ones.

mod hex;
mod master;
mod object;
mod token;

pub(crate) use hex::{from_hex, to_hex};
pub(crate) use master::MasterKey;
pub use master::MasterKeySource;
pub use object::{ObjectOrigin, ObjectSeal, OwnedObject};
pub use token::NewSecret;
pub(crate) use token::{SECRET_BYTES_MIN, generate, is_acceptable};

use base::Secret;

use crate::StoreError;

/// Presented credentials beyond this many bytes are cut before they are hashed, so that a long header costs no more than
/// a short one; no accepted secret is as long.
pub(crate) const SECRET_BYTES_MAX: usize = 512;

/// The keyed hash by which a key is found.
pub(crate) type SecretHash = [u8; 32];

/// Hashes presented secrets under the pepper of this store, which never leaves it unsealed.
pub(crate) struct SecretHasher {
    pepper: Secret<[u8; 32]>,
}

impl SecretHasher {
    pub(crate) fn new(pepper: [u8; 32]) -> SecretHasher {
        SecretHasher { pepper: Secret::new(pepper) }
    }

    /// The hash of a secret. Without the pepper, the stored hashes cannot be tested against guesses.
    pub(crate) fn hash(&self, secret: &[u8]) -> SecretHash {
        let cut = &secret[..secret.len().min(SECRET_BYTES_MAX + 1)];
        *blake3::keyed_hash(self.pepper.expose(), cut).as_bytes()
    }

    /// A key for hashes of another purpose, which says nothing of the pepper nor of the key of a third one.
    pub(crate) fn key_for(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, self.pepper.expose())
    }
}

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StoreError::Random)?;
    Ok(bytes)
}
