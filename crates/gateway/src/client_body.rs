//! The body of a client's request, whichever HTTP carries it.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::server::RequestBody;

/// See the module's description.
pub(crate) enum ClientBody {
    Http1(RequestBody),
    Http2(Incoming),
}

/// It ended before it was whole.
#[derive(Debug)]
pub(crate) struct BrokenOff;

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            ClientBody::Http1(body) => Poll::Ready(ready!(body.poll_data(cx)).map(|data| data.map(Frame::data))),
            ClientBody::Http2(body) => Pin::new(body).poll_frame(cx).map_err(|_| BrokenOff),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ClientBody::Http1(body) => body.bytes_left() == Some(0),
            ClientBody::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ClientBody::Http1(body) => body.bytes_left().map_or_else(SizeHint::default, SizeHint::with_exact),
            ClientBody::Http2(body) => body.size_hint(),
        }
    }
}
