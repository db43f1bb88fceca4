//! Forms are read alike at every border, and what is no plain form is refused.

use base::Refusal;
use bytes::Bytes;

use super::*;
use crate::{Accent, Edits, Endpoint};

const KIND: &[u8] = b"multipart/form-data; boundary=xYzZy-1234";

/// A form of parts as (head behind the name, content).
fn form(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        let part = format!("--xYzZy-1234\r\nContent-Disposition: form-data; name={head}\r\n\r\n{content}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(b"--xYzZy-1234--\r\n");
    body
}

const FILE: (&str, &str) = ("\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav", "RIFF\r\n--xYzZ\r\n\r\n--\r");

fn of(path: &'static str) -> Route<'static> {
    crate::route("POST", path, "", Accent::default()).expect("a route")
}

fn audio() -> Route<'static> {
    of("/v1/audio/transcriptions")
}

/// Reads a body in pieces of `step` bytes.
fn read(route: &Route<'_>, body: &[u8], step: usize) -> Result<Call, Refusal> {
    let mut form = Form::new(route, Some(KIND))?;
    for piece in body.chunks(step.max(1)) {
        form.push(piece)?;
    }
    form.finish()?;
    form.call(route, Bytes::copy_from_slice(body), body.len() as u64)
}

fn code(result: Result<Call, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code(), |_| "taken")
}

#[test]
fn a_form_is_read_alike_at_every_border() {
    let parts = [
        ("\"language\"", "en"),
        FILE,
        ("\"model\"", "whisper-1"),
        ("\"stream\"", "true"),
        ("\"include[]\"", "logprobs"),
        ("\"include[]\"", "x"),
    ];
    let body = form(&parts);
    for step in 1..body.len() {
        let call = read(&audio(), &body, step).unwrap_or_else(|refusal| panic!("{step}: {refusal:?}"));
        assert_eq!(call.model().map(base::ModelId::as_str), Some("whisper-1"));
        assert!(call.stream() && call.form_bytes() == Some(body.len() as u64) && !call.billable().unknown_parameters);
        let sent = call.outgoing(&Edits { model: Some("groq/whisper-large"), ..Edits::default() }).to_bytes();
        let expected = String::from_utf8(body.clone()).unwrap().replace("whisper-1\r", "groq/whisper-large\r");
        assert_eq!(sent, expected, "{step}");
    }
}

#[test]
fn a_call_can_leave_when_its_model_is_known_and_its_file_has_begun() {
    let body = form(&[("\"model\"", "m"), FILE, ("\"language\"", "en")]);
    let begins = body.windows(4).position(|window| window == b"RIFF").unwrap();
    for end in 0..body.len() {
        let mut form = Form::new(&audio(), Some(KIND)).unwrap();
        form.push(&body[..end]).unwrap();
        let ends = begins + FILE.1.len() + "\r\n--xYzZy-1234\r\n".len();
        assert_eq!(form.can_leave(), (begins..ends).contains(&end), "{end}");
        // The line end behind the last boundary may be missing.
        assert_eq!(form.finish().is_ok(), end == body.len() - 2, "{end}");
    }
    // A file before its model waits for it.
    let body = form(&[FILE, ("\"model\"", "m"), FILE]);
    let second = body.windows(4).rposition(|window| window == b"RIFF").unwrap();
    for end in 0..=second {
        let mut form = Form::new(&audio(), Some(KIND)).unwrap();
        form.push(&body[..end]).unwrap();
        assert_eq!(form.can_leave(), end == second);
    }
}

#[test]
fn what_would_change_a_call_that_has_left_is_refused() {
    for (path, late, expected) in [
        ("/v1/audio/transcriptions", "language", "taken"),
        ("/v1/audio/transcriptions", "response_format", "taken"),
        ("/v1/audio/transcriptions", "anything", "taken"),
        ("/v1/audio/transcriptions", "Model", "ambiguous_request"),
        ("/v1/images/edits", "size", "taken"),
        ("/v1/images/edits", "n", "invalid_request"),
        ("/v1/images/edits", "stream", "invalid_request"),
        ("/v1/images/edits", "user", "invalid_request"),
        ("/v1/images/edits", "anything", "invalid_request"),
        ("/v1/images/edits", "partial_images", "invalid_request"),
    ] {
        let mut body = form(&[("\"model\"", "m"), FILE]);
        body.truncate(body.len() - b"\r\n--xYzZy-1234--\r\n".len());
        let mut reader = Form::new(&of(path), Some(KIND)).unwrap();
        reader.push(&body).unwrap();
        reader.leave();
        let part =
            format!("\r\n--xYzZy-1234\r\nContent-Disposition: form-data; name=\"{late}\"\r\n\r\n1\r\n--xYzZy-1234--");
        let read = reader.push(part.as_bytes()).and_then(|()| reader.finish());
        assert_eq!(read.map_or_else(|refusal| refusal.code(), |()| "taken"), expected, "{path} {late}");
    }
}

