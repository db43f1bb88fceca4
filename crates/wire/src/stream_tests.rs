//! Streams cut anywhere, with every line end: what is forwarded and what is metered never depends on the cuts.

use proptest::prelude::*;

use super::*;
use crate::usage::UsageFault;

/// A stream as events without their line ends; `true` marks the usage chunk.
type Corpus = &'static [(&'static str, bool)];

const CORPORA: &[Corpus] = &[
    &[
        (
            "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n",
            false,
        ),
        (": keep-alive\n", false),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"Grüße 😀\"}}]}\n", false),
        (
            "data:{\"choices\":[{\"delta\":{\"content\":\" a\\n\\\"b\\\" \\ud83d\\ude00\",\"reasoning_content\":\"r\",\"reasoning\":\"r\"}}]}\n",
            false,
        ),
        (
            "event: message\nid: 7\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\ndata: \"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n",
            false,
        ),
        ("", false),
        ("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}\n", true),
        ("data: [DONE]\n", false),
    ],
    &[
        ("data: {\"choices\":[],\"prompt_filter_results\":[]}\n", false),
        ("data: {\"choices\":[{\"text\":\"x\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n", false),
        (": c\ndata: {\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3},\ndata: \"choices\":[]}\n", true),
        ("data: {\"choices\":[],\"usage\":null}\n", false),
        ("data: not json\n", false),
        ("event: error\ndata: {\"error\":{\"message\":\"no\"}}\n", false),
    ],
];

fn text_of(corpus: Corpus, line_end: &str, keeps_usage: bool) -> Vec<u8> {
    let events = corpus.iter().filter(|(_, is_usage)| keeps_usage || !is_usage);
    events.map(|(event, _)| format!("{event}\n").replace('\n', line_end)).collect::<String>().into_bytes()
}

/// Everything that can be seen of a metered stream.
#[derive(Debug, PartialEq)]
struct Seen {
    forwarded: Vec<u8>,
    usage: Option<Usage>,
    fault: Option<UsageFault>,
    end: StreamEnd,
    error: bool,
    text: String,
    chunks: u64,
    id: Option<String>,
}

fn meter(stream: &[u8], cuts: &[usize], strip_usage: bool) -> Seen {
    let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::ChatCompletions, strip_usage));
    let mut forwarded = Vec::new();
    let mut forward = |bytes: Bytes| {
        assert!(!bytes.is_empty(), "an empty piece would end a chunked body");
        forwarded.extend_from_slice(&bytes);
    };
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        if start < end {
            meter.push(Bytes::copy_from_slice(&stream[start..end]), &mut forward).expect("no long lines");
            start = end;
        }
    }
    let end = meter.finish(&mut forward);
    let delivered = meter.delivered();
    let (text, chunks) = (delivered.text.to_owned(), delivered.chunks);
    let id = meter.response_id().map(str::to_owned);
    Seen { forwarded, usage: meter.usage(), fault: meter.fault(), end, error: meter.error_event(), text, chunks, id }
}

#[test]
fn a_stream_is_forwarded_and_metered_alike_at_every_cut() {
    for corpus in CORPORA {
        for line_end in ["\n", "\r\n", "\r"] {
            let stream = text_of(corpus, line_end, true);
            for strip in [false, true] {
                let whole = meter(&stream, &[], strip);
                assert_eq!(whole.forwarded, text_of(corpus, line_end, !strip), "{line_end:?} strip {strip}");
                for cut in 1..stream.len() {
                    assert_eq!(meter(&stream, &[cut], strip), whole, "cut {cut} {line_end:?} strip {strip}");
                }
                let every: Vec<usize> = (1..stream.len()).collect();
                assert_eq!(meter(&stream, &every, strip), whole, "byte by byte {line_end:?} strip {strip}");
            }
        }
    }
}

#[test]
fn the_facts_of_a_stream_are_found() {
    let first = meter(&text_of(CORPORA[0], "\n", true), &[], true);
    assert_eq!(first.usage.map(|usage| (usage.input, usage.output)), Some((5, 7)));
    assert_eq!((first.end, first.error, first.chunks), (StreamEnd::Terminal, false, 3));
    assert_eq!(first.text, "Grüße 😀 a\n\"b\" 😀rf{}");
    assert_eq!(first.id.as_deref(), Some("chatcmpl-1"));
    let second = meter(&text_of(CORPORA[1], "\r", true), &[], true);
    assert_eq!(second.usage.map(|usage| (usage.input, usage.output)), Some((2, 3)));
    assert_eq!((second.end, second.error, &*second.text), (StreamEnd::Missing, true, "x"));
}

#[test]
fn a_stream_cut_off_at_any_byte_forwards_all_but_the_usage_chunk() {
    let stream = text_of(CORPORA[0], "\n", true);
    let before_usage = text_of(&CORPORA[0][..6], "\n", true).len();
    let after_usage = text_of(&CORPORA[0][..7], "\n", true).len();
    for end in 0..stream.len() {
        let seen = meter(&stream[..end], &[], true);
        // An end without its empty line still counts as the usage chunk, once its line is whole JSON.
        let is_stripped = end > after_usage || seen.usage.is_some();
        let expected = if !is_stripped {
            stream[..end].to_vec()
        } else {
            [&stream[..before_usage], &stream[after_usage.min(end)..end]].concat()
        };
        assert_eq!(seen.forwarded, expected, "end {end}");
    }
}

