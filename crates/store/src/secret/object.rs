//! Ids of objects that a provider keeps, sealed for the tenant that made them.
//!
//! A sealed id says, to this relay alone, whose object it is, at which upstream it lies, which model made it where that
//! matters, and what the provider calls it. So no row has to be kept for an object, and an id that opens is the proof that
//! it may be used. It is sealed the synthetic way (as SIV does): a keyed hash over everything is the tag, and the tag
//! chooses the key stream. The same object always has the same sealed id, and nothing can be changed in it.

use base::{ModelId, Secret, TenantId, UpstreamId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{SecretHasher, from_hex, to_hex};

/// Bytes of the tag: nobody guesses one of 2^128.
const TAG_BYTES: usize = 16;
/// Longest sealed id that is looked at, and longest id of a provider that is sealed, in bytes.
const SEALED_BYTES_MAX: usize = 1_024;
const ID_BYTES_MAX: usize = 512;
/// Stands before a seal without a beginning, so that nothing in it is taken for one.
const NO_PREFIX: &str = "M";
/// Longest beginning of an id that says what it is of (`resp_`), in bytes.
const PREFIX_BYTES_MAX: usize = 16;

/// Where an object lies and what made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectOrigin {
    /// The upstream that keeps it.
    pub upstream: UpstreamId,
    /// The public model that made it; `None` for what is of no model.
    pub model: Option<ModelId>,
}

/// An object of the tenant for whom its id was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedObject {
    /// Where it lies.
    pub origin: ObjectOrigin,
    /// What its provider calls it.
    pub id: String,
}

/// Seals ids of objects and opens them.
pub struct ObjectSeal {
    tags: Secret<[u8; 32]>,
    streams: Secret<[u8; 32]>,
}

impl ObjectSeal {
    pub(crate) fn new(hasher: &SecretHasher) -> ObjectSeal {
        ObjectSeal {
            tags: Secret::new(hasher.key_for("mandant object ids, tags, version 1")),
            streams: Secret::new(hasher.key_for("mandant object ids, key streams, version 1")),
        }
    }

    /// The id under which `tenant` knows an object. It begins as the provider's own does.
    ///
    /// An id that no provider would make (empty, or longer than 512 bytes) stays as it is: it opens nothing.
    #[must_use]
    pub fn seal(&self, tenant: &TenantId, origin: &ObjectOrigin, id: &str) -> String {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return id.to_owned();
        }
        let (prefix, rest) = split(id);
        let mut plain = Vec::with_capacity(rest.len() + 64);
        let model = origin.model.as_ref().map_or("", ModelId::as_str);
        for name in [origin.upstream.as_str(), model] {
            plain.push(u8::try_from(name.len()).expect("names have at most 128 bytes"));
            plain.extend_from_slice(name.as_bytes());
        }
        // Most ids are hexadecimal: half as long as bytes.
        match from_hex(rest).filter(|bytes| to_hex(bytes) == rest) {
            Some(bytes) => {
                plain.push(1);
                plain.extend_from_slice(&bytes);
            }
            None => {
                plain.push(0);
                plain.extend_from_slice(rest.as_bytes());
            }
        }
        let tag = self.tag(tenant, prefix, &plain);
        self.apply_stream(&tag, &mut plain);
        let mut sealed = String::with_capacity(prefix.len() + (TAG_BYTES + plain.len()).div_ceil(3) * 4);
        sealed.push_str(if prefix.is_empty() { NO_PREFIX } else { prefix });
        URL_SAFE_NO_PAD.encode_string([tag.as_slice(), &plain].concat(), &mut sealed);
        sealed
    }

    /// The object that `tenant` knows under an id; `None` for an id that is another tenant's, forged, or not sealed.
    #[must_use]
    pub fn open(&self, tenant: &TenantId, sealed: &str) -> Option<OwnedObject> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let (prefix, rest) = split(sealed);
        let rest = if prefix.is_empty() { rest.strip_prefix(NO_PREFIX)? } else { rest };
        let mut bytes = URL_SAFE_NO_PAD.decode(rest).ok()?;
        let (tag, plain) = bytes.split_first_chunk_mut::<TAG_BYTES>()?;
        self.apply_stream(tag, plain);
        let expected = self.tag(tenant, prefix, plain);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_slice(), tag.as_slice())) {
            return None;
        }
        let (upstream, rest) = name(plain)?;
        let (model, rest) = name(rest)?;
        let model = if model.is_empty() { None } else { Some(ModelId::new(model).ok()?) };
        let origin = ObjectOrigin { upstream: UpstreamId::new(upstream).ok()?, model };
        let (form, rest) = rest.split_first()?;
        let rest = if *form == 1 { to_hex(rest) } else { String::from_utf8(rest.to_vec()).ok()? };
        Some(OwnedObject { origin, id: format!("{prefix}{rest}") })
    }

    fn tag(&self, tenant: &TenantId, prefix: &str, plain: &[u8]) -> [u8; TAG_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(self.tags.expose());
        for part in [tenant.as_str().as_bytes(), prefix.as_bytes(), plain] {
            // With its length, so that no two lists of parts read the same.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        *hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes")
    }

    /// Encrypts and decrypts alike.
    fn apply_stream(&self, tag: &[u8; TAG_BYTES], text: &mut [u8]) {
        let mut stream = blake3::Hasher::new_keyed(self.streams.expose()).update(tag).finalize_xof();
        let mut block = [0; 64];
        for piece in text.chunks_mut(block.len()) {
            stream.fill(&mut block);
            piece.iter_mut().zip(block).for_each(|(byte, key)| *byte ^= key);
        }
    }
}