#[test]
fn what_parsers_read_differently_is_refused() {
    let model = ("\"model\"", "m");
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("two models", form(&[model, model, FILE])),
        ("a model in brackets", form(&[model, ("\"model[]\"", "n"), FILE])),
        ("another case", form(&[("\"MODEL\"", "m"), FILE])),
        ("a model that is a file", form(&[("\"model\"; filename=\"m\"", "m"), FILE])),
        ("two names", form(&[("\"file\"; name=\"model\"", "m"), model, FILE])),
        ("an escaped quote", form(&[model, ("\"file\"; filename=\"a\\\"; name=\"model\"", "n")])),
        ("an extended name", form(&[("\"file\"; name*=UTF-8''model", "m"), model, FILE])),
        ("a tab before a parameter", form(&[model, ("\"file\";\tfilename=\"a\"", "x")])),
        ("a wide space before a parameter", form(&[model, ("\"file\";\u{a0}filename=\"a\"", "x")])),
        ("a wide space behind a name", form(&[model, ("\"file\"\u{2003}; filename=\"a\"", "x")])),
        ("two dispositions", form(&[("\"x\"\r\nContent-Disposition: form-data; name=\"model\"", "m"), FILE])),
        ("an encoded part", form(&[("\"model\"\r\nContent-Transfer-Encoding: base64", "bQ=="), FILE])),
        ("another charset", form(&[("\"model\"\r\nContent-Type: text/plain; charset=utf-7", "m"), FILE])),
        ("a charset for all", form(&[("\"_charset_\"", "utf-7"), model, FILE])),
        ("a mark after a bare line feed", form(&[model, ("\"file\"; filename=\"a\"", "x\n--xYzZy-1234\r\ny")])),
        ("a longer mark", form(&[model, ("\"file\"; filename=\"a\"", "x\r\n--xYzZy-12345\r\ny")])),
        ("a mark in a head", form(&[model, ("\"file\"; filename=\"a\"\r\n--xYzZy-1234x: y", "z")])),
        ("a padded mark", form(&[model, ("\"file\"; filename=\"a\"", "x\r\n--xYzZy-1234 \r\ny")])),
        ("a preamble", [b"hello\r\n".as_slice(), &form(&[model, FILE])].concat()),
        ("an epilogue", [form(&[model, FILE]).as_slice(), b"more"].concat()),
        ("another form", [form(&[model, FILE]), form(&[model, FILE])].concat()),
    ];
    for (what, body) in bodies {
        for step in [1, 7, body.len()] {
            assert_eq!(code(read(&audio(), &body, step)), "ambiguous_request", "{what} at {step}");
        }
    }
}

#[test]
fn what_is_no_form_is_refused() {
    let model = ("\"model\"", "m");
    let many: Vec<(&str, &str)> = core::iter::repeat_n(("\"x\"", "y"), PARTS_MAX + 1).collect();
    let long = "h".repeat(HEAD_BYTES_MAX + 1);
    let value = "v".repeat(FIELD_BYTES_MAX + 1);
    let heads = format!("\"x\"\r\nX-Long: {long}");
    for (what, body) in [
        ("no file", form(&[model])),
        ("nothing", b"--xYzZy-1234--\r\n".to_vec()),
        ("cut off", form(&[model, FILE])[..200].to_vec()),
        ("too many parts", form(&many)),
        ("a head too long", form(&[(&heads, "y"), FILE])),
        ("a field too long", form(&[("\"prompt\"", &value), model, FILE])),
        ("a folded head", form(&[("\"x\"\r\n folded", "y"), FILE])),
        ("a name with spaces", form(&[("\"a b\"", "y"), FILE])),
        ("a file elsewhere", form(&[("\"file_url\"", "http://x"), model, FILE])),
        ("no name of a model", form(&[("\"model\"", "a b"), FILE])),
        ("no truth", form(&[("\"stream\"", "yes"), model, FILE])),
    ] {
        for step in [13, body.len()] {
            assert_eq!(code(read(&audio(), &body, step)), "invalid_request", "{what} at {step}");
        }
    }
    for kind in [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a b\"",
        "multipart/form-data; boundary=\"a",
        "multipart/mixed; boundary=abc",
    ] {
        assert!(Form::new(&audio(), Some(kind.as_bytes())).is_err(), "{kind}");
    }
    assert!(Form::new(&audio(), Some(b"Multipart/Form-Data; charset=utf-8; Boundary=\"a-b\"")).is_ok());
    let json = crate::read(Endpoint::Transcriptions, Some(b"application/json"), Bytes::from_static(b"{}"));
    assert_eq!(code(json), "invalid_request");
}

