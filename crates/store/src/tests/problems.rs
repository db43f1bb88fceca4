//! Problems: all at once, each with its place.

use super::{Bench, SMALL};

/// Files with one fault each, and the place where it is reported.
const CASES: &[(&str, &str, &str)] = &[
    ("http://127.0.0.1:9000/v1", "http://example.org/v1", "upstream[local].base_url"),
    ("http://127.0.0.1:9000/v1", "https://a:b@example.org/v1", "upstream[local].base_url"),
    ("http://127.0.0.1:9000/v1", "https://example.org/v1?x=1", "upstream[local].base_url"),
    ("[\"env:LOCAL_KEY\"]", "[]", "upstream[local].api_keys"),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\nno_auth = true", "upstream[local].api_keys"),
    ("env:LOCAL_KEY", "env:", "upstream[local].api_keys[0]"),
    ("env:LOCAL_KEY", "sealed:00", "upstream[local].api_keys[0]"),
    ("env:LOCAL_KEY", "sk with spaces", "upstream[local].api_keys[0]"),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\nauth = \"sigv4\"", "upstream[local].region"),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\nregion = \"us east\"", "upstream[local].region"),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\ntoken = { scope = \"s\" }", "upstream[local].token"),
    (
        "[\"env:LOCAL_KEY\"]",
        "[\"env:LOCAL_KEY\"]\nauth = \"azure-entra\"\ntoken = { client_id = \"c\" }",
        "upstream[local].token.url",
    ),
    (
        "[\"env:LOCAL_KEY\"]",
        "[\"env:LOCAL_KEY\"]\nauth = \"azure-entra\"\ntoken = { url = \"https://example.org/t\" }",
        "upstream[local].token.client_id",
    ),
    (
        "[\"env:LOCAL_KEY\"]",
        "[\"env:LOCAL_KEY\"]\nauth = \"google-service-account\"\ntoken = { url = \"http://example.org/t\" }",
        "upstream[local].token.url",
    ),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\nhosting = \"vertex\"", "upstream[local].hosting"),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\nheaders = [\"X: y\"]", "upstream[local].headers[0]"),
    ("[\"env:LOCAL_KEY\"]", "[\"env:LOCAL_KEY\"]\nheaders = [\"a: b\", \"host: y\"]", "upstream[local].headers[1]"),
    ("connect = \"5s\"", "connect = \"0s\"", "upstream[local].timeouts"),
    ("upstream = \"local\"", "upstream = \"lokal\"", "model[small].route[0].upstream"),
    ("[{ upstream = \"local\" }]", "[]", "model[small].route"),
    ("{ upstream = \"local\" }", "{ upstream = \"local\", weight = 0 }", "model[small].route"),
    ("context_window = 1000\n", "", "model[small].context_window"),
    ("max_output_tokens = 100\n", "", "model[small].max_output_tokens"),
    ("price = { input = \"1.00\", output = \"2.00\" }\n", "", "model[small].price"),
    (", output = \"2.00\"", "", "model[small].price.output"),
    ("output = \"2.00\"", "output = \"2000001\"", "model[small].price.output"),
    ("max_output_tokens", "fallbacks = [\"nope\"]\nmax_output_tokens", "model[small].fallbacks[0]"),
    ("max_output_tokens", "fallbacks = [\"small\"]\nmax_output_tokens", "model[small].fallbacks[0]"),
    ("models = [\"small\"]", "models = [\"smal\"]", "tenant[acme].models"),
    ("models = [\"small\"]", "models = []", "tenant[acme].models"),
    ("Europe/Berlin", "Europe/Berlín", "tenant[acme].timezone"),
    ("name = \"Acme Ltd\"", "weight = 0", "tenant[acme].weight"),
    ("name = \"Acme Ltd\"", "name = \"a\\nb\"", "tenant[acme].name"),
    ("name = \"Acme Ltd\"", "defaults = { model = \"nope\" }", "tenant[acme].defaults.model"),
    ("limits = { requests_per_minute = 5 }", "limits = { block_for = \"999ms\" }", "tenant[acme].limits.block_for"),
    ("limits = { requests_per_minute = 5 }", "limits = { block_for = \"25h\" }", "tenant[acme].limits.block_for"),
    (
        "limits = { requests_per_minute = 5 }",
        "limits = { per_end_user = { tokens_per_month = 5 } }",
        "tenant[acme].limits.per_end_user.tokens_per_month",
    ),
    (
        "limits = { requests_per_minute = 5 }",
        "limits = { models.small = { tokens_per_month = 5 } }",
        "tenant[acme].limits.models.small.tokens_per_month",
    ),
    (
        "limits = { requests_per_minute = 5 }",
        "limits = { models.small = { shadow = { block_for = \"5s\" } } }",
        "tenant[acme].limits.models.small.shadow.block_for",
    ),
    (
        "limits = { requests_per_minute = 5 }",
        "limits = { shadow = { block_for = \"5s\" } }",
        "tenant[acme].limits.shadow.block_for",
    ),
    ("imported-secret-0123456789", "short", "tenant[acme].project[search].key[ci].secret"),
    ("name = \"ci\"", "name = \"ci\"\nservice = [\"nobody\"]", "tenant[acme].project[search].key[ci].service"),
    ("name = \"ci\"", "name = \"ci\"\nmodels = [\"nope\"]", "tenant[acme].project[search].key[ci].models"),
];

