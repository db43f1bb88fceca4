//! Who answers: order, weights, fallbacks, and every way in which nobody may.

use base::{Price, UpstreamId};
use bytes::Bytes;
use wire::Dialect;

use super::*;
use crate::{HIDDEN_PROMPT_TOKENS_DEFAULT, ModelKind, Rates, Tokenizer, quote_loose, quote_tight};

fn id(text: &str) -> ModelId {
    ModelId::new(text).unwrap()
}

fn target(upstream: &str, weight: u32, tier: u32) -> Target {
    Target { upstream: UpstreamId::new(upstream).unwrap(), model: id("theirs"), weight, tier, endpoint: None }
}

fn model(name: &str, usd_per_million: &str, route: Vec<Target>) -> Model {
    let price = Price::parse_per_million(usd_per_million).unwrap();
    let rates = Rates::new(price, Some(price));
    let prices = vec![PriceVersion { id: 1, effective_from: Timestamp::from_seconds(100), rates }];
    Model { route, prices, ..Model::new(id(name), ModelKind::Chat, 100_000, 1_000) }
}

fn catalog(models: Vec<Model>) -> Catalog {
    let upstreams = ["a", "b", "c"]
        .map(|name| Upstream::new(UpstreamId::new(name).unwrap(), Dialect::Openai, "https://host/v1", vec![]));
    Catalog::new(models, upstreams.into())
}

