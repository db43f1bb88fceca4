//! Scripted upstreams: what is read of any answer in any pieces, and when a connection may be used again.

use http::header::HOST;
use http::{HeaderName, Method, StatusCode, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const PIPE_BYTES: usize = 1 << 20;

/// A connection and the upstream's end of it.
fn pair() -> (Http1, DuplexStream) {
    let (near, far) = duplex(PIPE_BYTES);
    (Http1::new(Box::new(near)), far)
}

fn request(body: &'static [&'static [u8]]) -> Outgoing {
    let body = OutgoingBody::new(body.iter().map(|piece| Bytes::from_static(piece)));
    let mut request = Outgoing::new(Method::POST, Uri::from_static("/v1/chat/completions"), body);
    request.fields.put_text(&HOST, b"provider.test");
    request
}

async fn head(connection: &mut Http1) -> Result<ResponseHead, Fault> {
    core::future::poll_fn(|cx| connection.poll_head(cx)).await
}

async fn body(connection: &mut Http1) -> Result<Vec<u8>, Fault> {
    let mut whole = Vec::new();
    while let Some(data) = core::future::poll_fn(|cx| connection.poll_data(cx)).await {
        whole.extend_from_slice(&data?);
    }
    Ok(whole)
}

/// An answer that comes in these pieces, and whether the connection can be used again.
async fn answer(pieces: Vec<Vec<u8>>, closes: bool) -> Result<(ResponseHead, Vec<u8>, bool), Fault> {
    let (mut connection, mut far) = pair();
    connection.send(request(&[b"{}"]));
    let upstream = tokio::spawn(async move {
        for piece in pieces {
            // Who has read enough hangs up.
            if far.write_all(&piece).await.is_err() {
                return None;
            }
            tokio::task::yield_now().await;
        }
        (!closes).then_some(far)
    });
    let parts = head(&mut connection).await?;
    let whole = body(&mut connection).await?;
    let _open = upstream.await.unwrap();
    Ok((parts, whole, connection.is_idle()))
}

async fn of(text: &str, closes: bool) -> Result<(ResponseHead, Vec<u8>, bool), Fault> {
    answer(vec![text.as_bytes().to_vec()], closes).await
}

fn is_protocol<T: core::fmt::Debug>(result: &Result<T, Fault>) -> bool {
    matches!(result, Err(Fault::Protocol(_)))
}

#[tokio::test]
async fn a_request_is_written_whole_with_its_length() {
    let (mut connection, mut far) = pair();
    connection.send(request(&[b"{\"model\":", b"\"m\"", b"}"]));
    let waiting = tokio::spawn(async move { head(&mut connection).await.map(|parts| parts.status) });
    let expected =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: provider.test\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}";
    let mut seen = vec![0; expected.len()];
    far.read_exact(&mut seen).await.unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), expected);
    far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn one_connection_carries_one_call_after_the_other() {
    let (mut connection, mut far) = pair();
    assert!(connection.is_idle());
    for round in 0..3 {
        connection.send(request(&[b"{}"]));
        assert!(!connection.is_idle());
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nx-round: {round}\r\n\r\nround {round}");
        far.write_all(answer.as_bytes()).await.unwrap();
        let parts = head(&mut connection).await.unwrap();
        assert_eq!(parts.headers.text(&HeaderName::from_static("x-round")), Some(round.to_string().as_str()));
        assert!(!connection.can_carry_another());
        assert_eq!(body(&mut connection).await.unwrap(), format!("round {round}").into_bytes());
        assert!(connection.is_idle());
    }
    // Said unasked, and then closed: neither is a connection for anybody.
    far.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
    assert!(!connection.is_idle());
    let (mut connection, far) = pair();
    drop(far);
    assert!(!connection.is_idle());
}

#[tokio::test]
async fn an_answer_is_the_same_in_any_pieces() {
    let mut random = fastrand::Rng::with_seed(7);
    let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nA: b\r\n\r\n\
        5;ext=\"1\"\r\nhello\r\n1\r\n \r\n0006 \r\nworld!\r\n0\r\ntrailer: t\r\n\r\n";
    let lengthy = "HTTP/1.1 200 OK\r\nContent-Length: 12, 12\r\nA: b\r\n\r\nhello world!";
    for text in [chunked, lengthy] {
        for _ in 0..300 {
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(random.usize(1..=rest.len().min(9)));
                pieces.push(piece.to_vec());
                rest = more;
            }
            let (parts, whole, keeps) = answer(pieces, false).await.unwrap();
            assert_eq!(
                (parts.status, parts.headers.get(&HeaderName::from_static("a"))),
                (StatusCode::OK, Some(&b"b"[..]))
            );
            assert_eq!((whole.as_slice(), keeps), (&b"hello world!"[..], true));
        }
    }
}

