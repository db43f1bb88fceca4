//! Bodies of forms (`multipart/form-data`), read strictly while their bytes pass: what is asked, what it can cost, and
//! nothing that two parsers could read differently. Files are counted and never kept.
//!
//! The reader is pushed the bytes as they come. Once the model is known, the rest may be on its way to an upstream: then
//! a field that would change what was held for the call is refused, and so is a body that does not end as it should.

mod fields;
mod head;
mod problem;
#[cfg(test)]
mod tests;

use base::Refusal;
use bytes::Bytes;
use memchr::memmem;

use self::fields::Asked;
use self::head::PartHead;
use self::problem::ambiguous;
use crate::call::{Call, Span, Upload};
use crate::route::Route;

/// Most parts of a form.
const PARTS_MAX: usize = 128;
/// Longest head of a part, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Longest values of all fields that are no files, together, in bytes.
const FIELD_BYTES_MAX: usize = 4 << 20;
/// Longest boundary that a type may name, in bytes.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The reader of one form. See the module's description.
#[derive(Debug)]
pub struct Form {
    boundary: String,
    /// Two hyphens and the boundary.
    mark: Vec<u8>,
    /// Bytes that were not read yet: a part of a head, or what may be the beginning of a mark.
    rest: Vec<u8>,
    /// Where `rest` begins in the body.
    at: usize,
    place: Place,
    parts: usize,
    field_bytes: usize,
    asked: Asked,
    /// The call has left: what follows must not change what was held for it.
    has_left: bool,
}

/// Where in the form the reader is.
#[derive(Debug)]
enum Place {
    /// Before the first mark.
    Beginning,
    /// In the head of a part.
    Head,
    /// In a file, whose bytes are not kept.
    File { is_empty: bool },
    /// In a field: its name, what came of its value, and where in the body that began.
    Field { name: String, value: Vec<u8>, start: usize },
    /// Behind the last mark.
    Ended,
}