/// The beginning of an id that says what it is of, up to its first `_` or `-`, and the rest.
fn split(id: &str) -> (&str, &str) {
    let mark = id.bytes().take(PREFIX_BYTES_MAX).position(|byte| !byte.is_ascii_lowercase());
    match mark.filter(|&mark| mark > 0 && matches!(id.as_bytes()[mark], b'_' | b'-')) {
        Some(mark) => id.split_at(mark + 1),
        None => ("", id),
    }
}

/// A name with its length before it.
fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((core::str::from_utf8(name).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 9] = [
        "resp_0770eba4b47ce2e60069d6f97bccc88195b7097d54b5a68b92",
        "msg_abc",
        "file-MgkwTn57fBUQVvn8T3Ur32",
        "batch_6cf19793-7856-44ab-86ec-c112af1b4054",
        "4a5717cc-05d2-9ca6-8937-276ff2e5708b",
        "resp_",
        "x",
        "ABC_DEF",
        "caf\u{e9}",
    ];

    fn seal() -> ObjectSeal {
        ObjectSeal::new(&SecretHasher::new([7; 32]))
    }

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    fn origin(upstream: &str) -> ObjectOrigin {
        let model = ModelId::new("openai/gpt-4.1").ok();
        ObjectOrigin { upstream: UpstreamId::new(upstream).unwrap(), model }
    }

    #[test]
    fn a_sealed_id_opens_for_its_tenant_alone() {
        let (seal, origin) = (seal(), origin("main"));
        let of_no_model = ObjectOrigin { model: None, ..origin.clone() };
        let all = IDS.iter().flat_map(|id| [(&origin, *id), (&of_no_model, *id)]);
        for (origin, id) in all {
            let sealed = seal.seal(&tenant("anna"), origin, id);
            let object = OwnedObject { origin: origin.clone(), id: id.to_owned() };
            assert_eq!(seal.open(&tenant("anna"), &sealed), Some(object), "{sealed}");
            assert_eq!(seal.open(&tenant("berta"), &sealed), None);
            assert_eq!(seal.open(&tenant("anna"), id), None, "a provider's own id opens nothing");
            let other = ObjectSeal::new(&SecretHasher::new([8; 32]));
            assert_eq!(other.open(&tenant("anna"), &sealed), None);
            let (prefix, rest) = split(&sealed);
            assert_eq!(prefix, split(id).0, "it begins like the provider's");
            assert!(seal.open(&tenant("anna"), rest).is_none() || prefix.is_empty());
            assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{sealed}");
            assert_eq!(seal.seal(&tenant("anna"), origin, id), sealed, "the same object has the same id");
        }
    }

    /// Whatever letters a seal begins with, they are not taken for the beginning of an id.
    #[test]
    fn any_id_is_read_back() {
        let (seal, origin, anna) = (seal(), origin("main"), tenant("anna"));
        let mut random = fastrand::Rng::with_seed(1);
        for number in 0..20_000 {
            let prefix = ["", "resp_", "msg_", "file-", "a-", "_", "-x"][number % 7];
            let id: String = prefix.chars().chain((0..random.usize(1..40)).map(|_| random.alphanumeric())).collect();
            let sealed = seal.seal(&anna, &origin, &id);
            assert_eq!(seal.open(&anna, &sealed).map(|object| object.id), Some(id), "{sealed}");
        }
    }

    #[test]
    fn nothing_of_it_is_readable_and_tenants_cannot_be_compared() {
        let seal = seal();
        let [anna, berta] = ["anna", "berta"].map(|name| seal.seal(&tenant(name), &origin("main"), IDS[0]));
        assert_ne!(anna, berta);
        assert_ne!(anna, seal.seal(&tenant("anna"), &origin("other"), IDS[0]));
        let bytes = URL_SAFE_NO_PAD.decode(&anna["resp_".len()..]).unwrap();
        for secret in [&b"main"[..], b"gpt", b"anna", &from_hex(&IDS[0][5..]).unwrap()] {
            assert!(memchr(&bytes, secret).is_none());
        }
        assert!(anna.len() < 100, "{} characters", anna.len());
    }

    fn memchr(bytes: &[u8], part: &[u8]) -> Option<usize> {
        bytes.windows(part.len()).position(|window| window == part)
    }

    #[test]
    fn a_changed_id_does_not_open() {
        let seal = seal();
        let sealed = seal.seal(&tenant("anna"), &origin("main"), IDS[0]);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(seal.open(&tenant("anna"), &changed), None, "{changed}");
            assert_eq!(seal.open(&tenant("anna"), &sealed[..at]), None);
        }
        for odd in [format!("{sealed}="), format!("{sealed}A"), sealed.replace("resp_", "msg_"), "x".repeat(5_000)] {
            assert_eq!(seal.open(&tenant("anna"), &odd), None, "{odd}");
        }
        assert_eq!(seal.seal(&tenant("anna"), &origin("main"), ""), "");
    }
}
