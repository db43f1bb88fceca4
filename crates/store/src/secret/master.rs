//! The master key, which seals what must be stored and read back.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base::Secret;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::{from_hex, random, to_hex};
use crate::StoreError;

const NONCE_BYTES: usize = 24;

/// Where the master key is kept.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// In this file, made on first start; a relative path is within the data directory.
    File(PathBuf),
    /// Given by the caller (from the environment): 64 hexadecimal digits.
    Given(Secret<String>),
}

impl Default for MasterKeySource {
    fn default() -> MasterKeySource {
        MasterKeySource::File(PathBuf::from("master.key"))
    }
}

/// The key itself.
pub(crate) struct MasterKey {
    key: Secret<[u8; 32]>,
}

impl MasterKey {
    /// Reads the key, or makes one when `may_create` and its file is missing.
    pub(crate) fn load(source: &MasterKeySource, data_dir: &Path, may_create: bool) -> Result<MasterKey, StoreError> {
        match source {
            MasterKeySource::Given(text) => parse(text.expose(), "the given master key"),
            MasterKeySource::File(path) => {
                let path = data_dir.join(path);
                match std::fs::metadata(&path) {
                    Ok(metadata) => read(&path, &metadata),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_create => create(&path),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StoreError::MasterKey(format!(
                        "{} is missing, but the database needs it; restore it from your backup",
                        path.display()
                    ))),
                    Err(error) => Err(StoreError::file(path, error)),
                }
            }
        }
    }

    /// Encrypts; `context` says what it is for and must be the same when it is opened.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE_BYTES] = random()?;
        let payload = Payload { msg: plain, aad: context.as_bytes() };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| StoreError::MasterKey("the text is too long to be sealed".into()))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts; `None` when it was sealed under another key, for another purpose, or changed since.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: context.as_bytes() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Secret::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.key.expose().into())
    }
}

fn parse(text: &str, place: &str) -> Result<MasterKey, StoreError> {
    let bytes = from_hex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = bytes.ok_or_else(|| {
        StoreError::MasterKey(format!("{place} is not 64 hexadecimal digits; `openssl rand -hex 32` makes a good one"))
    })?;
    Ok(MasterKey { key: Secret::new(key) })
}

fn read(path: &Path, metadata: &std::fs::Metadata) -> Result<MasterKey, StoreError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(StoreError::MasterKey(format!(
            "{0} can be read by others (mode {mode:03o}); run `chmod 600 {0}`, and renew what it seals if others had access",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| StoreError::file(path, error))?;
    let text = Secret::new(text);
    parse(text.expose(), &path.display().to_string())
}

/// Writes a new key beside its place and links it there whole, so that two first starts at once agree on one.
fn create(path: &Path) -> Result<MasterKey, StoreError> {
    let key: [u8; 32] = random()?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let failed = |error| StoreError::file(path, error);
    let _ = std::fs::remove_file(&temporary);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(failed)?;
    let text = Secret::new(format!("{}\n", to_hex(&key)));
    file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let linked = std::fs::hard_link(&temporary, path);
    let _ = std::fs::remove_file(&temporary);
    match linked {
        Ok(()) => {
            let directory = path.parent().map_or(Path::new("."), |parent| parent);
            std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
            Ok(MasterKey { key: Secret::new(key) })
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            read(path, &std::fs::metadata(path).map_err(failed)?)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_the_same_key_and_purpose_only() {
        let key = MasterKey { key: Secret::new([7; 32]) };
        let sealed = key.seal("upstream:a", b"sk-canary").unwrap();
        assert_eq!(key.open("upstream:a", &sealed).unwrap().expose(), b"sk-canary");
        assert!(key.open("upstream:b", &sealed).is_none());
        assert!(MasterKey { key: Secret::new([8; 32]) }.open("upstream:a", &sealed).is_none());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(key.open("upstream:a", &changed).is_none(), "byte {place}");
        }
        assert!(key.open("upstream:a", b"short").is_none());
    }

    #[test]
    fn a_master_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let source = MasterKeySource::default();
        MasterKey::load(&source, dir.path(), true).unwrap();
        let path = dir.path().join("master.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = MasterKey::load(&source, dir.path(), true).err().unwrap().to_string();
        assert!(refusal.contains("chmod 600"), "{refusal}");
    }

    #[test]
    fn a_lost_master_key_is_not_replaced_silently() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = MasterKey::load(&MasterKeySource::default(), dir.path(), false).err().unwrap().to_string();
        assert!(refusal.contains("restore it"), "{refusal}");
    }
}
