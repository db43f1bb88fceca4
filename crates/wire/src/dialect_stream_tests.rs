//! Streams of every dialect, cut anywhere and damaged anyhow: what is forwarded and metered never depends on the cuts,
//! nothing panics, and what has no end is never taken for whole.

use bytes::Bytes;
use proptest::prelude::*;

use crate::{Endpoint, StreamEnd, StreamMeter, StreamOptions, Usage};

/// A stream, what asked for it, and what it uses: input, cached, written, written for an hour, output, reasoning, searches.
struct Corpus {
    endpoint: Endpoint,
    is_array: bool,
    events: &'static [&'static str],
    usage: [u64; 7],
    text: &'static str,
    id: &'static str,
}

const CORPORA: [Corpus; 7] = [
    Corpus {
        endpoint: Endpoint::Messages,
        is_array: false,
        events: &[
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"content\":[],\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":30,\"cache_read_input_tokens\":5,\"cache_creation\":{\"ephemeral_5m_input_tokens\":10,\"ephemeral_1h_input_tokens\":20},\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
            "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm \"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Gr\u{fc}\u{df}e \\ud83d\\ude00\"}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\" f\",\"input\":{}}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":1}\"}}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":40,\"output_tokens_details\":{\"thinking_tokens\":7},\"server_tool_use\":{\"web_search_requests\":2}}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ],
        usage: [45, 5, 30, 20, 40, 7, 2],
        text: "hm Gr\u{fc}\u{df}e \u{1f600} f{\"a\":1}",
        id: "msg_1",
    },
    Corpus {
        endpoint: Endpoint::GenerateContent,
        is_array: false,
        events: &[
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Gr\u{fc}\u{df}e\"}],\"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"totalTokenCount\":9},\"responseId\":\"r-1\"}\n\n",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\" f\",\"args\":{\"a\":1}}}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"groundingMetadata\":{\"webSearchQueries\":[\"x\",\"y\"]}}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":4,\"thoughtsTokenCount\":6,\"toolUsePromptTokenCount\":3,\"cachedContentTokenCount\":5,\"totalTokenCount\":22},\"responseId\":\"r-1\"}\n\n",
        ],
        usage: [12, 5, 0, 0, 10, 6, 2],
        text: "Gr\u{fc}\u{df}e f{\"a\":1}",
        id: "r-1",
    },
    Corpus {
        endpoint: Endpoint::GenerateContent,
        is_array: true,
        events: &[
            "[{\n  \"candidates\": [{\"content\": {\"parts\": [{\"text\": \"]}\\\"[ Gr\u{fc}\u{df}e\"}]}}],\n  \"usageMetadata\": {\"promptTokenCount\": 9},\n \"responseId\": \"r-2\"\n}\n",
            ",\n{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" \\\\\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":4,\"totalTokenCount\":13}}\n",
            "]\n",
        ],
        usage: [9, 0, 0, 0, 4, 0, 0],
        text: "]}\"[ Gr\u{fc}\u{df}e \\",
        id: "r-2",
    },
    Corpus {
        endpoint: Endpoint::Responses,
        is_array: false,
        events: &[
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"usage\":null,\"output\":[]}}\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Gr\u{fc}\u{df}e\"}\n\n",
            "event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{}\"}\n\n",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"output\":[{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\"}},{\"type\":\"web_search_call\",\"action\":{\"type\":\"open_page\"}},{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Gr\u{fc}\u{df}e\"}]}],\"usage\":{\"input_tokens\":9,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens\":8,\"output_tokens_details\":{\"reasoning_tokens\":3},\"total_tokens\":17}}}\n\n",
        ],
        usage: [9, 4, 0, 0, 8, 3, 1],
        text: "Gr\u{fc}\u{df}e{}",
        id: "resp_1",
    },
    Corpus {
        endpoint: Endpoint::Responses,
        is_array: false,
        events: &[
            "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_2\"}}\n\n",
            "data: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_2\",\"status\":\"incomplete\",\"output\":[{\"type\":\"message\",\"content\":[{\"text\":\"cut\"}]}],\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}}\n\n",
        ],
        usage: [1, 0, 0, 0, 2, 0, 0],
        text: "cut",
        id: "resp_2",
    },
    Corpus {
        endpoint: Endpoint::Interactions,
        is_array: false,
        events: &[
            "event: interaction.created\ndata: {\"event_type\":\"interaction.created\",\"interaction\":{\"id\":\"v1_1\",\"status\":\"in_progress\"}}\n\n",
            "event: step.start\ndata: {\"event_type\":\"step.start\",\"index\":0,\"step\":{\"type\":\"thought\"}}\n\n",
            "data: {\"index\":0,\"delta\":{\"content\":{\"text\":\"hm \",\"type\":\"text\"},\"type\":\"thought_summary\"},\"event_type\":\"step.delta\"}\n\n",
            "data: {\"index\":0,\"delta\":{\"signature\":\"abc\",\"type\":\"thought_signature\"},\"event_type\":\"step.delta\"}\n\n",
            "event: step.delta\ndata: {\"event_type\":\"step.delta\",\"index\":0,\"delta\":{\"type\":\"text\",\"text\":\"Gr\u{fc}\u{df}e\"}}\n\n",
            "data: {\"index\":1,\"step\":{\"type\":\"function_call\",\"id\":\"fc_1\",\"name\":\" f\",\"arguments\":{}},\"event_type\":\"step.start\"}\n\n",
            "data: {\"index\":2,\"delta\":{\"arguments\":{\"queries\":[\"q\"]},\"type\":\"google_search_call\"},\"event_type\":\"step.delta\"}\n\n",
            "event: interaction.completed\ndata: {\"event_type\":\"interaction.completed\",\"interaction\":{\"id\":\"v1_1\",\"usage\":{\"total_input_tokens\":9,\"total_output_tokens\":5,\"total_thought_tokens\":3,\"total_tokens\":17}}}\n\n",
        ],
        usage: [9, 0, 0, 0, 8, 3, 1],
        text: "hm Gr\u{fc}\u{df}e f{\"queries\":[\"q\"]}",
        id: "v1_1",
    },
    Corpus {
        endpoint: Endpoint::CohereChat,
        is_array: false,
        events: &[
            "event: message-start\ndata: {\"id\":\"c-1\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_plan\":\"\",\"citations\":[]}}}\n\n",
            "event: tool-plan-delta\ndata: {\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{\"tool_plan\":\"hm \"}}}\n\n",
            "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"Gr\u{fc}\u{df}e\"}}}}\n\n",
            "event: tool-call-start\ndata: {\"type\":\"tool-call-start\",\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"f_0\",\"type\":\"function\",\"function\":{\"name\":\" f\",\"arguments\":\"{}\"}}}}}\n\n",
            "event: citation-start\ndata: {\"type\":\"citation-start\",\"delta\":{\"message\":{\"citations\":{\"text\":\"not again\"}}}}\n\n",
            "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":7.0,\"output_tokens\":9},\"tokens\":{\"input_tokens\":502,\"output_tokens\":12,\"reasoning_tokens\":3},\"cached_tokens\":448}}}\n\n",
        ],
        usage: [7, 0, 0, 0, 9, 3, 0],
        text: "hm Gr\u{fc}\u{df}e f{}",
        id: "c-1",
    },
];

