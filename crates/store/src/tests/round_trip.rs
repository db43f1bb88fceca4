//! What is applied is what is exported, whatever it was.

use core::time::Duration;

use base::{
    AccountLimits, Budgets, KeyId, Limits, ModelId, Money, MoreLimits, PartLimits, Price, Priority, ProjectId,
    TenantId, Timestamp, UpstreamId,
};
use catalog::{ContextTier, ModelKind, Rates, Tokenizer};
use proptest::option::of;
use proptest::prelude::*;

use super::{Bench, parse};
use crate::resource::{
    ApiKey, Defaults, HttpVersion, KeyResource, KeyStatus, ModelResource, Plan, ProjectResource, RouteResource,
    Temperature, TenantResource, TenantStatus, TimeoutsResource, UpstreamResource,
};
use crate::{Action, ApplyOptions, Resources};

const MODELS: [&str; 3] = ["m0", "vendor/m1:free", "m2"];

fn model_ids() -> BoxedStrategy<Vec<ModelId>> {
    proptest::sample::subsequence(MODELS.to_vec(), 1..=3)
        .prop_map(|names| names.into_iter().map(|name| ModelId::new(name).unwrap()).collect())
        .boxed()
}

fn windows(has_month: bool, has_block: bool) -> BoxedStrategy<Limits> {
    let count = || of(0..u64::from(u32::MAX));
    let block_for = of((1_u64..86_400).prop_map(Duration::from_secs));
    (count(), count(), count(), count(), count(), count(), count(), block_for)
        .prop_map(move |(rpm, rph, rpd, tpm, tpd, tokens_per_month, concurrency, block_for)| Limits {
            rpm,
            rph,
            rpd,
            tpm,
            tpd,
            tokens_per_month: tokens_per_month.filter(|_| has_month),
            concurrency,
            block_for: block_for.filter(|_| has_block),
        })
        .boxed()
}

fn limits() -> BoxedStrategy<AccountLimits> {
    let part = || {
        (windows(false, true), of(windows(false, false)))
            .prop_map(|(own, shadow)| PartLimits { own, shadow: shadow.filter(|limits| *limits != Limits::default()) })
    };
    let models = proptest::collection::vec((proptest::sample::select(&MODELS[..]), part()), 0..3);
    let models =
        models.prop_map(|models| models.into_iter().map(|(name, limits)| (ModelId::new(name).unwrap(), limits)));
    (windows(true, true), of(windows(true, false)), of(budgets()), models, of(part()))
        .prop_map(|(own, shadow, budgets, models, per_end_user)| {
            let shadow = shadow.filter(|limits| *limits != Limits::default());
            let budgets = budgets.map(|budgets| Budgets { alert_at: base::Percents::default(), ..budgets });
            let shadow_budgets = budgets.filter(|budgets| *budgets != Budgets::default());
            let more = MoreLimits { shadow, shadow_budgets, models: models.collect(), per_end_user };
            AccountLimits { own, more: (more != MoreLimits::default()).then(|| Box::new(more)) }
        })
        .boxed()
}

fn budgets() -> BoxedStrategy<Budgets> {
    let money = || of((0..=i64::MAX).prop_map(Money::from_nanos));
    (money(), money(), money(), money(), money())
        .prop_map(|(per_day, per_week, per_month, per_year, total)| Budgets {
            per_day,
            per_week,
            per_month,
            per_year,
            total,
            alert_at: base::Percents::try_from(vec![50, 90]).unwrap(),
        })
        .boxed()
}

fn time() -> BoxedStrategy<Timestamp> {
    (4_000_000_000..5_000_000_000_i64).prop_map(Timestamp::from_seconds).boxed()
}

