//! What is being written to a socket.

use core::cell::Cell;
use core::ops::{Deref, DerefMut};

use bytes::BytesMut;

/// Larger spaces are let go of: a stream keeps the one that it took for as long as it lasts.
const SPARE_BYTES_MAX: usize = 8 << 10;

thread_local! {
    /// The space of the last message of this thread that was written.
    static SPARE: Cell<BytesMut> = Cell::new(BytesMut::new());
}

/// Bytes on their way to a socket, which nearly always takes them all at once. So their space goes from one message of the
/// thread to the next: it is still in the caches, where new memory is not.
#[derive(Default)]
pub(crate) struct Output(BytesMut);

impl Output {
    /// Empty, with room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Output {
        let mut space = SPARE.take();
        space.reserve(bytes);
        Output(space)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut space = core::mem::take(&mut self.0);
        if (1..=SPARE_BYTES_MAX).contains(&space.capacity()) {
            space.clear();
            // At the thread's end there is no next message.
            let _ended = SPARE.try_with(|spare| spare.set(space));
        }
    }
}

impl Deref for Output {
    type Target = BytesMut;

    fn deref(&self) -> &BytesMut {
        &self.0
    }
}

impl DerefMut for Output {
    fn deref_mut(&mut self) -> &mut BytesMut {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    #[test]
    fn space_goes_from_one_message_to_the_next_and_none_of_its_bytes() {
        let mut first = Output::with_room(1_000);
        first.extend_from_slice(&[b'a'; 1_000]);
        let place = first.as_ptr();
        first.advance(400);
        drop(first);
        let mut second = Output::with_room(900);
        assert!(second.is_empty());
        second.extend_from_slice(b"b");
        assert_eq!((second.as_ptr(), &second[..]), (place, &b"b"[..]));
        drop(Output::with_room(SPARE_BYTES_MAX + 1));
        assert!(Output::with_room(1).capacity() <= SPARE_BYTES_MAX, "what is large is not kept");
    }
}
