//! The worst case never falls when a request asks for more, and covers every usage within its bounds.

use base::{ModelId, Money, Price};
use proptest::prelude::*;
use wire::Usage;

use super::*;
use crate::{ContextTier, ModelKind};

fn usd(text: &str) -> Price {
    Price::parse_per_million(text).unwrap()
}

fn model(kind: ModelKind) -> Model {
    let mut model = Model::new(ModelId::new("m").unwrap(), kind, 100_000, 4_000);
    model.image_tokens_max = 1_000;
    model.hidden_prompt_tokens = 100;
    model
}

fn rates() -> Rates {
    Rates {
        cached_input: Some(usd("0.10")),
        cache_write: Some(usd("1.25")),
        audio_input: Some(usd("40.00")),
        audio_output: Some(usd("80.00")),
        reasoning: Some(usd("6.00")),
        request: Some(Price::parse_per_unit("0.005").unwrap()),
        web_search: Some(Price::parse_per_unit("0.01").unwrap()),
        tiers: vec![ContextTier { above_input_tokens: 50_000, input: Some(usd("3.00")), ..ContextTier::default() }],
        ..Rates::new(usd("1.00"), Some(usd("4.00")))
    }
}

fn ask() -> Billable {
    Billable { text_bytes: 1_000, messages: 1, output_limit: Some(500), ..Billable::default() }
}

fn quote(billable: &Billable) -> Quote {
    quote_loose(&model(ModelKind::Chat), &rates(), billable).unwrap()
}

#[test]
fn what_may_be_billed_beyond_a_limit_is_held_for_every_choice() {
    let asking = Billable { beyond_limit: 1, choices: 3, ..ask() };
    assert_eq!(quote(&asking).output_tokens, 3 * 501);
}

#[test]
fn a_plain_chat_costs_its_bytes_and_its_limit_at_the_dearest_class() {
    let plain = Rates { cache_write: Some(usd("1.25")), ..Rates::new(usd("1.00"), Some(usd("4.00"))) };
    let quote = quote_loose(&model(ModelKind::Chat), &plain, &ask()).unwrap();
    let input = 1_000 + 16 + 8 + 100;
    assert_eq!((quote.input_tokens, quote.output_tokens, quote.tokens()), (input, 500, input + 500));
    assert_eq!(quote.usd.nanos() as u64, (input * 1_250_000 + 500 * 4_000_000) / 1_000);
}

#[test]
fn a_call_without_tokens_to_pay_for_holds_only_the_price_of_a_call() {
    let counting = Billable { is_free: true, unknown_parameters: true, audios: 1, ..ask() };
    let plain = Rates::new(usd("1.00"), Some(usd("4.00")));
    let free = quote_loose(&model(ModelKind::Chat), &plain, &counting).unwrap();
    assert_eq!(free, Quote::default());
    assert_eq!(quote(&counting).usd.to_string(), "0.005");
    assert_eq!(quote(&counting).usd, rates().charge(&wire::Usage::default()));
}

#[test]
fn only_what_may_be_written_to_a_cache_is_held_at_its_price() {
    let rates = Rates {
        cache_write_1h: Some(usd("2.00")),
        cache_write: Some(usd("1.25")),
        ..Rates::new(usd("1"), Some(usd("4")))
    };
    let usd_of = |cache_writes| {
        let asking = Billable { cache_writes, output_limit: Some(0), ..ask() };
        quote_loose(&model(ModelKind::Embedding), &rates, &asking).unwrap().usd.nanos()
    };
    let [none, short, any] = [wire::CacheWrites::None, wire::CacheWrites::Short, wire::CacheWrites::Any].map(usd_of);
    assert_eq!((short, any), (none * 5 / 4, none * 2));
}

#[test]
fn reasoning_beside_the_limit_is_held() {
    let mut beside = model(ModelKind::Chat);
    beside.hidden_output_tokens = 1_000;
    let quote = quote_loose(&beside, &rates(), &Billable { choices: 2, ..ask() }).unwrap();
    assert_eq!(quote.output_tokens, 2 * 1_500);
}

#[test]
fn the_sound_of_a_video_is_held_at_the_price_of_audio() {
    let video = quote(&Billable { files: 1, videos: 1, ..ask() });
    let silent = quote(&Billable { files: 1, ..ask() });
    assert_eq!(video.input_tokens, silent.input_tokens);
    assert!(video.usd.nanos() > 10 * silent.usd.nanos(), "{video:?} {silent:?}");
}