#[test]
fn every_fault_is_reported_at_its_place() {
    let bench = Bench::new();
    for (good, bad, path) in CASES {
        assert!(SMALL.contains(good), "{good}");
        let problems = bench.problems(&SMALL.replacen(good, bad, 1));
        assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
        assert!(problems[0].starts_with(&format!("{path}: ")), "{bad}: {problems:?}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let bench = Bench::new();
    let compatible = [0, 3, 18, 21, 22, 23, 28, 30, 40];
    let mut text = SMALL.to_owned();
    for case in compatible {
        text = text.replacen(CASES[case].0, CASES[case].1, 1);
    }
    let problems = bench.problems(&text);
    let places: Vec<&str> = problems.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places.len(), compatible.len(), "{problems:?}");
    for case in compatible {
        assert!(places.contains(&CASES[case].2), "{}: {problems:?}", CASES[case].2);
    }
}

#[test]
fn names_given_twice_are_reported() {
    let bench = Bench::new();
    let twice = format!("{SMALL}{SMALL}");
    let problems = bench.problems(&twice);
    for path in
        ["upstream[local]: ", "model[small]: ", "tenant[acme]: ", "tenant[acme].project[search].key[ci].secret: "]
    {
        assert!(problems.iter().any(|line| line.starts_with(path)), "{path} {problems:?}");
    }
}

#[test]
fn a_tree_has_at_most_eight_levels() {
    let nested = |depth: usize| {
        let mut text = String::from("[[tenant]]\nid = \"acme\"\n");
        for level in 1..=depth {
            text += &format!("[[tenant{}]]\nid = \"p{level}\"\n", ".project".repeat(level));
        }
        text
    };
    let bench = Bench::new();
    bench.apply(&nested(6));
    let problems = bench.problems(&nested(7));
    assert!(problems[0].starts_with("tenant[acme].project[p1]") && problems[0].contains("8 levels"), "{problems:?}");
}

#[test]
fn references_to_what_is_stored_are_good_unless_it_will_be_pruned() {
    let bench = Bench::new();
    bench.apply(SMALL);
    let beta = "[[tenant]]\nid = \"beta\"\nmodels = [\"small\"]\n";
    bench.apply(beta);
    let pruned = bench.store.apply(&super::parse(beta), crate::ApplyOptions { prune: true, dry_run: false });
    assert!(pruned.unwrap_err().to_string().contains("tenant[beta].models"));
}

#[test]
fn an_expired_key_is_a_warning() {
    let bench = Bench::new();
    let applied = bench.apply(&SMALL.replace("name = \"ci\"", "name = \"ci\"\nexpires = \"2001-01-01T00:00:00Z\""));
    assert_eq!(applied.warnings[0].path, "tenant[acme].project[search].key[ci].expires");
}

#[test]
fn a_model_of_the_default_catalogue_needs_only_its_route() {
    let bench = Bench::new();
    let text = format!(
        "{}[[model]]\nid = \"gpt-4.1\"\nroute = [{{ upstream = \"local\" }}]\n",
        &SMALL[..SMALL.find("[[model]]").unwrap()]
    );
    bench.apply(&text);
    let directory = crate::Directory::load(bench.store.clone()).unwrap();
    let catalog = directory.catalog();
    let model = catalog.model("gpt-4.1").unwrap();
    assert!(model.context_window > 0 && model.prices.len() == 1);
}

#[test]
fn unknown_settings_are_refused() {
    for text in [
        "[[tenant]]\nid = \"a\"\nlimit = {}",
        "[[tenant]]\nid = \"a\"\nlimits = { rps = 1 }",
        "[[tenants]]\nid = \"a\"",
    ] {
        assert!(toml::from_str::<crate::Resources>(text).is_err(), "{text}");
    }
    let both = "[[tenant]]\nid = \"a\"\nlimits = { rpm = 1, requests_per_minute = 2 }";
    assert!(toml::from_str::<crate::Resources>(both).is_err(), "two names for one limit");
    assert!(toml::from_str::<crate::Resources>("[[tenant]]\nid = \"a\"\nlimits = { rpm = 1 }").is_ok());
}

#[test]
fn a_limit_for_a_model_that_does_not_exist_is_a_warning() {
    let bench = Bench::new();
    let text = SMALL.replacen("limits = { requests_per_minute = 5 }", "limits = { models.none = { rpm = 5 } }", 1);
    let warnings = bench.apply(&text).warnings;
    assert!(warnings.iter().any(|one| one.path == "tenant[acme].limits.models.none"), "{warnings:?}");
}

#[test]
fn what_is_not_of_an_account_has_no_limits_inside() {
    for limits in [
        "shadow = { shadow = { rpm = 1 } }",
        "models.small = { per_end_user = { rpm = 1 } }",
        "per_end_user = { shadow = { usd_total = \"1.00\" } }",
        "usd_total = \"1.00\"",
    ] {
        let text = SMALL.replacen("limits = { requests_per_minute = 5 }", &format!("limits = {{ {limits} }}"), 1);
        assert!(toml::from_str::<crate::Resources>(&text).is_err(), "{limits}");
    }
}
