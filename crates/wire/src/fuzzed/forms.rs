//! Forms, against a naive reader that knows nothing of the strict one.

use bytes::Bytes;

use super::fuzz;
use crate::{Accent, Edits, Form, Route, route};

const MARK: &str = "--xYzZy-1234";
const KIND: &[u8] = b"multipart/form-data; boundary=xYzZy-1234";

fn part(head: &str, content: &str) -> String {
    format!("{MARK}\r\nContent-Disposition: form-data; name={head}\r\n\r\n{content}\r\n")
}

fn corpus() -> Vec<String> {
    let file = part("\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav", "RIFF\r\n--xYzZ\r\n\r\n--\r");
    let image = part("\"image\"; filename=\"a.png\"\r\nContent-Type: image/png", "PNG\r\n");
    let (model, end) = (part("\"model\"", "whisper-1"), format!("{MARK}--\r\n"));
    vec![
        [&model, &file, &part("\"language\"", "en"), &part("\"stream\"", "true"), &end].map(String::as_str).concat(),
        [&file, &model, &part("\"include[]\"", "a"), &part("\"include[]\"", "b"), &end].map(String::as_str).concat(),
        [&part("\"model\"", "gpt-image-1"), &part("\"prompt\"", "x"), &part("\"n\"", "2"), &image, &end]
            .map(String::as_str)
            .concat(),
        [&part("\"purpose\"", "batch"), &file, &end].map(String::as_str).concat(),
        [&model, &part("\"user\"", "u"), &file, &file, &end].map(String::as_str).concat(),
    ]
}

/// Heads and contents of a form that is split at its boundaries and nothing else; `None` for what has none.
fn naive(body: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let text: Vec<char> = body.iter().map(|&byte| char::from(byte)).collect();
    let text: String = text.into_iter().collect();
    let inside = text.strip_prefix(MARK)?;
    let mark = format!("\r\n{MARK}");
    let mut pieces = inside.split(&mark);
    let mut parts = Vec::new();
    let bytes =
        |text: &str| text.chars().map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?')).collect::<Vec<u8>>();
    loop {
        let piece = pieces.next()?;
        if piece == "--" || piece == "--\r\n" {
            return Some(parts).filter(|_| pieces.next().is_none());
        }
        let (head, content) = piece.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        parts.push((bytes(head), bytes(content)));
    }
}

/// Whether the line that names a part has this name, which is not that of its file.
fn is_named(head: &[u8], name: &[u8]) -> bool {
    let text = head.to_ascii_lowercase();
    let line = text.split(|&byte| byte == b'\n').find(|line| line.starts_with(b"content-disposition:"));
    let mut places = line.into_iter().flat_map(|line| memchr::memmem::find_iter(line, name).map(|at| line[at - 1]));
    places.any(|before| matches!(before, b' ' | b';'))
}

/// What a form turned out to be: the refusal's code, or what the call asks.
fn read(route: &Route<'_>, body: &[u8], step: usize, leaves: bool) -> Result<crate::Call, &'static str> {
    let mut form = Form::new(route, Some(KIND)).map_err(|refusal| refusal.code())?;
    for piece in body.chunks(step.max(1)) {
        form.push(piece).map_err(|refusal| refusal.code())?;
        if leaves && form.can_leave() {
            form.leave();
        }
    }
    form.finish().map_err(|refusal| refusal.code())?;
    form.call(route, Bytes::copy_from_slice(body), body.len() as u64).map_err(|refusal| refusal.code())
}

/// A form is read alike however it is cut; what is taken is a form to a naive reader too, with the same model, and of what is
/// sent nothing but that model differs.
#[test]
fn forms() {
    let paths = ["/v1/audio/transcriptions", "/v1/images/edits"];
    let separators = ["\r\n", "--", "\r\n\r\n", "\t", "\u{a0}"];
    let words = [MARK, "filename=\"x\"", "name=\"model\"", "\"model\"", "; name*=utf-8''model"];
    fuzz("forms").corpus(corpus()).words(words.into_iter().chain(separators)).run(11, |input| {
        let mut seen = Vec::new();
        for path in paths {
            let route = route("POST", path, "", Accent::default()).expect("a route");
            let whole = read(&route, input, input.len(), false);
            let step = 1 + input.len() % 13;
            let asked = |call: &crate::Call| (call.model().cloned(), call.stream(), format!("{:?}", call.billable()));
            let cut = read(&route, input, step, false);
            assert_eq!(whole.as_ref().map(asked), cut.as_ref().map(asked), "in pieces of {step}");
            if let Ok(left) = read(&route, input, step, true) {
                let whole = whole.as_ref().expect("what is taken while it leaves is taken whole");
                assert_eq!(asked(&left).0, asked(whole).0, "for the model that was held for");
            }
            match whole {
                Err(code) => seen.push(fuzz::sign(&code)),
                Ok(call) => {
                    let parts = naive(input).expect("what is taken is a form");
                    seen.push(fuzz::sign(&(parts.len(), call.stream(), call.model().is_some())));
                    let is_model = |head: &[u8]| is_named(head, b"name=\"model\"");
                    let models: Vec<&[u8]> =
                        parts.iter().filter(|(head, _)| is_model(head)).map(|(_, content)| &content[..]).collect();
                    let named = call.model().map(|model| model.as_str().as_bytes());
                    assert_eq!(models, named.as_slice(), "one model, and the same");
                    let sent = call.outgoing(&Edits { model: Some("up"), ..Edits::default() }).to_bytes();
                    let sent = naive(&sent).expect("still a form");
                    let of = |parts: &[(Vec<u8>, Vec<u8>)]| -> Vec<(Vec<u8>, Vec<u8>)> {
                        parts.iter().filter(|(head, _)| !is_model(head)).cloned().collect()
                    };
                    assert_eq!(of(&sent), of(&parts), "nothing else changes");
                }
            }
        }
        fuzz::sign(&seen)
    });
}