#[test]
fn each_field_raises_the_quote() {
    let plain = quote(&ask());
    type Change = fn(&mut Billable);
    let changes: [(&str, Change); 16] = [
        ("text_bytes", |b| b.text_bytes += 1),
        ("messages", |b| b.messages += 1),
        ("tools", |b| b.tools += 1),
        ("server_tools", |b| b.server_tools += 1),
        ("images", |b| b.images += 1),
        ("audios", |b| b.audios += 1),
        ("audio_bytes", |b| b.audio_bytes += 1),
        ("files", |b| b.files += 1),
        ("file_bytes", |b| b.file_bytes += 1),
        ("prompts", |b| b.prompts += 1),
        ("choices", |b| b.choices += 1),
        ("best_of", |b| b.best_of = Some(2)),
        ("output_limit", |b| b.output_limit = Some(501)),
        ("prediction_bytes", |b| b.prediction_bytes += 1),
        ("web_search", |b| b.web_search = true),
        ("echo", |b| b.echo = true),
    ];
    for (name, change) in changes {
        let mut more = ask();
        change(&mut more);
        let more = quote(&more);
        assert!(more.usd > plain.usd && more.tokens() >= plain.tokens(), "{name}: {more:?}");
    }
    for more in [
        Billable { audio_output: true, ..ask() },
        Billable { unknown_parameters: true, ..ask() },
        Billable { output_limit: None, ..ask() },
    ] {
        assert!(quote(&more).usd > plain.usd, "{more:?}");
    }
}

#[test]
fn what_has_no_price_is_blocked_never_free() {
    let bare = Rates::new(usd("1.00"), Some(usd("4.00")));
    let chat = model(ModelKind::Chat);
    let refused = |billable: Billable| match quote_loose(&chat, &bare, &billable) {
        Err(Refusal::InvalidRequest { param, .. }) => param.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Billable { audios: 1, ..ask() }), "messages");
    assert_eq!(refused(Billable { audio_output: true, ..ask() }), "modalities");
    assert_eq!(refused(Billable { web_search: true, ..ask() }), "web_search_options");
    assert_eq!(refused(Billable { server_tools: 1, ..ask() }), "tools");
    assert_eq!(refused(Billable { service_tier: Some(ServiceTier::Priority), ..ask() }), "service_tier");
    assert_eq!(refused(Billable { service_tier: Some(ServiceTier::Other), ..ask() }), "service_tier");
    for tier in [ServiceTier::Auto, ServiceTier::Default, ServiceTier::Flex, ServiceTier::Scale] {
        assert!(quote_loose(&chat, &bare, &Billable { service_tier: Some(tier), ..ask() }).is_ok());
    }
    let no_output = quote_loose(&chat, &Rates::new(usd("1.00"), None), &ask());
    assert!(matches!(no_output, Err(Refusal::ModelNotFound { .. })));
}

#[test]
fn output_follows_the_limit_the_maximum_and_the_window() {
    let output = |billable: Billable| quote(&billable).output_tokens;
    let cases = [
        (None, 4_000),
        (Some(0), 4_000),
        (Some(1), 16),
        (Some(500), 500),
        (Some(50_000), 50_000),
        (Some(u64::MAX), 100_000),
    ];
    for (output_limit, expected) in cases {
        assert_eq!(output(Billable { output_limit, ..ask() }), expected, "{output_limit:?}");
    }
    assert_eq!(output(Billable { choices: 3, ..ask() }), 1_500);
    assert_eq!(output(Billable { choices: 3, best_of: Some(5), ..ask() }), 2_500);
    assert_eq!(output(Billable { choices: 3, prompts: 4, ..ask() }), 6_000);
    assert_eq!(output(Billable { prediction_bytes: 100, choices: 2, ..ask() }), 1_200);
    assert_eq!(output(Billable { unknown_parameters: true, ..ask() }), 4_000);
    let with_echo = quote(&Billable { echo: true, choices: 2, ..ask() });
    assert_eq!(with_echo.output_tokens, 1_000 + 2 * with_echo.input_tokens);
}

