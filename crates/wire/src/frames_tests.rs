//! Frames cut anywhere and damaged anyhow: what is read never depends on the cuts, and nothing damaged is believed.

use proptest::prelude::*;

use super::*;

/// A frame with one header of each type.
fn frame(message_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    let mut header = |name: &str, kind: u8, value: &[u8]| {
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        headers.push(kind);
        headers.extend_from_slice(value);
    };
    header("t", 0, b"");
    header("f", 1, b"");
    header("byte", 2, b"1");
    header("short", 3, b"12");
    header("int", 4, b"1234");
    header("long", 5, b"12345678");
    header("bytes", 6, b"\0\x03abc");
    header("time", 8, b"12345678");
    header("uuid", 9, b"1234567890123456");
    header(":message-type", 7, &[&(message_type.len() as u16).to_be_bytes()[..], message_type.as_bytes()].concat());
    let mut frame = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A payload, where it was read, and whether the frame was an error.
type Read = (Option<Vec<u8>>, bool);

/// What a framer with these limits reads of bytes that come in chunks of these sizes, one after the other and again.
fn read(bytes: &[u8], sizes: &[usize], most: (usize, usize)) -> Result<Vec<Read>, StreamFault> {
    let mut framer = FrameFramer::new(most.0, most.1);
    let mut seen = Vec::new();
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((*sizes.next().expect("endless")).min(rest.len()));
        let mut at = 0;
        while let Some(event) = framer.next(chunk, &mut at)? {
            seen.push((event.data.map(<[u8]>::to_vec), event.is_error));
        }
        assert_eq!(at, chunk.len());
        rest = after;
    }
    Ok(seen)
}

const LIMITS: (usize, usize) = (1 << 20, 1 << 16);

#[test]
fn a_frame_is_read_whatever_its_cuts_and_its_headers() {
    let bytes = [frame("event", b"{\"a\":1}"), frame("event", b""), exception("throttlingException", b"{}")].concat();
    let expected = vec![(Some(b"{\"a\":1}".to_vec()), false), (Some(Vec::new()), false), (Some(b"{}".to_vec()), true)];
    for size in 1..=bytes.len() {
        assert_eq!(read(&bytes, &[size], LIMITS).as_ref(), Ok(&expected), "{size}");
    }
    // Incomplete, it says nothing.
    assert_eq!(read(&bytes[..bytes.len() - 1], &[7], LIMITS), Ok(expected[..2].to_vec()));
}

#[test]
fn a_frame_without_headers_or_of_the_largest_size_is_one() {
    let mut bare = 16_u32.to_be_bytes().to_vec();
    bare.extend_from_slice(&[0; 4]);
    bare.extend_from_slice(&crc32fast::hash(&bare).to_be_bytes());
    bare.extend_from_slice(&crc32fast::hash(&bare).to_be_bytes());
    assert_eq!(read(&bare, &[3], LIMITS), Ok(vec![(Some(Vec::new()), false)]));
    let large = frame("event", &[b'x'; 300]);
    // Too large to be read, it passes; too large to pass, it is a fault. Its memory is bounded by what is read.
    assert_eq!(read(&large, &[50], (large.len(), 100)), Ok(vec![(None, false)]));
    assert_eq!(read(&large, &[50], (large.len() - 1, 100)), Err(StreamFault::LineTooLong(large.len() - 1)));
}

#[test]
fn lengths_that_cannot_be_are_faults_before_anything_is_kept() {
    for (total, headers) in [(0_u32, 0_u32), (15, 0), (16, 1), (100, 85), (u32::MAX, 0), (1 << 19, (128 << 10) + 1)] {
        let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        prelude.extend_from_slice(&crc32fast::hash(&prelude).to_be_bytes());
        assert!(read(&prelude, &[5], LIMITS).is_err(), "{total} {headers}");
    }
    assert_eq!(read(b"HTTP/1.1 502 Bad Gateway", &[9], LIMITS), Err(StreamFault::BadFrame));
}

#[test]
fn headers_that_are_none_are_a_fault() {
    for headers in [&b"\x05ab"[..], b"\x01a", b"\x01a\x0a", b"\x01a\x07\xff\xff", b"\x01a\x04123"] {
        assert_eq!(error_of(headers), None, "{headers:?}");
    }
    assert_eq!(error_of(b""), Some((false, &b""[..])));
}

proptest! {
    /// One changed byte anywhere is noticed, or makes the frame wait for bytes that never come.
    #[test]
    fn no_damage_is_believed(place in 0_usize..200, change in 1_u8.., sizes in prop::collection::vec(1_usize..40, 1..8)) {
        let mut bytes = [frame("event", b"{\"usage\":{}}"), frame("event", b"{}")].concat();
        let place = place % bytes.len();
        bytes[place] ^= change;
        prop_assert!(read(&bytes, &sizes, LIMITS).is_err());
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..50) {
        let _ = read(&bytes, &[size], (200, 100));
        let mut sealed = bytes.clone();
        if sealed.len() >= 12 {
            let sum = crc32fast::hash(&sealed[..8]).to_be_bytes();
            sealed[8..12].copy_from_slice(&sum);
            sealed[..3].copy_from_slice(&[0; 3]);
            let _ = read(&sealed, &[size], (200, 100));
        }
        let _ = error_of(&bytes);
    }
}
