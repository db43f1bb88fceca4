//! Promises of the command line as a whole.

use clap::CommandFactory as _;

use super::*;

fn each(command: &clap::Command, path: &str, visit: &mut impl FnMut(&clap::Command, &str)) {
    visit(command, path);
    for child in command.get_subcommands() {
        each(child, &format!("{path} {}", child.get_name()), visit);
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_an_example_that_parses() {
    each(&Cli::command(), "mandant", &mut |command, path| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  mandant ")).collect();
        assert!(!examples.is_empty(), "{path} has no example");
        for example in examples {
            let example = example.rsplit(" | mandant ").next().unwrap_or(example);
            let words = example.split(" > ").next().unwrap_or(example).split_whitespace();
            let parsed = Cli::try_parse_from(core::iter::once("mandant").chain(words));
            assert!(parsed.is_ok(), "{path}: {example}: {}", parsed.map(|_| ()).unwrap_err());
        }
    });
}

#[test]
fn no_option_takes_a_secret_itself() {
    each(&Cli::command(), "mandant", &mut |command, path| {
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str();
            assert!(!["secret", "password", "token"].contains(&name), "{path} --{name} would show in ps");
        }
    });
    let inline = Cli::try_parse_from(["mandant", "upstream", "update", "a", "--api-key", "sk-inline"]);
    assert!(inline.unwrap_err().to_string().contains("--secret-file"));
}

#[test]
fn settings_become_a_patch_of_what_was_named() {
    let cli = Cli::try_parse_from([
        "mandant",
        "tenant",
        "update",
        "acme",
        "--rpm",
        "5",
        "--usd-per-month",
        "10.50",
        "--models",
        "a,b",
        "--unset",
        "limits.concurrency",
        "--unset",
        "timezone",
    ]);
    let Ok(Cli { command: Command::Tenant(TenantCommand::Update { terms, unset, .. }), .. }) = cli else {
        panic!("it parses")
    };
    let mut patch = terms.patch().unwrap();
    unset.add_to(&mut patch);
    let expected = serde_json::json!({
        "models": ["a", "b"],
        "limits": {"requests_per_minute": 5, "concurrency": null},
        "budget": {"usd_per_month": "10.50"},
        "timezone": null
    });
    assert_eq!(patch, expected);
}

/// What an update of a tenant with these words changes.
fn patch_of(words: &[&str]) -> Result<serde_json::Value, crate::config::Findings> {
    let words = ["mandant", "tenant", "update", "acme"].iter().chain(words);
    match Cli::try_parse_from(words).unwrap().command {
        Command::Tenant(TenantCommand::Update { terms, unset, .. }) => {
            let mut patch = terms.patch()?;
            unset.add_to(&mut patch);
            Ok(patch)
        }
        _ => panic!("it is an update of a tenant"),
    }
}

#[test]
fn limits_of_parts_and_limits_that_are_watched_are_as_in_files() {
    let patch = patch_of(&[
        "--rph",
        "7",
        "--per-model",
        "gpt-4.1",
        "rpm=10,tokens-per-day=500000,shadow.rpm=5",
        "--per-model",
        "meta/llama:free",
        "concurrency=2",
        "--per-model",
        "gpt-4.1",
        "block-for=30s",
        "--per-end-user",
        "rpm=5, block_for=5m",
        "--shadow",
        "rpm=60,usd-per-month=50",
        "--shadow",
        "tokens_per_month=1000",
    ]);
    let expected = serde_json::json!({"limits": {
        "requests_per_hour": 7,
        "models": {
            "gpt-4.1": {
                "requests_per_minute": 10,
                "tokens_per_day": 500_000,
                "block_for": "30s",
                "shadow": {"requests_per_minute": 5},
            },
            "meta/llama:free": {"concurrency": 2},
        },
        "per_end_user": {"requests_per_minute": 5, "block_for": "5m"},
        "shadow": {"requests_per_minute": 60, "usd_per_month": "50", "tokens_per_month": 1_000},
    }});
    assert_eq!(patch.unwrap(), expected);
    // Without others it is the only member.
    let alone = patch_of(&["--per-end-user", "rpm=1"]).unwrap();
    assert_eq!(alone, serde_json::json!({"limits": {"per_end_user": {"requests_per_minute": 1}}}));
    assert_eq!(patch_of(&["--name", "A"]).unwrap(), serde_json::json!({"name": "A"}));
}

#[test]
fn what_is_wrong_with_limits_is_told_all_at_once() {
    let findings = patch_of(&[
        "--per-model",
        "gpt-4.1",
        "rpn=10,tokens_per_month=5",
        "--per-model",
        "not a name",
        "rpm=1",
        "--per-end-user",
        "rpm=many,block_for=soon,rpm=2",
        "--shadow",
        "rpm,usd_per_month=ten",
        "--shadow",
        "tpm=1,tokens_per_minute=2",
    ])
    .unwrap_err();
    let mut told: Vec<String> = findings.to_string().lines().map(str::to_owned).collect();
    told.sort();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_setting_of_a_model_is_taken_away_although_its_name_has_dots() {
    let unset = |path: &str| patch_of(&["--unset", path]).unwrap();
    let model = serde_json::json!({"limits": {"models": {"gpt-4.1": null}}});
    assert_eq!(unset("limits.models.gpt-4.1"), model);
    assert_eq!(unset("limits.models.\"gpt-4.1\""), model);
    let rpm = serde_json::json!({"limits": {"models": {"gpt-4.1": {"requests_per_minute": null}}}});
    assert_eq!(unset("limits.models.gpt-4.1.rpm"), rpm);
    assert_eq!(unset("limits.models.\"gpt-4.1\".requests_per_minute"), rpm);
    let shadow = serde_json::json!({"limits": {"models": {"gpt-4.1": {"shadow": {"tokens_per_day": null}}}}});
    assert_eq!(unset("limits.models.gpt-4.1.shadow.tpd"), shadow);
    assert_eq!(unset("limits.models"), serde_json::json!({"limits": {"models": null}}));
    assert_eq!(unset("limits.shadow.rpm"), serde_json::json!({"limits": {"shadow": {"requests_per_minute": null}}}));
    assert_eq!(unset("limits.rpm"), serde_json::json!({"limits": {"requests_per_minute": null}}));
}

#[test]
fn the_tree_of_commands_is_the_documented_one() {
    let mut tree = String::new();
    each(&Cli::command(), "mandant", &mut |command, path| {
        let options: Vec<String> = command
            .get_arguments()
            .filter(|argument| !argument.is_global_set())
            .map(|argument| {
                argument.get_long().map_or_else(|| argument.get_id().to_string(), |long| format!("--{long}"))
            })
            .collect();
        tree.push_str(&format!("{path} {}\n", options.join(" ")).replace(" \n", "\n"));
    });
    insta::assert_snapshot!(tree);
}
