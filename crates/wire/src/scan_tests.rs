//! The strict scanner against `serde_json`, and a table of what parsers are known to read differently.

use proptest::prelude::*;

use super::*;

/// The whole of `bytes` as one strict document.
fn strict(bytes: &[u8]) -> Result<(), ScanFault> {
    let mut scanner = Strict::new(bytes);
    scanner.skip().and_then(|()| scanner.end()).map_err(|error| error.fault)
}

#[test]
fn what_parsers_read_differently_is_refused() {
    use ScanFault::*;
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(strict(deep(64).as_bytes()), Ok(()));
    assert_eq!(strict(deep(65).as_bytes()), Err(Depth));
    let cases: &[(&str, ScanFault)] = &[
        ("", Early),
        (" ", Early),
        ("{", Early),
        ("[1", Early),
        ("\"a", Early),
        ("\"a\\", Escape),
        ("{\"a\"", Early),
        ("\u{feff}{}", Unexpected),
        ("{,}", Unexpected),
        ("[1,]", Unexpected),
        ("{\"a\":1,}", Unexpected),
        ("[1 2]", Unexpected),
        ("{\"a\" 1}", Unexpected),
        ("{a:1}", Unexpected),
        ("{'a':1}", Unexpected),
        ("NaN", Unexpected),
        ("Infinity", Unexpected),
        ("-Infinity", Number),
        ("nul", Early),
        ("nule", Unexpected),
        ("truE", Unexpected),
        ("+1", Unexpected),
        (".5", Unexpected),
        ("1.", Number),
        ("01", Number),
        ("-", Number),
        ("1e", Number),
        ("1e+", Number),
        ("0x10", Trailing),
        ("1_000", Trailing),
        ("1e309", Range),
        ("-1e309", Range),
        ("\"\t\"", Control),
        ("\"\0\"", Control),
        ("\"\n\"", Control),
        ("\"\\x\"", Escape),
        ("\"\\u12g4\"", Escape),
        ("\"\\ud800\"", Surrogate),
        ("\"\\udc00\"", Surrogate),
        ("\"\\ud800\\ud800\"", Surrogate),
        ("\"\\udc00\\ud800\"", Surrogate),
        ("\"\\ud800x\"", Surrogate),
        ("{}{}", Trailing),
        ("{} x", Trailing),
        ("{}\0", Trailing),
        ("// c\n{}", Unexpected),
        ("{}/**/", Trailing),
        ("[\u{a0}]", Unexpected),
        ("[1\u{b}]", Unexpected),
        ("\u{c}[]", Unexpected),
    ];
    for (text, fault) in cases {
        assert_eq!(strict(text.as_bytes()), Err(*fault), "{text:?}");
    }
    for text in
        ["0", "-0", "1.5E+10", "1e308", "\"\\ud83d\\ude00\"", " [ 1 , 2 ] ", "{\"\":{}}", "\"\u{7f}\u{80}\"", "1e-400"]
    {
        assert_eq!(strict(text.as_bytes()), Ok(()), "{text:?}");
    }
}

#[test]
fn an_answer_may_hold_what_models_emit() {
    for text in ["{\"a\":NaN,\"b\":-Infinity,\"c\":\"\\ud800\",\"d\":\"\t\0\"}", "[Infinity,+1,.5]"] {
        let mut scanner = Lenient::new(text.as_bytes());
        assert_eq!(scanner.skip().and_then(|()| scanner.end()), Ok(()), "{text:?}");
    }
}

#[test]
fn plain_runs_end_at_the_first_special_byte_wherever_it_stands() {
    for len in 0..200 {
        let plain: Vec<u8> = (0..len)
            .map(|i| if i % 7 == 0 { 0xC3 } else { b'!' + (i % 90) as u8 })
            .map(|b| if b == b'"' || b == b'\\' { b'x' } else { b })
            .collect();
        assert_eq!(plain_run(&plain), len);
        for place in 0..len {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                let mut bytes = plain.clone();
                bytes[place] = special;
                assert_eq!(plain_run(&bytes), place, "len {len} special {special}");
            }
        }
    }
}