/// Everything that can be seen of a metered stream.
#[derive(Debug, PartialEq)]
struct Seen {
    forwarded: Vec<u8>,
    usage: Option<Usage>,
    is_final: bool,
    end: Option<StreamEnd>,
    text: String,
    id: Option<String>,
}

fn options(corpus: &Corpus) -> StreamOptions {
    StreamOptions { is_array: corpus.is_array, ..StreamOptions::new(corpus.endpoint, false) }
}

/// Meters a stream cut at these places; `end` is none when it had to be given up.
fn meter(options: StreamOptions, stream: &[u8], cuts: &[usize]) -> Seen {
    let mut meter = StreamMeter::new(options);
    let mut forwarded = Vec::new();
    let mut borders: Vec<usize> = cuts.iter().copied().filter(|cut| *cut <= stream.len()).collect();
    borders.sort_unstable();
    borders.push(stream.len());
    let (mut at, mut is_sound) = (0, true);
    for border in borders {
        let chunk = Bytes::copy_from_slice(&stream[at..border]);
        at = border;
        is_sound = is_sound && meter.push(chunk, &mut |bytes| forwarded.extend_from_slice(&bytes)).is_ok();
    }
    let end = is_sound.then(|| meter.finish(&mut |bytes| forwarded.extend_from_slice(&bytes)));
    let (text, id) = (meter.delivered().text.to_owned(), meter.response_id().map(str::to_owned));
    Seen { forwarded, usage: meter.usage(), is_final: meter.is_final(), end, text, id }
}

fn usage_of([input, cached_input, cache_write, cache_write_1h, output, reasoning, web_searches]: [u64; 7]) -> Usage {
    Usage { input, cached_input, cache_write, cache_write_1h, output, reasoning, web_searches, ..Usage::default() }
}

#[test]
fn every_split_of_every_stream_is_read_alike() {
    for corpus in &CORPORA {
        for line_end in ["\n", "\r\n", "\r"] {
            let stream = corpus.events.concat().replace('\n', line_end).into_bytes();
            let whole = Seen {
                forwarded: stream.clone(),
                usage: Some(usage_of(corpus.usage)),
                is_final: true,
                end: Some(StreamEnd::Terminal),
                text: corpus.text.to_owned(),
                id: Some(corpus.id.to_owned()),
            };
            for cut in 0..=stream.len() {
                assert_eq!(meter(options(corpus), &stream, &[cut]), whole, "{} at {cut}", corpus.endpoint);
            }
            let every: Vec<usize> = (0..stream.len()).collect();
            assert_eq!(meter(options(corpus), &stream, &every), whole, "{} byte by byte", corpus.endpoint);
        }
    }
}

