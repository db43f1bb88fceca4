//! Fuzz target: the frame of a record.

use fuzz::{Fuzz, about, sign};

use crate::frame::{BYTES_MAX, Mark, Place, encode, parse};

/// What reads as a frame at its place is one that was written there: written again it is the same bytes, and it reads nowhere
/// else.
#[test]
fn frames() {
    let place = Place { start: 4_096, epoch: 3 };
    let frames = [
        (Mark::Record, 1, &b"payload"[..]),
        (Mark::Record, 2, b""),
        (Mark::Clean, 0, b""),
        (Mark::Record, 9, &[7; 300]),
    ];
    let corpus = frames.map(|(mark, kind, payload)| {
        let mut frame = Vec::new();
        encode(&mut frame, place, 4_000, mark, kind, payload);
        frame
    });
    Fuzz::new("journal-frames").corpus(corpus).words([[0xA5], [0x5A], [0], [0xFF]]).run(4, |input| {
        // As it came, and with a sum that fits: what is behind the sum is read too.
        let mut framed = Vec::new();
        let payload = &input[..input.len().min(2_000)];
        encode(&mut framed, place, u64::from(input.first().copied().unwrap_or(0)), Mark::Record, 5, payload);
        let own = parse(&framed, place).expect("what was written reads");
        assert_eq!((own.kind, own.payload), (5, payload));
        assert!(parse(&framed, Place { start: 4_097, ..place }).is_none(), "at another place it is no frame");
        let Some(frame) = parse(input, place) else { return 0 };
        assert!(frame.bytes() <= BYTES_MAX && frame.bytes() <= input.len() as u64 && frame.durable <= place.start);
        let mut again = Vec::new();
        encode(&mut again, place, frame.durable, frame.mark, frame.kind, frame.payload);
        assert_eq!(again, input[..again.len()]);
        sign(&(frame.mark == Mark::Clean, about(frame.payload.len())))
    });
}
