//! Ids of stored objects in answers: found where OpenAI's responses, batches and spoken chats have them, and renamed there.
//! Nothing else of the answer changes.

use bytes::Bytes;

use crate::call::Span;
use crate::dialect::Endpoint;
use crate::scan::{Kind, Lenient, ScanError};

/// What an object is of, beside the place where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// Of the model that made it: a response, a file, a batch.
    Model,
    /// Of none: an item or a conversation, which answers of several models name, and each alike.
    Place,
}

/// Says what an id is to be called; `None` leaves it.
pub type Rename<'a> = dyn FnMut(&str, Tie) -> Option<String> + 'a;

/// An answer of an endpoint, or the data of an event, with its ids renamed; `None` when there is nothing to rename, or it is
/// no JSON.
#[must_use]
pub fn rename_objects(endpoint: Endpoint, document: &[u8], rename: &mut Rename<'_>) -> Option<Vec<u8>> {
    let mut renamed = Vec::new();
    let mut at = 0;
    let mut scanner = Lenient::new(document);
    let mut put = |span: Span, (id, tie): (&str, Tie), before: &str, behind: &str| {
        if let Some(name) = rename(id, tie) {
            renamed.extend_from_slice(&document[at..span.start]);
            let name = if before.is_empty() { name } else { format!("{before}{name}{behind}") };
            serde_json::to_writer(&mut renamed, &name).expect("a text is always JSON");
            at = span.end;
        }
    };
    // What is broken off after an id still has that id renamed: its bytes are forwarded, too.
    let _ = if endpoint.is_interaction() {
        interaction(&mut scanner, &mut put, true)
    } else if endpoint == Endpoint::ChatCompletions {
        spoken(&mut scanner, &mut put, &[b"choices", b"message", b"audio"])
    } else {
        // One item is as deep as those of a response.
        let is_item = endpoint == Endpoint::ConversationItemGet;
        let tie = if endpoint.is_of_conversation() { Tie::Place } else { Tie::Model };
        holder(&mut scanner, &mut put, if is_item { DEPTH_MAX } else { 0 }, tie)
    };
    if at == 0 {
        return None;
    }
    renamed.extend_from_slice(&document[at..]);
    Some(renamed)
}

/// Puts the name of an id in its place, between two texts.
type Put<'a> = dyn FnMut(Span, (&str, Tie), &str, &str) + 'a;

/// Deepest object with an id of its own: an item in the output of the response of an event.
const DEPTH_MAX: u32 = 2;

/// An object with ids: an event, a response, an item, a list of them. `tie` is that of its own id.
fn holder(scanner: &mut Lenient<'_>, put: &mut Put<'_>, depth: u32, tie: Tie) -> Result<(), ScanError> {
    if scanner.kind()? != Kind::Object {
        return scanner.skip();
    }
    scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
        (b"id", Kind::String) => id(scanner, put, tie),
        (
            b"response_id"
            | b"previous_response_id"
            // Of a batch.
            | b"input_file_id"
            | b"output_file_id"
            | b"error_file_id",
            Kind::String,
        ) => id(scanner, put, Tie::Model),
        (b"item_id" | b"first_id" | b"last_id" | b"approval_request_id", Kind::String) => id(scanner, put, Tie::Place),
        (b"conversation", Kind::Object) if depth < DEPTH_MAX => holder(scanner, put, DEPTH_MAX, Tie::Place),
        // Where the results of a batch of messages are: here, whatever the provider's address is.
        (b"results_url", Kind::String) => {
            let text = scanner.string()?;
            let span = Span { start: text.start - 1, end: text.start + text.raw.len() + 1 };
            if let Some(id) = text.decode().strip_suffix("/results").and_then(|path| path.rsplit('/').next()) {
                put(span, (id, Tie::Model), "/v1/messages/batches/", "/results");
            }
            Ok(())
        }
        (b"response", Kind::Object) if depth < DEPTH_MAX => holder(scanner, put, depth + 1, Tie::Model),
        (b"item", Kind::Object) if depth < DEPTH_MAX => holder(scanner, put, depth + 1, Tie::Place),
        (b"output" | b"data", Kind::Array) if depth < DEPTH_MAX => {
            scanner.array(|scanner| holder(scanner, put, DEPTH_MAX, Tie::Place))
        }
        // What was asked is repeated: items, the results of tools in them, and a stored prompt with its variables.
        (b"content" | b"output" | b"instructions" | b"prompt" | b"part" | b"annotation", _) => files(scanner, put),
        _ => scanner.skip(),
    })
}