#[test]
fn input_is_at_most_the_window_of_each_prompt() {
    let input = |billable: Billable| quote(&billable).input_tokens;
    assert_eq!(input(Billable { text_bytes: 10_000_000, ..ask() }), 100_000);
    assert_eq!(input(Billable { text_bytes: 10_000_000, prompts: 3, ..ask() }), 300_000);
    for whole in [
        Billable { files: 1, ..ask() },
        Billable { unknown_parameters: true, ..ask() },
        Billable { web_search: true, ..ask() },
        Billable { server_tools: 1, ..ask() },
        Billable { audios: 1, ..ask() },
    ] {
        assert_eq!(input(whole.clone()), 100_000, "{whole:?}");
    }
    assert_eq!(input(Billable { audios: 1, audio_bytes: 800, ..ask() }), input(ask()) + 100 + 256);
    assert_eq!(input(Billable { images: 3, ..ask() }), input(ask()) + 3_000);
}

#[test]
fn a_conversation_that_is_summed_up_is_held_a_second_time() {
    let (once, twice) = (quote(&ask()), quote(&Billable { compacts: true, ..ask() }));
    assert_eq!(twice.input_tokens, once.input_tokens + 100_000);
    assert_eq!(twice.output_tokens, once.output_tokens + 4_000);
    let all = Billable { compacts: true, unknown_parameters: true, ..ask() };
    assert_eq!((quote(&all).input_tokens, quote(&all).output_tokens), (200_000, 8_000));
}

#[test]
fn what_is_read_anew_after_each_tool_is_held() {
    let input = |window, searches_max| {
        let chat = Model { context_window: window, ..model(ModelKind::Chat) };
        let asking = Billable { rereads: true, server_tools: 1, searches_max, ..ask() };
        quote_loose(&chat, &rates(), &asking).unwrap().input_tokens
    };
    assert_eq!(input(200_000, None), 1_000_000);
    assert_eq!(
        (input(200_000, Some(0)), input(200_000, Some(2)), input(200_000, Some(9))),
        (400_000, 800_000, 1_000_000)
    );
    assert_eq!((input(2_000_000, None), input(2_000_000, Some(1))), (2_000_000, 2_000_000));
    // A long prompt is read as often.
    let chat = Model { context_window: 1_000_000, ..model(ModelKind::Chat) };
    let long = Billable { rereads: true, server_tools: 1, searches_max: Some(2), text_bytes: 600_000, ..ask() };
    assert!((2_400_000..2_410_000).contains(&quote_loose(&chat, &rates(), &long).unwrap().input_tokens));
}

#[test]
fn searches_are_held_as_far_as_their_tools_may_be_used() {
    let usd = |searches_max| quote(&Billable { web_search: true, server_tools: 1, searches_max, ..ask() }).usd.nanos();
    let each = 10_000_000;
    assert_eq!(usd(None) - usd(Some(0)), 32 * each);
    assert_eq!(usd(Some(5)) - usd(Some(0)), 5 * each);
    assert_eq!(usd(Some(1_000)), usd(None));
    assert_eq!(quote(&Billable { searches_max: Some(9), ..ask() }), quote(&ask()), "nothing searches");
    let by_call = Rates { web_searches_max: Some(1), ..rates() };
    let by_call = |asking: &Billable| quote_loose(&model(ModelKind::Chat), &by_call, asking).unwrap().usd.nanos();
    let asking = Billable { web_search: true, ..ask() };
    assert_eq!(quote(&asking).usd.nanos() - by_call(&asking), 31 * each, "the price is of a call with searches");
}

#[test]
fn embeddings_have_no_output() {
    let embedding = model(ModelKind::Embedding);
    let rates = Rates::new(usd("0.02"), None);
    let quote = quote_loose(&embedding, &rates, &Billable { prompts: 2, ..ask() }).unwrap();
    assert_eq!(quote.output_tokens, 0);
    assert_eq!(quote.usd.nanos() as u64, (quote.input_tokens * 20_000).div_ceil(1_000));
}

#[test]
fn absurd_requests_saturate_and_never_panic() {
    let most = Billable {
        text_bytes: u64::MAX,
        messages: u32::MAX,
        tools: u32::MAX,
        images: u32::MAX,
        audios: u32::MAX,
        audio_bytes: u64::MAX,
        prompts: u32::MAX,
        choices: u32::MAX,
        best_of: Some(u32::MAX),
        output_limit: Some(u64::MAX),
        prediction_bytes: u64::MAX,
        audio_output: true,
        echo: true,
        ..ask()
    };
    assert_eq!(quote(&most).usd, Money::MAX);
}