#[test]
fn images_say_how_many_and_how() {
    let image = ("\"image[]\"; filename=\"a.png\"", "\u{89}PNG");
    let mask = ("\"mask\"; filename=\"m.png\"", "x");
    let fields = [("\"model\"", "gpt-image-1"), ("\"n\"", "3"), ("\"user\"", "u-1"), ("\"partial_images\"", "2")];
    let body = form(&[&fields[..], &[image, image, mask]].concat());
    let call = read(&of("/v1/images/edits"), &body, 5).unwrap();
    assert_eq!((call.billable().choices, call.billable().partial_images), (3, 2));
    assert_eq!((call.end_user(), call.stream(), call.billable().files), (Some("u-1"), false, 1));
    for (name, value) in
        [("\"n\"", "0"), ("\"n\"", "1e1"), ("\"n\"", " 3"), ("\"n\"", "99999"), ("\"partial_images\"", "-1")]
    {
        assert_eq!(
            code(read(&of("/v1/images/edits"), &form(&[(name, value), image]), 9)),
            "invalid_request",
            "{value}"
        );
    }
    let streamed = form(&[("\"model\"", "m"), ("\"n\"", "2"), ("\"stream\"", "True"), image]);
    assert_eq!(code(read(&of("/v1/images/edits"), &streamed, 9)), "invalid_request");
    let unknown = form(&[("\"model\"", "m"), ("\"num_images\"", "9"), image]);
    assert!(read(&of("/v1/images/variations"), &unknown, 9).unwrap().billable().unknown_parameters);
}

#[test]
fn a_model_in_the_path_is_sent_on_as_a_part_of_its_own() {
    let route = of("/openai/deployments/ear/audio/transcriptions");
    let body = form(&[FILE]);
    let call = read(&route, &body, 8).unwrap();
    assert_eq!(call.model().map(base::ModelId::as_str), Some("ear"));
    let sent = call.outgoing(&Edits { model: Some("whisper-1"), ..Edits::default() }).to_bytes();
    assert_eq!(sent, form(&[("\"model\"", "whisper-1"), FILE]));
    assert_eq!(call.outgoing(&Edits::default()).to_bytes(), body);
    assert_eq!(code(read(&route, &form(&[("\"model\"", "other"), FILE]), 8)), "ambiguous_request");
    let mut reader = Form::new(&route, Some(KIND)).unwrap();
    reader.push(&body[..120]).unwrap();
    assert!(reader.can_leave(), "it need not come in the form");
}

#[test]
fn the_content_of_a_form_is_the_same_under_another_boundary() {
    let body = form(&[("\"model\"", "m"), FILE]);
    let content = Form::new(&audio(), Some(KIND)).unwrap().content(&body);
    let other = Form::new(&audio(), Some(b"multipart/form-data; boundary=AaB03x")).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let renamed = text(&body).replace("xYzZy-1234", "AaB03x");
    assert_eq!(other.content(renamed.as_bytes()), content);
    assert_ne!(other.content(renamed.replace("whole", "part").replace("RIFF", "RIFX").as_bytes()), content);
}

/// Any bytes, in any pieces: a refusal or a form, and never a panic.
#[test]
fn any_bytes_are_read_without_a_panic() {
    let mut random = fastrand::Rng::with_seed(5);
    let whole = form(&[("\"model\"", "m"), FILE, ("\"language\"", "en")]);
    for _ in 0..3_000 {
        let mut body = whole.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..body.len());
            match random.u8(..3) {
                0 => body[at] = *random.choice(b"\r\n-\"\\;:=x\0").unwrap(),
                1 => drop(body.drain(at..(at + random.usize(1..9)).min(body.len()))),
                _ => body.insert(at, random.u8(..)),
            }
        }
        let (whole, pieces) =
            (code(read(&audio(), &body, body.len())), code(read(&audio(), &body, random.usize(1..9))));
        assert_eq!(whole, pieces, "{}", String::from_utf8_lossy(&body));
    }
}