fn key(name: usize) -> BoxedStrategy<KeyResource> {
    let network = proptest::sample::select(vec!["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]);
    let networks = proptest::collection::vec(network.prop_map(|text| text.parse().unwrap()), 0..3);
    let status = of(proptest::sample::select(vec![KeyStatus::Active, KeyStatus::Revoked]));
    (status, of(time()), networks, of(model_ids()), any::<bool>(), of(limits()), of(budgets()))
        .prop_map(move |(status, expires, ip_allow, models, service, limits, budget)| KeyResource {
            status,
            expires,
            ip_allow,
            models,
            service: service.then(|| vec![TenantId::new("t0").unwrap()]),
            limits,
            budget,
            ..KeyResource::new(KeyId::new(&format!("k{name}")).unwrap())
        })
        .boxed()
}

fn defaults(models: Option<&Vec<ModelId>>) -> Defaults {
    Defaults {
        model: models.and_then(|models| models.first().cloned()),
        temperature: Temperature::from_thousandths(725),
        max_tokens: Some(7),
        clamp_max_tokens: Some(true),
    }
}

fn project(name: usize, children: Vec<ProjectResource>) -> BoxedStrategy<ProjectResource> {
    (of(model_ids()), of(limits()), of(budgets()), any::<bool>(), of(key(0)), of(key(1)))
        .prop_map(move |(models, limits, budget, with_defaults, first, second)| ProjectResource {
            defaults: with_defaults.then(|| defaults(models.as_ref())),
            models,
            limits,
            budget,
            key: first.into_iter().chain(second).collect(),
            project: children.clone(),
            ..ProjectResource::new(ProjectId::new(&format!("p{name}")).unwrap())
        })
        .boxed()
}

fn tenant(name: usize) -> BoxedStrategy<TenantResource> {
    let status = of(proptest::sample::select(vec![TenantStatus::Active, TenantStatus::Suspended]));
    let priority = of(proptest::sample::select(vec![Priority::High, Priority::Normal, Priority::Low]));
    let plan = of(proptest::sample::select(vec![Plan::Standard, Plan::Unlimited]));
    let zone = of(proptest::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu"]));
    let projects = project(0, Vec::new())
        .prop_flat_map(|inner| project(0, vec![inner]))
        .prop_flat_map(|first| (Just(first), of(project(1, Vec::new()))))
        .prop_map(|(first, second)| core::iter::once(first).chain(second).collect::<Vec<_>>());
    (
        of("[ -~äß]{1,20}"),
        plan,
        status,
        priority,
        of(1..=1_000_u32),
        zone,
        of(model_ids()),
        of(limits()),
        of(budgets()),
        projects,
    )
        .prop_map(move |(display, plan, status, priority, weight, zone, models, limits, budget, project)| {
            TenantResource {
                name: display,
                plan,
                status,
                priority,
                weight,
                timezone: zone.map(str::to_owned),
                wallet: weight.map(|weight| weight % 2 == 0),
                defaults: weight.map(|_| defaults(models.as_ref())),
                models,
                limits,
                budget,
                project,
                ..TenantResource::new(TenantId::new(&format!("t{name}")).unwrap())
            }
        })
        .boxed()
}

fn rates() -> BoxedStrategy<Rates> {
    let price = || (0..1_000_000_000_000_u64).prop_map(Price::from_picos);
    (price(), price(), of(price()), of(price()), of(price()), of(1..1_000_000_u64))
        .prop_map(|(input, output, cached_input, web_search, tier_input, tier)| Rates {
            cached_input,
            web_search,
            tiers: tier
                .map(|above_input_tokens| ContextTier {
                    above_input_tokens,
                    input: tier_input,
                    ..ContextTier::default()
                })
                .into_iter()
                .collect(),
            ..Rates::new(input, Some(output))
        })
        .boxed()
}

fn model(name: usize) -> BoxedStrategy<ModelResource> {
    let kind = of(proptest::sample::select(vec![ModelKind::Chat, ModelKind::Embedding, ModelKind::Completion]));
    let tokenizer = of(proptest::sample::select(vec![Tokenizer::Cl100k, Tokenizer::O200k]));
    let target = (of(1..9_u32), of(1..4_u32)).prop_map(|(weight, tier)| RouteResource {
        upstream: UpstreamId::new("u0").unwrap(),
        model: weight.map(|_| ModelId::new("other/name").unwrap()),
        weight,
        tier,
        endpoint: tier.map(|_| wire::Endpoint::Responses),
    });
    (
        kind,
        1..2_000_000_u64,
        1..100_000_u64,
        tokenizer,
        of(time()),
        proptest::collection::vec(target, 1..4),
        rates(),
        of(rates()),
    )
        .prop_map(move |(kind, context, output, tokenizer, from, route, price, list_price)| ModelResource {
            kind,
            context_window: Some(context),
            max_output_tokens: Some(output),
            tokenizer,
            effective_from: from,
            created: from,
            fallbacks: vec![ModelId::new(MODELS[(name + 1) % 3]).unwrap()],
            route,
            price: Some(price),
            list_price,
            ..ModelResource::new(ModelId::new(MODELS[name]).unwrap())
        })
        .boxed()
}

fn upstream(name: usize) -> BoxedStrategy<UpstreamResource> {
    let version = of(proptest::sample::select(vec![HttpVersion::Auto, HttpVersion::One, HttpVersion::Two]));
    let span = || of((1..10_000_000_u64).prop_map(Duration::from_millis));
    let timeouts = (span(), span(), span(), span()).prop_map(|(connect, first_byte, idle, total)| TimeoutsResource {
        connect,
        first_byte,
        idle,
        total,
    });
    (version, of(1..1_000_u32), of(timeouts), any::<bool>())
        .prop_map(move |(http_version, concurrency, timeouts, keys)| UpstreamResource {
            id: UpstreamId::new(&format!("u{name}")).unwrap(),
            dialect: if keys { wire::Dialect::Anthropic } else { wire::Dialect::Gemini },
            auth: keys.then_some(catalog::AuthStyle::GoogleServiceAccount),
            region: keys.then(|| "us-east-1".to_owned()),
            token: keys.then(|| catalog::TokenTerms { scope: Some("s".into()), ..catalog::TokenTerms::default() }),
            hosting: keys.then_some(wire::Hosting::Vertex),
            headers: if keys { vec!["x-title: t".to_owned()] } else { Vec::new() },
            asks_stream_usage: keys.then_some(false),
            base_url: "https://api.example.org/v1".into(),
            api_keys: if keys { vec![ApiKey::parse("env:KEY"), ApiKey::parse("file:/run/key")] } else { Vec::new() },
            no_auth: !keys,
            allow_plain_http: keys,
            concurrency,
            connections: concurrency,
            http_version,
            timeouts,
        })
        .boxed()
}

fn resources() -> BoxedStrategy<Resources> {
    (upstream(0), of(upstream(1)), model(0), model(1), model(2), tenant(0), of(tenant(1)))
        .prop_map(|(u0, u1, m0, m1, m2, t0, t1)| Resources {
            upstream: core::iter::once(u0).chain(u1).collect(),
            model: vec![m0, m1, m2],
            tenant: core::iter::once(t0).chain(t1).collect(),
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_applied_is_what_is_exported(resources in resources()) {
        let bench = Bench::new();
        bench.store.apply(&resources, ApplyOptions::default()).unwrap();
        let exported = bench.store.export().unwrap();
        prop_assert_eq!(&exported, &resources);
        let text = toml::to_string(&exported).unwrap();
        prop_assert_eq!(&parse(&text), &resources, "as TOML");
        let json = serde_json::to_string(&exported).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Resources>(&json).unwrap(), &resources, "as JSON");
        let again = bench.store.apply(&exported, ApplyOptions { prune: true, dry_run: false }).unwrap();
        prop_assert!(again.changes.iter().all(|change| change.action == Action::Unchanged), "{:?}", again.changes);
        crate::Directory::load(bench.store.clone()).unwrap();
    }
}