#[test]
fn the_affordable_limit_is_the_largest_that_fits() {
    let (model, rates) = (model(ModelKind::Chat), rates());
    let asking = Billable { output_limit: None, choices: 2, ..ask() };
    let whole = quote_loose(&model, &rates, &asking).unwrap();
    for part in [10, 3, 2] {
        let usd = Money::from_nanos(whole.usd.nanos() * 9 / part);
        let limit = affordable_output(&model, &rates, &asking, 1_000, usd, u64::MAX).unwrap();
        let at =
            |limit| quote_loose(&model, &rates, &Billable { output_limit: Some(limit), ..asking.clone() }).unwrap().usd;
        assert!(at(limit) <= usd && at(limit + 1) > usd, "{limit}");
    }
    assert_eq!(affordable_output(&model, &rates, &asking, 1_000, Money::from_nanos(1), u64::MAX), None);
    assert_eq!(affordable_output(&model, &rates, &asking, 1_000, Money::MAX, u64::MAX), Some(100_000));
    let input = whole.input_tokens;
    assert_eq!(affordable_output(&model, &rates, &asking, 1_000, Money::MAX, input + 2_000), Some(1_000));
}

prop_compose! {
    fn any_billable()(
        text_bytes in 0_u64..200_000, messages in 0_u32..50, tools in 0_u32..20, images in 0_u32..4, audios in 0_u32..3,
        audio_bytes in 0_u64..100_000, prompts in 1_u32..4, choices in 1_u32..4, best_of in proptest::option::of(1_u32..5),
        output_limit in proptest::option::of(0_u64..200_000), prediction_bytes in 0_u64..1_000,
        flags in proptest::array::uniform5(proptest::bool::ANY),
    ) -> Billable {
        let [audio_output, web_search, echo, unknown_parameters, file] = flags;
        Billable {
            text_bytes, messages, tools, images, audios, audio_bytes, prompts, choices, best_of, output_limit,
            prediction_bytes, audio_output, web_search, echo, unknown_parameters, files: u32::from(file), ..Billable::default()
        }
    }
}

proptest! {
    /// The promise of the hold: whatever split of the bounded tokens comes back, the charge is not above the quote.
    #[test]
    fn the_quote_covers_every_charge_within_its_bounds(billable in any_billable(), shares in proptest::array::uniform7(0_u64..=100)) {
        let quote = quote(&billable);
        let of = |tokens: u64, share: u64| (u128::from(tokens) * u128::from(share) / 100) as u64;
        let input = of(quote.input_tokens, shares[0]);
        let output = of(quote.output_tokens, shares[1]);
        let audio_max = input_bound(&model(ModelKind::Chat), &billable, billable.text_bytes).audio;
        let usage = Usage {
            input,
            cached_input: of(input, shares[2]) / 2,
            cache_write: of(input, shares[3]) / 2,
            audio_input: if billable.audios > 0 { of(audio_max, shares[4]).min(input) } else { 0 },
            output,
            reasoning: of(output, shares[5]) / 2,
            audio_output: if billable.audio_output { of(output, shares[6]) / 2 } else { 0 },
            web_searches: if billable.web_search { shares[4] % (WEB_SEARCHES_MAX + 1) } else { 0 },
            ..Usage::default()
        };
        prop_assert!(rates().charge(&usage) <= quote.usd, "{usage:?} {quote:?}");
    }

    /// Fewer text tokens, as the tokenizer may find, never make a dearer quote.
    #[test]
    fn a_tighter_text_never_raises_the_quote(billable in any_billable(), fewer in 0_u64..200_000) {
        let tight = quote_text(&model(ModelKind::Chat), &rates(), &billable, billable.text_bytes.saturating_sub(fewer)).unwrap();
        let loose = quote(&billable);
        prop_assert!(tight.usd <= loose.usd && tight.tokens() <= loose.tokens());
    }
}

