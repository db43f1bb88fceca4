//! Commands without a serving process: they open the store themselves.

use serde_json::{Value, json};

use crate::sandbox::{RESOURCES, Sandbox};

#[test]
fn apply_is_idempotent_and_prints_new_secrets_once() {
    let sandbox = Sandbox::new();
    let first = sandbox.good("apply -f resources.toml --json").json();
    assert_eq!(first["secrets"][0]["key"], "acme/search/ci");
    let secret = first["secrets"][0]["secret"].as_str().unwrap().to_owned();
    let again = sandbox.good("apply -f resources.toml --json");
    assert!(again.json()["changes"].as_array().unwrap().iter().all(|change| change["action"] == "unchanged"));
    for command in
        ["apply -f resources.toml --json", "export", "key show acme/search/ci", "key list", "tenant show acme --json"]
    {
        let said = sandbox.good(command);
        assert!(!said.out.contains(&secret) && !said.err.contains(&secret), "{command} shows a secret");
    }
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let said = sandbox.good("apply -f resources.toml --dry-run");
    assert!(said.out.contains("created") && said.err.contains("would change"), "{said:?}");
    assert!(!said.out.contains("mk-"), "{said:?}");
    assert_eq!(sandbox.good("export --json").json(), json!({}));
}

#[test]
fn prune_removes_what_the_file_does_not_have_and_nothing_without_it() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    sandbox.good("tenant create globex");
    sandbox.good("apply -f resources.toml");
    sandbox.good("tenant show globex");
    let said = sandbox.good("apply -f resources.toml --prune --json").json();
    let deleted = |change: &&Value| change["action"] == "deleted" && change["id"] == "globex";
    assert_eq!(said["changes"].as_array().unwrap().iter().filter(deleted).count(), 1, "{said:#}");
    assert_eq!(sandbox.run("tenant show globex").code, 1);
}

#[test]
fn an_export_applies_as_no_change() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    sandbox.good("project create acme/search/inner --concurrency 2");
    sandbox.good("key create acme/search/inner/deep --ip-allow 10.0.0.0/8,192.0.2.7 --expires 2030-01-01T00:00:00Z");
    let export = sandbox.good("export").out;
    let said = sandbox.run_with("apply -f - --prune --json", &export);
    assert_eq!(said.code, 0, "{export}\n{said:?}");
    let changes = said.json()["changes"].clone();
    assert!(changes.as_array().unwrap().iter().all(|change| change["action"] == "unchanged"), "{changes:#}");
    assert_eq!(sandbox.good("export").out, export);
}

#[test]
fn every_kind_has_its_verbs() {
    let sandbox = Sandbox::new();
    sandbox.good("upstream create up --base-url http://127.0.0.1:9/v1 --api-key env:MANDANT_TEST_KEY");
    sandbox.good("model create m --route up=other --input-price 1.00 --output-price 2.00 --context-window 1000 --max-output-tokens 100");
    sandbox.good("tenant create acme --name Acme --rpm 5 --usd-per-month 10 --models m --timezone Europe/Berlin");
    sandbox.good("project create acme/search");
    let made = sandbox.good("key create acme/search/ci --json").json();
    sandbox.good("tenant update acme --rpm 7 --unset timezone --unset budget");
    let tenant = sandbox.good("tenant show acme --json").json();
    assert_eq!(
        (&tenant["limits"], tenant.get("timezone"), tenant.get("budget")),
        (&json!({"requests_per_minute": 7}), None, None)
    );
    assert_eq!((&tenant["name"], &tenant["models"]), (&json!("Acme"), &json!(["m"])));
    sandbox.good("tenant suspend acme");
    assert!(sandbox.good("tenant list").out.contains("suspended"));
    sandbox.good("tenant resume acme");
    let rotated = sandbox.good("key rotate acme/search/ci --json").json();
    assert_ne!(made["secrets"][0]["secret"], rotated["secrets"][0]["secret"]);
    sandbox.good("key revoke acme/search/ci");
    assert_eq!(sandbox.run("key rotate acme/search/ci").code, 65);
    sandbox.good("model update m --input-price 0.50");
    assert_eq!(sandbox.good("model show m --json").json()["price"]["input"], "0.50");
    assert_eq!(sandbox.run("upstream delete up").code, 65, "a model uses it");
    for command in ["project delete acme/search", "tenant delete acme", "model delete m", "upstream delete up"] {
        sandbox.good(command);
    }
    for kind in ["tenant", "project", "key", "upstream", "model"] {
        let listed = sandbox.good(&format!("{kind} list --json")).json();
        assert_eq!(listed[format!("{kind}s")], json!([]), "{kind}");
    }
}