#[test]
fn without_stripping_nothing_is_held_back() {
    let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::ChatCompletions, false));
    for part in [&b"data: {\"cho"[..], b"ices\":[]", b"}\r", b"\n\r", b"\n"] {
        let mut forwarded = Vec::new();
        meter.push(Bytes::from_static(part), &mut |bytes| forwarded.extend_from_slice(&bytes)).expect("short");
        assert_eq!(forwarded, part);
    }
}

#[test]
fn with_stripping_whole_events_are_not_held_back() {
    let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::ChatCompletions, true));
    let mut push = |part: &'static [u8]| {
        let mut forwarded = Vec::new();
        meter.push(Bytes::from_static(part), &mut |bytes| forwarded.extend_from_slice(&bytes)).expect("short");
        String::from_utf8(forwarded).expect("ASCII")
    };
    assert_eq!(push(b"data: 1\n\ndata: 2\n\ndat"), "data: 1\n\ndata: 2\n\n");
    assert_eq!(push(b"a: 3\r\n\r"), "data: 3\r\n\r");
    assert_eq!(push(b"\n"), "\n", "the rest of a line end goes at once");
    assert_eq!(push(b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\r\r"), "");
    assert_eq!(push(b"\ndata: 4\n\n"), "data: 4\n\n", "the line feed belongs to what was taken out");
}

#[test]
fn large_events_pass_and_endless_lines_do_not() {
    let options = StreamOptions {
        line_bytes_max: 200_000,
        event_bytes_max: 1_000,
        ..StreamOptions::new(Endpoint::ChatCompletions, true)
    };
    let mut meter = StreamMeter::new(options);
    let mut forwarded = 0;
    let chunk = Bytes::from(vec![b'x'; 1_000]);
    for _ in 0..200 {
        meter.push(chunk.clone(), &mut |bytes| forwarded += bytes.len()).expect("within the limit");
    }
    assert!(forwarded > 100_000, "a large event is not held back for ever");
    assert_eq!(meter.push(chunk, &mut |_| ()), Err(StreamFault::LineTooLong(200_000)));

    let mut meter = StreamMeter::new(StreamOptions { event_bytes_max: 100, ..options });
    let usage = format!(
        "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1}},\"x\":\"{}\"}}\n\n",
        "y".repeat(200)
    );
    let mut forwarded = Vec::new();
    meter.push(Bytes::from(usage.clone()), &mut |bytes| forwarded.extend_from_slice(&bytes)).expect("short");
    assert_eq!((meter.usage(), forwarded), (None, usage.into_bytes()), "what is too large to read is not taken out");
}

#[test]
fn delivered_text_is_capped_and_what_is_beyond_is_counted() {
    let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::ChatCompletions, false));
    let event =
        Bytes::from(format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n", "x".repeat(100_000)));
    for _ in 0..20 {
        meter.push(event.clone(), &mut |_| ()).expect("short");
    }
    let delivered = meter.delivered();
    assert_eq!(delivered.text.len() as u64 + delivered.beyond_bytes, 2_000_000);
    assert!(delivered.text.len() <= 1 << 20 && delivered.text.len() > 700_000);
    assert_eq!(delivered.chunks, 20);
}

#[test]
fn a_bad_usage_is_a_fault_and_a_later_good_one_heals_it() {
    let mut meter = StreamMeter::new(StreamOptions::new(Endpoint::ChatCompletions, false));
    let mut push = |usage: &str| {
        meter.push(Bytes::from(format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\n")), &mut |_| ()).expect("short");
        (meter.usage().map(|usage| usage.output), meter.fault())
    };
    assert_eq!(push("{\"prompt_tokens\":1,\"completion_tokens\":-2}"), (None, Some(UsageFault::Negative)));
    assert_eq!(push("{\"prompt_tokens\":1,\"completion_tokens\":2}"), (Some(2), None));
    assert_eq!(push("{\"prompt_tokens\":1,\"completion_tokens\":2.5}"), (Some(2), Some(UsageFault::Fractional)));
    assert_eq!(push("{\"prompt_tokens\":1,"), (Some(2), Some(UsageFault::Malformed)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_cuts_change_nothing(
        which in 0..CORPORA.len(),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        strip: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let stream = text_of(CORPORA[which], line_end, true);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(meter(&stream, &cuts, strip), meter(&stream, &[], strip));
    }

    #[test]
    fn any_bytes_pass_unchanged_and_never_panic(
        bytes in prop::collection::vec(prop::sample::select(b"data: {}[]\"\\:,\r\n\r\n\r\nusage choices\xff\x00".to_vec()), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len().max(1))).collect();
        cuts.sort_unstable();
        prop_assert_eq!(&meter(&bytes, &cuts, false).forwarded, &bytes);
        prop_assert_eq!(&meter(&bytes, &cuts, true).forwarded, &bytes);
    }
}

#[test]
fn a_usage_event_that_the_end_cut_off_says_nothing() {
    let text = b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let usage = b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}";
    for end in 0..usage.len() {
        let seen = meter(&[text.as_slice(), &usage[..end]].concat(), &[], true);
        assert_eq!((seen.usage, seen.fault, seen.text.as_str()), (None, None, "x"), "cut after {end} bytes");
    }
    // Garbled in the middle of a stream it is a reason to doubt.
    let seen = meter(&[&usage[..40], b"\n\n", text].concat(), &[], true);
    assert_eq!((seen.usage, seen.fault), (None, Some(UsageFault::Malformed)));
}