impl Form {
    /// A reader for a body of this type, sent to `route`.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] when the type is no form, or has no plain boundary.
    pub fn new(route: &Route<'_>, content_type: Option<&[u8]>) -> Result<Form, Refusal> {
        let boundary = content_type.and_then(boundary_of).ok_or_else(|| {
            Refusal::invalid(None, "Send the body as 'Content-Type: multipart/form-data' with a plain boundary.")
        })?;
        Ok(Form {
            mark: format!("--{boundary}").into_bytes(),
            boundary,
            rest: Vec::new(),
            at: 0,
            place: Place::Beginning,
            parts: 0,
            field_bytes: 0,
            asked: Asked::new(route)?,
            has_left: false,
        })
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for what is no form, or more than is read; [`Refusal::AmbiguousRequest`] for what two
    /// parsers could read differently; both for fields, as in [`crate::read`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(taken) = self.step(used)? {
            used += taken;
        }
        self.at += used;
        self.rest.drain(..used);
        Ok(())
    }

    /// Whether the call can leave: it is known what it asks for, and its files have begun.
    #[must_use]
    pub fn can_leave(&self) -> bool {
        matches!(self.place, Place::File { .. }) && self.asked.has_model()
    }

    /// From here on nothing may come that would change what is held for the call.
    pub fn leave(&mut self) {
        self.has_left = true;
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] when it broke off.
    pub fn finish(&self) -> Result<(), Refusal> {
        if matches!(self.place, Place::Ended) && matches!(&self.rest[..], b"" | b"\r\n") {
            return Ok(());
        }
        Err(Refusal::invalid(None, "The form in the body broke off before its last boundary. Send it again."))
    }

    /// The call that the form asks for. `held` is what was read of the body, of `bytes` in all.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] when something that must be there is not.
    pub fn call(&self, route: &Route<'_>, held: Bytes, bytes: u64) -> Result<Call, Refusal> {
        let upload = Upload { model: self.asked.model_place, boundary: self.boundary.clone(), bytes };
        self.asked.call(route, held, upload)
    }

    /// What tells this form from another, whatever boundary its parts have: for bodies that were read whole.
    #[must_use]
    pub fn content(&self, body: &[u8]) -> Vec<u8> {
        let mut content = Vec::with_capacity(body.len());
        let mut at = 0;
        for found in memmem::find_iter(body, &self.mark) {
            content.extend_from_slice(&body[at..found]);
            at = found + self.mark.len();
        }
        content.extend_from_slice(&body[at..]);
        content
    }

    /// Reads on from `rest[from..]`: how many bytes were read, or `None` when more must come first.
    fn step(&mut self, from: usize) -> Result<Option<usize>, Refusal> {
        match &mut self.place {
            Place::Beginning => self.beginning(from),
            Place::Head => self.head(from),
            Place::File { .. } | Place::Field { .. } => self.content_of_part(from),
            Place::Ended if self.rest.len() - from > 2 => {
                Err(ambiguous("Something stands behind the last boundary of the form. End the body there."))
            }
            Place::Ended => Ok(None),
        }
    }

    fn beginning(&mut self, from: usize) -> Result<Option<usize>, Refusal> {
        let rest = &self.rest[from..];
        let length = self.mark.len().min(rest.len());
        if rest[..length] != self.mark[..length] {
            return Err(ambiguous("The form does not begin with its boundary. Begin the body with it."));
        }
        self.behind_mark(from, 0)
    }

    /// What stands behind the mark at `rest[from + skipped..]` says whether a part follows.
    fn behind_mark(&mut self, from: usize, skipped: usize) -> Result<Option<usize>, Refusal> {
        let end = skipped + self.mark.len();
        let Some(behind) = self.rest[from..].get(end..end + 2) else { return Ok(None) };
        self.place = match behind {
            b"\r\n" => Place::Head,
            b"--" => Place::Ended,
            _ => return Err(ambiguous("A boundary of the form stands where no part begins. Choose another boundary.")),
        };
        Ok(Some(end + 2))
    }

    fn head(&mut self, from: usize) -> Result<Option<usize>, Refusal> {
        let rest = &self.rest[from..];
        let Some(length) = memmem::find(rest, b"\r\n\r\n") else {
            if rest.len() > HEAD_BYTES_MAX {
                return Err(Refusal::invalid(None, "The head of a part of the form is too long."));
            }
            return Ok(None);
        };
        if length > HEAD_BYTES_MAX {
            return Err(Refusal::invalid(None, "The head of a part of the form is too long."));
        }
        if memmem::find(&rest[..length], &self.mark).is_some() {
            return Err(inside_a_part());
        }
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Refusal::invalid(None, format!("The form has more than {PARTS_MAX} parts.")));
        }
        let PartHead { name, is_file } = head::read(&rest[..length])?;
        self.asked.part(&name, is_file, self.has_left)?;
        let start = self.at + from + length + 4;
        self.place =
            if is_file { Place::File { is_empty: true } } else { Place::Field { name, value: Vec::new(), start } };
        Ok(Some(length + 4))
    }

    /// Takes the content of a part up to the next mark, which a line feed and a carriage return stand before.
    fn content_of_part(&mut self, from: usize) -> Result<Option<usize>, Refusal> {
        let rest = &self.rest[from..];
        let Some(found) = memmem::find(rest, &self.mark) else {
            // The end may be the beginning of a mark, and of the line end before it.
            let taken = rest.len().saturating_sub(self.mark.len() + 1);
            self.take(from, taken)?;
            return Ok((taken > 0).then_some(taken));
        };
        if found < 2 || rest[found - 2..found] != *b"\r\n" {
            return Err(inside_a_part());
        }
        if rest.len() < found + self.mark.len() + 2 {
            return Ok(None);
        }
        self.take(from, found - 2)?;
        if let Place::Field { name, value, start } = &mut self.place {
            let (name, value) = (core::mem::take(name), core::mem::take(value));
            let place = Span { start: *start, end: *start + value.len() };
            self.asked.field(&name, &value, place)?;
        }
        self.behind_mark(from, found)
    }

    /// Takes so many bytes of the content of a part.
    fn take(&mut self, from: usize, bytes: usize) -> Result<(), Refusal> {
        match &mut self.place {
            Place::File { is_empty } => *is_empty &= bytes == 0,
            Place::Field { value, .. } => {
                self.field_bytes += bytes;
                if self.field_bytes > FIELD_BYTES_MAX {
                    let sentence =
                        "The fields of the form that are no files are too long. Send what is a file with a name.";
                    return Err(Refusal::invalid(None, sentence));
                }
                value.extend_from_slice(&self.rest[from..from + bytes]);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Some parsers begin a part wherever they find the boundary.
fn inside_a_part() -> Refusal {
    ambiguous("A boundary of the form stands inside a part. Choose another boundary.")
}

/// The boundary that a type names; `None` when it is no form, or the boundary is none that every parser reads alike.
fn boundary_of(content_type: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(content_type).ok()?;
    let mut parts = text.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let is_boundary = name.trim().eq_ignore_ascii_case("boundary");
        if !is_boundary && !name.trim().eq_ignore_ascii_case("charset") {
            return None;
        }
        if is_boundary && found.is_some() {
            return None;
        }
        if is_boundary {
            let value = value.trim();
            found = Some(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value));
        }
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_-./:=?".contains(&byte);
    let boundary = found.filter(|value| (1..=BOUNDARY_BYTES_MAX).contains(&value.len()))?;
    boundary.bytes().all(is_plain).then(|| boundary.to_owned())
}