/// Whatever a file turns out to have, the quote covers it; and what has no price, or tells no usage, is refused.
#[test]
fn what_is_heard_is_held_by_all_that_the_model_takes() {
    let heard = Model { audio_seconds_max: 1_500, ..model(ModelKind::Transcription) };
    let asked = Billable { files: 1, ..Billable::default() };
    let seconds = Rates { second: Some(Price::parse_per_unit("0.0001").unwrap()), ..Rates::new(Price::FREE, None) };
    let quote = quote_loose(&heard, &seconds, &asked).unwrap();
    assert_eq!(quote.usd, Money::from_nanos(150_000_000));
    let tokens = Rates { audio_input: Some(usd("6.00")), ..Rates::new(usd("2.50"), Some(usd("10.00"))) };
    let quote = quote_loose(&heard, &tokens, &asked).unwrap();
    for (audio_input, output) in [(heard.context_window, heard.max_output_tokens), (10, 1)] {
        let usage = Usage { input: heard.context_window, audio_input, output, ..Usage::default() };
        assert!(tokens.charge(&usage) <= quote.usd && usage.input + usage.output <= quote.tokens());
    }
    let untold = Billable { untold_format: true, ..asked.clone() };
    assert!(quote_loose(&heard, &tokens, &untold).is_err() && quote_loose(&heard, &seconds, &untold).is_ok());
    let unpriced = Rates::new(usd("2.50"), Some(usd("10.00")));
    assert_eq!(quote_loose(&heard, &unpriced, &asked).map_err(|refusal| refusal.code()), Err("model_not_found"));
}

/// Whatever Vertex tells of vectors, the quote covers it; and what has no price there is refused.
#[test]
fn vectors_are_held_by_their_tokens_their_characters_and_each_image() {
    let vector = model(ModelKind::Embedding);
    let asked = Billable { text_bytes: 200, characters: 200, images: 2, prompts: 2, ..Billable::default() };
    let each = Price::parse_per_unit("0.0001").unwrap();
    let rates = Rates { character: Some(usd("0.20")), image: Some(each), ..Rates::new(usd("0.10"), None) };
    let quote = quote_loose(&vector, &rates, &asked).unwrap();
    for (input, characters, images) in [(quote.input_tokens, 200, 2), (0, 200, 0), (quote.input_tokens, 0, 0)] {
        let usage = Usage { input, characters, images, ..Usage::default() };
        assert!(rates.charge(&usage) <= quote.usd, "{usage:?} {quote:?}");
    }
    let most = Usage { input: quote.input_tokens, characters: 200, images: 2, ..Usage::default() };
    assert_eq!(rates.charge(&most), quote.usd, "and nothing beyond");
    let refused = |rates: &Rates, billable: &Billable| match quote_loose(&vector, rates, billable) {
        Err(Refusal::InvalidRequest { param, .. }) => param,
        other => panic!("{other:?}"),
    };
    let by_token = Rates::new(usd("0.10"), None);
    assert_eq!(refused(&by_token, &asked).as_deref(), Some("instances.image"));
    assert!(quote_loose(&vector, &by_token, &Billable { images: 0, ..asked.clone() }).is_ok());
    // Elsewhere images are told as tokens, and characters are not told at all.
    let elsewhere = Billable { characters: 0, ..asked.clone() };
    assert!(quote_loose(&vector, &by_token, &elsewhere).is_ok());
    assert_eq!(refused(&rates, &elsewhere).as_deref(), Some("model"));
    assert_eq!(refused(&rates, &Billable { unknown_parameters: true, ..asked.clone() }), None);
    assert!(quote_loose(&vector, &by_token, &Billable { unknown_parameters: true, images: 0, ..asked }).is_ok());
}

#[test]
fn images_from_images_are_held_with_what_they_are_made_from() {
    let image = model(ModelKind::Image);
    let rates = Rates {
        image_input: Some(usd("8.00")),
        image_output: Some(usd("40.00")),
        ..Rates::new(usd("5.00"), Some(usd("10.00")))
    };
    let asked = Billable { files: 1, choices: 2, partial_images: 3, ..Billable::default() };
    let quote = quote_loose(&image, &rates, &asked).unwrap();
    let output = 2 * (image.max_output_tokens + 3 * 100);
    let input = image.context_window;
    let usage = Usage { input, image_input: input, output, image_output: output, ..Usage::default() };
    assert!(rates.charge(&usage) <= quote.usd && usage.input + usage.output <= quote.tokens());
    assert!(quote.usd > quote_loose(&image, &rates, &Billable { partial_images: 0, ..asked }).unwrap().usd);
}
