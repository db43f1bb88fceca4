//! Fuzz targets: records of the journal, and sealed ids.

use base::{ModelId, TenantId, UpstreamId};
use fuzz::{Fuzz, about, sign};

use crate::secret::{ObjectOrigin, ObjectSeal, SecretHasher};
use crate::{PAYLOAD_BYTES_MAX, Record};

/// What reads as a record is one that could have been written: written again it reads as the same one.
#[test]
fn records() {
    let void = base::AttemptId { epoch: 3, sequence: 9 };
    let mut payload = Vec::new();
    let kind = Record::Void(void).encode(&mut payload);
    let corpus = (0..8).map(|kind| [&[kind][..], &payload].concat()).chain([[&[kind][..], &payload].concat()]);
    let words: [&[u8]; 6] = [b"\x04acme", b"\x04main", b"\x03key", b"\x07gpt-4.1", b"\x06openai", &[0; 16]];
    Fuzz::new("records").corpus(corpus).words(words).run(9, |input| {
        let Some((kind, payload)) = input.split_first() else { return 0 };
        match Record::decode(*kind, payload) {
            Err(error) => sign(&(kind, error.to_string())),
            Ok(record) => {
                let mut again = Vec::new();
                let kind = record.encode(&mut again);
                assert!(again.len() <= PAYLOAD_BYTES_MAX);
                assert_eq!(Record::decode(kind, &again).expect("what was written reads"), record);
                sign(&(kind, about(again.len())))
            }
        }
    });
}

/// No id opens but those that were sealed for this tenant, and an opened one is what was sealed.
#[test]
fn sealed_ids() {
    let seal = ObjectSeal::new(&SecretHasher::new([7; 32]));
    let tenant = |name: &str| TenantId::new(name).expect("a name");
    let origin =
        ObjectOrigin { upstream: UpstreamId::new("openai").expect("a name"), model: ModelId::new("gpt-4.1").ok() };
    let (anna, berta) = (tenant("anna"), tenant("berta"));
    let ids = ["resp_0123456789abcdef", "file-abc", "x", "msg_", "batch_\u{fc}"];
    let sealed: Vec<String> = ids.iter().map(|id| seal.seal(&anna, &origin, id)).collect();
    Fuzz::new("sealed-ids").corpus(&sealed).corpus(ids).words(["resp_", "file-", "_", "="]).run(4, |input| {
        let Ok(text) = core::str::from_utf8(input) else { return 0 };
        assert!(seal.open(&berta, text).is_none(), "nothing was sealed for her");
        if let Some(opened) = seal.open(&anna, text) {
            let place = sealed.iter().position(|known| known == text).expect("nobody can make one");
            assert_eq!((opened.id.as_str(), &opened.origin), (ids[place], &origin));
            return 1;
        }
        // What was sealed just now opens, whatever the id is.
        let own = seal.seal(&berta, &origin, text);
        if own != text {
            assert_eq!(seal.open(&berta, &own).map(|opened| opened.id).as_deref(), Some(text));
        }
        sign(&(own == text, about(text.len())))
    });
}