#[test]
fn a_stream_that_stops_before_its_last_event_is_not_whole() {
    for corpus in &CORPORA {
        let stream = corpus.events.concat().into_bytes();
        let last = corpus.events.last().expect("there are events").len();
        // Up to the last event, the final usage may be there (Anthropic's is in the last but one), the end is not.
        for length in 0..=stream.len() - last {
            let seen = meter(options(corpus), &stream[..length], &[]);
            assert_eq!(seen.end, Some(StreamEnd::Missing), "{} after {length}", corpus.endpoint);
            let has_all = seen.usage == Some(usage_of(corpus.usage));
            assert!(!seen.is_final || has_all, "{} after {length}: {:?}", corpus.endpoint, seen.usage);
        }
    }
}

#[test]
fn the_beginning_of_a_message_says_what_its_input_costs() {
    let seen = meter(options(&CORPORA[0]), CORPORA[0].events[..6].concat().as_bytes(), &[]);
    let usage = seen.usage.expect("the input is known from the first event");
    assert_eq!((usage.input, usage.cached_input, usage.cache_write_1h, usage.output), (45, 5, 20, 1));
    assert!(!seen.is_final, "its output is not");
    assert_eq!(seen.text, "hm Gr\u{fc}\u{df}e \u{1f600}");
}

#[test]
fn several_candidates_all_have_to_finish() {
    let piece = |index: u32, reason: &str| {
        format!(
            "data: {{\"candidates\":[{{\"index\":{index}{reason}}}],\"usageMetadata\":{{\"promptTokenCount\":3,\"candidatesTokenCount\":2}}}}\n\n"
        )
    };
    let stop = ",\"finishReason\":\"STOP\"";
    let options = StreamOptions { choices: 2, ..options(&CORPORA[1]) };
    let one = [piece(0, stop), piece(1, "")].concat();
    let open = meter(options, one.as_bytes(), &[]);
    assert_eq!((open.end, open.is_final), (Some(StreamEnd::Missing), false), "one candidate was cut off");
    let twice = [piece(0, stop), piece(1, ""), piece(0, stop)].concat();
    assert_eq!(meter(options, twice.as_bytes(), &[]).end, Some(StreamEnd::Missing), "the same one, said twice");
    let fewer = meter(options, piece(0, stop).as_bytes(), &[]);
    assert_eq!((fewer.end, fewer.is_final), (Some(StreamEnd::Missing), true), "fewer than asked for, and whole");
    let both = [piece(0, stop), piece(1, stop)].concat();
    assert_eq!(meter(options, both.as_bytes(), &[]).end, Some(StreamEnd::Terminal));
    let blocked =
        "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":3}}\n\n";
    assert_eq!(meter(options, blocked.as_bytes(), &[]).end, Some(StreamEnd::Terminal));
}

#[test]
fn a_huge_event_passes_unread_and_an_endless_one_is_given_up() {
    for corpus in &CORPORA {
        let limits = StreamOptions { line_bytes_max: 12 << 20, ..options(corpus) };
        let (before, after) = if corpus.is_array { ("[{\"x\":\"", "\"},") } else { ("data: {\"x\":\"", "\"}\n\n") };
        let rest = corpus.events.concat();
        let rest = if corpus.is_array { &rest[1..] } else { &rest };
        let stream = [before.as_bytes(), &vec![b'x'; 10 << 20], after.as_bytes(), rest.as_bytes()].concat();
        let cuts: Vec<usize> = (0..stream.len()).step_by(64 << 10).collect();
        let seen = meter(limits, &stream, &cuts);
        assert!(seen.forwarded == stream && seen.end == Some(StreamEnd::Terminal), "{}", corpus.endpoint);
        assert_eq!(seen.usage, Some(usage_of(corpus.usage)), "{}", corpus.endpoint);
        let endless = meter(StreamOptions { line_bytes_max: 1 << 20, ..limits }, &stream, &cuts);
        assert_eq!(endless.end, None, "{}", corpus.endpoint);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes changed, lost and cut anywhere: nothing panics, every byte is forwarded, and the cuts make no difference.
    #[test]
    fn damage_is_forwarded_and_read_alike_however_it_is_cut(
        which in 0..CORPORA.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        keep in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let corpus = &CORPORA[which];
        let mut stream = corpus.events.concat().into_bytes();
        for (place, byte) in changes {
            let place = place.index(stream.len());
            stream[place] = byte;
        }
        stream.truncate(keep.index(stream.len()) + 1);
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        let pieces = meter(options(corpus), &stream, &cuts);
        prop_assert_eq!(&pieces.forwarded, &stream);
        prop_assert_eq!(pieces, meter(options(corpus), &stream, &[]));
    }

    /// Nothing that could be sent makes a reader of whole answers panic.
    #[test]
    fn any_bytes_are_an_answer_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..200), which in 0..CORPORA.len()) {
        let endpoint = CORPORA[which].endpoint;
        let facts = crate::answer_facts(endpoint, &bytes);
        prop_assert!(facts.usage.is_err() || bytes.contains(&0x7b));
        let _ = crate::answer_text(endpoint, &bytes);
    }
}
