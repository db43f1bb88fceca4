//! Fuzz target: what an upstream answers.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::io;

use bytes::Bytes;
use fuzz::{Fuzz, about, sign};
use http::{Method, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Fault, Http1};
use crate::body::OutgoingBody;
use crate::heads::Outgoing;

/// An upstream that takes everything and has said everything already; it hands it out in pieces.
struct Said {
    rest: Bytes,
    piece_bytes: usize,
}

impl AsyncRead for Said {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.rest.len().min(self.piece_bytes).min(into.remaining());
        into.put_slice(&self.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Status, body and whether another request may follow; or what kind of fault.
type Read = Result<(u16, Vec<u8>, bool), &'static str>;

fn read(input: &[u8], piece_bytes: usize) -> Read {
    let kind = |fault: Fault| match fault {
        Fault::Io(_) => "io",
        Fault::Closed => "closed",
        Fault::Protocol(reason) => reason,
        Fault::Upload(_) => unreachable!("nothing is uploaded"),
    };
    let mut connection = Http1::new(Box::new(Said { rest: Bytes::copy_from_slice(input), piece_bytes }));
    connection.send(Outgoing::new(Method::GET, Uri::from_static("/"), OutgoingBody::default()));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(head) = connection.poll_head(&mut cx) else { unreachable!("all is there already") };
    let status = head.map_err(kind)?.status.as_u16();
    let mut body = Vec::new();
    loop {
        match connection.poll_data(&mut cx) {
            Poll::Ready(Some(Ok(data))) => body.extend_from_slice(&data),
            Poll::Ready(Some(Err(fault))) => return Err(kind(fault)),
            Poll::Ready(None) => return Ok((status, body, connection.keeps)),
            Poll::Pending => unreachable!("all is there already"),
        }
    }
}

/// An answer is the same however it is cut; its body is part of what came, and an interim answer is none.
#[test]
fn answers() {
    let corpus = [
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\n, x\r\n0\r\na: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\nuntil the end",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
    ];
    let words = [
        "content-length: ",
        "transfer-encoding: chunked\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\n",
    ];
    Fuzz::new("http1").corpus(corpus).words(words).run(11, |input| {
        let whole = read(input, usize::MAX);
        for piece_bytes in [1, 5] {
            let pieces = read(input, piece_bytes);
            match (&whole, &pieces) {
                // Which fault of several is met first may depend on the cuts; that there is one does not.
                (Err(_), Err(_)) => {}
                _ => assert_eq!(pieces, whole, "in pieces of {piece_bytes} bytes"),
            }
        }
        match whole {
            Err(reason) => sign(&reason),
            Ok((status, body, keeps)) => {
                assert!(body.len() <= input.len() && status >= 200, "{status}");
                sign(&(status, about(body.len()), keeps))
            }
        }
    });
}