#[test]
fn a_short_number_is_taken_whole_or_left_where_it_stands() {
    for (document, expected) in
        [("7,", 7), (" \n0}", 0), ("007]", 7), ("999999999 ", 999_999_999), ("12\n", 12), ("12\r", 12)]
    {
        let mut scanner = Lenient::new(document.as_bytes());
        assert_eq!(scanner.short_number(), Some(expected), "{document}");
        assert_eq!(scanner.at(), document.len() - 1, "{document}");
    }
    for document in ["1000000000,", "1.0,", "1e3}", "-1,", "1x,", "\"1\",", "null,", ",", "", "1"] {
        let mut scanner = Lenient::new(document.as_bytes());
        assert_eq!((scanner.short_number(), scanner.at()), (None, 0), "{document}");
    }
}

/// Any JSON value, as text with odd spacing and escapes.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:e}")),
        any::<String>().prop_map(|s| serde_json::to_string(&s).expect("text")),
        any::<char>().prop_map(|c| {
            let mut units = [0; 2];
            let escapes: String = c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04X}")).collect();
            format!("\"a{escapes}\\/b\"")
        }),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[ {}\n]", items.join(" ,"))),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("{}\t: {value}", serde_json::to_string(key).expect("text")))
                    .collect();
                format!("{{{}\r\n}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_document_is_accepted_as_serde_json_does(text in json()) {
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        prop_assert_eq!(strict(text.as_bytes()), Ok(()));
    }

    /// Random damage: both accept or both refuse. Depth cannot differ here: the documents are shallow.
    #[test]
    fn a_damaged_document_is_judged_as_serde_json_does(
        text in json(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4, prop::sample::select(b"{}[]\":,\\u0129.eE+-tfn \n\t\x00\x7f\xffdD8aA/".to_vec())), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (place, action, byte) in edits {
            if bytes.is_empty() { break; }
            let place = place.index(bytes.len());
            match action {
                0 => { bytes.remove(place); }
                1 => bytes.insert(place, byte),
                2 => bytes[place] = byte,
                _ => bytes.truncate(place),
            }
        }
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
        let ours = core::str::from_utf8(&bytes).is_ok() && strict(&bytes).is_ok();
        prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn decoding_is_that_of_serde_json(text in json()) {
        let mut scanner = Strict::new(text.as_bytes());
        if text.starts_with('"') {
            let theirs: String = serde_json::from_str(&text).expect("a string");
            prop_assert_eq!(scanner.string().expect("valid").decode(), theirs);
        }
    }

    #[test]
    fn no_bytes_make_a_scanner_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = strict(&bytes);
        let mut scanner = Lenient::new(&bytes);
        let _ = scanner.skip();
        let mut text = String::new();
        decode_into(&bytes, &mut text);
    }
}

#[test]
fn what_is_passed_over_ends_where_what_is_skipped_ends() {
    for text in [
        "{}",
        "[]",
        "17",
        "\"a\\\"]\"",
        "null",
        "{\"a\":[1,{\"b\":\"}\"}],\"c\":\"\\\\\"}",
        "[[[]],{\"]\":\"[\"}]",
        " [1 , 2 ] ",
    ] {
        let document = format!("{text},");
        let (mut skipped, mut passed) = (Lenient::new(document.as_bytes()), Lenient::new(document.as_bytes()));
        skipped.skip().unwrap();
        passed.pass_over().unwrap();
        assert_eq!(passed.at(), skipped.at(), "{text}");
    }
    for text in ["", "{", "[}", "{]", "[\"a]", "]", "{\"a\":[}"] {
        assert!(Lenient::new(text.as_bytes()).pass_over().is_err(), "{text}");
    }
    let deep = "[".repeat(300);
    assert_eq!(Lenient::new(deep.as_bytes()).pass_over().unwrap_err().fault, ScanFault::Depth);
}