/// An interaction, or an event with one in it. Its steps have ids of calls, which name nothing that is kept.
fn interaction(scanner: &mut Lenient<'_>, put: &mut Put<'_>, is_outer: bool) -> Result<(), ScanError> {
    if scanner.kind()? != Kind::Object {
        return scanner.skip();
    }
    scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
        (b"id" | b"interaction_id" | b"previous_interaction_id", Kind::String) => {
            // Of what is not kept, it is empty.
            id(scanner, put, Tie::Model)
        }
        (b"interaction", Kind::Object) if is_outer => interaction(scanner, put, false),
        _ => scanner.skip(),
    })
}

/// A chat whose messages are spoken. `path` leads to the audio, which alone has a name that means something later.
fn spoken(scanner: &mut Lenient<'_>, put: &mut Put<'_>, path: &[&[u8]]) -> Result<(), ScanError> {
    match (scanner.kind()?, path) {
        (Kind::Array, _) => scanner.array(|scanner| spoken(scanner, put, path)),
        (Kind::Object, []) => scanner.object(|scanner, key| match (key.raw, scanner.kind()?) {
            (b"id", Kind::String) => id(scanner, put, Tie::Model),
            _ => scanner.skip(),
        }),
        (Kind::Object, [step, rest @ ..]) => scanner.object(|scanner, key| {
            let is_step = key.raw == *step || (*step == b"message" && key.raw == b"delta");
            if is_step { spoken(scanner, put, rest) } else { scanner.skip() }
        }),
        _ => scanner.skip(),
    }
}

/// Files that are named somewhere inside, by `file_id` wherever that is.
fn files(scanner: &mut Lenient<'_>, put: &mut Put<'_>) -> Result<(), ScanError> {
    match scanner.kind()? {
        Kind::Array => scanner.array(|scanner| files(scanner, put)),
        Kind::Object => scanner.object(|scanner, key| {
            if key.raw != b"file_id" || scanner.kind()? != Kind::String {
                return files(scanner, put);
            }
            id(scanner, put, Tie::Model)
        }),
        _ => scanner.skip(),
    }
}

/// One id; an empty one names nothing.
fn id(scanner: &mut Lenient<'_>, put: &mut Put<'_>, tie: Tie) -> Result<(), ScanError> {
    let text = scanner.string()?;
    if !text.raw.is_empty() {
        put(Span { start: text.start - 1, end: text.start + text.raw.len() + 1 }, (&text.decode(), tie), "", "");
    }
    Ok(())
}

/// Renames the ids in a stream of events as its bytes pass. A line is held back until it has ended; that its length is
/// bounded is the business of the meter that reads the stream before.
#[derive(Debug)]
pub struct ObjectStream {
    endpoint: Endpoint,
    held: Vec<u8>,
}

impl ObjectStream {
    /// Of an answer of this endpoint, from its first byte on.
    #[must_use]
    pub const fn new(endpoint: Endpoint) -> ObjectStream {
        ObjectStream { endpoint, held: Vec::new() }
    }

    /// Takes the next bytes; `forward` gets them renamed, in order.
    pub fn push(&mut self, chunk: &Bytes, rename: &mut Rename<'_>, forward: &mut impl FnMut(Bytes)) {
        // chunk[run..at] is to be forwarded as it is.
        let (mut run, mut at) = (0, 0);
        while let Some(len) = memchr::memchr2(b'\n', b'\r', &chunk[at..]) {
            let end = at + len + 1;
            if self.held.is_empty() {
                if let Some(line) = renamed_line(self.endpoint, &chunk[at..end], rename) {
                    pass(chunk, run, at, forward);
                    forward(line.into());
                    run = end;
                }
            } else {
                self.held.extend_from_slice(&chunk[at..end]);
                let held = core::mem::take(&mut self.held);
                forward(renamed_line(self.endpoint, &held, rename).unwrap_or(held).into());
                run = end;
            }
            at = end;
        }
        pass(chunk, run, at, forward);
        self.held.extend_from_slice(&chunk[at..]);
    }

    /// The stream has ended: what was held back goes out.
    pub fn finish(&mut self, rename: &mut Rename<'_>, forward: &mut impl FnMut(Bytes)) {
        if !self.held.is_empty() {
            let held = core::mem::take(&mut self.held);
            forward(renamed_line(self.endpoint, &held, rename).unwrap_or(held).into());
        }
    }
}

/// One line with its end, where it has ids to rename.
fn renamed_line(endpoint: Endpoint, line: &[u8], rename: &mut Rename<'_>) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"data:";
    let mark = if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let data = line[mark..].strip_prefix(NAME)?;
    let renamed = rename_objects(endpoint, data, rename)?;
    Some([&line[..mark + NAME.len()], &renamed].concat())
}

fn pass(chunk: &Bytes, start: usize, end: usize, forward: &mut impl FnMut(Bytes)) {
    if start < end {
        forward(chunk.slice(start..end));
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