#[tokio::test]
async fn a_connection_is_kept_only_when_the_end_of_its_answer_is_certain() {
    for (text, closes, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\nall of it", true, &b"all of it"[..]),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x, Close\r\n\r\nok", false, b"ok"),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", false, b"ok"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more", false, b"ok"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            false,
            b"ok",
        ),
    ] {
        let (_, whole, keeps) = of(text, closes).await.unwrap();
        assert_eq!((whole.as_slice(), keeps), (expected, false), "{text}");
    }
    let (_, _, keeps) =
        of("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", false).await.unwrap();
    assert!(keeps);
}

#[tokio::test]
async fn what_is_not_http_breaks_the_connection() {
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(head::HEAD_BYTES_MAX));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = ["zz\r\n", "\r\n", "11111111111111111\r\n", "2\nok\r\n", "2\r\nokk\r\n", "0\r\na: b\n\r\n"];
    let trailers = format!("{head}0\r\n{}", "a: b\r\n".repeat(4_000));
    let size_line = format!("{head}1;{}", "x".repeat(5_000));
    let heads = [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        long.as_str(),
        many.as_str(),
        trailers.as_str(),
        size_line.as_str(),
    ];
    for text in heads {
        let answered = of(text, false).await;
        assert!(is_protocol(&answered), "{:.80}: {answered:?}", text);
    }
    for chunk in chunks {
        let answered = of(&format!("{head}{chunk}"), false).await;
        assert!(is_protocol(&answered), "{chunk:?}: {answered:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    for text in [
        "",
        "HTTP/1.1 200 OK\r\nconte",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
    ] {
        let answered = of(text, true).await;
        assert!(matches!(answered, Err(Fault::Closed)), "{text}: {answered:?}");
    }
}

#[tokio::test]
async fn whether_a_request_left_is_known() {
    let (mut connection, far) = pair();
    drop(far);
    connection.send(request(&[b"{}"]));
    assert!(head(&mut connection).await.is_err());
    assert!(!connection.has_sent());
    let (mut connection, far) = pair();
    connection.send(request(&[b"{}"]));
    let waiting = tokio::spawn(async move { (head(&mut connection).await.is_err(), connection.has_sent()) });
    tokio::task::yield_now().await;
    drop(far);
    assert_eq!(waiting.await.unwrap(), (true, true));
}

#[tokio::test]
async fn an_upstream_that_answers_early_is_heard() {
    static LONG: &[u8] = &[b'x'; 4 << 20];
    let (mut connection, mut far) = pair();
    connection.send(request(const { &[LONG] }));
    far.write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    assert_eq!(head(&mut connection).await.unwrap().status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(body(&mut connection).await.unwrap(), b"no");
    assert!(!connection.can_carry_another(), "half of the request may still be on its way");
}

#[tokio::test]
async fn a_long_request_is_written_while_the_upstream_reads() {
    static LONG: &[u8] = &[b'x'; 4 << 20];
    let (mut connection, mut far) = pair();
    connection.send(request(const { &[LONG, b"end"] }));
    let upstream = tokio::spawn(async move {
        let mut seen = Vec::new();
        while !seen.ends_with(b"xend") {
            far.read_buf(&mut seen).await.unwrap();
        }
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        (seen.len(), far)
    });
    assert_eq!(head(&mut connection).await.unwrap().status, StatusCode::OK);
    assert!(connection.can_carry_another());
    assert!(upstream.await.unwrap().0 > LONG.len() + 3);
}

#[tokio::test]
async fn no_bytes_of_an_upstream_are_too_strange() {
    let mut random = fastrand::Rng::with_seed(11);
    let words: [&[u8]; 14] = [
        b"HTTP/1.1 200 OK\r\n",
        b"content-length: ",
        b"transfer-encoding: chunked\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"5",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"\n",
        b":",
        b"\0",
        b"\xff\xfe",
        b"connection: close\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ];
    for _ in 0..3_000 {
        let pieces = (0..random.usize(1..12)).map(|_| words[random.usize(0..words.len())].to_vec()).collect();
        // It ends, and the body is no longer than what came.
        if let Ok((_, whole, _)) = answer(pieces, true).await {
            assert!(whole.len() < 12 * 32);
        }
    }
}
