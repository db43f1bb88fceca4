//! Heads as clients send them, well and badly.

use http::header::HOST;

use super::*;

fn take_all(text: &str) -> Result<Option<Head>, Malformed> {
    take(&mut BytesMut::from(text), &mut 0, &Settings::default())
}

fn head(text: &str) -> Head {
    take_all(text).expect("it is a head").expect("it is whole")
}

#[test]
fn a_head_is_read_whatever_its_pieces_and_leaves_what_follows() {
    let text = "POST /v1/chat?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nbody";
    let mut input = BytesMut::new();
    let mut looked = 0;
    for (place, &byte) in text.as_bytes().iter().enumerate() {
        input.extend_from_slice(&[byte]);
        let taken = take(&mut input, &mut looked, &Settings::default()).unwrap();
        let Some(head) = taken else { continue };
        assert_eq!(place, text.len() - 5, "whole with its last line");
        assert_eq!(
            (head.parts.method.as_str(), head.parts.uri.path(), head.parts.uri.query()),
            ("POST", "/v1/chat", Some("a=b"))
        );
        assert_eq!(head.parts.headers.get(&HOST), Some(&b"x"[..]));
        assert_eq!(head.framing, Framing::length(12));
        assert!(head.keeps && !head.expects_continue);
    }
    assert_eq!(&input[..], b"body");
}

#[test]
fn what_has_two_meanings_is_refused() {
    for headers in [
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3, 4",
        "content-length: +3",
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: identity",
        "transfer-encoding : chunked",
        " folded: a",
        "a: b\r\n folded",
        "a\u{0}b: c",
        "no colon",
        "a: b\nc: d",
    ] {
        let taken = take_all(&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n"));
        assert_eq!(taken.err(), Some(MALFORMED), "{headers:?}");
    }
    for line in ["GET / HTTP/2.0", "GET  / HTTP/1.1", "GET /", "G\u{1}T / HTTP/1.1", "GET /a b HTTP/1.1"] {
        assert_eq!(take_all(&format!("{line}\r\n\r\n")).err(), Some(MALFORMED), "{line:?}");
    }
    assert_eq!(take_all("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n").err(), Some(MALFORMED));
}

#[test]
fn the_same_length_twice_is_one_length() {
    assert_eq!(head("POST / HTTP/1.1\r\ncontent-length: 3\r\nContent-Length: 3\r\n\r\n").framing, Framing::length(3));
    assert_eq!(head("POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n").framing, Framing::chunked());
}

#[test]
fn a_head_has_a_largest_size_and_most_headers() {
    let settings = Settings { head_bytes_max: 1_000, headers_max: 10, ..Settings::default() };
    let endless = "a".repeat(1_001);
    assert_eq!(take(&mut BytesMut::from(&endless[..]), &mut 0, &settings).err(), Some(TOO_LARGE));
    for (headers_max, many) in [(10, 11), (10, 10), (200, 201), (200, 200)] {
        let settings = Settings { headers_max, ..Settings::default() };
        let lines: String = (0..many).map(|number| format!("a{number}: b\r\n")).collect();
        let taken = take(&mut BytesMut::from(&format!("GET / HTTP/1.1\r\n{lines}\r\n")[..]), &mut 0, &settings);
        assert_eq!(taken.is_ok(), many <= headers_max, "{many} of {headers_max}");
    }
}

#[test]
fn only_who_wants_to_is_kept() {
    assert!(!head("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").keeps);
    assert!(!head("GET / HTTP/1.1\r\nconnection: a, Close\r\n\r\n").keeps);
    assert!(head("\r\n\r\nGET / HTTP/1.1\r\nconnection: keep-alive\r\n\r\n").keeps);
    assert!(head("POST / HTTP/1.1\r\nexpect: 100-Continue\r\ncontent-length: 1\r\n\r\n").expects_continue);
}
