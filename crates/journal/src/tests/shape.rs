//! What one frame and one head look like, and when they do not read as one.

use super::BOOT;
use crate::frame::{self, Mark, Place};
use crate::header::{self, Head, Header};
use crate::{PAYLOAD_BYTES_MAX, Stop};

#[test]
fn a_frame_reads_at_its_own_place_only() {
    let place = Place { start: 5_000, epoch: 3 };
    let mut bytes = Vec::new();
    for length in [0, 1, 250, PAYLOAD_BYTES_MAX] {
        frame::encode(&mut bytes, place, 4_000, Mark::Record, 7, &vec![0; length]);
        let frame = frame::parse(&bytes, place).unwrap();
        assert_eq!((frame.kind, frame.payload.len(), frame.durable), (7, length, 4_000));
        assert_eq!(frame.bytes(), bytes.len() as u64);
        for other in 0..10_000 {
            let start = Place { start: other, ..place };
            assert!(other == place.start || frame::parse(&bytes, start).is_none(), "position {other}");
        }
        for epoch in [0, 1, 2, 4] {
            assert!(frame::parse(&bytes, Place { epoch, ..place }).is_none(), "epoch {epoch}");
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(frame::parse(&bytes, place).is_none(), "bit {bit} of {length} bytes");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for end in 0..bytes.len() {
            assert!(frame::parse(&bytes[..end], place).is_none(), "{end} of {} bytes", bytes.len());
        }
    }
    assert!(frame::parse(&[0; 100], place).is_none());
}

#[test]
fn a_lag_that_is_too_long_to_say_says_nothing() {
    let place = Place { start: 1 << 40, epoch: 1 };
    let mut bytes = Vec::new();
    frame::encode(&mut bytes, place, 5, Mark::Clean, 0, &[]);
    assert_eq!(frame::parse(&bytes, place).unwrap().durable, 0);
}

#[test]
#[should_panic(expected = "too long")]
fn a_payload_over_the_limit_is_a_mistake_of_the_caller() {
    frame::encode(&mut Vec::new(), Place { start: 0, epoch: 1 }, 0, Mark::Record, 0, &[0; PAYLOAD_BYTES_MAX + 1]);
}

#[test]
fn a_head_reads_whole_or_not_at_all() {
    for after in [None, Some(Stop::First), Some(Stop::Clean), Some(Stop::Killed), Some(Stop::PowerLost)] {
        let header = Header { number: 4, first: 1 << 33, epoch: 9, boot: BOOT, after, chain: [6; 32] };
        let mut bytes = header::encode(&header);
        assert_eq!(header::parse(&bytes), Head::Header(header));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(header::parse(&bytes), Head::Header(_) | Head::Blank), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_ne!(header::parse(&bytes[..bytes.len() - 1]), Head::Header(header));
    }
    assert_eq!(header::parse(&[0; header::BYTES as usize]), Head::Blank);
    assert_eq!(header::parse(&[]), Head::Blank);
}