#[test]
fn secrets_come_in_by_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    let said =
        sandbox.run_with("key create acme/search/imported --secret-file -", "sk-imported-0123456789abcdefghij\n");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(!said.out.contains("sk-imported"), "an imported secret is known to who gave it: {said:?}");
    let said = sandbox.run_with("upstream update up --secret-file -", "sk-provider-canary\n");
    assert_eq!(said.code, 0, "{said:?}");
    let shown = sandbox.good("upstream show up");
    assert!(shown.out.contains("sealed:") && !shown.out.contains("canary"), "{shown:?}");
}

#[test]
fn failures_have_their_exit_codes() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    sandbox.write("body.json", "{}");
    let cases = [
        ("tenant show nobody", 1),
        ("tenant create acme", 1),
        ("tenant update acme", 1),
        ("status --tenant nobody", 1),
        ("calls --tenant acme --since soon", 1),
        ("explain --key secret-itself --file body.json", 1),
        ("explain --key acme/search/ci --file body.json", 69),
        ("tenant", 2),
        ("tenants list", 2),
        ("key create acme", 2),
        ("tenant create x --rpm many", 2),
        ("upstream update up --api-key sk-inline", 2),
        ("tenant update acme --timezone Mars/Olympus", 65),
        ("tenant update acme --models unknown", 65),
        ("--version", 0),
    ];
    for (command, code) in cases {
        let said = sandbox.run(command);
        assert_eq!(said.code, code, "mandant {command}: {said:?}");
        let told = if code == 0 { &said.out } else { &said.err };
        assert!(!told.trim().is_empty(), "mandant {command} is silent");
    }
    let said = sandbox.run("tenant show nobody --json");
    assert_eq!(said.json()["error"]["code"], "not_found");
}

#[test]
fn every_help_text_has_an_example() {
    let sandbox = Sandbox::new();
    let mut waiting = vec![String::new()];
    let mut seen = 0;
    while let Some(command) = waiting.pop() {
        let help = sandbox.good(&format!("{command} --help")).out;
        assert!(help.contains("Example:\n  mandant "), "mandant {command} --help has no example:\n{help}");
        seen += 1;
        let commands = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        for line in commands.lines().take_while(|line| line.starts_with("  ")) {
            // Continued descriptions are indented further than names.
            if let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
                waiting.push(format!("{command} {}", name.split_whitespace().next().unwrap()));
            }
        }
    }
    assert!(seen > 40, "only {seen} commands were found");
}

#[test]
fn status_and_usage_have_the_documented_names() {
    let sandbox = Sandbox::new();
    sandbox.good("apply -f resources.toml");
    let status = sandbox.good("status --tenant acme --json").json();
    for name in
        ["tenant_id", "quota", "current_usage", "remaining", "held_usd", "is_blocked", "blocked_until", "accounts"]
    {
        assert!(status.get(name).is_some(), "{name} in {status:#}");
    }
    assert_eq!((&status["quota"]["rpm"], &status["remaining"]["budget_usd"]), (&json!(5), &json!("10.00")));
    assert_eq!(status["current_usage"]["total_cost_usd"], "0.00");
    let usage = sandbox.good("usage --tenant acme --json --by key").json();
    for name in [
        "tenant_id",
        "total_requests",
        "total_tokens",
        "total_cost_usd",
        "monthly_budget",
        "budget_remaining",
        "budget_utilization_pct",
    ] {
        assert!(usage.get(name).is_some(), "{name} in {usage:#}");
    }
    assert!(sandbox.good("status --tenant acme").out.contains("requests / minute"));
    assert!(sandbox.good("usage --tenant acme --csv").out.starts_with("name,"));
    assert!(sandbox.good("calls --tenant acme --csv").out.starts_with("at,"));
}

#[test]
fn many_resources_are_applied_in_one_go() {
    let sandbox = Sandbox::new();
    let mut text = RESOURCES.to_owned();
    for number in 0..1_000 {
        text.push_str(&format!(
            "\n[[tenant]]\nid = \"t{number}\"\n[[tenant.project]]\nid = \"p\"\n[[tenant.project.key]]\nname = \"k\"\n"
        ));
    }
    sandbox.write("many.toml", &text);
    let answer = sandbox.good("apply -f many.toml --json").json();
    assert_eq!(answer["secrets"].as_array().unwrap().len(), 1_001);
}
