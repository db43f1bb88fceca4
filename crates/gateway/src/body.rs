//! What the relay sends upstream.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::sync::Arc;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;

use crate::upload::{Fate, GivenUp, Rest};

/// A body up to this size is sent in one piece, over HTTP/1.1 together with the head: to copy it costs less than several
/// writes, or frames.
pub(crate) const SMALL_BYTES: u64 = 16 << 10;

/// A request body for an upstream: the client's bytes with what was spliced in between, in order.
#[derive(Debug, Default)]
pub(crate) struct OutgoingBody {
    /// In order, from `next` on.
    pieces: SmallVec<[Bytes; 8]>,
    next: usize,
    /// Bytes not yet handed out.
    left: u64,
    /// What comes behind the pieces while it is sent.
    rest: Option<Box<Rest>>,
}

impl OutgoingBody {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Bytes>) -> OutgoingBody {
        let pieces: SmallVec<[Bytes; 8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        OutgoingBody { pieces, next: 0, left, rest: None }
    }

    /// With the rest of a form behind it.
    pub(crate) fn then(self, rest: Option<Rest>) -> OutgoingBody {
        let left = self.left + rest.as_ref().map_or(0, Rest::left);
        OutgoingBody { left, rest: rest.map(Box::new), ..self }
    }

    /// In one piece where it is small and all of it is here.
    pub(crate) fn joined(self) -> OutgoingBody {
        if self.left > SMALL_BYTES || !self.is_whole() || self.pieces().nth(1).is_none() {
            return self;
        }
        OutgoingBody::new([Bytes::from(self.pieces[self.next..].concat())])
    }

    /// What becomes of the rest of a form.
    pub(crate) fn fate(&self) -> Option<Arc<Fate>> {
        self.rest.as_ref().map(|rest| rest.fate().clone())
    }

    /// Whether all of it is here.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_none()
    }

    /// The next bytes, once they have come; `None` at the end.
    pub(crate) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, GivenUp>>> {
        if let Some(piece) = self.next_piece() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let piece = ready!(rest.poll_next(cx));
        if let Some(Ok(piece)) = &piece {
            self.left -= piece.len() as u64;
        }
        Poll::Ready(piece)
    }

    /// What is still to be handed out of those that are here, in order.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces[self.next..].iter()
    }

    /// The next bytes of those that are here, never none; `None` at their end.
    pub(crate) fn next_piece(&mut self) -> Option<Bytes> {
        let piece = core::mem::take(self.pieces.get_mut(self.next)?);
        self.next += 1;
        self.left -= piece.len() as u64;
        Some(piece)
    }
}

impl Body for OutgoingBody {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        self.get_mut().poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.pieces.len() && self.left == 0
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

    #[test]
    fn a_small_body_is_joined_and_a_large_one_is_not_copied() {
        let half = usize::try_from(SMALL_BYTES / 2).expect("it is small");
        let body = |bytes: usize| OutgoingBody::new([Bytes::from(vec![b'a'; half]), Bytes::from(vec![b'b'; bytes])]);
        let (mut small, large) = (body(half).joined(), body(half + 1).joined());
        assert_eq!((small.pieces().count(), small.size_hint().exact()), (1, Some(SMALL_BYTES)));
        assert_eq!(small.next_piece().expect("one"), [vec![b'a'; half], vec![b'b'; half]].concat());
        assert_eq!((small.left, large.pieces().count()), (0, 2));
    }
}
