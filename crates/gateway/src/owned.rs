//! Objects that providers keep for tenants (responses and their items, conversations, files, audio of chats): whose they are, where
//! they lie, and under which names their owners know them.
//!
//! Many tenants share an account at a provider, and the provider tells their objects apart no more than it tells them. So
//! no client ever sees a provider's id of a stored object: it leaves as a seal that opens for its tenant alone, and a call
//! that names it goes where the object lies. See `docs/decisions/0007-sealed-ids.md`.

use std::sync::Arc;

use base::{Refusal, TenantId, UpstreamId};
use bytes::Bytes;
use catalog::Candidate;
use store::{ObjectOrigin, ObjectSeal, OwnedObject};
use wire::{Call, ObjectStream, Tie};

use crate::authenticate::Caller;
use crate::hold::Hold;
use crate::relay::Relay;

/// Opens the ids of stored objects that a call names, and keeps it where they lie.
///
/// # Errors
/// 404 for an id that does not open for this caller, whatever the reason; 400 when the objects lie at several upstreams.
pub(crate) fn open(relay: &Relay, caller: &Caller, call: &mut Call) -> Result<(), Refusal> {
    if !call.names_objects() {
        return Ok(());
    }
    let tenant = caller.tenant().id();
    let mut needed: Option<ObjectOrigin> = None;
    call.open_objects(|id, is_needed| {
        let Some(OwnedObject { origin, id }) = relay.object_seal.open(tenant, id) else { return Ok(None) };
        if is_needed {
            let first = needed.get_or_insert_with(|| origin.clone());
            if first.upstream != origin.upstream {
                let sentence = "The call names objects of several providers, and none of them has them all.";
                return Err(Refusal::invalid(None, sentence));
            }
        }
        Ok(Some(id))
    })?;
    if let Some(ObjectOrigin { upstream, model }) = needed {
        let endpoint = call.endpoint();
        match model {
            Some(model) if endpoint.is_of_object() => call.set_model(model),
            // An item, say, where a response belongs.
            None if endpoint.is_of_object() && !endpoint.is_of_conversation() => {
                let id = call.opened_objects().next().map_or("", |(id, _)| id);
                return Err(Refusal::ObjectNotFound { id: id.chars().take(128).collect() });
            }
            _ => {}
        }
        call.keep_at(upstream);
    }
    Ok(())
}

/// Where the first object lies that a call names.
pub(crate) fn origin_of_first(seal: &ObjectSeal, tenant: &TenantId, call: &Call) -> Option<ObjectOrigin> {
    let (sealed, _) = call.opened_objects().next()?;
    seal.open(tenant, sealed).map(|object| object.origin)
}

/// Gives the objects of one answer the names under which their tenant knows them.
pub(crate) struct Sealing {
    seal: Arc<ObjectSeal>,
    tenant: TenantId,
    origin: ObjectOrigin,
    /// The same of what is of no model.
    place: ObjectOrigin,
    call: Arc<Call>,
    stream: ObjectStream,
    /// The last one: an event names the same object as the one before.
    last: Option<(String, String)>,
}

impl Sealing {
    /// `None` for an answer in which nothing names a stored object.
    pub(crate) fn of(hold: &Hold, candidate: &Candidate, call: &Arc<Call>) -> Option<Box<Sealing>> {
        if !call.answers_with_objects() && !call.names_objects() || candidate.translation().is_some() {
            return None;
        }
        let upstream: UpstreamId = candidate.upstream().id.clone();
        let origin = ObjectOrigin { upstream, model: Some(candidate.model().id.clone()) };
        // A batch and its files are of the file that it is made of: that has one name, whoever names it.
        let of_file = || origin_of_first(&hold.relay().object_seal, hold.tenant(), call);
        let origin = if call.endpoint().makes_batch() { of_file().unwrap_or(origin) } else { origin };
        Some(Box::new(Sealing {
            seal: hold.relay().object_seal.clone(),
            tenant: hold.tenant().clone(),
            place: ObjectOrigin { model: None, ..origin.clone() },
            origin,
            call: call.clone(),
            stream: ObjectStream::new(call.endpoint()),
            last: None,
        }))
    }

    /// Takes the next bytes of a stream.
    pub(crate) fn push(&mut self, data: &Bytes, forward: &mut impl FnMut(Bytes)) {
        let (stream, mut rename) = self.split();
        stream.push(data, &mut rename, forward);
    }

    /// The stream has ended.
    pub(crate) fn finish(&mut self, forward: &mut impl FnMut(Bytes)) {
        let (stream, mut rename) = self.split();
        stream.finish(&mut rename, forward);
    }

    /// A whole answer. An error repeats in its sentence what it was asked for.
    pub(crate) fn whole(&mut self, is_success: bool, body: &Bytes) -> Bytes {
        if is_success {
            let endpoint = self.call.endpoint();
            let (_, mut rename) = self.split();
            return wire::rename_objects(endpoint, body, &mut rename).map_or_else(|| body.clone(), Bytes::from);
        }
        let mut body = body.clone();
        for (sealed, id) in self.call.opened_objects() {
            body = replaced(&body, id.as_bytes(), sealed.as_bytes());
        }
        body
    }

    fn split(&mut self) -> (&mut ObjectStream, impl FnMut(&str, Tie) -> Option<String>) {
        let Sealing { seal, tenant, origin, place, call, stream, last } = self;
        let is_stored = call.answers_with_objects();
        let rename = move |id: &str, tie| {
            // What the client named keeps the name that it used.
            if let Some((sealed, _)) = call.opened_objects().find(|(_, opened)| *opened == id) {
                return Some(sealed.to_owned());
            }
            if !is_stored {
                return None;
            }
            if let Some((_, sealed)) = last.as_ref().filter(|(known, _)| known == id) {
                return Some(sealed.clone());
            }
            let sealed = seal.seal(tenant, if tie == Tie::Model { origin } else { place }, id);
            *last = Some((id.to_owned(), sealed.clone()));
            Some(sealed)
        };
        (stream, rename)
    }
}

/// `text` with `new` in every place of `old`.
fn replaced(text: &Bytes, old: &[u8], new: &[u8]) -> Bytes {
    let Some(first) = memchr::memmem::find(text, old).filter(|_| !old.is_empty()) else { return text.clone() };
    let mut replaced = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some(at) = memchr::memmem::find(rest, old) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_replaced_wherever_an_error_repeats_it() {
        let text = Bytes::from_static(b"'resp_1' and resp_1, not resp_2");
        assert_eq!(replaced(&text, b"resp_1", b"S"), "'S' and S, not resp_2");
        assert_eq!(replaced(&text, b"", b"S"), text);
        assert_eq!(replaced(&text, b"x_1", b"S"), text);
    }
}