fn call(body: &str) -> Call {
    wire::read(Endpoint::ChatCompletions, Some(b"application/json"), Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn hello(model: &str) -> Call {
    call(&format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hello there, relay!"}}]}}"#))
}

const NOW: Timestamp = Timestamp::from_seconds(200);

fn plan_for(catalog: &Catalog, call: &Call, draw: u64) -> Result<Plan, Refusal> {
    plan(catalog, |_| true, Vec::new, call, NOW, draw)
}

fn upstreams(plan: &Plan) -> String {
    plan.candidates().iter().map(|candidate| candidate.upstream().id.to_string()).collect()
}

#[test]
fn a_plan_names_the_model_the_target_and_the_price_in_force() {
    let catalog = catalog(vec![model("m", "1.00", vec![target("a", 1, 1)])]);
    let call = hello("m");
    let plan = plan_for(&catalog, &call, 0).unwrap();
    let [candidate] = plan.candidates() else { panic!("one candidate") };
    assert_eq!((candidate.target().model.as_str(), candidate.price().id, plan.model().id.as_str()), ("theirs", 1, "m"));
    let expected = quote_loose(candidate.model(), &candidate.price().rates, call.billable()).unwrap();
    assert_eq!((plan.quote(), candidate.quote()), (expected, expected));
}

#[test]
fn lower_tiers_come_first_and_weight_zero_is_out_of_rotation() {
    let route = vec![target("c", 5, 2), target("a", 1, 1), target("b", 0, 1)];
    let catalog = catalog(vec![model("m", "1.00", route)]);
    for draw in 0..200 {
        assert_eq!(upstreams(&plan_for(&catalog, &hello("m"), draw).unwrap()), "ac");
    }
}

#[test]
fn within_a_tier_targets_are_drawn_by_weight() {
    let route = vec![target("a", 6, 1), target("b", 3, 1), target("c", 1, 1)];
    let catalog = catalog(vec![model("m", "1.00", route)]);
    let (call, draws) = (hello("m"), 20_000_u64);
    let mut first = std::collections::BTreeMap::<String, u64>::new();
    let mut second_after_a = std::collections::BTreeMap::<String, u64>::new();
    for draw in 0..draws {
        let order = upstreams(&plan_for(&catalog, &call, draw).unwrap());
        assert_eq!(order.len(), 3);
        *first.entry(order[..1].to_owned()).or_default() += 1;
        if order.starts_with('a') {
            *second_after_a.entry(order[1..2].to_owned()).or_default() += 1;
        }
    }
    // Within 3 % of all draws: ten standard deviations.
    let near = |count: u64, share: u64, of: u64| count.abs_diff(of * share / 100) < of * 3 / 100;
    assert!(near(first["a"], 60, draws) && near(first["b"], 30, draws) && near(first["c"], 10, draws), "{first:?}");
    let a = first["a"];
    assert!(near(second_after_a["b"], 75, a) && near(second_after_a["c"], 25, a), "{second_after_a:?}");
}

#[test]
fn fallbacks_follow_when_they_may_and_raise_the_worst_case() {
    let mut cheap = model("cheap", "1.00", vec![target("a", 1, 1)]);
    cheap.fallbacks = ["missing", "dear", "secret", "dear", "cheap", "vectors", "unpriced"].map(id).into();
    let dear = model("dear", "9.00", vec![target("b", 1, 1)]);
    let secret = model("secret", "99.00", vec![target("c", 1, 1)]);
    let mut vectors = model("vectors", "99.00", vec![target("c", 1, 1)]);
    vectors.kind = ModelKind::Embedding;
    let mut unpriced = model("unpriced", "99.00", vec![target("c", 1, 1)]);
    unpriced.prices.clear();
    let catalog = catalog(vec![cheap, dear, secret, vectors, unpriced]);
    let call = hello("cheap");
    let allowed = |model: &ModelId| model.as_str() != "secret";
    let plan = plan(&catalog, allowed, Vec::new, &call, NOW, 7).unwrap();
    assert_eq!(upstreams(&plan), "ab");
    assert_eq!(plan.model().id.as_str(), "cheap");
    assert_eq!(plan.quote().usd, plan.candidates()[1].quote().usd);
    assert!(plan.quote().usd > plan.candidates()[0].quote().usd);
}

#[test]
fn unknown_not_allowed_unpriced_and_unserved_models_are_refused() {
    let mut later = model("later", "1.00", vec![target("a", 1, 1)]);
    later.prices[0].effective_from = Timestamp::from_seconds(201);
    let mut vectors = model("vectors", "1.00", vec![target("a", 1, 1)]);
    vectors.kind = ModelKind::Embedding;
    let models = vec![
        model("m", "1.00", vec![target("a", 1, 1)]),
        model("nowhere", "1.00", vec![]),
        model("gone", "1.00", vec![target("z", 1, 1)]),
        later,
        vectors,
    ];
    let catalog = catalog(models);
    for name in ["absent", "nowhere", "gone", "later"] {
        let refusal = plan_for(&catalog, &hello(name), 0).unwrap_err();
        assert_eq!(refusal, Refusal::ModelNotFound { model: name.into() });
    }
    let refusal = plan_for(&catalog, &hello("vectors"), 0).unwrap_err();
    assert!(refusal.message().contains("use embeddings"), "{}", refusal.message());
    let refusal = plan(&catalog, |_| false, || vec![id("other")], &hello("m"), NOW, 0).unwrap_err();
    assert_eq!(refusal, Refusal::ModelNotAllowed { model: id("m"), allowed: vec![id("other")] });
    let refusal = plan(&catalog, |_| false, Vec::new, &hello("absent"), NOW, 0).unwrap_err();
    assert_eq!(refusal.status(), 404, "an unknown model is not found, whoever asks");
}

#[test]
fn a_call_without_a_model_takes_the_default_or_is_refused() {
    let catalog = catalog(vec![model("m", "1.00", vec![target("a", 1, 1)])]);
    let call = call(r#"{"messages":[{"role":"user","content":"Hello"}]}"#);
    assert!(
        matches!(plan_for(&catalog, &call, 0), Err(Refusal::InvalidRequest { param: Some(param), .. }) if param == "model")
    );
    let mut filled = call.clone();
    filled.fill(Some(&id("m")), None, || None);
    let planned = plan(&catalog, |_| true, Vec::new, &filled, NOW, 0).unwrap();
    assert_eq!(planned.model().id.as_str(), "m");
}

#[test]
fn tightening_counts_real_tokens_and_never_raises_the_quote() {
    let mut exact = model("m", "1.00", vec![target("a", 1, 1)]);
    exact.tokenizer = Some(Tokenizer::O200k);
    let catalog = catalog(vec![exact]);
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(500);
    let call = call(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#));
    let mut plan = plan_for(&catalog, &call, 0).unwrap();
    let loose = plan.quote();
    plan.tighten(&call).unwrap();
    let tight = plan.quote();
    assert!(loose.input_tokens > text.len() as u64);
    assert!(tight.input_tokens < 5_000 + 200 + HIDDEN_PROMPT_TOKENS_DEFAULT, "{tight:?}");
    assert!(tight.usd < loose.usd);
    let candidate = &plan.candidates()[0];
    assert_eq!(quote_tight(candidate.model(), &candidate.price().rates, &call).unwrap(), tight);
}

#[test]
fn a_lower_output_limit_makes_the_plan_affordable() {
    let mut cheap = model("cheap", "1.00", vec![target("a", 1, 1)]);
    cheap.fallbacks = vec![id("dear")];
    let catalog = catalog(vec![cheap, model("dear", "9.00", vec![target("b", 1, 1)])]);
    let call = hello("cheap");
    let mut plan = plan_for(&catalog, &call, 0).unwrap();
    let purse = Money::from_nanos(plan.quote().usd.nanos() * 9 / 10);
    let limit = plan.affordable_output(call.billable(), purse, u64::MAX).unwrap();
    assert!((1..1_000).contains(&limit), "{limit}");
    plan.requote(&Billable { output_limit: Some(limit), ..call.billable().clone() }).unwrap();
    assert!(plan.quote().usd <= purse);
    assert_eq!(plan.affordable_output(call.billable(), Money::ZERO, u64::MAX), None);
}

#[test]
fn those_who_speak_the_dialect_of_a_call_come_first_and_the_others_are_asked_in_their_own() {
    let speakers = [("a", Dialect::Openai), ("b", Dialect::Anthropic), ("c", Dialect::Gemini)]
        .map(|(name, dialect)| Upstream::new(UpstreamId::new(name).unwrap(), dialect, "https://host/v1", vec![]));
    let all = model("m", "1.00", vec![target("a", 1, 1), target("b", 1, 2)]);
    let one = model("one", "1.00", vec![target("a", 1, 1)]);
    let catalog = Catalog::new(vec![all, one], speakers.into());
    let body =
        |model: &str, more: &str| Bytes::from(format!(r#"{{"model":"{model}","max_tokens":5,"messages":[]{more}}}"#));
    let message = |model, more| wire::read(Endpoint::Messages, None, body(model, more)).unwrap();
    assert_eq!(upstreams(&plan_for(&catalog, &message("m", ""), 0).unwrap()), "ba");
    let plan = plan_for(&catalog, &hello("m"), 0).unwrap();
    assert_eq!(upstreams(&plan), "ab");
    let translated = plan.candidates().iter().map(|one| one.translation().is_some()).collect::<Vec<_>>();
    assert_eq!(translated, [false, true]);
    // What cannot be translated leaves those who need no translation.
    assert_eq!(upstreams(&plan_for(&catalog, &message("m", r#","top_k":4"#), 0).unwrap()), "b");
    let refusal = plan_for(&catalog, &message("one", r#","top_k":4"#), 0).unwrap_err();
    assert_eq!((refusal.status(), refusal.param()), (400, Some("top_k")));
    // Counting is not translated.
    let counting = wire::read(Endpoint::CountMessageTokens, None, body("one", "")).unwrap();
    let refusal = plan_for(&catalog, &counting, 0).unwrap_err();
    assert!(refusal.message().contains("it speaks 'openai'"), "{}", refusal.message());
}

#[test]
fn a_translated_call_is_held_for_whatever_the_other_provider_writes_to_its_cache() {
    let speaker = Upstream::new(UpstreamId::new("a").unwrap(), Dialect::Openai, "https://host/v1", vec![]);
    let mut one = model("one", "1.00", vec![target("a", 1, 1)]);
    one.prices[0].rates.cache_write = Some(Price::parse_per_million("9.00").unwrap());
    let catalog = Catalog::new(vec![one], vec![speaker]);
    let body = Bytes::from_static(br#"{"model":"one","max_tokens":50,"messages":[{"role":"user","content":"Hello"}]}"#);
    let call = wire::read(Endpoint::Messages, None, body).unwrap();
    assert_eq!(call.billable().cache_writes, CacheWrites::None);
    let mut plan = plan_for(&catalog, &call, 0).unwrap();
    let (model, rates) = (plan.model().clone(), plan.candidates()[0].price().rates.clone());
    let plain = quote_loose(&model, &rates, call.billable()).unwrap();
    let any = Billable { cache_writes: CacheWrites::Any, ..call.billable().clone() };
    let dear = quote_loose(&model, &rates, &any).unwrap();
    assert!(dear.usd > plain.usd);
    assert_eq!(plan.quote(), dear);
    plan.requote(call.billable()).unwrap();
    assert_eq!(plan.quote(), dear);
}

#[test]
fn an_invoked_model_is_asked_only_where_its_maker_is_the_same_or_not_told() {
    let speaker = |name| Upstream::new(UpstreamId::new(name).unwrap(), Dialect::Bedrock, "https://host", vec![]);
    let at = |upstream, name| Target { model: id(name), ..target(upstream, 1, 1) };
    let titan = "amazon.titan-text-express-v1";
    let route = vec![at("a", titan), at("b", "meta.llama3-8b-instruct-v1:0"), at("c", "theirs")];
    let catalog = Catalog::new(vec![model(titan, "1.00", route)], ["a", "b", "c"].map(speaker).into());
    let route = wire::Route { tail: Some(titan), ..wire::Route::from(Endpoint::Invoke) };
    let body = br#"{"inputText":"Hi","textGenerationConfig":{"maxTokenCount":50}}"#;
    let call = wire::read(route, None, Bytes::from_static(body)).unwrap();
    let plan = plan_for(&catalog, &call, 0).unwrap();
    let mut asked: Vec<char> = upstreams(&plan).chars().collect();
    asked.sort_unstable();
    assert_eq!(asked, ['a', 'c']);
    assert_eq!(plan.quote().output_tokens, 51, "a token beyond the limit, as was recorded");
}

#[test]
fn a_target_that_serves_one_endpoint_is_asked_there_whatever_the_client_calls() {
    let speaker = Upstream::new(UpstreamId::new("a").unwrap(), Dialect::Openai, "https://host/v1", vec![]);
    let served =
        |name: &str, endpoint| model(name, "1.00", vec![Target { endpoint: Some(endpoint), ..target("a", 1, 1) }]);
    let models = vec![served("new", Endpoint::Responses), served("old", Endpoint::ChatCompletions)];
    let catalog = Catalog::new(models, vec![speaker]);
    let response = |model: &str| {
        let body = format!(r#"{{"model":"{model}","max_output_tokens":5,"input":"Hello"}}"#);
        wire::read(Endpoint::Responses, None, Bytes::from(body)).unwrap()
    };
    let message = |model: &str| {
        let body = format!(r#"{{"model":"{model}","max_tokens":5,"messages":[]}}"#);
        wire::read(Endpoint::Messages, None, Bytes::from(body)).unwrap()
    };
    let asked = |call: &Call| {
        let plan = plan_for(&catalog, call, 0).unwrap();
        plan.candidates()[0].translation().map(|translation| translation.endpoint())
    };
    assert_eq!(asked(&hello("new")), Some(Endpoint::Responses));
    assert_eq!(asked(&response("new")), None, "its bytes pass");
    assert_eq!(asked(&message("new")), Some(Endpoint::Responses));
    assert_eq!(asked(&hello("old")), None, "its bytes pass");
    assert_eq!(asked(&response("old")), Some(Endpoint::ChatCompletions));
    assert_eq!(asked(&message("old")), Some(Endpoint::ChatCompletions));
}
