//! The two kinds of body that the relay makes itself: what it sends upstream, and a finished answer to a client.

use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;

/// A request body for an upstream: the client's bytes with what was spliced in between, in order, never copied together.
#[derive(Debug, Default)]
pub(crate) struct OutgoingBody {
    /// In order, from `next` on.
    pieces: SmallVec<[Bytes; 8]>,
    next: usize,
    /// Bytes not yet handed out.
    left: u64,
}

impl OutgoingBody {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Bytes>) -> OutgoingBody {
        let pieces: SmallVec<[Bytes; 8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        OutgoingBody { pieces, next: 0, left }
    }

    /// What is still to be handed out, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces[self.next..].iter()
    }

    /// The next bytes, never none; `None` at the end.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        let piece = core::mem::take(self.pieces.get_mut(self.next)?);
        self.next += 1;
        self.left -= piece.len() as u64;
        Some(piece)
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().next_piece().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.pieces.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_come_out_in_order_and_are_counted() {
        let body = OutgoingBody::new([Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cde")]);
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.expect("infallible").to_bytes(), "abcde");
    }
}
