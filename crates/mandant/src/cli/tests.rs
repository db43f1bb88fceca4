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
    let mut patch = terms.patch();
    unset.add_to(&mut patch);
    let expected = serde_json::json!({
        "models": ["a", "b"],
        "limits": {"requests_per_minute": 5, "concurrency": null},
        "budget": {"usd_per_month": "10.50"},
        "timezone": null
    });
    assert_eq!(patch, expected);
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
